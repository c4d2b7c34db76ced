/* Stragglers: work that is out and late, given to idle workers as well. The first answer wins. A
 * lease may be helped with when it has been out for long, or when an idle worker would be through
 * with its last tile well before its holder comes to it; not when all of it is solved and only its
 * results wait for the disk. */
#include "queue_private.h"

#include <stdlib.h>

enum {
    STRAGGLERS_MAX = 3, /* leases of one tile at a time, the first one included */
    HELP_TIMES = 2,     /* the helper is to be so much faster, */
    HELP_MS = 100,      /* and by so much */
    STEPS_MAX = 50000,  /* leases looked at a tick; then the next one goes on: well below 1 ms */
};

struct candidate {
    const struct worker *holder;
    const struct lease *lease;
    double wait_ms; /* until its holder should be through with it; 0: not known */
};

static uint32_t times_leased(const struct job_entry *j, uint32_t tile)
{
    uint32_t times = 0;
    if (!tile_is_shared(&j->tiles, tile))
        return 1;
    for (const struct lease *l = j->leases; l; l = l->job_next)
        times += lease_has(l, j->id, tile) && l->tile[tile - l->first_tile] == LEASE_PENDING;
    return times;
}

/* Every point of it is solved, by the worker's own word: it waits for a window or for the disk. */
static bool is_solved(const struct lease *l)
{
    return !l->adopted && l->points_done >= l->points;
}

/* The leases of one worker that may be helped with, in the order in which it works them off. */
static void add_leases(const struct queue *q, const struct worker *w, struct candidate *list,
                       size_t *count)
{
    uint64_t before = 0;
    for (const struct lease *l = w->first; l; l = l->next) {
        const struct job_entry *j = job_find(q, l->job);
        if (l->pending == 0 || is_solved(l))
            continue;
        before += l->pending_points;
        if (l->count || (l->flags & WIRE_LEASE_VERIFY) || !job_is_live(j))
            continue;
        list[(*count)++] =
            (struct candidate){w, l, w->rate > 0 ? 1000 * (double)before / w->rate : 0};
    }
}

static int by_age(const void *x, const void *y)
{
    const struct candidate *a = x, *b = y;
    if (a->lease->out_ms != b->lease->out_ms)
        return a->lease->out_ms < b->lease->out_ms ? -1 : 1;
    return a->holder->number < b->holder->number ? -1 : a->holder->number > b->holder->number;
}

static bool may_be_helped(const struct queue *q, const struct candidate *c,
                          const struct worker *helper, const struct job_entry *j, uint32_t tile)
{
    int64_t out_ms = q->now_ms - c->lease->out_ms;
    double expected_ms =
        c->holder->rate > 0 ? 1000 * (double)c->holder->points_in_hand / c->holder->rate : 0;
    if (out_ms > 2 * q->config.lease_ms && (double)out_ms > 2 * expected_ms)
        return true;
    if (c->wait_ms <= 0 || helper->rate <= 0)
        return false;
    double help_ms = 1000.0 * tile_points(j, tile) / helper->rate;
    return c->wait_ms > HELP_TIMES * help_ms + HELP_MS;
}

/* Its last tile that is pending and not with too many already. */
static bool last_tile(const struct job_entry *j, const struct lease *l, uint32_t *tile)
{
    for (uint32_t k = l->tile_count; k > 0; k--) {
        *tile = l->first_tile + k - 1;
        if (l->tile[k - 1] == LEASE_PENDING && tile_get(&j->tiles, *tile) == TILE_LEASED &&
            times_leased(j, *tile) < STRAGGLERS_MAX)
            return true;
    }
    return false;
}

static bool help(struct queue *q, struct worker *w, const struct candidate *list, size_t count,
                 size_t *steps)
{
    for (size_t i = 0; i < count && *steps < STEPS_MAX; i++) {
        const struct candidate *c = &list[i];
        struct job_entry *j = job_find(q, c->lease->job);
        uint32_t tile = c->lease->first_tile;
        ++*steps;
        if (c->holder == w || !worker_can_work(w, j->id) || !may_be_helped(q, c, w, j, tile))
            continue;
        if (j->tiles.shared) /* others are asked whether they have it */
            *steps += j->lease_count;
        if (!last_tile(j, c->lease, &tile) || !may_be_helped(q, c, w, j, tile))
            continue;
        lease_straggler(q, w, j, tile);
        return true;
    }
    return false;
}

/* --- pieces ---------------------------------------------------------------------------------- */

/* A piece is late when it should have been found out to hang long ago, had its worker had the
 * processor to itself. It is given twice as long after each move. */
static bool is_late_piece(const struct queue *q, const struct job_entry *j, const struct hurt *h,
                          const struct lease *l)
{
    enum { MOVES_MAX = 10 };
    unsigned moves = h->moves < MOVES_MAX ? h->moves : MOVES_MAX;
    return q->now_ms - l->out_ms > (2 * hung_after_ms(q, j)) << moves;
}

/* A late piece is not doubled: it moves to the helper. */
static void move_piece(struct queue *q, struct worker *helper)
{
    for (size_t i = 0; i < q->worker_count; i++) {
        struct worker *w = q->workers[i];
        for (struct lease *l = w == helper ? NULL : w->first; l; l = l->next) {
            struct job_entry *j = job_find(q, l->job);
            struct hurt *h = l->count && job_is_live(j) ? hurt_find(j, l->first_tile) : NULL;
            if (!h || l->pending == 0 || !is_late_piece(q, j, h, l) ||
                !worker_can_work(helper, l->job))
                continue;
            action_tiles(q, ACTION_DROP, w, j->id, l->first_tile, 1);
            lease_end(q, l);
            h->hunter = helper->number;
            h->moves++;
            dispatch_soon(q, helper);
            dispatch_appeared(q);
            return;
        }
    }
}

/* --- who helps ------------------------------------------------------------------------------- */

static bool is_idle(const struct worker *w)
{
    return w->state == WORKER_UP && !w->paused && w->lease_count == 0 && w->hold_bytes > 0;
}

static struct candidate *candidates(const struct queue *q, size_t *count)
{
    size_t leases = 0;
    for (size_t i = 0; i < q->worker_count; i++)
        leases += q->workers[i]->lease_count;
    struct candidate *list = mem_alloc(leases, sizeof *list);
    *count = 0;
    for (size_t i = 0; i < q->worker_count; i++)
        add_leases(q, q->workers[i], list, count);
    if (*count > 1)
        qsort(list, *count, sizeof *list, by_age);
    return list;
}

void dispatch_stragglers(struct queue *q)
{
    struct candidate *list = NULL;
    size_t count = 0, steps = 0, n = q->worker_count, i = 0;
    bool hunted = q->jobs_in_pieces > 0;
    for (; i < n && steps < STEPS_MAX && !q->stalled; i++) {
        struct worker *w = q->workers[(q->straggle_at + i) % n];
        if (!is_idle(w))
            continue;
        if (!list)
            list = candidates(q, &count);
        if (help(q, w, list, count, &steps) || !hunted)
            continue;
        move_piece(q, w);
        steps += n;
    }
    q->straggle_at = i < n ? (q->straggle_at + i) % n : 0;
    free(list);
}
