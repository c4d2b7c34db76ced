/* Tiles that kill. When a worker dies, the tiles that its threads were on take the blame, not all
 * it held. A tile that was there DEATHS_TO_CUT times is cut into halves, and so on down to the
 * single point; a point that still kills is failed, and the job goes on. */
#include "queue_private.h"

#include <stdlib.h>
#include <string.h>

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

struct piece *piece_open(const struct job_entry *j, struct hurt **hurt)
{
    for (size_t i = 0; i < j->hurt_count; i++) {
        if (tile_get(&j->tiles, j->hurt[i].tile) != TILE_CUT)
            continue;
        for (size_t k = 0; k < j->hurt[i].piece_count; k++) {
            if (j->hurt[i].pieces[k].state == PIECE_OPEN) {
                *hurt = &j->hurt[i];
                return &j->hurt[i].pieces[k];
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
    p->state = PIECE_FAILED;
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
    if (++p->deaths < DEATHS_TO_CUT) {
        p->state = PIECE_OPEN;
    } else if (p->count == 1) {
        point_fail(q, j, h, p);
    } else {
        uint32_t half = p->count / 2, first = p->first, count = p->count;
        *p = (struct piece){.first = first, .count = half};
        piece_add(h, first + half, count - half);
    }
}

static void cut(struct queue *q, struct job_entry *j, struct hurt *h)
{
    uint32_t points = tile_points(j, h->tile), half = points / 2;
    tile_event(&j->tiles, j->a_blocks, h->tile, TILE_KILL);
    h->piece_count = h->failed_count = 0; /* of an earlier cut, should it have been rejected */
    if (half > 0)
        piece_add(h, 0, half);
    piece_add(h, half, points - half);
    action_alarm(q, "job %u tile %u was there when %d workers died: it goes out in pieces", j->id,
                 h->tile, DEATHS_TO_CUT);
}

/* Called when no lease holds the tile any more. */
static void tile_die(struct queue *q, struct job_entry *j, uint32_t tile)
{
    struct hurt *h = hurt_find(j, tile);
    if (!h) {
        j->hurt = mem_resize(j->hurt, j->hurt_count + 1, sizeof *j->hurt);
        h = &j->hurt[j->hurt_count++];
        *h = (struct hurt){.tile = tile};
    }
    if (++h->deaths >= DEATHS_TO_CUT && tile_get(&j->tiles, tile) == TILE_OPEN)
        cut(q, j, h);
}

void hurt_check_whole(struct queue *q, struct job_entry *j, struct hurt *h)
{
    if (tile_get(&j->tiles, h->tile) != TILE_CUT)
        return;
    for (size_t i = 0; i < h->piece_count; i++)
        if (h->pieces[i].state == PIECE_OPEN || h->pieces[i].state == PIECE_LEASED)
            return;
    tile_event(&j->tiles, j->a_blocks, h->tile, TILE_ARRIVE);
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

struct blamed {
    uint32_t job, tile, first, count;
};

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

/* A worker takes tiles in the order of its leases: its threads were on the first unsolved ones. */
void death_of_worker(struct queue *q, struct worker *w)
{
    enum { MOST = 64 };
    struct blamed list[MOST];
    uint32_t n = 0, threads = w->threads < MOST ? w->threads : MOST;
    for (const struct lease *l = w->first; l && n < threads; l = l->next)
        for (uint32_t i = 0; i < l->tile_count && n < threads; i++)
            if (l->tile[i] == LEASE_PENDING)
                list[n++] = (struct blamed){l->job, l->first_tile + i, l->first, l->count};
    char reason[sizeof w->reason];
    memcpy(reason, w->reason, sizeof reason);
    worker_event(q, w, WORKER_DIE, reason);
    for (uint32_t i = 0; i < n; i++)
        blame(q, &list[i]);
    action_alarm(q, "worker %u (%s, process %u) is dead: %s", w->number, w->host, w->pid,
                 w->reason);
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
    lease_end(q, l);
    blame(q, &b);
}
