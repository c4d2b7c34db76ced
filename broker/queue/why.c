/* What `why` tells: the facts about a job that does not run, or not faster. */
#include "queue_private.h"

#include <stdio.h>
#include <string.h>

/* Points that the worker's solver has finished and whose results have not come. As old as its last
 * heartbeat. */
static uint64_t points_on_their_way(const struct job_entry *j, const struct lease *l)
{
    uint64_t arrived = 0;
    for (uint32_t i = 0; i < l->tile_count && !l->count; i++)
        if (l->tile[i] != LEASE_PENDING)
            arrived += tile_points(j, l->first_tile + i);
    return l->points_done > arrived ? l->points_done - arrived : 0;
}

static void count_leases(const struct queue *q, const struct job_entry *j, const struct worker *w,
                         struct queue_why *why)
{
    bool here = false;
    for (const struct lease *l = w->first; l; l = l->next) {
        if (l->job != j->id)
            continue;
        here = true;
        why->points_on_their_way += points_on_their_way(j, l);
        int64_t out_ms = q->now_ms - l->out_ms;
        if (l->pending > 0 && out_ms > why->oldest_lease_ms)
            why->oldest_lease_ms = out_ms;
    }
    if (!here)
        return;
    why->workers_here++;
    why->threads_here += w->threads;
    why->cpu_threads += w->cpu_share * w->threads;
}

static void count_worker(const struct queue *q, const struct job_entry *j, const struct worker *w,
                         struct queue_why *why)
{
    if (w->state == WORKER_GONE)
        return;
    why->workers++;
    why->workers_silent += w->state == WORKER_DOUBTED;
    why->workers_starved += w->starved;
    if (!worker_can_work(w, j->id)) {
        why->workers_banned++;
        snprintf(why->ban_reason, sizeof why->ban_reason, "%s", w->reason);
        return;
    }
    why->workers_elsewhere += w->lease_count > 0 && !worker_holds_job(w, j->id);
    why->workers_resting += w->lease_count == 0 && w->hold_bytes == 0;
    why->workers_idle += w->lease_count == 0 && w->hold_bytes > 0;
    count_leases(q, j, w, why);
}

static bool wants_workers(const struct job_entry *j)
{
    return job_is_live(j) && j->tiles.in_state[TILE_DONE] < j->tiles.count;
}

static void count_jobs(const struct queue *q, const struct job_entry *j, struct queue_why *why)
{
    for (size_t i = 0; i < q->job_count; i++) {
        const struct job_entry *other = q->jobs[i];
        if (other == j || !wants_workers(other))
            continue;
        why->jobs_before += other->priority > j->priority;
        why->jobs_beside += other->priority == j->priority;
        if (other->priority > j->priority &&
            (why->job_before == 0 || other->priority > why->priority_before)) {
            why->job_before = other->id;
            why->priority_before = other->priority;
        }
    }
}

int queue_job_why(struct queue *q, int64_t now_ms, uint32_t job, struct queue_why *why)
{
    q->now_ms = now_ms;
    const struct job_entry *j = job_find(q, job);
    if (!j)
        return -1;
    memset(why, 0, sizeof *why);
    for (int state = TILE_OPEN; state <= TILE_CUT; state++)
        why->tiles[state] = j->tiles.in_state[state];
    why->hold_ms = j->hold_until_ms > now_ms ? j->hold_until_ms - now_ms : 0;
    if (q->stalled)
        snprintf(why->stall_reason, sizeof why->stall_reason, "%s", q->stall_reason);
    why->sink_share =
        q->config.sink_bytes ? (double)q->granted_sum / (double)q->config.sink_bytes : 0;
    for (size_t i = 0; i < q->worker_count; i++)
        count_worker(q, j, q->workers[i], why);
    count_jobs(q, j, why);
    return 0;
}
