/* Parts become results: whole, in any number of parts, never mixed, never from a malformed part. */
#include "assembly.h"
#include "crc32c.h"
#include "uploads.h"
#include "routes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { POINTS = 100 };

static const struct assembly_shape shape = {.tile_points = POINTS, .fields = 1, .errors = true};
static double values[POINTS];
static float errors[POINTS];
static const uint8_t done = 1;

struct bench {
    struct assembly *a;
    struct sink_result *out;
    struct err err;
};

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    b->a = assembly_create();
    for (int i = 0; i < POINTS; i++) {
        values[i] = i + 0.5;
        errors[i] = (float)i * 1e-9f;
    }
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    if (b->out)
        b->out->release(b->out);
    assembly_destroy(b->a);
    free(b);
    return 0;
}

static struct wire_msg part(uint16_t plane, uint8_t coding, uint32_t plane_bytes, uint32_t offset,
                            const void *data, size_t len)
{
    struct wire_msg m = {.type = WIRE_RESULT};
    m.result.job = 1;
    m.result.tile = 7;
    m.result.count = POINTS;
    m.result.token = (struct token){11, 22};
    m.result.plane = plane;
    m.result.coding = coding;
    m.result.plane_bytes = plane_bytes;
    m.result.offset = offset;
    m.result.crc = crc32c(0, data, len);
    m.result.data = (struct wire_span){data, len};
    return m;
}

/* Adds m the way the server does: through a frame, whose bytes then belong to the assembly. */
static enum assembly_added add(struct bench *b, uint32_t worker, const struct wire_msg *m)
{
    struct buf bytes = {0};
    wire_encode(m, &bytes);
    zmq_msg_t frame;
    zmq_msg_init_size(&frame, bytes.len);
    memcpy(zmq_msg_data(&frame), bytes.data, bytes.len);
    buf_fini(&bytes);
    struct wire_msg decoded;
    assert_int_equal(wire_decode(zmq_msg_data(&frame), zmq_msg_size(&frame), &decoded, NULL), 0);
    enum assembly_added added =
        assembly_add(b->a, worker, &decoded, &frame, &shape, &b->out, &b->err);
    zmq_msg_close(&frame);
    return added;
}

/* Data lie where they lay in their frame: not aligned. */
static double value_at(const struct sink_part *p, size_t k)
{
    double v;
    memcpy(&v, (const char *)p->data + k * sizeof v, sizeof v);
    return v;
}

static void test_three_planes_make_a_result(void **state)
{
    struct bench *b = *state;
    struct wire_msg v1 = part(0, WIRE_RAW, sizeof values, 0, values, 400);
    struct wire_msg v2 = part(0, WIRE_RAW, sizeof values, 400, values + 50, 400);
    struct wire_msg e = part(1, WIRE_RAW, sizeof errors, 0, errors, sizeof errors);
    struct wire_msg s = part(2, WIRE_SAME, 1, 0, &done, 1);
    assert_int_equal(add(b, 3, &v1), ASSEMBLY_MORE);
    assert_int_equal(add(b, 3, &v1), ASSEMBLY_AGAIN);
    assert_int_equal(add(b, 3, &s), ASSEMBLY_MORE);
    assert_int_equal(add(b, 3, &e), ASSEMBLY_MORE);
    assert_int_equal(add(b, 3, &v2), ASSEMBLY_COMPLETE);
    assert_int_equal(b->out->tile, 7);
    assert_int_equal(b->out->worker, 3);
    assert_int_equal(b->out->part_count, 4);
    assert_int_equal(b->out->data_bytes, sizeof values + sizeof errors + 1);
    double sum = 0;
    for (size_t i = 0; i < b->out->part_count; i++)
        if (b->out->parts[i].plane == 0)
            for (size_t k = 0; k < b->out->parts[i].len / 8; k++)
                sum += value_at(&b->out->parts[i], k);
    assert_true(sum == 99 * 100 / 2 + 50);
}

