/* watch: see watch.h. */
#include "watch.h"

#include "clock.h"
#include "command.h"
#include "expr.h"
#include "json.h"
#include "origin.h"
#include "text.h"
#include "wait.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    REDRAW_MS = 200,
    CELLS_MAX = 52377, /* of one snapshot (PROTOCOL, section 5) */
    AROUND_LINES = 5,  /* title, axis, bar, progress, and the prompt's line before */
    LINES_MIN = 4,
    COLUMNS_MIN = 16, /* below that a picture shows nothing */
    LINES_MAX = 48,
    LABEL = 16,
};

int watch_open(struct watch *w, struct session *s, struct link *link, const struct job *job,
               const char *field, struct progress *progress, struct err *err)
{
    const char *names[JOB_OUTPUTS_MAX + 1];
    *w = (struct watch){.session = s, .link = link, .job = job, .progress = progress};
    w->out = stderr;
    w->terminal = s->terminal;
    if (w->terminal.redraw && !s->quiet && !s->json)
        progress->out = NULL; /* its line is drawn here */
    size_t n = job->output_count;
    for (size_t i = 0; i < n; i++)
        names[i] = job->outputs[i].name;
    names[n] = NULL;
    while (field && w->field < n && strcmp(field, names[w->field]) != 0)
        w->field++;
    if (w->field < n)
        return 0;
    err_set(err, ERR_USAGE, "the job has no field \"%.40s\"", field);
    const char *near = expr_nearest(field, names);
    return err_hint(err, near ? "did you mean %s?" : "its first field is %s",
                    near ? near : names[0]);
}

/* --- the frame ------------------------------------------------------------------------------- */

/* Columns that a text of UTF-8 takes. */
static int columns_of(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += (*text & 0xc0) != 0x80;
    return n;
}

static void spaces(int n, struct buf *out)
{
    for (; n > 0; n--)
        buf_str(out, " ");
}

static int label(double value, char out[LABEL])
{
    return snprintf(out, LABEL, "%.4g", value);
}

static double first_of(const struct job_values *v)
{
    return v->values[0];
}

static double last_of(const struct job_values *v)
{
    return v->values[v->count - 1];
}

/* The width of the labels of the a axis. */
static int margin(const struct watch *w)
{
    char low[LABEL], high[LABEL];
    int a = label(first_of(&w->job->a), low), b = label(last_of(&w->job->a), high);
    return a > b ? a : b;
}

static void add_title(const struct watch *w, int width, struct buf *out)
{
    struct buf text = {0};
    const struct job_output *o = &w->job->outputs[w->field];
    if (*w->job->name)
        buf_printf(&text, "%s:  ", w->job->name);
    buf_printf(&text, "%s = %s", o->name, o->text);
    const char *title = buf_text(&text);
    for (int n = 0; *title; title++) {
        n += (*title & 0xc0) != 0x80;
        if (n > width)
            break;
        buf_add(out, title, 1);
    }
    buf_str(out, "\n");
    buf_fini(&text);
}

static void add_picture(const struct watch *w, const struct shade *shade, int columns, int lines,
                        struct buf *out)
{
    char low[LABEL], high[LABEL];
    int left = margin(w);
    label(first_of(&w->job->a), low);
    label(last_of(&w->job->a), high);
    for (int i = 0; i < lines; i++) {
        const char *at = i == 0 ? high : i == lines - 1 ? low : i == lines / 2 ? "a" : "";
        spaces(left - columns_of(at), out);
        buf_printf(out, "%s ", at);
        heatmap_line(&w->map, shade, &w->terminal, columns, lines, i, out);
        buf_str(out, "\n");
    }
    spaces(left + 1, out);
    int used = label(first_of(&w->job->q), low), end = label(last_of(&w->job->q), high);
    buf_str(out, low);
    if (columns > used + end + 2) {
        spaces(columns / 2 - used, out);
        buf_str(out, "q");
        used = used > columns / 2 ? used + 1 : columns / 2 + 1;
    }
    spaces(columns - used - end, out);
    buf_printf(out, "%s\n", high);
}

static const char *scale_name(const struct shade *shade)
{
    return shade->scale.kind == SCALE_LOG      ? "  (log)"
           : shade->scale.kind == SCALE_SYMLOG ? "  (symlog)"
                                               : "";
}

static void add_bar(const struct watch *w, const struct shade *shade, int columns, struct buf *out)
{
    char low[LABEL], high[LABEL];
    const char *name = w->job->outputs[w->field].name;
    int used = label(shade->low, low) + label(shade->high, high) + (int)strlen(name) + 14;
    int bar = columns - used;
    spaces(margin(w) + 1, out);
    buf_printf(out, "%s  %s ", name, low);
    heatmap_bar(shade, &w->terminal, bar > 32 ? 32 : bar > 4 ? bar : 4, out);
    buf_printf(out, " %s%s\n", high, scale_name(shade));
}

/* Characters for the picture itself; false: no room for any. */
static bool room(const struct watch *w, int *columns, int *lines)
{
    *columns = w->terminal.width - 1 - margin(w) - 1;
    *lines = w->terminal.height - AROUND_LINES;
    if (*lines > LINES_MAX)
        *lines = LINES_MAX;
    return *columns >= COLUMNS_MIN && *lines >= LINES_MIN;
}

void watch_frame(const struct watch *w, const struct job_view *view, struct buf *out, int *lines)
{
    struct shade shade;
    int columns, rows;
    room(w, &columns, &rows);
    heatmap_shade(&w->map, &shade);
    heatmap_fit(&w->map, &w->terminal, columns, rows, &columns, &rows);
    add_title(w, w->terminal.width - 1, out);
    add_picture(w, &shade, columns, rows, out);
    *lines = rows + 2;
    if (view->points_done > 0) {
        add_bar(w, &shade, columns, out);
        ++*lines;
    }
}

