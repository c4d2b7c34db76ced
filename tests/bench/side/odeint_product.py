"""The question's loop, its two loops written as one: itertools.product."""
from itertools import product

import numpy as np
from scipy.integrate import odeint
from scipy.interpolate import interp1d

nq = 100
na = 100
t = np.linspace(0, 10, 201)


def oscillator(y, t):
    return [y[1], -(1 + 0.3 * np.cos(1.7 * t)) * y[0]]


def fun(z, t, a, q):
    return [z[1], -(a + q * w(t)) * z[0]]


knots = np.linspace(0, 20, 4001)
w = interp1d(knots, odeint(oscillator, [1, 0], knots, rtol=1e-10, atol=1e-10)[:, 0])
with open("rows.txt", "w") as f1:
    for q, a in product(np.linspace(0.0, 4.0, nq), np.linspace(-2.0, 7.0, na)):
        sol1 = odeint(fun, [1, 0], t, args=(a, q))[..., 0]
        F = 1 + sol1[157]
        f1.write("{} {} {}\n".format(q, a, F))
