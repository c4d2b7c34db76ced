/* The solver against closed forms, GSL's integrator and itself: blocks, instruction sets, extremes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "solver_job.h"
#include <gsl/gsl_sf_airy.h>
#include <math.h>

/* |got - want| <= tolerance S + what rounding of the known solution needs; and stated. */
static void check_point(const struct solver_job *j, size_t i, double want, double size)
{
    double error = fabs(j->field[0][i] - want);
    if (!(error <= j->spec.tolerance * size))
        fail_msg("point %zu: %.17g instead of %.17g (error / allowed %.3g)", i, j->field[0][i],
                 want, error / (j->spec.tolerance * size));
    if (!(error <= (double)j->error[0][i] + 0x1p-50 * size))
        fail_msg("point %zu: error %.3g, stated %.3g", i, error, (double)j->error[0][i]);
}

static void test_no_drive(void **state)
{
    (void)state;
    struct solver_job j;
    double T = 157 * (10.0 / 200);
    job_init(&j, 0, 0, 1, -3, 50, 54);
    j.spec.tolerance = 1e-12;
    job_run(&j);
    for (size_t i = 0; i < 54; i++) {
        double a = j.a[i], s = sqrt(fabs(a));
        double z = a < 0 ? cosh(s * T) : cos(s * T), dz = a < 0 ? s * sinh(s * T) : s * sin(s * T);
        check_point(&j, i, z, 1 + hypot(z, dz / fmax(1, s)));
        assert_int_equal(j.status[i], POINT_DONE);
    }
    job_fini(&j);
}

/* z'' + (1 + q t) z = 0: Ai and Bi of -(1 + q t) / q^(2/3). */
static void test_airy(void **state)
{
    (void)state;
    struct solver_job j;
    double T = 6.5;
    job_init(&j, 0.25, 2, 8, 1, 1, 1);
    j.spec.w = "t";
    j.spec.tolerance = 1e-11;
    j.outputs[0].text = "z(6.5)";
    job_run(&j);
    for (size_t i = 0; i < 8; i++) {
        double c = cbrt(j.q[i]), x0 = -1 / (c * c), x = -(1 + j.q[i] * T) / (c * c);
        double ai0 = gsl_sf_airy_Ai_deriv(x0, GSL_PREC_DOUBLE);
        double bi0 = gsl_sf_airy_Bi_deriv(x0, GSL_PREC_DOUBLE);
        double z = M_PI * (bi0 * gsl_sf_airy_Ai(x, GSL_PREC_DOUBLE) -
                           ai0 * gsl_sf_airy_Bi(x, GSL_PREC_DOUBLE));
        double error = fabs(j.field[0][i] - z);
        assert_true(error < 5e-11);
    }
    job_fini(&j);
}

/* Half a period of z'' + k z = 0 applied to (z, z'). */
static void swing(double k, double t, double *z, double *dz)
{
    double s = sqrt(fabs(k)), c = k < 0 ? cosh(s * t) : cos(s * t);
    double n = s == 0 ? t : (k < 0 ? sinh(s * t) : sin(s * t)) / s, before = *z;
    *z = c * before + n * *dz;
    *dz = -k * n * before + c * *dz;
}

