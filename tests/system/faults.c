/* A library to be preloaded: in one of the programs the n-th call of a kind fails, once. So the
 * real programs meet each failure at each place.
 *
 *   HILLSWEEP_FAULT=KIND:N      alloc, write, sync, rename, sqlite or zmq; 0: none, only count
 *   HILLSWEEP_FAULT_IN=PROGRAM  hillsweep, hillsweep-broker or hillsweep-worker
 *   HILLSWEEP_FAULT_STATE=FILE  an empty file at first, then a struct state: the calls of all
 * kinds, and whose the one was that failed. All processes of that name share it, so that in all of
 * them together one call fails HILLSWEEP_DISK_FLAG=FILE    while it is there every write and sync
 * fails, as its text says: ENOSPC, EDQUOT, EIO or EROFS */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kind { ALLOC, WRITE, SYNC, RENAME, SQLITE, ZMQ, KINDS };
static const char *const names[KINDS] = {"alloc", "write", "sync", "rename", "sqlite", "zmq"};

struct state {
    atomic_long calls[KINDS];
    char caller[256]; /* path of the program or library whose call failed; "": none has */
};

static enum kind kind;
static long wanted;
static struct state own, *state = &own;
static bool armed;

__attribute__((constructor)) static void begin(void)
{
    const char *fault = getenv("HILLSWEEP_FAULT"), *in = getenv("HILLSWEEP_FAULT_IN");
    char name[16];
    if (!fault || !in || strcmp(in, program_invocation_short_name) != 0 ||
        sscanf(fault, "%15[a-z]:%ld", name, &wanted) != 2)
        return;
    while (kind < ZMQ && strcmp(names[kind], name) != 0)
        kind++;
    armed = true;
    const char *path = getenv("HILLSWEEP_FAULT_STATE");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return;
    /* a page that stays when the process is killed, and that its sandbox lets it write */
    void *shared = ftruncate(fd, sizeof own) == 0
                       ? mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                       : MAP_FAILED;
    if (shared != MAP_FAILED)
        state = shared;
    close(fd);
}

/* Whether this call is the one. */
static bool fails_for(enum kind what, const void *caller)
{
    if (!armed || atomic_fetch_add(&state->calls[what], 1) + 1 != wanted || what != kind)
        return false;
    Dl_info info;
    bool known = dladdr(caller, &info) && info.dli_fname;
    strncpy(state->caller, known ? info.dli_fname : "?", sizeof state->caller - 1);
    return true;
}

/* In a function that takes a call's place. */
#define fails(what) fails_for(what, __builtin_return_address(0))

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

/* `real`: the function of the library. */
#define REAL(type, name)                                                                           \
    static __typeof__(type) real;                                                                  \
    if (!real)                                                                                     \
    real = (__typeof__(type))next(name)

