/* See progress.h. */
#include "progress.h"

#include "text.h"

#include <stdio.h>
#include <string.h>

enum {
    REDRAW_MS = 100,
    PLAIN_FIRST_MS = 2000, /* a short run off a terminal says nothing but its end */
    PLAIN_MS = 5000,
};

void progress_init(struct progress *p, FILE *out, struct terminal terminal)
{
    *p = (struct progress){.out = out, .terminal = terminal};
}

static int percent_of(const struct job_view *view)
{
    if (view->points_total == 0)
        return 0;
    return (int)(100.0 * (double)view->points_done / (double)view->points_total);
}

/* ETA, and the band around it where it is known and worth a word. */
static void add_eta(const struct job_view *view, const struct pace *pace, bool unicode,
                    struct buf *out)
{
    char text[TEXT_MAX];
    buf_printf(out, "  ETA %s", duration_format(view->eta_s, text));
    double band = pace ? pace_band_s(pace, view->eta_s) : -1;
    if (band >= 0.5 && band >= 0.01 * view->eta_s)
        buf_printf(out, " %s %s", unicode ? "\u00b1" : "+-", duration_format(band, text));
}

/* Where a text is to end so that it takes `width` columns (a character of UTF-8 takes one). */
static size_t cut(const unsigned char *text, size_t len, int width)
{
    size_t at = 0;
    for (int column = 0; at < len; at++)
        if ((text[at] & 0xc0) != 0x80 && ++column > width)
            break;
    return at;
}

void progress_line(const struct job_view *view, const struct pace *pace, bool unicode, int width,
                   struct buf *out)
{
    char done[TEXT_MAX], total[TEXT_MAX], rate[TEXT_MAX];
    size_t start = out->len;
    buf_printf(out, "[%s/%s  %d%%", count_format(view->points_done, done),
               count_format(view->points_total, total), percent_of(view));
    if (view->state == VIEW_RUNNING) {
        if (view->rate > 0) /* nothing is known in the first moments */
            buf_printf(out, "  %s", rate_format(view->rate, rate));
        if (view->eta_s >= 0)
            add_eta(view, pace, unicode, out);
    } else {
        buf_printf(out, "  %s", view_state_name(view->state));
    }
    if (!view_ended(view))
        buf_printf(out, "  %u worker%s", view->workers, view->workers == 1 ? "" : "s");
    if (view->points_failed > 0)
        buf_printf(out, "  %s failed", count_format(view->points_failed, done));
    buf_str(out, "]");
    if (*view->reason && !view_ended(view))
        buf_printf(out, " %s", view->reason);
    if (width > 0)
        out->len = start + cut(out->data + start, out->len - start, width);
}

static void show_plain(struct progress *p, const struct job_view *view, int64_t now_ms)
{
    bool news = view->state != p->shown_state || strcmp(view->reason, p->shown_reason) != 0;
    bool trouble = view->state == VIEW_PAUSED;
    if (p->next_ms == 0)
        p->next_ms = now_ms + PLAIN_FIRST_MS;
    if (now_ms < p->next_ms && !(news && trouble))
        return;
    struct buf line = {0};
    progress_line(view, &p->pace, p->terminal.unicode, 0, &line);
    fprintf(p->out, "%s\n", buf_text(&line));
    fflush(p->out);
    buf_fini(&line);
    p->next_ms = now_ms + PLAIN_MS;
    p->shown_state = view->state;
    snprintf(p->shown_reason, sizeof p->shown_reason, "%s", view->reason);
}

static void show_redrawn(struct progress *p, const struct job_view *view, int64_t now_ms)
{
    if (now_ms < p->next_ms)
        return;
    struct buf line = {0};
    progress_line(view, &p->pace, p->terminal.unicode, p->terminal.width - 1, &line);
    fprintf(p->out, "\r%s\x1b[K", buf_text(&line));
    fflush(p->out);
    buf_fini(&line);
    p->next_ms = now_ms + REDRAW_MS;
    p->drawn = true;
}

void progress_show(struct progress *p, const struct job_view *view, int64_t now_ms)
{
    if (!p->out || view_ended(view))
        return;
    pace_tell(&p->pace, now_ms, view->points_done + view->points_failed);
    if (p->terminal.redraw)
        show_redrawn(p, view, now_ms);
    else
        show_plain(p, view, now_ms);
}

void progress_clear(struct progress *p)
{
    if (!p->drawn)
        return;
    fputs("\r\x1b[K", p->out);
    fflush(p->out);
    p->drawn = false;
}
