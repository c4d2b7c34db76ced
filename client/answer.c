/* See answer.h. The broker is trusted to be a broker, not to be well: what it sends goes through
 * the strict reader with limits, and numbers are clamped to their ranges. */
#include "answer.h"

#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct json_limits LIMITS = {1u << 20, 1u << 17, 1u << 16};
static const struct json_limits LIST_LIMITS = {64u << 20, 1u << 20, 1u << 16}; /* 10,000 jobs */

static const char *const STATES[] = {
    [VIEW_UNKNOWN] = "unknown",     [VIEW_QUEUED] = "queued", [VIEW_RUNNING] = "running",
    [VIEW_PAUSED] = "paused",       [VIEW_DONE] = "done",     [VIEW_FAILED] = "failed",
    [VIEW_CANCELLED] = "cancelled",
};

const char *view_state_name(enum view_state state)
{
    return STATES[state];
}

static enum view_state parse_state(const char *name)
{
    for (int i = VIEW_QUEUED; i <= VIEW_CANCELLED; i++)
        if (strcmp(name, STATES[i]) == 0)
            return (enum view_state)i;
    return VIEW_UNKNOWN;
}

static uint64_t get_count(const struct json *v, const char *key)
{
    int64_t n = json_get_integer(v, key, 0);
    return n > 0 ? (uint64_t)n : 0;
}

static uint32_t get_small(const struct json *v, const char *key)
{
    uint64_t n = get_count(v, key);
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static void read_view(const struct json *v, struct job_view *out)
{
    memset(out, 0, sizeof *out);
    out->id = get_small(v, "id");
    snprintf(out->name, sizeof out->name, "%s", json_get_string(v, "name", ""));
    out->state = parse_state(json_get_string(v, "state", ""));
    out->points_total = get_count(v, "points_total");
    out->points_done = get_count(v, "points_done");
    out->points_failed = get_count(v, "points_failed");
    out->rows_done = get_count(v, "rows_done");
    out->tiles_total = get_small(v, "tiles_total");
    out->tiles_done = get_small(v, "tiles_done");
    out->tiles_recomputed = get_small(v, "tiles_recomputed_after_ack");
    out->rate = json_get_number(v, "rate", 0);
    out->eta_s = json_get_number(v, "eta_s", -1);
    out->workers = get_small(v, "workers");
    int64_t priority = json_get_integer(v, "priority", 0);
    out->priority = priority > -1000000 && priority < 1000000 ? (int)priority : 0;
    snprintf(out->reason, sizeof out->reason, "%s", json_get_string(v, "reason", ""));
    snprintf(out->folder, sizeof out->folder, "%s", json_get_string(v, "folder", ""));
}

static int parse(const char *json, size_t len, const struct json_limits *limits, struct json **out,
                 struct err *err)
{
    if (json_parse(json, len, limits, out, err)) {
        if (err)
            err->code = ERR_OTHER;
        return err_prefix(err, "the broker's answer cannot be read");
    }
    return 0;
}

int view_read(const struct json *status, struct job_view *out, struct err *err)
{
    read_view(status, out);
    if (out->id == 0 || out->state == VIEW_UNKNOWN)
        return err_set(err, ERR_OTHER, "the broker's answer is not a job's status");
    return 0;
}

int view_parse(const char *json, size_t len, struct job_view *out, struct err *err)
{
    struct json *root;
    if (parse(json, len, &LIMITS, &root, err))
        return -1;
    int rc = view_read(root, out, err);
    json_destroy(root);
    return rc;
}

int view_parse_list(const char *json, size_t len, struct job_view **views, size_t *count,
                    struct err *err)
{
    struct json *root;
    if (parse(json, len, &LIST_LIMITS, &root, err))
        return -1;
    const struct json *jobs = json_get(root, "jobs");
    size_t n = jobs && json_type(jobs) == JSON_ARRAY ? json_length(jobs) : 0;
    struct job_view *list = mem_alloc(n + 1, sizeof *list);
    *count = 0;
    for (const struct json *v = n ? json_first(jobs) : NULL; v && *count < n; v = json_next(v))
        read_view(v, &list[(*count)++]);
    json_destroy(root);
    *views = list;
    return 0;
}

bool view_ended(const struct job_view *view)
{
    return view->state == VIEW_DONE || view->state == VIEW_FAILED || view->state == VIEW_CANCELLED;
}

int view_exit_code(const struct job_view *view)
{
    if (view->state == VIEW_CANCELLED)
        return ERR_CANCELLED;
    if (view->state != VIEW_DONE)
        return ERR_OTHER;
    return view->points_failed > 0 ? ERR_POINTS_FAILED : ERR_NONE;
}

int answer_error(const char *json, size_t len, int code, struct err *err)
{
    struct json *root;
    err_set(err, (enum err_code)code, "the broker refused without a reason");
    if (!err || json_parse(json, len, &LIMITS, &root, NULL))
        return -1;
    err_set(err, (enum err_code)code, "%s",
            json_get_string(root, "message", "the broker refused without a reason"));
    err_hint(err, "%s", json_get_string(root, "hint", ""));
    err->line = (int)get_small(root, "line");
    err->column = (int)get_small(root, "column");
    snprintf(err->path, sizeof err->path, "%s", json_get_string(root, "path", ""));
    json_destroy(root);
    return -1;
}

void answer_error_format(const struct err *err, struct buf *out)
{
    struct json_out *object = json_error(err);
    json_print(object, false, out);
    buf_str(out, "\n");
    json_out_destroy(object);
}

void answer_job_request(const char *word, struct buf *out)
{
    struct json_out *object = json_object();
    size_t digits = strspn(word, "0123456789");
    if (digits > 0 && digits < 10 && word[digits] == '\0')
        json_put_integer(object, "job", strtol(word, NULL, 10));
    else
        json_put_string(object, "job", word);
    json_print(object, false, out);
    json_out_destroy(object);
}
