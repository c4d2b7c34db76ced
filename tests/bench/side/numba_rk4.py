"""The whole sweep compiled by numba: a Runge-Kutta step of order 4 written out, on all cores."""
import numpy as np
from numba import njit, prange
from scipy.integrate import odeint

nq = 100
na = 100
steps = 4000
t = np.linspace(0, np.linspace(0, 10, 201)[157], 2 * steps + 1)


def oscillator(y, t):
    return [y[1], -(1 + 0.3 * np.cos(1.7 * t)) * y[0]]


@njit(parallel=True, cache=True)
def sweep(Q, A, w, h):
    F = np.empty((Q.size, A.size))
    for i in prange(Q.size):
        for j in range(A.size):
            z, v = 1.0, 0.0
            for k in range(0, w.size - 2, 2):
                f0 = -(A[j] + Q[i] * w[k])
                f1 = -(A[j] + Q[i] * w[k + 1])
                f2 = -(A[j] + Q[i] * w[k + 2])
                z1, v1 = v, f0 * z
                z2, v2 = v + h / 2 * v1, f1 * (z + h / 2 * z1)
                z3, v3 = v + h / 2 * v2, f1 * (z + h / 2 * z2)
                z4, v4 = v + h * v3, f2 * (z + h * z3)
                z += h / 6 * (z1 + 2 * z2 + 2 * z3 + z4)
                v += h / 6 * (v1 + 2 * v2 + 2 * v3 + v4)
            F[i, j] = 1 + z
    return F


w = odeint(oscillator, [1, 0], t, rtol=1e-12, atol=1e-12)[:, 0].copy()
Q, A = np.linspace(0.0, 4.0, nq), np.linspace(-2.0, 7.0, na)
F = sweep(Q, A, w, 2 * t[1])
q, a = np.meshgrid(Q, A, indexing="ij")
np.savetxt("rows.txt", np.c_[q.ravel(), a.ravel(), F.ravel()], fmt="%.17g")
