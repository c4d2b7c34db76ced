/* What a restart of the sink finds, finishes and sweeps away; what is refused at start and
 * submission. */
#include "sink_rig.h"

/* --- restarts -------------------------------------------------------------------------------- */

static void test_a_restart_knows_everything(void **state)
{
    struct rig *r = *state;
    struct content c = {.salt = 3, .odd = true};
    struct job *job = make_job(20, 30, 2, true, 1e6);
    char folder[160];
    folder_of(r, 1, folder);
    rig_open(r);
    uint64_t store = sink_store_id(r->sink);
    assert_int_equal(sink_next_job(r->sink), 1);
    rig_submit(r, 1, job);
    assert_int_equal(sink_next_job(r->sink), 2);
    uint32_t n = job_tile_count(job);
    uint8_t *done = mem_alloc(n, 1);
    uint64_t failed = 0;
    for (uint32_t tile = 0; tile < n; tile += 3) {
        done[tile] = 1;
        sink_store(r->sink, make_result(job, 1, tile, &c, tile));
        rig_wait(r, SINK_DURABLE);
        failed += r->last.points_failed;
    }
    sink_frontier(r->sink, 1, 17);
    rig_wait(r, SINK_FRONTIER);
    assert_int_equal(r->last.frontier, 17);
    sink_job_priority(r->sink, 1, -5);
    sink_job_state(r->sink, 1, JOB_PAUSED, "by the user");
    sink_table(r->sink, 1, "\0\0\0\0first", 9);
    rig_wait(r, SINK_TABLE);
    sink_table(r->sink, 1, "\0\0\0\0second", 10);
    rig_wait(r, SINK_TABLE);

    for (int restart = 0; restart < 3; restart++) {
        rig_close(r);
        rig_open(r);
        assert_int_equal(sink_job_count(r->sink), 1);
        const struct sink_job *known = sink_job(r->sink, 0);
        assert_true(sink_store_id(r->sink) == store);
        assert_int_equal(sink_next_job(r->sink), 2);
        assert_int_equal(known->id, 1);
        assert_int_equal(known->key, 1000003u);
        assert_int_equal(known->state, JOB_PAUSED);
        assert_int_equal(known->priority, -5);
        assert_string_equal(known->reason, "by the user");
        assert_string_equal(known->owner, "me");
        assert_true(known->submitted_s > 0 && known->finished_s == 0);
        assert_int_equal(known->frontier, 17);
        assert_int_equal(known->points_failed, failed);
        assert_memory_equal(known->tile_done, done, n);
        assert_int_equal(known->table_bytes, 9);
        assert_memory_equal(known->table, "\0\0\0\0first", 9);
        check_planes(job, folder, ".partial.npy", &c, done);
    }
    r->durable = 0;
    for (uint32_t tile = 0; tile < n; tile++)
        sink_store(r->sink, make_result(job, 1, tile, &c, tile));
    while (r->durable < n - (n + 2) / 3)
        rig_wait(r, SINK_DURABLE);
    sink_finish(r->sink, 1);
    rig_wait(r, SINK_FINISHED);
    check_planes(job, folder, ".npy", &c, NULL);
    rig_close(r);
    rig_open(r);
    assert_int_equal(sink_job(r->sink, 0)->state, JOB_DONE);
    assert_null(sink_job(r->sink, 0)->tile_done);
    assert_true(sink_job(r->sink, 0)->finished_s > 0);
    free(done);
    job_destroy(job);
}

static void test_cancelled_keeps_what_is_durable(void **state)
{
    struct rig *r = *state;
    struct content c = {.salt = 3, .odd = true};
    struct job *job = make_job(10, 10, 1, false, 1e8);
    char folder[160];
    folder_of(r, 1, folder);
    rig_open(r);
    rig_submit(r, 1, job);
    uint8_t *done = mem_alloc(job_tile_count(job), 1);
    for (uint32_t tile = 0; tile < 5; tile++) {
        sink_store(r->sink, make_result(job, 1, tile, &c, tile));
        done[tile] = 1;
    }
    sink_job_state(r->sink, 1, JOB_CANCELLED, "enough");
    sink_store(r->sink, make_result(job, 1, 6, &c, 6));
    rig_wait(r, SINK_DROPPED);
    assert_int_equal(r->durable, 5);
    check_planes(job, folder, ".partial.npy", &c, done);
    rig_close(r);
    rig_open(r);
    assert_int_equal(sink_job(r->sink, 0)->state, JOB_CANCELLED);
    assert_string_equal(sink_job(r->sink, 0)->reason, "enough");
    assert_null(sink_job(r->sink, 0)->tile_done);
    check_planes(job, folder, ".partial.npy", &c, done);
    free(done);
    job_destroy(job);
}

