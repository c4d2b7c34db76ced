/* What must hold, looked at as it happens and at the end. */
#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Shares are by work, as far as its cost was known beforehand: three times too low for some. */
enum { PASSED_TIMES = 8, PASSED_US = 60000000 };
enum { IN_VAIN = 20 }; /* leases may cross what a worker says before it leaves */

void sim_trace(struct sim *s, const char *fmt, ...)
{
    if (!s->verbose)
        return;
    va_list ap;
    va_start(ap, fmt);
    printf("%8" PRId64 " ", s->now_ms);
    vprintf(fmt, ap);
    putchar('\n');
    va_end(ap);
}

void sim_fail(struct sim *s, const char *fmt, ...)
{
    if (s->failed)
        return;
    va_list ap;
    va_start(ap, fmt);
    int n = snprintf(s->why, sizeof s->why, "at %" PRId64 " ms: ", s->now_ms);
    vsnprintf(s->why + n, sizeof s->why - (size_t)n, fmt, ap);
    va_end(ap);
    s->failed = true;
    sim_trace(s, "WRONG: %s", s->why);
}

/* --- as it happens --------------------------------------------------------------------------- */

/* Something of the job could be given out now. */
static bool has_open(const struct job_entry *j)
{
    if (!job_is_live(j))
        return false;
    for (uint32_t t = 0; t < j->frontier; t++)
        if (tile_get(&j->tiles, t) == TILE_OPEN)
            return true;
    return false;
}

/* A lease of one job passes no other by that has a better right to the worker. */
static void judge_turn(struct sim *s, const struct queue *q, uint32_t worker,
                       const struct job_entry *given, int64_t work_us)
{
    const struct worker *w = worker_find(q, worker);
    for (size_t i = 0; i < q->job_count; i++) {
        const struct job_entry *j = q->jobs[i];
        struct sim_job *known = &s->jobs[j->id];
        if (j == given || known->open_ms == 0 || known->open_ms == s->now_ms || !has_open(j) ||
            !w || !worker_can_work(w, j->id)) {
            known->passed_us = 0;
            continue;
        }
        if (j->priority > given->priority)
            sim_fail(s, "job %u (priority %d) is passed by for job %u (priority %d)", j->id,
                     j->priority, given->id, given->priority);
        if (j->priority == given->priority &&
            (known->passed_us += work_us) >
                PASSED_TIMES * known->last_us * (int64_t)q->job_count + PASSED_US)
            sim_fail(s, "job %u starves beside job %u", j->id, given->id);
    }
}

void judge_watch(struct sim *s, uint32_t worker)
{
    const struct queue *q = s->house.s.queue;
    for (size_t i = 0; i < q->worker_count; i++) {
        if (strcmp(q->workers[i]->host, s->workers[worker].host) != 0)
            continue;
        for (const struct lease *l = q->workers[i]->first; l; l = l->next) {
            for (uint32_t k = 0; k < l->tile_count; k++) {
                s->again[l->first_tile + k] = l->tile[k] == LEASE_PENDING;
                s->again_left += l->tile[k] == LEASE_PENDING;
            }
        }
    }
}

/* Nobody is set aside who has done no wrong. */
static void judge_machines(struct sim *s)
{
    const struct queue *q = s->house.s.queue;
    for (uint32_t i = 0; i < s->worker_count; i++) {
        const struct sim_worker *w = &s->workers[i];
        for (size_t k = 0; k < q->machine_count && w->lie_ppm == 0 && !w->weak; k++)
            if (q->machines[k].offences > 0 && strcmp(q->machines[k].host, w->host) == 0)
                sim_fail(s, "%s is set aside and has done no wrong: %s", w->host,
                         q->machines[k].reason);
    }
}

static int64_t slowness(const struct sim *s, const struct worker *w)
{
    for (uint32_t i = 0; w && i < s->worker_count; i++)
        if (strcmp(s->workers[i].host, w->host) == 0)
            return s->workers[i].slow;
    return 1;
}

