/* Who gets what. A worker asks by having room: it is given leases until it has about a second of
 * work or its hold_bytes in hand. Which job: the highest priority; within one priority one
 * that has not begun, then the job that has been served least. After any lease the job that got it
 * has been served more by that lease's work, so between two jobs that both have open tiles the
 * difference never exceeds one lease: shares are equal up to that, however long the jobs are. Which
 * tiles: what came back first (lowest index), then in band order. */
#include "queue_private.h"

#include <string.h>

static bool has_work(struct queue *q, struct job_entry *j, const struct worker *w, uint32_t *tile)
{
    struct hurt *h;
    if (!job_is_live(j) || !worker_can_work(w, j->id))
        return false;
    job_ask_frontier(q, j);
    bool open = tile_first_open(&j->tiles, j->frontier, tile);
    j->frontier_short = j->frontier_short || (!open && j->tiles.cursor < j->tiles.count);
    job_ask_frontier(q, j); /* the cursor may have moved */
    return open || piece_for(q, j, w, &h);
}

/* Among all that is offered: what one worker may have and another not. */
static struct job_entry *search_job(struct queue *q, const struct worker *w)
{
    struct job_entry *best = NULL;
    uint32_t tile;
    for (size_t i = 0; i < q->offers.count; i++) {
        struct job_entry *j = q->offers.items[i];
        if ((!best || offer_before(j, best)) && has_work(q, j, w, &tile))
            best = j;
    }
    return best;
}

/* Jobs that it may not work on, and pieces, depend on the worker; all else is there for everybody
 * or for nobody. The job whose turn it is may have to wait for its frontier to be durable, which
 * takes one group of the sink's. Were the others' tiles given out meanwhile, with many jobs that
 * group would have to do with the files of all of them, and the next one again. */
static struct job_entry *choose_job(struct queue *q, const struct worker *w)
{
    struct job_entry *j;
    uint32_t tile;
    if (w->banned_count > 0 || q->jobs_in_pieces > 0)
        return search_job(q, w);
    while ((j = offer_first(q)) && !has_work(q, j, w, &tile)) {
        if (job_awaits_frontier(j)) {
            q->turn_awaited = true;
            return NULL;
        }
        offer_withdraw(q, j);
    }
    return j;
}

/* Points that this worker does in ms: learnt, or the job's own rough figure. */
static double points_in(const struct worker *w, const struct job_entry *j, int64_t ms)
{
    if (w->rate > 0)
        return w->rate * (double)ms / 1000;
    return w->threads * (double)ms * 1e6 / j->point_cost_ns;
}

/* What a lease is to be worth of a worker's time: half a second, and in a crowd more, up to a
 * second, so that the broker's turn of messages for all of them takes a tenth of it at most. */
static int64_t lease_ms(const struct queue *q)
{
    enum { TURN_US = 200 };
    int64_t least = q->config.lease_ms, turn = (int64_t)q->workers_up * TURN_US / 1000;
    return turn < least ? least : turn < 2 * least ? turn : 2 * least;
}

/* It has a piece to solve: nothing else may be in its process. */
static bool worker_hunts(const struct worker *w)
{
    for (const struct lease *l = w->first; l; l = l->next)
        if (l->count && l->pending > 0)
            return true;
    return false;
}

/* What a worker has still to solve keeps it busy; what it has solved takes its memory until that is
 * durable: as leaves that is next to nothing, and is not counted while there is little before the
 * sink, which else were idle whenever it waits for the disk. But results of pieces stay in hand
 * until their whole tile is there, and do not count: else whoever holds them might never be given
 * the piece that is missing. */
struct in_hand {
    uint32_t leases; /* with something to solve */
    uint32_t tiles;  /* to solve */
    uint64_t points; /* to solve */
    uint64_t bytes;
};

static struct in_hand in_hand(const struct queue *q, const struct worker *w)
{
    enum { LITTLE = 24 }; /* results */
    struct in_hand hand = {.bytes = w->bytes_in_hand};
    uint64_t to_solve = 0;
    for (const struct lease *l = w->first; l; l = l->next) {
        hand.leases += l->pending > 0;
        hand.tiles += l->pending;
        hand.points += l->pending_points;
        to_solve += l->pending_points * l->point_bytes;
        if (l->count && l->pending == 0)
            hand.bytes -= (uint64_t)l->count * l->point_bytes;
    }
    if (q->results_at_sink < LITTLE && hand.bytes > to_solve + w->at_sink)
        hand.bytes = to_solve + w->at_sink;
    return hand;
}

/* What it has to solve of one job. */
static uint64_t points_of_job(const struct worker *w, const struct job_entry *j)
{
    uint64_t points = 0;
    for (const struct lease *l = w->first; l; l = l->next)
        points += l->job == j->id ? l->pending_points : 0;
    return points;
}

bool job_is_quick(const struct job_entry *j, uint32_t tile)
{
    const double quick_ns = 1e5;
    return j->cost_ns * tile_points(j, tile) < quick_ns;
}

