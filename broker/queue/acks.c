/* Acknowledgements that wait for company. Of tiles that take their time each answer is a message,
 * and each would be answered by an ACK of its own, soon after the LEASE that it made room for. With
 * thousands of workers messages are what a broker spends itself on, so an ACK travels with the next
 * LEASE (as TCP's delayed ones do, RFC 1122, 4.2.3.2), as long as nobody misses it: the worker has
 * more to solve and room to send that, and what it keeps until then is little. Several runs of
 * tiles wait together and are told in one message, after WAIT_MS at the latest: that is less than
 * the time after which heartbeats that still name the lease are found strange (heartbeat.c), and
 * than a worker waits before it sends again. */
#include "queue_private.h"

enum { WAIT_MS = 1500, KEPT_BYTES = 64 << 10 };

static bool joins(struct wire_tiles *a, uint32_t job, uint32_t tile)
{
    if (a->job != job)
        return false;
    if (tile + 1 == a->first_tile)
        a->first_tile--;
    else if (tile != a->first_tile + a->tile_count)
        return false;
    a->tile_count++;
    return true;
}

static struct wire_tiles *run_with(struct worker *w, uint32_t job, uint32_t tile)
{
    for (unsigned i = 0; i < w->ack_count; i++)
        if (w->acks[i].job == job && tile - w->acks[i].first_tile < w->acks[i].tile_count)
            return &w->acks[i];
    return NULL;
}

/* Its next answer, or its next LEASE, is not to depend on what it is not told. */
static bool may_wait(const struct worker *w)
{
    if (w->state != WORKER_UP || w->paused || w->hold_bytes == 0 || w->kept_bytes > KEPT_BYTES)
        return false;
    return window_covers(w) && worker_has_pending(w);
}

void ack_flush(struct queue *q, struct worker *w)
{
    struct queue_action *a = NULL;
    for (unsigned i = 0; i < w->ack_count; i++) {
        struct wire_tiles run = w->acks[i];
        if (a && a->also_count < QUEUE_ALSO_MAX)
            a->also[a->also_count++] = run;
        else
            a = action_tiles(q, ACTION_ACK, w, run.job, run.first_tile, run.tile_count);
    }
    ack_forget(w);
}

/* Told before the tile goes out again, so that DROP finds nothing but the old result. */
void ack_rot(struct queue *q, const struct job_entry *j, uint32_t tile)
{
    for (size_t i = 0; i < q->worker_count; i++) {
        struct worker *w = q->workers[i];
        struct wire_tiles *a = run_with(w, j->id, tile);
        if (!a)
            continue;
        uint32_t end = a->first_tile + a->tile_count;
        a->tile_count = tile - a->first_tile;
        if (a->tile_count == 0)
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
    if (w->ack_count == 0 || !joins(&w->acks[w->ack_count - 1], j->id, tile)) {
        if (w->ack_count == ACKS_MAX)
            ack_flush(q, w);
        if (w->ack_count == 0)
            w->ack_ms = q->now_ms;
        w->acks[w->ack_count++] = (struct wire_tiles){j->id, tile, 1};
    }
    w->kept_bytes += (uint32_t)tile_bytes(j, tile);
    if (!job_is_quick(j, tile) && may_wait(w))
        deadline_set(q, w, w->ack_ms + WAIT_MS);
    else
        ack_flush(q, w);
}

/* It wants no more, or what it had to solve was taken from it. */
void ack_look(struct queue *q, struct worker *w)
{
    if (w->ack_count > 0 && !may_wait(w))
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
