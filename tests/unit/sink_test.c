/* The sink on a healthy disk: every byte of every file, whatever the shape, the order, the coding;
 * what workers may not do. */
#include "sink_rig.h"

#include "leaves.h"

static void check_small_files(const struct job *job, const char *folder)
{
    char path[300], shape[64];
    size_t len;
    struct buf text = {0};
    job_format(job, &text);
    snprintf(path, sizeof path, "%s/job.json", folder);
    unsigned char *bytes = read_whole(path, &len);
    assert_int_equal(len, text.len);
    assert_memory_equal(bytes, text.data, len);
    free(bytes);
    buf_fini(&text);

    snprintf(shape, sizeof shape, "(%zu,)", job->q.count);
    bytes = read_npy(folder, "q.npy", "<f8", shape, 8 * job->q.count);
    assert_memory_equal(bytes, job->q.values, 8 * job->q.count);
    free(bytes);
    snprintf(shape, sizeof shape, "(%zu,)", job->a.count);
    bytes = read_npy(folder, "a.npy", "<f8", shape, 8 * job->a.count);
    assert_memory_equal(bytes, job->a.values, 8 * job->a.count);
    free(bytes);
}

static const double spans[] = {10, 1e4, 1e6, 1e8};

static void test_every_byte_of_random_jobs(void **state)
{
    struct rig *r = *state;
    uint64_t seed = 20240229;
    rig_open(r);
    for (uint32_t id = 1; id <= 24; id++) {
        struct content c = {.salt = id, .odd = id % 3 != 0};
        struct job *job =
            make_job(1 + draw(&seed, 70), 1 + draw(&seed, 130), 1 + (unsigned)draw(&seed, 3),
                     draw(&seed, 2), spans[draw(&seed, 4)]);
        char folder[160];
        folder_of(r, id, folder);
        rig_submit(r, id, job);
        check_small_files(job, folder);
        rig_store_all(r, id, job, &c, seed);
        assert_true(exists(folder, "field_0.partial.npy"));
        assert_false(exists(folder, "field_0.npy"));
        sink_finish(r->sink, id);
        rig_wait(r, SINK_FINISHED);
        assert_false(exists(folder, "field_0.partial.npy"));
        check_planes(job, folder, ".npy", &c, NULL);
        check_records(job, folder, &c);
        job_destroy(job);
    }
    assert_int_equal(r->stalled, 0);
    assert_int_equal(r->dropped, 0);
}

/* Tiles of the largest size, several to a band, rows that are not whole. */
static void test_large_tiles(void **state)
{
    struct rig *r = *state;
    struct content c = {.salt = 5, .odd = true};
    struct job *job = make_job(500, 1300, 2, true, 10);
    char folder[160];
    folder_of(r, 1, folder);
    rig_open(r);
    rig_submit(r, 1, job);
    rig_store_all(r, 1, job, &c, 1);
    sink_finish(r->sink, 1);
    rig_wait(r, SINK_FINISHED);
    check_planes(job, folder, ".npy", &c, NULL);
    check_records(job, folder, &c);
    job_destroy(job);
}

/* --- bands ----------------------------------------------------------------------------------- */

/* What went into the files in long stretches, from any thread of the sink. */
static struct stretch {
    off_t at;
    size_t len;
} stretches[4096];
static atomic_size_t stretch_count;

static ssize_t noting_pwrite(int fd, const void *data, size_t len, off_t at)
{
    size_t i = len >= 1000 ? atomic_fetch_add(&stretch_count, 1) : 4096;
    if (i < 4096)
        stretches[i] = (struct stretch){at, len};
    return pwrite(fd, data, len, at);
}

/* A band that is there goes in stretches of several rows; tiles without all of their neighbours go
 * too, when nothing else comes, but not before. */
