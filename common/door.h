#ifndef COMMON_DOOR_H
#define COMMON_DOOR_H

#include "err.h"
#include "keys.h"
#include <stdbool.h>
#include <stdint.h>

/* The one constructor of every ZeroMQ socket. It sets all options before the first bind or
 * connect (they freeze there) and reads back those that security or liveness rest on; a library
 * that does not keep them is refused. */

#define DOOR_DOMAIN "hillsweep" /* of ZAP (RFC 27): only CURVE sockets have one */

/* What an endpoint is. Loopback is 127.0.0.0/8, [::1] and localhost. */
enum door_kind { DOOR_IPC, DOOR_LOOPBACK, DOOR_NETWORK };

/* Checks the form of "tcp://host:port" or "ipc://path" (path of at most 100 characters). */
int door_kind(const char *endpoint, enum door_kind *kind, struct err *err);

/* A ROUTER bound to endpoint, ROUTER_MANDATORY. With the broker's key it speaks CURVE alone, and
 * ZAP is asked about every peer: a handler must be there before (gate.h). On ipc:// only processes
 * of this user and root are let in. An ipc path in use by a living broker is refused (libzmq would
 * take it over silently). */
int door_bind(void *zmq_ctx, const char *endpoint, const struct key *key, void **socket,
              struct err *err);

/* The same endpoint again under another key of the broker. Libzmq ends all connections with the
 * listener; those who pin the new key come back by themselves. */
int door_rebind(void *socket, const struct key *key, struct err *err);

/* Proves that this door is shut: a random key and a peer without a key must both be refused, by the
 * library that is loaded now. */
int door_self_test(void *zmq_ctx, void *socket, const struct key *key, struct err *err);

/* A DEALER that connects to endpoint, now or when it appears; with a key it speaks CURVE to the
 * broker that the key pins, and to no other. */
struct door;
int door_open(void *zmq_ctx, const char *endpoint, const struct key *key, struct door **out,
              struct err *err);
void *door_socket(const struct door *d); /* borrowed until door_close */
void door_close(struct door *d, int linger_ms);

/* What stands between this program and the broker, from the socket's monitor. Libzmq gives a
 * connection up for good when the other side speaks another mechanism or refuses the key (this
 * tries again every second), and when it cannot read what comes, or has no memory for it (this
 * tries again when libzmq has not for 3 s). Call it now and then; not more often than the caller
 * wakes anyhow. */
enum door_view {
    DOOR_WAITING, /* nothing is known: nobody is there yet */
    DOOR_IN,      /* the last handshake succeeded */
    DOOR_REFUSED, /* the broker does not know the key, or it is revoked */
    DOOR_KEYLESS, /* one side has keys and the other has none */
    DOOR_STRANGER /* keys on both sides, but the broker is not the one that the key pins */
};
enum door_view door_look(struct door *d, int64_t now_ms);
/* Fills err with a sentence and advice for a view that is neither WAITING nor IN; returns -1. */
int door_explain(const struct door *d, enum door_view view, struct err *err);

/* Room for `peers` connections: raises RLIMIT_NOFILE towards its hard limit; returns how many peers
 * fit. A quarter of all descriptors stays for everything else: strangers may not keep the broker
 * from its files. */
unsigned door_room(unsigned peers);

/* Libzmq takes every connection, and past the limit spins. So the caller looks every DOOR_LOOK_MS
 * and lets the kernel hold back new connections while the room is full: those that are there stay.
 */
#define DOOR_LOOK_MS 5
enum door_crowd { DOOR_QUIET, DOOR_BETWEEN, DOOR_FULL };
enum door_crowd door_crowd(void);
void door_hold(void *socket, bool hold); /* of a bound tcp:// socket; nothing for ipc:// */

/* Random bits from the kernel. */
uint64_t door_random(void);

#endif
