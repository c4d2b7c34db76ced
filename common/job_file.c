/* See job_private.h: the two-column text of w.file. '#' begins a comment, blank lines do not
 * matter, columns are separated by blanks, a comma or a semicolon. Whatever else is in it is
 * refused with its line: a table that is half understood is worse than none. */
#include "job_private.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct table {
    const char *name;
    struct err *err;
    double *t, *w;
    size_t count, cap;
    size_t line, last_line; /* being read; of the last row */
};

static int refuse(const struct table *f, const char *hint, const char *text)
{
    err_set(f->err, ERR_JOB_REFUSED, "%.100s:%zu: %s", f->name, f->line, text);
    return err_hint(f->err, "%s", hint);
}

static bool separates(char c)
{
    return c == ' ' || c == '\t' || c == ',' || c == ';';
}

/* One number at *at, up to `end`; moves behind it and the separators that follow. */
static int read_number(const struct table *f, const char **at, const char *end, double *value)
{
    const char *p = *at, *word = p;
    bool minus = p < end && *p == '-';
    p += p < end && (*p == '-' || *p == '+');
    size_t n = number_parse(p, (size_t)(end - p), 1, value);
    if (n == 0 || (p + n < end && !separates(p[n]))) {
        char text[64], shown[25];
        size_t len = 0;
        while (word + len < end && len < sizeof shown - 1 && !separates(word[len])) {
            shown[len] = isprint((unsigned char)word[len]) ? word[len] : '?';
            len++;
        }
        shown[len] = '\0';
        snprintf(text, sizeof text, "\"%s\" is not a number", shown);
        return refuse(f, "put # before headings and comments", text);
    }
    if (!isfinite(*value))
        return refuse(f, "every number has to be finite", "a number is out of range");
    *value = minus ? -*value : *value;
    for (p += n; p < end && separates(*p); p++)
        ;
    *at = p;
    return 0;
}

static int add_row(struct table *f, double t, double w)
{
    char text[128];
    if (f->count > 0 && !(t > f->t[f->count - 1])) {
        snprintf(text, sizeof text, "t = %s is not after t = %s of line %zu", JOB_SHOW(t),
                 JOB_SHOW(f->t[f->count - 1]), f->last_line);
        return refuse(f, "sort the rows by t, each t once", text);
    }
    if (f->count == JOB_LISTED_MAX / 2)
        return refuse(f, "thin the table out", "more rows than a job can carry");
    if (f->count == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 256;
        f->t = mem_resize(f->t, f->cap, sizeof *f->t);
        f->w = mem_resize(f->w, f->cap, sizeof *f->w);
    }
    f->t[f->count] = t;
    f->w[f->count++] = w;
    f->last_line = f->line;
    return 0;
}

static int read_line(struct table *f, const char *at, const char *end)
{
    const char *comment = memchr(at, '#', (size_t)(end - at));
    double t, w;
    if (comment)
        end = comment;
    while (end > at && (separates(end[-1]) || end[-1] == '\r'))
        end--;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    if (at == end)
        return 0;
    if (read_number(f, &at, end, &t))
        return -1;
    if (at == end)
        return refuse(f, "write t and w in each line", "there is one number, two are needed");
    if (read_number(f, &at, end, &w))
        return -1;
    if (at < end)
        return refuse(f, "keep the columns t and w only", "there are more than two columns");
    return add_row(f, t, w);
}

static int read_lines(struct table *f, const struct buf *text)
{
    const char *at = (const char *)text->data, *end = at + text->len;
    if (text->len >= 6 && memcmp(at, "\x93NUMPY", 6) == 0) {
        err_set(f->err, ERR_JOB_REFUSED, "%.100s is a .npy file, two columns of text are needed",
                f->name);
        return err_hint(f->err, "numpy.savetxt(\"w.txt\", numpy.column_stack([t, w])) writes them");
    }
    if (text->len >= 3 && memcmp(at, "\xEF\xBB\xBF", 3) == 0)
        at += 3; /* spreadsheets put it there */
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        f->line++;
        if (read_line(f, at, stop ? stop : end))
            return -1;
        at = stop ? stop + 1 : end;
    }
    if (f->count > 0)
        return 0;
    err_set(f->err, ERR_JOB_REFUSED, "%.100s: there are no numbers in it", f->name);
    return err_hint(f->err, "write two columns, t and w");
}

/* O_NONBLOCK: a pipe that nobody writes to must not hang us before fstat has seen it. */
static int read_file(const char *path, struct buf *text)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), saved = 0;
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        saved = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
    while (!saved && text->len <= JOB_DATA_MAX) {
        ssize_t n = read(fd, buf_grow(text, 65536), 65536);
        text->len -= 65536 - (size_t)(n > 0 ? n : 0);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            saved = errno;
    }
    close(fd);
    if (!saved && text->len > JOB_DATA_MAX)
        saved = EFBIG;
    errno = saved;
    return saved ? -1 : 0;
}

int job_file_read(const char *folder, const char *name, double **t, double **w, size_t *count,
                  struct err *err)
{
    struct table f = {.name = name, .err = err};
    struct buf text = {0}, path = {0};
    if (name[0] != '/')
        buf_printf(&path, "%s/", folder[0] ? folder : ".");
    buf_str(&path, name);
    int rc = read_file(buf_text(&path), &text);
    if (rc) {
        err_errno(err, ERR_JOB_REFUSED, "%.100s cannot be read", name);
        if (errno == ENOENT)
            err_hint(err, "the name is relative to the folder of the job");
        if (errno == EFBIG)
            err_hint(err, "at most %u MiB are read", JOB_DATA_MAX >> 20);
    } else {
        rc = read_lines(&f, &text);
    }
    buf_fini(&path);
    buf_fini(&text);
    if (rc) {
        free(f.t);
        free(f.w);
        return -1;
    }
    *t = f.t;
    *w = f.w;
    *count = f.count;
    return 0;
}
