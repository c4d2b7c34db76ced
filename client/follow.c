/* See follow.h. */
#include "follow.h"

#include "clock.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    WATCH_MS = 5000, /* a watch lasts 10 s */
    AGE_PARTS = 20,  /* looks at most a twentieth of its age too late */
};

static int64_t interval_at(const struct follow *f, int64_t age_ms)
{
    int64_t ms = age_ms / AGE_PARTS;
    return ms < f->first_ms ? f->first_ms : ms > f->longest_ms ? f->longest_ms : ms;
}

static int take_view(const struct follow *f, const struct buf *json, struct job_view *view,
                     struct err *err)
{
    struct job_view news;
    if (view_parse((const char *)json->data, json->len, &news, err))
        return -1;
    if (news.id == f->job) {
        *view = news;
        progress_show(f->progress, view, clock_ms());
        if (f->seen)
            return f->seen(f->seen_arg, view, json, err);
    }
    return 0;
}

/* Takes what is pushed until `until`, or until the job has ended. */
static int listen_until(const struct follow *f, int64_t until, struct job_view *view,
                        struct buf *json, struct err *err)
{
    while (!view_ended(view)) {
        int64_t left = until - clock_ms();
        int got = left > 0 ? link_pause(f->link, left, json, err) : 0;
        if (got <= 0)
            return got;
        if (take_view(f, json, view, err))
            return -1;
    }
    return 0;
}

/* A broker that is away must not last longer than the wait. */
static void limit_patience(const struct follow *f, int64_t now)
{
    int64_t left = f->until_ms - now;
    if (f->until_ms != LINK_FOREVER)
        link_set_patience(f->link, left < 0 ? 0 : left < FOLLOW_AWAY_MS ? left : FOLLOW_AWAY_MS);
}

static int follow(const struct follow *f, struct job_view *view, struct buf *json, struct err *err)
{
    char request[48];
    snprintf(request, sizeof request, "{\"job\":%u}", f->job);
    int64_t start = clock_ms(), next_watch = start;
    for (;;) {
        int64_t now = clock_ms();
        bool watch = now >= next_watch;
        if (watch)
            next_watch = now + WATCH_MS;
        limit_patience(f, now);
        if (link_call(f->link, watch ? "watch" : "status", request, json, err) ||
            take_view(f, json, view, err))
            return -1;
        now = clock_ms();
        if (!view_ended(view) && now >= f->until_ms)
            return err_set(err, ERR_TIMED_OUT, "job %u is still %s", f->job,
                           view_state_name(view->state));
        int64_t until = now + interval_at(f, now - start);
        if (listen_until(f, until < f->until_ms ? until : f->until_ms, view, json, err))
            return -1;
        if (view_ended(view))
            return 0;
    }
}

struct silence {
    const struct follow *f;
    const struct job_view *last;
};

static void tell_silence(void *arg, int64_t ms)
{
    const struct silence *s = arg;
    struct job_view view = *s->last;
    if (view.points_total == 0)
        return; /* there has been none */
    view.rate = 0;
    view.eta_s = -1;
    snprintf(view.reason, sizeof view.reason, "the broker has not answered for %" PRId64 " s",
             ms / 1000);
    progress_show(s->f->progress, &view, clock_ms());
    if (s->f->silent)
        s->f->silent(s->f->seen_arg, &view);
}

int follow_job(const struct follow *f, struct job_view *view, struct buf *json, struct err *err)
{
    struct silence silence = {f, view};
    link_on_silence(f->link, tell_silence, &silence);
    int rc = follow(f, view, json, err);
    link_on_silence(f->link, NULL, NULL);
    if (rc && err->code == ERR_UNREACHABLE && clock_ms() >= f->until_ms)
        return err_set(err, ERR_TIMED_OUT, "job %u was %s when the broker was last heard", f->job,
                       view_state_name(view->state));
    return rc;
}
