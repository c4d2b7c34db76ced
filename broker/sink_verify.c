/* Verification: every stored byte of a job against what it must be. A slice of tiles at a time, so
 * that other orders get their turn in between.
 *
 * What can be put right here is: heads, axes, job.json, w.npy, copies (they follow from the
 * database), statuses (rows have them) and tile records. A tile whose planes do not have the CRC
 * of its row is not durable any more: its row goes, status.npy says so, a job that was done runs
 * again, and the queue has the tile computed anew, in place. */
#include "sink_private.h"

#include "buf.h"
#include "log.h"
#include "queue.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_POINTS (4u << 20)
#define SLICE_TILES  4096

struct verify {
    struct live *l;
    uint32_t from, to; /* tiles of this slice */
    struct sink_event *found;
    size_t found_count, found_room;
    bool wrote;
    unsigned char *records;
    struct buf status; /* of the row at hand */
    uint8_t *there;    /* statuses in the file */
    struct err *err;
};

static struct sink_event *find(struct verify *v, enum sink_event_type type, uint32_t tile)
{
    if (v->found_count == v->found_room) {
        v->found_room = v->found_room ? 2 * v->found_room : 16;
        v->found = mem_resize(v->found, v->found_room, sizeof *v->found);
    }
    struct sink_event *e = &v->found[v->found_count++];
    *e = (struct sink_event){.type = type, .job = v->l->id, .tile = tile};
    v->wrote = true;
    return e;
}

static void mended(void *arg, const char *name)
{
    struct verify *v = arg;
    snprintf(find(v, SINK_MENDED, UINT32_MAX)->err.text, 64, "%s", name);
}

/* --- what belongs to the job as a whole ------------------------------------------------------ */

static int verify_copies(struct sink *s, struct verify *v, const struct buf *drive)
{
    struct live *l = v->l;
    struct buf document = {0}, there = {0};
    struct store_job row = sink_row(l, &document);
    int rc = 0;
    row.points_failed = l->points_failed;
    if (jobcopy_read(s->disk, s->data, l->id, &row, &there) != JOBCOPY_SOUND) {
        rc = sink_copy(s, l, v->err);
        mended(v, "the job's copy");
    }
    if (rc == 0 && drive->len > 0 &&
        jobcopy_read_drive(s->disk, s->data, l->id, &there) != JOBCOPY_SOUND) {
        rc = jobcopy_write_drive(s->disk, s->data, l->id, drive->data, drive->len, v->err);
        mended(v, "the drive table's copy");
    }
    buf_fini(&document);
    buf_fini(&there);
    return rc;
}

static int verify_job(struct sink *s, struct verify *v)
{
    struct buf drive = {0};
    int rc = store_drive(s->store, v->l->id, &drive, v->err);
    if (rc >= 0)
        rc = jobdir_mend(&v->l->dir, rc > 0 ? drive.data : NULL, drive.len, mended, v, v->err);
    if (rc == 0)
        rc = verify_copies(s, v, &drive);
    buf_fini(&drive);
    return rc;
}

/* --- tiles ----------------------------------------------------------------------------------- */

static int verify_record(struct verify *v, const struct store_tile *row)
{
    unsigned char right[TILE_RECORD_BYTES];
    struct tile_record r;
    const unsigned char *there = v->records + (size_t)(row->tile - v->from) * TILE_RECORD_BYTES;
    if (tile_record_decode(there, &r) && r.tile == row->tile && r.crc == row->crc &&
        r.failed == row->failed && r.overflow == row->overflow && r.limited == row->limited)
        return 0;
    r = (struct tile_record){row->tile,     row->crc,     row->failed,
                             row->overflow, row->limited, (uint32_t)row->seq};
    tile_record_encode(&r, right);
    snprintf(find(v, SINK_MENDED, row->tile)->err.text, 64, "tiles.crc");
    return jobdir_records(&v->l->dir, row->tile, 1, right, v->err);
}

