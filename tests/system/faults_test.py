"""Every allocation, write, sync, rename, SQLite step and ZeroMQ call of each real program fails once
(faults.c is preloaded). A program then ends well by itself, or with an error that is said; the same
command typed again comes to the end; and the files are those of a calm run.

  python3 tests/system/faults_test.py                one of each kind in a run, by chance (which one is
                                                     told when it fails)
  FAULTS=100 python3 tests/system/faults_test.py     a hundred of each kind, evenly spread, also in the
                                                     client's other commands
  FAULTS=all python3 tests/system/faults_test.py     from the first to the last; in about an hour
  FAULTS=all FAULTS_OF="run, hillsweep-broker, alloc" ...   some: a regular expression; the lines that
                                                     are printed begin like this"""

import concurrent.futures
import os
import random
import re
import struct
import subprocess
import threading
import unittest

from house import BIN, HANGS_S, House, driven, program, read_folder

LIBRARY = os.path.join(os.path.dirname(BIN), "tests", "libfaults.so")
MOST = os.environ.get("FAULTS", "0")
ALL = MOST == "all"
MOST = 0 if ALL else int(MOST)
AT_ONCE = int(os.environ.get("FAULTS_AT_ONCE", "4"))
PROGRAMS = ("hillsweep-broker", "hillsweep-worker", "hillsweep")
OF = re.compile(os.environ.get("FAULTS_OF", ""))
KINDS = ("alloc", "write", "sync", "rename", "sqlite", "zmq")
# So many failures in a row that were not met are the end: threads make the count vary a little.
END = 40

# Commands of the client beside run: name, arguments, the file that it makes or ""; in the folder of a
# run ("calm") or asking a broker that has done job 1.
COMMANDS = (
    ("check", ("check", "job.json"), ""),
    ("results csv", ("results", "calm", "-o", "OUT.csv"), "OUT.csv"),
    ("results npy", ("results", "calm", "-o", "OUT.npy"), "OUT.npy"),
    ("results nc", ("results", "calm", "-o", "OUT.nc"), "OUT.nc"),
    ("results -", ("results", "calm", "-o", "-"), ""),
    ("plot svg", ("plot", "calm", "-o", "OUT.svg"), "OUT.svg"),
    ("plot png", ("plot", "calm", "-o", "OUT.png"), "OUT.png"),
    ("verify", ("verify", "calm"), ""),
    ("submit", ("submit", "job.json", "--wait"), ""),
    ("status", ("status", "1"), ""),
    ("list", ("list",), ""),
    ("watch", ("watch", "1"), ""),
    ("why", ("why", "1"), ""),
    ("workers", ("workers",), ""),
    ("results of a broker", ("results", "1", "-o", "OUT.csv"), "OUT.csv"),
    ("plot of a broker", ("plot", "1", "-o", "OUT.svg"), "OUT.svg"),
    ("verify of a broker", ("verify", "1"), ""),
)


