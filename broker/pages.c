/* FETCH: a page of a result file, read in libuv's thread pool so that a slow disk never holds up
 * the loop. The broker alone makes the path; the client names a file of the job. */
#include "server_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Being read at a time: each may hold 256 KiB, so that many slow readers hold 64 MiB. */
enum { READINGS_MAX = 256, READINGS_OF_ONE = 8 };

struct page {
    struct reading reading;
    uv_work_t work;
    struct server *s;
    uint64_t tag, offset, file_bytes;
    uint32_t length;
    bool final;
    char path[PATH_BYTES];
    struct buf data;
    struct err err;
};

int pages_open(char *path)
{
    static const char PARTIAL[] = ".partial.npy";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = strlen(path), end = sizeof PARTIAL - 1;
    if (fd >= 0 || errno != ENOENT || len < end || strcmp(path + len - end, PARTIAL) != 0)
        return fd;
    strcpy(path + len - end, ".npy");
    return open(path, O_RDONLY | O_CLOEXEC);
}

static void read_page(uv_work_t *work)
{
    struct page *p = work->data;
    int fd = pages_open(p->path);
    struct stat st;
    if (fd < 0 || fstat(fd, &st)) {
        err_errno(&p->err, ERR_STORAGE, "cannot read %s", p->path);
        if (fd >= 0)
            close(fd);
        return;
    }
    p->file_bytes = (uint64_t)st.st_size;
    uint64_t left = p->offset < p->file_bytes ? p->file_bytes - p->offset : 0;
    size_t want = left < p->length ? (size_t)left : p->length;
    char *to = buf_grow(&p->data, want);
    size_t have = 0;
    while (have < want) {
        ssize_t n = pread(fd, to + have, want - have, (off_t)(p->offset + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            err_errno(&p->err, ERR_STORAGE, "cannot read %s", p->path);
        if (n <= 0)
            break;
        have += (size_t)n;
    }
    p->data.len = have;
    close(fd);
}

int reading_begin(struct server *s, struct reading *r, const struct route *from, struct err *err)
{
    size_t all = 0, own = 0;
    for (const struct reading *x = s->readings; x; x = x->next) {
        all++;
        own += x->route.len == from->len && memcmp(x->route.id, from->id, from->len) == 0;
    }
    if (own >= READINGS_OF_ONE) {
        err_set(err, ERR_OTHER, "more than %d pages are asked for at once", READINGS_OF_ONE);
        return err_hint(err, "ask for the next when one has come");
    }
    if (all >= READINGS_MAX)
        return 1;
    *r = (struct reading){s->readings, *from};
    s->readings = r;
    return 0;
}

void reading_end(struct server *s, struct reading *r)
{
    struct reading **at = &s->readings;
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
}

static void answer(uv_work_t *work, int status)
{
    struct page *p = work->data;
    reading_end(p->s, &p->reading);
    if (status == 0 && !p->s->stopping) {
        if (p->err.code) {
            reply_error(p->s, &p->reading.route, p->tag, &p->err);
        } else {
            struct wire_msg m = {.type = WIRE_PAGE, .tag = p->tag};
            m.page.file_bytes = p->file_bytes;
            m.page.offset = p->offset;
            m.page.final = p->final;
            m.page.data = (struct wire_span){p->data.data, p->data.len};
            server_send(p->s, &p->reading.route, &m);
        }
    }
    buf_fini(&p->data);
    free(p);
}

static int locate(struct server *s, struct page *p, const struct wire_msg *msg)
{
    char file[64];
    struct catalogue_job *job = catalogue_job(s->catalogue, msg->fetch.job);
    if (!job || job->stage != CATALOGUE_THERE)
        return err_set(&p->err, ERR_NO_SUCH_JOB, "no job %u", msg->fetch.job);
    size_t len = msg->fetch.file.len;
    if (len >= sizeof file || memchr(msg->fetch.file.data, '\0', len))
        return err_set(&p->err, ERR_USAGE, "that is not the name of a result file");
    memcpy(file, msg->fetch.file.data, len);
    file[len] = '\0';
    if (sink_file(s->sink, job->id, job->job, file, p->path, sizeof p->path, &p->final))
        return err_set(&p->err, ERR_USAGE, "job %u has no file \"%s\"", job->id, file);
    return 0;
}

void pages_fetch(struct server *s, const struct route *from, const struct wire_msg *msg)
{
    struct page *p = mem_alloc(1, sizeof *p);
    int full = reading_begin(s, &p->reading, from, &p->err);
    if (full) {
        if (full < 0)
            reply_error(s, from, msg->tag, &p->err);
        free(p);
        return;
    }
    p->work.data = p;
    p->s = s;
    p->tag = msg->tag;
    p->offset = msg->fetch.offset;
    p->length = msg->fetch.length < WIRE_PART_MAX ? msg->fetch.length : WIRE_PART_MAX;
    if (locate(s, p, msg) || uv_queue_work(&s->loop, &p->work, read_page, answer)) {
        if (!p->err.code)
            err_set(&p->err, ERR_OTHER, "cannot start reading");
        reply_error(s, from, msg->tag, &p->err);
        reading_end(s, &p->reading);
        free(p);
    }
}
