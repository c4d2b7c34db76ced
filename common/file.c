/* See file.h: a temporary beside it, fsync, link or rename, fsync of the folder. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

static int sync_folder_of(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    close(fd);
    return rc;
}

int file_put(const char *path, const void *data, size_t len, bool fresh, struct err *err)
{
    char temporary[4096];
    if (snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid()) >=
        (int)sizeof temporary)
        return err_set(err, ERR_STORAGE, "the path %s is too long", path);
    unlink(temporary); /* of a process of that number that was killed */
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, ERR_STORAGE, "cannot create %s", temporary);
    int rc = write_all(fd, data, len);
    rc = rc || fsync(fd) ? -1 : 0;
    if (close(fd))
        rc = -1;
    if (rc == 0)
        rc = fresh ? link(temporary, path) : rename(temporary, path);
    if (rc == 0)
        rc = sync_folder_of(path);
    if (rc && fresh && errno == EEXIST)
        err_set(err, ERR_OTHER, "%s is there already", path);
    else if (rc)
        err_errno(err, ERR_STORAGE, "cannot write %s", path);
    if (rc || fresh)
        unlink(temporary);
    return rc;
}
