/* Who is to be given work, in two lines. Work is given out after an event, not in the middle of it,
 * and to those whose turn it is alone:
 *
 *          its hand or its wishes changed          there was no work for it
 *   NONE ---------------------------------> READY ---------------------------> HUNGRY
 *    ^  <-------- it has enough --------------+ ^ <-------- work appeared --------+
 */
#include "queue_private.h"

enum { SOME = 16 /* workers that are served at a time */ };

static void line_leave(struct queue *q, struct worker *w)
{
    if (w->line == LINE_NONE)
        return;
    if (w->line_prev)
        w->line_prev->line_next = w->line_next;
    else
        q->line_first[w->line] = w->line_next;
    if (w->line_next)
        w->line_next->line_prev = w->line_prev;
    else
        q->line_last[w->line] = w->line_prev;
    q->line_count[w->line]--;
    w->line_next = w->line_prev = NULL;
    w->line = LINE_NONE;
}

static void line_join(struct queue *q, struct worker *w, enum line line)
{
    line_leave(q, w);
    w->line = line;
    w->line_prev = q->line_last[line];
    if (w->line_prev)
        w->line_prev->line_next = w;
    else
        q->line_first[line] = w;
    q->line_last[line] = w;
    q->line_count[line]++;
}

void dispatch_soon(struct queue *q, struct worker *w)
{
    if (w->line != LINE_READY && w->state != WORKER_GONE)
        line_join(q, w, LINE_READY);
}

void dispatch_appeared(struct queue *q)
{
    q->appeared = true;
}

void dispatch_everyone(struct queue *q)
{
    for (size_t i = 0; i < q->worker_count; i++)
        dispatch_soon(q, q->workers[i]);
}

void dispatch_never(struct queue *q, struct worker *w)
{
    line_leave(q, w);
}

/* Machines of which a worker has found nothing just now. Nothing but a tile to be computed again
 * could be there for one machine and not for another, and for that at most two are not asked: its
 * author and who differed. So three machines speak for all. */
struct in_vain {
    uint32_t machine[3];
    size_t count;
};

static bool is_in_vain(const struct in_vain *v, const struct worker *w)
{
    for (size_t i = 0; i < v->count; i++)
        if (v->machine[i] == w->machine)
            return w->banned_count == 0;
    return false;
}

static void note_in_vain(const struct queue *q, struct in_vain *v, const struct worker *w)
{
    if (w->banned_count > 0 || w->state != WORKER_UP || w->paused || is_in_vain(v, w))
        return;
    if (q->rechecks_open == 0)
        v->count = 3;
    else if (v->count < 3 && w->machine != 0) /* 0: one that computes nothing again */
        v->machine[v->count++] = w->machine;
}

/* Those who are hungry, the longest waiting first. Pieces are for their hunters alone: where there
 * are some, everybody is asked. */
static void serve_hungry(struct queue *q)
{
    struct in_vain vain = {0};
    struct worker *w;
    bool all = q->jobs_in_pieces > 0;
    for (int n = 0; n < SOME && q->hungry_left > 0 && (w = q->line_first[LINE_HUNGRY]);) {
        line_leave(q, w);
        q->hungry_left--;
        bool skip = !all && is_in_vain(&vain, w);
        enum served served = skip ? SERVED_NOTHING : dispatch_serve(q, w);
        n += !skip;
        if (served == SERVED_MORE)
            line_join(q, w, LINE_READY);
        if (served != SERVED_NOTHING)
            continue;
        line_join(q, w, LINE_HUNGRY);
        if (!all)
            note_in_vain(q, &vain, w);
        if (vain.count == 3)
            q->hungry_left = 0;
    }
    if (!q->line_first[LINE_HUNGRY])
        q->hungry_left = 0;
}

static void serve_ready(struct queue *q)
{
    struct worker *w;
    for (int n = 0; n < SOME && (w = q->line_first[LINE_READY]); n++) {
        line_leave(q, w);
        enum served served = dispatch_serve(q, w);
        if (served != SERVED_ENOUGH)
            line_join(q, w, served == SERVED_MORE ? LINE_READY : LINE_HUNGRY);
    }
}

bool dispatch_some(struct queue *q)
{
    if (q->stalled)
        return false;
    if (q->hungry_left > 0)
        serve_hungry(q);
    else if (q->line_first[LINE_READY])
        serve_ready(q);
    else if (!q->appeared)
        return false;
    else
        q->hungry_left = q->line_count[LINE_HUNGRY], q->appeared = false;
    return true;
}
