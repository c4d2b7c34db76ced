/* The tiles of a group (sink_group.h). They are sorted; neighbours of a band make a *run*, which is
 * written as one (sink_run.c). */
#include "sink_group.h"

#include "buf.h"
#include "unfold.h"

#include <stdlib.h>

#define ROW_BYTES (4u << 20) /* of all planes: what a run is not made longer than */

/* --- planning -------------------------------------------------------------------------------- */

static int by_tile(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    if (a->result->job != b->result->job)
        return a->result->job < b->result->job ? -1 : 1;
    if (a->result->tile != b->result->tile)
        return a->result->tile < b->result->tile ? -1 : 1;
    return a->arrival < b->arrival ? -1 : 1;
}

/* Leaves are believed until they are expanded. */
static bool fits(const struct live *l, const struct sink_result *r)
{
    if (l && unfold_is_due(l->spec, r))
        return unfold_takes(l->spec) && r->tile < job_tile_count(l->spec);
    return l && tile_fits(l->spec, r, NULL, NULL) == 0;
}

struct group *group_open(struct sink *s, struct order *orders)
{
    struct group *g = mem_alloc(1, sizeof *g);
    g->orders = orders;
    size_t n = 0;
    for (const struct order *o = g->orders; o; o = o->next)
        n += o->result_count;
    g->entries = mem_alloc(n, sizeof *g->entries);
    for (const struct order *o = g->orders; o; o = o->next) {
        struct live *l = o->results ? sink_live(s, o->job) : NULL;
        for (struct sink_result *r = o->results; r; r = r->next) {
            struct entry *e = &g->entries[g->entry_count];
            e->result = r;
            e->live = l;
            e->arrival = g->entry_count++;
            e->fits = fits(l, r);
        }
    }
    qsort(g->entries, g->entry_count, sizeof *g->entries, by_tile);
    return g;
}

static bool same_tile(const struct entry *a, const struct entry *b)
{
    return a->result->job == b->result->job && a->result->tile == b->result->tile;
}

bool group_has(const struct group *g, uint32_t job, uint32_t tile)
{
    size_t from = 0, to = g->entry_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const struct sink_result *r = g->entries[middle].result;
        if (r->job == job && r->tile == tile)
            return true;
        if (r->job < job || (r->job == job && r->tile < tile))
            from = middle + 1;
        else
            to = middle;
    }
    return false;
}

/* The first result of an open tile is stored, whatever was asked for; all others are compared. A
 * job that is over takes no more tiles, but knows those it has. */
static void decide_fates(struct group *g)
{
    const struct entry *stored = NULL;
    for (size_t i = 0; i < g->entry_count; i++) {
        struct entry *e = &g->entries[i];
        if (!e->fits || e->live->dir.lost || e->live->recut) {
            e->fate = FATE_DROP;
        } else if (e->live->over || e->live->durable[e->result->tile] ||
                   (stored && same_tile(stored, e))) {
            e->fate = FATE_COMPARE;
        } else {
            e->fate = FATE_STORE;
            stored = e;
        }
    }
}

/* Whether the tile of e lies to the right of the run's band, and there is room for it. */
static bool continues(const struct group *g, const struct run *run, const struct entry *e,
                      const struct job_tile *at)
{
    const struct entry *last = &g->entries[run->first + run->count - 1];
    return e->fate == FATE_STORE && last->fate == FATE_STORE && e->live == last->live &&
           at->q0 == run->band.q0 && at->a0 == run->band.a1 &&
           (at->a1 - run->band.a0) * job_point_bytes(e->live->spec) <= ROW_BYTES;
}

static void free_runs(struct group *g)
{
    for (size_t i = 0; i < g->run_count; i++)
        free(g->runs[i].memory);
    g->run_count = 0;
}

static void plan_runs(struct group *g)
{
    free_runs(g);
    decide_fates(g);
    for (size_t i = 0; i < g->entry_count; i++) {
        struct entry *e = &g->entries[i];
        if (e->fate == FATE_DROP)
            continue;
        struct job_tile at = job_tile(e->live->spec, e->result->tile);
        struct run *run = g->run_count ? &g->runs[g->run_count - 1] : NULL;
        if (run && run->first + run->count == i && continues(g, run, e, &at)) {
            run->band.a1 = at.a1;
            run->count++;
        } else {
            if (g->run_count == g->run_room) {
                g->run_room = g->run_room ? 2 * g->run_room : 64;
                g->runs = mem_resize(g->runs, g->run_room, sizeof *g->runs);
            }
            g->runs[g->run_count++] = (struct run){.first = i, .count = 1, .band = at};
        }
    }
}

void group_close(struct group *g)
{
    free_runs(g);
    free(g->entries);
    free(g->runs);
    while (g->orders) {
        struct order *o = g->orders;
        g->orders = o->next;
        sink_order_free(o);
    }
    free(g);
}

/* --- writing them ---------------------------------------------------------------------------- */

static int write_records(struct sink *s, struct group *g, struct err *err)
{
    for (size_t i = 0, n; i < g->entry_count; i += n) {
        const struct entry *e = &g->entries[i];
        n = 1;
        if (e->fate != FATE_STORE)
            continue;
        while (i + n < g->entry_count && e[n].fate == FATE_STORE && e[n].live == e->live &&
               e[n].record.tile == e->record.tile + n)
            n++;
        unsigned char *out = sink_room(&s->scratch, &s->scratch_bytes, n * TILE_RECORD_BYTES);
        for (size_t k = 0; k < n; k++)
            tile_record_encode(&e[k].record, out + k * TILE_RECORD_BYTES);
        if (jobdir_records(&e->live->dir, e->record.tile, (uint32_t)n, out, err) != 0)
            return -1;
        e->live->touched = true;
    }
    return 0;
}

/* 1: stored with this CRC; 0: with another; -1 error; 2: not stored (only of a job that is over).
 */
static int compare(struct sink *s, const struct group *g, const struct run *run, struct err *err)
{
    const struct entry *e = &g->entries[run->first];
    for (const struct entry *o = e; o > g->entries && same_tile(o - 1, e); o--)
        if (o[-1].fate == FATE_STORE)
            return o[-1].record.crc == e->record.crc;
    struct store_tile row;
    int found = store_tile(s->store, e->live->id, e->result->tile, &row, NULL, err);
    return found <= 0 ? (found < 0 ? -1 : 2) : row.crc == e->record.crc;
}

static int compare_all(struct sink *s, struct group *g, struct err *err)
{
    for (size_t i = 0; i < g->run_count; i++) {
        struct entry *e = &g->entries[g->runs[i].first];
        if (e->fate != FATE_COMPARE)
            continue;
        int rc = compare(s, g, &g->runs[i], err);
        if (rc < 0)
            return -1;
        e->same = rc == 1;
        if (rc == 2)
            e->fate = FATE_DROP;
    }
    return 0;
}

int group_write_tiles(struct sink *s, struct group *g, struct err *err)
{
    enum run_end end;
    do {
        plan_runs(g);
        end = RUN_WRITTEN;
        for (size_t i = 0; i < g->run_count && end == RUN_WRITTEN; i++)
            end = run_write(s, g, &g->runs[i], err);
    } while (end == RUN_UNFIT);
    if (end == RUN_FAILED || compare_all(s, g, err) != 0)
        return -1;
    return write_records(s, g, err);
}
