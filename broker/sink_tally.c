/* A job's tiles at start. The rows of the database are the list of what is durable; each tile's
 * record in tiles.crc says the same once more and checks itself. Where both agree they are
 * believed. Where they do not (a WAL that lost its tail to rot, a database made anew, a record that
 * rotted, a group that was cut off before its commit) the data decide: a tile is durable when its
 * bytes have the CRC of one of the two. */
#include "sink_private.h"

#include "buf.h"
#include "log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct tally {
    struct sink *s;
    struct live *l;
    unsigned char *records;
    uint32_t *doubts; /* tiles */
    size_t doubt_count, doubt_room;
    uint32_t found, dropped, mended;
    bool begun; /* a transaction */
    struct err *err;
};

static bool record_of(const struct tally *t, uint32_t tile, struct tile_record *r)
{
    return tile_record_decode(t->records + (size_t)tile * TILE_RECORD_BYTES, r) && r->tile == tile;
}

static void doubt(struct tally *t, uint32_t tile)
{
    if (t->doubt_count == t->doubt_room) {
        t->doubt_room = t->doubt_room ? 2 * t->doubt_room : 64;
        t->doubts = mem_resize(t->doubts, t->doubt_room, sizeof *t->doubts);
    }
    t->doubts[t->doubt_count++] = tile;
}

static int count_row(void *arg, const struct store_tile *row)
{
    struct tally *t = arg;
    struct live *l = t->l;
    struct tile_record r;
    if (row->tile >= job_tile_count(l->spec) || l->durable[row->tile])
        return 0;
    l->durable[row->tile] = 1;
    l->open_tiles--;
    l->points_failed += row->failed;
    l->status_stale = l->status_stale || row->seq > l->status_clean;
    if (!record_of(t, row->tile, &r) || r.crc != row->crc || r.failed != row->failed ||
        r.overflow != row->overflow || r.limited != row->limited)
        doubt(t, row->tile);
    return 0;
}

int sink_tile_crc(struct sink *s, struct live *l, uint32_t tile, const uint8_t *statuses,
                  uint32_t *crc, struct err *err)
{
    struct job_tile at = job_tile(l->spec, tile);
    size_t points = job_tile_points(l->spec, tile);
    unsigned char *rows = sink_room(&s->band, &s->band_bytes, points * sizeof(double));
    unsigned status_plane = tile_status_plane(l->spec);
    *crc = 0;
    for (unsigned plane = 0; plane < status_plane; plane++) {
        if (!tile_has_plane(l->spec, plane))
            continue;
        if (jobdir_read(&l->dir, plane, &at, rows, err) != 0)
            return -1;
        *crc = tile_crc(*crc, &at, &at, tile_element(l->spec, plane), rows);
    }
    *crc = tile_crc(*crc, &at, &at, 1, statuses);
    return 0;
}

/* --- settling a doubt ------------------------------------------------------------------------ */

/* Whether the planes have this CRC. What cannot be read has not, unless the file is gone. */
static int is_whole(struct tally *t, uint32_t tile, const uint8_t *statuses, uint32_t right)
{
    uint32_t crc;
    if (sink_tile_crc(t->s, t->l, tile, statuses, &crc, t->err) == 0)
        return crc == right;
    return t->l->dir.lost ? -1 : 0;
}

/* The statuses that a record counts: all 1, or what status.npy has. NULL: they are not there. */
static uint8_t *recorded_statuses(struct tally *t, const struct tile_record *r)
{
    struct sink *s = t->s;
    size_t points = job_tile_points(t->l->spec, r->tile);
    struct job_tile at = job_tile(t->l->spec, r->tile);
    uint8_t *rows = sink_room(&s->scratch, &s->scratch_bytes, points);
    struct tile_record there = {0};
    memset(rows, 1, points);
    if (r->failed + r->overflow + r->limited == 0)
        return rows;
    if (jobdir_read(&t->l->dir, tile_status_plane(t->l->spec), &at, rows, t->err) != 0)
        return NULL;
    tile_count_statuses(&at, &at, rows, &there);
    bool same =
        there.failed == r->failed && there.overflow == r->overflow && there.limited == r->limited;
    return same ? rows : NULL;
}

static int begin(struct tally *t)
{
    if (t->begun)
        return 0;
    t->begun = true;
    return store_begin(t->s->store, t->err);
}

static int take_record(struct tally *t, const struct tile_record *r, const uint8_t *statuses)
{
    struct store_tile row = {r->tile,    r->crc,        r->failed, r->overflow,
                             r->limited, t->s->seq + 1, NULL,      0};
    if (r->failed + r->overflow + r->limited > 0) {
        row.status = statuses;
        row.status_bytes = job_tile_points(t->l->spec, r->tile);
    }
    if (begin(t) != 0 || store_tile_add(t->s->store, t->l->id, &row, t->err) != 0)
        return -1;
    t->l->status_stale = true;
    t->l->durable[r->tile] = 1;
    t->l->open_tiles--;
    t->l->points_failed += r->failed;
    t->found++;
    return 0;
}

