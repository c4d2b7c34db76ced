/* Expressions: grammar, values, the same bits one by one and in batches, derivatives, the rounding
 * bound, and what is said about texts that are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "expr.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* a and q vary, z and dz are known at times 0, 0.05, ..., 10. */
#define TIMES 201
static const char *const variables[] = {"a", "q"};
static const char *const solutions[] = {"z", "dz"};
static double times[TIMES];
static const struct expr_scope scope = {variables, 2, solutions, 2, times, TIMES};
static const struct expr_scope bare = {variables, 2, NULL, 0, NULL, 0};

static int make_times(void **state)
{
    (void)state;
    for (int i = 0; i < TIMES; i++)
        times[i] = i * 0.05;
    return 0;
}

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double uniform(uint64_t *state, double from, double to)
{
    return from + (to - from) * (double)(splitmix(state) >> 11) * 0x1p-53;
}

static bool same_bits(double x, double y)
{
    return memcmp(&x, &y, sizeof x) == 0;
}

static struct expr *compile(const char *text, const struct expr_scope *s)
{
    struct expr *e = NULL;
    struct err err;
    if (expr_compile(text, s, &e, &err))
        fail_msg("%s: column %d: %s", text, err.column, err.text);
    return e;
}

static double value_at(const char *text, double a, double q)
{
    struct expr *e = compile(text, &bare);
    double in[2] = {a, q};
    double value = expr_eval(e, in);
    expr_destroy(e);
    return value;
}

static void assert_value(const char *text, double expected)
{
    double value = value_at(text, 1.25, -0.75);
    if (!same_bits(value, expected))
        fail_msg("%s is %.17g, expected %.17g", text, value, expected);
}

/* ---- grammar and values ---- */

static void test_precedence(void **state)
{
    (void)state;
    const double a = 1.25, q = -0.75;
    assert_value("a", a);
    assert_value(" ( a ) ", a);
    assert_value("1 + 2*3", 7);
    assert_value("(1 + 2)*3", 9);
    assert_value("2 - 3 - 4", -5);
    assert_value("16/4/2", 2);
    assert_value("a - q - a", a - q - a);
    assert_value("a/q*a", a / q * a);
    assert_value("-a^2", -(a * a));
    assert_value("(-a)^2", a * a);
    assert_value("2^3^2", 512);
    assert_value("2**3**2", 512);
    assert_value("2^-2", 0.25);
    assert_value("2^-2*3", 0.75);
    assert_value("2*-a", 2 * -a);
    assert_value("- -a", a);
    assert_value("+a-+q", a - q);
    assert_value("-2^-2^2", -0.0625);
    assert_value("a*q + a*q", a * q + a * q);
    assert_value("1e3 + .5 + 5. + 1E-1", 1e3 + .5 + 5. + 1e-1);
}

static void test_literals(void **state)
{
    (void)state;
    assert_value("pi", 3.14159265358979323846);
    assert_value("e", 2.71828182845904523536);
    assert_value("0.1", 0.1);
    assert_value("-0", -0.0);
    assert_value("7.85", 7.85);
    assert_value("0.1 + 0.2", 0.1 + 0.2);
}

