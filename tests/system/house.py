"""Real programs for the system tests: brokers, workers and clients in a folder of their own, on
tcp://127.0.0.1 with a free port below 32768 (a reconnecting socket above could meet itself) or on
ipc://. Nothing sleeps for a fixed time: everything waits for a state. Time limits are for what hangs
(HANGS_S), and say nothing of how fast anything is."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BIN = os.environ.get("HILLSWEEP_BIN", os.path.join(ROOT, "build/release/bin"))
SLOW = float(os.environ.get("HILLSWEEP_SLOW", "1"))  # sanitizers make everything slower
HANGS_S = 60 * SLOW  # what takes longer will not come


def program(name):
    return os.path.join(BIN, name)


PORTS = []  # a socket for each port that this process has been given


def free_port():
    """One that no other test is given as long as this process lives, whether anybody listens at it just
    now or not: a name in the abstract namespace says whose it is."""
    for _ in range(1000):
        port = random.randrange(10000, 32000)
        name = socket.socket(socket.AF_UNIX)
        with socket.socket() as s:
            try:
                name.bind(f"\0hillsweep-test-port-{port}")
                s.bind(("127.0.0.1", port))
            except OSError:
                name.close()
                continue
        PORTS.append(name)
        return port
    raise RuntimeError("no free port")


def until(condition, what, seconds=HANGS_S):
    """Waits until condition() is true and returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.01)


def driven(**changes):
    """The question's own job; changes are 'grid.q.count'=... style paths with dots as __."""
    job = {
        "name": "driven mode",
        "y": {"f": "1 + 0.3*cos(1.7*t)", "t": [0, 20], "start": [1, 0]},
        "w": {"is": "y", "t": [0, 12]},
        "z": {"start": [1, 0], "t": {"from": 0, "to": 10, "count": 201}},
        "grid": {"q": {"from": 0, "to": 4, "count": 100},
                 "a": {"from": -2, "to": 7, "count": 100}},
        "output": {"F": "1 + z(t[157])"},
        "tolerance": 1e-9,
    }
    for path, value in changes.items():
        at = job
        *folders, key = path.split("__")
        for folder in folders:
            at = at[folder]
        if value is None:
            at.pop(key, None)
        else:
            at[key] = value
    return job


