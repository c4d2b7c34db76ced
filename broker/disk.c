/* See disk.h. */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct disk disk_system = {
    .pread = pread,
    .pwrite = pwrite,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .rename = rename,
    .fallocate = fallocate,
    .sync_file_range = sync_file_range,
};

const char *disk_words(int errnum)
{
    switch (errnum) {
    case ENOSPC:
        return "the disk is full";
    case EDQUOT:
        return "the disk quota is used up";
    case EIO:
        return "the disk reports an I/O error";
    case EROFS:
        return "the file system is read-only";
    case EFBIG:
        return "the file system cannot hold a file of this size";
    case ENAMETOOLONG:
        return "the path is too long";
    default:
        return strerror(errnum);
    }
}

int disk_fail(struct err *err, const char *verb, const char *path)
{
    int saved = errno;
    err_set(err, ERR_STORAGE, "cannot %s %s: %s", verb, path, disk_words(saved));
    errno = saved;
    return -1;
}

int disk_put(const struct disk *disk, int fd, const void *data, size_t len, uint64_t at)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = disk->pwrite(fd, p, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = EIO;
        if (n <= 0)
            return -1;
        p += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* The last page may be written on: it is left to the next stretch, or to the sync. */
void disk_start(const struct disk *disk, int fd, uint64_t at, size_t len)
{
    enum { PAGE = 4096 };
    uint64_t from = at / PAGE * PAGE, to = (at + len) / PAGE * PAGE;
    if (to > from)
        (void)disk->sync_file_range(fd, (off_t)from, (off_t)(to - from), SYNC_FILE_RANGE_WRITE);
}

int disk_settle(const struct disk *disk, int fd)
{
    int rc = disk->sync_file_range(
        fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    return rc != 0 && (errno == ENOSYS || errno == EINVAL || errno == ESPIPE) ? 0 : rc;
}

ssize_t disk_get(const struct disk *disk, int fd, void *out, size_t len, uint64_t at)
{
    char *p = out;
    while (len > 0) {
        ssize_t n = disk->pread(fd, p, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        p += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return p - (char *)out;
}

int disk_sync_folder(const struct disk *disk, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return disk_fail(err, "open folder", path);
    int rc = disk->fsync(fd);
    if (rc != 0)
        disk_fail(err, "sync folder", path);
    close(fd);
    return rc;
}

const char *disk_folder_of(const char *path, char folder[])
{
    snprintf(folder, PATH_MAX, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash)
        return ".";
    slash[slash == folder] = '\0';
    return folder;
}

static int write_synced(const struct disk *disk, const char *path, const void *data, size_t len,
                        struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return disk_fail(err, "make", path);
    int rc = 0;
    if (disk_put(disk, fd, data, len, 0) != 0)
        rc = disk_fail(err, "write", path);
    else if (disk->fsync(fd) != 0)
        rc = disk_fail(err, "sync", path);
    close(fd);
    return rc;
}

int disk_replace(const struct disk *disk, const char *path, const void *data, size_t len,
                 struct err *err)
{
    char beside[PATH_MAX], folder[PATH_MAX];
    if (snprintf(beside, sizeof beside, "%s.tmp", path) >= (int)sizeof beside) {
        errno = ENAMETOOLONG;
        return disk_fail(err, "write", path);
    }
    int rc = write_synced(disk, beside, data, len, err);
    if (rc == 0 && disk->rename(beside, path) != 0)
        rc = disk_fail(err, "rename", beside);
    if (rc != 0) {
        unlink(beside);
        return -1;
    }
    return disk_sync_folder(disk, disk_folder_of(path, folder), err);
}

static int make_level(const struct disk *disk, const char *path, bool *made, struct err *err)
{
    char folder[PATH_MAX];
    struct stat st;
    *made = mkdir(path, 0700) == 0;
    if (*made)
        return disk_sync_folder(disk, disk_folder_of(path, folder), err);
    int saved = errno;
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return 0;
        saved = ENOTDIR;
    }
    errno = saved;
    return disk_fail(err, "make folder", path);
}

int disk_make_folder(const struct disk *disk, const char *path, bool *made, struct err *err)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part) {
        errno = len ? ENAMETOOLONG : EINVAL;
        return disk_fail(err, "make folder", path);
    }
    bool fresh = false;
    for (size_t i = 1; i <= len; i++) {
        if (i < len && (path[i] != '/' || path[i - 1] == '/'))
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        bool level;
        if (make_level(disk, part, &level, err) != 0)
            return -1;
        fresh = fresh || level;
    }
    if (made)
        *made = fresh;
    return 0;
}