/* Volatile, as a compiler that works out cbrt(-0.75) by itself does not get libm's last bit. */
static void test_functions(void **state)
{
    (void)state;
    volatile double a = 1.25, q = -0.75;
    assert_value("sin(a)", sin(a));
    assert_value("cos(a)", cos(a));
    assert_value("tan(a)", tan(a));
    assert_value("asin(q)", asin(q));
    assert_value("acos(q)", acos(q));
    assert_value("atan(q)", atan(q));
    assert_value("atan2(q, a)", atan2(q, a));
    assert_value("sinh(a)", sinh(a));
    assert_value("cosh(a)", cosh(a));
    assert_value("tanh(a)", tanh(a));
    assert_value("sech(a)", 1 / cosh(a));
    assert_value("asinh(a)", asinh(a));
    assert_value("acosh(a)", acosh(a));
    assert_value("atanh(q)", atanh(q));
    assert_value("exp(q)", exp(q));
    assert_value("exp2(q)", exp2(q));
    assert_value("expm1(q)", expm1(q));
    assert_value("log(a)", log(a));
    assert_value("log2(a)", log2(a));
    assert_value("log10(a)", log10(a));
    assert_value("log1p(q)", log1p(q));
    assert_value("sqrt(a)", sqrt(a));
    assert_value("cbrt(q)", cbrt(q));
    assert_value("hypot(a, q)", hypot(a, q));
    assert_value("pow(a, q)", pow(a, q));
    assert_value("erf(q)", erf(q));
    assert_value("erfc(q)", erfc(q));
}

static void test_pieces(void **state)
{
    (void)state;
    assert_value("abs(q)", 0.75);
    assert_value("sign(q)", -1);
    assert_value("sign(a - a)", 0);
    assert_value("step(q)", 0);
    assert_value("step(a - a)", 1);
    assert_value("step(a)", 1);
    assert_value("floor(q)", -1);
    assert_value("ceil(a)", 2);
    assert_value("round(a*2)", 3);
    assert_value("min(a, q)", -0.75);
    assert_value("max(a, q)", 1.25);
    assert_value("mod(q, 1)", 0.25);
    assert_value("mod(a, 1)", 0.25);
    assert_value("mod(a, q)", -0.25);
    assert_value("mod(a*2, a)", 0);
}

/* One NaN for all, however it came about. */
static void test_nan(void **state)
{
    (void)state;
    assert_value("sqrt(q)", NAN);
    assert_value("-sqrt(q)", NAN);
    assert_value("log(q)", NAN);
    assert_value("(a - a)/(q - q)", NAN);
    assert_value("min(sqrt(q), a)", NAN);
    assert_value("max(a, sqrt(q))", NAN);
    assert_value("step(sqrt(q))", NAN);
    assert_value("sign(sqrt(q))", NAN);
    assert_true(same_bits(value_at("a", -NAN, 0), NAN));
}

/* ^k is multiplications from the highest bit of k down. */
static double power(double x, int k)
{
    double r = x;
    int bit = 1;
    while (bit * 2 <= k)
        bit *= 2;
    for (bit /= 2; bit > 0; bit /= 2) {
        r *= r;
        if (k & bit)
            r *= x;
    }
    return r;
}

static void test_integer_powers(void **state)
{
    (void)state;
    for (int k = 1; k <= 64; k++) {
        char text[4][32];
        snprintf(text[0], sizeof text[0], "a^%d", k);
        snprintf(text[1], sizeof text[1], "a^-%d", k);
        snprintf(text[2], sizeof text[2], "pow(a, %d)", k);
        snprintf(text[3], sizeof text[3], "a**(%d - 1)", k + 1);
        assert_value(text[0], power(1.25, k));
        assert_value(text[1], 1 / power(1.25, k));
        assert_value(text[2], power(1.25, k));
        assert_value(text[3], power(1.25, k));
    }
    assert_value("q^0", 1);
    assert_value("q^3", -0.75 * -0.75 * -0.75);
    volatile double a = 1.25;
    assert_value("a^65", pow(a, 65));
    assert_value("a^1.5", pow(a, 1.5));
    assert_value("a^0.5", sqrt(1.25));
    assert_value("a^(1/2)", sqrt(1.25));
    assert_value("a^(-1/2)", 1 / sqrt(1.25));
    assert_value("a^q", pow(a, -0.75));
}

