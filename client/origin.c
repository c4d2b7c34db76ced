/* See origin.h. */
#include "origin.h"

#include "json.h"
#include "npyhead.h"
#include "runfolder.h"
#include "session.h"
#include "wait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FOLDER_MS = 50, /* a folder does not tell that it has changed */
    PAGE_BYTES = 1 << 18,
    STATUS_OPEN = 0,
};

static char *path_of(const struct origin *s, const char *file)
{
    struct buf path = {0};
    buf_printf(&path, "%s/%s", s->folder, file);
    char *out = mem_strdup(buf_text(&path));
    buf_fini(&path);
    return out;
}

/* "F.npy" -> "F.partial.npy"; returned owned. */
static char *partial_name(const char *file)
{
    struct buf name = {0};
    size_t len = strlen(file);
    buf_printf(&name, "%.*s.partial.npy", (int)(len > 4 ? len - 4 : len), file);
    char *out = mem_strdup(buf_text(&name));
    buf_fini(&name);
    return out;
}

static int open_in_folder(const struct origin *s, const char *file, struct err *err)
{
    char *path = path_of(s, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        char *partial = partial_name(file), *partial_path = path_of(s, partial);
        fd = open(partial_path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
            fd = open(path, O_RDONLY | O_CLOEXEC); /* renamed in this very moment */
        free(partial);
        free(partial_path);
    }
    if (fd < 0)
        err_errno(err, ERR_STORAGE, "cannot read %s", path);
    free(path);
    return fd;
}

/* Appends what there is, up to length bytes. */
static int read_folder(const struct origin *s, const char *file, uint64_t offset, size_t length,
                       struct buf *out, struct err *err)
{
    int fd = open_in_folder(s, file, err);
    if (fd < 0)
        return -1;
    int rc = 0;
    while (length > 0 && rc == 0) {
        size_t start = out->len;
        size_t want = length < PAGE_BYTES ? length : PAGE_BYTES;
        ssize_t n = pread(fd, buf_grow(out, want), want, (off_t)offset);
        out->len = start + (n > 0 ? (size_t)n : 0);
        if (n < 0 && errno != EINTR)
            rc = err_errno(err, ERR_STORAGE, "cannot read %s of %s", file, s->label);
        if (n == 0)
            break;
        offset += n > 0 ? (uint64_t)n : 0;
        length -= n > 0 ? (size_t)n : 0;
    }
    close(fd);
    return rc;
}

static int read_some(struct origin *s, const char *file, uint64_t offset, size_t length,
                     struct buf *out, struct link_page *page, struct err *err)
{
    if (s->link)
        return link_fetch(s->link, s->view.id, file, offset, length, out, page, err);
    return read_folder(s, file, offset, length, out, err);
}

int origin_read(struct origin *s, const char *file, uint64_t offset, size_t length, struct buf *out,
                struct err *err)
{
    struct link_page page;
    size_t start = out->len;
    if (read_some(s, file, offset, length, out, &page, err))
        return -1;
    if (out->len - start == length)
        return 0;
    return err_set(err, ERR_STORAGE, "%s of %s is too short: %zu bytes are missing at %llu", file,
                   s->label, length - (out->len - start), (unsigned long long)offset);
}

int origin_head(struct origin *s, const char *file, char kind, size_t item_bytes,
                uint64_t *data_offset, struct buf *head, struct err *err)
{
    struct buf bytes = {0};
    struct link_page page;
    struct npyhead npy = {0};
    int rc = read_some(s, file, 0, NPYHEAD_MAX, &bytes, &page, err);
    if (rc == 0 && (rc = npyhead_parse(bytes.data, bytes.len, &npy, err)))
        err_prefix(err, "%s of %s", file, s->label);
    if (rc == 0 && (npy.kind != kind || npy.item_bytes != item_bytes ||
                    npy.shape[0] != s->job->q.count || npy.shape[1] != s->job->a.count))
        rc = err_set(err, ERR_STORAGE, "%s of %s has another shape or type than its job", file,
                     s->label);
    if (rc == 0) {
        *data_offset = npy.data_offset;
        if (head)
            buf_add(head, bytes.data, (size_t)npy.data_offset);
    }
    buf_fini(&bytes);
    return rc;
}

int origin_version(struct origin *s, char out[32], struct err *err)
{
    static const struct json_limits LIMITS = {65536, 256, 256};
    struct buf json = {0};
    struct json *root = NULL;
    *out = '\0';
    int rc = s->link ? link_call(s->link, "ping", "{}", &json, err) : 0;
    if (rc == 0 && s->link)
        rc = json_parse((const char *)json.data, json.len, &LIMITS, &root, err);
    if (root)
        snprintf(out, 32, "%s", json_get_string(root, "version", ""));
    json_destroy(root);
    buf_fini(&json);
    return rc;
}

int origin_drive(struct origin *s, struct buf *out, struct err *err)
{
    struct buf head = {0};
    struct link_page page;
    struct npyhead npy = {0};
    struct err gone = {0};
    int rc = read_some(s, "w.npy", 0, NPYHEAD_MAX, &head, &page, &gone);
    if (rc && (gone.code == ERR_STORAGE || gone.code == ERR_USAGE))
        rc = 0; /* no worker has built it yet */
    else if (rc && err)
        *err = gone;
    else if (rc == 0 && (rc = npyhead_parse(head.data, head.len, &npy, err)))
        err_prefix(err, "w.npy of %s", s->label);
    if (rc == 0 && npy.kind == 'f' && npy.item_bytes == sizeof(double) && npy.shape[1] == 2)
        rc = origin_read(s, "w.npy", npy.data_offset, (size_t)npy.data_bytes, out, err);
    buf_fini(&head);
    return rc;
}

/* job.json, whole. */
static int read_job(struct origin *s, struct err *err)
{
    struct buf text = {0};
    struct link_page page;
    size_t before;
    int rc;
    do {
        before = text.len;
        rc = read_some(s, "job.json", text.len, PAGE_BYTES, &text, &page, err);
    } while (rc == 0 && text.len > before && text.len < 2 * JOB_DATA_MAX);
    if (rc == 0 && (rc = job_parse(buf_text(&text), text.len, NULL, &s->job, err))) {
        if (err) {
            err->code = ERR_STORAGE;
            err->line = err->column = 0;
        }
        err_prefix(err, "job.json of %s", s->label);
    }
    buf_fini(&text);
    return rc;
}

int origin_open_job(struct link *link, const char *word, struct origin *out, struct err *err)
{
    struct buf json = {0};
    *out = (struct origin){.link = link, .watch_fd = -1};
    int rc = wait_find_job(link, word, &out->view, &json, err);
    buf_fini(&json);
    snprintf(out->label, sizeof out->label, "job %u", out->view.id);
    if (rc == 0)
        rc = read_job(out, err);
    if (rc == 0)
        rc = origin_refresh(out, err);
    if (rc)
        origin_close(out);
    return rc;
}

int origin_open_folder(const char *folder, struct origin *out, struct err *err)
{
    *out = (struct origin){.folder = mem_strdup(folder), .watch_fd = -1};
    snprintf(out->label, sizeof out->label, "%.90s", folder);
    int rc = read_job(out, err);
    if (rc)
        err_hint(err,
                 "a folder of results has a job.json; a job of a broker is named by its number");
    if (rc == 0)
        rc = origin_refresh(out, err);
    if (rc)
        origin_close(out);
    return rc;
}

static bool is_folder(const char *word)
{
    struct stat st;
    if (strchr(word, '/'))
        return true;
    struct buf job = {0};
    buf_printf(&job, "%s/job.json", word);
    bool is = word[strspn(word, "0123456789")] != '\0' && stat(buf_text(&job), &st) == 0;
    buf_fini(&job);
    return is;
}

void origin_explain(const char *word, struct err *err)
{
    if (!err || err->code != ERR_UNREACHABLE || !word[strspn(word, "0123456789")])
        return;
    err_hint(err,
             "a folder of results has a job.json, there is none in %.60s; a job's results are "
             "fetched from its broker: --broker ENDPOINT",
             word);
}

int origin_open(struct session *session, const char *word, struct origin *out, struct link **link,
                struct err *err)
{
    *link = NULL;
    if (is_folder(word))
        return origin_open_folder(word, out, err);
    int rc = session_link(session, link, err);
    if (rc == 0)
        rc = origin_open_job(*link, word, out, err);
    if (rc)
        origin_explain(word, err);
    return rc;
}

void origin_close(struct origin *s)
{
    if (s->job)
        job_destroy(s->job);
    if (s->link)
        link_watch(s->link, -1, NULL, NULL);
    free(s->folder);
    s->job = NULL;
    s->folder = NULL;
}

static int refresh_job(struct origin *s, struct err *err)
{
    char word[16];
    struct buf json = {0};
    snprintf(word, sizeof word, "%u", s->view.id);
    int rc = wait_find_job(s->link, word, &s->view, &json, err);
    s->final = s->view.state == VIEW_DONE;
    s->rows_done = s->final ? s->job->q.count : s->view.rows_done;
    buf_fini(&json);
    return rc;
}

static bool fields_are_whole(const struct origin *s)
{
    bool whole = true;
    for (size_t i = 0; i < s->job->output_count && whole; i++) {
        struct buf name = {0};
        buf_printf(&name, "%s/%s.npy", s->folder, s->job->outputs[i].name);
        whole = access(buf_text(&name), R_OK) == 0;
        buf_fini(&name);
    }
    return whole;
}

/* Counts leading rows without an open point; status.npy is written after the data are durable. */
static int count_rows(struct origin *s, struct err *err)
{
    uint64_t offset;
    size_t width = s->job->a.count;
    struct buf row = {0};
    int rc = origin_head(s, "status.npy", 'u', 1, &offset, NULL, err);
    while (rc == 0 && s->rows_done < s->job->q.count) {
        buf_clear(&row);
        rc = origin_read(s, "status.npy", offset + s->rows_done * width, width, &row, err);
        if (rc == 0 && memchr(row.data, STATUS_OPEN, width))
            break;
        s->rows_done += rc == 0;
    }
    buf_fini(&row);
    return rc;
}

static int refresh_folder(struct origin *s, struct err *err)
{
    bool busy =
        runfolder_busy(s->folder); /* before the files: a run that ends now has renamed them */
    s->final = fields_are_whole(s);
    s->view.state = s->final ? VIEW_DONE : busy ? VIEW_RUNNING : VIEW_FAILED;
    s->view.points_total = job_points(s->job);
    if (s->final)
        s->rows_done = s->job->q.count;
    else if (count_rows(s, err))
        return -1;
    s->view.points_done = s->rows_done * s->job->a.count;
    return 0;
}

int origin_refresh(struct origin *s, struct err *err)
{
    return s->link ? refresh_job(s, err) : refresh_folder(s, err);
}

static int wait_job(struct origin *s, int64_t ms, struct err *err)
{
    char request[48];
    struct buf json = {0};
    snprintf(request, sizeof request, "{\"job\":%u}", s->view.id);
    int rc = link_call(s->link, "watch", request, &json, err);
    if (rc == 0)
        rc = link_pause(s->link, ms, &json, err) < 0 ? -1 : 0;
    buf_fini(&json);
    return rc;
}

void origin_watch(struct origin *s, int fd, link_wake_fn *wake, void *arg)
{
    s->watch_fd = fd;
    s->wake = wake;
    s->wake_arg = arg;
    if (s->link)
        link_watch(s->link, fd, wake, arg);
}

int origin_wait(struct origin *s, int64_t ms, struct err *err)
{
    if (s->link)
        return wait_job(s, ms, err);
    struct pollfd item = {.fd = s->watch_fd, .events = POLLIN};
    return poll(&item, 1, (int)(ms < FOLDER_MS ? ms : FOLDER_MS)) > 0 ? s->wake(s->wake_arg, err)
                                                                      : 0;
}