static void test_a_band_is_written_as_one(void **state)
{
    struct rig *r = *state;
    struct content c = {.salt = 8};
    struct disk noting = disk_system;
    struct err err = {0};
    struct job *job = make_job(400, 3000, 1, false, 10);
    uint32_t n = job_tile_count(job), a_blocks = job->a_blocks;
    size_t row = 8 * job->a.count, begin = 4096 + job_tile(job, a_blocks).q0 * row;
    char folder[160];
    assert_true(n >= 2 * a_blocks && a_blocks > 2);
    rig_open(r);
    rig_submit(r, 1, job);
    rig_close(r);
    noting.pwrite = noting_pwrite;
    r->config.disk = &noting;
    stretch_count = 0;
    assert_int_equal(sink_open(&r->config, &r->sink, &err), 0);
    for (uint32_t tile = 1; tile < 2 * a_blocks; tile++) /* all but one of the first band */
        sink_store(r->sink, make_result(job, 1, tile, &c, tile));
    assert_int_equal(sink_start(r->sink, &err), 0); /* there they are, all at once */
    for (r->durable = 0; r->durable < 2 * a_blocks - 1;)
        if (rig_wait(r, SINK_DURABLE)->tile < a_blocks) /* the second band comes first */
            assert_true(r->durable > a_blocks);
    rig_settle(r, 1); /* the statuses are written, too: nobody notes anything any more */
    assert_true(stretch_count <= 4096);
    size_t whole = 0, others = 0;
    for (size_t i = 0; i < stretch_count; i++) {
        bool second = stretches[i].at >= (off_t)begin;
        assert_true(!second || stretches[i].len >= 2 * row || stretches[i].len < row / 2);
        whole += second && stretches[i].len >= 2 * row;
        others += !second && stretches[i].len >= row / 2;
    }
    assert_true(whole > 0 && others >= job_tile(job, 0).q1);
    sink_store(r->sink, make_result(job, 1, 0, &c, 0));
    for (uint32_t tile = 2 * a_blocks; tile < n; tile++)
        sink_store(r->sink, make_result(job, 1, tile, &c, tile));
    while (r->durable < n)
        rig_wait(r, SINK_DURABLE);
    sink_finish(r->sink, 1);
    rig_wait(r, SINK_FINISHED);
    folder_of(r, 1, folder);
    check_planes(job, folder, ".npy", &c, NULL);
    rig_close(r);
    job_destroy(job);
}

static void test_numpy_reads_all(void **state)
{
    struct rig *r = *state;
    if (system("/usr/bin/python3 -c 'import numpy' 2>/dev/null") != 0) {
        print_message("no numpy here: skipped\n");
        skip();
    }
    struct content c = {.salt = 1};
    struct job *job = make_job(5, 9, 1, true, 1e6);
    const double table[5] = {0, 1, 0.5, 2, 0.25};
    unsigned char bytes[4 + sizeof table] = {2}; /* two samples, then (here) 8 bytes of segments */
    memcpy(bytes + 4, table, sizeof table);
    rig_open(r);
    rig_submit(r, 1, job);
    sink_table(r->sink, 1, bytes, sizeof bytes);
    rig_wait(r, SINK_TABLE);
    rig_store_all(r, 1, job, &c, 1);
    rig_settle(r, 1);
    char command[1200];
    snprintf(command, sizeof command,
             "cd %s/jobs/1 && /usr/bin/python3 -c \"\n"
             "import numpy as np\n"
             "f = np.load('field_0.partial.npy', mmap_mode='r')\n"
             "e = np.load('field_0.error.npy'); s = np.load('status.npy'); w = np.load('w.npy')\n"
             "assert f.shape == (5, 9) and f.dtype == np.float64 and f.flags.c_contiguous\n"
             "assert e.shape == (5, 9) and e.dtype == np.float32\n"
             "assert s.dtype == np.uint8 and (s == 1).all() and np.isfinite(f).all()\n"
             "assert (np.load('q.npy') == np.linspace(0, 4, 5)).all()\n"
             "assert (np.load('a.npy') == np.linspace(-2, 7, 9)).all()\n"
             "assert (w == [[0, 1], [0.5, 2]]).all(), w\n\"",
             r->data);
    assert_int_equal(system(command), 0);
    job_destroy(job);
}

