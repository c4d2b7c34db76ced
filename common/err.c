/* See err.h. */
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void clear(struct err *err, enum err_code code)
{
    err->code = code;
    err->line = err->column = 0;
    err->path[0] = err->text[0] = err->hint[0] = '\0';
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    if (!err)
        return -1;
    clear(err, code);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    return -1;
}

int err_hint(struct err *err, const char *fmt, ...)
{
    if (!err)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->hint, sizeof err->hint, fmt, ap);
    va_end(ap);
    return -1;
}

int err_errno(struct err *err, enum err_code code, const char *fmt, ...)
{
    int saved = errno;
    if (!err)
        return -1;
    clear(err, code);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof err->text)
        snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", strerror(saved));
    errno = saved;
    return -1;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
    if (!err)
        return -1;
    char old[sizeof err->text];
    memcpy(old, err->text, sizeof old);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof err->text)
        snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", old);
    return -1;
}

char *err_format(const struct err *err, char *out, unsigned long size)
{
    char place[48] = "";
    if (err->line > 0)
        snprintf(place, sizeof place, "%d:%d: ", err->line, err->column);
    snprintf(out, size, "%s%s%s%s%s%s", place, err->path, err->path[0] ? ": " : "", err->text,
             err->hint[0] ? "; " : "", err->hint);
    return out;
}

const char *err_code_name(enum err_code code)
{
    switch (code) {
    case ERR_NONE:
        return "ok";
    case ERR_OTHER:
        return "error";
    case ERR_USAGE:
        return "usage";
    case ERR_POINTS_FAILED:
        return "points_failed";
    case ERR_NOT_AUTHORISED:
        return "not_authorised";
    case ERR_NO_SUCH_JOB:
        return "no_such_job";
    case ERR_TIMED_OUT:
        return "timed_out";
    case ERR_UNREACHABLE:
        return "unreachable";
    case ERR_JOB_REFUSED:
        return "job_refused";
    case ERR_VERSION:
        return "version";
    case ERR_CANCELLED:
        return "cancelled";
    case ERR_STORAGE:
        return "storage";
    case ERR_INTERRUPTED:
        return "interrupted";
    }
    return "error";
}
