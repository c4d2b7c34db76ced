/* Edges of stability of any w: against an integration of its own, with damping, with an error of w,
 * and at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "boundary_rig.h"
#include <gsl/gsl_odeiv2.h>

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

static unsigned seeds(unsigned usual)
{
    const char *wanted = getenv("BOUNDARY_SEEDS");
    return wanted != NULL ? (unsigned)atoi(wanted) : usual;
}

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

static void compare_waves(const struct trace *one, const struct trace *other, unsigned seed,
                          size_t *count)
{
    for (size_t i = 0; i < one->out.q_count; i++)
        for (int64_t m = 1; m < 30; m++) {
            double a[2], b[2], a_error[2], b_error[2];
            if (!find_gap(one, m, i, a, a_error))
                continue;
            assert_true(find_gap(other, m, i, b, b_error));
            for (int k = 0; k < 2; k++)
                if (!(fabs(a[k] - b[k]) <= a_error[k] + b_error[k]))
                    fail_msg("seed %u, q = %.17g, gap %d: %.17g +- %.2g, %.17g +- %.2g", seed,
                             one->q[i], (int)m, a[k], a_error[k], b[k], b_error[k]);
            ++*count;
        }
}

static void check_wave(const struct wave *w, double q, unsigned seed, size_t *count)
{
    struct trace t[3];
    char text[1000];
    for (int k = 0; k < 3; k++) {
        trace_init(&t[k], write_wave(w, k == 2 ? 0.77 : 0, text), M_PI, -q, q, 21, -30, 60);
        t[k].boundary.general = k > 0;
        trace_run(&t[k]);
    }
    assert_true(t[0].out.is_even);
    compare_waves(&t[0], &t[1], seed, count);
    compare_waves(&t[0], &t[2], seed, count);
    for (int k = 0; k < 3; k++)
        trace_fini(&t[k]);
}

/* Seeds that a mistake fell over once: bands as narrow as their errors, gaps that are none. */
static void test_waveforms(void **state)
{
    (void)state;
    static const unsigned hard[] = {256, 328};
    size_t count = 0;
    for (unsigned n = 0; n < seeds(30) + 2; n++) {
        unsigned number = n < 2 ? hard[n] : n - 2, seed = number;
        struct wave w = random_wave(&seed);
        check_wave(&w, pow(10, 3.0 * rand_r(&seed) / RAND_MAX - 1), number, &count);
    }
    assert_true(count > 5000);
}

/* Several wells in a period that know next to nothing of each other: eigenvalues come in groups. */
static void test_wells(void **state)
{
    (void)state;
    static const struct {
        struct wave w;
        double q;
    } cases[] = {
        {{5,
          {0.49749749852227865, 2.1049116643168553, -2.458309757038164, -1.2508991564395369,
           0.96186213123698838},
          20,
          27.113817740748136,
          0},
         29.4787},
        {{2, {-2.4663696787163474, -1.7436784921417379}, 0, 1, 0}, 89.2918},
        {{4,
          {-2.0158754892255533, 2.2550140948756665, -1.2989367608907338, 2.3942790436066126},
          0,
          1,
          0},
         70.9295},
        {{4,
          {-1.3514524553210718, -0.6190601285170112, -2.0641903926451644, 1.6642745813188489},
          20,
          3.9069153995887409,
          0.25822193653239961},
         17.1382},
    };
    size_t count = 0;
    for (unsigned k = 0; k < sizeof cases / sizeof *cases; k++)
        check_wave(&cases[k].w, cases[k].q, k, &count);
    assert_true(count > 700);
}

/* ---- windows at random ---- */

static double value_at(const struct trace *t, const struct boundary_curve *of, size_t i,
                       double *error)
{
    for (size_t k = 0; k < t->out.count; k++)
        if (t->out.curve[k].kind == of->kind && t->out.curve[k].m == of->m) {
            *error = t->out.curve[k].error[i];
            return t->out.curve[k].a[i];
        }
    return NAN;
}

/* What a window has is what a large one has there, and all of it. */
static size_t compare_windows(const struct trace *all, const struct trace *part)
{
    double low = part->boundary.a_min, high = part->boundary.a_max;
    size_t seen = 0, inside = 0;
    for (size_t k = 0; k < all->out.count; k++)
        for (size_t i = 0; i < all->out.q_count; i++) {
            const struct boundary_curve *c = &all->out.curve[k];
            double near = c->error[i] + 1e-9, error = 0, a = value_at(part, c, i, &error);
            if (c->a[i] > low + near && c->a[i] < high - near && isnan(a))
                fail_msg("curve %d of kind %d is not in [%g, %g]: %.17g", (int)c->m, (int)c->kind,
                         low, high, c->a[i]);
            if (isnan(a))
                continue;
            assert_true(fabs(a - c->a[i]) <= error + c->error[i]);
            inside++;
        }
    for (size_t k = 0; k < part->out.count; k++)
        for (size_t i = 0; i < part->out.q_count; i++)
            seen += !isnan(part->out.curve[k].a[i]);
    assert_int_equal(seen, inside);
    return seen;
}

static void test_windows_of_waveforms(void **state)
{
    (void)state;
    size_t count = 0;
    for (unsigned n = 0; n < seeds(60); n++) {
        unsigned seed = n;
        struct wave w = random_wave(&seed);
        struct trace all, part;
        char text[1000];
        double q = pow(10, 3.0 * rand_r(&seed) / RAND_MAX - 1);
        double low = 60.0 * rand_r(&seed) / RAND_MAX - 30;
        double high = low + pow(10, 2.5 * rand_r(&seed) / RAND_MAX - 1);
        trace_init(&all, write_wave(&w, 0, text), M_PI, -q, q, 11, -31, 350);
        trace_init(&part, text, M_PI, -q, q, 11, low, high);
        all.boundary.general = part.boundary.general = n % 2 != 0;
        all.spec.damping = part.spec.damping = n % 3 == 0 ? "0.1" : NULL;
        trace_run(&all);
        trace_run(&part);
        count += compare_windows(&all, &part);
        trace_fini(&all);
        trace_fini(&part);
    }
    assert_true(count > 300);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_symmetry),
        cmocka_unit_test(test_damping),
        cmocka_unit_test(test_where_damping_closes_a_gap),
        cmocka_unit_test(test_strong_damping),
        cmocka_unit_test(test_waveforms),
        cmocka_unit_test(test_wells),
        cmocka_unit_test(test_windows_of_waveforms),
        cmocka_unit_test(test_interpolated_w),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
