/* Jobs that may have something to give, as a heap by whose turn it is: higher priority, not begun
 * before running, the least served, the oldest. A job comes in when something of it becomes open
 * and goes when it was its turn and it had nothing, so a choice looks at one job, however many
 * there are. */
#include "queue_private.h"

/* What was charged beforehand may come back to a job that runs: one that waits to start does not
 * wait for that, too. */
bool offer_before(const struct job_entry *a, const struct job_entry *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority;
    if ((a->state == JOB_QUEUED) != (b->state == JOB_QUEUED))
        return a->state == JOB_QUEUED;
    if (a->served_ns < b->served_ns || a->served_ns > b->served_ns)
        return a->served_ns < b->served_ns;
    return a->id < b->id;
}

static bool before(const void *a, const void *b)
{
    return offer_before(a, b);
}

void offers_init(struct queue *q)
{
    heap_init(&q->offers, before, offsetof(struct job_entry, offer_at));
}

/* Another job may come first now, of which there is something. */
static void turn_moved(struct queue *q)
{
    if (q->turn_awaited)
        dispatch_appeared(q);
    q->turn_awaited = false;
}

void offer_put(struct queue *q, struct job_entry *j)
{
    if (job_is_live(j))
        heap_put(&q->offers, j);
}

void offer_moved(struct queue *q, struct job_entry *j)
{
    heap_moved(&q->offers, j);
    turn_moved(q);
}

void offer_withdraw(struct queue *q, struct job_entry *j)
{
    heap_remove(&q->offers, j);
    turn_moved(q);
}

struct job_entry *offer_first(const struct queue *q)
{
    return heap_first(&q->offers);
}
