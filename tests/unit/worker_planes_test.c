/* An answer comes back bit for bit from its parts, constant planes are one element, and the duty
 * cycle of a throttled thread holds. */
#include "crc32c.h"
#include "leaves.h"
#include "planes.h"
#include "throttle.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FIELDS = 2, POINTS = 50000 };

static struct planes *make(bool errors)
{
    struct planes *p = planes_create(FIELDS, errors, POINTS);
    for (uint32_t i = 0; i < POINTS; i++) {
        planes_field(p, 0)[i] = sin(i);
        planes_field(p, 1)[i] = -0.0;
        if (errors) {
            planes_errors(p, 0)[i] = 1e-9f;
            planes_errors(p, 1)[i] = (float)i;
        }
    }
    memset(planes_status(p), 1, POINTS);
    return p;
}

struct seen {
    unsigned char *bytes[2 * FIELDS + 1];
    uint32_t have[2 * FIELDS + 1];
    uint8_t coding[2 * FIELDS + 1];
    size_t parts, total;
};

static void read_parts(const struct planes *p, uint64_t room, struct seen *seen)
{
    struct planes_place at = {0};
    struct planes_part part;
    *seen = (struct seen){0};
    while (planes_part(p, at, room, &part)) {
        uint16_t i = part.plane;
        assert_true(part.len > 0 && part.len <= WIRE_PART_MAX && part.len <= room);
        assert_int_equal(part.offset, seen->have[i]);
        if (!seen->bytes[i])
            seen->bytes[i] = malloc(part.plane_bytes);
        memcpy(seen->bytes[i] + part.offset, part.data, part.len);
        seen->have[i] += part.len;
        seen->coding[i] = part.coding;
        seen->parts++;
        seen->total += part.len;
        at = planes_after(p, &part);
    }
    assert_true(planes_all_sent(p, at));
}

static void forget(struct seen *seen)
{
    for (int i = 0; i < 2 * FIELDS + 1; i++)
        free(seen->bytes[i]);
}

static void parts_carry_every_bit(void **state)
{
    (void)state;
    struct planes *p = make(true);
    struct seen seen;
    assert_int_equal(planes_bytes(p), planes_raw_bytes(FIELDS, true, POINTS));
    planes_code(p, 77);
    planes_trim(p);
    planes_trim(p);
    assert_int_equal(planes_solve_us(p), 77);
    read_parts(p, UINT64_MAX, &seen);
    assert_int_equal(seen.total, planes_bytes(p));
    assert_int_equal(seen.total, POINTS * 8 + POINTS * 4 + 8 + 4 + 1);
    assert_int_equal(seen.parts, 2 + 4); /* two for the one plane above 256 KiB */

    assert_int_equal(seen.coding[0], WIRE_RAW);
    assert_int_equal(seen.have[0], POINTS * 8);
    for (uint32_t i = 0; i < POINTS; i++) {
        double v = sin(i);
        assert_memory_equal(seen.bytes[0] + 8 * i, &v, 8);
    }
    const double minus_zero = -0.0;
    const float error = 1e-9f;
    assert_int_equal(seen.coding[1], WIRE_SAME);
    assert_memory_equal(seen.bytes[1], &error, 4);
    assert_int_equal(seen.coding[2], WIRE_SAME);
    assert_memory_equal(seen.bytes[2], &minus_zero, 8);
    assert_int_equal(seen.coding[3], WIRE_RAW);
    assert_int_equal(seen.coding[4], WIRE_SAME);
    assert_int_equal(*seen.bytes[4], 1);
    forget(&seen);
    planes_destroy(p);
}

/* 0 and -0 are equal and are not the same; one other element at the end is enough. */
static void same_means_the_same_bits(void **state)
{
    (void)state;
    struct planes *p = make(true);
    planes_field(p, 1)[POINTS - 1] = 0.0;
    planes_status(p)[POINTS - 1] = 2;
    planes_code(p, 0);
    struct seen seen;
    read_parts(p, UINT64_MAX, &seen);
    assert_int_equal(seen.coding[2], WIRE_RAW);
    assert_int_equal(seen.coding[4], WIRE_RAW);
    assert_int_equal(seen.have[4], POINTS);
    forget(&seen);
    planes_destroy(p);

    p = make(true);
    for (uint32_t i = 0; i < POINTS; i++)
        planes_field(p, 0)[i] = NAN;
    planes_code(p, 0);
    read_parts(p, UINT64_MAX, &seen);
    assert_int_equal(seen.coding[0], WIRE_SAME);
    forget(&seen);
    planes_destroy(p);
}

static void no_errors_means_no_error_planes(void **state)
{
    (void)state;
    struct planes *p = make(false);
    assert_null(planes_errors(p, 0));
    planes_code(p, 0);
    struct seen seen;
    read_parts(p, UINT64_MAX, &seen);
    assert_null(seen.bytes[1]);
    assert_null(seen.bytes[3]);
    assert_int_equal(seen.total, POINTS * 8 + 8 + 1);
    forget(&seen);
    planes_destroy(p);
}

