/* The queue's promises, one scenario each, and random walks over all of them. */
#include "queue_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    world_init(w, 1);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world_fini(*state);
    free(*state);
    return 0;
}

static struct queue_job_info info(struct world *w, uint32_t job)
{
    struct queue_job_info i;
    assert_int_equal(queue_job_info(w->q, w->now_ms, job, &i), 0);
    return i;
}

/* Solves and stores until nothing is held any more. */
static void work_off(struct world *w)
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

static void assert_whole(struct world *w, uint32_t job)
{
    for (uint32_t t = 0; t < w->jobs[job - 1].tiles; t++)
        assert_int_equal(w->jobs[job - 1].durable[t], 1);
    assert_int_equal(info(w, job).state, JOB_DONE);
    assert_int_equal(info(w, job).tiles_recomputed_after_ack, 0);
    assert_int_equal(info(w, job).rows_done, w->jobs[job - 1].spec.q_count);
}

static void test_a_job_is_done(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 8, 4, 0);
    assert_int_equal(info(w, job).state, JOB_QUEUED);
    assert_string_equal(info(w, job).reason, "no worker is connected");
    world_hello(w, 0);
    assert_int_equal(w->workers[0].held_count, 0); /* the frontier is not durable yet */
    world_sink(w, 0);
    assert_true(w->workers[0].held_count > 0);
    assert_int_equal(w->workers[0].held[0].tile, 0);
    assert_int_equal(info(w, job).state, JOB_RUNNING);
    work_off(w);
    assert_whole(w, job);
}

static void test_nothing_is_leased_beyond_the_durable_frontier(void **state)
{
    struct world *w = *state;
    world_job(w, 100, 10, 0);
    for (size_t i = 0; i < 3; i++)
        world_hello(w, i);
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < 3; i++)
            for (size_t k = 0; k < w->workers[i].held_count; k++)
                assert_true(w->workers[i].held[k].tile < w->jobs[0].frontier);
        for (size_t i = 0; i < 3; i++)
            if (w->workers[i].held_count > 0)
                world_solve(w, i, 0);
        world_sink(w, 3);
        world_advance(w, 3);
    }
    assert_true(info(w, 1).tiles_done > 100);
}

static void test_a_dead_workers_tiles_go_out_again(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 4, 4, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    size_t had = w->workers[0].held_count;
    assert_true(had > 0);
    world_kill(w, 0);
    world_hello(w, 1);
    world_advance(w, 1500); /* a probe fails, 300 ms of grace */
    assert_false(w->workers[0].connected);
    assert_true(info(w, job).workers == 1);
    assert_int_equal(w->workers[1].held[0].tile, had); /* it went on where the other was */
    work_off(w);
    assert_whole(w, job);
}

static void test_a_silent_worker_is_dead_after_four_seconds(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 2, 2, 0);
    world_hello(w, 0); /* it lives and is reachable, but says nothing */
    world_sink(w, 0);
    assert_true(info(w, job).tiles_leased > 0);
    world_advance(w, 3800);
    assert_true(info(w, job).tiles_leased > 0);
    world_advance(w, 200);
    assert_int_equal(info(w, job).tiles_leased, 0);
    world_hello(w, 0); /* it comes back with what it has: nothing is lost */
    work_off(w);
    assert_whole(w, job);
}

static void test_a_broker_that_was_stopped_blames_no_worker(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 2, 2, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    uint32_t leased = info(w, job).tiles_leased;
    world_advance(w, 900);
    w->now_ms += 60000; /* no ticks */
    queue_tick(w->q, w->now_ms);
    world_act(w);
    assert_int_equal(info(w, job).tiles_leased, leased);
    assert_int_equal(w->alarms, 0);
    world_advance(w, 3500);
    world_advance(w, 1000); /* silent while the broker runs */
    assert_int_equal(info(w, job).tiles_leased, 0);
}

static void test_a_late_result_is_welcome(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 1, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    struct held_tile mine = w->workers[0].held[0];
    world_advance(w, 4100);
    world_hello(w, 1); /* somebody else is given the tile */
    assert_int_equal(w->workers[1].held_count, 1);
    assert_int_equal(w->workers[0].held_count, 1);
    assert_memory_equal(&w->workers[0].held[0].token, &mine.token, sizeof mine.token);
    w->workers[0].held[0].solved = true;
    world_hello(w, 0);
    world_solve(w, 0, 0);
    world_sink(w, 9);
    assert_int_equal(info(w, job).state, JOB_DONE);
    assert_int_equal(w->workers[0].held_count, 0); /* acknowledged */
    assert_int_equal(w->workers[1].held_count, 0); /* told to stop */
    assert_whole(w, job);
}

/* The lease was given up for lost, the tile is with another worker, and then the result comes after
 * all: it counts, and the other one is told to stop. */
static void test_a_result_under_an_ended_lease_counts(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 1, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    struct held_tile mine = w->workers[0].held[0];
    struct wire_msg beat = {.type = WIRE_HEARTBEAT}; /* names nothing and wants nothing */
    for (int i = 0; i < 4; i++) {
        world_advance(w, 1000);
        queue_worker_heartbeat(w->q, w->now_ms, w->workers[0].number, &beat);
        world_act(w);
    }
    world_hello(w, 1);
    assert_int_equal(w->workers[1].held_count, 1);
    assert_false(token_equal(w->workers[1].held[0].token, mine.token));
    w->workers[0].held[0] = mine;
    w->workers[0].held_count = 1;
    world_solve(w, 0, 0);
    assert_int_equal(w->sink_count, 1);
    world_sink(w, 9);
    assert_int_equal(w->workers[1].held_count, 0);
    assert_whole(w, job);
}

static void test_tokens_of_others_are_refused(void **state)
{
    struct world *w = *state;
    world_job(w, 2, 2, 0);
    world_hello(w, 0);
    world_hello(w, 1);
    world_sink(w, 0);
    struct world_worker *thief = &w->workers[1];
    thief->held[0] = w->workers[0].held[0];
    thief->held_count = 1;
    world_solve(w, 1, 0);
    assert_int_equal(w->sink_count, 0);
    struct held_tile guess = {.token = {1, 2}, .job = 1, .tile = 0};
    thief->held[0] = guess;
    world_solve(w, 1, 0);
    assert_int_equal(w->sink_count, 0);
    thief->held[0].job = 77;
    world_solve(w, 1, 0);
    thief->held[0].job = 1, thief->held[0].tile = 12345;
    world_solve(w, 1, 0);
    assert_int_equal(w->sink_count, 0);
}

