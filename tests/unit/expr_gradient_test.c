/* Expressions: derivatives and the bound on rounding. */
#include "expr_rig.h"

/* ---- derivatives ---- */

/* Central differences with two steps of Richardson extrapolation: error of order h^6. */
static double difference(const struct expr *e, const double *in, size_t inputs, size_t k,
                         double step)
{
    double d[3];
    for (int level = 0; level < 3; level++) {
        double h = ldexp(step, -level), shifted[INPUTS], f[2];
        for (int side = 0; side < 2; side++) {
            memcpy(shifted, in, inputs * sizeof in[0]);
            shifted[k] += side ? h : -h;
            f[side] = expr_eval(e, shifted);
        }
        d[level] = (f[1] - f[0]) / (2 * h);
    }
    double first = (4 * d[1] - d[0]) / 3, second = (4 * d[2] - d[1]) / 3;
    return (16 * second - first) / 15;
}

static void assert_derivatives(const char *text, double a, double q)
{
    struct expr *e = compile(text, &bare);
    const double in[2] = {a, q};
    const double *column[2] = {&in[0], &in[1]};
    double out, da, dq, *grad[2] = {&da, &dq};
    expr_eval_grad(e, 1, column, &out, grad, NULL);
    double expected[2] = {difference(e, in, 2, 0, 1e-2), difference(e, in, 2, 1, 1e-2)};
    if (!same_bits(out, expr_eval(e, in)) || !(fabs(da - expected[0]) <= 1e-9 * (1 + fabs(da))) ||
        !(fabs(dq - expected[1]) <= 1e-9 * (1 + fabs(dq))))
        fail_msg("%s at %g, %g: %.15g %.15g, expected %.15g %.15g", text, a, q, da, dq, expected[0],
                 expected[1]);
    expr_destroy(e);
}

/* Every function there is, through the list that users see. */
static void test_derivative_of_every_function(void **state)
{
    (void)state;
    int count = 0;
    for (const char *const *f = expr_function_names(); *f; f++, count++) {
        char text[64];
        struct expr *e;
        snprintf(text, sizeof text, "%s(a)", *f);
        bool one = expr_compile(text, &bare, &e, NULL) == 0;
        expr_destroy(e);
        bool large = strcmp(*f, "acosh") == 0;
        snprintf(text, sizeof text, one ? "%s(a*q)" : "%s(a, q)", *f);
        assert_derivatives(text, large ? 1.7 : 0.63, large ? 1.9 : 0.71);
        snprintf(text, sizeof text, one ? "%s(a - q^2)" : "%s(a*a, a/q)", *f);
        assert_derivatives(text, large ? 3.4 : 0.95, large ? 1.1 : 0.37);
    }
    assert_true(count >= 30);
    assert_derivatives("floor(a) + sin(q)", -0.3, 2);
    assert_derivatives("abs(a)*min(q, a)*max(q, a)", -0.3, 2);
    assert_derivatives("atan2(a, q) + tanh(a) + sech(q)", -1.3, -2);
    assert_derivatives("cbrt(a) + erf(a)*erfc(q) + asinh(a*q)", -1.3, 0.4);
    assert_derivatives("mod(a, q)", -1.3, 0.55);
}

static void test_derivative_of_operators(void **state)
{
    (void)state;
    assert_derivatives("a + q - a*q/(2 - a) - -q", 0.7, -1.2);
    assert_derivatives("a^2 + q^3 - a^-1 + q^-4 + a^0 + q^1", 0.7, -1.2);
    assert_derivatives("(a*q)^7 + a^17*q", 0.7, -1.2);
    assert_derivatives("a^1.5 + a^q + 2^q + a^0.5 + a^-0.5", 0.7, -1.2);
    assert_derivatives("a", 0.7, -1.2);
    assert_derivatives("3", 0.7, -1.2);
}

/* By the right derivative at kinks, zero across jumps; a zero beats an infinite slope. */
static void test_derivative_at_special_points(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double da, dq;
    } cases[] = {
        {"abs(a) + q", 1, 1},
        {"hypot(a, a)*q", 0, 0},
        {"hypot(a, q)", 1, 1},
        {"sqrt(a)", INFINITY, 0},
        {"sqrt(0*a + q)", 0, INFINITY},
        {"step(a)", 0, 0},
        {"sign(q)", 0, 0},
        {"a^0", 0, 0},
        {"a^1 + q^3", 1, 0},
        {"(q + 1)^a", 0, 0},
        {"a^(q + 2)", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct expr *e = compile(cases[i].text, &bare);
        const double zero = 0, *column[2] = {&zero, &zero};
        double out, da = -9, dq = -9, *grad[2] = {&da, &dq};
        expr_eval_grad(e, 1, column, &out, grad, NULL);
        if (da != cases[i].da || dq != cases[i].dq)
            fail_msg("%s: %g %g", cases[i].text, da, dq);
        expr_destroy(e);
    }
}

/* More inputs than are differentiated at a time, some of them not wanted, over several blocks. */
static void test_many_inputs(void **state)
{
    (void)state;
    char text[2000] = "a*q";
    for (int k = 0; k < 20; k++)
        snprintf(text + strlen(text), sizeof text - strlen(text), " + %d*z(%d)*a", k + 1, k);
    struct expr *e = compile(text, &scope);
    assert_int_equal(expr_input_count(e), 22);
    enum { n = 100 };
    static double in[22][n], derivative[22][n], out[n], rounding[n];
    const double *column[22];
    double *grad[22];
    for (int k = 0; k < 22; k++) {
        for (int i = 0; i < n; i++)
            in[k][i] = k == 0 ? 2 + i : 1;
        column[k] = in[k];
        grad[k] = k % 3 == 2 ? NULL : derivative[k];
        derivative[k][0] = -5;
    }
    expr_eval_grad(e, n, column, out, grad, rounding);
    for (int i = 0; i < n; i++) {
        assert_true(out[i] == 211 * (2 + i));
        assert_true(derivative[0][i] == 211);
        assert_true(derivative[1][i] == 2 + i);
        for (int k = 3; k < 22; k++)
            if (grad[k])
                assert_true(derivative[k][i] == (k - 1) * (2 + i));
    }
    assert_true(derivative[2][0] == -5);
    expr_destroy(e);
}

