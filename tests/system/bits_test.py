#!/usr/bin/python3
"""The stored bytes do not depend on who computed them: instruction sets, number of threads and workers,
leases, compilers, and glibc's variants of sin and exp once w is the job's own.

HILLSWEEP_OTHER_BIN names the programs of another build (of another compiler) to compare with; tests/run
sets it when it has built both."""

import hashlib
import os
import re
import socket
import subprocess
import unittest

from house import BIN, SLOW, House, driven, free_port, read_folder, until

ISAS = ("portable", "avx2", "avx512")  # one that the processor lacks becomes the best it has
OTHER = os.environ.get("HILLSWEEP_OTHER_BIN", "")
HIDDEN = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-AVX512F,-AVX512DQ"}

OUTPUTS = {"F": "1 + z(t[157])", "G": "dz(3)*z2(7)", "L": "lnabs(9.99)"}
GRID = dict(grid__q__count=77, grid__a__count=130, tiles=[5, 4], output=OUTPUTS)
JOBS = {
    "exact": dict(tolerance=1e-11, **GRID),
    "cspline": dict(w={"is": "y^2 - dy", "t": [0, 12], "interpolation": "cspline", "knots": 301}, **GRID),
    "long": dict(y__t=[0, 50], w__t=[0, 45], z__t={"from": 0, "to": 45, "count": 201},
                 tolerance=1e-12, **dict(GRID, output={"F": "1 + z(t[200])"})),
}


# Instruction set and threads; jobs and ways of solving.
WAYS = (("portable", 1), ("avx2", 2), ("avx512", 1), ("avx512", 2)) if SLOW == 1 else (("portable", 2),)
CASES = (("exact", "point"), ("exact", "tile"), ("exact", "auto"), ("cspline", "auto"), ("long", "auto"))

# Charts whose tiles are polynomials: values at a time, what follows from a period (some points of which are
# solved by themselves), no errors, outputs that call libm.
CHART = dict(grid__q__count=256, grid__a__count=600, tiles=[2, 2])
PERIOD = dict(y=None, w={"is": "-2*cos(2*t)", "period": "pi"}, z={"start": [1, 0], "t": [0]})
LEAVES = {
    "values": driven(**CHART),
    "outputs": driven(output={"E": "exp(z(3))*cos(q)", "L": "lnabs(7.85)"}, errors=False, **CHART),
    "period": driven(output={"T": "trace", "M": "mu", "S": "stable"}, tolerance=1e-11, **PERIOD, **CHART),
}
LEAVES_SETS = (("portable", "avx512"), ("avx512", "avx2")) if SLOW == 1 else (("avx2", "portable"),)


def results_of(folder):
    """SHA-256 of every result file. Of a record in tiles.crc (broker/tile.h) what tells of the tile, not
    when it was committed."""
    files = read_folder(folder)
    records = files.pop("tiles.crc")
    files["tiles.crc"] = b"".join(records[i:i + 24] for i in range(0, len(records), 32))
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


class Runs(House):
    count = 0

    def run_job(self, job, threads=1, env=None, programs=BIN):
        """The results of a run of its own."""
        self.count += 1
        out = self.path(f"out{self.count}")
        p = subprocess.run([os.path.join(programs, "hillsweep"), "run", self.write_job(job), "-o", out,
                            "--full", "-j", str(threads)], capture_output=True, text=True,
                           stdin=subprocess.DEVNULL, cwd=self.folder, timeout=60 * SLOW,
                           env=dict(self.env, **(env or {}), PATH=programs + ":" + os.environ["PATH"]))
        self.assertEqual(p.returncode, 0, p.stderr)
        return results_of(out)


