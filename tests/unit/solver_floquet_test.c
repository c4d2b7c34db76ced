/* What follows from the monodromy matrix: mu, nu, trace, stable, and ln|z| after thousands of
 * periods, against quadruple precision and among each other. FLOQUET_SHOW=1 prints what was
 * reached. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "solver_job.h"
#include <float.h>
#include <math.h>

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
    j.outputs[1] = (struct output_text){"s", "stable"};
    j.outputs[2] = (struct output_text){"t", "trace"};
    j.outputs[3] = (struct output_text){"l", lnabs};
    j.outputs[4] = (struct output_text){"n", "nu"};
    j.spec.output_count = whole ? 5 : 4;
    job_run(&j);
    int narrow = r->mu > 0 && r->mu < 1e-4;
    job_check(&j, 0, 0, r->mu, narrow ? 0.05 * r->mu : tolerance * (1 + r->mu));
    if (!(j.field[1][0] == r->stable && (double)j.error[1][0] < 1e-15))
        fail_msg("q %.17g a %.17g: stable is %g, error %g", r->q, r->a, j.field[1][0],
                 (double)j.error[1][0]);
    if (fabs(r->trace) < DBL_MAX) {
        job_check(&j, 2, 0, r->trace, INFINITY);
        assert_true(j.status[0] == POINT_DONE ||
                    (tolerance < 1e-9 && j.status[0] == POINT_LIMITED));
    } else {
        assert_true(isinf(j.field[2][0]) && j.field[2][0] > 0);
        assert_int_equal(j.status[0], POINT_OVERFLOW);
    }
    job_check(&j, 3, 0, r->lnabs, 1e-9); /* up to mu T = 5800 */
    if (whole)
        job_check(&j, 4, 0, r->nu, tolerance * (1 + r->nu));
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
    j->outputs[1] = (struct output_text){"mu", "mu"};
    j->outputs[2] = (struct output_text){"t", "trace"};
    j->outputs[3] = (struct output_text){"l", "lnabs(1000)"};
    j->outputs[4] = (struct output_text){"z", "z(100)"};
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
        for (size_t k = 1; k < 5; k++)
            job_check_apart(&point, &other, k, i);
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
    j.outputs[1] = (struct output_text){"mu", "mu"};
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

/* Oscillations by the hundred are crossed by phase and amplitude, unless nu counts their zeros:
 * both say the same. */
static void test_fast(void **state)
{
    struct solver_job j[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        job_init(&j[i], 1000, 8000, 12, 9000, 10000, 20);
        j[i].spec.w_to = j[i].spec.period = M_PI;
        j[i].spec.tolerance = 1e-8;
        j[i].outputs[0].text = "trace";
        j[i].outputs[1] = (struct output_text){"m", "mu"};
        j[i].outputs[2] = (struct output_text){"s", "stable"};
        j[i].outputs[3] = (struct output_text){"l", "lnabs(100)"};
        j[i].outputs[4] = (struct output_text){"n", "nu"};
        j[i].spec.output_count = i == 0 ? 4 : 5;
        j[i].spec.method = i == 0 ? SWEEP_PHASE : SWEEP_AUTO;
        job_run(&j[i]);
        assert_int_equal(j[i].sweep->phase != NULL, i == 0);
    }
    for (size_t at = 0; at < 240; at++) {
        for (size_t k = 0; k < 4; k++)
            job_check_apart(&j[0], &j[1], k, at);
        assert_true(j[0].field[2][at] == j[1].field[2][at] && j[0].field[2][at] != 0);
        assert_true(j[1].field[4][at] > 60 && j[1].field[4][at] < 101);
    }
    job_fini(&j[0]);
    job_fini(&j[1]);
}

/* ---- the same bits everywhere ---- */

static void chart_with(struct solver_job *j, const char *isa, double last)
{
    job_init(j, 0, 4, 20, -8000, last, 150);
    j->spec.w_to = j->spec.period = M_PI;
    j->outputs[0].text = "stable";
    j->outputs[1] = (struct output_text){"t", "trace"};
    j->outputs[2] = (struct output_text){"z", "z(1000)"};
    j->outputs[3] = (struct output_text){"l", "lnabs(1000)"};
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
    j.outputs[1] = (struct output_text){"l", "lnabs(3e9)"};
    j.outputs[2] = (struct output_text){"n", "nu"};
    j.spec.output_count = 3;
    job_run(&j);
    for (size_t i = 0; i < 200; i++) {
        double root = sqrt(fabs(j.a[i])), growth = j.a[i] < 0 ? root : 0;
        job_check(&j, 0, i, growth, 1e-9 * (1 + growth));
        if (j.a[i] < 0) {
            job_check(&j, 1, i, root * 3e9 - M_LN2, 1e-9 * root * 3e9);
            assert_true((double)j.error[1][i] < 1e-9 * root * 3e9);
        }
        job_check(&j, 2, i, j.a[i] < 0 ? 0 : root, 1e-9 * (1 + root));
    }
    job_fini(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exponents),
        cmocka_unit_test(test_tiles),
        cmocka_unit_test(test_rotation_number),
        cmocka_unit_test(test_zeros_at_a_spike),
        cmocka_unit_test(test_fast),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_scales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
