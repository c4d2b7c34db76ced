#!/usr/bin/python3
"""What a machine's owner feels while all of its cores sweep: how late a small task wakes up that a
timer calls every millisecond, and how much longer a loop and a build take, against the same machine
without.

The sweep is stopped and continued (SIGSTOP, SIGCONT) every second or so, so that each measurement
has its twin beside it: the medians of the twins' ratios are what is told, and of the wake-up's p99
of each half second. Others may work on the machine at the same time, but the fewer the better; root
can keep them out of the way with a control group: its weight to the greatest, and this in it.

    tests/bench/guest.py [ROUNDS [CASE]]     (default 12 rounds, about 9 s each, of all cases;
                                              CASE: the beginning of a case's name)
"""

import glob
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
from house import BIN, ROOT, free_port, program  # noqa: E402

JOB = {"w": {"is": "cos(2*t)", "t": [0, 3000]}, "solver": "point",
       "z": {"start": [1, 0], "t": [0, 3000]}, "output": {"F": "z(3000)"}, "tolerance": 1e-9,
       "grid": {"q": {"from": 0, "to": 4, "count": 6000}, "a": {"from": 5, "to": 7, "count": 6000}}}
CORES = len(os.sched_getaffinity(0))
FILES = 16  # of a build
LENGTH = "20"  # of a loop: 0.7 s
BURSTS = 5  # of 35 ms
QUIET = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def foreground(*args):
    out = subprocess.run([program("foreground"), *args], capture_output=True, text=True, check=True)
    return [float(x) for x in out.stdout.split()]


def build_s(folder):
    """Some files of this project, as many at once as there are cores, as a build does it."""
    sources = sorted(glob.glob(f"{ROOT}/common/*.c"))[:FILES]
    command = ["xargs", "-P", str(CORES), "-I{}", "cc", "-O2", "-std=gnu17", "-D_GNU_SOURCE",
               f"-I{ROOT}/common", "-c", f"{ROOT}/common/{{}}.c", "-o", f"{folder}/{{}}.o"]
    names = "\n".join(os.path.basename(s)[:-2] for s in sources)
    began = time.monotonic()
    subprocess.run(command, input=names, text=True, check=True)
    return time.monotonic() - began


def measure(folder, pids):
    _, p99, worst = foreground("cyclic", "500")
    bursts = [foreground("spin", str(CORES), "1")[0] for _ in range(BURSTS)]
    loops, used = foreground("spin", str(CORES), LENGTH, *map(str, pids))
    return {"p99": p99, "max": worst, "loop": foreground("spin", "1", LENGTH)[0], "loops": loops,
            "bursts": sum(bursts), "taken": used / loops / CORES, "build": build_s(folder)}


def quantile(values, q):
    return sorted(values)[int(q * (len(values) - 1))]


def compare(case, rounds, folder):
    """Lists of measurements, with the sweep stopped and with it at work; the cores that it used."""
    without, beside, cpu, wall = [], [], 0.0, 0.0
    for _ in range(rounds):
        case.signal(signal.SIGSTOP)
        without.append(measure(folder, case.pids()))
        case.signal(signal.SIGCONT)
        began, used = time.monotonic(), case.cpu_s()
        beside.append(measure(folder, case.pids()))
        cpu, wall = cpu + case.cpu_s() - used, wall + time.monotonic() - began
    lists = [{k: [m[k] for m in ms] for k in ms[0]} for ms in (without, beside)]
    return *lists, cpu / wall


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def point():
    """A point of the sweep, in Python."""
    z, dz, t, h = 1.0, 0.0, 0.0, 1e-3
    for _ in range(2000):
        k = -(2.0 + 1.5 * (1.0 - 0.3 * t * t)) * z
        z, dz, t = z + h * dz, dz + h * k, t + h
    return z


def python_worker(connection):
    connection.send("working")
    while True:
        point()


class Pool:
    """Python's multiprocessing on all cores, as everyone writes it."""

    def __init__(self, _):
        context = multiprocessing.get_context("spawn")
        self.processes = []
        for _ in range(CORES):
            here, there = context.Pipe(False)
            p = context.Process(target=python_worker, args=(there,), daemon=True)
            p.start()
            here.recv()
            self.processes.append(p)

    def signal(self, number):
        for p in self.processes:
            os.kill(p.pid, number)

    def pids(self):
        return [p.pid for p in self.processes]

    def cpu_s(self):
        return sum(map(cpu_s, self.pids()))

    def end(self):
        for p in self.processes:
            p.terminate()
            p.join()


