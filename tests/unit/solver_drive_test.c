/* The drive: GSL's interpolations against GSL's integrator, tables, segment tables that travel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "solver_job.h"
#include <gsl/gsl_errno.h>
#include <gsl/gsl_interp.h>
#include <gsl/gsl_odeiv2.h>
#include <math.h>

/* z'' + (a + q w) z = 0 with w interpolated by GSL. */
struct judge {
    const gsl_interp *interp;
    gsl_interp_accel *accel;
    const double *t, *w;
    double a, q;
};

static int derivative(double t, const double z[], double dz[], void *arg)
{
    const struct judge *j = arg;
    double w = gsl_interp_eval(j->interp, j->t, j->w, t, j->accel);
    dz[0] = z[1];
    dz[1] = -(j->a + j->q * w) * z[0];
    return GSL_SUCCESS;
}

/* rk8pd from knot to knot, so that it never steps over a kink. */
static double integrate(struct judge *j, size_t n, double to)
{
    gsl_odeiv2_system system = {derivative, NULL, 2, j};
    gsl_odeiv2_driver *d =
        gsl_odeiv2_driver_alloc_y_new(&system, gsl_odeiv2_step_rk8pd, 1e-3, 1e-14, 1e-14);
    double z[2] = {1, 0}, t = j->t[0];
    for (size_t k = 1; k < n && t < to; k++) {
        double end = j->t[k] < to ? j->t[k] : to;
        assert_int_equal(gsl_odeiv2_driver_apply(d, &t, end, z), GSL_SUCCESS);
        gsl_odeiv2_driver_reset_hstart(d, 1e-3);
    }
    gsl_odeiv2_driver_free(d);
    return z[0];
}

static const struct {
    enum sweep_interpolation kind;
    size_t knots;
} cases[] = {
    {SWEEP_LINEAR, 50}, {SWEEP_CSPLINE, 8},  {SWEEP_CSPLINE, 301},
    {SWEEP_AKIMA, 40},  {SWEEP_STEFFEN, 31}, {SWEEP_PERIODIC, 33},
};

static const gsl_interp_type *type_of(enum sweep_interpolation kind)
{
    const gsl_interp_type *types[] = {gsl_interp_cspline, gsl_interp_linear,
                                      gsl_interp_cspline, gsl_interp_akima,
                                      gsl_interp_steffen, gsl_interp_cspline_periodic};
    return types[kind];
}

static void compare_with_gsl(struct solver_job *j, struct judge *judge, size_t n, double to)
{
    for (size_t i = 0; i < j->spec.q_count * j->spec.a_count; i++) {
        judge->q = j->q[i / j->spec.a_count];
        judge->a = j->a[i % j->spec.a_count];
        double z = integrate(judge, n, to);
        if (!(fabs(j->field[0][i] - z) <= 2e-11 * (1 + fabs(z))))
            fail_msg("q %g a %g: %.17g, GSL %.17g", judge->q, judge->a, j->field[0][i], z);
    }
}

static void test_kinds(void **state)
{
    (void)state;
    double period = 4 * M_PI;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct solver_job j;
        size_t n = cases[c].knots;
        double *t = linspace(0, period, n), *w = malloc(n * sizeof *w);
        for (size_t i = 0; i < n; i++)
            w[i] = cos(2 * t[i]);
        w[n - 1] = cases[c].kind == SWEEP_PERIODIC ? w[0] : w[n - 1];
        job_init(&j, 0, 4, 3, -1, 7, 4);
        j.spec.w_to = period;
        j.spec.interpolation = cases[c].kind;
        j.spec.knots = n;
        j.spec.tolerance = 1e-11;
        j.outputs[0].text = "z(7.85)";
        job_run(&j);
        struct judge judge = {.t = t, .w = w, .accel = gsl_interp_accel_alloc()};
        gsl_interp *interp = gsl_interp_alloc(type_of(cases[c].kind), n);
        gsl_interp_init(interp, t, w, n);
        judge.interp = interp;
        compare_with_gsl(&j, &judge, n, 7.85);
        gsl_interp_free(interp);
        gsl_interp_accel_free(judge.accel);
        free(t);
        free(w);
        job_fini(&j);
    }
}

