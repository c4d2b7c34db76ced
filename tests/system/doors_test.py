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

import zmq

import peer
from doors import SMALL, Doors
from house import HANGS_S, SLOW, driven, program, stopped, until
from peer import Peer

GARBAGE = int(os.environ.get("HILLSWEEP_GARBAGE", "2000" if SLOW == 1 else "500"))


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
                p.put(peer.frame(peer.REQUEST, peer.text("list") + b"{}", tag=1), zmq.DONTWAIT)
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
        self.assertEqual(w.wait(HANGS_S), 4)
        for mode in (0o644, 0o640, 0o604):
            os.chmod(self.key("me"), mode)
            self.assertIn("0600", self.by("me", "list", code=4).stderr)
        os.chmod(self.key("me"), 0o600)
        self.by("me", "list")
        os.chmod(os.path.join(self.keys, "broker.key"), 0o644)
        b = self.start(program("hillsweep-broker"), "--listen", "tcp://127.0.0.1:1", "--keys", self.keys,
                       "--data", self.path("other"))
        self.assertEqual(b.wait(HANGS_S), 4)

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
                    self.assertTrue(peer.is_closed(s))
        with peer.raw(self.endpoint) as s:  # a word and then silence: shown the door in 3 s
            s.sendall(b"\xff")
            self.assertTrue(peer.is_closed(s))
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
        big.put(peer.frame(peer.REQUEST, body + b" " * peer.FRAME_MAX, tag=1))
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
        until(lambda: taken() < limit / 2, "they have left")
        self.by("me", "--connect-timeout", "20s", "list")  # and the door is open again
        with open(broker.log_path) as f:
            self.assertIn("too many connections", f.read())


class Roles(Doors):
    def test_each_role_does_what_it_is_for(self):
        self.open()
        anna, lab = self.peer("anna"), self.peer("lab1")
        lab.hello(self.version)
        self.assertIsNotNone(lab.receive(kinds=(peer.WELCOME,)))
        lab.stay()
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
        self.assertEqual(p.wait(HANGS_S), 2)

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
                p = subprocess.run(["/usr/bin/python3", "-c", code, path], user=user, timeout=HANGS_S)
                self.assertEqual(p.returncode, code_wanted)


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
        until(lambda: stopped(broker.pid), "it has stopped")
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


if __name__ == "__main__":
    unittest.main(verbosity=2)
