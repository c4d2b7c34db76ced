/* Who holds which tile: leases that are lost, named twice, late, hung, given to several, taken
 * back. */
#include "queue_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
    world_work_off(w);
    world_assert_whole(w, job);
}

static void test_a_lease_in_several_holdings_stays_one_workers(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 8, 0);
    world_sink(w, 0);
    world_restart(w);
    struct token token = {3, 4};
    struct wire_holding list[] = {{job, 0, 2, 0, 0, token, true}, {job, 2, 6, 0, 0, token, false}};
    world_hello_with(w, 0, list, 2);
    assert_int_equal(world_info(w, job).tiles_leased, 8);
    beat_for(w, 0, token, 3);
    world_hello(w, 1);
    world_sink(w, 0);
    assert_int_equal(world_info(w, job).tiles_leased, 8);
    assert_int_equal(world_info(w, job).workers, 1); /* none of it went out again */
}

static void test_a_solved_tile_that_is_out_again_is_known_to_be_held_twice(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 2, 0);
    world_sink(w, 0);
    struct wire_holding half = {job, 1, 1, 0, 0, {1, 1}, false};
    world_hello_with(w, 0, &half, 1);
    w->workers[0].held_count = 0;
    struct wire_holding both = {job, 0, 2, 0, 0, {2, 2}, true};
    world_hello_with(w, 1, &both, 1); /* tile 0 is open, tile 1 is out to another */
    queue_worker_bye(w->q, w->now_ms, w->workers[1].number);
    world_act(w);
    struct wire_holding none;
    world_hello_with(w, 1, &both, 1);
    world_hello_with(w, 0, &none, 0); /* it has forgotten its tile, the other has it still */
    assert_int_equal(world_info(w, job).tiles_leased, 2);
}

/* A tile that its worker has under two tokens, since a lease seemed lost, has seen one death of
 * two.
 */
static void test_one_death_counts_once(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 2, 0);
    world_sink(w, 0);
    world_restart(w);
    struct wire_holding twice[] = {{job, 0, 1, 0, 0, {1, 1}, true},
                                   {job, 0, 1, 0, 0, {2, 2}, true}};
    world_hello_with(w, 0, twice, 2);
    world_kill(w, 0);
    world_advance(w, 2000);
    struct queue_why why;
    assert_int_equal(queue_job_why(w->q, w->now_ms, job, &why), 0);
    assert_int_equal(why.workers, 0);
    assert_int_equal(why.tiles[TILE_CUT], 0);
    assert_true(why.tiles[TILE_OPEN] > 0);
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
    world_hello_with(w, 0, list, sizeof list / sizeof *list);
    for (uint32_t k = 0; k < w->workers[0].held_count; k++)
        assert_false(token_equal(w->workers[0].held[k].token, t));
    struct wire_msg back = {.type = WIRE_RETURN};
    back.give_back.token = w->workers[0].held[0].token;
    back.give_back.job = job;
    uint32_t leased = world_info(w, job).tiles_leased;
    back.give_back.first_tile = 1, back.give_back.tile_count = UINT32_MAX;
    queue_worker_return(w->q, w->now_ms, w->workers[0].number, &back);
    world_act(w);
    assert_int_equal(world_info(w, job).tiles_leased, leased);
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
    assert_int_equal(world_info(w, job).state, JOB_RUNNING);
    queue_worker_job_fail(w->q, w->now_ms, w->workers[0].number, &m);
    world_act(w);
    assert_int_equal(world_info(w, job).state, JOB_FAILED);
    assert_string_equal(world_info(w, job).reason, "no ?[31msolution");
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
    assert_int_equal(world_info(w, job).tiles_leased, 1);
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
    world_hello_with(w, 0, &both, 1);
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
    for (int life = 0; life < 200 && world_info(w, job).state != JOB_DONE; life++) {
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
    assert_int_equal(world_info(w, job).state, JOB_DONE);
}

