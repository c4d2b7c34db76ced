/* Results on their way in: may this part be taken, where does the whole go, is it durable. */
#include "queue_private.h"

#include <string.h>

static enum lease_tile tile_in(const struct lease *l, uint32_t tile)
{
    return (enum lease_tile)l->tile[tile - l->first_tile];
}

static bool same_piece(const struct lease *l, const struct wire_msg *m, const struct job_entry *j)
{
    if (l->count)
        return l->first == m->result.first && l->count == m->result.count;
    return m->result.first == 0 && m->result.count == tile_points(j, m->result.tile);
}

static bool is_wanted(const struct job_entry *j, const struct lease *l, uint32_t tile)
{
    if (!l || tile_in(l, tile) != LEASE_PENDING)
        return false;
    if (l->flags & WIRE_LEASE_VERIFY)
        return !l->ended && (j->state == JOB_DONE || !job_state_is_over(j->state));
    if (job_state_is_over(j->state))
        return false;
    return !l->ended || !l->count; /* a piece that went out again: one answer is enough */
}

/* The lease under which this result may come, or NULL. */
static struct lease *believed(const struct queue *q, const struct job_entry *j, uint32_t worker,
                              const struct wire_msg *m)
{
    if (!j || m->result.tile >= j->tiles.count)
        return NULL;
    struct lease *l = lease_find(q, m->result.token, worker, j->id, m->result.tile);
    return l && same_piece(l, m, j) ? l : NULL;
}

enum queue_verdict queue_result_part(struct queue *q, int64_t now_ms, uint32_t worker,
                                     const struct wire_msg *m)
{
    queue_worker_heard(q, now_ms, worker);
    struct worker *w = worker_find(q, worker);
    struct job_entry *j = job_find(q, m->result.job);
    if (!w)
        return VERDICT_REFUSED;
    struct lease *l = believed(q, j, worker, m);
    bool wanted = is_wanted(j, l, m->result.tile);
    window_received(q, w, m->result.data.len, wanted);
    if (wanted) {
        w->part_ms = now_ms;
        return VERDICT_TAKE;
    }
    if (j && m->result.tile < j->tiles.count && tile_get(&j->tiles, m->result.tile) == TILE_DONE) {
        action_tiles(q, ACTION_ACK, w, j->id, m->result.tile, 1);
        return VERDICT_ACKED;
    }
    if (!j || job_state_is_over(j->state))
        action_tiles(q, ACTION_DROP, w, m->result.job, m->result.tile, 1);
    return VERDICT_REFUSED;
}

bool queue_result_wanted(const struct queue *q, uint32_t worker, const struct wire_holding *r)
{
    const struct job_entry *j = job_find(q, r->job);
    const struct lease *l = j ? lease_find(q, r->token, worker, r->job, r->first_tile) : NULL;
    return is_wanted(j, l, r->first_tile);
}

void queue_parts_dropped(struct queue *q, int64_t now_ms, uint32_t worker, uint64_t data_bytes)
{
    q->now_ms = now_ms;
    struct worker *w = worker_find(q, worker);
    if (w)
        window_settled(q, w, data_bytes);
}

static enum queue_complete piece_complete(struct queue *q, struct job_entry *j, struct lease *l,
                                          uint32_t tile)
{
    struct hurt *h = hurt_find(j, tile);
    struct piece *p = h ? piece_of(h, l->first, l->count) : NULL;
    if (!p || !piece_can(p, PIECE_ARRIVE))
        return COMPLETE_DROP;
    piece_event(q, p, PIECE_ARRIVE);
    p->worker = l->worker;
    hurt_check_whole(q, j, h);
    return COMPLETE_PIECE;
}

static void mark_arrived(struct lease *l, uint32_t tile, uint32_t points)
{
    l->tile[tile - l->first_tile] = LEASE_ARRIVED;
    if (l->ended)
        return;
    l->pending--;
    l->pending_points -= points;
}

/* What was charged by an estimate is put right, and the estimate too. Nobody is believed to have
 * used more time than there was. */
