#!/usr/bin/python3
"""The sweep of the question's accepted answer, the damped pendulum z'' = -a z' - q sin z on 100 x 100
points, both ways in one run on the same cores: scipy.integrate.odeint in worker processes that a
queue feeds, with its default tolerances and one more process that writes the rows, and `hillsweep
run` as a user types it.

  tests/bench/pendulum.py [folder of the programs]      (default build/release/bin)

Prints wall and processor times, the ratio of the latter, and how far both are from odeint with
tolerances of 1e-13 at a sample of points. Points with a < -1 turn over up to a million times; odeint,
whose tolerance bounds a step and not the point, is off there by some 1e-6."""

import json
import multiprocessing as mp
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
from scipy.integrate import odeint

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
Q, A = np.linspace(0.0, 4.0, 100), np.linspace(-2.0, 7.0, 100)
T = np.linspace(0, 10, 201)
TOLERANCE = 3e-5  # of every point; with it the largest error is no larger than that of odeint
JOB = {
    "name": "pendulum",
    "z": {"ddz": "-a*dz - q*sin(z)", "start": [1, 0], "t": {"from": 0, "to": 10, "count": 201}},
    "grid": {"q": {"from": 0, "to": 4, "count": 100}, "a": {"from": -2, "to": 7, "count": 100}},
    "output": {"F": "1 + z(t[157])"},
    "tolerance": TOLERANCE,
}


def pendulum(u, t, a, q):
    return [u[1], -a * u[1] - q * np.sin(u[0])]


def work(tasks, rows):
    warnings.simplefilter("ignore")
    for i, j in iter(tasks.get, None):
        rows.put((i, j, 1 + odeint(pendulum, [1, 0], T, args=(A[j], Q[i]))[157, 0]))
    rows.put(None)


def write(rows, workers, path):
    with open(path, "w") as out:
        while workers > 0:
            row = rows.get()
            workers -= row is None
            if row is not None:
                out.write(f"{row[0]} {row[1]} {row[2]:.17g}\n")


def theirs(cores):
    """The answer's arrangement: tasks in a queue, workers, one writer."""
    path = tempfile.mktemp(prefix="hs-bench-")
    tasks, rows = mp.Queue(), mp.Queue()
    for i in range(len(Q)):
        for j in range(len(A)):
            tasks.put((i, j))
    for _ in range(cores):
        tasks.put(None)
    processes = [mp.Process(target=work, args=(tasks, rows)) for _ in range(cores)]
    processes.append(mp.Process(target=write, args=(rows, cores, path)))
    for p in processes:
        p.start()
    for p in processes:
        p.join()
    field = np.empty((len(Q), len(A)))
    for i, j, f in np.loadtxt(path):
        field[int(i), int(j)] = f
    os.unlink(path)
    return field


def ours(programs, cores):
    folder = tempfile.mkdtemp(prefix="hs-bench-")
    job, out = os.path.join(folder, "job.json"), os.path.join(folder, "out")
    with open(job, "w") as f:
        json.dump(JOB, f)
    subprocess.run([os.path.join(programs, "hillsweep"), "run", "-j", str(cores), "-o", out, job],
                   check=True, stderr=subprocess.DEVNULL)
    result = [np.load(os.path.join(out, n + ".npy")) for n in ("F", "F.error", "status")]
    shutil.rmtree(folder)
    return result


def timed(call, *args):
    """The result, wall seconds and processor seconds of all children."""
    wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    result = call(*args)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return result, time.perf_counter() - wall, cpu


def reference(points):
    truth, scale = [], []
    for i, j in points:
        z, dz = odeint(pendulum, [1, 0], [0, T[157]], args=(A[j], Q[i]), rtol=1e-13, atol=1e-13,
                       mxstep=10**8)[1]
        truth.append(1 + z)
        scale.append(1 + np.hypot(z, dz))
    return np.array(truth), np.array(scale)


def main():
    programs = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build/release/bin")
    cores = len(os.sched_getaffinity(0))
    runs = [timed(ours, programs, cores) for _ in range(5)]
    (field, stated, status), wall, cpu = min(runs, key=lambda r: r[2])
    scipy, scipy_wall, scipy_cpu = timed(theirs, cores)
    points = [(i, j) for i in range(5, 100, 30) for j in range(0, 100, 9)]
    truth, scale = reference(points)
    at = tuple(np.array(points).T)
    off = np.abs(field[at] - truth) / scale
    off_scipy = np.abs(scipy[at] - truth) / scale
    print(f"{cores} cores, 100 x 100 points, z'' = -a z' - q sin z, T = 7.85")
    print(f"  odeint in workers fed by a queue   {scipy_wall:8.2f} s, {scipy_cpu:8.2f} s of processors")
    print(f"  hillsweep run, whole               {wall:8.2f} s, {cpu:8.2f} s of processors   "
          f"(least of {len(runs)}; most {max(r[2] for r in runs):.2f} s)")
    print(f"  ratio per core                     {scipy_cpu / cpu:8.0f}")
    print(f"  error relative to 1 + |(z, z')| at {len(points)} points: largest, median")
    print(f"    odeint, default tolerances       {off_scipy.max():.1e}, {np.median(off_scipy):.1e}")
    print(f"    hillsweep, tolerance {TOLERANCE:g}       {off.max():.1e}, {np.median(off):.1e}")
    sound = (status == 1).all() and (off * scale <= stated[at] + 1e-8 * scale).all() \
        and (off <= TOLERANCE).all()
    print("  every point is done, within its tolerance and its stated error" if sound
          else "  HILLSWEEP IS NOT WITHIN WHAT IT STATES")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
