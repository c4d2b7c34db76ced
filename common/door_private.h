#ifndef COMMON_DOOR_PRIVATE_H
#define COMMON_DOOR_PRIVATE_H

#include "door.h"
#include <stddef.h>

/* Of both sides. False: libzmq does not keep the option. */
enum { DOOR_HANDSHAKE_MS = 3000 };
bool door_keeps(void *socket, int option, int value);
bool door_set_limits(void *socket, const char *endpoint); /* of sizes and times */
bool door_set_keepalive(void *socket);                    /* of the broker */
bool door_set_backlog(void *socket);                      /* of the broker */
bool door_set_heartbeat(void *socket);                    /* of its peers */
bool door_set_broker_key(void *socket, const struct key *key);
bool door_set_peer_key(void *socket, const struct key *key, size_t pin);
bool door_set_own_user(void *socket);

/* Closes a socket that could not be made as it should be; -1. */
int door_no_socket(void *socket, struct err *err);

/* What a peer with that key (NULL: none) gets to see. Waits for two attempts at most. */
enum door_view door_try(void *zmq_ctx, const char *endpoint, const struct key *key);

#endif
