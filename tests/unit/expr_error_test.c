/* Expressions: what is said about texts that are wrong, and the limits. */
#include "expr_rig.h"

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
