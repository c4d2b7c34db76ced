/* See jobfile.h. */
#include "jobfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_BYTES_MAX (JOB_DATA_MAX + JOB_JSON_MAX)

static int read_all(int fd, const char *path, struct buf *out, struct err *err)
{
    for (;;) {
        size_t before = out->len;
        void *room = buf_grow(out, 65536);
        ssize_t n = read(fd, room, 65536);
        out->len = before + (n > 0 ? (size_t)n : 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, ERR_OTHER, "cannot read %s", path);
        if (n == 0)
            return 0;
        if (out->len > TEXT_BYTES_MAX)
            return err_set(err, ERR_JOB_REFUSED, "the job is larger than %u MiB",
                           (unsigned)(TEXT_BYTES_MAX >> 20));
    }
}

static int read_file(const char *path, struct buf *out, struct err *err)
{
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, "standard input", out, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        bool missing = errno == ENOENT;
        err_errno(err, missing ? ERR_USAGE : ERR_OTHER, "cannot read the job %s", path);
        return missing ? err_hint(err, "give the path of a job file such as driven.json") : -1;
    }
    int rc = read_all(fd, path, out, err);
    if (rc && errno == EISDIR) {
        err_set(err, ERR_USAGE, "%s is a folder, not a job", path);
        size_t len = strlen(path);
        bool slash = len > 0 && path[len - 1] == '/';
        err_hint(err, "give the path of a job file such as %s%sjob.json", path, slash ? "" : "/");
    }
    close(fd);
    return rc;
}

int jobfile_read(const char *path, struct jobfile *out, struct err *err)
{
    memset(out, 0, sizeof *out);
    const char *slash = strrchr(path, '/');
    char *folder = slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup(".");
    int rc = read_file(path, &out->text, err);
    if (rc == 0)
        rc = job_parse(buf_text(&out->text), out->text.len, folder, &out->job, err);
    free(folder);
    if (rc == 0)
        job_format(out->job, &out->canonical);
    else
        jobfile_fini(out);
    return rc;
}

void jobfile_fini(struct jobfile *f)
{
    if (f->job)
        job_destroy(f->job);
    buf_fini(&f->text);
    buf_fini(&f->canonical);
    f->job = NULL;
}