/* As add, for an answer that is the second of a RESULTS. */
static struct sink_result *add_whole(struct bench *b, const struct assembly_shape *of,
                                     const struct wire_whole *whole)
{
    struct buf list = {0}, bytes = {0};
    wire_whole_add(&list, whole);
    wire_whole_add(&list, whole);
    struct wire_msg m = {.type = WIRE_RESULTS};
    m.results.count = 2;
    m.results.wholes = (struct wire_span){list.data, list.len};
    wire_encode(&m, &bytes);
    zmq_msg_t frame;
    zmq_msg_init_size(&frame, bytes.len);
    memcpy(zmq_msg_data(&frame), bytes.data, bytes.len);
    struct wire_whole in;
    assert_int_equal(wire_decode(zmq_msg_data(&frame), zmq_msg_size(&frame), &m, NULL), 0);
    assert_true(wire_whole_next(&m.results.wholes, &in));
    assert_true(wire_whole_next(&m.results.wholes, &in));
    struct sink_result *r = assembly_whole(b->a, 3, 1, &in, of, &b->err);
    memset(zmq_msg_data(&frame), 0xff, zmq_msg_size(&frame)); /* it has its own bytes */
    zmq_msg_close(&frame);
    buf_fini(&list);
    buf_fini(&bytes);
    return r;
}

static void test_an_answer_that_came_whole(void **state)
{
    struct bench *b = *state;
    unsigned char data[sizeof values + sizeof errors[0] + 1];
    static const uint8_t codings[] = {WIRE_RAW, WIRE_SAME, WIRE_SAME};
    memcpy(data, values, sizeof values);
    memcpy(data + sizeof values, &errors[1], sizeof errors[1]);
    data[sizeof values + sizeof errors[1]] = done;
    struct wire_whole whole = {7, 9, 3, codings, {data, sizeof data}};
    b->out = add_whole(b, &shape, &whole);
    assert_non_null(b->out);
    assert_int_equal(b->out->tile, 7);
    assert_int_equal(b->out->worker, 3);
    assert_int_equal(b->out->data_bytes, sizeof data);
    assert_int_equal(b->out->part_count, 3);
    const struct sink_part *p = b->out->parts;
    assert_true(p[0].plane == 0 && p[1].plane == 1 && p[2].plane == 2);
    assert_true(p[0].len == sizeof values && p[1].len == sizeof errors[0] && p[2].len == 1);
    assert_true(p[0].coding == WIRE_RAW && p[1].coding == WIRE_SAME);
    assert_memory_equal(p[0].data, values, sizeof values);
    assert_memory_equal(p[1].data, &errors[1], sizeof errors[1]);
    assert_int_equal(*(const uint8_t *)p[2].data, done);
    assert_int_equal(p[2].count, POINTS);
}

static void test_an_answer_without_errors(void **state)
{
    struct bench *b = *state;
    static const uint8_t codings[] = {WIRE_SAME, WIRE_SAME};
    const struct assembly_shape bare = {.tile_points = POINTS, .fields = 1, .errors = false};
    unsigned char data[sizeof values[0] + 1];
    memcpy(data, values, sizeof values[0]);
    data[sizeof values[0]] = done;
    struct wire_whole whole = {7, 9, 2, codings, {data, sizeof data}};
    b->out = add_whole(b, &bare, &whole);
    assert_non_null(b->out);
    assert_true(b->out->parts[0].plane == 0 && b->out->parts[1].plane == 2);
}