static void judge_lease(struct sim *s, uint32_t worker, const struct wire_msg *m)
{
    const struct queue *q = s->house.s.queue;
    const struct job_entry *j = job_find(q, m->lease.job);
    struct sim_job *known = &s->jobs[m->lease.job];
    const struct disk_job *d = &s->disk.jobs[m->lease.job];
    bool verify = m->lease.flags & WIRE_LEASE_VERIFY;
    uint64_t points = 0;
    if (!j || job_state_is_over(j->state) || j->state == JOB_FINISHING) {
        if (!verify)
            sim_fail(s, "a lease of job %u, which is over", m->lease.job);
        return;
    }
    if (!job_is_live(j) && !verify)
        sim_fail(s, "a lease of job %u, which is %s", j->id, job_state_name(j->state));
    if (m->lease.first_tile + m->lease.tile_count > d->frontier)
        sim_fail(s, "job %u: tiles %u..%u go out, the frontier on disk is %u", j->id,
                 m->lease.first_tile, m->lease.first_tile + m->lease.tile_count - 1, d->frontier);
    for (uint32_t t = m->lease.first_tile; t < m->lease.first_tile + m->lease.tile_count; t++) {
        if (known->acked[t] && !verify)
            sim_fail(s, "job %u tile %u goes out though it was acknowledged", j->id, t);
        points += tile_points(j, t);
        s->again_left -= j->id == 1 && s->again[t];
        if (j->id == 1)
            s->again[t] = false;
        known->lent[t] |= (uint64_t)1 << worker % 64;
    }
    s->points_leased[j->id] += points;
    const struct worker *to = worker_find(q, worker);
    if (to && machine_aside_ms(q, to->machine) > 0)
        sim_fail(s, "a lease for %s, which is set aside", to->host);
    if (to && farm_lease_in_vain(s, to->session) > IN_VAIN)
        sim_fail(s, "%s is leaving, and is given work again and again", to->host);
    if (!s->first_lease_ms[j->id])
        s->first_lease_ms[j->id] = s->now_ms;
    s->leases_sent++;
    if (!(m->lease.flags & (WIRE_LEASE_VERIFY | WIRE_LEASE_STRAGGLER)) && !m->lease.count)
        judge_turn(s, q, worker, j, (int64_t)points * known->point_us);
    known->last_us = (int64_t)points * known->point_us * slowness(s, to);
}

static void judge_ack(struct sim *s, const struct wire_msg *m)
{
    for (uint32_t i = 0; i < m->tiles.tiles.count; i++) {
        const struct wire_tiles *run = (const struct wire_tiles *)m->tiles.tiles.items + i;
        for (uint32_t t = run->first_tile; t < run->first_tile + run->tile_count; t++) {
            if (s->jobs[run->job].lost[t])
                continue;
            if (!s->disk.jobs[run->job].tile[t].durable)
                sim_fail(s, "job %u tile %u is acknowledged and not durable", run->job, t);
            s->jobs[run->job].acked[t] = true;
        }
    }
}

/* Every tile that a worker was sent before it died, or was told to drop because it hung. */
void judge_death(struct sim *s, uint32_t worker, uint32_t job, uint32_t tile)
{
    uint64_t bit = (uint64_t)1 << worker % 64;
    for (uint32_t id = 1; id <= s->job_count; id++) {
        struct sim_job *j = &s->jobs[id];
        for (uint32_t t = 0; t < j->tiles && (job == 0 || job == id); t++) {
            if (!(j->lent[t] & bit) || (job && t != tile))
                continue;
            j->near_death[t]++;
            if (!job)
                j->lent[t] &= ~bit;
        }
    }
}

