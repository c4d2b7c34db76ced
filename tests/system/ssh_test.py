#!/usr/bin/python3
"""deploy/ssh against a real sshd of our own, on 127.0.0.1 and a free port."""

import glob
import json
import os
import shutil
import subprocess
import unittest

from house import BIN, HANGS_S, ROOT, SLOW, House, free_port, until

SSHD = shutil.which("sshd", path="/usr/sbin:" + os.environ["PATH"])


def why_not():
    if SLOW != 1:
        return "ssh is tried with the release build alone"
    if os.geteuid():
        return "a sshd of our own needs root to let anybody in"
    if not SSHD or not shutil.which("ssh-keygen"):
        return "sshd is not here (package openssh-server)"
    return None


REASON = why_not()


@unittest.skipIf(REASON, REASON)
class Ssh(House):
    def setUp(self):
        super().setUp()
        os.makedirs("/run/sshd", exist_ok=True)  # sshd's own, as its service makes it
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path(key)],
                           check=True)
        self.port = free_port()
        self.cache = self.path("cache of the other machine")
        options = {"ListenAddress": "127.0.0.1", "HostKey": self.path("host"), "UsePAM": "no",
                   "AuthorizedKeysFile": self.path("user.pub"), "StrictModes": "no",
                   "PidFile": "none", "PermitRootLogin": "yes",
                   "SetEnv": f'XDG_CACHE_HOME="{self.cache}" PATH=/usr/bin:/bin'}
        with open(self.path("sshd.conf"), "w") as f:
            f.write("".join(f"{k} {v}\n" for k, v in options.items()))
        self.start(SSHD, "-D", "-e", "-f", self.path("sshd.conf"), "-p", str(self.port))
        self.ssh = (f"ssh -F none -p {self.port} -i {self.path('user')} -o StrictHostKeyChecking=no "
                    f"-o UserKnownHostsFile={self.path('known')} -o LogLevel=ERROR")
        self.addCleanup(self.deploy, "--stop", "127.0.0.1", code=None)
        until(lambda: self.deploy("--status", "127.0.0.1", code=None).returncode == 0, "sshd is up")
        self.keys = self.path("keys")
        for role, name in (("admin", "me"), ("worker", "lab")):
            self.client("keys", "new", role, name, "--keys", self.keys, broker=False)

    def deploy(self, *args, code=0):
        p = subprocess.run([f"{ROOT}/deploy/ssh", "--ssh", self.ssh, *args], env=self.env,
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=HANGS_S)
        if code is not None:
            self.assertEqual(p.returncode, code, p.stdout + p.stderr)
        return p

    def workers(self):
        return json.loads(self.client("--keys", f"{self.keys}/me.key", "workers",
                                      "--json").stdout)["workers"]

    def test_workers_start_and_stop(self):
        self.broker("--keys", self.keys)
        start = ["--broker", self.endpoint, "--keys", f"{self.keys}/lab.key", "127.0.0.1", "--",
                 "--threads", "1", "--yield", "none", "--name", "a name's spaces"]
        said = self.deploy(*start).stdout  # it is told what is known after some seconds
        self.assertRegex(said, r"127\.0\.0\.1: copied (at work|started) \(process ")
        until(lambda: [w["host"] for w in self.workers()] == ["a name's spaces"], "it is at work")
        pid = self.workers()[0]["pid"]
        self.assertEqual(os.getsid(pid), pid)
        programs = glob.glob(f"{self.cache}/hillsweep/hillsweep-worker-*")
        self.assertEqual(len(programs), 1)
        self.assertEqual(os.stat(f"{self.cache}/hillsweep/key").st_mode & 0o777, 0o600)
        copied = os.stat(programs[0]).st_mtime_ns
        self.assertIn(f"runs already (process {pid})", self.deploy(*start).stdout)
        self.assertIn(f"runs (process {pid})", self.deploy("--status", "127.0.0.1").stdout)
        self.assertIn("given back", self.deploy("--stop", "127.0.0.1").stdout)
        until(lambda: not self.workers(), "the worker is gone")
        self.assertFalse(os.path.exists(f"{self.cache}/hillsweep/key"))
        again = self.deploy(*start).stdout
        self.assertNotIn("copied", again)  # it was there already
        self.assertEqual(os.stat(programs[0]).st_mtime_ns, copied)
        until(lambda: len(self.workers()) == 1, "it works again")

    def test_one_that_fails_keeps_nobody_waiting(self):
        self.broker("--keys", self.keys)
        with open(self.path("machines"), "w") as f:
            f.write("127.0.0.1  # the good one\n\nnobody@127.0.0.1 # the bad one\n")
        p = self.deploy("--broker", self.endpoint, "--keys", f"{self.keys}/lab.key", "--hosts",
                        self.path("machines"), code=1)
        self.assertRegex(p.stdout, r"127\.0\.0\.1: copied (at work|started)")
        self.assertRegex(p.stdout, r"(?m)^nobody@127\.0\.0\.1: .+")
        until(lambda: len(self.workers()) == 1, "the good one is at work")

    def test_a_worker_that_is_refused_says_why(self):
        self.broker("--keys", self.keys)  # it has no key
        p = self.deploy("--broker", self.endpoint, "127.0.0.1", "--", "--treads", "2", code=1)
        self.assertIn("did you mean --threads", p.stdout)


class Words(unittest.TestCase):
    def test_wrong_words_are_refused(self):
        for args, word in (([], "deploy/ssh"), (["--broker"], "value"), (["--hots", "x"], "--hots"),
                           (["--hosts", "/nowhere"], "/nowhere"), (["lab1"], "which broker")):
            with self.subTest(args):
                p = subprocess.run([f"{ROOT}/deploy/ssh", *args], capture_output=True, text=True,
                                   env={"PATH": f"{BIN}:/usr/bin:/bin"})
                self.assertEqual(p.returncode, 2)
                self.assertIn(word, p.stderr)


if __name__ == "__main__":
    unittest.main()
