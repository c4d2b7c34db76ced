/* Send windows within the sink's budget, and a sink that stalls. */
#include "queue_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_a_stalled_sink_stops_dispatch(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 4, 4, 0);
    world_sink(w, 0);
    queue_sink_stalled(w->q, w->now_ms, "No space left on device");
    world_hello(w, 0);
    assert_int_equal(w->workers[0].held_count, 0);
    assert_string_equal(world_info(w, job).reason, "storage: No space left on device");
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

static uint32_t job_of_big_tiles(struct world *w, uint32_t tiles, uint32_t point_bytes)
{
    struct world_job *j = &w->jobs[w->job_count++];
    j->tiles = tiles;
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

/* Two for each worker of the world: more than fit the budget. */
static uint32_t big_job(struct world *w, uint32_t point_bytes)
{
    return job_of_big_tiles(w, 2 * WORLD_WORKERS, point_bytes);
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
    for (int round = 0; round < 100 && world_info(w, job).state != JOB_DONE; round++) {
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
    world_assert_whole(w, job);
}

/* The last one gets what is left of the budget, and uses it up while there is no room. */
static void test_who_has_used_up_a_short_window_is_told_of_room(void **state)
{
    struct world *w = *state;
    struct world_worker *last = &w->workers[5];
    uint64_t sent[WORLD_WORKERS] = {0};
    big_job(w, 25); /* 6.5 MB a tile: five of them fit the budget, and not a sixth */
    for (size_t i = 0; i < 5; i++)
        world_hello(w, i);
    world_sink(w, 0);
    do
        assert_true(send_part(w, 0, &sent[0]));
    while (sent[0] > 0); /* now it is at the sink */
    world_hello(w, 5);
    world_sink(w, 0);
    assert_int_equal(last->held_count, 1);
    uint64_t window = last->window;
    assert_true(window > 0 && window < 512 * 512 * 25);
    while (send_part(w, 5, &sent[5]))
        ;
    assert_int_equal(last->sent, window);
    world_sink(w, WORLD_HELD);
    assert_true(last->window > window);
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
    world_work_off(w);
    world_assert_whole(w, 1);
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
    world_work_off(w);
    world_assert_whole(w, small);
}

static struct queue_action fetch(struct queue *q, enum action_type type)
{
    struct queue_action a;
    while (queue_next(q, &a))
        if (a.type == type)
            return a;
    fail_msg("no such action");
    return a;
}

/* A worker with so many short answers that its window is what holds it up has no more of them to
 * solve than that; as they become durable it is told of room for a message full of them, or of all
 * of it when none is left with the sink. */
static void test_room_for_short_answers_comes_in_large_helpings(void **state)
{
    enum { POINTS = 100, BYTES = 1300, COSTS = 320, FIT = 100, THREADS = 200 };
    struct world *w = *state;
    struct queue_config config;
    queue_config_default(&config);
    config.random = world_random;
    config.random_arg = w;
    config.frontier_ahead = 1000; /* all tiles at once */
    config.sink_bytes = 2 * FIT * (BYTES + COSTS);
    struct queue *q = queue_create(&config, 0);
    queue_job_add(q, 0,
                  &(struct queue_job){.id = 1,
                                      .q_count = 1000,
                                      .a_count = 100,
                                      .q_blocks = 100,
                                      .a_blocks = 10,
                                      .point_bytes = BYTES / POINTS,
                                      .point_cost_ns = 100});
    queue_frontier_durable(q, 0, 1, fetch(q, ACTION_FRONTIER).frontier);
    struct wire_msg hello = {.type = WIRE_HELLO, .tag = 1};
    hello.hello.threads = THREADS;
    hello.hello.hold_bytes = 16u << 20;
    hello.hello.self_test = 1;
    hello.hello.version = hello.hello.isa = hello.hello.host = wire_str("x");
    uint32_t retry_ms, number = queue_worker_hello(q, 0, 77, &hello, &retry_ms, NULL);
    struct queue_action lease = fetch(q, ACTION_LEASE);
    assert_int_equal(lease.tile_count, FIT); /* no more to solve than it may send */
    uint64_t window = queue_worker_window(q, number);
    assert_int_equal(window, FIT * BYTES);
    struct wire_msg m = {.type = WIRE_RESULT};
    m.result.job = 1;
    m.result.token = lease.token;
    m.result.count = POINTS;
    m.result.data.len = BYTES;
    for (m.result.tile = 0; m.result.tile < FIT; m.result.tile++) {
        assert_int_equal(queue_result_part(q, 1, number, &m), VERDICT_TAKE);
        assert_int_equal(queue_result_complete(q, 1, number, &m, BYTES), COMPLETE_STORE);
    }
    assert_int_equal(fetch(q, ACTION_LEASE).tile_count, FIT); /* all is solved: it is given more */
    unsigned helpings = 0;
    for (uint32_t tile = 0; tile < FIT; tile++) {
        queue_tile_durable(q, 2, 1, tile, number, BYTES, 0);
        struct queue_action ack = fetch(q, ACTION_ACK);
        helpings += ack.window > window;
        window = ack.window;
    }
    assert_in_range(helpings, 1, 2);
    assert_true(window >= 2 * FIT * BYTES - BYTES);
    queue_check(q);
    queue_destroy(q);
}

/* All of what worker 0 has to solve is answered, in so many bytes each. */
static void answer_all(struct world *w, size_t bytes)
{
    struct world_worker *ww = &w->workers[0];
    for (size_t k = 0; k < ww->held_count; k++) {
        struct held_tile *h = &ww->held[k];
        if (h->sent)
            continue;
        struct wire_msg m = {.type = WIRE_RESULT};
        m.result.job = h->job;
        m.result.tile = h->tile;
        m.result.count = 512 * 512;
        m.result.token = h->token;
        m.result.data = (struct wire_span){"", bytes};
        h->sent = h->solved = true;
        ww->sent += bytes;
        w->sink[w->sink_count++] = (struct stored){h->job, h->tile, ww->number, bytes, false};
        assert_int_equal(queue_result_part(w->q, w->now_ms, ww->number, &m), VERDICT_TAKE);
        assert_int_equal(queue_result_complete(w->q, w->now_ms, ww->number, &m, bytes),
                         COMPLETE_STORE);
    }
    world_act(w);
}

/* A worker that may hold one tile as points: answered as leaves it gets the next one while the
 * first is not yet durable, until the sink has enough to do. */
static void test_what_came_as_leaves_makes_room_for_more(void **state)
{
    enum { TILES = 40, ENOUGH = 24, POINT_BYTES = 3 }; /* 768 KiB a tile, 1 MiB in hand at most */
    struct world *w = *state;
    uint32_t job = job_of_big_tiles(w, TILES, POINT_BYTES);
    world_hello(w, 0);
    world_sink(w, 0);
    for (size_t leased = 1; leased <= ENOUGH; leased++) {
        assert_int_equal(w->workers[0].held_count, leased);
        answer_all(w, 1000);
        world_sink(w, 0); /* the frontier moves on, and nothing is durable */
    }
    assert_int_equal(w->workers[0].held_count, ENOUGH);
    for (int round = 0; round < TILES && world_info(w, job).state != JOB_DONE; round++) {
        world_sink(w, WORLD_HELD);
        answer_all(w, 1000);
    }
    world_assert_whole(w, job);
}

static void test_what_came_as_points_does_not(void **state)
{
    enum { TILES = 40, POINT_BYTES = 3 };
    struct world *w = *state;
    job_of_big_tiles(w, TILES, POINT_BYTES);
    world_hello(w, 0);
    world_sink(w, 0);
    assert_int_equal(w->workers[0].held_count, 1);
    answer_all(w, 512 * 512 * POINT_BYTES);
    assert_int_equal(w->workers[0].held_count, 1);
}

int main(void)
{
#define SCENARIO(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        SCENARIO(test_a_stalled_sink_stops_dispatch),
        SCENARIO(test_windows_stay_within_the_budget),
        SCENARIO(test_results_larger_than_a_share_of_the_budget_get_through),
        SCENARIO(test_who_has_used_up_a_short_window_is_told_of_room),
        SCENARIO(test_windows_that_nobody_uses_do_not_stop_the_others),
        SCENARIO(test_bytes_that_were_lost_do_not_stay_in_the_window),
        SCENARIO(test_parts_of_what_nobody_wants_give_their_window_back),
        SCENARIO(test_room_for_short_answers_comes_in_large_helpings),
        SCENARIO(test_what_came_as_leaves_makes_room_for_more),
        SCENARIO(test_what_came_as_points_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
