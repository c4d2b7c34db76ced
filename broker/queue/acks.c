/* Acknowledgements that wait for company. Of tiles that take their time each answer is a message,
 * and each would be answered by an ACK of its own, soon after the LEASE that it made room for. With
 * thousands of workers messages are what a broker spends itself on, so an ACK travels with the next
 * LEASE (as TCP's delayed ones do, RFC 1122, 4.2.3.2), as long as nobody misses it: the worker has
 * more to solve and room to send that, and what it keeps until then is little. What of a run joins
 * it is told at once. Held back no longer than WAIT_MS, which is less than the time after which
 * heartbeats that still name the lease are found strange (heartbeat.c), or than a worker waits
 * before it sends again. */
#include "queue_private.h"

enum { WAIT_MS = 1500, KEPT_BYTES = 64 << 10 };

static bool joins(struct ack *a, uint32_t job, uint32_t tile)
{
    if (a->count == 0 || a->job != job)
        return false;
    if (tile + 1 == a->first)
        a->first--;
    else if (tile != a->first + a->count)
        return false;
    a->count++;
    return true;
}

static struct ack *run_with(struct worker *w, uint32_t job, uint32_t tile)
{
    for (unsigned i = 0; i < w->ack_count; i++)
        if (w->acks[i].job == job && tile - w->acks[i].first < w->acks[i].count)
            return &w->acks[i];
    return NULL;
}

/* Its next answer, or its next LEASE, is not to depend on what it is not told. */
static bool may_wait(const struct worker *w, const struct job_entry *j, uint32_t tile)
{
    if (w->state != WORKER_UP || w->paused || w->hold_bytes == 0 || w->kept_bytes > KEPT_BYTES)
        return false;
    return !job_is_quick(j, tile) && window_covers(w) && worker_has_pending(w);
}

void ack_flush(struct queue *q, struct worker *w)
{
    for (unsigned i = 0; i < w->ack_count; i++)
        action_tiles(q, ACTION_ACK, w, w->acks[i].job, w->acks[i].first, w->acks[i].count);
    ack_forget(w);
}

/* Told before the tile goes out again, so that DROP finds nothing but the old result. */
void ack_rot(struct queue *q, const struct job_entry *j, uint32_t tile)
{
    for (size_t i = 0; i < q->worker_count; i++) {
        struct worker *w = q->workers[i];
        struct ack *a = run_with(w, j->id, tile);
        if (!a)
            continue;
        uint32_t end = a->first + a->count;
        a->count = tile - a->first;
        if (a->count == 0)
            *a = w->acks[--w->ack_count];
        ack_flush(q, w);
        action_tiles(q, ACTION_DROP, w, j->id, tile, 1);
        if (tile + 1 < end)
            action_tiles(q, ACTION_ACK, w, j->id, tile + 1, end - tile - 1);
    }
}

void ack_job_ends(struct queue *q, const struct job_entry *j)
{
    for (size_t i = 0; i < q->worker_count; i++)
        for (unsigned k = 0; k < q->workers[i]->ack_count; k++)
            if (q->workers[i]->acks[k].job == j->id)
                ack_flush(q, q->workers[i]);
}

void ack_forget(struct worker *w)
{
    w->ack_count = 0;
    w->kept_bytes = 0;
}

void ack_tile(struct queue *q, struct worker *w, const struct job_entry *j, uint32_t tile)
{
    if (run_with(w, j->id, tile))
        return; /* its second answer has been compared */
    if (w->ack_count == 0)
        w->ack_ms = q->now_ms;
    if (w->ack_count == 0 || !joins(&w->acks[w->ack_count - 1], j->id, tile)) {
        if (w->ack_count == ACKS_MAX)
            ack_flush(q, w);
        w->acks[w->ack_count++] = (struct ack){j->id, tile, 1};
    }
    w->kept_bytes += (uint32_t)tile_bytes(j, tile);
    if (may_wait(w, j, tile))
        deadline_set(q, w, w->ack_ms + WAIT_MS);
    else
        ack_flush(q, w);
}

void ack_tick(struct queue *q, struct worker *w)
{
    if (w->ack_count == 0)
        return;
    if (q->now_ms - w->ack_ms >= WAIT_MS)
        ack_flush(q, w);
    else
        deadline_set(q, w, w->ack_ms + WAIT_MS);
}
