/* Tiles that kill. When a worker dies, the tiles that its threads were on take the blame, not all
 * it held. A tile that was there DEATHS_TO_CUT times is cut into halves, and so on down to the
 * single point; a point that still kills is failed, and the job goes on. */
#include "queue_private.h"

#include <stdlib.h>
#include <string.h>

/*         LEASE             ARRIVE
 *    OPEN -----> LEASED -----------> ARRIVED
 *    |  ^           |
 *    |  +--RELEASE--+      BLAME, SPLIT: stays OPEN (SPLIT: as the first half of itself)
 *    +--FAIL--> FAILED */
enum { NO = 0xff };

static const uint8_t next_state[PIECE_FAILED + 1][PIECE_EVENTS] = {
    /*                  LEASE         RELEASE     ARRIVE         BLAME       SPLIT       FAIL */
    [PIECE_OPEN] = {PIECE_LEASED, NO, NO, PIECE_OPEN, PIECE_OPEN, PIECE_FAILED},
    [PIECE_LEASED] = {NO, PIECE_OPEN, PIECE_ARRIVED, NO, NO, NO},
    [PIECE_ARRIVED] = {NO, NO, NO, NO, NO, NO},
    [PIECE_FAILED] = {NO, NO, NO, NO, NO, NO},
};

static bool allows(unsigned state, unsigned event)
{
    return next_state[state][event] != NO;
}

static const char *const state_names[] = {"open", "leased", "arrived", "failed"};
static const char *const event_names[] = {"lease", "release", "arrive", "blame", "split", "fail"};
const struct queue_table_view piece_view = {"piece",     PIECE_FAILED + 1, PIECE_EVENTS,
                                            state_names, event_names,      allows};

bool piece_can(const struct piece *p, enum piece_event event)
{
    return allows(p->state, event);
}

void piece_event(const struct queue *q, struct piece *p, enum piece_event event)
{
    assert(piece_can(p, event));
    seen(&q->config, QUEUE_PIECES, p->state, event);
    p->state = (enum piece_state)next_state[p->state][event];
}

struct hurt *hurt_find(const struct job_entry *j, uint32_t tile)
{
    for (size_t i = 0; i < j->hurt_count; i++)
        if (j->hurt[i].tile == tile)
            return &j->hurt[i];
    return NULL;
}

struct piece *piece_of(const struct hurt *h, uint32_t first, uint32_t count)
{
    for (size_t i = 0; i < h->piece_count; i++)
        if (h->pieces[i].first == first && h->pieces[i].count == count)
            return &h->pieces[i];
    return NULL;
}

static bool keeps_of(const struct hurt *h, uint32_t worker)
{
    for (size_t i = 0; i < h->piece_count; i++)
        if (h->pieces[i].worker == worker)
            return true;
    return false;
}

bool hurt_keeps_of(const struct queue *q, uint32_t worker)
{
    for (size_t i = 0; i < q->job_count; i++) {
        const struct job_entry *j = q->jobs[i];
        for (size_t k = 0; k < j->hurt_count; k++)
            if (tile_get(&j->tiles, j->hurt[k].tile) != TILE_DONE && keeps_of(&j->hurt[k], worker))
                return true;
    }
    return false;
}

/* One worker at a time hunts for the points of a tile that kill, and has nothing else in hand
 * meanwhile: what dies with it is then surely what it was given. */
static bool may_hunt(const struct queue *q, const struct job_entry *j, const struct hurt *h,
                     const struct worker *w)
{
    const struct worker *hunter = worker_find(q, h->hunter);
    return !hunter || hunter == w || hunter->state == WORKER_GONE || hunter->hold_bytes == 0 ||
           !worker_can_work(hunter, j->id);
}

struct piece *piece_for(const struct queue *q, const struct job_entry *j, const struct worker *w,
                        struct hurt **hurt)
{
    for (size_t i = 0; i < j->hurt_count; i++) {
        struct hurt *h = &j->hurt[i];
        if (tile_get(&j->tiles, h->tile) != TILE_CUT || !may_hunt(q, j, h, w))
            continue;
        for (size_t k = 0; k < h->piece_count; k++) {
            if (h->pieces[k].state == PIECE_OPEN) {
                *hurt = h;
                return &h->pieces[k];
            }
        }
    }
    return NULL;
}

