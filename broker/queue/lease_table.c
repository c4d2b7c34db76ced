/* Leases: found by token, listed by worker. A lease ends when its last tile is settled or when it
 * is taken away; its token is remembered for a while, so that a late result can still be believed.
 */
#include "queue_private.h"

#include <stdlib.h>
#include <string.h>

static struct lease **bucket(const struct queue *q, struct token t)
{
    return (struct lease **)&q->leases.buckets[(t.lo * 0x9e3779b97f4a7c15u) >> 52];
}

_Static_assert(BUCKETS == 1 << 12, "bucket() takes the upper 12 bits");

bool lease_has(const struct lease *l, uint32_t job, uint32_t tile)
{
    return l->job == job && tile >= l->first_tile && tile - l->first_tile < l->tile_count;
}

struct lease *lease_find(const struct queue *q, struct token token, uint32_t worker, uint32_t job,
                         uint32_t tile)
{
    struct lease *found = NULL;
    for (struct lease *l = *bucket(q, token); l; l = l->hash_next)
        if (token_equal(l->token, token) && l->worker == worker && lease_has(l, job, tile) &&
            (!found || found->ended))
            found = l;
    return found;
}

static void worker_list_add(struct worker *w, struct lease *l)
{
    l->prev = w->last;
    if (w->last)
        w->last->next = l;
    else
        w->first = l;
    w->last = l;
    w->lease_count++;
}

static void worker_list_remove(struct worker *w, struct lease *l)
{
    if (l->prev)
        l->prev->next = l->next;
    else
        w->first = l->next;
    if (l->next)
        l->next->prev = l->prev;
    else
        w->last = l->prev;
    l->next = l->prev = NULL;
    w->lease_count--;
}

static void job_list_add(struct job_entry *j, struct lease *l)
{
    l->job_next = j->leases;
    if (j->leases)
        j->leases->job_prev = l;
    j->leases = l;
    j->lease_count++;
}

static void job_list_remove(struct job_entry *j, struct lease *l)
{
    if (l->job_prev)
        l->job_prev->job_next = l->job_next;
    else
        j->leases = l->job_next;
    if (l->job_next)
        l->job_next->job_prev = l->job_prev;
    l->job_next = l->job_prev = NULL;
    j->lease_count--;
}

bool worker_holds_job(const struct worker *w, uint32_t job)
{
    for (const struct lease *l = w->first; l; l = l->next)
        if (l->job == job)
            return true;
    return false;
}

/* The share of a tile that the lease stands for. */
static uint32_t points_of(const struct lease *l, const struct job_entry *j, uint32_t tile)
{
    return l->count ? l->count : tile_points(j, tile);
}

struct lease *lease_add(struct queue *q, struct token token, uint32_t worker, struct job_entry *j,
                        uint32_t first_tile, uint32_t tile_count, int64_t now_ms)
{
    struct worker *w = worker_find(q, worker);
    struct lease *l = mem_alloc(1, sizeof *l + tile_count);
    l->token = token;
    l->worker = worker;
    l->job = j->id;
    l->first_tile = first_tile;
    l->tile_count = tile_count;
    l->point_bytes = j->point_bytes;
    l->out_ms = now_ms;
    deadline_set(q, w, now_ms + PROBE_QUIET_MS);
    if (q->straggle_ms == INT64_MAX)
        q->straggle_ms = now_ms + STRAGGLE_EVERY_MS;
    if (!worker_holds_job(w, j->id))
        j->holders++;
    q->lease_count++;
    worker_list_add(w, l);
    job_list_add(j, l);
    l->hash_next = *bucket(q, token);
    *bucket(q, token) = l;
    for (uint32_t i = 0; i < tile_count; i++) {
        uint32_t tile = first_tile + i;
        l->points += tile_points(j, tile);
        if (!tile_can(&j->tiles, tile, TILE_LEASE))
            continue;
        if (tile_get(&j->tiles, tile) == TILE_LEASED)
            tile_share(&j->tiles, tile);
        job_tile_event(q, j, tile, TILE_LEASE);
        l->tile[i] = LEASE_PENDING;
        l->pending++;
        l->unsettled++;
        l->pending_points += tile_points(j, tile);
        uint64_t bytes = tile_bytes(j, tile);
        w->points_in_hand += tile_points(j, tile);
        w->bytes_in_hand += bytes;
        w->tiles_in_hand++;
        if (w->largest_bytes < bytes)
            w->largest_bytes = bytes;
    }
    return l;
}

