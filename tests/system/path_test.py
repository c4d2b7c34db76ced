#!/usr/bin/python3
"""The whole path with real programs: submit, solve, poll, read the results; kills in the middle.

KILLS=long: the longest job takes more than half a minute."""

import glob
import json
import os
import signal
import subprocess
import sys
import time
import unittest

import numpy

from house import HANGS_S, ROOT, SLOW, House, driven, program, read_folder, said_by, until

LONG = os.environ.get("KILLS") == "long"

# What makes the bytes of a job: everything but the order in which tiles became durable.
DATA_FILES = ["F.npy", "F.error.npy", "status.npy", "q.npy", "a.npy", "w.npy", "job.json"]


def truth(name):
    rows = []
    with open(os.path.join(ROOT, "tests/truth", name)) as f:
        for line in f:
            if not line.startswith("#"):
                rows.append([float(x) for x in line.split()])
    return numpy.array(rows)


class Path(House):
    def test_submit_poll_results(self):
        self.broker()
        self.worker()
        job = self.submit(driven())
        self.assertEqual(job, "1")
        self.client("wait", job, "--timeout", "30s")
        status = self.status(job)
        self.assertEqual(status["state"], "done")
        self.assertEqual(status["points_done"], 10000)
        self.assertEqual(status["points_failed"], 0)
        self.assertEqual(status["tiles_recomputed_after_ack"], 0)
        folder = os.path.join(self.data, "jobs", job)
        field = numpy.load(os.path.join(folder, "F.npy"))
        error = numpy.load(os.path.join(folder, "F.error.npy"))
        self.assertEqual((field.shape, field.dtype), ((100, 100), numpy.dtype("<f8")))
        self.assertEqual((error.shape, error.dtype), ((100, 100), numpy.dtype("<f4")))
        self.assertTrue((numpy.load(os.path.join(folder, "status.npy")) == 1).all())
        q, a = (numpy.load(os.path.join(folder, n)) for n in ("q.npy", "a.npy"))
        self.assertTrue((q == numpy.linspace(0, 4, 100)).all())
        self.assertTrue((a == numpy.linspace(-2, 7, 100)).all())
        w = numpy.load(os.path.join(folder, "w.npy"))
        self.assertEqual(w.shape[1], 2)
        self.assertAlmostEqual(w[0, 1], 1.0, delta=1e-13)
        for row in truth("driven.txt"):
            i, j, z, dz, omega = int(row[0]), int(row[1]), row[4], row[5], row[8]
            scale = 1 + numpy.hypot(z, dz / omega)
            off = abs(field[i, j] - (1 + z))
            self.assertLessEqual(off, 1e-9 * scale)
            self.assertLessEqual(off, error[i, j])
        self.check_formats(job, field, q, a)

    def check_formats(self, job, field, q, a):
        grid = [(qv, av, f) for i, qv in enumerate(q) for av, f in zip(a, field[i])]
        self.client("results", job, "-o", self.path("out.npy"))
        self.assertEqual(numpy.load(self.path("out.npy")).tobytes(), field.tobytes())
        self.client("results", job, "-o", self.path("out.txt"))
        with open(self.path("out.txt")) as f:
            rows = [tuple(float(x) for x in line.split()) for line in f]
        self.assertEqual(rows, grid)
        self.client("results", job, "-o", self.path("out.csv"))
        with open(self.path("out.csv")) as f:
            self.assertEqual(f.readline().strip(), "q,a,F")
            rows = [tuple(float(x) for x in line.split(",")) for line in f]
        self.assertEqual(rows, grid)
        streamed = self.client("results", job, "-o", "-").stdout
        self.assertEqual([tuple(float(x) for x in line.split()) for line in streamed.splitlines()],
                         grid)

    def test_same_over_ipc_and_by_run(self):
        self.endpoint = "ipc://" + self.path("broker.sock")
        self.broker()
        self.worker(threads=2)
        job = self.submit(driven())
        self.client("wait", job)
        by_queue = self.results(job)
        self.client("run", self.path("job.json"), "-o", self.path("out"), broker=False)
        by_run = read_folder(self.path("out"))
        for name in DATA_FILES:
            self.assertEqual(by_queue[name], by_run[name], name)
        self.assertEqual(set(by_run) - set(DATA_FILES),
                         {"tiles.crc", "load.py", "load.jl", "load.wl", "load.m"})

    def test_rows_stream_as_they_become_durable(self):
        self.broker()
        self.worker("--limit", "1%")
        slow = driven(grid__q__count=600, grid__a__count=2000, tiles=[60, 4])
        job = self.submit(slow)
        rows = subprocess.Popen(self.command("results", job, "-o", "-"), stdout=subprocess.PIPE,
                                env=self.env)
        try:
            first = rows.stdout.readline().split()
            self.assertEqual(self.status(job)["state"], "running")
            self.assertEqual([float(x) for x in first[:2]], [0.0, -2.0])
        finally:
            rows.stdout.close()
            rows.wait(HANGS_S)  # a closed pipe ends it quietly
        self.client("cancel", job)
        until(lambda: self.status(job)["state"] == "cancelled", "cancelled")
        self.client("wait", job, code=10)

    def test_jobs_are_listed_paused_cancelled_deleted(self):
        self.broker()
        self.worker("--limit", "1%")
        a = self.submit(driven(name="alpha", grid__q__count=2000, grid__a__count=2000))
        b = self.submit(driven(name="beta"))
        self.assertEqual([j["name"] for j in json.loads(self.client("list", "--json").stdout)["jobs"]],
                         ["alpha", "beta"])
        self.assertEqual(self.status("alp")["id"], int(a))
        self.client("pause", a)
        self.assertEqual(self.status(a)["state"], "paused")
        self.client("wait", b)  # the other one is not held up
        self.client("resume", a)
        until(lambda: self.status(a)["state"] == "running", "running again")
        workers = until(lambda: json.loads(self.client("workers", "--json").stdout)["workers"],
                        "a worker is listed")
        self.assertEqual(len(workers), 1)
        self.client("delete", a, code=2)
        self.client("cancel", a)
        self.client("wait", a, code=10)
        self.client("delete", a)
        until(lambda: not os.path.exists(os.path.join(self.data, "jobs", a)), "files deleted")
        self.client("status", a, code=5)

    def test_wait_times_out(self):
        self.broker()
        job = self.submit(driven())
        self.client("wait", job, "--timeout", "100ms", code=6)

    def test_no_broker(self):
        p = self.client("--connect-timeout", "300ms", "status", code=7)
        self.assertIn(self.endpoint, p.stderr)
        self.client("--broker", "carrier://pigeon", "status", code=2, broker=False)

    def test_a_second_broker_is_refused(self):
        self.broker()
        p = self.start(program("hillsweep-broker"), "--listen", "ipc://" + self.path("other"),
                       "--data", self.data)
        self.assertEqual(p.wait(HANGS_S), 11)
        self.assertIn("another broker", said_by(p))

    def test_network_address_needs_insecure(self):
        p = self.start(program("hillsweep-broker"), "--listen", "tcp://0.0.0.0:17117", "--data",
                       self.data)
        self.assertEqual(p.wait(HANGS_S), 2)


