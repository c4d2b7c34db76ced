/* What `check` warns of: each regret has its word, and a good job none. */
#include "advice.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct advice_samples GOOD = {.points = 100, .worst_error = 0.1, .w_turns = 8};

static struct job *make(const char *w, const char *more)
{
    char text[4096];
    struct job *job;
    struct err err = {0};
    snprintf(text, sizeof text,
             "{\"w\": %s, \"z\": {\"start\": [1, 0], \"t\": [0, 10]}, \"grid\": {\"q\": [0, 1],"
             " \"a\": [1, 2]}, \"output\": {\"F\": \"z(10)\"}%s}",
             w, more);
    if (job_parse(text, strlen(text), NULL, &job, &err))
        fail_msg("%s: %s", err.text, text);
    return job;
}

static bool says(const struct advice *list, const char *kind)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].kind, kind) == 0)
            return true;
    return false;
}

/* NULL: nothing at all is said. */
static void expect(struct job *job, const struct advice_samples *samples, const char *kind)
{
    struct advice list = {0};
    advice_of_job(job, &list);
    advice_of_samples(job, samples, &list);
    if (kind ? !says(&list, kind) : list.count > 0)
        fail_msg("%s is said: %s; expected %s", list.count ? list.items[0].kind : "nothing",
                 list.count ? list.items[0].text : "", kind ? kind : "nothing");
    job_destroy(job);
}

#define EXACT "{\"is\": \"cos(2*t)\", \"t\": [0, 12]}"

static void a_good_job_is_left_in_peace(void **state)
{
    (void)state;
    expect(make(EXACT, ""), &GOOD, NULL);
    expect(make("{\"is\": \"cos(2*t)\", \"t\": [0, 12], \"interpolation\": \"cspline\","
                " \"knots\": 4001}",
                ""),
           &GOOD, NULL);
    expect(make("{\"is\": \"abs(sin(t))\", \"t\": [0, 12], \"breaks\": [3.14159]}", ""), &GOOD,
           NULL);
    expect(make("{\"table\": {\"t\": [0, 2, 4, 6, 8, 10, 11, 12, 13],"
                " \"w\": [0, 1, 2, 3, 4, 5, 5.5, 6, 6.4]}}",
                ""),
           &GOOD, NULL);
}

static void regrets_of_the_job_are_named(void **state)
{
    (void)state;
    expect(make("{\"is\": \"cos(2*t)\", \"t\": [0, 12], \"interpolation\": \"linear\","
                " \"knots\": 100001}",
                ", \"tolerance\": 1e-4"),
           &GOOD, "linear");
    expect(make("{\"is\": \"abs(sin(t))\", \"t\": [0, 12]}", ""), &GOOD, "breaks");
    expect(make("{\"table\": {\"t\": [0, 1, 2, 3, 4, 5, 6, 7, 8, 10],"
                " \"w\": [0, 0.01, 0.02, 0.03, 5, 5.01, 5.02, 5.03, 5.04, 5.05]}}",
                ""),
           &GOOD, "jump");
    expect(make(EXACT, ", \"errors\": false"), &GOOD, "no_errors");
    expect(make(EXACT, ", \"tolerance\": 2e-14"), &GOOD, "tolerance");
}

static void regrets_that_samples_show_are_named(void **state)
{
    struct advice_samples s = GOOD;
    (void)state;
    expect(make("{\"is\": \"cos(2*t)\", \"t\": [0, 12], \"interpolation\": \"cspline\","
                " \"knots\": 101}",
                ""),
           &GOOD, "knots");
    s.worst_error = 5;
    expect(make(EXACT, ""), &s, "error");
    s.worst_field = "F";
    s.worst_stated = 5e-5;
    s.exact_stated = 3e-10;
    expect(make("{\"is\": \"cos(2*t)\", \"t\": [0, 12], \"interpolation\": \"linear\","
                " \"knots\": 1000}",
                ""),
           &s, "interpolation");
    s = GOOD;
    s.failed = 3;
    s.failed_reason = "too many steps";
    expect(make(EXACT, ""), &s, "failed");
    s = GOOD;
    s.overflow = 1;
    expect(make(EXACT, ""), &s, "overflow");
    s = GOOD;
    s.limited = 1;
    expect(make(EXACT, ""), &s, "limited");
}

static void the_leading_error_is_found(void **state)
{
    struct advice_samples s = GOOD;
    struct job *exact = make(EXACT, "");
    struct job *knots = make("{\"is\": \"cos(2*t)\", \"t\": [0, 12], \"interpolation\": "
                             "\"akima\", \"knots\": 101}",
                             "");
    (void)state;
    assert_int_equal(advice_leading_error(exact, &s), ERROR_METHOD);
    assert_int_equal(advice_leading_error(knots, &s), ERROR_METHOD);
    s.worst_stated = 1e-10; /* within the tolerance, and yet mostly of the interpolation */
    s.exact_stated = 1e-12;
    assert_int_equal(advice_leading_error(knots, &s), ERROR_INTERPOLATION);
    s.exact_stated = 0.9e-10;
    assert_int_equal(advice_leading_error(knots, &s), ERROR_METHOD);
    s.worst_error = 1e4;
    assert_int_equal(advice_leading_error(knots, &s), ERROR_INTERPOLATION);
    s.limited = 60;
    assert_int_equal(advice_leading_error(knots, &s), ERROR_ROUNDING);
    s.worst_error = (double)NAN;
    assert_int_equal(advice_leading_error(exact, &s), ERROR_UNKNOWN);
    job_destroy(exact);
    job_destroy(knots);
}

/* The bounds hold for sin itself: linear interpolation at the stated number of knots meets the
 * error, at half of them it does not. */
static void knots_are_as_many_as_linear_needs(void **state)
{
    const double turn = 2 * acos(-1.0), error = 1e-5;
    size_t knots = (size_t)advice_knots(JOB_LINEAR, 3, error);
    (void)state;
    for (size_t n = knots / 2; n <= knots; n += knots - knots / 2) {
        double worst = 0, h = 3 * turn / (double)(n - 1);
        for (size_t i = 0; i + 1 < n; i++) {
            double t = h * (double)i, middle = (sin(t) + sin(t + h)) / 2;
            worst = fmax(worst, fabs(middle - sin(t + h / 2)));
        }
        assert_true(n == knots ? worst <= error : worst > error);
    }
    assert_true(advice_knots(JOB_CSPLINE, 3, error) < advice_knots(JOB_AKIMA, 3, error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_job_is_left_in_peace),
        cmocka_unit_test(regrets_of_the_job_are_named),
        cmocka_unit_test(regrets_that_samples_show_are_named),
        cmocka_unit_test(the_leading_error_is_found),
        cmocka_unit_test(knots_are_as_many_as_linear_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
