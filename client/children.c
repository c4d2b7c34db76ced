/* See children.h. posix_spawn and not fork: it costs the same whatever the client has mapped, and
 * nothing runs between fork and exec that could trip over a library's threads. */
#include "children.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define HIGH_FD 10 /* the ends that we hand over are moved above the numbers they get */

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

static bool find_in_path(const char *name, char *path, size_t size)
{
    const char *at = getenv("PATH");
    while (at && *at) {
        size_t len = strcspn(at, ":");
        int n = snprintf(path, size, "%.*s/%s", (int)len, at, name);
        if (len > 0 && n > 0 && (size_t)n < size && is_program(path))
            return true;
        at += len + (at[len] == ':');
    }
    return false;
}

int child_find(const char *name, char *path, size_t size, struct err *err)
{
    static const char *const PLACES[] = {"", "../libexec/hillsweep/"};
    char self[2048];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    self[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        slash[1] = '\0';
    for (int i = 0; slash && i < 2; i++) {
        int n = snprintf(path, size, "%s%s%s", self, PLACES[i], name);
        if (n > 0 && (size_t)n < size && is_program(path))
            return 0;
    }
    if (find_in_path(name, path, size))
        return 0;
    err_set(err, ERR_OTHER, "the program %s is missing", name);
    return err_hint(err, "it belongs beside this one (%s), in ../libexec/hillsweep or in PATH",
                    slash ? self : "?");
}

static int set_attributes(posix_spawnattr_t *attr)
{
    sigset_t none, defaults;
    sigemptyset(&none);
    sigfillset(&defaults);
    sigdelset(&defaults, SIGPIPE); /* stays ignored: our end of its output may be gone first */
    posix_spawnattr_setsigmask(attr, &none);
    posix_spawnattr_setsigdefault(attr, &defaults);
    return posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETSID);
}

static int set_files(posix_spawn_file_actions_t *actions, const struct child_files *f, int tail)
{
    int rc = f->input >= 0 ? posix_spawn_file_actions_adddup2(actions, f->input, 0)
                           : posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    rc |= posix_spawn_file_actions_adddup2(actions, f->output >= 0 ? f->output : tail, 1);
    rc |= posix_spawn_file_actions_adddup2(actions, tail, 2);
    if (f->lifeline >= 0)
        rc |= posix_spawn_file_actions_adddup2(actions, f->lifeline, CHILD_LIFELINE_FD);
    if (f->ready >= 0)
        rc |= posix_spawn_file_actions_adddup2(actions, f->ready, CHILD_READY_FD);
    return rc;
}