static int verify_status(struct sink *s, struct verify *v, const struct store_tile *row)
{
    struct live *l = v->l;
    unsigned plane = tile_status_plane(l->spec);
    struct job_tile at = job_tile(l->spec, row->tile);
    size_t points = job_tile_points(l->spec, row->tile);
    const uint8_t *right = sink_statuses(s, l, row);
    v->there = mem_resize(v->there, points, 1);
    if (jobdir_read(&l->dir, plane, &at, v->there, v->err) == 0 &&
        memcmp(v->there, right, points) == 0)
        return 0;
    if (l->dir.lost)
        return -1;
    snprintf(find(v, SINK_MENDED, row->tile)->err.text, 64, "status.npy");
    return jobdir_write(&l->dir, plane, &at, right, v->err);
}

static int verify_tile(struct sink *s, struct verify *v, uint32_t tile)
{
    struct live *l = v->l;
    struct store_tile row;
    uint32_t crc;
    int rc = store_tile(s->store, l->id, tile, &row, &v->status, v->err);
    if (rc <= 0)
        return rc;
    bool readable = sink_tile_crc(s, l, tile, sink_statuses(s, l, &row), &crc, v->err) == 0;
    if (l->dir.lost)
        return -1;
    if (readable && crc == row.crc)
        return verify_status(s, v, &row) != 0 ? -1 : verify_record(v, &row);
    struct sink_event *e = find(v, SINK_DAMAGED, tile);
    e->crc = row.crc;
    e->points_failed = row.failed;
    return 0;
}

static int verify_tiles(struct sink *s, struct verify *v)
{
    struct live *l = v->l;
    v->records = mem_resize(v->records, v->to - v->from + 1, TILE_RECORD_BYTES);
    if (jobdir_read_records(&l->dir, v->from, v->to - v->from, v->records, v->err) != 0) {
        if (l->dir.lost)
            return -1;
        memset(v->records, 0, (size_t)(v->to - v->from) * TILE_RECORD_BYTES);
    }
    for (uint32_t tile = v->from; tile < v->to; tile++)
        if ((l->over || l->durable[tile]) && verify_tile(s, v, tile) != 0)
            return -1;
    return 0;
}

/* --- damaged tiles --------------------------------------------------------------------------- */

/* A job that is over has no table of its durable tiles: for one that is done it is full. */
static void reopen(struct live *l)
{
    uint32_t tiles = job_tile_count(l->spec);
    if (!l->over || l->card.state != JOB_DONE)
        return;
    l->durable = mem_alloc(tiles, 1);
    memset(l->durable, 1, tiles);
    l->open_tiles = 0;
    l->over = false;
    l->card.state = JOB_RUNNING;
    l->changed = true;
}

static int clear_status(struct sink *s, struct verify *v, uint32_t tile)
{
    struct job_tile at = job_tile(v->l->spec, tile);
    size_t points = job_tile_points(v->l->spec, tile);
    uint8_t *rows = sink_room(&s->scratch, &s->scratch_bytes, points);
    memset(rows, 0, points);
    return jobdir_write(&v->l->dir, tile_status_plane(v->l->spec), &at, rows, v->err);
}

static int commit_damage(struct sink *s, struct verify *v)
{
    struct live *l = v->l;
    if (store_begin(s->store, v->err) != 0)
        return -1;
    for (size_t i = 0; i < v->found_count; i++)
        if (v->found[i].type == SINK_DAMAGED &&
            store_tile_delete(s->store, l->id, v->found[i].tile, v->err) != 0)
            goto undo;
    if (!l->over && store_state(s->store, l->id, l->card.state, l->card.reason, v->err) != 0)
        goto undo;
    if (store_commit(s->store, v->err) == 0)
        return 0;
undo:
    store_rollback(s->store);
    return -1;
}

static int drop_damaged(struct sink *s, struct verify *v)
{
    struct live *l = v->l;
    size_t damaged = 0;
    for (size_t i = 0; i < v->found_count; i++)
        damaged += v->found[i].type == SINK_DAMAGED;
    if (damaged == 0)
        return 0;
    reopen(l);
    for (size_t i = 0; i < v->found_count; i++)
        if (v->found[i].type == SINK_DAMAGED && clear_status(s, v, v->found[i].tile) != 0)
            return -1;
    if (l->changed && sink_copy(s, l, v->err) != 0)
        return -1;
    l->changed = false;
    if (jobdir_sync(&l->dir, tile_status_plane(l->spec), v->err) != 0 || commit_damage(s, v) != 0)
        return -1;
    for (size_t i = 0; i < v->found_count; i++) {
        const struct sink_event *e = &v->found[i];
        if (e->type != SINK_DAMAGED)
            continue;
        l->points_failed -= e->points_failed < l->points_failed ? e->points_failed : 0;
        if (!l->over) {
            l->durable[e->tile] = 0;
            l->open_tiles++;
        }
    }
    return 0;
}

