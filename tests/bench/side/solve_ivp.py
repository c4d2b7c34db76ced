"""SciPy's present interface: solve_ivp with DOP853, w by CubicSpline."""
import numpy as np
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline

nq = 100
na = 100
t = np.linspace(0, 10, 201)
knots = np.linspace(0, 20, 4001)
accurate = dict(method="DOP853", rtol=1e-9, atol=1e-9)


def oscillator(t, y):
    return [y[1], -(1 + 0.3 * np.cos(1.7 * t)) * y[0]]


def fun(t, z, a, q):
    return [z[1], -(a + q * w(t)) * z[0]]


y = solve_ivp(oscillator, [0, 20], [1, 0], t_eval=knots, method="DOP853", rtol=1e-11, atol=1e-11)
w = CubicSpline(knots, y.y[0])
with open("rows.txt", "w") as f1:
    for q in np.linspace(0.0, 4.0, nq):
        for a in np.linspace(-2.0, 7.0, na):
            z = solve_ivp(fun, [0, t[157]], [1, 0], args=(a, q), **accurate).y[0, -1]
            f1.write("{} {} {}\n".format(q, a, 1 + z))