static void test_delete_leaves_nothing(void **state)
{
    struct rig *r = *state;
    struct job *job = make_job(4, 4, 1, true, 1e8);
    char folder[160];
    rig_open(r);
    rig_submit(r, 1, job);
    rig_submit(r, 2, job);
    sink_delete(r->sink, 1);
    rig_wait(r, SINK_DELETED);
    folder_of(r, 1, folder);
    assert_int_equal(access(folder, F_OK), -1);
    folder_of(r, 2, folder);
    assert_true(exists(folder, "tiles.crc"));
    rig_close(r);
    rig_open(r);
    assert_int_equal(sink_job_count(r->sink), 1);
    assert_int_equal(sink_job(r->sink, 0)->id, 2);
    sink_delete(r->sink, 2);
    rig_wait(r, SINK_DELETED);
    rig_close(r);
    rig_open(r);
    assert_int_equal(sink_next_job(r->sink), 3); /* numbers are not used again */
    job_destroy(job);
}

static void test_half_made_folders_are_swept(void **state)
{
    struct rig *r = *state;
    struct job *job = make_job(4, 4, 1, true, 1e8);
    char path[200];
    rig_open(r);
    rig_submit(r, 1, job);
    rig_close(r);
    snprintf(path, sizeof path, "%s/jobs/2", r->data);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/jobs/2/F.partial.npy", r->data);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    snprintf(path, sizeof path, "%s/jobs/notes", r->data);
    assert_int_equal(mkdir(path, 0700), 0);
    rig_open(r);
    snprintf(path, sizeof path, "%s/jobs", r->data);
    assert_false(exists(path, "2"));
    assert_true(exists(path, "1/job.json"));
    assert_true(exists(path, "notes"));
    job_destroy(job);
}

static void test_finishing_is_completed(void **state)
{
    struct rig *r = *state;
    struct content c = {.salt = 8, .odd = true};
    struct job *job = make_job(6, 6, 3, true, 1e8);
    char folder[160], from[200], to[200];
    folder_of(r, 1, folder);
    rig_open(r);
    rig_submit(r, 1, job);
    rig_store_all(r, 1, job, &c, 1);
    sink_job_state(r->sink, 1, JOB_FINISHING, "");
    rig_close(r);
    snprintf(from, sizeof from, "%s/field_0.partial.npy", folder); /* as far as it got */
    snprintf(to, sizeof to, "%s/field_0.npy", folder);
    assert_int_equal(rename(from, to), 0);
    rig_open(r);
    assert_int_equal(sink_job(r->sink, 0)->state, JOB_DONE);
    assert_false(exists(folder, "field_2.partial.npy"));
    check_planes(job, folder, ".npy", &c, NULL);
    job_destroy(job);
}

static void test_lost_files(void **state)
{
    struct rig *r = *state;
    struct content c = {.salt = 8};
    struct job *job = make_job(6, 6, 1, true, 1e8);
    char folder[160], from[200], to[200];
    folder_of(r, 1, folder);
    snprintf(from, sizeof from, "%s/field_0.error.npy", folder);
    snprintf(to, sizeof to, "%s/away", folder);
    rig_open(r);
    rig_submit(r, 1, job);
    rig_submit(r, 2, job);
    assert_int_equal(rename(from, to), 0);
    sink_store(r->sink, make_result(job, 1, 0, &c, 1));
    rig_wait(r, SINK_LOST);
    assert_int_equal(r->last.job, 1);
    assert_non_null(strstr(r->last.err.text, "field_0.error.npy is missing"));
    rig_wait(r, SINK_DROPPED);
    sink_store(r->sink, make_result(job, 2, 0, &c, 1));
    rig_wait(r, SINK_DURABLE);
    assert_int_equal(r->stalled, 0);

    rig_close(r);
    rig_open(r);
    assert_int_equal(sink_job(r->sink, 0)->state, JOB_FAILED);
    assert_int_equal(sink_job(r->sink, 1)->state, JOB_QUEUED);
    rig_close(r);
    assert_int_equal(rename(to, from), 0); /* brought back */
    rig_open(r);
    assert_int_equal(sink_job(r->sink, 0)->state, JOB_QUEUED);
    assert_int_equal(truncate(from, 4100), 0);
    rig_close(r);
    rig_open(r);
    assert_int_equal(sink_job(r->sink, 0)->state, JOB_FAILED);
    job_destroy(job);
}

