/* Life and time of the queue; see queue.h. */
#include "queue_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void queue_config_default(struct queue_config *config)
{
    *config = (struct queue_config){
        .silence_ms = 3900,
        .grace_ms = 300,
        .hold_ms = 5000,
        .hung_cpu_ms = 4000,
        .lease_ms = 500,
        .lease_bytes = 4u << 20,
        .sink_bytes = 32u << 20,
        .frontier_ahead = 16,
        .verify_one_in = 256,
    };
}

struct queue *queue_create(const struct queue_config *config, int64_t now_ms)
{
    struct queue *q = mem_alloc(1, sizeof *q);
    assert(config->random);
    q->config = *config;
    q->start_ms = q->now_ms = now_ms;
    q->salt = config->random(config->random_arg);
    offers_init(q);
    deadlines_init(q);
    q->held_ms = INT64_MAX;
    q->straggle_ms = now_ms + STRAGGLE_EVERY_MS;
    return q;
}

void queue_destroy(struct queue *q)
{
    if (!q)
        return;
    while (q->job_count > 0)
        queue_job_remove(q, q->now_ms, q->jobs[0]->id);
    free(q->jobs);
    lease_table_fini(q);
    for (size_t i = 0; i < q->worker_count; i++) {
        free(q->workers[i]->banned);
        free(q->workers[i]->blamed);
        free(q->workers[i]);
    }
    free(q->workers);
    free(q->machines);
    heap_fini(&q->offers);
    heap_fini(&q->due);
    free(q->actions);
    free(q);
}

void queue_sink_stalled(struct queue *q, int64_t now_ms, const char *reason)
{
    q->now_ms = now_ms;
    q->stalled = reason != NULL;
    snprintf(q->stall_reason, sizeof q->stall_reason, "%s", reason ? reason : "");
    if (!q->stalled)
        dispatch_everyone(q);
}

/* Who holds leases and is not heard is sent something now and then: sending finds out that a
 * connection is gone, whatever is sent. */
static int64_t probe_due_ms(const struct worker *w)
{
    int64_t last_ms = w->heard_ms > w->told_ms ? w->heard_ms : w->told_ms;
    int64_t quiet_ms = last_ms + PROBE_QUIET_MS, again_ms = w->probed_ms + PROBE_EVERY_MS;
    return quiet_ms > again_ms ? quiet_ms : again_ms;
}

/* Silence, a lost connection that did not come back, and probes of what should have been heard. */
static void worker_tick(struct queue *q, struct worker *w)
{
    int64_t quiet = q->now_ms - w->heard_ms;
    if (quiet >= q->config.silence_ms) {
        snprintf(w->reason, sizeof w->reason, "nothing was heard of it for %d ms", (int)quiet);
        death_of_worker(q, w, false);
        return;
    }
    if (w->state == WORKER_DOUBTED && q->now_ms - w->doubted_ms >= q->config.grace_ms) {
        death_of_worker(q, w, true);
        return;
    }
    if (w->lease_count > 0 && q->now_ms >= probe_due_ms(w)) {
        w->probed_ms = q->now_ms;
        struct queue_action *a = action_add(q, ACTION_PROBE);
        a->worker = w->number;
        a->window = w->granted;
        a->paused = w->paused;
        a->limit_percent = w->limit_percent;
    }
    deadline_set(q, w, w->heard_ms + q->config.silence_ms);
    ack_tick(q, w);
    if (w->state == WORKER_DOUBTED)
        deadline_set(q, w, w->doubted_ms + q->config.grace_ms);
    if (w->lease_count > 0)
        deadline_set(q, w, probe_due_ms(w));
}

static void release_held(struct queue *q, struct job_entry *j)
{
    if (j->hold_until_ms == 0)
        return;
    if (q->now_ms < j->hold_until_ms) {
        q->held_ms = j->hold_until_ms < q->held_ms ? j->hold_until_ms : q->held_ms;
        return;
    }
    j->hold_until_ms = 0;
    dispatch_appeared(q);
    for (uint32_t tile = 0; tile < j->tiles.cursor; tile++)
        if (tile_get(&j->tiles, tile) == TILE_HELD)
            job_tile_event(q, j, tile, TILE_RELEASE);
}

/* The broker itself was stopped or starved: that nobody was heard meanwhile is no worker's fault,
 * and what they said waits to be read. */
static void forgive(struct queue *q, int64_t late_ms)
{
    for (size_t i = 0; i < q->worker_count; i++) {
        struct worker *w = q->workers[i];
        w->heard_ms = w->heard_ms + late_ms < q->now_ms ? w->heard_ms + late_ms : q->now_ms;
        w->doubted_ms = w->doubted_ms + late_ms < q->now_ms ? w->doubted_ms + late_ms : q->now_ms;
    }
}

static int64_t next_due(const struct queue *q)
{
    int64_t due_ms = deadline_first(q);
    due_ms = q->held_ms < due_ms ? q->held_ms : due_ms;
    return q->straggle_ms < due_ms ? q->straggle_ms : due_ms;
}

int64_t queue_tick(struct queue *q, int64_t now_ms)
{
    q->now_ms = now_ms;
    int64_t due_ms = deadline_first(q);
    if (due_ms < now_ms && now_ms - due_ms >= LATE_MS)
        forgive(q, now_ms - due_ms);
    while (deadline_first(q) <= now_ms)
        worker_tick(q, deadline_pop(q));
    if (now_ms >= q->held_ms) {
        q->held_ms = INT64_MAX;
        for (size_t i = 0; i < q->job_count; i++)
            release_held(q, q->jobs[i]);
    }
    if (now_ms >= q->straggle_ms) {
        if (q->lease_count > 0)
            dispatch_stragglers(q);
        q->straggle_ms = q->lease_count > 0 ? now_ms + STRAGGLE_EVERY_MS : INT64_MAX;
    }
    return next_due(q);
}
