/* Edges of stability: Mathieu's characteristic values against GSL, gaps that close, windows, and
 * what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "boundary_rig.h"
#include <gsl/gsl_sf_mathieu.h>

/* ---- Mathieu's equation ---- */

static double gsl_value(const struct boundary_curve *c, double q)
{
    double even = gsl_sf_mathieu_a((int)c->m, q);
    double odd = c->m > 0 ? gsl_sf_mathieu_b((int)c->m, q) : even;
    switch (c->kind) {
    case BOUNDARY_EVEN:
        return even;
    case BOUNDARY_ODD:
        return odd;
    case BOUNDARY_LOWER:
        return fmin(even, odd);
    default:
        return fmax(even, odd);
    }
}

/* All curves up to m; GSL itself is good for 1e-14. */
static void check_mathieu(struct trace *t, int64_t m)
{
    double most = 0;
    trace_run(t);
    for (size_t k = 0; k < t->out.count; k++) {
        const struct boundary_curve *c = &t->out.curve[k];
        for (size_t i = 0; i < t->out.q_count && c->m <= m; i++) {
            double want = gsl_value(c, t->q[i]);
            check_value(c, i, want, 2e-14 * (1 + fabs(want)));
            most = fmax(most, c->error[i] / (1 + fabs(want)));
        }
    }
    assert_true(most < 1e-11);
}

static void test_mathieu(void **state)
{
    (void)state;
    struct trace t = mathieu(0, 25, 200, -45, 45);
    check_mathieu(&t, 5);
    assert_true(t.out.is_even);
    assert_true(t.out.centre == 0);
    for (int64_t m = 0; m <= 5; m++) {
        curve_of(&t, BOUNDARY_EVEN, m);
        if (m > 0)
            curve_of(&t, BOUNDARY_ODD, m);
    }
    trace_fini(&t);
}

/* From where a_m - b_m is far below rounding, over both signs of q: a_1 and b_1 cross at 0. */
static void test_mathieu_at_small_q(void **state)
{
    (void)state;
    struct trace t = mathieu(-1, 1, 201, -2, 40);
    for (int i = 0; i < 201; i++)
        t.q[i] = i == 100 ? 0 : copysign(pow(10, -0.1 * (100 - abs(i - 100))), i - 100);
    check_mathieu(&t, 6);
    trace_fini(&t);
}

/* The same as if nobody had seen the symmetry. */
static void test_mathieu_without_parity(void **state)
{
    (void)state;
    struct trace t = mathieu(0, 25, 200, -45, 45), small = mathieu(-1, 1, 41, -2, 40);
    t.boundary.general = small.boundary.general = 1;
    check_mathieu(&t, 5);
    assert_false(t.out.is_even);
    for (int i = 0; i < 41; i++)
        small.q[i] = i == 20 ? 0 : copysign(pow(10, -0.4 * (20 - abs(i - 20))), i - 20);
    check_mathieu(&small, 6);
    trace_fini(&t);
    trace_fini(&small);
}

/* Errors at the lower end of a window that reaches far up. */
static void test_wide_window(void **state)
{
    (void)state;
    struct trace t = mathieu(0.1, 1, 3, -2, 40000);
    t.boundary.general = 1;
    trace_run(&t);
    for (size_t k = 0; k < t.out.count; k++)
        for (size_t i = 0; i < 3; i++) {
            const struct boundary_curve *c = &t.out.curve[k];
            assert_true(c->error[i] < 1e-11 * (1 + fabs(c->a[i])));
            if (c->m <= 6)
                check_value(c, i, gsl_value(c, t.q[i]), 1e-14 * (1 + fabs(c->a[i])));
        }
    assert_int_equal(t.out.count, 399);
    trace_fini(&t);
}

/* Bands so narrow (e^-4 sqrt q) that no double is inside. */
static void test_deep_wells(void **state)
{
    (void)state;
    for (int general = 0; general < 2; general++) {
        struct trace t = mathieu(500, 4000, 8, -8000, -500);
        t.boundary.general = general;
        trace_run(&t);
        for (int64_t m = 0; m < 2; m++) {
            const struct boundary_curve *upper =
                curve_of(&t, general ? BOUNDARY_UPPER : BOUNDARY_EVEN, m);
            const struct boundary_curve *lower =
                curve_of(&t, general ? BOUNDARY_LOWER : BOUNDARY_ODD, m + 1);
            for (size_t i = 0; i < 8; i++) {
                check_value(upper, i, gsl_value(upper, t.q[i]), 1e-10);
                check_value(lower, i, gsl_value(lower, t.q[i]), 1e-10);
                assert_true(upper->error[i] < 1e-8);
            }
        }
        trace_fini(&t);
    }
}

