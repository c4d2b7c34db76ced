#!/usr/bin/python3
"""Nobody gets in without a key, no message can hurt, no job can take the house over: real programs
against peers made by hand. What is refused must leave nothing with the queue: no job, no worker."""

import json
import os
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest

import numpy
import zmq

import peer
from house import SLOW, House, driven, program, until
from peer import Peer

GARBAGE = int(os.environ.get("HILLSWEEP_GARBAGE", "2000" if SLOW == 1 else "500"))
SMALL = driven(grid__q__count=4, grid__a__count=4)


class Doors(House):
    """A broker with keys, and one key of each role in the folder."""

    def setUp(self):
        super().setUp()
        self.keys = self.path("keys")
        self.peers = []
        self.addCleanup(lambda: [p.close() for p in self.peers])
        for role, name in (("admin", "me"), ("client", "anna"), ("client", "bert"),
                           ("worker", "lab1"), ("worker", "lab2")):
            self.new_key(role, name)
        self.version = self.client("--version", broker=False).stdout.split()[1]

    def new_key(self, role, name):
        return self.client("keys", "new", role, name, "--keys", self.keys, broker=False).stdout.strip()

    def key(self, name):
        return os.path.join(self.keys, name + ".key")

    def peer(self, name=None, **kw):
        key = peer.read_key(self.key(name)) if name else None
        self.peers.append(Peer(self.endpoint, key, **kw))
        return self.peers[-1]

    def open(self, *more):
        return self.broker("--keys", self.keys, *more)

    def by(self, name, *args, **kw):
        return self.client("--keys", self.key(name), *args, **kw)

    def assert_nothing_came(self):
        me = self.peer("me")
        self.assertEqual(me.ask("list"), (0, {"jobs": [], "left_off": 0}))
        self.assertEqual(me.ask("workers"), (0, {"workers": []}))