static void charge(struct queue *q, struct job_entry *j, const struct worker *w,
                   const struct lease *l, const struct wire_msg *m)
{
    enum { SMOOTH = 16 };
    if (l->charge_ns <= 0 || l->ended)
        return;
    double used_ns = m->result.solve_us * 1e3, points = m->result.count;
    double most_ns = (double)(q->now_ms - l->out_ms + 1) * 1e6 * w->threads;
    if (used_ns > most_ns)
        used_ns = most_ns;
    j->served_ns += used_ns - points * l->charge_ns;
    offer_moved(q, j);
    j->cost_ns += (used_ns / points - j->cost_ns) / SMOOTH;
}

enum queue_complete queue_result_complete(struct queue *q, int64_t now_ms, uint32_t worker,
                                          const struct wire_msg *m, uint64_t data_bytes)
{
    q->now_ms = now_ms;
    struct worker *w = worker_find(q, worker);
    struct job_entry *j = job_find(q, m->result.job);
    struct lease *l = believed(q, j, worker, m);
    if (!w || !is_wanted(j, l, m->result.tile)) {
        if (w)
            window_settled(q, w, data_bytes);
        return COMPLETE_DROP;
    }
    uint32_t tile = m->result.tile;
    mark_arrived(l, tile, m->result.count);
    w->tiles_done++;
    charge(q, j, w, l, m);
    if (l->adopted) /* nobody knows since when it was at it, and how much of it was done */
        worker_count_from(w, now_ms);
    else
        worker_learn(w, now_ms, m->result.count, m->result.solve_us);
    if (l->pending == 0 && !l->ended && !worker_has_pending(w))
        w->dry_ms = now_ms;
    enum queue_complete where = COMPLETE_STORE;
    if (l->count)
        where = piece_complete(q, j, l, tile);
    else if (!tile_can(&j->tiles, tile, TILE_ARRIVE) || tile_get(&j->tiles, tile) == TILE_CUT)
        where = COMPLETE_COMPARE;
    else
        job_tile_event(q, j, tile, TILE_ARRIVE);
    if (where == COMPLETE_STORE && (l->ended || l->flags & WIRE_LEASE_VERIFY))
        tile_share(&j->tiles, tile); /* it may have gone out again */
    if (where == COMPLETE_COMPARE && tile_get(&j->tiles, tile) == TILE_CUT)
        where = COMPLETE_DROP; /* its pieces are out: they decide */
    if (where == COMPLETE_STORE || where == COMPLETE_COMPARE)
        window_at_sink(q, w, data_bytes);
    else
        window_settled(q, w, data_bytes);
    dispatch_soon(q, w);
    return where;
}

/* Every other worker that has the tile in hand is told that it is done. */
static void tell_holders(struct queue *q, struct job_entry *j, uint32_t tile,
                         const struct worker *but)
{
    struct lease *next;
    for (struct lease *l = j->leases; l; l = next) {
        struct worker *w = worker_find(q, l->worker);
        next = l->job_next;
        if (w == but || !lease_has(l, j->id, tile) || tile_in(l, tile) == LEASE_SETTLED)
            continue;
        action_tiles(q, l->count ? ACTION_ACK : ACTION_DROP, w, j->id, tile, 1);
        lease_settle(q, l, tile);
    }
}

static void settle_leases(struct queue *q, struct job_entry *j, uint32_t tile, struct worker *w)
{
    struct lease *next;
    for (struct lease *l = w->first; l; l = next) {
        next = l->next;
        if (lease_has(l, j->id, tile))
            lease_settle(q, l, tile);
    }
}

static void acknowledge(struct queue *q, struct job_entry *j, uint32_t tile, struct worker *w)
{
    settle_leases(q, j, tile, w);
    if (w->state != WORKER_GONE)
        ack_tile(q, w, j, tile);
}

static void count_rate(struct queue *q, struct job_entry *j, uint32_t points)
{
    enum { SPAN_MS = 250, SMOOTH_MS = 3000 };
    j->rate_points += points;
    int64_t span = q->now_ms - j->rate_ms;
    if (span < SPAN_MS)
        return;
    double fresh = (double)j->rate_points * 1000 / (double)span;
    double weight = j->rate > 0 ? (double)span / (double)(span + SMOOTH_MS) : 1;
    j->rate += weight * (fresh - j->rate);
    j->rate_points = 0;
    j->rate_ms = q->now_ms;
}

