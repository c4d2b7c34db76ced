/* Edges of stability: Mathieu's characteristic values against GSL, any w against an integration of
 * its own, gaps that close, windows, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "boundary.h"
#include "solver_job.h"
#include <gsl/gsl_errno.h>
#include <gsl/gsl_odeiv2.h>
#include <gsl/gsl_sf_mathieu.h>
#include <math.h>

/* What is traced, with the drive that it needs. */
struct trace {
    struct sweep_spec spec;
    struct drive *drive;
    struct boundary_spec boundary;
    struct boundary out;
    double *q, time[1];
};

static void trace_drive(struct trace *t)
{
    struct err err;
    char text[1024];
    t->spec.times = t->time;
    t->spec.time_count = 1;
    t->time[0] = t->spec.w_from;
    if (drive_create(&t->spec, &t->drive, &err) != 0)
        fail_msg("%s", err_format(&err, text, sizeof text));
}

/* w over one period from 0 on; n values of q; a window of a. */
static void trace_init(struct trace *t, const char *w, double period, double q0, double q1,
                       size_t n, double a0, double a1)
{
    memset(t, 0, sizeof *t);
    t->q = linspace(q0, q1, n);
    t->spec.w = w;
    t->spec.w_to = t->spec.period = period;
    t->boundary =
        (struct boundary_spec){.period = period, .a_min = a0, .a_max = a1, .q = t->q, .q_count = n};
}

static void trace_run(struct trace *t)
{
    struct err err;
    char text[1024];
    if (t->drive == NULL)
        trace_drive(t);
    t->boundary.drive = t->drive;
    t->boundary.from = t->spec.w_from;
    t->boundary.period = t->spec.period;
    if (boundary_trace(&t->boundary, &t->out, &err) != 0)
        fail_msg("%s", err_format(&err, text, sizeof text));
}

static void trace_fini(struct trace *t)
{
    boundary_fini(&t->out);
    drive_destroy(t->drive);
    free(t->q);
}

static const struct boundary_curve *curve_of(const struct trace *t, enum boundary_kind kind,
                                             int64_t m)
{
    for (size_t k = 0; k < t->out.count; k++)
        if (t->out.curve[k].kind == kind && t->out.curve[k].m == m)
            return &t->out.curve[k];
    fail_msg("there is no curve %d of kind %d", (int)m, (int)kind);
    return NULL;
}

static struct trace mathieu(double q0, double q1, size_t n, double a0, double a1)
{
    struct trace t;
    trace_init(&t, "-2*cos(2*t)", M_PI, q0, q1, n, a0, a1);
    return t;
}

/* ---- Mathieu's equation ---- */

/* A value and its error against what it should be; `own`: what that is off by. */
static void check_value(const struct boundary_curve *c, size_t i, double want, double own)
{
    char name[BOUNDARY_NAME];
    double off = fabs(c->a[i] - want);
    if (!(off <= 1e-10 * (1 + fabs(want))) || !(off <= c->error[i] + own))
        fail_msg("%s is %.17g +- %.2g instead of %.17g (value %zu)", boundary_name(c, name),
                 c->a[i], c->error[i], want, i);
}

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

/* ---- any w ---- */

struct hill {
    double (*w)(double t), (*v)(double t), (*damping)(double t);
    double a, q;
};

static int hill_rhs(double t, const double y[], double dy[], void *arg)
{
    const struct hill *h = arg;
    double k = h->a * (h->v != NULL ? h->v(t) : 1) + h->q * h->w(t);
    dy[0] = y[1];
    dy[1] = -k * y[0] - (h->damping != NULL ? h->damping(t) * y[1] : 0);
    return GSL_SUCCESS;
}

