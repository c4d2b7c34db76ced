/* common/json: what is refused and where, what is read, that every double survives. */
#include "json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct json_limits limits = {1 << 20, 4096, 100000};

static struct json *parse(const char *text)
{
    struct json *v;
    struct err err = {0};
    if (json_parse(text, strlen(text), &limits, &v, &err))
        fail_msg("%s: %s", text, err.text);
    return v;
}

/* ---- refusals ---- */

struct wrong {
    const char *text;
    size_t len; /* 0: strlen */
    int line, column;
    const char *path, *says, *hint; /* parts of the error; NULL: not looked at */
};

/* Most of these are JSONTestSuite's n_*.json, and those i_*.json that this house refuses. */
static const struct wrong wrongs[] = {
    {"", 0, 1, 1, "", "empty", NULL},
    {" \n\t ", 0, 1, 1, "", "empty", NULL},
    {"job", 0, 1, 1, "", "a value is expected here, not 'j'", "double quotes"},
    {"{", 0, 1, 2, "", "the text ends where a key", "missing"},
    {"[", 0, 1, 2, "[0]", "the text ends where a value", NULL},
    {"[1", 0, 1, 3, "[0]", "the text ends where a comma or ]", NULL},
    {"[1,", 0, 1, 4, "[1]", "the text ends", NULL},
    {"[1,]", 0, 1, 4, "[0]", "a comma before ]", "take the last comma out"},
    {"[1,,2]", 0, 1, 4, "[1]", "a value is expected here, not ','", NULL},
    {"[,1]", 0, 1, 2, "[0]", "a value is expected here, not ','", NULL},
    {"[1 2]", 0, 1, 4, "[0]", "a comma or ] is expected here, not '2'", "comma missing"},
    {"[1}", 0, 1, 3, "[0]", "not '}'", NULL},
    {"{\"a\":1,}", 0, 1, 8, "a", "a comma before }", NULL},
    {"{\"a\":1 \"b\":2}", 0, 1, 8, "a", "a comma or } is expected", NULL},
    {"{\"a\" 1}", 0, 1, 6, "a", "a colon", NULL},
    {"{\"a\":}", 0, 1, 6, "a", "a value is expected here, not '}'", NULL},
    {"{a:1}", 0, 1, 2, "", "a key in double quotes is expected here, not 'a'", "\"key\": value"},
    {"{info:1}", 0, 1, 2, "", "a key in double quotes is expected here, not 'i'", NULL},
    {"{1:1}", 0, 1, 2, "", "a key in double quotes", NULL},
    {"{'a':1}", 0, 1, 2, "", "double quotes", "instead of '...'"},
    {"{\"a\":'b'}", 0, 1, 6, "a", "double quotes", NULL},
    {"{\"a\":1}x", 0, 1, 8, "", "the end of the text is expected here, not 'x'", NULL},
    {"true1", 0, 1, 1, "", "a value is expected", NULL},
    {"1 1", 0, 1, 3, "", "the end of the text", NULL},
    {"[]]", 0, 1, 3, "", "the end of the text", NULL},
    {"{\"a\":{\"b\":[0,{\"c\":NaN}]}}", 0, 1, 19, "a.b[1].c", "NaN is not a number", "finite"},
    {"[Infinity]", 0, 1, 2, "[0]", "an infinity is not a number", "finite"},
    {"[-Infinity]", 0, 1, 2, "[0]", "an infinity is not a number", "finite"},
    {"[nan]", 0, 1, 2, "[0]", "nan is not a number", NULL},
    {"[-inf]", 0, 1, 2, "[0]", "an infinity", NULL},
    {"[True]", 0, 1, 2, "[0]", "True is not JSON", "write true"},
    {"[None]", 0, 1, 2, "[0]", "None is not JSON", "write null"},
    {"[nul]", 0, 1, 2, "[0]", "a value is expected here, not 'n'", NULL},
    {"[1] // x", 0, 1, 5, "", "no comments", "take the comment out"},
    {"/* x */ 1", 0, 1, 1, "", "no comments", NULL},
    {"# x\n1", 0, 1, 1, "", "no comments", NULL},
    {"[+1]", 0, 1, 2, "[0]", "may not begin with +", "leave the + away"},
    {"[.5]", 0, 1, 2, "[0]", "may not begin with a point", "0 before the point"},
    {"[-.5]", 0, 1, 2, "[0]", "may not begin with a point", NULL},
    {"[1.]", 0, 1, 2, "[0]", "may not end in a point", NULL},
    {"[1.e3]", 0, 1, 2, "[0]", "may not end in a point", NULL},
    {"[01]", 0, 1, 2, "[0]", "may not begin with 01", "leading zeros"},
    {"[-01]", 0, 1, 2, "[0]", "may not begin with 01", NULL},
    {"[1e]", 0, 1, 2, "[0]", "the exponent of this number has no digits", NULL},
    {"[1e+]", 0, 1, 2, "[0]", "the exponent", NULL},
    {"[-]", 0, 1, 3, "[0]", "a digit is expected here, not ']'", NULL},
    {"[0x10]", 0, 1, 3, "[0]", "a comma or ] is expected here, not 'x'", NULL},
    {"[1_000]", 0, 1, 3, "[0]", "not '_'", NULL},
    {"[1e999]", 0, 1, 2, "[0]", "the number 1e999 is out of range", "1.8e308"},
    {"[-1e999]", 0, 1, 2, "[0]", "the number -1e999 is out of range", NULL},
    {"[0,12345678901234567890123456789012345678901]", 0, 1, 4, "[1]", "41 characters", "17 digits"},
    {"\"a", 0, 1, 1, "", "this string does not end", "close it"},
    {"\"a\\", 0, 1, 3, "", "not an escape", NULL},
    {"[\"a\nb\"]", 0, 1, 2, "[0]", "does not end on its line", "\\n"},
    {"[\"a\tb\"]", 0, 1, 4, "[0]", "control character 0x09", NULL},
    {"[\"a\x01\"]", 0, 1, 4, "[0]", "control character 0x01", NULL},
    {"[\"\\q\"]", 0, 1, 3, "[0]", "not an escape", "backslash"},
    {"[\"\\u12G4\"]", 0, 1, 3, "[0]", "four hexadecimal digits", NULL},
    {"[\"\\u12", 0, 1, 3, "[0]", "four hexadecimal digits", NULL},
    {"[\"a\\u0000b\"]", 0, 1, 4, "[0]", "\\u0000 is not accepted", NULL},
    {"[\"\\uD800\"]", 0, 1, 3, "[0]", "half of a surrogate pair", NULL},
    {"[\"\\uDC00\"]", 0, 1, 3, "[0]", "half of a surrogate pair", NULL},
    {"[\"\\uD800\\u0041\"]", 0, 1, 3, "[0]", "half of a surrogate pair", NULL},
    {"[\"\\uD800\\uD800\"]", 0, 1, 3, "[0]", "half of a surrogate pair", NULL},
    {"[\"\xFF\"]", 0, 1, 3, "[0]", "0xFF is not UTF-8", "UTF-8"},
    {"[\"\xC0\xAF\"]", 0, 1, 3, "[0]", "0xC0 is not UTF-8", NULL},
    {"[\"\xE0\x80\x80\"]", 0, 1, 3, "[0]", "0xE0 is not UTF-8", NULL},
    {"[\"\xED\xA0\x80\"]", 0, 1, 3, "[0]", "0xED is not UTF-8", NULL},
    {"[\"\xF4\x90\x80\x80\"]", 0, 1, 3, "[0]", "0xF4 is not UTF-8", NULL},
    {"[\"\xE2\x82", 0, 1, 3, "[0]", "0xE2 is not UTF-8", NULL},
    {"[\xFF]", 0, 1, 2, "[0]", "0xFF is not UTF-8", NULL},
    {"\xEF\xBB\xBF{}", 0, 1, 1, "", "byte-order mark", "without one"},
    {"\xFF\xFE{\0}\0", 6, 1, 1, "", "UTF-16", NULL},
    {"[1\0]", 4, 1, 3, "[0]", "control character 0x00", NULL},
    {"\0", 1, 1, 1, "", "control character 0x00", NULL},
    {"{}\0", 3, 1, 3, "", "control character 0x00", NULL},
    {"[\"a\0b\"]", 7, 1, 4, "[0]", "control character 0x00", NULL},
    {"[\x0C]", 0, 1, 2, "[0]", "control character 0x0C", NULL},
    {"{\"a\":1,\n \"b\":2,\n \"a\":3}", 0, 3, 2, "a", "\"a\" is there twice", "one of the two"},
    {"{\"x\":{\"a\":1,\"\\u0061\":2}}", 0, 1, 13, "x.a", "\"a\" is there twice", NULL},
    {"{\"\":1,\"\":2}", 0, 1, 7, "", "is there twice", NULL},
    {"[\"\xC3\xA4\", \"\xE2\x82\xAC\", x]", 0, 1, 12, "[2]", "not 'x'", NULL},
};

