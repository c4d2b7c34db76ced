#ifndef TESTS_SYSCALLS_H
#define TESTS_SYSCALLS_H

/* The system calls that change files, taken over for the whole program, the SQLite library
 * included: what a program defines itself comes before what libc has. A test that includes this
 * looks at each call, and may fail it, in `sys_before`; what was done it hears in `sys_after`. Only
 * paths below `sys_root` are told. Include it in the one source file of a test. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum sys_kind {
    SYS_CREATE, /* path; a file that was not there */
    SYS_WRITE,  /* fd, data, len, at */
    SYS_SIZE,   /* fd, at: its new size (ftruncate, fallocate) */
    SYS_SYNC,   /* fd */
    SYS_RENAME, /* path, to */
    SYS_UNLINK, /* path */
    SYS_MKDIR,  /* path */
    SYS_RMDIR,  /* path */
};

struct sys_call {
    enum sys_kind kind;
    const char *path, *to; /* path also of fd */
    const void *data;
    size_t len;
    off_t at;
    bool grow; /* SIZE: never shrinks */
};

static const char *sys_root;                        /* NULL: nothing is told */
static int (*sys_before)(const struct sys_call *c); /* an errno, or 0; NULL: none */
static void (*sys_after)(const struct sys_call *c); /* NULL: none */

enum { SYS_FDS = 1024 };
static char sys_paths[SYS_FDS][PATH_MAX]; /* by descriptor; "" when it is none of ours */
static pthread_mutex_t sys_mutex = PTHREAD_MUTEX_INITIALIZER;

static bool sys_ours(const char *path)
{
    return sys_root && path && strncmp(path, sys_root, strlen(sys_root)) == 0;
}

static const char *sys_path(int fd)
{
    return fd >= 0 && fd < SYS_FDS ? sys_paths[fd] : "";
}

/* Asks, does, tells: one call at a time. */
#define SYS_DO(result, call, action)                                                               \
    do {                                                                                           \
        pthread_mutex_lock(&sys_mutex);                                                            \
        int why = sys_before ? sys_before(&(call)) : 0;                                            \
        (result) = why ? -1 : (action);                                                            \
        int saved = why ? why : errno;                                                             \
        if ((result) != -1 && sys_after)                                                           \
            sys_after(&(call));                                                                    \
        pthread_mutex_unlock(&sys_mutex);                                                          \
        errno = saved;                                                                             \
    } while (0)

static int sys_open(int dir, const char *path, int flags, mode_t mode)
{
    struct stat st;
    int fd = -1;
    struct sys_call c = {.kind = SYS_CREATE, .path = path};
    bool ours = sys_ours(path) && dir == AT_FDCWD;
    if (ours && flags & O_CREAT && stat(path, &st) != 0)
        SYS_DO(fd, c, (int)syscall(SYS_openat, dir, path, flags, mode));
    else
        fd = (int)syscall(SYS_openat, dir, path, flags, mode);
    if (fd >= 0 && fd < SYS_FDS)
        snprintf(sys_paths[fd], PATH_MAX, "%s", ours ? path : "");
    struct sys_call cut = {.kind = SYS_SIZE, .path = path};
    if (ours && fd >= 0 && flags & O_TRUNC) {
        pthread_mutex_lock(&sys_mutex);
        if (sys_after)
            sys_after(&cut);
        pthread_mutex_unlock(&sys_mutex);
    }
    return fd;
}

#define SYS_OPEN(name)                                                                             \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;                                    \
        va_end(ap);                                                                                \
        return sys_open(AT_FDCWD, path, flags, mode);                                              \
    }
SYS_OPEN(open)
SYS_OPEN(open64)

