/* A job's way from a number to something that can be solved: every part asked for, nothing asked
 * twice without need, failures told, old jobs forgotten. */
#include "shelf.h"
#include "wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { JOB = 9 };

static const char job_text[] =
    "{\"w\": {\"is\": \"t\", \"t\": [0, 2]}, \"z\": {\"start\": [1, 0], \"t\": [0, 2]},"
    " \"grid\": {\"q\": [0, 1], \"a\": [1, 2]}, \"output\": {\"F\": \"z(2)\"}}";

struct bench {
    struct shelf *shelf;
    struct shelf_action action;
    struct buf document;
};

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    struct job *job;
    struct err err;
    if (job_parse(job_text, strlen(job_text), NULL, &job, &err))
        return -1;
    job_encode(job, &b->document);
    job_destroy(job);
    b->shelf = shelf_create(1);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    shelf_destroy(b->shelf);
    buf_fini(&b->document);
    free(b);
    return 0;
}

static void expect(struct bench *b, int64_t now_ms, enum shelf_type type)
{
    assert_true(shelf_next(b->shelf, now_ms, &b->action));
    assert_int_equal(b->action.type, type);
    assert_int_equal(b->action.job, JOB);
}

static void expect_nothing(struct bench *b, int64_t now_ms)
{
    assert_false(shelf_next(b->shelf, now_ms, &b->action));
}

static struct shelf_part slice(const struct buf *blob, uint32_t offset, size_t len)
{
    return (struct shelf_part){JOB, (uint32_t)blob->len, offset, blob->data + offset, len};
}

static void give_document(struct bench *b)
{
    struct shelf_part part = slice(&b->document, 0, b->document.len);
    shelf_job_part(b->shelf, &part);
}

static void give_table(struct bench *b, const struct buf *table)
{
    struct shelf_part part = {.job = JOB};
    if (table)
        part = slice(table, 0, table->len);
    shelf_table_part(b->shelf, &part);
}

/* The task of a BUILD action, done at once. */
static void build(struct bench *b, int64_t now_ms)
{
    struct err err;
    expect(b, now_ms, SHELF_BUILD);
    shelf_lend(b->shelf, b->action.recipe);
    assert_int_equal(recipe_build(b->action.recipe, &err), 0);
    shelf_built(b->shelf, b->action.recipe, NULL);
    shelf_return(b->shelf, b->action.recipe);
}

static void begin(struct bench *b)
{
    shelf_want(b->shelf, JOB);
    expect(b, 0, SHELF_ASK_JOB);
    expect(b, 0, SHELF_ASK_TABLE);
    give_document(b);
}

static void the_first_worker_puts_the_table(void **state)
{
    struct bench *b = *state;
    begin(b);
    give_table(b, NULL);
    assert_null(shelf_recipe(b->shelf, JOB));
    build(b, 10);
    expect(b, 10, SHELF_PUT_TABLE);
    expect_nothing(b, 10);
    assert_int_equal(shelf_deadline(b->shelf), 10 + SHELF_AGAIN_MS);
    expect_nothing(b, 9 + SHELF_AGAIN_MS);
    expect(b, 10 + SHELF_AGAIN_MS, SHELF_PUT_TABLE); /* unanswered */
    give_table(b, recipe_table(b->action.recipe));   /* its own bytes: no adoption */
    expect(b, 1011, SHELF_READY);
    expect_nothing(b, 99999);
    assert_int_equal(shelf_deadline(b->shelf), INT64_MAX);
    assert_ptr_equal(shelf_recipe(b->shelf, JOB), b->action.recipe);
    shelf_want(b->shelf, JOB); /* another lease */
    expect(b, 1012, SHELF_READY);
}

static void a_later_worker_adopts_the_table(void **state)
{
    struct bench *b = *state;
    struct err err;
    begin(b);
    build(b, 0);
    struct recipe *recipe = b->action.recipe;
    struct buf table = {0};
    buf_add(&table, recipe_table(recipe)->data, recipe_table(recipe)->len);
    table.data[4] ^= 1; /* a sample; only workers' segments matter */
    for (size_t at = 0, n; at < table.len; at += n) {
        n = table.len - at < 5000 ? table.len - at : 5000;
        struct shelf_part part = slice(&table, (uint32_t)at, n);
        if (at > 0) {
            expect(b, 1, SHELF_ASK_TABLE);
            assert_int_equal(b->action.offset, at);
        }
        shelf_table_part(b->shelf, &part);
    }
    expect(b, 1, SHELF_ADOPT);
    assert_int_equal(b->action.table.len, table.len);
    assert_int_equal(recipe_adopt(recipe, b->action.table.data, b->action.table.len, &err), 0);
    assert_int_not_equal(recipe_adopt(recipe, b->action.table.data, 3, &err), 0);
    assert_int_not_equal(recipe_adopt(recipe, "\377\377\377\377", 4, &err), 0);
    buf_fini(&b->action.table);
    assert_null(shelf_recipe(b->shelf, JOB));
    shelf_adopted(b->shelf, recipe, NULL);
    expect(b, 1, SHELF_READY);
    buf_fini(&table);
}

