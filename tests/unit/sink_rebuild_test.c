/* Bytes that rot in the state of the broker: whatever happens to the database, to its WAL, to the
 * copies of jobs or to the records of tiles, what comes up is what was acknowledged, or less of it
 * (then it is computed again), and never anything else. FLIPS=1000 for more flips of each kind. */
#include "sink_rig.h"

#include "jobcopy.h"

static struct content plain = {.salt = 21}, odd = {.salt = 22, .odd = true};

static unsigned flips(unsigned otherwise)
{
    const char *text = getenv("FLIPS");
    return text ? (unsigned)atoi(text) : otherwise;
}

/* --- a DATA with one job of each kind -------------------------------------------------------- */

enum { RUNNING = 1, DONE, PAUSED, CANCELLED, FRESH, JOBS = 5 };

struct scene {
    struct job *job[JOBS + 1];
    uint8_t *done[JOBS + 1]; /* durable tiles, as was told */
    char whole[160];         /* a copy of DATA after an orderly end */
    char torn[160];          /* and of one that was cut off, with its WAL */
};

static struct scene scene;

static const struct content *content_of(uint32_t id)
{
    return id == DONE ? &plain : &odd;
}

static void copy_tree(const char *from, const char *to)
{
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s' && cp -a '%s' '%s'", to, from, to);
    assert_int_equal(system(command), 0);
}

static void store_some(struct rig *r, uint32_t id, uint32_t step)
{
    const struct job *job = scene.job[id];
    uint32_t count = 0;
    r->durable = 0;
    for (uint32_t tile = 0; tile < job_tile_count(job); tile += step, count++) {
        sink_store(r->sink, make_result(job, id, tile, content_of(id), tile));
        scene.done[id][tile] = 1;
    }
    while (r->durable < count)
        rig_wait(r, SINK_DURABLE);
}

static void fill(struct rig *r)
{
    for (uint32_t id = 1; id <= JOBS; id++)
        rig_submit(r, id, scene.job[id]);
    sink_table(r->sink, RUNNING, "\1\0\0\0aaaaaaaabbbbbbbbtail", 24);
    rig_wait(r, SINK_TABLE);
    sink_job_state(r->sink, RUNNING, JOB_RUNNING, "");
    sink_job_priority(r->sink, RUNNING, -7);
    store_some(r, RUNNING, 2);
    store_some(r, DONE, 1);
    sink_finish(r->sink, DONE);
    rig_wait(r, SINK_FINISHED);
    store_some(r, PAUSED, 3);
    sink_job_state(r->sink, PAUSED, JOB_PAUSED, "for lunch");
    store_some(r, CANCELLED, 2);
    sink_job_state(r->sink, CANCELLED, JOB_CANCELLED, "no more");
    rig_settle(r, RUNNING);
}

static int group_setup(void **state)
{
    struct rig *r;
    (void)state;
    rig_setup((void **)&r);
    for (uint32_t id = 1; id <= JOBS; id++) {
        scene.job[id] = make_job(9, 10 + id, 1 + id % 2, id != PAUSED, 3e6);
        scene.done[id] = mem_alloc(job_tile_count(scene.job[id]), 1);
        assert_true(job_tile_count(scene.job[id]) > 6);
    }
    snprintf(scene.torn, sizeof scene.torn, "%s.torn", r->root);
    snprintf(scene.whole, sizeof scene.whole, "%s.whole", r->root);
    rig_open(r);
    fill(r);
    copy_tree(r->data, scene.torn);
    rig_close(r);
    copy_tree(r->data, scene.whole);
    return rig_teardown((void **)&r);
}

static int group_teardown(void **state)
{
    (void)state;
    nftw(scene.torn, rig_unlink, 16, FTW_DEPTH | FTW_PHYS);
    nftw(scene.whole, rig_unlink, 16, FTW_DEPTH | FTW_PHYS);
    for (uint32_t id = 1; id <= JOBS; id++) {
        job_destroy(scene.job[id]);
        free(scene.done[id]);
    }
    return 0;
}