static void piece_add(struct hurt *h, uint32_t first, uint32_t count)
{
    h->pieces = mem_resize(h->pieces, h->piece_count + 1, sizeof *h->pieces);
    h->pieces[h->piece_count++] = (struct piece){.first = first, .count = count};
}

/* A single point that kills. Pieces are in order of their points, so are the failed ones kept. */
static void point_fail(struct queue *q, struct job_entry *j, struct hurt *h, struct piece *p)
{
    piece_event(q, p, PIECE_FAIL);
    h->failed = mem_resize(h->failed, h->failed_count + 1, sizeof *h->failed);
    size_t at = h->failed_count++;
    for (; at > 0 && h->failed[at - 1] > p->first; at--)
        h->failed[at] = h->failed[at - 1];
    h->failed[at] = p->first;
    action_alarm(q, "job %u tile %u point %u killed its workers and is marked failed", j->id,
                 h->tile, p->first);
    hurt_check_whole(q, j, h);
}

static void piece_die(struct queue *q, struct job_entry *j, struct hurt *h, struct piece *p)
{
    if (++p->deaths < (p->count == 1 ? DEATHS_TO_FAIL : DEATHS_TO_CUT)) {
        piece_event(q, p, PIECE_BLAME);
    } else if (p->count == 1) {
        point_fail(q, j, h, p);
    } else {
        uint32_t half = p->count / 2, first = p->first, count = p->count;
        piece_event(q, p, PIECE_SPLIT);
        p->count = half;
        p->deaths = 0;
        piece_add(h, first + half, count - half);
    }
}

static void cut(struct queue *q, struct job_entry *j, struct hurt *h)
{
    uint32_t points = tile_points(j, h->tile), half = points / 2;
    job_tile_event(q, j, h->tile, TILE_KILL);
    h->piece_count = h->failed_count = 0; /* of an earlier cut, should it have been rejected */
    if (half > 0)
        piece_add(h, 0, half);
    piece_add(h, half, points - half);
    action_alarm(q, "job %u tile %u was there when %d workers died: it goes out in pieces", j->id,
                 h->tile, DEATHS_TO_CUT);
}

/* Others may have been given it too, as a straggler: it is taken from them. */
static void take_away(struct queue *q, struct job_entry *j, uint32_t tile)
{
    struct lease *next;
    for (struct lease *l = j->leases; l; l = next) {
        next = l->job_next;
        if (!lease_has(l, j->id, tile) || l->tile[tile - l->first_tile] != LEASE_PENDING)
            continue;
        action_tiles(q, ACTION_DROP, worker_find(q, l->worker), j->id, tile, 1);
        lease_settle(q, l, tile);
    }
}

static void tile_die(struct queue *q, struct job_entry *j, uint32_t tile)
{
    struct hurt *h = hurt_find(j, tile);
    if (!h) {
        j->hurt = mem_resize(j->hurt, j->hurt_count + 1, sizeof *j->hurt);
        h = &j->hurt[j->hurt_count++];
        *h = (struct hurt){.tile = tile};
    }
    if (++h->deaths < DEATHS_TO_CUT || !tile_can(&j->tiles, tile, TILE_KILL))
        return;
    take_away(q, j, tile);
    cut(q, j, h);
}

void hurt_is_over(struct queue *q, struct job_entry *j, uint32_t tile)
{
    struct hurt *h = hurt_find(j, tile);
    if (tile_get(&j->tiles, tile) != TILE_CUT || !h)
        return;
    job_tile_event(q, j, tile, TILE_ARRIVE);
    h->piece_count = h->failed_count = 0;
    struct queue_action *a = action_add(q, ACTION_FORGET_PIECES);
    a->job = j->id;
    a->tile = tile;
}

void hurt_check_whole(struct queue *q, struct job_entry *j, struct hurt *h)
{
    if (tile_get(&j->tiles, h->tile) != TILE_CUT)
        return;
    for (size_t i = 0; i < h->piece_count; i++)
        if (h->pieces[i].state == PIECE_OPEN || h->pieces[i].state == PIECE_LEASED)
            return;
    job_tile_event(q, j, h->tile, TILE_ARRIVE);
    struct queue_action *a = action_add(q, ACTION_STORE_PIECES);
    a->job = j->id;
    a->tile = h->tile;
}

