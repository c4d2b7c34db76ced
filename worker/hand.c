/* See hand.h.
 *
 * A lease has an array with one entry for each piece. Leases lie in the order in which they came,
 * which is the order of their serial numbers; an id is the serial number and the index. `move` is
 * the one place where a piece's state changes, and it keeps all the counts. */
#include "hand_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { TILES_MAX = 1 << 20 }; /* of one lease; a lease is about a second of work */

struct hand *hand_create(uint64_t hold_bytes)
{
    struct hand *h = mem_alloc(1, sizeof *h);
    h->hold_bytes = hold_bytes;
    h->next_serial = 1;
    return h;
}

void hand_destroy(struct hand *h)
{
    if (!h)
        return;
    hand_clear(h);
    free(h->leases);
    free(h->queue);
    buf_fini(&h->whole);
    free(h);
}

uint64_t hand_id(const struct lease *l, uint32_t index)
{
    return (uint64_t)l->serial << 32 | index;
}

/* The lease of an id, or NULL when it has left. */
static struct lease *lease_of(const struct hand *h, uint64_t id)
{
    uint32_t serial = (uint32_t)(id >> 32);
    size_t low = 0, high = h->lease_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (h->leases[middle].serial < serial)
            low = middle + 1;
        else
            high = middle;
    }
    return low < h->lease_count && h->leases[low].serial == serial ? &h->leases[low] : NULL;
}

struct piece *hand_piece(const struct hand *h, uint64_t id, struct lease **lease)
{
    *lease = lease_of(h, id);
    return *lease ? &(*lease)->pieces[(uint32_t)id] : NULL;
}

static uint64_t bytes_of(const struct piece *p)
{
    if (p->state == PIECE_SOLVED)
        return planes_bytes(p->planes);
    return p->state == PIECE_SOLVING ? p->raw_bytes : 0;
}

static uint64_t kept_of(const struct lease *l, const struct piece *p)
{
    return l->terms.count > 0 && p->state == PIECE_SOLVED ? bytes_of(p) : 0;
}

/* planes: the answer of a piece that becomes SOLVED (taken), else NULL. */
static void move(struct hand *h, struct lease *l, struct piece *p, enum piece_state to,
                 struct planes *planes)
{
    assert((to == PIECE_SOLVED) == (planes != NULL) && p->state < to);
    h->bytes -= bytes_of(p);
    h->kept -= kept_of(l, p);
    h->counts[p->state]--;
    planes_destroy(p->planes);
    p->planes = planes;
    p->state = (uint8_t)to;
    if (to == PIECE_GONE)
        l->left--;
    else
        h->counts[to]++;
    h->bytes += bytes_of(p);
    h->kept += kept_of(l, p);
}

/* Forgets leases of which nothing is left; order is kept. */
static void sweep_out(struct hand *h)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->lease_count; i++) {
        if (h->leases[i].left > 0)
            h->leases[kept++] = h->leases[i];
        else
            free(h->leases[i].pieces);
    }
    h->lease_count = kept;
}

bool hand_add(struct hand *h, const struct hand_lease *lease)
{
    if (lease->tile_count == 0 || lease->tile_count > TILES_MAX ||
        lease->first_tile > UINT32_MAX - lease->tile_count || (lease->count == 0 && lease->first) ||
        (lease->count > 0 && lease->tile_count > 1))
        return false;
    for (size_t i = 0; i < h->lease_count; i++)
        if (token_equal(h->leases[i].terms.token, lease->token))
            return true;
    if (h->lease_count == h->lease_room) {
        h->lease_room = h->lease_room ? 2 * h->lease_room : 16;
        h->leases = mem_resize(h->leases, h->lease_room, sizeof *h->leases);
    }
    h->leases[h->lease_count++] = (struct lease){
        .terms = *lease,
        .serial = h->next_serial++,
        .left = lease->tile_count,
        .pieces = mem_alloc(lease->tile_count, sizeof(struct piece)),
    };
    h->counts[PIECE_WAITING] += lease->tile_count;
    return true;
}