void judge_to_worker(struct sim *s, uint32_t worker, const struct wire_msg *m)
{
    if (s->verbose && m->type == WIRE_LEASE)
        sim_trace(s, "LEASE job %u tiles %u+%u piece %u+%u to worker %u flags %u", m->lease.job,
                  m->lease.first_tile, m->lease.tile_count, m->lease.first, m->lease.count, worker,
                  m->lease.flags);
    else if (s->verbose && (m->type == WIRE_ACK || m->type == WIRE_DROP) && m->tiles.tiles.count)
        sim_trace(s, "%s job %u tiles %u+%u to worker %u", wire_type_name(m->type),
                  ((const struct wire_tiles *)m->tiles.tiles.items)->job,
                  ((const struct wire_tiles *)m->tiles.tiles.items)->first_tile,
                  ((const struct wire_tiles *)m->tiles.tiles.items)->tile_count, worker);
    else
        sim_trace(s, "%s to worker %u", wire_type_name(m->type), worker);
    if (m->type == WIRE_DROP)
        for (uint32_t i = 0; i < m->tiles.tiles.count; i++) {
            const struct wire_tiles *run = (const struct wire_tiles *)m->tiles.tiles.items + i;
            judge_death(s, worker, run->job, run->first_tile);
        }
    const struct worker *to = worker_find(s->house.s.queue, worker);
    if (m->type == WIRE_PONG && !m->pong.paused && to && farm_is_paused(s, to->session))
        sim_fail(s, "%s is at work again, and the admin has paused it", to->host);
    if (m->type == WIRE_LEASE)
        judge_lease(s, worker, m);
    else if (m->type == WIRE_ACK)
        judge_ack(s, m);
}

/* The sink does not take what this worker has sent: it is one that garbles. */
void judge_blame(struct sim *s, uint32_t worker)
{
    const struct worker *w = worker_find(s->house.s.queue, worker);
    for (uint32_t i = 0; w && i < s->worker_count; i++)
        if (strcmp(s->workers[i].host, w->host) == 0 && s->workers[i].garble_ppm == 0)
            sim_fail(s, "%s is blamed for a result that another one garbled", w->host);
}

/* Another result of the tile is with the sink, which has not told what became of it: when the one
 * that was there before did not fit, this is the one that is stored. */
static bool is_untold(const struct queue *q, const struct sink_result *r)
{
    for (size_t i = 0; i < q->worker_count; i++)
        for (const struct lease *l = q->workers[i]->first; l; l = l->next)
            if (l->worker != r->worker && lease_has(l, r->job, r->tile) &&
                l->tile[r->tile - l->first_tile] == LEASE_ARRIVED)
                return true;
    return false;
}

void judge_store(struct sim *s, const struct sink_result *r, bool stored_before)
{
    s->again_left -= r->job == 1 && s->again[r->tile]; /* it was on its way */
    if (r->job == 1)
        s->again[r->tile] = false;
    sim_trace(s, "the sink is given job %u tile %u of worker %u%s", r->job, r->tile, r->worker,
              r->compare ? " to compare" : "");
    /* it may not know yet */
    bool unknown = s->jobs[r->job].rotted || is_untold(s->house.s.queue, r);
    if (!r->compare && stored_before && !unknown)
        sim_fail(s, "job %u tile %u is durable and goes to the sink to be stored again", r->job,
                 r->tile);
}

void judge_step(struct sim *s)
{
    const struct queue *q = s->house.s.queue;
    uint64_t largest = 0;
    for (size_t i = 0; i < q->worker_count; i++)
        if (q->workers[i]->largest_bytes > largest)
            largest = q->workers[i]->largest_bytes;
    /* what was on its way when a worker said HELLO again comes on top */
    if (q->granted_sum > 2 * s->knobs.sink_bytes + s->worker_count * 4 * largest)
        sim_fail(s, "windows of %" PRIu64 " bytes are open, the sink has %" PRIu64, q->granted_sum,
                 s->knobs.sink_bytes);
    for (size_t i = 0; i < q->job_count; i++) {
        struct sim_job *known = &s->jobs[q->jobs[i]->id];
        if (!has_open(q->jobs[i]))
            known->open_ms = 0;
        else if (known->open_ms == 0)
            known->open_ms = s->now_ms;
        if (q->jobs[i]->recomputed > 0)
            sim_fail(s, "job %u: tiles were computed again after their acknowledgement",
                     q->jobs[i]->id);
    }
}