/* Measured data: uneven times; `exact` means a cubic spline. */
static void test_table(void **state)
{
    (void)state;
    enum { N = 60 };
    double t[N], w[N];
    for (int i = 0; i < N; i++) {
        t[i] = -1 + i * 0.2 + 0.05 * sin(9.0 * i);
        w[i] = cos(2 * t[i]) + 0.1 * sin(31.0 * i);
    }
    struct solver_job j;
    job_init(&j, -3, 4, 3, -1, 7, 4);
    j.spec.w = NULL;
    j.spec.table_t = t;
    j.spec.table_w = w;
    j.spec.table_count = N;
    j.spec.w_from = j.times[0] = t[0];
    j.spec.w_to = 10.5;
    j.spec.time_count = 1;
    j.spec.tolerance = 1e-11;
    j.outputs[0].text = "z(10.5)";
    job_run(&j);
    struct judge judge = {.t = t, .w = w, .accel = gsl_interp_accel_alloc()};
    gsl_interp *interp = gsl_interp_alloc(gsl_interp_cspline, N);
    gsl_interp_init(interp, t, w, N);
    judge.interp = interp;
    compare_with_gsl(&j, &judge, N, 10.5);
    gsl_interp_free(interp);
    gsl_interp_accel_free(judge.accel);
    job_fini(&j);
}

/* Data that jump from knot to knot: cubics as bent as can be, in steps that are short all the same.
 */
static void test_rough_table(void **state)
{
    enum { N = 201 };
    double *t = linspace(0, 2, N), w[N];
    struct solver_job j;
    (void)state;
    for (int i = 0; i < N; i++)
        w[i] = i % 2 == 0 ? 1 : -1;
    job_init(&j, 10, 30, 3, -1, 7, 4);
    j.spec.w = NULL;
    j.spec.table_t = t;
    j.spec.table_w = w;
    j.spec.table_count = N;
    j.spec.w_to = 2;
    j.spec.times = t;
    j.spec.time_count = N;
    j.spec.interpolation = SWEEP_STEFFEN;
    j.spec.tolerance = 1e-13;
    j.outputs[0].text = "z(2)";
    job_run(&j);
    struct judge judge = {.t = t, .w = w, .accel = gsl_interp_accel_alloc()};
    gsl_interp *interp = gsl_interp_alloc(gsl_interp_steffen, N);
    gsl_interp_init(interp, t, w, N);
    judge.interp = interp;
    compare_with_gsl(&j, &judge, N, 2);
    gsl_interp_free(interp);
    gsl_interp_accel_free(judge.accel);
    free(t);
    job_fini(&j);
}

/* y is needed before w begins, and w at its ends. */
static int source_derivative(double t, const double y[], double dy[], void *arg)
{
    (void)arg;
    dy[0] = y[1];
    dy[1] = -(1 + 0.3 * cos(1.7 * t)) * y[0];
    return GSL_SUCCESS;
}

/* At t = 900 the rounding of 1.7 t alone is 1e-13 of the cosine: y is still resolved. */
static void test_long_source(void **state)
{
    enum { SAMPLES = 901 };
    double t[SAMPLES], w[SAMPLES], y[2] = {1, 0}, now = 0;
    struct solver_job j;
    (void)state;
    job_init(&j, 0, 0.1, 2, 1, 2, 2);
    j.spec.f = "1 + 0.3*cos(1.7*t)";
    j.spec.y_to = j.spec.w_to = 900;
    j.spec.y_start[0] = 1;
    j.spec.w = "y";
    job_create(&j);
    assert_int_equal(sweep_drive_samples(j.sweep, SAMPLES, t, w), SAMPLES);
    gsl_odeiv2_system system = {source_derivative, NULL, 2, NULL};
    gsl_odeiv2_driver *d =
        gsl_odeiv2_driver_alloc_y_new(&system, gsl_odeiv2_step_rk8pd, 1e-3, 1e-14, 1e-14);
    for (int i = 0; i < SAMPLES; i++) {
        if (t[i] > now)
            assert_int_equal(gsl_odeiv2_driver_apply(d, &now, t[i], y), GSL_SUCCESS);
        assert_true(fabs(w[i] - y[0]) < 1e-10);
    }
    gsl_odeiv2_driver_free(d);
    job_fini(&j);
}

