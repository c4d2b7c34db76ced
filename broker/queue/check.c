/* The invariants. */
#include "queue_private.h"

#include <stdlib.h>

const struct queue_table_view *queue_table_view(enum queue_table table)
{
    static const struct queue_table_view *const views[] = {
        [QUEUE_TILES] = &tile_view,
        [QUEUE_PIECES] = &piece_view,
        [QUEUE_WORKERS] = &worker_view,
        [QUEUE_JOBS] = &job_view,
    };
    return views[table];
}

static void check_job(const struct queue *q, const struct job_entry *j)
{
    uint32_t in_state[TILE_CUT + 1] = {0}, leases = 0, holders = 0;
    uint64_t done = 0;
    uint8_t *held = mem_alloc(j->tiles.count, 1);
    for (size_t i = 0; i < q->worker_count; i++) {
        bool holds = false;
        for (const struct lease *l = q->workers[i]->first; l; l = l->next) {
            if (l->job != j->id)
                continue;
            holds = true;
            leases++;
            for (uint32_t k = 0; k < l->tile_count; k++)
                if (l->tile[k] == LEASE_PENDING && !(l->flags & WIRE_LEASE_VERIFY) &&
                    held[l->first_tile + k] < 255)
                    held[l->first_tile + k]++;
        }
        holders += holds;
    }
    for (uint32_t t = 0; t < j->tiles.count; t++) {
        enum tile_state state = tile_get(&j->tiles, t);
        in_state[state]++;
        if (state == TILE_DONE)
            done += tile_points(j, t);
        if (state == TILE_LEASED)
            assert(held[t] > 0);
        if (state == TILE_OPEN || state == TILE_HELD || state == TILE_DONE)
            assert(held[t] == 0);
        if (held[t] > 1 && state == TILE_LEASED)
            assert(tile_is_shared(&j->tiles, t));
    }
    for (int s = 0; s <= TILE_CUT; s++)
        assert(in_state[s] == j->tiles.in_state[s]);
    assert(leases == j->lease_count && holders == j->holders);
    for (const struct lease *l = j->leases; l; l = l->job_next, leases--) {
        assert(l->job == j->id && !l->ended);
        assert(!l->job_next || l->job_next->job_prev == l);
    }
    assert(leases == 0);
    assert(done == j->points_done);
    assert(j->frontier <= j->frontier_asked && j->frontier_asked <= j->tiles.count);
    if (j->state == JOB_FINISHING || j->state == JOB_DONE)
        assert(in_state[TILE_DONE] == j->tiles.count);
    if (j->state == JOB_FAILED || j->state == JOB_CANCELLED)
        assert(leases == 0);
    free(held);
}

static void check_worker(const struct queue *q, const struct worker *w)
{
    uint64_t bytes = 0, points = 0;
    uint32_t leases = 0, tiles = 0;
    for (const struct lease *l = w->first; l; l = l->next) {
        const struct job_entry *j = job_find(q, l->job);
        uint32_t pending = 0, unsettled = 0;
        uint64_t pending_points = 0;
        assert(j && !l->ended && l->worker == w->number);
        leases++;
        for (uint32_t k = 0; k < l->tile_count; k++) {
            assert(l->tile[k] <= LEASE_ARRIVED);
            pending += l->tile[k] == LEASE_PENDING;
            if (l->tile[k] == LEASE_SETTLED)
                continue;
            unsettled++;
            tiles++;
            uint64_t n = l->count ? l->count : tile_points(j, l->first_tile + k);
            points += n;
            bytes += n * j->point_bytes;
            pending_points += l->tile[k] == LEASE_PENDING ? n : 0;
        }
        assert(pending == l->pending && unsettled == l->unsettled && unsettled > 0);
        assert(pending_points == l->pending_points);
    }
    assert(leases == w->lease_count && bytes == w->bytes_in_hand && points == w->points_in_hand);
    assert(tiles == w->tiles_in_hand);
    if (w->state == WORKER_GONE)
        assert(leases == 0);
    assert(w->unsettled >= w->at_sink);
}