class Worker:
    """hillsweep-worker on all cores, in a session of its own as a unit, ssh or `run` starts it."""
    options, shell = ["--yield", "core"], False

    def __init__(self, endpoint):
        command = [program("hillsweep-worker"), "--broker", endpoint, "--threads", str(CORES)]
        command += self.options
        if self.shell:  # the shell leads the session
            command = ["sh", "-c", '"$@" & wait', "sh"] + command
        self.endpoint = endpoint
        self.p = subprocess.Popen(command, start_new_session=True, **QUIET)
        self.until(True)

    def until(self, working):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            out = subprocess.run([program("hillsweep"), "--broker", self.endpoint, "workers"],
                                 capture_output=True).stdout
            if (b"working" in out) == working:
                return
            time.sleep(0.05)
        self.signal(signal.SIGKILL)
        sys.exit(f"the worker {'does not work' if working else 'works on'}")

    def signal(self, number):
        os.killpg(self.p.pid, number)

    def pids(self):
        return subprocess.run(["pgrep", "-g", str(self.p.pid)], capture_output=True,
                              text=True).stdout.split()

    def cpu_s(self):
        return sum(map(cpu_s, self.pids()))

    def end(self):
        self.signal(signal.SIGTERM)
        self.p.wait()
        self.until(False)


class ShellWorker(Worker):
    shell = True


class PlainWorker(Worker):
    options = ["--yield", "none"]


class Idle(Pool):
    """Bare loops, SCHED_IDLE, in a session of the least weight: what the kernel alone can do."""

    def __init__(self, _):
        self.p = subprocess.Popen([program("foreground"), "idle", str(CORES)],
                                  start_new_session=True, **QUIET)
        self.processes = [self.p]
        with open(f"/proc/{self.p.pid}/autogroup", "w") as f:
            f.write("19")

    def end(self):
        self.p.kill()
        self.p.wait()


class FullWorker(Worker):
    options = ["--full"]


CASES = [("hillsweep-worker", Worker), ("  in a shell's session", ShellWorker),
         ("  --yield none", PlainWorker), ("loops, SCHED_IDLE", Idle), ("hillsweep-worker --full", FullWorker),
         ("Python multiprocessing", Pool)]


def report(name, without, beside, cores):
    slow = [100 * (quantile([b / w for b, w in zip(beside[k], without[k])], 0.5) - 1)
            for k in ("loop", "loops", "bursts", "build")]
    print(f"{name:26} {quantile(beside['p99'], 0.5):>9.0f} us {max(beside['max']) / 1000:>6.2f} ms " +
          " ".join(f"{x:+7.1f}%" for x in slow) +
          f" {100 * quantile(beside['taken'], 0.5):>6.1f}% {cores:>7.2f}")
    print(f"{'    stopped':26} {quantile(without['p99'], 0.5):>9.0f} us "
          f"{max(without['max']) / 1000:>6.2f} ms", flush=True)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    print(f"{CORES} cores, {rounds} rounds, load of the machine {os.getloadavg()[0]:.1f}")
    print(f"{'all cores in use by':26} {'wake-up p99':>12} {'max':>9} {'loop':>8} "
          f"{'loops':>8} {'bursts':>8} {'build':>8} {'taken':>7} {'cores':>7}")
    with tempfile.TemporaryDirectory(prefix="hs-bench-") as folder:
        endpoint = f"tcp://127.0.0.1:{free_port()}"
        # The broker is another machine's business: here it runs when nobody else wants to.
        broker = subprocess.Popen(["chrt", "--idle", "0", os.path.join(BIN, "hillsweep-broker"),
                                   "--listen", endpoint, "--data", f"{folder}/data"], **QUIET)
        try:
            with open(f"{folder}/job.json", "w") as f:
                json.dump(JOB, f)
            subprocess.run([program("hillsweep"), "--broker", endpoint, "submit",
                            f"{folder}/job.json"], check=True, **QUIET)
            wanted = sys.argv[2] if len(sys.argv) > 2 else ""
            for name, start in [c for c in CASES if c[0].startswith(wanted)]:
                case = start(endpoint)
                try:
                    report(name, *compare(case, rounds, folder))
                finally:
                    case.end()
        finally:
            broker.terminate()
            broker.wait()
    print("loop: one busy thread for 0.7 s; loops: one on each core; bursts: 35 ms of that at a time;\n"
          "build: files compiled one after another on each core;\n"
          "taken: the share of the cores that the sweep had while the loops wanted all of them;\n"
          "cores: what the sweep had of the machine during all this")


if __name__ == "__main__":
    main()