static void forget(struct queue *q, struct lease *l)
{
    struct lease **at = bucket(q, l->token);
    while (*at != l)
        at = &(*at)->hash_next;
    *at = l->hash_next;
    free(l);
}

static void retire(struct queue *q, struct lease *l)
{
    struct worker *w = worker_find(q, l->worker);
    struct job_entry *j = job_find(q, l->job);
    worker_list_remove(w, l);
    q->lease_count--;
    if (j) {
        job_list_remove(j, l);
        if (!worker_holds_job(w, j->id))
            j->holders--;
    }
    l->ended = true;
    struct lease **slot = &q->leases.ended[q->leases.ended_at++ % LEASES_ENDED_MAX];
    if (*slot)
        forget(q, *slot);
    *slot = l;
}

static void let_go(struct worker *w, const struct lease *l, const struct job_entry *j,
                   uint32_t tile)
{
    uint64_t points = points_of(l, j, tile), bytes = points * j->point_bytes;
    assert(w->points_in_hand >= points && w->bytes_in_hand >= bytes);
    w->points_in_hand -= points;
    w->bytes_in_hand -= bytes;
    w->tiles_in_hand--;
}

void lease_settle(struct queue *q, struct lease *l, uint32_t tile)
{
    struct job_entry *j = job_find(q, l->job);
    uint8_t *at = &l->tile[tile - l->first_tile];
    if (l->ended || (*at & ~LEASE_CLAIMED) == LEASE_SETTLED || !j)
        return;
    if ((*at & ~LEASE_CLAIMED) == LEASE_PENDING) {
        l->pending--;
        l->pending_points -= points_of(l, j, tile);
    }
    *at = LEASE_SETTLED;
    struct worker *w = worker_find(q, l->worker);
    let_go(w, l, j, tile);
    dispatch_soon(q, w);
    if (--l->unsettled == 0)
        retire(q, l);
}

/* Whether another active lease has the tile pending: only asked when there may be one. Who computes
 * it again to compare (before it was damaged on disk, say) does not hold it. */
bool lease_elsewhere(const struct job_entry *j, const struct lease *but, uint32_t tile)
{
    if (!tile_is_shared(&j->tiles, tile))
        return false;
    for (const struct lease *l = j->leases; l; l = l->job_next)
        if (l != but && !(l->flags & WIRE_LEASE_VERIFY) && lease_has(l, j->id, tile) &&
            (l->tile[tile - l->first_tile] & ~LEASE_CLAIMED) == LEASE_PENDING)
            return true;
    return false;
}

static void release_tile(struct queue *q, struct job_entry *j, const struct lease *l, uint32_t tile)
{
    j->served_ns -= tile_points(j, tile) * l->charge_ns;
    offer_moved(q, j);
    dispatch_appeared(q);
    if (l->flags & WIRE_LEASE_VERIFY) {
        recheck_release(q, j, tile, l->worker);
    } else if (l->count) {
        struct hurt *h = hurt_find(j, tile);
        struct piece *p = h ? piece_of(h, l->first, l->count) : NULL;
        if (p && piece_can(p, PIECE_RELEASE))
            piece_event(q, p, PIECE_RELEASE);
    } else if (tile_get(&j->tiles, tile) == TILE_LEASED && !lease_elsewhere(j, l, tile)) {
        job_tile_event(q, j, tile, TILE_RELEASE);
    }
}

void lease_release_tile(struct queue *q, struct lease *l, uint32_t tile)
{
    release_tile(q, job_find(q, l->job), l, tile);
    lease_settle(q, l, tile);
}

void lease_end(struct queue *q, struct lease *l)
{
    struct job_entry *j = job_find(q, l->job);
    struct worker *w = worker_find(q, l->worker);
    for (uint32_t i = 0; j && i < l->tile_count; i++) {
        uint8_t state = l->tile[i] & ~LEASE_CLAIMED;
        l->tile[i] = state;
        if (state == LEASE_SETTLED)
            continue;
        let_go(w, l, j, l->first_tile + i);
        if (state == LEASE_PENDING)
            release_tile(q, j, l, l->first_tile + i);
    }
    dispatch_soon(q, w);
    retire(q, l);
}

void lease_table_fini(struct queue *q)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        while (q->leases.buckets[i]) {
            struct lease *l = q->leases.buckets[i];
            q->leases.buckets[i] = l->hash_next;
            free(l);
        }
    }
}
