/* The jobs, and the one place where a job changes its state.
 *
 *            LEASE              COMPLETE             FILED
 *   QUEUED ---------> RUNNING -----------> FINISHING -------> DONE
 *     |  ^               |  ^                  ^                |
 *     |  +--RESUME--+    |  +----RESUME---+    |
 *     +---PAUSE-->  PAUSED <---PAUSE------+    |
 *                     +---- COMPLETE ----------+
 *   FAIL, CANCEL: from all but DONE, FAILED, CANCELLED; ROT: from FINISHING and DONE back to
 *   RUNNING */
#include "queue_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NO = 0xff };

/* clang-format off */
static const uint8_t next_state[JOB_CANCELLED + 1][JOB_EVENTS] = {
    /*                 LEASE        PAUSE       RESUME       COMPLETE       FILED     FAIL        CANCEL         ROT */
    [JOB_QUEUED]    = {JOB_RUNNING, JOB_PAUSED, NO,          JOB_FINISHING, NO,       JOB_FAILED, JOB_CANCELLED, JOB_QUEUED},
    [JOB_RUNNING]   = {JOB_RUNNING, JOB_PAUSED, NO,          JOB_FINISHING, NO,       JOB_FAILED, JOB_CANCELLED, JOB_RUNNING},
    [JOB_PAUSED]    = {NO,          NO,         JOB_RUNNING, JOB_FINISHING, NO,       JOB_FAILED, JOB_CANCELLED, JOB_PAUSED},
    [JOB_FINISHING] = {NO,          NO,         NO,          NO,            JOB_DONE, JOB_FAILED, NO,            JOB_RUNNING},
    [JOB_DONE]      = {NO,          NO,         NO,          NO,            NO,       NO,         NO,            JOB_RUNNING},
    [JOB_FAILED]    = {NO,          NO,         NO,          NO,            NO,       NO,         NO,            NO},
    [JOB_CANCELLED] = {NO,          NO,         NO,          NO,            NO,       NO,         NO,            NO},
};
/* clang-format on */

static bool allows(unsigned state, unsigned event)
{
    return next_state[state][event] != NO;
}

static const char *const state_names[] = {"queued", "running", "paused",   "finishing",
                                          "done",   "failed",  "cancelled"};
static const char *const event_names[] = {"lease", "pause", "resume", "complete",
                                          "filed", "fail",  "cancel", "rot"};
const struct queue_table_view job_view = {"job",       JOB_CANCELLED + 1, JOB_EVENTS,
                                          state_names, event_names,       allows};

const char *job_state_name(enum job_state state)
{
    static const char *const names[] = {
        [JOB_QUEUED] = "queued",      [JOB_RUNNING] = "running", [JOB_PAUSED] = "paused",
        [JOB_FINISHING] = "running",  [JOB_DONE] = "done",       [JOB_FAILED] = "failed",
        [JOB_CANCELLED] = "cancelled"};
    return names[state];
}

bool job_state_is_over(enum job_state state)
{
    return state == JOB_DONE || state == JOB_FAILED || state == JOB_CANCELLED;
}

bool job_is_live(const struct job_entry *j)
{
    return j->state == JOB_QUEUED || j->state == JOB_RUNNING;
}

bool job_can(const struct job_entry *j, enum job_event event)
{
    return next_state[j->state][event] != NO;
}

static void note_pieces(struct queue *q, struct job_entry *j)
{
    bool has = job_is_live(j) && j->tiles.in_state[TILE_CUT] > 0;
    q->jobs_in_pieces += has;
    q->jobs_in_pieces -= j->has_pieces;
    j->has_pieces = has;
}

void job_tile_event(struct queue *q, struct job_entry *j, uint32_t tile, enum tile_event event)
{
    tile_event(&j->tiles, j->a_blocks, tile, event);
    enum tile_state state = tile_get(&j->tiles, tile);
    if (state == TILE_OPEN || state == TILE_CUT)
        offer_put(q, j);
    note_pieces(q, j);
}

