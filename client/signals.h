#ifndef CLIENT_SIGNALS_H
#define CLIENT_SIGNALS_H

#include "err.h"
#include <signal.h>

/* Signals as a descriptor that can be waited for. While it is open they are blocked. SIGHUP is not
 * among them where it is ignored (hangup.h). */
struct signals {
    int fd;
    sigset_t before;
};

/* `list` ends with 0. */
int signals_open(struct signals *s, const int *list, struct err *err);
void signals_close(struct signals *s);

/* The next signal that has come, 0 when there is none. Does not wait. */
int signals_take(struct signals *s);

/* A link_wake_fn for commands that wait (arg: struct signals): ERR_INTERRUPTED. */
int signals_interrupt(void *arg, struct err *err);

#endif