static void test_an_answer_that_does_not_fit(void **state)
{
    struct bench *b = *state;
    static const uint8_t same[] = {WIRE_SAME, WIRE_SAME, WIRE_SAME}, odd[] = {WIRE_SAME, 2, 0};
    unsigned char data[sizeof values] = {0};
    struct wire_whole good = {7, 9, 3, same, {data, 13}}, bad = good;
    assert_non_null(b->out = add_whole(b, &shape, &good));
    bad.data.len = 14; /* more than its planes */
    assert_null(add_whole(b, &shape, &bad));
    bad.data.len = 12;
    assert_null(add_whole(b, &shape, &bad));
    static unsigned char much[WIRE_WHOLE_MAX + 1]; /* it would have to come by RESULT */
    const struct assembly_shape large = {
        .tile_points = sizeof much - 12, .fields = 1, .errors = true};
    static const uint8_t last_raw[] = {WIRE_SAME, WIRE_SAME, WIRE_RAW};
    bad = (struct wire_whole){7, 9, 3, last_raw, {much, sizeof much}};
    assert_null(add_whole(b, &large, &bad));
    bad = good;
    bad.planes = 2; /* the errors are missing */
    assert_null(add_whole(b, &shape, &bad));
    bad = good;
    bad.codings = odd;
    assert_null(add_whole(b, &shape, &bad));
    assert_true(b->err.text[0]);
}

static void test_a_gap_is_not_filled_by_what_follows(void **state)
{
    struct bench *b = *state;
    struct wire_msg v2 = part(0, WIRE_RAW, sizeof values, 400, values + 50, 400);
    struct wire_msg e = part(1, WIRE_RAW, sizeof errors, 0, errors, sizeof errors);
    struct wire_msg s = part(2, WIRE_SAME, 1, 0, &done, 1);
    struct wire_msg v1 = part(0, WIRE_RAW, sizeof values, 0, values, 400);
    assert_int_equal(add(b, 3, &v2), ASSEMBLY_AGAIN);
    assert_int_equal(add(b, 3, &e), ASSEMBLY_MORE);
    assert_int_equal(add(b, 3, &s), ASSEMBLY_MORE);
    assert_int_equal(add(b, 3, &v1), ASSEMBLY_MORE);
    assert_int_equal(add(b, 3, &v2), ASSEMBLY_COMPLETE);
}

static void test_workers_do_not_mix(void **state)
{
    struct bench *b = *state;
    struct wire_msg v = part(0, WIRE_RAW, sizeof values, 0, values, sizeof values);
    struct wire_msg e = part(1, WIRE_SAME, 4, 0, errors, 4);
    struct wire_msg s = part(2, WIRE_SAME, 1, 0, &done, 1);
    assert_int_equal(add(b, 3, &v), ASSEMBLY_MORE);
    assert_int_equal(add(b, 4, &e), ASSEMBLY_MORE);
    assert_int_equal(add(b, 3, &s), ASSEMBLY_MORE);
    struct wire_msg other = v;
    other.result.token.lo++;
    assert_int_equal(add(b, 3, &other), ASSEMBLY_MORE);
    assembly_forget_worker(b->a, 4);
    assert_int_equal(add(b, 3, &e), ASSEMBLY_COMPLETE);
}

static bool want_eleven(void *arg, const struct wire_holding *r)
{
    ++*(int *)arg;
    return r->token.hi == 11 && r->job == 1 && r->first_tile == 7 && r->count == POINTS;
}

static void test_what_nobody_wants_is_swept_out(void **state)
{
    struct bench *b = *state;
    int asked = 0;
    struct wire_msg v = part(0, WIRE_RAW, sizeof values, 0, values, 400);
    struct wire_msg other = v;
    other.result.token.hi = 12;
    assert_int_equal(add(b, 3, &v), ASSEMBLY_MORE);
    assert_int_equal(add(b, 3, &other), ASSEMBLY_MORE);
    assert_int_equal(add(b, 4, &other), ASSEMBLY_MORE);
    assert_int_equal(assembly_sweep(b->a, 3, want_eleven, &asked), 400);
    assert_int_equal(asked, 2);
    assert_int_equal(add(b, 3, &v), ASSEMBLY_AGAIN);     /* still there */
    assert_int_equal(add(b, 4, &other), ASSEMBLY_AGAIN); /* another worker's */
    assert_int_equal(add(b, 3, &other), ASSEMBLY_MORE);
}

