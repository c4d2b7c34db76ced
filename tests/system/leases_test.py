#!/usr/bin/python3
"""Who holds a lease, and who he is: nobody answers for another, who is revoked is out, keys change
under way, and a worker is in its sandbox. Real programs against peers made by hand."""

import json
import os
import struct
import subprocess
import sys
import time
import unittest

import numpy

import peer
from doors import SMALL, Doors
from house import HANGS_S, SLOW, driven, until


class Leases(Doors):
    POINTS = 16

    def planes(self, value, status=1):
        return {0: numpy.full(self.POINTS, value).tobytes(),
                1: numpy.full(self.POINTS, 1e-9, "<f4").tobytes(),
                2: bytes([status] * self.POINTS)}

    def at_work(self, name, **kw):
        p = self.peer(name, **kw)
        p.hello(self.version)
        self.assertIsNotNone(p.receive(kinds=(peer.WELCOME,)))
        p.stay()
        return p

    def begin(self):
        self.open()
        me = self.peer("me")
        lab1 = self.at_work("lab1")
        code, status = me.submit(dict(SMALL, tiles=[1, 1]))
        self.assertEqual(code, 0, status)
        return me, lab1, lab1.lease()

    def assert_stored(self, me, value):
        # Durable at first under another name: the file has its own when the job is done.
        until(lambda: me.ask("status", job=1)[1]["state"] == "done", "the job is done")
        field = self.path("data/jobs/1/F.npy")
        self.assertTrue((numpy.load(field) == value).all())

    def test_nobody_answers_for_another(self):
        me, lab1, (job, tile, count, token) = self.begin()
        self.assertEqual((tile, count), (0, 1))
        thief, twin = self.at_work("lab2"), self.at_work("lab1")
        namesake = self.at_work("lab2", session=lab1.session)
        self.assertEqual(len(me.ask("workers")[1]["workers"]), 4)
        for p in (thief, twin, namesake):
            for f in p.result(job, tile, token, self.planes(666.0), self.POINTS):
                p.put(f)
            for f in lab1.result(job, tile, token, self.planes(666.0), self.POINTS):
                p.put(f)  # with the holder's session in the header, too
            p.send(peer.RETURN, token + struct.pack("<III", job, 0, 1) + peer.text("not mine"))
            p.send(peer.GET_JOB, struct.pack("<II", job, 0))
            self.assertIsNotNone(p.receive(kinds=(20,)))  # all of it has been looked at
        wrong = bytes([token[0] ^ 1]) + token[1:]
        for f in lab1.result(job, tile, wrong, self.planes(666.0), self.POINTS):
            lab1.put(f)
        self.assertEqual(me.ask("status", job=1)[1]["points_done"], 0)
        frames = lab1.result(job, tile, token, self.planes(7.0), self.POINTS)
        for f in frames:
            lab1.put(f)
        self.assertIsNotNone(lab1.receive(kinds=(peer.ACK,)))
        self.assert_stored(me, 7.0)
        for p in (lab1, thief, twin, namesake):  # and replayed, by the holder and by others
            for f in frames + lab1.result(job, tile, token, self.planes(666.0), self.POINTS):
                p.put(f)
            p.send(peer.GET_JOB, struct.pack("<II", job, 0))
            self.assertIsNotNone(p.receive(kinds=(20,)))
        status = me.ask("status", job=1)[1]
        self.assertEqual((status["points_done"], status["tiles_recomputed_after_ack"]), (self.POINTS, 0))
        self.assert_stored(me, 7.0)

    def test_a_result_has_its_size_and_is_finite_where_it_says_so(self):
        me, lab1, (job, tile, _, token) = self.begin()
        good = self.planes(7.0)
        for bad in ({0: good[0][:-8]}, {0: good[0] + bytes(8)}, {7: good[0]}, {1: good[0]}, {0: b""},
                    {2: good[2] + b"\1"}):
            for f in lab1.result(job, tile, token, bad, self.POINTS):
                lab1.put(f)
        for points in (0, 15, 17, 1 << 31):
            for f in lab1.result(job, tile, token, good, points):
                lab1.put(f)
        broken = lab1.result(job, tile, token, good, self.POINTS)[0]
        broken = broken[:-1] + bytes([broken[-1] ^ 1])
        lab1.put(broken)
        self.assertEqual(me.ask("status", job=1)[1]["points_done"], 0)
        values = numpy.full(self.POINTS, 7.0)
        values[3], values[5] = numpy.nan, numpy.inf
        odd = {0: values.tobytes(), 1: good[1], 2: b"\1" * 8 + b"\x09" * 8}
        for f in lab1.result(job, tile, token, odd, self.POINTS):
            lab1.put(f)
        until(lambda: me.ask("status", job=1)[1]["points_done"] == self.POINTS, "it is durable")
        status = self.path("data/jobs/1/status.npy")
        want = [1, 1, 1, 2, 1, 3, 1, 1] + [2] * 8
        until(lambda: numpy.load(status).ravel().tolist() == want, "done is only what is finite")

    def test_a_revoked_worker_is_out_and_its_work_goes_on(self):
        me, lab1, (job, tile, _, token) = self.begin()
        lab2 = self.at_work("lab2")
        start = time.monotonic()
        self.client("keys", "revoke", "lab1", "--keys", self.keys, broker=False)
        kind, _, body = lab1.receive(kinds=(peer.REFUSED,))
        out = time.monotonic() - start
        self.assertEqual(struct.unpack_from("<HI", body), (4, 0))
        self.assertIn(b"revoked", body)
        for f in lab1.result(job, tile, token, self.planes(666.0), self.POINTS):
            lab1.put(f)
        lease = lab2.lease()
        again = time.monotonic() - start
        self.assertEqual(lease[:3], (job, tile, 1))
        for f in lab2.result(job, tile, lease[3], self.planes(7.0), self.POINTS):
            lab2.put(f)
        self.assert_stored(me, 7.0)
        print(f"out in {out:.2f} s, its work with another in {again:.2f} s ... ", end="", file=sys.stderr)

    def test_a_revoked_client_is_out(self):
        self.open()
        anna = self.peer("anna")
        self.assertEqual(anna.submit(SMALL)[0], 0)
        self.assertEqual(anna.ask("watch", job=1)[0], 0)
        self.client("keys", "revoke", "anna", "--keys", self.keys, broker=False)

        def is_out():
            anna.tag += 1
            anna.send(peer.REQUEST, peer.text("ping") + b"{}", anna.tag)
            return anna.receive(kinds=(peer.REPLY, peer.REFUSED))[0] == peer.REFUSED
        until(is_out, "she is out")
        self.assertEqual(anna.submit(SMALL)[0], 4)
        self.by("me", "cancel", "1")
        self.assertIsNone(anna.receive(0.3, (51,)))  # and is told nothing any more

    def test_each_question_of_a_client_is_answered_while_it_is_revoked(self):
        self.open()
        anna = self.peer("anna")
        self.assertEqual(anna.submit(SMALL)[0], 0)
        answer = (peer.PAGE, peer.REPLY, peer.REFUSED)
        tags = iter(range(1, 1 << 30))
        asked, page = set(), peer.text("q.npy") + struct.pack("<QI", 0, 100)

        def ask():
            tag = next(tags)
            anna.send(peer.FETCH, struct.pack("<I", 1) + page, tag)
            asked.add(tag)

        for _ in range(6):
            ask()
        self.client("keys", "revoke", "anna", "--keys", self.keys, broker=False)
        kind = None
        while kind != peer.REFUSED:  # some are always being read when it happens
            kind, tag, _ = anna.receive(kinds=answer)
            asked.remove(tag)
            ask()
        while asked:
            kind, tag, _ = anna.receive(kinds=answer)
            self.assertEqual(kind, peer.REFUSED)
            asked.remove(tag)