const uint32_t *queue_tile_failed_points(const struct queue *q, uint32_t job, uint32_t tile,
                                         size_t *count)
{
    const struct job_entry *j = job_find(q, job);
    const struct hurt *h = j ? hurt_find(j, tile) : NULL;
    *count = h ? h->failed_count : 0;
    return h ? h->failed : NULL;
}

static void blame(struct queue *q, const struct blamed *b)
{
    struct job_entry *j = job_find(q, b->job);
    if (!j || job_state_is_over(j->state))
        return;
    struct hurt *h = hurt_find(j, b->tile);
    struct piece *p = b->count && h ? piece_of(h, b->first, b->count) : NULL;
    if (p && p->state == PIECE_OPEN)
        piece_die(q, j, h, p);
    else if (!b->count)
        tile_die(q, j, b->tile);
}

/* One that it has under two tokens (a lease that was thought lost) has seen one death. */
static bool list_one(struct blamed *list, uint32_t n, struct blamed b)
{
    for (uint32_t i = 0; i < n; i++)
        if (memcmp(&list[i], &b, sizeof b) == 0)
            return false;
    list[n] = b;
    return true;
}

/* A worker takes tiles in the order of its leases: its threads were on the first unsolved ones. Of
 * those that have not come some may have been solved and kept back for a moment; pieces never are.
 */
static void list_blamed(struct worker *w)
{
    uint32_t n = 0, most = w->threads;
    const struct lease *at = w->first;
    while (at && at->pending == 0)
        at = at->next;
    if (at && !at->count)
        most += WIRE_GATHER(w->threads) - 1;
    w->blamed = mem_resize(w->blamed, most, sizeof *w->blamed);
    for (const struct lease *l = w->first; l && n < most; l = l->next)
        for (uint32_t i = 0; i < l->tile_count && n < most; i++)
            if (l->tile[i] == LEASE_PENDING && !(l->flags & WIRE_LEASE_VERIFY))
                n += list_one(w->blamed, n,
                              (struct blamed){l->job, l->first_tile + i, l->first, l->count});
    w->blamed_count = n;
}

void death_of_worker(struct queue *q, struct worker *w, bool broke)
{
    char reason[sizeof w->reason];
    memcpy(reason, w->reason, sizeof reason);
    w->blamed_count = 0;
    if (broke)
        list_blamed(w);
    worker_event(q, w, WORKER_DIE, reason);
    for (size_t i = 0; i < w->blamed_count; i++)
        blame(q, &w->blamed[i]);
    action_alarm(q, "worker %u (%s, process %u) is dead: %s", w->number, w->host, w->pid,
                 w->reason);
}

static void unblame(struct queue *q, const struct blamed *b)
{
    struct job_entry *j = job_find(q, b->job);
    struct hurt *h = j ? hurt_find(j, b->tile) : NULL;
    struct piece *p = h && b->count ? piece_of(h, b->first, b->count) : NULL;
    if (p && p->deaths > 0)
        p->deaths--;
    else if (h && !b->count && h->deaths > 0 && tile_get(&j->tiles, b->tile) != TILE_CUT)
        h->deaths--;
}

void death_unblame(struct queue *q, struct worker *w)
{
    for (size_t i = 0; i < w->blamed_count; i++)
        unblame(q, &w->blamed[i]);
    w->blamed_count = 0;
}

void death_of_lease(struct queue *q, struct lease *l)
{
    struct worker *w = worker_find(q, l->worker);
    struct blamed b = {l->job, l->first_tile, l->first, l->count};
    while (b.tile < l->first_tile + l->tile_count &&
           l->tile[b.tile - l->first_tile] != LEASE_PENDING)
        b.tile++;
    action_alarm(q, "worker %u (%s) hangs on job %u tile %u", w->number, w->host, b.job, b.tile);
    action_tiles(q, ACTION_DROP, w, l->job, l->first_tile, l->tile_count);
    bool verify = l->flags & WIRE_LEASE_VERIFY;
    lease_end(q, l);
    if (!verify)
        blame(q, &b);
}
