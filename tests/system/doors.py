"""A broker with keys and its peers, for the tests of its doors."""

import os

import peer
from house import House, driven
from peer import Peer

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
