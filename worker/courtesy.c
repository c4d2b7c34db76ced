/* See courtesy.h. What others had of a core comes in ticks of 10 ms, so that it has to be watched
 * for a while: the first rest is taken on trust. */
#include "courtesy.h"

#define GAP_NS      2000000 /* more than interrupts and a small cyclic task take at a time */
#define LATE_NS     300000  /* more than it takes to wake up on an idle core */
#define FIRST_RESTS 4       /* times the gap */
#define REST_MAX_NS 100000000
#define FORGET_NS   50000000 /* at work without a gap: the next rest is a first one again */
#define HUNGER_NS   50000000
#define CALM_NS     1000000000
#define WATCHED_NS  30000000
#define REASON      4 /* others with a quarter of the rests or more are a reason for them */

void courtesy_begin(struct courtesy *c, int64_t wall_ns, int64_t cpu_ns)
{
    c->wall_ns = wall_ns;
    c->cpu_ns = cpu_ns;
}

bool courtesy_crowded(struct courtesy *c, bool worked, int64_t wall_ns, int64_t cpu_ns)
{
    c->gap_ns = (wall_ns - c->wall_ns) - (cpu_ns - c->cpu_ns);
    courtesy_begin(c, wall_ns, cpu_ns);
    bool crowded = (worked && c->hungry) || c->gap_ns >= (worked ? GAP_NS : LATE_NS);
    c->hungry = false;
    if (worked)
        c->worked_ns = wall_ns;
    if (!crowded || wall_ns < c->calm_ns)
        return false;
    c->hungry = wall_ns - c->worked_ns >= HUNGER_NS;
    return !c->hungry;
}

int64_t courtesy_rest(struct courtesy *c, int64_t others_ns)
{
    bool again = c->wall_ns - c->gap_ns - c->until_ns <= FORGET_NS && c->until_ns > 0;
    int64_t last = c->until_ns - c->began_ns;
    int64_t rest = again                     ? 2 * last
                   : c->gap_ns < REST_MAX_NS ? FIRST_RESTS * c->gap_ns
                                             : REST_MAX_NS;
    rest = rest < REST_MAX_NS ? rest : REST_MAX_NS;
    c->began_ns = c->wall_ns;
    c->until_ns = c->wall_ns += rest;
    c->others_ns = others_ns;
    return rest;
}

void courtesy_rested(struct courtesy *c, int64_t wall_ns, int64_t others_ns)
{
    bool known = c->others_ns >= 0 && others_ns >= 0;
    c->watched_ns += wall_ns - c->began_ns;
    c->theirs_ns += known ? others_ns - c->others_ns : wall_ns - c->began_ns;
    if (c->watched_ns < WATCHED_NS)
        return;
    if (c->theirs_ns < c->watched_ns / REASON)
        c->calm_ns = wall_ns + CALM_NS;
    c->watched_ns = c->theirs_ns = 0;
}
