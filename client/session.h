#ifndef CLIENT_SESSION_H
#define CLIENT_SESSION_H

#include "args.h"
#include "buf.h"
#include "err.h"
#include "link.h"
#include "progress.h"
#include "terminal.h"

/* What every command is given: its arguments, how to talk, and the way to a broker. */
struct session {
    const struct args *args;
    bool json, quiet;
    struct terminal terminal; /* of standard error */
    const char *file;         /* the job file that an error is about, or NULL; borrowed */
};

/* Opens the link to the broker that flags, environment and files name. *link is returned owned. */
int session_link(struct session *s, struct link **link, struct err *err);

/* Talk: one line on standard error, unless quiet or JSON is wanted. */
void session_say(const struct session *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Data: JSON text and a newline on standard output. */
void session_print_json(const struct buf *json);

/* Progress on standard error, silent when the session is. */
void session_progress(const struct session *s, struct progress *progress);

/* Reports err on standard error: plain with the hint on its own line, or as a JSON object. */
void session_report(const struct session *s, const struct err *err);

#endif