/* The tile is durable: counted, acknowledged, and everybody else who has it is told. */
static void settle_tile(struct queue *q, struct job_entry *j, uint32_t tile, struct worker *w,
                        uint32_t points_failed)
{
    bool out = tile_get(&j->tiles, tile) != TILE_ARRIVED;
    job_tile_event(q, j, tile, TILE_DURABLE);
    uint32_t points = tile_points(j, tile);
    j->points_done += points;
    j->points_failed += points_failed;
    count_rate(q, j, points);
    tile_set_author(&j->tiles, tile, w ? w->machine : 0);
    recheck_draw(q, j, tile);
    if (w)
        acknowledge(q, j, tile, w);
    if (out || tile_is_shared(&j->tiles, tile) || hurt_find(j, tile))
        tell_holders(q, j, tile, w);
    job_check_complete(q, j);
    if (w)
        dispatch_soon(q, w);
}

void queue_tile_durable(struct queue *q, int64_t now_ms, uint32_t job, uint32_t tile,
                        uint32_t worker, uint64_t data_bytes, uint32_t points_failed)
{
    q->now_ms = now_ms;
    struct worker *w = worker_find(q, worker);
    struct job_entry *j = job_find(q, job);
    if (w)
        window_leave_sink(q, w, data_bytes);
    if (!j || tile >= j->tiles.count)
        return;
    hurt_is_over(q, j, tile);
    if (tile_can(&j->tiles, tile, TILE_DURABLE))
        settle_tile(q, j, tile, w, points_failed);
}

void queue_tile_compared(struct queue *q, int64_t now_ms, uint32_t job, uint32_t tile,
                         uint32_t worker, uint64_t data_bytes, uint32_t points_failed, bool same,
                         uint32_t crc)
{
    q->now_ms = now_ms;
    struct worker *w = worker_find(q, worker);
    struct job_entry *j = job_find(q, job);
    if (w)
        window_leave_sink(q, w, data_bytes);
    if (!j || tile >= j->tiles.count)
        return;
    if (w && tile_get(&j->tiles, tile) == TILE_DONE)
        recheck_compared(q, j, tile, w, same, crc);
    else if (!same)
        action_alarm(q, "job %u tile %u: worker %u (%s) computed other bytes than are stored", job,
                     tile, worker, w ? w->host : "gone");
    if (tile_can(&j->tiles, tile, TILE_DURABLE)) { /* it was durable, and the queue did not know */
        j->recomputed++;
        settle_tile(q, j, tile, w, points_failed);
    } else if (w) {
        acknowledge(q, j, tile, w);
    }
}

/* The worker is through with the tile, also under another lease that it has of it by now. */
static void take_back(struct queue *q, struct job_entry *j, uint32_t tile, struct worker *w)
{
    struct lease *next;
    for (struct lease *l = w->first; l; l = next) {
        next = l->next;
        if (!lease_has(l, j->id, tile))
            continue;
        if (tile_in(l, tile) == LEASE_PENDING)
            lease_release_tile(q, l, tile);
        else
            lease_settle(q, l, tile);
    }
}

/* It goes out again, unless somebody else is at it already. */
static void reject_tile(struct queue *q, struct job_entry *j, uint32_t tile)
{
    if (!tile_can(&j->tiles, tile, TILE_REJECT))
        return;
    bool elsewhere = lease_elsewhere(j, NULL, tile);
    job_tile_event(q, j, tile, TILE_REJECT);
    if (!elsewhere)
        return;
    job_tile_event(q, j, tile, TILE_LEASE);
    tile_share(&j->tiles, tile);
}

void queue_tile_dropped(struct queue *q, int64_t now_ms, uint32_t job, uint32_t tile,
                        uint32_t worker, uint64_t data_bytes, const char *reason)
{
    q->now_ms = now_ms;
    struct worker *w = worker_find(q, worker);
    struct job_entry *j = job_find(q, job);
    if (w)
        window_leave_sink(q, w, data_bytes);
    if (!reason || !j || tile >= j->tiles.count)
        return;
    if (w) {
        recheck_release(q, j, tile, w->number);
        take_back(q, j, tile, w);
    }
    reject_tile(q, j, tile);
    if (w) {
        action_tiles(q, ACTION_DROP, w, job, tile, 1);
        worker_ban(w, job, reason);
        action_alarm(q, "worker %u (%s) gets no more of job %u: tile %u: %s", w->number, w->host,
                     job, tile, reason);
    } else {
        action_alarm(q, "job %u tile %u goes out again: %s", job, tile, reason);
    }
    dispatch_appeared(q);
}
