/* The ring of pending actions. */
#include "queue_private.h"

#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

struct queue_action *action_add(struct queue *q, enum action_type type)
{
    if (q->action_count == q->action_cap) {
        size_t cap = q->action_cap ? 2 * q->action_cap : 64;
        struct queue_action *ring = mem_alloc(cap, sizeof *ring);
        for (size_t i = 0; i < q->action_count; i++)
            ring[i] = q->actions[(q->action_first + i) % q->action_cap];
        free(q->actions);
        q->actions = ring;
        q->action_cap = cap;
        q->action_first = 0;
    }
    struct queue_action *a = &q->actions[(q->action_first + q->action_count++) % q->action_cap];
    memset(a, 0, sizeof *a);
    a->type = type;
    return a;
}

bool queue_next(struct queue *q, struct queue_action *action)
{
    while (q->action_count == 0 && dispatch_some(q))
        ;
    return queue_pending(q, action);
}

bool queue_pending(struct queue *q, struct queue_action *action)
{
    if (q->action_count == 0)
        return false;
    *action = q->actions[q->action_first];
    q->action_first = (q->action_first + 1) % q->action_cap;
    q->action_count--;
    struct worker *told = action->type <= ACTION_WHO ? worker_find(q, action->worker) : NULL;
    if (told)
        told->told_ms = q->now_ms;
    if (told && (action->type == ACTION_PONG || action->type == ACTION_PROBE))
        told->pong_ms = q->now_ms;
    return true;
}

/* ACK and DROP: a run that continues the newest action of the same kind joins it. */
struct queue_action *action_tiles(struct queue *q, enum action_type type, struct worker *w,
                                  uint32_t job, uint32_t tile, uint32_t count)
{
    uint64_t window = type == ACTION_ACK ? window_renew(q, w) : 0;
    if (q->action_count > 0) {
        struct queue_action *last =
            &q->actions[(q->action_first + q->action_count - 1) % q->action_cap];
        if (last->type == type && last->worker == w->number && last->job == job &&
            last->tile + last->tile_count == tile) {
            last->tile_count += count;
            last->window = window;
            return last;
        }
    }
    struct queue_action *a = action_add(q, type);
    a->worker = w->number;
    a->job = job;
    a->tile = tile;
    a->tile_count = count;
    a->window = window;
    return a;
}

void action_alarm(struct queue *q, const char *fmt, ...)
{
    struct queue_action *a = action_add(q, ACTION_ALARM);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(a->text, sizeof a->text, fmt, ap);
    va_end(ap);
}