static void refuses(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        const struct wrong *w = &wrongs[i];
        struct json *v;
        struct err err = {0};
        /* An exact copy, so that reading one byte too far shows. */
        size_t len = w->len ? w->len : strlen(w->text);
        char *copy = malloc(len ? len : 1);
        memcpy(copy, w->text, len);
        if (!json_parse(copy, len, &limits, &v, &err))
            fail_msg("accepted: %s", w->text);
        free(copy);
        if (err.code != ERR_OTHER || err.line != w->line || err.column != w->column ||
            strcmp(err.path, w->path) != 0 || !strstr(err.text, w->says) ||
            (w->hint && !strstr(err.hint, w->hint)))
            wrong++, print_error("%s: got %d:%d \"%s\": %s; %s\n", w->text, err.line, err.column,
                                 err.path, err.text, err.hint);
        assert_null(v);
        assert_int_equal(json_parse(w->text, len, &limits, &v, NULL), -1);
    }
    assert_int_equal(wrong, 0);
}

/* Any prefix of a good text and any one changed byte: an answer, never a crash. */
static void survives_damage(void **state)
{
    (void)state;
    const char text[] = "{\"a\": [1, -2.5e-3, \"x\\u00e9\\uD83D\\uDE00\\n\"], \"b\": {\"c\": null, "
                        "\"d\": true}, \"e\": []}";
    for (size_t n = 0; n < sizeof text - 1; n++) {
        struct json *v;
        char *copy = malloc(n ? n : 1);
        memcpy(copy, text, n);
        assert_int_equal(json_parse(copy, n, &limits, &v, NULL), -1);
        free(copy);
    }
    for (size_t i = 0; i < sizeof text - 1; i++)
        for (int c = 0; c < 256; c++) {
            char copy[sizeof text];
            memcpy(copy, text, sizeof text);
            copy[i] = (char)c;
            struct json *v;
            if (!json_parse(copy, sizeof text - 1, &limits, &v, NULL))
                json_destroy(v);
        }
}

