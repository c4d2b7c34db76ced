#ifndef COMMON_DOOR_H
#define COMMON_DOOR_H

#include "err.h"
#include <stdbool.h>
#include <stdint.h>

/* The one constructor of every ZeroMQ socket. It sets all options before the first bind or
 * connect (they freeze there) and reads back those that security or liveness rest on. */

/* What an endpoint is. Loopback is 127.0.0.0/8, [::1] and localhost. */
enum door_kind { DOOR_IPC, DOOR_LOOPBACK, DOOR_NETWORK };

/* Checks the form of "tcp://host:port" or "ipc://path" (path of at most 100 characters). */
int door_kind(const char *endpoint, enum door_kind *kind, struct err *err);

/* A ROUTER bound to endpoint, ROUTER_MANDATORY. An ipc path in use by a living broker is refused
 * (libzmq would take it over silently). */
int door_bind(void *zmq_ctx, const char *endpoint, void **socket, struct err *err);

/* A DEALER that connects to endpoint, now or when it appears. */
int door_connect(void *zmq_ctx, const char *endpoint, void **socket, struct err *err);

/* Room for `peers` connections: raises RLIMIT_NOFILE towards its hard limit; returns how many peers
 * fit. */
unsigned door_room(unsigned peers);

/* Random bits from the kernel. */
uint64_t door_random(void);

#endif
