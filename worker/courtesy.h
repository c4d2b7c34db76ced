#ifndef WORKER_COURTESY_H
#define WORKER_COURTESY_H

#include <stdbool.h>
#include <stdint.h>

/* How a solver thread steps aside when others want its core. That it is idle or nice does not
 * suffice: it means so within a control group or a session, between groups the kernel shares out by
 * weight and whole ticks; and a core on which such a thread runs is not an idle one, so that the
 * kernel does not fetch work to it that waits at another core: two loops of 40 ms that began beside
 * two idle threads were seen to share one core for 20 ms.
 *
 * A thread looks at its yields, a few times a millisecond, whether more threads of the machine want
 * to run than it has cores: somebody waits, who counts if he is there at the next looks, too. Where
 * that is not known (or the process may use but some of the cores) it is asked how long the thread
 * has not run although it wanted to, wall time less its own CPU time: from GAP_NS on somebody was
 * there. Then it rests, for REST_NS or some times the gap. If somebody waits when it wakes up, or
 * it wakes up late, it rests again, twice as long, REST_MAX_NS at most; so it has the core back a
 * tenth of a second after they have left. Once in HUNGER_NS it works for MEAL_NS all the same,
 * so that nothing comes to a standstill: a fifth of a per cent.
 *
 * Other guests are no reason to rest: where over some rests the time went to nice programs (nice >
 * 0, as solver threads are), or to nobody (another virtual machine's), it goes on, and for CALM_NS
 * rests only for those who come in addition. Pure; a courtesy of zeros is ready.
 */

struct courtesy {
    int64_t wall_ns, cpu_ns;       /* at the last yield; the end of a rest that was planned */
    int64_t gap_ns;                /* of the yield being looked at */
    int64_t calm_ns;               /* until then no more than */
    int calm_waiting;              /* so many that wait are other guests */
    int64_t began_ns, until_ns;    /* the last rest, */
    int64_t others_ns;             /* and what others had had before it */
    int64_t watched_ns, theirs_ns; /* rests not yet judged; what others had of them, */
    int watched_waiting;           /* and the most that waited */
    int64_t worked_ns;             /* when it last worked */
    int64_t rest_ns;               /* the last one that was no glance */
    int seen;                      /* at so many looks in a row somebody was there */
    bool glance;                   /* which are too few as yet */
    bool hungry;                   /* it works only because it has not for so long, */
    int64_t meal_ns;               /* since this CPU time */
};

/* The thread begins, or had nothing to do until now: no gap. */
void courtesy_begin(struct courtesy *c, int64_t wall_ns, int64_t cpu_ns);

/* Whether somebody else is there: at a yield (worked), or at the end of a rest. waiting: threads of
 * the machine that want a core and have none; -1: not known. */
bool courtesy_crowded(struct courtesy *c, bool worked, int waiting, int64_t wall_ns,
                      int64_t cpu_ns);

/* If so: for how many ns to rest. others_ns: the time that programs which are not nice have had so
 * far, of all cores, or where `waiting` is not known of this one (and the same one after the rest).
 * -1: not known. */
int64_t courtesy_rest(struct courtesy *c, int64_t others_ns);
void courtesy_rested(struct courtesy *c, int64_t wall_ns, int64_t others_ns);

#endif