static void test_a_restart_knows_what_is_durable_and_waits_for_the_rest(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 10, 10, 0);
    world_hello(w, 0);
    world_hello(w, 1);
    for (int i = 0; i < 20; i++) {
        world_solve(w, 0, 0);
        world_solve(w, 1, 0);
        world_sink(w, 1);
        world_advance(w, 5);
    }
    uint32_t done = info(w, job).tiles_done;
    assert_true(done >= 10);
    assert_true(w->workers[1].held_count > 0);
    struct held_tile mine = w->workers[1].held[w->workers[1].held_count - 1];
    world_restart(w);
    assert_int_equal(info(w, job).tiles_done, done);
    world_hello(w, 0); /* takes its own again, and nothing that worker 1 may be solving */
    for (size_t k = 0; k < w->workers[0].held_count; k++)
        assert_int_not_equal(w->workers[0].held[k].tile, mine.tile);
    world_advance(w, 1000);
    world_beat(w, 0);
    world_hello(w, 1);
    bool has = false;
    for (size_t k = 0; k < w->workers[1].held_count; k++)
        has = has || (w->workers[1].held[k].tile == mine.tile &&
                      token_equal(w->workers[1].held[k].token, mine.token));
    assert_true(has); /* in the middle of it, and still its own */
    world_advance(w, 500);
    world_beat(w, 0);
    world_beat(w, 1);
    for (int i = 0; i < 12; i++) {
        world_advance(w, 500);
        world_beat(w, 0);
        world_beat(w, 1);
    }
    work_off(w);
    assert_whole(w, job);
}

static void test_a_lease_that_never_arrived_goes_out_again(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 2, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    assert_true(w->workers[0].held_count > 0);
    w->workers[0].held_count = 0; /* lost on the way */
    for (int i = 0; i < 5; i++) {
        world_advance(w, 1000);
        world_beat(w, 0);
    }
    assert_true(w->workers[0].held_count > 0);
    work_off(w);
    assert_whole(w, job);
}

/* HELLO of a session with a list of holdings. */
static uint32_t hello_with(struct world *w, size_t i, const struct wire_holding *list, uint32_t n)
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

/* HEARTBEATs that name one token. */
static void beat_for(struct world *w, size_t i, struct token token, int seconds)
{
    struct wire_progress p = {token, 0, 0};
    struct wire_msg m = {.type = WIRE_HEARTBEAT};
    m.heartbeat.progress = (struct wire_list){.count = 1, .items = &p};
    for (int k = 0; k < seconds; k++) {
        world_advance(w, 1000);
        p.points_done++;
        queue_worker_heartbeat(w->q, w->now_ms, w->workers[i].number, &m);
        world_act(w);
    }
}

static void test_a_lease_in_several_holdings_stays_one_workers(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 8, 0);
    world_sink(w, 0);
    world_restart(w);
    struct token token = {3, 4};
    struct wire_holding list[] = {{job, 0, 2, 0, 0, token, true}, {job, 2, 6, 0, 0, token, false}};
    hello_with(w, 0, list, 2);
    assert_int_equal(info(w, job).tiles_leased, 8);
    beat_for(w, 0, token, 3);
    world_hello(w, 1);
    world_sink(w, 0);
    assert_int_equal(info(w, job).tiles_leased, 8);
    assert_int_equal(info(w, job).workers, 1); /* none of it went out again */
}

static void test_a_solved_tile_that_is_out_again_is_known_to_be_held_twice(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 2, 0);
    world_sink(w, 0);
    struct wire_holding half = {job, 1, 1, 0, 0, {1, 1}, false};
    hello_with(w, 0, &half, 1);
    w->workers[0].held_count = 0;
    struct wire_holding both = {job, 0, 2, 0, 0, {2, 2}, true};
    hello_with(w, 1, &both, 1); /* tile 0 is open, tile 1 is out to another */
    queue_worker_bye(w->q, w->now_ms, w->workers[1].number);
    world_act(w);
    struct wire_holding none;
    hello_with(w, 1, &both, 1);
    hello_with(w, 0, &none, 0); /* it has forgotten its tile, the other has it still */
    assert_int_equal(info(w, job).tiles_leased, 2);
}

static void test_nonsense_is_held_by_nobody(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 64, 64, 0);
    struct token t = {1, 2};
    world_sink(w, 0);
    const struct wire_holding list[] = {
        {job, 0, UINT32_MAX, 0, 0, t, true}, {job, UINT32_MAX, UINT32_MAX, 0, 0, t, true},
        {job, 4095, 2, 0, 0, t, true},       {job, 0, 4096, 0, 0, t, true},
        {99, 0, UINT32_MAX, 0, 0, t, true},  {job, 5, 0, 0, 0, t, true},
        {job, 5, 1, 7, 9, t, true},
    };
    hello_with(w, 0, list, sizeof list / sizeof *list);
    for (uint32_t k = 0; k < w->workers[0].held_count; k++)
        assert_false(token_equal(w->workers[0].held[k].token, t));
    struct wire_msg back = {.type = WIRE_RETURN};
    back.give_back.token = w->workers[0].held[0].token;
    back.give_back.job = job;
    uint32_t leased = info(w, job).tiles_leased;
    back.give_back.first_tile = 1, back.give_back.tile_count = UINT32_MAX;
    queue_worker_return(w->q, w->now_ms, w->workers[0].number, &back);
    world_act(w);
    assert_int_equal(info(w, job).tiles_leased, leased);
}

static void test_a_job_fails_by_the_word_of_those_who_were_asked(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 1, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    world_hello(w, 1);
    struct wire_msg m = {.type = WIRE_JOB_FAIL};
    m.job_fail.job = job;
    m.job_fail.code = ERR_JOB_REFUSED;
    m.job_fail.text = wire_str("no \033[31msolution");
    queue_worker_job_fail(w->q, w->now_ms, w->workers[1].number, &m);
    world_act(w);
    assert_int_equal(info(w, job).state, JOB_RUNNING);
    queue_worker_job_fail(w->q, w->now_ms, w->workers[0].number, &m);
    world_act(w);
    assert_int_equal(info(w, job).state, JOB_FAILED);
    assert_string_equal(info(w, job).reason, "no ?[31msolution");
}

