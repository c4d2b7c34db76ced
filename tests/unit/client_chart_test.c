/* What a chart is made of: places and ticks, cells, pixels, lines, colours. */
#include "axis.h"
#include "buf.h"
#include "canvas.h"
#include "contour.h"
#include "raster.h"
#include "shade.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_near(double value, double expected, double within)
{
    if (!(fabs(value - expected) <= within))
        fail_msg("%.17g, expected %.17g within %g", value, expected, within);
}

/* The labels of all labelled ticks, joined by blanks. */
static const char *labels(enum scale_kind kind, double lo, double hi, double linear, size_t most)
{
    static char out[1024];
    struct scale s = {kind, lo, hi, linear};
    struct ticks t;
    ticks_make(&s, most, &t);
    *out = '\0';
    for (size_t i = 0; i < t.count; i++)
        if (!t.items[i].minor) {
            strcat(out, *out ? " " : "");
            strcat(out, t.items[i].label);
        }
    return out;
}

static void ticks_are_round(void **state)
{
    (void)state;
    assert_string_equal(labels(SCALE_LINEAR, -2, 7, 0, 10), "−2 −1 0 1 2 3 4 5 6 7");
    assert_string_equal(labels(SCALE_LINEAR, 0, 4, 0, 8), "0 0.5 1.0 1.5 2.0 2.5 3.0 3.5 4.0");
    assert_string_equal(labels(SCALE_LINEAR, 0.1, 0.9, 0, 4), "0.2 0.4 0.6 0.8");
    assert_string_equal(labels(SCALE_LINEAR, 0, 300000, 0, 4), "0 10⁵ 2×10⁵ 3×10⁵");
    assert_string_equal(labels(SCALE_LINEAR, 0, 3e-7, 0, 4), "0 10⁻⁷ 2×10⁻⁷ 3×10⁻⁷");
    assert_string_equal(labels(SCALE_LINEAR, 0, 30000, 0, 4), "0 10000 20000 30000");
    assert_string_equal(labels(SCALE_LOG, 0.01, 100, 0, 6), "0.01 0.1 1 10 100");
    assert_string_equal(labels(SCALE_LOG, 1, 100, 0, 10), "1 2 5 10 20 50 100");
    assert_string_equal(labels(SCALE_LOG, 1e-12, 1, 0, 5), "10⁻¹² 10⁻⁹ 10⁻⁶ 10⁻³ 10⁰");
    assert_string_equal(labels(SCALE_SYMLOG, -300, 3e4, 1, 12),
                        "0 −1 −10 −100 1 10 100 1000 10000");
    assert_string_equal(labels(SCALE_SYMLOG, -1e90, 1e80, 1, 10),
                        "0 −10¹⁹ −10³⁸ −10⁵⁷ −10⁷⁶ 10¹⁹ 10³⁸ 10⁵⁷ 10⁷⁶");
    assert_string_equal(labels(SCALE_LINEAR, 7, -2, 0, 3), "0 5"); /* the other way round */
}

/* Whatever the range: some ticks, all inside, not too many, labels that read back. */
static void ticks_of_any_range(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        double size = pow(10, (double)(x % 600) / 2 - 150), at = (double)(x >> 40) / (1 << 24);
        struct scale s = {i % 3 == 1 ? SCALE_LOG : SCALE_LINEAR, size * at, size * (1 + 2 * at), 1};
        struct ticks t;
        size_t most = 3 + x % 9, labelled = 0;
        if (s.kind == SCALE_LOG && s.lo <= 0)
            continue;
        ticks_make(&s, most, &t);
        for (size_t k = 0; k < t.count; k++) {
            double place = scale_at(&s, t.items[k].value);
            assert_true(place > -1e-5 && place < 1 + 1e-5);
            assert_int_equal(t.items[k].minor, !*t.items[k].label);
            labelled += !t.items[k].minor;
        }
        assert_true(labelled >= 1 && labelled <= 2 * most + 1 && t.count <= TICKS_MAX);
    }
}

