/* Periods: what is refused because it does not repeat itself; times far beyond w.t; what follows
 * from the monodromy matrix. FLOQUET_SHOW=1 prints what was reached. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "solver_job.h"
#include "truth.h"
#include <float.h>
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

/* Output k at a point against its truth. */
static void check(const struct solver_job *j, size_t k, size_t i, double truth, double allowed)
{
    double got = j->field[k][i], error = fabs(got - truth), stated = (double)j->error[k][i];
    if (!(error <= allowed) || !(error <= stated))
        fail_msg("%s at q %.17g a %.17g: %.17g, not %.17g: error %.3g, allowed %.3g, stated %.3g",
                 j->spec.outputs[k].text, j->q[i / j->spec.a_count], j->a[i % j->spec.a_count], got,
                 truth, error, allowed, stated);
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
    j.outputs[1] = (struct sweep_output){"dz", "dz(t[1])"};
    j.outputs[2] = (struct sweep_output){"u", "z2(t[1])"};
    j.outputs[3] = (struct sweep_output){"du", "dz2(t[1])"};
    j.outputs[4] = (struct sweep_output){"l", "lnabs(t[1])"};
    j.spec.output_count = 5;
    job_run(&j);
    for (size_t n = 0; n < truth->count; n++) {
        const struct truth_row *r = &truth->row[n];
        size_t i = (size_t)r->iq * 100 + (size_t)r->ia;
        double size = 1 + hypot(r->z, r->dz / r->omega);
        double allowed = tolerance * size + 16 * 0x1p-53 * r->kappa;
        assert_true(j.status[i] == POINT_DONE || j.status[i] == POINT_LIMITED);
        check(&j, 0, i, r->z, allowed);
        check(&j, 1, i, r->dz, INFINITY);
        check(&j, 2, i, r->u, INFINITY);
        check(&j, 3, i, r->du, INFINITY);
        check(&j, 4, i, log(fabs(r->z)), INFINITY);
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
        j.outputs[1] = (struct sweep_output){"l", "lnabs(200)"};
        j.spec.output_count = 2;
        job_run(&j);
        for (size_t n = 0; n < truth.count; n++) {
            const struct truth_row *r = &truth.row[n];
            size_t at = (size_t)r->iq * 100 + (size_t)r->ia;
            check(&j, 0, at, r->z, INFINITY);
            check(&j, 1, at, log(fabs(r->z)), INFINITY);
            most = fmax(most, fabs(j.field[1][at] - log(fabs(r->z))));
        }
        assert_true(most > 1e-7); /* it is there */
        job_fini(&j);
    }
}

/* ---- exponents ---- */

struct exponents {
    char equation[16];
    double q, a, t, trace, mu, nu, stable, lnabs;
};

/* Everything about one point, by itself; `whole` asks for nu, too, which half a period does not
 * give. */
static void check_exponents(const struct exponents *r, double tolerance, int whole,
                            double *widest_mu)
{
    struct solver_job j;
    char lnabs[64];
    snprintf(lnabs, sizeof lnabs, "lnabs(%.17g)", r->t);
    job_init(&j, r->q, r->q, 1, r->a, r->a, 1);
    j.spec.w = strcmp(r->equation, "uneven") == 0 ? "cos(2*t) + 0.3*sin(4*t + 1)" : "-2*cos(2*t)";
    j.spec.damping = strcmp(r->equation, "damped") == 0 ? "0.1 + 0.05*cos(2*t)" : NULL;
    j.spec.w_to = j.spec.period = M_PI;
    j.spec.tolerance = tolerance;
    j.outputs[0].text = "mu";
    j.outputs[1] = (struct sweep_output){"s", "stable"};
    j.outputs[2] = (struct sweep_output){"t", "trace"};
    j.outputs[3] = (struct sweep_output){"l", lnabs};
    j.outputs[4] = (struct sweep_output){"n", "nu"};
    j.spec.output_count = whole ? 5 : 4;
    job_run(&j);
    int narrow = r->mu > 0 && r->mu < 1e-4;
    check(&j, 0, 0, r->mu, narrow ? 0.05 * r->mu : tolerance * (1 + r->mu));
    if (!(j.field[1][0] == r->stable && (double)j.error[1][0] < 1e-15))
        fail_msg("q %.17g a %.17g: stable is %g, error %g", r->q, r->a, j.field[1][0],
                 (double)j.error[1][0]);
    if (fabs(r->trace) < DBL_MAX) {
        check(&j, 2, 0, r->trace, INFINITY);
        assert_true(j.status[0] == POINT_DONE ||
                    (tolerance < 1e-9 && j.status[0] == POINT_LIMITED));
    } else {
        assert_true(isinf(j.field[2][0]) && j.field[2][0] > 0);
        assert_int_equal(j.status[0], POINT_OVERFLOW);
    }
    check(&j, 3, 0, r->lnabs, 1e-9); /* up to mu T = 5800 */
    if (whole)
        check(&j, 4, 0, r->nu, tolerance * (1 + r->nu));
    if (r->q == 0.1 && r->nu == 5)
        assert_true((double)j.error[0][0] < 1e-3 * r->mu && r->mu < 6.79e-12);
    if (narrow) /* it is found, not guessed */
        *widest_mu = fmax(*widest_mu, (double)j.error[0][0] / r->mu);
    job_fini(&j);
}

