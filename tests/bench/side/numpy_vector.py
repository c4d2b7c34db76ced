"""All points as one system of equations: NumPy arrays, one call of solve_ivp."""
import numpy as np
from scipy.integrate import solve_ivp

nq = 100
na = 100
t = np.linspace(0, 10, 201)
q, a = (x.ravel() for x in np.meshgrid(np.linspace(0.0, 4.0, nq), np.linspace(-2.0, 7.0, na),
                                       indexing="ij"))
n = q.size


def fun(t, u):
    z, dz, y, dy = u[:n], u[n:2 * n], u[-2], u[-1]
    return np.concatenate([dz, -(a + q * y) * z, [dy, -(1 + 0.3 * np.cos(1.7 * t)) * y]])


start = np.concatenate([np.ones(n), np.zeros(n), [1, 0]])
z = solve_ivp(fun, [0, t[157]], start, t_eval=[t[157]], method="DOP853", rtol=1e-9, atol=1e-9)
np.savetxt("rows.txt", np.c_[q, a, 1 + z.y[:n, 0]], fmt="%.17g")