/* Above 0 where solutions grow, by GSL's integrator: D; with damping |trace| - (1 + det). */
static double integrated(struct hill *h, double period)
{
    gsl_odeiv2_system system = {hill_rhs, NULL, 2, h};
    double y[2][2] = {{1, 0}, {0, 1}};
    for (int k = 0; k < 2; k++) {
        gsl_odeiv2_driver *d =
            gsl_odeiv2_driver_alloc_y_new(&system, gsl_odeiv2_step_rk8pd, 1e-3, 1e-15, 1e-14);
        double t = 0;
        assert_int_equal(gsl_odeiv2_driver_apply(d, &t, period, y[k]), GSL_SUCCESS);
        gsl_odeiv2_driver_free(d);
    }
    double delta = (y[0][0] - y[1][1]) / 2, product = y[1][0] * y[0][1];
    if (h->damping != NULL)
        return fabs(y[0][0] + y[1][1]) - (1 + y[0][0] * y[1][1] - product);
    return delta * delta + product;
}

/* D changes its sign within 1e-9 of each edge, the right way round. */
static void check_edges(const struct trace *t, struct hill *h, double period)
{
    size_t edges = 0;
    for (size_t k = 0; k < t->out.count; k++) {
        const struct boundary_curve *c = &t->out.curve[k];
        int gap_is_below = c->kind == BOUNDARY_UPPER;
        for (size_t i = 0; i < t->out.q_count; i++) {
            double near = 1e-9 * (1 + fabs(c->a[i]));
            if (isnan(c->a[i]))
                continue;
            assert_true(c->error[i] < 1e-11 * (1 + fabs(c->a[i])));
            h->q = t->q[i];
            h->a = c->a[i] - near;
            assert_int_equal(integrated(h, period) > 0, gap_is_below);
            h->a = c->a[i] + near;
            assert_int_equal(integrated(h, period) > 0, !gap_is_below);
            edges++;
        }
    }
    assert_true(edges >= 20);
}

static double tilted(double t)
{
    return cos(2 * t) + 0.3 * sin(4 * t + 1);
}

static double weight(double t)
{
    return 1.5 + sin(2 * t);
}

static void test_no_symmetry(void **state)
{
    (void)state;
    struct hill h = {.w = tilted};
    struct trace t;
    trace_init(&t, "cos(2*t) + 0.3*sin(4*t + 1)", M_PI, 0.5, 6, 4, -6, 12);
    trace_run(&t);
    assert_false(t.out.is_even);
    check_edges(&t, &h, M_PI);
    trace_fini(&t);
    h.v = weight;
    trace_init(&t, "cos(2*t) + 0.3*sin(4*t + 1)", M_PI, 0.5, 6, 4, -6, 12);
    t.spec.v = "1.5 + sin(2*t)";
    trace_run(&t);
    check_edges(&t, &h, M_PI);
    trace_fini(&t);
}

/* ---- damping ---- */

static double drag(double t)
{
    return 0.05 + 0.03 * sin(2 * t + 0.4);
}

static double cosine(double t)
{
    return -2 * cos(2 * t);
}

static double swinging(double t)
{
    return 0.2 * sin(2 * t);
}

static void test_damping(void **state)
{
    (void)state;
    struct hill h[] = {{.w = cosine, .damping = drag},
                       {.w = tilted, .damping = drag},
                       {.w = tilted, .damping = drag, .v = weight},
                       {.w = tilted, .damping = swinging}};
    static const char *const w[] = {"-2*cos(2*t)", "cos(2*t) + 0.3*sin(4*t + 1)"};
    for (int k = 0; k < 4; k++) {
        struct trace t;
        trace_init(&t, w[k > 0], M_PI, 0.5, 6, 4, -9, 12);
        t.spec.damping = k < 3 ? "0.05 + 0.03*sin(2*t + 0.4)" : "0.2*sin(2*t)";
        t.spec.v = k == 2 ? "1.5 + sin(2*t)" : NULL;
        trace_run(&t);
        assert_false(t.out.is_even);
        check_edges(&t, &h[k], M_PI);
        trace_fini(&t);
    }
}

/* Constant damping g is a shift of a and a level: the first gap of Mathieu's equation opens where q
 * is about g (its multiplier is e^(pi q / 2) for small q). */
