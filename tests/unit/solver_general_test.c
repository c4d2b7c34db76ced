/* z.ddz and coupled drives: the damped pendulum against quadruple precision, other equations
 * against GSL's integrator and Hill's fast path; the same bits however it is computed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "rk8.h"
#include "solver_job.h"
#include <gsl/gsl_errno.h>
#include <gsl/gsl_odeiv2.h>
#include <math.h>

/* ---- the damped pendulum of the answer ---- */

struct swing {
    int iq, ia;
    double z, dz;
};

static size_t read_pendulum(struct swing *rows, size_t most)
{
    char line[512];
    size_t n = 0;
    FILE *f = fopen(TRUTH_FOLDER "/general/pendulum.txt", "r");
    assert_non_null(f);
    while (n < most && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "%d %d %*f %*f %lf %lf", &rows[n].iq, &rows[n].ia, &rows[n].z,
                   &rows[n].dz) == 4)
            n++;
    fclose(f);
    return n;
}

static int by_size(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* Only the points of the table are solved: some others turn over thousands of times. */
static void check_pendulum(double tolerance)
{
    struct swing rows[256];
    double ratio[256];
    size_t count = read_pendulum(rows, 256);
    assert_true(count > 150);
    struct solver_job j;
    job_init(&j, 0, 4, 100, -2, 7, 100);
    j.spec.w = "0";
    j.spec.ddz = "-a*dz - q*sin(z)";
    j.spec.tolerance = tolerance;
    j.outputs[1] = (struct output_text){"D", "dz(t[157])"};
    j.outputs[2] = (struct output_text){"L", "lnabs(t[157])"};
    j.spec.output_count = 3;
    job_create(&j);
    struct solver *s = solver_create(j.sweep);
    for (size_t n = 0; n < count; n++) {
        const struct swing *r = &rows[n];
        size_t q = (size_t)r->iq, a = (size_t)r->ia;
        struct block one = {q, q + 1, a, a + 1};
        assert_int_equal(solver_block(s, &one, j.field, j.error, j.status, NULL, NULL), 0);
        assert_int_equal(j.status[0], POINT_DONE);
        double size = 1 + hypot(r->z, r->dz), error = fabs(j.field[0][0] - r->z);
        if (!(error <= tolerance * size && fabs(j.field[1][0] - r->dz) <= tolerance * size))
            fail_msg("q %g a %g: error %.3g at %g", j.q[q], j.a[a], error, tolerance);
        if (!(error <= (double)j.error[0][0] &&
              fabs(j.field[1][0] - r->dz) <= (double)j.error[1][0] &&
              fabs(j.field[2][0] - log(fabs(r->z))) <= (double)j.error[2][0]))
            fail_msg("q %g a %g: error %.3g, stated %.3g", j.q[q], j.a[a], error,
                     (double)j.error[0][0]);
        ratio[n] = (double)j.error[0][0] / fmax(error, 1e-3 * tolerance * size);
    }
    qsort(ratio, count, sizeof *ratio, by_size);
    if (ratio[count / 2] > 100)
        fail_msg("at %g the stated error is %.3g times too large", tolerance, ratio[count / 2]);
    solver_destroy(s);
    job_fini(&j);
}

static void test_pendulum(void **state)
{
    (void)state;
    check_pendulum(1e-6);
    check_pendulum(1e-9);
    check_pendulum(1e-11);
}

/* ---- Hill's form, twice ---- */

/* The grids of two jobs agree within what both state; what x states is at most `allowance` times
 * its tolerance relative to 1 + |field|, omega and what an output makes of z taken into account. */
static void same_fields(const struct solver_job *x, const struct solver_job *y)
{
    size_t n = x->spec.q_count * x->spec.a_count;
    for (size_t k = 0; k < x->spec.output_count; k++)
        for (size_t i = 0; i < n; i++) {
            double far = fabs(x->field[k][i] - y->field[k][i]);
            double stated = (double)x->error[k][i] + (double)y->error[k][i];
            if (!(far <= stated))
                fail_msg("output %zu, point %zu: %.17g and %.17g, stated %.3g", k, i,
                         x->field[k][i], y->field[k][i], stated);
            double size = 1 + fabs(x->field[k][i]); /* of a product of large numbers: nothing */
            assert_true(k == 2 || (double)x->error[k][i] <= 100 * x->spec.tolerance * size);
            assert_int_equal(x->status[i], POINT_DONE);
        }
}

static void drive_y(struct solver_job *j)
{
    j->spec.f = "1 + 0.3*cos(1.7*t)";
    j->spec.y_from = -1;
    j->spec.y_to = 20;
    j->spec.y_start[0] = 1;
    j->spec.y_start[1] = 0.2;
    j->spec.w = "y^2 - 0.1*dy";
    j->outputs[1] = (struct output_text){"D", "dz(7.3)"};
    j->spec.output_count = 2;
}

/* w(t) from the curve, exact and interpolated, as part of an expression. */
static void test_as_hill(void **state)
{
    (void)state;
    static const enum sweep_interpolation kinds[] = {SWEEP_EXACT, SWEEP_CSPLINE, SWEEP_LINEAR};
    for (int i = 0; i < 3; i++) {
        struct solver_job x, y;
        job_init(&x, 0, 4, 6, -1, 7, 7);
        job_init(&y, 0, 4, 6, -1, 7, 7);
        drive_y(&x);
        drive_y(&y);
        x.spec.interpolation = y.spec.interpolation = kinds[i];
        x.spec.knots = y.spec.knots = 241;
        x.spec.tolerance = y.spec.tolerance = i == 0 ? 1e-10 : 1e-3;
        x.spec.ddz = "-0.05*dz - (a + q*w)*z";
        y.spec.damping = "0.05";
        job_run(&x);
        job_run(&y);
        if (i == 0)
            same_fields(&x, &y);
        for (size_t k = 0; k < 42; k++) {
            double far = fabs(x.field[0][k] - y.field[0][k]);
            assert_true(far <= 1e-9 * (1 + fabs(y.field[0][k])) || i > 0);
            /* Errors of the interpolation count in both and are of one size. */
            assert_true(far <= (double)x.error[0][k] + (double)y.error[0][k]);
            if (i > 0 && y.q[k / 7] > 0)
                assert_true((double)x.error[0][k] > 0.1 * (double)y.error[0][k]);
        }
        job_fini(&x);
        job_fini(&y);
    }
}

/* y integrated along with z, from y.t on, for Hill's form with everything in it. */
static void test_coupled(void **state)
{
    (void)state;
    struct solver_job x, y;
    job_init(&x, 0, 4, 5, -1, 7, 6);
    job_init(&y, 0, 4, 5, -1, 7, 6);
    drive_y(&x);
    drive_y(&y);
    for (struct solver_job *j = &x; j != NULL; j = j == &x ? &y : NULL) {
        j->spec.u = "0.1*y";
        j->spec.v = "1 + 0.05*cos(t)";
        j->spec.damping = "0.1 + 0.02*dy";
        j->outputs[2] = (struct output_text){"M", "z1(9)*dz2(9) - z2(9)*dz1(9)"};
        j->outputs[3] = (struct output_text){"Z", "z2(9)"};
        j->spec.output_count = 4;
        j->spec.tolerance = 1e-10;
    }
    x.spec.interpolation = SWEEP_COUPLED;
    job_run(&x);
    job_run(&y);
    same_fields(&x, &y);
    job_fini(&x);
    job_fini(&y);
}

static void test_coupled_ddz(void **state)
{
    (void)state;
    struct solver_job x, y;
    job_init(&x, 0, 2, 4, 0.1, 2, 5);
    job_init(&y, 0, 2, 4, 0.1, 2, 5);
    drive_y(&x);
    drive_y(&y);
    x.spec.ddz = y.spec.ddz = "-a*dz - q*w*sin(z)";
    x.spec.interpolation = SWEEP_COUPLED;
    job_run(&x);
    job_run(&y);
    same_fields(&x, &y);
    job_fini(&x);
    job_fini(&y);
}

/* ---- GSL as the judge ---- */

struct duffing {
    double a, q;
};

static int duffing_f(double t, const double *s, double *f, void *arg)
{
    const struct duffing *p = arg;
    f[0] = s[1];
    f[1] = -p->a * s[1] - s[0] * s[0] * s[0] + p->q * cos(t);
    return GSL_SUCCESS;
}

static void test_against_gsl(void **state)
{
    (void)state;
    struct solver_job j;
    job_init(&j, 0, 4, 5, 0, 1, 5);
    j.spec.w = "cos(t)";
    j.spec.ddz = "-a*dz - z^3 + q*w";
    j.outputs[1] = (struct output_text){"D", "dz(t[157])"};
    j.spec.output_count = 2;
    j.spec.z_start[0] = "1 + q";
    j.spec.z_start[1] = "a";
    job_run(&j);
    for (size_t i = 0; i < 25; i++) {
        struct duffing p = {j.a[i % 5], j.q[i / 5]};
        gsl_odeiv2_system system = {duffing_f, NULL, 2, &p};
        gsl_odeiv2_driver *d =
            gsl_odeiv2_driver_alloc_y_new(&system, gsl_odeiv2_step_rk8pd, 1e-3, 1e-14, 1e-14);
        double t = 0, s[2] = {1 + p.q, p.a};
        assert_int_equal(gsl_odeiv2_driver_apply(d, &t, j.times[157], s), GSL_SUCCESS);
        gsl_odeiv2_driver_free(d);
        /* The judge's own error: 1e-14 a step, in motions that are not chaotic for so short. */
        assert_true(fabs(j.field[0][i] - s[0]) <= (double)j.error[0][i] + 1e-11);
        assert_true(fabs(j.field[1][i] - s[1]) <= (double)j.error[1][i] + 1e-11);
        assert_true((double)j.error[0][i] <= 1e-9 * 30);
    }
    job_fini(&j);
}

/* A damped Mathieu equation, and the whole affine form, by the fast path and as expressions. */
struct form {
    const char *u, *v, *damping, *ddz;
    double (*stiffness)(double t, double a, double q), (*friction)(double t);
    double a, q;
};

static double mathieu_stiffness(double t, double a, double q)
{
    return a + q * cos(2 * t);
}

static double mathieu_friction(double t)
{
    (void)t;
    return 0.1;
}

static double full_stiffness(double t, double a, double q)
{
    return 0.3 * sin(t) + a * (1 + 0.2 * cos(t)) + q * cos(2 * t);
}

static double full_friction(double t)
{
    return 0.05 * t;
}

static int form_f(double t, const double *s, double *f, void *arg)
{
    const struct form *p = arg;
    f[0] = s[1];
    f[1] = -p->friction(t) * s[1] - p->stiffness(t, p->a, p->q) * s[0];
    return GSL_SUCCESS;
}

static void check_form(struct form *form, int by_ddz)
{
    struct solver_job j;
    job_init(&j, 0, 4, 6, -2, 7, 7);
    j.outputs[1] = (struct output_text){"D", "dz(t[157])"};
    j.spec.output_count = 2;
    j.spec.ddz = by_ddz ? form->ddz : NULL;
    j.spec.u = by_ddz ? NULL : form->u;
    j.spec.v = by_ddz ? NULL : form->v;
    j.spec.damping = by_ddz ? NULL : form->damping;
    job_run(&j);
    for (size_t i = 0; i < 42; i++) {
        form->a = j.a[i % 7];
        form->q = j.q[i / 7];
        gsl_odeiv2_system system = {form_f, NULL, 2, form};
        gsl_odeiv2_driver *d =
            gsl_odeiv2_driver_alloc_y_new(&system, gsl_odeiv2_step_rk8pd, 1e-3, 1e-13, 1e-13);
        double t = 0, s[2] = {1, 0};
        assert_int_equal(gsl_odeiv2_driver_apply(d, &t, j.times[157], s), GSL_SUCCESS);
        gsl_odeiv2_driver_free(d);
        double size = 1 + hypot(s[0], s[1]), own = 1e-11 * size; /* the judge's error */
        double omega = sqrt(fmax(1, 9 + 4));
        assert_true(fabs(j.field[0][i] - s[0]) <= 1e-9 * size + own);
        assert_true(fabs(j.field[1][i] - s[1]) <= 1e-9 * size * omega + own);
        assert_true(fabs(j.field[0][i] - s[0]) <= (double)j.error[0][i] + own);
        assert_true(fabs(j.field[1][i] - s[1]) <= (double)j.error[1][i] + own);
    }
    job_fini(&j);
}

static void test_forms_against_gsl(void **state)
{
    (void)state;
    struct form mathieu = {.damping = "0.1",
                           .ddz = "-0.1*dz - (a + q*w)*z",
                           .stiffness = mathieu_stiffness,
                           .friction = mathieu_friction};
    struct form full = {.u = "0.3*sin(t)",
                        .v = "1 + 0.2*cos(t)",
                        .damping = "0.05*t",
                        .ddz = "-0.05*t*dz - (0.3*sin(t) + a*(1 + 0.2*cos(t)) + q*w)*z",
                        .stiffness = full_stiffness,
                        .friction = full_friction};
    for (int by_ddz = 0; by_ddz < 2; by_ddz++) {
        check_form(&mathieu, by_ddz);
        check_form(&full, by_ddz);
    }
}

/* ---- the pair itself ---- */

/* z'' = -z' - sin z + cos t from 0 to 2 in steps of length h; *estimate is the first one's. */
static double in_steps(double h, double *estimate)
{
    const struct rk8 *rk8 = rk8_of(kernel_find("portable"));
    _Alignas(64) double step[LANES] = {h}, z[LANES] = {1}, dz[LANES] = {0.5}, omega[LANES] = {1};
    _Alignas(64) double f[RK8_STAGES][LANES] = {{0}}, z_s[LANES] = {0}, dz_s[LANES] = {0};
    _Alignas(64) double local[2][LANES], size[LANES];
    int count = (int)(2 / h + 0.5);
    for (int n = 0; n < count; n++) {
        for (int s = 0; s < RK8_STAGES; s++) {
            rk8->stage(s, 1, step, z, dz, f, z_s, dz_s);
            f[s][0] = -dz_s[0] - sin(z_s[0]) + cos((n + rk8->node(s)) * h);
        }
        rk8->finish(1, step, z, dz, f, omega, z_s, dz_s, local, size);
        z[0] = z_s[0];
        dz[0] = dz_s[0];
        *estimate = n == 0 ? size[0] : *estimate;
    }
    return z[0];
}

/* Half the step: the error is 2^8 times smaller, the estimate of one step, which is the error of
 * the solution of order 7, too. */
static void test_order(void **state)
{
    (void)state;
    double estimate[2], unused, truth = in_steps(1.0 / 64, &unused);
    double first = in_steps(0.5, &estimate[0]) - truth,
           second = in_steps(0.25, &estimate[1]) - truth;
    assert_true(fabs(first / second) > 150 && fabs(first / second) < 600);
    assert_true(estimate[0] / estimate[1] > 150 && estimate[0] / estimate[1] < 500);
    assert_true(estimate[0] > fabs(first));
}

/* ---- the same bits ---- */

static void pendulum(struct solver_job *j)
{
    job_init(j, 0, 4, 17, -0.9, 7, 23);
    j->spec.w = "cos(2*t)";
    j->spec.ddz = "-a*dz - q*sin(z) + 0.3*w";
    j->spec.tolerance = 1e-8;
    job_create(j);
}

static void test_blocks(void **state)
{
    (void)state;
    struct solver_job j, k;
    pendulum(&j);
    pendulum(&k);
    job_solve_with(&j, NULL);
    struct solver *s = solver_create(k.sweep);
    for (size_t q = 0; q < 17; q += 5)
        for (size_t a = 0; a < 23; a += 3) {
            struct block b = {q, q + 5 < 17 ? q + 5 : 17, a, a + 3 < 23 ? a + 3 : 23};
            double field[15], *fields[] = {field};
            float error[15], *errors[] = {error};
            uint8_t status[15];
            assert_int_equal(solver_block(s, &b, fields, errors, status, NULL, NULL), 0);
            for (size_t i = 0; i < (b.q1 - b.q0) * (b.a1 - b.a0); i++) {
                size_t at = (q + i / (b.a1 - b.a0)) * 23 + a + i % (b.a1 - b.a0);
                assert_memory_equal(&field[i], &j.field[0][at], sizeof field[i]);
                assert_memory_equal(&error[i], &j.error[0][at], sizeof error[i]);
            }
        }
    solver_destroy(s);
    job_fini(&j);
    job_fini(&k);
}

static void test_instruction_sets(void **state)
{
    (void)state;
    static const char *const names[] = {"portable", "avx2", "avx512"};
    struct solver_job j, k;
    pendulum(&j);
    job_solve_with(&j, NULL);
    for (int i = 0; i < 3; i++) {
        if (kernel_find(names[i]) == NULL)
            continue;
        pendulum(&k);
        job_solve_with(&k, kernel_find(names[i]));
        assert_memory_equal(k.field[0], j.field[0], 17 * 23 * sizeof(double));
        assert_memory_equal(k.error[0], j.error[0], 17 * 23 * sizeof(float));
        job_fini(&k);
    }
    job_fini(&j);
}

static int stop_late(void *arg, size_t done)
{
    size_t *calls = arg;
    (void)done;
    return ++*calls > 3;
}

static void test_yield(void **state)
{
    (void)state;
    struct solver_job j;
    size_t calls = 0;
    pendulum(&j);
    struct solver *s = solver_create(j.sweep);
    struct block all = {0, 17, 0, 23};
    assert_int_equal(solver_block(s, &all, j.field, j.error, j.status, stop_late, &calls), -1);
    assert_int_equal(calls, 4);
    solver_destroy(s);
    job_fini(&j);
}

static void test_refusals(void **state)
{
    (void)state;
    struct solver_job j;
    struct sweep *s;
    struct err err;
    job_init(&j, 0, 1, 2, 0, 1, 2);
    j.spec.ddz = "-y";
    assert_int_equal(sweep_create(&j.spec, &s, &err), -1);
    assert_string_equal(err.path, "z.ddz");
    j.spec.ddz = "-z";
    j.outputs[0].text = "z1(3)";
    assert_int_equal(sweep_create(&j.spec, &s, &err), -1);
    assert_string_equal(err.path, "output");
    job_fini(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pendulum),
        cmocka_unit_test(test_as_hill),
        cmocka_unit_test(test_coupled),
        cmocka_unit_test(test_coupled_ddz),
        cmocka_unit_test(test_against_gsl),
        cmocka_unit_test(test_forms_against_gsl),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_instruction_sets),
        cmocka_unit_test(test_yield),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
