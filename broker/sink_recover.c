/* What the sink does before its thread starts: jobs from the database and from their copies, tiles
 * (sink_tally.c), statuses that may not have reached the disk, files that were being renamed,
 * folders that nothing refers to. */
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
    bool unread; /* a copy could not be read: there may be a job that nobody knows */
    struct err *err;
};

/* --- jobs ------------------------------------------------------------------------------------ */

static void read_card(struct live *l, const struct store_job *row)
{
    l->card = (struct card){
        .key = row->key,
        .state = row->state,
        .priority = row->priority,
        .submitted_s = row->submitted_s,
        .finished_s = row->finished_s,
    };
    snprintf(l->card.reason, sizeof l->card.reason, "%s", row->reason);
    snprintf(l->card.owner, sizeof l->card.owner, "%s", row->owner);
    l->points_failed = row->points_failed;
    l->over = job_state_is_over((enum job_state)row->state);
}

static struct sink_job *add_recovered(struct recovery *r)
{
    struct sink *s = r->s;
    if (s->recovered_count == r->room) {
        r->room = r->room ? 2 * r->room : 16;
        s->recovered = mem_resize(s->recovered, r->room, sizeof *s->recovered);
    }
    struct sink_job *job = &s->recovered[s->recovered_count++];
    *job = (struct sink_job){0};
    return job;
}

static void set_table(struct sink_job *job, struct live *l, const void *table, size_t bytes)
{
    if (bytes == 0)
        return;
    void *own = mem_alloc(bytes, 1);
    memcpy(own, table, bytes);
    job->table = own;
    job->table_bytes = bytes;
    l->has_table = true;
}

static int add_job(void *arg, const struct store_job *row)
{
    struct recovery *r = arg;
    struct sink *s = r->s;
    struct job *spec, *own;
    if (row->state < 0 || row->state > JOB_CANCELLED ||
        job_decode_lean(row->document, row->document_bytes, &spec, r->err) != 0 ||
        job_decode_lean(row->document, row->document_bytes, &own, r->err) != 0) {
        err_prefix(r->err, "the document of job %" PRIu32 " in the database cannot be read",
                   row->id);
        r->err->code = ERR_STORAGE;
        return -1;
    }
    struct sink_job *job = add_recovered(r);
    job->id = row->id;
    job->job = spec;
    job->frontier = row->frontier;
    if (row->id >= s->next_job)
        s->next_job = row->id + 1;
    struct live *l = sink_live_add(s, row->id, own);
    read_card(l, row);
    set_table(job, l, row->table, row->table_bytes);
    l->status_clean = l->status_synced = l->status_written = row->status_clean;
    l->recut = spec->q_blocks != row->q_blocks || spec->a_blocks != row->a_blocks;
    return 0;
}

static int compare_drive(struct sink *s, struct sink_job *job, struct live *l, struct err *err)
{
    struct buf drive = {0};
    int rc = 0;
    bool sound = jobcopy_read_drive(s->disk, s->data, l->id, &drive) == JOBCOPY_SOUND;
    if (l->has_table && !sound) {
        rc = jobcopy_write_drive(s->disk, s->data, l->id, job->table, job->table_bytes, err);
    } else if (!l->has_table && sound) {
        set_table(job, l, drive.data, drive.len);
        l->changed = true;
    }
    buf_fini(&drive);
    return rc;
}

/* The copy was written first, so where they differ it is the newer one. */
static int compare_copy(struct sink *s, struct sink_job *job, struct live *l, struct err *err)
{
    struct store_job copy;
    struct buf memory = {0};
    int rc = 0;
    if (jobcopy_read(s->disk, s->data, l->id, &copy, &memory) != JOBCOPY_SOUND) {
        rc = sink_copy(s, l, err);
    } else if (copy.priority != l->card.priority ||
               (copy.state != l->card.state &&
                !(sink_is_at_work(copy.state) && sink_is_at_work(l->card.state)))) {
        read_card(l, &copy);
        l->changed = true;
    }
    buf_fini(&memory);
    return rc == 0 ? compare_drive(s, job, l, err) : rc;
}

/* A job that only its copy tells of. */
static int adopt(void *arg, uint32_t id)
{
    struct recovery *r = arg;
    struct sink *s = r->s;
    struct store_job row;
    struct buf memory = {0}, drive = {0};
    int rc = 0;
    if (!sink_live(s, id)) {
        if (jobcopy_read(s->disk, s->data, id, &row, &memory) != JOBCOPY_SOUND) {
            log_warnx("the copy of job %" PRIu32 " cannot be read: its files are left alone", id);
            r->unread = true;
        } else {
            if (jobcopy_read_drive(s->disk, s->data, id, &drive) == JOBCOPY_SOUND) {
                row.table = drive.data;
                row.table_bytes = drive.len;
            }
            row.status_clean = s->seq;
            rc = add_job(r, &row);
            if (rc == 0)
                sink_live(s, id)->adopted = true;
        }
    }
    buf_fini(&memory);
    buf_fini(&drive);
    return rc;
}