static void test_calls_libm(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int libm;
    } cases[] = {
        {"1 + a*q/3 - a^64", 0},
        {"sqrt(a^2 + q^2)", 0},
        {"floor(abs(min(a, q)))", 0},
        {"a^0.5", 0},
        {"a^-3", 0},
        {"sin(a)", 1},
        {"sin(1)*a", 1},
        {"a^1.5", 1},
        {"a^65", 1},
        {"2^q", 1},
        {"hypot(a, q)", 1},
        {"mod(a, q)", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct expr *e = compile(cases[i].text, &bare);
        if (!expr_calls_libm(e) != !cases[i].libm)
            fail_msg("%s: calls libm is %d", cases[i].text, expr_calls_libm(e));
        expr_destroy(e);
    }
}

/* ---- inputs ---- */

static void assert_solution(const struct expr *e, size_t i, size_t solution, double time)
{
    size_t s = 99;
    double t = -1;
    expr_solution(e, i, &s, &t);
    assert_int_equal(s, solution);
    assert_true(same_bits(t, time));
}

static void test_solutions(void **state)
{
    (void)state;
    struct expr *e =
        compile("1 + z(t[157]) + dz(7.85) + z(2*pi) - z(t[100 + 57]) + z(7.0)*q", &scope);
    assert_int_equal(expr_solution_count(e), 4);
    assert_int_equal(expr_input_count(e), 6);
    assert_solution(e, 0, 0, times[157]);
    assert_solution(e, 1, 1, 7.85);
    assert_solution(e, 2, 0, 2 * 3.14159265358979323846);
    assert_solution(e, 3, 0, 7);
    assert_false(expr_uses(e, 0));
    for (size_t i = 1; i < 6; i++)
        assert_true(expr_uses(e, i));
    assert_false(expr_uses(e, 6));

    /* In order: a, q, z(t157), dz(7.85), z(2 pi), z(7). */
    double in[6] = {NAN, 3, 10, 200, 4000, 50000};
    assert_true(expr_eval(e, in) == 1 + 10 + 200 + 4000 - 10 + 150000.0);

    double columns[6][3];
    const double *column[6] = {NULL};
    double out[3];
    for (int k = 1; k < 6; k++) {
        for (int i = 0; i < 3; i++)
            columns[k][i] = in[k];
        column[k] = columns[k];
    }
    expr_eval_batch(e, 3, column, out);
    assert_true(out[2] == 1 + 10 + 200 + 4000 - 10 + 150000.0);
    expr_destroy(e);
}

static void test_times_are_constants_everywhere(void **state)
{
    (void)state;
    struct expr *e = compile("t[3]*a + t[200]", &scope);
    double in[2] = {2, 0};
    assert_true(same_bits(expr_eval(e, in), times[3] * 2 + times[200]));
    assert_int_equal(expr_solution_count(e), 0);
    expr_destroy(e);
}

static void test_constants(void **state)
{
    (void)state;
    volatile double two = 2;
    const double sine = sin(two);
    struct expr *e = compile("sin(2)^2 + t[4]", &scope);
    assert_true(expr_is_constant(e));
    assert_true(same_bits(expr_eval(e, NULL), sine * sine + times[4]));
    double out[130];
    const double *none[2] = {NULL, NULL};
    expr_eval_batch(e, 130, none, out);
    assert_true(same_bits(out[129], sine * sine + times[4]));
    expr_destroy(e);

    e = compile("a", &bare);
    assert_false(expr_is_constant(e));
    assert_true(expr_uses(e, 0));
    assert_false(expr_uses(e, 1));
    expr_destroy(e);
}

/* A scope's variable is found before the constant of the same name. */
static void test_variables_come_first(void **state)
{
    (void)state;
    static const char *const names[] = {"e", "t"};
    const struct expr_scope s = {names, 2, NULL, 0, NULL, 0};
    struct expr *e = compile("10*e + t", &s);
    double in[2] = {1, 2};
    assert_true(expr_eval(e, in) == 12);
    expr_destroy(e);
}

/* ---- random expressions ---- */