class Strangers(Doors):
    def gets_in(self, key):
        p = Peer(self.endpoint, key)
        try:
            return p.handshake()
        finally:
            p.close()

    def knock(self, key=None, plain=False):
        """Everything a peer can say before it is known, said at once."""
        p = Peer(self.endpoint, key, plain)
        self.peers.append(p)
        self.assertFalse(p.handshake())
        try:
            for _ in range(3):
                p.socket.send(peer.frame(peer.REQUEST, peer.text("list") + b"{}", tag=1), zmq.DONTWAIT)
                p.hello(self.version)
        except zmq.Again:
            pass  # no connection takes it
        self.assertIsNone(p.receive(0.2))

    def test_without_a_key_with_a_random_one_and_with_a_revoked_one(self):
        broker = self.open()
        with open(broker.log_path) as f:  # the broker's own knock is no stranger's
            self.assertNotIn("was refused", f.read())
        known = peer.read_key(self.key("anna"))
        public, secret = zmq.curve_keypair()
        random_key = dict(public=public.decode(), secret=secret.decode(), broker=known["broker"])
        other_broker = dict(known, broker=zmq.curve_keypair()[0].decode())
        revoked = dict(known)
        self.client("keys", "revoke", "anna", "--keys", self.keys, broker=False)
        me = self.peer("me")
        until(lambda: not self.gets_in(revoked), "the key is out")
        for name, key, plain in (("no key", None, False), ("random", random_key, False),
                                 ("another broker's", other_broker, False),
                                 ("revoked", revoked, False), ("PLAIN", None, True)):
            with self.subTest(name):
                self.knock(key, plain)
        self.assertEqual(me.ask("workers"), (0, {"workers": []}))
        self.assert_nothing_came()
        with open(broker.log_path) as f:
            self.assertRegex(f.read(), r"an unknown key was refused address=127\.0\.0\.1 refusals=1\n")

    def test_the_programs_say_who_is_refused(self):
        self.open()
        self.new_key("client", "carl")
        carl = self.path("carl.key")
        os.rename(self.key("carl"), carl)
        until(lambda: self.client("--keys", carl, "list", code=None).returncode == 0, "carl is in")
        self.client("keys", "revoke", "carl", "--keys", self.keys, broker=False)
        until(lambda: self.client("--keys", carl, "list", code=None).returncode == 4, "carl is out")
        p = self.client("--keys", carl, "list", "--json", code=4)
        self.assertEqual(json.loads(p.stderr)["name"], "not_authorised")
        p = self.client("list", code=4)
        self.assertIn("--keys", p.stderr)
        p = self.by("lab1", "list", code=4)
        self.assertIn("no key for a client", p.stderr)
        w = self.worker("--keys", self.key("anna"))
        self.assertEqual(w.wait(20), 4)
        for mode in (0o644, 0o640, 0o604):
            os.chmod(self.key("me"), mode)
            self.assertIn("0600", self.by("me", "list", code=4).stderr)
        os.chmod(self.key("me"), 0o600)
        self.by("me", "list")
        os.chmod(os.path.join(self.keys, "broker.key"), 0o644)
        b = self.start(program("hillsweep-broker"), "--listen", "tcp://127.0.0.1:1", "--keys", self.keys,
                       "--data", self.path("other"))
        self.assertEqual(b.wait(20), 4)

    def test_raw_bytes(self):
        broker = self.open()
        request = peer.frame(peer.REQUEST, peer.text("list") + b"{}", tag=1)
        huge = b"\x06" + struct.pack(">Q", 1 << 40)  # a long command of a terabyte
        short_ready = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x06DEALER"
        cases = {
            "ZMTP 1": b"\x01\x00" + bytes([1 + len(request) % 255, 0]) + request,
            "ZMTP 2": b"\xff" + bytes(8) + b"\x7f\x01\x05\x00\x00" + b"\x00" + bytes([len(request)]) + request,
            "NULL": peer.greeting(b"NULL") + short_ready + b"\x00" + bytes([len(request)]) + request,
            "PLAIN": peer.greeting(b"PLAIN") + b"\x04\x12\x05HELLO\x05admin\x05admin",
            "GSSAPI": peer.greeting(b"GSSAPI"),
            "a terabyte before HELLO": peer.greeting(b"CURVE") + huge,
            "a message before HELLO": peer.greeting(b"CURVE") + b"\x00" + bytes([len(request)]) + request,
            "READY before HELLO": peer.greeting(b"CURVE") + short_ready,
            "a short HELLO": peer.greeting(b"CURVE") + b"\x04\x06\x05HELLO",
            "zeros for a HELLO": peer.greeting(b"CURVE") + b"\x04\xc8\x05HELLO\x01" + bytes(193),
            "HTTP": b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n" + bytes(64),
        }
        for name, data in cases.items():
            with self.subTest(name):
                with peer.raw(self.endpoint) as s:
                    s.sendall(data)
                    self.assertTrue(peer.is_closed(s, 10 * SLOW))
        with peer.raw(self.endpoint) as s:  # a word and then silence: shown the door in 3 s
            s.sendall(b"\xff")
            self.assertTrue(peer.is_closed(s, 20 * SLOW))
        rng = random.Random(7)
        start = peer.greeting(b"CURVE")
        for i in range(GARBAGE):
            with peer.raw(self.endpoint) as s:
                s.sendall((start[:rng.randrange(65)] if i % 2 else b"") + rng.randbytes(rng.randrange(1, 400)))
        self.assertIsNone(broker.poll())
        self.assert_nothing_came()

    def test_frames_too_large_and_too_many(self):
        self.open()
        me = self.peer("me")
        self.assertEqual(me.ask("ping")[0], 0)
        big = self.peer("anna")
        self.assertEqual(big.ask("ping")[0], 0)
        body = peer.text("list") + b"{}"
        big.socket.send(peer.frame(peer.REQUEST, body + b" " * peer.FRAME_MAX, tag=1))
        self.assertTrue(big.is_cut())
        many = self.peer("bert")
        one = peer.frame(peer.REQUEST, body, tag=7)
        many.socket.send_multipart([one, one])
        many.socket.send_multipart([one] * 1000)
        many.socket.send_multipart([b"", one])
        many.socket.send(b"")
        many.socket.send(one[:-1])
        many.socket.send(one[:20] + b"\xff" + one[21:])
        many.socket.send(b"\0" * 1000)
        many.tag = 100
        self.assertEqual(many.ask("ping")[0], 0)  # of all that, this alone is answered
        self.assert_nothing_came()


    @unittest.skipIf(os.geteuid(), "only root may count the files of who knows a secret")
    def test_a_crowd_does_not_keep_the_broker_from_its_files(self):
        broker = self.open()
        me = self.peer("me")
        self.assertEqual(me.ask("ping")[0], 0)
        limit = 2000
        resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, (limit, limit))
        host, port = self.endpoint[len("tcp://"):].rsplit(":", 1)
        taken = lambda: len(os.listdir(f"/proc/{broker.pid}/fd"))  # noqa: E731
        crowd, codes = [], []
        try:
            while len(crowd) < limit * 3 // 2:
                s = socket.socket()
                s.setblocking(False)
                s.connect_ex((host, int(port)))
                crowd.append(s)
                if len(crowd) % 100 == 0:  # each submission opens files
                    codes.append(me.submit(dict(SMALL, name=f"job {len(crowd)}"))[0])
            self.assertLess(taken(), limit)
            self.assertEqual(set(codes), {0})
        finally:
            for s in crowd:
                s.close()
        until(lambda: taken() < limit / 2, "they have left", 30)
        self.by("me", "--connect-timeout", "20s", "list")  # and the door is open again
        with open(broker.log_path) as f:
            self.assertIn("too many connections", f.read())


