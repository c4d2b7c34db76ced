/* Doubles as text: the grammar, correct rounding, and the same bits back, in any locale. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t bits(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static double from_bits(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void assert_parses(const char *text, int loose, size_t length, double expected)
{
    double value = 0;
    size_t n = number_parse(text, strlen(text), loose, &value);
    if (n != length || (n > 0 && bits(value) != bits(expected)))
        fail_msg("\"%s\": %zu characters, %.17g; expected %zu, %.17g", text, n, value, length,
                 expected);
}

static void assert_formats(double value, const char *expected)
{
    char text[NUMBER_TEXT];
    size_t n = number_format(value, text);
    assert_string_equal(text, expected);
    assert_int_equal(n, strlen(expected));
}

static void assert_round_trip(double x)
{
    char text[NUMBER_TEXT];
    size_t n = number_format(x, text), sign = text[0] == '-';
    double back = 0;
    size_t read = number_parse(text + sign, n - sign, 0, &back);
    if (read != n - sign || bits(sign ? -back : back) != bits(x))
        fail_msg("%a was written as %s and read as %a", x, text, back);
}

static void test_json_grammar(void **state)
{
    (void)state;
    assert_parses("0", 0, 1, 0);
    assert_parses("12.5e-1x", 0, 7, 1.25);
    assert_parses("1E+3", 0, 4, 1000);
    assert_parses("1e", 0, 1, 1);
    assert_parses("1e+", 0, 1, 1);
    assert_parses("1.", 0, 1, 1);
    assert_parses("007", 0, 1, 0);
    assert_parses("0.5", 0, 3, 0.5);
    assert_parses(".5", 0, 0, 0);
    assert_parses("-1", 0, 0, 0);
    assert_parses("+1", 0, 0, 0);
    assert_parses("", 0, 0, 0);
    assert_parses("nan", 0, 0, 0);
    assert_parses("inf", 0, 0, 0);
    assert_parses("0x10", 0, 1, 0);
}

static void test_loose_grammar(void **state)
{
    (void)state;
    assert_parses(".5", 1, 2, 0.5);
    assert_parses("5.", 1, 2, 5);
    assert_parses("5.e2", 1, 4, 500);
    assert_parses("007", 1, 3, 7);
    assert_parses(".", 1, 0, 0);
    assert_parses(".e5", 1, 0, 0);
    assert_parses("0x10", 1, 1, 0);
    assert_parses("1,5", 1, 1, 1);
}

/* The text is not the caller's to read beyond len; the sanitizer watches. */
static void test_reads_no_further_than_len(void **state)
{
    (void)state;
    const char digits[] = {'1', '2', '.', '5', 'e', '3'};
    for (size_t len = 0; len <= sizeof digits; len++) {
        char *exact = malloc(len + !len);
        memcpy(exact, digits, len);
        double value = 0;
        size_t n = number_parse(exact, len, 0, &value);
        static const size_t lengths[] = {0, 1, 2, 2, 4, 4, 6};
        assert_int_equal(n, lengths[len]);
        free(exact);
    }
}

static void test_correct_rounding(void **state)
{
    (void)state;
    assert_parses("0.1", 0, 3, 0x1.999999999999ap-4);
    assert_parses("2.2250738585072011e-308", 0, 23, 0x0.fffffffffffffp-1022);
    assert_parses("9007199254740993", 0, 16, 0x1p53); /* a tie, to even */
    assert_parses("9007199254740993.00000000000000000000000000000000000001", 0, 55,
                  0x1.0000000000001p53);
    assert_parses("1e999", 0, 5, INFINITY);
    assert_parses("1e-999", 0, 6, 0);
    assert_parses("4.9406564584124654e-324", 0, 23, 0x1p-1074);

    /* 1 + 2^-53 exactly (a tie) and then a digit far beyond any buffer. */
    char text[1200] = "1.00000000000000011102230246251565404236316680908203125";
    size_t len = strlen(text);
    assert_parses(text, 0, len, 1);
    memset(text + len, '0', 1000);
    text[len + 1000] = '1';
    assert_parses(text, 0, len + 1001, 1 + DBL_EPSILON);
}

static void test_shortest(void **state)
{
    (void)state;
    assert_formats(0, "0");
    assert_formats(-0.0, "-0");
    assert_formats(0.1, "0.1");
    assert_formats(-2, "-2");
    assert_formats(0.1 + 0.2, "0.30000000000000004");
    assert_formats(1e300, "1e+300");
    assert_formats(1.0 / 3, "0.3333333333333333");
    assert_formats(7.85, "7.85");
    assert_formats(5e-324, "5e-324");
    assert_formats(2.5e-320, "2.5e-320");
    assert_formats(DBL_MIN, "2.2250738585072014e-308");
    assert_formats(DBL_MAX, "1.7976931348623157e+308");
    assert_formats(NAN, "nan");
    assert_formats(-INFINITY, "-inf");
    assert_formats(INFINITY, "inf");
}

