/* What the admin wishes of a worker: to rest, to use less of its machine. The wish is the worker's
 * as long as its session is known here; every PONG repeats it, so a lost one does no harm. Over a
 * restart of the broker it is the worker who remembers it. */
#include "queue_private.h"

#include <string.h>

static struct worker *wishable(struct queue *q, uint32_t worker)
{
    struct worker *w = worker_find(q, worker);
    return w && w->state != WORKER_GONE ? w : NULL;
}

void wish_remembered(struct worker *w, const struct wire_msg *hello)
{
    w->paused = hello->hello.paused;
    uint8_t percent = hello->hello.limit_percent;
    w->limit_percent = percent > 0 && percent < 100 ? percent : 100;
}

int queue_worker_pause(struct queue *q, int64_t now_ms, uint32_t worker, bool paused)
{
    q->now_ms = now_ms;
    struct worker *w = wishable(q, worker);
    if (!w)
        return -1;
    w->paused = paused;
    action_pong(q, w, w->granted);
    dispatch_soon(q, w);  /* on resume it has room at once */
    dispatch_appeared(q); /* what it gives back is for others */
    return 0;
}

int queue_worker_limit(struct queue *q, int64_t now_ms, uint32_t worker, uint8_t percent)
{
    q->now_ms = now_ms;
    struct worker *w = wishable(q, worker);
    if (!w)
        return -1;
    w->limit_percent = percent;
    action_pong(q, w, w->granted);
    return 0;
}

void action_pong(struct queue *q, struct worker *w, uint64_t window)
{
    struct queue_action *a = action_add(q, ACTION_PONG);
    a->worker = w->number;
    a->window = window;
    a->paused = w->paused;
    a->limit_percent = w->limit_percent;
}
