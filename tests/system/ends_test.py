#!/usr/bin/python3
"""To the very end of w.t: SciPy's LSODA steps past it and fails there when w is an interpolant that has
bounds; hillsweep evaluates nothing outside w.t, and its numbers are right there."""

import unittest

import numpy
from scipy.integrate import odeint, solve_ivp
from scipy.interpolate import interp1d

from house import House, driven

END, KNOTS = 12.0, 2401
Q, A = [0.5, 3.0], [-1.0, 2.0, 6.0]


def in_scipy(w):
    """The last z of the question's loop at one point, with its own tolerances."""
    return odeint(lambda u, t: [u[1], -(A[1] + Q[0] * float(w(t))) * u[0]], [1, 0],
                  numpy.linspace(0, END, 241))[-1, 0]


class Ends(House):
    def test_scipy_steps_past_the_end(self):
        t = numpy.linspace(0, END, KNOTS)
        with self.assertRaisesRegex(ValueError, "above the interpolation range"):
            in_scipy(interp1d(t, numpy.cos(2 * t)))

    def test_hillsweep_does_not(self):
        for kind in ("exact", "linear", "cspline", "akima", "steffen"):
            w = {"is": "cos(2*t)", "t": [0, END], "interpolation": kind}
            if kind != "exact":
                w["knots"] = KNOTS
            job = driven(y=None, w=w, z__t={"from": 0, "to": END, "count": 241},
                         grid={"q": Q, "a": A}, output={"F": "z(t[240])"}, tolerance=1e-9)
            out = self.path(kind)
            self.client("run", "--full", self.write_job(job), "-o", out, broker=False)
            field, error = numpy.load(out + "/F.npy"), numpy.load(out + "/F.error.npy")
            self.assertTrue((numpy.load(out + "/status.npy") == 1).all())
            for i, q in enumerate(Q):
                for j, a in enumerate(A):
                    true = solve_ivp(lambda t, u: [u[1], -(a + q * numpy.cos(2 * t)) * u[0]],
                                     [0, END], [1, 0], "DOP853", rtol=1e-12, atol=1e-12).y[0, -1]
                    allowed = error[i, j] + 1e-10 * (1 + abs(true))
                    self.assertLessEqual(abs(field[i, j] - true), allowed, (kind, q, a))


if __name__ == "__main__":
    unittest.main()
