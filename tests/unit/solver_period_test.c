/* Periods: what is refused because it does not repeat itself, and times far beyond w.t.
 * FLOQUET_SHOW=1 prints what was reached. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "solver_job.h"
#include "truth.h"
#include <math.h>

/* ---- what repeats itself ---- */

static const struct {
    const char *w, *u;
    double to, period, jump; /* jump: listed in w.breaks, if any */
    enum sweep_interpolation kind;
    const char *says; /* NULL: it does */
} periods[] = {
    {"cos(2*t)", NULL, 12, M_PI, 0, SWEEP_EXACT, NULL},
    {"cos(2*t)", NULL, M_PI, M_PI, 0, SWEEP_EXACT, NULL},
    {"cos(2*t)", NULL, 12, 2 * M_PI, 0, SWEEP_EXACT, NULL},
    {"cos(2*t)", NULL, 12, 3.14, 0, SWEEP_EXACT, "w does not repeat itself: it is"},
    {"cos(2*t)", NULL, 12, 3.1415926535, 0, SWEEP_EXACT, "apart"},
    {"cos(2*t)", NULL, 3, 3, 0, SWEEP_EXACT, "w does not repeat itself: it is 1 at t = 0 and 0.96"},
    {"cos(2*t)", NULL, 12, M_PI, 0, SWEEP_CSPLINE, NULL},
    {"cos(2*t)", NULL, 12, 3.14, 0, SWEEP_CSPLINE, "w does not repeat itself"},
    {"mod(t, 1)", NULL, 4, 1, 0, SWEEP_EXACT, NULL},
    {"t", NULL, 1, 1, 0, SWEEP_EXACT, "and 1 a period later, 1 apart"},
    {"t", NULL, 1, 1, 1, SWEEP_EXACT, NULL},
    {"cos(2*t)", "cos(t)", 12, M_PI, 0, SWEEP_EXACT, "z.u does not repeat itself"},
    {"cos(2*t)", "cos(t)", 12, 2 * M_PI, 0, SWEEP_EXACT, NULL},
};

static void test_what_repeats_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof periods / sizeof *periods; i++) {
        struct solver_job j;
        struct err err = {0};
        double times[] = {0, 1}, breaks[] = {periods[i].jump};
        job_init(&j, 0, 1, 2, 0, 1, 2);
        j.spec.w = periods[i].w;
        j.spec.u = periods[i].u;
        j.spec.w_to = periods[i].to;
        j.spec.period = periods[i].period;
        j.spec.breaks = breaks;
        j.spec.break_count = periods[i].jump > 0;
        j.spec.interpolation = periods[i].kind;
        j.spec.knots = 4001;
        j.spec.times = times;
        j.spec.time_count = 2;
        j.outputs[0].text = "z(1)";
        int rc = sweep_create(&j.spec, &j.sweep, &err);
        if ((rc == 0) != (periods[i].says == NULL) ||
            (rc != 0 && (strstr(err.text, periods[i].says) == NULL ||
                         strcmp(err.path, "w.period") != 0 || err.code != ERR_JOB_REFUSED)))
            fail_msg("case %zu: %d %s: %s", i, rc, err.path, err.text);
        if (rc != 0)
            j.sweep = NULL;
        job_fini(&j);
    }
}

/* Of a table nobody knows how good it is: it has to repeat itself as well as straight lines tell.
 */
static void test_tables_that_repeat_themselves(void **state)
{
    (void)state;
    enum { ROWS = 121 };
    for (int wrong = 0; wrong < 2; wrong++) { /* what is before w.t does not matter */
        struct solver_job j;
        struct err err = {0};
        job_init(&j, 0, 1, 2, 0, 1, 2);
        double *t = linspace(-2, 10, ROWS), w[ROWS];
        for (int i = 0; i < ROWS; i++)
            w[i] = t[i] < -0.5 ? 3 : cos(2 * t[i]);
        j.spec.w = NULL;
        j.spec.table_t = t;
        j.spec.table_w = w;
        j.spec.table_count = ROWS;
        j.spec.w_to = 10;
        j.spec.interpolation = SWEEP_CSPLINE;
        j.spec.period = wrong ? 3.0 : M_PI;
        assert_int_equal(sweep_create(&j.spec, &j.sweep, &err), -wrong);
        if (wrong)
            j.sweep = NULL;
        free(t);
        job_fini(&j);
    }
}

/* ---- long times ---- */

static const enum sweep_method METHODS[] = {SWEEP_POINT, SWEEP_TILE, SWEEP_AUTO};