static void limits_hold(void **state)
{
    (void)state;
    struct json *v;
    struct err err = {0};
    char deep[40];
    for (int depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(deep, '[', (size_t)depth);
        memset(deep + depth, ']', (size_t)depth);
        int got = json_parse(deep, 2 * (size_t)depth, &limits, &v, &err);
        assert_int_equal(got, depth > JSON_DEPTH_MAX ? -1 : 0);
        if (!got)
            json_destroy(v);
    }
    assert_non_null(strstr(err.text, "more than 16 levels"));
    assert_int_equal(err.column, JSON_DEPTH_MAX + 1);

    char *nested = malloc(1 << 20);
    memset(nested, '[', 1 << 20);
    assert_int_equal(json_parse(nested, 1 << 20, &limits, &v, &err), -1);
    free(nested);

    struct json_limits small = {20, 3, 2};
    assert_int_equal(json_parse("[1,2]               ", 20, &small, &v, &err), 0);
    json_destroy(v);
    assert_int_equal(json_parse("[1,2]                ", 21, &small, &v, &err), -1);
    assert_non_null(strstr(err.text, "21 bytes, at most 20"));
    assert_int_equal(json_parse("[[],[],[]]", 10, &small, &v, &err), -1);
    assert_non_null(strstr(err.text, "more than 3 values"));
    assert_int_equal(json_parse("[1,2,3]", 7, &(struct json_limits){20, 9, 2}, &v, &err), -1);
    assert_non_null(strstr(err.text, "more than 2 numbers"));
}

/* ---- reading ---- */

