#!/usr/bin/python3
"""What a wrong command line and a wrong job are told, word by word: tests/system/golden/*.txt.

  golden_test.py             compares
  GOLDEN=write golden_test.py   writes the files anew; then read what has changed
"""

import concurrent.futures
import json
import os
import re
import unittest

from house import HERE, House, driven

GOLDEN = os.path.join(HERE, "golden")

# Each is typed in a folder that holds good.json, an empty folder "empty" and nothing else.
COMMANDS = """
hillsweep sumbit good.json
hillsweep stauts
hillsweep resluts
hillsweep frobnicate
hillsweep help frobnicate
hillsweep Submit good.json
hillsweep good.json
hillsweep --broker
hillsweep --borker tcp://127.0.0.1:1 list
hillsweep --json=yes list
hillsweep --connect-timeout soon list
hillsweep --connect-timeout -1s list
hillsweep --broker tcp://office list
hillsweep --broker office:7117 list
hillsweep --broker tcp://office:99999 list
hillsweep --broker http://office:80 list
hillsweep --broker ipc:// list
hillsweep --broker "" list
hillsweep --connect-timeout 20ms --broker ipc:///nonexistent/socket status
hillsweep --connect-timeout 20ms --broker ipc:///nonexistent/socket results last
hillsweep --connect-timeout 20ms --broker ipc:///nonexistent/socket submit good.json
hillsweep run
hillsweep run a.json b.json
hillsweep run missing.json
hillsweep run empty
hillsweep run -
hillsweep run good.json -j
hillsweep run good.json -j 0
hillsweep run good.json -j -3
hillsweep run good.json -j 1.5
hillsweep run good.json -j many
hillsweep run good.json -j 99999
hillsweep run good.json --limit 0
hillsweep run good.json --limit 101%
hillsweep run good.json --limit half
hillsweep run good.json --limit
hillsweep run good.json --ouptut x
hillsweep run good.json -x
hillsweep run good.json --watch=yes
hillsweep run good.json -o good.json
hillsweep check
hillsweep check good.json good.json
hillsweep check good.json --wait
hillsweep submit
hillsweep submit good.json -p
hillsweep submit good.json -p high
hillsweep submit good.json -p 1001
hillsweep submit good.json -p 1e3
hillsweep submit good.json --priority=
hillsweep status 1 2
hillsweep status --frobnicate
hillsweep wait
hillsweep wait last --timeout
hillsweep wait last --timeout tomorrow
hillsweep wait last --timeout 5parsecs
hillsweep wait last --timeout 1s1h
hillsweep wait last --timeout 99999999999999d
hillsweep watch 1 2
hillsweep watch last -f
hillsweep watch last --feild F
hillsweep why 1 2
hillsweep list all
hillsweep cancel
hillsweep pause
hillsweep resume
hillsweep delete
hillsweep delete 1 2
hillsweep priority 7
hillsweep priority
hillsweep results
hillsweep --connect-timeout 20ms --broker ipc:///nonexistent/socket results empty
hillsweep results ./missing
hillsweep --connect-timeout 20ms --broker ipc:///nonexistent/socket plot good.json
hillsweep plot
hillsweep boundaries
hillsweep boundaries good.json
hillsweep boundaries missing.json
hillsweep boundaries empty -o curves
hillsweep boundaries good.json --format xml
hillsweep boundaries good.json --json --format csv
hillsweep boundaries good.json --q 0:1
hillsweep boundaries good.json --q 0:1:many
hillsweep boundaries good.json --q 1:1:5
hillsweep --connect-timeout 20ms --broker ipc:///nonexistent/socket boundaries empty
hillsweep workers pause
hillsweep workers limit 3
hillsweep workers stop 3
hillsweep workers limit 3 0%
hillsweep workers pause 1 2 3
hillsweep completion
hillsweep completion tcsh
hillsweep --completion tcsh
hillsweep version now
hillsweep-broker --listen
hillsweep-broker --listen nowhere
hillsweep-broker --log loud
hillsweep-broker --ready-fd x
hillsweep-broker here
hillsweep-broker --completion tcsh
hillsweep-worker
hillsweep-worker --broker
hillsweep-worker --broker nowhere
hillsweep-worker --broker tcp://127.0.0.1:1 --threads 0
hillsweep-worker --broker tcp://127.0.0.1:1 --threads lots
hillsweep-worker --broker tcp://127.0.0.1:1 --limit 200%
hillsweep-worker --broker tcp://127.0.0.1:1 --lmit 5%
hillsweep-worker --broker tcp://127.0.0.1:1 --log loud
hillsweep-worker tcp://127.0.0.1:1
""".strip().splitlines()