class Roles(Doors):
    def test_each_role_does_what_it_is_for(self):
        self.open()
        anna, lab = self.peer("anna"), self.peer("lab1")
        lab.hello(self.version)
        self.assertIsNotNone(lab.receive(kinds=(peer.WELCOME,)))
        self.assertEqual(lab.submit(SMALL)[0], 4)  # a worker neither submits nor reads
        for op in ("ping", "list", "status", "workers", "watch", "cancel", "worker_pause"):
            self.assertEqual(lab.ask(op, job=1)[0], 4, op)
        lab.send(peer.FETCH, struct.pack("<I", 1) + peer.text("q.npy") + struct.pack("<QI", 0, 100), 9)
        self.assertEqual(lab.receive(kinds=(peer.REPLY,))[2][:2], b"\x04\x00")
        self.assertEqual(anna.ask("list")[1]["jobs"], [])
        before = len(anna.ask("workers")[1]["workers"])
        anna.hello(self.version)  # a client does not solve
        kind, _, body = anna.receive()
        self.assertEqual((kind, body[:2]), (peer.REFUSED, b"\x04\x00"))
        for kind in (peer.HEARTBEAT, peer.GET_JOB, peer.RESULT, peer.RETURN, peer.BYE):
            sizes = {peer.HEARTBEAT: 16, peer.GET_JOB: 8, peer.RESULT: 56, peer.RETURN: 30, peer.BYE: 2}
            anna.send(kind, bytes(sizes[kind]))
            self.assertEqual(anna.receive()[0], peer.REFUSED)
        self.assertEqual(len(anna.ask("workers")[1]["workers"]), before)

    def test_jobs_belong_to_who_submitted_them(self):
        self.open()
        self.write_job(SMALL)
        job = self.by("anna", "submit", "job.json").stdout.strip()
        self.assertEqual(json.loads(self.by("bert", "status", job, "--json").stdout)["owner"], "anna")
        for command in (["cancel", job], ["pause", job], ["resume", job], ["priority", job, "5"],
                        ["delete", job]):
            p = self.by("bert", *command, code=4)
            self.assertIn("anna", p.stderr)
        for command in (["pause", "all"], ["resume", "all"], ["limit", "all", "10%"]):
            self.by("anna", "workers", *command, code=4)
        self.by("anna", "pause", job)
        self.by("me", "resume", job)
        self.by("me", "cancel", job)
        self.by("anna", "delete", job)

    def test_on_this_machine_without_keys(self):
        self.broker()
        self.worker()
        job = self.submit(SMALL)
        self.client("wait", job)
        self.client("workers", "pause", "all", code=4)  # no admin over a port that anybody may use
        p = self.start(program("hillsweep-broker"), "--listen", f"tcp://0.0.0.0:{self.endpoint[-5:]}",
                       "--data", self.path("other"))
        self.assertEqual(p.wait(20), 2)

    def test_only_this_user_through_a_file(self):
        if os.geteuid() != 0:
            self.skipTest("another user can only be played by root")
        path = self.path("broker.sock")
        self.endpoint = "ipc://" + path
        self.broker()
        self.client("workers", "resume", "all")
        os.chmod(self.folder, 0o755)
        os.chmod(path, 0o777)
        code = ("import socket,sys; s=socket.socket(socket.AF_UNIX); s.settimeout(20); "
                "s.connect(sys.argv[1])\n"
                "try: s.sendall(b'\\xff'+bytes(8)+b'\\x7f\\x03'); data = s.recv(64)\n"
                "except OSError: data = b''\nsys.exit(len(data) > 0)")
        for user, code_wanted in ((65534, 0), (0, 1)):
            with self.subTest(user=user):
                p = subprocess.run(["/usr/bin/python3", "-c", code, path], user=user, timeout=30)
                self.assertEqual(p.returncode, code_wanted)


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
                p.socket.send(f)
            for f in lab1.result(job, tile, token, self.planes(666.0), self.POINTS):
                p.socket.send(f)  # with the holder's session in the header, too
            p.send(peer.RETURN, token + struct.pack("<III", job, 0, 1) + peer.text("not mine"))
            p.send(peer.GET_JOB, struct.pack("<II", job, 0))
            self.assertIsNotNone(p.receive(kinds=(20,)))  # all of it has been looked at
        wrong = bytes([token[0] ^ 1]) + token[1:]
        for f in lab1.result(job, tile, wrong, self.planes(666.0), self.POINTS):
            lab1.socket.send(f)
        self.assertEqual(me.ask("status", job=1)[1]["points_done"], 0)
        frames = lab1.result(job, tile, token, self.planes(7.0), self.POINTS)
        for f in frames:
            lab1.socket.send(f)
        self.assertIsNotNone(lab1.receive(kinds=(peer.ACK,)))
        self.assert_stored(me, 7.0)
        for p in (lab1, thief, twin, namesake):  # and replayed, by the holder and by others
            for f in frames + lab1.result(job, tile, token, self.planes(666.0), self.POINTS):
                p.socket.send(f)
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
                lab1.socket.send(f)
        for points in (0, 15, 17, 1 << 31):
            for f in lab1.result(job, tile, token, good, points):
                lab1.socket.send(f)
        broken = lab1.result(job, tile, token, good, self.POINTS)[0]
        broken = broken[:-1] + bytes([broken[-1] ^ 1])
        lab1.socket.send(broken)
        self.assertEqual(me.ask("status", job=1)[1]["points_done"], 0)
        values = numpy.full(self.POINTS, 7.0)
        values[3], values[5] = numpy.nan, numpy.inf
        odd = {0: values.tobytes(), 1: good[1], 2: b"\1" * 8 + b"\x09" * 8}
        for f in lab1.result(job, tile, token, odd, self.POINTS):
            lab1.socket.send(f)
        until(lambda: me.ask("status", job=1)[1]["points_done"] == self.POINTS, "it is durable")
        status = self.path("data/jobs/1/status.npy")
        want = [1, 1, 1, 2, 1, 3, 1, 1] + [2] * 8
        until(lambda: numpy.load(status).ravel().tolist() == want, "done is only what is finite")

    def test_a_revoked_worker_is_out_and_its_work_goes_on(self):
        me, lab1, (job, tile, _, token) = self.begin()
        lab2 = self.at_work("lab2")
        start = time.monotonic()
        self.client("keys", "revoke", "lab1", "--keys", self.keys, broker=False)
        kind, _, body = lab1.receive(20, (peer.REFUSED,))
        out = time.monotonic() - start
        self.assertEqual(struct.unpack_from("<HI", body), (4, 0))
        self.assertIn(b"revoked", body)
        for f in lab1.result(job, tile, token, self.planes(666.0), self.POINTS):
            lab1.socket.send(f)
        lease = lab2.lease(20)
        again = time.monotonic() - start
        self.assertEqual(lease[:3], (job, tile, 1))
        for f in lab2.result(job, tile, lease[3], self.planes(7.0), self.POINTS):
            lab2.socket.send(f)
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
            return anna.receive(10, (peer.REPLY, peer.REFUSED))[0] == peer.REFUSED
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
            kind, tag, _ = anna.receive(20, answer)
            asked.remove(tag)
            ask()
        while asked:
            kind, tag, _ = anna.receive(20, answer)
            self.assertEqual(kind, peer.REFUSED)
            asked.remove(tag)


