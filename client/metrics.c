/* See metrics.h. */
#include "metrics.h"

#include "answer.h"
#include "json.h"
#include "roster.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABELS = 256 };

static const struct json_limits LIMITS = {1u << 20, 1u << 17, 1u << 16};

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP hillsweep_%s %s\n# TYPE hillsweep_%s %s\n", name, help, name, type);
}

/* A label's value, with what the format wants escaped. */
static void add_label(char *labels, const char *key, const char *value)
{
    size_t at = strlen(labels);
    at += (size_t)snprintf(labels + at, LABELS - at, "%s%s=\"", at ? "," : "", key);
    for (; *value && at < LABELS - 8; value++) {
        if (*value == '\\' || *value == '"')
            labels[at++] = '\\';
        if (*value == '\n') {
            labels[at++] = '\\';
            labels[at++] = 'n';
        } else {
            labels[at++] = *value;
        }
    }
    snprintf(labels + at, LABELS - at, "\"");
}

static void value(struct buf *out, const char *name, const char *labels, double v)
{
    buf_printf(out, "hillsweep_%s%s%s%s %.15g\n", name, *labels ? "{" : "", labels,
               *labels ? "}" : "", v);
}

/* --- jobs ------------------------------------------------------------------------------------- */

static double points_total(const struct job_view *v)
{
    return (double)v->points_total;
}

static double points_done(const struct job_view *v)
{
    return (double)v->points_done;
}

static double points_failed(const struct job_view *v)
{
    return (double)v->points_failed;
}

static double rate(const struct job_view *v)
{
    return v->rate;
}

static double eta(const struct job_view *v)
{
    return v->eta_s; /* negative: unknown, left out */
}

static double at_it(const struct job_view *v)
{
    return v->workers;
}

static const struct {
    const char *name, *help;
    double (*get)(const struct job_view *v);
} OF_JOB[] = {
    {"job_points", "Points of a job that is not over.", points_total},
    {"job_points_done", "Points of it that are durable.", points_done},
    {"job_points_failed", "Points of it that failed.", points_failed},
    {"job_points_per_second", "How fast it gets on.", rate},
    {"job_eta_seconds", "When it will be done, where that is known.", eta},
    {"job_workers", "Workers that hold a lease of it.", at_it},
};

static void job_labels(const struct job_view *v, char *labels)
{
    char number[16];
    snprintf(number, sizeof number, "%u", v->id);
    labels[0] = '\0';
    add_label(labels, "job", number);
    add_label(labels, "name", v->name);
}

static void format_jobs(const struct job_view *views, size_t count, struct buf *out)
{
    char labels[LABELS];
    head(out, "jobs", "gauge", "Jobs that the broker knows, by state.");
    for (int state = VIEW_QUEUED; state <= VIEW_CANCELLED; state++) {
        unsigned n = 0;
        for (size_t i = 0; i < count; i++)
            n += (int)views[i].state == state;
        labels[0] = '\0';
        add_label(labels, "state", view_state_name((enum view_state)state));
        value(out, "jobs", labels, n);
    }
    double again = 0;
    for (size_t i = 0; i < count; i++)
        again += views[i].tiles_recomputed;
    head(out, "tiles_recomputed_after_ack", "gauge",
         "Tiles computed again although they were durable: anything but 0 is a bug.");
    value(out, "tiles_recomputed_after_ack", "", again);
    for (size_t k = 0; k < sizeof OF_JOB / sizeof OF_JOB[0]; k++) {
        head(out, OF_JOB[k].name, "gauge", OF_JOB[k].help);
        for (size_t i = 0; i < count; i++) {
            job_labels(&views[i], labels);
            if (!view_ended(&views[i]) && OF_JOB[k].get(&views[i]) >= 0)
                value(out, OF_JOB[k].name, labels, OF_JOB[k].get(&views[i]));
        }
    }
}

/* --- workers ---------------------------------------------------------------------------------- */

