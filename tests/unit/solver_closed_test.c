/* The solver against what is known in closed form, by every method: free motion, Airy's,
 * Euler's, Meissner's, Lame's and Mathieu's equations, and the Wronskian. No other integrator takes
 * part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "solver_job.h"
#include <gsl/gsl_sf_airy.h>
#include <gsl/gsl_sf_mathieu.h>
#include <math.h>

#define U     0x1p-53
#define CLOSE 1e-11 /* of the scale of a point */

static const enum sweep_method METHODS[] = {SWEEP_POINT, SWEEP_TILE, SWEEP_AUTO, SWEEP_PHASE};
#define METHOD_COUNT (sizeof METHODS / sizeof *METHODS)

static void check_close(const struct solver_job *j, int k, size_t i, double want, double scale)
{
    double q = j->q[i / j->spec.a_count], a = j->a[i % j->spec.a_count];
    double error = fabs(j->field[k][i] - want);
    if (!(error <= CLOSE * scale))
        fail_msg("method %d, output %d at q %.17g a %.17g: %.17g instead of %.17g (%.2g of scale)",
                 (int)j->spec.method, k, q, a, j->field[k][i], want, error / scale);
    if (!(error <= (double)j->error[k][i] + 4 * U * scale))
        fail_msg("method %d, output %d at q %.17g a %.17g: error %.3g, stated %.3g",
                 (int)j->spec.method, k, q, a, error, (double)j->error[k][i]);
}

/* z'' + k z = 0 for the time t: matrix (c, s; -k s, c). The solver does not round its phases. */
static void swing(double k, double t, double *c, double *s)
{
    long double r = sqrtl(fabsl((long double)k));
    *c = (double)(k < 0 ? coshl(r * t) : cosl(r * t));
    *s = r == 0 ? t : (double)((k < 0 ? sinhl(r * t) : sinl(r * t)) / r);
}

static void free_motion(enum sweep_method method)
{
    struct solver_job j;
    double T = 157 * (10.0 / 200);
    job_init(&j, 0, 4, 9, -4, 60, 129);
    j.spec.tolerance = 1e-12;
    j.spec.method = method;
    j.outputs[1] = (struct output_text){"D", "dz(t[157])"};
    j.spec.output_count = 2;
    job_run(&j);
    for (size_t i = 0; i < j.spec.a_count; i++) { /* the row q = 0 */
        double a = j.a[i], omega = sqrt(fmax(1, fabs(a))), c, s;
        swing(a, T, &c, &s);
        double scale = 1 + hypot(c, a * s / omega);
        check_close(&j, 0, i, c, scale);
        check_close(&j, 1, i, -a * s, scale * omega);
    }
    job_fini(&j);
}

/* z'' + (a + q t) z = 0: Ai and Bi of -(a + q t) / q^(2/3) (DLMF 9.2). */
static void airy(enum sweep_method method)
{
    struct solver_job j;
    double T = 6.5;
    job_init(&j, 0.25, 2, 8, -1, 3, 21);
    j.spec.w = "t";
    j.spec.tolerance = 1e-12;
    j.spec.method = method;
    j.outputs[0].text = "z(6.5)";
    job_run(&j);
    for (size_t i = 0; i < 8 * 21; i++) {
        double q = j.q[i / 21], a = j.a[i % 21], c = cbrt(q * q), x0 = -a / c, x = -(a + q * T) / c;
        double ai0 = gsl_sf_airy_Ai_deriv(x0, GSL_PREC_DOUBLE);
        double bi0 = gsl_sf_airy_Bi_deriv(x0, GSL_PREC_DOUBLE);
        double z = M_PI * (bi0 * gsl_sf_airy_Ai(x, GSL_PREC_DOUBLE) -
                           ai0 * gsl_sf_airy_Bi(x, GSL_PREC_DOUBLE));
        double dz = -cbrt(q) * M_PI *
                    (bi0 * gsl_sf_airy_Ai_deriv(x, GSL_PREC_DOUBLE) -
                     ai0 * gsl_sf_airy_Bi_deriv(x, GSL_PREC_DOUBLE));
        double error = fabs(j.field[0][i] - z);
        double scale = 1 + hypot(z, dz / sqrt(fmax(1, fabs(a) + q * T)));
        if (!(error <= CLOSE * scale))
            fail_msg("method %d q %g a %g: %.3g of scale", (int)method, q, a, error / scale);
    }
    job_fini(&j);
}