/* Tells the database what the copies know better. */
static int put_row(struct sink *s, const struct sink_job *job, struct live *l, struct err *err)
{
    struct buf document = {0};
    struct store_job row = sink_row(l, &document);
    int rc = store_begin(s->store, err);
    if (rc == 0 && l->adopted) {
        rc = store_job_add(s->store, &row, err);
    } else if (rc == 0 && (store_state(s->store, l->id, row.state, row.reason, err) != 0 ||
                           store_priority(s->store, l->id, row.priority, err) != 0 ||
                           store_over(s->store, l->id, row.finished_s, row.points_failed, err))) {
        rc = -1;
    }
    if (rc == 0 && job && job->table)
        rc = store_table(s->store, l->id, job->table, job->table_bytes, err);
    if (rc == 0)
        rc = store_commit(s->store, err);
    if (rc != 0)
        store_rollback(s->store);
    l->changed = false;
    buf_fini(&document);
    return rc;
}

/* --- files ----------------------------------------------------------------------------------- */

/* Its files may be on a disk that is not mounted: the job fails for this run, nothing is noted. */
static void set_aside(struct live *l, const struct err *err)
{
    log_warnx("job %" PRIu32 " cannot go on: %s", l->id, err->text);
    snprintf(l->card.reason, sizeof l->card.reason, "%.255s", err->text);
    l->card.state = JOB_FAILED;
    sink_live_over(l);
}

/* A job that its copy calls done but that has open tiles goes on; one that was ended stays so. */
static int recover_files(struct sink *s, struct live *l, struct err *err)
{
    bool over = l->over;
    l->over = false;
    if (jobdir_check(&l->dir, err) != 0 || sink_tally(s, l, err) != 0 || sink_mend(s, l, err) != 0)
        return -1;
    if (l->open_tiles == 0)
        return sink_complete(s, l, err);
    if (!over)
        return 0;
    if (l->card.state == JOB_DONE) {
        l->card.state = JOB_RUNNING;
        return sink_copy(s, l, err) != 0 ? -1 : put_row(s, NULL, l, err);
    }
    if (sink_rest_one(s, l, err) != 0)
        return -1;
    sink_live_over(l);
    return 0;
}

static int recover_job(struct sink *s, const struct sink_job *job, struct live *l, struct err *err)
{
    struct err why = {0};
    if ((l->adopted || l->changed) && put_row(s, job, l, err) != 0)
        return -1;
    if (l->recut && !l->over) {
        err_set(&why, ERR_STORAGE, "another version of the broker cut it into other tiles");
        set_aside(l, &why);
    } else if (!l->recut && (!l->over || l->adopted) && recover_files(s, l, &why) != 0) {
        if (!l->dir.lost) {
            *err = why;
            return -1;
        }
        set_aside(l, &why);
    }
    l->adopted = false;
    return 0;
}

/* The job as its caller is to know it. */
static void describe(struct sink_job *job, const struct live *l)
{
    job->key = l->card.key;
    job->state = l->card.state;
    job->priority = l->card.priority;
    job->submitted_s = l->card.submitted_s;
    job->finished_s = l->card.finished_s;
    job->points_failed = l->points_failed;
    memcpy(job->reason, l->card.reason, sizeof job->reason);
    memcpy(job->owner, l->card.owner, sizeof job->owner);
    if (l->over)
        return;
    uint32_t tiles = job_tile_count(l->spec);
    job->tile_done = mem_alloc(tiles, 1);
    memcpy(job->tile_done, l->durable, tiles);
}

static int by_number(const void *x, const void *y)
{
    const struct sink_job *a = x, *b = y;
    return a->id < b->id ? -1 : a->id > b->id;
}

int sink_recover(struct sink *s, struct err *err)
{
    struct recovery r = {.s = s, .err = err};
    if (store_jobs(s->store, add_job, &r, err) != 0)
        return -1;
    for (size_t i = 0; i < s->recovered_count; i++)
        if (compare_copy(s, &s->recovered[i], sink_live(s, s->recovered[i].id), err) != 0)
            return -1;
    if (jobcopy_each(s->data, adopt, &r, err) != 0)
        return -1;
    if (s->recovered_count > 0)
        qsort(s->recovered, s->recovered_count, sizeof *s->recovered, by_number);
    for (size_t i = 0; i < s->recovered_count; i++) {
        struct live *l = sink_live(s, s->recovered[i].id);
        if (recover_job(s, &s->recovered[i], l, err) != 0)
            return -1;
        describe(&s->recovered[i], l);
    }
    return s->rebuilt || r.unread ? 0 : sink_sweep(s, err);
}

void sink_recovered_free(struct sink *s)
{
    for (size_t i = 0; i < s->recovered_count; i++) {
        job_destroy(s->recovered[i].job);
        free(s->recovered[i].tile_done);
        free((void *)s->recovered[i].table);
    }
    free(s->recovered);
    s->recovered = NULL;
    s->recovered_count = 0;
}