/* Bytes of results that it may have to solve of this job. Tiles that are solved in less than what a
 * message costs lie closer together the fewer are under way; of others there is to be enough. */
static uint64_t may_solve(const struct queue *q, const struct job_entry *j, uint32_t tile)
{
    return job_is_quick(j, tile) ? window_to_solve(q, tile_bytes(j, tile)) : UINT64_MAX;
}

static bool is_full(const struct queue *q, const struct worker *w, const struct job_entry *j,
                    uint32_t tile)
{
    const struct in_hand hand = in_hand(q, w);
    if (w->hold_bytes == 0 || (hand.bytes > 0 && hand.bytes + tile_bytes(j, tile) > w->hold_bytes))
        return true;
    if (hand.leases == 0)
        return false;
    /* towards the end of a job: no more of it in hand than a fair share of what is left for all */
    uint64_t left = (uint64_t)j->tiles.in_state[TILE_OPEN] * tile_points(j, tile);
    if (hand.points * q->workers_up > left && points_of_job(w, j) * q->workers_up > left)
        return true;
    uint64_t solve = may_solve(q, j, tile);
    if (hand.points * j->point_bytes > solve / 2)
        return true;
    uint64_t points = tile_points(j, tile);
    double soon = points_in(w, j, q->config.lease_ms) + 0.5 * (double)points;
    if (w->rate > 0 && (double)(hand.points + points) <= soon)
        return false; /* not half a second of work in hand: more, however many leases */
    if (w->rate > 0 && lease_ms(q) > q->config.lease_ms && hand.tiles > w->threads)
        return true;                                /* a crowd: the next lease is a long one */
    uint32_t most = tile < j->tiles.cursor ? 3 : 2; /* what came back goes out at once */
    return hand.leases >= most || w->rate <= 0;
}

/* Tiles that this worker's threads solve in a time, as far as others have shown what a tile of this
 * job costs: in processor time, which knows nothing of how long messages wait. */
static uint32_t tiles_in(const struct worker *w, const struct job_entry *j, uint32_t tile,
                         double ns)
{
    double n = w->threads * ns / (j->cost_ns * tile_points(j, tile) + 1);
    return n <= 1 ? 1 : n >= LEASE_TILES_MAX ? LEASE_TILES_MAX : (uint32_t)n;
}

/* How many tiles from `first` on make a good lease for this worker. */
static uint32_t run_length(const struct queue *q, const struct worker *w, const struct job_entry *j,
                           uint32_t first)
{
    const struct tile_table *t = &j->tiles;
    const double worth_ns = 2e5, turn_ns = 5e4;
    double aim = points_in(w, j, lease_ms(q)) + 0.5 * (double)tile_points(j, first);
    uint32_t most = LEASE_TILES_MAX, least = tiles_in(w, j, first, worth_ns);
    /* A worker that waits longer for its leases than it takes to solve them looks slow. Were it
     * given less for that, there would be more messages, and more to wait for: the more workers
     * there are, the longer is what each is given, so that a turn of all takes no longer. */
    uint32_t turn = tiles_in(w, j, first, turn_ns * (double)q->workers_up);
    if (w->rate <= 0) /* unknown: a tile a thread */
        most = w->threads > turn ? w->threads : turn;
    if (most > LEASE_TILES_MAX)
        most = LEASE_TILES_MAX;
    /* towards the end all workers are to finish together */
    uint32_t open = t->in_state[TILE_OPEN];
    uint32_t share = open / (uint32_t)(2 * (q->workers_up ? q->workers_up : 1));
    if (most > share)
        most = share;
    if (most < least)
        most = least;
    least = least > turn ? least : turn;
    if (aim < (double)least * tile_points(j, first))
        aim = (double)least * tile_points(j, first);
    const struct in_hand hand = in_hand(q, w);
    uint64_t points = 0, bytes = 0, hold = w->hold_bytes - hand.bytes;
    uint64_t solve = may_solve(q, j, first) - hand.points * j->point_bytes;
    hold = hold < solve ? hold : solve;
    uint32_t n = 0;
    while (n < most && first + n < j->frontier && tile_get(t, first + n) == TILE_OPEN) {
        points += tile_points(j, first + n);
        bytes += tile_bytes(j, first + n);
        if (n > 0 && ((double)points > aim || bytes > q->config.lease_bytes || bytes > hold))
            break;
        n++;
    }
    return n;
}

static void put_out(struct queue *q, struct worker *w, struct job_entry *j, struct lease *l)
{
    ack_flush(q, w); /* before it: a tile may be leased to the same worker again, to verify */
    struct queue_action *a = action_add(q, ACTION_LEASE);
    a->worker = w->number;
    a->job = j->id;
    a->tile = l->first_tile;
    a->tile_count = l->tile_count;
    a->first = l->first;
    a->count = l->count;
    a->token = l->token;
    a->flags = l->flags;
    uint64_t granted = w->granted; /* while something is with the sink an ACK will renew it */
    if (w->at_sink == 0 && !window_covers(w) && window_renew(q, w) > granted)
        action_pong(q, w, w->granted);
    if (job_can(j, JOB_EV_LEASE) && !(l->flags & WIRE_LEASE_VERIFY))
        job_event(q, j, JOB_EV_LEASE, "");
}

