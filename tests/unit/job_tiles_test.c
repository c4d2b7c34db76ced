/* common/job: the tiles of a grid. */
#include "job_rig.h"

/* ---- tiles ---- */

/* Every point is in exactly one tile, numbered in band order, none is too large. */
static void check_partition(const struct job *job)
{
    uint64_t points = 0;
    size_t bytes = job->output_count * (job->errors ? 12 : 8) + 1;
    struct job_tile last = {0};
    for (uint32_t i = 0; i < job_tile_count(job); i++) {
        struct job_tile t = job_tile(job, i);
        assert_true(t.q0 < t.q1 && t.q1 <= job->q.count && t.a0 < t.a1 && t.a1 <= job->a.count);
        assert_true(t.q1 - t.q0 <= JOB_TILE_ROWS_MAX && t.a1 - t.a0 <= JOB_TILE_COLUMNS_MAX);
        assert_true(job_tile_points(job, i) <= JOB_TILE_POINTS_MAX);
        assert_true(job_tile_points(job, i) * bytes <= JOB_TILE_BYTES);
        if (i > 0 && last.a1 < job->a.count)
            assert_true(t.q0 == last.q0 && t.a0 == last.a1);
        else
            assert_true(t.a0 == 0 && t.q0 == (i ? last.q1 : 0));
        points += job_tile_points(job, i);
        last = t;
    }
    assert_true(last.q1 == job->q.count && last.a1 == job->a.count);
    assert_true(points == job_points(job));
}

static struct buf grid_text(size_t q, size_t a, const char *more)
{
    struct buf b = {0};
    buf_printf(&b,
               "{\"w\": {\"is\": \"cos(2*t)\", \"t\": [0, 100000]}, \"z\": {\"start\": [1, 0], "
               "\"t\": [0]},"
               "\"grid\": {\"q\": {\"from\": 0, \"to\": 4, \"count\": %zu},"
               "\"a\": {\"from\": -2, \"to\": 7, \"count\": %zu}}, %s}",
               q, a, more);
    return b;
}

static struct job *parse_grid(size_t q, size_t a, const char *more)
{
    struct buf b = grid_text(q, a, more);
    struct job *job = parse(buf_text(&b));
    buf_fini(&b);
    return job;
}

static struct job *lean_grid(size_t q, size_t a, const char *more)
{
    struct buf b = grid_text(q, a, more), document = {0};
    uint32_t head[2] = {(uint32_t)b.len, 0};
    struct job *job;
    buf_add(&document, head, sizeof head);
    buf_add(&document, b.data, b.len);
    assert_int_equal(job_decode_lean(document.data, document.len, &job, NULL), 0);
    buf_fini(&b);
    buf_fini(&document);
    return job;
}

static void tiles_partition_the_grid(void **state)
{
    (void)state;
    static const char *const more[] = {
        "\"output\": {\"F\": \"z(7.85)\"}",
        "\"output\": {\"F\": \"z(7.85)\"}, \"errors\": false",
        "\"output\": {\"F\": \"z(40)\"}, \"tolerance\": 1e-14",
        "\"output\": {\"F\": \"z(1e5)\"}",
        "\"output\": {\"F\": \"z(1e4)\"}, \"solver\": \"point\"",
        "\"output\": {\"F\": \"z(1)\", \"G\": \"z(2)\", \"H\": \"z(3)\", \"I\": \"dz(3)\"}",
    };
    static const size_t sides[] = {1, 2, 31, 100, 511, 512, 513, 1000, 1025};
    for (size_t m = 0; m < sizeof more / sizeof more[0]; m++)
        for (size_t i = 0; i < 9; i++)
            for (size_t k = 0; k < 9; k++) {
                struct job *job = parse_grid(sides[i], sides[k], more[m]);
                check_partition(job);
                double ns = job_point_cost_ns(job), work = ns * (double)job_points(job);
                uint32_t tiles = job_tile_count(job);
                for (uint32_t t = 0; t < tiles; t++)
                    assert_true((double)job_tile_points(job, t) * ns <= 250e6 ||
                                job_tile_points(job, t) == 1);
                if (work < 5e6 && job_points(job) <= 512)
                    assert_int_equal(tiles, 1);
                /* Shared by 64, but tiles that are solved as a whole are not cut below 256 x 256.
                 */
                if (work >= 64 * 5e6 && job_points(job) >= 64 && job->solver == JOB_POINT)
                    assert_true(tiles >= 64);
                struct job_tile first = job_tile(job, 0);
                if (work >= 64 * 5e6 && tiles < 64 && job->solver != JOB_POINT)
                    assert_true(first.q1 * first.a1 <= 256 * 256);
                job_destroy(job);
            }
}