static void test_malformed_parts(void **state)
{
    struct bench *b = *state;
    struct wire_msg bad[10];
    for (int i = 0; i < 10; i++)
        bad[i] = part(0, WIRE_RAW, sizeof values, 0, values, sizeof values);
    bad[0].result.plane = 3;
    bad[1].result.coding = 2;
    bad[2].result.plane_bytes = sizeof values - 8;
    bad[3].result.offset = 8;
    bad[4].result.crc ^= 1;
    bad[5].result.count = 0;
    bad[6].result.count = POINTS + 1;
    bad[7].result.first = 1;
    bad[8].result.data.len = 12, bad[8].result.crc = crc32c(0, values, 12);
    bad[9].result.data.len = 0;
    for (int i = 0; i < 10; i++) {
        b->err.text[0] = '\0';
        assert_int_equal(add(b, 3, &bad[i]), ASSEMBLY_BAD);
        assert_true(b->err.text[0]);
    }
}

static void test_pieces_and_failed_points_cover_a_tile(void **state)
{
    struct bench *b = *state;
    for (uint32_t first = 0; first < POINTS; first += 50) {
        uint32_t count = first == 0 ? 50 : 49; /* the last point killed its workers */
        struct wire_msg v = part(0, WIRE_RAW, 8 * count, 0, values + first, 8 * count);
        struct wire_msg e = part(1, WIRE_SAME, 4, 0, errors, 4);
        struct wire_msg s = part(2, WIRE_SAME, 1, 0, &done, 1);
        struct wire_msg *all[] = {&v, &e, &s};
        for (int i = 0; i < 3; i++) {
            all[i]->result.first = first;
            all[i]->result.count = count;
            assert_int_equal(add(b, first ? 4 : 3, all[i]),
                             i < 2 ? ASSEMBLY_MORE : ASSEMBLY_COMPLETE);
        }
        assembly_keep_piece(b->a, b->out);
        b->out = NULL;
    }
    uint32_t failed = POINTS - 1;
    assembly_forget_pieces(b->a, 1, 8); /* not these */
    assembly_forget_pieces(b->a, 2, ASSEMBLY_ALL_TILES);
    b->out = assembly_join(b->a, 1, 7, &shape, &failed, 1);
    assert_int_equal(b->out->worker, 0);     /* two have sent it */
    assert_int_equal(b->out->data_bytes, 0); /* settled when each piece was whole */
    int covered[3][POINTS] = {{0}};
    for (size_t i = 0; i < b->out->part_count; i++) {
        const struct sink_part *p = &b->out->parts[i];
        for (uint32_t k = p->first; k < p->first + p->count; k++)
            covered[p->plane][k]++;
        assert_int_equal(p->worker, p->first == failed ? 0 : p->first ? 4 : 3);
        if (p->first == failed && p->plane == 2)
            assert_int_equal(*(const uint8_t *)p->data, 2);
        if (p->first == failed && p->plane == 0)
            assert_true(isnan(value_at(p, 0)));
    }
    for (int plane = 0; plane < 3; plane++)
        for (int k = 0; k < POINTS; k++)
            assert_int_equal(covered[plane][k], 1);
}

