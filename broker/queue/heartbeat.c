/* HEARTBEAT renews the leases it names, finds those that are lost or hung, and is answered by PONG.
 * RETURN and JOB_FAIL give work back. */
#include "queue_private.h"

#include <stdio.h>
#include <string.h>

enum { UNNAMED_MAX = 2, WHO_AGAIN_MS = 1500, PART_MS = 15000, OVER_MS = 3000 };

/* A worker that has been told something just now knows that the broker is there, and its window. */
enum { TOLD_MS = 900 };

/* Points are done by lanes, several at once; some machines are slow, and the cost is an estimate.
 */
int64_t hung_after_ms(const struct queue *q, const struct job_entry *j)
{
    enum { LANES = 32, SLOWER = 8 };
    double points_ms = j->point_cost_ns * LANES * SLOWER / 1e6;
    int64_t least_ms = q->config.hung_cpu_ms;
    return points_ms > (double)least_ms ? (int64_t)points_ms : least_ms;
}

/* Hung: the solver has used so much processor time without finishing any point, on each thread that
 * may be at it. A starved guest uses none and is left in peace. */
static bool renew(const struct queue *q, struct lease *l, const struct wire_progress *p,
                  uint32_t busy_threads)
{
    l->unnamed = 0;
    l->cpu_ms = p->cpu_ms;
    if (p->points_done != l->points_done || p->cpu_ms < l->progress_cpu_ms) {
        l->points_done = p->points_done;
        l->progress_cpu_ms = p->cpu_ms;
    }
    int64_t idle_ms = (int64_t)p->cpu_ms - l->progress_cpu_ms;
    return idle_ms < hung_after_ms(q, job_find(q, l->job)) * busy_threads || l->pending == 0;
}

/* What a worker has under one token is one lease or, adopted from its holdings, several. False: it
 * has none. */
static bool renew_named(struct queue *q, struct worker *w, const struct wire_progress *p)
{
    uint32_t busy = 0;
    for (const struct lease *l = w->first; l && busy < w->threads; l = l->next)
        if (token_equal(l->token, p->token))
            busy += l->pending;
    if (busy > w->threads)
        busy = w->threads;
    bool any = false;
    struct lease *next;
    for (struct lease *l = w->first; l; l = next) {
        next = l->next;
        if (!token_equal(l->token, p->token))
            continue;
        any = true;
        if (!renew(q, l, p, busy))
            death_of_lease(q, l);
    }
    return any;
}

/* WHO may be lost like anything else: it is said again until HELLO comes. */
static void ask_who(struct queue *q, struct worker *w)
{
    w->who_ms = q->now_ms;
    action_add(q, ACTION_WHO)->worker = w->number;
}

/* A token that a worker goes on naming though it is no lease any more: a DROP, or an ACK, was lost.
 * WHO brings its holdings, and what is not wanted of them is dropped. */
static void find_strange(struct queue *q, struct worker *w, const struct wire_list *list,
                         struct token first)
{
    enum { STRANGE_MS = 2000 };
    bool still = false;
    for (uint32_t i = 0; i < list->count && w->strange_ms > 0; i++)
        still = still || token_equal(wire_progress_at(list, i).token, w->strange);
    if (!still) {
        w->strange = first;
        w->strange_ms = first.hi || first.lo ? q->now_ms : 0;
    } else if (q->now_ms - w->strange_ms >= STRANGE_MS) {
        w->strange_ms = 0;
        ask_who(q, w);
    }
}

/* A lease that two heartbeats in a row do not name, both sent after it should have arrived, is
 * lost. */
static bool is_lost(const struct queue *q, struct lease *l)
{
    enum { ON_ITS_WAY_MS = 1000 };
    if (q->now_ms - l->out_ms < ON_ITS_WAY_MS)
        return false;
    return ++l->unnamed >= UNNAMED_MAX && l->pending > 0;
}

static void read_progress(struct queue *q, struct worker *w, const struct wire_list *list)
{
    for (struct lease *l = w->first; l; l = l->next)
        if (l->unnamed < UINT8_MAX)
            l->unnamed |= 0x80; /* not named by this one, until it is */
    struct token strange = {0};
    for (uint32_t i = 0; i < list->count; i++) {
        struct wire_progress p = wire_progress_at(list, i);
        if (!renew_named(q, w, &p))
            strange = p.token;
    }
    find_strange(q, w, list, strange);
    struct lease *next;
    for (struct lease *l = w->first; l; l = next) {
        next = l->next;
        bool named = !(l->unnamed & 0x80);
        l->unnamed &= 0x7f;
        if (!named && is_lost(q, l))
            lease_end(q, l);
    }
}

static bool is_to_hear(const struct queue *q, const struct worker *w)
{
    return q->now_ms - w->told_ms >= TOLD_MS || q->now_ms - w->pong_ms >= PONG_EVERY_MS ||
           w->paused || w->limit_percent != 100;
}

