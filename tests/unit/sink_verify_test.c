/* verify finds any flipped bit in what is stored of a job, exactly the tile that was hit is
 * damaged, and storing that tile again makes every byte what it was. FLIPS=1000 for more flips. */
#include "sink_rig.h"

#include <dirent.h>

static struct content odd = {.salt = 31, .odd = true};

static unsigned flips(unsigned otherwise)
{
    const char *text = getenv("FLIPS");
    return text ? (unsigned)atoi(text) : otherwise;
}

/* --- what verify found ----------------------------------------------------------------------- */

struct finds {
    uint32_t damaged[64];
    unsigned damaged_count, mended_count;
    char mended[64];
    uint32_t mended_tile, crc;
    struct err err;
};

static struct finds verify(struct rig *r, uint32_t id)
{
    struct finds f = {0};
    struct sink_event e;
    sink_verify(r->sink, id);
    for (;;) {
        while (sink_next(r->sink, &e)) {
            if (e.type == SINK_DAMAGED && f.damaged_count < 64) {
                f.damaged[f.damaged_count++] = e.tile;
                f.crc = e.crc;
            }
            if (e.type == SINK_MENDED) {
                f.mended_count++;
                f.mended_tile = e.tile;
                snprintf(f.mended, sizeof f.mended, "%s", e.err.text);
            }
            if (e.type == SINK_VERIFIED) {
                f.err = e.err;
                return f;
            }
        }
        sem_wait(&r->woken);
    }
}

static void expect_clean(struct rig *r, uint32_t id)
{
    struct finds f = verify(r, id);
    assert_int_equal(f.damaged_count, 0);
    assert_int_equal(f.mended_count, 0);
    assert_int_equal(f.err.code, 0);
}

static void store_tile_again(struct rig *r, uint32_t id, const struct job *job, uint32_t tile)
{
    sink_store(r->sink, make_result(job, id, tile, &odd, tile));
    rig_wait(r, SINK_DURABLE);
    assert_int_equal(r->last.tile, tile);
}

/* --- files ----------------------------------------------------------------------------------- */

struct files {
    char name[32][64];
    unsigned char *bytes[32];
    size_t len[32], count, bits;
};

static void read_files(const char *folder, struct files *f)
{
    *f = (struct files){0};
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        char path[300];
        if (e->d_name[0] == '.' || strncmp(e->d_name, "load.", 5) == 0) /* scripts, no results */
            continue;
        snprintf(f->name[f->count], 64, "%s", e->d_name);
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        f->bytes[f->count] = read_whole(path, &f->len[f->count]);
        f->bits += 8 * f->len[f->count++];
    }
    closedir(dir);
}

static void free_files(struct files *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->bytes[i]);
}

/* Every byte is as it was; of tiles.crc the commit's number, and so the sum, may be others. */
static void check_files(const char *folder, const struct files *right)
{
    struct files now;
    read_files(folder, &now);
    assert_int_equal(now.count, right->count);
    for (size_t i = 0; i < now.count; i++) {
        size_t k = 0;
        while (strcmp(now.name[i], right->name[k]) != 0)
            k++;
        assert_int_equal(now.len[i], right->len[k]);
        for (size_t at = 0; at < now.len[i]; at++)
            if (now.bytes[i][at] != right->bytes[k][at] &&
                (strcmp(now.name[i], "tiles.crc") != 0 || at % 32 < 24))
                fail_msg("byte %zu of %s", at, now.name[i]);
    }
    free_files(&now);
}

static void flip(const char *folder, const char *name, uint64_t bit)
{
    char path[300];
    unsigned char byte;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, (off_t)(bit / 8)), 1);
    byte ^= (unsigned char)(1u << bit % 8);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
    close(fd);
}

static uint32_t tile_at(const struct job *job, uint64_t point)
{
    for (uint32_t tile = 0;; tile++) {
        struct job_tile t = job_tile(job, tile);
        size_t q = point / job->a.count, a = point % job->a.count;
        if (q >= t.q0 && q < t.q1 && a >= t.a0 && a < t.a1)
            return tile;
    }
}