static void scales_go_there_and_back(void **state)
{
    static const struct scale SCALES[] = {
        {SCALE_LINEAR, -3, 9, 0}, {SCALE_LOG, 1e-9, 1e4, 0}, {SCALE_SYMLOG, -1e6, 1e6, 0.01}};
    (void)state;
    for (int k = 0; k < 3; k++)
        for (int i = 0; i <= 64; i++)
            assert_near(scale_at(&SCALES[k], scale_value(&SCALES[k], i / 64.0)), i / 64.0, 1e-12);
    assert_near(scale_at(&SCALES[2], 0), 0.5, 0);
    assert_true(isnan(scale_at(&SCALES[1], -1)));
}

static void cells_meet_half_way(void **state)
{
    (void)state;
    double list[] = {4, 1, 2, 8};
    struct job_values values = {.values = list, .count = 4, .listed = true};
    struct axis axis;
    axis_init(&axis, &values);
    assert_int_equal(axis.scale.kind, SCALE_LINEAR); /* less than a decade and a half */
    assert_near(axis.scale.lo, 0.5, 0);
    assert_near(axis.scale.hi, 10, 0);
    assert_near(axis.low[1], 0, 0);
    assert_near(axis.high[1], (1.5 - 0.5) / 9.5, 1e-15);
    assert_near(axis.low[2], axis.high[1], 0);
    assert_near(axis.high[0], axis.low[3], 0);
    assert_near(axis.high[3], 1, 0);
    assert_int_equal(axis.order[0], 1);
    assert_int_equal(axis.order[3], 3);
    axis_fini(&axis);

    double powers[] = {1, 10, 100, 1000};
    values = (struct job_values){.values = powers, .count = 4, .listed = true};
    axis_init(&axis, &values);
    assert_int_equal(axis.scale.kind, SCALE_LOG);
    assert_near(axis.place[1], 3 / 8.0, 1e-12);
    axis_fini(&axis);

    double one[] = {5};
    values = (struct job_values){.values = one, .count = 1, .from = 5, .to = 5};
    axis_init(&axis, &values);
    assert_true(axis.scale.lo < 5 && axis.scale.hi > 5);
    assert_near(axis.high[0] - axis.low[0], 1, 0);
    axis_fini(&axis);
}

static struct axis even_axis(size_t n)
{
    struct job_values values = {.values = mem_alloc(n, 8), .count = n};
    struct axis axis;
    for (size_t i = 0; i < n; i++)
        values.values[i] = (double)i;
    values.to = (double)n - 1;
    axis_init(&axis, &values);
    free(values.values);
    return axis;
}

/* The mean of the pixels is the mean of the points, whatever does not divide. */
static void pixels_are_means(void **state)
{
    enum { NQ = 37, NA = 101 };
    static const size_t SIZES[][2] = {{10, 7}, {37, 101}, {100, 300}, {1, 1}, {64, 5}};
    (void)state;
    struct axis q = even_axis(NQ), a = even_axis(NA);
    for (size_t k = 0; k < 5; k++) {
        struct raster r;
        uint8_t status[NA];
        double values[NA], sum = 0, pixel_sum = 0, value;
        memset(status, 1, sizeof status);
        raster_init(&r, &q, &a, SIZES[k][0], SIZES[k][1]);
        for (size_t i = 0; i < NQ; i++) {
            for (size_t j = 0; j < NA; j++)
                sum += values[j] = sin((double)(i * 7 + j * 3));
            raster_add(&r, i, values, status);
        }
        for (size_t x = 0; x < r.width; x++)
            for (size_t y = 0; y < r.height; y++) {
                assert_int_equal(raster_pixel(&r, x, y, &value), RASTER_VALUE);
                pixel_sum += value;
            }
        assert_near(pixel_sum / (double)(r.width * r.height), sum / (NQ * NA), 1e-6);
        assert_int_equal(r.points[RASTER_VALUE], NQ * NA);
        raster_fini(&r);
    }
    axis_fini(&q);
    axis_fini(&a);
}

