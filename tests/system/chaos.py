"""What the tests of chaos are made of: a broker and workers, real programs, that are killed with -9
and stopped at random; a TCP proxy between them that cuts, stalls and half-closes; and disks that
fill up or fail for a while. At the end every result file is byte for byte that of a calm run."""

import json
import os
import random
import re
import selectors
import shutil
import signal
import socket
import subprocess
import threading
import time

from house import House, free_port, program, read_folder, until

# Every point by itself, a microsecond each, in tiles of a hundred, so that a worker that lives
# for a second at a few percent of a core gets some of them done.
def job(side=500):
    return {"name": "chaos", "w": {"is": "cos(2*t)", "t": [0, 400]}, "solver": "point",
            "z": {"start": [1, 0], "t": [0, 400]}, "output": {"F": "z(400)", "G": "dz(400)"},
            "tolerance": 1e-9, "grid": {"q": {"from": 0, "to": 4, "count": side},
                                        "a": {"from": 5, "to": 7, "count": side}},
            "tiles": [side // 10, side // 10]}


class Proxy:
    """Passes on what comes, both ways, on a thread of its own, and lets one down now and then."""

    def __init__(self, target):
        self.target = target
        self.port = free_port()
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.pairs = {}  # socket -> its other side
        self.stalled_until = 0.0
        self.lock = threading.Lock()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.leaving = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def endpoint(self):
        return f"tcp://127.0.0.1:{self.port}"

    def connect(self):
        near, _ = self.listener.accept()
        far = socket.socket()
        far.settimeout(1)
        try:
            far.connect(("127.0.0.1", self.target))
        except OSError:  # the broker is not there just now
            near.close()
            far.close()
            return
        for s, other in ((near, far), (far, near)):
            self.pairs[s] = other
            self.selector.register(s, selectors.EVENT_READ)

    def drop(self, s):
        for one in (s, self.pairs.get(s)):
            if one in self.pairs:
                self.selector.unregister(one)
                del self.pairs[one]
                one.close()

    def forward(self, s):
        other = self.pairs[s]
        try:
            data = s.recv(65536)
            if data:
                other.settimeout(1)
                other.sendall(data)
        except OSError:
            data = b""
        if not data:
            self.drop(s)

    def run(self):
        while not self.leaving:
            if time.monotonic() < self.stalled_until:
                time.sleep(0.01)
                continue
            for key, _ in self.selector.select(0.05):
                with self.lock:
                    if key.fileobj is self.listener:
                        self.connect()
                    elif key.fileobj in self.pairs:
                        self.forward(key.fileobj)

    def cut(self, dice):
        with self.lock:
            if self.pairs:
                self.drop(dice.choice(list(self.pairs)))

    def half_close(self, dice):
        with self.lock:
            if self.pairs:
                try:
                    dice.choice(list(self.pairs)).shutdown(socket.SHUT_WR)
                except OSError:
                    pass

    def stall(self, seconds):
        self.stalled_until = time.monotonic() + seconds

    def close(self):
        self.leaving = True
        self.thread.join()
        with self.lock:
            for s in list(self.pairs):
                self.drop(s)
        self.listener.close()


class Chaos(House):
    """A job under fire. `limit` is each worker's share of a core: it sets how long the job lasts."""

    workers_wanted = 3
    limit = "3%"

    def setUp(self):
        super().setUp()
        self.dice = random.Random(0)
        self.counts = {}
        self.stopped = {}  # process -> when it goes on
        self.proxy = None
        self.addCleanup(lambda: self.proxy and self.proxy.close())

    def begin(self, job, seed, through_proxy=True):
        self.dice = random.Random(seed)
        self.client("run", self.write_job(job, "calm.json"), "-o", self.path("calm"), "--full",
                    broker=False, timeout=600)
        self.start_broker()
        direct = self.endpoint
        if through_proxy:
            self.proxy = Proxy(int(direct.rsplit(":", 1)[1]))
        self.workers = [self.start_worker() for _ in range(self.workers_wanted)]
        self.number = self.submit(job)

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def start_broker(self):
        self.the_broker = self.broker()

    def start_worker(self, limit=None):
        endpoint, self.endpoint = self.endpoint, (self.proxy.endpoint() if self.proxy
                                                  else self.endpoint)
        try:
            # at normal priority: on a busy machine a guest would get nothing done at all
            return self.worker("--full", "--limit", limit or self.limit)
        finally:
            self.endpoint = endpoint

    # --- one blow ---

    def kill_broker(self):
        self.kill(self.the_broker)
        self.stopped.pop(self.the_broker, None)
        self.start_broker()
        self.count("brokers killed")

    def kill_worker(self):
        k = self.dice.randrange(len(self.workers))
        self.stopped.pop(self.workers[k], None)
        self.kill(self.workers[k])
        self.workers[k] = self.start_worker()
        self.count("workers killed")

    def stop(self, p, seconds, what):
        if p in self.stopped or p.poll() is not None:
            return
        p.send_signal(signal.SIGSTOP)
        self.stopped[p] = time.monotonic() + seconds
        self.count(what)

    def go_on(self, now=None):
        """Those that have been stopped for long enough go on; all of them when now is None."""
        for p, when in list(self.stopped.items()):
            if now is None or when <= now:
                p.send_signal(signal.SIGCONT)
                del self.stopped[p]

    def blow(self, kinds):
        kind = self.dice.choices(list(kinds), list(kinds.values()))[0]
        if kind == "kill broker":
            self.kill_broker()
        elif kind == "kill worker":
            self.kill_worker()
        elif kind == "stop worker":
            self.stop(self.dice.choice(self.workers), self.dice.uniform(0.1, 6), "workers stopped")
        elif kind == "stop broker":
            self.stop(self.the_broker, self.dice.uniform(0.05, 1.5), "brokers stopped")
        elif kind == "cut":
            self.proxy.cut(self.dice)
            self.count("connections cut")
        elif kind == "half-close":
            self.proxy.half_close(self.dice)
            self.count("connections half-closed")
        elif kind == "stall":
            self.proxy.stall(self.dice.uniform(0.2, 5))
            self.count("stalls")
        self.go_on(time.monotonic())

    # --- the end ---

    def finish(self):
        """Lets the job come to its end undisturbed, at full speed, and checks what it left."""
        self.go_on()
        before = json.loads(self.client("status", self.number, "--json").stdout)
        self.assertNotEqual(before["state"], "done", "the job was over before the chaos was")
        for _ in range(2):
            self.workers.append(self.start_worker("100%"))
        self.client("wait", self.number, timeout=600)
        status = self.status(self.number)
        self.assertEqual((status["state"], status["points_failed"],
                          status["tiles_recomputed_after_ack"]), ("done", 0, 0))
        results = self.results(self.number)
        for name, calm in read_folder(self.path("calm")).items():
            if name != "tiles.crc":  # says in which commit a tile became durable
                self.assertEqual(results[name], calm, name)
        self.assertIn("every byte is as it was stored", self.client("verify", self.number).stdout)
        return before


# --- disks that let one down -------------------------------------------------------------------

def may_mount():
    """Whether this user may mount a tmpfs."""
    if os.geteuid():
        return False
    import tempfile
    folder = tempfile.mkdtemp(prefix="hs-mount-")
    ok = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder],
                        capture_output=True).returncode == 0
    if ok:
        subprocess.run(["umount", folder], check=True)
    os.rmdir(folder)
    return ok


