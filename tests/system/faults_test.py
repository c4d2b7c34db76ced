"""Every allocation, write, sync, rename, SQLite step and ZeroMQ call of each real program fails once
(faults.c is preloaded). A run then ends well by itself, or with an error that is said; the same
command typed again comes to the end; and the result files are those of a calm run.

  FAULTS=100 python3 tests/system/faults_test.py     a hundred of each kind, evenly spread, or as many
                                                     as there are; in minutes
The default takes one of each kind, by chance (which one is told when it fails)."""

import os
import random
import re
import struct
import subprocess
import unittest

from house import BIN, House, driven, program, read_folder

LIBRARY = os.path.join(os.path.dirname(BIN), "tests", "libfaults.so")
MOST = int(os.environ.get("FAULTS", "0"))
PROGRAMS = ("hillsweep-broker", "hillsweep-worker", "hillsweep")
KINDS = ("alloc", "write", "sync", "rename", "sqlite", "zmq")
HANGS_AFTER = 60


class Faults(House):
    def job(self):
        return driven(grid__q__count=12, grid__a__count=12, z__t={"from": 0, "to": 10, "count": 201})

    def one(self, name, fault=None, count=None):
        """One run with this fault; its exit code and what it said."""
        env = dict(self.env, LD_PRELOAD=LIBRARY) if fault else dict(self.env)
        if fault:
            env.update(HILLSWEEP_FAULT="%s:%d" % fault[1:], HILLSWEEP_FAULT_IN=fault[0],
                       HILLSWEEP_FAULT_MARK=self.path("mark"))
        if count:
            env["HILLSWEEP_FAULT_COUNT"] = count
        command = [program("hillsweep"), "run", self.path("job.json"), "--full", "-j", "1", "-o",
                   self.path(name)]
        try:
            p = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                               text=True, timeout=HANGS_AFTER)
        except subprocess.TimeoutExpired as e:
            self.fail(f"{fault} hangs: {e.stderr}")
        return p.returncode, p.stderr

    def results(self, name):
        files = read_folder(self.path(name))
        files.pop("tiles.crc", None)  # says in which commit a tile became durable
        return files

    def calls_of(self, who):
        """How many calls of each kind a calm run makes: {kind: count}."""
        count = self.path("count")
        self.assertEqual(self.one("count-run", (who, "alloc", 0), count)[0], 0)
        self.remove("count-run")
        with open(count, "rb") as f:
            calls = dict(zip(KINDS, struct.unpack("6l", f.read())))
        os.unlink(count)
        return calls

    def remove(self, name):
        subprocess.run(["rm", "-rf", self.path(name)], check=True)
        if os.path.exists(self.path("mark")):
            os.unlink(self.path("mark"))

    def places(self, calls):
        """Which of so many calls fail, one a run."""
        if not MOST:
            return [random.randint(1, calls)] if calls else []
        most = min(calls, MOST)
        return sorted({1 + i * (calls - 1) // max(most - 1, 1) for i in range(most)})

    def check(self, who, kind, n, right):
        fault = (who, kind, n)
        code, said = self.one("out", fault)
        happened = os.path.exists(self.path("mark"))
        if code != 0:
            if kind != "alloc":  # out of memory aborts the client, too, or a library in it
                self.assertGreater(code, 0, (fault, said))
                self.assertTrue(re.search(r"\S", said), (fault, "said nothing"))
            code, said = self.one("out")
            self.assertEqual(code, 0, (fault, said))
        self.assertEqual(self.results("out"), right, fault)
        self.remove("out")
        return happened

    def test_each(self):
        if not os.path.exists(LIBRARY):
            self.skipTest("the library is not built under sanitizers")
        self.write_job(self.job())
        self.assertEqual(self.one("calm")[0], 0)
        right = self.results("calm")
        for who in PROGRAMS:
            for kind, calls in self.calls_of(who).items():
                places = self.places(calls)
                happened = sum(self.check(who, kind, n, right) for n in places)
                if MOST:
                    print(f"{who} {kind}: {calls} calls, {len(places)} failed in turn, "
                          f"{happened} met", flush=True)
                    self.assertTrue(happened > 0 or calls == 0, (who, kind))


if __name__ == "__main__":
    unittest.main()