class Contract(House):
    """The error contract through the whole path: `run` against quadruple precision."""

    DRIVES = {
        "driven": {},
        "mathieu": {"y": None, "w": {"is": "cos(2*t)", "t": [0, 12]}},
        "preheat": {"y__f": "1 + 0.05*t", "w__is": "y^2"},
    }

    def test_every_point_of_the_tables(self):
        for name, changes in self.DRIVES.items():
            rows = truth(name + ".txt")
            i, j = rows[:, 0].astype(int), rows[:, 1].astype(int)
            z, dz, omega, kappa = rows[:, 4], rows[:, 5], rows[:, 8], rows[:, 9]
            for tolerance in (1e-6, 1e-9, 1e-11):
                with self.subTest(name, tolerance=tolerance):
                    out = self.path(f"{name}{tolerance}")
                    job = self.write_job(driven(tolerance=tolerance, **changes))
                    self.client("run", job, "-o", out, broker=False)
                    off = abs(numpy.load(out + "/F.npy")[i, j] - (1 + z))
                    allowed = tolerance * (1 + numpy.hypot(z, dz / omega)) + 16 * 2**-53 * kappa
                    self.assertTrue((off <= allowed).all(), f"{(off / allowed).max()}")
                    self.assertTrue((off <= numpy.load(out + "/F.error.npy")[i, j]).all())


