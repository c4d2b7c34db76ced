"""What tests/bench/side_by_side does with one program of a user: run it in a folder of its own, with
other sizes of its grid, and watch it, the machine's owner and what is left when a process is killed.

The programs are run as they stand but for the counts of their grid, nq and na (in a job: "count"),
which are written into copies of them."""

import os
import re
import resource
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass

import numpy as np

QUIET = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def resize(text, nq, na):
    """The program or job with another grid; names its counts exactly once, or leaves them to others."""
    for name, count in (("q", nq), ("a", na)):
        text, changed = re.subn(rf'(\bn{name}\s*=\s*|"{name}": {{[^}}]*"count": )\d+',
                                rf"\g<1>{count}", text)
        if changed > 1:
            raise ValueError(f"the count of {name} stands there {changed} times")
    return text


def prepare(folder, sources, build, size, edit=None):
    """A fresh folder with the sources for this grid, built."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for path in sources:
        with open(path) as f:
            text = resize(f.read(), *size)
        with open(os.path.join(folder, os.path.basename(path)), "w") as f:
            f.write(edit(text) if edit else text)
    if build:
        subprocess.run(build, shell=True, cwd=folder, check=True, **QUIET)
    return set(os.listdir(folder))


def clean(folder, keep):
    """Away with all that a run has left; what numba has compiled stays."""
    for name in set(os.listdir(folder)) - keep - {"__pycache__"}:
        path = os.path.join(folder, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


# --- processes: all descendants of this one, orphans included (it is their subreaper) ---

def adopt_orphans():
    import ctypes
    if ctypes.CDLL(None).prctl(36, 1, 0, 0, 0):  # PR_SET_CHILD_SUBREAPER
        raise OSError("prctl")


def table():
    """pid -> (parent, state, seconds of CPU time, command)"""
    processes = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                head, tail = f.read().rsplit(")", 1)
        except OSError:
            continue
        fields = tail.split()
        cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        processes[int(pid)] = (int(fields[1]), fields[0], cpu, head.split("(", 1)[1])
    return processes


def family(but=()):
    """Living descendants of this process but those: pid -> (parent, state, cpu, command)."""
    all_of_them, found = table(), {}
    front = {os.getpid()}
    while front:
        front = {p for p, (parent, *_) in all_of_them.items() if parent in front and p not in but}
        found.update({p: all_of_them[p] for p in front})
    for pid in [p for p, (parent, state, *_) in found.items() if state == "Z"]:
        del found[pid]
    return found


def reap(but=()):
    """Orphans that have ended, so that their CPU time counts as that of children."""
    for pid, (parent, state, *_) in table().items():
        if parent == os.getpid() and state == "Z" and pid not in but:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


def end_family(but=()):
    while left := family(but):
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)
        reap(but)


class Failed(Exception):
    """A program that does not do its work; its own words are the text."""


def start(command, folder, env):
    """Its standard error goes to the file log."""
    with open(os.path.join(folder, "log"), "a") as log:
        return subprocess.Popen(command, cwd=folder, env=env, **dict(QUIET, stderr=log))


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# --- undisturbed runs ---

def once(command, folder, env, but=(), limit=3600):
    """Wall and CPU seconds of the whole command with all its processes."""
    began, used = time.perf_counter(), cpu_of_children()
    p = start(command, folder, env)
    code = p.wait(limit)
    wall = time.perf_counter() - began
    end_family(but)
    reap(but)
    if code:
        with open(os.path.join(folder, "log")) as f:
            raise Failed(f"{' '.join(command)}: exit code {code}: {f.read()[-1000:].strip()}")
    return wall, cpu_of_children() - used


def repeated(command, folder, keep, env, foreground, enough_s, most=20):
    """Runs until there are enough seconds of them: lists of wall and CPU seconds, and how late a small
    task woke up meanwhile, which a timer calls every millisecond: p99 and maximum in microseconds."""
    runs, owner = [], None
    if foreground:
        owner = subprocess.Popen([foreground, "cyclic", "3600000"], stdout=subprocess.PIPE, text=True)
    but = {owner.pid} if owner else ()
    while not runs or (sum(r[0] for r in runs) < enough_s and len(runs) < most):
        clean(folder, keep)
        runs.append(once(command, folder, env, but))
    walls, cpus = zip(*runs)
    if not owner:
        return walls, cpus, None, None
    owner.terminate()
    _, p99, worst = map(float, owner.communicate()[0].split())
    return walls, cpus, p99, worst


def owner_loops(command, folder, keep, env, foreground, cores, most_s=6):
    """How many times longer a loop on each core takes while the command runs. It is ended after a while:
    what runs only when nobody else wants to may never come to its end beside them."""
    def loops():
        out = subprocess.run([foreground, "spin", str(cores), "1"], capture_output=True, text=True)
        return float(out.stdout.split()[0])
    clean(folder, keep)
    alone = np.median([loops() for _ in range(7)])
    began, p, times = time.monotonic(), start(command, folder, env), []
    time.sleep(0.3)  # programs and libraries are loaded
    while not times or (p.poll() is None and time.monotonic() - began < most_s):
        times.append(loops())
    if p.poll() is not None and len(times) > 1:
        times.pop()  # the run's end was in it
    end_family()
    p.wait()
    reap()
    return float(np.median(times) / alone)


# --- kills ---

def named(name):
    """Chooses the newest process of that name (15 characters of it)."""
    return lambda processes, main: max((p for p, v in processes.items() if v[3] == name[:15]),
                                       default=None)


def child(index):
    """Chooses the index-th child of the program, in the order in which they were started."""
    def choose(processes, main):
        children = sorted(p for p, v in processes.items() if v[0] == main)
        return children[index] if index < len(children) else None
    return choose


def busiest(processes, main):
    """Chooses the descendant of the program with the most CPU time."""
    return max((p for p in processes if p != main), key=lambda p: processes[p][2], default=None)


def itself(processes, main):
    return main


@dataclass
class Trial:
    """A program ready to be killed, and what it did undisturbed."""
    command: list
    folder: str
    keep: set
    env: dict
    half_s: float
    wall_s: float
    cpu_s: float
    rows: list

    def killed(self, choose):
        """The program half-way, one of its processes killed; a run that is over by then, faster than
        undisturbed, is tried again at an earlier time. None when there was none to kill."""
        after_s = self.half_s
        for _ in range(4):
            clean(self.folder, self.keep)
            p = start(self.command, self.folder, self.env)
            time.sleep(after_s)
            victim = choose(family(), p.pid)
            if victim is not None and p.poll() is None:
                os.kill(victim, signal.SIGKILL)
                return p
            end_family()
            p.wait()
            after_s *= 0.6
        return None

    def ended(self, p):
        """Its exit code, or None when it does not end in three times the time that it has left."""
        try:
            return p.wait(3 * self.wall_s + 15)
        except subprocess.TimeoutExpired:
            return None
        finally:
            end_family()
            p.wait()
            reap()

    def lacks(self):
        """What the rows lack, in words; empty when they are those of the undisturbed run."""
        path = os.path.join(self.folder, "rows.txt")
        rows = read_rows(path) if os.path.exists(path) else []
        missing, other = len(set(self.rows) - set(rows)), len(set(rows) - set(self.rows))
        counts = ((missing, "missing"), (other, "wrong"), (len(rows) - len(set(rows)), "twice"))
        told = ", ".join(f"{n:,} {what}" for n, what in counts if n)
        return told and f"{told} of {len(self.rows):,} rows"


def read_rows(path):
    with open(path) as f:
        return f.read().splitlines()


def kill_worker(trial, choose, kills):
    """One of the processes that solve is killed, in several runs: the worst of them."""
    for n in range(1, kills + 1):
        p = trial.killed(choose)
        if p is None:
            return "could not be tried"
        code, lacks = trial.ended(p), trial.lacks()
        if code is None:
            return "hangs"
        if code:
            return f"ends with an error ({lacks or 'all rows are there'})"
        if lacks:
            return f"ends as if all were well: {lacks} (kill {n} of {kills})"
    return "carries on"


ANEW = 0.8  # who has done half already and resumes needs half; so much varies by itself


def kill_main(trial, choose=itself):
    """The program is killed, and its line typed again: what it leaves, and what is done anew."""
    p = trial.killed(choose)
    if p is None:
        return "could not be tried"
    p.wait()
    time.sleep(2)  # whoever notices that it is gone has done so
    left = len(family())
    end_family()
    reap()
    _, cpu = once(trial.command, trial.folder, trial.env)
    share, lacks = cpu / trial.cpu_s, trial.lacks()
    if share < ANEW:  # or the machine has become faster meanwhile: undisturbed once more
        clean(trial.folder, trial.keep)
        share = cpu / once(trial.command, trial.folder, trial.env)[1]
    told = "starts anew" if share > ANEW else f"resumes, {100 * (1 - share):.0f} % of the CPU time spared"
    told += f", {lacks}" if lacks else ""
    return told + (f"; leaves {left} process{'es' * (left > 1)} behind" if left else "")


def kill_broker(trial, name, command):
    """The broker is killed and its line alone typed again; the rest has to find it."""
    p = trial.killed(named(name))
    if p is None:
        return "could not be tried"
    began = cpu_of_children()
    again = start(command, trial.folder, trial.env)
    code, lacks = trial.ended(p), trial.lacks()
    again.wait()
    if code is None:
        return "hangs"
    if code or lacks:
        return f"ends with exit code {code}: {lacks}"
    share = (cpu_of_children() - began) / trial.cpu_s
    return f"carries on with {max(0, 100 * (share - 1)):.0f} % more CPU time"
