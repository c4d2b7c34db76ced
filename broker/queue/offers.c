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

static void put(struct queue *q, size_t at, struct job_entry *j)
{
    q->offers[at - 1] = j;
    j->offer_at = at;
}

void offer_moved(struct queue *q, struct job_entry *j)
{
    size_t at = j->offer_at;
    if (!at)
        return;
    for (; at > 1 && offer_before(j, q->offers[at / 2 - 1]); at /= 2)
        put(q, at, q->offers[at / 2 - 1]);
    for (size_t child; (child = 2 * at) <= q->offer_count; at = child) {
        if (child < q->offer_count && offer_before(q->offers[child], q->offers[child - 1]))
            child++;
        if (!offer_before(q->offers[child - 1], j))
            break;
        put(q, at, q->offers[child - 1]);
    }
    put(q, at, j);
}

void offer_put(struct queue *q, struct job_entry *j)
{
    if (j->offer_at || !job_is_live(j))
        return;
    if (q->offer_count == q->offer_cap) {
        q->offer_cap = q->offer_cap ? 2 * q->offer_cap : 64;
        q->offers = mem_resize(q->offers, q->offer_cap, sizeof(struct job_entry *));
    }
    put(q, ++q->offer_count, j);
    offer_moved(q, j);
}

void offer_withdraw(struct queue *q, struct job_entry *j)
{
    size_t at = j->offer_at;
    if (!at)
        return;
    struct job_entry *last = q->offers[--q->offer_count];
    j->offer_at = 0;
    if (last == j)
        return;
    put(q, at, last);
    offer_moved(q, last);
}

struct job_entry *offer_first(const struct queue *q)
{
    return q->offer_count > 0 ? q->offers[0] : NULL;
}