static void count_workers(const struct json *list, struct buf *out)
{
    static const char *const states[] = {"idle", "working", "paused", "resting", "silent"};
    char labels[LABELS];
    double threads = 0;
    head(out, "workers", "gauge", "Workers that are connected, by state.");
    for (size_t k = 0; k < sizeof states / sizeof *states; k++) {
        unsigned n = 0;
        for (const struct json *w = json_first(list); w; w = json_next(w))
            n += strcmp(json_get_string(w, "state", ""), states[k]) == 0;
        labels[0] = '\0';
        add_label(labels, "state", states[k]);
        value(out, "workers", labels, n);
    }
    for (const struct json *w = json_first(list); w; w = json_next(w))
        threads += (double)json_get_integer(w, "threads", 0);
    head(out, "worker_threads", "gauge", "Solver threads of all workers.");
    value(out, "worker_threads", "", threads);
}

static void format_worker(const struct json *list, const char *name, const char *type,
                          const char *help, const char *key, struct buf *out)
{
    char labels[LABELS], number[24];
    head(out, name, type, help);
    for (const struct json *w = json_first(list); w; w = json_next(w)) {
        snprintf(number, sizeof number, "%lld", (long long)json_get_integer(w, "worker", 0));
        labels[0] = '\0';
        add_label(labels, "worker", number);
        add_label(labels, "host", json_get_string(w, "host", ""));
        value(out, name, labels, json_get_number(w, key, 0));
    }
}

static int format_workers(struct buf *text, struct buf *out, struct err *err)
{
    struct json *root;
    if (json_parse((const char *)text->data, text->len, &ROSTER_LIMITS, &root, err))
        return err_prefix(err, "the broker's answer cannot be read");
    const struct json *list = json_get(root, "workers");
    if (list) {
        count_workers(list, out);
        format_worker(list, "worker_points_per_second", "gauge", "How fast a worker solves.",
                      "rate", out);
        format_worker(list, "worker_tiles_done_total", "counter",
                      "Tiles of a worker that became durable.", "tiles_done", out);
        format_worker(list, "worker_heard_seconds", "gauge",
                      "How long ago a worker was last heard.", "heard_s", out);
    }
    json_destroy(root);
    return 0;
}

/* ---------------------------------------------------------------------------------------------- */

static void format_up(double up, struct buf *out)
{
    head(out, "up", "gauge", "Whether the broker answers.");
    value(out, "up", "", up);
}

void metrics_format_down(struct buf *out)
{
    format_up(0, out);
}

static void format_pace(const struct json *of, const char *name, const char *help, struct buf *out)
{
    static const struct {
        const char *key, *quantile;
    } quantiles[] = {{"p50", "0.5"}, {"p99", "0.99"}, {"p999", "0.999"}, {"max", "1"}};
    char labels[LABELS];
    if (!of) /* an older broker */
        return;
    head(out, name, "gauge", help);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        double v = json_get_number(of, quantiles[i].key, -1);
        labels[0] = '\0';
        add_label(labels, "quantile", quantiles[i].quantile);
        if (v >= 0)
            value(out, name, labels, v);
    }
}

static int format_version(struct buf *ping, struct buf *out, struct err *err)
{
    struct json *root;
    char labels[LABELS] = "";
    if (json_parse((const char *)ping->data, ping->len, &LIMITS, &root, err))
        return err_prefix(err, "the broker's answer cannot be read");
    add_label(labels, "version", json_get_string(root, "version", "?"));
    head(out, "build_info", "gauge", "The broker's version.");
    value(out, "build_info", labels, 1);
    format_pace(json_get(root, "loop_lag_s"), "loop_lag_seconds",
                "How long a message waits at most until the broker looks (last minutes).", out);
    format_pace(json_get(root, "dispatch_s"), "dispatch_seconds",
                "From then until the lease is sent that it made room for (last minutes).", out);
    json_destroy(root);
    return 0;
}

int metrics_format(struct buf *list, struct buf *workers, struct buf *ping, struct buf *out,
                   struct err *err)
{
    struct job_view *views = NULL;
    size_t count = 0;
    format_up(1, out);
    if (format_version(ping, out, err) ||
        view_parse_list((const char *)list->data, list->len, &views, &count, err))
        return -1;
    format_jobs(views, count, out);
    free(views);
    return format_workers(workers, out, err);
}