static int by_size(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* The table of time 200, from one period or half of it. */
static void check_long(const struct truth *truth, double tolerance, enum sweep_method method,
                       double period)
{
    struct solver_job j;
    double times[] = {0, 200}, ratio[512];
    job_init(&j, 0, 4, 100, -2, 7, 100);
    j.spec.w_to = period;
    j.spec.period = period;
    j.spec.times = times;
    j.spec.time_count = 2;
    j.spec.tolerance = tolerance;
    j.spec.method = method;
    j.outputs[0].text = "z(200)";
    j.outputs[1] = (struct output_text){"dz", "dz(t[1])"};
    j.outputs[2] = (struct output_text){"u", "z2(t[1])"};
    j.outputs[3] = (struct output_text){"du", "dz2(t[1])"};
    j.outputs[4] = (struct output_text){"l", "lnabs(t[1])"};
    j.spec.output_count = 5;
    job_run(&j);
    for (size_t n = 0; n < truth->count; n++) {
        const struct truth_row *r = &truth->row[n];
        size_t i = (size_t)r->iq * 100 + (size_t)r->ia;
        double size = 1 + hypot(r->z, r->dz / r->omega);
        double allowed = tolerance * size + 16 * 0x1p-53 * r->kappa;
        assert_true(j.status[i] == POINT_DONE || j.status[i] == POINT_LIMITED);
        job_check(&j, 0, i, r->z, allowed);
        job_check(&j, 1, i, r->dz, INFINITY);
        job_check(&j, 2, i, r->u, INFINITY);
        job_check(&j, 3, i, r->du, INFINITY);
        job_check(&j, 4, i, log(fabs(r->z)), INFINITY);
        ratio[n] =
            (double)j.error[0][i] / fmax(fabs(j.field[0][i] - r->z), 1e-3 * tolerance * size);
    }
    qsort(ratio, truth->count, sizeof *ratio, by_size);
    double sharpness = ratio[truth->count / 2];
    if (getenv("FLOQUET_SHOW") != NULL)
        print_message("%g, method %d, period %.3g: stated / true %.3g\n", tolerance, (int)method,
                      period, sharpness);
    if (!(sharpness < 100))
        fail_msg("%g: the stated error is %.3g times too large", tolerance, sharpness);
    job_fini(&j);
}

static void test_long_times(void **state)
{
    static const double tolerances[] = {1e-6, 1e-9, 1e-12};
    struct truth truth;
    (void)state;
    truth_read(&truth, "mathieu_long");
    assert_int_equal(truth.count, 100);
    for (size_t m = 0; m < 3; m++)
        for (size_t t = 0; t < 3; t++)
            check_long(&truth, tolerances[t], METHODS[m], t == 1 ? 2 * M_PI : M_PI);
}

/* An interpolated w: what it is off by adds up over the periods, and is stated. */
static void test_interpolated(void **state)
{
    static const enum sweep_interpolation kinds[] = {SWEEP_CSPLINE, SWEEP_PERIODIC};
    struct truth truth;
    double times[] = {0, 200};
    (void)state;
    truth_read(&truth, "mathieu_long");
    for (int i = 0; i < 4; i++) {
        struct solver_job j;
        double most = 0;
        job_init(&j, 0, 4, 100, -2, 7, 100);
        j.spec.w_to = j.spec.period = M_PI;
        j.spec.interpolation = kinds[i % 2];
        j.spec.knots = 201;
        j.spec.times = times;
        j.spec.time_count = 2;
        j.spec.method = i < 2 ? SWEEP_POINT : SWEEP_AUTO;
        j.outputs[0].text = "z(200)";
        j.outputs[1] = (struct output_text){"l", "lnabs(200)"};
        j.spec.output_count = 2;
        job_run(&j);
        for (size_t n = 0; n < truth.count; n++) {
            const struct truth_row *r = &truth.row[n];
            size_t at = (size_t)r->iq * 100 + (size_t)r->ia;
            job_check(&j, 0, at, r->z, INFINITY);
            job_check(&j, 1, at, log(fabs(r->z)), INFINITY);
            most = fmax(most, fabs(j.field[1][at] - log(fabs(r->z))));
        }
        assert_true(most > 1e-7); /* it is there */
        job_fini(&j);
    }
}

/* ---- a first time that is not 0, several times, and the end of a period ---- */

static void test_times(void **state)
{
    static const char *const texts[] = {"z(1 + 2*pi)", "dz(30)", "z1(17)",  "lnabs(21.5)",
                                        "z(2.5)",      "z(30)",  "dz2(30)", "z(1+pi)"};
    struct solver_job direct, late;
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct solver_job *j = kind == 0 ? &direct : &late;
        job_init(j, 0, 4, 20, -2, 7, 25);
        static double times[] = {1, 2};
        j->spec.times = times;
        j->spec.time_count = 2;
        j->spec.w_to = kind == 0 ? 31 : 5;
        j->spec.damping = "0.02*sin(2*t)^2";
        j->spec.period = kind == 0 ? 0 : M_PI;
        j->spec.z_start[0] = "1 + a^2";
        j->spec.z_start[1] = "q - 1";
        for (size_t k = 0; k < 8; k++)
            j->outputs[k] = (struct output_text){"x", texts[k]};
        j->spec.output_count = 8;
        job_run(j);
    }
    for (size_t k = 0; k < 8; k++)
        for (size_t i = 0; i < 500; i++) {
            double apart = fabs(direct.field[k][i] - late.field[k][i]);
            double stated = (double)direct.error[k][i] + (double)late.error[k][i];
            if (!(apart <= stated) || !(stated < 1e-8 * (1 + fabs(late.field[k][i]) * 10)))
                fail_msg("%s, point %zu: %.17g and %.17g, stated %.3g", texts[k], i,
                         direct.field[k][i], late.field[k][i], stated);
        }
    job_fini(&direct);
    job_fini(&late);
}

