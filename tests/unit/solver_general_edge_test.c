/* z.ddz where it is difficult: poles, overflow, stiffness, what is not a number, kinks, jumps and
 * the ends of w, against closed forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "solver_job.h"
#include <math.h>

/* ---- closed forms ---- */

/* z'' = 6 z^2 has z = 1/(t - c)^2; for c > 0 the pole is met. */
static void test_poles(void **state)
{
    (void)state;
    struct solver_job j;
    double c[] = {-3, -0.5, 0.7, 2, 8};
    job_init(&j, 0, 0, 1, 0, 1, 5);
    memcpy(j.a, c, sizeof c);
    j.spec.w = "0";
    j.spec.ddz = "6*z^2";
    j.spec.z_start[0] = "1/a^2";
    j.spec.z_start[1] = "2/a^3";
    j.outputs[0].text = "z(0.5)";
    j.outputs[1] = (struct output_text){"Z", "z(3)"};
    j.spec.output_count = 2;
    job_create(&j);
    struct solver *s = solver_create(j.sweep);
    struct block all = {0, 1, 0, 5};
    assert_int_equal(solver_block(s, &all, j.field, j.error, j.status, NULL, NULL), 0);
    for (size_t i = 0; i < 5; i++) {
        int ends = c[i] > 0 && c[i] < 3;
        double early = 1 / ((0.5 - c[i]) * (0.5 - c[i])), late = 1 / ((3 - c[i]) * (3 - c[i]));
        assert_int_equal(j.status[i], ends ? POINT_FAILED : POINT_DONE);
        assert_true(fabs(j.field[0][i] - early) <= (double)j.error[0][i]);
        assert_true(fabs(j.field[0][i] - early) <= 1e-9 * (1 + early));
        assert_true(ends ? isnan(j.field[1][i]) : fabs(j.field[1][i] - late) <= 1e-9 * (1 + late));
    }
    assert_non_null(strstr(solver_reason(s), "cannot be continued beyond t = 0.7"));
    assert_non_null(strstr(solver_reason(s), "a = 0.69999"));
    solver_destroy(s);
    job_fini(&j);
}

/* One row of five values of a at q = 0, up to t = 10; *reason is copied. */
static void solve_row(struct solver_job *j, const char *ddz, const double *a, char *reason)
{
    job_init(j, 0, 0, 1, 0, 1, 5);
    memcpy(j->a, a, 5 * sizeof *a);
    j->spec.w = "0";
    j->spec.ddz = ddz;
    j->outputs[0].text = "z(10)";
    j->outputs[1] = (struct output_text){"L", "lnabs(10)"};
    j->outputs[2] = (struct output_text){"Z", "z(0)"};
    j->spec.output_count = 3;
    job_create(j);
    struct solver *s = solver_create(j->sweep);
    struct block all = {0, 1, 0, 5};
    assert_int_equal(solver_block(s, &all, j->field, j->error, j->status, NULL, NULL), 0);
    strcpy(reason, solver_reason(s));
    solver_destroy(s);
    for (size_t i = 0; i < 5; i++)
        assert_true(j->field[2][i] == 1);
}

static void test_overflow(void **state)
{
    (void)state;
    struct solver_job j;
    char reason[256];
    solve_row(&j, "a*z", (double[]){1e4, -1, 5e3, 4, -4}, reason);
    for (size_t i = 0; i < 5; i++) {
        double w = sqrt(fabs(j.a[i])), z = j.a[i] > 0 ? cosh(10 * w) : cos(10 * w);
        /* e^707 is a double, but beyond GENERAL_LARGE. */
        assert_int_equal(j.status[i], i == 0 || i == 2 ? POINT_OVERFLOW : POINT_DONE);
        if (j.status[i] == POINT_OVERFLOW)
            assert_true(j.field[0][i] == INFINITY && isinf(j.error[0][i]));
        else
            assert_true(fabs(j.field[0][i] - z) <= (double)j.error[0][i]);
    }
    assert_string_equal(reason, "");
    job_fini(&j);
}

/* A stiff point is given up; its neighbours are done. */
static void test_stiff(void **state)
{
    (void)state;
    struct solver_job j;
    char reason[256];
    solve_row(&j, "a*dz - z", (double[]){-1, -20, -1e7, 0, -3}, reason);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(j.status[i], i == 2 ? POINT_FAILED : POINT_DONE);
    assert_true(isnan(j.field[0][2]) && isnan(j.error[0][2]));
    assert_non_null(strstr(reason, "too many steps"));
    assert_non_null(strstr(reason, "a = -10000000"));
    job_fini(&j);
}

