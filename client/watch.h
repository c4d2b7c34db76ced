#ifndef CLIENT_WATCH_H
#define CLIENT_WATCH_H

#include "heatmap.h"
#include "job.h"
#include "link.h"
#include "progress.h"
#include "session.h"

/* A job as a picture that grows: on a terminal a heat map of one field, drawn again in place, with
 * the progress line below it; elsewhere, and where there is no room, the progress line alone. */

struct watch {
    struct session *session;
    struct link *link;
    const struct job *job;
    size_t field; /* index of the output */
    FILE *out;
    struct terminal terminal;
    struct progress *progress; /* takes the line; silent itself while a picture is drawn */
    struct heatmap map;
    int drawn_lines; /* on the screen above the cursor's line */
    bool line_drawn; /* the cursor's line is the progress line */
    int64_t next_ms;
    uint64_t shown_points; /* done and failed, in the picture */
    bool shown;            /* there is a picture */
};

/* field: NULL for the first. ERR_USAGE with a suggestion when there is none of that name. job and
 * link are borrowed. */
int watch_open(struct watch *w, struct session *s, struct link *link, const struct job *job,
               const char *field, struct progress *progress, struct err *err);

/* A follow.seen (arg: struct watch): fetches and draws what is new. A picture that cannot be had
 * just now is left out; only a broker that is gone is an error. */
int watch_seen(void *arg, const struct job_view *view, const struct buf *json, struct err *err);

/* A follow.silent: says so in the line below the picture. */
void watch_silent(void *arg, const struct job_view *view);

/* Something else is about to be written: takes the picture away; the next one is drawn below. */
void watch_break(struct watch *w);

/* Leaves the last picture on the screen and the cursor below it. */
void watch_close(struct watch *w);

/* The whole frame as text, each line with its end. Pure. */
void watch_frame(const struct watch *w, const struct job_view *view, struct buf *out, int *lines);

#endif
