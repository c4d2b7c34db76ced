/* A tile that comes as leaves has the very bytes of its points, whatever the job asks for and
 * whichever instruction sets solve and expand it; and bytes that are no tile are refused. */
#include "buf.h"
#include "expander.h"
#include "recipe.h"
#include "sweep_private.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FIELDS = 4, ROOM = 1 << 18 };

static const char *const SETS[] = {"portable", "avx2", "avx512"};

struct bench {
    struct job *job;
    struct sweep *sweep;
    struct output_text outputs[JOB_OUTPUTS_MAX];
    double *field[2][FIELDS]; /* solved, expanded; of a tile */
    float *error[2][FIELDS];
    uint8_t *status[2];
    struct leaves_out out;
    size_t exceptions; /* of all tiles solved */
    size_t alone;      /* tiles not all points of which need be solved */
};

static void begin(struct bench *b, const char *text)
{
    struct sweep_spec spec;
    struct err err;
    memset(b, 0, sizeof *b);
    if (job_parse(text, strlen(text), NULL, &b->job, &err) != 0)
        fail_msg("%s: %s", err.path, err.text);
    recipe_spec(b->job, b->outputs, &spec);
    assert_int_equal(sweep_create(&spec, &b->sweep, &err), 0);
    assert_true(b->job->output_count <= FIELDS);
    for (int i = 0; i < 2; i++) {
        for (size_t k = 0; k < FIELDS; k++) {
            b->field[i][k] = mem_alloc(JOB_TILE_POINTS_MAX, sizeof(double));
            b->error[i][k] = mem_alloc(JOB_TILE_POINTS_MAX, sizeof(float));
        }
        b->status[i] = mem_alloc(JOB_TILE_POINTS_MAX, 1);
    }
    b->out = (struct leaves_out){.data = mem_alloc(ROOM, 1), .room = ROOM};
}

static void end(struct bench *b)
{
    for (int i = 0; i < 2; i++) {
        for (size_t k = 0; k < FIELDS; k++) {
            free(b->field[i][k]);
            free(b->error[i][k]);
        }
        free(b->status[i]);
    }
    free(b->out.data);
    sweep_destroy(b->sweep);
    job_destroy(b->job);
}

static struct expander *expander(struct bench *b, const char *set)
{
    struct expander_spec spec = {
        .q = b->job->q.values,
        .a = b->job->a.values,
        .q_count = b->job->q.count,
        .a_count = b->job->a.count,
        .outputs = {b->outputs, b->job->output_count, b->job->times.values, b->job->times.count,
                    b->job->w_to, b->job->period},
        .start = {b->job->z_start[0], b->job->z_start[1]},
        .tolerance = b->job->tolerance,
        .errors = b->job->errors,
        .kernel = leaf_kernel_find(set),
    };
    struct err err;
    struct expander *e = expander_create(&spec, &err);
    if (e == NULL)
        fail_msg("%s", err.text);
    return e;
}

static void solve(struct bench *b, struct solver *s, uint32_t tile)
{
    struct job_tile t = job_tile(b->job, tile);
    struct block block = {t.q0, t.q1, t.a0, t.a1};
    uint32_t exceptions = 0;
    assert_int_equal(solver_tile(s, &block, b->field[0], b->job->errors ? b->error[0] : NULL,
                                 b->status[0], &b->out, NULL, NULL),
                     0);
    if (b->out.len > 0)
        memcpy(&exceptions, b->out.data + 8, sizeof exceptions);
    b->exceptions += exceptions;
}

/* Where leaves suffice they are the same, whether their points were solved or not. */
static void solve_leaves_alone(struct bench *b, struct solver *s, uint32_t tile)
{
    struct job_tile t = job_tile(b->job, tile);
    struct block block = {t.q0, t.q1, t.a0, t.a1};
    struct leaves_out out = {.data = mem_alloc(ROOM, 1), .room = ROOM, .suffice = true};
    assert_int_equal(solver_tile(s, &block, b->field[1], b->job->errors ? b->error[1] : NULL,
                                 b->status[1], &out, NULL, NULL),
                     0);
    assert_int_equal(out.len, b->out.len);
    assert_memory_equal(out.data, b->out.data, out.len);
    b->alone += out.alone;
    free(out.data);
}

static int expand(struct bench *b, struct expander *e, uint32_t tile, const void *data, size_t len,
                  struct err *err)
{
    struct job_tile t = job_tile(b->job, tile);
    struct leaves_block block = {t.q0, t.q1, t.a0, t.a1};
    struct expander_to to = {b->field[1], b->job->errors ? b->error[1] : NULL, b->status[1],
                             t.a1 - t.a0};
    return expander_run(e, &block, data, len, &to, err);
}