static void test_readers_paths(void **state)
{
    struct rig *r = *state;
    struct content c = {.salt = 1};
    struct job *job = make_job(4, 4, 2, true, 1e8);
    char path[300];
    bool final;
    rig_open(r);
    rig_submit(r, 1, job);
    assert_int_equal(sink_file(r->sink, 1, job, "field_1.npy", path, sizeof path, &final), 0);
    assert_non_null(strstr(path, "/jobs/1/field_1.partial.npy"));
    assert_false(final);
    assert_int_equal(sink_file(r->sink, 1, job, "status.npy", path, sizeof path, &final), 0);
    assert_false(final);
    assert_int_equal(sink_file(r->sink, 1, job, "q.npy", path, sizeof path, &final), 0);
    assert_true(final);
    const char *const none[] = {"w.npy", "field_2.npy", "../lock", "field_1.partial.npy", ""};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(sink_file(r->sink, 1, job, none[i], path, sizeof path, &final), -1);
    rig_store_all(r, 1, job, &c, 3);
    sink_finish(r->sink, 1);
    rig_wait(r, SINK_FINISHED);
    assert_int_equal(sink_file(r->sink, 1, job, "field_1.npy", path, sizeof path, &final), 0);
    assert_non_null(strstr(path, "/jobs/1/field_1.npy"));
    assert_true(final);
    assert_int_equal(sink_file(r->sink, 1, job, "status.npy", path, sizeof path, &final), 0);
    assert_true(final);
    job_destroy(job);
}

/* --- repeated, other and malformed results --------------------------------------------------- */

static struct sink_result *as_compare(struct sink_result *result)
{
    result->compare = true;
    return result;
}

static enum sink_event_type next_of(struct rig *r, struct sink_result *result)
{
    uint64_t bytes = result->data_bytes;
    uint32_t tile = result->tile, sender = result->parts[0].worker; /* its part is the bad one */
    sink_store(r->sink, result);
    struct sink_event e;
    while (!sink_next(r->sink, &e))
        sem_wait(&r->woken);
    assert_int_equal(e.tile, tile);
    assert_int_equal(e.worker, sender ? sender : 7);
    assert_int_equal(e.data_bytes, bytes);
    return e.type;
}

static void test_the_first_counts(void **state)
{
    struct rig *r = *state;
    struct content c = {.salt = 1}, other = {.salt = 2};
    struct job *job = make_job(6, 11, 2, true, 1e6);
    char folder[160];
    folder_of(r, 1, folder);
    rig_open(r);
    rig_submit(r, 1, job);
    assert_int_equal(next_of(r, make_result(job, 1, 0, &c, 1)), SINK_DURABLE);
    assert_int_equal(next_of(r, make_result(job, 1, 0, &c, 2)), SINK_SAME);
    assert_int_equal(next_of(r, make_result(job, 1, 0, &other, 3)), SINK_DIFFERS);
    assert_int_equal(next_of(r, as_compare(make_result(job, 1, 0, &c, 4))), SINK_SAME);
    assert_int_equal(next_of(r, as_compare(make_result(job, 1, 0, &other, 5))), SINK_DIFFERS);
    assert_int_equal(next_of(r, as_compare(make_result(job, 1, 1, &c, 6))), SINK_DURABLE);

    for (uint32_t tile = 2; tile < job_tile_count(job); tile++)
        assert_int_equal(next_of(r, make_result(job, 1, tile, &c, tile)), SINK_DURABLE);
    rig_settle(r, 1);
    check_planes(job, folder, ".partial.npy", &c, NULL);
    job_destroy(job);
}

/* Many of one tile in one group: which is first is what the sink was given first. */
static void test_duplicates_within_a_group(void **state)
{
    struct rig *r = *state;
    struct content c = {.salt = 1}, other = {.salt = 2};
    struct job *job = make_job(8, 8, 1, true, 1e8);
    char folder[160];
    folder_of(r, 1, folder);
    rig_open(r);
    rig_submit(r, 1, job);
    uint32_t n = job_tile_count(job);
    assert_true(n >= 16);
    for (uint32_t tile = 0; tile < n; tile++) {
        sink_store(r->sink, make_result(job, 1, tile, &c, tile));
        sink_store(r->sink, make_result(job, 1, tile, &other, tile));
        sink_store(r->sink, as_compare(make_result(job, 1, tile, &c, tile + 9)));
    }
    unsigned count[SINK_LOST + 1] = {0};
    for (uint32_t i = 0; i < 3 * n;) {
        struct sink_event e;
        for (; sink_next(r->sink, &e); i++)
            count[e.type]++;
        if (i < 3 * n)
            sem_wait(&r->woken);
    }
    assert_int_equal(count[SINK_DURABLE], n);
    assert_int_equal(count[SINK_DIFFERS], n);
    assert_int_equal(count[SINK_SAME], n);
    sink_finish(r->sink, 1);
    rig_wait(r, SINK_FINISHED);
    check_planes(job, folder, ".npy", &c, NULL);

    /* The job is over, and a restart later: what is late is still compared. */
    assert_int_equal(next_of(r, make_result(job, 1, 3, &other, 1)), SINK_DIFFERS);
    rig_close(r);
    rig_open(r);
    assert_int_equal(next_of(r, make_result(job, 1, 3, &c, 1)), SINK_SAME);
    check_planes(job, folder, ".npy", &c, NULL);
    job_destroy(job);
}