/* A fresh copy of the scene in the rig's place. */
static void stage(struct rig *r, const char *from)
{
    struct stat st;
    char parent[96];
    snprintf(parent, sizeof parent, "%s/state", r->root);
    if (stat(parent, &st) != 0)
        assert_int_equal(mkdir(parent, 0700), 0);
    copy_tree(from, r->data);
}

static void flip(const char *path, uint64_t bit)
{
    unsigned char byte;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)(bit / 8)), 1);
    byte ^= (unsigned char)(1u << bit % 8);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
    close(fd);
}

static uint64_t bits_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return 8 * (uint64_t)st.st_size;
}

/* --- what must come up ----------------------------------------------------------------------- */

static const struct sink_job *known(const struct rig *r, uint32_t id)
{
    for (size_t i = 0; i < sink_job_count(r->sink); i++)
        if (sink_job(r->sink, i)->id == id)
            return sink_job(r->sink, i);
    fail_msg("job %u is lost", id);
    return NULL;
}

static void open_again(struct rig *r)
{
    struct err err = {0};
    if (sink_open(&r->config, &r->sink, &err) != 0)
        fail_msg("%s", err.text);
}

/* All jobs with all that was told of them, whether from the database or not. `lost` tells how many
 * durable tiles may be open again. */
static void check_scene(struct rig *r, unsigned lost)
{
    static const int states[] = {0, JOB_RUNNING, JOB_DONE, JOB_PAUSED, JOB_CANCELLED, JOB_QUEUED};
    assert_int_equal(sink_job_count(r->sink), JOBS);
    for (uint32_t id = 1; id <= JOBS; id++) {
        const struct sink_job *job = known(r, id);
        char folder[160];
        folder_of(r, id, folder);
        assert_true(job->state == states[id] || (id == RUNNING && job->state == JOB_QUEUED) ||
                    lost > 0);
        assert_true(job->key == id * 1000003u);
        assert_int_equal(job->priority, id == RUNNING ? -7 : 3);
        assert_string_equal(job->owner, "me");
        assert_true(job->submitted_s > 0);
        assert_int_equal(job->finished_s > 0, id == DONE || id == CANCELLED);
        if (!job->tile_done)
            continue;
        for (uint32_t tile = 0; tile < job_tile_count(scene.job[id]); tile++) {
            bool missing = scene.done[id][tile] && !job->tile_done[tile];
            assert_true(!missing || lost-- > 0);
            assert_true(scene.done[id][tile] || !job->tile_done[tile]);
        }
        if (id != DONE)
            check_planes(scene.job[id], folder, ".partial.npy", content_of(id), job->tile_done);
    }
    assert_string_equal(known(r, PAUSED)->reason, "for lunch");
    assert_string_equal(known(r, CANCELLED)->reason, "no more");
    assert_int_equal(known(r, RUNNING)->table_bytes, 24);
    assert_memory_equal(known(r, RUNNING)->table, "\1\0\0\0aaaaaaaabbbbbbbbtail", 24);
}

/* The job that was at work comes to the end it would have had. */
static void check_end(struct rig *r, uint32_t id)
{
    const struct sink_job *job = known(r, id);
    const uint32_t n = job_tile_count(scene.job[id]);
    struct err err = {0};
    char folder[160];
    uint32_t open = 0;
    folder_of(r, id, folder);
    assert_int_equal(sink_start(r->sink, &err), 0);
    r->durable = 0;
    for (uint32_t tile = 0; tile < n; tile++) {
        if (job->tile_done[tile])
            continue;
        sink_store(r->sink, make_result(scene.job[id], id, tile, content_of(id), tile));
        open++;
    }
    while (r->durable < open)
        rig_wait(r, SINK_DURABLE);
    sink_finish(r->sink, id);
    rig_wait(r, SINK_FINISHED);
    check_planes(scene.job[id], folder, ".npy", content_of(id), NULL);
    folder_of(r, DONE, folder);
    check_planes(scene.job[DONE], folder, ".npy", &plain, NULL);
}