void queue_worker_heartbeat(struct queue *q, int64_t now_ms, uint32_t worker,
                            const struct wire_msg *heartbeat)
{
    queue_worker_heard(q, now_ms, worker);
    struct worker *w = worker_find(q, worker);
    if (!w || w->state == WORKER_GONE)
        return;
    if (w->hold_bytes > 0 && heartbeat->heartbeat.hold_bytes == 0)
        dispatch_appeared(q); /* the pieces that it hunts are for others */
    w->hold_bytes = heartbeat->heartbeat.hold_bytes;
    if (w->hold_bytes > 0)
        w->rest[0] = '\0';
    bool lost = window_told(q, w, heartbeat->heartbeat.sent_bytes);
    /* it goes by a window from before its HELLO: what is lost of that could not be told */
    bool over = heartbeat->heartbeat.sent_bytes > w->granted;
    w->over_ms = !over ? 0 : w->over_ms > 0 ? w->over_ms : now_ms;
    lost = lost || (over && w->who_ms == 0 && now_ms - w->over_ms >= OVER_MS);
    /* half a result that does not grow: a part was lost behind others that came twice */
    lost = lost || (w->who_ms == 0 && !q->stalled && w->unsettled > w->at_sink &&
                    now_ms - w->part_ms >= PART_MS);
    if (lost || (w->who_ms > 0 && now_ms - w->who_ms >= WHO_AGAIN_MS))
        ask_who(q, w);
    read_progress(q, w, &heartbeat->heartbeat.progress);
    ack_look(q, w);
    bool is_short = !window_covers(w), to_hear = is_to_hear(q, w);
    uint64_t granted = w->granted;
    if ((is_short || to_hear) && (window_renew(q, w) > granted || to_hear))
        action_pong(q, w, w->granted);
    dispatch_soon(q, w);
}

static void give_back(struct queue *q, struct lease *l, uint32_t first, uint32_t end)
{
    for (uint32_t i = 0; i < l->tile_count && !l->ended; i++) {
        uint32_t tile = l->first_tile + i;
        if (tile >= first && tile < end && l->tile[i] == LEASE_PENDING)
            lease_release_tile(q, l, tile);
    }
}

/* Who gives work back wants none: the HEARTBEAT that says so may be lost, and LEASE and RETURN
 * would go to and fro until the next one. */
void queue_worker_return(struct queue *q, int64_t now_ms, uint32_t worker, const struct wire_msg *m)
{
    queue_worker_heard(q, now_ms, worker);
    struct worker *w = worker_find(q, worker);
    bool nothing = m->give_back.tile_count == 0;
    if (w && nothing)
        copy_text(w->rest, sizeof w->rest, &m->give_back.reason);
    if (w && (!nothing || w->rest[0]))
        w->hold_bytes = 0;
    dispatch_appeared(q);
    if (w)
        ack_flush(q, w); /* it may want to leave */
    if (nothing)
        return;
    struct job_entry *j = job_find(q, m->give_back.job);
    uint32_t first = m->give_back.first_tile, count = m->give_back.tile_count;
    if (!w || !j || first >= j->tiles.count || count > j->tiles.count - first)
        return;
    struct lease *next;
    for (struct lease *l = w->first; l; l = next) {
        next = l->next;
        if (token_equal(l->token, m->give_back.token) && l->job == j->id)
            give_back(q, l, first, first + count);
    }
}

void queue_worker_job_fail(struct queue *q, int64_t now_ms, uint32_t worker,
                           const struct wire_msg *m)
{
    queue_worker_heard(q, now_ms, worker);
    struct worker *w = worker_find(q, worker);
    struct job_entry *j = job_find(q, m->job_fail.job);
    if (!w || !j || (job_state_is_over(j->state) && j->state != JOB_DONE))
        return;
    char text[200];
    copy_text(text, sizeof text, &m->job_fail.text);
    if (m->job_fail.code == ERR_JOB_REFUSED) {
        if (worker_holds_job(w, j->id) && j->state != JOB_DONE) /* it was asked */
            queue_job_fail(q, now_ms, j->id, text);
        return;
    }
    if (!worker_can_work(w, j->id))
        return; /* said already */
    worker_ban(w, j->id, text);
    action_alarm(q, "worker %u (%s) gets no more of job %u: %s", w->number, w->host, j->id, text);
    struct lease *next;
    for (struct lease *l = w->first; l; l = next) {
        next = l->next;
        if (l->job == j->id)
            lease_end(q, l);
    }
    if (j->state != JOB_DONE)
        snprintf(j->reason, sizeof j->reason, "worker %s cannot do it: %s", w->host, text);
    dispatch_soon(q, w);
    dispatch_appeared(q);
}