static void test_malformed_results_are_dropped(void **state)
{
    struct rig *r = *state;
    struct content c = {.salt = 1};
    struct job *job = make_job(8, 8, 1, true, 1e6);
    rig_open(r);
    rig_submit(r, 1, job);
    struct sink_result *bad = make_result(job, 1, 0, &c, 1);
    bad->tile = job_tile_count(job);
    assert_int_equal(next_of(r, bad), SINK_DROPPED);
    bad = make_result(job, 1, 0, &c, 1);
    bad->parts[0].plane = 3;
    assert_int_equal(next_of(r, bad), SINK_DROPPED);
    bad = make_result(job, 1, 0, &c, 1);
    bad->parts[0].first = UINT32_MAX;
    assert_int_equal(next_of(r, bad), SINK_DROPPED);
    bad = make_result(job, 1, 0, &c, 1);
    bad->parts[0].count++;
    bad->parts[0].worker = 9; /* of several workers' pieces this one is at fault */
    assert_int_equal(next_of(r, bad), SINK_DROPPED);
    bad = make_result(job, 1, 0, &c, 1);
    bad->parts[0].len--;
    assert_int_equal(next_of(r, bad), SINK_DROPPED);
    bad = make_result(job, 1, 0, &c, 1);
    bad->parts[bad->part_count - 1].coding = 2;
    assert_int_equal(next_of(r, bad), SINK_DROPPED);
    assert_int_equal(next_of(r, make_result(job, 9, 0, &c, 1)), SINK_DROPPED);
    assert_int_equal(next_of(r, make_result(job, 1, 0, &c, 1)), SINK_DURABLE);
    job_destroy(job);
}

/* One leaf on which the field is the tile's number and a quarter, with an error of 2^-40, coded by
 * hand. */
static struct sink_result *make_leaves(const struct job *job, uint32_t tile, unsigned parts)
{
    struct job_tile t = job_tile(job, tile);
    const uint32_t head[3] = {0x314c5348, 1 | LEAVES_ERRORS << 16, 0};
    const uint16_t sides[4] = {0, (uint16_t)(t.q1 - t.q0), 0, (uint16_t)(t.a1 - t.a0)};
    const uint8_t degrees[4] = {0};
    const double coef = tile + 0.25, off = 0x1p-40, stated = 0;
    struct buf b = {0};
    buf_add(&b, head, sizeof head);
    buf_add(&b, sides, sizeof sides);
    buf_add(&b, degrees, sizeof degrees); /* of the nodes, of the polynomial */
    buf_add(&b, &coef, sizeof coef);
    buf_add(&b, &off, sizeof off);
    buf_add(&b, &stated, sizeof stated);
    struct sink_result *r = mem_alloc(1, sizeof *r);
    *r = (struct sink_result){.job = 1, .tile = tile, .worker = 7, .release = release_result};
    r->room_bytes = job_tile_points(job, tile) * job_point_bytes(job);
    atomic_fetch_add(&rig_results, 1);
    for (unsigned i = 0; i < parts; i++) {
        size_t at = b.len * i / parts, end = b.len * (i + 1) / parts;
        add_part(r,
                 (struct sink_part){.count = (uint32_t)job_tile_points(job, tile),
                                    .plane = WIRE_LEAVES_PLANE(1),
                                    .coding = WIRE_LEAVES,
                                    .offset = (uint32_t)at,
                                    .len = end - at},
                 b.data + at);
    }
    buf_fini(&b);
    return r;
}

static void check_tile_of_leaves(const struct job *job, uint32_t tile, const double *values,
                                 const float *errors, const uint8_t *status)
{
    struct job_tile t = job_tile(job, tile);
    for (size_t q = t.q0; q < t.q1; q++) {
        for (size_t a = t.a0; a < t.a1; a++) {
            size_t i = q * job->a.count + a;
            assert_true(values[i] == tile + 0.25 && status[i] == 1);
            assert_true(errors[i] >= 0x1p-40f && errors[i] < 0x1.2p-40f); /* and some rounding */
        }
    }
}

