#!/usr/bin/python3
"""What a point of a chart costs on its way from a worker into the files, as points and as leaves (polynomials
that the sink expands): bytes on the wire, processor time of each of the broker's threads and of the worker.

  tests/bench/wire.py [--side N] [--data DIR] [JOB.json ...]

The jobs (default: the Mathieu and stability charts and the preheating one of client/examples) with N x N points, one worker
thread that calls itself another machine, TCP on loopback; DATA lies in DIR (default: /dev/shm, so that no disk
takes part)."""

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("HILLSWEEP_BIN", os.path.join(ROOT, "build/release/bin"))
EXAMPLES = ("mathieu", "strutt", "preheat")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_seconds(pid):
    """Of the threads of each name."""
    seconds = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat") as f:
            head, _, rest = f.read().rpartition(")")
        name, fields = head.partition("(")[2], rest.split()
        used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        seconds[name] = seconds.get(name, 0) + used
    return seconds


def run(job, leaves, folder):
    """One job through a broker of its own: points, wall seconds, bytes that came, threads' seconds."""
    end = f"tcp://127.0.0.1:{free_port()}"
    read, write = os.pipe()
    with open(os.path.join(folder, "log"), "w") as log:
        broker = subprocess.Popen([f"{BIN}/hillsweep-broker", "--listen", end, "--data", f"{folder}/data", "--log", "debug",
                                   "--leaves", leaves, "--ready-fd", str(write)], stderr=log, pass_fds=[write])
        os.close(write)
        os.read(read, 6)
        worker = subprocess.Popen([f"{BIN}/hillsweep-worker", "--broker", end, "--threads", "1", "--full",
                                   "--name", "elsewhere"], stderr=subprocess.DEVNULL)
        client = [f"{BIN}/hillsweep", "--broker", end]
        while '"host"' not in subprocess.run(client + ["workers", "--json"], capture_output=True, text=True).stdout:
            time.sleep(0.05)
        begin = time.monotonic()
        number = subprocess.run(client + ["submit", job], capture_output=True, text=True, check=True).stdout.strip()
        subprocess.run(client + ["wait", number], capture_output=True, check=True)
        wall = time.monotonic() - begin
        threads = cpu_seconds(broker.pid), cpu_seconds(worker.pid)
        for p in (worker, broker):
            p.terminate()
            p.wait()
    with open(os.path.join(folder, "log")) as f:
        arrived = [int(n) for n in re.findall(r"arrived .* bytes=(\d+)", f.read())]
    return wall, sum(arrived), threads


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--side", type=int, default=5000)
    p.add_argument("--data", default="/dev/shm")
    p.add_argument("jobs", nargs="*", default=[f"{ROOT}/client/examples/{name}.json" for name in EXAMPLES])
    args = p.parse_args()
    print(f"{'ns of processor time a point':34}{'Mpoints/s':>10}{'bytes/point':>13}{'broker':>8}{'of it sink':>12}{'worker':>8}")
    for path in args.jobs:
        with open(path) as f:
            job = json.load(f)
        for axis in ("q", "a"):
            job["grid"][axis]["count"] = args.side
        for leaves in ("none", "all"):
            folder = tempfile.mkdtemp(prefix="hs-wire-", dir=args.data)
            try:
                file = os.path.join(folder, "job.json")
                with open(file, "w") as f:
                    json.dump(job, f)
                wall, sent, (broker, worker) = run(file, leaves, folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            ns = 1e9 / args.side ** 2
            sink = broker["sink"] + broker.get("writer", 0)  # the latter where stretches are long
            name = f"{os.path.basename(path)}, {'leaves' if leaves == 'all' else 'points'}"
            print(f"{name:34}{1e-6 * args.side ** 2 / wall:10.1f}{sent / args.side ** 2:13.3f}{sum(broker.values()) * ns:8.1f}"
                  f"{sink * ns:12.1f}{sum(worker.values()) * ns:8.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