class Places:
    """Which calls of a kind fail, one a run: given out to several at once until the end is reached."""

    def __init__(self, calls):
        self.lock = threading.Lock()
        self.tried = self.missed = 0
        self.met = {}
        if ALL:
            self.next = iter(range(1, 1 << 30)) if calls else iter(())
        elif MOST:
            most = min(calls, MOST)
            self.next = iter(sorted({1 + i * (calls - 1) // max(most - 1, 1) for i in range(most)}))
        else:
            self.next = iter([random.randint(1, calls)] if calls else [])

    def take(self):
        with self.lock:
            return None if ALL and self.missed >= END else next(self.next, None)

    def done(self, met):
        with self.lock:
            self.tried += 1
            self.missed = 0 if met else self.missed + 1
            if met:
                self.met[met] = self.met.get(met, 0) + 1

    def __str__(self):
        whose = ", ".join(f"{n} of {who}" for who, n in sorted(self.met.items()))
        return f"{self.tried} failed in turn, {sum(self.met.values())} met: {whose}"


class Faults(House):
    def setUp(self):
        super().setUp()
        if not os.path.exists(LIBRARY):
            self.skipTest("the library is not built under sanitizers")
        self.write_job(driven(grid__q__count=12, grid__a__count=12,
                              z__t={"from": 0, "to": 10, "count": 201}))

    def call(self, args, folder, fault=None):
        """One command with this fault: its exit code, its output and what it said."""
        env = dict(self.env)
        if fault:
            env.update(LD_PRELOAD=LIBRARY, HILLSWEEP_FAULT="%s:%d" % fault[1:],
                       HILLSWEEP_FAULT_IN=fault[0], HILLSWEEP_FAULT_STATE=folder + "/state")
        try:
            p = subprocess.run([program("hillsweep"), *args], env=env, stdin=subprocess.DEVNULL,
                               capture_output=True, text=True, errors="replace", cwd=folder,
                               timeout=HANGS_S)
        except subprocess.TimeoutExpired as e:
            self.fail(f"{fault} {args} hangs: {e.stderr}")
        return p.returncode, p.stdout, p.stderr

    def state(self, folder):
        """How many calls of each kind there were: {kind: count}; and whose the one was that failed: a
        program or a library, or None."""
        with open(folder + "/state", "rb") as f:
            *calls, caller = struct.unpack("6l256s", f.read())
        return dict(zip(KINDS, calls)), os.path.basename(caller.rstrip(b"\0").decode()) or None

    def calls_of(self, who, args, folder):
        """Of a calm one."""
        code, _, said = self.call(args, folder, (who, "alloc", 0))
        self.assertEqual(code, 0, said)
        calls, _ = self.state(folder)
        self.tidy(folder)
        return calls

    def tidy(self, folder):
        subprocess.run(["rm", "-rf", *(os.path.join(folder, name) for name in os.listdir(folder)
                                       if name.startswith("OUT") or name == "state")], check=True)

    def check(self, fault, args, folder, look):
        """look(output): whether the result is right. Returns whether the failure was met."""
        code, out, said = self.call(args, folder, fault)
        _, caller = self.state(folder)
        if code != 0:
            self.ended_well(fault, args, caller, code, said)
            code, out, said = self.call(args, folder)
            self.assertEqual(code, 0, (fault, args, said))
        look(out, (fault, args))
        self.tidy(folder)
        return caller

    def ended_well(self, fault, args, caller, code, said):
        """With an error that is said. Out of memory ends a program at once, with words where it is our
        own call; what libraries do then is theirs, and may be worse."""
        what = (fault, args, caller, code, said)
        if fault[1] == "alloc" and caller != fault[0]:
            return
        self.assertNotRegex(said, r"Segmentation|signal 11", what)
        self.assertTrue(code > 0 or (fault[1] == "alloc" and code == -6), what)
        self.assertRegex(said, r"out of memory" if fault[1] == "alloc" else r"\S", what)

    def each(self, name, who, args, folders, look):
        """Each failure of one program in one command, in several folders at once."""
        if not any(OF.search(f"{name}, {who}, {kind}") for kind in KINDS):
            return
        for kind, calls in self.calls_of(who, args, folders[0]).items():
            if not OF.search(f"{name}, {who}, {kind}"):
                continue
            places = Places(calls)

            def work(folder):
                while (n := places.take()) is not None:
                    places.done(self.check((who, kind, n), args, folder, lambda out, fault: look(
                        folder, out, fault)))

            with concurrent.futures.ThreadPoolExecutor(len(folders)) as pool:
                for one in [pool.submit(work, folder) for folder in folders]:
                    one.result()
            if ALL or MOST:
                if calls:
                    print(f"{name}, {who}, {kind}: {calls} calls, {places}", flush=True)
                self.assertTrue(places.met or calls == 0, (who, kind))

    def folders(self):
        """One for each that works at once, with the job and the results of a calm run."""
        made = []
        for i in range(AT_ONCE if ALL or MOST else 1):
            made.append(self.path(f"folder{i}"))
            os.mkdir(made[-1])
            with open(self.path("job.json")) as job, open(made[-1] + "/job.json", "w") as copy:
                copy.write(job.read())
            code, _, said = self.call(("run", "job.json", "--full", "-j", "1", "-o", "calm"), made[-1])
            self.assertEqual(code, 0, said)
        return made

    def test_run(self):
        folders = self.folders()

        def results(folder):
            files = read_folder(folder)
            files.pop("tiles.crc")  # says in which commit a tile became durable
            return files
        right = results(folders[0] + "/calm")

        def look(folder, _, fault):
            self.assertEqual(results(folder + "/OUT"), right, fault)
        for who in PROGRAMS:
            self.each("run", who, ("run", "job.json", "--full", "-j", "1", "-o", "OUT"), folders, look)

    def test_a_nc_file_on_a_full_disk(self):
        """HDF5 crashes when its last write fails: the user is told all the same, and nothing stays."""
        folder = self.folders()[0]
        args = ("results", "calm", "-o", "OUT.nc")
        writes = self.calls_of("hillsweep", args, folder)["write"]
        for n in (1, writes // 2, writes):
            code, _, said = self.call(args, folder, ("hillsweep", "write", n))
            self.assertEqual(code, 11, (n, said))
            self.assertIn("cannot write the NetCDF file", said)
            self.assertEqual([name for name in os.listdir(folder) if "OUT" in name], [], (n, said))
            self.tidy(folder)

    def test_commands(self):
        if not (ALL or MOST):
            self.skipTest("on request: FAULTS=100")
        folders = self.folders()
        self.broker()
        self.worker()
        self.client("submit", "job.json", "--wait")
        for name, args, file in COMMANDS:
            if "calm" not in args and name != "check":
                args = ("--broker", self.endpoint, *args)
            _, right, _ = self.call(args, folders[0])
            made = self.content(folders[0], file)

            def look(folder, out, fault):
                if name not in ("submit", "workers", "check"):  # numbers, rates and times
                    self.assertEqual(out, right, fault)
                self.assertEqual(self.content(folder, file), made, fault)
            self.tidy(folders[0])
            for who in ("hillsweep",) + (("hillsweep-worker",) if name == "check" else ()):
                self.each(name, who, args, folders, look)

    def content(self, folder, file):
        if not file:
            return None
        path = os.path.join(folder, file)
        if file.endswith(".nc"):  # the file knows when it was made
            text = subprocess.run(["ncdump", path], check=True, capture_output=True).stdout
            return re.sub(rb":history = .*", b"", text)
        with open(path, "rb") as f:
            return f.read()


if __name__ == "__main__":
    unittest.main()
