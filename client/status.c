/* status, list, version: one request, one answer. */
#include "answer.h"
#include "command.h"
#include "joblist.h"
#include "json.h"
#include "metrics.h"
#include "page.h"
#include "roster.h"
#include "save.h"
#include "text.h"
#include "wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What it is, and below it why it waits and where it lies. */
static void print_status(const struct job_view *view)
{
    char done[TEXT_MAX], total[TEXT_MAX], text[TEXT_MAX];
    struct buf line = {0};
    buf_printf(&line, "job %u%s%s: %s", view->id, *view->name ? "  " : "", view->name,
               view_state_name(view->state));
    buf_printf(&line, ", %s of %s points", count_format(view->points_done, done),
               count_format(view->points_total, total));
    if (view->points_failed)
        buf_printf(&line, ", %s failed", count_format(view->points_failed, text));
    if (view->state == VIEW_RUNNING && view->rate > 0)
        buf_printf(&line, ", %s", rate_format(view->rate, text));
    if (view->state == VIEW_RUNNING && view->eta_s >= 0)
        buf_printf(&line, ", ETA %s", duration_format(view->eta_s, text));
    if (!view_ended(view))
        buf_printf(&line, ", %u worker%s", view->workers, view->workers == 1 ? "" : "s");
    page_line(stdout, buf_text(&line), 4);
    buf_clear(&line);
    buf_printf(&line, "  %s", view->reason);
    if (*view->reason)
        page_line(stdout, buf_text(&line), 2);
    if (*view->folder)
        printf("  %s\n", view->folder);
    buf_fini(&line);
}

static int fetch_metrics(struct session *s, struct buf *out, struct err *err)
{
    struct link *link;
    struct buf list = {0}, workers = {0}, ping = {0};
    if (session_link(s, &link, err))
        return -1;
    int rc = link_call(link, "ping", "{}", &ping, err);
    if (rc == 0)
        rc = joblist_fetch(link, &list, err);
    if (rc == 0)
        rc = roster_fetch(link, &workers, err);
    link_close(link);
    if (rc == 0)
        rc = metrics_format(&list, &workers, &ping, out, err);
    buf_fini(&list);
    buf_fini(&workers);
    buf_fini(&ping);
    return rc;
}

static int save_metrics(const char *path, const struct buf *text, struct err *err)
{
    struct save file;
    if (save_open(&file, path, err))
        return -1;
    int rc = save_write(&file, text->data, text->len, err);
    if (rc == 0)
        rc = save_commit(&file, err);
    save_abort(&file);
    return rc;
}

/* A broker that is down is a metric, too, and the exit code says so all the same. */
static int print_metrics(struct session *s, struct err *err)
{
    struct buf text = {0};
    struct err failure;
    const char *path = args_value(s->args, "output");
    int rc = fetch_metrics(s, &text, err);
    if (rc)
        buf_clear(&text);
    if (rc && err->code == ERR_UNREACHABLE)
        metrics_format_down(&text);
    if (text.len > 0 && save_metrics(path ? path : "-", &text, &failure)) {
        *err = failure;
        rc = -1;
    }
    buf_fini(&text);
    return rc;
}

/* What one would type next. */
static void say_next(const struct session *s, const struct job_view *view)
{
    if (view->state == VIEW_DONE)
        session_say(s, "next: hillsweep plot %u -o chart.png, or hillsweep results %u -o FILE.npy",
                    view->id, view->id);
    else if (view->state == VIEW_PAUSED)
        session_say(s, "next: hillsweep resume %u", view->id);
    else if (!view_ended(view) && (view->workers == 0 || *view->reason))
        session_say(s, "next: hillsweep why %u", view->id);
    else if (!view_ended(view))
        session_say(s, "next: hillsweep watch %u", view->id);
}

int command_status(struct session *s, struct err *err)
{
    struct link *link;
    struct job_view view;
    struct buf json = {0};
    if (args_has(s->args, "metrics"))
        return print_metrics(s, err);
    if (args_has(s->args, "output"))
        return err_set(err, ERR_USAGE, "-o of status goes with --metrics");
    if (session_link(s, &link, err))
        return -1;
    const char *word = s->args->word_count ? s->args->words[0] : "last";
    int rc = wait_find_job(link, word, &view, &json, err);
    if (rc == 0 && s->json)
        session_print_json(&json);
    else if (rc == 0)
        print_status(&view);
    if (rc == 0)
        say_next(s, &view);
    buf_fini(&json);
    link_close(link);
    return rc;
}

static void print_list(const struct job_view *views, size_t count)
{
    char total[TEXT_MAX], text[TEXT_MAX];
    if (count)
        printf("%5s  %-9s  %6s  %13s  %8s  %s\n", "JOB", "STATE", "DONE", "POINTS", "FAILED",
               "NAME");
    for (size_t i = 0; i < count; i++) {
        const struct job_view *v = &views[i];
        double percent =
            v->points_total ? 100.0 * (double)v->points_done / (double)v->points_total : 0;
        printf("%5u  %-9s  %5d%%  %13s  %8s  %s\n", v->id, view_state_name(v->state), (int)percent,
               count_format(v->points_total, total), count_format(v->points_failed, text), v->name);
    }
}

/* For the shells' completion. */
static void print_names(const struct job_view *views, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        printf("%u\n", views[i].id);
        if (*views[i].name && !strpbrk(views[i].name, " \t\n\"'`$\\*?"))
            puts(views[i].name);
    }
}

/* One request without arguments, whose answer the caller owns. */
static int ask(struct session *s, const char *op, struct buf *json, struct err *err)
{
    struct link *link;
    if (session_link(s, &link, err))
        return -1;
    int rc = link_call(link, op, "{}", json, err);
    link_close(link);
    return rc;
}

int command_list(struct session *s, struct err *err)
{
    struct buf json = {0};
    struct job_view *views = NULL;
    size_t count = 0;
    struct link *link;
    if (session_link(s, &link, err))
        return -1;
    int rc = joblist_fetch(link, &json, err);
    link_close(link);
    if (rc == 0 && s->json) {
        session_print_json(&json);
    } else if (rc == 0) {
        rc = view_parse_list((const char *)json.data, json.len, &views, &count, err);
        if (rc == 0 && args_has(s->args, "names"))
            print_names(views, count);
        else
            print_list(views, count);
        if (rc == 0 && count == 0)
            session_say(s, "no jobs; queue one with: hillsweep submit JOB.json");
    }
    free(views);
    buf_fini(&json);
    return rc;
}

/* The client's version always; the broker's when it answers. */
int command_version(struct session *s, struct err *err)
{
    static const struct json_limits LIMITS = {65536, 256, 256};
    struct buf json = {0};
    struct json *root = NULL;
    int rc = ask(s, "ping", &json, err);
    if (rc == 0)
        rc = json_parse((const char *)json.data, json.len, &LIMITS, &root, err);
    const char *version = root ? json_get_string(root, "version", "?") : NULL;
    if (s->json) {
        struct json_out *out = json_object();
        json_put_string(out, "client", HILLSWEEP_VERSION);
        if (root)
            json_put(out, "broker", json_copy(root));
        else
            json_put_null(out, "broker");
        buf_clear(&json);
        json_print(out, false, &json);
        json_out_destroy(out);
        session_print_json(&json);
    } else {
        printf("hillsweep %s\n", HILLSWEEP_VERSION);
        if (version)
            printf("broker %s at %s\n", version, json_get_string(root, "listen", "?"));
    }
    json_destroy(root);
    buf_fini(&json);
    return rc;
}
