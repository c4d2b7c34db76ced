#ifndef BROKER_SERVER_H
#define BROKER_SERVER_H

#include "err.h"
#include <stdbool.h>

/* The broker at work: one ROUTER on a libuv loop, between the peers, the queue (which decides) and
 * the sink (which makes durable). It owns all of them. Nothing here decides about work: messages
 * become events of the queue, the queue's actions become messages and orders to the sink. */

/* Which charts may come as leaves (unfold.h): those that cost the sink less so, and all of other
 * machines' workers; all; none. */
enum server_leaves { SERVER_LEAVES_AUTO, SERVER_LEAVES_ALL, SERVER_LEAVES_NONE };

struct server_config {
    const char *listen;  /* endpoint */
    const char *data;    /* DATA */
    const char *results; /* NULL, or the folder of the one job of a private broker */
    const char *keys;    /* NULL, or the folder of keys: who may come in (keyring.h) */
    bool insecure;       /* listen beyond this machine without keys */
    double quota_hours;  /* a job that is estimated to take more processor hours is refused */
    enum server_leaves leaves;
    int lifeline_fd; /* -1, or a pipe whose end means: leave */
    int ready_fd;    /* -1, or a pipe to write a line to when the endpoint is bound */
};

/* Serves until SIGTERM, SIGINT or the end of the lifeline. 0, or -1 when it could not start. */
int server_run(const struct server_config *config, struct err *err);

#endif
