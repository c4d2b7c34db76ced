/* A lease is any run of tiles, a piece any run of a tile's points: the bytes are the tile's own,
 * whoever solves which part of it, in which order. */
#include "job.h"
#include "recipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct recipe *make(const char *method)
{
    char text[1024];
    struct job *job;
    struct err err;
    struct buf document = {0};
    int len = snprintf(
        text, sizeof text,
        "{\"y\": {\"f\": \"1 + 0.3*cos(1.7*t)\", \"t\": [0, 20], \"start\": [1, 0]}, "
        "\"w\": {\"is\": \"y\", \"t\": [0, 20]}, \"z\": {\"start\": [1, 0], \"t\": [0, 19]}, "
        "\"grid\": {\"q\": {\"from\": -1, \"to\": 4, \"count\": 23}, "
        "\"a\": {\"from\": -2, \"to\": 7, \"count\": 101}}, \"tiles\": [2, 3], "
        "\"output\": {\"F\": \"1 + z(19)\", \"G\": \"dz2(7)\"}, \"tolerance\": 1e-12, "
        "\"solver\": \"%s\"}",
        method);
    if (job_parse(text, (size_t)len, NULL, &job, &err) != 0)
        fail_msg("%s: %s", err.path, err.text);
    job_encode(job, &document);
    job_destroy(job);
    struct recipe *r = recipe_create(&document, 2);
    assert_int_equal(recipe_build(r, &err), 0);
    return r;
}

static int never(void *arg, size_t points_done)
{
    (void)arg, (void)points_done;
    return 0;
}

static struct planes *solve(struct recipe *r, unsigned thread, uint32_t tile, uint32_t first,
                            uint32_t count)
{
    struct planes *p = planes_create(2, true, count);
    assert_int_equal(recipe_solve(r, thread, tile, first, count, p, never, NULL), 0);
    return p;
}

static void compare(struct planes *piece, struct planes *whole, uint32_t first, uint32_t count)
{
    for (uint32_t k = 0; k < 2; k++) {
        assert_memory_equal(planes_field(piece, k), planes_field(whole, k) + first,
                            count * sizeof(double));
        assert_memory_equal(planes_errors(piece, k), planes_errors(whole, k) + first,
                            count * sizeof(float));
    }
    assert_memory_equal(planes_status(piece), planes_status(whole) + first, count);
}

static void check_method(const char *method)
{
    static const uint32_t sizes[] = {1, 7, 33, 64, 200};
    struct recipe *one = make(method), *other = make(method);
    uint32_t tiles = job_tile_count(recipe_job(one));
    assert_int_equal(tiles, 6);
    for (uint32_t t = tiles; t-- > 0;) {
        uint32_t points = (uint32_t)job_tile_points(recipe_job(one), t);
        struct planes *whole = solve(one, 0, t, 0, points);
        struct planes *again = solve(other, t % 2, tiles - 1 - t, 0, 50); /* another order */
        planes_destroy(again);
        for (uint32_t first = 0, n = 0; first < points; n++) {
            uint32_t count = sizes[n % 5] < points - first ? sizes[n % 5] : points - first;
            struct planes *piece = solve(other, n % 2, t, first, count);
            compare(piece, whole, first, count);
            planes_destroy(piece);
            first += count;
        }
        planes_destroy(whole);
    }
    recipe_destroy(one);
    recipe_destroy(other);
}

static void test_pieces(void **state)
{
    (void)state;
    check_method("point");
    check_method("tile");
    check_method("auto");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