/* --- a slice --------------------------------------------------------------------------------- */

static int verify_files(struct sink *s, struct verify *v)
{
    struct live *l = v->l;
    if (sink_mend(s, l, v->err) != 0 || (v->from == 0 && verify_job(s, v) != 0) ||
        verify_tiles(s, v) != 0)
        return -1;
    for (unsigned slot = 0; v->wrote && slot <= jobdir_record_slot(&l->dir); slot++)
        if (jobdir_sync(&l->dir, slot, v->err) != 0)
            return -1;
    return 0;
}

/* Files of a job that is over may have been taken away: that ends the verification, not the job. */
static int verify_step(struct sink *s, void *arg, struct err *err)
{
    struct verify *v = arg;
    v->err = err;
    v->found_count = 0;
    v->wrote = false;
    if (verify_files(s, v) == 0 && drop_damaged(s, v) == 0)
        return 0;
    if (!v->l->dir.lost) {
        jobdir_distrust(&v->l->dir);
        return -1;
    }
    find(v, SINK_VERIFIED, v->from)->err = *err;
    if (v->l->over)
        v->l->dir.lost = false;
    else
        sink_forget_lost(s, err);
    return 0;
}

static uint32_t slice_end(const struct live *l, uint32_t from)
{
    uint64_t points = 0;
    uint32_t tile = from, all = job_tile_count(l->spec);
    while (tile < all && tile - from < SLICE_TILES && points < SLICE_POINTS)
        points += job_tile_points(l->spec, tile++);
    return tile;
}

bool sink_verify_slice(struct sink *s, uint32_t job, uint32_t *tile)
{
    struct sink_event end = {.type = SINK_VERIFIED, .job = job};
    struct live *l = sink_live(s, job);
    if (!l || l->recut || (l->dir.lost && l->over)) {
        err_set(&end.err, ERR_STORAGE,
                l ? "the job's files cannot be read by this version"
                  : "the job was deleted meanwhile");
        sink_push(s, &end);
        return true;
    }
    struct verify v = {.l = l, .from = *tile, .to = slice_end(l, *tile)};
    bool done = !sink_persist(s, verify_step, &v);
    for (size_t i = 0; !done && i < v.found_count; i++)
        sink_push(s, &v.found[i]);
    done = done || (v.found_count > 0 && v.found[v.found_count - 1].type == SINK_VERIFIED);
    if (!done) {
        *tile = v.to;
        done = v.to == job_tile_count(l->spec);
        end.type = done ? SINK_VERIFIED : SINK_CHECKED;
        end.tile = v.to;
        sink_push(s, &end);
    }
    if (l->over)
        jobdir_close_files(&l->dir);
    free(v.found);
    free(v.records);
    free(v.there);
    buf_fini(&v.status);
    return done;
}

/* --- one tile that is not believed -------------------------------------------------------------
 */

static int distrust_step(struct sink *s, void *arg, struct err *err)
{
    struct verify *v = arg;
    struct store_tile row;
    v->err = err;
    v->found_count = 0;
    int found = store_tile(s->store, v->l->id, v->from, &row, &v->status, err);
    if (found <= 0)
        return found;
    struct sink_event *e = find(v, SINK_DAMAGED, v->from);
    e->crc = row.crc;
    e->points_failed = row.failed;
    return drop_damaged(s, v);
}

void sink_distrust_tile(struct sink *s, uint32_t job, uint32_t tile)
{
    struct live *l = sink_live(s, job);
    if (!l || l->recut || l->dir.lost || (l->over && l->card.state != JOB_DONE))
        return;
    struct verify v = {.l = l, .from = tile, .to = tile + 1};
    if (sink_persist(s, distrust_step, &v))
        for (size_t i = 0; i < v.found_count; i++)
            sink_push(s, &v.found[i]);
    sink_tell(s);
    free(v.found);
    buf_fini(&v.status);
}