/* Bytes of one point in a file of the grid; 0: another kind of file. */
static size_t element_of(const char *name)
{
    if (!strcmp(name, "status.npy"))
        return 1;
    if (strncmp(name, "field_", 6) != 0)
        return 0;
    return strstr(name, ".error.npy") ? 4 : 8;
}

/* One flip: found where it is, put right where that needs no computing, else damaged. */
static bool check_flip(struct rig *r, uint32_t id, const struct job *job, const char *folder,
                       const char *name, uint64_t bit)
{
    size_t element = element_of(name), byte = bit / 8;
    bool in_grid = element > 1 && byte >= 4096;
    flip(folder, name, bit);
    struct finds f = verify(r, id);
    assert_int_equal(f.err.code, 0);
    assert_int_equal(f.damaged_count, in_grid);
    assert_int_equal(f.mended_count, !in_grid);
    if (!in_grid) {
        char shown[64];
        snprintf(shown, sizeof shown, "%s", name);
        char *partial = strstr(shown, ".partial.npy");
        if (partial)
            strcpy(partial, ".npy");
        assert_string_equal(f.mended, shown);
        if (!strcmp(name, "tiles.crc"))
            assert_int_equal(f.mended_tile, byte / 32);
        else if (element == 1 && byte >= 4096)
            assert_int_equal(f.mended_tile, tile_at(job, byte - 4096));
        return false;
    }
    assert_int_equal(f.damaged[0], tile_at(job, (byte - 4096) / element));
    store_tile_again(r, id, job, f.damaged[0]);
    assert_int_equal(r->last.crc, f.crc);
    return true;
}

/* --- tests ----------------------------------------------------------------------------------- */

static const char table[] = "\1\0\0\0aaaaaaaabbbbbbbbtail";

static void make_done(struct rig *r, const struct job *job)
{
    rig_submit(r, 1, job);
    sink_table(r->sink, 1, table, 24);
    rig_store_all(r, 1, job, &odd, 9);
    sink_finish(r->sink, 1);
    rig_wait(r, SINK_FINISHED);
}

static void flips_in_a_done_job(struct rig *r)
{
    struct job *job = make_job(11, 14, 2, true, 1e6);
    uint64_t seed = 3;
    unsigned repaired = 0, of_file[32] = {0};
    char folder[160];
    struct files right;
    assert_true(job_tile_count(job) > 8);
    folder_of(r, 1, folder);
    rig_open(r);
    make_done(r, job);
    read_files(folder, &right);
    expect_clean(r, 1);
    for (unsigned i = 0; i < flips(300); i++) {
        size_t file = i % right.count, skip = 0;
        if (i % 3) { /* every bit with the same chance; else every file */
            uint64_t bit = draw(&seed, right.bits);
            for (file = 0; bit >= 8 * right.len[file]; file++)
                bit -= 8 * right.len[file];
            skip = element_of(right.name[file]) && i % 2 ? 4096 * 8 : 0; /* heads are large here */
        }
        uint64_t bit = skip + draw(&seed, 8 * right.len[file] - skip);
        of_file[file]++;
        if (check_flip(r, 1, job, folder, right.name[file], bit)) {
            repaired++;
            sink_finish(r->sink, 1);
            rig_wait(r, SINK_FINISHED);
        }
        check_files(folder, &right);
    }
    expect_clean(r, 1);
    assert_true(repaired > flips(300) / 5);
    for (size_t i = 0; i < right.count; i++)
        assert_true(of_file[i] > 0);
    rig_close(r);
    rig_open(r);
    assert_int_equal(sink_job(r->sink, 0)->state, JOB_DONE);
    check_planes(job, folder, ".npy", &odd, NULL);
    free_files(&right);
    job_destroy(job);
}

static void test_flips_in_a_done_job(void **state)
{
    flips_in_a_done_job(*state);
}

static void test_flips_in_a_folder_of_results(void **state)
{
    struct rig *r = *state;
    r->config.results = r->results;
    flips_in_a_done_job(r);
}