/* cos(2 t) elsewhere: the centre is found, what is even about it is called so. */
static void test_centre(void **state)
{
    (void)state;
    static const struct {
        const char *w;
        double centre;
        int swapped; /* w = 2 cos about the centre: q has the other sign */
    } cases[] = {
        {"-2*cos(2*t - 1)", 0.5, 0},
        {"-2*sin(2*t)", M_PI / 4, 0},
        {"-2*cos(2*t + 0.5)", M_PI_2 - 0.25, 1},
        {"2*cos(2*t)", 0, 1},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct trace t;
        trace_init(&t, cases[k].w, M_PI, 0, 5, 6, -10, 20);
        trace_run(&t);
        assert_true(t.out.is_even);
        assert_true(fabs(t.out.centre - cases[k].centre) < 1e-12);
        for (size_t c = 0; c < t.out.count && t.out.curve[c].m < 4; c++)
            for (size_t i = 0; i < 6; i++) {
                double q = cases[k].swapped ? -t.q[i] : t.q[i];
                check_value(&t.out.curve[c], i, gsl_value(&t.out.curve[c], q), 1e-13);
            }
        trace_fini(&t);
    }
}

/* All of w, u and v must be even about one time. */
static void test_what_is_even(void **state)
{
    (void)state;
    static const struct {
        const char *u, *v;
        int even;
    } cases[] = {
        {"0.3*cos(4*t)", "1 + 0.5*cos(2*t)", 1}, {"0.3*sin(4*t)", NULL, 0},
        {NULL, "1 + 0.5*sin(2*t)", 0},           {"0.3*sin(t)^4", NULL, 1},
        {NULL, "1 + 1e-9*sin(2*t)", 0},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct trace t = mathieu(0, 1, 2, -1, 5);
        t.spec.u = cases[k].u;
        t.spec.v = cases[k].v;
        trace_run(&t);
        assert_int_equal(t.out.is_even, cases[k].even);
        trace_fini(&t);
    }
}

/* z'' + (-a + q w) z = 0, the other direction of a trap. */
static void test_negative_v(void **state)
{
    (void)state;
    for (int general = 0; general < 2; general++) {
        struct trace plus = mathieu(0, 18, 7, -12, 30), minus = mathieu(0, 18, 7, -30, 12);
        plus.boundary.general = minus.boundary.general = general;
        minus.spec.v = "-1";
        trace_run(&plus);
        trace_run(&minus);
        assert_int_equal(plus.out.count, minus.out.count);
        for (size_t k = 0; k < plus.out.count; k++) {
            const struct boundary_curve *c = &plus.out.curve[k], *d;
            static const enum boundary_kind other[] = {BOUNDARY_ODD, BOUNDARY_EVEN, BOUNDARY_UPPER,
                                                       BOUNDARY_LOWER};
            d = curve_of(&minus, other[c->kind], c->m);
            for (size_t i = 0; i < 7; i++) {
                assert_int_equal(isnan(c->a[i]), isnan(d->a[i]));
                if (!isnan(c->a[i]))
                    check_value(d, i, -c->a[i], c->error[i]);
            }
        }
        trace_fini(&plus);
        trace_fini(&minus);
    }
}

/* ---- gaps that close ---- */

/* Meissner's equation: w = 1, then -1. With a + q = (2 i)^2 and a - q = (2 k)^2 every solution has
 * the period pi or twice that: the gap i + k is closed, and there a and b cross. */
