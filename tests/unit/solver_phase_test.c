/* Points by phase and amplitude: against every table of tests/truth, slow ones included; against
 * closed forms at frequencies and barriers that no table reaches; the same bits on every
 * instruction set and in every piece; and a cost that does not grow with the frequency. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "recipe.h"
#include "solver_job.h"
#include "truth.h"
#include <glob.h>
#include <math.h>

#define U     0x1p-53
#define SHARP 300 /* the stated error may be so many times the true one, as a median */

static int by_size(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* One point of a table, by itself. */
struct solved {
    double field[4];
    float error[4];
    uint8_t status;
};

static void solve_point(struct solver *s, size_t q, size_t a, struct solved *out)
{
    struct block b = {q, q + 1, a, a + 1};
    double *field[4];
    float *error[4];
    for (int k = 0; k < 4; k++) {
        field[k] = &out->field[k];
        error[k] = &out->error[k];
    }
    assert_int_equal(solver_block(s, &b, field, error, &out->status, NULL, NULL), 0);
}

/* Contract and cover of one row; returns the stated error over max(error, floor). */
static double check_row(const char *name, double tolerance, const struct truth_row *r,
                        const struct solved *got)
{
    double truth[] = {r->z, r->dz, r->u, r->du}, size = 1 + hypot(r->z, r->dz / r->omega);
    double error = 0, rounding = 16 * U * r->kappa;
    assert_true(got->status == POINT_DONE || got->status == POINT_LIMITED);
    if (rounding > 2 * tolerance * size)
        assert_int_equal(got->status, POINT_LIMITED);
    for (int k = 0; k < 4; k++) {
        double off = fabs(got->field[k] - truth[k]);
        if (!(off <= (double)got->error[k]))
            fail_msg("%s at %g, output %d at q %.17g a %.17g: error %.3g, stated %.3g", name,
                     tolerance, k, r->q, r->a, off, (double)got->error[k]);
        error = k == 0 ? off : error;
    }
    if (!(error <= tolerance * size + rounding))
        fail_msg("%s at %g, q %.17g a %.17g: error %.3g", name, tolerance, r->q, r->a, error);
    return (double)got->error[0] / fmax(error, 1e-3 * tolerance * size);
}

static void check_table(const char *name, const struct truth *truth, double tolerance)
{
    char text[sizeof truth->job + 64];
    double ratio[512];
    struct err err = {0};
    struct job *job;
    struct sweep *sweep;
    struct sweep_spec spec;
    struct output_text outputs[JOB_OUTPUTS_MAX];
    int len = snprintf(text, sizeof text, "%s, \"tolerance\": %g}", truth->job, tolerance);
    assert_int_equal(job_parse(text, (size_t)len, NULL, &job, &err), 0);
    recipe_spec(job, outputs, &spec);
    spec.method = SWEEP_PHASE;
    assert_int_equal(sweep_create(&spec, &sweep, &err), 0);
    struct solver *solver = solver_create(sweep);
    for (size_t n = 0; n < truth->count; n++) {
        const struct truth_row *r = &truth->row[n];
        struct solved got;
        solve_point(solver, (size_t)r->iq, (size_t)r->ia, &got);
        ratio[n] = check_row(name, tolerance, r, &got);
    }
    qsort(ratio, truth->count, sizeof *ratio, by_size);
    if (getenv("TRUTH_SHOW") != NULL)
        print_message("%-14s %6.0e: stated / true %.3g, median of %zu\n", name, tolerance,
                      ratio[truth->count / 2], truth->count);
    if (!(ratio[truth->count / 2] <= SHARP))
        fail_msg("%s at %g: the stated error is %.3g times too large", name, tolerance,
                 ratio[truth->count / 2]);
    solver_destroy(solver);
    sweep_destroy(sweep);
    job_destroy(job);
}

static void test_tables(void **state)
{
    (void)state;
    glob_t found;
    static struct truth truth;
    assert_int_equal(glob(TRUTH_FOLDER "/*.txt", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        truth_load(&truth, found.gl_pathv[i]);
        for (double tolerance = 1e-5; tolerance > 5e-13; tolerance *= 0.1)
            check_table(strrchr(found.gl_pathv[i], '/') + 1, &truth, tolerance);
    }
    globfree(&found);
}

/* K is the number a: cos and cosh of any size, lanes of both kinds side by side. */
static void test_constant(void **state)
{
    (void)state;
    struct solver_job j;
    job_init(&j, 0, 0, 1, 0, 0, 7);
    double roots[] = {-3e5, -1e3, -1, 1, 1e3, 1e5, 1e6};
    for (size_t i = 0; i < 7; i++)
        j.a[i] = roots[i] * fabs(roots[i]);
    j.outputs[0].text = "z(10)";
    j.outputs[1] = (struct output_text){"L", "lnabs(10)"};
    j.outputs[2] = (struct output_text){"D", "dz(10)"};
    j.spec.output_count = 3;
    j.spec.tolerance = 1e-12;
    j.spec.method = SWEEP_PHASE;
    job_run(&j);
    for (size_t i = 0; i < 7; i++) {
        double phase = 10 * fabs(roots[i]), log = phase + log1p(exp(-2 * phase)) - M_LN2;
        double want = roots[i] < 0 ? cosh(phase) : cos(phase);
        if (roots[i] < 0)
            assert_true(fabs(j.field[1][i] - log) <= fmin(1e-12 * log, (double)j.error[1][i]));
        if (isinf(want)) {
            assert_int_equal(j.status[i], POINT_OVERFLOW);
            continue;
        }
        double error = fabs(j.field[0][i] - want);
        /* Ten million radians, and not one part in 1e12 of their sum is lost. */
        if (!(error <= 1e-12 * (1 + fabs(want)) && error <= (double)j.error[0][i]))
            fail_msg("root %g: %.17g instead of %.17g, error %.3g, stated %.3g", roots[i],
                     j.field[0][i], want, error, (double)j.error[0][i]);
        double slope = roots[i] < 0 ? -roots[i] * sinh(phase) : -roots[i] * sin(phase);
        assert_true(fabs(j.field[2][i] - slope) <= (double)j.error[2][i]);
        assert_int_equal(j.status[i], POINT_DONE);
    }
    job_fini(&j);
}

/* A grid that has everything: oscillation, barriers, turning points, several times and vectors. */
static void init_mixed(struct solver_job *j)
{
    job_init(j, -3e5, 4e5, 5, -2e4, 6e5, 41);
    j->outputs[0].text = "z(t[20])";
    j->outputs[1] = (struct output_text){"G", "dz(t[57])"};
    j->outputs[2] = (struct output_text){"H", "z1(t[57])*dz2(t[20]) + lnabs(t[40])"};
    j->spec.output_count = 3;
    j->spec.u = "5*sin(t)";
    j->spec.v = "1 + 0.1*cos(t)";
    j->spec.damping = "0.1*t";
    j->spec.method = SWEEP_PHASE;
}

static void same(const struct solver_job *x, const struct solver_job *y, size_t at, size_t i)
{
    for (size_t k = 0; k < x->spec.output_count; k++) {
        assert_memory_equal(&x->field[k][at], &y->field[k][i], sizeof(double));
        assert_memory_equal(&x->error[k][at], &y->error[k][i], sizeof(float));
    }
    assert_int_equal(x->status[at], y->status[i]);
}

static void test_bits(void **state)
{
    (void)state;
    static const char *const names[] = {"portable", "avx2", "avx512"};
    struct solver_job j, other;
    init_mixed(&j);
    init_mixed(&other);
    job_create(&j);
    job_create(&other);
    job_solve_with(&j, kernel_find("portable"));
    for (size_t n = 0; n < 3; n++) {
        const struct kernel *kernel = kernel_find(names[n]);
        if (kernel == NULL)
            continue;
        job_solve_with(&other, kernel);
        for (size_t i = 0; i < j.spec.q_count * j.spec.a_count; i++)
            same(&j, &other, i, i);
    }
    job_fini(&j);
    job_fini(&other);
}

static void test_pieces(void **state)
{
    (void)state;
    struct solver_job j, piece;
    init_mixed(&j);
    init_mixed(&piece);
    job_run(&j);
    job_create(&piece);
    struct solver *s = solver_create(piece.sweep);
    for (size_t q = 0; q < 5; q++) {
        for (size_t a = 0, n; a < 41; a += n) {
            n = 1 + (q + a) % 7 < 41 - a ? 1 + (q + a) % 7 : 41 - a;
            struct block b = {q, q + 1, a, a + n};
            assert_int_equal(
                solver_block(s, &b, piece.field, piece.error, piece.status, NULL, NULL), 0);
            for (size_t i = 0; i < n; i++)
                same(&j, &piece, q * 41 + a + i, i);
        }
    }
    solver_destroy(s);
    job_fini(&j);
    job_fini(&piece);
}

/* Damping that takes more than a double has room for; lanes whose growth parts them by as much. */
static void test_decay(void **state)
{
    (void)state;
    struct solver_job j;
    job_init(&j, 0, 0, 1, 500, 900, 11);
    j.a[0] = -1e6;
    j.spec.damping = "400";
    j.spec.method = SWEEP_PHASE;
    j.outputs[0].text = "lnabs(10)";
    job_run(&j);
    for (size_t i = 0; i < 11; i++) {
        double r = sqrt(4e4 - j.a[i]), want = 10 * r - 2000 + log(0.5 + 100 / r);
        double off = fabs(j.field[0][i] - want), stated = (double)j.error[0][i];
        if (!(off <= stated + 8000 * U))
            fail_msg("a = %g: off %.3g, stated %.3g", j.a[i], off, stated);
        assert_true(off <= stated + 4 * U * 2000 && stated < 1e-9);
        assert_int_equal(j.status[i], POINT_DONE);
    }
    job_fini(&j);
}

/* Knots cost nothing where their reflections are negligible, and what they are off is stated. */
static void test_knots(void **state)
{
    (void)state;
    struct solver_job exact, knots;
    for (int kind = SWEEP_CSPLINE; kind <= SWEEP_STEFFEN; kind++) {
        job_init(&exact, 0, 1e7, 4, 5e7, 1e8, 40);
        job_init(&knots, 0, 1e7, 4, 5e7, 1e8, 40);
        knots.spec.interpolation = (enum sweep_interpolation)kind;
        knots.spec.knots = 2401;
        job_run(&exact);
        job_run(&knots);
        double worst = 0;
        for (size_t i = 0; i < 160; i++) {
            double off = fabs(exact.field[0][i] - knots.field[0][i]);
            assert_true(off <= (double)(exact.error[0][i] + knots.error[0][i]));
            worst = fmax(worst, off);
        }
        assert_true(worst > 1e-9);
        if (kind == SWEEP_CSPLINE)
            assert_true(sweep_point_cost_ns(knots.sweep) < 4 * sweep_point_cost_ns(exact.sweep));
        job_fini(&exact);
        job_fini(&knots);
    }
}

/* Counted, not timed. */
static double cost(double a, double q, double tolerance)
{
    struct solver_job j;
    job_init(&j, 0, q, 21, a / 2, a, 21);
    j.spec.tolerance = tolerance;
    job_create(&j);
    assert_non_null(j.sweep->phase);
    double ns = sweep_point_cost_ns(j.sweep);
    job_fini(&j);
    return ns;
}

static void test_cost(void **state)
{
    (void)state;
    for (double tolerance = 1e-6; tolerance > 5e-13; tolerance *= 1e-3) {
        double first = cost(1e6, 1e5, tolerance);
        for (double a = 1e7; a < 2e10; a *= 10)
            if (!(cost(a, a / 10, tolerance) < 2 * first))
                fail_msg("a = %g at %g: %g ns, %g at 1e6", a, tolerance, cost(a, a / 10, tolerance),
                         first);
        /* Turning points: some more for each factor. */
        double turns = cost(1e6, 2e6, tolerance);
        if (!(cost(1e8, 2e8, tolerance) < 2 * turns))
            fail_msg("turning points at %g: %g ns, %g at 1e6", tolerance, cost(1e8, 2e8, tolerance),
                     turns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables), cmocka_unit_test(test_constant),
        cmocka_unit_test(test_bits),   cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_decay),  cmocka_unit_test(test_knots),
        cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
