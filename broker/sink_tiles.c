/* The tiles of a group (sink_group.h). They are sorted; neighbours of a band make a *run*. It is
 * taken a *strip* of rows at a time, all planes of which stay in the processor's cache while they
 * are decoded side by side, judged, checksummed and written: where a run is all of its band, in
 * one stretch of the file. */
#include "sink_group.h"

#include "buf.h"
#include "crc32c.h"
#include "unfold.h"

#include <stdlib.h>

#define STRIP_BYTES (1u << 19) /* or one row */
#define ROW_BYTES   (4u << 20) /* of all planes: what a run is not made longer than */

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
            e->fits = l && unfold(&l->expander, l->spec, r, NULL) == 0 &&
                      tile_fits(l->spec, r, NULL, NULL) == 0;
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
           (at->a1 - run->band.a0) * job_point_bytes(e->live->spec) <= ROW_BYTES;
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

/* Rows of a run: values, then errors in s->band, statuses as part of those of the run. */
struct strip {
    const struct run *run;
    struct entry *entries; /* of the run */
    const struct job *job;
    struct job_tile rows;
    uint8_t *status;
    unsigned char *planes;
    bool whole;     /* all rows of the run: planes follow one another in a tile's CRC, */
    uint32_t *crcs; /* else each has its own, goes on in the next strip, and is joined; [entry][] */
};

static void *plane_at(const struct strip *p, unsigned plane)
{
    size_t n = points(&p->rows), values = p->job->output_count * n * sizeof(double);
    if (plane == tile_status_plane(p->job))
        return p->status;
    return plane % 2 ? p->planes + values + plane / 2 * n * sizeof(float)
                     : p->planes + plane / 2 * n * sizeof(double);
}

static void decode(const struct strip *p, unsigned plane)
{
    for (size_t i = 0; i < p->run->count; i++)
        tile_decode(p->job, p->entries[i].result, plane, &p->rows, plane_at(p, plane));
}

/* What comes from workers becomes what may be stored; whether all of it is done and finite. */
static bool judge(const struct strip *p)
{
    unsigned status = tile_status_plane(p->job);
    size_t n = points(&p->rows);
    decode(p, status);
    bool usual = tile_judge_statuses(p->status, n);
    for (unsigned plane = 0; plane < status; plane += 2) {
        decode(p, plane);
        usual = tile_judge_values(plane_at(p, plane), p->status, n) && usual;
    }
    for (unsigned plane = 0; plane < status; plane++) {
        if (plane % 2 == 0 && !usual) {
            tile_clean_values(plane_at(p, plane), p->status, n);
        } else if (plane % 2 && p->job->errors) {
            decode(p, plane);
            tile_clean_errors(plane_at(p, plane), usual ? NULL : p->status, n);
        }
    }
    return usual;
}

/* That part of the entry's tile which is in the strip. */
static struct job_tile part_of(const struct strip *p, const struct entry *e)
{
    struct job_tile at = job_tile(p->job, e->result->tile);
    at.q0 = p->rows.q0;
    at.q1 = p->rows.q1;
    return at;
}

static void checksum(const struct strip *p, unsigned plane)
{
    unsigned planes = tile_status_plane(p->job) + 1;
    for (size_t i = 0; i < p->run->count; i++) {
        struct job_tile at = part_of(p, &p->entries[i]);
        uint32_t *crc = &p->crcs[i * planes + (p->whole ? 0 : plane)];
        *crc = tile_crc(*crc, &at, &p->rows, tile_element(p->job, plane), plane_at(p, plane));
    }
}

static int take_strip(const struct strip *p, struct err *err)
{
    unsigned status = tile_status_plane(p->job);
    bool usual = judge(p);
    for (size_t i = 0; i < p->run->count && !usual; i++) {
        struct job_tile at = part_of(p, &p->entries[i]);
        tile_count_statuses(&at, &p->rows, p->status, &p->entries[i].record);
    }
    for (unsigned plane = 0; plane <= status; plane++) {
        if (!tile_has_plane(p->job, plane))
            continue;
        checksum(p, plane);
        if (p->entries->fate == FATE_STORE && plane < status && /* statuses: after the commit */
            jobdir_write(&p->entries->live->dir, plane, &p->rows, plane_at(p, plane), err) != 0)
            return -1;
    }
    return 0;
}

/* A tile's CRC from those of its planes. */
static uint32_t joined_crc(const struct job *job, uint32_t tile, const uint32_t *crcs)
{
    uint32_t crc = crcs[0];
    size_t n = job_tile_points(job, tile);
    for (unsigned plane = 1; plane <= tile_status_plane(job); plane++)
        if (tile_has_plane(job, plane))
            crc = crc32c_join(crc, crcs[plane], n * tile_element(job, plane));
    return crc;
}

static int write_run(struct sink *s, struct group *g, struct run *run, struct err *err)
{
    struct entry *entries = &g->entries[run->first];
    const struct job *job = entries->live->spec;
    unsigned planes = tile_status_plane(job) + 1;
    size_t width = run->band.a1 - run->band.a0, row_bytes = width * job_point_bytes(job);
    size_t most = row_bytes < STRIP_BYTES ? STRIP_BYTES / row_bytes : 1;
    struct strip strip = {.run = run, .entries = entries, .job = job, .rows = run->band};
    strip.whole = run->band.q1 - run->band.q0 <= most;
    run->status = mem_alloc(points(&run->band), 1);
    strip.planes = sink_room(&s->band, &s->band_bytes, most * row_bytes);
    strip.crcs = mem_alloc(run->count * planes, sizeof *strip.crcs);
    for (struct entry *e = entries; e < entries + run->count; e++)
        e->record = (struct tile_record){.tile = e->result->tile, .seq = (uint32_t)g->seq};
    int rc = 0;
    for (size_t q = run->band.q0; q < run->band.q1 && rc == 0; q = strip.rows.q1) {
        strip.rows.q0 = q;
        strip.rows.q1 = run->band.q1 - q < most ? run->band.q1 : q + most;
        strip.status = run->status + (q - run->band.q0) * width;
        rc = take_strip(&strip, err);
    }
    for (size_t i = 0; i < run->count; i++)
        entries[i].record.crc =
            strip.whole ? strip.crcs[i * planes]
                        : joined_crc(job, entries[i].result->tile, strip.crcs + i * planes);
    free(strip.crcs);
    return rc;
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