/* z'' + q z / (1 + t)^2 = 0, Euler's: with x = 1 + t and nu^2 = q - 1/4, z = sqrt(x) (cos(nu log x)
 * - sin(nu log x) / (2 nu)). w falls by a million, as the frequency of a mode in an expanding
 * background does: what w is off by must be little beside what it has become. */
static void euler(enum sweep_method method)
{
    struct solver_job j;
    double times[] = {0, 999};
    job_init(&j, 1e3, 1e6, 12, 0, 0, 1);
    j.spec.w = "1/(1 + t)^2";
    j.spec.w_to = 999;
    j.spec.times = times;
    j.spec.time_count = 2;
    j.spec.tolerance = 1e-12;
    j.spec.method = method;
    j.outputs[0].text = "z(t[1])";
    j.outputs[1] = (struct output_text){"D", "dz(t[1])"};
    j.spec.output_count = 2;
    job_run(&j);
    for (size_t i = 0; i < 12; i++) {
        long double nu = sqrtl((long double)j.q[i] - 0.25L), phase = nu * logl(1000);
        double z = (double)(sqrtl(1000) * (cosl(phase) - sinl(phase) / (2 * nu)));
        double dz = (double)(-(nu + 1 / (4 * nu)) * sinl(phase) / sqrtl(1000));
        double omega = sqrt(j.q[i]), scale = 1 + hypot(z, dz / omega);
        check_close(&j, 0, i, z, scale);
        check_close(&j, 1, i, dz, scale * omega);
        if (method == SWEEP_PHASE && !((double)j.error[0][i] <= 10 * CLOSE * sqrt(1000)))
            fail_msg("q %g: stated %.3g of the amplitude", j.q[i],
                     (double)j.error[0][i] / sqrt(1000));
    }
    job_fini(&j);
}

/* A square wave of half-period 1: tr M / 2 = c1 c2 - (K1 + K2) / 2 s1 s2, K = a +- q (Magnus and
 * Winkler, Hill's Equation, 8.2). */
static void meissner(enum sweep_method method)
{
    static const double jump = 1;
    struct solver_job j;
    job_init(&j, -3, 3, 25, -1, 12, 53);
    j.spec.w = "1 - 2*floor(t)";
    j.spec.w_to = 2;
    j.spec.time_count = 41; /* 0 .. 2 */
    j.spec.breaks = &jump;
    j.spec.break_count = 1;
    j.spec.tolerance = 1e-12;
    j.spec.method = method;
    j.outputs[0].text = "(z1(2) + dz2(2))/2";
    j.outputs[1] = (struct output_text){"M", "abs(z1(2)) + abs(dz2(2)) + abs(z2(2)) + abs(dz1(2))"};
    j.spec.output_count = 2;
    job_run(&j);
    for (size_t i = 0; i < 25 * 53; i++) {
        double k1 = j.a[i % 53] + j.q[i / 53], k2 = j.a[i % 53] - j.q[i / 53], c1, c2, s1, s2;
        swing(k1, 1, &c1, &s1);
        swing(k2, 1, &c2, &s2);
        check_close(&j, 0, i, c1 * c2 - (k1 + k2) / 2 * s1 * s2, 1 + j.field[1][i]);
    }
    job_fini(&j);
}

/* w = cn^2(t; m = 1/2), from the Fourier series of dn^2 (DLMF 22.11.13, nome exp(-pi), and E by
 * Legendre's relation): over its period tr M / 2 = sqrt(2) cos(pi/4 sqrt(1 + 8 q)) at a = 0. */
