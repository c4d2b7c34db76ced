#ifndef COMMON_WAKE_H
#define COMMON_WAKE_H

#include "err.h"
#include <uv.h>

/* Wakes a libuv loop from another thread, by an eventfd. uv_async_send would do the same, but its
 * loop waits, spinning, while a sender is within it (libuv 1.44): the loop that the sender has just
 * woken and that has taken its core, for some microseconds; a sender that runs when nobody else
 * wants to and was preempted there, for 40 ms. */

typedef void wake_fn(void *arg); /* in the loop, once for all calls of wake_send until then */

struct wake {
    uv_poll_t poll;
    int fd; /* -1: not open */
    wake_fn *fn;
    void *arg;
};

/* The poll handle is the loop's: to be closed like all the others. ERR_OTHER without an eventfd. */
int wake_open(struct wake *w, uv_loop_t *loop, wake_fn *fn, void *arg, struct err *err);

/* From any thread and without a lock. wake: a struct wake. */
void wake_send(void *wake);

/* After the handle has been closed and all senders have ended. */
void wake_fini(struct wake *w);

#endif
