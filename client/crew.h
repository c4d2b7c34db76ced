#ifndef CLIENT_CREW_H
#define CLIENT_CREW_H

#include "children.h"
#include "err.h"
#include "rundir.h"
#include "signals.h"
#include <stdint.h>

/* The private broker and worker of a `run`: started in order, started again when they die, ended in
 * order. Whatever happens to this process, they leave when the lifeline pipe ends. */

struct crew {
    struct rundir dir;
    struct signals signals;
    struct child broker, worker;
    int lifeline[2]; /* its write end is held until the end */
    int events_fd;   /* epoll: signals and what the children say */
    const char *data, *results;
    char threads[16], limit[40];           /* options of the worker; "" for its defaults */
    unsigned broker_deaths, worker_deaths; /* in a row without progress */
    uint64_t progress_seen;                /* points settled, as the caller last saw */
    bool quiet, full;
    unsigned deaths_said;
    bool dismissed;
};

struct crew_plan {
    const char *data, *results; /* folders; borrowed while the crew is at work */
    const char *threads;        /* "4"; NULL: the worker's default */
    const char *limit;          /* "5%"; NULL: the worker's default */
    bool full;                  /* no standing back for others */
    bool verbose;               /* pass on what they say */
    bool quiet;                 /* nothing about deaths that are made good */
};

/* Starts the broker, waits until it serves, starts the worker. -1: nothing is left behind. */
int crew_start(struct crew *crew, const struct crew_plan *plan, struct err *err);

/* A link_wake_fn (arg: struct crew) for events_fd: signals, restarts. ERR_INTERRUPTED; or the error
 * of a child that cannot be kept alive. */
int crew_wake(void *arg, struct err *err);

/* The caller tells how many points are settled, so that deaths with progress in between are borne.
 */
void crew_progress(struct crew *crew, uint64_t points);

/* All is done: tells both to leave, without waiting for it. crew_end follows. */
void crew_dismiss(struct crew *crew);

/* Ends first the worker, so that it gives back what it has, then the broker, each with a bounded
 * wait; `hurry` when the user is waiting at the prompt.
 */
void crew_end(struct crew *crew, bool hurry);

#endif