/* A square wave, its jumps announced or not. */
static void square_wave(size_t break_count)
{
    static const double jumps[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    struct solver_job j;
    job_init(&j, -2, 2, 9, -1, 6, 29);
    j.spec.w = "1 - 2*floor(t - 2*floor(t/2))";
    j.spec.breaks = jumps;
    j.spec.break_count = break_count;
    j.spec.tolerance = 1e-11;
    j.outputs[0].text = "z(7.85)";
    job_run(&j);
    for (size_t i = 0; i < 9 * 29; i++) {
        double a = j.a[i % 29], q = j.q[i / 29], z = 1, dz = 0;
        for (int k = 0; k < 8; k++)
            swing(a + (k % 2 == 0 ? q : -q), k < 7 ? 1 : 0.85, &z, &dz);
        check_point(&j, i, z, 1 + hypot(z, dz / fmax(1, sqrt(fabs(a) + fabs(q)))));
    }
    /* Announced jumps cost nothing but a joint. */
    if (break_count > 0)
        assert_true(j.sweep->drive->w.count == 12);
    job_fini(&j);
}

static void test_meissner(void **state)
{
    (void)state;
    square_wave(11);
    square_wave(0);
}

/* z'' + 2 g z' + (a + u) z = 0 with constant coefficients, and v scaling a. */
static void test_general_form(void **state)
{
    (void)state;
    struct solver_job j;
    double T = 157 * (10.0 / 200), g = 0.15;
    job_init(&j, 0, 1, 2, -1, 30, 63);
    j.spec.u = "0.5";
    j.spec.v = "2";
    j.spec.damping = "0.3";
    j.spec.w = "0.25";
    j.spec.tolerance = 1e-12;
    job_run(&j);
    for (size_t i = 0; i < 2 * 63; i++) {
        double k = 0.5 + 2 * j.a[i % 63] + 0.25 * j.q[i / 63], z = 1, dz = g;
        swing(k - g * g, T, &z, &dz);
        z *= exp(-g * T);
        dz = dz * exp(-g * T) - g * z;
        check_point(&j, i, z, 1 + hypot(z, dz / fmax(1, sqrt(fabs(k)))));
    }
    job_fini(&j);
}

/* Damping and u that depend on time: z = exp(-t^2/4) x, x'' + (a + q cos 2t) x = 0. */
static void test_damping_in_time(void **state)
{
    (void)state;
    struct solver_job j, plain;
    double T = 157 * (10.0 / 200);
    job_init(&j, 0, 4, 5, 1, 7, 13);
    job_init(&plain, 0, 4, 5, 1, 7, 13);
    j.spec.damping = "t";
    j.spec.u = "1/2 + t^2/4";
    j.spec.tolerance = plain.spec.tolerance = 1e-12;
    j.outputs[0].text = "lnabs(t[157])";
    plain.outputs[0].text = "lnabs(t[157])";
    job_run(&j);
    job_run(&plain);
    for (size_t i = 0; i < 5 * 13; i++) {
        double got = j.field[0][i] + T * T / 4, want = plain.field[0][i];
        assert_true(fabs(got - want) < 1e-9);
        assert_true(fabs(got - want) <= (double)j.error[0][i] + (double)plain.error[0][i]);
    }
    job_fini(&j);
    job_fini(&plain);
}

/* Complex modes: start values that depend on the point, and the Wronskian of what comes out. */
static void test_start_values(void **state)
{
    (void)state;
    struct solver_job j;
    job_init(&j, 0, 4, 7, 1, 7, 70);
    j.spec.z_start[0] = "1/sqrt(2*sqrt(a))";
    j.spec.z_start[1] = "q - a";
    j.outputs[0].text = "z1(7.3)*dz2(7.3) - dz1(7.3)*z2(7.3) - 1";
    j.outputs[1] =
        (struct output_text){"G", "z(7.3) - (z1(7.3)/sqrt(2*sqrt(a)) + (q - a)*z2(7.3))"};
    j.outputs[2] = (struct output_text){"H", "z(0) - 1/sqrt(2*sqrt(a)) + dz(0) - (q - a)"};
    j.spec.output_count = 3;
    job_run(&j);
    for (size_t i = 0; i < 7 * 70; i++) {
        for (int k = 0; k < 3; k++) {
            assert_true(fabs(j.field[k][i]) <= (double)j.error[k][i]);
            assert_true(fabs(j.field[k][i]) < 1e-8 * 100);
        }
        assert_int_equal(j.status[i], POINT_DONE);
    }
    job_fini(&j);
}

/* Every number is the point's own: whatever block it comes in. */
static void test_blocks(void **state)
{
    (void)state;
    struct solver_job j;
    static const struct block blocks[] = {
        {0, 9, 0, 1}, {3, 4, 5, 300}, {8, 9, 299, 301}, {0, 9, 31, 65}, {5, 6, 100, 101}};
    job_init(&j, 0, 4, 9, -2, 7, 301);
    /* Long and unstable, so that many points take the second level. */
    j.spec.tolerance = 1e-12;
    job_run(&j);
    struct solver *s = solver_create(j.sweep);
    for (size_t b = 0; b < sizeof blocks / sizeof *blocks; b++) {
        const struct block *at = &blocks[b];
        size_t width = at->a1 - at->a0, n = (at->q1 - at->q0) * width;
        double *field[1] = {malloc(n * sizeof(double))};
        float *error[1] = {malloc(n * sizeof(float))};
        uint8_t *status = malloc(n);
        assert_int_equal(solver_block(s, at, field, error, status, NULL, NULL), 0);
        for (size_t i = 0; i < n; i++) {
            size_t whole = (at->q0 + i / width) * 301 + at->a0 + i % width;
            assert_memory_equal(&field[0][i], &j.field[0][whole], sizeof(double));
            assert_memory_equal(&error[0][i], &j.error[0][whole], sizeof(float));
            assert_int_equal(status[i], j.status[whole]);
        }
        free(field[0]);
        free(error[0]);
        free(status);
    }
    solver_destroy(s);
    job_fini(&j);
}

/* The same bits from every instruction set, through rescaling, both levels and all vectors. */
static void test_instruction_sets(void **state)
{
    (void)state;
    static const char *const names[] = {"avx2", "avx512"};
    struct solver_job j;
    size_t n = 11 * 150;
    job_init(&j, 0, 40, 11, -900, 70, 150);
    j.spec.tolerance = 1e-11;
    j.outputs[1] = (struct output_text){"G", "dz(9.99) + z2(3)*dz1(4)"};
    j.outputs[2] = (struct output_text){"L", "lnabs(9.99)"};
    j.spec.output_count = 3;
    job_create(&j);
    assert_string_equal(kernel_find("portable")->leaf->name, "portable");
    assert_null(kernel_find("abacus"));
    job_solve_with(&j, kernel_find("portable"));
    struct solver_job other = j;
    for (int k = 0; k < 3; k++) {
        other.field[k] = malloc(n * sizeof(double));
        other.error[k] = malloc(n * sizeof(float));
    }
    other.status = malloc(n);
    for (int i = 0; i < 2; i++) {
        const struct kernel *kernel = kernel_find(names[i]);
        if (kernel == NULL)
            continue;
        job_solve_with(&other, kernel);
        for (int k = 0; k < 3; k++) {
            assert_memory_equal(j.field[k], other.field[k], n * sizeof(double));
            assert_memory_equal(j.error[k], other.error[k], n * sizeof(float));
        }
        assert_memory_equal(j.status, other.status, n);
    }
    for (int k = 0; k < 3; k++) {
        free(other.field[k]);
        free(other.error[k]);
    }
    free(other.status);
    job_fini(&j);
}

/* cosh(sqrt(-a) T) with sqrt(-a) T up to 1600: the field overflows, its logarithm does not. */
static void test_overflow(void **state)
{
    (void)state;
    struct solver_job j;
    double *times = linspace(0, 40, 3);
    job_init(&j, 0, 0, 1, -1600, -100, 16);
    j.spec.times = times;
    j.spec.time_count = 3;
    j.spec.w_to = 40;
    j.outputs[0].text = "-z(40)";
    j.outputs[1] = (struct output_text){"L", "lnabs(40)"};
    j.outputs[2] = (struct output_text){"E", "lnabs(20)"};
    j.spec.output_count = 3;
    job_run(&j);
    for (size_t i = 0; i < 16; i++) {
        double s = sqrt(-j.a[i]), want = s * 40 - log(2);
        assert_true(fabs(j.field[1][i] - want) < 1e-9);
        assert_true(fabs(j.field[1][i] - want) <= (double)j.error[1][i]);
        assert_true(fabs(j.field[2][i] - (s * 20 - log(2))) < 1e-9);
        if (want < 709) {
            assert_true(isfinite(j.field[0][i]));
            assert_int_equal(j.status[i], POINT_DONE);
        } else if (want > 710) {
            assert_true(j.field[0][i] == -INFINITY);
            assert_true(isinf(j.error[0][i]));
            assert_int_equal(j.status[i], POINT_OVERFLOW);
        }
        assert_true((double)j.error[1][i] < 1e-7);
    }
    assert_int_equal(j.status[0], POINT_OVERFLOW);
    assert_int_equal(j.status[15], POINT_DONE);
    free(times);
    job_fini(&j);
}

/* Damped away far below the smallest double; its logarithm is as good as ever. */
static void test_underflow(void **state)
{
    (void)state;
    struct solver_job j;
    double *times = linspace(0, 40, 3);
    job_init(&j, 0, 0, 1, 500, 900, 11);
    j.spec.times = times;
    j.spec.time_count = 3;
    j.spec.w_to = 40;
    j.spec.damping = "40";
    j.outputs[0].text = "lnabs(40)";
    j.outputs[1] = (struct output_text){"Z", "z(40)"};
    j.spec.output_count = 2;
    job_run(&j);
    for (size_t i = 0; i < 11; i++) {
        double k = j.a[i] - 400, z = 1, dz = 20;
        swing(k, 40, &z, &dz);
        assert_true(fabs(j.field[0][i] - (log(fabs(z)) - 800)) < 1e-6 / fabs(z));
        assert_true((double)j.error[0][i] < 1e-6 / fabs(z));
        assert_true(j.field[1][i] == 0);
        assert_int_equal(j.status[i], POINT_DONE);
    }
    free(times);
    job_fini(&j);
}

/* A start on the decaying solution: z = exp(-s T), kappa = exp(s T). First the coarse level fails
 * and the fine one is good, then no double could do better and the status says so. */
static void ill_conditioned(double tolerance)
{
    struct solver_job j;
    double T = 157 * (10.0 / 200);
    job_init(&j, 0, 0, 1, -9, -0.25, 200);
    j.spec.z_start[1] = "-sqrt(-a)";
    j.spec.tolerance = tolerance;
    job_run(&j);
    for (size_t i = 0; i < 200; i++) {
        double s = sqrt(-j.a[i]), kappa = exp(s * T) * (1 + s * s) / (2 * fmax(s, 1));
        double z = exp(-s * T), error = fabs(j.field[0][i] - z), rounding = 16 * 0x1p-53 * kappa;
        assert_true(error <= tolerance + rounding);
        assert_true(error <= (double)j.error[0][i]);
        assert_true((double)j.error[0][i] <= tolerance + 16 * rounding);
        if (rounding > 4 * tolerance)
            assert_int_equal(j.status[i], POINT_LIMITED);
        else if (rounding < 0.25 * tolerance)
            assert_int_equal(j.status[i], POINT_DONE);
    }
    assert_int_equal(j.status[0], POINT_LIMITED);
    job_fini(&j);
}

static void test_conditioning(void **state)
{
    (void)state;
    ill_conditioned(1e-6);
    ill_conditioned(1e-9);
}

static void test_failures(void **state)
{
    (void)state;
    struct solver_job j;
    job_init(&j, 0, 1, 2, -1, 1, 3);
    j.spec.z_start[0] = "sqrt(a)";
    j.outputs[1] = (struct output_text){"G", "log(-1 - z(1)^2) + q"};
    j.spec.output_count = 2;
    job_create(&j);
    struct solver *s = solver_create(j.sweep);
    struct block all = {0, 2, 0, 3};
    assert_int_equal(solver_block(s, &all, j.field, j.error, j.status, NULL, NULL), 0);
    assert_non_null(strstr(solver_reason(s), "z.start"));
    assert_non_null(strstr(solver_reason(s), "a = -1"));
    struct block good = {1, 2, 1, 3};
    assert_int_equal(j.status[0], POINT_FAILED);
    assert_true(isnan(j.field[0][0]) && isnan(j.error[0][0]));
    assert_true(isfinite(j.field[0][1]) && isnan(j.field[1][1]));
    assert_int_equal(j.status[1], POINT_FAILED);
    assert_int_equal(solver_block(s, &good, j.field, NULL, j.status, NULL, NULL), 0);
    assert_non_null(strstr(solver_reason(s), "output G"));
    solver_destroy(s);
    job_fini(&j);
}

static int stop_late(void *arg, size_t done)
{
    size_t *last = arg;
    assert_true(done >= *last);
    *last = done;
    return done > 20000;
}

static void test_yield(void **state)
{
    (void)state;
    struct solver_job j;
    size_t last = 0;
    job_init(&j, 0, 4, 300, -2, 7, 300);
    job_create(&j);
    struct solver *s = solver_create(j.sweep);
    struct block all = {0, 300, 0, 300};
    assert_int_equal(solver_block(s, &all, j.field, j.error, j.status, stop_late, &last), -1);
    /* Called often: slices are far shorter than what is left of the block. */
    assert_true(last > 20000 && last < 70000);
    solver_destroy(s);
    job_fini(&j);
}

/* sqrt is not a number outside [0, 12]: nothing may ask for it there, whatever the kind. */
static void test_ends(void **state)
{
    (void)state;
    static const enum sweep_interpolation kinds[] = {SWEEP_EXACT, SWEEP_LINEAR, SWEEP_CSPLINE,
                                                     SWEEP_AKIMA, SWEEP_STEFFEN};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        struct solver_job j;
        double *times = linspace(0, 12, 13);
        job_init(&j, 0, 4, 3, -2, 7, 5);
        j.spec.times = times;
        j.spec.time_count = 13;
        j.spec.f = "1 + 0.1*sqrt(12 - t) + 0.1*sqrt(t)";
        j.spec.y_to = 12;
        j.spec.y_start[0] = 1;
        j.spec.w = "y + sqrt(12 - t)*sqrt(t)";
        j.spec.interpolation = kinds[k];
        j.spec.knots = 100;
        j.outputs[0].text = "z(t[12]) + z(12)";
        job_run(&j);
        for (size_t i = 0; i < 15; i++)
            assert_int_equal(j.status[i], POINT_DONE);
        free(times);
        job_fini(&j);
    }
}