static void beat_with(struct world *w, uint32_t cpu_ms)
{
    struct world_worker *ww = &w->workers[0];
    struct wire_progress p = {ww->held[0].token, 0, cpu_ms};
    struct wire_msg m = {.type = WIRE_HEARTBEAT};
    m.heartbeat.hold_bytes = 1 << 20;
    m.heartbeat.progress = (struct wire_list){.count = 1, .items = &p};
    queue_worker_heartbeat(w->q, w->now_ms, ww->number, &m);
    world_act(w);
}

static void test_hung_is_judged_by_processor_time(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 1, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    for (int i = 0; i < 60; i++) { /* a minute of a starved guest: no time used, no progress */
        world_advance(w, 1000);
        beat_with(w, 10);
    }
    assert_int_equal(info(w, job).tiles_leased, 1);
    assert_int_equal(w->alarms, 0);
    beat_with(w, 4100);
    assert_true(w->alarms > 0);
    assert_int_equal(w->last.type, ACTION_LEASE); /* out again */
}

static void test_threads_at_several_tiles_use_time_together(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 2, 0);
    struct wire_holding both = {job, 0, 2, 0, 0, {5, 6}, false};
    world_sink(w, 0);
    hello_with(w, 0, &both, 1);
    w->workers[0].held[0].token = both.token;
    world_advance(w, 1000);
    beat_with(w, 5000);
    assert_int_equal(w->alarms, 0);
    beat_with(w, 8100);
    assert_true(w->alarms > 0);
}

static void test_a_tile_that_kills_ends_as_one_failed_point(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 1, 0), poison = 37;
    size_t count;
    world_sink(w, 0);
    for (int life = 0; life < 200 && info(w, job).state != JOB_DONE; life++) {
        world_hello(w, 0);
        world_sink(w, 9);
        struct world_worker *ww = &w->workers[0];
        while (ww->held_count > 0) {
            struct held_tile *h = &ww->held[0];
            uint32_t first = h->first, n = h->count ? h->count : 100;
            if (poison >= first && poison < first + n)
                break;
            world_solve(w, 0, 0);
            ww->held[0] = ww->held[--ww->held_count];
        }
        world_sink(w, 9);
        if (ww->held_count > 0)
            world_kill(w, 0);
        world_advance(w, 5000);
    }
    const uint32_t *failed = queue_tile_failed_points(w->q, job, 0, &count);
    assert_int_equal(count, 1);
    assert_int_equal(failed[0], poison);
    assert_int_equal(info(w, job).state, JOB_DONE);
}

static void test_stragglers_are_given_out_twice(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 2, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    world_hello(w, 1);
    while (w->workers[0].held_count > 1 || w->workers[1].held_count > 0) {
        size_t i = w->workers[1].held_count > 0 ? 1 : 0;
        world_solve(w, i, 0);
        world_sink(w, 9);
    }
    assert_int_equal(w->workers[0].held_count, 1); /* slow */
    for (int i = 0; i < 8; i++) {
        world_advance(w, 500);
        world_beat(w, 0);
        world_beat(w, 1);
    }
    assert_int_equal(w->workers[1].held_count, 1);
    assert_int_equal(w->workers[1].held[0].tile, w->workers[0].held[0].tile);
    world_solve(w, 1, 0);
    world_sink(w, 9);
    assert_int_equal(info(w, job).state, JOB_DONE);
    assert_int_equal(w->workers[0].held_count, 0); /* dropped */
    assert_whole(w, job);
}

static void test_pause_resume_cancel(void **state)
{
    struct world *w = *state;
    struct err err;
    uint32_t job = world_job(w, 20, 20, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    assert_int_equal(queue_job_pause(w->q, w->now_ms, job, &err), 0);
    world_act(w);
    work_off(w);
    uint32_t done = info(w, job).tiles_done;
    assert_int_equal(info(w, job).state, JOB_PAUSED);
    assert_int_equal(w->workers[0].held_count, 0);
    assert_int_equal(queue_job_pause(w->q, w->now_ms, job, &err), -1);
    assert_int_equal(queue_job_resume(w->q, w->now_ms, job, &err), 0);
    world_act(w);
    assert_true(w->workers[0].held_count > 0);
    assert_int_equal(info(w, job).tiles_done, done);
    assert_int_equal(queue_job_cancel(w->q, w->now_ms, job, &err), 0);
    world_act(w);
    assert_int_equal(w->workers[0].held_count, 0);
    assert_int_equal(info(w, job).state, JOB_CANCELLED);
    assert_int_equal(queue_job_resume(w->q, w->now_ms, job, &err), -1);
    assert_int_equal(queue_job_cancel(w->q, w->now_ms, 99, &err), -1);
    assert_int_equal(err.code, ERR_NO_SUCH_JOB);
}

static void test_priorities_and_shares(void **state)
{
    struct world *w = *state;
    world_job(w, 100, 20, 0);
    world_job(w, 100, 20, 0);
    world_hello(w, 0);
    world_hello(w, 1);
    for (int i = 0; i < 200; i++) {
        world_solve(w, 0, 0);
        world_solve(w, 1, 0);
        world_sink(w, 9);
        world_advance(w, 3);
        world_beat(w, 0);
        world_beat(w, 1);
    }
    double a = info(w, 1).tiles_done, b = info(w, 2).tiles_done;
    assert_true(a + b > 300);
    assert_true(a / (a + b) > 0.3 && a / (a + b) < 0.7);
    uint32_t urgent = world_job(w, 2, 2, 5);
    world_sink(w, 9);
    for (int i = 0; i < 400 && info(w, urgent).state != JOB_DONE; i++) {
        for (size_t k = 0; k < 2; k++)
            if (w->workers[k].held_count > 0)
                world_solve(w, k, 0);
        world_sink(w, 9);
        world_advance(w, 3);
    }
    assert_int_equal(info(w, urgent).state, JOB_DONE);
    assert_int_not_equal(info(w, 1).state, JOB_DONE);
    assert_int_not_equal(info(w, 2).state, JOB_DONE);
}

static void test_a_restart_knows_why_a_job_failed(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 1, 0);
    queue_job_fail(w->q, w->now_ms, job, "w(t) has a pole");
    world_act(w);
    w->jobs[0].spec.reason = "w(t) has a pole"; /* as persisted */
    world_restart(w);
    assert_int_equal(info(w, job).state, JOB_FAILED);
    assert_string_equal(info(w, job).reason, "w(t) has a pole");
}

