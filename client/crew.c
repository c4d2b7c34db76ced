/* See crew.h. */
#include "crew.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    /* A point that kills its worker is cut out of its tile by halves: 512 x 512 points are 18
     * halvings of up to three deaths each, perhaps without any point done in between. */
    WORKER_KILLS_MAX = 60,
    WORKER_EXITS_MAX = 3, /* one that ends by itself would do so again */
    BROKER_DEATHS_MAX = 3,
    DEATHS_SAID_MAX = 3,
    WORKER_END_MS = 2000,
    BROKER_END_MS = 5000,
    WORKER_HURRY_MS = 800,
    BROKER_HURRY_MS = 1200,
};

static void watch(struct crew *crew, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(crew->events_fd, EPOLL_CTL_ADD, fd, &event);
}

static int start_broker(struct crew *crew, int ready_fd, struct err *err)
{
    const char *argv[16] = {"hillsweep-broker", "--listen",   crew->dir.endpoint,
                            "--data",           crew->data,   "--results",
                            crew->results,      "--lifeline", "3"};
    size_t n = 9;
    if (ready_fd >= 0) {
        argv[n++] = "--ready-fd";
        argv[n++] = "4";
    }
    if (!crew->full)
        argv[n++] = "--guest";
    struct child_files files = {-1, -1, crew->lifeline[0], ready_fd};
    if (child_start(&crew->broker, argv, &files, err))
        return -1;
    watch(crew, crew->broker.output_fd);
    return 0;
}

static int start_worker(struct crew *crew, struct err *err)
{
    const char *argv[16] = {"hillsweep-worker", "--broker", crew->dir.endpoint, "--lifeline", "3"};
    size_t n = 5;
    if (*crew->threads) {
        argv[n++] = "--threads";
        argv[n++] = crew->threads;
    }
    if (*crew->limit) {
        argv[n++] = "--limit";
        argv[n++] = crew->limit;
    }
    if (crew->full) {
        argv[n++] = "--full";
    } else { /* who types `run` wants it solved, on battery, too */
        argv[n++] = "--yield";
        argv[n++] = "core";
    }
    struct child_files files = {-1, -1, crew->lifeline[0], -1};
    if (child_start(&crew->worker, argv, &files, err))
        return -1;
    watch(crew, crew->worker.output_fd);
    return 0;
}

/* Ctrl-Z: the children must not go on burning what the user has just taken back. */
static void pause_all(struct crew *crew)
{
    child_signal(&crew->worker, SIGSTOP);
    child_signal(&crew->broker, SIGSTOP);
    raise(SIGSTOP);
    child_signal(&crew->broker, SIGCONT);
    child_signal(&crew->worker, SIGCONT);
}

static int take_signals(struct crew *crew, struct err *err)
{
    int signal;
    while ((signal = signals_take(&crew->signals))) {
        if (signal == SIGTSTP)
            pause_all(crew);
        else if (signal != SIGCHLD)
            return err_set(err, ERR_INTERRUPTED, "interrupted");
    }
    return 0;
}

static void say_death(struct crew *crew, const struct err *why)
{
    if (crew->quiet || crew->deaths_said > DEATHS_SAID_MAX)
        return;
    fprintf(stderr, "hillsweep: %s; starting it again%s\n", why->text,
            crew->deaths_said++ == DEATHS_SAID_MAX ? " (and so on)" : "");
}

static int replace_broker(struct crew *crew, struct err *err)
{
    if (++crew->broker_deaths > BROKER_DEATHS_MAX)
        return child_error(&crew->broker, err);
    struct err why;
    child_error(&crew->broker, &why);
    say_death(crew, &why);
    return start_broker(crew, -1, err);
}

static int replace_worker(struct crew *crew, struct err *err)
{
    struct err why;
    bool killed = WIFSIGNALED(crew->worker.wait_status);
    child_error(&crew->worker, &why);
    crew->worker_deaths += killed ? 1 : WORKER_KILLS_MAX / WORKER_EXITS_MAX;
    if (crew->worker_deaths >= WORKER_KILLS_MAX) {
        *err = why;
        return -1;
    }
    say_death(crew, &why);
    return start_worker(crew, err);
}