static void test_derivatives_of_random_expressions(void **state)
{
    (void)state;
    uint64_t seed = 99;
    int checked = 0;
    for (int round = 0; round < 4000; round++) {
        char text[4096] = "";
        grow(text, sizeof text, &seed, 3);
        struct expr *e;
        struct err err;
        if (expr_compile(text, &scope, &e, &err))
            continue;
        double in[INPUTS], out, d[INPUTS], rounding;
        const double *column[INPUTS];
        double *grad[INPUTS];
        for (int k = 0; k < INPUTS; k++) {
            in[k] = uniform(&seed, 0.2, 2.5);
            column[k] = &in[k];
            grad[k] = &d[k];
        }
        expr_eval_grad(e, 1, column, &out, grad, &rounding);
        for (size_t k = 0; k < expr_input_count(e); k++) {
            /* Only where the differences have converged (no kink or jump nearby) and no
             * intermediate is infinite. */
            double plain = difference(e, in, expr_input_count(e), k, 1e-2);
            double finer = difference(e, in, expr_input_count(e), k, 1e-3);
            if (!(fabs(finer - plain) <= 1e-6 * fabs(plain)) || !(rounding < 1e-12))
                continue;
            if (!(fabs(d[k] - plain) <= 1e-5 * fabs(plain) + 1e-10 * (1 + fabs(out))))
                fail_msg("%s: by input %zu %.12g, expected %.12g", text, k, d[k], plain);
            checked++;
        }
        expr_destroy(e);
    }
    assert_true(checked > 2000);
}

/* ---- rounding ---- */

static double rounding_at(const char *text, double a, double q, double *value)
{
    struct expr *e = compile(text, &bare);
    const double *column[2] = {&a, &q};
    double rounding = -1;
    expr_eval_grad(e, 1, column, value, NULL, &rounding);
    expr_destroy(e);
    return rounding;
}

/* The bound covers the true error (against long double) and is no wild guess. */
static void assert_rounding(const char *text, double a, double q, long double truth)
{
    double value;
    double bound = rounding_at(text, a, q, &value);
    double error = (double)fabsl((long double)value - truth);
    if (!(error <= bound) || bound > 1e-10 * (1 + fabs(value)))
        fail_msg("%s at %g, %g: error %g, bound %g", text, a, q, error, bound);
}

static void test_rounding_covers_the_error(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (int i = 0; i < 2000; i++) {
        double a = uniform(&seed, 0.01, 3), q = uniform(&seed, -3, 3);
        long double A = a, Q = q;
        assert_rounding("(1 + a) - 1 - a", a, q, 0);
        assert_rounding("(a + q)^2 - a^2 - 2*a*q - q^2", a, q, 0);
        assert_rounding("a^9", a, q, powl(A, 9));
        assert_rounding("a^-9*q", a, q, Q / powl(A, 9));
        assert_rounding("sqrt(a)*q - a/3", a, q, sqrtl(A) * Q - A / 3);
        assert_rounding("exp(q)*sin(a)", a, q, expl(Q) * sinl(A));
        assert_rounding("a^q", a, q, powl(A, Q));
        assert_rounding("log1p(a)*tanh(q) + hypot(a, q)", a, q,
                        log1pl(A) * tanhl(Q) + hypotl(A, Q));
        assert_rounding("cbrt(q) + erfc(q) + sech(a)", a, q, cbrtl(Q) + erfcl(Q) + 1 / coshl(A));
        /* The rounding of a folded part is not forgotten. */
        assert_rounding("a*(1/3) + (0.1*3 + sin(2))", a, q,
                        A * (1 / 3.0L) + (0.1 * 3.0L + sinl(2)));
    }
}

static void test_rounding_of_exact_operations(void **state)
{
    (void)state;
    static const char *const exact[] = {"a",   "-a",    "abs(q)",   "min(a, q)",
                                        "3",   "1 + 2", "floor(a)", "step(q)",
                                        "a^1", "1/2",   "a^0",      "max(a, -q)"};
    double value;
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++)
        if (rounding_at(exact[i], 1.3, -0.4, &value) != 0)
            fail_msg("%s rounds", exact[i]);
    double u = 0x1p-53;
    double sum = rounding_at("a + q", 1.25, 2, &value);
    assert_true(sum >= 3.25 * u && sum < 3.26 * u);
    double sine = rounding_at("sin(a)", 1, 2, &value);
    assert_true(sine >= 4 * u * sin(1) && sine < 4.01 * u * sin(1));
    double folded = rounding_at("0.1 + 0.2", 0, 0, &value);
    assert_true(folded >= 0.3 * u && folded < 0.301 * u);
    assert_true(rounding_at("sqrt(abs(a + q - a - q))", 0.1, 0.7, &value) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_derivative_of_every_function),
        cmocka_unit_test(test_derivative_of_operators),
        cmocka_unit_test(test_derivative_at_special_points),
        cmocka_unit_test(test_many_inputs),
        cmocka_unit_test(test_derivatives_of_random_expressions),
        cmocka_unit_test(test_rounding_covers_the_error),
        cmocka_unit_test(test_rounding_of_exact_operations),
    };
    return cmocka_run_group_tests(tests, make_times, NULL);
}
