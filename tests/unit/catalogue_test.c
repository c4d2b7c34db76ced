/* What a user may call a job. */
#include "catalogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct catalogue_job *add(struct catalogue *c, uint32_t id, const char *name)
{
    char text[512];
    struct job *job;
    struct err err;
    snprintf(text, sizeof text,
             "{\"name\": \"%s\", \"w\": {\"is\": \"cos(2*t)\", \"t\": [0, 9]}, "
             "\"z\": {\"start\": [1, 0], \"t\": [0, 9]}, "
             "\"grid\": {\"q\": [1], \"a\": [1]}, \"output\": {\"F\": \"z(9)\"}}",
             name);
    if (job_parse(text, strlen(text), NULL, &job, &err))
        fail_msg("%s: %s", err.path, err.text);
    struct catalogue_job *e = catalogue_add(c, id, job);
    e->key = 1000 + id;
    e->stage = CATALOGUE_THERE;
    return e;
}

static uint32_t find(struct catalogue *c, const char *word)
{
    struct err err = {0};
    struct catalogue_job *e = catalogue_find(c, word, &err);
    if (!e)
        assert_int_equal(err.code, ERR_NO_SUCH_JOB);
    return e ? e->id : 0;
}

static void test_names(void **state)
{
    (void)state;
    struct catalogue *c = catalogue_create();
    assert_int_equal(find(c, "last"), 0);
    add(c, 7, "chart");
    add(c, 3, "alpha");
    add(c, 9, "alphabet");
    add(c, 12, "chart");
    assert_int_equal(find(c, "7"), 7);
    assert_int_equal(find(c, "8"), 0);
    assert_int_equal(find(c, "99999999999999999999"), 0);
    assert_int_equal(find(c, "last"), 12);
    assert_int_equal(find(c, "alpha"), 3); /* the very name wins over a prefix */
    assert_int_equal(find(c, "alphab"), 9);
    assert_int_equal(find(c, "alp"), 0); /* two names begin like that */
    assert_int_equal(find(c, "ch"), 12); /* the newest of one name */
    assert_int_equal(find(c, ""), 0);
    assert_int_equal(find(c, "beta"), 0);
    add(c, 10, "alphas");
    assert_int_equal(find(c, "alpha"), 3); /* over several prefixes, too */
    assert_int_equal(catalogue_by_key(c, 1003)->id, 3);
    catalogue_destroy(c);
}

static void test_a_slip_is_answered_by_a_name(void **state)
{
    static const struct {
        const char *word, *hint;
    } cases[] = {
        {"mathieu", "did you mean 2 \"Mathieu\"?"}, {"MATH", "did you mean 2 \"Mathieu\"?"},
        {"Mahtieu", "did you mean 2 \"Mathieu\"?"}, {"pendulum", "hillsweep list shows the jobs"},
        {"17", "hillsweep list shows the jobs"},    {"", "hillsweep list shows the jobs"},
    };
    (void)state;
    struct catalogue *c = catalogue_create();
    add(c, 1, "driven mode");
    add(c, 2, "Mathieu");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {0};
        assert_null(catalogue_find(c, cases[i].word, &err));
        assert_int_equal(err.code, ERR_NO_SUCH_JOB);
        assert_string_equal(err.hint, cases[i].hint);
    }
    catalogue_destroy(c);
}

static void test_jobs_that_come_and_go_have_no_name(void **state)
{
    (void)state;
    struct catalogue *c = catalogue_create();
    add(c, 1, "one");
    add(c, 2, "two")->stage = CATALOGUE_LEAVING;
    add(c, 3, "three")->stage = CATALOGUE_COMING;
    assert_int_equal(find(c, "last"), 1);
    assert_int_equal(find(c, "two"), 0);
    assert_int_equal(find(c, "2"), 0);
    assert_int_equal(find(c, "three"), 0);
    assert_null(catalogue_by_key(c, 1002));
    assert_int_equal(catalogue_by_key(c, 1003)->id, 3); /* a repeated submit meets the first */
    add(c, 4, "one")->stage = CATALOGUE_LEAVING; /* does not hide the older one of its name */
    add(c, 5, "only")->stage = CATALOGUE_LEAVING;
    assert_int_equal(find(c, "one"), 1);
    assert_int_equal(find(c, "on"), 1); /* nor makes its prefix ambiguous */
    catalogue_remove(c, 1);
    assert_int_equal(find(c, "last"), 0);
    assert_null(catalogue_job(c, 1));
    assert_int_equal(catalogue_at(c, 0)->id, 2);
    catalogue_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_a_slip_is_answered_by_a_name),
        cmocka_unit_test(test_jobs_that_come_and_go_have_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
