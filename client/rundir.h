#ifndef CLIENT_RUNDIR_H
#define CLIENT_RUNDIR_H

#include "err.h"

/* The private folder (0700) that holds the socket of a `run`: under $XDG_RUNTIME_DIR, else /tmp,
 * never deeper than a socket's address can be. Its owner holds a lock in it for as long as it
 * lives; folders whose lock is free belong to the dead and are swept by the next run. */
struct rundir {
    char path[80];
    char endpoint[100]; /* "ipc://PATH/broker" */
    int lock_fd;
};

int rundir_create(struct rundir *dir, struct err *err);
void rundir_remove(struct rundir *dir); /* harmless when it was not created (lock_fd -1) */

/* Removes the folders of dead runs under base. rundir_create does this by itself. */
void rundir_sweep(const char *base);

#endif
