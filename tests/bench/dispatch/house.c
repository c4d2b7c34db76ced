/* The broker's process, as a user would start it, in a folder of its own. */
#include "dispatch.h"

#include "keyring.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A program beside this one. */
static void beside(const char *name, char *path, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", path, size - 1);
    path[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(path, '/');
    size_t at = slash ? (size_t)(slash - path) + 1 : 0;
    snprintf(path + at, size - at, "%s", name);
}

static unsigned free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bind(fd, (struct sockaddr *)&address, len);
    getsockname(fd, (struct sockaddr *)&address, &len);
    close(fd);
    return ntohs(address.sin_port);
}

static int make_keys(struct house *h)
{
    char path[320];
    struct err err;
    snprintf(h->keys, sizeof h->keys, "%s/keys", h->folder);
    if (keyring_new(h->keys, ROLE_WORKER, "farm", path, sizeof path, &err) ||
        keyring_new(h->keys, ROLE_ADMIN, "bench", path, sizeof path, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    return 0;
}

static void be_the_broker(const struct house *h, int ready, int lifeline)
{
    char program[512], log[300], data[300], ready_fd[16], lifeline_fd[16];
    beside("hillsweep-broker", program, sizeof program);
    snprintf(log, sizeof log, "%s/log", h->folder);
    snprintf(data, sizeof data, "%s/data", h->folder);
    snprintf(ready_fd, sizeof ready_fd, "%d", ready);
    snprintf(lifeline_fd, sizeof lifeline_fd, "%d", lifeline);
    int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(fd, STDERR_FILENO);
    execl(program, program, "--listen", h->endpoint, "--data", data, "--ready-fd", ready_fd,
          "--lifeline", lifeline_fd, "--log", "warn", h->curve ? "--keys" : NULL, h->keys, NULL);
    _exit(127);
}

static int start(struct house *h)
{
    int ready[2], lifeline[2];
    char line[8];
    if (pipe(ready) || pipe(lifeline))
        return -1;
    h->pid = fork();
    if (h->pid == 0) {
        close(ready[0]);
        close(lifeline[1]);
        be_the_broker(h, ready[1], lifeline[0]);
    }
    close(ready[1]);
    close(lifeline[0]);
    h->lifeline = lifeline[1];
    fcntl(h->lifeline, F_SETFD, FD_CLOEXEC);
    ssize_t n = read(ready[0], line, sizeof line);
    close(ready[0]);
    if (n > 0)
        return 0;
    fprintf(stderr, "the broker did not start: see %s/log\n", h->folder);
    return -1;
}

int house_open(struct house *h, const char *under, enum house_door door)
{
    bool curve = door == HOUSE_CURVE;
    *h = (struct house){.curve = curve};
    snprintf(h->folder, sizeof h->folder, "%s/dispatch-XXXXXX", under);
    if (!mkdtemp(h->folder) || (curve && make_keys(h)))
        return -1;
    if (door == HOUSE_IPC)
        snprintf(h->endpoint, sizeof h->endpoint, "ipc://%s/broker", h->folder);
    else
        snprintf(h->endpoint, sizeof h->endpoint, "tcp://127.0.0.1:%u", free_port());
    if (curve)
        setenv("HILLSWEEP_KEYS", h->keys, 1);
    return start(h);
}

static void stop(struct house *h)
{
    close(h->lifeline);
    if (h->pid > 0) {
        kill(h->pid, SIGTERM);
        waitpid(h->pid, NULL, 0);
    }
}

int house_again(struct house *h)
{
    stop(h);
    return start(h);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

void house_close(struct house *h)
{
    stop(h);
    nftw(h->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- clients --------------------------------------------------------------------------------- */

/* Runs the client with its output on a pipe; the pipe's reading end, or -1. */
static int client(const struct house *h, pid_t *pid, const char *command, const char *argument,
                  const char *more)
{
    char program[512];
    int out[2];
    beside("hillsweep", program, sizeof program);
    if (pipe2(out, O_CLOEXEC))
        return -1;
    char *const argv[] = {program,
                          (char *)"--broker",
                          (char *)h->endpoint,
                          (char *)command,
                          (char *)argument,
                          (char *)more,
                          NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDERR_FILENO);
    int rc = posix_spawn(pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    if (rc == 0)
        return out[0];
    close(out[0]);
    return -1;
}

static int finish(pid_t pid)
{
    int status;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int hear_out(const char *command, pid_t pid, int fd)
{
    char text[1024], rest[4096];
    size_t len = 0;
    for (ssize_t n; (n = read(fd, text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)n;
    text[len] = '\0';
    while (read(fd, rest, sizeof rest) > 0)
        ;
    close(fd);
    if (finish(pid) == 0)
        return 0;
    fprintf(stderr, "%s: %s", command, text);
    return -1;
}

int house_command(const struct house *h, const char *command, const char *argument)
{
    pid_t pid;
    int fd = client(h, &pid, command, argument, NULL);
    return fd < 0 ? -1 : hear_out(command, pid, fd);
}

/* Some at a time, so that the broker makes them durable together. */
int house_submit_file(const struct house *h, const char *path, unsigned times, int priority)
{
    enum { AT_ONCE = 16 };
    char option[32];
    int rc = 0;
    snprintf(option, sizeof option, "--priority=%d", priority);
    for (unsigned i = 0, n; i < times && rc == 0; i += n) {
        pid_t pid[AT_ONCE];
        int fd[AT_ONCE];
        n = times - i < AT_ONCE ? times - i : AT_ONCE;
        for (unsigned k = 0; k < n; k++)
            fd[k] = client(h, &pid[k], "submit", path, option);
        for (unsigned k = 0; k < n; k++)
            rc |= fd[k] < 0 ? -1 : hear_out("submit", pid[k], fd[k]);
    }
    return rc;
}

/* A time so long that a single point is all that a tile may have. */
int house_submit(const struct house *h, unsigned q, unsigned a, unsigned times, int priority)
{
    char path[300];
    snprintf(path, sizeof path, "%s/job.json", h->folder);
    FILE *file = fopen(path, "w");
    if (!file)
        return -1;
    fprintf(file,
            "{\"name\": \"null\", \"w\": {\"is\": \"cos(2*t)\", \"t\": [0, 1e5]},"
            " \"z\": {\"ddz\": \"-(a + q*cos(2*t))*z\", \"start\": [1, 0], \"t\": [0, 1e5]},"
            " \"grid\": {\"q\": {\"from\": 0, \"to\": 1, \"count\": %u},"
            " \"a\": {\"from\": 1, \"to\": 2, \"count\": %u}},"
            " \"output\": {\"F\": \"z(1e5)\"}, \"errors\": false}\n",
            q, a);
    fclose(file);
    return house_submit_file(h, path, times, priority);
}

void house_metrics(const struct house *h, struct house_metric *metrics, size_t count)
{
    pid_t pid;
    char line[512];
    int fd = client(h, &pid, "status", "--metrics", NULL);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    for (size_t i = 0; i < count; i++)
        metrics[i].value = NAN;
    while (file && fgets(line, sizeof line, file))
        for (size_t i = 0; i < count; i++) {
            size_t len = strlen(metrics[i].name);
            if (strncmp(line, metrics[i].name, len) == 0 && line[len] == ' ')
                metrics[i].value = strtod(line + len, NULL);
        }
    if (file)
        fclose(file);
    if (fd >= 0)
        finish(pid);
}

/* --- /proc ----------------------------------------------------------------------------------- */

static bool read_text(char *text, size_t size, const char *fmt, ...)
{
    char path[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(path, sizeof path, fmt, ap);
    va_end(ap);
    FILE *file = fopen(path, "r");
    size_t n = file ? fread(text, 1, size - 1, file) : 0;
    text[n] = '\0';
    if (file)
        fclose(file);
    return n > 0;
}

static void add(const char *schedstat, uint64_t *cpu_ns, uint64_t *wait_ns)
{
    char *end;
    *cpu_ns += strtoull(schedstat, &end, 10);
    *wait_ns += strtoull(end, NULL, 10);
}

/* The loop is the process's first thread, the sink's are those without a name of libzmq's. */
struct house_cpu house_cpu(const struct house *h)
{
    struct house_cpu cpu = {.at_s = seconds_now()};
    char path[64], text[512], name[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)h->pid);
    DIR *dir = opendir(path);
    struct dirent *e;
    while (dir && (e = readdir(dir))) {
        if (e->d_name[0] == '.' || !read_text(name, sizeof name, "%s/%s/comm", path, e->d_name) ||
            !read_text(text, sizeof text, "%s/%s/schedstat", path, e->d_name))
            continue;
        if (atoi(e->d_name) == (int)h->pid)
            add(text, &cpu.loop, &cpu.loop_wait);
        else if (strncmp(name, "ZMQ", 3) == 0)
            add(text, &cpu.io, &cpu.io_wait);
        else
            add(text, &cpu.sink, &cpu.sink_wait);
        if (strncmp(name, "writer", 6) == 0)
            cpu.writer += strtoull(text, NULL, 10);
    }
    if (dir)
        closedir(dir);
    return cpu;
}

struct house_cpu house_cpu_since(struct house_cpu now, struct house_cpu before)
{
    return (struct house_cpu){now.loop - before.loop,           now.io - before.io,
                              now.sink - before.sink,           now.writer - before.writer,
                              now.loop_wait - before.loop_wait, now.io_wait - before.io_wait,
                              now.sink_wait - before.sink_wait, now.at_s - before.at_s};
}

void house_say_cpu(const struct house_cpu *c)
{
    double ns = 1e9 * c->at_s;
    printf("        of a core, working and waiting for one: loop %.2f + %.2f, i/o %.2f + %.2f,"
           " sink %.2f + %.2f\n",
           (double)c->loop / ns, (double)c->loop_wait / ns, (double)c->io / ns,
           (double)c->io_wait / ns, (double)c->sink / ns, (double)c->sink_wait / ns);
}

static size_t memory(const struct house *h, const char *what)
{
    char text[4096];
    const char *at = NULL;
    if (read_text(text, sizeof text, "/proc/%d/status", (int)h->pid))
        at = strstr(text, what);
    return at ? strtoull(at + strlen(what), NULL, 10) * 1024 : 0;
}

size_t house_memory(const struct house *h)
{
    return memory(h, "VmRSS:");
}

size_t house_memory_most(const struct house *h)
{
    return memory(h, "VmHWM:");
}
