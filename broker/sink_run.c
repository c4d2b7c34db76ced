/* Writing a run (sink_group.h): neighbouring tiles of a band. It is taken a *strip* of rows at a
 * time, all planes of which stay in the processor's cache while they are decoded side by side,
 * judged and checksummed. A long run whose rows are whole is one stretch in the file of each plane:
 * its strips are made in lots of the writer (writer.h), which has them on their way to the disk
 * while the next ones are made. If its tiles came as leaves it is one large lot, into which they
 * are expanded where they belong. All others are written strip by strip, row by row if need be.
 *
 * A tile's CRC is that which its parts came with, so that it speaks of what the worker has sent,
 * whatever happens in between; where something has to be put right, or came as leaves, it is
 * reckoned from the strips. */
#include "sink_group.h"

#include "buf.h"
#include "crc32c.h"
#include "unfold.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STRIP_BYTES (1u << 19) /* or one row */

enum { PLANES_MOST = 2 * JOB_OUTPUTS_MAX + 1, PAGE = WRITER_PAGE };

/* Rows of a run that are being made. */
struct strip {
    const struct run *run;
    struct entry *entries; /* of the run */
    const struct job *job;
    unsigned status; /* number of that plane */
    struct job_tile rows;
    unsigned char *plane[PLANES_MOST]; /* where they go */
    bool expanded;                     /* tiles are there already, having come as leaves */
    bool changed;                      /* something was put right in these or those before */
    bool sums;      /* CRCs are reckoned: where `whole`, all rows of the run being here, */
    bool whole;     /* planes follow one another in a tile's CRC, */
    uint32_t *crcs; /* else each has its own, goes on in the next strip, and is joined; [entry][] */
};

static size_t points(const struct job_tile *t)
{
    return (t->q1 - t->q0) * (t->a1 - t->a0);
}

/* --- a strip --------------------------------------------------------------------------------- */

/* Whether it is known to be as usual. */
static bool decode(const struct strip *p, unsigned plane)
{
    bool usual = !p->expanded;
    for (size_t i = 0; i < p->run->count && !p->expanded; i++)
        usual =
            tile_decode(p->job, p->entries[i].result, plane, &p->rows, p->plane[plane]) && usual;
    return usual;
}