/* --- the database ---------------------------------------------------------------------------- */

static void test_a_database_that_is_gone(void **state)
{
    struct rig *r = *state;
    char path[160];
    stage(r, scene.whole);
    snprintf(path, sizeof path, "%s/hillsweep.db", r->data);
    assert_int_equal(unlink(path), 0);
    open_again(r);
    check_scene(r, 0);
    check_end(r, RUNNING);
}

static void test_a_database_of_nonsense(void **state)
{
    struct rig *r = *state;
    char path[160], aside[200];
    stage(r, scene.whole);
    snprintf(path, sizeof path, "%s/hillsweep.db", r->data);
    snprintf(aside, sizeof aside, "%s.damaged", path);
    FILE *f = fopen(path, "w");
    fputs("this was a database once, but somebody wrote into it; it is long enough to be taken "
          "for one at a glance ......",
          f);
    fclose(f);
    open_again(r);
    assert_int_equal(access(aside, F_OK), 0);
    check_scene(r, 0);
    rig_close(r);
    open_again(r); /* the new one has it all */
    check_scene(r, 0);
    check_end(r, PAUSED);
}

static void test_flips_in_the_database(void **state)
{
    struct rig *r = *state;
    uint64_t seed = 5;
    char path[160], aside[200];
    unsigned rebuilt = 0;
    snprintf(path, sizeof path, "%s/hillsweep.db", r->data);
    snprintf(aside, sizeof aside, "%s.damaged", path);
    for (unsigned i = 0; i < flips(40); i++) {
        stage(r, scene.whole);
        flip(path, draw(&seed, bits_of(path)));
        open_again(r);
        rebuilt += access(aside, F_OK) == 0;
        check_scene(r, 0);
        if (i % 8 == 0)
            check_end(r, RUNNING);
        rig_close(r);
    }
    assert_int_equal(rebuilt, flips(40));
}

/* SQLite takes a WAL up to the first frame that is not right and forgets the rest. */
static void test_flips_in_the_wal(void **state)
{
    struct rig *r = *state;
    uint64_t seed = 6;
    char path[160];
    snprintf(path, sizeof path, "%s/hillsweep.db-wal", r->data);
    for (unsigned i = 0; i < flips(40); i++) {
        stage(r, scene.torn);
        assert_true(bits_of(path) > 0);
        flip(path, draw(&seed, bits_of(path)));
        open_again(r);
        check_scene(r, 0);
        if (i % 8 == 0)
            check_end(r, RUNNING);
        rig_close(r);
    }
}

/* --- records and copies ---------------------------------------------------------------------- */

static void test_flips_in_records(void **state)
{
    struct rig *r = *state;
    uint64_t seed = 7;
    char path[300], folder[160];
    for (unsigned i = 0; i < flips(24); i++) {
        stage(r, i % 2 ? scene.torn : scene.whole);
        folder_of(r, RUNNING, folder);
        snprintf(path, sizeof path, "%s/tiles.crc", folder);
        flip(path, draw(&seed, bits_of(path)));
        open_again(r);
        check_scene(r, 0);
        rig_close(r);
        open_again(r);
        check_scene(r, 0);
        rig_close(r);
    }
}

/* Neither the record nor the database is there for one tile: it is open, and all else is there. */
static void test_a_record_and_the_database(void **state)
{
    struct rig *r = *state;
    char path[300], folder[160];
    stage(r, scene.whole);
    folder_of(r, RUNNING, folder);
    snprintf(path, sizeof path, "%s/tiles.crc", folder);
    flip(path, 2 * 32 * 8 + 70);
    snprintf(path, sizeof path, "%s/hillsweep.db", r->data);
    flip(path, 4096 * 8 + 1);
    open_again(r);
    assert_int_equal(known(r, RUNNING)->tile_done[2], 0);
    check_scene(r, 1);
    check_end(r, RUNNING);
}

