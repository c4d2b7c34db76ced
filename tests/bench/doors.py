#!/usr/bin/python3
"""A broker with keys under people who have none: 1,000 idle connections, half of which announce a huge
frame, and 2,000 connections a second that say garbage and leave, while one client with a key asks for
the status again and again. Prints the client's waiting times (with and without the flood), the
broker's share of a core and how its memory grew. Everything is on this machine, and so is the crowd:
its processor time is not the broker's, but on few cores it is in its way.

  tests/bench/doors.py [--seconds 10] [--idle 1000] [--rate 2000]"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../system"))
import peer  # noqa: E402
from house import BIN, free_port  # noqa: E402

CROWD = """
import random, socket, sys, time
sys.path.insert(0, %r)
import peer
host, port, idle, rate, seconds = sys.argv[1], int(sys.argv[2]), *map(float, sys.argv[3:])
end = time.monotonic() + seconds
rng = random.Random(1)
start = peer.greeting(b"CURVE")
# Just below the limit: above it the connection is closed at once. None of it is sent.
big = b"\\x06" + (peer.FRAME_MAX + peer.ENVELOPE - 1).to_bytes(8, "big")

def connect():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0\\0\\0\\0\\0")
    s.setblocking(False)
    s.connect_ex((host, port))
    return s

crowd, made, idled, failed = [], 0, 0, 0
begin = time.monotonic()
while time.monotonic() < end:
    now = time.monotonic()
    while len(crowd) < idle:  # who is shown the door comes again
        s = connect()
        crowd.append((s, now))
        idled += 1
        try:
            s.setblocking(True)
            s.settimeout(1)
            s.send(start + (big if idled %% 2 else b""))
            s.setblocking(False)
        except OSError:
            failed += 1
    while crowd and now - crowd[0][1] > 2.9:
        crowd.pop(0)[0].close()
    due = int((now - begin) * rate) - made
    for _ in range(min(due, 100)):
        s = connect()
        try:
            s.setblocking(True)
            s.settimeout(0.2)
            s.send((start[:rng.randrange(65)] if made %% 2 else b"") + rng.randbytes(rng.randrange(1, 300)))
        except OSError:
            failed += 1
        s.close()
        made += 1
    time.sleep(0.002)
print(made, idled, failed, time.monotonic() - begin)
""" % os.path.join(HERE, "../system")


def run(*args):
    subprocess.run([os.path.join(BIN, "hillsweep"), *args], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def memory_mb(pid, what="VmRSS"):
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith(what + ":"):
                return int(line.split()[1]) / 1024


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask_for(me, seconds):
    """Milliseconds of each answer, one after the other, 100 a second."""
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.perf_counter()
        code, _ = me.ask("status", job=1)
        times.append((time.perf_counter() - start) * 1000)
        assert code == 0
        time.sleep(0.01)
    return sorted(times)


def show(name, times):
    at = lambda p: times[min(len(times) - 1, int(len(times) * p))]  # noqa: E731
    print(f"{name}: {len(times)} answers, median {at(0.5):.2f} ms, p99 {at(0.99):.2f} ms, most {times[-1]:.2f} ms")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--seconds", type=float, default=10)
    p.add_argument("--idle", type=int, default=1000)
    p.add_argument("--rate", type=float, default=2000)
    o = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="hs-") as folder:
        keys, endpoint = folder + "/keys", f"tcp://127.0.0.1:{free_port()}"
        run("keys", "new", "client", "me", "--keys", keys)
        read, write = os.pipe()
        broker = subprocess.Popen([BIN + "/hillsweep-broker", "--listen", endpoint, "--keys", keys, "--data",
                                   folder + "/data", "--log", "warn", "--ready-fd", str(write)], pass_fds=[write])
        os.close(write)
        try:
            os.read(read, 10)
            me = peer.Peer(endpoint, peer.read_key(keys + "/me.key"))
            run("--broker", endpoint, "--keys", keys + "/me.key", "submit",
                os.path.join(HERE, "../../client/examples/driven.json"))
            show("calm", ask_for(me, 2))
            before, cpu, start = memory_mb(broker.pid), cpu_s(broker.pid), time.monotonic()
            host, port = endpoint[6:].rsplit(":", 1)
            crowds = [subprocess.Popen(["/usr/bin/python3", "-c", CROWD, host, port, str(idle), str(rate),
                                        str(o.seconds)], stdout=subprocess.PIPE, text=True)
                      for idle, rate in ((o.idle, 0), (0, o.rate))]
            times = ask_for(me, o.seconds)
            share = (cpu_s(broker.pid) - cpu) / (time.monotonic() - start)
            (_, idled, mute, _), (made, _, silent, took) = (map(float, c.communicate()[0].split())
                                                            for c in crowds)
            show("flood", times)
            print(f"crowd: {made / took:.0f} garbage connections a second, {o.idle} idle ones "
                  f"({idled:.0f} in all), {mute + silent:.0f} could not even speak")
            print(f"broker: {share * 100:.1f} % of a core, memory {before:.1f} MB + "
                  f"{memory_mb(broker.pid, 'VmHWM') - before:.1f} MB at most")
            me.close()
        finally:
            broker.terminate()
            broker.wait(20)


if __name__ == "__main__":
    main()