static int mend_record(struct tally *t, const struct store_tile *row)
{
    unsigned char bytes[TILE_RECORD_BYTES];
    const struct tile_record r = {row->tile,     row->crc,     row->failed,
                                  row->overflow, row->limited, (uint32_t)row->seq};
    tile_record_encode(&r, bytes);
    t->mended++;
    return jobdir_records(&t->l->dir, row->tile, 1, bytes, t->err);
}

static int drop_row(struct tally *t, const struct store_tile *row)
{
    t->l->durable[row->tile] = 0;
    t->l->open_tiles++;
    t->l->points_failed -= row->failed;
    t->dropped++;
    return begin(t) != 0 || store_tile_delete(t->s->store, t->l->id, row->tile, t->err) != 0;
}

/* status.npy calls nothing done that is not. */
static int clear_statuses(struct tally *t, uint32_t tile)
{
    struct job_tile at = job_tile(t->l->spec, tile);
    size_t points = job_tile_points(t->l->spec, tile);
    uint8_t *rows = sink_room(&t->s->scratch, &t->s->scratch_bytes, points);
    unsigned plane = tile_status_plane(t->l->spec);
    if (jobdir_read(&t->l->dir, plane, &at, rows, t->err) == 0) {
        if (rows[0] == 0 && memcmp(rows, rows + 1, points - 1) == 0)
            return 0;
    } else if (t->l->dir.lost) {
        return -1;
    }
    memset(rows, 0, points);
    return jobdir_write(&t->l->dir, plane, &at, rows, t->err);
}

/* 1: a row speaks of the tile, and rightly. */
static int settle_row(struct tally *t, uint32_t tile)
{
    struct store_tile row;
    struct buf status = {0};
    int whole = store_tile(t->s->store, t->l->id, tile, &row, &status, t->err);
    if (whole > 0) {
        whole = is_whole(t, tile, sink_statuses(t->s, t->l, &row), row.crc);
        if (whole > 0 && mend_record(t, &row) != 0)
            whole = -1;
        if (whole == 0 && drop_row(t, &row) != 0)
            whole = -1;
    }
    buf_fini(&status);
    return whole;
}

static int settle_record(struct tally *t, uint32_t tile)
{
    struct tile_record r;
    const uint8_t *statuses = record_of(t, tile, &r) ? recorded_statuses(t, &r) : NULL;
    int whole = statuses ? is_whole(t, tile, statuses, r.crc) : 0;
    return whole > 0 && take_record(t, &r, statuses) != 0 ? -1 : whole;
}

static int settle(struct tally *t, uint32_t tile)
{
    int whole = settle_row(t, tile);
    if (whole == 0)
        whole = settle_record(t, tile);
    return whole < 0 ? -1 : whole == 0 ? clear_statuses(t, tile) : 0;
}

/* --- the whole ------------------------------------------------------------------------------- */

/* Data that were only in the kernel's memory when the last broker ended are synced before a row
 * speaks of them. */
static int conclude(struct tally *t)
{
    struct live *l = t->l;
    for (unsigned slot = 0; slot <= jobdir_record_slot(&l->dir); slot++)
        if (jobdir_sync(&l->dir, slot, t->err) != 0)
            return -1;
    if (t->begun && (store_set_seq(t->s->store, t->s->seq + 1, t->err) != 0 ||
                     store_commit(t->s->store, t->err) != 0))
        return -1;
    t->s->seq += t->begun;
    if (t->found > 0)
        log_info("tiles of a commit that was cut off job=%" PRIu32 " tiles=%" PRIu32, l->id,
                 t->found);
    if (t->dropped + t->mended > 0)
        log_warnx("damaged on disk job=%" PRIu32 " tiles=%" PRIu32 " records=%" PRIu32, l->id,
                  t->dropped, t->mended);
    return 0;
}

static int tally_all(struct tally *t)
{
    struct live *l = t->l;
    struct tile_record r;
    uint32_t tiles = job_tile_count(l->spec);
    if (jobdir_read_records(&l->dir, 0, tiles, t->records, t->err) != 0 ||
        store_tiles(t->s->store, l->id, UINT64_MAX >> 1, count_row, t, t->err) != 0)
        return -1;
    for (uint32_t tile = 0; tile < tiles; tile++)
        if (!l->durable[tile] && (l->adopted || record_of(t, tile, &r)))
            doubt(t, tile);
    for (size_t i = 0; i < t->doubt_count; i++)
        if (settle(t, t->doubts[i]) != 0)
            return -1;
    return t->doubt_count > 0 ? conclude(t) : 0;
}

int sink_tally(struct sink *s, struct live *l, struct err *err)
{
    uint32_t tiles = job_tile_count(l->spec);
    struct tally t = {.s = s, .l = l, .err = err};
    l->durable = mem_alloc(tiles, 1);
    l->open_tiles = tiles;
    l->points_failed = 0;
    t.records = mem_alloc(tiles, TILE_RECORD_BYTES);
    int rc = tally_all(&t);
    if (rc != 0 && t.begun)
        store_rollback(s->store);
    if (rc != 0)
        jobdir_distrust(&l->dir);
    free(t.records);
    free(t.doubts);
    return rc;
}
