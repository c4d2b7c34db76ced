/* A field thinned out to some cells, so that a chart of any size can be watched from afar: each
 * cell is the point in its middle. Read in libuv's thread pool. */
#include "server_private.h"

#include "npy.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Rows of which every 512th point or more is wanted are read whole, others point by point: to copy
 * a page costs no more than a system call, and a page is read from the disk anyway. */
enum { SPARSE = 512 };

struct snapshot {
    struct reading reading;
    uv_work_t work;
    struct server *s;
    uint64_t tag, q_count, a_count;
    uint32_t q, a; /* cells */
    bool final;
    char values[PATH_BYTES], status[PATH_BYTES];
    struct buf data;
    struct err err;
};

/* The middle of cell k of n over count points. */
static uint64_t middle(uint32_t k, uint32_t n, uint64_t count)
{
    return (2 * (uint64_t)k + 1) * count / (2 * (uint64_t)n);
}

static int read_at(int fd, void *to, size_t len, uint64_t offset)
{
    size_t have = 0;
    while (have < len) {
        ssize_t n = pread(fd, (char *)to + have, len - have, (off_t)(offset + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n < 0 ? errno : EIO; /* shorter than its job */
            return -1;
        }
        have += (size_t)n;
    }
    return 0;
}

/* The wanted items of one row, `size` bytes each, to out. row: room for a whole one. */
static int read_row(const struct snapshot *p, int fd, uint64_t index, size_t size, char *row,
                    char *out)
{
    uint64_t start = NPY_HEADER + index * p->a_count * size;
    bool whole = p->a_count <= (uint64_t)SPARSE * p->a;
    if (whole && read_at(fd, row, p->a_count * size, start))
        return -1;
    for (uint32_t k = 0; k < p->a; k++) {
        uint64_t at = middle(k, p->a, p->a_count) * size;
        if (whole)
            memcpy(out + k * size, row + at, size);
        else if (read_at(fd, out + k * size, size, start + at))
            return -1;
    }
    return 0;
}

/* Statuses first: what they call done was durable before they said so. */
static int read_cells(struct snapshot *p, int status_fd, int value_fd)
{
    char *row = mem_alloc(p->a_count + 1, sizeof(double));
    double *values = mem_alloc(p->a, sizeof *values);
    char *status = mem_alloc(p->a, 1);
    int rc = 0;
    for (uint32_t i = 0; i < p->q && rc == 0; i++) {
        uint64_t index = middle(i, p->q, p->q_count);
        rc = read_row(p, status_fd, index, 1, row, status);
        if (rc == 0)
            rc = read_row(p, value_fd, index, sizeof *values, row, (char *)values);
        for (uint32_t k = 0; k < p->a && rc == 0; k++) {
            float value = (float)values[k];
            buf_add(&p->data, &value, sizeof value);
            buf_add(&p->data, &status[k], 1);
        }
    }
    int saved = errno;
    free(row);
    free(values);
    free(status);
    errno = saved;
    return rc;
}

static void take(uv_work_t *work)
{
    struct snapshot *p = work->data;
    int status = open(p->status, O_RDONLY | O_CLOEXEC);
    int values = status < 0 ? -1 : pages_open(p->values);
    if (values < 0 || read_cells(p, status, values))
        err_errno(&p->err, ERR_STORAGE, "cannot read %s", status < 0 ? p->status : p->values);
    if (status >= 0)
        close(status);
    if (values >= 0)
        close(values);
}

static void answer(uv_work_t *work, int status)
{
    struct snapshot *p = work->data;
    reading_end(p->s, &p->reading);
    if (status == 0 && !p->s->stopping && p->err.code) {
        reply_error(p->s, &p->reading.route, p->tag, &p->err);
    } else if (status == 0 && !p->s->stopping) {
        struct wire_msg m = {.type = WIRE_PAGE, .tag = p->tag};
        m.page.file_bytes = p->data.len;
        m.page.final = p->final;
        m.page.data = (struct wire_span){p->data.data, p->data.len};
        server_send(p->s, &p->reading.route, &m);
    }
    buf_fini(&p->data);
    free(p);
}

static bool is_field(const struct job *job, const char *name)
{
    for (size_t i = 0; i < job->output_count; i++)
        if (strcmp(job->outputs[i].name, name) == 0)
            return true;
    return false;
}

int snapshot_take(struct server *s, const struct route *from, uint64_t tag,
                  const struct catalogue_job *job, const char *field, uint32_t q, uint32_t a,
                  struct err *err)
{
    char file[JOB_FIELD_MAX + 8];
    bool final;
    struct snapshot *p = mem_alloc(1, sizeof *p);
    int full = reading_begin(s, &p->reading, from, err);
    if (full) {
        free(p);
        return full < 0 ? -1 : 0; /* it asks again */
    }
    p->work.data = p;
    p->s = s;
    p->tag = tag;
    p->q_count = job->job->q.count;
    p->a_count = job->job->a.count;
    p->q = q < p->q_count ? q : (uint32_t)p->q_count;
    p->a = a < p->a_count ? a : (uint32_t)p->a_count;
    snprintf(file, sizeof file, "%.*s.npy", JOB_FIELD_MAX, field);
    int rc = 0;
    if (!is_field(job->job, field) ||
        sink_file(s->sink, job->id, job->job, file, p->values, sizeof p->values, &p->final) ||
        sink_file(s->sink, job->id, job->job, "status.npy", p->status, sizeof p->status, &final))
        rc = err_set(err, ERR_USAGE, "job %u has no field \"%.40s\"", job->id, field);
    else if (uv_queue_work(&s->loop, &p->work, take, answer))
        rc = err_set(err, ERR_OTHER, "cannot start reading");
    if (rc) {
        reading_end(s, &p->reading);
        free(p);
    }
    return rc;
}
