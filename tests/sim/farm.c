/* The processes of workers. The conversation, the hand and the shelf are the real ones; the solver
 * threads are a model (solver.c). */
#include "sim.h"

#include "talk_private.h"

#include <stdlib.h>
#include <string.h>

static int on_send(void *arg, const void *frame, size_t len)
{
    struct sim *s = arg;
    return net_to_broker(s, s->now_worker, frame, len);
}

/* Before every call of a worker's talk. */
static void enter(struct sim *s, uint32_t worker)
{
    s->now_worker = worker;
    solver_enter(s, worker);
}

void farm_start(struct sim *s, uint32_t worker)
{
    struct sim_worker *w = &s->workers[worker];
    if (w->on)
        return;
    struct talk_config config = {.session = dice_bits(&s->dice) | 1,
                                 .host = w->host,
                                 .pid = 100 * (worker + 1) + w->life,
                                 .hold_bytes = s->knobs.hold_bytes,
                                 .whole_bytes = s->knobs.whole_bytes,
                                 .self_test = !w->weak,
                                 .share = 1};
    w->on = true;
    w->stopped = false;
    w->life++;
    w->pool = solver_new(s, worker);
    enter(s, worker);
    w->talk = talk_create(&config, w->pool, on_send, s);
    w->next_ms = s->now_ms;
    sim_trace(s, "%s starts", w->host);
    sim_at(s, s->now_ms + dice_between(s, 1, 20), EV_CONNECT, worker, w->life);
}

static void forget_inbox(struct sim_worker *w)
{
    for (size_t i = 0; i < w->inbox_count; i++)
        free(w->inbox[i].data);
    w->inbox_count = 0;
}

static void end_process(struct sim *s, uint32_t worker, int64_t again_ms)
{
    struct sim_worker *w = &s->workers[worker];
    w->on = w->stopped = w->rests = false;
    w->vain = 0;
    solver_free(w->pool);
    talk_destroy(w->talk);
    w->talk = NULL;
    w->pool = NULL;
    w->next_ms = INT64_MAX;
    forget_inbox(w);
    net_disconnect(s, worker, false);
    if (again_ms >= 0)
        sim_at(s, s->now_ms + again_ms, EV_START, worker, 0);
}

void farm_kill(struct sim *s, uint32_t worker, int64_t again_ms)
{
    struct sim_worker *w = &s->workers[worker];
    if (!w->on)
        return;
    sim_trace(s, "%s dies", w->host);
    s->deaths++;
    end_process(s, worker, again_ms);
}

void farm_leave(struct sim *s, uint32_t worker)
{
    struct sim_worker *w = &s->workers[worker];
    if (!w->on || w->stopped)
        return;
    enter(s, worker);
    talk_leave(w->talk, s->now_ms, 800, "terminated");
    w->next_ms = s->now_ms;
}

static uint32_t by_session(const struct sim *s, uint64_t session)
{
    uint32_t i = 0;
    while (i < s->worker_count &&
           (!s->workers[i].on || s->workers[i].talk->config.session != session))
        i++;
    return i;
}

void farm_rests(struct sim *s, uint64_t session, bool rests)
{
    uint32_t worker = by_session(s, session);
    if (worker < s->worker_count)
        s->workers[worker].rests = rests;
}

bool farm_is_paused(const struct sim *s, uint64_t session)
{
    uint32_t worker = by_session(s, session);
    return worker < s->worker_count && s->workers[worker].rests && s->workers[worker].talk->paused;
}

uint32_t farm_lease_in_vain(struct sim *s, uint64_t session)
{
    uint32_t worker = by_session(s, session);
    if (worker == s->worker_count || s->workers[worker].talk->state != TALK_LEAVING)
        return 0;
    return ++s->workers[worker].vain;
}

void farm_tick(struct sim *s, uint32_t worker)
{
    struct sim_worker *w = &s->workers[worker];
    struct err err;
    enter(s, worker);
    if (solver_advance(w->pool, s->now_ms)) {
        farm_kill(s, worker, dice_between(s, 100, 1500));
        return;
    }
    w->next_ms = talk_tick(w->talk, s->now_ms);
    for (int turns = 0; w->next_ms <= s->now_ms; turns++) {
        if (turns == 1000) {
            sim_fail(s, "%s spins", w->host);
            return;
        }
        w->next_ms = talk_tick(w->talk, s->now_ms);
    }
    if (talk_ended(w->talk, &err)) {
        sim_trace(s, "%s ends %s", w->host, err.text);
        end_process(s, worker, dice_between(s, 100, 3000));
        return;
    }
    int64_t due = solver_due_ms(w->pool);
    if (due < w->next_ms)
        w->next_ms = due;
}

void farm_recv(struct sim *s, uint32_t worker, const void *frame, size_t len)
{
    struct sim_worker *w = &s->workers[worker];
    if (!w->on)
        return;
    if (w->stopped) {
        if (w->inbox_count == 512)
            return;
        struct sim_frame *f = &w->inbox[w->inbox_count++];
        *f = (struct sim_frame){mem_alloc(len, 1), len};
        memcpy(f->data, frame, len);
        return;
    }
    enter(s, worker);
    talk_recv(w->talk, frame, len, s->now_ms);
    farm_tick(s, worker);
}

/* SIGSTOP and SIGCONT; threads stand still, too. */
void farm_stop(struct sim *s, uint32_t worker, bool stopped)
{
    struct sim_worker *w = &s->workers[worker];
    if (!w->on || w->stopped == stopped)
        return;
    w->stopped = stopped;
    sim_trace(s, "%s is %s", w->host, stopped ? "stopped" : "continued");
    if (stopped) {
        w->stopped_ms = s->now_ms;
        w->next_ms = INT64_MAX;
        return;
    }
    solver_slept(w->pool, s->now_ms - w->stopped_ms);
    size_t n = w->inbox_count;
    struct sim_frame frames[512];
    memcpy(frames, w->inbox, n * sizeof *frames);
    w->inbox_count = 0;
    for (size_t i = 0; i < n; i++) {
        farm_recv(s, worker, frames[i].data, frames[i].len);
        free(frames[i].data);
    }
    if (w->on)
        farm_tick(s, worker);
}

bool farm_is_idle(const struct sim *s, uint32_t worker)
{
    const struct sim_worker *w = &s->workers[worker];
    return !w->on || solver_is_idle(w->pool);
}