static struct token new_token(struct queue *q)
{
    struct token t;
    t.hi = q->config.random(q->config.random_arg);
    t.lo = q->config.random(q->config.random_arg);
    return t;
}

/* The time that a worker has had nothing to solve says nothing of how fast it is, and all the rest
 * does, in pieces however short. */
static void begin_busy(struct queue *q, struct worker *w)
{
    if (w->dry_ms > 0) {
        w->rate_ms += q->now_ms - w->dry_ms;
    } else if (!worker_has_pending(w)) {
        worker_count_from(w, q->now_ms);
    }
    w->dry_ms = 0;
}

/* A lease of points that lease_add has left alone because their tile is not to be LEASED. */
static struct lease *lease_apart(struct queue *q, struct worker *w, struct job_entry *j,
                                 uint32_t tile, uint64_t points)
{
    begin_busy(q, w);
    struct lease *l = lease_add(q, new_token(q), w->number, j, tile, 1, q->now_ms);
    uint64_t bytes = points * j->point_bytes;
    l->tile[0] = LEASE_PENDING;
    l->pending = l->unsettled = 1;
    l->points = l->pending_points = points;
    w->points_in_hand += points;
    w->bytes_in_hand += bytes;
    w->tiles_in_hand++;
    if (w->largest_bytes < bytes)
        w->largest_bytes = bytes;
    return l;
}

static void lease_piece(struct queue *q, struct worker *w, struct job_entry *j, struct hurt *h,
                        struct piece *p)
{
    struct lease *l = lease_apart(q, w, j, h->tile, p->count);
    l->first = p->first;
    l->count = p->count;
    piece_event(q, p, PIECE_LEASE);
    put_out(q, w, j, l);
}

void lease_verify(struct queue *q, struct worker *w, struct job_entry *j, uint32_t tile)
{
    struct lease *l = lease_apart(q, w, j, tile, tile_points(j, tile));
    l->flags = WIRE_LEASE_VERIFY;
    put_out(q, w, j, l);
}

void lease_straggler(struct queue *q, struct worker *w, struct job_entry *j, uint32_t tile)
{
    begin_busy(q, w);
    struct lease *l = lease_add(q, new_token(q), w->number, j, tile, 1, q->now_ms);
    l->flags = WIRE_LEASE_STRAGGLER;
    put_out(q, w, j, l);
}

static void lease_run(struct queue *q, struct worker *w, struct job_entry *j, uint32_t first)
{
    begin_busy(q, w);
    uint32_t n = run_length(q, w, j, first);
    struct lease *l = lease_add(q, new_token(q), w->number, j, first, n, q->now_ms);
    l->charge_ns = j->cost_ns;
    for (uint32_t i = 0; i < n; i++)
        j->served_ns += tile_points(j, first + i) * l->charge_ns;
    offer_moved(q, j);
    put_out(q, w, j, l);
}

/* Pieces come first; the one who hunts gets one at a time and nothing beside it. What has been
 * solved stays in hand until the whole tile is there, and does not count: else a worker alone could
 * never have the last piece. */
static bool give_piece(struct queue *q, struct worker *w, struct job_entry *j, struct hurt *h,
                       struct piece *p)
{
    h->hunter = w->number;
    if (worker_has_pending(w) || w->hold_bytes == 0)
        return false;
    lease_piece(q, w, j, h, p);
    return true;
}

static bool give_run(struct queue *q, struct worker *w, struct job_entry *j)
{
    uint32_t tile;
    if (worker_hunts(w) || !tile_first_open(&j->tiles, j->frontier, &tile) ||
        is_full(q, w, j, tile))
        return false;
    lease_run(q, w, j, tile);
    job_ask_frontier(q, j);
    return true;
}

/* One at a time, beside what else it has. */
static bool give_recheck(struct queue *q, struct worker *w)
{
    if (q->rechecks_open == 0 || w->hold_bytes == 0 || in_hand(q, w).leases >= 2)
        return false;
    for (const struct lease *l = w->first; l; l = l->next)
        if (l->flags & WIRE_LEASE_VERIFY || l->count)
            return false;
    return recheck_give(q, w);
}

enum served dispatch_serve(struct queue *q, struct worker *w)
{
    struct hurt *h;
    if (w->state != WORKER_UP || w->paused)
        return SERVED_ENOUGH;
    if (give_recheck(q, w))
        return SERVED_MORE;
    struct job_entry *j = choose_job(q, w);
    if (!j)
        return w->hold_bytes == 0 ? SERVED_ENOUGH : SERVED_NOTHING;
    struct piece *p = piece_for(q, j, w, &h);
    return (p ? give_piece(q, w, j, h, p) : give_run(q, w, j)) ? SERVED_MORE : SERVED_ENOUGH;
}