static void compare(struct bench *b, uint32_t tile)
{
    size_t n = job_tile_points(b->job, tile);
    assert_memory_equal(b->status[0], b->status[1], n);
    for (size_t k = 0; k < b->job->output_count; k++) {
        assert_memory_equal(b->field[0][k], b->field[1][k], n * sizeof(double));
        if (b->job->errors)
            assert_memory_equal(b->error[0][k], b->error[1][k], n * sizeof(float));
    }
}

/* The same in rows that are longer: what lies between stays as it was. */
static void compare_among_others(struct bench *b, struct expander *e, uint32_t tile)
{
    enum { MORE = 3 };
    struct job_tile t = job_tile(b->job, tile);
    struct leaves_block block = {t.q0, t.q1, t.a0, t.a1};
    size_t rows = t.q1 - t.q0, width = t.a1 - t.a0, stride = width + MORE, n = b->job->output_count;
    double *field[JOB_OUTPUTS_MAX];
    float *error[JOB_OUTPUTS_MAX];
    uint8_t *status = mem_alloc(rows, stride);
    memset(status, 99, rows * stride);
    for (size_t k = 0; k < n; k++) {
        field[k] = mem_alloc(rows * stride, sizeof *field[k]);
        error[k] = mem_alloc(rows * stride, sizeof *error[k]);
    }
    struct expander_to to = {field, b->job->errors ? error : NULL, status, stride};
    assert_int_equal(expander_run(e, &block, b->out.data, b->out.len, &to, NULL), 0);
    for (size_t q = 0; q < rows; q++) {
        assert_memory_equal(status + q * stride, b->status[0] + q * width, width);
        for (size_t k = 0; k < n; k++) {
            assert_memory_equal(field[k] + q * stride, b->field[0][k] + q * width, 8 * width);
            if (b->job->errors)
                assert_memory_equal(error[k] + q * stride, b->error[0][k] + q * width, 4 * width);
        }
        for (size_t a = width; a < stride; a++) {
            assert_int_equal(status[q * stride + a], 99);
            for (size_t k = 0; k < n; k++)
                assert_true(field[k][q * stride + a] == 0 && error[k][q * stride + a] == 0);
        }
    }
    for (size_t k = 0; k < n; k++) {
        free(field[k]);
        free(error[k]);
    }
    free(status);
}

/* Every tile of the job, solved and expanded by these instruction sets. Returns the bytes of all
 * leaves for a point. */
static double all_tiles(struct bench *b, const char *solves, const char *expands)
{
    struct solver *s = solver_create_with(b->sweep, kernel_find(solves));
    struct expander *e = expander(b, expands);
    struct err err;
    double bytes = 0, points = 0;
    for (uint32_t tile = 0; tile < job_tile_count(b->job); tile++) {
        solve(b, s, tile);
        assert_true(b->out.len > 0 && !b->out.alone);
        solve_leaves_alone(b, s, tile);
        if (expand(b, e, tile, b->out.data, b->out.len, &err) != 0)
            fail_msg("tile %u: %s", tile, err.text);
        compare(b, tile);
        compare_among_others(b, e, tile);
        bytes += (double)b->out.len;
        points += (double)job_tile_points(b->job, tile);
    }
    expander_destroy(e);
    solver_destroy(s);
    return bytes / points;
}

static void all_sets(const char *text, double most_bytes, int has_exceptions)
{
    struct bench b;
    begin(&b, text);
    for (int i = 0; i < 3; i++) {
        const char *solves = SETS[i], *expands = SETS[2 - i];
        if (kernel_find(solves) != NULL && kernel_find(expands) != NULL)
            assert_true(all_tiles(&b, solves, expands) < most_bytes);
    }
    assert_true(!has_exceptions || b.exceptions > 0);
    assert_true(b.job->monodromy ? b.alone == 0 : b.alone > 0);
    end(&b);
}

#define GRID(q, qs, a, as)                                                                         \
    "\"grid\": {\"q\": {" q ", \"count\": " #qs "}, \"a\": {" a ", \"count\": " #as "}}, "         \
    "\"solver\": \"tile\""
#define PLAIN "\"w\": {\"is\": \"cos(2*t)\", \"t\": [0, 12]}, "

static void test_values_at_times(void **state)
{
    (void)state;
    all_sets("{" PLAIN "\"z\": {\"start\": [1, 0], \"t\": [0, 7.85]}, \"tiles\": [2, 2]," GRID(
                 "\"from\": 0, \"to\": 4", 201, "\"from\": -2, \"to\": 7",
                 333) ", \"output\": {\"F\": \"1 + z(7.85)\"}}",
             1, 0);
}

