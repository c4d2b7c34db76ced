/* What the sink tells, at the start and later, on its way to the catalogue, the queue and clients.
 */
#include "server_private.h"

#include "log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void queue_add(struct server *s, const struct catalogue_job *job,
                      const struct sink_job *recovered)
{
    const struct job *j = job->job;
    struct queue_job q = {.id = job->id, .priority = job->priority, .state = JOB_QUEUED};
    q.q_count = (uint32_t)j->q.count;
    q.a_count = (uint32_t)j->a.count;
    q.q_blocks = j->q_blocks;
    q.a_blocks = j->a_blocks;
    q.point_bytes = (uint32_t)(j->output_count * (j->errors ? 12 : 8) + 1);
    q.point_cost_ns = job_point_cost_ns(j);
    if (recovered) {
        q.recovered = true;
        q.state = (enum job_state)recovered->state;
        q.frontier = recovered->frontier;
        q.tile_done = recovered->tile_done;
        q.points_failed = recovered->points_failed;
        q.reason = recovered->reason;
    }
    queue_job_add(s->queue, s->now_ms, &q);
}

static void table_durable(struct server *s, uint32_t id)
{
    struct catalogue_job *job = catalogue_job(s->catalogue, id);
    if (!job || job->table.len > 0)
        return;
    job->table = job->table_pending;
    job->table_pending = (struct buf){0};
    for (size_t i = 0; i < job->table_waiter_count; i++)
        tables_send(s, job->table_waiters[i], job, 0);
    job->table_waiter_count = 0;
}

static void submitted(struct server *s, const struct sink_event *e)
{
    struct catalogue_job *job = catalogue_job(s->catalogue, e->job);
    if (e->type == SINK_REFUSED) {
        clients_submitted(s, e->job, &e->err);
        catalogue_remove(s->catalogue, e->job);
        return;
    }
    job->stage = CATALOGUE_THERE;
    log_info("job submitted job=%u name=\"%s\" points=%" PRIu64 " tiles=%u", job->id,
             job->job->name, job_points(job->job), job_tile_count(job->job));
    queue_add(s, job, NULL);
    clients_submitted(s, e->job, NULL);
}

/* A submission repeated meanwhile waits for a job that is no more. */
static void deleted(struct server *s, uint32_t id)
{
    struct err err;
    err_set(&err, ERR_NO_SUCH_JOB, "job %u has been deleted", id);
    clients_submitted(s, id, &err);
    catalogue_remove(s->catalogue, id);
}

void events_take(struct server *s, const struct sink_event *e)
{
    verifications_event(s->verifications, e);
    switch (e->type) {
    case SINK_SUBMITTED:
    case SINK_REFUSED:
        submitted(s, e);
        break;
    case SINK_TABLE:
        table_durable(s, e->job);
        break;
    case SINK_DURABLE:
        queue_tile_durable(s->queue, s->now_ms, e->job, e->tile, e->worker, e->data_bytes,
                           e->points_failed);
        break;
    case SINK_SAME:
    case SINK_DIFFERS:
        queue_tile_compared(s->queue, s->now_ms, e->job, e->tile, e->worker, e->data_bytes,
                            e->points_failed, e->type == SINK_SAME, e->crc);
        break;
    case SINK_DROPPED:
        queue_tile_dropped(s->queue, s->now_ms, e->job, e->tile, e->worker, e->data_bytes,
                           e->err.code ? e->err.text : NULL);
        break;
    case SINK_DAMAGED:
        log_warnx("damaged on disk job=%u tile=%u", e->job, e->tile);
        if (catalogue_job(s->catalogue, e->job))
            catalogue_job(s->catalogue, e->job)->finished_s = 0;
        queue_tile_damaged(s->queue, s->now_ms, e->job, e->tile, e->points_failed);
        break;
    case SINK_MENDED:
        log_warnx("damaged on disk and mended job=%u file=\"%s\"", e->job, e->err.text);
        break;
    case SINK_CHECKED:
    case SINK_VERIFIED:
        break;
    case SINK_LOST:
        queue_job_fail(s->queue, s->now_ms, e->job, e->err.text);
        break;
    case SINK_FRONTIER:
        queue_frontier_durable(s->queue, s->now_ms, e->job, e->frontier);
        break;
    case SINK_FINISHED:
        queue_job_finished(s->queue, s->now_ms, e->job);
        break;
    case SINK_DELETED:
        deleted(s, e->job);
        break;
    case SINK_STALLED:
        log_warnx("storage: %s", e->err.text);
        queue_sink_stalled(s->queue, s->now_ms, e->err.text);
        break;
    case SINK_RESUMED:
        log_info("storage works again");
        queue_sink_stalled(s->queue, s->now_ms, NULL);
        break;
    }
}

void events_recover(struct server *s)
{
    for (size_t i = 0; i < sink_job_count(s->sink); i++) {
        struct sink_job *known = sink_job(s->sink, i);
        struct catalogue_job *job = catalogue_add(s->catalogue, known->id, known->job);
        known->job = NULL; /* taken */
        job->key = known->key;
        job->priority = known->priority;
        memcpy(job->owner, known->owner, sizeof job->owner);
        job->submitted_s = known->submitted_s;
        job->finished_s = known->finished_s;
        job->stage = CATALOGUE_THERE;
        buf_add(&job->table, known->table, known->table_bytes);
        queue_add(s, job, known);
    }
    s->next_job = sink_next_job(s->sink);
}
