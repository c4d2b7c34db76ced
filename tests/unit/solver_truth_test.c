/* The error contract, point by point against quadruple precision: |error of z| <= tolerance S + 16
 * u kappa, the stated error covers the true one everywhere, and is not much larger than it need be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "solver_job.h"
#include "truth.h"
#include <math.h>

#define U 0x1p-53

static void drive_of(struct solver_job *j, const char *name)
{
    j->spec.y_to = 20;
    j->spec.y_start[0] = 1;
    if (strcmp(name, "driven") == 0) {
        j->spec.f = "1 + 0.3*cos(1.7*t)";
        j->spec.w = "y";
    } else if (strcmp(name, "preheat") == 0) {
        j->spec.f = "1 + 0.05*t";
        j->spec.w = "y^2";
    }
}

static int by_size(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* One of the fields against its truth; returns the stated error over max(error, 1e-3 tolerance S).
 */
static double check_field(const struct solver_job *j, const struct truth_row *r, int k, double z,
                          double size, double kappa)
{
    size_t i = (size_t)r->iq * 100 + (size_t)r->ia;
    double error = fabs(j->field[k][i] - z), stated = (double)j->error[k][i];
    double allowed = j->spec.tolerance * size + 16 * U * kappa;
    if (!(error <= allowed))
        fail_msg("q %.17g a %.17g: error %.3g, allowed %.3g", r->q, r->a, error, allowed);
    if (!(error <= stated))
        fail_msg("q %.17g a %.17g: error %.3g, stated %.3g", r->q, r->a, error, stated);
    return stated / fmax(error, 1e-3 * j->spec.tolerance * size);
}

static void check_table(const char *name, double tolerance)
{
    struct truth truth;
    struct solver_job j;
    double ratio[512];
    truth_read(&truth, name);
    assert_int_equal(truth.count, 200);
    job_init(&j, 0, 4, 100, -2, 7, 100);
    drive_of(&j, name);
    j.spec.tolerance = tolerance;
    j.outputs[1] = (struct sweep_output){"D", "dz(t[157])"};
    j.outputs[2] = (struct sweep_output){"U", "z2(t[157])"};
    j.outputs[3] = (struct sweep_output){"L", "lnabs(t[157])"};
    j.spec.output_count = 4;
    job_run(&j);
    for (size_t n = 0; n < truth.count; n++) {
        const struct truth_row *r = &truth.row[n];
        double size = 1 + hypot(r->z, r->dz / r->omega), of_u = 1 + hypot(r->u, r->du / r->omega);
        size_t i = (size_t)r->iq * 100 + (size_t)r->ia;
        assert_true(j.q[r->iq] == r->q && j.a[r->ia] == r->a);
        ratio[n] = check_field(&j, r, 0, r->z, size, r->kappa);
        check_field(&j, r, 1, r->dz, size * r->omega, r->kappa * r->omega);
        check_field(&j, r, 2, r->u, of_u, 1e6 * r->kappa);
        check_field(&j, r, 3, log(fabs(r->z)), size / fabs(r->z), r->kappa / fabs(r->z));
        assert_int_equal(j.status[i], POINT_DONE);
    }
    qsort(ratio, truth.count, sizeof *ratio, by_size);
    if (ratio[truth.count / 2] > 100)
        fail_msg("%s at %g: the stated error is %.3g times too large", name, tolerance,
                 ratio[truth.count / 2]);
    job_fini(&j);
}

static void each_tolerance(const char *name)
{
    check_table(name, 1e-6);
    check_table(name, 1e-9);
    check_table(name, 1e-11);
    check_table(name, 1e-12);
}

static void test_driven(void **state)
{
    (void)state;
    each_tolerance("driven");
}

static void test_mathieu(void **state)
{
    (void)state;
    each_tolerance("mathieu");
}

static void test_preheat(void **state)
{
    (void)state;
    each_tolerance("preheat");
}

/* With an interpolated w the fields are those of the interpolant, and the stated error must reach
 * to the truth of the exact w: that is what no other program tells its user. */
static void check_interpolation(enum sweep_interpolation kind, size_t knots, double least)
{
    struct truth truth;
    struct solver_job j;
    double worst = 0, ratio[512];
    truth_read(&truth, "driven");
    job_init(&j, 0, 4, 100, -2, 7, 100);
    drive_of(&j, "driven");
    j.spec.interpolation = kind;
    j.spec.knots = knots;
    job_run(&j);
    for (size_t n = 0; n < truth.count; n++) {
        const struct truth_row *r = &truth.row[n];
        size_t i = (size_t)r->iq * 100 + (size_t)r->ia;
        double error = fabs(j.field[0][i] - r->z);
        if (!(error <= (double)j.error[0][i]))
            fail_msg("kind %d q %g a %g: error %.3g, stated %.3g", (int)kind, r->q, r->a, error,
                     (double)j.error[0][i]);
        worst = fmax(worst, error / (1 + fabs(r->z)));
        ratio[n] = (double)j.error[0][i] / fmax(error, 1e-12);
    }
    /* The interpolation is really there. */
    assert_true(worst > least);
    qsort(ratio, truth.count, sizeof *ratio, by_size);
    if (ratio[truth.count / 2] > 200)
        fail_msg("kind %d: the stated error is %.3g times too large", (int)kind,
                 ratio[truth.count / 2]);
    job_fini(&j);
}

static void test_interpolation_error(void **state)
{
    (void)state;
    check_interpolation(SWEEP_CSPLINE, 121, 1e-8);
    check_interpolation(SWEEP_LINEAR, 2401, 1e-7);
    check_interpolation(SWEEP_AKIMA, 121, 1e-7);
    check_interpolation(SWEEP_STEFFEN, 121, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_driven),
        cmocka_unit_test(test_mathieu),
        cmocka_unit_test(test_preheat),
        cmocka_unit_test(test_interpolation_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
