"""Results as files, read back by programs that are not ours: numpy, xarray, ncdump, gnuplot, Octave.
Of finished jobs, of running ones, and after a broker was killed in the middle. Every double is
compared bit for bit."""

import json
import os
import random
import re
import runpy
import signal
import struct
import subprocess
import sys
import unittest

import numpy
import xarray

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from house import HANGS_S, House, SLOW, driven, said_by, until  # noqa: E402

MANY = 200000 if SLOW == 1 else 60000


def bits(values):
    """Doubles as integers; all NaN are one."""
    values = numpy.ascontiguousarray(values, dtype="<f8").reshape(-1)
    return numpy.where(numpy.isnan(values), numpy.float64("nan"), values).view("<u8")


def read_rows(path, separator=None, head=0):
    with open(path) as f:
        lines = f.read().splitlines()[head:]
    return numpy.array([[float(x) for x in line.split(separator)] for line in lines])


def read_bytes(path):
    with open(path, "rb") as f:
        return f.read()


class Results(House):
    def same(self, got, wanted, what):
        self.assertEqual(numpy.shape(got), numpy.shape(wanted), what)
        differ = numpy.flatnonzero(bits(got) != bits(wanted))
        self.assertEqual(len(differ), 0, f"{what}: {len(differ)} values differ, first at {differ[:1]}")

    def tool(self, *args):
        p = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                           cwd=self.folder, timeout=120 * SLOW, env=dict(self.env, HOME=self.folder))
        self.assertEqual(p.returncode, 0, f"{args}\n{p.stdout}\n{p.stderr}")
        return p.stdout

    def export(self, word, name, *more, broker=True):
        self.client("results", word, "-o", name, *more, broker=broker)
        return self.path(name)

    # Each reader gives rows of q, a and the fields, as numbers.

    def by_gnuplot(self, path, columns):
        csv = path.endswith("csv")
        text = " ".join(["%.17g"] * columns)
        of = ",".join(f"column({k + 1})" for k in range(columns))
        self.tool("gnuplot", "-e", ("set datafile separator comma; " if csv else "") +
                  f"set table 'gnuplot.out'; plot '{path}' skip {int(csv)} using "
                  f"(sprintf('{text}',{of})) with table")
        return read_rows(self.path("gnuplot.out"))

    def by_octave(self, script):
        """What the script prints by num2hex."""
        out = self.tool("octave-cli", "--no-gui", "--no-init-file", "-q", "--eval", script)
        return numpy.array([struct.unpack(">d", bytes.fromhex(x))[0]
                            for x in re.findall(r"\b[0-9a-f]{16}\b", out)])

    def by_ncdump(self, path, name):
        out = self.tool("ncdump", "-p", "9,17", "-v", name, path)
        body = out[out.index("data:"):].split(f"{name} =", 1)[1].split(";", 1)[0]
        return numpy.array([float(x.replace("_", "nan")) for x in body.split(",")])

    def check_rows(self, word, fields, q, a, broker, *more):
        columns = 2 + len(fields)
        wanted = numpy.column_stack([numpy.repeat(q, len(a)), numpy.tile(a, len(q))] +
                                    [f.reshape(-1) for f in fields.values()])
        for ending, separator, head in (("txt", None, 0), ("csv", ",", 1)):
            path = self.export(word, f"rows.{ending}", *more, broker=broker)
            self.same(read_rows(path, separator, head), wanted, path)
            self.same(self.by_gnuplot(path, columns), wanted, "gnuplot " + ending)
        with open(path) as f:
            self.assertEqual(f.readline(), "q,a," + ",".join(fields) + "\n")
        got = self.by_octave("x = dlmread('rows.csv', ',', 1, 0); "
                             "for k = 1:rows(x), disp(num2hex(x(k, :)(:))); end")
        if not numpy.isnan(wanted).any():  # Octave's dlmread has no word for nan
            self.same(got, wanted.reshape(-1), "octave")
        shown = self.client("results", word, *more, broker=broker).stdout
        with open(self.path("rows.txt")) as f:
            self.assertEqual(shown, f.read())

    def check_netcdf(self, word, fields, q, a, status, broker, *more):
        path = self.export(word, "all.nc", *more, broker=broker)
        with xarray.open_dataset(path) as data:
            self.same(data.q.values, q, "q")
            self.same(data.a.values, a, "a")
            for name, values in fields.items():
                self.assertEqual(data[name].dims, ("q", "a"))
                self.same(data[name].values, values, name)
                self.assertEqual(data[name].attrs["ancillary_variables"], f"{name}.error status")
                self.assertEqual(data[name + ".error"].shape, values.shape)
            self.assertEqual(data.status.values.tolist(), status.tolist())
            self.assertEqual(data.attrs["Conventions"], "CF-1.10")
            self.assertEqual(data.attrs["tolerance"], 1e-9)
            self.assertEqual(json.loads(data.attrs["job"])["name"], "driven mode")
            # the label finds its point
            self.assertEqual(float(data.F.sel(q=q[2], a=a[3])), fields["F"][2, 3])
        for name, values in fields.items():
            self.same(self.by_ncdump(path, name), values.reshape(-1), "ncdump " + name)
        return path

    def job(self):
        return driven(grid__q__count=7, grid__a={"from": 0.01, "to": 100, "count": 9, "scale": "log"},
                      output={"F": "1 + z(t[157])", "slope": "dz(10)/3"})

    def test_a_finished_run(self):
        self.client("run", self.write_job(self.job()), "-o", "out", "-j", "1", broker=False)
        out = self.path("out")
        names = {n: numpy.load(f"{out}/{n}.npy") for n in ("q", "a", "F", "slope", "status")}
        q, a, status = names["q"], names["a"], names["status"]
        fields = {n: names[n] for n in ("F", "slope")}
        self.check_rows("out", fields, q, a, False)
        self.check_netcdf("out", fields, q, a, status, False)
        for name in fields:
            path = self.export("out", "one.npy", "--field", name, broker=False)
            with open(path, "rb") as got, open(f"{out}/{name}.npy", "rb") as stored:
                self.assertEqual(got.read(), stored.read())

        by_python = runpy.run_path(f"{out}/load.py")
        self.same(by_python["data"]["slope"], fields["slope"], "load.py")
        self.same(by_python["a"], a, "load.py: a")
        self.assertEqual(by_python["data"]["w"].shape[1], 2)
        by_octave = self.by_octave("run('out/load.m'); for k = 1:numel(q), "
                                   "disp(num2hex(data.slope(k, :)(:))); end; disp(num2hex(a(:)))")
        self.same(by_octave, numpy.append(fields["slope"].reshape(-1), a), "load.m")

    def middle(self, job):
        """A job of which some rows are done and some are not, and nobody works on the rest."""
        worker = self.worker("--full", "--limit", f"{SLOW / 2:g}%", yields=None)
        number = self.submit(job)
        total = job["grid"]["q"]["count"] * job["grid"]["a"]["count"]
        until(lambda: 0 < self.status(number)["rows_done"], "rows are done")
        self.kill(worker)
        done = self.status(number)["points_done"]
        self.assertLess(done, total, "the job was over too soon for this test")
        return number

    def test_in_the_middle(self):
        job = driven(grid__q__count=5000, grid__a__count=200, solver="point", tiles=[100, 1],
                     output={"F": "1 + z(t[157])"})
        broker = self.broker()
        number = self.middle(job)
        folder = os.path.join(self.data, "jobs", number)
        q, a = (numpy.load(f"{folder}/{n}.npy") for n in "qa")

        # running: from the broker, and from its folder
        path = self.export(number, "part.npy", "--partial")
        part = numpy.load(path)
        open_points = numpy.isnan(part)
        self.assertTrue(open_points.any() and not open_points.all())
        by_folder = numpy.load(self.export(folder, "folder.npy", "--partial", broker=False))
        self.same(by_folder[~open_points], part[~open_points], "the folder of a running job")
        shown = self.client("plot", number, "-o", "part.png", "--json")
        plot = json.loads(shown.stdout)
        self.assertGreater(plot["points_not_done"], 0)
        self.assertLessEqual(plot["points_not_done"], int(open_points.sum()))
        said = self.client("plot", number, "-o", "part.png").stderr
        self.assertRegex(said, r", [\d,]+ of [\d,]+ points")
        self.check_png(self.path("part.png"), 960, 720)
        nc = self.export(number, "part.nc", "--partial")
        with xarray.open_dataset(nc) as data:
            self.same(data.F.values[~open_points], part[~open_points], "NetCDF of a running job")
            self.assertEqual(data.attrs["complete"], "no")
            self.assertTrue(((data.status.values == 0) == numpy.isnan(data.F.values)).all())
        by_python = runpy.run_path(f"{folder}/load.py")["data"]
        self.same(by_python["F"][~open_points], part[~open_points], "load.py of a running job")
        # Octave maps the partial file by itself
        rows = self.by_octave(f"f = fopen('{folder}/F.partial.npy'); fseek(f, 4096); "
                              f"x = fread(f, [{len(a)} {len(q)}], 'double'); "
                              "disp(num2hex(x(1:200)(:)))")
        self.same(rows[~open_points[0, :]], part[0, :][~open_points[0, :]], "octave")

        # an export that waits for the rest, and is interrupted
        waiting = self.start(*self.command("results", number, "-o", "late.csv"))
        until(lambda: "workers]" in said_by(waiting), "it waits for the rest")
        waiting.send_signal(signal.SIGINT)
        self.assertEqual(waiting.wait(HANGS_S), 130)
        with open(waiting.log_path) as log:
            self.assertRegex(log.read(), r"the same command carries on after [1-9]\d* of 5000 rows")
        self.assertFalse(os.path.exists(self.path("late.csv")))
        with open(self.path(self.parts("late.csv")[0]), "a") as f:
            f.write("4.4,0.5")  # half a line, as a kill leaves it

        # after a kill of the broker: what was durable is there, with the same bits
        self.kill(broker)
        killed = numpy.load(self.export(folder, "killed.npy", "--partial", broker=False))
        self.same(killed[~open_points], part[~open_points], "after the kill")
        self.client("plot", folder, "-o", "killed.png", broker=False)

        # and at the end all agree
        self.broker()
        stream = self.start(*self.command("results", number, "-o", "stream.npy"))
        self.worker("--full", threads=2, yields=None)
        self.client("wait", number, timeout=120)
        self.assertEqual(stream.wait(HANGS_S), 0)
        whole = numpy.load(f"{folder}/F.npy")
        self.assertFalse(numpy.isnan(whole).any())
        self.same(part[~open_points], whole[~open_points], "the part and the whole")
        late = self.client("results", number, "-o", "late.csv")
        self.assertRegex(late.stderr, r"late.csv: carrying on after [1-9]\d* of 5000 rows")
        self.export(number, "anew.csv")
        self.assertEqual(read_bytes(self.path("late.csv")), read_bytes(self.path("anew.csv")))
        self.assertEqual(self.parts("late.csv"), [])
        self.same(numpy.load(self.path("stream.npy")), whole, "a stream across a kill of the broker")

    def parts(self, name):
        return [n for n in os.listdir(self.folder) if n.startswith(name) and n.endswith(".part")]

    def check_png(self, path, width, height):
        with open(path, "rb") as f:
            head = f.read(24)
        self.assertEqual(head[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(struct.unpack(">II", head[16:24]), (width, height))

    def test_every_double_bit_for_bit(self):
        """Random doubles through the job's text, the wire, files and rows, and back."""
        self.broker()
        self.worker("--full", threads=2, yields=None)
        dice = random.Random(4)
        for turn in range(2):
            values = []
            while len(values) < MANY:
                x = struct.unpack("<d", dice.randbytes(8))[0]
                if x == x and abs(x) != float("inf"):
                    values.append(x)
            wanted = numpy.array(values)
            number = self.submit({
                "name": "bits", "w": {"is": "cos(2*t)", "t": [0, 1]}, "z": {"start": [1, 0], "t": [0, 1]},
                "grid": {"q": [0.1], "a": values}, "output": {"F": "a"}, "errors": False})
            self.client("wait", number, timeout=300)
            folder = os.path.join(self.data, "jobs", number)
            self.same(numpy.load(f"{folder}/a.npy"), wanted, "a.npy")
            self.same(numpy.load(f"{folder}/F.npy"), [wanted], "F.npy")
            with open(f"{folder}/job.json") as f:
                self.same(numpy.array(json.load(f)["grid"]["a"]), wanted, "job.json")
            if turn == 0:
                self.same(numpy.load(self.export(number, "F.npy")), [wanted], "results .npy")
                with xarray.open_dataset(self.export(number, "F.nc")) as data:
                    self.same(data.F.values, [wanted], "results .nc")
            else:
                rows = numpy.column_stack([numpy.full(MANY, 0.1), wanted, wanted])
                self.same(read_rows(self.export(number, "F.csv"), ",", 1), rows, "results .csv")
                self.same(read_rows(self.export(number, "F.txt")), rows, "results .txt")

    def test_what_is_wrong_is_said(self):
        self.client("run", self.write_job(self.job()), "-o", "out", "-j", "1", broker=False)

        def refused(words, text, code=2):
            p = self.client(*words, code=code, broker=False)
            self.assertIn(text, p.stderr)
            self.assertEqual(p.stdout, "")

        refused(["results", "out", "-o", "x.nd"], "did you mean nc?")
        refused(["results", "out", "--format", "nc"], "NetCDF cannot be written to a stream")
        refused(["results", "out", "-o", "x.npy", "-f", "F", "-f", "slope"], "one field")
        refused(["results", "out", "-o", "no/x.nc"], "cannot create", 11)
        refused(["plot", "out", "-o", "x.jpg"], "there is no picture format \"jpg\"")
        refused(["plot", "out", "-o", "x"], "does not tell the picture's format")
        refused(["plot", "out", "-f", "G"], "has no field \"G\"")
        refused(["plot", "out", "--range", "2:1"], "LOW < HIGH")
        refused(["plot", "out", "--range", "1:x"], "LOW < HIGH")
        refused(["plot", "out", "--size", "100"], "WIDTHxHEIGHT")
        refused(["plot", "out", "--size", "1x9999"], "the width in --size")
        refused(["plot", "out", "--log", "--linear"], "one or the other")
        refused(["plot", "out", "--colours", "virdis"], "did you mean viridis?")
        refused(["plot", "none/", "-o", "x.png"], "cannot read", 11)
        self.assertFalse([n for n in os.listdir(self.folder) if n.startswith("x.")])


if __name__ == "__main__":
    unittest.main(verbosity=2)