static const char *const one_argument[] = {"sin",   "cos",   "tanh", "exp",   "sqrt",
                                           "abs",   "floor", "cbrt", "log1p", "atan",
                                           "asinh", "erf",   "step", "log"};
static const char *const two_arguments[] = {"min", "max", "hypot", "atan2", "mod", "pow"};

static const char *const operators[] = {" + ", " - ", " * ", " / "};
static const char *const powers[] = {")^2", ")^3", ")^-5", ")**0", ")^1.5"};

static void grow(char *text, size_t size, uint64_t *seed, int depth)
{
    size_t at = strlen(text);
    uint64_t r = splitmix(seed);
    if (depth == 0 || r % 8 == 0) {
        static const char *const leaves[] = {"a", "q", "1.5", "z(1)", "a", "0.3", "dz(t[7])", "2"};
        snprintf(text + at, size - at, "%s", leaves[r / 8 % 8]);
        return;
    }
    const char *open = "(", *between = "", *close = ")";
    char call[16];
    bool two = true;
    switch (r / 8 % 8) {
    case 0:
        snprintf(call, sizeof call, "%s(", one_argument[r / 64 % 14]);
        open = call;
        two = false;
        break;
    case 1:
        snprintf(call, sizeof call, "%s(", two_arguments[r / 64 % 6]);
        open = call;
        between = ", ";
        break;
    case 2:
        open = "-(";
        two = false;
        break;
    case 3:
        close = powers[r / 64 % 5];
        two = false;
        break;
    default:
        between = operators[r / 64 % 4];
    }
    snprintf(text + at, size - at, "%s", open);
    grow(text, size, seed, depth - 1);
    if (two) {
        at = strlen(text);
        snprintf(text + at, size - at, "%s", between);
        grow(text, size, seed, depth - 1);
    }
    at = strlen(text);
    snprintf(text + at, size - at, "%s", close);
}

#define POINTS 150 /* two blocks and a remainder */
#define INPUTS 4

struct sample {
    struct expr *e;
    double in[INPUTS][POINTS];
    const double *column[INPUTS];
};

/* A random expression of at most INPUTS inputs, or NULL in e where a constant part was refused. */
static void sample_make(struct sample *s, char *text, size_t size, uint64_t *seed)
{
    text[0] = '\0';
    grow(text, size, seed, 6);
    struct err err;
    if (expr_compile(text, &scope, &s->e, &err)) {
        assert_null(s->e);
        assert_true(strstr(err.text, "not a finite number") || strstr(err.text, "too long"));
        return;
    }
    for (int k = 0; k < INPUTS; k++) {
        for (int i = 0; i < POINTS; i++)
            s->in[k][i] = uniform(seed, -3, 3);
        s->column[k] = s->in[k];
    }
}

static void test_batch_has_the_bits_of_single_values(void **state)
{
    (void)state;
    uint64_t seed = 42;
    static struct sample s;
    static char text[100000];
    int compiled = 0;
    for (int round = 0; round < 3000; round++) {
        sample_make(&s, text, sizeof text, &seed);
        if (!s.e)
            continue;
        compiled++;
        double out[POINTS], again[POINTS], rounding[POINTS];
        expr_eval_batch(s.e, POINTS, s.column, out);
        expr_eval_grad(s.e, POINTS, s.column, again, NULL, rounding);
        for (int i = 0; i < POINTS; i++) {
            double in[INPUTS] = {s.in[0][i], s.in[1][i], s.in[2][i], s.in[3][i]};
            double one = expr_eval(s.e, in);
            if (!same_bits(one, out[i]) || !same_bits(one, again[i]))
                fail_msg("%s: %a, %a, %a", text, one, out[i], again[i]);
        }
        expr_destroy(s.e);
    }
    assert_true(compiled > 2000);
}