static void what_is_not_known_stays_apart(void **state)
{
    (void)state;
    struct axis q = even_axis(2), a = even_axis(4);
    struct raster r;
    double values[] = {1, 1000, (double)INFINITY, (double)NAN}, value;
    uint8_t first[] = {1, 0, 3, 2}, second[] = {0, 0, 4, 1};
    raster_init(&r, &q, &a, 2, 4);
    raster_add(&r, 0, values, first);
    raster_add(&r, 1, values, second);
    assert_int_equal(raster_pixel(&r, 0, 0, &value), RASTER_VALUE);
    assert_near(value, 1, 0);
    assert_int_equal(raster_pixel(&r, 0, 1, &value), RASTER_NOT_DONE);
    assert_int_equal(raster_pixel(&r, 0, 2, &value), RASTER_VALUE);
    assert_true(value > 1e299);
    assert_int_equal(raster_pixel(&r, 0, 3, &value), RASTER_FAILED);
    assert_int_equal(raster_pixel(&r, 1, 3, &value), RASTER_FAILED);
    assert_int_equal(r.points[RASTER_NOT_DONE], 3);
    assert_int_equal(r.infinite, 2);
    assert_near(r.high, 1, 0);
    raster_fini(&r);
    axis_fini(&q);
    axis_fini(&a);
}

/* The contour of a disc: closed, at its radius, as long as the circle. */
static void contours_follow_a_circle(void **state)
{
    enum { N = 201 };
    static double values[N * N], x[N];
    struct contour c = {0};
    double length = 0;
    (void)state;
    for (int i = 0; i < N; i++)
        x[i] = i / (N - 1.0);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            values[i * N + j] = hypot(x[i] - 0.5, x[j] - 0.5);
    contour_add(&c, values, x, N, x, N, 0.3);
    for (size_t i = 0; i < c.count; i += 2) {
        struct contour_point p = c.points[i], o = c.points[i + 1];
        length += hypot(p.x - o.x, p.y - o.y);
        assert_near(hypot(p.x - 0.5, p.y - 0.5), 0.3, 1e-4);
    }
    assert_near(length, 2 * 3.14159265358979 * 0.3, 1e-3);
    contour_fini(&c);
}

static void contours_stop_at_what_is_not_known(void **state)
{
    (void)state;
    double values[] = {0, 1, 0, (double)NAN}, x[] = {0, 1};
    struct contour c = {0};
    contour_add(&c, values, x, 2, x, 2, 0.5);
    assert_int_equal(c.count, 0);
    values[3] = 1;
    contour_add(&c, values, x, 2, x, 2, 0.5);
    assert_int_equal(c.count, 2);
    assert_near(c.points[0].y, 0.5, 0);
    assert_near(c.points[1].y, 0.5, 0);
    double saddle[] = {1, 0, 0, 1};
    contour_add(&c, saddle, x, 2, x, 2, 0.4); /* the middle is above: both zeros are cut off */
    assert_int_equal(c.count, 6);
    contour_fini(&c);
}

/* cos(3 x + y) times a little more than 1, 1, a little less: lines where it touches, none where it
 * stays below. */
static void what_touches_between_the_points_is_found(void **state)
{
    enum { NX = 40, NY = 61 };
    static const struct {
        double size;
        bool touches;
    } CASES[] = {{1, true}, {1 + 1e-6, true}, {0.99, false}, {1 - 1e-3, false}};
    static double values[NX * NY], x[NX], y[NY];
    (void)state;
    for (int i = 0; i < NX; i++)
        x[i] = i / (NX - 1.0);
    for (int j = 0; j < NY; j++)
        y[j] = j / (NY - 1.0) * j / (NY - 1.0); /* not equidistant */
    for (size_t k = 0; k < sizeof CASES / sizeof CASES[0]; k++) {
        struct contour c = {0};
        for (int i = 0; i < NX; i++)
            for (int j = 0; j < NY; j++)
                values[i * NY + j] = CASES[k].size * cos(0.5 * x[i] + 7 * y[j] - 1);
        contour_add_touching(&c, values, x, NX, y, NY, 1);
        assert_int_equal(c.count > 2 * NX, CASES[k].touches);
        for (size_t i = 0; i < c.count; i++) { /* 0.5 x + 7 y - 1 is a multiple of pi there */
            double turns = (0.5 * c.points[i].x + 7 * c.points[i].y - 1) / 3.14159265358979;
            assert_near(turns, round(turns), 0.03);
        }
        contour_fini(&c);
    }
}

static struct shade chosen(double *values, size_t n, struct shade_wish wish)
{
    struct shade s;
    shade_choose(values, n, &wish, &s);
    return s;
}