static void test_exponents(void **state)
{
    struct exponents r;
    char line[1024];
    double widest = 0;
    int count = 0;
    FILE *f = fopen(TRUTH_FOLDER "/floquet/floquet.txt", "r");
    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "%15s %lf %lf %lf %lf %lf %lf %lf %lf", r.equation, &r.q, &r.a, &r.t,
                   &r.trace, &r.mu, &r.nu, &r.stable, &r.lnabs) != 9)
            continue;
        count++;
        for (int whole = 0; whole < 2; whole++) {
            check_exponents(&r, 1e-9, whole, &widest);
            check_exponents(&r, 1e-12, whole, &widest);
        }
    }
    fclose(f);
    assert_int_equal(count, 193);
    if (getenv("FLOQUET_SHOW") != NULL)
        print_message("narrow gaps: stated error of mu at most %.3g of it\n", widest);
    assert_true(widest < 0.25);
}

/* ---- by tiles ---- */

static void solve_chart(struct solver_job *j, enum sweep_method method, const char *w, double to)
{
    job_init(j, -8, 8, 65, -6, 27, 129);
    j->spec.w = w;
    j->spec.w_to = j->spec.period = to;
    j->spec.method = method;
    j->outputs[0].text = "stable";
    j->outputs[1] = (struct sweep_output){"mu", "mu"};
    j->outputs[2] = (struct sweep_output){"t", "trace"};
    j->outputs[3] = (struct sweep_output){"l", "lnabs(1000)"};
    j->outputs[4] = (struct sweep_output){"z", "z(100)"};
    j->spec.output_count = 5;
    job_run(j);
}

/* What is said by tiles is what is said by points, but for what both state. */
static void compare_charts(const char *w, double to)
{
    struct solver_job point, other;
    size_t n = 65 * 129, undecided[2] = {0}, opposite = 0;
    solve_chart(&point, SWEEP_POINT, w, to);
    solve_chart(&other, SWEEP_TILE, w, to);
    for (size_t i = 0; i < n; i++) {
        double x = point.field[0][i], y = other.field[0][i];
        undecided[0] += x == 0;
        undecided[1] += y == 0;
        opposite += x * y < 0;
        for (size_t k = 1; k < 5; k++) {
            double apart = fabs(point.field[k][i] - other.field[k][i]);
            double stated = (double)point.error[k][i] + (double)other.error[k][i];
            if (!(apart <= stated) && point.field[k][i] != other.field[k][i])
                fail_msg("%s at q %g a %g: %.17g by points, %.17g by tiles, stated %.3g",
                         point.spec.outputs[k].text, point.q[i / 129], point.a[i % 129],
                         point.field[k][i], other.field[k][i], stated);
        }
        if (x == -1 && (double)point.error[1][i] < point.field[1][i])
            assert_true(point.field[1][i] > 0);
    }
    if (getenv("FLOQUET_SHOW") != NULL)
        print_message("%s: undecided %zu by points, %zu by tiles\n", w, undecided[0], undecided[1]);
    assert_int_equal(opposite, 0);
    assert_true(undecided[0] <= 2 && undecided[1] <= 2);
    job_fini(&point);
    job_fini(&other);
}

static void test_tiles(void **state)
{
    (void)state;
    compare_charts("-2*cos(2*t)", M_PI);
    compare_charts("cos(2*t) + 0.3*sin(4*t + 1)", M_PI);
}

/* ---- the rotation number ---- */

