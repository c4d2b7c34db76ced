/* The queue's promises, one scenario each, and random walks over all of them. */
#include "queue_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_a_job_is_done(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 8, 4, 0);
    assert_int_equal(world_info(w, job).state, JOB_QUEUED);
    assert_string_equal(world_info(w, job).reason, "no worker is connected");
    world_hello(w, 0);
    assert_int_equal(w->workers[0].held_count, 0); /* the frontier is not durable yet */
    world_sink(w, 0);
    assert_true(w->workers[0].held_count > 0);
    assert_int_equal(w->workers[0].held[0].tile, 0);
    assert_int_equal(world_info(w, job).state, JOB_RUNNING);
    world_work_off(w);
    world_assert_whole(w, job);
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
    assert_true(world_info(w, 1).tiles_done > 100);
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
    assert_true(world_info(w, job).workers == 1);
    assert_int_equal(w->workers[1].held[0].tile, had); /* it went on where the other was */
    world_work_off(w);
    world_assert_whole(w, job);
}

static void test_a_silent_worker_is_dead_after_four_seconds(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 2, 2, 0);
    world_hello(w, 0); /* it lives and is reachable, but says nothing */
    world_sink(w, 0);
    assert_true(world_info(w, job).tiles_leased > 0);
    world_advance(w, 3800);
    assert_true(world_info(w, job).tiles_leased > 0);
    world_advance(w, 200);
    assert_int_equal(world_info(w, job).tiles_leased, 0);
    world_hello(w, 0); /* it comes back with what it has: nothing is lost */
    world_work_off(w);
    world_assert_whole(w, job);
}

static void test_a_broker_that_was_stopped_blames_no_worker(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 2, 2, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    uint32_t leased = world_info(w, job).tiles_leased;
    world_advance(w, 900);
    w->now_ms += 60000; /* no ticks */
    queue_tick(w->q, w->now_ms);
    world_act(w);
    assert_int_equal(world_info(w, job).tiles_leased, leased);
    assert_int_equal(w->alarms, 0);
    world_advance(w, 3500);
    world_advance(w, 1000); /* silent while the broker runs */
    assert_int_equal(world_info(w, job).tiles_leased, 0);
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
    assert_int_equal(world_info(w, job).state, JOB_DONE);
    assert_int_equal(w->workers[0].held_count, 0); /* acknowledged */
    assert_int_equal(w->workers[1].held_count, 0); /* told to stop */
    world_assert_whole(w, job);
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
    world_assert_whole(w, job);
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
    uint32_t done = world_info(w, job).tiles_done;
    assert_true(done >= 10);
    assert_true(w->workers[1].held_count > 0);
    struct held_tile mine = w->workers[1].held[w->workers[1].held_count - 1];
    world_restart(w);
    assert_int_equal(world_info(w, job).tiles_done, done);
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
    world_work_off(w);
    world_assert_whole(w, job);
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
    world_work_off(w);
    uint32_t done = world_info(w, job).tiles_done;
    assert_int_equal(world_info(w, job).state, JOB_PAUSED);
    assert_int_equal(w->workers[0].held_count, 0);
    assert_int_equal(queue_job_pause(w->q, w->now_ms, job, &err), -1);
    assert_int_equal(queue_job_resume(w->q, w->now_ms, job, &err), 0);
    world_act(w);
    assert_true(w->workers[0].held_count > 0);
    assert_int_equal(world_info(w, job).tiles_done, done);
    assert_int_equal(queue_job_cancel(w->q, w->now_ms, job, &err), 0);
    world_act(w);
    assert_int_equal(w->workers[0].held_count, 0);
    assert_int_equal(world_info(w, job).state, JOB_CANCELLED);
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
        world_solve_next(w, 0);
        world_solve_next(w, 1);
        world_sink(w, 9);
        world_advance(w, 3);
        world_beat(w, 0);
        world_beat(w, 1);
    }
    double a = world_info(w, 1).tiles_done, b = world_info(w, 2).tiles_done;
    assert_true(a + b > 300);
    assert_true(a / (a + b) > 0.3 && a / (a + b) < 0.7);
    uint32_t urgent = world_job(w, 2, 2, 5);
    world_sink(w, 9);
    for (int i = 0; i < 400 && world_info(w, urgent).state != JOB_DONE; i++) {
        for (size_t k = 0; k < 2; k++)
            world_solve_next(w, k);
        world_sink(w, 9);
        world_advance(w, 3);
    }
    assert_int_equal(world_info(w, urgent).state, JOB_DONE);
    assert_int_not_equal(world_info(w, 1).state, JOB_DONE);
    assert_int_not_equal(world_info(w, 2).state, JOB_DONE);
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
    for (; world_info(w, small).state == JOB_QUEUED; solved++) {
        assert_true(3 * solved < 2 * held);
        world_solve(w, 0, 0);
        world_advance(w, 20);
        world_sink(w, 9);
        world_beat(w, 0);
    }
    world_work_off(w);
    world_assert_whole(w, large);
    world_assert_whole(w, small);
}

static void test_a_restart_knows_why_a_job_failed(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 1, 0);
    queue_job_fail(w->q, w->now_ms, job, "w(t) has a pole");
    world_act(w);
    w->jobs[0].spec.reason = "w(t) has a pole"; /* as persisted */
    world_restart(w);
    assert_int_equal(world_info(w, job).state, JOB_FAILED);
    assert_string_equal(world_info(w, job).reason, "w(t) has a pole");
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
    assert_int_equal(world_info(w, job).tiles_recomputed_after_ack, 1);
    assert_int_equal(world_info(w, job).state, JOB_DONE);
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
        world_work_off(w);
        world_advance(w, 250);
        for (size_t i = 0; i < WORLD_WORKERS; i++)
            if (!w->workers[i].connected)
                world_hello(w, i);
        bool over = true;
        for (size_t k = 0; k < w->job_count; k++)
            over = over && world_info(w, (uint32_t)k + 1).state == JOB_DONE;
        if (over)
            break;
    }
    for (size_t k = 0; k < w->job_count; k++) {
        if (world_info(w, (uint32_t)k + 1).state != JOB_DONE)
            fail_msg("seed %llu: job %zu is not done", (unsigned long long)seed, k + 1);
        world_assert_whole(w, (uint32_t)k + 1);
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

int main(void)
{
#define SCENARIO(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
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
        SCENARIO(test_pause_resume_cancel),
        SCENARIO(test_priorities_and_shares),
        SCENARIO(test_a_small_job_does_not_wait_until_the_hand_is_empty),
        SCENARIO(test_a_restart_knows_why_a_job_failed),
        SCENARIO(test_what_is_computed_again_after_its_acknowledgement_is_counted),
        cmocka_unit_test(test_random_walks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