/* An answer as leaves is one plane that stands for all: in parts, or whole in a RESULTS. */
static void test_leaves(void **state)
{
    struct bench *b = *state;
    enum { LONG = POINTS * 13, PLANE = WIRE_LEAVES_PLANE(1) };
    struct wire_msg p1 = part(PLANE, WIRE_LEAVES, 77, 0, values, 50);
    struct wire_msg p2 = part(PLANE, WIRE_LEAVES, 77, 50, values, 27), bad;
    assert_int_equal(add(b, 3, &p1), ASSEMBLY_MORE);
    assert_int_equal(add(b, 3, &p1), ASSEMBLY_AGAIN);
    struct wire_msg plane = part(2, WIRE_SAME, 1, 0, &done, 1);
    assert_int_equal(add(b, 3, &plane), ASSEMBLY_BAD); /* both at once */
    bad = part(PLANE, WIRE_LEAVES, 78, 50, values, 28);
    assert_int_equal(add(b, 3, &bad), ASSEMBLY_BAD); /* longer than it was */
    assert_int_equal(add(b, 3, &p2), ASSEMBLY_COMPLETE);
    assert_int_equal(b->out->part_count, 2);
    assert_int_equal(b->out->data_bytes, 77);
    assert_int_equal(b->out->room_bytes, LONG);
    b->out->release(b->out);

    static const uint8_t codings[] = {WIRE_LEAVES, WIRE_LEAVES};
    struct wire_whole whole = {7, 9, 1, codings, {values, 33}};
    b->out = add_whole(b, &shape, &whole);
    assert_non_null(b->out);
    assert_int_equal(b->out->parts[0].plane, PLANE);
    assert_int_equal(b->out->parts[0].coding, WIRE_LEAVES);
    assert_int_equal(b->out->parts[0].len, 33);
    assert_memory_equal(b->out->parts[0].data, values, 33);
    assert_int_equal(b->out->room_bytes, LONG);
    whole.planes = 2;
    assert_null(add_whole(b, &shape, &whole));
    whole = (struct wire_whole){7, 9, 1, codings, {values, 0}};
    assert_null(add_whole(b, &shape, &whole));
}

static void test_malformed_leaves(void **state)
{
    struct bench *b = *state;
    enum { LONG = POINTS * 13, PLANE = WIRE_LEAVES_PLANE(1) };
    struct wire_msg bad[] = {
        part(PLANE, WIRE_RAW, 50, 0, values, 50),
        part(2, WIRE_LEAVES, 50, 0, values, 50),
        part(PLANE + 1, WIRE_LEAVES, 50, 0, values, 50),
        part(PLANE, 3, 50, 0, values, 50),
        part(PLANE, WIRE_LEAVES, LONG + 1, 0, values, 50), /* longer than its points */
        part(PLANE, WIRE_LEAVES, 0, 0, values, 50),
        part(PLANE, WIRE_LEAVES, 50, 1, values, 50),
        part(PLANE, WIRE_LEAVES, 50, 0, values, 50),
        part(PLANE, WIRE_LEAVES, 50, 0, values, 50),
    };
    enum { COUNT = sizeof bad / sizeof *bad };
    bad[COUNT - 2].result.count--; /* a piece of a tile */
    bad[COUNT - 1].result.crc++;
    for (size_t i = 0; i < COUNT; i++) {
        b->err.text[0] = '\0';
        assert_int_equal(add(b, 3, &bad[i]), ASSEMBLY_BAD);
        assert_true(b->err.text[0]);
    }
}