/* While a job runs, what is durable is looked at and nothing else. */
static void test_flips_in_a_running_job(void **state)
{
    struct rig *r = *state;
    struct job *job = make_job(11, 14, 1, true, 1e6);
    uint64_t seed = 4;
    char folder[160];
    uint32_t n = job_tile_count(job);
    folder_of(r, 1, folder);
    rig_open(r);
    rig_submit(r, 1, job);
    for (uint32_t tile = 0; tile < n; tile += 2)
        store_tile_again(r, 1, job, tile);
    rig_settle(r, 1);
    expect_clean(r, 1);
    for (unsigned i = 0; i < flips(60) / 2; i++) {
        uint64_t point = draw(&seed, 11 * 14);
        const char *name = i % 2 ? "field_0.partial.npy" : "field_0.error.npy";
        uint64_t bit = 8 * (4096 + (i % 2 ? 8 : 4) * point) + draw(&seed, 32);
        if (tile_at(job, point) % 2 == 0) {
            assert_true(check_flip(r, 1, job, folder, name, bit));
        } else {
            flip(folder, name, bit);
            expect_clean(r, 1);
        }
    }
    for (uint32_t tile = 1; tile < n; tile += 2)
        store_tile_again(r, 1, job, tile);
    sink_finish(r->sink, 1);
    rig_wait(r, SINK_FINISHED);
    check_planes(job, folder, ".npy", &odd, NULL);
    job_destroy(job);
}

/* The broker goes between the finding of a damaged tile and its repair. */
static void test_a_restart_before_the_repair(void **state)
{
    struct rig *r = *state;
    struct job *job = make_job(11, 14, 1, true, 1e6);
    char folder[160];
    folder_of(r, 1, folder);
    rig_open(r);
    make_done(r, job);
    flip(folder, "field_0.npy", 8 * 4096 + 5);
    flip(folder, "field_0.error.npy", 8 * 4096 + 5);
    flip(folder, "field_0.npy", 8 * (4096 + 11 * 14 * 8) - 1);
    struct finds f = verify(r, 1);
    assert_int_equal(f.damaged_count, 2);
    sink_finish(r->sink, 1); /* the queue did not know yet */
    rig_close(r);
    rig_open(r);
    const struct sink_job *known = sink_job(r->sink, 0);
    assert_int_equal(known->state, JOB_RUNNING);
    uint8_t *done = mem_alloc(job_tile_count(job), 1);
    memset(done, 1, job_tile_count(job));
    done[f.damaged[0]] = done[f.damaged[1]] = 0;
    assert_memory_equal(known->tile_done, done, job_tile_count(job));
    check_planes(job, folder, ".npy", &odd, done);
    store_tile_again(r, 1, job, f.damaged[1]);
    store_tile_again(r, 1, job, f.damaged[0]);
    sink_finish(r->sink, 1);
    rig_wait(r, SINK_FINISHED);
    expect_clean(r, 1);
    check_planes(job, folder, ".npy", &odd, NULL);
    free(done);
    job_destroy(job);
}

/* What was computed of a job that is over for good is looked at, but nothing is computed again. */
static void test_a_cancelled_job(void **state)
{
    struct rig *r = *state;
    struct job *job = make_job(11, 14, 1, true, 1e6);
    char folder[160];
    folder_of(r, 1, folder);
    rig_open(r);
    rig_submit(r, 1, job);
    store_tile_again(r, 1, job, 0);
    store_tile_again(r, 1, job, 3);
    sink_job_state(r->sink, 1, JOB_CANCELLED, "no more");
    expect_clean(r, 1);
    flip(folder, "field_0.partial.npy", 8 * 4096);
    struct finds f = verify(r, 1);
    assert_int_equal(f.damaged_count, 1);
    assert_int_equal(f.damaged[0], 0);
    expect_clean(r, 1);
    rig_close(r);
    rig_open(r);
    assert_int_equal(sink_job(r->sink, 0)->state, JOB_CANCELLED);
    uint8_t *done = mem_alloc(job_tile_count(job), 1);
    done[3] = 1;
    check_planes(job, folder, ".partial.npy", &odd, done);
    free(done);
    job_destroy(job);
}

/* Nothing is to be found that sink_distrust has said before. */
static void expect_nothing(struct rig *r)
{
    struct sink_event e;
    sink_verify(r->sink, 77); /* there is no such job: the answer comes after all others */
    do {
        while (!sink_next(r->sink, &e))
            sem_wait(&r->woken);
        assert_int_not_equal(e.type, SINK_DAMAGED);
    } while (e.type != SINK_VERIFIED);
}

