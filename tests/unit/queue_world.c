/* See queue_world.h. */
#include "queue_world.h"

#include "buf.h"
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 10, POINTS = SIDE * SIDE, POINT_BYTES = 13 };

/* splitmix64 */
uint64_t world_random(void *arg)
{
    struct world *w = arg;
    uint64_t z = w->seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void queue_start(struct world *w)
{
    struct queue_config config;
    queue_config_default(&config);
    config.random = world_random;
    config.random_arg = w;
    if (w->verify_one_in)
        config.verify_one_in = w->verify_one_in;
    w->q = queue_create(&config, w->now_ms);
}

void world_init(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->now_ms = 1000;
    queue_start(w);
}

void world_fini(struct world *w)
{
    queue_destroy(w->q);
    for (size_t i = 0; i < w->job_count; i++)
        free(w->jobs[i].durable);
}

uint32_t world_job(struct world *w, uint32_t q_blocks, uint32_t a_blocks, int32_t priority)
{
    struct world_job *j = &w->jobs[w->job_count++];
    j->tiles = q_blocks * a_blocks;
    j->durable = mem_alloc(j->tiles, 1);
    j->spec = (struct queue_job){.id = (uint32_t)w->job_count,
                                 .priority = priority,
                                 .q_count = q_blocks * SIDE,
                                 .a_count = a_blocks * SIDE,
                                 .q_blocks = q_blocks,
                                 .a_blocks = a_blocks,
                                 .point_bytes = POINT_BYTES,
                                 .point_cost_ns = 1e5};
    queue_job_add(w->q, w->now_ms, &j->spec);
    world_act(w);
    return j->spec.id;
}

static struct world_worker *by_number(struct world *w, uint32_t number)
{
    for (size_t i = 0; i < WORLD_WORKERS; i++)
        if (w->workers[i].connected && w->workers[i].number == number)
            return &w->workers[i];
    return NULL;
}

static void take_lease(struct world_worker *ww, const struct queue_action *a)
{
    for (uint32_t i = 0; i < a->tile_count; i++) {
        assert(ww->held_count < WORLD_HELD);
        ww->held[ww->held_count++] =
            (struct held_tile){a->token, a->job, a->tile + i, a->first, a->count, false, false};
    }
}

static void let_go_run(struct world_worker *ww, const struct wire_tiles *run)
{
    size_t kept = 0;
    for (size_t i = 0; i < ww->held_count; i++) {
        const struct held_tile *h = &ww->held[i];
        if (h->job != run->job || h->tile - run->first_tile >= run->tile_count)
            ww->held[kept++] = *h;
    }
    ww->held_count = kept;
}

static void let_go(struct world_worker *ww, const struct queue_action *a)
{
    let_go_run(ww, &(struct wire_tiles){a->job, a->tile, a->tile_count});
    for (uint32_t i = 0; i < a->also_count; i++)
        let_go_run(ww, &a->also[i]);
}

static void deliver(struct world *w, const struct queue_action *a)
{
    struct world_worker *ww = by_number(w, a->worker);
    if (!ww || !ww->alive) {
        queue_worker_unreachable(w->q, w->now_ms, a->worker);
        return;
    }
    if (a->type == ACTION_LEASE)
        take_lease(ww, a);
    else if (a->type == ACTION_ACK || a->type == ACTION_DROP)
        let_go(ww, a);
    if (a->type != ACTION_LEASE && a->type != ACTION_DROP && a->window > ww->window)
        ww->window = a->window;
}

void world_act(struct world *w)
{
    struct queue_action a;
    while (queue_next(w->q, &a)) {
        if (a.type != ACTION_PONG && a.type != ACTION_PROBE)
            w->last = a;
        struct world_worker *ww;
        if (a.type == ACTION_PONG || a.type == ACTION_PROBE) {
            for (size_t i = 0; i < WORLD_WORKERS; i++) {
                if (w->workers[i].number != a.worker)
                    continue;
                w->workers[i].paused = a.paused;
                w->workers[i].limit_percent = a.limit_percent;
            }
        }
        switch (a.type) {
        case ACTION_FRONTIER:
            assert(w->frontier_count < 64);
            w->frontier_job[w->frontier_count] = a.job;
            w->frontier[w->frontier_count++] = a.frontier;
            break;
        case ACTION_JOB_STATE:
            w->jobs[a.job - 1].state = a.state;
            break;
        case ACTION_ALARM:
            w->alarms++;
            break;
        case ACTION_FORGET:
            if ((ww = by_number(w, a.worker)))
                ww->connected = false;
            break;
        case ACTION_DISTRUST:
            w->distrusted++;
            break;
        case ACTION_FORGET_PIECES:
            w->forgotten++;
            break;
        case ACTION_REFUSE:
            w->refused++;
            break;
        case ACTION_STORE_PIECES:
            w->sink[w->sink_count++] = (struct stored){a.job, a.tile, 0, 0, false};
            break;
        default:
            deliver(w, &a);
        }
    }
    queue_check(w->q);
}

/* What a worker holds, runs of tiles with one fate together, as real ones say it. */
static uint32_t list_holdings(const struct world_worker *ww, struct wire_holding *list)
{
    uint32_t n = 0;
    for (size_t k = 0; k < ww->held_count; k++) {
        const struct held_tile *h = &ww->held[k];
        struct wire_holding *last = n > 0 ? &list[n - 1] : NULL;
        if (last && last->job == h->job && token_equal(last->token, h->token) && h->count == 0 &&
            last->solved == h->solved && last->first_tile + last->tile_count == h->tile)
            last->tile_count++;
        else
            list[n++] =
                (struct wire_holding){h->job, h->tile, 1, h->first, h->count, h->token, h->solved};
    }
    return n;
}

void world_hello(struct world *w, size_t i)
{
    struct world_worker *ww = &w->workers[i];
    if (!ww->alive) {
        memset(ww, 0, sizeof *ww);
        ww->alive = true;
        ww->session = world_random(w);
    }
    for (size_t k = 0; k < ww->held_count; k++)
        ww->held[k].sent = false; /* all is sent again */
    struct wire_holding list[WORLD_HELD];
    uint32_t n = list_holdings(ww, list);
    struct wire_msg m = {.type = WIRE_HELLO};
    m.hello.threads = 2;
    m.hello.hold_bytes = 1 << 20;
    m.hello.self_test = 1;
    m.hello.paused = ww->paused;
    m.hello.limit_percent = ww->limit_percent;
    m.hello.version = m.hello.isa = wire_str("x");
    static const char *const hosts[WORLD_WORKERS] = {"one", "two", "three", "four", "five", "six"};
    m.hello.host = wire_str(hosts[i]);
    m.hello.holdings = (struct wire_list){.count = n, .items = list};
    uint32_t retry;
    struct err err;
    ww->number = queue_worker_hello(w->q, w->now_ms, ww->session, &m, &retry, &err);
    assert(ww->number);
    ww->connected = true;
    ww->window = queue_worker_window(w->q, ww->number);
    ww->sent = 0;
    world_act(w);
}

static void arrive(struct world *w, struct world_worker *ww, const struct wire_msg *m)
{
    enum queue_complete c =
        queue_result_complete(w->q, w->now_ms, ww->number, m, m->result.data.len);
    struct stored s = {m->result.job, m->result.tile, ww->number, m->result.data.len,
                       c == COMPLETE_COMPARE};
    if (c == COMPLETE_STORE || c == COMPLETE_COMPARE) {
        assert(w->sink_count < WORLD_HELD);
        w->sink[w->sink_count++] = s;
    }
}

void world_solve(struct world *w, size_t i, size_t k)
{
    struct world_worker *ww = &w->workers[i];
    struct held_tile h = ww->held[k];
    char data[POINTS * POINT_BYTES] = {0};
    struct wire_msg m = {.type = WIRE_RESULT};
    m.result.job = h.job;
    m.result.tile = h.tile;
    m.result.first = h.first;
    m.result.count = h.count ? h.count : POINTS;
    m.result.token = h.token;
    m.result.solve_us = 1000;
    m.result.data = (struct wire_span){data, m.result.count * POINT_BYTES};
    ww->held[k].solved = true;
    if (!ww->connected || ww->sent + m.result.data.len > ww->window)
        return; /* kept until there is a window */
    ww->sent += m.result.data.len;
    ww->held[k].sent = true;
    if (queue_result_part(w->q, w->now_ms, ww->number, &m) == VERDICT_TAKE)
        arrive(w, ww, &m);
    world_act(w);
}

void world_solve_next(struct world *w, size_t i)
{
    for (size_t k = 0; k < w->workers[i].held_count; k++)
        if (!w->workers[i].held[k].sent) {
            world_solve(w, i, k);
            return;
        }
}

static void store_one(struct world *w)
{
    struct stored s = w->sink[0];
    memmove(w->sink, w->sink + 1, --w->sink_count * sizeof *w->sink);
    struct world_job *j = &w->jobs[s.job - 1];
    if (s.compare && j->durable[s.tile]) {
        queue_tile_compared(w->q, w->now_ms, s.job, s.tile, s.worker, s.bytes, 0, true, 0);
    } else {
        j->durable[s.tile]++;
        queue_tile_durable(w->q, w->now_ms, s.job, s.tile, s.worker, s.bytes, 0);
    }
    world_act(w);
}

void world_sink(struct world *w, size_t count)
{
    for (size_t i = 0; i < w->frontier_count; i++) {
        struct world_job *j = &w->jobs[w->frontier_job[i] - 1];
        if (w->frontier[i] > j->frontier)
            j->frontier = w->frontier[i];
    }
    size_t n = w->frontier_count;
    w->frontier_count = 0;
    for (size_t i = 0; i < n; i++)
        queue_frontier_durable(w->q, w->now_ms, w->frontier_job[i], w->frontier[i]);
    world_act(w);
    for (; count > 0 && w->sink_count > 0; count--)
        store_one(w);
    for (size_t i = 0; i < w->job_count; i++) {
        if (w->jobs[i].state == JOB_FINISHING)
            queue_job_finished(w->q, w->now_ms, w->jobs[i].spec.id);
        world_act(w);
    }
}

void world_advance(struct world *w, int64_t ms)
{
    int64_t end = w->now_ms + ms;
    for (;;) {
        int64_t next = queue_tick(w->q, w->now_ms);
        world_act(w);
        if (next > end)
            break;
        w->now_ms = next > w->now_ms ? next : w->now_ms + 1;
    }
    w->now_ms = end;
    queue_tick(w->q, w->now_ms);
    world_act(w);
}

void world_beat(struct world *w, size_t i)
{
    struct world_worker *ww = &w->workers[i];
    if (!ww->alive || !ww->connected)
        return;
    struct wire_progress list[WORLD_HELD];
    uint32_t n = 0;
    for (size_t k = 0; k < ww->held_count; k++)
        if (n == 0 || !token_equal(list[n - 1].token, ww->held[k].token))
            list[n++] = (struct wire_progress){ww->held[k].token, 0, 0};
    struct wire_msg m = {.type = WIRE_HEARTBEAT};
    m.heartbeat.hold_bytes = ww->rests ? 0 : 1 << 20;
    m.heartbeat.sent_bytes = ww->sent;
    m.heartbeat.progress = (struct wire_list){.count = n, .items = list};
    queue_worker_heartbeat(w->q, w->now_ms, ww->number, &m);
    world_act(w);
}

void world_work(struct world *w, size_t worker, unsigned tiles, int64_t tile_ms)
{
    for (unsigned n = 0; n < tiles; n++) {
        world_solve_next(w, worker);
        world_advance(w, tile_ms);
        world_sink(w, 9);
        world_beat(w, worker);
    }
}

void world_kill(struct world *w, size_t i)
{
    w->workers[i].alive = false;
    w->workers[i].held_count = 0;
}

void world_restart(struct world *w)
{
    queue_destroy(w->q);
    w->sink_count = w->frontier_count = 0;
    for (size_t i = 0; i < WORLD_WORKERS; i++)
        w->workers[i].connected = false;
    queue_start(w);
    for (size_t i = 0; i < w->job_count; i++) {
        struct queue_job spec = w->jobs[i].spec;
        spec.recovered = true;
        spec.state = w->jobs[i].state;
        spec.frontier = w->jobs[i].frontier;
        spec.tile_done = w->jobs[i].durable;
        queue_job_add(w->q, w->now_ms, &spec);
        world_act(w);
    }
}

/* --- for every test --- */

int world_setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    world_init(w, 1);
    *state = w;
    return 0;
}

