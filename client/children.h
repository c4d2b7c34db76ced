#ifndef CLIENT_CHILDREN_H
#define CLIENT_CHILDREN_H

#include "err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Programs that the client starts: where they are, how they are started and how they end. A child
 * has a session of its own (a terminal's Ctrl-C does not reach it, and the kernel weighs it apart
 * from that terminal's programs), default signals, /dev/null as its input, and its output in a pipe
 * of which the last lines are kept. */

#define CHILD_TAIL_MAX 2048

/* Descriptors that a child inherits, under these numbers. */
enum { CHILD_LIFELINE_FD = 3, CHILD_READY_FD = 4 };

/* What a child gets; -1: the default (input: /dev/null; output: the kept tail; others: none). */
struct child_files {
    int input, output, lifeline, ready;
};

struct child {
    const char *name; /* of the program: argv[0], borrowed */
    pid_t pid;        /* 0: not running */
    int output_fd;    /* -1: closed */
    int wait_status;  /* when it has ended */
    int64_t started_ms;
    bool echo;                     /* what it says is also written to standard error */
    char tail[CHILD_TAIL_MAX + 1]; /* the end of what it said */
    size_t tail_len;
};

/* The full path of a program: beside this one, in ../libexec/hillsweep, in $PATH. ERR_OTHER. */
int child_find(const char *name, char *path, size_t size, struct err *err);

/* Starts it; argv[0] is its name. Descriptors are borrowed. */
int child_start(struct child *child, const char *const *argv, const struct child_files *files,
                struct err *err);

/* Reads what it has said, without waiting. */
void child_listen(struct child *child);

/* Whether it has ended; then pid is 0 and wait_status set. Does not wait. */
bool child_ended(struct child *child);

/* Sends a signal if it runs. */
void child_signal(const struct child *child, int signal);

/* Waits up to ms for its end, then kills it. */
void child_await(struct child *child, int64_t ms);

/* Its end as an error: its last line and its exit code, if it is one of ours. */
int child_error(const struct child *child, struct err *err);

#endif
