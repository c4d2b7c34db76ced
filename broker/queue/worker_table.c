/* Workers, as the broker sees them.
 *
 *            UNREACHABLE                DIE
 *      UP --------------> DOUBTED --------------> GONE
 *       ^ <--HEARD, HELLO--+                       |
 *       +------------------HELLO-------------------+
 *
 * A worker that is GONE keeps its number for a while: its session may come back, and its late
 * results count. Then another one may have its place. */
#include "queue_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NO = 0xff };

static const uint8_t next_state[WORKER_GONE + 1][WORKER_EVENTS] = {
    /*                   HELLO      HEARD      UNREACHABLE     DIE */
    [WORKER_UP] = {WORKER_UP, WORKER_UP, WORKER_DOUBTED, WORKER_GONE},
    [WORKER_DOUBTED] = {WORKER_UP, WORKER_UP, WORKER_DOUBTED, WORKER_GONE},
    [WORKER_GONE] = {WORKER_UP, NO, NO, NO},
};

static bool allows(unsigned state, unsigned event)
{
    return next_state[state][event] != NO;
}

static const char *const state_names[] = {"up", "doubted", "gone"};
static const char *const event_names[] = {"hello", "heard", "unreachable", "die"};
const struct queue_table_view worker_view = {"worker",    WORKER_GONE + 1, WORKER_EVENTS,
                                             state_names, event_names,     allows};

struct worker *worker_find(const struct queue *q, uint32_t number)
{
    return number >= 1 && number <= q->worker_count ? q->workers[number - 1] : NULL;
}

static struct worker **bucket(struct queue *q, uint64_t session)
{
    return &q->sessions[(session * 0x9e3779b97f4a7c15u) >> 52];
}

/* A worker that will hardly come back, and of whom nothing is with the sink or kept for it; or
 * NULL.
 */
static struct worker *forgettable(const struct queue *q)
{
    for (size_t i = 0; i < q->worker_count && q->workers_up < q->worker_count; i++) {
        struct worker *w = q->workers[i];
        if (w->state == WORKER_GONE && w->at_sink == 0 && q->now_ms - w->heard_ms >= FORGET_MS &&
            !hurt_keeps_of(q, w->number))
            return w;
    }
    return NULL;
}

static void forget(struct queue *q, struct worker *w)
{
    struct worker **at = bucket(q, w->session);
    while (*at != w)
        at = &(*at)->hash_next;
    *at = w->hash_next;
    free(w->banned);
    free(w->blamed);
    *w = (struct worker){.number = w->number};
}

static struct worker *worker_make(struct queue *q)
{
    struct worker *w = forgettable(q);
    if (w) {
        forget(q, w);
        return w;
    }
    w = mem_alloc(1, sizeof *w);
    q->workers = mem_resize(q->workers, q->worker_count + 1, sizeof *q->workers);
    q->workers[q->worker_count++] = w;
    w->number = (uint32_t)q->worker_count;
    return w;
}

struct worker *worker_by_session(struct queue *q, uint64_t session, bool make)
{
    for (struct worker *w = *bucket(q, session); w; w = w->hash_next)
        if (w->session == session)
            return w;
    if (!make)
        return NULL;
    struct worker *w = worker_make(q);
    w->session = session;
    w->limit_percent = 100;
    w->state = WORKER_GONE;
    w->hash_next = *bucket(q, session);
    *bucket(q, session) = w;
    return w;
}

/* Takes back all that a worker holds. */
static void lose(struct queue *q, struct worker *w)
{
    while (w->first)
        lease_end(q, w->first);
    window_close(q, w);
    ack_forget(w);
    struct queue_action *a = action_add(q, ACTION_FORGET);
    a->worker = w->number;
}

void worker_event(struct queue *q, struct worker *w, enum worker_event event, const char *reason)
{
    uint8_t to = next_state[w->state][event];
    if (to == NO)
        return;
    seen(&q->config, QUEUE_WORKERS, w->state, event);
    if (to == w->state)
        return;
    enum worker_state from = w->state;
    w->state = (enum worker_state)to;
    snprintf(w->reason, sizeof w->reason, "%s", reason);
    if (from == WORKER_GONE)
        q->workers_up++;
    if (to == WORKER_DOUBTED) {
        w->doubted_ms = q->now_ms;
        deadline_set(q, w, q->now_ms + q->config.grace_ms);
    }
    if (to == WORKER_UP)
        dispatch_soon(q, w);
    if (to == WORKER_GONE) {
        q->workers_up--;
        lose(q, w);
        dispatch_never(q, w);
        dispatch_appeared(q); /* the pieces that it hunted are for others */
        deadline_clear(q, w);
    }
}

bool worker_has_pending(const struct worker *w)
{
    for (const struct lease *l = w->first; l; l = l->next)
        if (l->pending > 0)
            return true;
    return false;
}

void worker_ban(struct worker *w, uint32_t job, const char *reason)
{
    snprintf(w->reason, sizeof w->reason, "job %u: %s", job, reason);
    w->banned = mem_resize(w->banned, w->banned_count + 1, sizeof *w->banned);
    w->banned[w->banned_count++] = job;
}

bool worker_can_work(const struct worker *w, uint32_t job)
{
    for (size_t i = 0; i < w->banned_count; i++)
        if (w->banned[i] == job)
            return false;
    return true;
}

void worker_count_from(struct worker *w, int64_t now_ms)
{
    w->rate_ms = now_ms;
    w->rate_points = w->rate_us = 0;
}

/* Wall-clock rate, so that a throttled or starved worker gets what it can do and not what it could:
 * points that arrived over the time since the worker had something in hand. */
void worker_learn(struct worker *w, int64_t now_ms, uint64_t points, uint32_t solve_us)
{
    enum { SPAN_MS = 100 };
    w->rate_points += points;
    w->rate_us += solve_us;
    int64_t span = now_ms - w->rate_ms;
    if (span < SPAN_MS && (w->rate > 0 || span < 2))
        return;
    double fresh = (double)w->rate_points * 1000 / (double)span;
    double weight = w->rate > 0 ? (double)span / (double)(span + 1000) : 1;
    w->rate += weight * (fresh - w->rate);
    double busy = (double)w->rate_us / (1000.0 * (double)span * (w->threads ? w->threads : 1));
    w->cpu_share += weight * ((busy < 1 ? busy : 1) - w->cpu_share);
    worker_count_from(w, now_ms);
}

void queue_worker_heard(struct queue *q, int64_t now_ms, uint32_t worker)
{
    q->now_ms = now_ms;
    struct worker *w = worker_find(q, worker);
    if (!w || w->state == WORKER_GONE)
        return;
    w->heard_ms = now_ms;
    worker_event(q, w, WORKER_HEARD, "");
}

void queue_worker_unreachable(struct queue *q, int64_t now_ms, uint32_t worker)
{
    q->now_ms = now_ms;
    struct worker *w = worker_find(q, worker);
    if (w)
        worker_event(q, w, WORKER_UNREACHABLE, "its connection is gone");
}

void queue_worker_bye(struct queue *q, int64_t now_ms, uint32_t worker)
{
    q->now_ms = now_ms;
    struct worker *w = worker_find(q, worker);
    if (!w || w->state == WORKER_GONE)
        return;
    worker_event(q, w, WORKER_DIE, "it left");
}