static void test_meissner(void **state)
{
    (void)state;
    static const char w[] = "1 - 2*step(t - pi/4) + 2*step(t - 3*pi/4)";
    double breaks[] = {M_PI_4, 3 * M_PI_4}, want[][3] = {{10, 6, 3}, {20, 16, 4}, {26, 10, 5}};
    for (int general = 0; general < 2; general++) {
        for (int k = 0; k < 3; k++) {
            struct trace t;
            double a = want[k][0], q = want[k][1];
            int64_t m = (int64_t)want[k][2];
            trace_init(&t, w, M_PI, q - 0.25, q + 0.25, 3, a - 5, a + 5);
            t.spec.breaks = breaks;
            t.spec.break_count = 2;
            t.boundary.general = general;
            trace_run(&t);
            assert_int_equal(t.out.is_even, !general);
            const struct boundary_curve *one =
                curve_of(&t, general ? BOUNDARY_LOWER : BOUNDARY_ODD, m);
            const struct boundary_curve *other =
                curve_of(&t, general ? BOUNDARY_UPPER : BOUNDARY_EVEN, m);
            check_value(one, 1, a, 0);
            check_value(other, 1, a, 0);
            assert_true(one->error[1] < 1e-12 * a && other->error[1] < 1e-12 * a);
            double before = other->a[0] - one->a[0], after = other->a[2] - one->a[2];
            assert_true(fabs(before) > 1e-3 && fabs(after) > 1e-3);
            assert_int_equal((before > 0) == (after > 0), general); /* cross, or touch */
            trace_fini(&t);
        }
    }
}

/* Three steps, of no symmetry: at a = 0, q = 1 each is a whole number of half turns. */
static void test_three_steps(void **state)
{
    (void)state;
    static const char w[] = "pi^2*(4 - 3.36*step(t - 0.5) + 0.36*step(t - 1.75))";
    double breaks[] = {0.5, 1.75, 2.75};
    struct trace t;
    trace_init(&t, w, 2.75, 0.9, 1.1, 3, -6, 6);
    t.spec.breaks = breaks;
    t.spec.break_count = 3;
    trace_run(&t);
    assert_false(t.out.is_even);
    const struct boundary_curve *lower = curve_of(&t, BOUNDARY_LOWER, 3);
    const struct boundary_curve *upper = curve_of(&t, BOUNDARY_UPPER, 3);
    check_value(lower, 1, 0, 0);
    check_value(upper, 1, 0, 0);
    assert_true(lower->error[1] < 1e-12 && upper->error[1] < 1e-12);
    for (size_t i = 0; i < 3; i += 2)
        assert_true(upper->a[i] - lower->a[i] > 1e-4);
    trace_fini(&t);
}

/* Twice the period: every odd gap is closed, and so many wells make each band as many levels. */
static void test_longer_period(void **state)
{
    (void)state;
    struct trace one = mathieu(0, 8, 9, -12, 12), two = mathieu(0, 8, 9, -12, 12);
    two.spec.w_to = two.spec.period = 2 * M_PI;
    for (int general = 0; general < 2; general++) {
        one.boundary.general = two.boundary.general = general;
        trace_run(&one);
        trace_run(&two);
        for (size_t k = 0; k < one.out.count; k++) {
            const struct boundary_curve *c = &one.out.curve[k],
                                        *d = curve_of(&two, c->kind, 2 * c->m);
            for (size_t i = 0; i < 9; i++) {
                assert_int_equal(isnan(c->a[i]), isnan(d->a[i]));
                if (!isnan(c->a[i]))
                    check_value(d, i, c->a[i], c->error[i]);
            }
        }
        for (size_t i = 0; i < 9; i++) {
            const struct boundary_curve *b =
                curve_of(&two, general ? BOUNDARY_LOWER : BOUNDARY_ODD, 3);
            const struct boundary_curve *a =
                curve_of(&two, general ? BOUNDARY_UPPER : BOUNDARY_EVEN, 3);
            check_value(a, i, b->a[i], b->error[i]);
        }
        boundary_fini(&one.out);
        boundary_fini(&two.out);
    }
    trace_fini(&one);
    trace_fini(&two);
}

/* z1 and z2 = sin(sqrt(K) t) / sqrt(K) of z'' + K z = 0. */
static void constant(double k, double t, double *z1, double *z2)
{
    double w = sqrt(fabs(k));
    *z1 = k > 0 ? cos(w * t) : cosh(w * t);
    *z2 = k == 0 ? t : (k > 0 ? sin(w * t) : sinh(w * t)) / w;
}

/* Pulses of length 1 and pauses between them, n in a period: gaps 1 .. n - 1 are closed where one
 * pulse and pause turn solutions by m pi / n. In between they are all but straight, so that they
 * have zeros where sqrt|K| says nothing of it. */