static void test_where_damping_closes_a_gap(void **state)
{
    (void)state;
    struct trace t = mathieu(0, 0.2, 201, 0.5, 1.5);
    t.spec.damping = "0.1";
    trace_run(&t);
    assert_int_equal(t.out.count, 2);
    const struct boundary_curve *lower = curve_of(&t, BOUNDARY_LOWER, 1);
    const struct boundary_curve *upper = curve_of(&t, BOUNDARY_UPPER, 1);
    for (size_t i = 0; i < 201; i++) {
        assert_int_equal(isnan(upper->a[i]), isnan(lower->a[i]));
        if (i != 100)
            assert_int_equal(isnan(lower->a[i]), t.q[i] < 0.1);
        if (isnan(lower->a[i]))
            continue;
        double open = sqrt(t.q[i] * t.q[i] - 0.01);
        assert_true(lower->a[i] < upper->a[i]);
        assert_true(fabs(upper->a[i] - lower->a[i] - 2 * open) < 0.01);
        assert_true(lower->error[i] < 1e-11 && upper->error[i] < 1e-11);
    }
    trace_fini(&t);
}

/* Growth against e^(-6 pi) a period: nothing is left of the narrow gaps. */
static void test_strong_damping(void **state)
{
    (void)state;
    struct hill h = {.w = cosine};
    struct trace t = mathieu(0, 40, 5, -100, 400);
    t.spec.damping = "6";
    trace_run(&t);
    for (size_t k = 0; k < t.out.count; k++)
        for (size_t i = 0; i < 5; i++) {
            const struct boundary_curve *c = &t.out.curve[k];
            if (isnan(c->a[i]))
                continue;
            /* z = e^(-3 t) x, x'' + (a - 9 + q w) x = 0: D of x is sinh^2(3 pi). */
            double level = pow(sinh(3 * M_PI), 2), near = 1e-8 * (1 + fabs(c->a[i]));
            h.q = t.q[i];
            h.a = c->a[i] - 9 - near;
            double below = integrated(&h, M_PI) / level;
            h.a = c->a[i] - 9 + near;
            double above = integrated(&h, M_PI) / level;
            assert_true((below > 1) != (above > 1));
        }
    assert_int_equal(t.out.count, 9); /* gap 5 and those above are closed */
    trace_fini(&t);
}

/* ---- waveforms ---- */

/* Waveforms at random, some with deep and narrow wells: the curves of both methods and of two
 * places to begin at (in a well, on a barrier) differ by no more than their errors. */

struct wave {
    int harmonics;
    double c[5], depth, sharpness, centre;
};

static struct wave random_wave(unsigned *seed)
{
    struct wave w = {.harmonics = 1 + rand_r(seed) % 5};
    for (int k = 0; k < w.harmonics; k++)
        w.c[k] = 5.0 * rand_r(seed) / RAND_MAX - 2.5;
    w.depth = rand_r(seed) % 3 == 0 ? 20 : 0;
    w.sharpness = pow(10, 4.0 * rand_r(seed) / RAND_MAX);
    w.centre = rand_r(seed) % 2 != 0 ? 0 : 3.0 * rand_r(seed) / RAND_MAX;
    return w;
}

static char *write_wave(const struct wave *w, double shift, char text[1000])
{
    double centre = w->centre + shift;
    int n = snprintf(text, 1000, "-(%.17g)*exp(-(%.17g)*sin(t - (%.17g))^2)", w->depth,
                     w->sharpness, centre);
    for (int k = 0; k < w->harmonics; k++)
        n += snprintf(text + n, 1000 - (size_t)n, " + (%.17g)*cos(%d*(t - (%.17g)))", w->c[k],
                      2 * k + 2, centre);
    return text;
}

/* The edges of gap m at one q, whatever they are called: 0 when one of them is outside. */
static int find_gap(const struct trace *t, int64_t m, size_t i, double a[2], double error[2])
{
    int found = 0;
    for (size_t k = 0; k < t->out.count; k++) {
        const struct boundary_curve *c = &t->out.curve[k];
        if (c->m != m || isnan(c->a[i]) || found == 2)
            continue;
        int at = found == 1 && c->a[i] < a[0] ? 0 : found;
        a[1] = a[0];
        error[1] = error[0];
        a[at] = c->a[i];
        error[at] = c->error[i];
        found++;
    }
    return found == 2;
}

