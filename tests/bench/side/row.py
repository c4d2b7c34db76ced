"""One q of the sweep, for parallel.sh."""
import sys

import numpy as np
from scipy.integrate import odeint
from scipy.interpolate import UnivariateSpline

nq = 100
na = 100
t = np.linspace(0, 10, 201)


def oscillator(y, t):
    return [y[1], -(1 + 0.3 * np.cos(1.7 * t)) * y[0]]


def fun(z, t, a, q):
    return [z[1], -(a + q * w(t)) * z[0]]


knots = np.linspace(0, 20, 4001)
w = UnivariateSpline(knots, odeint(oscillator, [1, 0], knots, rtol=1e-10, atol=1e-10)[:, 0], s=0)
q = np.linspace(0.0, 4.0, nq)[int(sys.argv[1])]
for a in np.linspace(-2.0, 7.0, na):
    sol1 = odeint(fun, [1, 0], t, args=(a, q), rtol=1e-9, atol=1e-9)[..., 0]
    print(q, a, 1 + sol1[157])
