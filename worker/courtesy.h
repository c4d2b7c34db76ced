#ifndef WORKER_COURTESY_H
#define WORKER_COURTESY_H

#include <stdbool.h>
#include <stdint.h>

/* How a solver thread steps aside when others want its core. SCHED_IDLE does not suffice: it means
 * idle within a control group or a session, between groups the kernel shares out by weight and
 * whole ticks, and a group of the least weight was seen to take 10 to 16 % of a core that two loops
 * of another session wanted.
 *
 * A thread sees at its yields, once a millisecond, how long it has not run although it wanted to
 * (wall time less its own CPU time). From GAP_NS on somebody else was there: it rests for some
 * times as long. If it wakes up late the others are still there, and it rests again, twice as long,
 * REST_MAX_NS at most; so it has the core back a tenth of a second after they have left. While it
 * sleeps the kernel may find it another core: when it wakes there in time all is well. Once in
 * HUNGER_NS it works for the length of a yield all the same, so that nothing comes to a standstill:
 * about one per cent.
 *
 * Other guests are no reason to rest: where over some rests the core's time went to nice programs
 * (nice > 0, as solver threads are), or to nobody (another virtual machine's, or somebody's who is
 * soon done), it goes on, and does not look again for CALM_NS. Pure; a courtesy of zeros is ready.
 */

struct courtesy {
    int64_t wall_ns, cpu_ns;       /* at the last yield; the end of a rest that was planned */
    int64_t gap_ns;                /* of the yield being looked at */
    int64_t calm_ns;               /* no look at others before this time */
    int64_t began_ns, until_ns;    /* the last rest, */
    int64_t others_ns;             /* and what others had had of its core before it */
    int64_t watched_ns, theirs_ns; /* rests not yet judged; what others had of them */
    int64_t worked_ns;             /* when it last worked */
    bool hungry;                   /* it works only because it has not for so long */
};

/* The thread begins, or had nothing to do until now: no gap. */
void courtesy_begin(struct courtesy *c, int64_t wall_ns, int64_t cpu_ns);

/* Whether somebody else is there: at a yield (worked), or at the end of a rest. */
bool courtesy_crowded(struct courtesy *c, bool worked, int64_t wall_ns, int64_t cpu_ns);

/* If so: for how many ns to rest. others_ns: the time that programs which are not nice have had of
 * this core so far; after the rest, of that same core. -1: not known. */
int64_t courtesy_rest(struct courtesy *c, int64_t others_ns);
void courtesy_rested(struct courtesy *c, int64_t wall_ns, int64_t others_ns);

#endif
