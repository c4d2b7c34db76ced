/* What is said of a job that waits or is slow: one finding for each cause, what weighs most first.
 */
#include "why.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A job that runs well, changed by `more` (JSON members; of equal keys the test's own counts). */
static void judge(const char *state, const char *workers, const char *tiles, const char *more,
                  struct why *why)
{
    static const struct json_limits LIMITS = {1u << 16, 1024, 1024};
    char text[2048];
    struct json *facts;
    struct err err = {0};
    snprintf(text, sizeof text,
             "{\"status\":{\"id\":7,\"state\":\"%s\",\"points_total\":1000,\"rate\":100,"
             "\"reason\":\"w(t) has a pole\"},\"workers\":{%s},\"tiles\":{%s}%s%s}",
             state, workers, tiles, *more ? "," : "", more);
    assert_int_equal(json_parse(text, strlen(text), &LIMITS, &facts, &err), 0);
    assert_int_equal(why_judge(facts, "tcp://office:7117", why, &err), 0);
    json_destroy(facts);
    assert_true(why->count >= 1 && why->count <= WHY_MAX);
}

#define HERE "\"connected\":2,\"here\":2,\"threads_here\":8,\"cpu_threads\":7.6"
#define OPEN "\"open\":5,\"leased\":2"

static void each_cause_has_its_word(void **state)
{
    static const struct {
        const char *kind, *state, *workers, *tiles, *more, *advice;
    } cases[] = {
        {"no_workers", "queued", "\"connected\":0", OPEN, "", "--broker tcp://office:7117"},
        {"paused", "paused", HERE, OPEN, "", "hillsweep resume 7"},
        {"storage", "running", HERE, OPEN, "\"storage\":\"No space left\"", "room"},
        {"banned", "running", "\"connected\":1,\"banned\":1,\"ban_reason\":\"x\"", OPEN, "",
         "workers"},
        {"silent", "running", "\"connected\":1,\"silent\":1", OPEN, "", ""},
        {"resting", "running", "\"connected\":1,\"resting\":1", OPEN, "", "workers"},
        {"priority", "queued", "\"connected\":1,\"elsewhere\":1", OPEN,
         "\"jobs_before\":2,\"job_before\":3,\"priority_before\":9", "hillsweep priority 7 10"},
        {"shared", "running", HERE, OPEN, "\"jobs_beside\":1", "hillsweep priority 7 1"},
        {"restart", "running", HERE, "\"open\":1,\"held\":3", "\"hold_s\":4.5", ""},
        {"killers", "running", HERE, "\"open\":1,\"cut\":1", "", ""},
        {"stragglers", "running", HERE, "\"leased\":3", "\"oldest_lease_s\":60", ""},
        {"solver", "running", HERE, OPEN, "", "--broker tcp://office:7117"},
        {"disk", "running", HERE ",\"without_window\":1", OPEN, "", ""},
        {"disk", "running", HERE, OPEN, "\"sink_share\":0.95", ""},
        {"wire", "running", "\"connected\":1,\"here\":1,\"threads_here\":4,\"cpu_threads\":1", OPEN,
         "\"points_on_their_way\":500", ""},
        {"processors", "running", "\"connected\":1,\"here\":1,\"threads_here\":4,\"cpu_threads\":1",
         OPEN, "", "workers"},
        {"writing", "running", "\"connected\":1", "\"arrived\":2", "", ""},
        {"done", "done", HERE, "", "", "hillsweep results 7"},
        {"failed", "failed", HERE, "", "", ""},
        {"cancelled", "cancelled", HERE, "", "", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct why why;
        judge(cases[i].state, cases[i].workers, cases[i].tiles, cases[i].more, &why);
        assert_string_equal(why.findings[0].kind, cases[i].kind);
        assert_non_null(strstr(why.findings[0].advice, cases[i].advice));
        assert_true(*why.findings[0].text && !strchr(why.findings[0].text, '\n'));
    }
}

static void all_causes_at_once_fit(void **state)
{
    struct why why;
    (void)state;
    judge("running", HERE ",\"banned\":1,\"silent\":2,\"resting\":3,\"without_window\":1",
          "\"held\":1,\"leased\":1,\"cut\":2",
          "\"storage\":\"full\",\"jobs_before\":1,\"jobs_beside\":2,\"oldest_lease_s\":9", &why);
    assert_string_equal(why.findings[0].kind, "storage");
    assert_string_equal(why.findings[why.count - 1].kind, "disk");
}

static void what_is_no_answer_is_refused(void **state)
{
    static const struct json_limits LIMITS = {256, 16, 16};
    struct json *facts;
    struct why why;
    struct err err = {0};
    (void)state;
    assert_int_equal(json_parse("{\"status\":{}}", 13, &LIMITS, &facts, &err), 0);
    assert_int_equal(why_judge(facts, "", &why, &err), -1);
    assert_int_equal(err.code, ERR_OTHER);
    json_destroy(facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cause_has_its_word),
        cmocka_unit_test(all_causes_at_once_fit),
        cmocka_unit_test(what_is_no_answer_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
