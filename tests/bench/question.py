#!/usr/bin/python3
"""The question's own sweep, 100 x 100, both ways in one run on one core: a Python loop of
scipy.integrate.odeint with the y of step 1 as a UnivariateSpline, and `hillsweep run` as a user
types it: processes started, results durable on disk.

  tests/bench/question.py [folder of the programs]      (default build/release/bin)

Prints both wall times, their ratio, and how far the numbers are apart."""

import os
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
from scipy.integrate import odeint
from scipy.interpolate import UnivariateSpline

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


Q, A = np.linspace(0.0, 4.0, 100), np.linspace(-2.0, 7.0, 100)
T = np.linspace(0, 10, 201)


def drive():
    """Steps 1 and 2 as in the question, with the interpolation that its author ended up with."""
    t = np.linspace(0, 20, 4001)
    y = odeint(lambda u, t: [u[1], -(1 + 0.3 * np.cos(1.7 * t)) * u[0]], [1, 0], t,
               rtol=1e-12, atol=1e-12)[:, 0]
    return UnivariateSpline(t, y, s=0, k=3)


def solve(w, q, a, **tolerances):
    def fun(u, t, a, q):
        return [u[1], -(a + q * float(w(t))) * u[0]]
    return odeint(fun, [1, 0], T, args=(a, q), **tolerances)[157]


def asked(w):
    """Steps 3 and 4: the loop of the question."""
    return np.array([[1 + solve(w, q, a)[0] for a in A] for q in Q])


def own_error(w, theirs, field, points=100):
    """At the points where the two are farthest apart and at some others: how far odeint is from
    itself with tolerances of 1e-12, and how far hillsweep is from that, relative to 1 + |(z, z')|."""
    far = np.argsort(-np.abs(theirs - field), axis=None)[:points]
    some = np.random.default_rng(1).integers(0, theirs.size, points)
    rows = []
    for k in np.concatenate([far, some]):
        i, j = divmod(int(k), 100)
        z, dz = solve(w, Q[i], A[j], rtol=1e-12, atol=1e-12, mxstep=100000)
        scale = 1 + np.hypot(z, dz)
        rows.append((abs(theirs[i, j] - 1 - z) / scale, abs(field[i, j] - 1 - z) / scale))
    return np.array(rows).T


def ours(programs, runs=5):
    times = []
    for _ in range(runs):
        folder = tempfile.mkdtemp(prefix="hs-bench-")
        out = os.path.join(folder, "out")
        start = time.perf_counter()
        subprocess.run([os.path.join(programs, "hillsweep"), "run", "-j", "1", "-o", out,
                        os.path.join(ROOT, "client/examples/driven.json")],
                       check=True, stderr=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
        field = np.load(os.path.join(out, "F.npy"))
        shutil.rmtree(folder)
    return field, sorted(times)


def main():
    programs = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build/release/bin")
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    field, times = ours(programs)
    start = time.perf_counter()
    w = drive()
    theirs = asked(w)
    python = time.perf_counter() - start
    off_theirs, off_ours = own_error(w, theirs, field)
    print(f"one core (number {core}), 100 x 100 points, T = 7.85")
    print(f"  odeint + UnivariateSpline loop   {python:9.3f} s")
    print(f"  hillsweep run, whole             {times[len(times) // 2]:9.3f} s   "
          f"(median of {len(times)}; {times[0]:.3f} to {times[-1]:.3f})")
    print(f"  ratio                            {python / times[len(times) // 2]:9.0f}")
    print("  from odeint with tolerances of 1e-12, relative to 1 + |(z, z')|, at 200 points:")
    print(f"    odeint as asked (1.5e-8 a step)  largest {off_theirs.max():.1e}")
    print(f"    hillsweep                        largest {off_ours.max():.1e}")
    agree = (off_ours <= off_theirs + 1e-9).all()
    print("  they agree within odeint's own error" if agree else "  THEY DO NOT AGREE")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
