"""As a comment on the question has it: y and z as one system, so that nothing is interpolated."""
import numpy as np
from scipy.integrate import odeint

nq = 100
na = 100
t = np.linspace(0, 10, 201)


def fun(u, t, a, q):
    z, dz, y, dy = u
    return [dz, -(a + q * y) * z, dy, -(1 + 0.3 * np.cos(1.7 * t)) * y]


with open("rows.txt", "w") as f1:
    for q in np.linspace(0.0, 4.0, nq):
        for a in np.linspace(-2.0, 7.0, na):
            sol1 = odeint(fun, [1, 0, 1, 0], t, args=(a, q))[..., 0]
            F = 1 + sol1[157]
            f1.write("{} {} {}\n".format(q, a, F))