/* --- at the end ------------------------------------------------------------------------------ */

static bool is_poison(const struct sim_job *j, uint32_t tile)
{
    for (uint32_t i = 0; i < j->poison_count; i++)
        if (j->poison[i].tile == tile)
            return true;
    return false;
}

static void judge_tile(struct sim *s, const struct sim_job *j, uint32_t t, bool liars)
{
    const struct disk_tile *d = &s->disk.jobs[j->id].tile[t];
    if (!d->durable)
        sim_fail(s, "job %u is done without tile %u", j->id, t);
    else if (!d->right && !(liars && (!judge_is_strict(s) || j->near_death[t] >= 2)))
        sim_fail(s, "job %u tile %u is wrong on disk", j->id, t);
    else if (d->failed > 0 && !is_poison(j, t) && j->near_death[t] < 5)
        sim_fail(s, "job %u tile %u: %u points failed, and only %u workers died at it", j->id, t,
                 d->failed, j->near_death[t]);
    else if (d->failed > j->poison_count && j->near_death[t] < 2 + 3 * d->failed)
        sim_fail(s, "job %u tile %u: %u points failed of %u that kill", j->id, t, d->failed,
                 j->poison_count);
}

static void judge_job(struct sim *s, const struct sim_job *j, bool liars)
{
    const struct disk_job *d = &s->disk.jobs[j->id];
    struct queue_job_info info;
    uint64_t failed = 0;
    if (!d->there || !j->submitted || (d->taken && s->house.boots > 1))
        return;
    if (queue_job_info(s->house.s.queue, s->now_ms, j->id, &info))
        sim_fail(s, "job %u is on disk, and the queue does not know it", j->id);
    else if ((int)info.state != d->state)
        sim_fail(s, "job %u is %s on disk and %s in the queue", j->id,
                 job_state_name((enum job_state)d->state), job_state_name(info.state));
    else if ((d->state == JOB_FAILED || d->state == JOB_CANCELLED) && !d->reason[0])
        sim_fail(s, "job %u ended without a reason", j->id);
    else if (d->state == JOB_FAILED && !j->refused && !d->taken)
        sim_fail(s, "job %u failed: %s", j->id, d->reason);
    if (d->state != JOB_DONE || s->failed)
        return;
    for (uint32_t t = 0; t < j->tiles; t++) {
        judge_tile(s, j, t, liars);
        failed += d->tile[t].failed;
    }
    if (info.points_failed != failed || info.points_done != job_points(&j->shape))
        sim_fail(s,
                 "job %u: status has %" PRIu64 " points done, %" PRIu64 " failed; disk %" PRIu64
                 " failed",
                 j->id, info.points_done, info.points_failed, failed);
}

static uint32_t judge_liars(const struct sim *s)
{
    uint32_t liars = 0;
    for (uint32_t i = 0; i < s->worker_count; i++)
        liars += s->workers[i].lie_ppm > 0;
    return liars;
}

/* One liar among honest machines, every tile computed again elsewhere, nothing of that forgotten by
 * a restart: then no lie may stay on disk. */
bool judge_is_strict(const struct sim *s)
{
    uint32_t honest = 0;
    for (uint32_t i = 0; i < s->worker_count; i++)
        honest += s->workers[i].lie_ppm == 0 && !s->workers[i].weak && !s->workers[i].odd &&
                  s->workers[i].garble_ppm == 0;
    return judge_liars(s) == 1 && honest >= 2 && s->knobs.verify_one_in == 1 && s->house.boots == 1;
}

void judge_end(struct sim *s)
{
    bool liars = judge_liars(s) > 0;
    judge_machines(s);
    for (uint32_t id = 1; id <= s->job_count; id++)
        judge_job(s, &s->jobs[id], liars);
    if (s->house.s.queue->granted_sum > 0 && sim_is_quiet(s)) {
        const struct queue *q = s->house.s.queue;
        for (size_t i = 0; i < q->worker_count; i++)
            if (q->workers[i]->unsettled > 0)
                sim_fail(s, "worker %zu: %" PRIu64 " bytes are never settled", i + 1,
                         q->workers[i]->unsettled);
    }
}