static void test_a_stalled_sink_stops_dispatch(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 4, 4, 0);
    world_sink(w, 0);
    queue_sink_stalled(w->q, w->now_ms, "No space left on device");
    world_hello(w, 0);
    assert_int_equal(w->workers[0].held_count, 0);
    assert_string_equal(info(w, job).reason, "storage: No space left on device");
    queue_sink_stalled(w->q, w->now_ms, NULL);
    world_act(w);
    assert_true(w->workers[0].held_count > 0);
}

static void test_windows_stay_within_the_budget(void **state)
{
    struct world *w = *state;
    world_job(w, 50, 10, 0);
    for (size_t i = 0; i < WORLD_WORKERS; i++) {
        world_hello(w, i);
        world_sink(w, 0);
        assert_true(w->workers[i].held_count > 0);
        assert_true(w->workers[i].window > 0);
        uint64_t sum = 0;
        for (size_t k = 0; k <= i; k++)
            sum += w->workers[k].window - w->workers[k].sent;
        assert_true(sum <= 32u << 20);
    }
}

/* A job of two big tiles for each worker of the world: more than fit the budget. */
static uint32_t big_job(struct world *w, uint32_t point_bytes)
{
    struct world_job *j = &w->jobs[w->job_count++];
    j->tiles = 2 * WORLD_WORKERS;
    j->durable = calloc(j->tiles, 1);
    j->spec = (struct queue_job){.id = (uint32_t)w->job_count,
                                 .q_count = 512 * j->tiles,
                                 .a_count = 512,
                                 .q_blocks = j->tiles,
                                 .a_blocks = 1,
                                 .point_bytes = point_bytes,
                                 .point_cost_ns = 1e3};
    queue_job_add(w->q, w->now_ms, &j->spec);
    world_act(w);
    return j->spec.id;
}

/* The next part of what a worker holds first, within its window; false when it may not send. */
static bool send_part(struct world *w, size_t i, uint64_t *sent_of_tile)
{
    struct world_worker *ww = &w->workers[i];
    const struct held_tile *h = &ww->held[0];
    uint64_t tile_bytes = 512 * 512 * (uint64_t)w->jobs[h->job - 1].spec.point_bytes;
    uint64_t n = tile_bytes - *sent_of_tile;
    n = n < WIRE_PART_MAX ? n : WIRE_PART_MAX;
    n = n < ww->window - ww->sent ? n : ww->window - ww->sent;
    if (ww->held_count == 0 || n == 0)
        return false;
    struct wire_msg m = {.type = WIRE_RESULT};
    m.result.job = h->job;
    m.result.tile = h->tile;
    m.result.count = 512 * 512;
    m.result.token = h->token;
    m.result.data = (struct wire_span){"", n};
    ww->sent += n;
    assert_int_equal(queue_result_part(w->q, w->now_ms, ww->number, &m), VERDICT_TAKE);
    *sent_of_tile += n;
    if (*sent_of_tile == tile_bytes) {
        w->sink[w->sink_count++] = (struct stored){h->job, h->tile, ww->number, tile_bytes, false};
        assert_int_equal(queue_result_complete(w->q, w->now_ms, ww->number, &m, tile_bytes),
                         COMPLETE_STORE);
        *sent_of_tile = 0;
        ww->held[0] = ww->held[--ww->held_count];
    }
    world_act(w);
    return true;
}

static void test_results_larger_than_a_share_of_the_budget_get_through(void **state)
{
    struct world *w = *state;
    uint64_t sent[WORLD_WORKERS] = {0};
    uint32_t job = big_job(w, 25); /* 6.5 MB a tile: six of them do not fit 32 MiB */
    for (size_t i = 0; i < WORLD_WORKERS; i++)
        world_hello(w, i);
    world_sink(w, 0);
    for (int round = 0; round < 100 && info(w, job).state != JOB_DONE; round++) {
        for (bool any = true; any;) { /* in turn, so that all are under way at once */
            any = false;
            for (size_t i = 0; i < WORLD_WORKERS; i++)
                any = send_part(w, i, &sent[i]) || any;
        }
        world_advance(w, 1000);
        for (size_t i = 0; i < WORLD_WORKERS; i++)
            world_beat(w, i);
        world_sink(w, WORLD_HELD);
    }
    assert_whole(w, job);
}

static void cannot_do(struct world *w, size_t i, uint32_t job)
{
    struct wire_msg m = {.type = WIRE_JOB_FAIL};
    m.job_fail.job = job;
    m.job_fail.code = ERR_OTHER;
    m.job_fail.text = wire_str("its table differs");
    queue_worker_job_fail(w->q, w->now_ms, w->workers[i].number, &m);
    world_act(w);
}

static void test_windows_that_nobody_uses_do_not_stop_the_others(void **state)
{
    struct world *w = *state;
    struct err err;
    uint64_t sent = 0;
    uint32_t job = big_job(w, 25), other = big_job(w, 25);
    for (size_t i = 0; i < 5; i++)
        world_hello(w, i);
    queue_job_pause(w->q, w->now_ms, other, &err);
    world_act(w);
    world_sink(w, 0);
    for (size_t i = 0; i < 5; i++) {
        world_beat(w, i);
        cannot_do(w, i, other);
    }
    assert_int_equal(queue_job_cancel(w->q, w->now_ms, job, &err), 0);
    assert_int_equal(queue_job_resume(w->q, w->now_ms, other, &err), 0);
    world_act(w);
    world_hello(w, 5); /* the others have all the budget, and nothing to send */
    world_sink(w, 0);
    assert_int_equal(w->workers[5].held_count, 1);
    for (int round = 0; round < 20 && w->sink_count == 0; round++) {
        while (send_part(w, 5, &sent))
            ;
        world_advance(w, 1000);
        for (size_t i = 0; i < 6; i++)
            world_beat(w, i);
    }
    assert_int_equal(w->sink_count, 1);
}

