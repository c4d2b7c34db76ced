#!/usr/bin/python3
"""A guest nobody notices: what hillsweep workers wishes is obeyed within a second, and the worker's
own rules are."""

import glob
import json
import os
import re
import subprocess
import time
import unittest

from house import ROOT, SLOW, House, program, said_by, threads, until


def long_job():
    """Minutes of work for one thread; it ends with its broker."""
    return {"name": "long", "w": {"is": "cos(2*t)", "t": [0, 3000]}, "solver": "point",
            "z": {"start": [1, 0], "t": [0, 3000]}, "output": {"F": "z(3000)"}, "tolerance": 1e-9,
            "grid": {"q": {"from": 0, "to": 4, "count": 8000},
                     "a": {"from": 5, "to": 7, "count": 8000}}}


def cpu_s(pid):
    """The processor time that a process has used."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Guest(House):
    def setUp(self):
        super().setUp()
        self.endpoint = "ipc://" + self.path("broker.sock")  # wishes of workers are an admin's

    def workers(self):
        return json.loads(self.client("workers", "--json").stdout)["workers"]

    def state(self, i=0):
        return self.workers()[i]["state"]

    def at_work(self, *more, **kw):
        self.broker()
        worker = self.worker(*more, **kw)
        self.submit(long_job())
        until(lambda: self.workers() and self.state() == "working", "the worker works")
        until(lambda: 'to="ready"' in said_by(worker), "it is past building, which nothing ends")
        return worker

    def assert_at_rest(self, pid):
        """No solver thread computes: a window without more than the I/O thread's time."""
        def quiet():
            before = cpu_s(pid)
            time.sleep(0.2)
            return cpu_s(pid) - before <= 0.02
        until(quiet, "the solver threads rest")

    def test_wishes_are_obeyed(self):
        worker = self.at_work(threads=2)
        host = self.workers()[0]["host"]
        began = time.monotonic()
        out = self.client("workers", "pause", host, "--json").stdout
        self.assertTrue(json.loads(out)["workers"][0]["paused"])
        until(lambda: self.state() == "paused", "it has given its work back")
        print(f"paused after {time.monotonic() - began:.2f} s")
        self.assert_at_rest(worker.pid)
        self.assertIn("every worker rests", self.status()["reason"])
        self.client("workers", "resume", "1")
        until(lambda: self.state() == "working", "it works again")
        self.client("workers", "limit", "all", "30%")
        self.assertEqual(self.workers()[0]["limit_percent"], 30)
        for wrong in (["limit", "all"], ["limit", "all", "0"], ["limit", "all", "x"], ["stop", "1"],
                      ["pause"], ["pause", "no-such-host"], ["pause", "7"], ["pause", ""]):
            with self.subTest(wrong):
                self.client("workers", *wrong, code=2)

    def test_wishes_outlive_the_broker(self):
        worker = self.at_work()
        self.client("workers", "limit", "all", "30%")
        self.client("workers", "pause", "all")
        until(lambda: self.workers()[0]["leases"] == 0, "it has been told")
        self.kill(self.processes[0])
        self.broker()
        until(lambda: [w["pid"] for w in self.workers()] == [worker.pid], "it is back")
        self.assertTrue(self.workers()[0]["paused"])
        self.assertEqual(self.workers()[0]["limit_percent"], 30)
        self.assertEqual(self.workers()[0]["leases"], 0)
        self.client("workers", "resume", "all")
        until(lambda: self.state() == "working", "it works again")

    def test_a_worker_stands_back_for_its_owner(self):
        """On a machine of files, whose battery is in use or not."""
        machine = self.path("machine")
        os.makedirs(f"{machine}/sys/class/power_supply/BAT0")

        def power(status):
            for name, text in (("type", "Battery"), ("status", status)):
                path = f"{machine}/sys/class/power_supply/BAT0/{name}"
                with open(path + ".new", "w") as f:
                    f.write(text + "\n")
                os.rename(path + ".new", path)
        power("Discharging")
        self.env["HILLSWEEP_SIGNS"] = machine
        self.broker()
        worker = self.worker(yields="memory,battery")
        job = self.submit(long_job())
        until(lambda: [(w["state"], w["reason"]) for w in self.workers()] ==
              [("resting", "it runs on its battery")], "it does not even begin, and says why")
        power("Charging")
        until(lambda: self.state() == "working", "it works by itself")
        self.assertEqual(self.workers()[0]["reason"], "")
        power("Discharging")
        began = time.monotonic()
        until(lambda: self.state() == "resting", "it has given its work back")
        print(f"rests after {time.monotonic() - began:.2f} s")
        self.assertEqual(self.workers()[0]["leases"], 0)
        self.assert_at_rest(worker.pid)
        self.assertIn("every worker rests", self.status(job)["reason"])
        self.client("workers", "pause", "1")  # the broker's wish is one more reason
        self.assertEqual(self.state(), "paused")
        self.client("workers", "resume", "1")
        self.assertEqual(self.state(), "resting")

    @unittest.skipIf(SLOW != 1, "a whole machine is wanted, and no other tests on it")
    def test_it_steps_aside(self):
        """Loops on all cores, of another session, get the cores; when they end the worker has them
        back. --yield none leaves it to the kernel."""
        cores = len(os.sched_getaffinity(0))
        worker = self.at_work(threads=cores, yields="core")
        until(lambda: self.status()["points_done"] > 0, "it is past building")

        def share():
            began, before = time.monotonic(), cpu_s(worker.pid)
            time.sleep(1)
            return (cpu_s(worker.pid) - before) / (time.monotonic() - began) / cores
        until(lambda: share() > 0.15, "the worker has the cores", 120)
        loops = [self.start("/usr/bin/python3", "-c", "while True: pass", start_new_session=True)
                 for _ in range(cores)]
        until(lambda: share() < 0.06, "the loops have the cores")
        print(f"beside loops on all cores the worker has {100 * share():.1f}% of them")
        for p in loops:
            self.kill(p)
        until(lambda: share() > 0.15, "the worker has the cores back", 120)

    def test_threads_are_guests(self):
        """By default solver threads are idle ones (or batch threads of long slices, where the kernel
        has such) and the process the first to be killed; with --full nothing of it. The I/O thread is
        never one."""
        guests, other = {(3, 19), (5, 19)}, 0  # SCHED_BATCH and SCHED_IDLE, nice; SCHED_OTHER

        def policies(pid):
            return {task: (int(fields[38]), int(fields[16])) for task, fields in threads(pid).items()}
        self.broker()
        for full in (False, True):
            worker = self.worker(threads=3, yields=None if full else "none")
            count = 0 if full else 3
            until(lambda: sum(p in guests for p in policies(worker.pid).values()) == count and
                  self.workers(), "the threads are there")
            self.assertEqual(policies(worker.pid)[worker.pid], (other, os.nice(0)))
            with open(f"/proc/{worker.pid}/oom_score_adj") as f:
                self.assertEqual(int(f.read()), 0 if full else 800)
            self.kill(worker)
        p = subprocess.run([program("hillsweep-worker"), "--full", "--yield", "all"],
                           capture_output=True, text=True, env=self.env)
        self.assertEqual(p.returncode, 2)
        self.assertIn("exclude each other", p.stderr)

    @unittest.skipIf(SLOW != 1, "sanitizers have memory of their own")
    def test_every_example_fits_into_64_MB(self):
        """The worker's peak of resident memory, on two threads."""
        self.broker()
        for path in sorted(glob.glob(f"{ROOT}/client/examples/*.json")):
            with self.subTest(os.path.basename(path)):
                worker = self.worker(threads=2)
                job = self.client("submit", path).stdout.strip()
                self.client("wait", job, timeout=200)
                with open(f"/proc/{worker.pid}/status") as f:
                    peak_kib = int(re.search(r"VmHWM:\s+(\d+) kB", f.read()).group(1))
                print(f"{os.path.basename(path)}: {peak_kib / 1024:.1f} MiB")
                self.assertLessEqual(peak_kib * 1024, 64e6)
                self.kill(worker)

    def test_a_run_weighs_little_against_other_sessions(self):
        """Its worker leads a session that the kernel weighs least, where it weighs sessions."""
        path = self.write_job(long_job())
        run = self.start(program("hillsweep"), "run", path)

        def child():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/stat") as f:
                        name, rest = f.read().split("(", 1)[1].rsplit(")", 1)
                    if name == "hillsweep-worke" and int(rest.split()[1]) == run.pid:
                        return int(pid)
                except OSError:
                    pass
        worker = until(child, "run starts its worker")
        self.assertEqual(os.getsid(worker), worker)
        autogroup = f"/proc/{worker}/autogroup"
        if os.path.exists(autogroup):
            def nice():
                with open(autogroup) as f:
                    return f.read().split()[-1]
            until(lambda: nice() == "19", "the session is nice")


if __name__ == "__main__":
    unittest.main()