/* Numbers that several outputs share, libm, an output that overflows, one that is no number. */
static void test_outputs_of_all_kinds(void **state)
{
    (void)state;
    all_sets("{" PLAIN
             "\"z\": {\"start\": [1, \"-0.5\"], \"t\": [0, 3, 7.85]}, \"tiles\": [1, 3]," GRID(
                 "\"from\": 0, \"to\": 4", 65, "\"from\": -2, \"to\": 7",
                 390) ", \"output\": {\"E\": \"exp(cos(z(3))) - sin(q*a)*dz(7.85)\","
                      " \"L\": \"lnabs(7.85) + z(7.85)\", \"O\": \"exp(900*z(3))\","
                      " \"N\": \"log(z(7.85) + 0.3)\"}}",
             4, 0);
}

static void test_no_errors_wanted(void **state)
{
    (void)state;
    all_sets("{" PLAIN "\"z\": {\"start\": [1, 0], \"t\": [0, 7.85]}, \"errors\": false," GRID(
                 "\"from\": 0, \"to\": 4", 201, "\"from\": -2, \"to\": 7",
                 400) ", \"output\": {\"F\": \"1 + z(7.85)\", \"G\": \"z(7.85)*z(3)\"}}",
             1, 0);
}

/* The start depends on the point, and is no number at a = 0; outputs take the two solutions. */
static void test_starts_of_their_own(void **state)
{
    (void)state;
    all_sets("{" PLAIN "\"z\": {\"start\": [\"1/a\", \"q\"], \"t\": [0, 5]}," GRID(
                 "\"from\": 0, \"to\": 4", 33, "\"from\": -2, \"to\": 2",
                 401) ", \"output\": {\"F\": \"z1(5) - 2*dz2(5)\"}}",
             2, 0);
}

/* Axes that go down, are logarithmic, lists out of order. */
static void test_axes(void **state)
{
    (void)state;
    all_sets("{" PLAIN "\"z\": {\"start\": [1, 0], \"t\": [0, 5]}," GRID(
                 "\"from\": 4, \"to\": 0.1, \"scale\": \"log\"", 60, "\"from\": 7, \"to\": -2",
                 300) ", \"output\": {\"F\": \"z(5)\"}}",
             1, 0);
    char text[8192];
    int at = snprintf(
        text, sizeof text,
        "{" PLAIN "\"z\": {\"start\": [1, 0], \"t\": [0, 5]},"
        "\"solver\": \"tile\", \"output\": {\"F\": \"z(5)\"}, \"grid\": {\"q\": [1], \"a\": [");
    for (int i = 0; i < 600; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%s%.3f", i > 0 ? "," : "",
                       i * 389 % 601 * 0.01);
    snprintf(text + at, sizeof text - (size_t)at, "]}}");
    all_sets(text, 4, 0);
}

/* Everything that follows from the monodromy matrix; undecided points are solved by themselves. */
static void test_periods(void **state)
{
    (void)state;
    all_sets("{\"w\": {\"is\": \"-2*cos(2*t)\", \"period\": \"pi\"}, \"z\": {\"start\": [1, 0], "
             "\"t\": [0]}," GRID("\"from\": -8, \"to\": 8", 200, "\"from\": -6, \"to\": 27",
                                 210) ", \"output\": {\"tr\": \"trace\", \"m\": \"mu\", \"s\": "
                                      "\"stable\"}, \"tolerance\": 1e-11}",
             12, 1);
    all_sets(
        "{\"w\": {\"is\": \"sin(2*t)^2\", \"period\": \"pi\"},"
        " \"z\": {\"start\": [\"1/sqrt(2*sqrt(a + q))\", 0], \"t\": [0]}," GRID(
            "\"from\": 0, \"to\": 40", 150, "\"from\": 0.02, \"to\": 10",
            160) ", \"output\": {\"m\": \"mu\", \"l\": \"lnabs(100*pi)\", \"z\": \"dz(1.5*pi)\"}}",
        12, 1);
    all_sets("{\"w\": {\"is\": \"cos(2*t) + 0.2*sin(4*t)\", \"period\": \"pi\"}, \"errors\": false,"
             " \"z\": {\"start\": [1, 0], \"t\": [0], \"damping\": \"0.1 + 0.1*cos(2*t)\"}," GRID(
                 "\"from\": 0, \"to\": 4", 150, "\"from\": -1, \"to\": 10",
                 160) ", \"output\": {\"m\": \"mu\", \"s\": \"stable\"}}",
             12, 0);
}