class Kills(House):
    """A job slow enough to be killed in the middle ends with the bytes of a calm run. It has come to a
    part of its way when that is done to it; then it may hurry."""

    SIDE = 600 if SLOW == 1 else 300
    JOB = dict(y__t=[0, 50], w__t=[0, 45], z__t={"from": 0, "to": 45, "count": 201},
               output={"F": "1 + z(t[200])"}, tolerance=1e-11,
               grid__q__count=SIDE, grid__a__count=SIDE, tiles=[30, 5])
    LIMIT = "1%" if SLOW == 1 else "2%"

    def calm(self):
        self.client("run", self.write_job(driven(**self.JOB), "calm.json"), "-o", self.path("calm"),
                    broker=False)
        return read_folder(self.path("calm"))

    def on_its_way(self, job, share=0.15):
        def some():
            s = self.status(job)
            self.assertNotEqual(s["state"], "done", "too fast to be killed in the middle")
            return s["points_done"] >= s["points_total"] * share
        until(some, f"{share:.0%} is done", 2 * HANGS_S)

    def check(self, job, calm):
        if not LONG:
            self.worker()
        self.client("wait", job, "--timeout", "240s", timeout=300)
        status = self.status(job)
        self.assertEqual(status["points_done"], status["points_total"])
        self.assertEqual(status["points_failed"], 0)
        self.assertEqual(status["tiles_recomputed_after_ack"], 0)
        results = self.results(job)
        for name in DATA_FILES:
            self.assertEqual(results[name], calm[name], name)

    def points_of_run(self):
        """How many points of the job of a run are done, as its broker says."""
        for socket in glob.glob(self.path("hillsweep-run.*/broker")):
            p = self.client("--broker", "ipc://" + socket, "status", "1", "--json", code=None, broker=False)
            return json.loads(p.stdout)["points_done"] if p.returncode == 0 else 0
        return 0

    def test_a_worker_is_killed(self):
        calm = self.calm()
        self.broker()
        victim = self.worker("--limit", self.LIMIT)
        self.worker("--limit", self.LIMIT)
        job = self.submit(driven(**self.JOB))
        self.on_its_way(job)
        self.kill(victim)
        self.check(job, calm)

    def test_the_broker_is_killed(self):
        calm = self.calm()
        broker = self.broker()
        self.worker("--limit", self.LIMIT)
        self.worker("--limit", self.LIMIT)
        job = self.submit(driven(**self.JOB))
        self.on_its_way(job)
        done = self.status(job)["points_done"]
        self.kill(broker)
        self.broker()
        self.assertGreaterEqual(self.status(job)["points_done"], done)
        until(lambda: self.status(job)["workers"] == 2, "both workers are back")
        self.check(job, calm)

    @unittest.skipIf(SLOW > 1, "tried once, in the released build")
    def test_a_long_job_loses_a_worker_and_then_the_broker(self):
        side = 1800 if LONG else 900
        long = driven(**dict(self.JOB, grid__q__count=side, grid__a__count=side, tiles=[36, 10]))
        self.client("run", self.write_job(long, "calm.json"), "-o", self.path("calm"), broker=False)
        calm = read_folder(self.path("calm"))
        broker = self.broker()
        victim = self.worker("--limit", self.LIMIT)
        self.worker("--limit", self.LIMIT)
        start = time.monotonic()
        job = self.submit(long)
        self.on_its_way(job)
        self.kill(victim)
        self.on_its_way(job, 0.3)
        self.kill(broker)
        self.broker()
        self.check(job, calm)
        print(f"{time.monotonic() - start:.0f} s with the kills ... ", end="", file=sys.stderr)

    def test_run_is_interrupted_and_typed_again(self):
        calm = self.calm()
        args = [program("hillsweep"), "run", self.write_job(driven(**self.JOB)), "-o",
                self.path("out"), "-j", "1", "--full", "--limit", self.LIMIT]
        p = self.start(*args)

        def some_done():
            self.assertIsNone(p.poll(), "it ended too early")
            return self.points_of_run() > 0.14 * self.SIDE**2
        until(some_done, "some points are done")
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(HANGS_S), 130)
        self.assertTrue(os.path.exists(self.path("out/F.partial.npy")))
        self.assertFalse(os.path.exists(self.path("out/F.npy")))
        other = self.write_job(driven(**dict(self.JOB, tolerance=1e-8)), "other.json")
        refused = self.client("run", other, "-o", self.path("out"), code=None, broker=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("another job", refused.stderr)
        self.client("run", self.path("job.json"), "-o", self.path("out"), broker=False)
        out = read_folder(self.path("out"))
        for name in DATA_FILES:
            self.assertEqual(out[name], calm[name], name)
        again = self.client("run", self.path("job.json"), "-o", self.path("out"), broker=False)
        self.assertIn("done", again.stderr)

    def test_what_nohup_starts_outlives_the_terminal(self):
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        started = [self.broker(), self.worker(),
                   self.start(program("hillsweep"), "run", self.write_job(driven(**self.JOB)), "-o",
                              self.path("out"), "-j", "1", "--full", "--limit", self.LIMIT)]
        signal.signal(signal.SIGHUP, before)
        until(lambda: len(children(started[2].pid)) == 2 and "joined" in said_by(started[1]),
              "all are at work")
        for p in started:
            p.send_signal(signal.SIGHUP)
        job = self.submit(driven(grid={"q": [1], "a": [1, 2]}))
        self.client("wait", job)
        self.assertEqual([p.poll() for p in started], [None] * 3)
        for p in started:
            p.send_signal(signal.SIGTERM)
        self.assertEqual([p.wait(HANGS_S) for p in started], [0, 0, 130])

    def test_what_a_terminal_starts_ends_with_it_in_order(self):
        before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever ignores it for these tests
        broker = self.broker()
        signal.signal(signal.SIGHUP, before)
        broker.send_signal(signal.SIGHUP)
        self.assertEqual(broker.wait(HANGS_S), 0)

    def test_run_killed_leaves_nobody_behind(self):
        p = self.start(program("hillsweep"), "run", self.write_job(driven(**self.JOB)), "-o",
                       self.path("out"), "-j", "1", "--full", "--limit", self.LIMIT)
        until(lambda: len(children(p.pid)) == 2, "broker and worker run")
        pids = children(p.pid)
        self.kill(p)
        until(lambda: not any(alive(pid) for pid in pids), "the children end by their lifeline")


def children(pid):
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(x) for x in out.stdout.split()]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):  # gone, perhaps since the file was opened
        return False


if __name__ == "__main__":
    unittest.main(verbosity=2)
