/* See log.h. One write(2) a line, so that lines of several threads and processes do not mix. */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *log_program = "hillsweep";
static enum log_level log_level = LOG_INFO;

void log_open(const char *program, enum log_level level)
{
    log_program = program;
    log_level = level;
}

static void line(enum log_level level, int error, const char *fmt, va_list ap)
{
    if (level > log_level)
        return;
    int saved = errno;
    char text[1024];
    int n = snprintf(text, sizeof text, "%s: ", log_program);
    int room = (int)sizeof text - 2;
    n += vsnprintf(text + n, (size_t)(room - n), fmt, ap);
    if (n > room)
        n = room;
    if (error && n < room)
        n += snprintf(text + n, (size_t)(room - n), ": %s", strerror(error));
    if (n > room)
        n = room;
    text[n++] = '\n';
    ssize_t written = write(STDERR_FILENO, text, (size_t)n);
    (void)written; /* there is nowhere left to complain to */
    errno = saved;
}

#define LINE(level, error)                                                                         \
    va_list ap;                                                                                    \
    va_start(ap, fmt);                                                                             \
    line(level, error, fmt, ap);                                                                   \
    va_end(ap)

void log_warn(const char *fmt, ...)
{
    LINE(LOG_WARN, errno);
}

void log_warnx(const char *fmt, ...)
{
    LINE(LOG_WARN, 0);
}

void log_info(const char *fmt, ...)
{
    LINE(LOG_INFO, 0);
}

void log_debug(const char *fmt, ...)
{
    LINE(LOG_DEBUG, 0);
}