/* What is solved by products or points has no leaves, nor has a piece of a tile. */
static void test_what_has_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{" PLAIN "\"z\": {\"start\": [\"a\", 0], \"t\": [0, 5]}," GRID(
            "\"from\": 0, \"to\": 4", 80, "\"from\": 0, \"to\": 7",
            300) ", \"output\": {\"F\": \"z(5)\"}}",
        "{\"z\": {\"ddz\": \"-a*dz - q*sin(z)\", \"start\": [1, 0], \"t\": [0, 1]}, \"grid\":"
        " {\"q\": [1, 2], \"a\": [1, 2]}, \"output\": {\"F\": \"z(1)\"}}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct bench b;
        begin(&b, texts[i]);
        struct solver *s = solver_create(b.sweep);
        solve(&b, s, 0);
        assert_int_equal(b.out.len, 0);
        solver_destroy(s);
        end(&b);
    }
    struct bench b;
    begin(&b, "{" PLAIN "\"z\": {\"start\": [1, 0], \"t\": [0, 5]}," GRID(
                  "\"from\": 0, \"to\": 4", 80, "\"from\": 0, \"to\": 7",
                  300) ", \"output\": {\"F\": \"z(5)\"}}");
    struct solver *s = solver_create(b.sweep);
    struct block piece = {0, 1, 0, 300};
    assert_int_equal(
        solver_tile(s, &piece, b.field[0], b.error[0], b.status[0], &b.out, NULL, NULL), 0);
    assert_int_equal(b.out.len, 0);
    b.out.room = 100; /* too little for a leaf: then the points must be there */
    b.out.suffice = true;
    memset(b.status[0], 0, 80 * 300);
    solve(&b, s, 0);
    assert_true(b.out.len == 0 && !b.out.alone);
    for (size_t i = 0; i < 80 * 300; i++)
        assert_int_equal(b.status[0][i], POINT_DONE);
    solver_destroy(s);
    end(&b);
}

/* The first of two leaves suffices, the second does not fit: all points are there in the end. */
static void test_leaves_that_do_not_suffice_after_all(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, "{" PLAIN "\"z\": {\"start\": [1, 0], \"t\": [0, 5]}," GRID(
                  "\"from\": 0, \"to\": 4", 128, "\"from\": -2, \"to\": 16",
                  128) ", \"output\": {\"F\": \"z(5)\"}, \"tiles\": [1, 1]}");
    struct solver *s = solver_create(b.sweep);
    solve(&b, s, 0);
    size_t len = b.out.len, n = job_tile_points(b.job, 0);
    assert_true(len > 0 && b.out.leaves > 1);
    for (int fits = 0; fits < 2; fits++) {
        struct leaves_out out = {
            .data = mem_alloc(len, 1), .room = len - 1 + (size_t)fits, .suffice = true};
        struct block all = {0, 128, 0, 128};
        memset(b.status[1], 0, n);
        assert_int_equal(
            solver_tile(s, &all, b.field[1], b.error[1], b.status[1], &out, NULL, NULL), 0);
        assert_true(fits ? out.len == len && out.alone : out.len == 0 && !out.alone);
        if (!fits)
            compare(&b, 0);
        else
            assert_true(memchr(b.status[1], 0, n) != NULL); /* or this test shows nothing */
        free(out.data);
    }
    solver_destroy(s);
    end(&b);
}

/* --- what is no tile ------------------------------------------------------------------------- */

static void refused(struct bench *b, struct expander *e, const void *data, size_t len,
                    const char *why)
{
    struct err err = {0};
    assert_int_equal(expand(b, e, 0, data, len, &err), -1);
    if (strstr(err.text, why) == NULL)
        fail_msg("\"%s\" instead of \"%s\"", err.text, why);
}

static void put16(unsigned char *at, unsigned v)
{
    at[0] = (unsigned char)v;
    at[1] = (unsigned char)(v >> 8);
}

