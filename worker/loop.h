#ifndef WORKER_LOOP_H
#define WORKER_LOOP_H

#include "err.h"
#include "rules.h"
#include <stdint.h>

/* The running worker: one libuv loop on the I/O thread with the socket to the broker, signals, the
 * lifeline and one timer around a talk, and a pool of solver threads beside it. */

struct loop_config {
    const char *endpoint;
    const char *keys; /* --keys: a key file or a folder of them; NULL: see key_for */
    const char *host; /* as `workers` shows it */
    unsigned threads;
    bool sandbox;        /* sandbox_enter when all is there */
    double share;        /* --limit, in (0, 1] */
    bool full;           /* the machine is ours alone: no idle scheduling */
    struct rules rules;  /* when to rest */
    const char *root;    /* of the signs of others; NULL: this machine's */
    int lifeline;        /* a pipe whose end ends the worker; -1: none */
    uint64_t hold_bytes; /* 0: the default */
    int64_t silence_ms;  /* 0: the protocol's */
};

/* Works until SIGTERM, SIGINT or the end of the lifeline (0), or until the broker refuses it for
 * good (-1 with the broker's code and sentence). Ends the process itself, with that code, when a
 * solver thread cannot be brought to an end. */
int loop_run(const struct loop_config *config, struct err *err);

#endif