@unittest.skipIf(SLOW > 1, "sanitized builds have no sandbox")
class Sandbox(Doors):
    def status_of(self, pid):
        """The status of each thread, as dicts."""
        for task in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{task}/status") as f:
                    status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended meanwhile
            yield status

    def test_every_thread_of_a_worker_is_in_it_and_it_works_on(self):
        broker = self.open()
        here, self.endpoint = self.endpoint, self.endpoint.replace("127.0.0.1", "localhost")
        worker = self.worker("--keys", self.key("lab1"), threads=2)
        self.endpoint = here
        until(lambda: json.loads(self.by("me", "workers", "--json").stdout)["workers"], "it has joined")
        threads = list(self.status_of(worker.pid))
        self.assertGreaterEqual(len(threads), 5)
        for status in threads:
            self.assertEqual((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"), status["Name"])
        job = self.by("me", "submit", self.write_job(SMALL)).stdout.strip()
        self.by("me", "wait", job)
        self.kill(broker)  # it looks the name up and connects anew
        self.open()
        until(lambda: json.loads(self.by("me", "workers", "--json").stdout)["workers"], "it is back")
        job = self.by("me", "submit", self.write_job(driven(name="again"))).stdout.strip()
        self.by("me", "wait", job)
        worker.terminate()
        self.assertEqual(worker.wait(HANGS_S), 0)
        with open(worker.log_path) as f:
            self.assertNotIn("without its sandbox", f.read())

    def test_who_knows_a_secret_leaves_no_core(self):
        broker = self.open()
        worker = self.worker("--keys", self.key("lab1"))
        until(lambda: json.loads(self.by("me", "workers", "--json").stdout)["workers"], "it has joined")
        for pid in (broker.pid, worker.pid):
            self.assertEqual(os.stat(f"/proc/{pid}/environ").st_uid, 0)
            p = subprocess.run(["cat", f"/proc/{pid}/environ"], capture_output=True,
                               user=65534 if os.geteuid() == 0 else None)
            self.assertNotEqual(p.returncode, 0)


class Rotation(Doors):
    def test_the_brokers_key_changes_under_way(self):
        self.open()
        carl, dora = self.path("carl.key"), self.path("dora.key")
        for name, away in (("carl", carl), ("dora", dora)):
            self.new_key("client", name)
            os.rename(self.key(name), away)
        until(lambda: self.client("--keys", carl, "list", code=None).returncode == 0, "carl is known")
        worker = self.worker("--keys", self.key("lab1"))
        until(lambda: json.loads(self.by("me", "workers", "--json").stdout)["workers"], "it has joined")
        public = self.client("keys", "rotate", "--prepare", "--keys", self.keys, broker=False).stdout.strip()
        self.client("keys", "pin", public, "--keys", carl, broker=False)
        self.kill(worker)  # it reads its key when it starts
        self.worker("--keys", self.key("lab1"))
        self.client("keys", "rotate", "--keys", self.keys, broker=False)
        until(lambda: self.by("me", "list", code=None).returncode == 0, "the key is new")
        said = self.client("--connect-timeout", "10m", "--keys", dora, "list", code=4).stderr
        self.assertIn("not the one", said)  # dora pins the old one, and need not wait to be told
        self.client("--keys", carl, "list")
        job = self.by("me", "submit", self.write_job(SMALL)).stdout.strip()
        self.by("me", "wait", job)  # the worker has come back by its second pin


if __name__ == "__main__":
    unittest.main(verbosity=2)