static void questions_are_repeated_from_where_they_are(void **state)
{
    struct bench *b = *state;
    shelf_want(b->shelf, JOB);
    shelf_want(b->shelf, JOB);
    expect(b, 0, SHELF_ASK_JOB);
    expect(b, 0, SHELF_ASK_TABLE);
    expect_nothing(b, SHELF_AGAIN_MS - 1);
    expect(b, SHELF_AGAIN_MS, SHELF_ASK_JOB);
    expect(b, SHELF_AGAIN_MS, SHELF_ASK_TABLE);
    struct shelf_part part = slice(&b->document, 0, 10);
    shelf_job_part(b->shelf, &part);
    shelf_job_part(b->shelf, &part);    /* repeated */
    part = slice(&b->document, 20, 10); /* out of turn */
    shelf_job_part(b->shelf, &part);
    part = slice(&b->document, 10, b->document.len - 10);
    part.len++; /* more than there is */
    shelf_job_part(b->shelf, &part);
    part.job++; /* not wanted */
    shelf_job_part(b->shelf, &part);
    expect(b, SHELF_AGAIN_MS + 1, SHELF_ASK_JOB);
    assert_int_equal(b->action.offset, 10);
    expect_nothing(b, SHELF_AGAIN_MS + 1);
    shelf_hurry(b->shelf);
    expect(b, SHELF_AGAIN_MS + 2, SHELF_ASK_JOB);
    expect(b, SHELF_AGAIN_MS + 2, SHELF_ASK_TABLE);
    part = slice(&b->document, 10, b->document.len - 10);
    shelf_job_part(b->shelf, &part);
    build(b, SHELF_AGAIN_MS + 2);
}

static void a_failure_is_told_for_each_lease(void **state)
{
    struct bench *b = *state;
    struct err err, why;
    err_set(&why, ERR_JOB_REFUSED, "w is infinite");
    begin(b);
    expect(b, 0, SHELF_BUILD);
    shelf_lend(b->shelf, b->action.recipe);
    assert_int_equal(recipe_build(b->action.recipe, &err), 0);
    shelf_built(b->shelf, b->action.recipe, &why);
    shelf_return(b->shelf, b->action.recipe);
    expect(b, 0, SHELF_FAILED);
    assert_string_equal(b->action.err.text, "w is infinite");
    expect_nothing(b, 99999);
    shelf_want(b->shelf, JOB);
    expect(b, 99999, SHELF_FAILED);
    assert_null(shelf_recipe(b->shelf, JOB));
}

static void a_job_that_is_gone_may_come_again(void **state)
{
    struct bench *b = *state;
    shelf_want(b->shelf, JOB);
    expect(b, 0, SHELF_ASK_JOB);
    struct shelf_part none = {.job = JOB};
    shelf_job_part(b->shelf, &none);
    expect(b, 0, SHELF_GONE);
    expect_nothing(b, 99999);
    shelf_want(b->shelf, JOB);
    expect(b, 99999, SHELF_ASK_JOB);
}

static bool is_used(void *arg, uint32_t job)
{
    return *(uint32_t *)arg == job;
}

static void old_jobs_are_forgotten(void **state)
{
    struct bench *b = *state;
    uint32_t used = JOB;
    begin(b);
    expect(b, 0, SHELF_BUILD);
    struct recipe *recipe = b->action.recipe;
    shelf_lend(b->shelf, recipe);
    for (uint32_t job = 100; job < 100 + 2 * SHELF_JOBS; job++) {
        shelf_want(b->shelf, job);
        shelf_trim(b->shelf, is_used, &used);
    }
    size_t asked = 0;
    while (shelf_next(b->shelf, 1, &b->action))
        asked += b->action.type == SHELF_ASK_JOB;
    assert_int_equal(asked, SHELF_JOBS);

    shelf_clear(b->shelf); /* while a task has it: freed when it comes back */
    expect_nothing(b, 99999);
    struct err err;
    assert_int_equal(recipe_build(recipe, &err), 0);
    shelf_built(b->shelf, recipe, NULL);
    expect_nothing(b, 99999);
    shelf_want(b->shelf, JOB); /* begun anew */
    expect(b, 99999, SHELF_ASK_JOB);
    shelf_return(b->shelf, recipe);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_first_worker_puts_the_table),
        TEST(a_later_worker_adopts_the_table),
        TEST(questions_are_repeated_from_where_they_are),
        TEST(a_failure_is_told_for_each_lease),
        TEST(a_job_that_is_gone_may_come_again),
        TEST(old_jobs_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