static void colours_follow_the_values(void **state)
{
    (void)state;
    double plain[] = {1, 2, 3, 4}, both[] = {-1, -0.5, 0, 2}, hardly[] = {-0.01, 1, 2, 3};
    double wide[] = {-5e5, -1, 2, 3, 4, 1e6}, rates[] = {0, 0, 0, 0.2, 0.4, 0.5};
    double grown[] = {1e-3, 1e-2, 0.1, 1, 1e8}, same[] = {7, 7, 7}, none[] = {(double)NAN};
    const struct shade_wish nothing = {0};
    struct shade s = chosen(plain, 4, nothing);
    assert_int_equal(s.map, COLORMAP_VIRIDIS);
    assert_int_equal(s.scale.kind, SCALE_LINEAR);
    assert_near(s.scale.lo, 1, 0);
    s = chosen(both, 4, nothing);
    assert_int_equal(s.map, COLORMAP_BLUES_REDS);
    assert_near(s.scale.lo, -2, 0); /* 0 in the middle, the bar shows what there is */
    assert_near(s.low, -1, 0);
    assert_int_equal(chosen(hardly, 4, nothing).map, COLORMAP_VIRIDIS);
    s = chosen(wide, 6, nothing);
    assert_int_equal(s.scale.kind, SCALE_SYMLOG);
    assert_int_equal(s.map, COLORMAP_BLUES_REDS);
    assert_near(s.scale.linear, 1, 1e-12);
    s = chosen(rates, 6, nothing);
    assert_int_equal(s.scale.kind, SCALE_LINEAR);
    s = chosen(grown, 5, nothing);
    assert_int_equal(s.scale.kind, SCALE_LOG);
    s = chosen(grown, 5, (struct shade_wish){.has_scale = true, .scale = SCALE_LINEAR});
    assert_int_equal(s.scale.kind, SCALE_LINEAR);
    s = chosen(plain, 4, (struct shade_wish){.has_range = true, .low = -1, .high = 1});
    assert_int_equal(s.map, COLORMAP_BLUES_REDS);
    s = chosen(wide, 6, (struct shade_wish){.has_range = true, .low = -2, .high = 4});
    assert_int_equal(s.scale.kind, SCALE_LINEAR); /* within the range they are alike */
    s = chosen(same, 3, nothing);
    assert_true(s.scale.lo < 7 && s.scale.hi > 7);
    s = chosen(none, 1, nothing);
    assert_true(s.scale.lo < s.scale.hi);
    struct rgb c = shade_at(&s, (double)NAN), n = COLORMAP_NOT_DONE;
    assert_memory_equal(&c, &n, sizeof c);
}

static void pictures_of_each_kind(void **state)
{
    static const char *const BEGIN[] = {"\x89PNG", "<?xml", "%PDF-"};
    (void)state;
    for (int kind = CANVAS_PNG; kind <= CANVAS_PDF; kind++) {
        struct buf out = {0};
        struct canvas *c;
        struct err err;
        const struct canvas_font font = {12, CANVAS_PLAIN, {0, 0, 0}};
        assert_int_equal(canvas_open((enum canvas_kind)kind, 200, 100, "µ", &out, &c, &err), 0);
        canvas_text(c, &font, 10, 10, 0, "−2×10⁻⁷");
        assert_true(canvas_text_width(c, &font, "wide") > canvas_text_width(c, &font, "i"));
        assert_int_equal(canvas_finish(c, &err), 0);
        canvas_close(c);
        assert_true(out.len > 300);
        assert_memory_equal(out.data, BEGIN[kind], strlen(BEGIN[kind]));
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticks_are_round),
        cmocka_unit_test(ticks_of_any_range),
        cmocka_unit_test(scales_go_there_and_back),
        cmocka_unit_test(cells_meet_half_way),
        cmocka_unit_test(pixels_are_means),
        cmocka_unit_test(what_is_not_known_stays_apart),
        cmocka_unit_test(contours_follow_a_circle),
        cmocka_unit_test(contours_stop_at_what_is_not_known),
        cmocka_unit_test(what_touches_between_the_points_is_found),
        cmocka_unit_test(colours_follow_the_values),
        cmocka_unit_test(pictures_of_each_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