class Bits(Runs):
    def test_instruction_sets_and_threads(self):
        for name, method in CASES:
            job = driven(solver=method, **JOBS[name])
            first = self.run_job(job)
            self.assertIn("F.npy", first)
            for isa, threads in WAYS:
                with self.subTest(name, solver=method, isa=isa, threads=threads):
                    self.assertEqual(self.run_job(job, threads, {"HILLSWEEP_ISA": isa}), first)

    def test_workers_and_leases(self):
        """A fresh worker's first lease is a tile for each thread; a slow one's stay so, a fast one gets all
        that is left at once."""
        job = driven(**JOBS["long"])
        first = self.run_job(job)
        self.broker()
        for workers, limit in ((1, "100%"), (2, "100%"), (2, "10%")):
            with self.subTest(workers=workers, limit=limit):
                crew = [self.worker("--limit", limit, threads=k + 1) for k in range(workers)]
                number = self.submit(job)
                self.client("wait", number, "--timeout", "60s")
                self.assertEqual(results_of(os.path.join(self.data, "jobs", number)), first)
                for p in crew:
                    self.kill(p)

    def arrived(self, broker):
        """Bytes of each answer by what it came as."""
        with open(broker.log_path) as f:
            found = re.findall(r"arrived .* bytes=(\d+) leaves=(\d)", f.read())
        return {kind: [int(n) for n, k in found if int(k) == kind] for kind in (0, 1)}

    def over_a_wire(self, job, take, name, solves="", expands=""):
        """The results of a broker that takes leaves from `take`, and of a worker that calls itself `name`;
        and what has arrived."""
        self.count += 1
        self.data = self.path(f"data{self.count}")
        self.endpoint = f"tcp://127.0.0.1:{free_port()}"
        plain = self.env
        self.env = dict(plain, HILLSWEEP_ISA=expands)
        broker = self.broker("--leaves", take)
        self.env = dict(plain, HILLSWEEP_ISA=solves)
        worker = self.worker("--name", name, threads=2)
        self.env = plain
        number = self.submit(job)
        self.client("wait", number, "--timeout", "60s")
        self.kill(worker)
        self.kill(broker)
        return results_of(os.path.join(self.data, "jobs", number)), self.arrived(broker)

    def test_leaves(self):
        """The sink expands what another machine's worker has fitted: same bytes, a hundredth of them sent."""
        for name, job in LEAVES.items():
            points, _ = self.over_a_wire(job, "none", "elsewhere")
            for solves, expands in LEAVES_SETS:
                with self.subTest(name, solves=solves, expands=expands):
                    files, arrived = self.over_a_wire(job, "auto", "elsewhere", solves, expands)
                    self.assertEqual(files, points)
                    self.assertEqual(arrived[0], [])
                    cells = job["grid"]["q"]["count"] * job["grid"]["a"]["count"]
                    self.assertLess(sum(arrived[1]), cells)

    def test_who_sends_leaves(self):
        """On the broker's own machine what is derived from a period comes as points."""
        here = socket.gethostname()
        for chart, take, name, kind in (("values", "auto", here, 1), ("period", "auto", here, 0),
                                        ("period", "all", here, 1), ("values", "none", "elsewhere", 0)):
            with self.subTest(chart, take=take, name=name):
                _, arrived = self.over_a_wire(LEAVES[chart], take, name)
                self.assertTrue(arrived[kind])
                self.assertFalse(arrived[1 - kind])

    @unittest.skipUnless(OTHER, "HILLSWEEP_OTHER_BIN names no other build")
    def test_another_compiler(self):
        for name, method in CASES:
            with self.subTest(name, solver=method):
                job = driven(solver=method, **JOBS[name])
                self.assertEqual(self.run_job(job, programs=OTHER), self.run_job(job))


@unittest.skipIf(SLOW > 1, "libm is the same in every build")
class Libm(Runs):
    W = {"is": "y + exp(sin(3*t))^0.3*tanh(cos(7*t))", "t": [0, 45], "interpolation": "cspline",
         "knots": 20001}
    JOB = dict(y__t=[0, 50], w=W, z__t={"from": 0, "to": 45, "count": 201}, solver="point",
               output={"F": "1 + z(t[200])"}, tolerance=1e-11,
               grid__q__count=300, grid__a__count=600, tiles=[30, 5])

    def relay(self, job, first_env, second_env):
        """One worker computes w and some tiles and is killed, another one the rest."""
        self.data = self.path(f"data{self.count}")
        self.endpoint = "ipc://" + self.path(f"broker{self.count}")
        self.count += 1
        broker, env = self.broker(), self.env
        self.env = dict(env, **first_env)
        one = self.worker("--limit", "0.3%")
        number = self.submit(job)
        until(lambda: self.status(number)["points_done"] > 0, "a tile is durable")
        self.kill(one)
        self.assertLess(self.status(number)["points_done"], 300 * 600)
        self.env = dict(env, **second_env)
        two = self.worker()
        self.env = env
        self.client("wait", number, "--timeout", "60s")
        self.kill(two)
        self.kill(broker)
        return results_of(os.path.join(self.data, "jobs", number))

    def test_variants_of_libm(self):
        job = driven(**self.JOB)
        plain, hidden = self.run_job(job), self.run_job(job, env=HIDDEN)
        if plain == hidden:
            self.skipTest("this processor's libm has one variant only")
        self.assertEqual(self.relay(job, {}, HIDDEN), plain)
        self.assertEqual(self.relay(job, HIDDEN, {}), hidden)


if __name__ == "__main__":
    unittest.main()