static size_t check_pulses(int n, double q0, double q1, double low)
{
    struct trace t;
    char w[64];
    double breaks[64], pause = 64 / n - 1;
    size_t seen = 0;
    snprintf(w, sizeof w, "step(1 - mod(t, %d))", 64 / n);
    for (int k = 0; k < 2 * n; k++)
        breaks[k] = (k + 1) / 2 * (1 + pause) + (k % 2 == 0);
    trace_init(&t, w, 64, q0, q1, 4000, low, -low / 10);
    t.spec.breaks = breaks;
    t.spec.break_count = (size_t)(2 * n);
    t.boundary.general = 1;
    trace_run(&t);
    for (size_t k = 0; k < t.out.count; k++)
        for (size_t i = 0; i < t.out.q_count; i++) {
            const struct boundary_curve *c = &t.out.curve[k];
            double a = c->a[i], one[2], other[2];
            if (isnan(a) || c->m == 0 || c->m >= n)
                continue;
            constant(a + t.q[i], 1, &one[0], &one[1]);
            constant(a, pause, &other[0], &other[1]);
            double trace = 2 * one[0] * other[0] - (2 * a + t.q[i]) * one[1] * other[1];
            assert_true(fabs(trace - 2 * cos((double)c->m * M_PI / n)) < 1e-10);
            seen++;
        }
    trace_fini(&t);
    return seen;
}

static void test_pulses(void **state)
{
    (void)state;
    assert_true(check_pulses(4, 0.001, 0.22, -2e-5) >= 20);
    assert_true(check_pulses(32, 0.3837, 0.3840, -1e-6) >= 10);
}

/* ---- windows, refusals ---- */

/* Inside a window there is what a larger one has, and nothing outside. */
static void test_windows(void **state)
{
    (void)state;
    for (int general = 0; general < 2; general++) {
        struct trace all = mathieu(0, 10, 101, -30, 40), part = mathieu(0, 10, 101, -1.3, 4.2);
        all.boundary.general = part.boundary.general = general;
        trace_run(&all);
        trace_run(&part);
        size_t inside = 0, seen = 0;
        for (size_t k = 0; k < all.out.count; k++)
            for (size_t i = 0; i < 101; i++)
                inside += all.out.curve[k].a[i] >= -1.3 && all.out.curve[k].a[i] <= 4.2;
        for (size_t k = 0; k < part.out.count; k++) {
            const struct boundary_curve *c = &part.out.curve[k], *d = curve_of(&all, c->kind, c->m);
            for (size_t i = 0; i < 101; i++) {
                if (isnan(c->a[i]))
                    continue;
                check_value(c, i, d->a[i], d->error[i]);
                seen++;
            }
        }
        assert_true(inside > 100);
        assert_int_equal(seen, inside);
        trace_fini(&all);
        trace_fini(&part);
    }
}

static void check_refused(struct trace *t, const char *says)
{
    struct err err = {0};
    trace_drive(t);
    t->boundary.drive = t->drive;
    assert_int_equal(boundary_trace(&t->boundary, &t->out, &err), -1);
    assert_int_equal(err.code, ERR_JOB_REFUSED);
    if (strstr(err.text, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, says);
    trace_fini(t);
}

static void test_refused(void **state)
{
    (void)state;
    struct trace t = mathieu(0, 1, 2, 0, 5);
    t.spec.damping = "-0.1 + 0.05*cos(2*t)";
    check_refused(&t, "negative on average (-0.1)");
    t = mathieu(0, 1, 2, 0, 5);
    t.spec.damping = "1000";
    check_refused(&t, "e^-1571 in a period");
    t = mathieu(0, 1, 2, 0, 5);
    t.spec.v = "0.5 + cos(2*t)";
    check_refused(&t, "v changes its sign, from -0.");
    t = mathieu(0, 1, 2, 0, 5);
    t.spec.v = "0";
    check_refused(&t, "v is 0 throughout");
    t = mathieu(0, 1, 100000, 0, 50);
    check_refused(&t, "more than 5 curves");
    t = mathieu(0, 1, 2, 0, 1e12);
    check_refused(&t, "too fast");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mathieu),
        cmocka_unit_test(test_mathieu_at_small_q),
        cmocka_unit_test(test_mathieu_without_parity),
        cmocka_unit_test(test_wide_window),
        cmocka_unit_test(test_deep_wells),
        cmocka_unit_test(test_centre),
        cmocka_unit_test(test_what_is_even),
        cmocka_unit_test(test_negative_v),
        cmocka_unit_test(test_meissner),
        cmocka_unit_test(test_three_steps),
        cmocka_unit_test(test_longer_period),
        cmocka_unit_test(test_pulses),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_refused),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
