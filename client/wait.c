/* wait, and what other commands need of it. */
#include "wait.h"

#include "answer.h"
#include "clock.h"
#include "command.h"
#include "follow.h"
#include "signals.h"
#include "text.h"
#include "watch.h"

#include <signal.h>

enum {
    FIRST_MS = 20,
    LONGEST_MS = 2000, /* changes are pushed; this is for those that are lost */
};

int wait_find_job(struct link *link, const char *word, struct job_view *view, struct buf *json,
                  struct err *err)
{
    struct buf request = {0};
    answer_job_request(word, &request);
    int rc = link_call(link, "status", buf_text(&request), json, err);
    buf_fini(&request);
    return rc ? rc : view_parse((const char *)json->data, json->len, view, err);
}

static void say_end(const struct session *s, const struct job_view *view)
{
    char total[TEXT_MAX], failed[TEXT_MAX];
    if (view->state == VIEW_DONE && view->points_failed == 0)
        session_say(s, "job %u is done: %s points; hillsweep results %u -o FILE.npy", view->id,
                    count_format(view->points_total, total), view->id);
    else if (view->state == VIEW_DONE)
        session_say(s, "job %u is done: %s points, %s of them failed (nan)", view->id,
                    count_format(view->points_total, total),
                    count_format(view->points_failed, failed));
    else
        session_say(s, "job %u has %s%s%s", view->id,
                    view->state == VIEW_CANCELLED ? "been cancelled" : "failed",
                    *view->reason ? ": " : "", view->reason);
}

static void add_hint(const struct job_view *view, const char *verb, struct err *err)
{
    if (err->code == ERR_INTERRUPTED) {
        err_set(err, ERR_INTERRUPTED, "detached; job %u goes on", view->id);
        err_hint(err, "to follow it again: hillsweep %s %u", verb, view->id);
    }
    if (err->code == ERR_TIMED_OUT)
        err_hint(err, "%.0f%% done; it goes on",
                 view->points_total ? 100.0 * (double)view->points_done / (double)view->points_total
                                    : 0);
}

/* Follows it with signals watched; *json is its last status. */
static int follow(const struct follow *f, struct job_view *view, struct buf *json, struct err *err)
{
    static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP, 0};
    struct signals signals;
    if (signals_open(&signals, SIGNALS, err))
        return -1;
    link_watch(f->link, signals.fd, signals_interrupt, &signals);
    link_set_patience(f->link, FOLLOW_AWAY_MS);
    int rc = follow_job(f, view, json, err);
    link_watch(f->link, -1, NULL, NULL);
    signals_close(&signals);
    return rc;
}

int wait_for_job(struct session *s, struct link *link, uint32_t job, int64_t until_ms,
                 const struct wait_show *show, struct err *err)
{
    struct progress progress;
    struct watch watch = {0};
    struct job_view view = {.id = job};
    struct buf json = {0};
    struct follow f = {.link = link,
                       .job = job,
                       .progress = &progress,
                       .seen_arg = &watch,
                       .until_ms = until_ms,
                       .first_ms = FIRST_MS,
                       .longest_ms = LONGEST_MS};
    session_progress(s, &progress);
    if (show) {
        if (watch_open(&watch, s, link, show->job, show->field, &progress, err))
            return -1;
        f.seen = watch_seen;
        f.silent = watch_silent;
    }
    int rc = follow(&f, &view, &json, err);
    progress_clear(&progress);
    if (show)
        watch_close(&watch);
    if (rc) {
        add_hint(&view, show ? "watch" : "wait", err);
    } else {
        if (s->json)
            session_print_json(&json);
        say_end(s, &view);
        rc = view_exit_code(&view);
    }
    buf_fini(&json);
    return rc;
}

int command_wait(struct session *s, struct err *err)
{
    struct link *link;
    struct job_view view;
    struct buf json = {0};
    int64_t ms = 0, start = clock_ms();
    const char *timeout = args_value(s->args, "timeout");
    if (timeout && duration_parse(timeout, &ms, err))
        return -1;
    if (session_link(s, &link, err))
        return -1;
    int rc = wait_find_job(link, s->args->words[0], &view, &json, err);
    if (rc == 0)
        rc = wait_for_job(s, link, view.id, timeout ? start + ms : LINK_FOREVER, NULL, err);
    buf_fini(&json);
    link_close(link);
    return rc;
}