/* Tiles of a wide grid lie in bands that are there at once; those of all others are square. */
static void bands_of_wide_grids_are_flat(void **state)
{
    (void)state;
    static const struct {
        size_t a, rows, columns;
    } grids[] = {{500, 512, 512},   {1000, 512, 512},  {2000, 322, 814},
                 {4000, 161, 1628}, {10000, 64, 4096}, {40000, 32, 8192}};
    for (size_t i = 0; i < sizeof grids / sizeof grids[0]; i++) {
        struct job *job = parse_grid(40000, grids[i].a, "\"output\": {\"F\": \"z(1)\"}");
        assert_int_equal(job->q_blocks, (40000 + grids[i].rows - 1) / grids[i].rows);
        assert_int_equal(job->a_blocks, (grids[i].a + grids[i].columns - 1) / grids[i].columns);
        if (grids[i].a <= 10000) /* beyond that a band is longer, not flatter */
            assert_true(job_tile(job, 0).q1 * grids[i].a * 13 < 9u << 20);
        check_partition(job);
        job_destroy(job);
    }
}

static void large_grids_have_few_tiles(void **state)
{
    (void)state;
    struct job *job =
        parse_grid(JOB_AXIS_MAX, 23841, "\"output\": {\"F\": \"z(1)\"}, \"errors\": false");
    assert_true(job_tile_count(job) <= JOB_TILES_MAX);
    assert_int_equal(job_points(job), (uint64_t)JOB_AXIS_MAX * 23841);
    struct job_tile last = job_tile(job, job_tile_count(job) - 1);
    assert_true(last.q1 == JOB_AXIS_MAX && last.a1 == 23841);
    job_destroy(job);
    job = parse_grid(JOB_AXIS_MAX, 1000, "\"output\": {\"F\": \"z(1e5)\"}");
    assert_true(job_tile_count(job) <= JOB_TILES_MAX);
    job_destroy(job);
}

/* The partition is written down, and what is written is taken. */
static void tiles_can_be_given(void **state)
{
    (void)state;
    struct job *job = parse_grid(1000, 700, "\"output\": {\"F\": \"z(1)\"}, \"tiles\": [3, 2]");
    assert_int_equal(job->q_blocks, 3);
    assert_int_equal(job->a_blocks, 2);
    check_partition(job);
    struct job_tile t = job_tile(job, 3);
    assert_true(t.q0 == 333 && t.q1 == 666 && t.a0 == 350 && t.a1 == 700);
    job_destroy(job);

    static const char *const wrong[] = {"[1, 2]", "[3, 0]", "[1001, 2]", "[2, 1]"};
    for (size_t i = 0; i < 4; i++) {
        char text[512];
        struct err err = {0};
        snprintf(
            text, sizeof text,
            "{\"w\": {\"is\": \"1\", \"t\": [0, 1]}, \"z\": {\"start\": [1, 0], \"t\": [0]}, "
            "\"grid\": "
            "{\"q\": {\"from\": 0, \"to\": 1, \"count\": 1000}, \"a\": {\"from\": 0, \"to\": 1, "
            "\"count\": 700}}, \"output\": {\"F\": \"z(1)\"}, \"tiles\": %s}",
            wrong[i]);
        assert_int_equal(job_parse(text, strlen(text), NULL, &job, &err), -1);
        if (i < 3)
            assert_memory_equal(err.path, "tiles[", 6);
        else
            assert_non_null(strstr(err.text, "tiles of 350000 points, at most 262144"));
    }

    /* Two outputs with their errors: 512 x 512 points of 25 bytes are more than a lease carries. */
    char *text = change(base, "1e-9", "1e-9, \"tiles\": ~[1, 1]", &(int){0}, &(int){0});
    char *more =
        change(text, "\"F\": \"1 + z(t[157])\"", "\"F\": \"z(1)\", \"G\": \"dz(1)\"", NULL, NULL);
    char *q = change(more, GQ, "{\"from\": 0, \"to\": 1, \"count\": 512}", NULL, NULL);
    char *a = change(q, GA, "{\"from\": 0, \"to\": 1, \"count\": 512}", NULL, NULL);
    struct err err = {0};
    assert_int_equal(job_parse(a, strlen(a), NULL, &job, &err), -1);
    assert_string_equal(err.path, "tiles");
    assert_non_null(strstr(err.text, "more than 4 MiB"));
    free(text);
    free(more);
    free(q);
    free(a);
}