static void test_every_batch_size(void **state)
{
    (void)state;
    struct expr *e = compile("a^5*sin(q) + sqrt(abs(a))/3", &bare);
    double in[2][200], out[200];
    uint64_t seed = 3;
    for (int i = 0; i < 200; i++) {
        in[0][i] = uniform(&seed, -2, 2);
        in[1][i] = uniform(&seed, -2, 2);
    }
    const double *column[2] = {in[0], in[1]};
    for (size_t n = 0; n <= 199; n++) {
        for (size_t i = 0; i < 200; i++)
            out[i] = -77;
        expr_eval_batch(e, n, column, out);
        for (size_t i = 0; i < n; i++)
            assert_true(same_bits(out[i], expr_eval(e, (double[2]){in[0][i], in[1][i]})));
        assert_true(out[n] == -77);
    }
    expr_destroy(e);
}

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

/* ---- messages ---- */

static void check_error(const struct expr_scope *s, const char *text, int column,
                        const char *sentence, const char *hint)
{
    struct expr *e = (struct expr *)&e;
    struct err err = {0};
    if (expr_compile(text, s, &e, &err) != -1)
        fail_msg("\"%s\" was accepted", text);
    assert_null(e);
    assert_int_equal(err.code, ERR_JOB_REFUSED);
    if (err.column != column || strcmp(err.text, sentence) != 0 || strcmp(err.hint, hint) != 0)
        fail_msg("\"%s\": %d, \"%s\", \"%s\"\nexpected %d, \"%s\", \"%s\"", text, err.column,
                 err.text, err.hint, column, sentence, hint);
    assert_int_equal(expr_compile(text, s, &e, NULL), -1);
}

static void assert_error(const char *text, int column, const char *sentence, const char *hint)
{
    check_error(&scope, text, column, sentence, hint);
}

static void test_unknown_names(void **state)
{
    (void)state;
    assert_error("zz + 1", 1, "there is no \"zz\" here", "did you mean z?");
    assert_error("1 + foo", 5, "there is no \"foo\" here", "names are a q z dz pi e");
    assert_error("a + sni(q)", 5, "there is no function \"sni\"", "did you mean sin?");
    assert_error("a*Pi", 3, "there is no \"Pi\" here", "did you mean pi?");
    assert_error("ln(a)", 1, "there is no function \"ln\"", "did you mean log?");
    assert_error("arctan2(a, q)", 1, "there is no function \"arctan2\"", "did you mean atan2?");
    assert_error("np.sin(a)", 1, "there is no function \"np.sin\"",
                 "did you mean sin? Names have no prefix here");
    assert_error("2*math.pi", 3, "there is no \"math.pi\" here",
                 "did you mean pi? Names have no prefix here");
    assert_error("Sin[a]", 1, "there is no function \"Sin\"",
                 "did you mean sin(...), with round brackets?");
    assert_error("ArcTan[a]", 1, "there is no function \"ArcTan\"",
                 "did you mean atan(...), with round brackets?");
    assert_error("sin[a]", 1, "the argument of \"sin\" goes in round brackets", "write sin(...)");
    check_error(&bare, "z(1)", 1, "there is no function \"z\"",
                "functions are sqrt pow abs sign step floor ceil round min max mod hypot cbrt exp "
                "exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan atan2 sinh cosh tanh "
                "sech asinh acosh atanh erf erfc");
}

static void test_wrong_use_of_names(void **state)
{
    (void)state;
    assert_error("1 + z", 5, "\"z\" is a function of time and needs one", "write z(t[200])");
    assert_error("a(3)", 1, "\"a\" is a variable, not a function", "a product is written a*(...)");
    assert_error("pi(3)", 1, "\"pi\" is a number, not a function", "a product is written pi*(...)");
    assert_error("1+sin", 3, "\"sin\" is a function and needs an argument", "write sin(...)");
    assert_error("z[157]", 1, "\"z\" takes a time in round brackets", "write z(t[k])");
    assert_error("a[1]", 1, "\"a\" is a single number and has no index", "");
    assert_error("t*a", 1, "\"t\" is the list of times here",
                 "write t[k] for one of them, k from 0");
    assert_error("t(3)", 1, "\"t\" is the list of times, not a function", "write t[k]");
    check_error(&bare, "a + t[3]", 5, "t[k] is not available here",
                "it stands for a time in the outputs only");
}

