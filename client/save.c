/* See save.h. */
#include "save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PENDING_MAX (1u << 20)

static int failed(struct save *s, struct err *err)
{
    s->reader_gone = errno == EPIPE;
    if (s->reader_gone)
        return err_set(err, ERR_INTERRUPTED, "the reader has gone");
    err_errno(err, ERR_STORAGE, "cannot write %s", s->path);
    return errno == ENOSPC || errno == EDQUOT ? err_hint(err, "make room and try again") : -1;
}

static int open_temporary(struct save *s, struct err *err)
{
    struct buf name = {0};
    buf_printf(&name, "%s.%ld.tmp", s->path, (long)getpid());
    s->temporary = mem_strdup(buf_text(&name));
    buf_fini(&name);
    s->fd = open(s->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (s->fd >= 0)
        return 0;
    const char *slash = errno == ENOENT ? strrchr(s->path, '/') : NULL;
    err_errno(err, ERR_STORAGE, "cannot create %s", s->path);
    if (slash)
        err_hint(err, "make the folder first: mkdir -p %.*s", (int)(slash - s->path), s->path);
    free(s->temporary);
    s->temporary = NULL;
    return -1;
}

int save_open(struct save *s, const char *path, struct err *err)
{
    *s = (struct save){.fd = -1, .path = mem_strdup(path)};
    struct stat st;
    int rc = 0;
    if (strcmp(path, "-") == 0) {
        s->direct = true;
        free(s->path);
        s->path = mem_strdup("standard output");
        s->fd = STDOUT_FILENO;
    } else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        rc = err_set(err, ERR_USAGE, "%s is a folder", path);
    } else if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        s->direct = true;
        s->fd = open(path, O_WRONLY | O_CLOEXEC);
        rc = s->fd < 0 ? err_errno(err, ERR_STORAGE, "cannot open %s", path) : 0;
    } else {
        rc = open_temporary(s, err);
    }
    if (rc)
        save_abort(s);
    return rc;
}

/* Whether the open file still has that name: the process that had it locked may have finished and
 * renamed it in between. */
static bool is_named(int fd, struct buf *name)
{
    struct stat open_one, named;
    return fstat(fd, &open_one) == 0 && stat(buf_text(name), &named) == 0 &&
           open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

int save_resume(struct save *s, const char *path, uint32_t identity, struct err *err)
{
    struct buf name = {0};
    *s = (struct save){.fd = -1, .path = mem_strdup(path)};
    buf_printf(&name, "%s.%08x.part", path, identity);
    s->fd = open(buf_text(&name), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    s->resumed = s->fd >= 0 && flock(s->fd, LOCK_EX | LOCK_NB) == 0 && is_named(s->fd, &name);
    if (s->resumed)
        s->temporary = mem_strdup(buf_text(&name));
    buf_fini(&name);
    if (s->resumed)
        return 0;
    save_abort(s);
    return save_open(s, path, err);
}

static int write_all(struct save *s, const unsigned char *data, size_t len, struct err *err)
{
    while (len > 0) {
        ssize_t n = write(s->fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(s, err);
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

int save_flush(struct save *s, struct err *err)
{
    int rc = write_all(s, s->pending.data, s->pending.len, err);
    buf_clear(&s->pending);
    if (!s->direct) /* the disk begins now, beside us, so that the sync at the end is short */
        sync_file_range(s->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    return rc;
}

int save_write(struct save *s, const void *data, size_t len, struct err *err)
{
    buf_add(&s->pending, data, len);
    return s->pending.len >= PENDING_MAX ? save_flush(s, err) : 0;
}

int save_reserve(struct save *s, uint64_t bytes, struct err *err)
{
    if (fallocate(s->fd, 0, 0, (off_t)bytes) && errno != EOPNOTSUPP)
        return failed(s, err);
    return ftruncate(s->fd, 0) ? failed(s, err) : 0;
}

/* The rename itself must survive a power cut too. */
static int sync_folder(struct save *s, struct err *err)
{
    const char *slash = strrchr(s->path, '/');
    char *folder = slash ? mem_strndup(s->path, (size_t)(slash - s->path) + 1) : mem_strdup(".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0)
        return failed(s, err);
    int rc = fsync(fd);
    close(fd);
    return rc == 0 || errno == EINVAL ? 0 : failed(s, err);
}

int save_commit(struct save *s, struct err *err)
{
    int rc = save_flush(s, err);
    if (rc == 0 && !s->direct) {
        if (fsync(s->fd))
            rc = failed(s, err);
        int fd = s->fd;
        s->fd = -1;
        if (close(fd) && rc == 0)
            rc = failed(s, err);
        if (rc == 0 && rename(s->temporary, s->path))
            rc = failed(s, err);
        if (rc == 0) {
            free(s->temporary);
            s->temporary = NULL;
            rc = sync_folder(s, err);
        }
    }
    save_abort(s);
    return rc;
}

void save_keep(struct save *s)
{
    save_flush(s, NULL); /* what cannot be written is fetched again */
    free(s->temporary);
    s->temporary = NULL;
    save_abort(s);
}

void save_abort(struct save *s)
{
    if (s->fd >= 0 && s->fd != STDOUT_FILENO)
        close(s->fd);
    s->fd = -1;
    if (s->temporary)
        unlink(s->temporary);
    free(s->temporary);
    free(s->path);
    s->temporary = s->path = NULL;
    buf_fini(&s->pending);
}
