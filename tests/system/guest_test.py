#!/usr/bin/python3
"""A guest nobody notices: what hillsweep workers wishes is obeyed within a second, and the worker's
own rules are."""

import json
import os
import time
import unittest

from house import House, driven, until



def long_job():
    """Minutes of work for one thread; deleted with its broker."""
    job = driven(grid__q__count=3000, grid__a__count=3000)
    job["solver"] = "point"
    return job


def cpu_s(pid):
    """The processor time that a process has used."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Guest(House):
    def workers(self):
        return json.loads(self.client("workers", "--json").stdout)["workers"]

    def state(self, i=0):
        return self.workers()[i]["state"]

    def at_work(self, *more, **kw):
        self.broker()
        worker = self.worker(*more, **kw)
        self.submit(long_job())
        until(lambda: self.workers() and self.state() == "working", "the worker works")
        return worker

    def assert_at_rest(self, pid):
        """No solver thread computes: a window without more than the I/O thread's time."""
        def quiet():
            before = cpu_s(pid)
            time.sleep(0.2)
            return cpu_s(pid) - before <= 0.02
        until(quiet, "the solver threads rest", 5)

    def test_wishes_are_obeyed(self):
        worker = self.at_work(threads=2)
        host = self.workers()[0]["host"]
        out = self.client("workers", "pause", host, "--json").stdout
        self.assertTrue(json.loads(out)["workers"][0]["paused"])
        until(lambda: self.state() == "paused", "it has given its work back", 2)
        self.assert_at_rest(worker.pid)
        self.assertIn("every worker rests", self.status()["reason"])
        self.client("workers", "resume", "1")
        until(lambda: self.state() == "working", "it works again", 2)
        self.client("workers", "limit", "all", "30%")
        self.assertEqual(self.workers()[0]["limit_percent"], 30)
        for wrong in (["limit", "all"], ["limit", "all", "0"], ["limit", "all", "x"], ["stop", "1"],
                      ["pause"], ["pause", "no-such-host"], ["pause", "7"], ["pause", ""]):
            with self.subTest(wrong):
                self.client("workers", *wrong, code=2)


if __name__ == "__main__":
    unittest.main()