static void test_bytes_that_were_lost_do_not_stay_in_the_window(void **state)
{
    struct world *w = *state;
    world_job(w, 4, 4, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    struct world_worker *ww = &w->workers[0];
    ww->sent = ww->window; /* all of it is lost on the way */
    world_beat(w, 0);
    assert_int_equal(w->last.type, ACTION_WHO);
    assert_true(ww->window >= ww->sent + 1300);
    work_off(w);
    assert_whole(w, 1);
}

static void test_a_machine_that_fails_its_self_test_is_refused(void **state)
{
    struct world *w = *state;
    struct wire_msg m = {.type = WIRE_HELLO};
    m.hello.version = m.hello.isa = m.hello.host = wire_str("x");
    uint32_t retry = 0;
    struct err err = {0};
    assert_int_equal(queue_worker_hello(w->q, w->now_ms, 5, &m, &retry, &err), 0);
    assert_true(retry > 0);
    assert_non_null(strstr(err.text, "self-test"));
}

static void test_a_result_that_does_not_fit_goes_out_to_another(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 1, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    world_solve(w, 0, 0);
    assert_int_equal(w->sink_count, 1);
    w->sink_count = 0;
    queue_tile_dropped(w->q, w->now_ms, job, 0, w->workers[0].number, w->sink[0].bytes, "a lie");
    world_act(w);
    assert_int_equal(w->workers[0].held_count, 0); /* not to the one who lied */
    world_hello(w, 1);
    work_off(w);
    assert_whole(w, job);
}

static void test_a_tile_whose_pieces_do_not_fit_together_blames_nobody(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 1, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    world_solve(w, 0, 0);
    w->sink_count = 0;
    unsigned alarms = w->alarms;
    queue_tile_dropped(w->q, w->now_ms, job, 0, 0, 0, "something is missing");
    world_act(w);
    assert_true(w->alarms > alarms); /* somebody should know */
    world_hello(w, 1);
    work_off(w);
    assert_whole(w, job);
}

static void test_a_second_result_is_stored_when_the_first_was_rejected(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 1, 0);
    struct wire_holding solved[] = {{job, 0, 1, 0, 0, {1, 1}, true},
                                    {job, 0, 1, 0, 0, {2, 2}, true}};
    world_sink(w, 0);
    for (size_t i = 0; i < 2; i++) {
        hello_with(w, i, &solved[i], 1);
        w->workers[i].held[0] = (struct held_tile){solved[i].token, job, 0, 0, 0, true};
        w->workers[i].held_count = 1;
        w->workers[i].window = 1 << 20;
    }
    world_solve(w, 0, 0);
    world_solve(w, 1, 0);
    assert_int_equal(w->sink_count, 2);
    assert_true(w->sink[1].compare);
    struct stored first = w->sink[0], second = w->sink[1];
    w->sink_count = 0;
    world_hello(w, 2);
    queue_tile_dropped(w->q, w->now_ms, job, 0, first.worker, first.bytes, "a lie");
    world_act(w);
    assert_int_equal(w->workers[2].held_count, 1); /* out again at once */
    queue_tile_durable(w->q, w->now_ms, job, 0, second.worker, second.bytes, 0);
    world_act(w);
    assert_int_equal(w->workers[2].held_count, 0);
    world_sink(w, 0);
    assert_int_equal(info(w, job).state, JOB_DONE);
}

static void test_parts_of_what_nobody_wants_give_their_window_back(void **state)
{
    struct world *w = *state;
    struct err err;
    uint64_t sent = 0, part = WIRE_PART_MAX;
    uint32_t big = big_job(w, 13);
    world_hello(w, 0);
    world_sink(w, 0);
    struct world_worker *ww = &w->workers[0];
    struct held_tile h = ww->held[0];
    struct wire_holding r = {h.job, h.tile, 1, 0, 512 * 512, h.token, true};
    while (send_part(w, 0, &sent) && sent < ww->window - part)
        ;
    assert_true(queue_result_wanted(w->q, ww->number, &r));
    assert_int_equal(queue_job_cancel(w->q, w->now_ms, big, &err), 0);
    world_act(w);
    assert_false(queue_result_wanted(w->q, ww->number, &r));
    ww->sent = ww->window; /* the rest was on its way */
    queue_parts_dropped(w->q, w->now_ms, ww->number, sent);
    uint32_t small = world_job(w, 1, 4, 0);
    world_sink(w, 0);
    world_beat(w, 0);
    assert_true(ww->window - ww->sent >= 1300);
    work_off(w);
    assert_whole(w, small);
}

static void test_workers_that_are_long_gone_are_forgotten(void **state)
{
    struct world *w = *state;
    for (int life = 0; life < 50; life++) {
        world_hello(w, 0);
        assert_true(w->workers[0].number <= 2);
        queue_worker_bye(w->q, w->now_ms, w->workers[0].number);
        world_act(w);
        w->workers[0].alive = false;
        world_hello(w, 1); /* comes back as what it was */
        assert_int_equal(w->workers[1].number, 2);
        world_advance(w, 61000);
    }
}

static void test_what_is_computed_again_after_its_acknowledgement_is_counted(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 1, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    world_solve(w, 0, 0);
    assert_int_equal(w->sink_count, 1);
    struct stored s = w->sink[--w->sink_count]; /* the sink finds that it has the tile already */
    queue_tile_compared(w->q, w->now_ms, s.job, s.tile, s.worker, s.bytes, 0, true, 0);
    world_act(w);
    world_sink(w, 0);
    assert_int_equal(info(w, job).tiles_recomputed_after_ack, 1);
    assert_int_equal(info(w, job).state, JOB_DONE);
    assert_int_equal(w->workers[0].held_count, 0);
}

/* One step of the walk: something happens to somebody. */
static void step(struct world *w)
{
    size_t i = world_random(w) % WORLD_WORKERS;
    struct world_worker *ww = &w->workers[i];
    unsigned dice = (unsigned)(world_random(w) % 1000);
    if (dice < 500 && ww->alive && ww->held_count > 0)
        world_solve(w, i, world_random(w) % ww->held_count);
    else if (dice < 700)
        world_sink(w, world_random(w) % 8);
    else if (dice < 800)
        world_advance(w, (int64_t)(world_random(w) % 200));
    else if (dice < 900)
        for (size_t k = 0; k < WORLD_WORKERS; k++)
            world_beat(w, k);
    else if (dice < 960)
        world_hello(w, i); /* new, back, or once more */
    else if (dice < 975)
        world_kill(w, i);
    else if (dice < 985)
        world_advance(w, (int64_t)(world_random(w) % 5000)); /* nobody is heard for a while */
    else if (dice < 990)
        world_restart(w);
    else if (ww->alive && ww->connected)
        queue_worker_bye(w->q, w->now_ms, ww->number), world_act(w);
}