static ssize_t sys_write(int fd, const void *data, size_t len, off_t at)
{
    struct sys_call c = {
        .kind = SYS_WRITE, .path = sys_path(fd), .data = data, .len = len, .at = at};
    ssize_t n = -1;
    if (!sys_ours(c.path))
        return syscall(SYS_pwrite64, fd, data, len, at);
    SYS_DO(n, c, syscall(SYS_pwrite64, fd, data, len, at));
    return n;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    return sys_write(fd, data, len, at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off_t at)
{
    return sys_write(fd, data, len, at);
}

static int sys_sync(int fd, long number)
{
    struct sys_call c = {.kind = SYS_SYNC, .path = sys_path(fd)};
    int rc = -1;
    if (!sys_ours(c.path))
        return (int)syscall(number, fd);
    SYS_DO(rc, c, (int)syscall(number, fd));
    return rc;
}

int fsync(int fd)
{
    return sys_sync(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sys_sync(fd, SYS_fdatasync);
}

static int sys_truncate(int fd, off_t size)
{
    struct sys_call c = {.kind = SYS_SIZE, .path = sys_path(fd), .at = size};
    int rc = -1;
    if (!sys_ours(c.path))
        return (int)syscall(SYS_ftruncate, fd, size);
    SYS_DO(rc, c, (int)syscall(SYS_ftruncate, fd, size));
    return rc;
}

int ftruncate(int fd, off_t size)
{
    return sys_truncate(fd, size);
}

int ftruncate64(int fd, off_t size)
{
    return sys_truncate(fd, size);
}

static int sys_allocate(int fd, int mode, off_t at, off_t len)
{
    struct sys_call c = {.kind = SYS_SIZE, .path = sys_path(fd), .at = at + len, .grow = true};
    int rc = -1;
    if (!sys_ours(c.path))
        return (int)syscall(SYS_fallocate, fd, mode, at, len);
    SYS_DO(rc, c, (int)syscall(SYS_fallocate, fd, mode, at, len));
    return rc;
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
    return sys_allocate(fd, mode, at, len);
}

int fallocate64(int fd, int mode, off_t at, off_t len)
{
    return sys_allocate(fd, mode, at, len);
}

#define SYS_PATH_CALL(name, what, args, call, action)                                              \
    int name args                                                                                  \
    {                                                                                              \
        struct sys_call c = call;                                                                  \
        int rc = -1;                                                                               \
        if (!sys_ours(c.path))                                                                     \
            return (int)(action);                                                                  \
        SYS_DO(rc, c, (int)(action));                                                              \
        return rc;                                                                                 \
    }
#define SYS_CALL_OF(...)                                                                           \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
SYS_PATH_CALL(rename, SYS_RENAME, (const char *from, const char *to),
              SYS_CALL_OF(.kind = SYS_RENAME, .path = from, .to = to),
              syscall(SYS_rename, from, to))
SYS_PATH_CALL(unlink, SYS_UNLINK, (const char *path), SYS_CALL_OF(.kind = SYS_UNLINK, .path = path),
              syscall(SYS_unlink, path))
SYS_PATH_CALL(mkdir, SYS_MKDIR, (const char *path, mode_t mode),
              SYS_CALL_OF(.kind = SYS_MKDIR, .path = path), syscall(SYS_mkdir, path, mode))
SYS_PATH_CALL(rmdir, SYS_RMDIR, (const char *path), SYS_CALL_OF(.kind = SYS_RMDIR, .path = path),
              syscall(SYS_rmdir, path))

int unlinkat(int dir, const char *name, int flags)
{
    char link[64], path[PATH_MAX + 300]; /* dir may be opendir's, which is not seen here */
    snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
    ssize_t n = readlink(link, path, PATH_MAX);
    snprintf(path + (n > 0 ? n : 0), 300, "/%s", name);
    struct sys_call c = {.kind = SYS_UNLINK, .path = path};
    int rc = -1;
    if (flags || !sys_ours(path))
        return (int)syscall(SYS_unlinkat, dir, name, flags);
    SYS_DO(rc, c, (int)syscall(SYS_unlinkat, dir, name, flags));
    return rc;
}

#endif
