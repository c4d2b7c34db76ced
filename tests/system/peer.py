"""A peer of the broker made by hand: frames of PROTOCOL.md over python3-zmq, with or without a key, and
raw sockets for what no honest peer would say."""

# A worker that is not heard for 3.9 s is dead, and its work with others: one that `stays` sends
# heartbeats, from a thread of its own, however long the test is kept waiting.

import json
import os
import random
import socket
import struct
import threading
import time

import zmq
from zmq.utils.monitor import recv_monitor_message

from house import HANGS_S

HELLO, HEARTBEAT, GET_JOB, RESULT, RETURN, BYE = 1, 2, 3, 6, 7, 9
WELCOME, REFUSED, WHO, LEASE, ACK, DROP = 17, 18, 19, 22, 23, 24
REQUEST, UPLOAD, FETCH, REPLY, PAGE = 33, 34, 35, 49, 50
FRAME_MAX, ENVELOPE = 262144, 33

_TABLE = []
for _i in range(256):
    for _ in range(8):
        _i = _i >> 1 ^ (0x82F63B78 if _i & 1 else 0)
    _TABLE.append(_i)


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def text(s):
    s = s.encode()
    return struct.pack("<H", len(s)) + s


def frame(kind, body=b"", sender=1, tag=0, version=1):
    head = struct.pack("<IHHQQI", 0x31575348, version, kind, sender, tag, len(body))
    return head + struct.pack("<I", crc32c(head + body)) + body


def read_key(path):
    """A key file as a dict; broker is the first pin."""
    key = {}
    with open(path) as f:
        for line in f:
            name, _, value = line.rstrip("\n").partition(" = ")
            key.setdefault(name, value)
    return key


class Peer:
    """One connection. key: a dict of public, secret, broker; or None."""

    def __init__(self, endpoint, key=None, plain=False, session=None):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        if key:
            self.socket.curve_publickey = key["public"].encode()
            self.socket.curve_secretkey = key["secret"].encode()
            self.socket.curve_serverkey = key["broker"].encode()
        if plain:
            self.socket.plain_username, self.socket.plain_password = b"admin", b"admin"
        self.monitor = self.socket.get_monitor_socket()
        self.socket.connect(endpoint)
        self.session = session or random.getrandbits(64)
        self.tag = random.getrandbits(60)
        self.lock = threading.RLock()  # of the socket, and of what follows
        self.tokens = set()  # of leases that are not answered
        self.leaving = threading.Event()
        self.heart = None

    def close(self):
        self.leaving.set()
        if self.heart:
            self.heart.join()
        self.socket.disable_monitor()
        self.context.destroy(linger=0)

    def handshake(self, seconds=HANGS_S):
        """True when it succeeded, False when it failed."""
        while self.monitor.poll(seconds * 1000):
            event = recv_monitor_message(self.monitor)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                return True
            if event in (zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
                         zmq.EVENT_HANDSHAKE_FAILED_AUTH, zmq.EVENT_DISCONNECTED):
                return False
        raise AssertionError("the handshake did not end")

    def is_cut(self, seconds=HANGS_S):
        """Whether the broker ends a connection that was up."""
        while self.monitor.poll(seconds * 1000):
            if recv_monitor_message(self.monitor)["event"] == zmq.EVENT_DISCONNECTED:
                return True
        return False

    def put(self, data, *more):
        with self.lock:
            self.socket.send(data, *more)

    def send(self, kind, body=b"", tag=0):
        self.put(frame(kind, body, self.session, tag))

    def arrived(self):
        """The next message that is there, or None."""
        with self.lock:
            if not self.socket.poll(0):
                return None
            data = self.socket.recv()
            kind, _, tag = struct.unpack_from("<HQQ", data, 6)
            if kind == LEASE:
                self.tokens.add(data[52:68])
            elif kind == ACK:
                self.tokens.clear()
            return kind, tag, data[32:]

    def receive(self, seconds=HANGS_S, kinds=None):
        """(type, tag, body) of the next message (of these kinds), or None."""
        end = time.monotonic() + seconds
        while True:
            message = self.arrived()
            if message and (kinds is None or message[0] in kinds):
                return message
            if not message and time.monotonic() > end:
                return None
            if not message:
                time.sleep(0.002)

    # --- a client

    def ask(self, op, **arguments):
        """The reply to a request: (code, dict); a REFUSED too."""
        self.tag += 1
        self.send(REQUEST, text(op) + json.dumps(arguments).encode(), self.tag)
        while True:
            message = self.receive()
            if message is None:
                raise AssertionError(f"no reply to {op}")
            kind, tag, body = message
            if kind == REFUSED:
                return struct.unpack_from("<H", body)[0], {"message": body[8:].decode()}
            if kind == REPLY and tag == self.tag:
                return struct.unpack_from("<H", body)[0], json.loads(body[2:])

    def submit_document(self, document):
        """Whatever the bytes are: (code, dict)."""
        key = random.getrandbits(63) | 1
        self.send(UPLOAD, struct.pack("<II", len(document), 0) + document, key)
        return self.ask("submit", key=f"{key:016x}", bytes=len(document), crc32c=crc32c(document))

    def submit(self, job):
        data = (job if isinstance(job, str) else json.dumps(job)).encode()
        return self.submit_document(struct.pack("<II", len(data), 0) + data)

    # --- a worker

    def hello(self, version, hold=16 << 20):
        self.send(HELLO, struct.pack("<QHIIIBB", 0, 1, hold, 1, os.getpid(), 0, 0) + text(version) +
                  text("made-by-hand") + text("none") + struct.pack("<I", 0))

    def stay(self):
        """From now on it is heard every second, and names what it has not answered."""
        def beat():
            while not self.leaving.wait(1):
                with self.lock:
                    progress = b"".join(token + struct.pack("<QI", 0, 0) for token in self.tokens)
                    self.send(HEARTBEAT, struct.pack("<IQI", 16 << 20, 0, len(self.tokens)) + progress)
        self.heart = threading.Thread(target=beat, daemon=True)
        self.heart.start()

    def lease(self, seconds=HANGS_S):
        """(job, first_tile, tile_count, token)"""
        message = self.receive(seconds, (LEASE,))
        if message is None:
            return None
        job, first, count, _, _ = struct.unpack_from("<IIIII", message[2])
        return job, first, count, message[2][20:36]

    def result(self, job, tile, token, planes, points):
        """Frames of a whole result; planes: {number: bytes}."""
        frames = []
        for plane, data in planes.items():
            body = struct.pack("<IIII", job, tile, 0, points) + token
            body += struct.pack("<HBBIIII", plane, 0, 0, len(data), 0, 1000, crc32c(data))
            frames.append(frame(RESULT, body + data, self.session))
        return frames


def raw(endpoint, seconds=HANGS_S):
    host, port = endpoint[len("tcp://"):].rsplit(":", 1)
    s = socket.create_connection((host, int(port)), seconds)
    s.settimeout(seconds)
    return s


def is_closed(s, seconds=HANGS_S):
    """Whether the other side closes within the time, whatever it says before."""
    s.settimeout(seconds)
    try:
        while s.recv(65536):
            pass
        return True
    except ConnectionError:
        return True
    except socket.timeout:
        return False


def greeting(mechanism, minor=0, server=False):
    """ZMTP 3.x."""
    return (b"\xff" + bytes(8) + b"\x7f" + bytes([3, minor]) + mechanism.ljust(20, b"\0") +
            bytes([server]) + bytes(31))
