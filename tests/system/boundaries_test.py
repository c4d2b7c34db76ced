#!/usr/bin/python3
"""Edges of stability through the command: an ion trap's apex, polylines, every form and every place
that a job can be in, and what is refused."""

import json
import shutil
import unittest

import numpy

from house import House


def hill(w="-2*cos(2*t)", a=(-1, 6), q=(0, 20, 41), **more):
    return {"w": {"is": w, "period": "pi", **more.pop("w_more", {})},
            "z": {"start": [1, 0], "t": [0, 1], **more},
            "grid": {"q": {"from": q[0], "to": q[1], "count": q[2]},
                     "a": {"from": a[0], "to": a[1], "count": 9}},
            "output": {"F": "z(1)"}}


def characteristic(kind, m, q):
    """a_m or b_m from the recurrence of the Fourier coefficients (DLMF 28.4), as a matrix."""
    n = numpy.arange(30)
    if m % 2:
        diagonal, side = (2 * n + 1.0) ** 2, numpy.full(29, float(q))
        diagonal[0] += q if kind == "a" else -q
    elif kind == "a":
        diagonal, side = (2 * n) ** 2.0, numpy.full(29, float(q))
        side[0] *= numpy.sqrt(2)
    else:
        diagonal, side = (2 * n + 2) ** 2.0, numpy.full(29, float(q))
    matrix = numpy.diag(diagonal) + numpy.diag(side, 1) + numpy.diag(side, -1)
    return numpy.linalg.eigvalsh(matrix)[m // 2 - (kind == "b" and m % 2 == 0)]


class Boundaries(House):
    def curves(self, job, *more):
        if isinstance(job, dict):
            job = self.write_job(job)
        text = self.client("boundaries", job, "--json", *more, broker=False).stdout
        return json.loads(text)

    def one(self, document, name):
        (curve,) = [c for c in document["curves"] if c["name"] == name]
        (piece,) = curve["pieces"]
        return numpy.array(piece["q"]), numpy.array(piece["a"])

    def test_apex_of_an_ion_trap(self):
        # x sees (a, q), y sees (-a, -q): ions are held below b_1 of the one and a_0 of the other.
        x, b1 = self.one(self.curves(hill(a=(-1, 1)), "--q", "0.7:0.71:21"), "b_1")
        y, a0 = self.one(self.curves(hill("2*cos(2*t)", a=(-1, 1), v="-1"), "--q", "0.7:0.71:21"),
                         "a_0")
        self.assertTrue((x == y).all())
        gap, at = numpy.polyfit(x - 0.705, b1 - a0, 4), numpy.polyfit(x - 0.705, b1, 4)
        apex = min(numpy.roots(gap), key=abs).real
        a = numpy.polyval(at, apex)
        self.assertAlmostEqual(apex + 0.705, 0.705996, delta=5e-7)
        self.assertAlmostEqual(a, 0.236994, delta=5e-7)
        self.assertAlmostEqual(characteristic("b", 1, apex + 0.705), a, delta=1e-12)
        self.assertAlmostEqual(-characteristic("a", 0, apex + 0.705), a, delta=1e-11)

    def test_polylines(self):
        document = self.curves(hill())
        self.assertEqual(document["even_about"], 0)
        names = [c["name"] for c in document["curves"]]
        self.assertEqual(names, ["a_0", "b_1", "a_1", "b_2", "a_2", "b_3"])
        grid = list(numpy.linspace(0, 20, 41))
        seen = 0
        for c in document["curves"]:
            self.assertEqual(c["multiplier"], -1 if c["m"] % 2 else 1)
            for piece in c["pieces"]:
                first = grid.index(piece["q"][0])
                self.assertEqual(piece["q"], grid[first:first + len(piece["q"])])
                for q, a, error in zip(piece["q"], piece["a"], piece["error"]):
                    want = characteristic(c["name"][0], c["m"], q)
                    self.assertLess(abs(a - want), error + 1e-12)
                    self.assertLess(error, 1e-10)
                    seen += 1
        inside = sum(-1 <= characteristic(n[0], int(n[2:]), q) <= 6
                     for n in names + ["a_3", "b_4", "a_4", "b_5"] for q in grid)
        self.assertEqual(seen, inside)
        # a_2 rises above 6 and comes back.
        self.assertEqual(len(document["curves"][4]["pieces"]), 2)

    def test_forms(self):
        job = self.write_job(hill())
        document = self.curves(job)
        want = [(c["name"], i, *row) for c in document["curves"] for i, p in enumerate(c["pieces"])
                for row in zip(p["q"], p["a"], p["error"])]
        text = self.client("boundaries", job, broker=False).stdout
        pieces = [block.splitlines() for block in text.strip().split("\n\n")]
        self.assertEqual(len(pieces), sum(len(c["pieces"]) for c in document["curves"]))
        rows = [line.split() for block in pieces for line in block]
        self.assertEqual([(r[0], *map(float, r[1:])) for r in rows], [w[:1] + w[2:] for w in want])
        self.client("boundaries", job, "-o", self.path("curves.csv"), broker=False)
        with open(self.path("curves.csv")) as f:
            head, *lines = f.read().splitlines()
        self.assertEqual(head, "curve,piece,q,a,error")
        rows = [line.split(",") for line in lines]
        self.assertEqual([(r[0], int(r[1]), *map(float, r[2:])) for r in rows], want)
        summary = self.curves(job, "-o", self.path("curves.json"))
        self.assertEqual(summary["values"], len(want))
        with open(self.path("curves.json")) as f:
            self.assertEqual(json.load(f), document)

    def test_places(self):
        job = self.write_job(hill(q=(0, 2, 5)))
        want = self.client("boundaries", job, broker=False).stdout
        with open(job) as f:
            self.assertEqual(self.client("boundaries", "-", broker=False, stdin=f).stdout, want)
        self.client("run", job, "-o", self.path("out"), broker=False)
        self.assertEqual(self.client("boundaries", self.path("out"), broker=False).stdout, want)
        self.broker()
        self.submit(hill(q=(0, 2, 5)))
        self.assertEqual(self.client("boundaries", "last").stdout, want)

    def test_no_symmetry(self):
        document = self.curves(hill("cos(2*t) + 0.3*sin(4*t + 1)", q=(0, 4, 9)))
        self.assertIsNone(document["even_about"])
        self.assertEqual([c["name"] for c in document["curves"]][:3],
                         ["upper_0", "lower_1", "upper_1"])
        q0 = [c["pieces"][0]["a"][0] for c in document["curves"]]
        for a, want in zip(q0, [0, 1, 1, 4, 4]):
            self.assertAlmostEqual(a, want, delta=1e-12)

    def test_plot(self):
        self.client("run", self.write_job(hill(q=(0, 2, 5))), "-o", "out", broker=False)
        for more, drawn in ([], False), (["--boundaries"], True):
            p = self.client("plot", "out", "-o", "chart.svg", "--json", *more, broker=False)
            self.assertEqual(json.loads(p.stdout)["boundary"], drawn)
        job = hill()
        job["w"] = {"is": "cos(2*t)", "t": [0, 4]}
        self.client("run", self.write_job(job), "-o", "other", broker=False)
        p = self.client("plot", "other", "--boundaries", broker=False, code=8)
        self.assertIn("period", p.stderr)

    def test_many_values(self):
        q, a = self.one(self.curves(hill(), "--q", "1:0:2001"), "a_0")
        self.assertTrue((q == numpy.linspace(1, 0, 2001)).all())
        for i in range(0, 2001, 100):
            self.assertAlmostEqual(a[i], characteristic("a", 0, q[i]), delta=1e-12)

    def test_damping(self):
        document = self.curves(hill(a=(0.5, 1.5), q=(0.05, 0.2, 2), damping="0.1"))
        self.assertAlmostEqual(document["damping"], 0.1, delta=1e-15)
        self.assertEqual([(c["name"], c["pieces"][0]["q"]) for c in document["curves"]],
                         [("lower_1", [0.2]), ("upper_1", [0.2])])

    def agrees(self, job):
        """The field `stable` beside every edge, and on it, where nobody can tell."""
        job["grid"]["q"] = [2]
        job["output"] = {"stable": "stable"}
        edges = sorted((p["a"][0], c["name"]) for c in self.curves(job)["curves"]
                       for p in c["pieces"])
        job["grid"]["a"] = [a + side for a, _ in edges for side in (-1e-8, 0, 1e-8)]
        self.client("run", self.write_job(job), "-o", "beside", "--json", broker=False)
        stable = numpy.load(self.path("beside/stable.npy"))[0]
        for i, (a, name) in enumerate(edges):
            want = [1, 0, -1] if name.startswith("lower") else [-1, 0, 1]
            self.assertEqual(list(stable[3 * i:3 * i + 3]), want, f"{name} = {a}")
        shutil.rmtree(self.path("beside"))
        return len(edges)

    def test_floquet_fields_agree(self):
        self.assertEqual(self.agrees(hill("cos(2*t) + 0.3*sin(4*t + 1)", a=(-6, 20))), 9)
        self.assertEqual(self.agrees(hill(a=(-6, 20), damping="0.2 + 0.1*sin(2*t)")), 5)

    def refused(self, job, path, word):
        p = self.client("boundaries", self.write_job(job), "--json", broker=False, code=8)
        error = json.loads(p.stderr)
        self.assertEqual(error["path"], path)
        self.assertIn(word, error["message"])
        self.assertEqual(p.stdout, "")

    def test_refused(self):
        job = hill()
        job["w"] = {"is": "cos(2*t)", "t": [0, 4]}
        self.refused(job, "w.period", "period")
        self.refused(hill(w_more={"period": 3}), "w.period", "does not repeat itself")
        self.refused(hill(damping="-0.1"), "z.damping", "negative on average")
        self.refused(hill(v="cos(2*t)"), "z.v", "changes its sign")
        job["z"]["ddz"] = "-a*dz - q*w*sin(z)"
        self.refused(job, "z.ddz", "Hill")
        self.assertIn("no edge", self.client("boundaries", self.write_job(hill(a=(-9, -8),
                                             q=(0, 1, 3))), broker=False).stderr)


if __name__ == "__main__":
    unittest.main()