/* Its bytes are what was stored, and wrong: other machines have computed others. */
static void test_a_tile_that_is_not_believed(void **state)
{
    enum { LIE = 2 };
    struct rig *r = *state;
    struct content wrong = {.salt = 32, .odd = true};
    struct job *job = make_job(11, 14, 2, true, 1e6);
    uint32_t n = (uint32_t)job_tile_count(job);
    char folder[160];
    folder_of(r, 1, folder);
    rig_open(r);
    rig_submit(r, 1, job);
    for (uint32_t tile = 0; tile < n; tile++)
        if (tile != LIE)
            store_tile_again(r, 1, job, tile);
    sink_distrust(r->sink, 1, LIE); /* not there yet */
    expect_nothing(r);
    sink_store(r->sink, make_result(job, 1, LIE, &wrong, 1));
    struct sink_event stored = *rig_wait(r, SINK_DURABLE);
    sink_finish(r->sink, 1);
    rig_wait(r, SINK_FINISHED);

    sink_distrust(r->sink, 1, LIE);
    struct sink_event damaged = *rig_wait(r, SINK_DAMAGED);
    assert_int_equal(damaged.job, 1);
    assert_int_equal(damaged.tile, LIE);
    assert_int_equal(damaged.crc, stored.crc);
    assert_int_equal(damaged.points_failed, stored.points_failed);
    sink_distrust(r->sink, 1, LIE); /* it is gone already, */
    sink_distrust(r->sink, 1, n);   /* and these never were */
    sink_distrust(r->sink, 9, 0);
    expect_nothing(r);
    expect_clean(r, 1); /* all others are as they were */

    rig_close(r);
    rig_open(r);
    const struct sink_job *known = sink_job(r->sink, 0);
    assert_int_equal(known->state, JOB_RUNNING);
    for (uint32_t tile = 0; tile < n; tile++)
        assert_int_equal(known->tile_done[tile], tile != LIE);
    store_tile_again(r, 1, job, LIE);
    sink_finish(r->sink, 1);
    rig_wait(r, SINK_FINISHED);
    check_planes(job, folder, ".npy", &odd, NULL);
    expect_clean(r, 1);

    sink_job_state(r->sink, 1, JOB_CANCELLED, "nobody will read it");
    sink_distrust(r->sink, 1, LIE);
    expect_nothing(r);
    job_destroy(job);
}

static void test_files_that_are_gone(void **state)
{
    struct rig *r = *state;
    struct job *job = make_job(11, 14, 1, true, 1e6);
    char folder[160], path[300];
    folder_of(r, 1, folder);
    rig_open(r);
    make_done(r, job);
    snprintf(path, sizeof path, "%s/q.npy", folder);
    assert_int_equal(unlink(path), 0);
    struct finds f = verify(r, 1);
    assert_int_equal(f.mended_count, 1);
    assert_string_equal(f.mended, "q.npy");
    snprintf(path, sizeof path, "%s/field_0.npy", folder);
    assert_int_equal(truncate(path, 5000), 0);
    f = verify(r, 1);
    assert_int_equal(f.err.code, ERR_STORAGE);
    assert_non_null(strstr(f.err.text, "shorter than it was made"));
    f = verify(r, 77);
    assert_int_not_equal(f.err.code, 0);
    job_destroy(job);
}

/* A verification does not keep the broker from leaving. */
static void test_closing_meanwhile(void **state)
{
    struct rig *r = *state;
    struct job *job = make_job(100, 100, 1, true, 1e8);
    assert_int_equal(job_tile_count(job), 10000);
    rig_open(r);
    rig_submit(r, 1, job);
    rig_store_all(r, 1, job, &odd, 1);
    for (int i = 0; i < 50; i++)
        sink_verify(r->sink, 1);
    rig_close(r);
    rig_open(r);
    assert_int_equal(sink_job(r->sink, 0)->state, JOB_DONE);
    job_destroy(job);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_flips_in_a_done_job),    TEST(test_flips_in_a_folder_of_results),
        TEST(test_flips_in_a_running_job), TEST(test_a_restart_before_the_repair),
        TEST(test_a_cancelled_job),        TEST(test_files_that_are_gone),
        TEST(test_closing_meanwhile),      TEST(test_a_tile_that_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
