/* A broker with very many tiles recorded is up again soon: what its start costs is printed, and
 * that it knows every tile is checked. TILES=1000000 for a million (the default is 20,000). */
#include "sink_rig.h"

static double clock_s(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void test_a_start_with_many_tiles(void **state)
{
    struct rig *r = *state;
    const char *text = getenv("TILES");
    size_t side = 1, wanted = text ? (size_t)atol(text) : 20000;
    while (side * side < wanted)
        side++;
    struct job *job = make_job(side, side, 1, true, 1e8);
    struct content c = {.salt = 51};
    uint32_t n = job_tile_count(job);
    struct err err = {0};
    assert_true(n >= wanted);
    rig_open(r);
    rig_submit(r, 1, job);
    for (uint32_t tile = 0; tile + 1 < n; tile++) { /* one is open, so that the job is not over */
        sink_store(r->sink, make_result(job, 1, tile, &c, tile));
        while (tile > 1000 + r->durable)
            rig_wait(r, SINK_DURABLE);
    }
    while (r->durable + 1 < n)
        rig_wait(r, SINK_DURABLE);
    rig_close(r);
    double wall = clock_s(CLOCK_MONOTONIC), cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    assert_int_equal(sink_open(&r->config, &r->sink, &err), 0);
    print_message("%u tiles recorded: up in %.3f s (%.3f s of CPU)\n", n - 1,
                  clock_s(CLOCK_MONOTONIC) - wall, clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    for (uint32_t tile = 0; tile < n; tile++)
        assert_int_equal(sink_job(r->sink, 0)->tile_done[tile], tile + 1 < n);
    job_destroy(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_start_with_many_tiles, rig_setup, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