/* 0.3 is not three times 0.1, but only as far as rounding knows. */
static void test_times_that_are_almost_periods(void **state)
{
    static const char *const texts[] = {"z(0.3)", "z(0.7)", "z(0.35)", "dz(1.7)", "z(0.1)"};
    double times[] = {0, 1};
    (void)state;
    struct solver_job direct, late;
    for (int kind = 0; kind < 2; kind++) {
        struct solver_job *j = kind == 0 ? &direct : &late;
        job_init(j, 0, 40, 12, -20, 70, 25);
        j->spec.w = "cos(20*pi*t) + 0.3*sin(20*pi*t)";
        j->spec.times = times;
        j->spec.time_count = 2;
        j->spec.w_to = kind == 0 ? 2 : 0.1;
        j->spec.period = kind == 0 ? 0 : 0.1;
        for (size_t k = 0; k < 5; k++)
            j->outputs[k] = (struct output_text){"x", texts[k]};
        j->spec.output_count = 5;
        job_run(j);
    }
    for (size_t k = 0; k < 5; k++)
        for (size_t i = 0; i < 300; i++)
            job_check_apart(&direct, &late, k, i);
    job_fini(&direct);
    job_fini(&late);
}

/* cos(sqrt(a) T): ten million periods are more than the tolerance can promise, and say so; the rest
 * of a second period is as rough as the first. */
static void test_what_is_promised(void **state)
{
    struct solver_job j, rough;
    (void)state;
    job_init(&j, 0, 0, 1, 1.1, 3.9, 200);
    j.spec.w_to = j.spec.period = 1;
    j.spec.w = "0";
    j.outputs[0].text = "z(1e7)";
    job_run(&j);
    for (size_t i = 0; i < 200; i++) {
        job_check(&j, 0, i, (double)cosl(sqrtl((long double)j.a[i]) * 1e7L), 1e-6);
        assert_int_equal(j.status[i], POINT_LIMITED);
        assert_true((double)j.error[0][i] > 1e-9);
    }
    job_fini(&j);
    for (int kind = 0; kind < 2; kind++) {
        struct solver_job *s = kind == 0 ? &j : &rough;
        job_init(s, -8, 8, 60, -6, 27, 60);
        s->spec.w_to = s->spec.period = M_PI;
        s->spec.method = kind == 0 ? SWEEP_POINT : SWEEP_TILE;
        s->spec.tolerance = kind == 0 ? 1e-13 : 1e-4;
        s->outputs[0].text = "z(1.97*pi)";
        s->outputs[1] = (struct output_text){"d", "dz1(1.97*pi)"};
        s->spec.output_count = 2;
        job_run(s);
    }
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < 3600; i++)
            job_check(&rough, k, i, j.field[k][i], INFINITY);
    job_fini(&j);
    job_fini(&rough);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_repeats_itself),
        cmocka_unit_test(test_tables_that_repeat_themselves),
        cmocka_unit_test(test_long_times),
        cmocka_unit_test(test_interpolated),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_times_that_are_almost_periods),
        cmocka_unit_test(test_what_is_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
