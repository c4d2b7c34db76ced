#!/usr/bin/python3
"""hillsweep status --metrics: text that Prometheus reads, and what it says."""

import json
import os
import re
import unittest

from house import House, driven, until
from peer import Peer

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = rf'({NAME})="((?:[^"\\\n]|\\["\\n])*)"'


def parse(text):
    """The exposition format, strictly: {(name, ((label, value), ...)): number}, {name: type}."""
    samples, types, order = {}, {}, []
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        about = re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.+)", line)
        if about:
            if about.group(1) == "TYPE":
                assert about.group(2) not in types, f"{about.group(2)} has two types"
                assert about.group(3) in ("gauge", "counter"), line
                types[about.group(2)] = about.group(3)
            continue
        m = re.fullmatch(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)", line)
        assert m, f"not a sample: {line!r}"
        name, labels = m.group(1), tuple(re.findall(LABEL, m.group(2) or ""))
        assert name in types, f"{name} has no type before its samples"
        assert (name, labels) not in samples, f"{line!r} is there twice"
        if order and order[-1] != name:
            assert name not in order, f"the samples of {name} are not together"
        order.append(name)
        assert types[name] != "counter" or name.endswith("_total"), name
        samples[name, labels] = float(line.rsplit(" ", 1)[1])
    return samples, types


class Metrics(House):
    def test_jobs_are_listed_in_pages(self):
        self.broker()
        numbers = [int(self.submit(driven(grid__q__count=2, grid__a__count=2))) for _ in range(3)]
        listed = json.loads(self.client("list", "--json").stdout)
        self.assertEqual(([job["id"] for job in listed["jobs"]], listed["left_off"]), (numbers, 0))
        peer = Peer(self.endpoint, None)
        code, page = peer.ask("list", before=numbers[2])
        peer.close()
        self.assertEqual((code, [job["id"] for job in page["jobs"]]), (0, numbers[:2]))

    def metrics(self, **kw):
        return parse(self.client("status", "--metrics", **kw).stdout)[0]

    def test_they_say_what_is(self):
        self.broker()
        empty = self.metrics()
        self.assertEqual(empty["hillsweep_up", ()], 1)
        self.assertEqual(empty["hillsweep_jobs", (("state", "running"),)], 0)
        job = self.submit(driven(name='a "name" with \\ in it', grid__q__count=8, grid__a__count=5))
        waiting = self.metrics()
        labels = (("job", job), ("name", 'a \\"name\\" with \\\\ in it'))
        self.assertEqual(waiting["hillsweep_jobs", (("state", "queued"),)], 1)
        self.assertEqual(waiting["hillsweep_job_points", labels], 40)
        self.assertEqual(waiting["hillsweep_job_points_done", labels], 0)
        self.assertNotIn(("hillsweep_job_eta_seconds", labels), waiting)
        self.worker("--name", "lab")
        self.client("wait", job)
        done = until(lambda: (m := self.metrics())["hillsweep_workers", (("state", "idle"),)] and m,
                     "the worker is idle")
        self.assertEqual(done["hillsweep_jobs", (("state", "done"),)], 1)
        self.assertEqual(done["hillsweep_tiles_recomputed_after_ack", ()], 0)
        self.assertEqual(done["hillsweep_worker_threads", ()], 1)
        self.assertNotIn(("hillsweep_job_points", labels), done)
        tiles = done["hillsweep_worker_tiles_done_total", (("worker", "1"), ("host", "lab"))]
        self.assertGreaterEqual(tiles, 1)
        lag = [done["hillsweep_loop_lag_seconds", (("quantile", q),)] for q in ("0.99", "0.999", "1")]
        self.assertTrue(0 < lag[2] and lag == sorted(lag), lag)
        dispatch = [done["hillsweep_dispatch_seconds", (("quantile", q),)] for q in ("0.5", "0.99")]
        self.assertTrue(0 < dispatch[0] <= dispatch[1] <= lag[2], (dispatch, lag))

    def test_a_file_for_node_exporter(self):
        path = self.path("hillsweep.prom")
        self.client("--connect-timeout", "100ms", "status", "--metrics", "-o", path, code=7)
        with open(path) as f:
            self.assertEqual(list(parse(f.read())[0].items()), [(("hillsweep_up", ()), 0)])
        self.broker()
        self.client("status", "--metrics", "-o", path)
        with open(path) as f:
            self.assertEqual(parse(f.read())[0]["hillsweep_up", ()], 1)
        self.assertEqual([n for n in os.listdir(self.folder) if "prom" in n], ["hillsweep.prom"])
        self.client("status", "-o", path, code=2)
        self.client("status", "--metrics", "-o", "/nowhere/at/all", code=11)


if __name__ == "__main__":
    unittest.main()