static void a_small_window_cuts_parts(void **state)
{
    (void)state;
    struct planes *p = make(true);
    planes_code(p, 0);
    struct seen wide, narrow;
    struct planes_part part;
    read_parts(p, UINT64_MAX, &wide);
    read_parts(p, 5003, &narrow);
    assert_true(narrow.parts > POINTS * 12 / 5003);
    for (int i = 0; i < 2 * FIELDS + 1; i++) {
        assert_int_equal(narrow.have[i], wide.have[i]);
        assert_memory_equal(narrow.bytes[i], wide.bytes[i], wide.have[i]);
    }
    assert_false(planes_part(p, (struct planes_place){0}, 4095, &part));
    assert_false(planes_part(p, (struct planes_place){0}, 0, &part));
    assert_true(planes_part(p, planes_last(p), 1, &part)); /* all of it fits */
    assert_int_equal(part.len, 1);
    forget(&wide);
    forget(&narrow);
    planes_destroy(p);
}

/* Leaves that are shorter stand for all planes; others, or none, leave them as they are. */
static void leaves_stand_for_all_planes(void **state)
{
    (void)state;
    struct planes_part part;
    struct planes *p = make(true);
    assert_null(planes_leaves(p));
    planes_offer_leaves(p);
    struct leaves_out *out = planes_leaves(p);
    assert_true(out->room > 1000 && out->room <= planes_bytes(p) / 4);
    memset(out->data, 'x', out->len = 1000);
    planes_code(p, 5);
    planes_trim(p);
    planes_trim(p);
    assert_null(planes_leaves(p));
    assert_int_equal(planes_bytes(p), 1000);
    for (int again = 0; again < 2; again++) {
        assert_true(planes_part(p, again ? planes_last(p) : (struct planes_place){0}, 5000, &part));
        assert_int_equal(part.plane, WIRE_LEAVES_PLANE(FIELDS));
        assert_int_equal(part.coding, WIRE_LEAVES);
        assert_true(part.plane_bytes == 1000 && part.len == 1000 && part.data[999] == 'x');
        assert_true(planes_all_sent(p, planes_after(p, &part)));
    }
    assert_true(planes_all_sent(p, planes_end(p)));
    struct buf data = {0};
    uint8_t codings[255], count;
    assert_true(planes_whole(p, 5000, &data, codings, &count));
    assert_true(count == 1 && codings[0] == WIRE_LEAVES && data.len == 1000);
    buf_fini(&data);
    planes_destroy(p);

    p = make(true);
    planes_offer_leaves(p); /* nobody writes any */
    planes_code(p, 5);
    planes_trim(p);
    struct seen seen;
    read_parts(p, UINT64_MAX, &seen);
    assert_int_equal(seen.total, POINTS * 8 + POINTS * 4 + 8 + 4 + 1);
    forget(&seen);
    planes_destroy(p);

    p = make(true);
    memset(planes_field(p, 0), 0, POINTS * sizeof(double));
    memset(planes_errors(p, 1), 0, POINTS * sizeof(float));
    planes_offer_leaves(p);
    planes_leaves(p)->len = 25; /* as long as the planes, one number each */
    planes_code(p, 5);
    assert_true(planes_part(p, (struct planes_place){0}, 5000, &part));
    assert_int_equal(part.coding, WIRE_SAME);
    planes_destroy(p);

    p = make(true);
    planes_offer_leaves(p);
    planes_leaves(p)->len = 25;
    planes_leaves(p)->alone = true; /* whatever is in the planes */
    planes_code(p, 5);
    assert_true(planes_part(p, (struct planes_place){0}, 5000, &part));
    assert_true(part.coding == WIRE_LEAVES && part.len == 25);
    planes_destroy(p);
}

/* A thread that works in slices of a millisecond and rests as it is told. */
static void a_throttled_thread_keeps_its_share(void **state)
{
    (void)state;
    static const double shares[] = {0.05, 0.5, 0.99, 1};
    for (size_t i = 0; i < 4; i++) {
        struct throttle t = {0};
        int64_t wall = 7000000000, cpu = 5000000, slice = 1000000;
        throttle_debt(&t, shares[i], wall, cpu);
        int64_t wall0 = wall, cpu0 = cpu;
        for (int n = 0; n < 2000; n++) {
            wall += slice;
            cpu += slice;
            int64_t debt = throttle_debt(&t, shares[i], wall, cpu);
            if (shares[i] >= 1)
                assert_int_equal(debt, 0);
            wall += debt;
        }
        double share = (double)(cpu - cpu0) / (double)(wall - wall0);
        assert_true(share <= shares[i] + 1e-6);
        assert_true(share > 0.98 * shares[i]);
    }
}

static void idle_time_is_not_saved_up(void **state)
{
    (void)state;
    struct throttle t = {0};
    int64_t hour = 3600000000000;
    assert_int_equal(throttle_debt(&t, 0.1, hour, 0), 0);
    int64_t debt = throttle_debt(&t, 0.1, hour + 1000000, 1000000);
    assert_true(debt >= 9000000 && debt < 9000010);
    /* not yet rested: the rest that is left */
    debt = throttle_debt(&t, 0.1, hour + 5000000, 1000000);
    assert_true(debt >= 5000000 && debt < 5000010);
    assert_int_equal(throttle_debt(&t, 0.1, hour + 10000001, 1000000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_carry_every_bit),
        cmocka_unit_test(same_means_the_same_bits),
        cmocka_unit_test(no_errors_means_no_error_planes),
        cmocka_unit_test(a_small_window_cuts_parts),
        cmocka_unit_test(leaves_stand_for_all_planes),
        cmocka_unit_test(a_throttled_thread_keeps_its_share),
        cmocka_unit_test(idle_time_is_not_saved_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