static void test_malformed(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, "{\"w\": {\"is\": \"-2*cos(2*t)\", \"period\": \"pi\"}, \"z\": {\"start\": [1, 0], "
              "\"t\": [0]}," GRID("\"from\": -8, \"to\": 8", 100, "\"from\": -6, \"to\": 27",
                                  210) ", \"output\": {\"m\": \"mu\"}, \"tolerance\": 1e-11}");
    struct solver *s = solver_create(b.sweep);
    struct expander *e = expander(&b, NULL);
    struct err err;
    solve(&b, s, 0);
    size_t len = b.out.len, leaf = LEAVES_HEAD_BYTES + 64; /* where the first one begins */
    unsigned char *good = b.out.data, *bad = mem_alloc(len + 8, 1);
    assert_true(b.exceptions > 1 && len > leaf);

    for (size_t cut = 0; cut < len; cut += cut < 200 || len - cut < 100 ? 1 : 61) {
        memcpy(bad, good, cut); /* a copy of its own length, for those who watch memory */
        assert_int_equal(expand(&b, e, 0, bad, cut, &err), -1);
    }
    memcpy(bad, good, len);
    refused(&b, e, bad, len + 1, "after the leaves");
#define SPOIL(at, bytes, why)                                                                      \
    do {                                                                                           \
        memcpy(bad, good, len);                                                                    \
        memcpy(bad + (at), bytes, sizeof(bytes) - 1);                                              \
        refused(&b, e, bad, len, why);                                                             \
    } while (0)
    SPOIL(0, "HSL2", "no leaves that this version knows");
    SPOIL(7, "\1", "no leaves that this version knows");
    SPOIL(6, "\1", "another job");
    SPOIL(8, "\xff\xff\xff\xff", "cut short");
    SPOIL(LEAVES_HEAD_BYTES + 8, "\0\0\0\0\0\0\xf8\x7f", "no number");
    SPOIL(LEAVES_HEAD_BYTES + 16, "\0\0\0\0\0\0\xf0\xbf", "no number"); /* -1 */
    SPOIL(leaf + 8, "\x40\1", "nodes");
    SPOIL(leaf + 8, "\1\1", "a polynomial of degrees");
    SPOIL(leaf, "\5\0\5\0", "a leaf [5, 5)");
    SPOIL(leaf + 2, "\xff\xff", "of a tile of");
    memcpy(bad, good, len);
    put16(bad + leaf + 2, (unsigned)bad[leaf + 2] + 256u * bad[leaf + 3] - 1);
    refused(&b, e, bad, len, ""); /* a row is missing, or another number of nodes is */
    memset(bad + 4, 0, 2);
    refused(&b, e, bad, len, "cover 0 of");

    /* exceptions: the last but one goes where the last one is */
    size_t n = b.exceptions, first = len - n * (4 + 8 + 4 + 1);
    memcpy(bad, good, len);
    memcpy(bad + first + 4 * (n - 2), bad + first + 4 * (n - 1), 4);
    refused(&b, e, bad, len, "out of order");
    memcpy(bad, good, len);
    memset(bad + first + 4 * (n - 1), 0xff, 4);
    refused(&b, e, bad, len, "out of order");

    assert_int_equal(expand(&b, e, 0, good, len, &err), 0); /* none of that has done any harm */
    compare(&b, 0);
    free(bad);
    expander_destroy(e);
    solver_destroy(s);
    end(&b);
}

/* Twice the same leaf covers as many points as two. */
static void test_overlap(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, "{" PLAIN "\"z\": {\"start\": [1, 0], \"t\": [0, 1]}," GRID(
                  "\"from\": 0, \"to\": 4", 40, "\"from\": -2, \"to\": 7",
                  64) ", \"output\": {\"F\": \"z(1)\"}}");
    struct solver *s = solver_create(b.sweep);
    struct expander *e = expander(&b, NULL);
    struct err err;
    solve(&b, s, 0);
    size_t len = b.out.len, leaf = len - LEAVES_HEAD_BYTES;
    unsigned char *twice = mem_alloc(len + leaf, 1);
    memcpy(twice, b.out.data, len);
    memcpy(twice + len, b.out.data + LEAVES_HEAD_BYTES, leaf);
    twice[4] = 2;
    put16(twice + LEAVES_HEAD_BYTES + 2, 20); /* [0, 20) twice */
    put16(twice + len + 2, 20);
    refused(&b, e, twice, len + leaf, "overlap");
    put16(twice + len, 20);
    put16(twice + len + 2, 40);
    assert_int_equal(expand(&b, e, 0, twice, len + leaf, &err), 0);
    free(twice);
    expander_destroy(e);
    solver_destroy(s);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_at_times),
        cmocka_unit_test(test_outputs_of_all_kinds),
        cmocka_unit_test(test_no_errors_wanted),
        cmocka_unit_test(test_starts_of_their_own),
        cmocka_unit_test(test_axes),
        cmocka_unit_test(test_periods),
        cmocka_unit_test(test_what_has_none),
        cmocka_unit_test(test_leaves_that_do_not_suffice_after_all),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