static void test_samples(void **state)
{
    (void)state;
    struct solver_job j;
    double *times = linspace(3, 10, 8), t[100], w[100];
    job_init(&j, 0, 4, 2, -1, 7, 2);
    j.spec.times = times;
    j.spec.time_count = 8;
    j.spec.f = "4";
    j.spec.y_from = -1;
    j.spec.y_to = 12;
    j.spec.y_start[0] = 0;
    j.spec.y_start[1] = 2;
    j.spec.w = "y^2 + dy/2";
    j.spec.w_from = 3;
    j.outputs[0].text = "z(t[7])";
    job_run(&j);
    assert_int_equal(sweep_drive_samples(j.sweep, 100, t, w), 100);
    assert_true(t[0] == 3 && t[99] == 12);
    for (int i = 0; i < 100; i++) {
        double phase = 2 * (t[i] + 1), want = sin(phase) * sin(phase) + cos(phase);
        assert_true(fabs(w[i] - want) < 2e-14);
    }
    free(times);
    job_fini(&j);
}

/* z'' + [k^2 + 2/s^2 sech^2((t - 5.3)/s)] z = 0 reflects nothing: cos(k t) becomes
 * -cos(k t - 2 atan(k s)) (Poschl and Teller, 1933). */
static double after_spike(double k, double s, double t)
{
    return -cos(k * t - 2 * atan(k * s));
}

/* A spike of some thousandth of w.t, between all the points that a series would be made of; and one
 * that no look at w finds, unless a break says where. */
static void test_spikes(void **state)
{
    static const struct {
        const char *w;
        double s;
        size_t breaks;
        double allowed; /* the roundings of t shift a spike by 1e-16, and it is 4/s strong */
    } spikes[] = {
        {"sech((t - 5.3)/2e-4)^2/4e-8", 2e-4, 0, 1e-9},
        {"sech((t - 5.3)/1e-7)^2/1e-14", 1e-7, 1, 1e-2},
    };
    static const double at = 5.3;
    (void)state;
    for (size_t c = 0; c < sizeof spikes / sizeof *spikes; c++) {
        struct solver_job j;
        job_init(&j, 0, 2, 2, 0.5, 7, 14);
        j.spec.w = spikes[c].w;
        j.spec.breaks = &at;
        j.spec.break_count = spikes[c].breaks;
        job_run(&j);
        for (size_t i = 0; i < 28; i++) {
            double k = sqrt(j.a[i % 14]), t = j.times[157];
            double truth = i < 14 ? cos(k * t) : after_spike(k, spikes[c].s, t);
            job_check(&j, 0, i, truth, spikes[c].allowed);
        }
        job_fini(&j);
    }
}

/* The same in step 1. */
static void test_spike_of_f(void **state)
{
    enum { SAMPLES = 1201 };
    double t[SAMPLES], w[SAMPLES];
    struct solver_job j;
    (void)state;
    job_init(&j, 0, 1, 2, 1, 2, 2);
    j.spec.f = "1 + 2*sech((t - 5.3)/2e-4)^2/4e-8";
    j.spec.y_to = 12;
    j.spec.y_start[0] = 1;
    j.spec.w = "y";
    job_create(&j);
    assert_int_equal(sweep_drive_samples(j.sweep, SAMPLES, t, w), SAMPLES);
    for (int i = 0; i < SAMPLES; i++)
        if (fabs(t[i] - 5.3) > 0.009)
            assert_true(fabs(w[i] - (t[i] < 5.3 ? cos(t[i]) : after_spike(1, 2e-4, t[i]))) < 1e-7);
    job_fini(&j);
}