static void compare_waves(const struct trace *one, const struct trace *other, size_t *count)
{
    for (size_t i = 0; i < one->out.q_count; i++)
        for (int64_t m = 1; m < 30; m++) {
            double a[2], b[2], a_error[2], b_error[2];
            if (!find_gap(one, m, i, a, a_error))
                continue;
            assert_true(find_gap(other, m, i, b, b_error));
            for (int k = 0; k < 2; k++)
                if (!(fabs(a[k] - b[k]) <= a_error[k] + b_error[k]))
                    fail_msg("q = %.17g, gap %d: %.17g +- %.2g, %.17g +- %.2g", one->q[i], (int)m,
                             a[k], a_error[k], b[k], b_error[k]);
            ++*count;
        }
}

static void test_waveforms(void **state)
{
    (void)state;
    const char *seeds = getenv("BOUNDARY_SEEDS");
    size_t count = 0;
    for (unsigned n = 0; n < (seeds != NULL ? (unsigned)atoi(seeds) : 30); n++) {
        unsigned seed = n;
        struct wave w = random_wave(&seed);
        double q = pow(10, 3.0 * rand_r(&seed) / RAND_MAX - 1);
        struct trace t[3];
        char text[1000];
        for (int k = 0; k < 3; k++) {
            trace_init(&t[k], write_wave(&w, k == 2 ? 0.77 : 0, text), M_PI, -q, q, 21, -30, 60);
            t[k].boundary.general = k > 0;
            trace_run(&t[k]);
        }
        assert_true(t[0].out.is_even);
        compare_waves(&t[0], &t[1], &count);
        compare_waves(&t[0], &t[2], &count);
        for (int k = 0; k < 3; k++)
            trace_fini(&t[k]);
    }
    assert_true(count > 5000);
}

/* z'' + (-a + q w) z = 0, the other direction of a trap. */
static void test_negative_v(void **state)
{
    (void)state;
    for (int general = 0; general < 2; general++) {
        struct trace plus = mathieu(0, 6, 7, -12, 30), minus = mathieu(0, 6, 7, -30, 12);
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

/* ---- windows, errors, refusals ---- */

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

/* The stated error of a curve of an interpolated w reaches to that of the exact one. */
static void test_interpolated_w(void **state)
{
    (void)state;
    static const char *const ws[] = {"-2*cos(2*t)", "cos(2*t) + 0.3*sin(4*t + 1)"};
    for (int k = 0; k < 2; k++) {
        struct trace exact, knots;
        double most = 0;
        trace_init(&exact, ws[k], M_PI, 0, 4, 9, -8, 20);
        trace_init(&knots, ws[k], M_PI, 0, 4, 9, -8, 20);
        knots.spec.interpolation = SWEEP_PERIODIC;
        knots.spec.knots = 33;
        trace_run(&exact);
        trace_run(&knots);
        assert_int_equal(exact.out.is_even, k == 0);
        assert_int_equal(exact.out.count, knots.out.count);
        assert_int_equal(knots.out.is_even, exact.out.is_even);
        for (size_t c = 0; c < exact.out.count; c++)
            for (size_t i = 0; i < 9; i++) {
                double off = fabs(exact.out.curve[c].a[i] - knots.out.curve[c].a[i]);
                assert_true(isnan(off) || off <= knots.out.curve[c].error[i]);
                if (off > 0)
                    most = fmax(most, off / knots.out.curve[c].error[i]);
            }
        assert_true(most > 1e-3); /* and is no guess */
        trace_fini(&exact);
        trace_fini(&knots);
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
        cmocka_unit_test(test_deep_wells),
        cmocka_unit_test(test_centre),
        cmocka_unit_test(test_no_symmetry),
        cmocka_unit_test(test_damping),
        cmocka_unit_test(test_where_damping_closes_a_gap),
        cmocka_unit_test(test_strong_damping),
        cmocka_unit_test(test_waveforms),
        cmocka_unit_test(test_negative_v),
        cmocka_unit_test(test_meissner),
        cmocka_unit_test(test_three_steps),
        cmocka_unit_test(test_longer_period),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_interpolated_w),
        cmocka_unit_test(test_refused),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
