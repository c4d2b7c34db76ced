#!/usr/bin/python3
"""Where one broker saturates: a model with the costs that dispatch_bench measures.

  tests/bench/saturation.py [--wire MB/s] [--disk MB/s] [NAME=VALUE ...]

A tile takes a worker's thread for so long, and the broker's three threads (loop, I/O, sink) for so long:
each has a cost a tile, a message and a byte; what comes as leaves (polynomials instead of points) has another one
a point, for the sink expands it. The rate is that of whatever is full first: the workers, one of
the three threads, the network, the disk. NAME=VALUE changes a cost (names below). "two levels": each 100
workers have a broker of their own, which is the only worker that the first one knows; it hands on leases of
1,024 tiles and answers of 32 KiB, so that messages and connections become fewer. Tiles and bytes do not."""

import argparse
import math

# Microseconds of a thread of the broker, as dispatch_bench has them on the 2-core reference machine:
# 10 and 1,000 workers give what a tile and what a message costs, --chart what a byte costs, --workers what
# a connection adds (its part of every message grows by so much for each thousand workers).
COSTS = {
    "loop_tile": 0.3, "loop_message": 2.3, "loop_byte": 0.00015,
    "io_message": 5.4, "io_byte": 0.0005, "io_crowd": 0.01,
    "sink_tile": 1.3, "sink_byte": 0.0006,
}
COUNTS = (1, 10, 100, 1000, 10000)
THREADS, LEASE_S, LEASE_BYTES, LEASE_TILES = 8, 0.5, 4 << 20, 1024
WHOLE_BYTES, MESSAGE_BYTES, PART_BYTES = 4096, 32 << 10, 261888
TOGETHER, TURN_S = 256, 1e-3  # answers in one message at most: those solved in a turn of the worker's loop
CHART = 262144
KINDS = (  # what a tile is: name, seconds of a thread, points, bytes a point on the wire and stored, ns to expand one
    ("null tiles of one point", 1e-6, 1, 9, 9, 0),
    ("a hard point of 10 ms", 10e-3, 1, 13, 13, 0),
    ("25 x 25 points of 20 us (z.ddz)", 12.5e-3, 625, 12, 13, 0),
    ("chart of z(T), points", CHART * 3e-9, CHART, 12, 13, 0),
    ("chart of z(T), leaves", CHART * 0.8e-9, CHART, 0.018, 13, 2.0),
    ("chart of trace and mu, points", CHART * 22e-9, CHART, 24, 25, 0),
    ("chart of trace and mu, leaves", CHART * 22e-9, CHART, 0.06, 25, 22.4),
)
WIRES = (("100 Mbit/s", 11.7), ("1 GbE", 117), ("10 GbE", 1170), ("25 GbE", 2900))


def messages(seconds, size):
    """A tile's share of messages between broker and workers: answers, leases, acknowledgements."""
    lease = max(1, min(LEASE_TILES, LEASE_S * THREADS / seconds, LEASE_BYTES / size))
    together = 1
    if size <= WHOLE_BYTES:
        together = max(1, min(lease, TOGETHER, MESSAGE_BYTES / (size + 16), THREADS * TURN_S / seconds))
    answers = 1 / together if size <= WHOLE_BYTES else 2 * math.ceil(size / 2 / PART_BYTES) + 1
    return answers + 1 / lease + 1 / together


def rate(cost, kind, workers, wire, disk, levels):
    """Tiles a second, and what is full."""
    _, seconds, points, wire_bytes, stored_bytes, expand_ns = kind
    size, stored = points * wire_bytes, points * stored_bytes
    tops = math.ceil(workers / 100) if levels == 2 else workers
    n = messages(1e-6 if levels == 2 else seconds, size)
    crowd = 1 + cost["io_crowd"] * tops / 1000
    full = {
        "workers": workers * THREADS / seconds,
        "loop": 1e6 / (cost["loop_tile"] + n * cost["loop_message"] + size * cost["loop_byte"]),
        "i/o": 1e6 / (n * cost["io_message"] * crowd + size * cost["io_byte"]),
        "sink": 1e6 / (cost["sink_tile"] + stored * cost["sink_byte"] + points * expand_ns * 1e-3),
        "wire": wire * 1e6 / (size + 32),
        "disk": disk * 1e6 / (stored + 60),
    }
    what = min(full, key=full.get)
    return full[what], what


def show(cost, wire, disk):
    print(f"wire {wire:.0f} MB/s, disk {disk:.0f} MB/s, {THREADS} threads a worker; tiles a second (what is full)")
    print(f"{'workers':36}" + "".join(f"{w:>20,}" for w in COUNTS))
    for kind in KINDS:
        for levels in (1, 2):
            cells = ("%.0f (%s)" % rate(cost, kind, w, wire, disk, levels) for w in COUNTS)
            print(f"{kind[0] if levels == 1 else '  two levels':36}" + "".join(f"{c:>20}" for c in cells))


def show_wires(cost, disk):
    """One worker's charts over a wire: points a second."""
    print(f"\n{'million points a second, 1 worker':36}" + "".join(f"{name:>20}" for name, _ in WIRES))
    for kind in KINDS:
        if kind[2] == CHART:
            rates = (rate(cost, kind, 1, wire, disk, 1) for _, wire in WIRES)
            cells = (f"{tiles * CHART * 1e-6:.3g} ({what})" for tiles, what in rates)
            print(f"{kind[0]:36}" + "".join(f"{c:>20}" for c in cells))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--wire", type=float, default=117, help="MB/s into the broker (117: 1 GbE)")
    p.add_argument("--disk", type=float, default=500, help="MB/s")
    p.add_argument("costs", nargs="*", metavar="NAME=VALUE", help=", ".join(COSTS))
    args = p.parse_args()
    cost = dict(COSTS)
    for word in args.costs:
        name, _, value = word.partition("=")
        if name not in cost:
            p.error(f"{name}: the costs are {', '.join(cost)}")
        cost[name] = float(value)
    show(cost, args.wire, args.disk)
    show_wires(cost, args.disk)


if __name__ == "__main__":
    main()
