"""verify through the real programs: bits are flipped in the files of a broker's job and of a run's
folder, found, computed again or mended in place, and every byte is what it was. FLIPS=1000 for more."""

import json
import os
import random
import unittest

from house import SLOW, House, driven, read_folder

FLIPS = int(os.environ.get("FLIPS", "9" if SLOW == 1 else "4"))
HEAD = 4096


def flip(path, bit):
    with open(path, "r+b") as f:
        f.seek(bit // 8)
        byte = f.read(1)[0]
        f.seek(bit // 8)
        f.write(bytes([byte ^ 1 << bit % 8]))


def as_stored(files):
    """Of tiles.crc the number of the commit, and so the sum, may be others."""
    files = dict(files)
    records = files.pop("tiles.crc")
    files["records"] = b"".join(records[i:i + 24] for i in range(0, len(records), 32))
    return files


class Verify(House):
    def job(self):
        return driven(grid__q__count=60, grid__a__count=70,
                      output={"F": "1 + z(t[157])", "lower": "dz(10)"})

    def flips(self, folder, verify):
        """Flips bits one at a time; `verify` runs the command and returns its report."""
        dice = random.Random(7)
        right = as_stored(read_folder(folder))
        names = sorted(os.listdir(folder))
        names = [n for n in names if os.path.isfile(os.path.join(folder, n))
                 and not n.startswith("load.")]  # scripts, which their user may change
        damaged = 0
        for i in range(FLIPS):
            name = names[i % len(names)]
            path = os.path.join(folder, name)
            grid = name.endswith(".npy") and name[0] not in "qaw"
            first = HEAD if grid and i % 5 else 0
            flip(path, dice.randrange(8 * first, 8 * os.path.getsize(path)))
            report = verify()
            self.assertEqual(report["state"], "done")
            values = report["tiles_damaged"]
            self.assertLessEqual(values, 1)
            self.assertEqual(values + sum(m["count"] for m in report["mended"]), 1, (name, report))
            self.assertEqual((report["tiles_repaired"], report["tiles_differ"]), (values, 0))
            if grid and name != "status.npy" and first:
                self.assertEqual(values, 1, name)
            damaged += values
            now = as_stored(read_folder(folder))
            self.assertEqual(now.keys(), right.keys())
            for n in right:
                self.assertEqual(now[n], right[n], f"{n} after a flip in {name}")
        self.assertGreater(damaged, 0)

    def test_a_job_of_a_broker(self):
        self.broker()
        self.worker()
        number = self.submit(self.job())
        self.client("wait", number)
        out = self.client("verify", number).stdout
        self.assertIn("every byte is as it was stored", out)

        def verify():
            return json.loads(self.client("verify", number, "--json").stdout)

        self.flips(os.path.join(self.data, "jobs", number), verify)
        status = self.status(number)
        self.assertEqual((status["state"], status["tiles_recomputed_after_ack"]), ("done", 0))

    def test_the_folder_of_a_run(self):
        out = self.path("out")
        self.client("run", self.write_job(self.job()), "-o", out, broker=False)

        def verify():
            p = self.client("verify", out, "--json", broker=False)
            return json.loads(p.stdout)

        self.flips(out, verify)
        p = self.client("run", self.write_job(self.job()), "-o", out, broker=False)
        self.assertIn("done already", p.stderr)

    def test_words(self):
        out = self.path("out")
        job = self.write_job(self.job())
        self.client("run", job, "-o", out, broker=False)
        flip(os.path.join(out, "F.npy"), 8 * HEAD + 3)
        flip(os.path.join(out, "a.npy"), 8 * HEAD + 3)
        p = self.client("verify", out, broker=False)
        self.assertRegex(p.stdout, r"tiles? checked; damaged and computed again: 0; mended: a.npy\n")
        if p.stderr:  # said when it takes longer than a moment
            self.assertIn("1 tile is damaged and is computed again", p.stderr)
        os.truncate(os.path.join(out, "F.npy"), 5000)
        p = self.client("verify", out, broker=False, code=11)
        self.assertIn("F.npy is shorter than it was made", p.stderr)
        p = self.client("verify", self.folder + "/nothing", broker=False, code=2)
        self.assertIn("is not the folder of a run", p.stderr)

    def test_a_database_that_rots(self):
        """Stopped, a bit flipped in the database, started again: nothing is lost or computed again."""
        broker = self.broker()
        self.worker()
        number = self.submit(self.job())
        self.client("wait", number)
        right = as_stored(self.results(number))
        broker.terminate()
        broker.wait()
        database = os.path.join(self.data, "hillsweep.db")
        flip(database, random.Random(1).randrange(8 * os.path.getsize(database)))
        self.broker()
        self.assertTrue(os.path.exists(database + ".damaged"))
        status = self.status(number)
        self.assertEqual((status["state"], status["points_done"]), ("done", 4200))
        self.assertIn("every byte is as it was stored", self.client("verify", number).stdout)
        self.assertEqual(as_stored(self.results(number)), right)


if __name__ == "__main__":
    unittest.main()