static void reads_a_tree(void **state)
{
    (void)state;
    struct json *v =
        parse("{\n  \"name\": \"a\\\"\\u00e9\\ud83d\\ude00\",\n  \"n\": [1, -0.0, 1e3],"
              "\n  \"mixed\": [1, \"two\", [3, 4], {\"five\": null}],\n"
              "  \"t\": true, \"f\": false, \"\": 2.5, \"N\": 9007199254740993}\n");
    assert_int_equal(json_type(v), JSON_OBJECT);
    assert_int_equal(json_length(v), 7);
    assert_null(json_key(v));
    assert_string_equal(json_string(json_get(v, "name")), "a\"\xC3\xA9\xF0\x9F\x98\x80");
    assert_string_equal(json_get_string(v, "name", "?"), "a\"\xC3\xA9\xF0\x9F\x98\x80");
    assert_string_equal(json_get_string(v, "n", "?"), "?");
    assert_null(json_get(v, "Name"));
    assert_null(json_get(NULL, "x"));
    assert_true(json_get_bool(v, "t", false));
    assert_false(json_get_bool(v, "f", true));
    assert_true(json_get_bool(v, "n", true));
    assert_true(json_get_number(v, "", 0) == 2.5);
    assert_true(json_get_number(v, "name", 7) == 7);

    const struct json *n = json_get(v, "n");
    assert_int_equal(json_length(n), 3);
    assert_true(signbit(json_numbers(n)[1]));
    int64_t whole;
    assert_int_equal(json_integer(json_at(n, 2), &whole), 0);
    assert_int_equal(whole, 1000);
    assert_int_equal(json_get_integer(v, "", 5), 5); /* 2.5 is not whole */
    assert_null(json_at(n, 3));

    const struct json *mixed = json_get(v, "mixed");
    assert_null(json_numbers(mixed));
    assert_true(json_number(json_first(mixed)) == 1);
    assert_string_equal(json_string(json_at(mixed, 1)), "two");
    assert_true(json_numbers(json_at(mixed, 2))[1] == 4);
    assert_int_equal(json_type(json_get(json_at(mixed, 3), "five")), JSON_NULL);
    assert_null(json_next(json_at(mixed, 3)));
    assert_ptr_equal(json_parent(json_at(mixed, 3)), mixed);

    char path[64];
    int line, column;
    assert_string_equal(json_path(json_get(json_at(mixed, 3), "five"), JSON_SELF, path, 64),
                        "mixed[3].five");
    assert_string_equal(json_path(n, 1, path, sizeof path), "n[1]");
    assert_string_equal(json_path(n, 1, path, 3), "n[");
    assert_string_equal(json_path(v, JSON_SELF, path, sizeof path), "");
    json_place(n, 1, &line, &column);
    assert_int_equal(line * 100 + column, 312);
    json_place(mixed, 1, &line, &column);
    assert_int_equal(line * 100 + column, 416);
    json_place_key(json_get(v, "t"), &line, &column);
    assert_int_equal(line * 100 + column, 503);
    /* a \" é(2 bytes) smile(4 bytes): bytes 0, 1, 2-3, 4-7; the string begins in column 11. */
    static const int columns[] = {12, 13, 15, 15, 21, 21, 21, 21, 33};
    for (size_t i = 0; i < 9; i++) {
        json_place_char(json_get(v, "name"), i, &line, &column);
        assert_int_equal(line * 100 + column, 200 + columns[i]);
    }
    json_destroy(v);
    json_destroy(NULL);
}

static void long_lists_cost_no_nodes(void **state)
{
    (void)state;
    struct buf text = {0};
    buf_str(&text, "{\"before\": [[1], 2], \"list\": [");
    for (int i = 0; i < 90000; i++)
        buf_printf(&text, "%s%d.25", i == 0 ? "" : i % 10 ? ", " : ",\n", i);
    buf_str(&text, "], \"after\": \"x\"}");
    struct json *v;
    struct err err = {0};
    assert_int_equal(json_parse((char *)text.data, text.len, &limits, &v, &err), 0);
    const struct json *list = json_get(v, "list");
    assert_int_equal(json_length(list), 90000);
    assert_true(json_numbers(list)[89999] == 89999.25);
    assert_null(json_first(list));
    assert_null(json_at(list, 5));
    assert_string_equal(json_get_string(v, "after", ""), "x");
    assert_true(json_number(json_at(json_get(v, "before"), 1)) == 2);
    int line, column;
    json_place(list, 12345, &line, &column);
    assert_int_equal(line, 1235);
    assert_int_equal(column, 1 + 5 * (int)strlen("12340.25, "));

    /* Copied and printed, it reads the same. */
    struct json_out *copy = json_copy(v);
    struct buf again = {0};
    json_print(copy, true, &again);
    json_out_destroy(copy);
    struct json *w;
    assert_int_equal(json_parse((char *)again.data, again.len, &limits, &w, &err), 0);
    assert_memory_equal(json_numbers(json_get(w, "list")), json_numbers(list), 90000 * 8);
    for (size_t i = 0, from = 0; i < again.len; i++)
        if (again.data[i] == '\n') {
            assert_true(i - from <= 101);
            from = i + 1;
        }
    json_destroy(v);
    json_destroy(w);

    /* What is not a number in the middle of a long list has a place, too. */
    text.len -= 1000;
    buf_str(&text, ", \"x\"]}");
    assert_int_equal(json_parse((char *)text.data, text.len, &limits, &v, &err), -1);
    assert_non_null(strstr(err.text, "a number, as all before it in this list"));
    assert_memory_equal(err.path, "list[8", 6);
    assert_true(err.line > 8000);
    buf_fini(&text);
    buf_fini(&again);
}

