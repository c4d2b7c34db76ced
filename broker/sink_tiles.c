/* The tiles of a group (sink_group.h). They are sorted; neighbours of a band are decoded side by
 * side and written together, so that rows in the file are written in long stretches, whole bands in
 * one. */
#include "sink_group.h"

#include "buf.h"

#include <stdlib.h>

#define BAND_POINTS (2u << 20) /* of tiles written together */

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

void group_open(struct group *g, struct sink *s, struct order *orders)
{
    *g = (struct group){.orders = orders, .seq = s->seq + 1};
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
            e->fits = l && tile_fits(l->spec, r, NULL, NULL) == 0;
        }
    }
    qsort(g->entries, g->entry_count, sizeof *g->entries, by_tile);
}

static bool same_tile(const struct entry *a, const struct entry *b)
{
    return a->result->job == b->result->job && a->result->tile == b->result->tile;
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

static size_t points(const struct job_tile *t)
{
    return (t->q1 - t->q0) * (t->a1 - t->a0);
}

/* Whether the tile of e lies to the right of the run's band, and there is room for it. */
static bool continues(const struct group *g, const struct run *run, const struct entry *e,
                      const struct job_tile *at)
{
    const struct entry *last = &g->entries[run->first + run->count - 1];
    return e->fate == FATE_STORE && last->fate == FATE_STORE && e->live == last->live &&
           at->q0 == run->band.q0 && at->a0 == run->band.a1 &&
           points(&run->band) + points(at) <= BAND_POINTS;
}

static void free_runs(struct group *g)
{
    for (size_t i = 0; i < g->run_count; i++)
        free(g->runs[i].status);
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
}

/* --- writing a run --------------------------------------------------------------------------- */

void *sink_room(unsigned char **memory, size_t *have, size_t bytes)
{
    if (bytes > *have) {
        free(*memory);
        *memory = mem_alloc(bytes, 1);
        *have = bytes;
    }
    return *memory;
}

static void decode(const struct group *g, const struct run *run, unsigned plane, void *out)
{
    for (size_t i = run->first; i < run->first + run->count; i++)
        tile_decode(g->entries[i].live->spec, g->entries[i].result, plane, &run->band, out);
}

/* A plane in its final form: into the CRC of each tile and, when the run is to be stored, to disk.
 */
static int take_plane(struct group *g, const struct run *run, unsigned plane, const void *rows,
                      struct err *err)
{
    struct entry *first = &g->entries[run->first];
    const struct job *spec = first->live->spec;
    for (struct entry *e = first; e < first + run->count; e++) {
        struct job_tile at = job_tile(spec, e->result->tile);
        e->record.crc = tile_crc(e->record.crc, &at, &run->band, tile_element(spec, plane), rows);
    }
    if (first->fate != FATE_STORE || plane == tile_status_plane(spec))
        return 0; /* statuses are written after the commit */
    return jobdir_write(&first->live->dir, plane, &run->band, rows, err);
}

static void judge(struct sink *s, const struct group *g, const struct run *run)
{
    const struct job *spec = g->entries[run->first].live->spec;
    size_t n = points(&run->band);
    decode(g, run, tile_status_plane(spec), run->status);
    tile_judge_statuses(run->status, n);
    for (unsigned plane = 0; plane < tile_status_plane(spec); plane += 2) {
        decode(g, run, plane, s->band);
        tile_judge_values((double *)(void *)s->band, run->status, n);
    }
}

static int write_run(struct sink *s, struct group *g, struct run *run, struct err *err)
{
    const struct job *spec = g->entries[run->first].live->spec;
    unsigned status_plane = tile_status_plane(spec);
    size_t n = points(&run->band);
    run->status = mem_alloc(n, 1);
    void *band = sink_room(&s->band, &s->band_bytes, n * sizeof(double));
    judge(s, g, run);
    for (struct entry *e = g->entries + run->first; e < g->entries + run->first + run->count; e++) {
        struct job_tile at = job_tile(spec, e->result->tile);
        e->record = (struct tile_record){.tile = e->result->tile, .seq = (uint32_t)g->seq};
        tile_count_statuses(&at, &run->band, run->status, &e->record);
    }
    for (unsigned plane = 0; plane < status_plane; plane++) {
        if (!tile_has_plane(spec, plane))
            continue;
        if (status_plane > 2 || plane % 2) /* a single field is still there from judging it */
            decode(g, run, plane, band);
        if (plane % 2)
            tile_clean_errors(band, run->status, n);
        else
            tile_clean_values(band, run->status, n);
        if (take_plane(g, run, plane, band, err) != 0)
            return -1;
    }
    return take_plane(g, run, status_plane, run->status, err);
}

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
    plan_runs(g);
    for (size_t i = 0; i < g->run_count; i++)
        if (write_run(s, g, &g->runs[i], err) != 0)
            return -1;
    if (compare_all(s, g, err) != 0)
        return -1;
    return write_records(s, g, err);
}
