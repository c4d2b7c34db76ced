/* See courtesy.h. What others had of a core comes in ticks of 10 ms, so that it has to be watched
 * for a while: the first rest is taken on trust. */
#include "courtesy.h"

#define GAP_NS      2000000 /* more than interrupts and a small cyclic task take at a time */
#define FIRST_RESTS 4       /* times the gap */
#define REST_MAX_NS 100000000
#define FORGET_NS   50000000 /* at work without a gap: the next rest is a first one again */
#define HUNGER_NS   250000000
#define CALM_NS     1000000000
#define WATCHED_NS  30000000
#define REASON      4 /* others with a quarter of the time or more are a reason to rest */

void courtesy_begin(struct courtesy *c, int64_t wall_ns, int64_t cpu_ns)
{
    c->wall_ns = wall_ns;
    c->cpu_ns = cpu_ns;
}

bool courtesy_crowded(struct courtesy *c, bool worked, int64_t wall_ns, int64_t cpu_ns)
{
    c->gap_ns = (wall_ns - c->wall_ns) - (cpu_ns - c->cpu_ns);
    courtesy_begin(c, wall_ns, cpu_ns);
    if (worked && c->hungry && c->gap_ns < GAP_NS)
        c->gap_ns = GAP_NS;
    c->hungry = false;
    if (worked)
        c->worked_ns = wall_ns;
    if (c->gap_ns < GAP_NS || wall_ns < c->calm_ns)
        return false;
    c->hungry = wall_ns - c->worked_ns >= HUNGER_NS;
    return !c->hungry;
}

static void watch(struct courtesy *c, int core, int64_t others_ns)
{
    c->core = core;
    c->since_ns = c->wall_ns;
    c->others_ns = others_ns;
}

/* True: what has been watched says that nobody who counts was there. */
static bool is_nobody(struct courtesy *c, int core, int64_t others_ns)
{
    int64_t watched = c->wall_ns - c->since_ns;
    if (core == c->core && others_ns >= 0 && watched < WATCHED_NS)
        return false; /* watched on */
    bool nobody = core == c->core && others_ns >= 0 && others_ns - c->others_ns < watched / REASON;
    watch(c, core, others_ns);
    return nobody;
}

int64_t courtesy_rest(struct courtesy *c, int core, int64_t others_ns)
{
    if (c->again == 0 || c->wall_ns - c->gap_ns - c->rested_ns > FORGET_NS) {
        c->again = 0;
        watch(c, core, others_ns);
    } else if (is_nobody(c, core, others_ns)) {
        c->again = 0;
        c->calm_ns = c->wall_ns + CALM_NS;
        return 0;
    }
    int64_t rest = c->gap_ns < REST_MAX_NS ? (FIRST_RESTS * c->gap_ns) << c->again : REST_MAX_NS;
    rest = rest < REST_MAX_NS ? rest : REST_MAX_NS;
    c->again += c->again < 8;
    c->rested_ns = c->wall_ns += rest;
    return rest;
}
