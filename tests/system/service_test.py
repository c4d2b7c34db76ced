#!/usr/bin/python3
"""Broker and worker as services: what they tell the service manager, and the units that start
them."""

import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import unittest

from house import BIN, HANGS_S, ROOT, House, program, stopped, until

UNITS = os.path.join(ROOT, "deploy/systemd")


class Manager:
    """What systemd is to a service: a socket that it tells how it is."""

    def __init__(self, house):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(house.path("notify"))
        self.socket.settimeout(HANGS_S)
        house.env.update(NOTIFY_SOCKET=house.path("notify"), WATCHDOG_USEC="300000")

    def hear(self):
        return self.socket.recv(4096).decode().split("\n")

    def hear_until(self, word):
        heard = []
        while word not in heard:
            heard += self.hear()
        return heard

    def silence(self):
        """Nothing is said during three of the periods in which something ought to be."""
        self.socket.setblocking(False)
        try:
            while True:  # what was said before
                self.socket.recv(4096)
        except BlockingIOError:
            pass
        self.socket.settimeout(0.45)
        try:
            self.socket.recv(4096)
            return False
        except socket.timeout:
            return True
        finally:
            self.socket.settimeout(HANGS_S)


class Service(House):
    def serve(self, start):
        manager = Manager(self)
        p = start()
        first = manager.hear()
        self.assertEqual(first[0], "READY=1")
        self.assertTrue(any(self.endpoint in line for line in first if line.startswith("STATUS=")))
        for _ in range(3):
            self.assertEqual(manager.hear(), ["WATCHDOG=1"])
        p.send_signal(signal.SIGSTOP)  # a loop that hangs
        until(lambda: stopped(p.pid), "it has stopped")
        self.assertTrue(manager.silence())
        p.send_signal(signal.SIGCONT)
        manager.hear_until("WATCHDOG=1")
        p.send_signal(signal.SIGTERM)
        manager.hear_until("STOPPING=1")
        self.assertEqual(p.wait(HANGS_S), 0)
        manager.socket.close()

    def test_the_broker_reports(self):
        self.serve(self.broker)

    def test_the_worker_reports_and_needs_no_broker_for_it(self):
        self.serve(self.worker)

    def test_the_watchdog_of_another_process_is_left_alone(self):
        manager = Manager(self)
        self.env.update(WATCHDOG_PID="1")
        p = self.broker()
        self.assertEqual(manager.hear()[0], "READY=1")
        self.assertTrue(manager.silence())
        p.terminate()
        manager.hear_until("STOPPING=1")
        manager.socket.close()

    def test_nobody_listens(self):
        for address in ("/nowhere/at/all", "@nobody", "relative", "", "/" + "x" * 200):
            with self.subTest(address):
                self.env["NOTIFY_SOCKET"] = address
                p = self.broker()
                p.terminate()
                self.assertEqual(p.wait(HANGS_S), 0)


@unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not here")
class Units(House):
    def unit(self, name):
        with open(os.path.join(UNITS, name)) as f:
            return f.read()

    def analyze(self, *args):
        return subprocess.run(["systemd-analyze", *args], capture_output=True, text=True,
                              env=self.env)

    def test_they_are_sound(self):
        """With the programs of this build in their place."""
        for path in glob.glob(f"{UNITS}/**/hillsweep*", recursive=True):
            folder = self.path("user" if "/user/" in path else "system")
            os.makedirs(folder, exist_ok=True)
            text = self.unit(path)
            with open(os.path.join(folder, os.path.basename(path)), "w") as f:
                f.write(re.sub(r"^(ExecStart=)/usr/bin/", rf"\1{BIN}/", text, flags=re.M))
        os.makedirs(self.path("user"), exist_ok=True)
        shutil.copy(os.path.join(UNITS, "hillsweep.slice"), self.path("user"))
        for folder, words in (("system", []), ("user", ["--user"])):
            for path in sorted(glob.glob(self.path(f"{folder}/*.service"))):
                p = self.analyze("verify", "--man=no", "--recursive-errors=one", *words, path)
                mine = [line for line in p.stderr.splitlines() if "hillsweep" in line]
                self.assertEqual((p.returncode, mine), (0, []), f"{path}\n{p.stderr}")

    def test_they_expose_little(self):
        for name in ("hillsweep-broker", "hillsweep-worker"):
            p = self.analyze("security", "--offline=true", "--threshold=20",
                             os.path.join(UNITS, name + ".service"))
            verdict = re.search(r"Overall exposure level for \S+: ([\d.]+)", p.stdout)
            self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
            self.assertLessEqual(float(verdict.group(1)), 2.0)

    def test_their_options_exist(self):
        """Every option that a unit gives is one that the program has."""
        for path in glob.glob(f"{UNITS}/**/*.service", recursive=True):
            command = re.search(r"^ExecStart=/usr/bin/(\S+)(.*)$", self.unit(path), re.M)
            words = re.findall(r"^ ([a-z]+)", command.group(2))  # of hillsweep: its command
            help_text = subprocess.run([program(command.group(1)), *words, "--help"], check=True,
                                       capture_output=True, text=True).stdout
            for option in re.findall(r"--[a-z-]+", command.group(2)):
                self.assertIn(option + " ", help_text)


if __name__ == "__main__":
    unittest.main()