static void lame(enum sweep_method method)
{
    struct solver_job j;
    char w[2048];
    double g = tgamma(0.25), K = g * g / (4 * sqrt(M_PI)), nome = exp(-M_PI), power = 1;
    double period = 2 * K;
    double times[] = {0, period};
    int at = snprintf(w, sizeof w, "%.17g", M_PI / (2 * K * K));
    for (int n = 1; n <= 12; n++) {
        power *= nome;
        at += snprintf(w + at, sizeof w - (size_t)at, " + %.17g*cos(%.17g*t)",
                       4 * M_PI * M_PI / (K * K) * n * power / (1 - power * power), n * M_PI / K);
    }
    job_init(&j, 0, 10, 81, -0.5, 0.5, 3);
    j.spec.w = w;
    j.spec.w_to = period;
    j.spec.times = times;
    j.spec.time_count = 2;
    j.spec.tolerance = 1e-12;
    j.spec.method = method;
    j.outputs[0].text = "(z1(t[1]) + dz2(t[1]))/2";
    job_run(&j);
    assert_true(j.a[1] == 0);
    for (size_t i = 0; i < 81; i++)
        check_close(&j, 0, 3 * i + 1, sqrt(2) * cos(M_PI / 4 * sqrt(1 + 8 * j.q[i])), 3);
    /* q = 15/8 has the largest exponent, ln(1 + sqrt 2) per period; q = 1 and 3 have none. */
    assert_true(j.q[8] == 1 && j.q[15] == 1.875 && j.q[24] == 3);
    assert_true(fabs(acosh(fabs(j.field[0][3 * 15 + 1])) - log(1 + sqrt(2))) < 1e-11);
    assert_true(fabs(fabs(j.field[0][3 * 8 + 1]) - 1) < 1e-11);
    assert_true(fabs(fabs(j.field[0][3 * 24 + 1]) - 1) < 1e-11);
    job_fini(&j);
}

/* y'' + (a - 2 q cos 2t) y = 0 has a trace of +2 over pi at the characteristic values of even order
 * and -2 at those of odd order (DLMF 28.2). GSL's values are the nearest doubles or next to them.
 */

static void characteristic(enum sweep_method method, char kind, int m, double q)
{
    struct solver_job j;
    double times[] = {0, M_PI}, want = m % 2 == 0 ? 2 : -2;
    double a = kind == 'a' ? gsl_sf_mathieu_a(m, q) : gsl_sf_mathieu_b(m, q);
    double h = 1e-6 * (1 + fabs(a));
    job_init(&j, -2 * q, -2 * q, 1, 0, 1, 3);
    j.a[0] = a - h;
    j.a[1] = a;
    j.a[2] = a + h;
    j.spec.times = times;
    j.spec.time_count = 2;
    j.spec.w_to = M_PI;
    j.spec.tolerance = 1e-13;
    j.spec.method = method;
    j.outputs[0].text = "z1(t[1]) + dz2(t[1])";
    job_run(&j);
    double slope = (j.field[0][2] - j.field[0][0]) / (2 * h);
    double off = fabs(j.field[0][1] - want), allowed = 1e-10 + 4 * U * fabs(a * slope);
    if (getenv("TRUTH_SHOW") != NULL)
        print_message("%c%-2d q %-5g off %.2e of %.2e\n", kind, m, q, off, allowed);
    if (!(off <= allowed))
        fail_msg("method %d: %c%d(%g) = %.17g: trace %+g off by %.3g, allowed %.3g", (int)method,
                 kind, m, q, a, want, off, allowed);
    job_fini(&j);
}

static void mathieu(enum sweep_method method)
{
    static const double Q[] = {0.1, 0.5, 1, 2.5, 5, 10, 15, 20, 25};
    for (size_t i = 0; i < sizeof Q / sizeof *Q; i++) {
        for (int m = 0; m <= 10; m++) {
            characteristic(method, 'a', m, Q[i]);
            if (m > 0)
                characteristic(method, 'b', m, Q[i]);
        }
    }
}

