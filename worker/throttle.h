#ifndef WORKER_THROTTLE_H
#define WORKER_THROTTLE_H

#include <stdint.h>

/* The duty cycle of one solver thread under `--limit`: how long it has to rest so that its CPU time
 * stays within a share of the wall time. Pure arithmetic; a throttle of zeros is ready. Time
 * without work is not saved up: after an idle hour the share still holds from the first
 * millisecond. */
struct throttle {
    int64_t wall_ns, cpu_ns; /* since when, and the thread's CPU time then */
};

/* The nanoseconds to rest now, 0 when the share is kept; share in (0, 1], 1 never rests. */
int64_t throttle_debt(struct throttle *t, double share, int64_t wall_ns, int64_t cpu_ns);

#endif
