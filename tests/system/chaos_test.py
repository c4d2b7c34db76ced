"""A minute's worth of chaos (chaos.py): kills, stops, a proxy, disks. `tests/system/chaos` is the
long form."""

import os
import random
import time
import unittest

from chaos import Chaos, Disks, job, may_mount
from house import SLOW

BLOWS = {"kill broker": 2, "kill worker": 5, "stop worker": 2, "stop broker": 1, "cut": 4,
         "half-close": 3, "stall": 1}
SECONDS = 3
SIDE = 600 if SLOW == 1 else 300
TIMES = 1  # each disk lets down so often


class Everything(Chaos):
    limit = "1%"

    def test_everything_at_once(self):
        self.begin(job(SIDE), seed=random.randrange(1000))
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            self.blow(BLOWS)
            time.sleep(self.dice.uniform(0, 0.3))
        self.finish()


@unittest.skipIf(SLOW != 1, "bad disks are tried with the release build alone")
class BadDisks(Disks):
    def let_down(self, words, fail, repair):
        for _ in range(TIMES):
            time.sleep(self.dice.uniform(0, 0.2))
            fail()
            self.pauses(words)
            repair()
            self.resumes()

    @unittest.skipUnless(may_mount(), "needs root, to mount a tmpfs")
    def test_a_full_disk(self):
        self.mount("24m")
        self.begin(job(SIDE), seed=1, through_proxy=False)
        self.let_down("the disk is full", self.fill,
                      lambda: os.unlink(os.path.join(self.data, "filler")))
        self.finish()

    @unittest.skipUnless(os.path.exists(Disks.library), "sanitizers: the library is not built")
    def test_a_read_only_disk(self):
        self.broker_on_a_bad_disk()
        self.begin(job(SIDE), seed=2, through_proxy=False)
        self.let_down("read-only", lambda: self.fail_disk("EROFS"), lambda: os.unlink(self.flag))
        self.let_down("the disk reports", lambda: self.fail_disk("EIO"), lambda: os.unlink(self.flag))
        self.finish()


if __name__ == "__main__":
    unittest.main()