/* --- what is refused ------------------------------------------------------------------------- */

static void test_a_second_opener(void **state)
{
    struct rig *r = *state;
    struct sink *second = NULL;
    struct err err = {0};
    char pid[32];
    rig_open(r);
    assert_int_equal(sink_open(&r->config, &second, &err), -1);
    assert_int_equal(err.code, ERR_STORAGE);
    snprintf(pid, sizeof pid, "(pid %ld)", (long)getpid());
    assert_non_null(strstr(err.text, pid));
    rig_close(r);
    rig_open(r);
}

static void write_text(const char *folder, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void test_data_that_cannot_be_made(void **state)
{
    struct rig *r = *state;
    struct err err = {0};
    write_text(r->root, "state", "a file");
    assert_int_equal(sink_open(&r->config, &r->sink, &err), -1);
    assert_int_equal(err.code, ERR_STORAGE);
    assert_non_null(strstr(err.text, "/state: Not a directory"));
    r->sink = NULL;
}

static void test_a_job_too_large_for_the_disk(void **state)
{
    struct rig *r = *state;
    struct job *job = make_job(300000, 300000, 1, true, 10); /* 1.2 TB */
    char path[200];
    rig_open(r);
    sink_submit(r->sink, 1, 5, 0, "", job);
    rig_wait(r, SINK_REFUSED);
    assert_int_equal(r->last.err.code, ERR_STORAGE);
    assert_non_null(strstr(r->last.err.text, "need 1.2 TB but only"));
    snprintf(path, sizeof path, "%s/jobs", r->data);
    assert_false(exists(path, "1"));
    rig_close(r);
    rig_open(r);
    assert_int_equal(sink_job_count(r->sink), 0);
    job_destroy(job);
}

/* --- a folder of the user's ------------------------------------------------------------------ */

static void test_results_beside_other_files(void **state)
{
    struct rig *r = *state;
    struct content c = {.salt = 4, .odd = true};
    struct job *job = make_job(6, 6, 1, true, 1e8);
    assert_int_equal(mkdir(r->results, 0700), 0);
    write_text(r->results, "thesis.txt", "years of work");
    write_text(r->results, "field_0.npy", "of another program");
    r->config.results = r->results;
    rig_open(r);
    sink_submit(r->sink, 1, 5, 0, "", job);
    rig_wait(r, SINK_REFUSED);
    assert_non_null(strstr(r->last.err.text, "field_0.npy exists already"));
    assert_false(exists(r->results, "job.json"));
    rig_close(r);
    rig_open(r); /* nor does a restart touch it */
    assert_true(exists(r->results, "field_0.npy"));
    write_text(r->results, "field_0.npy", "");
    char path[200];
    snprintf(path, sizeof path, "%s/field_0.npy", r->results);
    unlink(path);
    rig_submit(r, 2, job);
    rig_store_all(r, 2, job, &c, 1);
    sink_finish(r->sink, 2);
    rig_wait(r, SINK_FINISHED);
    check_planes(job, r->results, ".npy", &c, NULL);
    sink_delete(r->sink, 2);
    rig_wait(r, SINK_DELETED);
    assert_true(exists(r->results, "thesis.txt"));
    assert_false(exists(r->results, "field_0.npy"));
    assert_false(exists(r->results, "job.json"));
    job_destroy(job);
}

static void test_half_made_results_are_swept(void **state)
{
    struct rig *r = *state;
    char note[300];
    assert_int_equal(mkdir(r->results, 0700), 0);
    write_text(r->results, "thesis.txt", "years of work");
    write_text(r->results, "q.npy", "half");
    r->config.results = r->results;
    rig_open(r);
    rig_close(r);
    snprintf(note, sizeof note, "1\n%s\nq.npy\na.npy\n../out/thesis.txt\n", r->results);
    write_text(r->data, "pending", note);
    rig_open(r);
    assert_false(exists(r->results, "q.npy"));
    assert_true(exists(r->results, "thesis.txt"));
    assert_false(exists(r->data, "pending"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_restart_knows_everything),
        TEST(test_cancelled_keeps_what_is_durable),
        TEST(test_delete_leaves_nothing),
        TEST(test_half_made_folders_are_swept),
        TEST(test_finishing_is_completed),
        TEST(test_lost_files),
        TEST(test_a_second_opener),
        TEST(test_data_that_cannot_be_made),
        TEST(test_a_job_too_large_for_the_disk),
        TEST(test_results_beside_other_files),
        TEST(test_half_made_results_are_swept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