/* The tiles come from the last one to the first; then they come again, one by one, and have the
 * same checksums. */
static void become_planes(struct rig *r, size_t q, size_t a, bool in_bands)
{
    struct job *job = make_job(q, a, 1, true, 5);
    char folder[160], shape[40];
    snprintf(shape, sizeof shape, "(%zu, %zu)", q, a);
    folder_of(r, 1, folder);
    rig_open(r);
    rig_submit(r, 1, job);
    uint32_t tiles = job_tile_count(job);
    assert_int_equal(in_bands, job->a_blocks > 1);
    for (uint32_t i = 0; i < tiles; i++)
        sink_store(r->sink, make_leaves(job, tiles - 1 - i, 1 + i % 3));
    for (uint32_t i = 0; i < tiles; i++)
        rig_wait(r, SINK_DURABLE);
    for (uint32_t i = 0; i < tiles; i++)
        assert_int_equal(next_of(r, make_leaves(job, i, 1)), SINK_SAME);
    rig_close(r);
    size_t n = q * a;
    unsigned char *values = read_npy(folder, "field_0.partial.npy", "<f8", shape, 8 * n);
    unsigned char *errors = read_npy(folder, "field_0.error.npy", "<f4", shape, 4 * n);
    unsigned char *status = read_npy(folder, "status.npy", "|u1", shape, n);
    for (uint32_t i = 0; i < tiles; i++)
        check_tile_of_leaves(job, i, (double *)(void *)values, (float *)(void *)errors, status);
    free(values);
    free(errors);
    free(status);
    job_destroy(job);
}

static void test_leaves_become_planes(void **state)
{
    become_planes(*state, 40, 30, false);
}

/* In the writer's large lots: more of them than there are, none of which ends with a page. */
static void test_leaves_become_planes_in_a_stream(void **state)
{
    struct rig *r = *state;
    r->config.long_bytes = 1;
    become_planes(r, 197, 9001, true);
}

static void drop_what_are_no_leaves(struct rig *r, size_t long_bytes)
{
    struct job *job = make_job(40, 30, 1, true, 5);
    r->config.long_bytes = long_bytes;
    rig_open(r);
    rig_submit(r, 1, job);
    struct sink_result *bad = make_leaves(job, 0, 1);
    ((unsigned char *)(uintptr_t)bad->parts[0].data)[4] = 2; /* leaves that are not there */
    assert_int_equal(next_of(r, bad), SINK_DROPPED);
    bad = make_leaves(job, 0, 2);
    bad->parts[1].offset++;
    assert_int_equal(next_of(r, bad), SINK_DROPPED);
    bad = make_leaves(job, 0, 2);
    bad->part_count = 1;
    free(bad->parts[1].owner);
    assert_int_equal(next_of(r, bad), SINK_DROPPED);
    bad = make_leaves(job, 0, 1);
    bad->parts[0].coding = WIRE_RAW;
    assert_int_equal(next_of(r, bad), SINK_DROPPED);
    bad = make_leaves(job, 0, 1);
    bad->tile = job_tile_count(job);
    assert_int_equal(next_of(r, bad), SINK_DROPPED);
    assert_int_equal(next_of(r, make_leaves(job, 0, 2)), SINK_DURABLE);
    job_destroy(job);
}

static void test_what_are_no_leaves_is_dropped(void **state)
{
    drop_what_are_no_leaves(*state, 0);
}

static void test_what_are_no_leaves_is_dropped_in_a_stream(void **state)
{
    drop_what_are_no_leaves(*state, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_every_byte_of_random_jobs),
        TEST(test_large_tiles),
        TEST(test_a_band_is_written_as_one),
        TEST(test_numpy_reads_all),
        TEST(test_readers_paths),
        TEST(test_the_first_counts),
        TEST(test_duplicates_within_a_group),
        TEST(test_malformed_results_are_dropped),
        TEST(test_leaves_become_planes),
        TEST(test_leaves_become_planes_in_a_stream),
        TEST(test_what_are_no_leaves_is_dropped),
        TEST(test_what_are_no_leaves_is_dropped_in_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
