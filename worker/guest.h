#ifndef WORKER_GUEST_H
#define WORKER_GUEST_H

#include <stdbool.h>

/* A good guest on somebody else's machine: what the worker asks of the kernel so that the owner
 * does not feel it. All of it is best effort; a kernel that refuses is no reason not to work. */

/* The cores that this process may use: its affinity, its control group's quota. At least 1. */
unsigned guest_cores(void);

/* Solver threads by default: one a core, one less where somebody sits in front of a graphical
 * session unless the machine is ours alone (`full`). At least 1. */
unsigned guest_threads(bool full);

/* The whole process: idle I/O priority, and the first to be killed when memory is short. Called
 * before threads are made, which inherit it. Where the kernel groups processes by session
 * (sched_autogroup), SCHED_IDLE means idle within the session alone, and the session competes as a
 * whole: a session that is this process's own is made the least of all. */
void guest_settle(void);

/* The calling thread runs when nothing else wants to, and its time is counted as nice. Where the
 * kernel knows slices of a thread's own (Linux 6.12 and later): SCHED_BATCH, nice 19, with the
 * longest slices there are, because who wakes up with a shorter one is not kept waiting for the end
 * of a slice that has just begun. SCHED_IDLE threads have no say in that; others waited up to 4 ms
 * for one that had just woken up, in one of a hundred cases. Older kernels: SCHED_IDLE.
 * Never for the I/O thread: on a busy machine it would wake seconds late. */
void guest_idle_thread(void);

/* The second line behind the lifeline: should the parent die and the orderly end not come about,
 * the kernel ends this process a second later. False: the parent is dead already. */
bool guest_follow_parent(void);

/* Ends the process in `seconds` whatever it does then, unless it has ended by itself. */
void guest_end_within(unsigned seconds);

#endif
