"""The question's loop with its right-hand side, interpolation and all, compiled by numba."""
import numpy as np
from numba import njit
from scipy.integrate import odeint

nq = 100
na = 100
t = np.linspace(0, 10, 201)
step = 0.0005
knots = np.arange(0, 20, step)


def oscillator(y, t):
    return [y[1], -(1 + 0.3 * np.cos(1.7 * t)) * y[0]]


W = odeint(oscillator, [1, 0], knots, rtol=1e-10, atol=1e-10)[:, 0].copy()


@njit
def fun(z, t, a, q):
    i = int(t / step)
    x = t / step - i
    w = (1 - x) * W[i] + x * W[i + 1]
    return np.array([z[1], -(a + q * w) * z[0]])


with open("rows.txt", "w") as f1:
    for q in np.linspace(0.0, 4.0, nq):
        for a in np.linspace(-2.0, 7.0, na):
            sol1 = odeint(fun, [1.0, 0.0], t, args=(a, q))[..., 0]
            F = 1 + sol1[157]
            f1.write("{} {} {}\n".format(q, a, F))
