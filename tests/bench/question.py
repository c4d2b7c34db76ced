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


def asked():
    """Steps 1 to 4 as in the question, with the interpolation that its author ended up with."""
    t_y = np.linspace(0, 20, 4001)
    y = odeint(lambda u, t: [u[1], -(1 + 0.3 * np.cos(1.7 * t)) * u[0]], [1, 0], t_y,
               rtol=1e-10, atol=1e-10)[:, 0]
    w = UnivariateSpline(t_y, y, s=0, k=3)

    def fun(u, t, a, q):
        return [u[1], -(a + q * float(w(t))) * u[0]]

    t = np.linspace(0, 10, 201)
    out = np.empty((100, 100))
    for i, q in enumerate(np.linspace(0.0, 4.0, 100)):
        for j, a in enumerate(np.linspace(-2.0, 7.0, 100)):
            out[i, j] = 1 + odeint(fun, [1, 0], t, args=(a, q))[157, 0]
    return out


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
        error = np.load(os.path.join(out, "F.error.npy"))
        shutil.rmtree(folder)
    return field, error, sorted(times)


def main():
    programs = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build/release/bin")
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    field, error, times = ours(programs)
    start = time.perf_counter()
    theirs = asked()
    python = time.perf_counter() - start
    scale = 1 + np.abs(field)
    off = np.abs(theirs - field) / scale
    print(f"one core (number {core}), 100 x 100 points, T = 7.85")
    print(f"  odeint + UnivariateSpline loop   {python:9.3f} s")
    print(f"  hillsweep run, whole             {times[len(times) // 2]:9.3f} s   "
          f"(median of {len(times)}; {times[0]:.3f} to {times[-1]:.3f})")
    print(f"  ratio                            {python / times[len(times) // 2]:9.0f}")
    print(f"  |difference| / (1 + |F|): median {np.median(off):.1e}, largest {off.max():.1e} "
          "(odeint's own tolerance is 1.5e-8 a step)")
    print(f"  hillsweep's stated error / (1 + |F|): largest {(error / scale).max():.1e}")
    agree = off.max() < 1e-5  # what tolerances of 1.5e-8 a step add up to over this span
    print("  they agree" if agree else "  THEY DO NOT AGREE")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
