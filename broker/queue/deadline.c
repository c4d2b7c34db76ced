/* When each worker is to be looked at: a heap by time. A worker that is heard moves its deadlines
 * away, which is not noted here: it is looked at too early then, and gets its new place. So what
 * happens a hundred thousand times a second costs nothing, and a tick looks at no worker without
 * need. */
#include "queue_private.h"

static bool before(const void *a, const void *b)
{
    return ((const struct worker *)a)->due_ms < ((const struct worker *)b)->due_ms;
}

void deadlines_init(struct queue *q)
{
    heap_init(&q->due, before, offsetof(struct worker, due_at));
}

void deadline_set(struct queue *q, struct worker *w, int64_t at_ms)
{
    if (w->due_at && w->due_ms <= at_ms)
        return;
    w->due_ms = at_ms;
    if (w->due_at)
        heap_moved(&q->due, w);
    else
        heap_put(&q->due, w);
}

void deadline_clear(struct queue *q, struct worker *w)
{
    heap_remove(&q->due, w);
}

int64_t deadline_first(const struct queue *q)
{
    const struct worker *w = heap_first(&q->due);
    return w ? w->due_ms : INT64_MAX;
}

struct worker *deadline_pop(struct queue *q)
{
    struct worker *w = heap_first(&q->due);
    heap_remove(&q->due, w);
    return w;
}
