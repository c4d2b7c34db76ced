#!/usr/bin/python3
"""Bugs put into the queue and the worker on purpose: the simulator has to find each one, and the
number of the seed alone has to bring it back.

    sim/mutants_test.py [NAME ...]      all of them, or some

Each is one exact replacement in one source file. The changed file is compiled as the build compiles
it and linked in front of the archives; nothing in the tree or in the build changes."""

import json
import os
import re
import subprocess
import sys
import tempfile

BIN = os.environ.get("HILLSWEEP_BIN", "build/release/bin")
BUILD = os.path.dirname(os.path.abspath(BIN))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEEDS = 40000  # some hide well; the search ends with the first that finds the bug

MUTANTS = {
    "acknowledged when it arrives": (
        "broker/queue/result.c",
        "        job_tile_event(q, j, tile, TILE_ARRIVE);\n    if (where == COMPLETE_STORE",
        "        job_tile_event(q, j, tile, TILE_ARRIVE),\n"
        "            action_tiles(q, ACTION_ACK, w, j->id, tile, 1);\n    if (where == COMPLETE_STORE"),
    "leased beyond the frontier": (
        "broker/queue/dispatch.c",
        "while (n < most && first + n < j->frontier &&",
        "while (n < most && first + n < t->count &&"),
    "a restart forgets what is durable": (
        "broker/queue/job_table.c",
        "if (all || (spec->tile_done && spec->tile_done[tile]))",
        "if (all || (spec->tile_done && spec->tile_done[tile] && tile % 7))"),
    "a lost LEASE stays lost": (
        "broker/queue/heartbeat.c",
        "return ++l->unnamed >= UNNAMED_MAX && l->pending > 0;",
        "return false;"),
    "who waits for a frontier is not asked when it is durable": (
        "broker/queue/job_table.c",
        "    j->frontier = frontier;\n    dispatch_appeared(q);\n",
        "    j->frontier = frontier;\n"),
    "what came back is not offered": (
        "broker/queue/job_table.c",
        "if (state == TILE_OPEN || state == TILE_CUT)",
        "if (state == TILE_CUT)"),
    "the lowest priority first": (
        "broker/queue/offers.c",
        "        return a->priority > b->priority;",
        "        return a->priority < b->priority;"),
    "a paused job goes on": (
        "broker/queue/job_table.c",
        "return j->state == JOB_QUEUED || j->state == JOB_RUNNING;",
        "return j->state == JOB_QUEUED || j->state == JOB_RUNNING || j->state == JOB_PAUSED;"),
    "others are not told that a tile is durable": (
        "broker/queue/result.c",
        "tile, 1);\n        lease_settle(q, l, tile);\n    }\n}",
        "tile, 1);\n    }\n}"),
    "pieces beside other work": (
        "broker/queue/dispatch.c",
        "if (worker_has_pending(w) || w->hold_bytes == 0)",
        "if (w->hold_bytes == 0)"),
    "the wrong machine is set aside": (
        "broker/queue/recheck.c",
        "convict(q, j, was.tile, was.second, was.author, w->machine);",
        "convict(q, j, was.tile, was.author, was.second, w->machine);"),
    "what has rotted meanwhile is acknowledged": (
        "broker/queue/job_table.c",
        "    ack_rot(q, j, tile);\n",
        ""),
    "WHO is said once": (
        "broker/queue/heartbeat.c",
        "if (lost || (w->who_ms > 0 && now_ms - w->who_ms >= WHO_AGAIN_MS))",
        "if (lost)"),
    "a worker forgets its answers at a new HELLO": (
        "worker/talk.c",
        "    hand_send_again(t->hand);\n",
        ""),
    "a worker takes DROP for ACK": (
        "worker/hand.c",
        "    return leave(h, tiles, false);\n}\n\nsize_t hand_forget_job",
        "    return leave(h, tiles, true);\n}\n\nsize_t hand_forget_job"),
    "a restart forgets who was paused": (
        "broker/queue/hello.c",
        "        wish_remembered(w, hello);\n",
        ""),
    "whoever sent the last piece is blamed": (
        "broker/assembly.c",
        "from->parts[i].worker = from->worker;",
        "to->worker = from->worker;"),
    "killers among stragglers are never cut": (
        "broker/queue/death.c",
        "if (++h->deaths < DEATHS_TO_CUT || !tile_can(&j->tiles, tile, TILE_KILL))",
        "if (++h->deaths < DEATHS_TO_CUT || tile_get(&j->tiles, tile) != TILE_OPEN)"),
}


def mutate(folder, name):
    """A simulator with the bug; its path."""
    path, old, new = MUTANTS[name]
    source = os.path.join(ROOT, path)
    with open(source) as f:
        text = f.read()
    if text.count(old) != 1:
        sys.exit(f"mutants: \"{name}\": what it replaces is there {text.count(old)} times in {path}")
    changed, obj = os.path.join(folder, "mutant.c"), os.path.join(folder, "mutant.o")
    with open(changed, "w") as f:
        f.write(text.replace(old, new))
    with open(os.path.join(BUILD, "compile_commands.json")) as f:
        entry = next(e for e in json.load(f) if e["file"] == source)
    command = re.sub(r" -o \S+", f" -o {obj}", entry["command"]).replace(source, changed)
    command = re.sub(r" -M[DFT]+( \S+)?(?= )", "", command) + f" -I{os.path.dirname(source)} -w"
    subprocess.run(command, shell=True, check=True, cwd=entry["directory"])
    link = subprocess.run(["ninja", "-C", BUILD, "-t", "commands", "bin/sim"], check=True,
                          capture_output=True, text=True).stdout.splitlines()[-1]
    sim = os.path.join(folder, "sim")
    link = link.replace("-o bin/sim", f"-o {sim} {obj}")
    link = link.replace(" && :", "").replace(": && ", "")
    subprocess.run(link, shell=True, check=True, cwd=BUILD)
    return sim


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def find(sim):
    """The first seed that finds the bug, and what it says; (None, "") when none does."""
    says = "an invariant"
    with subprocess.Popen([sim, str(SEEDS)], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        for line in process.stdout:
            failed = re.match(r"seed (\d+) FAILED (.*) \(repeat", line)
            broke = re.match(r"sim: seed (\d+) broke an invariant", line)
            if failed or broke:
                process.kill()  # it would look for more
                return int((failed or broke).group(1)), failed.group(2) if failed else says
            if "Assertion" in line:
                says = re.sub(r"^sim: \S*/", "", line.strip())
    return None, ""


def main():
    names = sys.argv[1:] or list(MUTANTS)
    missed = 0
    for name in names:
        with tempfile.TemporaryDirectory(prefix="hs-mutant-") as folder:
            sim = mutate(folder, name)
            seed, says = find(sim)
            again = seed and run(sim, "-v", str(seed)).returncode != 0
            clean = seed and run(os.path.join(BIN, "sim"), "-v", str(seed)).returncode == 0
        missed += not (seed and again and clean)
        print(f"{name}: " + (f"seed {seed}: {says}" if seed else "NOT FOUND")
              + ("" if not seed or (again and clean) else "  NOT REPEATED"), flush=True)
    print(f"mutants: {len(names) - missed} of {len(names)} found, each repeated by its seed alone")
    sys.exit(missed > 0)


main()
