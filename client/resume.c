/* See resume.h. */
#include "resume.h"

#include "crc32c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK (1u << 18)

uint32_t resume_identity(const struct points *p, enum format format)
{
    struct buf text = {0};
    job_format(p->origin->job, &text);
    buf_printf(&text, "format %d", (int)format);
    for (size_t k = 0; k < p->count; k++)
        buf_printf(&text, " field %zu", p->fields[k]);
    uint32_t crc = crc32c(0, text.data, text.len);
    buf_fini(&text);
    return crc;
}

/* Reads up to len bytes; fewer at the end. */
static ssize_t read_at(const struct save *s, void *out, size_t len, uint64_t at)
{
    size_t have = 0;
    while (have < len) {
        ssize_t n = pread(s->fd, (char *)out + have, len - have, (off_t)(at + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

static bool has_head(const struct save *s, const struct buf *head)
{
    unsigned char *there = mem_alloc(head->len, 1);
    bool same = read_at(s, there, head->len, 0) == (ssize_t)head->len &&
                memcmp(there, head->data, head->len) == 0;
    free(there);
    return same;
}

/* The end of the last of `most` runs of `width` lines from `at` on; *rows counts the runs. */
static uint64_t end_of_lines(const struct save *s, uint64_t at, size_t width, uint64_t most,
                             uint64_t *rows)
{
    char *block = mem_alloc(BLOCK, 1);
    uint64_t end = at;
    size_t lines = 0;
    ssize_t n;
    *rows = 0;
    while (*rows < most && (n = read_at(s, block, BLOCK, at)) > 0) {
        const char *from = block, *stop = block + n, *line;
        while (*rows < most && (line = memchr(from, '\n', (size_t)(stop - from)))) {
            from = line + 1;
            if (++lines < width)
                continue;
            lines = 0;
            ++*rows;
            end = at + (uint64_t)(from - block);
        }
        at += (uint64_t)n;
    }
    free(block);
    return end;
}

int resume_rows(struct save *s, const struct points *p, enum format format, const struct buf *head,
                uint64_t *rows, struct err *err)
{
    const struct job *job = p->origin->job;
    uint64_t row_bytes = job->a.count * sizeof(double), end = 0;
    off_t size = lseek(s->fd, 0, SEEK_END);
    *rows = 0;
    if (size > 0 && has_head(s, head)) {
        end = head->len;
        if (format == FORMAT_NPY) {
            *rows = ((uint64_t)size - end) / row_bytes;
            *rows = *rows < job->q.count ? *rows : job->q.count;
            end += *rows * row_bytes;
        } else {
            end = end_of_lines(s, end, job->a.count, job->q.count, rows);
        }
    }
    if (*rows == 0)
        end = 0;
    if (ftruncate(s->fd, (off_t)end) || lseek(s->fd, (off_t)end, SEEK_SET) < 0)
        return err_errno(err, ERR_STORAGE, "cannot carry on with %s", s->temporary);
    return 0;
}
