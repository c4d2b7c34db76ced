#ifndef COMMON_ERR_H
#define COMMON_ERR_H

/* An error on its way from where it happened to main(). Functions return 0 or -1 and take a
 * nullable struct err * as their last argument; `return err_set(err, ...)` is the one-line failure.
 * The codes are the programs' exit codes, so that a cause has one number everywhere. */

enum err_code {
    ERR_NONE = 0,
    ERR_OTHER = 1,
    ERR_USAGE = 2,
    ERR_POINTS_FAILED = 3, /* the job is finished but some points failed */
    ERR_NOT_AUTHORISED = 4,
    ERR_NO_SUCH_JOB = 5,
    ERR_TIMED_OUT = 6,
    ERR_UNREACHABLE = 7,
    ERR_JOB_REFUSED = 8,
    ERR_VERSION = 9,
    ERR_CANCELLED = 10,
    ERR_STORAGE = 11,
    ERR_INTERRUPTED = 130,
};

struct err {
    enum err_code code;
    int line, column; /* place in the offending text, from 1; 0 when there is no text */
    char path[128];   /* path of the offending key ("grid.a.count"), or "" */
    char text[512];   /* what is wrong and why, one sentence without a full stop */
    char hint[256];   /* what to do about it, or "" */
};

/* Fills *err (when not NULL) and returns -1. Place, path and hint are cleared. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds the hint to an error already set; returns -1. */
int err_hint(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* As err_set, with ": strerror(errno)" at the end of the text. */
int err_errno(struct err *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the text of an error already set; returns -1. */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Writes "line:column: path: text; hint" (the parts that are there) to out; returns out. */
char *err_format(const struct err *err, char *out, unsigned long size);

/* The name of a code in JSON output ("job_refused"). */
const char *err_code_name(enum err_code code);

#endif
