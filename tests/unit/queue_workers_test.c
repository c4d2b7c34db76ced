/* Workers that rest, are paused, limited, forgotten or set aside, and tiles computed again to find
 * machines whose numbers are wrong. */
#include "queue_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
    assert_string_equal(world_worker(w, 0).state, "paused");
    assert_non_null(strstr(world_info(w, job).reason, "every worker rests"));
    world_hello(w, 1); /* another one is not meant */
    assert_true(w->workers[1].held_count > 0);
    assert_false(w->workers[1].paused);
    assert_int_equal(queue_worker_pause(w->q, w->now_ms, w->workers[0].number, false), 0);
    world_act(w);
    assert_false(w->workers[0].paused);
    assert_true(w->workers[0].held_count > 0);
    world_work_off(w);
    world_assert_whole(w, job);
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
    assert_int_equal(world_worker(w, 0).limit_percent, 20);
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
    assert_string_equal(world_worker(w, 0).state, "resting");
    assert_string_equal(world_worker(w, 0).reason, "its owner is here");
    ww->rests = false;
    world_beat(w, 0);
    assert_true(ww->held_count > 0);
    assert_string_equal(world_worker(w, 0).reason, "");
    world_work_off(w);
    world_assert_whole(w, job);
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
    world_work_off(w);
    world_assert_whole(w, job);
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
    assert_true(world_worker(w, 0).paused);
    assert_int_equal(world_worker(w, 0).leases, 0);
    assert_int_equal(world_worker(w, 1).limit_percent, 20);
    assert_int_equal(w->workers[1].limit_percent, 20); /* its PONG says so, too */
    assert_false(world_worker(w, 2).paused);
    assert_int_equal(world_worker(w, 2).limit_percent, 100);
    assert_true(world_worker(w, 2).leases > 0);
    queue_worker_pause(w->q, w->now_ms, w->workers[0].number, false); /* the newest wish counts, */
    w->workers[0].paused = true;                                      /* also if its PONG is lost */
    world_hello(w, 0);
    assert_false(world_worker(w, 0).paused);
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

static struct queue_worker_info machine_info(struct world *w, const char *host)
{
    struct queue_worker_info found;
    for (uint64_t place = 0; queue_worker_next(w->q, w->now_ms, &place, &found);)
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
    assert_non_null(strstr(world_info(w, job).reason, "bad is set aside"));
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
    assert_int_equal(world_info(w, job).state, JOB_DONE);
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
    assert_int_equal(world_info(w, job).tiles_recomputed_after_ack, 0);
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
    world_work_off(w);
    world_assert_whole(w, job);
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
    assert_int_equal(world_info(w, job).state, JOB_RUNNING);
    world_work_off(w);
    world_assert_whole(w, job);
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

/* A tile of 100 points each tenth of a second. */
static void solve_some(struct world *w, int tiles)
{
    for (int i = 0; i < tiles; i++) {
        world_advance(w, 100);
        world_beat(w, 0);
        assert_true(w->workers[0].held_count > 0);
        world_solve_next(w, 0);
        world_sink(w, 1);
    }
}

static void assert_rate(struct world *w)
{
    double rate = world_worker(w, 0).points_per_s;
    assert_true(rate > 800 && rate < 1250);
}

/* What was solved while the broker was away comes at once, and what was half solved sooner than it
 * takes: neither says how fast a worker is, nor does the time before. */
static void test_what_is_brought_along_tells_nothing_of_the_rate(void **state)
{
    struct world *w = *state;
    world_job(w, 64, 64, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    solve_some(w, 30);
    assert_rate(w);
    world_advance(w, 1500); /* it has been told of all that is durable */
    size_t n = w->workers[0].held_count;
    assert_true(n > 3);
    world_restart(w);
    for (size_t i = 0; i + 2 < n; i++)
        w->workers[0].held[i].solved = true;
    world_advance(w, 3000);
    world_hello(w, 0);
    for (size_t i = 0; i < n; i++) {
        world_advance(w, 5);
        world_solve_next(w, 0);
        world_sink(w, 1);
    }
    assert_true(world_worker(w, 0).points_per_s == 0);
    solve_some(w, 5);
    assert_rate(w);
}

/* A job of one tile of as many points as a hundred of the others have. */
static uint32_t large_tile(struct world *w)
{
    struct world_job *j = &w->jobs[w->job_count++];
    j->tiles = 1;
    j->durable = calloc(1, 1);
    j->spec = (struct queue_job){.id = (uint32_t)w->job_count,
                                 .priority = 1,
                                 .q_count = 100,
                                 .a_count = 100,
                                 .q_blocks = 1,
                                 .a_blocks = 1,
                                 .point_bytes = 13,
                                 .point_cost_ns = 1e4};
    queue_job_add(w->q, w->now_ms, &j->spec);
    world_act(w);
    world_sink(w, 0); /* its frontier */
    return j->spec.id;
}

/* Workers that ask for nothing. */
static void join_crowd(struct world *w, uint64_t count)
{
    struct wire_msg m = {.type = WIRE_HELLO};
    m.hello.threads = 1;
    m.hello.self_test = 1;
    m.hello.version = m.hello.isa = m.hello.host = wire_str("crowd");
    uint32_t retry;
    struct err err;
    for (uint64_t i = 0; i < count; i++)
        queue_worker_hello(w->q, w->now_ms, 10000 + i, &m, &retry, &err);
    world_act(w);
}

static void test_in_a_crowd_one_large_tile_does_not_keep_two_threads_busy(void **state)
{
    struct world *w = *state;
    struct err err;
    uint32_t job = world_job(w, 40, 10, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    world_work(w, 0, 40, 10);
    assert_int_equal(queue_job_pause(w->q, w->now_ms, job, &err), 0);
    world_work_off(w);
    uint32_t large = large_tile(w);
    assert_int_equal(w->workers[0].held_count, 1);
    assert_int_equal(w->workers[0].held[0].job, large);
    join_crowd(w, 3000);
    assert_int_equal(queue_job_resume(w->q, w->now_ms, job, &err), 0);
    world_act(w);
    assert_true(w->workers[0].held_count > 1);
}

int main(void)
{
#define SCENARIO(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        SCENARIO(test_a_paused_worker_gets_no_work),
        SCENARIO(test_a_limit_is_repeated_in_every_pong),
        SCENARIO(test_a_worker_that_rests_says_why),
        SCENARIO(test_who_gives_work_back_is_given_none_until_it_asks),
        SCENARIO(test_a_worker_remembers_the_wish_over_a_restart),
        SCENARIO(test_workers_that_are_long_gone_are_forgotten),
        SCENARIO(test_what_is_brought_along_tells_nothing_of_the_rate),
        SCENARIO(test_a_machine_that_fails_its_self_test_is_refused),
        SCENARIO(test_a_machine_that_fails_the_self_test_is_set_aside),
        SCENARIO(test_what_is_the_same_elsewhere_is_well),
        SCENARIO(test_who_compares_a_tile_does_not_hold_it),
        SCENARIO(test_a_third_machine_sets_the_second_aside),
        SCENARIO(test_a_third_machine_sets_the_first_aside_and_its_tile_is_computed_anew),
        SCENARIO(test_three_results_blame_nobody),
        SCENARIO(test_in_a_crowd_one_large_tile_does_not_keep_two_threads_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