static void test_wrong_number_of_arguments(void **state)
{
    (void)state;
    assert_error("1 + sin()", 5, "\"sin\" takes 1 argument, not 0", "");
    assert_error("sin(a, q)", 1, "\"sin\" takes 1 argument, not 2", "");
    assert_error("pow(a)", 1, "\"pow\" takes 2 arguments, not 1", "");
    assert_error("min(a, q, a, q)", 1, "\"min\" takes 2 arguments, not 4", "");
    assert_error("z()", 1, "\"z\" takes 1 argument, not 0", "");
    assert_error("z(1, 2)", 1, "\"z\" takes 1 argument, not 2", "");
}

static void test_times(void **state)
{
    (void)state;
    const char *number = "write a number, or t[k] for one of the job's times";
    assert_error("z(a)", 3, "a time must be a constant, and \"a\" is none", number);
    assert_error("z(t[2]*a)", 8, "a time must be a constant, and \"a\" is none", number);
    assert_error("z(1 + z(2))", 7, "a time must be a constant, and \"z\" is none", number);
    assert_error("z(t[q])", 5, "the index of a time must be a constant, and \"q\" is none", number);
    assert_error("1 + z(t[201])", 7, "t[201] is past the last time, t[200] (there are 201)", "");
    assert_error("z(t[1e300])", 3, "t[1e+300] is past the last time, t[200] (there are 201)", "");
    assert_error("z(t[-1])", 3, "t[-1] is before the first time, t[0]", "the last time is t[200]");
    assert_error("z(t[1.5])", 3, "t[1.5] is between two times, an index is an integer",
                 "t[k] is the time of number k, counted from 0");
    assert_error("z(1/0)", 4, "this part is constant and not a finite number, but inf", "");
    assert_error("z(t[1)", 6, "this \")\" does not close the \"[\" of column 4", "");
    /* A time over, variables count again. */
    expr_destroy(compile("z(1) + a*z(t[t[20]]) + q", &scope));
}

static void test_syntax(void **state)
{
    (void)state;
    const char *product = "a product is written with *, as in 2*x";
    assert_error("", 1, "the expression is empty", "");
    assert_error(" \t ", 1, "the expression is empty", "");
    assert_error("a +", 4, "a value is missing at the end", "");
    assert_error("a + * q", 5, "a value is missing before \"*\"", "");
    assert_error("()", 2, "a value is missing before \")\"", "");
    assert_error("max(a,)", 7, "a value is missing before \")\"", "");
    assert_error("1 + sin(a", 8, "this \"(\" is never closed", "add a \")\"");
    assert_error("((a)", 1, "this \"(\" is never closed", "add a \")\"");
    assert_error("a + q)", 6, "this \")\" closes nothing", "");
    assert_error("(a]", 3, "this \"]\" does not close the \"(\" of column 1", "");
    assert_error("a q", 3, "an operator is missing before \"q\"", product);
    assert_error("2a", 2, "an operator is missing before \"a\"", product);
    assert_error("2e", 2, "an operator is missing before \"e\"", product);
    assert_error("0x10", 2, "an operator is missing before \"x\"", product);
    assert_error("1.2.3", 4, "an operator is missing before \".\"", product);
    assert_error("(a)(q)", 4, "an operator is missing before \"(\"", product);
    assert_error("1,5", 2, "a \",\" separates the arguments of a function, there is none here",
                 "a decimal point is written \".\"");
    assert_error("a @ q", 3, "\"@\" has no meaning here", "");
    assert_error("a % q", 3, "\"%\" has no meaning here", "write mod(x, y) for a remainder");
    assert_error("a \xe2\x88\x92 1", 3, "\"\xe2\x88\x92\" has no meaning here",
                 "write an ordinary minus, -");
    assert_error("2*\xcf\x80", 3, "a value is missing before \"\xcf\x80\"", "write pi");
    assert_error("a\xff", 2, "\"\\xff\" has no meaning here", "");
    assert_error("a\001", 2, "\"\\x01\" has no meaning here", "");
    assert_error("a\xe2", 2, "\"\\xe2\" has no meaning here", "");
}