/* z'' + q t^(-1/3) z = 0 from z = 1, z' = 0 on, as a series in t^(5/3). */
static double after_a_pole(double q, double t)
{
    double sum = 1, term = 1;
    for (int k = 1; k < 80; k++)
        sum += term *= -q * pow(t, 5.0 / 3) / (5.0 / 3 * k * (5.0 / 3 * k - 1));
    return sum;
}

/* Where a drive is infinite, or 0/0, it is not evaluated; and how it fails in doubles close to
 * there matters to nobody who can be told the same in other words. */
static void test_ends(void **state)
{
    static const struct {
        const char *f[2], *w[2];
        double start[2], allowed;
    } drives[] = {
        {{NULL, NULL}, {"t^2/(cosh(t) - 1)", "t^2/(2*sinh(t/2)^2)"}, {1, 0}, 1e-9},
        {{"1", NULL}, {"(1 - y)/t^2", "(1 - cos(t))/t^2"}, {1, 0}, 1e-7},
        {{"1/(cosh(t) - 1) - 2/t^2", "0.5/sinh(t/2)^2 - 2/t^2"}, {"y", "y"}, {1, 0}, 1e-3},
        {{"t^2/(cosh(t) - 1)", "t^2/(2*sinh(t/2)^2)"}, {"y", "y"}, {1, 0}, 1e-3},
    };
    struct solver_job j[2];
    (void)state;
    for (size_t c = 0; c < sizeof drives / sizeof *drives; c++) {
        for (int k = 0; k < 2; k++) {
            job_init(&j[k], 0.1, 2, 3, 0.5, 7, 3);
            j[k].spec.f = drives[c].f[k];
            j[k].spec.w = drives[c].w[k];
            j[k].spec.y_to = 12;
            memcpy(j[k].spec.y_start, drives[c].start, sizeof drives[c].start);
            job_run(&j[k]);
        }
        for (size_t i = 0; i < 9; i++) {
            job_check_apart(&j[0], &j[1], 0, i);
            assert_true((double)j[0].error[0][i] <= drives[c].allowed);
        }
        job_fini(&j[0]);
        job_fini(&j[1]);
    }
    job_init(j, 0.1, 0.5, 5, 0, 0, 1);
    j->spec.w = "t^(-1/3)";
    job_run(j);
    for (size_t i = 0; i < 5; i++) {
        job_check(j, 0, i, after_a_pole(j->q[i], j->times[157]), 1e-8);
        assert_true(j->error[0][i] <= 1e-6f);
        assert_int_equal(j->status[i], POINT_DONE);
    }
    job_fini(j);
}

/* What interpolation costs is seen between few knots, too. */
static void test_spike_between_knots(void **state)
{
    struct solver_job exact, knots;
    (void)state;
    for (int k = 0; k < 2; k++) {
        struct solver_job *j = k == 0 ? &exact : &knots;
        job_init(j, 0.1, 0.2, 5, -1, 7, 5);
        j->spec.w = "exp(-((t - 5.3)/0.01)^2)";
        j->spec.interpolation = k == 0 ? SWEEP_EXACT : SWEEP_LINEAR;
        j->spec.knots = 21;
        job_run(j);
    }
    for (size_t i = 0; i < 25; i++)
        job_check_apart(&exact, &knots, 0, i);
    job_fini(&exact);
    job_fini(&knots);
}

/* A job of each kind whose drive libm has a hand in. */
static void travelling_job(struct solver_job *j, enum sweep_interpolation kind)
{
    job_init(j, 0, 4, 4, -2, 7, 33);
    j->spec.f = "1 + 0.3*cos(1.7*t)";
    j->spec.y_to = 20;
    j->spec.y_start[0] = 1;
    j->spec.w = "y";
    j->spec.u = "0.1*sin(t)";
    j->spec.interpolation = kind;
    j->spec.knots = 300;
}