static void test_not_a_number(void **state)
{
    (void)state;
    struct solver_job j;
    char reason[256];
    solve_row(&j, "-z + a*log(9 - t)", (double[]){1, 2, 3, 4, 5}, reason);
    assert_non_null(strstr(reason, "beyond t = "));
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(j.status[i], POINT_FAILED);
    job_fini(&j);
    solve_row(&j, "-z + sqrt(a - 2.5)", (double[]){1, 2, 3, 4, 5}, reason);
    assert_non_null(strstr(reason, "not a finite number at t = 0"));
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(j.status[i], i < 2 ? POINT_FAILED : POINT_DONE);
    job_fini(&j);
}

/* Jumps of w and of the expression itself, at a break: z'' = step(t - 3), z = (t - 3)^2 / 2 after.
 */
static void test_breaks(void **state)
{
    (void)state;
    struct solver_job j;
    double breaks[] = {3};
    job_init(&j, 0, 1, 2, 0, 1, 2);
    j.spec.w = "step(t - 3)";
    j.spec.ddz = "q*w + a*step(t - 3)";
    j.spec.breaks = breaks;
    j.spec.break_count = 1;
    j.spec.z_start[0] = "0";
    j.outputs[0].text = "z(8)";
    j.outputs[1] = (struct output_text){"Z", "z(3)"};
    j.spec.output_count = 2;
    job_run(&j);
    for (size_t i = 0; i < 4; i++) {
        double want = 12.5 * (j.q[i / 2] + j.a[i % 2]);
        assert_true(fabs(j.field[0][i] - want) <= 1e-13 * (1 + want));
        assert_true(fabs(j.field[0][i] - want) <= (double)j.error[0][i]);
        assert_true(j.field[1][i] == 0);
    }
    job_fini(&j);
}

/* Jumps that nobody announced: w = step(t - 3), and a force that changes its sign with z, which is
 * parabolas: from (1, 0) to (0, -sqrt(2 a)), and so on with period 4 sqrt(2 / a). */
static void test_jumps(void **state)
{
    (void)state;
    struct solver_job j;
    job_init(&j, 0, 1, 2, 1, 3, 3);
    j.spec.w = "step(t - 3)";
    j.spec.ddz = "q*w - (1 - q)*a*sign(z)";
    j.outputs[0].text = "z(t[157])";
    job_run(&j);
    for (size_t i = 0; i < 6; i++) {
        double T = j.times[157], quarter = sqrt(2 / j.a[i % 3]), z = 1 + (T - 3) * (T - 3) / 2;
        if (i < 3) {
            double phase = fmod(T, 4 * quarter), side = phase > quarter && phase < 3 * quarter;
            double from_top = phase - 2 * quarter * side - (phase > 3 * quarter) * 4 * quarter;
            z = (side != 0 ? -1 : 1) * (1 - j.a[i % 3] * from_top * from_top / 2);
        }
        assert_int_equal(j.status[i], POINT_DONE);
        if (!(fabs(j.field[0][i] - z) <= 1e-8))
            fail_msg("point %zu: %.17g, not %.17g", i, j.field[0][i], z);
    }
    job_fini(&j);
}

/* sqrt is not a number outside [0, 12]: nothing may ask for it there. */
static void test_ends(void **state)
{
    (void)state;
    struct solver_job j;
    double *times = linspace(0, 12, 13);
    job_init(&j, 0, 4, 3, -2, 7, 5);
    j.spec.times = times;
    j.spec.time_count = 13;
    j.spec.w = "sqrt(12 - t)*sqrt(t)";
    j.spec.ddz = "-(a + q*w)*z + sqrt(12 - t)*sqrt(t)";
    j.outputs[0].text = "z(t[12]) + z(0)";
    job_run(&j);
    for (size_t i = 0; i < 15; i++)
        assert_int_equal(j.status[i], POINT_DONE);
    free(times);
    job_fini(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_poles),  cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_stiff),  cmocka_unit_test(test_not_a_number),
        cmocka_unit_test(test_breaks), cmocka_unit_test(test_ends),
        cmocka_unit_test(test_jumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
