"""The accepted answer's arrangement: a queue of tasks, a process for each core, a queue of rows and a
process that writes them."""
import multiprocessing as mp
import queue

import numpy as np
from scipy.integrate import odeint
from scipy.interpolate import UnivariateSpline

nq = 100
na = 100
t = np.linspace(0, 10, 201)


def oscillator(y, t):
    return [y[1], -(1 + 0.3 * np.cos(1.7 * t)) * y[0]]


knots = np.linspace(0, 20, 4001)
w = UnivariateSpline(knots, odeint(oscillator, [1, 0], knots, rtol=1e-10, atol=1e-10)[:, 0], s=0)


def fun(z, t, a, q):
    return [z[1], -(a + q * w(t)) * z[0]]


def run(tasks, rows):
    while True:
        try:
            a, q = tasks.get(block=False)
        except queue.Empty:
            break
        sol1 = odeint(fun, [1, 0], t, args=(a, q))[..., 0]
        rows.put((q, a, 1 + sol1[157]))


def write(rows):
    with open("rows.txt", "w") as f1:
        while True:
            try:
                row = rows.get(block=False)
            except queue.Empty:
                continue
            if row == "TERMINATE":
                break
            f1.write("{} {} {}\n".format(*row))


manager = mp.Manager()
tasks, rows = manager.Queue(), manager.Queue()
for q in np.linspace(0.0, 4.0, nq):
    for a in np.linspace(-2.0, 7.0, na):
        tasks.put((a, q))
workers = [mp.Process(target=run, args=(tasks, rows)) for _ in range(mp.cpu_count())]
writer = mp.Process(target=write, args=(rows,))
for process in workers + [writer]:
    process.start()
for process in workers:
    process.join()
rows.put("TERMINATE")
writer.join()