/* What waits to be told is durable, and is told in time. */
static void check_acks(const struct queue *q, const struct worker *w)
{
    assert(w->ack_count == 0 || w->state != WORKER_GONE);
    for (unsigned i = 0; i < w->ack_count; i++) {
        const struct wire_tiles *run = &w->acks[i];
        const struct job_entry *j = job_find(q, run->job);
        assert(j && run->tile_count > 0);
        for (uint32_t k = 0; k < run->tile_count; k++)
            assert(tile_get(&j->tiles, run->first_tile + k) == TILE_DONE);
    }
}

static bool may_have(const struct queue *q, const struct worker *w)
{
    for (size_t i = 0; i < q->job_count; i++) {
        const struct job_entry *j = q->jobs[i];
        struct hurt *h;
        if (!job_is_live(j) || !worker_can_work(w, j->id))
            continue;
        if (piece_for(q, j, w, &h))
            return true;
        for (uint32_t t = 0; t < j->frontier; t++)
            if (tile_get(&j->tiles, t) == TILE_OPEN)
                return true;
    }
    return false;
}

static bool awaits(const struct queue *q)
{
    const struct job_entry *first = offer_first(q);
    return q->turn_awaited && first && job_awaits_frontier(first);
}

/* When all is given out nobody waits for work that there is, and nobody is forgotten. */
static void check_lines(const struct queue *q)
{
    size_t in_line[LINES] = {0};
    bool rest = !q->appeared && q->hungry_left == 0 && !q->line_first[LINE_READY] && !q->stalled;
    for (size_t i = 0; i < q->worker_count; i++) {
        const struct worker *w = q->workers[i];
        in_line[w->line]++;
        assert(w->state != WORKER_GONE || (w->line == LINE_NONE && w->due_at == 0));
        assert(w->state == WORKER_GONE || w->due_at > 0);
        assert(w->due_at == 0 || q->due.items[w->due_at - 1] == w);
        if (!rest || w->state != WORKER_UP || w->paused || w->hold_bytes == 0)
            continue;
        assert(w->line == LINE_HUNGRY || w->lease_count > 0);
        assert(w->line != LINE_HUNGRY || awaits(q) || !may_have(q, w));
    }
    heap_check(&q->due);
    for (enum line line = LINE_READY; line < LINES; line++)
        assert(in_line[line] == q->line_count[line]);
}

/* Whatever may be given out is offered, and those offered lie in order. */
static void check_offers(const struct queue *q)
{
    size_t offered = 0, in_pieces = 0, waiting = 0;
    for (size_t i = 0; i < q->job_count; i++) {
        const struct job_entry *j = q->jobs[i];
        bool open = j->tiles.in_state[TILE_CUT] > 0;
        for (uint32_t t = 0; t < j->frontier && !open; t++)
            open = tile_get(&j->tiles, t) == TILE_OPEN;
        assert(j->offer_at == 0 || (job_is_live(j) && q->offers.items[j->offer_at - 1] == j));
        assert(j->offer_at > 0 || !job_is_live(j) || !open);
        assert(j->has_pieces == (job_is_live(j) && j->tiles.in_state[TILE_CUT] > 0));
        offered += j->offer_at > 0;
        in_pieces += j->has_pieces;
        for (size_t k = 0; k < j->recheck_count; k++)
            waiting += j->rechecks[k].worker == 0;
    }
    assert(offered == q->offers.count && in_pieces == q->jobs_in_pieces);
    assert(waiting == q->rechecks_open);
    heap_check(&q->offers);
}

void queue_check(const struct queue *q)
{
    uint64_t sum = 0, at_sink = 0;
    size_t results = 0, up = 0, leases = 0, starved = 0;
    for (const struct worker *w = q->starved_first; w; w = w->starved_next)
        starved++;
    for (size_t i = 0; i < q->worker_count; i++) {
        const struct worker *w = q->workers[i];
        check_worker(q, w);
        check_acks(q, w);
        sum += window_in_use(w);
        up += w->state != WORKER_GONE;
        at_sink += w->at_sink;
        results += w->results_at_sink;
        leases += w->lease_count;
        starved -= w->starved;
    }
    assert(starved == 0);
    assert(sum == q->granted_sum && up == q->workers_up && at_sink == q->at_sink);
    assert(leases == q->lease_count && results == q->results_at_sink);
    check_lines(q);
    check_offers(q);
    for (size_t i = 0; i < q->job_count; i++)
        check_job(q, q->jobs[i]);
}