/* The bytes of another machine: the last bit of some numbers differs. */
static void flip_low_bits(struct solver_job *other)
{
    struct drive *d = other->sweep->drive;
    if (d->knot_count != 0)
        for (size_t i = 0; i < d->knot_count; i += 3)
            d->knot_w[i] = nextafter(d->knot_w[i], 9);
    for (size_t i = 0; i < d->w.count; i += 2) /* they were measured with another w */
        d->w.segments[i].error = (double)nextafterf((float)d->w.segments[i].error, 9);
    for (size_t i = 0; i < d->w.coef_count; i += 3)
        d->w.coef[i] = nextafter(d->w.coef[i], 9);
    for (size_t i = 0; i < d->u.coef_count; i += 3)
        d->u.coef[i] = nextafter(d->u.coef[i], 9);
}

static void test_adopt(void **state)
{
    (void)state;
    static const enum sweep_interpolation kinds[] = {SWEEP_EXACT, SWEEP_CSPLINE};
    for (int k = 0; k < 2; k++) {
        struct solver_job one, two;
        struct err err;
        size_t len, again;
        travelling_job(&one, kinds[k]);
        travelling_job(&two, kinds[k]);
        job_create(&one);
        job_create(&two);
        flip_low_bits(&two);
        unsigned char *table = sweep_table_encode(two.sweep, &len);
        assert_int_equal(sweep_table_adopt(one.sweep, table, len, &err), 0);
        unsigned char *same = sweep_table_encode(one.sweep, &again);
        assert_int_equal(len, again);
        assert_memory_equal(table, same, len);
        /* What is solved is what was adopted: a third that adopts it gives the same bits, and the
         * machine that made the table gets there by adopting its own. */
        struct solver_job three;
        travelling_job(&three, kinds[k]);
        job_create(&three);
        assert_int_equal(sweep_table_adopt(three.sweep, same, len, &err), 0);
        job_solve_with(&one, NULL);
        job_solve_with(&three, kernel_find("portable"));
        assert_memory_equal(one.field[0], three.field[0], 4 * 33 * sizeof(double));
        assert_memory_equal(one.error[0], three.error[0], 4 * 33 * sizeof(float));
        free(table);
        free(same);
        job_fini(&one);
        job_fini(&two);
        job_fini(&three);
    }
}

static void test_adopt_refuses(void **state)
{
    (void)state;
    static const enum sweep_interpolation kinds[] = {SWEEP_EXACT, SWEEP_CSPLINE};
    for (int k = 0; k < 2; k++) {
        struct solver_job one, two;
        struct err err;
        size_t len, other_len;
        travelling_job(&one, kinds[k]);
        travelling_job(&two, kinds[k]);
        two.spec.w = "y + 1e-9";
        job_create(&one);
        job_create(&two);
        unsigned char *table = sweep_table_encode(one.sweep, &len);
        unsigned char *other = sweep_table_encode(two.sweep, &other_len);
        assert_int_equal(sweep_table_adopt(one.sweep, other, other_len, &err), -1);
        assert_non_null(strstr(err.text, "w at t = "));
        /* Damaged in any byte, or cut anywhere: refused or harmless, never believed blindly. */
        for (size_t i = 0; i < len; i += 7) {
            assert_int_equal(sweep_table_adopt(one.sweep, table, i, &err), -1);
            table[i] ^= 0x40;
            (void)sweep_table_adopt(one.sweep, table, len, &err);
            table[i] ^= 0x40;
        }
        assert_int_equal(sweep_table_adopt(one.sweep, table, len, &err), 0);
        job_solve_with(&one, NULL);
        free(table);
        free(other);
        job_fini(&one);
        job_fini(&two);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),         cmocka_unit_test(test_table),
        cmocka_unit_test(test_long_source),   cmocka_unit_test(test_samples),
        cmocka_unit_test(test_spikes),        cmocka_unit_test(test_spike_of_f),
        cmocka_unit_test(test_ends),          cmocka_unit_test(test_adopt),
        cmocka_unit_test(test_adopt_refuses), cmocka_unit_test(test_spike_between_knots),
        cmocka_unit_test(test_rough_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