static void walk(uint64_t seed)
{
    struct world *w = calloc(1, sizeof *w);
    world_init(w, seed);
    for (uint32_t jobs = 1 + (uint32_t)(world_random(w) % 3); jobs > 0; jobs--)
        world_job(w, 1 + (uint32_t)(world_random(w) % 12), 1 + (uint32_t)(world_random(w) % 8), 0);
    for (int i = 0; i < 400; i++)
        step(w);
    for (size_t i = 0; i < WORLD_WORKERS; i++)
        world_hello(w, i);
    for (int round = 0; round < 400; round++) {
        work_off(w);
        world_advance(w, 250);
        for (size_t i = 0; i < WORLD_WORKERS; i++)
            if (!w->workers[i].connected)
                world_hello(w, i);
        bool over = true;
        for (size_t k = 0; k < w->job_count; k++)
            over = over && info(w, (uint32_t)k + 1).state == JOB_DONE;
        if (over)
            break;
    }
    for (size_t k = 0; k < w->job_count; k++) {
        if (info(w, (uint32_t)k + 1).state != JOB_DONE)
            fail_msg("seed %llu: job %zu is not done", (unsigned long long)seed, k + 1);
        assert_whole(w, (uint32_t)k + 1);
    }
    world_fini(w);
    free(w);
}

