#ifndef BROKER_CLIENTS_PRIVATE_H
#define BROKER_CLIENTS_PRIVATE_H

#include "server_private.h"

/* One request being answered. */
struct call {
    struct server *s;
    const struct route *from;
    uint64_t tag;
    const struct json *args;
    struct err err;
};

/* "priority" of the arguments, or `otherwise`. */
int call_priority(struct call *c, int64_t otherwise, int64_t *priority);

/* The operation "submit" (submissions.c): its answer comes when the job is durable. */
int call_submit(struct call *c);

#endif