TEXT = json.dumps(driven())


def jobs():
    """(name, text) of each wrong job; what is changed is the question's own job."""
    yield "nothing", ""
    yield "not JSON", "F = 1 + z(t[157])"
    yield "a list", "[1, 2]"
    yield "a number", "42"
    yield "cut off", TEXT[:200]
    yield "two documents", TEXT + TEXT
    yield "a comment", '{"name": "a" /* mine */}'
    yield "single quotes", "{'name': 'a'}"
    yield "a trailing comma", '{"name": "a",}'
    yield "a key twice", '{"name": "a",\n "name": "b"}'
    yield "a byte-order mark", "\ufeff" + TEXT
    yield "1e999", TEXT.replace("1e-09", "1e999")
    yield "NaN", TEXT.replace("1e-09", "NaN")
    yield "a number with a leading 0", TEXT.replace("1e-09", "01")
    yield "nested arrays", "[" * 40 + "]" * 40
    for name, changes in {
        "name is a number": dict(name=7),
        "name too long": dict(name="x" * 100),
        "name with a line end": dict(name="a\nb"),
        "unknown key": dict(tolerence=1e-9),
        "unknown key in z": dict(z__strat=[1, 0]),
        "unknown key in grid": dict(grid__x=[1]),
        "no w": dict(w=None),
        "no z": dict(z=None),
        "no grid": dict(grid=None),
        "no output": dict(output=None),
        "no grid.q": dict(grid__q=None),
        "grid.q is a number": dict(grid__q=3),
        "grid.q is empty": dict(grid__q=[]),
        "grid.q has text": dict(grid__q=[1, "two"]),
        "no count": dict(grid__a={"from": 0, "to": 1}),
        "count 0": dict(grid__a__count=0),
        "count -5": dict(grid__a__count=-5),
        "count 2.5": dict(grid__a__count=2.5),
        "count as text": dict(grid__a__count="100"),
        "too many points": dict(grid__a__count=4000000, grid__q__count=4000000),
        "an axis too long": dict(grid__a__count=1000000000),
        "log from a negative number": dict(grid__a__scale="log"),
        "unknown scale": dict(grid__a__scale="cubic"),
        "y.f missing": dict(y__f=None),
        "y.f does not parse": dict(y__f="1 + 0.3*cos(1.7*t"),
        "y.f with an unknown function": dict(y__f="coss(t)"),
        "y.f with q": dict(y__f="q"),
        "y.t of one number": dict(y__t=[0]),
        "y.t backwards": dict(y__t=[20, 0]),
        "y.t as text": dict(y__t="0..20"),
        "y.t shorter than w.t": dict(y__t=[0, 5]),
        "y.start of three": dict(y__start=[1, 0, 0]),
        "y missing": dict(y=None),
        "w.is empty": dict(w__is=""),
        "w.is with z": dict(w__is="z"),
        "w.is with a wrong name": dict(w__is="Y"),
        "w.is and a table": dict(w__table={"t": [0, 1], "w": [0, 1]}),
        "w.t missing": dict(w__t=None),
        "w.t empty": dict(w__t=[1, 1]),
        "interpolation misspelt": dict(w__interpolation="csplien", w__knots=100),
        "knots missing": dict(w__interpolation="cspline"),
        "too few knots": dict(w__interpolation="akima", w__knots=3),
        "knots of exact": dict(w__knots=100),
        "no such file": dict(y=None, w={"file": "missing.txt"}),
        "a file of words": dict(y=None, w={"file": "words.txt"}),
        "a file that goes back": dict(y=None, w={"file": "back.txt"}),
        "a table of two lengths": dict(y=None, w={"table": {"t": [0, 1, 2], "w": [0, 1]}}),
        "a table that goes back": dict(y=None, w={"table": {"t": [0, 2, 1, 12], "w": [0, 1, 2, 3]}}),
        "a table too short": dict(y=None, w={"table": {"t": [0, 1, 2], "w": [0, 1, 2]}}),
        "breaks that go back": dict(w__breaks=[2, 1]),
        "breaks outside": dict(w__breaks=[13]),
        "z.start missing": dict(z__start=None),
        "z.start of one": dict(z__start=[1]),
        "z.start with t": dict(z__start=["t", 0]),
        "z.t missing": dict(z__t=None),
        "z.t outside w.t": dict(z__t__to=13),
        "z.t before w.t": dict(z__t__from=-1),
        "z.t goes back": dict(z__t=[0, 2, 1]),
        "z.damping does not parse": dict(z__damping="0.1*"),
        "output is text": dict(output="1 + z(t[157])"),
        "output empty": dict(output={}),
        "a field called q": dict(output={"q": "z(1)"}),
        "a field with a blank": dict(output={"F 1": "z(1)"}),
        "a time that is not there": dict(output={"F": "1 + z(t[201])"}),
        "a time that is no index": dict(output={"F": "1 + z(t[1.5])"}),
        "z without a time": dict(output={"F": "1 + z"}),
        "z at a time of the grid": dict(output={"F": "z(a)"}),
        "z past w.t": dict(output={"F": "z(50)"}),
        "an unknown name": dict(output={"F": "1 + zz(t[157])"}),
        "parentheses open": dict(output={"F": "1 + z(t[157]"}),
        "an operator too many": dict(output={"F": "1 + * z(1)"}),
        "nested 1,000 deep": dict(output={"F": "(" * 1000 + "1" + ")" * 1000}),
        "tolerance 0": dict(tolerance=0),
        "tolerance 1": dict(tolerance=1),
        "tolerance as text": dict(tolerance="small"),
        "errors as text": dict(errors="yes"),
        "solver misspelt": dict(solver="tiles"),
    }.items():
        yield name, json.dumps(driven(**changes))