class Jobs(Doors):
    def test_jobs_that_would_take_the_house_over(self):
        self.open("--quota", "10")
        anna = self.peer("anna")
        huge = driven(grid__q__count=10**9, grid__a__count=10**9)
        long = driven(grid__q__count=30000, grid__a__count=30000, w__t=[0, 1e6], y__t=[0, 1e6], z__t=[0, 1e6],
                      output={"F": "z(1e6)"})
        deep = json.dumps(driven()).replace('"1 + z(t[157])"', '"' + "(" * 60000 + '"')
        for name, job in {"brackets": "[" * 65536, "braces": '{"a":' * 13000, "10^18": huge,
                          "years of work": long, "deep": deep, "empty": "", "spaces": " " * 65536,
                          "zeros": "\0" * 65536, "commas": "," * 65536,
                          "strings": '["' + '","' * 21000 + '"]',
                          "one number": "1" * 65536}.items():
            with self.subTest(name):
                start = time.perf_counter()
                code, answer = anna.submit(job)
                self.assertEqual(code, 8, answer)
                took = time.perf_counter() - start
                if SLOW == 1:
                    print(f"{name} {took * 1000:.1f} ms ", end="", file=sys.stderr)
        for document in (b"", b"\0", bytes(8), struct.pack("<II", 0xffffffff, 0), struct.pack("<II", 2, 0xffffffff),
                         struct.pack("<II", 2, 1) + b"{}", struct.pack("<II", 2, 1 << 29) + b"{}" + bytes(8)):
            if document:
                self.assertEqual(anna.submit_document(document)[0], 8, document)
        for args in ({}, {"key": "zz"}, {"key": "0"}, {"key": "1", "bytes": -1, "crc32c": 1e300}):
            self.assertNotEqual(anna.ask("submit", **args)[0], 0)
        for total, offset, data in ((0, 0, b""), (18 << 20, 0, b"x"), (10, 11, b"x"), (10, 5, b"x" * 5),
                                    (0xffffffff, 0xfffffff0, b"x" * 16)):
            anna.send(peer.UPLOAD, struct.pack("<II", total, offset) + data, 77)
            self.assertEqual(anna.receive(kinds=(peer.REPLY,))[1], 77)
        for file in ("../../etc/passwd", "/etc/passwd", "..", "", "job.json\0", "x" * 300, "tiles.crc/../q.npy"):
            anna.send(peer.FETCH, struct.pack("<I", 1) + peer.text(file) + struct.pack("<QI", 0, 100), 9)
            self.assertNotEqual(anna.receive(kinds=(peer.REPLY,))[2][:2], b"\0\0")
        self.assert_nothing_came()
        folder = os.path.join(self.data, "jobs")
        self.assertEqual(os.listdir(folder) if os.path.isdir(folder) else [], [])

    def test_one_client_keeps_nobody_out(self):
        """Bert begins a hundred documents while Anna's is under way; he asks for three hundred
        pictures at once."""
        broker = self.open()
        anna, bert = self.peer("anna"), self.peer("bert")
        q = [i / 40000 for i in range(40000)]
        job = json.dumps(driven(grid__q={"data": [0, len(q)]}, grid__a=[1.0])).encode()
        document = struct.pack("<II", len(job), len(q)) + job + struct.pack(f"<{len(q)}d", *q)
        part = 261888
        head = struct.pack("<II", len(document), 0) + document[:part]
        anna.send(peer.UPLOAD, head, 5)
        self.assertEqual(anna.ask("ping")[0], 0)  # it has come
        for i in range(100):
            bert.send(peer.UPLOAD, struct.pack("<II", 10, 0) + bytes(10), 1000 + i)
        self.assertEqual(bert.ask("ping")[0], 0)
        anna.send(peer.UPLOAD, struct.pack("<II", len(document), part) + document[part:], 5)
        code, answer = anna.ask("submit", key=f"{5:016x}", bytes=len(document), crc32c=peer.crc32c(document))
        self.assertEqual(code, 0, answer)

        asked = 300
        os.kill(broker.pid, signal.SIGSTOP)  # so that they are there all at once
        for i in range(asked):
            bert.send(peer.REQUEST, peer.text("snapshot") +
                      json.dumps({"job": 1, "field": "F", "q": 1000, "a": 1}).encode(), 1 + i)
        os.kill(broker.pid, signal.SIGCONT)
        answers = [bert.receive(kinds=(peer.PAGE, peer.REPLY)) for _ in range(asked)]
        self.assertEqual(sorted(tag for _, tag, _ in answers), list(range(1, asked + 1)))
        refused = [body for kind, _, body in answers if kind == peer.REPLY]
        self.assertLessEqual(len(refused), asked - 8)
        if SLOW == 1:  # a sanitized broker reads one question in the time it answers one
            self.assertGreater(len(refused), 0)
        for body in refused:
            self.assertIn("asked for at once", json.loads(body[2:])["message"])
        self.assertEqual(anna.ask("status", job=1)[0], 0)


@unittest.skipIf(SLOW > 1, "sanitized builds have no sandbox")
class Sandbox(Doors):
    def status_of(self, pid):
        """The status of each thread, as dicts."""
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/status") as f:
                yield dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)

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
        self.assertEqual(worker.wait(20), 0)
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