/* Cutting takes large steps where many blocks make no difference. The hash is that of cutting one
 * block after the other. */
static void cuts_are_those_of_single_steps(void **state)
{
    (void)state;
    static const char *const times[] = {"1e-3", "1", "30", "1000", "99999"};
    static const char *const solvers[] = {"auto", "point"};
    static const size_t sides[] = {1, 3, 64, 65, 257, 1000, 1023, 4099, 23841, 100003, 4194304};
    double cuts[2 * 11 * 11 * 5 * 2];
    size_t n = 0;
    for (size_t k = 0; k < 11 * 11 * 5 * 2; k++) {
        size_t q = sides[k / 10 % 11], a = sides[k / 110];
        char more[128];
        if ((uint64_t)q * a > JOB_POINTS_MAX)
            continue;
        snprintf(more, sizeof more, "\"output\": {\"F\": \"z(%s)\"}, \"solver\": \"%s\"",
                 times[k % 5], solvers[k / 5 % 2]);
        struct job *job = lean_grid(q, a, more);
        cuts[n++] = job->q_blocks;
        cuts[n++] = job->a_blocks;
        job_destroy(job);
    }
    assert_true(hash(cuts, n) == 0x6637e95ec2689985);
}

/* All that is known of a job but the values of its ranges, which can be asked for. */
static void lean_jobs_say_the_same(void **state)
{
    (void)state;
    static const char *const axes[] = {
        "[1, 2, 3]", "{\"from\": 1, \"count\": 1}", "{\"from\": -7, \"to\": 3, \"count\": 5000}",
        "{\"from\": 1, \"to\": 9, \"count\": 70, \"scale\": \"log\"}"};
    for (size_t i = 0; i < 16; i++) {
        char *text = change(base, GQ, axes[i % 4], NULL, NULL);
        char *both = change(text, GA, axes[i / 4], NULL, NULL);
        struct job *job = parse(both), *lean = NULL;
        struct buf document = {0}, again = {0};
        job_encode(job, &document);
        assert_int_equal(job_decode_lean(document.data, document.len, &lean, NULL), 0);
        job_encode(lean, &again);
        assert_true(again.len == document.len);
        assert_memory_equal(again.data, document.data, document.len);
        assert_true(job_point_cost_ns(lean) == job_point_cost_ns(job));
        assert_int_equal(job_tile_count(lean), job_tile_count(job));
        assert_true((lean->q.values != NULL) == lean->q.listed && !lean->times.values);
        double *q = malloc(lean->q.count * sizeof *q);
        job_values_write(&lean->q, q);
        assert_memory_equal(q, job->q.values, job->q.count * sizeof *q);
        free(q);
        buf_fini(&document);
        buf_fini(&again);
        job_destroy(job);
        job_destroy(lean);
        free(both);
        free(text);
    }
}

static void expensive_points_make_small_tiles(void **state)
{
    (void)state;
    struct job *cheap = parse_grid(2000, 2000, "\"output\": {\"F\": \"z(1)\"}");
    struct job *dear = parse_grid(2000, 2000, "\"output\": {\"F\": \"z(1000)\"}");
    assert_true(job_point_cost_ns(dear) > 20 * job_point_cost_ns(cheap));
    assert_true(job_tile_count(dear) > 4 * job_tile_count(cheap));
    job_destroy(cheap);
    job_destroy(dear);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_partition_the_grid),
        cmocka_unit_test(bands_of_wide_grids_are_flat),
        cmocka_unit_test(large_grids_have_few_tiles),
        cmocka_unit_test(tiles_can_be_given),
        cmocka_unit_test(cuts_are_those_of_single_steps),
        cmocka_unit_test(lean_jobs_say_the_same),
        cmocka_unit_test(expensive_points_make_small_tiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
