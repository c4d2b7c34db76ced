/* What the sink does before its thread starts: jobs and tiles from the database, statuses that may
 * not have reached the disk, files that were being renamed, folders that nothing refers to. */
#include "sink_private.h"

#include "buf.h"
#include "log.h"
#include "queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct recovery {
    struct sink *s;
    size_t room;
    struct err *err;
};

static int add_job(void *arg, const struct store_job *row)
{
    struct recovery *r = arg;
    struct sink *s = r->s;
    struct job *spec, *own;
    if (job_decode(row->document, row->document_bytes, &spec, r->err) != 0 ||
        job_decode(row->document, row->document_bytes, &own, r->err) != 0) {
        err_prefix(r->err, "the document of job %" PRIu32 " in the database cannot be read",
                   row->id);
        r->err->code = ERR_STORAGE;
        return -1;
    }
    if (s->recovered_count == r->room) {
        r->room = r->room ? 2 * r->room : 16;
        s->recovered = mem_resize(s->recovered, r->room, sizeof *s->recovered);
    }
    struct sink_job *job = &s->recovered[s->recovered_count++];
    *job = (struct sink_job){
        .id = row->id,
        .job = spec,
        .key = row->key,
        .state = row->state,
        .priority = row->priority,
        .submitted_s = row->submitted_s,
        .finished_s = row->finished_s,
        .frontier = row->frontier,
        .points_failed = row->points_failed,
        .table_bytes = row->table_bytes,
    };
    snprintf(job->reason, sizeof job->reason, "%s", row->reason);
    snprintf(job->owner, sizeof job->owner, "%s", row->owner);
    if (row->table_bytes > 0) {
        void *table = mem_alloc(row->table_bytes, 1);
        memcpy(table, row->table, row->table_bytes);
        job->table = table;
    }
    struct live *l = sink_live_add(s, row->id, own);
    l->points_failed = row->points_failed;
    l->has_table = row->table_bytes > 0;
    l->status_clean = l->status_synced = l->status_written = row->status_clean;
    l->recut = spec->q_blocks != row->q_blocks || spec->a_blocks != row->a_blocks;
    l->over = row->state == JOB_DONE || row->state == JOB_FAILED || row->state == JOB_CANCELLED;
    return 0;
}

static int add_tile(void *arg, const struct store_tile *tile)
{
    struct live *l = arg;
    if (tile->tile >= job_tile_count(l->spec) || l->durable[tile->tile])
        return 0;
    l->durable[tile->tile] = 1;
    l->open_tiles--;
    l->points_failed += tile->failed;
    l->status_stale = l->status_stale || tile->seq > l->status_clean;
    return 0;
}

/* Its files may be on a disk that is not mounted: the job fails for this run, nothing is noted. */
static void set_aside(struct sink_job *job, struct live *l, const struct err *err)
{
    log_warnx("job %" PRIu32 " cannot go on: %s", l->id, err->text);
    snprintf(job->reason, sizeof job->reason, "%.255s", err->text);
    job->state = JOB_FAILED;
    job->points_failed = l->points_failed;
    sink_live_over(l);
}

static int recover_files(struct sink *s, struct sink_job *job, struct live *l, struct err *err)
{
    if (jobdir_check(&l->dir, err) != 0 || sink_mend(s, l, err) != 0)
        return -1;
    if (l->open_tiles > 0)
        return 0;
    if (sink_complete(s, l, err) != 0)
        return -1;
    job->state = JOB_DONE;
    return 0;
}

static int recover_job(struct sink *s, struct sink_job *job, struct live *l, struct err *err)
{
    uint32_t tiles = job_tile_count(l->spec);
    struct err why = {0};
    if (l->recut) {
        err_set(&why, ERR_STORAGE, "another version of the broker cut it into other tiles");
        set_aside(job, l, &why);
        return 0;
    }
    l->durable = mem_alloc(tiles, 1);
    if (store_tiles(s->store, l->id, UINT64_MAX >> 1, add_tile, l, err) != 0)
        return -1;
    if (recover_files(s, job, l, &why) != 0) {
        if (!l->dir.lost) {
            *err = why;
            return -1;
        }
        set_aside(job, l, &why);
    }
    job->points_failed = l->points_failed;
    if (l->over)
        return 0;
    job->tile_done = mem_alloc(tiles, 1);
    memcpy(job->tile_done, l->durable, tiles);
    return 0;
}

int sink_recover(struct sink *s, struct err *err)
{
    struct recovery r = {.s = s, .err = err};
    if (store_jobs(s->store, add_job, &r, err) != 0)
        return -1;
    for (size_t i = 0; i < s->recovered_count; i++) {
        struct live *l = sink_live(s, s->recovered[i].id);
        if (!l->over && recover_job(s, &s->recovered[i], l, err) != 0)
            return -1;
    }
    return sink_sweep(s, err);
}
