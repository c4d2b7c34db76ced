#!/usr/bin/python3
"""What the queue promises, measured with the real programs on this machine: nothing is asserted.

  tests/bench/promises.py [ROUNDS]      (10; programs: HILLSWEEP_BIN, default build/release/bin)

A job of 10^9 points runs on three throttled workers. Then, the worst of all rounds: until a small
job behind it starts; until a killed and a stopped worker is noticed; until every worker is at work
again after kill -9 of the broker and its start. The state is asked for every few milliseconds by a
new client process, whose own time is in the figures."""

import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from house import House, driven, until  # noqa: E402


class Bench(House):
    rounds = 10

    def workers(self):
        p = self.client("workers", "--json", code=None)
        return json.loads(p.stdout)["workers"] if p.returncode == 0 else []

    def pids(self):
        return {w["pid"] for w in self.workers()}

    def at_work(self, count):
        return sum(w["state"] == "working" for w in self.workers()) >= count

    def seconds_until(self, condition, what):
        start = time.monotonic()
        until(condition, what, 60)
        return time.monotonic() - start

    def small_job(self):
        number = self.submit(driven(grid__q__count=20, grid__a__count=20), "small.json")
        took = self.seconds_until(lambda: self.status(number)["state"] != "queued", "it starts")
        until(lambda: self.status(number)["state"] == "done", "it is done", 120)
        return took

    def lost(self, number):
        victim = self.crew.pop(0)
        victim.send_signal(number)
        took = self.seconds_until(lambda: victim.pid not in self.pids(), "it is noticed")
        victim.send_signal(signal.SIGCONT)
        self.kill(victim)
        self.crew.append(self.worker("--limit", "20%"))
        until(lambda: self.at_work(3), "all are at work")
        return took

    def broker_back(self):
        self.kill(self.master)
        self.master = self.broker()
        return self.seconds_until(lambda: self.at_work(3), "all are at work")

    def runTest(self):
        self.master = self.broker()
        self.crew = [self.worker("--limit", "20%") for _ in range(3)]
        self.submit(driven(grid__q__count=31623, grid__a__count=31623, errors=False), "large.json")
        until(lambda: self.at_work(3), "all are at work")
        figures = {
            "a small job behind one of 10^9 points starts": self.small_job,
            "a worker is killed: noticed": lambda: self.lost(signal.SIGKILL),
            "a worker is stopped: noticed": lambda: self.lost(signal.SIGSTOP),
            "the broker is back after kill -9: all workers at work": self.broker_back,
        }
        for what, measure in figures.items():
            took = sorted(measure() for _ in range(self.rounds))
            print(f"{what:58} median {took[len(took) // 2]:5.2f} s, worst {took[-1]:5.2f} s",
                  flush=True)
        self.client("cancel", "1")


if len(sys.argv) > 1:
    Bench.rounds = int(sys.argv[1])
bench = Bench()
bench.setUp()
try:
    bench.runTest()
finally:
    bench.doCleanups()
