/* What `status` and `workers` show. */
#include "queue_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool others_at_work(const struct queue *q, const struct job_entry *j)
{
    return q->lease_count > j->lease_count;
}

static bool everyone_rests(const struct queue *q)
{
    for (size_t i = 0; i < q->worker_count; i++) {
        const struct worker *w = q->workers[i];
        if (w->state != WORKER_GONE && !w->paused && (w->hold_bytes > 0 || w->lease_count > 0))
            return false;
    }
    return true;
}

static const struct machine *aside(const struct queue *q)
{
    for (size_t k = 0; k < q->machine_count; k++)
        if (q->machines[k].aside_until_ms > q->now_ms)
            return &q->machines[k];
    return NULL;
}

static void reason(const struct queue *q, const struct job_entry *j, char *out, size_t size)
{
    if (j->reason[0])
        snprintf(out, size, "%s", j->reason);
    else if (!job_is_live(j))
        out[0] = '\0';
    else if (q->stalled)
        snprintf(out, size, "storage: %s", q->stall_reason);
    else if (q->workers_up == 0 && aside(q))
        snprintf(out, size, "%s is set aside: %s", aside(q)->host, aside(q)->reason);
    else if (q->workers_up == 0)
        snprintf(out, size, "no worker is connected");
    else if (j->holders == 0 && everyone_rests(q))
        snprintf(out, size, "every worker rests: hillsweep workers says why");
    else if (j->holders == 0 && j->tiles.in_state[TILE_HELD] > 0)
        snprintf(out, size, "waiting for the workers from before the broker's restart");
    else if (j->holders == 0 && j->tiles.in_state[TILE_OPEN] > 0 && others_at_work(q, j))
        snprintf(out, size, "the workers are busy with other jobs");
    else
        out[0] = '\0';
}

static uint32_t rows_done(const struct job_entry *j)
{
    return (uint32_t)((uint64_t)j->q_count * j->tiles.bands_done / j->q_blocks);
}

int queue_job_info(const struct queue *q, int64_t now_ms, uint32_t job, struct queue_job_info *info)
{
    const struct job_entry *j = job_find(q, job);
    if (!j)
        return -1;
    memset(info, 0, sizeof *info);
    info->state = j->state;
    reason(q, j, info->reason, sizeof info->reason);
    info->priority = j->priority;
    info->points_total = j->points_total;
    info->points_done = j->points_done;
    info->points_failed = j->points_failed;
    info->tiles_total = j->tiles.count;
    info->tiles_done = j->tiles.in_state[TILE_DONE];
    info->tiles_leased = j->tiles.in_state[TILE_LEASED];
    info->rows_done = rows_done(j);
    info->tiles_recomputed_after_ack = j->recomputed;
    info->workers = j->holders;
    bool moving = j->state == JOB_RUNNING && now_ms - j->rate_ms < 30000;
    info->rate = moving ? j->rate : 0;
    info->eta_s = info->rate > 0 ? (double)(j->points_total - j->points_done) / info->rate : NAN;
    return 0;
}

static const char *worker_state_name(const struct worker *w)
{
    if (w->state == WORKER_GONE)
        return "gone";
    if (w->state == WORKER_DOUBTED)
        return "silent";
    if (w->lease_count > 0)
        return "working";
    if (w->paused)
        return "paused";
    return w->hold_bytes > 0 ? "idle" : "resting";
}

static const char *worker_reason(const struct worker *w)
{
    if (w->paused)
        return "paused by hillsweep workers";
    return w->hold_bytes == 0 && w->rest[0] ? w->rest : w->reason;
}

static void show_worker(const struct queue *q, const struct worker *w,
                        struct queue_worker_info *info)
{
    memset(info, 0, sizeof *info);
    info->worker = w->number;
    info->state = worker_state_name(w);
    memcpy(info->host, w->host, sizeof info->host);
    memcpy(info->version, w->version, sizeof info->version);
    memcpy(info->isa, w->isa, sizeof info->isa);
    snprintf(info->reason, sizeof info->reason, "%s", worker_reason(w));
    info->paused = w->paused;
    info->limit_percent = w->limit_percent;
    info->threads = w->threads;
    info->pid = w->pid;
    info->job = w->first ? w->first->job : 0;
    info->leases = w->lease_count;
    info->tiles_done = w->tiles_done;
    info->points_per_s = w->lease_count > 0 ? w->rate : 0;
    info->heard_ms_ago = q->now_ms - w->heard_ms;
}

static void show_machine(const struct queue *q, const struct machine *m,
                         struct queue_worker_info *info)
{
    memset(info, 0, sizeof *info);
    info->state = "set aside";
    info->aside_ms = m->aside_until_ms - q->now_ms;
    info->limit_percent = 100;
    memcpy(info->host, m->host, sizeof info->host);
    memcpy(info->reason, m->reason, sizeof info->reason);
}

/* Workers have the places below it. */
#define MACHINES_FROM ((uint64_t)1 << 32)

bool queue_worker_next(struct queue *q, int64_t now_ms, uint64_t *place,
                       struct queue_worker_info *info)
{
    q->now_ms = now_ms;
    for (; *place < q->worker_count; ++*place) {
        const struct worker *w = q->workers[*place];
        if (w->state == WORKER_GONE)
            continue;
        show_worker(q, w, info);
        ++*place;
        return true;
    }
    if (*place < MACHINES_FROM)
        *place = MACHINES_FROM;
    for (; *place - MACHINES_FROM < q->machine_count; ++*place) {
        const struct machine *m = &q->machines[*place - MACHINES_FROM];
        if (m->aside_until_ms <= now_ms)
            continue;
        show_machine(q, m, info);
        ++*place;
        return true;
    }
    return false;
}
