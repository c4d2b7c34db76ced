#!/usr/bin/python3
"""Wrong jobs: each is refused with line, column, key, reason and what to do; exit code 8; nothing of
it remains, neither at a broker nor in a folder."""

import json
import os
import unittest

from house import House, driven

# name: (job as text or dict, words that the message must contain, line:column or None)
WRONG = {
    "not json": ("F = 1", ["1:1"]),
    "unknown key": (driven(tolerence=1e-9), ["tolerence", "did you mean", "tolerance"]),
    "duplicate key": ('{"name": "a",\n "name": "b"}', ["2:", "name", "twice"]),
    "missing grid.q": (driven(grid__q=None), ["grid", "q"]),
    "count 0": (driven(grid__a__count=0), ["grid.a.count"]),
    "count negative": (driven(grid__a__count=-5), ["grid.a.count"]),
    "1e9 by 1e9": (driven(grid__a__count=1000000000, grid__q__count=1000000000), ["count"]),
    "1e999": (json.dumps(driven()).replace("1e-09", "1e999"), ["1e999"]),
    "NaN": (json.dumps(driven()).replace("1e-09", "NaN"), ["NaN"]),
    "a time after w.t": (driven(z__t__to=13), ["z.t", "w.t"]),
    "t[201] of 201": (driven(output={"F": "1 + z(t[201])"}), ["output.F", "t[201]", "t[200]"]),
    "a field called status": (driven(output={"status": "z(1)"}), ["status"]),
    "an unknown name": (driven(output={"F": "1 + zz(t[157])"}), ["output.F", "zz"]),
    "unbalanced": (driven(output={"F": "1 + z(t[157]"}), ["output.F"]),
    "nested 10,000 deep": (driven(output={"F": "(" * 10000 + "1" + ")" * 10000}), ["output.F"]),
    "nested arrays": ("[" * 10000, ["16 levels"]),
    "w.file missing": (driven(y=None, w={"file": "no-such-file.txt"}), ["w.file", "no-such-file.txt"]),
    "w.file empty": (driven(y=None, w={"file": "empty.txt"}), ["w.file", "empty"]),
    "w.file unsorted": (driven(y=None, w={"file": "unsorted.txt"}), ["unsorted.txt", "3"]),
    "w.file with text": (driven(y=None, w={"file": "words.txt"}), ["words.txt", "2"]),
    "wrong type": (driven(tolerance="small"), ["tolerance", "number"]),
    "tolerance 0": (driven(tolerance=0), ["tolerance"]),
    "y too short": (driven(y__t=[0, 5]), ["y.t"]),
    "no outputs": (driven(output={}), ["output"]),
    "ddz": (driven(z__ddz="-a*dz - q*sin(x)"), ["z.ddz"]),
}


class Refused(House):
    def setUp(self):
        super().setUp()
        files = {"empty.txt": "", "unsorted.txt": "0 1\n2 1\n1 1\n", "words.txt": "0 1\none 1\n"}
        for name, text in files.items():
            with open(self.path(name), "w") as f:
                f.write(text)

    def test_run_and_check_refuse(self):
        for name, (job, words) in WRONG.items():
            with self.subTest(name):
                path = self.write_job(job)
                for command in (["run", path, "-o", self.path("out")], ["check", path]):
                    p = self.client(*command, code=8, broker=False)
                    self.assertEqual(p.stdout, "")
                    self.assertIn("job.json", p.stderr)
                    for word in words:
                        self.assertIn(word, p.stderr)
                    self.assertLess(len(p.stderr), 2000)
                    self.assertFalse(os.path.exists(self.path("out")))

    def test_submit_refuses_and_nothing_is_queued(self):
        self.broker()
        for name, (job, words) in WRONG.items():
            with self.subTest(name):
                p = self.client("submit", self.write_job(job), "--json", code=8)
                error = json.loads(p.stderr)
                self.assertEqual(error["code"], 8)
                self.assertEqual(error["name"], "job_refused")
        self.assertEqual(json.loads(self.client("list", "--json").stdout)["jobs"], [])
        folder = os.path.join(self.data, "jobs")
        self.assertEqual(os.listdir(folder) if os.path.isdir(folder) else [], [])

    def test_what_the_solver_refuses_leaves_nothing_either(self):
        for wrong, code in ((driven(w__is="sqrt(t - 6)"), 1),
                            (driven(grid__q__count=1000000, grid__a__count=90000), 11)):
            path = self.write_job(wrong)
            said = self.client("run", path, code=code, broker=False).stderr
            self.assertIn("hint", said)
            self.assertFalse(os.path.exists(self.path("job")))
        os.mkdir(self.path("job"))
        open(self.path("job/mine"), "w").close()
        self.client("run", path, code=code, broker=False)
        self.assertEqual(os.listdir(self.path("job")).count("mine"), 1)

    def test_usage(self):
        for args in (["sumbit", "x"], ["submit"], ["status", "--frobnicate"], ["run"]):
            p = self.client(*args, code=2)
            self.assertNotEqual(p.stderr, "")
        self.assertIn("submit", self.client("sumbit", "x", code=2).stderr)
        self.client("run", self.path("no.json"), code=None, broker=False)
        self.assertIn("hillsweep run", self.client("--help", broker=False).stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
