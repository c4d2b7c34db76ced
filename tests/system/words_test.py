#!/usr/bin/python3
"""What the user reads is true: the README's job and its lines of Python work as they stand, and
`run` answers alike whether it has just solved a job or finds it done."""

import json
import os
import re
import subprocess
import sys
import unittest

from house import ROOT, House, driven


def blocks(language):
    with open(os.path.join(ROOT, "README.md")) as f:
        return re.findall(rf"```{language}\n(.*?)```", f.read(), re.S)


class Words(House):
    def test_the_readme_works(self):
        self.write_job(blocks("json")[0])
        self.client("check", "job.json", broker=False)
        self.client("run", "job.json", broker=False)
        code = blocks("python")[0] + "assert F.shape == error.shape == status.shape == (100, 100)\n"
        subprocess.run([sys.executable, "-c", code], cwd=self.folder, check=True)

    def test_the_readme_names_commands_that_exist(self):
        with open(os.path.join(ROOT, "README.md")) as f:
            used = set(re.findall(r"^(?:\S+/)?hillsweep ([a-z]\w*)|; hillsweep ([a-z]\w*)", f.read(), re.M))
        for name in {a or b for a, b in used}:
            with self.subTest(name):
                self.client(name, "--help", broker=False)

    def test_a_finished_run_answers_alike(self):
        path = self.write_job(driven(grid__q__count=8, grid__a__count=5))
        first = json.loads(self.client("run", path, "--json", broker=False).stdout)
        again = json.loads(self.client("run", path, "--json", broker=False).stdout)
        for key, value in again.items():
            if key != "rate":
                self.assertEqual(value, first[key], key)
        for key in ("id", "name", "state", "points_total", "points_failed", "fields", "shape"):
            self.assertIn(key, again)

    def test_wrong_options_are_refused_before_all_else(self):
        path = self.write_job(driven(grid__q__count=8, grid__a__count=5))
        for wrong in (["-j", "0"], ["-j", "many"], ["--limit", "0%"], ["--limit", "x"]):
            with self.subTest(wrong):
                self.client("run", path, *wrong, code=2, broker=False)
        self.assertFalse(os.path.exists(self.path("job")))
        self.client("run", path, broker=False)
        self.client("run", path, "-j", "0", code=2, broker=False)

    def test_a_word_that_is_no_folder_is_explained(self):
        for command in ("results", "plot", "verify"):
            p = self.client("--connect-timeout", "50ms", command, "jbo", code=7)
            self.assertIn("there is none in jbo", p.stderr)

    def test_values_that_the_help_names_are_taken(self):
        """--log warn|info|debug: each of them, up to what comes after it on the command line."""
        for name in ("hillsweep-broker", "hillsweep-worker"):
            for option, values in re.findall(r"(--\S+) ([a-z]+(?:\|[a-z]+)+)",
                                             self.program(name, "--help").stdout):
                for value in values.split("|"):
                    p = self.program(name, option, value, "--no-such-option")
                    self.assertIn("no option --no-such-option", p.stderr)
                    where = "--listen" if name.endswith("broker") else "--broker"
                    p = self.program(name, option, value, where, "nonsense")
                    self.assertIn('"nonsense" is not an endpoint', p.stderr, (option, value))


if __name__ == "__main__":
    unittest.main()
