/* JSONTestSuite, judged as RFC 8259 says; where this house is stricter than the RFC the case is
 * named with its reason. */
#include "buf.h"
#include "json.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct json_limits limits = {.bytes = 1 << 20, .values = 1 << 16, .numbers = 1 << 16};

/* Valid JSON that is refused all the same (json.h says so), and the word that its reason has. */
static const struct {
    const char *name, *reason;
} stricter[] = {
    {"y_number_double_close_to_zero.json", "at most 40"},
    {"y_object_duplicated_key.json", "twice"},
    {"y_object_duplicated_key_and_value.json", "twice"},
    {"y_object_escaped_null_in_key.json", "\\u0000"},
    {"y_string_null_escape.json", "\\u0000"},
};

static const char *reason_of(const char *name)
{
    for (size_t i = 0; i < sizeof stricter / sizeof *stricter; i++)
        if (strcmp(stricter[i].name, name) == 0)
            return stricter[i].reason;
    return NULL;
}

static int judge(const void *text, size_t len, struct err *err)
{
    struct json *root = NULL;
    memset(err, 0, sizeof *err);
    char *exact = malloc(len ? len : 1); /* a byte too many read is seen by ASan */
    memcpy(exact, text, len);
    int rc = json_parse(exact, len, &limits, &root, err);
    free(exact);
    if (rc == 0)
        json_destroy(root);
    else
        assert_true(err->code == ERR_OTHER && *err->text && err->line >= 1 && err->column >= 1);
    return rc;
}

static void each_case_is_judged(void **state)
{
    (void)state;
    size_t accepted = 0, refused = 0, free_choice = 0, wrong = 0;
    static char text[1 << 20];
    DIR *dir = opendir(CORPUS_FOLDER "/json");
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        char path[4096];
        struct err err;
        if (e->d_name[0] == '.' || e->d_name[1] != '_')
            continue;
        snprintf(path, sizeof path, "%s/json/%s", CORPUS_FOLDER, e->d_name);
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        size_t len = fread(text, 1, sizeof text, f);
        fclose(f);
        int rc = judge(text, len, &err);
        const char *reason = reason_of(e->d_name);
        bool right = e->d_name[0] == 'i' || (e->d_name[0] == 'n' && rc != 0) ||
                     (e->d_name[0] == 'y' && !reason && rc == 0) ||
                     (reason && rc != 0 && strstr(err.text, reason));
        if (!right) {
            print_message("%s: %s\n", e->d_name, rc ? err.text : "accepted");
            wrong++;
        }
        accepted += e->d_name[0] == 'y';
        refused += e->d_name[0] == 'n';
        free_choice += e->d_name[0] == 'i';
    }
    closedir(dir);
    print_message("y %zu, n %zu, i %zu\n", accepted, refused, free_choice);
    assert_int_equal(wrong, 0);
    assert_int_equal(accepted + refused + free_choice, 316);
}

static void the_two_large_ones(void **state)
{
    (void)state;
    struct buf text = {0};
    struct err err;
    for (int i = 0; i < 100000; i++)
        buf_str(&text, "["); /* n_structure_100000_opening_arrays */
    assert_int_equal(judge(text.data, text.len, &err), -1);
    buf_clear(&text);
    for (int i = 0; i < 50000; i++)
        buf_str(&text, "[{\"\":"); /* n_structure_open_array_object */
    assert_int_equal(judge(text.data, text.len, &err), -1);
    assert_non_null(strstr(err.text, "16 levels"));
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_case_is_judged),
        cmocka_unit_test(the_two_large_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