static void refused(const struct solver_job *j, const char *path)
{
    struct sweep *s;
    struct err err;
    assert_int_equal(sweep_create(&j->spec, &s, &err), -1);
    assert_int_equal(err.code, ERR_JOB_REFUSED);
    assert_string_equal(err.path, path);
    assert_true(err.text[0] != '\0');
}

static void test_refusals(void **state)
{
    (void)state;
    struct solver_job j;
    job_init(&j, 0, 1, 2, 0, 1, 2);
    j.outputs[0].text = "z(12.5)";
    refused(&j, "output.F");
    j.outputs[0].text = "z(1) +";
    refused(&j, "output.F");
    j.outputs[0].text = "z(1)";
    j.spec.w = "log(t - 5)";
    refused(&j, "w.is");
    j.spec.w = "cos(";
    refused(&j, "w.is");
    j.spec.w = "y";
    j.spec.f = "1";
    j.spec.y_to = 11;
    refused(&j, "w.t");
    j.spec.y_to = 12;
    j.spec.f = "1/(t - 3)^2 - 1e9";
    refused(&j, "y.f");
    j.spec.f = "1";
    j.spec.damping = "1/0";
    refused(&j, "z.damping");
    job_fini(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_drive),        cmocka_unit_test(test_airy),
        cmocka_unit_test(test_meissner),        cmocka_unit_test(test_general_form),
        cmocka_unit_test(test_damping_in_time), cmocka_unit_test(test_start_values),
        cmocka_unit_test(test_blocks),          cmocka_unit_test(test_instruction_sets),
        cmocka_unit_test(test_overflow),        cmocka_unit_test(test_underflow),
        cmocka_unit_test(test_conditioning),    cmocka_unit_test(test_failures),
        cmocka_unit_test(test_yield),           cmocka_unit_test(test_ends),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
