/* When each worker is to be looked at: a heap by time. A worker that is heard moves its deadlines
 * away, which is not noted here: it is looked at too early then, and gets its new place. So what
 * happens a hundred thousand times a second costs nothing, and a tick looks at no worker without
 * need. */
#include "queue_private.h"

static void put(struct queue *q, size_t at, struct worker *w)
{
    q->due[at - 1] = w;
    w->due_at = at;
}

static void sift_up(struct queue *q, struct worker *w)
{
    size_t at = w->due_at;
    for (; at > 1 && q->due[at / 2 - 1]->due_ms > w->due_ms; at /= 2)
        put(q, at, q->due[at / 2 - 1]);
    put(q, at, w);
}

static void sift_down(struct queue *q, struct worker *w)
{
    size_t at = w->due_at;
    for (size_t child; (child = 2 * at) <= q->due_count; at = child) {
        if (child < q->due_count && q->due[child]->due_ms < q->due[child - 1]->due_ms)
            child++;
        if (q->due[child - 1]->due_ms >= w->due_ms)
            break;
        put(q, at, q->due[child - 1]);
    }
    put(q, at, w);
}

void deadline_set(struct queue *q, struct worker *w, int64_t at_ms)
{
    if (w->due_at && w->due_ms <= at_ms)
        return;
    w->due_ms = at_ms;
    if (!w->due_at) {
        if (q->due_count == q->due_cap) {
            q->due_cap = q->due_cap ? 2 * q->due_cap : 64;
            q->due = mem_resize(q->due, q->due_cap, sizeof(struct worker *));
        }
        put(q, ++q->due_count, w);
    }
    sift_up(q, w);
}

void deadline_clear(struct queue *q, struct worker *w)
{
    size_t at = w->due_at;
    if (!at)
        return;
    struct worker *last = q->due[--q->due_count];
    w->due_at = 0;
    if (last == w)
        return;
    put(q, at, last);
    sift_up(q, last);
    sift_down(q, last);
}

int64_t deadline_first(const struct queue *q)
{
    return q->due_count > 0 ? q->due[0]->due_ms : INT64_MAX;
}

struct worker *deadline_pop(struct queue *q)
{
    struct worker *w = q->due[0];
    deadline_clear(q, w);
    return w;
}