class Golden(House):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("empty"))
        self.write_job(driven(), "good.json")
        with open(self.path("words.txt"), "w") as f:
            f.write("0 1\none 1\n")
        with open(self.path("back.txt"), "w") as f:
            f.write("0 1\n2 1\n1 1\n")

    def told(self, program, *args):
        """Standard error and the exit code; nothing else may be printed."""
        p = self.program(program, *args)
        self.assertEqual(p.stdout, "", args)
        self.assertNotEqual(p.returncode, 0, args)
        self.assertLess(len(p.stderr), 3000, args)
        text = p.stderr.replace(self.folder, "FOLDER")
        return f"{text}[{p.returncode}]\n"

    def each(self, function, cases):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            return list(pool.map(function, cases))

    def compare(self, file, blocks):
        text = "\n".join(blocks)
        path = os.path.join(GOLDEN, file)
        if os.environ.get("GOLDEN") == "write":
            with open(path, "w") as f:
                f.write(text)
        with open(path) as f:
            golden = f.read()
        self.maxDiff = 4000
        self.assertEqual(text, golden)

    def typed(self, line):
        words = [w.strip('"') for w in line.split()]
        return f"$ {line}\n{self.told(*words)}"

    def checked(self, job):
        number, (name, text) = job
        self.write_job(text, f"{number}.json")
        told = self.told("hillsweep", "check", f"{number}.json")
        self.assertTrue(told.startswith("hillsweep: "), told)
        return f"== {name}\n" + re.sub(rf"\b{number}\.json", "job.json", told)

    def test_command_lines(self):
        self.compare("commands.txt", self.each(self.typed, COMMANDS))

    def test_jobs(self):
        self.compare("jobs.txt", self.each(self.checked, enumerate(jobs())))

    def test_there_are_many(self):
        self.assertGreaterEqual(len(COMMANDS) + len(list(jobs())), 100)


if __name__ == "__main__":
    unittest.main()
