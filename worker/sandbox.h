#ifndef WORKER_SANDBOX_H
#define WORKER_SANDBOX_H

#include "err.h"

/* What a worker that has started does not need it can do no more: a filter of system calls
 * (seccomp) over all threads, and no new privileges. Jobs come from elsewhere; whoever should find
 * a way to run code of his own in here cannot start a program, write or remove a file, listen,
 * trace, signal or become somebody else, and memory is never both writable and executable. What is
 * left: computing, reading files, the connection that is there and new ones to the broker, and the
 * log. */

enum sandbox {
    SANDBOX_ON,
    SANDBOX_OFF, /* not on this machine (kernel, container, processor) or build: err says why */
};

/* Call when every thread is there; irrevocable. Tries afterwards whether the filter holds. */
enum sandbox sandbox_enter(struct err *why);

#endif
