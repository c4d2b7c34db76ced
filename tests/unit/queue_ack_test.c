/* When a worker is told that its tiles are durable. */
#include "queue_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static size_t solved(const struct world *w)
{
    size_t n = 0;
    for (size_t k = 0; k < w->workers[0].held_count; k++)
        n += w->workers[0].held[k].solved;
    return n;
}

/* A worker that has solved some tiles, each of which took its time, and has more to solve. */
static uint32_t at_work(struct world *w)
{
    uint32_t job = world_job(w, 40, 10, 0);
    world_hello(w, 0);
    world_sink(w, 0);
    world_work(w, 0, 40, 50);
    while (w->workers[0].held_count - solved(w) < 4) {
        world_solve_next(w, 0);
        world_advance(w, 50);
        world_sink(w, 9);
    }
    return job;
}

/* A tile that is durable, and of which the worker has not been told. */
static struct held_tile one_that_waits(struct world *w)
{
    size_t before = solved(w);
    world_solve_next(w, 0);
    world_sink(w, 9);
    assert_int_equal(solved(w), before + 1);
    for (size_t k = w->workers[0].held_count; k-- > 0;)
        if (w->workers[0].held[k].solved)
            return w->workers[0].held[k];
    fail();
    return (struct held_tile){0};
}

static void test_an_acknowledgement_travels_with_the_next_lease(void **state)
{
    struct world *w = *state;
    at_work(w);
    one_that_waits(w);
    size_t open = w->workers[0].held_count - solved(w);
    for (size_t left = open; left <= open; left = w->workers[0].held_count - solved(w)) {
        assert_true(solved(w) > 0); /* nobody has told it anything */
        open = left;
        w->last = (struct queue_action){.type = ACTION_PONG};
        world_solve_next(w, 0);
    }
    assert_int_equal(solved(w), w->sink_count);     /* of all that is durable */
    assert_int_not_equal(w->last.type, ACTION_ACK); /* before: it may name a tile of the lease */
}

static void test_it_does_not_wait_for_ever(void **state)
{
    struct world *w = *state;
    at_work(w);
    world_advance(w, 1500);
    assert_int_equal(solved(w), 0);
    one_that_waits(w);
    world_advance(w, 1400);
    assert_true(solved(w) > 0);
    world_advance(w, 200);
    assert_int_equal(solved(w), 0);
}

static void test_who_has_nothing_to_solve_is_told_at_once(void **state)
{
    struct world *w = *state;
    at_work(w);
    uint32_t number = w->workers[0].number;
    queue_worker_pause(w->q, w->now_ms, number, true); /* no more leases */
    while (w->workers[0].held_count > solved(w))
        world_solve_next(w, 0);
    world_sink(w, WORLD_HELD);
    assert_int_equal(w->workers[0].held_count, 0);
}

static void test_who_gives_work_back_is_told_at_once(void **state)
{
    struct world *w = *state;
    at_work(w);
    one_that_waits(w);
    struct wire_msg m = {.type = WIRE_RETURN};
    m.give_back.reason = wire_str("leaving");
    queue_worker_return(w->q, w->now_ms, w->workers[0].number, &m);
    world_act(w);
    assert_int_equal(solved(w), 0);
}

static void test_who_wants_no_more_is_told_at_its_next_heartbeat(void **state)
{
    struct world *w = *state;
    at_work(w);
    one_that_waits(w);
    w->workers[0].rests = true; /* what it had to solve is solved: it gives nothing back */
    world_beat(w, 0);
    assert_int_equal(solved(w), 0);
}

static void test_who_calls_again_is_told_at_once(void **state)
{
    struct world *w = *state;
    at_work(w);
    one_that_waits(w);
    world_hello(w, 0); /* its lease goes on */
    assert_int_equal(solved(w), 0);
}

static void test_what_rots_meanwhile_is_not_acknowledged(void **state)
{
    struct world *w = *state;
    at_work(w);
    struct held_tile t = one_that_waits(w);
    queue_tile_damaged(w->q, w->now_ms, t.job, t.tile, 0);
    struct queue_action a;
    unsigned dropped = 0;
    while (queue_pending(w->q, &a)) {
        bool has = a.job == t.job && a.tile <= t.tile && t.tile - a.tile < a.tile_count;
        assert_false(a.type == ACTION_ACK && has);
        dropped += a.type == ACTION_DROP && has;
    }
    assert_int_equal(dropped, 1);
    queue_check(w->q);
}

int main(void)
{
#define SCENARIO(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        SCENARIO(test_an_acknowledgement_travels_with_the_next_lease),
        SCENARIO(test_it_does_not_wait_for_ever),
        SCENARIO(test_who_has_nothing_to_solve_is_told_at_once),
        SCENARIO(test_who_gives_work_back_is_told_at_once),
        SCENARIO(test_who_wants_no_more_is_told_at_its_next_heartbeat),
        SCENARIO(test_who_calls_again_is_told_at_once),
        SCENARIO(test_what_rots_meanwhile_is_not_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