/* Just below a power of two the neighbours are closer: the nearest 16 digits do not read back, the
 * next ones above do. */
static void test_shortest_at_powers_of_two(void **state)
{
    (void)state;
    assert_formats(0x1p-44, "5.684341886080802e-14");
    assert_formats(-0x1p-44, "-5.684341886080802e-14");
    assert_formats(0x1p-1017, "7.120236347223045e-307");
    assert_formats(0x1p863, "6.150157786156811e+259");
    assert_formats(0x1p89, "6.189700196426902e+26");
    for (int k = -1074; k < 1024; k++)
        assert_round_trip(ldexp(1, k));
}

/* The nearest decimal with one digit less does not read back. */
static void test_nothing_shorter_reads_back(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int i = 0; i < 20000; i++) {
        double x = from_bits(splitmix(&seed));
        if (!isfinite(x))
            continue;
        char text[NUMBER_TEXT], shorter[40];
        number_format(x, text);
        int digits = 0;
        bool leading = true;
        for (const char *p = text; *p && *p != 'e'; p++)
            if (*p >= '0' && *p <= '9' && !(leading && *p == '0')) {
                leading = false;
                digits++;
            }
        if (digits < 2 || !strchr(text, '.'))
            continue;
        snprintf(shorter, sizeof shorter, "%.*e", digits - 2, x);
        if (strtod(shorter, NULL) == x)
            fail_msg("%s could be %s", text, shorter);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 1000000; i++) {
        double x = from_bits(splitmix(&seed));
        if (isfinite(x))
            assert_round_trip(x);
    }
    static const double ends[][2] = {{0, 10}, {-2, 7}, {0, 4}, {1e-3, 1e3}, {-1e-300, 1e300}};
    for (size_t k = 0; k < sizeof ends / sizeof ends[0]; k++)
        for (int count = 2; count <= 1001; count += 37) {
            double step = (ends[k][1] - ends[k][0]) / (count - 1);
            for (int j = 0; j < count; j++)
                assert_round_trip(j * step + ends[k][0]);
        }
}

/* The slow and plain way: the first precision that reads back. Just above a power of two's lower
 * half it can miss the nearest of the shortest; powers of two are left to the test above. */
static void slowly(double value, char out[NUMBER_TEXT])
{
    int first = value != 0 && fabs(value) < DBL_MIN ? 1 : 15;
    for (int precision = first; precision <= 17; precision++) {
        snprintf(out, NUMBER_TEXT, "%.*g", precision, value);
        if (strtod(out, NULL) == value)
            return;
    }
}

static void assert_as_slowly(double value)
{
    char fast[NUMBER_TEXT], slow[NUMBER_TEXT];
    int exponent;
    if (!isfinite(value) || fabs(frexp(value, &exponent)) == 0.5)
        return;
    number_format(value, fast);
    slowly(value, slow);
    if (strcmp(fast, slow) != 0)
        fail_msg("%a: %s, but plainly %s", value, fast, slow);
}

/* NUMBER_COUNT=100000000 takes longer and sees more. */
static void test_as_the_c_library_does(void **state)
{
    (void)state;
    const char *count = getenv("NUMBER_COUNT");
    long n = count ? strtol(count, NULL, 10) : 100000;
    uint64_t seed = 11;
    for (long i = 0; i < n; i++) {
        uint64_t r = splitmix(&seed);
        assert_as_slowly(from_bits(r));
        assert_as_slowly(from_bits(r & 0xfffffffffffff)); /* subnormal */
        assert_as_slowly((double)(r >> (r & 63)));        /* an integer */
        assert_as_slowly((double)(r >> 40) / 1000);       /* few decimals */
        assert_as_slowly(ldexp((double)(int64_t)r, -60)); /* a field's values */
        assert_as_slowly(nextafter(pow(10, (double)(r % 600) - 300), r & 1 ? INFINITY : 0));
    }
}

static void test_locale(void **state)
{
    (void)state;
    /* Whatever is installed; without a decimal comma there is nothing to see. */
    const char *comma[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_AT.UTF-8",
                           "ru_RU.UTF-8"};
    const char *set = NULL;
    for (size_t i = 0; !set && i < sizeof comma / sizeof comma[0]; i++)
        set = setlocale(LC_ALL, comma[i]);
    if (!set)
        skip();
    assert_formats(1.5, "1.5");
    assert_parses("1.5", 0, 3, 1.5);
    char after[16];
    snprintf(after, sizeof after, "%.1f", 1.5);
    setlocale(LC_ALL, "C");
    assert_string_equal(after, "1,5"); /* the caller's locale is as it was */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_grammar),
        cmocka_unit_test(test_loose_grammar),
        cmocka_unit_test(test_reads_no_further_than_len),
        cmocka_unit_test(test_correct_rounding),
        cmocka_unit_test(test_shortest),
        cmocka_unit_test(test_shortest_at_powers_of_two),
        cmocka_unit_test(test_nothing_shorter_reads_back),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_as_the_c_library_does),
        cmocka_unit_test(test_locale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
