"""The question's loop with a built-in functional form of w."""
import numpy as np
from scipy.integrate import odeint

nq = 100
na = 100
t = np.linspace(0, 10, 201)


def fun(z, t, a, q):
    return [z[1], -(a + q * np.cos(2 * t)) * z[0]]


with open("rows.txt", "w") as f1:
    for q in np.linspace(0.0, 4.0, nq):
        for a in np.linspace(-2.0, 7.0, na):
            sol1 = odeint(fun, [1, 0], t, args=(a, q))[..., 0]
            F = 1 + sol1[157]
            f1.write("{} {} {}\n".format(q, a, F))
