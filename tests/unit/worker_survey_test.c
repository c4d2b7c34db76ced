/* --probe: a text and its document give the same answer, in bounded time, and a bad job its reason.
 */
#include "job.h"
#include "json.h"
#include "survey.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GRID(n)                                                                                    \
    "\"grid\": {\"q\": {\"from\": 0, \"to\": 4, \"count\": " #n "},"                               \
    " \"a\": {\"from\": -2, \"to\": 7, \"count\": " #n "}}, \"output\": {\"F\": \"z(10)\"}}"
#define EQUATION                                                                                   \
    "{\"w\": {\"is\": \"cos(2*t)\", \"t\": [0, 10]}, \"z\": {\"start\": [1, 0], \"t\": [0, 10]}, "

static struct json *survey(const void *text, size_t len)
{
    struct buf out = {0};
    struct err err = {0};
    struct json *json;
    const struct json_limits limits = {1 << 16, 1000, 1000};
    if (survey_run(text, len, 2, &out, &err))
        fail_msg("%s", err.text);
    assert_int_equal(json_parse((char *)out.data, out.len, &limits, &json, &err), 0);
    buf_fini(&out);
    return json;
}

static void check_small(const void *text, size_t len)
{
    struct json *json = survey(text, len);
    assert_int_equal(json_get_integer(json, "points", 0), 400);
    assert_int_equal(json_get_integer(json, "result_bytes", 0), 400 * 13);
    int64_t wire = json_get_integer(json, "wire_bytes", 0);
    assert_true(wire > 400 * 8 && wire <= 400 * 13); /* so few are solved by themselves */
    assert_int_equal(json_get_integer(json, "threads", 0), 2);
    assert_int_equal(json_get_integer(json, "sampled_points", 0), 400); /* it fits as it is */
    assert_int_equal(json_get_integer(json_get(json, "status"), "done", 0), 400);
    assert_true(json_get_number(json, "point_cost_ns", 0) > 0);
    assert_true(json_get_number(json, "seconds", 0) > 0);
    assert_true(json_get_number(json, "worst_error", 0) > 0);
    assert_string_equal(json_get_string(json, "failed_reason", "?"), "");
    json_destroy(json);
}

static void a_text_and_its_document(void **state)
{
    (void)state;
    static const char text[] = EQUATION GRID(20);
    struct job *job;
    struct err err;
    struct buf document = {0};
    check_small(text, strlen(text));
    assert_int_equal(job_parse(text, strlen(text), NULL, &job, &err), 0);
    job_encode(job, &document);
    check_small(document.data, document.len);
    buf_fini(&document);
    job_destroy(job);
}

/* Of a grid of 10^9 points only samples are solved. */
static void a_large_grid_is_sampled(void **state)
{
    (void)state;
    static const char text[] = EQUATION GRID(30000);
    struct json *json = survey(text, strlen(text));
    int64_t sampled = json_get_integer(json, "sampled_points", 0);
    assert_true(sampled > 0 && sampled < 30000000);
    int64_t wire = json_get_integer(json, "wire_bytes", 0);
    assert_true(wire > 0);
#ifndef SANITIZED                       /* else no whole tile may be solved in its time */
    assert_true(wire < 900000000 / 10); /* it is sent as leaves */
#endif
    assert_true(json_get_number(json, "seconds", 0) > 0);
    json_destroy(json);
}

static void a_bad_job_is_refused(void **state)
{
    (void)state;
    struct buf out = {0};
    struct err err = {0};
    assert_int_equal(survey_run("{", 1, 2, &out, &err), -1);
    assert_int_equal(err.code, ERR_JOB_REFUSED);
    assert_int_equal(survey_run("", 0, 2, &out, &err), -1);
    assert_int_equal(survey_run("\0\0\0\0\0\0\0\0\0", 9, 2, &out, &err), -1);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

/* cos(2 t) on [0, 10] turns at t = pi/2, pi, ..., 3 pi: six times. */
static void the_turns_of_an_interpolated_drive_are_counted(void **state)
{
    (void)state;
    static const char knots[] =
        "{\"w\": {\"is\": \"cos(2*t)\", \"t\": [0, 10], \"interpolation\": \"cspline\","
        " \"knots\": 50}, \"z\": {\"start\": [1, 0], \"t\": [0, 10]}, " GRID(3);
    static const char exact[] = EQUATION GRID(3);
    struct json *json = survey(knots, strlen(knots));
    assert_int_equal(json_get_integer(json, "w_turns", 0), 6);
    json_destroy(json);
    json = survey(exact, strlen(exact));
    assert_int_equal(json_get_integer(json, "w_turns", 0), -1);
    json_destroy(json);
}

/* What linear interpolation costs is measured against the exact w, and is about right: the true
 * error of cos(2 t) between knots h apart is h^2 / 2 at most, a third of that in the mean. */
static void an_interpolation_is_priced(void **state)
{
    (void)state;
    static const char linear[] =
        "{\"w\": {\"is\": \"cos(2*t)\", \"t\": [0, 10], \"interpolation\": \"linear\","
        " \"knots\": 1001}, \"z\": {\"start\": [1, 0], \"t\": [0, 10]}, " GRID(9);
    static const char exact[] = EQUATION GRID(9);
    struct json *json = survey(linear, strlen(linear));
    double stated = json_get_number(json, "worst_stated", -1);
    double without = json_get_number(json, "exact_stated", -1);
    double share = json_get_number(json, "worst_error", 0);
    assert_string_equal(json_get_string(json, "worst_field", "?"), "F");
    assert_true(without > 0 && without < 1e-3 * stated);
    assert_true(stated > 1e-6 && share > 1e3);
    json_destroy(json);
    json = survey(exact, strlen(exact));
    assert_true(json_get_number(json, "worst_stated", -1) > 0);
    assert_true(json_get_number(json, "exact_stated", -1) == -1);
    json_destroy(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_and_its_document),
        cmocka_unit_test(a_large_grid_is_sampled),
        cmocka_unit_test(a_bad_job_is_refused),
        cmocka_unit_test(an_interpolation_is_priced),
        cmocka_unit_test(the_turns_of_an_interpolated_drive_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