static void test_not_finite(void **state)
{
    (void)state;
    assert_error("a + 1e999", 5, "1e999 is too large for a double", "the largest is about 1.8e308");
    assert_error("a + 1/0", 6, "this part is constant and not a finite number, but inf", "");
    assert_error("a*log(0)", 3, "this part is constant and not a finite number, but -inf", "");
    assert_error("sqrt(-1)", 1, "this part is constant and not a finite number, but nan", "");
    assert_error("10^308*10", 7, "this part is constant and not a finite number, but inf", "");
}

/* ---- limits ---- */

static char *repeat(const char *open, size_t n, const char *middle, const char *close)
{
    size_t size = n * (strlen(open) + strlen(close)) + strlen(middle) + 1;
    char *text = malloc(size), *at = text;
    for (size_t i = 0; i < n; i++)
        at = stpcpy(at, open);
    at = stpcpy(at, middle);
    for (size_t i = 0; i < n; i++)
        at = stpcpy(at, close);
    return text;
}

static void assert_limit(const char *open, const char *close, size_t allowed, int column,
                         const char *sentence, const char *hint)
{
    char *text = repeat(open, allowed, "a", close);
    struct expr *e = compile(text, &scope);
    expr_destroy(e);
    free(text);
    text = repeat(open, allowed + 1, "a", close);
    assert_error(text, column, sentence, hint);
    free(text);
}

static void test_depth(void **state)
{
    (void)state;
    const char *deep = "the expression is nested too deeply, at most 64 levels are allowed";
    const char *hint = "take it apart, or remove brackets that are not needed";
    assert_limit("(", ")", 64, 65, deep, hint);
    assert_limit("-", "", 64, 65, deep, hint);
    assert_limit("sin(", ")", 64, 4 * 65, deep, hint);
    assert_limit("a^", "", 64, 2 * 65, deep, hint);
    assert_limit("1+(", ")", 64, 3 * 65, deep, hint);
    assert_limit("a*q+(", ")", 64, 5 * 65, deep, hint);
    assert_limit("max(a*q, ", ")", 64, 9 * 64 + 4, deep, hint);

    char *text = repeat("a*q+a*q*(", 40, "a", ")");
    assert_error(text, 9 * 34 + 2, "the expression needs more than 68 intermediate values at once",
                 "");
    free(text);
}

static void test_length(void **state)
{
    (void)state;
    assert_limit("a+", "", 255, 513,
                 "the expression is too long, at most 512 numbers, names and operators are allowed",
                 "");
    char *text = repeat(" ", 4095, "a", "");
    expr_destroy(compile(text, &scope));
    free(text);
    text = repeat(" ", 4096, "a", "");
    assert_error(text, 4097, "the expression has 4097 characters, at most 4096 are allowed", "");
    free(text);
    static const char *const openings[] = {"(", "-", "sin(", "a^", "1+(", "z(", "t[", "2**"};
    for (size_t i = 0; i < sizeof openings / sizeof openings[0]; i++) {
        struct expr *e;
        struct err err;
        text = repeat(openings[i], 10000, "a", ")");
        assert_int_equal(expr_compile(text, &scope, &e, &err), -1);
        assert_int_equal(err.column, 4097);
        text[4096] = '\0';
        assert_int_equal(expr_compile(text, &scope, &e, &err), -1);
        free(text);
    }
}

