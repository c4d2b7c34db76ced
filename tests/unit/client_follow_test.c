/* Following a job, at a broker that the test plays itself: to its end, while the broker is away,
 * and no longer than one wants to wait. */
#include "fake_broker.h"

#include "clock.h"
#include "follow.h"

/* What each test has: a job that is followed at a broker, and nobody who looks. */
struct rig {
    struct broker *broker;
    struct progress quiet;
    struct follow follow;
    struct job_view view;
    struct buf json;
};

static struct rig *rig_open(enum manner manner)
{
    struct rig *r = mem_alloc(1, sizeof *r);
    r->broker = broker_start(manner);
    progress_init(&r->quiet, NULL, (struct terminal){.width = 80});
    r->follow = (struct follow){.link = connect_to(r->broker),
                                .job = 1,
                                .progress = &r->quiet,
                                .until_ms = LINK_FOREVER,
                                .first_ms = 1,
                                .longest_ms = 2};
    return r;
}

static void rig_close(struct rig *r)
{
    link_close(r->follow.link);
    buf_fini(&r->json);
    broker_stop(r->broker);
    free(r);
}

static void a_job_is_followed_to_its_end(void **state)
{
    struct rig *r = rig_open(ANSWER);
    struct err err;
    (void)state;
    assert_int_equal(follow_job(&r->follow, &r->view, &r->json, &err), 0);
    assert_int_equal(r->view.state, VIEW_DONE);
    assert_int_equal(r->view.points_done, 4);
    rig_close(r);
}

static void note_silence(void *arg, const struct job_view *view)
{
    assert_int_equal(view->points_done, 1);
    assert_non_null(strstr(view->reason, "the broker has not answered for"));
    ++*(int *)arg;
}

static void a_broker_that_is_away_is_told_of(void **state)
{
    struct rig *r = rig_open(AWAY);
    struct err err;
    int told = 0;
    (void)state;
    r->follow.silent = note_silence;
    r->follow.seen_arg = &told;
    assert_int_equal(follow_job(&r->follow, &r->view, &r->json, &err), 0);
    assert_int_equal(r->view.state, VIEW_DONE);
    assert_true(told > 0);
    rig_close(r);
}

/* It has answered: from now on there is little time, and it is away. */
static int met(void *arg, const struct job_view *view, const struct buf *json, struct err *err)
{
    struct rig *r = arg;
    (void)view, (void)json, (void)err;
    link_set_connect(r->follow.link, 0);
    r->follow.until_ms = clock_ms() + 300;
    return 0;
}

/* It is away when the wait is to end. */
static void a_wait_ends_in_time_whoever_is_away(void **state)
{
    struct rig *r = rig_open(AWAY);
    struct err err;
    (void)state;
    r->follow.seen = met;
    r->follow.seen_arg = r;
    r->follow.until_ms = clock_ms() + 60000;
    assert_int_equal(follow_job(&r->follow, &r->view, &r->json, &err), -1);
    assert_int_equal(err.code, ERR_TIMED_OUT);
    assert_non_null(strstr(err.text, "job 1 was running when"));
    rig_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_is_followed_to_its_end),
        cmocka_unit_test(a_broker_that_is_away_is_told_of),
        cmocka_unit_test(a_wait_ends_in_time_whoever_is_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