static void test_random_walks(void **state)
{
    (void)state;
    const char *one = getenv("QUEUE_SEED"), *many = getenv("QUEUE_SEEDS");
    uint64_t seeds = many ? strtoull(many, NULL, 10) : 300;
    if (one) {
        walk(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= seeds; seed++)
        walk(seed);
}

#define SCENARIO(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static struct queue_worker_info worker_info(struct world *w, size_t i)
{
    struct queue_worker_info info;
    assert_true(queue_worker_info(w->q, w->now_ms, i, &info));
    return info;
}

/* Everything that worker i holds goes back. */
static void give_all_back(struct world *w, size_t i, const char *reason)
{
    struct world_worker *ww = &w->workers[i];
    while (ww->held_count > 0) {
        struct held_tile h = ww->held[--ww->held_count];
        struct wire_msg m = {.type = WIRE_RETURN,
                             .give_back = {h.token, h.job, h.tile, 1, wire_str(reason)}};
        queue_worker_return(w->q, w->now_ms, ww->number, &m);
    }
    world_act(w);
}

static void test_a_paused_worker_gets_no_work(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 20, 20, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    assert_true(w->workers[0].held_count > 0);
    assert_int_equal(queue_worker_pause(w->q, w->now_ms, w->workers[0].number, true), 0);
    world_act(w);
    assert_true(w->workers[0].paused);
    assert_int_equal(w->workers[0].limit_percent, 100);
    give_all_back(w, 0, "paused");
    world_advance(w, 300);
    world_beat(w, 0); /* repeats the wish and brings no work */
    assert_true(w->workers[0].paused);
    assert_int_equal(w->workers[0].held_count, 0);
    assert_string_equal(worker_info(w, 0).state, "paused");
    assert_non_null(strstr(info(w, job).reason, "every worker rests"));
    world_hello(w, 1); /* another one is not meant */
    assert_true(w->workers[1].held_count > 0);
    assert_false(w->workers[1].paused);
    assert_int_equal(queue_worker_pause(w->q, w->now_ms, w->workers[0].number, false), 0);
    world_act(w);
    assert_false(w->workers[0].paused);
    assert_true(w->workers[0].held_count > 0);
    work_off(w);
    assert_whole(w, job);
    assert_int_equal(queue_worker_pause(w->q, w->now_ms, 77, true), -1);
}

static void test_a_limit_is_repeated_in_every_pong(void **state)
{
    struct world *w = *state;
    world_hello(w, 0);
    world_hello(w, 1);
    assert_int_equal(queue_worker_limit(w->q, w->now_ms, w->workers[0].number, 20), 0);
    world_act(w);
    assert_int_equal(w->workers[0].limit_percent, 20);
    w->workers[0].limit_percent = w->workers[1].limit_percent = 1;
    world_beat(w, 0);
    world_beat(w, 1);
    assert_int_equal(w->workers[0].limit_percent, 20);
    assert_int_equal(w->workers[1].limit_percent, 100);
    assert_int_equal(worker_info(w, 0).limit_percent, 20);
    world_hello(w, 0); /* the same session again */
    world_beat(w, 0);
    assert_int_equal(w->workers[0].limit_percent, 20);
    assert_int_equal(queue_worker_limit(w->q, w->now_ms, 77, 20), -1);
}

static void test_a_worker_that_rests_says_why(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 20, 20, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    struct world_worker *ww = &w->workers[0];
    struct wire_msg why = {.type = WIRE_RETURN};
    why.give_back.reason = wire_str("its owner is here");
    queue_worker_return(w->q, w->now_ms, ww->number, &why);
    ww->rests = true;
    world_beat(w, 0);
    give_all_back(w, 0, "its owner is here");
    assert_int_equal(ww->held_count, 0);
    assert_string_equal(worker_info(w, 0).state, "resting");
    assert_string_equal(worker_info(w, 0).reason, "its owner is here");
    ww->rests = false;
    world_beat(w, 0);
    assert_true(ww->held_count > 0);
    assert_string_equal(worker_info(w, 0).reason, "");
    work_off(w);
    assert_whole(w, job);
}

/* It leaves, or rests; the HEARTBEAT that says so is lost. */
static void test_who_gives_work_back_is_given_none_until_it_asks(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 20, 20, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    assert_true(w->workers[0].held_count > 0);
    give_all_back(w, 0, "leaving");
    assert_int_equal(w->workers[0].held_count, 0);
    world_advance(w, 500);
    assert_int_equal(w->workers[0].held_count, 0);
    world_hello(w, 1);
    assert_true(w->workers[1].held_count > 0);
    assert_int_equal(w->workers[0].held_count, 0);
    world_beat(w, 0);
    assert_true(w->workers[0].held_count > 0);
    work_off(w);
    assert_whole(w, job);
}

static void test_a_worker_remembers_the_wish_over_a_restart(void **state)
{
    struct world *w = *state;
    world_job(w, 20, 20, 0);
    for (size_t i = 0; i < 3; i++)
        world_hello(w, i);
    queue_worker_pause(w->q, w->now_ms, w->workers[0].number, true);
    queue_worker_limit(w->q, w->now_ms, w->workers[1].number, 20);
    world_act(w);
    world_sink(w, 0);
    world_restart(w);
    for (size_t i = 0; i < 3; i++)
        world_hello(w, i);
    world_sink(w, 0);
    world_advance(w, 3000);
    for (size_t i = 0; i < 3; i++)
        world_beat(w, i);
    assert_true(worker_info(w, 0).paused);
    assert_int_equal(worker_info(w, 0).leases, 0);
    assert_int_equal(worker_info(w, 1).limit_percent, 20);
    assert_int_equal(w->workers[1].limit_percent, 20); /* its PONG says so, too */
    assert_false(worker_info(w, 2).paused);
    assert_int_equal(worker_info(w, 2).limit_percent, 100);
    assert_true(worker_info(w, 2).leases > 0);
    queue_worker_pause(w->q, w->now_ms, w->workers[0].number, false); /* the newest wish counts, */
    w->workers[0].paused = true;                                      /* also if its PONG is lost */
    world_hello(w, 0);
    assert_false(worker_info(w, 0).paused);
}

static struct queue_worker_info machine_info(struct world *w, const char *host)
{
    struct queue_worker_info found;
    for (size_t i = 0; queue_worker_info(w->q, w->now_ms, i, &found); i++)
        if (found.worker == 0 && strcmp(found.host, host) == 0)
            return found;
    memset(&found, 0, sizeof found);
    return found;
}

/* HELLO of a machine that passes its self-test or not; the worker's number. */
static uint32_t hello_of(struct world *w, const char *host, uint32_t self_test, uint32_t *retry_ms)
{
    struct wire_msg m = {.type = WIRE_HELLO};
    struct err err;
    m.hello.threads = 1;
    m.hello.self_test = self_test;
    m.hello.version = m.hello.isa = wire_str("x");
    m.hello.host = wire_str(host);
    uint32_t number = queue_worker_hello(w->q, w->now_ms, world_random(w), &m, retry_ms, &err);
    world_act(w);
    return number;
}

static void test_a_machine_that_fails_the_self_test_is_set_aside(void **state)
{
    struct world *w = *state;
    uint32_t retry_ms, job = world_job(w, 1, 1, 0);
    assert_int_equal(hello_of(w, "bad", 0, &retry_ms), 0);
    assert_int_equal(retry_ms, 60000);
    assert_string_equal(machine_info(w, "bad").state, "set aside");
    assert_int_equal(machine_info(w, "bad").aside_ms, 600000);
    assert_non_null(strstr(machine_info(w, "bad").reason, "self-test"));
    assert_non_null(strstr(info(w, job).reason, "bad is set aside"));
    assert_int_equal(hello_of(w, "bad", 1, &retry_ms), 0); /* another of its workers */
    assert_int_not_equal(hello_of(w, "good", 1, &retry_ms), 0);
    world_advance(w, 600001);
    assert_int_not_equal(hello_of(w, "bad", 1, &retry_ms), 0);
    assert_int_equal(hello_of(w, "bad", 0, &retry_ms), 0); /* the second time: twice as long */
    assert_int_equal(machine_info(w, "bad").aside_ms, 1200000);
    queue_machine_forgive(w->q, w->now_ms, "bad");
    assert_int_not_equal(hello_of(w, "bad", 1, &retry_ms), 0);
}

/* One tile, done by worker 0; workers 1 and 2 compute it again. The sink's word on the newest
 * result that it was given to compare. */
static void compared(struct world *w, bool same, uint32_t crc)
{
    assert_int_equal(w->sink_count, 1);
    struct stored s = w->sink[--w->sink_count];
    assert_true(s.compare);
    queue_tile_compared(w->q, w->now_ms, s.job, s.tile, s.worker, s.bytes, 0, same, crc);
    world_act(w);
}

static uint32_t tile_computed_twice(struct world *w)
{
    w->verify_one_in = 1;
    world_restart(w);
    uint32_t job = world_job(w, 1, 1, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    world_solve(w, 0, 0);
    world_sink(w, 9);
    assert_int_equal(info(w, job).state, JOB_DONE);
    assert_int_equal(w->workers[0].held_count, 0); /* not by the machine that did it */
    world_hello(w, 1);
    assert_int_equal(w->workers[1].held_count, 1);
    assert_int_equal(w->last.flags, WIRE_LEASE_VERIFY);
    world_solve(w, 1, 0);
    return job;
}

static void test_what_is_the_same_elsewhere_is_well(void **state)
{
    struct world *w = *state;
    uint32_t job = tile_computed_twice(w);
    compared(w, true, 1);
    world_hello(w, 2);
    assert_int_equal(w->workers[2].held_count, 0);
    assert_int_equal(w->alarms, 0);
    assert_int_equal(info(w, job).tiles_recomputed_after_ack, 0);
}

static void beat_on(struct world *w, int64_t ms)
{
    for (; ms > 0; ms -= 100) {
        world_advance(w, 100);
        for (size_t i = 0; i < WORLD_WORKERS; i++)
            world_beat(w, i);
    }
}

/* It is damaged on disk while it is computed again to be compared, and those who have it die. */
static void test_who_compares_a_tile_does_not_hold_it(void **state)
{
    struct world *w = *state;
    w->verify_one_in = 1;
    world_restart(w);
    uint32_t job = world_job(w, 1, 1, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    world_solve(w, 0, 0);
    world_sink(w, 9);
    world_hello(w, 1);
    assert_int_equal(w->last.flags, WIRE_LEASE_VERIFY);
    w->jobs[job - 1].durable[0] = 0;
    queue_tile_damaged(w->q, w->now_ms, job, 0, 0);
    world_act(w);
    assert_int_equal(w->workers[0].held_count, 1);
    world_hello(w, 2);
    beat_on(w, 3000);
    assert_int_equal(w->workers[2].held_count, 1); /* as a straggler */
    world_kill(w, 0);
    beat_on(w, 5000);
    world_kill(w, 2);
    beat_on(w, 5000);
    world_kill(w, 1);
    beat_on(w, 5000);
    world_hello(w, 3);
    work_off(w);
    assert_whole(w, job);
}

static size_t times_held(const struct world_worker *ww, uint32_t tile)
{
    size_t times = 0;
    for (size_t i = 0; i < ww->held_count; i++)
        times += ww->held[i].tile == tile;
    return times;
}

/* Two of its results of one tile do not fit, and it has the tile once more by then. */
static void test_who_is_given_a_tile_again_and_banned_does_not_keep_it(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 10, 10, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    world_advance(w, 20);
    assert_int_equal(w->workers[0].held[0].tile, 0);
    world_solve(w, 0, 0);
    struct stored first = w->sink[0];
    w->sink_count = 0;
    queue_tile_dropped(w->q, w->now_ms, job, 0, 0, 0, "something is missing");
    world_act(w);
    assert_int_equal(times_held(&w->workers[0], 0), 2); /* sent, and again */
    queue_tile_dropped(w->q, w->now_ms, job, 0, first.worker, first.bytes, "a lie");
    world_act(w);
    assert_int_equal(times_held(&w->workers[0], 0), 0);
    world_hello(w, 1);
    assert_int_equal(times_held(&w->workers[1], 0), 1);
    work_off(w);
    assert_whole(w, job);
}

/* What a worker has in hand of a large job is no reason to keep a small one waiting. */
static void test_a_small_job_does_not_wait_until_the_hand_is_empty(void **state)
{
    struct world *w = *state;
    uint32_t large = world_job(w, 50, 50, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    for (int round = 0; round < 50; round++) {
        world_solve(w, 0, 0);
        world_advance(w, 20);
        world_sink(w, 9);
        world_beat(w, 0);
    }
    size_t held = w->workers[0].held_count, solved = 0;
    assert_true(held > 10);
    uint32_t small = world_job(w, 1, 1, 0);
    world_sink(w, 0);
    for (; info(w, small).state == JOB_QUEUED; solved++) {
        assert_true(3 * solved < 2 * held);
        world_solve(w, 0, 0);
        world_advance(w, 20);
        world_sink(w, 9);
        world_beat(w, 0);
    }
    work_off(w);
    assert_whole(w, large);
    assert_whole(w, small);
}

static void test_a_third_machine_sets_the_second_aside(void **state)
{
    struct world *w = *state;
    tile_computed_twice(w);
    compared(w, false, 7);
    assert_int_equal(w->alarms, 1);
    world_hello(w, 2);
    assert_int_equal(w->workers[2].held_count, 1);
    world_solve(w, 2, 0);
    compared(w, true, 1);
    assert_int_equal(w->refused, 1);
    assert_int_equal(w->distrusted, 0);
    assert_string_equal(machine_info(w, "two").state, "set aside");
    assert_non_null(strstr(machine_info(w, "two").reason, "not those of one and three"));
}

static void test_a_third_machine_sets_the_first_aside_and_its_tile_is_computed_anew(void **state)
{
    struct world *w = *state;
    uint32_t job = tile_computed_twice(w);
    compared(w, false, 7);
    world_hello(w, 2);
    world_solve(w, 2, 0);
    compared(w, false, 7);
    assert_string_equal(machine_info(w, "one").state, "set aside");
    assert_int_equal(w->distrusted, 1);
    w->jobs[job - 1].durable[0] = 0; /* the sink has forgotten it */
    queue_tile_damaged(w->q, w->now_ms, job, 0, 0);
    world_act(w);
    assert_int_equal(info(w, job).state, JOB_RUNNING);
    work_off(w);
    assert_whole(w, job);
}

static void test_three_results_blame_nobody(void **state)
{
    struct world *w = *state;
    tile_computed_twice(w);
    compared(w, false, 7);
    world_hello(w, 2);
    world_solve(w, 2, 0);
    compared(w, false, 8);
    assert_int_equal(w->refused + w->distrusted, 0);
    assert_int_equal(w->alarms, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENARIO(test_a_job_is_done),
        SCENARIO(test_nothing_is_leased_beyond_the_durable_frontier),
        SCENARIO(test_a_dead_workers_tiles_go_out_again),
        SCENARIO(test_a_silent_worker_is_dead_after_four_seconds),
        SCENARIO(test_a_broker_that_was_stopped_blames_no_worker),
        SCENARIO(test_a_late_result_is_welcome),
        SCENARIO(test_a_result_under_an_ended_lease_counts),
        SCENARIO(test_tokens_of_others_are_refused),
        SCENARIO(test_a_restart_knows_what_is_durable_and_waits_for_the_rest),
        SCENARIO(test_a_lease_that_never_arrived_goes_out_again),
        SCENARIO(test_a_lease_in_several_holdings_stays_one_workers),
        SCENARIO(test_a_solved_tile_that_is_out_again_is_known_to_be_held_twice),
        SCENARIO(test_nonsense_is_held_by_nobody),
        SCENARIO(test_a_job_fails_by_the_word_of_those_who_were_asked),
        SCENARIO(test_hung_is_judged_by_processor_time),
        SCENARIO(test_threads_at_several_tiles_use_time_together),
        SCENARIO(test_a_tile_that_kills_ends_as_one_failed_point),
        SCENARIO(test_stragglers_are_given_out_twice),
        SCENARIO(test_pause_resume_cancel),
        SCENARIO(test_a_paused_worker_gets_no_work),
        SCENARIO(test_a_limit_is_repeated_in_every_pong),
        SCENARIO(test_a_worker_that_rests_says_why),
        SCENARIO(test_who_gives_work_back_is_given_none_until_it_asks),
        SCENARIO(test_a_worker_remembers_the_wish_over_a_restart),
        SCENARIO(test_priorities_and_shares),
        SCENARIO(test_a_restart_knows_why_a_job_failed),
        SCENARIO(test_a_stalled_sink_stops_dispatch),
        SCENARIO(test_windows_stay_within_the_budget),
        SCENARIO(test_results_larger_than_a_share_of_the_budget_get_through),
        SCENARIO(test_windows_that_nobody_uses_do_not_stop_the_others),
        SCENARIO(test_bytes_that_were_lost_do_not_stay_in_the_window),
        SCENARIO(test_a_machine_that_fails_its_self_test_is_refused),
        SCENARIO(test_a_result_that_does_not_fit_goes_out_to_another),
        SCENARIO(test_a_tile_whose_pieces_do_not_fit_together_blames_nobody),
        SCENARIO(test_a_second_result_is_stored_when_the_first_was_rejected),
        SCENARIO(test_parts_of_what_nobody_wants_give_their_window_back),
        SCENARIO(test_workers_that_are_long_gone_are_forgotten),
        SCENARIO(test_what_is_computed_again_after_its_acknowledgement_is_counted),
        SCENARIO(test_a_machine_that_fails_the_self_test_is_set_aside),
        SCENARIO(test_what_is_the_same_elsewhere_is_well),
        SCENARIO(test_who_compares_a_tile_does_not_hold_it),
        SCENARIO(test_who_is_given_a_tile_again_and_banned_does_not_keep_it),
        SCENARIO(test_a_small_job_does_not_wait_until_the_hand_is_empty),
        SCENARIO(test_a_third_machine_sets_the_second_aside),
        SCENARIO(test_a_third_machine_sets_the_first_aside_and_its_tile_is_computed_anew),
        SCENARIO(test_three_results_blame_nobody),
        cmocka_unit_test(test_random_walks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