class House(unittest.TestCase):
    """A folder, the processes started in it, and their end."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="hs-")
        self.processes = []
        self.env = dict(os.environ, XDG_CONFIG_HOME=os.path.join(self.folder, "config"),
                        XDG_RUNTIME_DIR=self.folder, XDG_STATE_HOME=os.path.join(self.folder, "state"),
                        PATH=BIN + ":" + os.environ.get("PATH", ""))
        self.env.pop("HILLSWEEP_BROKER", None)
        self.env.pop("HILLSWEEP_KEYS", None)
        self.endpoint = f"tcp://127.0.0.1:{free_port()}"
        self.data = os.path.join(self.folder, "data")
        self.addCleanup(self.clear)  # also when the setUp of a class built on this one fails

    def clear(self):
        for p in self.processes:
            if p.poll() is None:
                p.send_signal(signal.SIGCONT)
                p.terminate()
        for p in self.processes:
            try:
                p.wait(HANGS_S)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
                self.fail(f"{p.args[0]} did not leave within {HANGS_S:.0f} s of SIGTERM")
            finally:
                p.log.close()
            self.no_sanitizer_report(p)
        outcome = getattr(self, "_outcome", None)
        failed = bool(outcome and outcome.result and
                      any(t is self for t, _ in outcome.result.failures + outcome.result.errors))
        if failed:
            self.show_logs()
        shutil.rmtree(self.folder, ignore_errors=True)

    def show_logs(self):
        for p in self.processes:
            print(f"--- {' '.join(p.args)}\n{said_by(p)[-4000:]}", file=sys.stderr)

    def no_sanitizer_report(self, p):
        text = said_by(p)
        for word in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:",
                     "WARNING: ThreadSanitizer"):
            if word in text:
                self.fail(text[-8000:])

    def path(self, name):
        return os.path.join(self.folder, name)

    def write_job(self, job, name="job.json"):
        with open(self.path(name), "w") as f:
            f.write(job if isinstance(job, str) else json.dumps(job))
        return self.path(name)

    def start(self, *args, **kw):
        path = self.path(f"log{len(self.processes)}")
        log = open(path, "wb")
        p = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=kw.pop("stdout", log), stderr=log,
                             env=self.env, cwd=self.folder, **kw)
        p.log, p.log_path = log, path
        self.processes.append(p)
        return p

    def broker(self, *more):
        read, write = os.pipe()
        p = self.start(program("hillsweep-broker"), "--listen", self.endpoint, "--data", self.data,
                       "--log", "debug", "--ready-fd", str(write), *more, pass_fds=[write])
        os.close(write)
        with os.fdopen(read) as f:
            line = f.readline()
        if line != "ready\n":
            self.show_logs()
            self.fail("the broker did not start")
        return p

    def worker(self, *more, threads=1, yields=None):
        """It does not stand back for the other tests unless the test says when it rests."""
        rules = ["--yield", yields] if yields else ["--full"]
        return self.start(program("hillsweep-worker"), "--broker", self.endpoint, "--threads",
                          str(threads), "--log", "debug", *rules, *more)

    def command(self, *args):
        """A client of the broker, that waits for it for as long as a busy machine may need, unless the
        arguments say how long."""
        patience = () if "--connect-timeout" in args else ("--connect-timeout", f"{HANGS_S:.0f}s")
        return [program("hillsweep"), "--broker", self.endpoint, *patience, *args]

    def client(self, *args, code=0, timeout=120, broker=True, text=True, env=None,
               stdin=subprocess.DEVNULL):
        """Runs a client to its end; returns the finished process. A run does not stand back for the
        other tests: it would wait for as long as they keep the machine busy."""
        if args[:1] == ("run",) and "--full" not in args:
            args += ("--full",)
        command = self.command(*args) if broker else [program("hillsweep"), *args]
        p = subprocess.run(command, stdin=stdin, capture_output=True, text=text,
                           env=dict(self.env, **(env or {})), cwd=self.folder, timeout=timeout * SLOW)
        if code is not None:
            self.assertEqual(p.returncode, code, f"{args}\n{p.stdout}\n{p.stderr}")
        return p

    def program(self, name, *args, timeout=120, env=None):
        """Runs one of the programs to its end, whatever that is."""
        return subprocess.run([program(name), *args], stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, cwd=self.folder, timeout=timeout * SLOW,
                              env=dict(self.env, **(env or {})))

    def submit(self, job, name="job.json"):
        out = self.client("submit", self.write_job(job, name)).stdout
        self.assertRegex(out, r"\A\d+\n\Z")
        return out.strip()

    def status(self, job="last"):
        return json.loads(self.client("status", job, "--json").stdout)

    def kill(self, p):
        p.send_signal(signal.SIGKILL)
        p.wait()
        self.processes.remove(p)
        p.log.close()

    def results(self, job):
        """Every result file of a finished job of the broker: name -> bytes."""
        return read_folder(os.path.join(self.data, "jobs", str(job)))


def said_by(p):
    """All that it has said so far, byte for byte."""
    with open(p.log_path, newline="", errors="replace") as f:
        return f.read()


def threads(pid):
    """What /proc/PID/task/TID/stat says of each thread behind its name: {tid: fields}."""
    found = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/stat") as f:
                found[int(task)] = f.read().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended meanwhile
    return found


def stopped(pid):
    """Whether all of it stands still: it goes on for a while after SIGSTOP was sent."""
    return all(fields[0] == "T" for fields in threads(pid).values())


def read_folder(folder):
    files = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, "rb") as f:
                files[name] = f.read()
    return files
