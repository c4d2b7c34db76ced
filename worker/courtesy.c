/* See courtesy.h. What others had of a core comes in ticks of 10 ms, so that it has to be watched
 * for a while: the first rest is taken on trust. */
#include "courtesy.h"

#define GAP_NS      2000000 /* more than interrupts and a small cyclic task take at a time */
#define LATE_NS     300000  /* more than it takes to wake up on an idle core */
#define REST_NS     500000
#define GLANCE_NS   200000
#define LOOKS       2 /* at which somebody has to be there */
#define FIRST_RESTS 4 /* times the gap */
#define REST_MAX_NS 100000000
#define FORGET_NS   3000000 /* at work without others: the next rest is a first one again */
#define HUNGER_NS   500000000
#define MEAL_NS     1000000
#define CALM_NS     1000000000
#define WATCHED_NS  60000000
#define REASON      4 /* others with a quarter of the rests or more are a reason for them */

void courtesy_begin(struct courtesy *c, int64_t wall_ns, int64_t cpu_ns)
{
    c->wall_ns = wall_ns;
    c->cpu_ns = cpu_ns;
}

/* At the end of a rest. True: the rests so far have shown that there is no reason for more. */
static bool got_calm(struct courtesy *c, bool crowded, int waiting)
{
    bool gone = !crowded && waiting >= 0, known = c->watched_ns >= WATCHED_NS;
    bool reason = c->theirs_ns >= c->watched_ns / REASON;
    if (known && !gone && !reason) {
        c->calm_ns = c->wall_ns + CALM_NS;
        c->calm_waiting = c->watched_waiting > waiting ? c->watched_waiting : waiting;
    }
    if (known || gone)
        c->watched_ns = c->theirs_ns = c->watched_waiting = 0;
    return known && !gone && !reason;
}

/* Somebody is there, beside those who were there when it got calm. */
static bool somebody(const struct courtesy *c, bool worked, int waiting)
{
    bool calm = c->wall_ns < c->calm_ns;
    if (waiting < 0)
        return c->gap_ns >= (worked ? GAP_NS : LATE_NS) && !calm;
    return waiting > (calm ? c->calm_waiting : 0);
}

bool courtesy_crowded(struct courtesy *c, bool worked, int waiting, int64_t wall_ns, int64_t cpu_ns)
{
    c->gap_ns = (wall_ns - c->wall_ns) - (cpu_ns - c->cpu_ns);
    courtesy_begin(c, wall_ns, cpu_ns);
    bool here = somebody(c, worked, waiting), sure = here && (c->seen + 1 >= LOOKS || waiting < 0);
    bool fed = c->hungry && cpu_ns - c->meal_ns >= MEAL_NS, eats = c->hungry && !fed && worked;
    bool crowded = (worked && fed) || sure || (here && !worked);
    c->glance = here && !sure && !fed;
    c->seen = here ? c->seen + 1 : 0;
    c->hungry = eats;
    if (worked)
        c->worked_ns = wall_ns;
    else if (got_calm(c, crowded, waiting))
        return false;
    if (!crowded || eats)
        return false;
    if (waiting > c->watched_waiting)
        c->watched_waiting = waiting;
    c->hungry = wall_ns - c->worked_ns >= HUNGER_NS;
    c->meal_ns = cpu_ns;
    return !c->hungry;
}

static int64_t first_rest(int waiting, int64_t gap_ns)
{
    if (waiting > 0)
        return REST_NS;
    if (gap_ns >= REST_MAX_NS / FIRST_RESTS)
        return REST_MAX_NS;
    return FIRST_RESTS * gap_ns < REST_NS ? REST_NS : FIRST_RESTS * gap_ns;
}

int64_t courtesy_rest(struct courtesy *c, int64_t others_ns)
{
    bool again = c->wall_ns - c->gap_ns - c->until_ns <= FORGET_NS && c->until_ns > 0;
    int64_t rest = c->glance ? GLANCE_NS
                   : again   ? 2 * c->rest_ns
                             : first_rest(c->watched_waiting, c->gap_ns);
    rest = rest < REST_MAX_NS ? rest : REST_MAX_NS;
    if (!c->glance) {
        c->rest_ns = rest;
        c->seen = 0;
    }
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
}