void job_event(struct queue *q, struct job_entry *j, enum job_event event, const char *reason)
{
    uint8_t to = next_state[j->state][event];
    assert(to != NO);
    seen(&q->config, QUEUE_JOBS, j->state, event);
    if (to == j->state)
        return;
    j->state = (enum job_state)to;
    note_pieces(q, j);
    if (job_is_live(j))
        offer_put(q, j);
    else
        offer_withdraw(q, j);
    offer_moved(q, j);
    snprintf(j->reason, sizeof j->reason, "%s", reason);
    struct queue_action *a = action_add(q, ACTION_JOB_STATE);
    a->job = j->id;
    a->state = j->state;
    snprintf(a->text, sizeof a->text, "%s", reason);
}

struct job_entry *job_find(const struct queue *q, uint32_t id)
{
    size_t low = 0, high = q->job_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (q->jobs[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < q->job_count && q->jobs[low]->id == id ? q->jobs[low] : NULL;
}

static uint64_t block_size(uint32_t n, uint32_t blocks, uint32_t k)
{
    return (uint64_t)n * (k + 1) / blocks - (uint64_t)n * k / blocks;
}

uint32_t tile_points(const struct job_entry *j, uint32_t tile)
{
    return (uint32_t)(block_size(j->q_count, j->q_blocks, tile / j->a_blocks) *
                      block_size(j->a_count, j->a_blocks, tile % j->a_blocks));
}

uint64_t tile_bytes(const struct job_entry *j, uint32_t tile)
{
    return (uint64_t)tile_points(j, tile) * j->point_bytes;
}

/* What a restart found: durable tiles are DONE, the others below the frontier are HELD for those
 * who may still be solving them. */
static void recover_tiles(struct queue *q, struct job_entry *j, const struct queue_job *spec)
{
    struct tile_table *t = &j->tiles;
    bool all = spec->state == JOB_DONE || spec->state == JOB_FINISHING;
    for (uint32_t tile = 0; tile < t->count; tile++) {
        if (all || (spec->tile_done && spec->tile_done[tile])) {
            job_tile_event(q, j, tile, TILE_DURABLE);
            j->points_done += tile_points(j, tile);
        } else if (tile < j->frontier) {
            job_tile_event(q, j, tile, TILE_HOLD);
        }
    }
    t->cursor = j->frontier < t->count ? j->frontier : t->count;
    if (t->in_state[TILE_HELD] > 0) {
        j->hold_until_ms = q->now_ms + q->config.hold_ms;
        q->held_ms = j->hold_until_ms < q->held_ms ? j->hold_until_ms : q->held_ms;
    }
}

/* A job that joins others starts level with the least served of them, not with a debt to itself. */
static double least_served(const struct queue *q)
{
    double least = -1;
    for (size_t i = 0; i < q->job_count; i++)
        if (job_is_live(q->jobs[i]) && (least < 0 || q->jobs[i]->served_ns < least))
            least = q->jobs[i]->served_ns;
    return least < 0 ? 0 : least;
}

void queue_job_add(struct queue *q, int64_t now_ms, const struct queue_job *spec)
{
    q->now_ms = now_ms;
    assert(!job_find(q, spec->id));
    struct job_entry *j = mem_alloc(1, sizeof *j);
    j->id = spec->id;
    j->priority = spec->priority;
    j->state = spec->state;
    j->q_count = spec->q_count;
    j->a_count = spec->a_count;
    j->q_blocks = spec->q_blocks;
    j->a_blocks = spec->a_blocks;
    j->point_bytes = spec->point_bytes;
    j->point_cost_ns = j->cost_ns = spec->point_cost_ns;
    j->points_total = (uint64_t)spec->q_count * spec->a_count;
    j->points_failed = spec->points_failed;
    snprintf(j->reason, sizeof j->reason, "%s", spec->reason ? spec->reason : "");
    j->frontier = j->frontier_asked = spec->frontier;
    j->served_ns = least_served(q);
    j->rate_ms = now_ms;
    tile_table_init(&j->tiles, &q->config, spec->q_blocks, spec->a_blocks);
    q->jobs = mem_resize(q->jobs, q->job_count + 1, sizeof *q->jobs);
    size_t at = q->job_count++;
    for (; at > 0 && q->jobs[at - 1]->id > j->id; at--)
        q->jobs[at] = q->jobs[at - 1];
    q->jobs[at] = j;
    if (spec->recovered)
        recover_tiles(q, j, spec);
    if (j->state == JOB_FINISHING) { /* the sink completes it: ask again */
        j->state = JOB_RUNNING;
    }
    offer_put(q, j);
    job_check_complete(q, j);
    job_ask_frontier(q, j);
    dispatch_appeared(q);
}

/* Ends the job's leases and tells their holders. */
static void recall(struct queue *q, struct job_entry *j)
{
    for (struct lease *l; (l = j->leases);) {
        action_tiles(q, ACTION_DROP, worker_find(q, l->worker), j->id, l->first_tile,
                     l->tile_count);
        lease_end(q, l);
    }
}

void queue_job_remove(struct queue *q, int64_t now_ms, uint32_t job)
{
    q->now_ms = now_ms;
    struct job_entry *j = job_find(q, job);
    if (!j)
        return;
    recall(q, j);
    ack_job_ends(q, j);
    size_t at = 0;
    while (q->jobs[at] != j)
        at++;
    memmove(q->jobs + at, q->jobs + at + 1, (--q->job_count - at) * sizeof *q->jobs);
    for (size_t i = 0; i < j->hurt_count; i++) {
        free(j->hurt[i].pieces);
        free(j->hurt[i].failed);
    }
    free(j->hurt);
    q->jobs_in_pieces -= j->has_pieces;
    offer_withdraw(q, j);
    recheck_forget(q, j);
    tile_table_fini(&j->tiles);
    free(j);
}

static int refuse(const struct job_entry *j, uint32_t job, const char *verb, struct err *err)
{
    if (!j)
        return err_set(err, ERR_NO_SUCH_JOB, "no job %u", job);
    return err_set(err, ERR_USAGE, "job %u is %s: it cannot be %s", job,
                   j->state == JOB_FINISHING ? "finishing" : job_state_name(j->state), verb);
}

int queue_job_pause(struct queue *q, int64_t now_ms, uint32_t job, struct err *err)
{
    q->now_ms = now_ms;
    struct job_entry *j = job_find(q, job);
    if (!j || !job_can(j, JOB_EV_PAUSE))
        return refuse(j, job, "paused", err);
    job_event(q, j, JOB_EV_PAUSE, "paused by the user");
    dispatch_appeared(q); /* others may have the workers */
    return 0;
}

int queue_job_resume(struct queue *q, int64_t now_ms, uint32_t job, struct err *err)
{
    q->now_ms = now_ms;
    struct job_entry *j = job_find(q, job);
    if (!j || !job_can(j, JOB_EV_RESUME))
        return refuse(j, job, "resumed", err);
    double level = least_served(q);
    if (j->served_ns < level)
        j->served_ns = level; /* it has no offer out */
    job_event(q, j, JOB_EV_RESUME, "");
    dispatch_appeared(q);
    return 0;
}

int queue_job_cancel(struct queue *q, int64_t now_ms, uint32_t job, struct err *err)
{
    q->now_ms = now_ms;
    struct job_entry *j = job_find(q, job);
    if (!j || !job_can(j, JOB_EV_CANCEL))
        return refuse(j, job, "cancelled", err);
    job_event(q, j, JOB_EV_CANCEL, "cancelled by the user");
    recall(q, j);
    recheck_forget(q, j);
    dispatch_appeared(q);
    return 0;
}

int queue_job_priority(struct queue *q, int64_t now_ms, uint32_t job, int32_t priority,
                       struct err *err)
{
    q->now_ms = now_ms;
    struct job_entry *j = job_find(q, job);
    if (!j)
        return refuse(j, job, "given a priority", err);
    j->priority = priority;
    offer_moved(q, j);
    return 0;
}

void queue_job_finished(struct queue *q, int64_t now_ms, uint32_t job)
{
    q->now_ms = now_ms;
    struct job_entry *j = job_find(q, job);
    if (j && job_can(j, JOB_EV_FILED))
        job_event(q, j, JOB_EV_FILED, "");
}

void queue_job_fail(struct queue *q, int64_t now_ms, uint32_t job, const char *reason)
{
    q->now_ms = now_ms;
    struct job_entry *j = job_find(q, job);
    if (!j || !job_can(j, JOB_EV_FAIL))
        return;
    job_event(q, j, JOB_EV_FAIL, reason);
    recall(q, j);
    recheck_forget(q, j);
    dispatch_appeared(q);
}

void queue_tile_damaged(struct queue *q, int64_t now_ms, uint32_t job, uint32_t tile,
                        uint32_t points_failed)
{
    q->now_ms = now_ms;
    struct job_entry *j = job_find(q, job);
    if (!j || tile >= j->tiles.count || !tile_can(&j->tiles, tile, TILE_ROT))
        return;
    ack_rot(q, j, tile);
    job_tile_event(q, j, tile, TILE_ROT);
    recheck_forget_tile(q, j, tile);
    j->points_done -= tile_points(j, tile);
    j->points_failed -= points_failed < j->points_failed ? points_failed : j->points_failed;
    struct hurt *h = hurt_find(j, tile);
    if (h) /* it was hurt in another life */
        h->deaths = 0;
    if (!job_can(j, JOB_EV_ROT))
        return;
    job_event(q, j, JOB_EV_ROT, "what was damaged on disk is computed again");
    job_ask_frontier(q, j);
    dispatch_appeared(q);
}

void job_check_complete(struct queue *q, struct job_entry *j)
{
    if (j->tiles.in_state[TILE_DONE] == j->tiles.count && job_can(j, JOB_EV_COMPLETE))
        job_event(q, j, JOB_EV_COMPLETE, "");
}

bool job_awaits_frontier(const struct job_entry *j)
{
    return job_is_live(j) && j->tiles.cursor >= j->frontier && j->frontier < j->frontier_asked;
}

/* The frontier runs ahead of the cursor by as many tiles as are out and not yet durable, so that
 * the next ones may go as soon as these are done, and not much further: what lies below it waits
 * after a restart. Twice as many where that was not enough: tiles that are answered faster than the
 * disk commits. */
void job_ask_frontier(struct queue *q, struct job_entry *j)
{
    if (job_state_is_over(j->state) || j->frontier_asked >= j->tiles.count)
        return;
    uint32_t out = j->tiles.in_state[TILE_LEASED] + j->tiles.in_state[TILE_ARRIVED];
    uint32_t ahead = 2 * (uint32_t)q->workers_up; /* what they ask for when the job begins */
    ahead = ahead > q->config.frontier_ahead ? ahead : q->config.frontier_ahead;
    ahead = ahead > out ? ahead : out;
    if (j->frontier_short)
        ahead *= 2;
    if (j->frontier_asked >= j->tiles.cursor + ahead / 2)
        return;
    j->frontier_short = false;
    uint32_t left = j->tiles.count - j->tiles.cursor;
    j->frontier_asked = j->tiles.cursor + (left < ahead ? left : ahead);
    struct queue_action *a = action_add(q, ACTION_FRONTIER);
    a->job = j->id;
    a->frontier = j->frontier_asked;
}

void queue_frontier_durable(struct queue *q, int64_t now_ms, uint32_t job, uint32_t frontier)
{
    q->now_ms = now_ms;
    struct job_entry *j = job_find(q, job);
    if (!j || frontier <= j->frontier || frontier > j->tiles.count)
        return;
    j->frontier = frontier;
    dispatch_appeared(q);
}