static void test_uploads(void **state)
{
    (void)state;
    struct uploads *u = uploads_create();
    size_t total = WIRE_PART_MAX + 10, len = 0;
    char *data = calloc(1, total);
    data[WIRE_PART_MAX + 9] = 'x';
    bool complete;
    struct err err;
    struct wire_span tail = {data + WIRE_PART_MAX, 10}, head = {data, WIRE_PART_MAX};
    assert_int_equal(uploads_add(u, 0, 1, 5, (uint32_t)total, WIRE_PART_MAX, tail, &complete, &err),
                     0);
    assert_false(complete);
    assert_null(uploads_get(u, 5, &len));
    assert_int_equal(uploads_add(u, 0, 1, 5, (uint32_t)total, WIRE_PART_MAX, tail, &complete, &err),
                     0);
    assert_false(complete);
    assert_int_equal(uploads_add(u, 1, 1, 5, (uint32_t)total, 0, head, &complete, &err), 0);
    assert_true(complete);
    assert_memory_equal(uploads_get(u, 5, &len), data, total);
    assert_int_equal(uploads_add(u, 1, 1, 5, 99, 0, head, &complete, &err), -1);
    assert_int_equal(uploads_add(u, 1, 1, 6, WIRE_BLOB_MAX + 1, 0, head, &complete, &err), -1);
    assert_int_equal(uploads_add(u, 1, 1, 6, 10, 5, tail, &complete, &err), -1);
    for (uint64_t key = 100; key < 100 + UPLOADS_MAX; key++) /* the oldest makes room */
        assert_int_equal(uploads_add(u, 2, 1, key, 10, 0, tail, &complete, &err), 0);
    assert_null(uploads_get(u, 5, &len));
    uploads_expire(u, 3 + UPLOADS_AGE_MS);
    assert_null(uploads_get(u, 100, &len));

    /* Who begins many keeps nobody out: the second user's sets stay, as does a third one's. */
    struct wire_span small = {data, 10};
    assert_int_equal(uploads_add(u, 0, 2, 7, 10, 0, small, &complete, &err), 0);
    assert_int_equal(uploads_add(u, 0, 2, 8, 10, 0, small, &complete, &err), 0);
    for (uint64_t key = 100; key < 200; key++) {
        assert_int_equal(uploads_add(u, (int64_t)key, 1, key, 10, 0, small, &complete, &err), 0);
        assert_non_null(uploads_get(u, key, &len));
    }
    assert_int_equal(uploads_add(u, 300, 3, 9, 10, 0, small, &complete, &err), 0);
    assert_non_null(uploads_get(u, 7, &len));
    assert_non_null(uploads_get(u, 8, &len));
    assert_non_null(uploads_get(u, 9, &len));
    assert_non_null(uploads_get(u, 199, &len));
    assert_null(uploads_get(u, 199 - UPLOADS_MAX + 3, &len));
    free(data);
    uploads_destroy(u);
}

static struct route route_of(uint32_t id)
{
    struct route route = {.len = sizeof id, .user = id + 1};
    memcpy(route.id, &id, sizeof id);
    return route;
}

static void test_routes(void **state)
{
    (void)state;
    struct routes *r = routes_create();
    for (uint32_t w = 1; w <= 3000; w++) {
        struct route from = route_of(w);
        routes_put(r, &from, w);
        assert_int_equal(routes_worker(r, &w, sizeof w), w);
    }
    uint32_t id = 9999, old = 17, none = 5000;
    struct route from = route_of(id);
    routes_put(r, &from, 17); /* it reconnected */
    assert_int_equal(routes_worker(r, &id, sizeof id), 17);
    assert_int_equal(routes_worker(r, &old, sizeof old), 0);
    assert_int_equal(routes_of(r, 17)->len, sizeof id);
    assert_memory_equal(routes_of(r, 17)->id, &id, sizeof id);
    assert_int_equal(routes_of(r, 17)->user, id + 1);
    assert_true(routes_end(r) > 3000);
    assert_int_equal(routes_worker(r, &none, sizeof none), 0);
    assert_false(routes_far(r, 17));
    routes_set_far(r, 17, true);
    routes_set_far(r, 5000, true); /* who is that? */
    assert_true(routes_far(r, 17) && !routes_far(r, 18) && !routes_far(r, 5000));
    routes_remove(r, 17);
    assert_false(routes_far(r, 17));
    assert_null(routes_of(r, 17));
    assert_null(routes_of(r, 1 << 20));
    routes_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_three_planes_make_a_result, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_answer_that_came_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_answer_without_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_answer_that_does_not_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_gap_is_not_filled_by_what_follows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_workers_do_not_mix, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_nobody_wants_is_swept_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pieces_and_failed_points_cover_a_tile, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed_leaves, setup, teardown),
        cmocka_unit_test(test_uploads),
        cmocka_unit_test(test_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
