/* Expressions: grammar, values, inputs, and the same bits one by one and in batches. */
#include "expr_rig.h"

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

/* ---- batches ---- */

#define POINTS 150 /* two blocks and a remainder */

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
    };
    return cmocka_run_group_tests(tests, make_times, NULL);
}
