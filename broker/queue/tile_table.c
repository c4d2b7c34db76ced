/* The tiles of one job: a byte each, a cursor over those that were never leased, and a heap of
 * those that came back.
 *
 *                      LEASE            ARRIVE             DURABLE
 *            OPEN ------------> LEASED ---------> ARRIVED ---------> DONE
 *             ^ ^                 | ^                ^                 |
 *     RELEASE | +-----RELEASE-----+ | LEASE, ARRIVE  | ARRIVE
 *             |                     |                |
 *            HELD ------------------+               CUT  <--KILL-- OPEN, LEASED
 *
 * REJECT: from ARRIVED back to OPEN. ROT: from DONE back to OPEN, when its bytes on disk are
 * others. HELD, OPEN and DONE are where a restart finds a tile (DONE by DURABLE from OPEN). A late
 * result may turn OPEN into ARRIVED; the holder of a HELD tile says HELLO first. DURABLE from OPEN
 * and LEASED: a second result may be stored when the first one was rejected. */
#include "queue_private.h"

#include <stdlib.h>
#include <string.h>

enum { NO = 0xff };

/* clang-format off */
static const uint8_t next_state[TILE_CUT + 1][TILE_EVENTS] = {
    /*              LEASE        RELEASE    ARRIVE        DURABLE    HOLD       REJECT     KILL      ROT */
    [TILE_OPEN]    = {TILE_LEASED, NO,        TILE_ARRIVED, TILE_DONE, TILE_HELD, NO,        TILE_CUT, NO},
    [TILE_HELD]    = {TILE_LEASED, TILE_OPEN, NO,           NO,        NO,        NO,        NO,       NO},
    [TILE_LEASED]  = {TILE_LEASED, TILE_OPEN, TILE_ARRIVED, TILE_DONE, NO,        NO,        TILE_CUT, NO},
    [TILE_ARRIVED] = {NO,          NO,        NO,           TILE_DONE, NO,        TILE_OPEN, NO,       NO},
    [TILE_DONE]    = {NO,          NO,        NO,           NO,        NO,        NO,        NO,       TILE_OPEN},
    [TILE_CUT]     = {NO,          NO,        TILE_ARRIVED, NO,        NO,        NO,        NO,       NO},
};
/* clang-format on */

static bool allows(unsigned state, unsigned event)
{
    return next_state[state][event] != NO;
}

static const char *const state_names[] = {"open", "held", "leased", "arrived", "done", "cut"};
static const char *const event_names[] = {"lease", "release", "arrive", "durable",
                                          "hold",  "reject",  "kill",   "rot"};
const struct queue_table_view tile_view = {"tile",      TILE_CUT + 1, TILE_EVENTS,
                                           state_names, event_names,  allows};

void tile_table_init(struct tile_table *t, const struct queue_config *config, uint32_t q_blocks,
                     uint32_t a_blocks)
{
    *t = (struct tile_table){.config = config, .count = q_blocks * a_blocks};
    t->state = mem_alloc(t->count, 1);
    t->band_done = mem_alloc(q_blocks, sizeof *t->band_done);
    t->in_state[TILE_OPEN] = t->count;
}

void tile_table_fini(struct tile_table *t)
{
    free(t->state);
    free(t->heap);
    free(t->band_done);
    free(t->shared);
    free(t->author);
}

enum tile_state tile_get(const struct tile_table *t, uint32_t tile)
{
    return (enum tile_state)t->state[tile];
}

bool tile_can(const struct tile_table *t, uint32_t tile, enum tile_event event)
{
    return next_state[t->state[tile]][event] != NO;
}

uint32_t tile_author(const struct tile_table *t, uint32_t tile)
{
    return t->author ? t->author[tile] : 0;
}

void tile_set_author(struct tile_table *t, uint32_t tile, uint32_t machine)
{
    if (!t->author)
        t->author = mem_alloc(t->count, sizeof *t->author);
    t->author[tile] = (uint16_t)machine;
}

bool tile_is_shared(const struct tile_table *t, uint32_t tile)
{
    return t->shared && (t->shared[tile / 8] >> tile % 8 & 1);
}

void tile_share(struct tile_table *t, uint32_t tile)
{
    if (!t->shared)
        t->shared = mem_alloc(t->count / 8 + 1, 1);
    t->shared[tile / 8] |= (uint8_t)(1 << tile % 8);
}

static void unshare(struct tile_table *t, uint32_t tile)
{
    if (t->shared)
        t->shared[tile / 8] &= (uint8_t) ~(1 << tile % 8);
}

static void heap_push(struct tile_table *t, uint32_t tile)
{
    if (t->heap_count == t->heap_cap) {
        t->heap_cap = t->heap_cap ? 2 * t->heap_cap : 64;
        t->heap = mem_resize(t->heap, t->heap_cap, sizeof *t->heap);
    }
    uint32_t at = t->heap_count++;
    for (; at > 0 && t->heap[(at - 1) / 2] > tile; at = (at - 1) / 2)
        t->heap[at] = t->heap[(at - 1) / 2];
    t->heap[at] = tile;
}

static void heap_pop(struct tile_table *t)
{
    uint32_t moved = t->heap[--t->heap_count], at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= t->heap_count)
            break;
        if (child + 1 < t->heap_count && t->heap[child + 1] < t->heap[child])
            child++;
        if (t->heap[child] >= moved)
            break;
        t->heap[at] = t->heap[child];
        at = child;
    }
    t->heap[at] = moved;
}

static void band_add(struct tile_table *t, uint32_t a_blocks, uint32_t tile)
{
    t->band_done[tile / a_blocks]++;
    while (t->bands_done < t->count / a_blocks && t->band_done[t->bands_done] == a_blocks)
        t->bands_done++;
}

static void band_take(struct tile_table *t, uint32_t a_blocks, uint32_t tile)
{
    uint32_t band = tile / a_blocks;
    t->band_done[band]--;
    t->bands_done = band < t->bands_done ? band : t->bands_done;
}

void tile_event(struct tile_table *t, uint32_t a_blocks, uint32_t tile, enum tile_event event)
{
    assert(tile < t->count);
    uint8_t from = t->state[tile], to = next_state[from][event];
    assert(to != NO);
    seen(t->config, QUEUE_TILES, from, event);
    if (from == to)
        return;
    t->state[tile] = to;
    t->in_state[from]--;
    t->in_state[to]++;
    if (to == TILE_OPEN)
        unshare(t, tile);
    if (to == TILE_OPEN && tile < t->cursor)
        heap_push(t, tile);
    if (to == TILE_DONE)
        band_add(t, a_blocks, tile);
    if (from == TILE_DONE)
        band_take(t, a_blocks, tile);
}

/* Entries of the heap may be stale (leased or arrived meanwhile): they are dropped when they
 * surface. The cursor likewise passes over what is not open. */
bool tile_first_open(struct tile_table *t, uint32_t limit, uint32_t *tile)
{
    while (t->heap_count > 0 && t->state[t->heap[0]] != TILE_OPEN)
        heap_pop(t);
    while (t->cursor < t->count && t->state[t->cursor] != TILE_OPEN)
        t->cursor++;
    *tile = t->heap_count > 0 ? t->heap[0] : t->cursor;
    return *tile < limit && *tile < t->count;
}