int world_teardown(void **state)
{
    world_fini(*state);
    free(*state);
    return 0;
}

struct queue_job_info world_info(struct world *w, uint32_t job)
{
    struct queue_job_info i;
    assert_int_equal(queue_job_info(w->q, w->now_ms, job, &i), 0);
    return i;
}

struct queue_worker_info world_worker(struct world *w, size_t i)
{
    struct queue_worker_info info;
    uint64_t place = 0;
    do
        assert_true(queue_worker_next(w->q, w->now_ms, &place, &info));
    while (i-- > 0);
    return info;
}

/* HELLO of a session with a list of holdings. */
uint32_t world_hello_with(struct world *w, size_t i, const struct wire_holding *list, uint32_t n)
{
    struct world_worker *ww = &w->workers[i];
    ww->alive = ww->connected = true;
    ww->session = 1000 + i;
    struct wire_msg m = {.type = WIRE_HELLO};
    m.hello.threads = 2;
    m.hello.hold_bytes = 1 << 20;
    m.hello.self_test = 1;
    m.hello.version = m.hello.isa = m.hello.host = wire_str("x");
    m.hello.holdings = (struct wire_list){.count = n, .items = list};
    uint32_t retry;
    struct err err;
    ww->number = queue_worker_hello(w->q, w->now_ms, ww->session, &m, &retry, &err);
    world_act(w);
    return ww->number;
}

/* Solves and stores until nothing is held any more. */
void world_work_off(struct world *w)
{
    for (int round = 0; round < 10000; round++) {
        bool any = w->sink_count > 0 || w->frontier_count > 0;
        world_sink(w, WORLD_HELD);
        for (size_t i = 0; i < WORLD_WORKERS; i++) {
            struct world_worker *ww = &w->workers[i];
            if (ww->alive && ww->connected && ww->held_count > 0) {
                world_solve(w, i, (size_t)round % ww->held_count);
                any = true;
            }
        }
        world_advance(w, 5);
        for (size_t i = 0; i < WORLD_WORKERS; i++)
            world_beat(w, i);
        if (!any)
            return;
    }
}

void world_assert_whole(struct world *w, uint32_t job)
{
    for (uint32_t t = 0; t < w->jobs[job - 1].tiles; t++)
        assert_int_equal(w->jobs[job - 1].durable[t], 1);
    assert_int_equal(world_info(w, job).state, JOB_DONE);
    assert_int_equal(world_info(w, job).tiles_recomputed_after_ack, 0);
    assert_int_equal(world_info(w, job).rows_done, w->jobs[job - 1].spec.q_count);
}
