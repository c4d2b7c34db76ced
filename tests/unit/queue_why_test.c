/* The facts that `why` is made of. */
#include "queue_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct queue_why why(struct world *w, uint32_t job)
{
    struct queue_why y;
    assert_int_equal(queue_job_why(w->q, w->now_ms, job, &y), 0);
    assert_true(y.workers >= y.workers_here + y.workers_elsewhere + y.workers_resting +
                                 y.workers_idle + y.workers_banned);
    return y;
}

static void nobody_is_there(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 2, 3, 0);
    struct queue_why y = why(w, job);
    assert_int_equal(y.workers, 0);
    assert_int_equal(y.tiles[TILE_OPEN], 6);
    assert_int_equal(queue_job_why(w->q, w->now_ms, job + 1, &y), -1);
}

static void workers_are_here_or_elsewhere(void **state)
{
    struct world *w = *state;
    uint32_t first = world_job(w, 20, 20, 5), second = world_job(w, 20, 20, 0);
    world_sink(w, 0);
    world_hello(w, 0);
    struct queue_why a = why(w, first), b = why(w, second);
    assert_int_equal(a.workers_here, 1);
    assert_int_equal(a.jobs_before, 0);
    assert_int_equal(b.workers_here, 0);
    assert_int_equal(b.workers_elsewhere, 1);
    assert_int_equal(b.jobs_before, 1);
    assert_int_equal(b.job_before, first);
    assert_true(a.threads_here > 0);
    assert_int_equal(b.threads_here, 0);
    queue_job_priority(w->q, w->now_ms, second, 5, NULL);
    assert_int_equal(why(w, second).jobs_before, 0);
    assert_int_equal(why(w, second).jobs_beside, 1);
    world_advance(w, 700);
    assert_true(why(w, first).oldest_lease_ms >= 700);
}

static void a_disk_that_is_full_is_named(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 4, 4, 0);
    assert_string_equal(why(w, job).stall_reason, "");
    queue_sink_stalled(w->q, w->now_ms, "No space left on device");
    assert_string_equal(why(w, job).stall_reason, "No space left on device");
}

static void what_is_held_after_a_restart_has_an_end(void **state)
{
    struct world *w = *state;
    uint32_t job = world_job(w, 4, 4, 0);
    world_sink(w, 0);
    world_hello(w, 0);
    world_kill(w, 0);
    world_restart(w);
    struct queue_why y = why(w, job);
    assert_true(y.tiles[TILE_HELD] > 0);
    assert_true(y.hold_ms > 0 && y.hold_ms <= 5000);
    world_advance(w, 6000);
    assert_int_equal(why(w, job).hold_ms, 0);
    assert_int_equal(why(w, job).tiles[TILE_HELD], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_is_there, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(workers_are_here_or_elsewhere, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(a_disk_that_is_full_is_named, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(what_is_held_after_a_restart_has_an_end, world_setup,
                                        world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