class Disks(Chaos):
    """A broker whose DATA is on a small tmpfs, or whose writes fail while a file is there."""

    limit = "1%"
    library = os.path.join(os.path.dirname(os.path.dirname(program("x"))), "tests", "libfaults.so")

    def setUp(self):
        self.mounted = False
        self.addCleanup(self.unmount)
        super().setUp()
        self.flag = self.path("disk")

    def unmount(self):
        if self.mounted:
            subprocess.run(["umount", self.data], check=True)
            shutil.rmtree(self.folder)

    def mount(self, size):
        os.mkdir(self.data)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.data],
                       check=True)
        self.mounted = True

    def broker_on_a_bad_disk(self):
        self.env.update(LD_PRELOAD=self.library, HILLSWEEP_FAULT="write:0",
                        HILLSWEEP_FAULT_IN="hillsweep-broker", HILLSWEEP_DISK_FLAG=self.flag)

    def fill(self):
        fd = os.open(os.path.join(self.data, "filler"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            while os.write(fd, bytes(4096)):
                pass
        except OSError:
            pass
        os.close(fd)

    def fail_disk(self, name):
        """From now on every write fails: ENOSPC, EDQUOT, EIO, EROFS."""
        with open(self.flag + ".new", "w") as f:
            f.write(name)
        os.rename(self.flag + ".new", self.flag)

    def done(self):
        return self.status(self.number)["tiles_done"]

    def pauses(self, words):
        """Waits until the broker says why it waits, and that nothing is acknowledged then. SQLite
        keeps to itself what kind of error it was."""
        words += "|the disk reports an I/O error"
        until(lambda: re.search(words, self.status(self.number)["reason"]),
              f"a status that says {words}")
        count = self.done()
        for _ in range(5):
            self.assertEqual(self.done(), count)
            self.assertRegex(self.status(self.number)["reason"], words)

    def resumes(self):
        """Seconds until something is durable again."""
        count, start = self.done(), time.monotonic()
        until(lambda: self.done() > count, "work goes on")
        return time.monotonic() - start
