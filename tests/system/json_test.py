#!/usr/bin/python3
"""--json of every command against client/schema.json, which documents every key there is, and every
exit code of every cause, each with its error as an object."""

import json
import os
import signal
import socket
import struct
import subprocess
import threading
import unittest

import jsonschema

from house import HANGS_S, ROOT, House, driven, program, until

with open(os.path.join(ROOT, "client/schema.json")) as f:
    SCHEMA = json.load(f)

SMALL = driven(grid__q__count=8, grid__a__count=5)
SCRIPTS = {"completion"}  # what it prints is a script


def closed(schema):
    """The schema with no other keys allowed than those that it documents."""
    if isinstance(schema, list):
        return [closed(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    out = {k: closed(v) for k, v in schema.items()}
    if isinstance(schema.get("properties"), dict):
        out["additionalProperties"] = False
    return out


CLOSED = closed(SCHEMA)


def crc32c(data):
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ 0x82F63B78 if n & 1 else n >> 1
        table.append(n)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


class FutureBroker(threading.Thread):
    """A broker of the next version: answers anything by REFUSED with code 9, in its own version. It
    speaks ZMTP 3.0 (NULL) by hand, as much as one client needs."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = "tcp://127.0.0.1:%d" % self.listener.getsockname()[1]

    def run(self):
        try:
            peer, _ = self.listener.accept()
        except OSError:
            return
        with peer:
            peer.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31))
            self.read(peer, 64)
            self.frame(peer, 4, b"\x05READY\x0bSocket-Type\x00\x00\x00\x06ROUTER")
            while True:
                flags, body = self.read_frame(peer)
                if not flags & 4 and len(body) >= 32:
                    break
            text = b"this broker speaks version 2: upgrade the client"
            refused = struct.pack("<HIH", 9, 0, len(text)) + text
            head = struct.pack("<IHHQQI", 0x31575348, 2, 18, 1, 0, len(refused))
            self.frame(peer, 0, head + struct.pack("<I", crc32c(head + refused)) + refused)
            peer.recv(1)

    @staticmethod
    def read(peer, n):
        data = b""
        while len(data) < n:
            more = peer.recv(n - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def read_frame(self, peer):
        flags = self.read(peer, 1)[0]
        size = struct.unpack(">Q", self.read(peer, 8))[0] if flags & 2 else self.read(peer, 1)[0]
        return flags, self.read(peer, size)

    @staticmethod
    def frame(peer, flags, body):
        peer.sendall(struct.pack("BB", flags, len(body)) + body)


class Json(House):
    def valid(self, command, text):
        value = json.loads(text)
        jsonschema.validate(value, dict(CLOSED, anyOf=[{"$ref": f"#/$defs/{command}"}]))
        self.seen.add(command)
        return value

    def ask(self, command, *args, code=0, **kw):
        return self.valid(command, self.client(command, *args, "--json", code=code, **kw).stdout)

    def error(self, *args, code, **kw):
        p = self.client(*args, "--json", code=code, **kw)
        self.assertEqual(p.stdout, "")
        self.assertEqual(len(p.stderr.splitlines()), 1)
        error = self.valid("error", p.stderr)
        self.assertEqual(error["code"], code)
        return error

    def setUp(self):
        super().setUp()
        self.seen = set()

    def test_the_schema_is_one(self):
        jsonschema.Draft202012Validator.check_schema(SCHEMA)
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.validate({"code": 2}, SCHEMA)

    def test_every_command(self):
        self.endpoint = f"ipc://{self.folder}/broker"  # its owner is an admin
        self.broker()
        path = self.write_job(SMALL)
        self.assertEqual(self.ask("submit", path)["state"], "queued")
        self.assertEqual(self.ask("why")["findings"][0]["kind"], "no_workers")
        self.ask("priority", "1", "7")
        self.assertEqual(self.ask("pause", "last")["state"], "paused")
        self.assertEqual(self.ask("why", "1")["findings"][0]["kind"], "paused")
        self.ask("resume", "driven")
        self.ask("submit", path, "-p", "-3")
        self.assertEqual(self.ask("cancel", "2")["state"], "cancelled")
        self.assertEqual(self.ask("status", "2")["priority"], -3)
        self.assertEqual(self.ask("delete", "2")["id"], 2)
        self.worker("--full")
        self.assertEqual(self.ask("wait", "1")["state"], "done")
        self.assertEqual(self.ask("list")["jobs"][0]["id"], 1)
        lines = self.client("submit", path, "--watch", "--json").stdout.splitlines()
        states = [self.valid("watch", line)["state"] for line in lines]
        self.assertEqual(states[-1], "done")
        self.ask("watch", "1")
        self.assertEqual(len(self.ask("workers")["workers"]), 1)
        self.assertTrue(self.ask("workers", "pause", "1")["workers"][0]["paused"])
        self.ask("workers", "resume", "all")
        self.assertTrue(self.ask("check", path)["fleet"]["answered"])
        self.ask("results", "1", "-o", self.path("F.npy"))
        self.ask("plot", "1", "-o", self.path("F.png"))
        self.ask("run", path)
        self.ask("run", path)  # done already
        keys = self.path("keys")
        self.ask("keys", "new", "client", "me", "--keys", keys, broker=False)
        self.ask("keys", "list", "--keys", keys, broker=False)
        self.ask("keys", "revoke", "me", "--keys", keys, broker=False)
        self.ask("keys", "rotate", "--keys", keys, broker=False)
        self.assertIsNotNone(self.ask("version")["broker"])
        self.extra_commands(path)
        self.assertEqual(self.commands() - SCRIPTS - self.seen, set(),
                         "commands whose --json is neither in client/schema.json nor tried here")

    def extra_commands(self, path):
        periodic = self.write_job(driven(y=None, w={"is": "cos(2*t)", "period": "pi"},
                                         z__t=[0, 1], output={"F": "z(1)"}), "periodic.json")
        self.ask("boundaries", periodic)
        self.ask("boundaries", periodic, "-o", self.path("curves.csv"))
        if "verify" in self.commands():
            self.ask("verify", "1")

    def commands(self):
        """From the completion's list, so that a new one cannot be forgotten."""
        script = self.client("completion", "fish", broker=False).stdout
        return {line.split(" -a ")[1].split()[0] for line in script.splitlines()
                if "-n __fish_use_subcommand" in line}

    def test_exit_codes_of_jobs(self):
        self.broker()
        self.worker("--full")
        good, bad = self.write_job(SMALL), driven(grid__q__count=8, grid__a__count=5,
                                                  output={"F": "sqrt(z(t[157]))"})
        self.client("submit", good, "--wait", code=0)
        bad = self.write_job(bad, "bad.json")
        self.client("submit", bad, "--wait", code=3)
        self.client("wait", "2", code=3)
        self.client("run", bad, broker=False, code=3)
        self.client("run", bad, broker=False, code=3)  # as it was
        pole = self.write_job(driven(w__is="1/(t-5)", y=None), "pole.json")
        self.client("submit", pole, "--wait", code=1)
        self.assertIn("t = 5", self.ask("run", pole, code=1, broker=False)["reason"])
        self.assertIn("t = 5", self.error("check", pole, code=8, broker=False)["message"])

    def test_exit_codes_of_requests(self):
        self.broker()
        self.error("sumbit", code=2, broker=False)
        self.error("submit", self.path("nothing.json"), code=2)
        self.error("workers", "pause", "all", code=4)  # loopback: no admin
        self.error("status", "7", code=5)
        job = self.submit(SMALL)
        self.assertIn("goes on", self.error("wait", job, "--timeout", "50ms", code=6)["hint"])
        self.error("cancel", job, "x", code=2)
        wrong = self.write_job(driven(grid__a__count=0))
        self.assertEqual(self.error("submit", wrong, code=8)["path"], "grid.a.count")
        self.client("cancel", job)
        self.client("wait", job, code=10)
        self.error("results", job, "-o", "/nonexistent/F.npy", code=11)
        with open("/dev/full", "wb") as full:
            for command in (self.command("list"), [program("hillsweep-broker"), "--help"],
                            [program("hillsweep-worker"), "--version"]):
                p = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=self.env)
                self.assertEqual(p.returncode, 11, command)

    def test_a_broker_that_is_not_there(self):
        error = self.error("status", "--connect-timeout", "100ms", code=7)
        self.assertIn(self.endpoint, error["message"])
        self.assertIn("hillsweep-broker", error["hint"])

    def test_a_broker_of_another_version(self):
        future = FutureBroker()
        future.start()
        self.endpoint = future.endpoint
        self.assertIn("version 2", self.error("status", code=9)["message"])
        future.listener.close()
        future.join(10)

    def test_ctrl_c_detaches(self):
        self.broker()
        job = self.submit(SMALL)
        p = self.start(*self.command("wait", job, "--json"))
        until(lambda: self.waits(p), "the client waits")
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(HANGS_S), 130)
        with open(p.log_path) as f:
            self.assertIn(f"hillsweep wait {job}", self.valid("error", f.read())["hint"])
        self.assertEqual(self.status(job)["state"], "queued")

    @staticmethod
    def waits(p):
        """Just the signals that it watches are blocked (Python blocks all until it is executed)."""
        with open(f"/proc/{p.pid}/status") as f:
            for line in f:
                if line.startswith("SigBlk:"):
                    blocked = int(line.split()[1], 16)
                    return (blocked >> (signal.SIGINT - 1) & 1 and
                            not blocked >> (signal.SIGUSR1 - 1) & 1)
        return False


if __name__ == "__main__":
    unittest.main()
