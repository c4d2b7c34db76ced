#!/usr/bin/python3
"""How long a person waits: --help, status and submit as whole processes on loopback, and from `submit
--watch` to the first cell of a chart on the screen. Prints the least and the middle of the runs.

  tests/bench/latency.py [RUNS]
"""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
from house import House, driven, program  # noqa: E402
from terminal import Terminal  # noqa: E402

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 30
GOALS = {"hillsweep --help": 20, "hillsweep submit --help": 20, "hillsweep status": 50,
         "hillsweep submit": 50, "first cell": 1000}


class Bench(House):
    def runTest(self):
        pass

    def timed(self, *args):
        start = time.perf_counter()
        self.client(*args)
        return time.perf_counter() - start

    def first_cell(self, path):
        """A chart of a million points, by a worker that is there: a guest, as by default."""
        env = dict(self.env, TERM="xterm-256color", COLORTERM="truecolor", LC_ALL="C.UTF-8",
                   HILLSWEEP_BROKER=self.endpoint)
        start = time.perf_counter()
        t = Terminal([program("hillsweep"), "submit", "--watch", path], env, self.folder)
        t.until(lambda t: any("\u2580" in line for line in t.screen.display[2:18]), "a cell")
        seen = time.perf_counter() - start
        t.finish()
        return seen

    def measure(self):
        small = self.write_job(driven(), "small.json")
        large = self.write_job(driven(grid__q__count=1000, grid__a__count=1000), "large.json")
        self.broker()
        self.client("submit", small)
        yield "hillsweep --help", [self.timed("--help") for _ in range(RUNS)]
        yield "hillsweep submit --help", [self.timed("submit", "--help") for _ in range(RUNS)]
        yield "hillsweep status", [self.timed("status") for _ in range(RUNS)]
        yield "hillsweep submit", [self.timed("submit", small) for _ in range(RUNS)]
        for job in range(1, RUNS + 2):
            self.client("cancel", str(job))
        self.worker()
        yield "first cell", [self.first_cell(large) for _ in range(max(3, RUNS // 5))]


def main():
    bench = Bench()
    bench.setUp()
    try:
        print(f"{'':26}{'least':>10}{'middle':>10}{'goal':>10}   ms")
        for name, times in bench.measure():
            ms = sorted(1000 * t for t in times)
            print(f"{name:26}{ms[0]:10.1f}{ms[len(ms) // 2]:10.1f}{GOALS[name]:10d}")
    finally:
        bench.doCleanups()


if __name__ == "__main__":
    main()
