/* A broker killed at any moment, many times: what it had told to be durable is there when it is
 * started again, bit for bit, and the end result is the same as ever. */
#include "sink_rig.h"

#include <signal.h>
#include <sys/wait.h>

/* The broker to be killed: stores what is open and writes each tile's number to the pipe after it
 * was told to be durable. */
static void child(struct rig *r, const struct job *job, const struct content *c, int out,
                  uint64_t seed)
{
    rig_open(r);
    uint32_t n = job_tile_count(job), *order = shuffled(n, seed);
    const struct sink_job *known = sink_job_count(r->sink) ? sink_job(r->sink, 0) : NULL;
    if (!known)
        rig_submit(r, 1, job);
    uint32_t stored = 0; /* a part of all in one life, however late the kill comes */
    for (uint32_t i = 0; i < n && stored < n / 5; i++) {
        if (known && (!known->tile_done || known->tile_done[order[i]]))
            continue;
        stored++;
        sink_store(r->sink, make_result(job, 1, order[i], c, seed + i));
        if (draw(&seed, 3) == 0)
            usleep((unsigned)draw(&seed, 300));
        while (sink_next(r->sink, &r->last))
            if (r->last.type == SINK_DURABLE &&
                write(out, &r->last.tile, sizeof r->last.tile) != sizeof r->last.tile)
                _exit(1);
    }
    rig_settle(r, 1);
    close(out);
    pause();
}

static void test_kills(void **state)
{
    struct rig *r = *state;
    struct content c = {.salt = 11, .odd = true};
    struct job *job = make_job(40, 45, 2, true, 1e6);
    uint32_t n = job_tile_count(job), left = n;
    uint8_t *told = mem_alloc(n, 1);
    uint64_t seed = 4;
    char folder[160];
    folder_of(r, 1, folder);
    unsigned kills = 0, between = 0;
    for (; kills < 60; kills++) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            child(r, job, &c, pipes[1], seed + kills);
        close(pipes[1]);
        uint32_t one, wanted = (uint32_t)draw(&seed, 12); /* tiles, and into the next */
        for (; wanted > 0 && read(pipes[0], &one, sizeof one) == sizeof one; wanted--)
            told[one] = 1;
        usleep((unsigned)draw(&seed, 10000));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(pipes[0], &one, sizeof one) == sizeof one)
            told[one] = 1;
        close(pipes[0]);

        struct err err = {0};
        if (sink_open(&r->config, &r->sink, &err) != 0)
            fail_msg("after kill %u: %s", kills, err.text);
        if (sink_job_count(r->sink) == 0) {
            assert_int_equal(access(folder, F_OK), -1);
            rig_close(r);
            continue;
        }
        const uint8_t *done = sink_job(r->sink, 0)->tile_done;
        if (!done)
            break; /* all of it */
        uint32_t open = 0;
        for (uint32_t tile = 0; tile < n; tile++) {
            assert_true(done[tile] || !told[tile]);
            open += !done[tile];
        }
        assert_true(open <= left);
        between += open < left;
        left = open;
        check_planes(job, folder, ".partial.npy", &c, done);
        rig_close(r);
    }
    if (!r->sink) {
        rig_open(r);
        r->durable = 0;
        const uint8_t *done = sink_job(r->sink, 0)->tile_done;
        for (uint32_t tile = 0; tile < n; tile++)
            if (!done[tile])
                sink_store(r->sink, make_result(job, 1, tile, &c, tile));
        while (r->durable < left)
            rig_wait(r, SINK_DURABLE);
        sink_finish(r->sink, 1);
        rig_wait(r, SINK_FINISHED);
    }
    check_planes(job, folder, ".npy", &c, NULL);
    assert_true(kills > 2);
    assert_true(between > 0);
    free(told);
    job_destroy(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kills, rig_setup, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
