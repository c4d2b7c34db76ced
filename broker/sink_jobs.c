/* The sink's table of live jobs, and the orders that are carried out alone: submit, finish, delete.
 */
#include "sink_private.h"

#include "buf.h"
#include "expander.h"
#include "log.h"
#include "queue.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OPEN_JOBS 24 /* that keep their files open between groups */

/* --- the table ------------------------------------------------------------------------------- */

static size_t live_place(const struct sink *s, uint32_t job)
{
    size_t from = 0, to = s->live_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (s->lives[middle]->id < job)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

struct live *sink_live(const struct sink *s, uint32_t job)
{
    size_t i = live_place(s, job);
    return i < s->live_count && s->lives[i]->id == job ? s->lives[i] : NULL;
}

struct live *sink_live_add(struct sink *s, uint32_t id, struct job *spec)
{
    char folder[PATH_MAX];
    sink_folder(s, id, folder, sizeof folder);
    struct live *l = mem_alloc(1, sizeof *l);
    l->id = id;
    l->spec = spec;
    l->open_tiles = job_tile_count(spec);
    jobdir_init(&l->dir, s->disk, folder, spec);
    size_t i = live_place(s, id);
    s->lives = mem_resize(s->lives, s->live_count + 1, sizeof *s->lives);
    memmove(s->lives + i + 1, s->lives + i, (s->live_count - i) * sizeof *s->lives);
    s->lives[i] = l;
    s->live_count++;
    return l;
}

static void live_free(struct live *l)
{
    jobdir_fini(&l->dir);
    expander_destroy(l->expander);
    job_destroy(l->spec);
    free(l->durable);
    free(l);
}

static void live_remove(struct sink *s, struct live *l)
{
    size_t i = live_place(s, l->id);
    assert(s->lives[i] == l);
    s->live_count--;
    memmove(s->lives + i, s->lives + i + 1, (s->live_count - i) * sizeof *s->lives);
    live_free(l);
}

void sink_lives_free(struct sink *s)
{
    for (size_t i = 0; i < s->live_count; i++)
        live_free(s->lives[i]);
    free(s->lives);
    s->lives = NULL;
    s->live_count = 0;
}

void sink_live_over(struct live *l)
{
    l->over = true;
    jobdir_close_files(&l->dir);
    free(l->durable);
    l->durable = NULL;
    expander_destroy(l->expander);
    l->expander = NULL;
}

bool sink_is_at_work(int state)
{
    return state == JOB_QUEUED || state == JOB_RUNNING;
}

/* --- its row and its copy -------------------------------------------------------------------- */

struct store_job sink_row(const struct live *l, struct buf *document)
{
    buf_clear(document);
    job_encode(l->spec, document);
    return (struct store_job){
        .id = l->id,
        .key = l->card.key,
        .state = l->card.state,
        .priority = l->card.priority,
        .reason = l->card.reason,
        .owner = l->card.owner,
        .submitted_s = l->card.submitted_s,
        .finished_s = l->card.finished_s,
        .q_blocks = l->spec->q_blocks,
        .a_blocks = l->spec->a_blocks,
        .points_failed = l->over ? l->points_failed : 0,
        .status_clean = l->status_clean,
        .document = document->data,
        .document_bytes = document->len,
    };
}

int sink_copy(struct sink *s, const struct live *l, struct err *err)
{
    struct buf document = {0};
    struct store_job row = sink_row(l, &document);
    row.points_failed = l->points_failed;
    int rc = jobcopy_write(s->disk, s->data, &row, err);
    buf_fini(&document);
    return rc;
}

bool sink_forget_lost(struct sink *s, const struct err *err)
{
    bool any = false;
    for (size_t i = 0; i < s->live_count; i++) {
        struct live *l = s->lives[i];
        if (!l->dir.lost || l->over)
            continue;
        sink_live_over(l);
        sink_push(s, &(struct sink_event){.type = SINK_LOST, .job = l->id, .err = *err});
        any = true;
    }
    return any;
}

/* --- submit ---------------------------------------------------------------------------------- */

static int commit_job(struct sink *s, const struct live *l, struct err *err)
{
    struct buf document = {0};
    struct store_job row = sink_row(l, &document);
    int rc = store_begin(s->store, err);
    if (rc == 0) {
        rc = store_job_add(s->store, &row, err);
        if (rc == 0)
            rc = store_commit(s->store, err);
        if (rc != 0)
            store_rollback(s->store);
    }
    buf_fini(&document);
    return rc;
}

/* The folder, then the copy, then the row: a job whose copy is there is there. */
static int submit_files(struct sink *s, struct live *l, struct err *err)
{
    if (jobdir_vacant(&l->dir, err) != 0 || (s->results && sink_note_pending(s, l, err) != 0))
        return -1;
    int rc = jobdir_create(&l->dir, err);
    if (rc == 0) {
        rc = sink_copy(s, l, err);
        if (rc == 0)
            rc = commit_job(s, l, err);
        if (rc != 0) {
            jobcopy_remove(s->disk, s->data, l->id, NULL);
            jobdir_remove(&l->dir);
        }
    }
    if (s->results)
        sink_clear_pending(s);
    return rc;
}

/* Whatever goes wrong, the submitter hears it at once and nothing remains: no patience here. */
static void submit(struct sink *s, const struct order *o)
{
    struct sink_event event = {.type = SINK_SUBMITTED, .job = o->job};
    struct buf document = {0};
    struct job *spec = NULL;
    job_encode(o->spec, &document);
    int rc = -1;
    if (sink_live(s, o->job))
        err_set(&event.err, ERR_OTHER, "there is a job %u already", o->job);
    else
        rc = job_decode_lean(document.data, document.len, &spec, &event.err);
    if (rc == 0) {
        struct live *l = sink_live_add(s, o->job, spec);
        l->durable = mem_alloc(l->open_tiles, 1);
        l->status_clean = l->status_synced = l->status_written = s->seq;
        l->card.key = o->key;
        l->card.priority = o->priority;
        l->card.submitted_s = (int64_t)time(NULL);
        snprintf(l->card.owner, sizeof l->card.owner, "%s", o->text);
        rc = submit_files(s, l, &event.err);
        if (rc != 0)
            live_remove(s, l);
    }
    if (rc != 0)
        event.type = SINK_REFUSED;
    buf_fini(&document);
    sink_push(s, &event);
}

/* --- finish ---------------------------------------------------------------------------------- */

static int commit_over(struct sink *s, struct live *l, int state, const char *reason,
                       struct err *err)
{
    if (l->card.state != state || l->card.finished_s == 0) /* not only the copy's word for it */
        l->card.finished_s = (int64_t)time(NULL);
    l->card.state = state;
    snprintf(l->card.reason, sizeof l->card.reason, "%s", reason);
    if (sink_copy(s, l, err) != 0 || store_begin(s->store, err) != 0)
        return -1;
    if (store_state(s->store, l->id, state, reason, err) == 0 &&
        store_over(s->store, l->id, l->card.finished_s, l->points_failed, err) == 0 &&
        store_status_clean(s->store, l->id, l->status_synced, err) == 0 &&
        store_commit(s->store, err) == 0)
        return 0;
    store_rollback(s->store);
    return -1;
}

/* No state between running and done is kept: a job all of whose tiles are durable and that is not
 * over is being finished, and each step may be done again. */
int sink_complete(struct sink *s, struct live *l, struct err *err)
{
    if (sink_mend(s, l, err) != 0)
        return -1;
    if (jobdir_finish(&l->dir, err) != 0) {
        l->status_stale = true; /* its sync may have been the one that failed */
        return -1;
    }
    l->status_synced = l->status_written;
    if (commit_over(s, l, JOB_DONE, "", err) != 0)
        return -1;
    sink_live_over(l);
    return 0;
}

static int finish_step(struct sink *s, void *arg, struct err *err)
{
    struct live *l = arg;
    if (l->over || sink_complete(s, l, err) == 0)
        return 0;
    return sink_forget_lost(s, err) ? 0 : -1;
}

static void finish(struct sink *s, uint32_t job)
{
    struct live *l = sink_live(s, job);
    if (!l || l->over || l->open_tiles > 0) /* a tile was found damaged meanwhile */
        return;
    if (sink_persist(s, finish_step, l) && !l->dir.lost)
        sink_push(s, &(struct sink_event){.type = SINK_FINISHED, .job = job});
}

/* --- an end before the end ------------------------------------------------------------------- */

struct ending {
    struct live *l;
    const struct order *order;
};

/* What is durable stays readable, so the statuses are made durable too. */
static int end_step(struct sink *s, void *arg, struct err *err)
{
    struct ending *e = arg;
    do {
        if ((e->l->over || sink_rest_one(s, e->l, err) == 0) &&
            commit_over(s, e->l, e->order->state, e->order->text, err) == 0)
            return 0;
    } while (sink_forget_lost(s, err));
    return -1;
}

static void end(struct sink *s, const struct order *o)
{
    struct ending e = {sink_live(s, o->job), o};
    if (e.l && sink_persist(s, end_step, &e))
        sink_live_over(e.l);
}

/* --- delete ---------------------------------------------------------------------------------- */

static int delete_step(struct sink *s, void *arg, struct err *err)
{
    struct live *l = arg;
    if (s->results && sink_note_pending(s, l, err) != 0)
        return -1;
    if (jobcopy_remove(s->disk, s->data, l->id, err) != 0 || store_begin(s->store, err) != 0)
        return -1;
    if (store_job_delete(s->store, l->id, err) == 0 && store_commit(s->store, err) == 0)
        return 0;
    store_rollback(s->store);
    return -1;
}

/* The copy first, which would bring the job back; then the rows: files without a row are swept away
 * at the next start, a row without files would be a job that is lost. */
static void delete_job(struct sink *s, uint32_t job)
{
    struct live *l = sink_live(s, job);
    if (l) {
        if (!sink_persist(s, delete_step, l))
            return;
        jobdir_remove(&l->dir);
        if (s->results)
            sink_clear_pending(s);
        live_remove(s, l);
    }
    sink_push(s, &(struct sink_event){.type = SINK_DELETED, .job = job});
}

/* --- descriptors ----------------------------------------------------------------------------- */

static int rest_step(struct sink *s, void *arg, struct err *err)
{
    (void)arg;
    if (sink_rest(s, err) == 0)
        return 0;
    return sink_forget_lost(s, err) ? 0 : -1;
}

/* Descriptors are few: when many jobs have files open, all are closed. */
void sink_bound_files(struct sink *s)
{
    size_t open = 0;
    for (size_t i = 0; i < s->live_count; i++)
        open += jobdir_has_open_files(&s->lives[i]->dir);
    if (open <= OPEN_JOBS)
        return;
    sink_land(s, true);
    if (sink_persist(s, rest_step, NULL))
        for (size_t i = 0; i < s->live_count; i++)
            jobdir_close_files(&s->lives[i]->dir);
}

void sink_alone(struct sink *s, struct order *o)
{
    switch (o->type) {
    case ORDER_OVER:
        end(s, o);
        break;
    case ORDER_FINISH:
        finish(s, o->job);
        break;
    case ORDER_DELETE:
        delete_job(s, o->job);
        break;
    case ORDER_DISTRUST:
        sink_distrust_tile(s, o->job, o->frontier);
        break;
    case ORDER_VERIFY:
        if (!sink_verify_slice(s, o->job, &o->frontier)) {
            sink_order_again(s, o);
            return;
        }
        break;
    default:
        assert(o->type == ORDER_SUBMIT);
        submit(s, o);
    }
    sink_order_free(o);
}