/* --- the screen ------------------------------------------------------------------------------ */

static void add_progress(struct watch *w, const struct job_view *view, struct buf *out)
{
    if (view_ended(view))
        return;
    progress_line(view, &w->progress->pace, w->terminal.unicode, w->terminal.width - 1, out);
}

/* Lines of `frame` over those that stand there. */
static void show(struct watch *w, struct buf *frame, int lines, const struct job_view *view)
{
    struct buf out = {0};
    buf_str(&out, "\r");
    if (w->drawn_lines > 0)
        buf_printf(&out, "\x1b[%dA", w->drawn_lines);
    for (size_t i = 0; i < frame->len; i++) {
        if (frame->data[i] == '\n')
            buf_str(&out, "\x1b[K");
        buf_add(&out, &frame->data[i], 1);
    }
    add_progress(w, view, &out);
    buf_str(&out, "\x1b[J");
    fwrite(out.data, 1, out.len, w->out);
    fflush(w->out);
    w->drawn_lines = lines;
    w->line_drawn = true;
    buf_fini(&out);
}

/* 1: there is a picture; 0: not just now; -1: no broker, or the watcher's word. */
static int fetch(struct watch *w, uint32_t job, int columns, int lines, struct err *err)
{
    size_t q = w->job->q.count, a = w->job->a.count;
    size_t high = (size_t)lines * (w->terminal.unicode && w->terminal.colours ? 2 : 1);
    q = q < (size_t)columns ? q : (size_t)columns;
    a = a < high ? a : high;
    if (a > CELLS_MAX / q)
        a = CELLS_MAX / q;
    struct buf request = {0}, answer = {0};
    buf_printf(&request, "{\"job\":%u,\"field\":\"%s\",\"q\":%zu,\"a\":%zu}", job,
               w->job->outputs[w->field].name, q, a);
    int rc = link_call(w->link, "snapshot", buf_text(&request), &answer, err);
    if (rc && link_answered(w->link))
        rc = 0; /* its own reasons: the files are being renamed, say */
    else if (rc == 0)
        rc = heatmap_read(&w->map, q, a, answer.data, answer.len, NULL) ? 0 : 1;
    buf_fini(&request);
    buf_fini(&answer);
    return rc;
}

static int draw(struct watch *w, const struct job_view *view, struct err *err)
{
    int columns, lines;
    struct buf frame = {0};
    terminal_measure(&w->terminal, 2);
    int rc = 0;
    lines = 0;
    if (room(w, &columns, &lines)) {
        rc = fetch(w, view->id, columns, lines, err);
        lines = 0;
        if (rc > 0)
            watch_frame(w, view, &frame, &lines);
        w->shown |= rc > 0;
    }
    if (rc > 0 || (rc == 0 && w->drawn_lines == 0))
        show(w, &frame, rc > 0 ? lines : 0, view);
    buf_fini(&frame);
    return rc < 0 ? -1 : 0;
}

/* For programs: each status that says something new, a line of JSON each. */
static int print_line(struct watch *w, const struct job_view *view, const struct buf *json)
{
    uint64_t points = view->points_done + view->points_failed;
    if (w->shown && points == w->shown_points && !view_ended(view))
        return 0;
    w->shown = true;
    w->shown_points = points;
    session_print_json(json);
    fflush(stdout);
    return 0;
}

int watch_seen(void *arg, const struct job_view *view, const struct buf *json, struct err *err)
{
    struct watch *w = arg;
    if (w->session->json)
        return view_ended(view) ? 0 : print_line(w, view, json); /* the end is for the caller */
    if (!w->terminal.redraw || w->session->quiet)
        return 0;
    int64_t now = clock_ms();
    uint64_t points = view->points_done + view->points_failed;
    pace_tell(&w->progress->pace, now, points);
    bool first_cells = w->shown_points == 0 && points > 0; /* somebody is waiting for them */
    if (now < w->next_ms && !first_cells && !view_ended(view))
        return 0;
    w->next_ms = now + REDRAW_MS;
    w->shown_points = points;
    return draw(w, view, err);
}

void watch_silent(void *arg, const struct job_view *view)
{
    struct watch *w = arg;
    struct buf line = {0};
    if (!w->line_drawn)
        return;
    add_progress(w, view, &line);
    fprintf(w->out, "\r%s\x1b[K", buf_text(&line));
    fflush(w->out);
    buf_fini(&line);
}

void watch_break(struct watch *w)
{
    if (!w->line_drawn)
        return;
    fputs("\r", w->out);
    if (w->drawn_lines > 0)
        fprintf(w->out, "\x1b[%dA", w->drawn_lines);
    fputs("\x1b[J", w->out);
    fflush(w->out);
    w->line_drawn = false;
    w->drawn_lines = 0;
}

void watch_close(struct watch *w)
{
    w->drawn_lines = 0; /* it stays */
    watch_break(w);
    heatmap_fini(&w->map);
}

/* --- the command ----------------------------------------------------------------------------- */

int command_watch(struct session *s, struct err *err)
{
    struct link *link;
    struct origin origin;
    int64_t ms = 0, start = clock_ms();
    const char *timeout = args_value(s->args, "timeout");
    if (timeout && duration_parse(timeout, &ms, err))
        return -1;
    if (session_link(s, &link, err))
        return -1;
    int rc = origin_open_job(link, s->args->word_count ? s->args->words[0] : "last", &origin, err);
    if (rc == 0) {
        struct wait_show show = {origin.job, args_value(s->args, "field")};
        rc = wait_for_job(s, link, origin.view.id, timeout ? start + ms : LINK_FOREVER, &show, err);
        origin_close(&origin);
    }
    link_close(link);
    return rc;
}