/* For those who look into a seed: what is left. */
void judge_tell(struct sim *s)
{
    const struct queue *q = s->house.s.queue;
    for (size_t i = 0; s->house.up && i < q->worker_count; i++) {
        const struct worker *w = q->workers[i];
        sim_trace(s,
                  "worker %u %s state %d hold %u in hand %" PRIu64 " granted %" PRIu64
                  " received %" PRIu64 " unsettled %" PRIu64 " at sink %" PRIu64
                  " largest %" PRIu64,
                  w->number, w->host, w->state, w->hold_bytes, w->bytes_in_hand, w->granted,
                  w->received, w->unsettled, w->at_sink, w->largest_bytes);
        for (const struct lease *l = w->first; l; l = l->next)
            sim_trace(s, "   lease job %u tiles %u+%u piece %u+%u pending %u flags %u unnamed %u",
                      l->job, l->first_tile, l->tile_count, l->first, l->count, l->pending,
                      l->flags, l->unnamed);
    }
    for (size_t i = 0; s->house.up && i < q->job_count; i++) {
        const struct job_entry *j = q->jobs[i];
        sim_trace(s, "job %u %s %s frontier %u", j->id, job_state_name(j->state), j->reason,
                  j->frontier);
        for (uint32_t t = 0; t < j->tiles.count; t++)
            if (tile_get(&j->tiles, t) != TILE_DONE)
                sim_trace(s, "   tile %u %s", t, tile_view.state_names[tile_get(&j->tiles, t)]);
        for (size_t k = 0; k < j->recheck_count; k++)
            sim_trace(s, "   recheck of tile %u by %u: author %u second %u tries %u",
                      j->rechecks[k].tile, j->rechecks[k].worker, j->rechecks[k].author,
                      j->rechecks[k].second, j->rechecks[k].tries);
        for (size_t h = 0; h < j->hurt_count; h++)
            for (size_t k = 0; k < j->hurt[h].piece_count; k++)
                sim_trace(s, "   tile %u piece %u+%u %s hunter %u", j->hurt[h].tile,
                          j->hurt[h].pieces[k].first, j->hurt[h].pieces[k].count,
                          piece_view.state_names[j->hurt[h].pieces[k].state], j->hurt[h].hunter);
    }
}

/* --- what was seen --------------------------------------------------------------------------- */

enum { STATES = 8, EVENTS = 8 };
static uint64_t seen_times[QUEUE_TABLES][STATES][EVENTS];

void judge_seen(void *arg, enum queue_table table, unsigned state, unsigned event)
{
    (void)arg;
    seen_times[table][state][event]++;
}

int judge_print_coverage(bool all)
{
    int reachable = 0, met = 0;
    for (int t = 0; t < QUEUE_TABLES; t++) {
        const struct queue_table_view *v = queue_table_view((enum queue_table)t);
        int here = 0, total = 0;
        for (unsigned from = 0; from < v->states; from++) {
            for (unsigned ev = 0; ev < v->events; ev++) {
                if (!v->allows(from, ev))
                    continue;
                total++;
                here += seen_times[t][from][ev] > 0;
                if (all || seen_times[t][from][ev] == 0)
                    printf("    %-7s %-9s %-11s %12" PRIu64 "%s\n", v->name, v->state_names[from],
                           v->event_names[ev], seen_times[t][from][ev],
                           seen_times[t][from][ev] ? "" : "  never seen");
            }
        }
        printf("  %-7s %2d of %2d (state, event) pairs seen\n", v->name, here, total);
        reachable += total;
        met += here;
    }
    printf("coverage: %d of %d reachable (state, event) pairs seen\n", met, reachable);
    return reachable - met;
}