static int spawn(struct child *child, const char *path, const char *const *argv,
                 const struct child_files *files, int tail)
{
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_init(&actions);
    set_attributes(&attr);
    int rc = set_files(&actions, files, tail);
    if (rc == 0)
        rc = posix_spawn(&child->pid, path, &actions, &attr, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* A copy above the numbers that the child gets, closed on exec. */
static int lift(int fd)
{
    return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
}

static void drop(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* The child's numbers may be in use by the very descriptors that become them, hence the copies. */
static int spawn_lifted(struct child *child, const char *path, const char *const *argv,
                        const struct child_files *files, int tail)
{
    struct child_files high = {lift(files->input), lift(files->output), lift(files->lifeline),
                               lift(files->ready)};
    int high_tail = lift(tail);
    int rc = high_tail < 0 ? errno : spawn(child, path, argv, &high, high_tail);
    drop(high.input);
    drop(high.output);
    drop(high.lifeline);
    drop(high.ready);
    drop(high_tail);
    return rc;
}

int child_start(struct child *child, const char *const *argv, const struct child_files *files,
                struct err *err)
{
    char path[2200];
    int ends[2];
    bool echo = child->echo;
    *child = (struct child){.name = argv[0], .output_fd = -1, .echo = echo};
    if (child_find(argv[0], path, sizeof path, err))
        return -1;
    if (pipe2(ends, O_CLOEXEC))
        return err_errno(err, ERR_OTHER, "cannot make a pipe");
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    signal(SIGCHLD, SIG_DFL); /* ignored, it would take their ends away before we ask */
    child->started_ms = clock_ms();
    int rc = spawn_lifted(child, path, argv, files, ends[1]);
    close(ends[1]);
    if (rc == 0) {
        child->output_fd = ends[0];
        return 0;
    }
    close(ends[0]);
    child->pid = 0;
    return err_set(err, ERR_OTHER, "cannot start %s: %s", path, strerror(rc));
}

static void keep_tail(struct child *child, const char *text, size_t len)
{
    if (len > CHILD_TAIL_MAX) {
        text += len - CHILD_TAIL_MAX;
        len = CHILD_TAIL_MAX;
    }
    if (child->tail_len + len > CHILD_TAIL_MAX) {
        size_t lost = child->tail_len + len - CHILD_TAIL_MAX;
        memmove(child->tail, child->tail + lost, child->tail_len - lost);
        child->tail_len -= lost;
    }
    memcpy(child->tail + child->tail_len, text, len);
    child->tail_len += len;
    child->tail[child->tail_len] = '\0';
}

void child_listen(struct child *child)
{
    char text[4096];
    ssize_t n;
    while (child->output_fd >= 0 && (n = read(child->output_fd, text, sizeof text)) >= 0) {
        if (n == 0) {
            close(child->output_fd);
            child->output_fd = -1;
            return;
        }
        keep_tail(child, text, (size_t)n);
        if (child->echo)
            fwrite(text, 1, (size_t)n, stderr);
    }
}

static void note_end(struct child *child)
{
    child->pid = 0;
    child_listen(child);
    drop(child->output_fd);
    child->output_fd = -1;
}

bool child_ended(struct child *child)
{
    if (child->pid && waitpid(child->pid, &child->wait_status, WNOHANG) == child->pid)
        note_end(child);
    return child->pid == 0;
}

void child_signal(const struct child *child, int signal)
{
    if (child->pid)
        kill(child->pid, signal);
}

void child_await(struct child *child, int64_t ms)
{
    if (child_ended(child))
        return;
    int64_t until = clock_ms() + ms;
    struct pollfd fd = {.fd = (int)syscall(SYS_pidfd_open, child->pid, 0), .events = POLLIN};
    while (!child_ended(child) && clock_ms() < until)
        poll(&fd, 1, fd.fd >= 0 ? (int)(until - clock_ms()) : 5);
    drop(fd.fd);
    if (child->pid) {
        kill(child->pid, SIGKILL);
        waitpid(child->pid, &child->wait_status, 0);
        note_end(child);
    }
}

/* The last line it said, without "program: ". */
static void last_line(const struct child *child, char *out, size_t size)
{
    char text[CHILD_TAIL_MAX + 1];
    memcpy(text, child->tail, sizeof text);
    for (size_t len = strlen(text); len > 0 && text[len - 1] == '\n'; len--)
        text[len - 1] = '\0';
    char *line = strrchr(text, '\n');
    line = line ? line + 1 : text;
    size_t name = strlen(child->name);
    if (strncmp(line, child->name, name) == 0 && strncmp(line + name, ": ", 2) == 0)
        line += name + 2;
    snprintf(out, size, "%.*s", (int)size - 1, line);
}

int child_error(const struct child *child, struct err *err)
{
    char line[360];
    last_line(child, line, sizeof line);
    if (WIFSIGNALED(child->wait_status))
        return err_set(err, ERR_OTHER, "%s was killed by signal %d (%s)%s%s", child->name,
                       WTERMSIG(child->wait_status), strsignal(WTERMSIG(child->wait_status)),
                       *line ? "; it said last: " : "", line);
    int code = WEXITSTATUS(child->wait_status);
    bool known = code > 0 && code <= ERR_STORAGE;
    if (*line)
        return err_set(err, known ? (enum err_code)code : ERR_OTHER, "%s: %s", child->name, line);
    return err_set(err, known ? (enum err_code)code : ERR_OTHER, "%s ended with exit code %d",
                   child->name, code);
}