/* A result of before it was cut (one to be compared, say, when the tile was damaged) is stored. */
static void test_a_cut_tile_may_be_durable_by_a_whole_result(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 1, 0);
    world_sink(w, 0);
    for (int life = 0; life < 2; life++) {
        world_hello(w, 0);
        world_sink(w, 0);
        assert_int_equal(w->workers[0].held[0].count, 0);
        world_kill(w, 0);
        world_advance(w, 5000);
    }
    world_hello(w, 1);
    assert_int_equal(w->workers[1].held[0].count, 50); /* a piece */
    world_solve(w, 1, 0);
    assert_int_equal(w->workers[1].held_count, 2);
    w->jobs[job - 1].durable[0] = 1;
    queue_tile_durable(w->q, w->now_ms, job, 0, w->workers[0].number, 0, 0);
    world_act(w);
    assert_int_equal(w->forgotten, 1);
    assert_int_equal(w->workers[1].held_count, 0);
    world_sink(w, 9);
    world_assert_whole(w, job);
}

/* What it was at, and before that what it may have solved and kept back. */
static void test_who_dies_was_at_the_first_tiles_that_have_not_come(void **state)
{
    enum { HELD = 8 };
    struct world *w = *state;
    uint32_t job = world_job(w, 10, 10, 0);
    struct queue_why why;
    uint32_t threads = 0;
    for (int life = 0; life < 2; life++) {
        world_hello(w, 0);
        world_sink(w, 0);
        while (w->workers[0].held_count < HELD) {
            world_advance(w, 5);
            world_solve(w, 0, w->workers[0].held_count - 1);
            world_sink(w, 9);
        }
        threads = world_worker(w, 0).threads;
        world_kill(w, 0);
        world_advance(w, 5000);
    }
    assert_int_equal(queue_job_why(w->q, w->now_ms, job, &why), 0);
    assert_in_range(why.tiles[TILE_CUT], threads + 1, threads + WIRE_GATHER(threads) - 1);
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
    assert_int_equal(world_info(w, job).state, JOB_DONE);
    assert_int_equal(w->workers[0].held_count, 0); /* dropped */
    world_assert_whole(w, job);
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
    world_work_off(w);
    world_assert_whole(w, job);
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
    world_work_off(w);
    world_assert_whole(w, job);
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
    world_work_off(w);
    world_assert_whole(w, job);
}

static void test_a_second_result_is_stored_when_the_first_was_rejected(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 1, 1, 0);
    struct wire_holding solved[] = {{job, 0, 1, 0, 0, {1, 1}, true},
                                    {job, 0, 1, 0, 0, {2, 2}, true}};
    world_sink(w, 0);
    for (size_t i = 0; i < 2; i++) {
        world_hello_with(w, i, &solved[i], 1);
        w->workers[i].held[0] = (struct held_tile){solved[i].token, job, 0, 0, 0, true, false};
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
    size_t sent = 1; /* out again at once, to whoever */
    assert_int_equal(times_held(&w->workers[1], 0) + times_held(&w->workers[2], 0), sent + 1);
    queue_tile_durable(w->q, w->now_ms, job, 0, second.worker, second.bytes, 0);
    world_act(w);
    assert_int_equal(w->workers[2].held_count, 0);
    world_sink(w, 0);
    assert_int_equal(world_info(w, job).state, JOB_DONE);
}

int main(void)
{
#define SCENARIO(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        SCENARIO(test_a_lease_that_never_arrived_goes_out_again),
        SCENARIO(test_a_lease_in_several_holdings_stays_one_workers),
        SCENARIO(test_a_solved_tile_that_is_out_again_is_known_to_be_held_twice),
        SCENARIO(test_one_death_counts_once),
        SCENARIO(test_nonsense_is_held_by_nobody),
        SCENARIO(test_a_job_fails_by_the_word_of_those_who_were_asked),
        SCENARIO(test_hung_is_judged_by_processor_time),
        SCENARIO(test_threads_at_several_tiles_use_time_together),
        SCENARIO(test_a_tile_that_kills_ends_as_one_failed_point),
        SCENARIO(test_a_cut_tile_may_be_durable_by_a_whole_result),
        SCENARIO(test_who_dies_was_at_the_first_tiles_that_have_not_come),
        SCENARIO(test_stragglers_are_given_out_twice),
        SCENARIO(test_a_result_that_does_not_fit_goes_out_to_another),
        SCENARIO(test_a_tile_whose_pieces_do_not_fit_together_blames_nobody),
        SCENARIO(test_who_is_given_a_tile_again_and_banned_does_not_keep_it),
        SCENARIO(test_a_second_result_is_stored_when_the_first_was_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
