#!/usr/bin/python3
"""SciPy's odeint, as the question used it: w by interp1d (linear), by UnivariateSpline, or as a cubic
compiled with numba together with the right-hand side.

  peer_scipy.py linear|spline|numba TABLE ROWS TOLERANCE ...

Prints what the compiled peers print (peer.h), from the first ROWS rows of the table."""

import os
import sys
import time

import numpy as np
from scipy.integrate import odeint, solve_ivp
from scipy.interpolate import CubicSpline, UnivariateSpline, interp1d

KNOTS = 24001


def read(path):
    rows, last = [], None
    with open(path) as f:
        for line in f:
            if line.startswith("#"):
                if " T = " in line and last is None:
                    last = float(line.split(" T = ")[1].rstrip(".\n"))
                continue
            rows.append([float(x) for x in line.split()])
    return np.array(rows), last


def drive(name, last):
    """Knots and values of w on a little more than [0, last]."""
    t = np.linspace(0, last * 1.2, KNOTS)
    if name.startswith("mathieu"):
        return t, np.cos(2 * t)
    f = (lambda x: 1 + 0.05 * x) if name.startswith("preheat") else (
        lambda x: 1 + 0.3 * np.cos(1.7 * x))
    y = solve_ivp(lambda x, u: [u[1], -f(x) * u[0]], [0, t[-1]], [1, 0], "DOP853", t,
                  rtol=1e-13, atol=1e-14).y[0]
    return t, y * y if name.startswith("preheat") else y


def compiled(t, w):
    """The right-hand side and its spline in machine code."""
    import numba
    c = np.ascontiguousarray(CubicSpline(t, w, bc_type="natural").c[::-1].T)
    step = t[1] - t[0]

    @numba.njit
    def fun(u, x, a, q):
        i = min(max(int(x / step), 0), c.shape[0] - 1)
        h = x - i * step
        v = c[i, 0] + h * (c[i, 1] + h * (c[i, 2] + h * c[i, 3]))
        return np.array([u[1], -(a + q * v) * u[0]])

    fun(np.array([1.0, 0.0]), 0.0, 1.0, 1.0)
    return fun


def right_hand_side(kind, t, w):
    if kind == "numba":
        return compiled(t, w)
    at = interp1d(t, w) if kind == "linear" else UnivariateSpline(t, w, s=0, k=3)

    def fun(u, x, a, q):
        return [u[1], -(a + q * float(at(x))) * u[0]]
    return fun


def main():
    kind, table, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    rows, last = read(table)
    rows = rows[:count]
    fun = right_hand_side(kind, *drive(os.path.basename(table), last))
    for tolerance in map(float, sys.argv[4:]):
        worst, start = 0.0, time.thread_time()
        for row in rows:
            z = odeint(fun, [1.0, 0.0], [0, last], args=(row[3], row[2]), rtol=tolerance,
                       atol=tolerance, mxstep=100000)[-1, 0]
            worst = max(worst, abs(z - row[4]) / (1 + np.hypot(row[4], row[5] / row[8])))
        ns = (time.thread_time() - start) / len(rows) * 1e9
        print(f"{tolerance:g} {ns:.6g} {worst:.3g}", flush=True)


if __name__ == "__main__":
    main()
