#!/usr/bin/python3
"""What a person sees: progress, watch and errors in a pseudo-terminal of every kind, and none of it
through a pipe."""

import os
import re
import signal
import unittest

import numpy

from house import HANGS_S, SLOW, House, driven, program, said_by, until
from terminal import Terminal

SMALL = driven(grid__q__count=8, grid__a__count=5)
# Work enough that a worker at this --limit is seen at it: 36 ns a point.
LIMIT = f"{SLOW:g}%"
LARGE = driven(grid__q__count=2000, grid__a__count=2000, solver="point")
KINDS = {
    "truecolor": dict(TERM="xterm-256color", COLORTERM="truecolor"),
    "256": dict(TERM="xterm-256color"),
    "16": dict(TERM="xterm"),
    "none": dict(TERM="xterm", NO_COLOR="1"),
    "dumb": dict(TERM="dumb"),
}
KINDS_OF_HELP = ("hillsweep", "keys", "boundaries", "workers", "hillsweep-broker", "hillsweep-worker")
ESCAPE = "\x1b"


class Terminals(House):
    def run_in(self, kind, *args, columns=80, lines=24, locale="C.UTF-8"):
        env = {k: v for k, v in self.env.items() if k not in ("COLORTERM", "NO_COLOR", "CLICOLOR",
                                                               "CLICOLOR_FORCE", "LC_CTYPE")}
        env.update(KINDS[kind], LC_ALL=locale, HILLSWEEP_BROKER=self.endpoint)
        command = self.command(*args) if self.processes else [program("hillsweep"), *args]
        return Terminal(command, env, self.folder, columns, lines)

    def done_job(self, job=SMALL):
        self.broker()
        self.worker("--full")
        return self.client("submit", self.write_job(job), "--wait").stdout.strip()

    def test_the_picture_in_every_depth(self):
        job = self.done_job()
        signs = {"truecolor": "38;2;", "256": "38;5;", "16": r"\[3[0-7]m"}
        for kind, sign in signs.items():
            with self.subTest(kind):
                t = self.run_in(kind, "watch", job)
                self.assertEqual(t.finish(), 0)
                self.assertRegex(t.raw(), re.escape(sign) if kind != "16" else sign)
                for other in set(signs) - {kind, "16"}:
                    self.assertNotIn(signs[other], t.raw())
                self.assert_picture(t, "\u2580")

    def assert_picture(self, t, block):
        rows = t.screen.display
        self.assertIn("driven mode:  F = 1 + z(t[157])", rows[0])
        picture = [row for row in rows if row[3:].count(block) == 72]
        self.assertGreaterEqual(len(picture), 9, t.text())
        self.assertRegex(rows[1], r"^ 7 ")
        self.assertTrue(any(re.match(r"^-2 ", row) for row in rows))
        self.assertTrue(any(re.search(r"^ +0 +q +4", row) for row in rows), t.text())
        self.assertRegex(t.text(), r"F  -?[\d.e+]+ .* -?[\d.e+]+")
        self.assertIn("job 1 is done: 40 points", t.text())

    def test_without_colours_it_is_text(self):
        job = self.done_job()
        t = self.run_in("none", "watch", job)
        self.assertEqual(t.finish(), 0)
        self.assertNotRegex(t.raw(), r"\x1b\[[0-9;]*m")
        self.assertTrue(t.raw().isascii())
        self.assertTrue(any(re.match(r"^.. [.:=+*#%@-]{72}", r) for r in t.screen.display), t.text())

    def test_each_cell_is_the_point_in_its_middle(self):
        """The picture drawn anew from F.npy, the ramp's nine levels between least and greatest."""
        job = self.done_job(driven(grid__q={"from": 1, "to": 2, "count": 1000},
                                   grid__a={"from": 1, "to": 3, "count": 777},
                                   output={"F": "q*a + 0*z(1)"}))
        t = self.run_in("none", "watch", job)
        self.assertEqual(t.finish(), 0)
        rows = [row[2:] for row in t.screen.display[1:20]]  # 19 lines beside labels "1 " and "3 "
        width = 80 - 1 - 1 - 1
        field = numpy.load(os.path.join(self.data, "jobs", job, "F.npy"))
        q = [(2 * k + 1) * 1000 // (2 * width) for k in range(width)]
        a = [(2 * k + 1) * 777 // (2 * 19) for k in range(19)]
        cells = field[numpy.ix_(q, a)].astype(numpy.float32).astype(float)
        level = (cells - cells.min()) / (cells.max() - cells.min()) * 9
        ramp = numpy.array(list(".:-=+*#%@@"))
        drawn = ["".join(ramp[level[:, 18 - line].astype(int)]) for line in range(19)]
        self.assertEqual([row.rstrip() for row in rows], drawn)

    def test_without_utf8_it_is_spaces_with_colours(self):
        job = self.done_job()
        t = self.run_in("256", "watch", job, locale="C")
        self.assertEqual(t.finish(), 0)
        self.assertTrue(t.raw().isascii())
        self.assertIn("48;5;", t.raw())

    def test_a_dumb_terminal_gets_a_line(self):
        job = self.done_job()
        t = self.run_in("dumb", "watch", job)
        self.assertEqual(t.finish(), 0)
        self.assertEqual(t.raw(), f"job {job} is done: 40 points; hillsweep results {job} -o FILE.npy\r\n")

    def test_a_small_terminal_gets_the_line_alone(self):
        job = self.done_job()
        t = self.run_in("truecolor", "watch", job, columns=60, lines=6)
        self.assertEqual(t.finish(), 0)
        self.assertNotIn("\u2580", t.raw())
        self.assertIn("is done", t.text())

    def test_it_grows_and_ctrl_c_detaches(self):
        self.broker()
        self.worker("--full", "--limit", LIMIT)
        t = self.run_in("truecolor", "submit", "--watch", self.write_job(LARGE))
        t.until(lambda t: re.search(r"\[[\d,]+/4,000,000  \d+%", t.text()), "a progress line")
        t.until(lambda t: any("\u2580" in r for r in t.screen.display[2:18]), "the first cells")
        some = sum(row.count("\u2580") for row in t.screen.display)
        t.until(lambda t: sum(r.count("\u2580") for r in t.screen.display) > some + 5, "more cells")
        t.resize(50, 16)
        t.until(lambda t: re.search(r"^ +0 +q +4$", t.text(), re.M) and
                max(len(r) for r in t.text().splitlines()) < 50, "a smaller picture")
        t.type(b"\x03")
        self.assertEqual(t.finish(), 130)
        self.assertIn("detached; job 1 goes on", t.text())
        self.assertIn("hillsweep watch 1", t.text())
        self.assertNotIn("[", t.text().splitlines()[-2])  # the progress line is gone
        self.assertEqual(self.status("1")["state"], "running")
        self.client("cancel", "1")

    def test_a_reconnect_shows_the_picture_again(self):
        broker = self.broker()
        self.worker("--full", "--limit", LIMIT)
        job = self.submit(LARGE)
        t = self.run_in("truecolor", "watch", job)
        t.until(lambda t: any("\u2580" in r for r in t.screen.display[2:18]), "the first cells")
        self.kill(broker)
        self.broker()
        seen = len(t.data)
        t.until(lambda t: t.data[seen:].count("\u2580".encode()) > 20, "cells after the restart")
        t.type(b"\x03")
        self.assertEqual(t.finish(), 130)
        self.client("cancel", job)

    def test_run_shows_its_line_and_takes_it_away(self):
        path = self.write_job(driven(grid__q__count=600, grid__a__count=600, solver="point"))
        t = self.run_in("truecolor", "run", "--full", path, "--limit", LIMIT)
        t.until(lambda t: re.search(r"\[[\d,]+/360,000  \d+%.*1 worker", t.text()), "its line")
        self.assertEqual(t.finish(), 0)
        lines = t.text().splitlines()
        self.assertRegex(lines[0], r"^360,000 points in .*: .*job/F.npy$")
        self.assertNotIn("[", t.text())
        t = self.run_in("truecolor", "run", "--full", "--watch", path, "-o", "again")
        self.assertEqual(t.finish(), 0)
        self.assertIn("\u2580", t.text())
        self.assertIn("again/F.npy", t.text())

    def test_delete_asks(self):
        job = self.done_job()
        for answer, code in ((b"n\n", 1), (b"\n", 1), (b"\x04", 1), (b"y\n", 0)):
            t = self.run_in("16", "delete", "last")
            t.until(lambda t: "delete job 1 driven mode, 40 of 40 points, and its results? [y/N]"
                    in t.text(), "the question")
            t.type(answer)
            self.assertEqual(t.finish(), code, answer)
            self.assertIn("is deleted" if code == 0 else "nothing was deleted", t.text())
        self.client("status", job, code=5)
        self.client("submit", self.path("job.json"), "--wait")
        self.assertEqual(self.run_in("16", "delete", "last", "--yes").finish(), 0)

    def test_errors_have_colour_where_there_is_some(self):
        red = "\x1b[31mhillsweep:\x1b[0m "
        for kind, coloured in (("16", True), ("none", False), ("dumb", False)):
            t = self.run_in(kind, "sumbit")
            self.assertEqual(t.finish(), 2)
            self.assertEqual(red in t.raw(), coloured, kind)
        forced = dict(CLICOLOR_FORCE="1", TERM="dumb")
        self.assertIn(red, self.client("sumbit", code=2, env=forced).stderr)
        self.assertNotIn(ESCAPE, self.client("sumbit", code=2, env=dict(forced, NO_COLOR="1")).stderr)
        self.assertNotIn(ESCAPE, self.client("sumbit", code=2).stderr)

    def test_through_a_pipe_nothing_is_drawn(self):
        self.broker()
        self.worker("--full", "--limit", LIMIT)
        job = self.submit(driven(grid__q__count=1500, grid__a__count=1500, solver="point"))
        self.env.update(KINDS["truecolor"])
        with open(self.path("out"), "wb") as out:
            p = self.start(*self.command("watch", job), stdout=out)
        said = until(lambda: re.search(r"\[[\d,]+/2,250,000  \d+%|is done", said_by(p)), "a line")
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(HANGS_S), 0 if said[0] == "is done" else 130)
        self.assertEqual(os.path.getsize(self.path("out")), 0)
        self.assertNotIn(ESCAPE, said_by(p))
        self.assertNotIn("\r", said_by(p))
        quiet = self.client("watch", job, "--quiet", "--timeout", "50ms", code=None)
        self.assertNotIn("/2,250,000", quiet.stderr)

    def test_check_is_as_wide_as_the_terminal(self):
        path = self.write_job(SMALL)
        piped = self.client("check", path, broker=False).stdout.splitlines()
        for columns in (60, 120):
            t = self.run_in("16", "check", path, columns=columns, lines=40)
            self.assertEqual(t.finish(), 0)
            lines = t.raw().replace("\r", "").splitlines()
            self.assertEqual([line for line in lines[:-1] if len(line) > columns], [])
            memory = [i for i, line in enumerate(lines) if line.startswith("memory")][0]
            shown = lines[memory:memory + 2] if columns == 60 else lines[memory:memory + 1]
            self.assertIn(" ".join(line.strip() for line in shown), piped)
            if columns == 60:
                self.assertRegex(shown[1], r"^ {11}\S")

    def test_long_reasons_are_folded_on_a_terminal_alone(self):
        self.broker()
        self.worker("--full")
        self.client("submit", self.write_job(driven(w__period="pi")), "--wait", code=None)
        for command, left in (("status", 2), ("why", 2)):
            piped = self.client(command).stdout.splitlines()
            reason = [line for line in piped if "does not repeat itself" in line][0]
            self.assertTrue(reason.endswith('"2*pi/3"'), reason)
            t = self.run_in("16", command, columns=60, lines=40)
            self.assertEqual(t.finish(), 0)
            lines = t.raw().replace("\r", "").splitlines()
            first = [i for i, line in enumerate(lines) if line[:60] in reason and len(line) > 20][0]
            last = [i for i, line in enumerate(lines) if line.endswith('"2*pi/3"')][0]
            self.assertEqual([line for line in lines[first:last + 1] if len(line) > 60], [])
            self.assertTrue(all(line[:left].isspace() for line in lines[first + 1:last + 1]))
            self.assertEqual(" ".join(line.strip() for line in lines[first:last + 1]), reason.strip())

    def test_every_help_fits_a_terminal(self):
        script = self.client("completion", "fish", broker=False).stdout
        commands = re.findall(r"-n __fish_use_subcommand -a (\w+)", script)
        self.assertGreaterEqual(len(commands), 18)
        for words in [["hillsweep"], *(["hillsweep", command] for command in commands),
                      ["hillsweep-broker"], ["hillsweep-worker"]]:
            text = self.program(*words, "--help").stdout
            self.assertTrue(text.startswith("Examples:\n  hillsweep"), words)
            self.assertEqual(self.wider(text, 80), [], words)
            for columns in (60, 80, 120) if words[-1] in KINDS_OF_HELP else ():
                t = Terminal([program(words[0]), *words[1:], "--help"], self.env, self.folder, columns)
                self.assertEqual(t.finish(), 0)
                shown = t.raw().replace("\r\n", "\n")
                self.assertEqual(self.wider(shown, min(columns, 100)), [], words)
                self.assertEqual(shown.split(), text.split())

    def wider(self, text, columns):
        """Lines that are, but for commands to copy, which end where they end."""
        return [line for line in text.splitlines() if len(line) > columns and
                not (line.startswith("  hillsweep") and "   " not in line[2:])]


if __name__ == "__main__":
    unittest.main()