/* Lists around the length where nodes are given up, alone and within each other. */
static void list_lengths(void **state)
{
    (void)state;
    for (int n = 0; n <= 2 * JSON_SHORT_LIST; n++) {
        struct buf text = {0};
        buf_str(&text, "[[");
        for (int i = 0; i < n; i++)
            buf_printf(&text, "%s%d", i ? "," : "", i);
        buf_str(&text, "],\"x\",[");
        for (int i = 0; i < n; i++)
            buf_printf(&text, "%s%d", i ? "," : "", -i);
        buf_str(&text, "]]");
        struct json *v = parse(buf_text(&text));
        assert_null(json_numbers(v));
        for (size_t k = 0; k < 3; k += 2) {
            const struct json *list = json_at(v, k);
            assert_int_equal(json_length(list), n);
            for (int i = 0; i < n; i++)
                assert_true(json_numbers(list)[i] == (k ? -i : i));
            assert_true((json_first(list) != NULL) == (n > 0 && n <= JSON_SHORT_LIST));
        }
        assert_string_equal(json_string(json_at(v, 1)), "x");
        json_destroy(v);
        buf_fini(&text);
    }
}

/* ---- writing ---- */

static void writes(void **state)
{
    (void)state;
    struct json_out *out = json_object();
    json_put_string(out, "text", "a\"b\\c\n\t\x01\xC3\xA9 \xFFz");
    json_put_string(out, "none", NULL);
    json_put_number(out, "x", 0.30000000000000004);
    json_put_number(out, "nan", (double)NAN);
    json_put_integer(out, "n", INT64_MIN);
    json_put_bool(out, "yes", true);
    json_put_null(out, "null");
    json_put_numbers(out, "list", (double[]){1, -0.5, (double)INFINITY}, 3);
    struct json_out *jobs = json_put_array(out, "jobs"), *job = json_add_object(jobs);
    json_put_integer(job, "id", 7);
    json_add_number(jobs, 2.5);
    json_add_integer(jobs, 3);
    json_add_string(jobs, "s");
    json_put_object(out, "empty");
    struct buf text = {0};
    json_print(out, false, &text);
    assert_string_equal(
        buf_text(&text),
        "{\"text\": \"a\\\"b\\\\c\\n\\t\\u0001\xC3\xA9 \xEF\xBF\xBDz\", \"none\": null, "
        "\"x\": 0.30000000000000004, \"nan\": null, \"n\": -9223372036854775808, \"yes\": true, "
        "\"null\": null, \"list\": [1, -0.5, null], "
        "\"jobs\": [{\"id\": 7}, 2.5, 3, \"s\"], \"empty\": {}}");
    struct json *v = parse(buf_text(&text));
    json_destroy(v);
    buf_clear(&text);
    json_print(out, true, &text);
    const char *pretty = buf_text(&text);
    assert_non_null(strstr(pretty, "\n  \"jobs\": [{\"id\": 7}, 2.5, 3, \"s\"],\n"));
    assert_memory_equal(pretty, "{\n  \"text\": ", 12);
    assert_string_equal(strstr(pretty, "\n  \"empty"), "\n  \"empty\": {}\n}\n");
    json_out_destroy(out);
    json_out_destroy(NULL);
    buf_fini(&text);
}

static uint64_t random_bits(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    return *seed ^= *seed << 17;
}

static void every_double_survives(void **state)
{
    (void)state;
    enum { N = 20000 };
    double *x = malloc(N * sizeof *x);
    uint64_t seed = 88172645463325252u;
    for (size_t i = 0; i < N; i++)
        do {
            uint64_t bits = random_bits(&seed);
            memcpy(&x[i], &bits, 8);
        } while (!isfinite(x[i]));
    x[0] = 5e-324;
    x[1] = 1.7976931348623157e308;
    x[2] = 0.1 + 0.2;
    x[3] = 9007199254740991;
    x[4] = -0.0;
    struct json_out *out = json_object();
    json_put_numbers(out, "x", x, N);
    for (size_t i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "x%zu", i);
        json_put_number(out, key, x[i]);
    }
    struct buf text = {0};
    json_print(out, false, &text);
    struct json *v = parse(buf_text(&text));
    assert_memory_equal(json_numbers(json_get(v, "x")), x, N * 8);
    for (size_t i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "x%zu", i);
        double y = json_get_number(v, key, 0);
        assert_memory_equal(&y, &x[i], 8);
    }
    json_destroy(v);
    json_out_destroy(out);
    buf_fini(&text);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses),
        cmocka_unit_test(survives_damage),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(reads_a_tree),
        cmocka_unit_test(long_lists_cost_no_nodes),
        cmocka_unit_test(list_lengths),
        cmocka_unit_test(writes),
        cmocka_unit_test(every_double_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