static void lose(struct hand *h, struct lease *l)
{
    for (uint32_t i = 0; i < l->terms.tile_count; i++)
        if (l->pieces[i].state != PIECE_GONE)
            move(h, l, &l->pieces[i], PIECE_GONE, NULL);
}

static bool fits(const struct hand_lease *t, const struct job *shape)
{
    if (t->first_tile + t->tile_count > job_tile_count(shape))
        return false;
    if (t->count == 0)
        return true;
    size_t points = job_tile_points(shape, t->first_tile);
    return t->first < points && t->count <= points - t->first;
}

size_t hand_open(struct hand *h, uint32_t job, const struct job *shape)
{
    size_t misfits = 0;
    for (size_t i = 0; i < h->lease_count; i++) {
        struct lease *l = &h->leases[i];
        if (l->terms.job != job || l->open)
            continue;
        if (!fits(&l->terms, shape)) {
            lose(h, l);
            misfits++;
            continue;
        }
        l->open = true;
        for (uint32_t k = 0; k < l->terms.tile_count; k++) {
            struct piece *p = &l->pieces[k];
            p->points = l->terms.count;
            if (p->points == 0)
                p->points = (uint32_t)job_tile_points(shape, l->terms.first_tile + k);
            p->raw_bytes =
                (uint32_t)planes_raw_bytes((uint32_t)shape->output_count, shape->errors, p->points);
            if (p->raw_bytes > h->largest)
                h->largest = p->raw_bytes;
        }
    }
    sweep_out(h);
    return misfits;
}

static uint64_t hold_bytes(const struct hand *h)
{
    return h->hold_bytes > 2 * h->largest ? h->hold_bytes : 2 * h->largest;
}

static struct piece *next_waiting(struct lease *l)
{
    while (l->first_waiting < l->terms.tile_count &&
           l->pieces[l->first_waiting].state != PIECE_WAITING)
        l->first_waiting++;
    return l->first_waiting < l->terms.tile_count ? &l->pieces[l->first_waiting] : NULL;
}

bool hand_take(struct hand *h, struct hand_pick *pick)
{
    for (size_t i = 0; i < h->lease_count; i++) {
        struct lease *l = &h->leases[i];
        struct piece *p = l->open ? next_waiting(l) : NULL;
        if (!p)
            continue;
        if (h->bytes - h->kept + p->raw_bytes > hold_bytes(h))
            return false;
        *pick = (struct hand_pick){
            .id = hand_id(l, l->first_waiting),
            .job = l->terms.job,
            .tile = l->terms.first_tile + l->first_waiting,
            .first = l->terms.first,
            .count = p->points,
            .leaves = l->terms.leaves && l->terms.count == 0,
        };
        move(h, l, p, PIECE_SOLVING, NULL);
        return true;
    }
    return false;
}

bool hand_is_solving(const struct hand *h, uint64_t id)
{
    struct lease *l;
    const struct piece *p = hand_piece(h, id, &l);
    return p && p->state == PIECE_SOLVING;
}

bool hand_put(struct hand *h, uint64_t id, struct planes *planes, uint32_t cpu_us)
{
    struct lease *l;
    struct piece *p = hand_piece(h, id, &l);
    if (!p || p->state != PIECE_SOLVING) {
        planes_destroy(planes);
        return false;
    }
    l->points_done += p->points;
    l->cpu_us += cpu_us;
    move(h, l, p, PIECE_SOLVED, planes);
    hand_enqueue(h, p, id);
    return true;
}

/* --- leaving -------------------------------------------------------------------------------- */

static bool may_leave_on_ack(const struct lease *l, const struct piece *p)
{
    if (l->terms.count == 0)
        return true;
    return p->state == PIECE_SOLVED && planes_all_sent(p->planes, p->place);
}