/* The largest expressions: every register, and as many constants and solutions as fit. */
static void test_largest(void **state)
{
    (void)state;
    char *text = repeat("q*a+(", 64, "a", ")");
    struct expr *e = compile(text, &bare);
    double in[2] = {2, 3}, out, d[2], rounding;
    const double *column[2] = {&in[0], &in[1]};
    double *grad[2] = {&d[0], &d[1]};
    expr_eval_grad(e, 1, column, &out, grad, &rounding);
    assert_true(out == 64 * 6 + 2 && d[0] == 64 * 3 + 1 && d[1] == 64 * 2);
    expr_destroy(e);
    free(text);

    char sum[4097] = "a";
    for (int k = 0; k < 101; k++)
        snprintf(sum + strlen(sum), sizeof sum - strlen(sum), "+z(%d.5)*%d", k, k);
    e = compile(sum, &scope);
    assert_int_equal(expr_solution_count(e), 101);
    double values[103];
    for (int k = 0; k < 103; k++)
        values[k] = 1;
    assert_true(expr_eval(e, values) == 1 + 101 * 100 / 2);
    expr_destroy(e);
}

/* Whatever bytes come: an answer, and nothing read or written out of bounds. */
static void test_garbage(void **state)
{
    (void)state;
    static const char *const pieces[] = {"(",  ")", "a", "z(", "t[",   "]",   "1e",   "+", "^",
                                         "**", ",", ".", "-",  "\xe2", "sin", "pow(", " ", "3"};
    uint64_t seed = 11;
    int accepted = 0;
    for (int round = 0; round < 200000; round++) {
        char text[64] = "";
        for (int k = (int)(splitmix(&seed) % 9); k >= 0; k--)
            strcat(text, pieces[splitmix(&seed) % 18]);
        struct expr *e;
        struct err err;
        if (expr_compile(text, &scope, &e, &err) == 0) {
            accepted++;
            expr_destroy(e);
        } else {
            assert_true(err.column >= 1 && err.column <= (int)strlen(text) + 1);
            assert_true(err.text[0] != '\0');
        }
    }
    assert_true(accepted > 1000);
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const list[] = {"count", "from", "to", "tolerance", "a", NULL};
    assert_string_equal(expr_nearest("cuont", list), "count");
    assert_string_equal(expr_nearest("tolerence", list), "tolerance");
    assert_string_equal(expr_nearest("Tolerance", list), "tolerance");
    assert_string_equal(expr_nearest("form", list), "from");
    assert_string_equal(expr_nearest("tto", list), "to");
    assert_string_equal(expr_nearest("A", list), "a");
    assert_null(expr_nearest("b", list));
    assert_null(expr_nearest("fxxm", list));
    assert_null(expr_nearest("", list));
    assert_null(expr_nearest("contradiction", list));
    char *word = repeat("x", 5000, "", "");
    assert_null(expr_nearest(word, list));
    free(word);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_nan),
        cmocka_unit_test(test_integer_powers),
        cmocka_unit_test(test_calls_libm),
        cmocka_unit_test(test_solutions),
        cmocka_unit_test(test_times_are_constants_everywhere),
        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_variables_come_first),
        cmocka_unit_test(test_batch_has_the_bits_of_single_values),
        cmocka_unit_test(test_every_batch_size),
        cmocka_unit_test(test_derivative_of_every_function),
        cmocka_unit_test(test_derivative_of_operators),
        cmocka_unit_test(test_derivative_at_special_points),
        cmocka_unit_test(test_many_inputs),
        cmocka_unit_test(test_derivatives_of_random_expressions),
        cmocka_unit_test(test_rounding_covers_the_error),
        cmocka_unit_test(test_rounding_of_exact_operations),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_wrong_use_of_names),
        cmocka_unit_test(test_wrong_number_of_arguments),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, make_times, NULL);
}