int crew_wake(void *arg, struct err *err)
{
    struct crew *crew = arg;
    if (take_signals(crew, err))
        return -1;
    child_listen(&crew->broker);
    child_listen(&crew->worker);
    if (child_ended(&crew->broker) && replace_broker(crew, err))
        return -1;
    if (child_ended(&crew->worker) && replace_worker(crew, err))
        return -1;
    return 0;
}

void crew_progress(struct crew *crew, uint64_t points)
{
    if (points != crew->progress_seen)
        crew->broker_deaths = crew->worker_deaths = 0;
    crew->progress_seen = points;
}

/* Waits for the byte that says "bound and recovered"; recovery may take as long as it takes. */
static int await_ready(struct crew *crew, int ready_fd, struct err *err)
{
    for (;;) {
        char byte;
        struct pollfd fds[2] = {{.fd = ready_fd, .events = POLLIN},
                                {.fd = crew->events_fd, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return err_errno(err, ERR_OTHER, "cannot wait for the broker");
        if (take_signals(crew, err))
            return -1;
        child_listen(&crew->broker);
        if (fds[0].revents && read(ready_fd, &byte, 1) == 1)
            return 0;
        if (child_ended(&crew->broker))
            return child_error(&crew->broker, err);
        if (fds[0].revents & POLLHUP) {
            child_await(&crew->broker, BROKER_END_MS);
            return child_error(&crew->broker, err);
        }
    }
}

static int start_both(struct crew *crew, struct err *err)
{
    int ready[2];
    if (pipe2(ready, O_CLOEXEC))
        return err_errno(err, ERR_OTHER, "cannot make a pipe");
    int rc = start_broker(crew, ready[1], err);
    close(ready[1]);
    if (rc == 0)
        rc = await_ready(crew, ready[0], err);
    close(ready[0]);
    return rc ? rc : start_worker(crew, err);
}

int crew_start(struct crew *crew, const struct crew_plan *plan, struct err *err)
{
    static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCHLD, 0};
    *crew = (struct crew){.dir.lock_fd = -1,
                          .signals.fd = -1,
                          .lifeline = {-1, -1},
                          .data = plan->data,
                          .results = plan->results};
    crew->broker.output_fd = crew->worker.output_fd = -1;
    crew->quiet = plan->quiet;
    crew->full = plan->full;
    crew->broker.echo = crew->worker.echo = plan->verbose;
    snprintf(crew->threads, sizeof crew->threads, "%s", plan->threads ? plan->threads : "");
    snprintf(crew->limit, sizeof crew->limit, "%s", plan->limit ? plan->limit : "");
    crew->events_fd = epoll_create1(EPOLL_CLOEXEC);
    int rc = crew->events_fd < 0 || pipe2(crew->lifeline, O_CLOEXEC)
                 ? err_errno(err, ERR_OTHER, "cannot make a pipe")
                 : signals_open(&crew->signals, SIGNALS, err);
    if (rc == 0) {
        watch(crew, crew->signals.fd);
        rc = rundir_create(&crew->dir, err);
    }
    if (rc == 0)
        rc = start_both(crew, err);
    if (rc)
        crew_end(crew, true);
    return rc;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void crew_dismiss(struct crew *crew)
{
    child_signal(&crew->worker, SIGTERM);
    child_signal(&crew->broker, SIGTERM);
    crew->dismissed = true;
}

void crew_end(struct crew *crew, bool hurry)
{
    if (!crew->dismissed)
        child_signal(&crew->worker, SIGTERM);
    child_await(&crew->worker, hurry ? WORKER_HURRY_MS : WORKER_END_MS);
    if (!crew->dismissed)
        child_signal(&crew->broker, SIGTERM);
    child_await(&crew->broker, hurry ? BROKER_HURRY_MS : BROKER_END_MS);
    rundir_remove(&crew->dir);
    signals_close(&crew->signals);
    close_fd(&crew->events_fd);
    close_fd(&crew->lifeline[0]);
    close_fd(&crew->lifeline[1]);
}