/* Data that do not have the CRC that the record names are not believed when a row is missing. */
static void test_data_and_the_database(void **state)
{
    struct rig *r = *state;
    char path[300], folder[160];
    uint64_t seed = 8;
    for (unsigned i = 0; i < flips(24) / 2; i++) {
        stage(r, scene.whole);
        folder_of(r, RUNNING, folder);
        snprintf(path, sizeof path, "%s/field_0.partial.npy", folder);
        flip(path, 4096 * 8 + draw(&seed, bits_of(path) - 4096 * 8));
        snprintf(path, sizeof path, "%s/hillsweep.db", r->data);
        flip(path, draw(&seed, bits_of(path)));
        open_again(r);
        check_scene(r, 1);
        check_end(r, RUNNING);
        rig_close(r);
    }
}

static void test_flips_in_copies(void **state)
{
    struct rig *r = *state;
    uint64_t seed = 9;
    char path[300];
    struct store_job row;
    struct buf memory = {0};
    for (unsigned i = 0; i < flips(24); i++) {
        uint32_t id = 1 + i % JOBS;
        stage(r, i % 2 ? scene.torn : scene.whole);
        snprintf(path, sizeof path, "%s/copies/%u.job", r->data, id);
        flip(path, draw(&seed, bits_of(path)));
        assert_int_equal(jobcopy_read(&disk_system, r->data, id, &row, &memory), JOBCOPY_DAMAGED);
        snprintf(path, sizeof path, "%s/copies/%u.drive", r->data, RUNNING);
        flip(path, draw(&seed, bits_of(path)));
        open_again(r);
        check_scene(r, 0);
        assert_int_equal(jobcopy_read(&disk_system, r->data, id, &row, &memory), JOBCOPY_SOUND);
        assert_int_equal(jobcopy_read_drive(&disk_system, r->data, RUNNING, &memory),
                         JOBCOPY_SOUND);
        rig_close(r);
    }
    buf_fini(&memory);
}

/* Nothing is swept away that somebody may still want. */
static void test_a_copy_and_the_database(void **state)
{
    struct rig *r = *state;
    char path[300], folder[160];
    stage(r, scene.whole);
    snprintf(path, sizeof path, "%s/copies/%u.job", r->data, DONE);
    flip(path, 999);
    snprintf(path, sizeof path, "%s/hillsweep.db", r->data);
    flip(path, 999);
    open_again(r);
    assert_int_equal(sink_job_count(r->sink), JOBS - 1);
    rig_close(r);
    open_again(r);
    folder_of(r, DONE, folder);
    check_planes(scene.job[DONE], folder, ".npy", &plain, NULL);
}

/* A deleted job does not come back. */
static void test_deleted_is_deleted(void **state)
{
    struct rig *r = *state;
    struct err err = {0};
    char path[300];
    stage(r, scene.whole);
    open_again(r);
    assert_int_equal(sink_start(r->sink, &err), 0);
    sink_delete(r->sink, DONE);
    rig_wait(r, SINK_DELETED);
    rig_close(r);
    snprintf(path, sizeof path, "%s/hillsweep.db", r->data);
    assert_int_equal(unlink(path), 0);
    open_again(r);
    assert_int_equal(sink_job_count(r->sink), JOBS - 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_database_that_is_gone), TEST(test_a_database_of_nonsense),
        TEST(test_flips_in_the_database),   TEST(test_flips_in_the_wal),
        TEST(test_flips_in_records),        TEST(test_a_record_and_the_database),
        TEST(test_data_and_the_database),   TEST(test_flips_in_copies),
        TEST(test_a_copy_and_the_database), TEST(test_deleted_is_deleted),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