/* det M = 1 within 1e-12 (1 + |M|^2), for drives of the question's family. */
static void determinant(enum sweep_method method)
{
    static const struct {
        const char *f, *w;
        double last;
    } drives[] = {
        {NULL, "cos(2*t)", 7.85}, {"1 + 0.3*cos(1.7*t)", "y", 10}, {"1 + 0.05*t", "y^2", 40}};
    for (size_t d = 0; d < sizeof drives / sizeof *drives; d++) {
        struct solver_job j;
        double times[] = {0, drives[d].last};
        job_init(&j, -2, 4, 25, -2, 12, 57);
        j.spec.f = drives[d].f;
        j.spec.w = drives[d].w;
        j.spec.y_to = j.spec.w_to = drives[d].last;
        j.spec.y_start[0] = 1;
        j.spec.times = times;
        j.spec.time_count = 2;
        j.spec.tolerance = 1e-12;
        j.spec.method = method;
        j.outputs[0].text = "z1(t[1])*dz2(t[1]) - z2(t[1])*dz1(t[1])";
        j.outputs[1] =
            (struct output_text){"M", "z1(t[1])^2 + dz2(t[1])^2 + z2(t[1])^2 + dz1(t[1])^2"};
        j.spec.output_count = 2;
        job_run(&j);
        for (size_t i = 0; i < 25 * 57; i++)
            if (!(fabs(j.field[0][i] - 1) <= 1e-12 * (1 + j.field[1][i])))
                fail_msg("method %d, drive %zu, q %g a %g: det - 1 = %.3g, |M|^2 = %.3g",
                         (int)method, d, j.q[i / 57], j.a[i % 57], j.field[0][i] - 1,
                         j.field[1][i]);
        job_fini(&j);
    }
}

/* Mathieu's equation with t in units of `unit`, a power of two. */
static void solve_in_units(double unit, enum sweep_method method, struct solver_job *j)
{
    static char text[4][80];
    double rate = 1 / unit, period = M_PI * unit;
    static double times[2];
    times[1] = unit;
    snprintf(text[0], sizeof text[0], "cos(t*%.17g)", 2 * rate);
    snprintf(text[1], sizeof text[1], "z(%.17g)", 0.7 * period);
    snprintf(text[2], sizeof text[2], "dz(%.17g)*%.17g", 20.5 * period, unit);
    snprintf(text[3], sizeof text[3], "mu*%.17g", unit);
    job_init(j, -3 * rate * rate, 3 * rate * rate, 9, -rate * rate, 8 * rate * rate, 33);
    j->spec.w = text[0];
    j->spec.w_to = j->spec.period = period;
    j->spec.times = times;
    j->spec.time_count = 2;
    j->spec.method = method;
    for (size_t k = 0; k < 3; k++)
        j->outputs[k] = (struct output_text){"F", text[1 + k]};
    j->outputs[3] = (struct output_text){"F", "trace"};
    j->spec.output_count = 4;
    job_run(j);
}

/* What is stated, and what is called limited, does not depend on the unit of time. */
static void units(enum sweep_method method)
{
    static const double other[] = {0x1p-40, 0x1p-20, 0x1p+20, 0x1p+40};
    struct solver_job one, j;
    solve_in_units(1, method, &one);
    for (size_t u = 0; u < sizeof other / sizeof *other; u++) {
        solve_in_units(other[u], method, &j);
        for (size_t i = 0; i < 9 * 33; i++) {
            assert_int_equal(j.status[i], one.status[i]);
            for (size_t k = 0; k < 4; k++) {
                job_check_apart(&one, &j, k, i);
                if (!(j.error[k][i] <= 4 * one.error[k][i] + 1e-15F))
                    fail_msg("%s at q %g a %g: stated %.3g, %.3g in another unit",
                             j.spec.outputs[k].text, j.q[i / 33], j.a[i % 33],
                             (double)one.error[k][i], (double)j.error[k][i]);
            }
        }
        job_fini(&j);
    }
    job_fini(&one);
}

#define BY_EVERY_METHOD(what)                                                                      \
    static void test_##what(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        for (size_t m = 0; m < METHOD_COUNT; m++)                                                  \
            what(METHODS[m]);                                                                      \
    }

BY_EVERY_METHOD(free_motion)
BY_EVERY_METHOD(airy)
BY_EVERY_METHOD(euler)
BY_EVERY_METHOD(meissner)
BY_EVERY_METHOD(lame)
BY_EVERY_METHOD(mathieu)
BY_EVERY_METHOD(determinant)
BY_EVERY_METHOD(units)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_free_motion), cmocka_unit_test(test_airy),
        cmocka_unit_test(test_euler),       cmocka_unit_test(test_meissner),
        cmocka_unit_test(test_lame),        cmocka_unit_test(test_mathieu),
        cmocka_unit_test(test_determinant), cmocka_unit_test(test_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