static void test_rotation_number(void **state)
{
    struct solver_job j;
    enum { COUNT = 4001 };
    size_t in_gaps = 0;
    (void)state;
    job_init(&j, 3, 3, 1, -6, 27, COUNT);
    j.spec.w = "-2*cos(2*t) + 0.4*sin(6*t)";
    j.spec.w_to = j.spec.period = M_PI;
    j.outputs[0].text = "nu";
    j.outputs[1] = (struct sweep_output){"mu", "mu"};
    j.spec.output_count = 2;
    job_run(&j);
    for (size_t i = 0; i < COUNT; i++) {
        double nu = j.field[0][i], error = (double)j.error[0][i];
        double before = i > 0 ? j.field[0][i - 1] : 0, step = i > 0 ? (double)j.error[0][i - 1] : 0;
        assert_true(nu >= before - error - step && nu < before + 0.2);
        if (j.field[1][i] > 1e-6) {
            assert_true(nu == floor(nu));
            in_gaps++;
        }
    }
    assert_true(j.field[0][0] == 0 && j.field[0][COUNT - 1] > 5 && in_gaps > 300);
    job_fini(&j);
}

/* A spike of w between two usual nodes turns a solution twice. */
static void test_zeros_at_a_spike(void **state)
{
    struct solver_job j;
    (void)state;
    job_init(&j, 0, 60, 301, 0.01, 0.01, 1);
    j.spec.w = "exp(-400*(t - 0.5)^2)";
    j.spec.w_to = j.spec.period = 1;
    j.outputs[0].text = "nu";
    job_run(&j);
    for (size_t i = 1; i < 301; i++)
        assert_true(j.field[0][i] >= j.field[0][i - 1] - 1e-6 &&
                    j.field[0][i] < j.field[0][i - 1] + 0.2);
    assert_true(j.field[0][300] >= 1);
    job_fini(&j);
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
            j->outputs[k] = (struct sweep_output){"x", texts[k]};
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

/* ---- the same bits everywhere ---- */

static void chart_with(struct solver_job *j, const char *isa, double last)
{
    job_init(j, 0, 4, 20, -8000, last, 150);
    j->spec.w_to = j->spec.period = M_PI;
    j->outputs[0].text = "stable";
    j->outputs[1] = (struct sweep_output){"t", "trace"};
    j->outputs[2] = (struct sweep_output){"z", "z(1000)"};
    j->outputs[3] = (struct sweep_output){"l", "lnabs(1000)"};
    j->spec.output_count = 4;
    job_create(j);
    if (kernel_find(isa) != NULL)
        job_solve_with(j, kernel_find(isa));
}

static void test_bits(void **state)
{
    struct solver_job j, other;
    static const char *const names[] = {"avx2", "avx512"};
    (void)state;
    for (int i = 0; i < 2 && kernel_find(names[i]) != NULL; i++) {
        chart_with(&j, "portable", 27);
        chart_with(&other, names[i], 27);
        for (size_t k = 0; k < 4; k++) {
            assert_memory_equal(j.field[k], other.field[k], 3000 * sizeof(double));
            assert_memory_equal(j.error[k], other.error[k], 3000 * sizeof(float));
        }
        assert_memory_equal(j.status, other.status, 3000);
        job_fini(&j);
        job_fini(&other);
    }
}

/* Lanes of different exponents in one chunk: a from -8000 to 27 is e^281 to 1 in a period. */
static void test_scales(void **state)
{
    struct solver_job j;
    (void)state;
    job_init(&j, 0, 0, 1, -90000, 27, 200);
    j.spec.w_to = j.spec.period = M_PI;
    j.outputs[0].text = "mu";
    j.outputs[1] = (struct sweep_output){"l", "lnabs(3e9)"};
    j.outputs[2] = (struct sweep_output){"n", "nu"};
    j.spec.output_count = 3;
    job_run(&j);
    for (size_t i = 0; i < 200; i++) {
        double root = sqrt(fabs(j.a[i])), growth = j.a[i] < 0 ? root : 0;
        check(&j, 0, i, growth, 1e-9 * (1 + growth));
        if (j.a[i] < 0)
            check(&j, 1, i, root * 3e9 - M_LN2, 1e-9 * root * 3e9);
        check(&j, 2, i, j.a[i] < 0 ? 0 : root, 1e-9 * (1 + root));
    }
    job_fini(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_repeats_itself),
        cmocka_unit_test(test_tables_that_repeat_themselves),
        cmocka_unit_test(test_long_times),
        cmocka_unit_test(test_interpolated),
        cmocka_unit_test(test_exponents),
        cmocka_unit_test(test_tiles),
        cmocka_unit_test(test_rotation_number),
        cmocka_unit_test(test_zeros_at_a_spike),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_scales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