static size_t leave(struct hand *h, const struct wire_tiles *run, bool durable)
{
    size_t left = 0;
    uint64_t run_end = (uint64_t)run->first_tile + run->tile_count;
    for (size_t i = 0; i < h->lease_count; i++) {
        struct lease *l = &h->leases[i];
        if (l->terms.job != run->job)
            continue;
        uint64_t start = l->terms.first_tile, end = start + l->terms.tile_count;
        uint64_t from = run->first_tile > start ? run->first_tile : start;
        for (uint64_t tile = from; tile < end && tile < run_end; tile++) {
            struct piece *p = &l->pieces[tile - start];
            if (p->state == PIECE_GONE || (durable && !may_leave_on_ack(l, p)))
                continue;
            move(h, l, p, PIECE_GONE, NULL);
            left++;
        }
    }
    sweep_out(h);
    return left;
}

size_t hand_ack(struct hand *h, const struct wire_tiles *tiles)
{
    return leave(h, tiles, true);
}

size_t hand_drop(struct hand *h, const struct wire_tiles *tiles)
{
    return leave(h, tiles, false);
}

size_t hand_forget_job(struct hand *h, uint32_t job)
{
    return leave(h, &(struct wire_tiles){job, 0, UINT32_MAX}, false);
}

void hand_clear(struct hand *h)
{
    for (size_t i = 0; i < h->lease_count; i++)
        lose(h, &h->leases[i]);
    sweep_out(h);
    h->queue_head = h->queue_tail = 0;
}

static bool is_unsolved(const struct piece *p)
{
    return p->state == PIECE_WAITING || p->state == PIECE_SOLVING;
}

struct wire_holding hand_run(const struct lease *l, uint32_t from, uint32_t to, bool solved)
{
    return (struct wire_holding){
        .job = l->terms.job,
        .first_tile = l->terms.first_tile + from,
        .tile_count = to - from,
        .first = l->terms.first,
        .count = l->terms.count,
        .token = l->terms.token,
        .solved = solved,
    };
}

bool hand_give_back(struct hand *h, struct wire_holding *run)
{
    for (size_t i = 0; i < h->lease_count; i++) {
        struct lease *l = &h->leases[i];
        uint32_t from = 0, to, count = l->terms.tile_count;
        while (from < count && !is_unsolved(&l->pieces[from]))
            from++;
        for (to = from; to < count && is_unsolved(&l->pieces[to]); to++)
            move(h, l, &l->pieces[to], PIECE_GONE, NULL);
        if (from == to)
            continue;
        *run = hand_run(l, from, to, false);
        sweep_out(h);
        return true;
    }
    return false;
}

struct hand_totals hand_totals(const struct hand *h)
{
    struct hand_totals t = {
        .leases = h->lease_count,
        .waiting = h->counts[PIECE_WAITING],
        .solving = h->counts[PIECE_SOLVING],
        .solved = h->counts[PIECE_SOLVED],
        .bytes = h->bytes,
        .hold_bytes = hold_bytes(h),
    };
    return t;
}

bool hand_uses(const struct hand *h, uint32_t job)
{
    for (size_t i = 0; i < h->lease_count; i++)
        if (h->leases[i].terms.job == job)
            return true;
    return false;
}

void hand_check(const struct hand *h)
{
    size_t counts[PIECE_STATES] = {0};
    uint64_t bytes = 0, kept = 0;
    for (size_t i = 0; i < h->lease_count; i++) {
        const struct lease *l = &h->leases[i];
        assert(i == 0 || h->leases[i - 1].serial < l->serial);
        uint32_t left = 0;
        for (uint32_t k = 0; k < l->terms.tile_count; k++) {
            const struct piece *p = &l->pieces[k];
            assert((p->state == PIECE_SOLVED) == (p->planes != NULL));
            assert(k >= l->first_waiting || p->state != PIECE_WAITING);
            left += p->state != PIECE_GONE;
            counts[p->state]++;
            bytes += bytes_of(p);
            kept += kept_of(l, p);
        }
        assert(left == l->left && left > 0);
    }
    for (int s = 0; s < PIECE_GONE; s++)
        assert(counts[s] == h->counts[s]);
    assert(bytes == h->bytes && kept == h->kept && h->queue_head <= h->queue_tail);
}