/* --- allocations ----------------------------------------------------------------------------- */

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
    if (fails(ALLOC)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    if (fails(ALLOC)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    if (fails(ALLOC)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(p, n);
}

/* --- files ----------------------------------------------------------------------------------- */

static int file_error(void)
{
    static const int some[] = {EIO, ENOSPC, EDQUOT, EROFS};
    errno = some[wanted % 4];
    return -1;
}

/* What a disk that lets down says; 0 when it does not. */
static int disk_error(void)
{
    static const struct {
        const char *name;
        int number;
    } errors[] = {{"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EIO", EIO}, {"EROFS", EROFS}};
    const char *path = armed ? getenv("HILLSWEEP_DISK_FLAG") : NULL;
    char text[16] = "";
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0) : -1;
    if (fd < 0)
        return 0;
    if (syscall(SYS_read, fd, text, sizeof text - 1) < 0)
        text[0] = '\0';
    close(fd);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (!strcmp(errors[i].name, text))
            return errors[i].number;
    return 0;
}

static bool file_fails_for(enum kind what, const void *caller)
{
    int error = disk_error();
    if (error)
        errno = error;
    else if (fails_for(what, caller))
        file_error();
    else
        return false;
    return true;
}
#define file_fails(what) file_fails_for(what, __builtin_return_address(0))

/* Pipes, sockets and what a library wakes its threads with are no files. */
ssize_t write(int fd, const void *data, size_t len)
{
    struct stat st;
    bool fails = armed && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && file_fails(WRITE);
    return fails ? -1 : syscall(SYS_write, fd, data, len);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    return file_fails(WRITE) ? -1 : syscall(SYS_pwrite64, fd, data, len, at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off_t at)
{
    return file_fails(WRITE) ? -1 : syscall(SYS_pwrite64, fd, data, len, at);
}

int fsync(int fd)
{
    return file_fails(SYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return file_fails(SYNC) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int rename(const char *from, const char *to)
{
    return file_fails(RENAME) ? -1 : (int)syscall(SYS_rename, from, to);
}

int link(const char *from, const char *to)
{
    return file_fails(RENAME) ? -1 : (int)syscall(SYS_link, from, to);
}

/* --- SQLite ---------------------------------------------------------------------------------- */

enum { SQLITE_IOERR = 10, SQLITE_FULL = 13 };

static int sqlite_error(void)
{
    return wanted % 2 ? SQLITE_FULL : SQLITE_IOERR;
}

/* sqlite3_exec takes steps of its own and does not look at what they return, but at what the
 * statement remembers: those are left alone, and it fails as a whole. */
int sqlite3_step(void *statement)
{
    REAL(int (*)(void *), "sqlite3_step");
    Dl_info caller;
    bool own = dladdr(__builtin_return_address(0), &caller) && strstr(caller.dli_fname, "sqlite");
    return !own && fails(SQLITE) ? sqlite_error() : real(statement);
}

int sqlite3_exec(void *db, const char *sql, void *callback, void *arg, char **words)
{
    REAL(int (*)(void *, const char *, void *, void *, char **), "sqlite3_exec");
    return fails(SQLITE) ? sqlite_error() : real(db, sql, callback, arg, words);
}

/* --- ZeroMQ ---------------------------------------------------------------------------------- */

/* Sending and receiving fail as when the other side is gone or nothing is there; setting up as when
 * something is wrong. */
int zmq_msg_send(void *msg, void *socket, int flags)
{
    REAL(int (*)(void *, void *, int), "zmq_msg_send");
    if (!fails(ZMQ))
        return real(msg, socket, flags);
    errno = wanted % 2 ? EAGAIN : EHOSTUNREACH;
    return -1;
}

int zmq_send(void *socket, const void *data, size_t len, int flags)
{
    REAL(int (*)(void *, const void *, size_t, int), "zmq_send");
    if (!fails(ZMQ))
        return real(socket, data, len, flags);
    errno = wanted % 2 ? EAGAIN : EHOSTUNREACH;
    return -1;
}

int zmq_msg_recv(void *msg, void *socket, int flags)
{
    REAL(int (*)(void *, void *, int), "zmq_msg_recv");
    if (!fails(ZMQ))
        return real(msg, socket, flags);
    errno = wanted % 2 ? EAGAIN : EINTR;
    return -1;
}

int zmq_bind(void *socket, const char *endpoint)
{
    REAL(int (*)(void *, const char *), "zmq_bind");
    if (!fails(ZMQ))
        return real(socket, endpoint);
    errno = EADDRINUSE;
    return -1;
}

int zmq_connect(void *socket, const char *endpoint)
{
    REAL(int (*)(void *, const char *), "zmq_connect");
    if (!fails(ZMQ))
        return real(socket, endpoint);
    errno = ENOMEM;
    return -1;
}

void *zmq_socket(void *context, int type)
{
    REAL(void *(*)(void *, int), "zmq_socket");
    if (!fails(ZMQ))
        return real(context, type);
    errno = EMFILE;
    return NULL;
}

int zmq_setsockopt(void *socket, int option, const void *value, size_t len)
{
    REAL(int (*)(void *, int, const void *, size_t), "zmq_setsockopt");
    if (!fails(ZMQ))
        return real(socket, option, value, len);
    errno = EINVAL;
    return -1;
}
