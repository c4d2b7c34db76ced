/* why: see why.h. */
#include "why.h"

#include "command.h"
#include "config.h"
#include "page.h"
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Solver threads that use this share of their time are what limits a job. */
#define BUSY_SHARE 0.7
/* The sink's budget is as good as used up. */
#define FULL_SHARE 0.9
/* Seconds' worth of points that may be on their way without anybody waiting for the network: the
 * count is as old as the last heartbeat. */
#define ON_THEIR_WAY_S 1.0
#define LATE_S         5.0

struct facts {
    const struct json *all, *workers, *tiles;
    const char *endpoint;
    struct why *why;
};

static long long worker_fact(const struct facts *f, const char *key)
{
    return f->workers ? (long long)json_get_integer(f->workers, key, 0) : 0;
}

static long long tile_fact(const struct facts *f, const char *key)
{
    return f->tiles ? (long long)json_get_integer(f->tiles, key, 0) : 0;
}

static struct why_finding *find(const struct facts *f, const char *kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static struct why_finding *find(const struct facts *f, const char *kind, const char *fmt, ...)
{
    struct why *why = f->why;
    struct why_finding *found = &why->findings[why->count < WHY_MAX ? why->count++ : WHY_MAX - 1];
    va_list ap;
    *found = (struct why_finding){.kind = kind};
    va_start(ap, fmt);
    vsnprintf(found->text, sizeof found->text, fmt, ap);
    va_end(ap);
    return found;
}

static void advise(struct why_finding *found, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void advise(struct why_finding *found, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(found->advice, sizeof found->advice, fmt, ap);
    va_end(ap);
}

static const char *plural(long long n)
{
    return n == 1 ? "" : "s";
}

/* "1 worker", "3 workers" */
static char *workers(long long n, char out[TEXT_MAX])
{
    snprintf(out, TEXT_MAX, "%lld worker%s", n, plural(n));
    return out;
}

static void judge_ended(const struct facts *f)
{
    const struct job_view *v = &f->why->view;
    if (v->state == VIEW_DONE)
        advise(find(f, "done", "it is done"), "hillsweep results %u -o FILE.npy", v->id);
    else if (v->state == VIEW_CANCELLED)
        find(f, "cancelled", "it was cancelled; what was done by then stays");
    else
        find(f, "failed", "it has failed: %s",
             *v->reason ? v->reason : "the broker gave no reason");
}

static void judge_storage(const struct facts *f)
{
    const char *reason = json_get_string(f->all, "storage", "");
    if (*reason)
        advise(find(f, "storage", "results cannot be written: %s", reason),
               "it goes on by itself within seconds once the broker's disk has room again");
}

/* What keeps workers away. */
static void judge_workers(const struct facts *f)
{
    char text[TEXT_MAX];
    long long banned = worker_fact(f, "banned"), silent = worker_fact(f, "silent");
    long long resting = worker_fact(f, "resting");
    if (worker_fact(f, "connected") == 0)
        advise(find(f, "no_workers", "no worker is connected"), "hillsweep-worker --broker %s",
               f->endpoint);
    if (banned > 0)
        advise(find(f, "banned", "%s get%s nothing of it: %s", workers(banned, text),
                    banned == 1 ? "s" : "", json_get_string(f->workers, "ban_reason", "")),
               "hillsweep workers");
    if (silent > 0)
        find(f, "silent",
             "the connection of %s is in doubt; what it holds goes out again within 4 s",
             workers(silent, text));
    if (resting > 0)
        advise(find(f, "resting",
                    "%s ask%s for no work: paused, or its results wait for the network or the disk",
                    workers(resting, text), resting == 1 ? "s" : ""),
               "hillsweep workers");
}

/* What other jobs take. */
static void judge_others(const struct facts *f)
{
    long long before = (long long)json_get_integer(f->all, "jobs_before", 0);
    long long beside = (long long)json_get_integer(f->all, "jobs_beside", 0);
    long long above = (long long)json_get_integer(f->all, "priority_before", 0);
    const struct job_view *v = &f->why->view;
    if (worker_fact(f, "connected") == 0)
        return;
    if (before > 0)
        advise(find(f, "priority", "job %lld%s goes first: its priority is %lld, this one's %d",
                    (long long)json_get_integer(f->all, "job_before", 0),
                    before > 1 ? ", among others," : "", above, v->priority),
               "hillsweep priority %u %lld", v->id, above < 1000 ? above + 1 : 1000);
    if (beside > 0)
        advise(find(f, "shared", "the workers are shared with %lld job%s of the same priority",
                    beside, plural(beside)),
               "hillsweep priority %u %d", v->id, v->priority + 1);
}

static void judge_restart(const struct facts *f)
{
    char text[TEXT_MAX];
    long long held = tile_fact(f, "held");
    if (held > 0)
        find(f, "restart",
             "the broker was started again: %lld tile%s wait up to %s for the workers that had "
             "begun them",
             held, plural(held), duration_format(json_get_number(f->all, "hold_s", 0), text));
}

/* Towards the end there is less to hand out than there are hands. */
static void judge_end(const struct facts *f)
{
    char text[TEXT_MAX];
    double oldest = json_get_number(f->all, "oldest_lease_s", 0);
    long long leased = tile_fact(f, "leased"), cut = tile_fact(f, "cut");
    if (cut > 0)
        find(
            f, "killers",
            "%lld tile%s ended the workers that solved %s: cut in pieces, to single out the points",
            cut, plural(cut), cut == 1 ? "it" : "them");
    if (tile_fact(f, "open") == 0 && leased > 0)
        find(f, "stragglers", "nothing is left to hand out: the last %lld tile%s %s being solved%s",
             leased, plural(leased), leased == 1 ? "is" : "are",
             oldest > LATE_S ? ", idle workers help" : "");
    if (oldest > LATE_S)
        find(f, "straggler", "the oldest lease is out for %s", duration_format(oldest, text));
}

/* What limits a job that is being solved. */
static void judge_pace(const struct facts *f)
{
    char text[TEXT_MAX], more[TEXT_MAX];
    const struct job_view *v = &f->why->view;
    long long here = worker_fact(f, "here"), threads = worker_fact(f, "threads_here");
    if (here == 0 || v->rate <= 0)
        return;
    double share =
        threads > 0 ? json_get_number(f->workers, "cpu_threads", 0) / (double)threads : 0;
    double waiting = json_get_number(f->all, "points_on_their_way", 0);
    if (worker_fact(f, "without_window") > 0 ||
        json_get_number(f->all, "sink_share", 0) > FULL_SHARE)
        find(f, "disk",
             "the disk: the broker writes results more slowly than %s solve%s; more would not help",
             workers(here, text), here == 1 ? "s" : "");
    else if (share >= BUSY_SHARE)
        advise(find(f, "solver",
                    "the solver: %lld thread%s of %s %s solving %.0f%% of the time; more workers "
                    "make it faster",
                    threads, plural(threads), workers(here, text), threads == 1 ? "is" : "are",
                    100 * share),
               "hillsweep-worker --broker %s", f->endpoint);
    else if (waiting > ON_THEIR_WAY_S * v->rate)
        find(f, "wire", "the network: %s points are solved and on their way here, %s at this pace",
             count_format((uint64_t)waiting, text), duration_format(waiting / v->rate, more));
    else
        advise(find(f, "processors",
                    "the machines: %lld solver thread%s of %s got %.0f%% of %s time; the rest went "
                    "to others, to --limit, or to waiting for work",
                    threads, plural(threads), workers(here, text), 100 * share,
                    threads == 1 ? "its" : "their"),
               "hillsweep workers");
}

static void judge_live(const struct facts *f)
{
    const struct job_view *v = &f->why->view;
    if (v->state == VIEW_PAUSED)
        advise(find(f, "paused", "it is paused by the user"), "hillsweep resume %u", v->id);
    judge_storage(f);
    judge_workers(f);
    if (v->state != VIEW_PAUSED) {
        judge_others(f);
        judge_restart(f);
        judge_end(f);
        judge_pace(f);
    }
    if (f->why->count > 0)
        return;
    if (tile_fact(f, "open") == 0 && tile_fact(f, "arrived") > 0)
        find(f, "writing", "all is solved; the last results are being written");
    else if (worker_fact(f, "here") > 0)
        find(f, "beginning", "its first tiles are being solved");
    else
        find(f, "beginning", "nothing keeps it: workers are about to get its tiles");
}

int why_judge(const struct json *facts, const char *endpoint, struct why *out, struct err *err)
{
    const struct json *status = json_get(facts, "status");
    struct facts f = {facts, json_get(facts, "workers"), json_get(facts, "tiles"), endpoint, out};
    out->count = 0;
    if (!status || view_read(status, &out->view, err))
        return err_set(err, ERR_OTHER, "the broker's answer is not about a job");
    if (view_ended(&out->view))
        judge_ended(&f);
    else
        judge_live(&f);
    return 0;
}

/* --- the command ----------------------------------------------------------------------------- */

static void print_why(const struct why *why)
{
    char done[TEXT_MAX], total[TEXT_MAX], rate[TEXT_MAX];
    const struct job_view *v = &why->view;
    struct buf line = {0};
    buf_printf(&line, "job %u%s%s is %s, %s of %s points", v->id, *v->name ? " " : "", v->name,
               view_state_name(v->state), count_format(v->points_done, done),
               count_format(v->points_total, total));
    if (v->state == VIEW_RUNNING && v->rate > 0)
        buf_printf(&line, ", %s", rate_format(v->rate, rate));
    page_line(stdout, buf_text(&line), 4);
    for (size_t i = 0; i < why->count; i++) {
        const struct why_finding *found = &why->findings[i];
        buf_clear(&line);
        buf_printf(&line, "- %s", found->text);
        page_line(stdout, buf_text(&line), 2);
        buf_clear(&line);
        buf_printf(&line, "    %s", found->advice);
        if (strncmp(found->advice, "hillsweep", 9) == 0) /* to be copied */
            printf("%s\n", buf_text(&line));
        else if (*found->advice)
            page_line(stdout, buf_text(&line), 4);
    }
    buf_fini(&line);
}

static void print_why_json(const struct json *facts, const struct why *why)
{
    struct buf text = {0};
    struct json_out *out = json_object();
    json_put(out, "facts", json_copy(facts));
    struct json_out *findings = json_put_array(out, "findings");
    for (size_t i = 0; i < why->count; i++) {
        struct json_out *o = json_add_object(findings);
        json_put_string(o, "kind", why->findings[i].kind);
        json_put_string(o, "text", why->findings[i].text);
        json_put_string(o, "advice", why->findings[i].advice);
    }
    json_print(out, false, &text);
    session_print_json(&text);
    json_out_destroy(out);
    buf_fini(&text);
}

static int ask(struct session *s, struct buf *answer, struct err *err)
{
    struct link *link;
    struct buf request = {0};
    if (session_link(s, &link, err))
        return -1;
    answer_job_request(s->args->word_count ? s->args->words[0] : "last", &request);
    int rc = link_call(link, "why", buf_text(&request), answer, err);
    buf_fini(&request);
    link_close(link);
    return rc;
}

int command_why(struct session *s, struct err *err)
{
    static const struct json_limits LIMITS = {1u << 18, 4096, 4096};
    struct buf answer = {0};
    struct json *facts = NULL;
    struct config config;
    struct why why;
    int rc = ask(s, &answer, err);
    if (rc == 0)
        rc = config_load(args_value(s->args, "broker"), NULL, &config, err);
    if (rc == 0 &&
        (rc = json_parse((const char *)answer.data, answer.len, &LIMITS, &facts, err)) != 0)
        err_prefix(err, "the broker's answer cannot be read");
    if (rc == 0)
        rc = why_judge(facts, config.broker, &why, err);
    if (rc == 0 && s->json)
        print_why_json(facts, &why);
    else if (rc == 0)
        print_why(&why);
    json_destroy(facts);
    buf_fini(&answer);
    return rc;
}
