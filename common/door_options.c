/* The options of sockets: set before the first bind or connect, and read back. See door_private.h.
 */
#include "door_private.h"

#include "wire.h"
#include <string.h>
#include <unistd.h>
#include <zmq.h>

enum {
    CURVE_ENVELOPE = 33,
    BACKLOG = 4096, /* or net.core.somaxconn, where that is less */
};

/* Without it a socket with a domain and no handler lets everybody in. zmq.h of 4.3.4 hides its name
 * among the drafts; the library has it. */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

bool door_keeps(void *socket, int option, int value)
{
    int now = ~value;
    size_t len = sizeof now;
    return zmq_getsockopt(socket, option, &now, &len) == 0 && now == value;
}

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0 &&
           door_keeps(socket, option, value);
}

bool door_set_limits(void *s, const char *endpoint)
{
    int64_t max = WIRE_FRAME_MAX + CURVE_ENVELOPE, kept = 0;
    size_t len = sizeof kept;
    return zmq_setsockopt(s, ZMQ_MAXMSGSIZE, &max, sizeof max) == 0 &&
           zmq_getsockopt(s, ZMQ_MAXMSGSIZE, &kept, &len) == 0 && kept == max &&
           set_int(s, ZMQ_HANDSHAKE_IVL, DOOR_HANDSHAKE_MS) && set_int(s, ZMQ_LINGER, 0) &&
           set_int(s, ZMQ_RECONNECT_IVL, strncmp(endpoint, "ipc:", 4) == 0 ? 10 : 50) &&
           set_int(s, ZMQ_RECONNECT_IVL_MAX, 1000) && set_int(s, ZMQ_IMMEDIATE, 1) &&
           set_int(s, ZMQ_IPV6, strchr(endpoint, '[') != NULL);
}

/* The broker does not ping: libzmq cancels a timer by looking at all of them, which for 5,000 peers
 * takes a processor. The kernel finds out whose machine is gone; who is silent the queue knows. */
bool door_set_keepalive(void *s)
{
    return set_int(s, ZMQ_TCP_KEEPALIVE, 1) && set_int(s, ZMQ_TCP_KEEPALIVE_IDLE, 4) &&
           set_int(s, ZMQ_TCP_KEEPALIVE_INTVL, 1) && set_int(s, ZMQ_TCP_KEEPALIVE_CNT, 4);
}

/* All workers of a building may come at once, when the power is back or the broker has been
 * restarted. Whom the kernel finds no place for is left to its timers, for half a minute and more.
 */
bool door_set_backlog(void *s)
{
    return set_int(s, ZMQ_BACKLOG, BACKLOG);
}

/* A peer does, and asks for no timer at the other end. */
bool door_set_heartbeat(void *s)
{
    return set_int(s, ZMQ_HEARTBEAT_IVL, 1000) && set_int(s, ZMQ_HEARTBEAT_TIMEOUT, 3000) &&
           set_int(s, ZMQ_HEARTBEAT_TTL, 0);
}

static bool set_pair(void *s, const struct key *key)
{
    return zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, key->public, KEY_CHARS + 1) == 0 &&
           zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, key->secret, KEY_CHARS + 1) == 0;
}

bool door_set_broker_key(void *s, const struct key *key)
{
    char domain[64] = "";
    size_t len = sizeof domain;
    return set_int(s, ZMQ_CURVE_SERVER, 1) && set_pair(s, key) &&
           zmq_setsockopt(s, ZMQ_ZAP_DOMAIN, DOOR_DOMAIN, strlen(DOOR_DOMAIN)) == 0 &&
           zmq_getsockopt(s, ZMQ_ZAP_DOMAIN, domain, &len) == 0 &&
           strcmp(domain, DOOR_DOMAIN) == 0 && set_int(s, ZMQ_ZAP_ENFORCE_DOMAIN, 1) &&
           door_keeps(s, ZMQ_MECHANISM, ZMQ_CURVE);
}

bool door_set_peer_key(void *s, const struct key *key, size_t pin)
{
    return set_pair(s, key) &&
           zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, key->pins[pin], KEY_CHARS + 1) == 0 &&
           door_keeps(s, ZMQ_MECHANISM, ZMQ_CURVE) && door_keeps(s, ZMQ_CURVE_SERVER, 0);
}

/* The kernel knows who is at the other end of a file's socket. */
bool door_set_own_user(void *s)
{
    uid_t allowed[2] = {geteuid(), 0};
    return zmq_setsockopt(s, ZMQ_IPC_FILTER_UID, &allowed[0], sizeof allowed[0]) == 0 &&
           zmq_setsockopt(s, ZMQ_IPC_FILTER_UID, &allowed[1], sizeof allowed[1]) == 0;
}

/* Closes what could not be made as it should be. */
int door_no_socket(void *s, struct err *err)
{
    if (s)
        zmq_close(s);
    err_set(err, ERR_OTHER,
            s ? "libzmq does not keep the options that security rests on" : "cannot make a socket");
    return err_hint(err, "hillsweep needs libzmq 4.3.3 or later, built with CURVE");
}