/* What comes from workers becomes what may be stored; whether all of it is done and finite. */
static bool judge(struct strip *p)
{
    uint8_t *status = p->plane[p->status];
    size_t n = points(&p->rows);
    bool usual = decode(p, p->status) || tile_judge_statuses(status, n, &p->changed);
    for (unsigned plane = 0; plane < p->status; plane += 2) {
        double *values = (double *)(void *)p->plane[plane];
        usual = (decode(p, plane) || tile_judge_values(values, status, n, &p->changed)) && usual;
    }
    for (unsigned plane = 0; plane < p->status; plane++) {
        void *at = p->plane[plane];
        if (plane % 2 == 0 && !usual)
            tile_clean_values(at, status, n, &p->changed);
        else if (plane % 2 && p->job->errors && (!decode(p, plane) || !usual))
            tile_clean_errors(at, usual ? NULL : status, n, &p->changed);
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
    for (size_t i = 0; i < p->run->count; i++) {
        struct job_tile at = part_of(p, &p->entries[i]);
        uint32_t *crc = &p->crcs[i * (p->status + 1) + (p->whole ? 0 : plane)];
        *crc = tile_crc(*crc, &at, &p->rows, tile_element(p->job, plane), p->plane[plane]);
    }
}

static void make_strip(struct strip *p)
{
    bool usual = judge(p);
    for (size_t i = 0; i < p->run->count && !usual; i++) {
        struct job_tile at = part_of(p, &p->entries[i]);
        tile_count_statuses(&at, &p->rows, p->plane[p->status], &p->entries[i].record);
    }
    for (unsigned plane = 0; p->sums && plane <= p->status; plane++)
        if (tile_has_plane(p->job, plane))
            checksum(p, plane);
}

/* --- strip by strip -------------------------------------------------------------------------- */

static size_t row_bytes(const struct run *run, const struct job *job)
{
    return (run->band.a1 - run->band.a0) * job_point_bytes(job);
}

/* Rows from q on, so many at most, as far as the run goes; their statuses are part of the run's. */
static void set_rows(struct strip *p, size_t q, size_t most)
{
    const struct job_tile *band = &p->run->band;
    p->rows.q0 = q;
    p->rows.q1 = band->q1 - q < most ? band->q1 : q + most;
    p->plane[p->status] = p->run->status + (q - band->q0) * (band->a1 - band->a0);
}

/* Values, then errors. */
static void lay_out(struct strip *p, unsigned char *room)
{
    for (unsigned odd = 0; odd < 2; odd++) {
        for (unsigned plane = odd; plane < p->status; plane += 2) {
            p->plane[plane] = room;
            room +=
                tile_has_plane(p->job, plane) ? points(&p->rows) * tile_element(p->job, plane) : 0;
        }
    }
}

static enum run_end write_strips(struct sink *s, struct strip *p, size_t most, struct err *err)
{
    const struct job_tile *band = &p->run->band;
    unsigned char *room = sink_room(&s->band, &s->band_bytes, most * row_bytes(p->run, p->job));
    for (size_t q = band->q0; q < band->q1; q = p->rows.q1) {
        set_rows(p, q, most);
        lay_out(p, room);
        make_strip(p);
        for (unsigned plane = 0; plane < p->status; plane++) /* statuses: after the commit */
            if (p->entries->fate == FATE_STORE && tile_has_plane(p->job, plane) &&
                jobdir_write(&p->entries->live->dir, plane, &p->rows, p->plane[plane], err) != 0)
                return RUN_FAILED;
    }
    return RUN_WRITTEN;
}

/* --- lot by lot ------------------------------------------------------------------------------ */

/* Rows of a run in a lot. Each plane has a region of whole pages there, as in the file; what ends
 * within a page is written with the next lot. */
struct lot {
    unsigned char *memory;
    size_t q0, q1;
    struct writer_stretch region[PLANES_MOST]; /* from the page's beginning on which row q0 is */
    unsigned char *row[PLANES_MOST];           /* where q0 is */
    unsigned char (*carried)[PAGE];            /* by plane: what is left of the lot before */
};

/* A lot's rows; 0: too few. Each plane has a page at least in a lot that is not the last one, so
 * that no page of a run but its own first and last has bytes of others. */
static size_t lot_rows(const struct run *run, const struct job *job)
{
    size_t pages = 2 * PAGE * 2 * job->output_count, width = run->band.a1 - run->band.a0;
    size_t bytes = row_bytes(run, job) - width,
           least = job->errors ? sizeof(float) : sizeof(double);
    size_t rows = pages < WRITER_LOT_BYTES ? (WRITER_LOT_BYTES - pages) / bytes : 0;
    return rows * width * least >= PAGE || rows >= run->band.q1 - run->band.q0 ? rows : 0;
}

static bool goes_by_writer(struct sink *s, const struct run *run, const struct entry *first)
{
    const struct job *job = first->live->spec;
    if (first->fate != FATE_STORE || run->band.a1 - run->band.a0 != job->a.count ||
        points(&run->band) * job_point_bytes(job) < s->long_bytes || lot_rows(run, job) == 0)
        return false;
    return sink_writer(s) != NULL;
}

/* What the planes of so many rows take in a lot, with what there is of pages before and behind. */
static size_t lot_bytes(const struct run *run, const struct job *job, size_t rows)
{
    size_t width = run->band.a1 - run->band.a0;
    return rows * (row_bytes(run, job) - width) + 2 * PAGE * 2 * job->output_count;
}

/* Leaves and nothing else, and no more than a large lot has room for. */
static bool is_to_expand(const struct run *run, const struct entry *entries)
{
    const struct job *job = entries->live->spec;
    bool all = lot_bytes(run, job, run->band.q1 - run->band.q0) <= WRITER_LARGE_BYTES;
    for (size_t i = 0; all && i < run->count; i++)
        all = unfold_is_due(job, entries[i].result);
    return all;
}

/* A lot to fill, whatever has to be done until there is one. */
static unsigned char *take_lot(struct sink *s, size_t bytes, struct err *err)
{
    unsigned char *lot;
    for (;;) {
        if (sink_land_try(s, false, err) != 0)
            return NULL;
        if ((lot = writer_lot(s->writer, bytes)))
            return lot;
        writer_rest(s->writer, bytes);
    }
}

static int lay_out_lot(struct lot *lot, const struct strip *p, struct err *err)
{
    struct jobdir *dir = &p->entries->live->dir;
    unsigned char *at = lot->memory;
    for (unsigned plane = 0; plane < p->status; plane++) {
        struct writer_stretch *r = &lot->region[plane];
        if (!tile_has_plane(p->job, plane))
            continue;
        if (jobdir_lend(dir, plane, &r->fd, &r->direct, err) != 0)
            return -1;
        uint64_t begin = jobdir_row(dir, plane, lot->q0), end = jobdir_row(dir, plane, lot->q1);
        size_t before = begin % PAGE;
        bool first = lot->q0 == p->run->band.q0, last = lot->q1 == p->run->band.q1;
        lot->row[plane] = at + before;
        if (!first)
            memcpy(at, lot->carried[plane], before);
        r->at = first ? begin : begin - before;
        r->data = first ? at + before : at;
        assert(last || end - end % PAGE >= r->at);
        r->len = (size_t)((last ? end : end - end % PAGE) - r->at);
        at += before + (size_t)(end - begin);
        at += (PAGE - (size_t)(at - lot->memory) % PAGE) % PAGE;
    }
    return 0;
}

/* All tiles of the run into the lot, which has all rows. False: one does not fit. */
static bool expand_lot(struct lot *lot, const struct strip *p)
{
    const struct job_tile *band = &p->run->band;
    bool all = true;
    for (struct entry *e = p->entries; e < p->entries + p->run->count; e++) {
        size_t column = job_tile(p->job, e->result->tile).a0 - band->a0;
        unsigned char *at[PLANES_MOST];
        for (unsigned plane = 0; plane < p->status; plane++)
            at[plane] = tile_has_plane(p->job, plane)
                            ? lot->row[plane] + column * tile_element(p->job, plane)
                            : NULL;
        at[p->status] = p->run->status + column;
        e->fits =
            unfold_into(&e->live->expander, p->job, e->result, at, band->a1 - band->a0, NULL) == 0;
        all = all && e->fits;
    }
    return all;
}

static void fill_lot(struct lot *lot, struct strip *p, size_t most)
{
    const struct job_tile *band = &p->run->band;
    size_t width = band->a1 - band->a0;
    for (size_t q = lot->q0; q < lot->q1; q = p->rows.q1) {
        set_rows(p, q, lot->q1 - q < most ? lot->q1 - q : most);
        for (unsigned plane = 0; plane < p->status; plane++)
            p->plane[plane] = lot->row[plane] + (q - lot->q0) * width * tile_element(p->job, plane);
        make_strip(p);
    }
}

static void put_lot(struct sink *s, struct lot *lot, const struct strip *p)
{
    struct writer_stretch stretches[PLANES_MOST];
    size_t n = 0;
    for (unsigned plane = 0; plane < p->status; plane++) {
        const struct writer_stretch *r = &lot->region[plane];
        if (!tile_has_plane(p->job, plane))
            continue;
        if (lot->q1 < p->run->band.q1) {
            uint64_t end = jobdir_row(&p->entries->live->dir, plane, lot->q1);
            memcpy(lot->carried[plane], r->data + r->len, end % PAGE);
        }
        if (r->len > 0)
            stretches[n++] = *r;
    }
    writer_put(s->writer, lot->memory, NULL, stretches, n);
}

static enum run_end write_lots(struct sink *s, struct strip *p, size_t most, struct err *err)
{
    const struct job_tile *band = &p->run->band;
    size_t rows = p->expanded ? band->q1 - band->q0 : lot_rows(p->run, p->job);
    struct lot lot = {.q1 = band->q0};
    enum run_end end = RUN_WRITTEN;
    lot.carried = mem_alloc(p->status, sizeof *lot.carried);
    while (end == RUN_WRITTEN && lot.q1 < band->q1) {
        lot.q0 = lot.q1;
        lot.q1 = band->q1 - lot.q0 < rows ? band->q1 : lot.q0 + rows;
        lot.memory = take_lot(s, lot_bytes(p->run, p->job, lot.q1 - lot.q0), err);
        if (!lot.memory || lay_out_lot(&lot, p, err) != 0) {
            end = RUN_FAILED;
        } else if (p->expanded && !expand_lot(&lot, p)) {
            end = RUN_UNFIT;
        } else {
            fill_lot(&lot, p, most);
            put_lot(s, &lot, p);
            lot.memory = NULL;
        }
    }
    if (lot.memory)
        writer_put(s->writer, lot.memory, NULL, NULL, 0);
    free(lot.carried);
    return end;
}

/* --- a run ----------------------------------------------------------------------------------- */

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

/* False: an entry does not fit. */
static bool unfold_all(struct strip *p)
{
    bool all = true;
    for (struct entry *e = p->entries; e < p->entries + p->run->count; e++) {
        e->fits = unfold(&e->live->expander, p->job, e->result, NULL) == 0;
        all = all && e->fits;
    }
    return all;
}

static bool all_have_crcs(struct strip *p)
{
    bool all = true;
    for (struct entry *e = p->entries; all && e < p->entries + p->run->count; e++)
        all = tile_parts_crc(p->job, e->result, &e->record.crc);
    return all;
}

static enum run_end write_as(struct sink *s, struct group *g, struct strip *p, struct err *err)
{
    bool by_writer = p->run->by_writer;
    size_t row = row_bytes(p->run, p->job), most = row < STRIP_BYTES ? STRIP_BYTES / row : 1;
    size_t height = p->run->band.q1 - p->run->band.q0;
    p->rows = p->run->band;
    p->changed = false;
    p->whole = height <= most && !by_writer;
    for (size_t i = 0; i < p->run->count; i++) {
        uint32_t crc = p->entries[i].record.crc;
        p->entries[i].record = (struct tile_record){
            .tile = p->entries[i].result->tile, .crc = crc, .seq = (uint32_t)g->seq};
    }
    if (p->sums)
        memset(p->crcs, 0, p->run->count * (p->status + 1) * sizeof *p->crcs);
    enum run_end end = by_writer ? write_lots(s, p, most, err) : write_strips(s, p, most, err);
    for (size_t i = 0; i < p->run->count && p->sums; i++) {
        const uint32_t *crcs = p->crcs + i * (p->status + 1);
        p->entries[i].record.crc =
            p->whole ? crcs[0] : joined_crc(p->job, p->entries[i].result->tile, crcs);
    }
    return end;
}

/* They lie within a page as they will in the file. */
static void make_statuses(struct run *run, const struct live *l)
{
    size_t before = jobdir_row(&l->dir, tile_status_plane(l->spec), run->band.q0) % PAGE;
    size_t bytes = (before + points(&run->band) + PAGE - 1) / PAGE * PAGE;
    run->memory = aligned_alloc(PAGE, bytes);
    if (!run->memory)
        abort();
    run->status = run->memory + before;
}

int run_write_statuses(struct sink *s, struct live *l, struct run *run, struct err *err)
{
    unsigned plane = tile_status_plane(l->spec);
    if (!run->by_writer)
        return jobdir_write(&l->dir, plane, &run->band, run->status, err);
    struct writer_stretch all = {.at = jobdir_row(&l->dir, plane, run->band.q0),
                                 .data = run->status,
                                 .len = points(&run->band)};
    if (jobdir_lend(&l->dir, plane, &all.fd, &all.direct, err) != 0)
        return -1;
    writer_put(s->writer, NULL, run->memory, &all, 1);
    run->memory = run->status = NULL;
    return 0;
}

enum run_end run_write(struct sink *s, struct group *g, struct run *run, struct err *err)
{
    struct entry *entries = &g->entries[run->first];
    struct live *l = entries->live;
    struct strip strip = {.run = run, .entries = entries, .job = l->spec};
    strip.status = tile_status_plane(l->spec);
    make_statuses(run, l);
    strip.crcs = mem_alloc(run->count * (strip.status + 1), sizeof *strip.crcs);
    run->by_writer = goes_by_writer(s, run, entries);
    strip.expanded = run->by_writer && is_to_expand(run, entries);
    enum run_end end = strip.expanded || unfold_all(&strip) ? RUN_WRITTEN : RUN_UNFIT;
    strip.sums = l->odd || !all_have_crcs(&strip);
    while (end == RUN_WRITTEN) {
        end = write_as(s, g, &strip, err);
        if (strip.sums || !strip.changed)
            break;
        strip.sums = true; /* once more: CRCs of what it has become */
    }
    l->odd = strip.changed;
    for (struct entry *e = entries; e < entries + run->count; e++)
        unfold_undo(e->result);
    free(strip.crcs);
    return end;
}
