#ifndef CLIENT_PROGRESS_H
#define CLIENT_PROGRESS_H

#include "answer.h"
#include "buf.h"
#include "pace.h"
#include "terminal.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* How a running job is shown: on a terminal one line drawn again in place, elsewhere a plain line
 * now and then and whenever the state changes. */

struct progress {
    FILE *out; /* standard error, or a test's file; NULL: quiet */
    struct terminal terminal;
    int64_t next_ms; /* when the next line is due */
    bool drawn;      /* a line without its end stands on the terminal */
    struct pace pace;
    enum view_state shown_state;
    char shown_reason[512];
};

void progress_init(struct progress *p, FILE *out, struct terminal terminal);

/* Shows the view if something is due at now_ms. */
void progress_show(struct progress *p, const struct job_view *view, int64_t now_ms);

/* Takes the line away, so that other text can be written. */
void progress_clear(struct progress *p);

/* "[4,210/10,000  42%  1.25 M/s  ETA 3.2 s +- 0.4 s  1 worker]" cut to `width` columns (0: not
 * cut). pace may be NULL. Pure. */
void progress_line(const struct job_view *view, const struct pace *pace, bool unicode, int width,
                   struct buf *out);

#endif
