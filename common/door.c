/* What an endpoint is, and the side of the broker. See door.h. */
#include "door_private.h"

#include "wire.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum {
    IPC_PATH_MAX = 100, /* sun_path holds 107 */
    REBIND_TRIES = 500, /* libzmq's own thread closes the old listener in a moment */
};

/* Whole addresses only: 127.evil.example is a name that may lead anywhere. */
static bool is_loopback(const char *host, size_t len)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr address;
    if (len >= sizeof text)
        return false;
    memcpy(text, host, len);
    text[len] = '\0';
    return strcmp(text, "localhost") == 0 || strcmp(text, "[::1]") == 0 ||
           (inet_pton(AF_INET, text, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

static int tcp_kind(const char *address, enum door_kind *kind, struct err *err)
{
    const char *colon = strrchr(address, ':');
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : 0;
    if (!colon || colon == address || colon[1] == '\0' || *end != '\0' || port < 1 ||
        port > 65535) {
        err_set(err, ERR_USAGE,
                "tcp://%s is not an endpoint: it needs a host and a port from 1 to 65535", address);
        return err_hint(err, "for example tcp://127.0.0.1:%d", WIRE_PORT);
    }
    size_t host = (size_t)(colon - address);
    *kind = is_loopback(address, host) ? DOOR_LOOPBACK : DOOR_NETWORK;
    return 0;
}

int door_kind(const char *endpoint, enum door_kind *kind, struct err *err)
{
    if (strncmp(endpoint, "tcp://", 6) == 0)
        return tcp_kind(endpoint + 6, kind, err);
    if (strncmp(endpoint, "ipc://", 6) == 0) {
        size_t len = strlen(endpoint + 6);
        if (len == 0 || endpoint[6] == '@')
            return err_set(err, ERR_USAGE, "%s: an ipc endpoint needs the path of a file",
                           endpoint);
        if (len > IPC_PATH_MAX)
            return err_set(err, ERR_USAGE, "%s: the path has %zu characters, %d are possible",
                           endpoint, len, IPC_PATH_MAX);
        *kind = DOOR_IPC;
        return 0;
    }
    err_set(err, ERR_USAGE, "\"%s\" is not an endpoint", endpoint);
    return err_hint(err, "write tcp://host:port or ipc://path, for example tcp://127.0.0.1:%d",
                    WIRE_PORT);
}

/* --- the broker's side ----------------------------------------------------------------------- */

/* libzmq unlinks and takes over an ipc path that another process serves; a plain connect finds out.
 */
static bool ipc_is_served(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool served = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return served;
}

int door_bind(void *zmq_ctx, const char *endpoint, const struct key *key, void **socket,
              struct err *err)
{
    enum door_kind kind;
    if (door_kind(endpoint, &kind, err))
        return -1;
    if (kind == DOOR_IPC && ipc_is_served(endpoint + 6))
        return err_set(err, ERR_OTHER, "%s is in use by another broker", endpoint);
    void *s = zmq_socket(zmq_ctx, ZMQ_ROUTER);
    int mandatory = 1; /* cannot be read back */
    if (!s || !door_set_limits(s, endpoint) || !door_set_keepalive(s) || !door_set_backlog(s) ||
        (key && !door_set_broker_key(s, key)) ||
        (!key && !door_keeps(s, ZMQ_MECHANISM, ZMQ_NULL)) ||
        (kind == DOOR_IPC && !door_set_own_user(s)) ||
        zmq_setsockopt(s, ZMQ_ROUTER_MANDATORY, &mandatory, sizeof mandatory))
        return door_no_socket(s, err);
    if (zmq_bind(s, endpoint)) {
        err_set(err, ERR_OTHER, "cannot listen on %s: %s", endpoint, zmq_strerror(zmq_errno()));
        if (zmq_errno() == EADDRINUSE)
            err_hint(err, "is a broker there already? hillsweep --broker %.150s status", endpoint);
        if (zmq_errno() == ENODEV)
            err_hint(err, "an address or an interface of this machine, not the name of a host");
        zmq_close(s);
        return -1;
    }
    *socket = s;
    return 0;
}

int door_rebind(void *socket, const struct key *key, struct err *err)
{
    char endpoint[256];
    size_t len = sizeof endpoint;
    if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &len) || zmq_unbind(socket, endpoint) ||
        !door_set_broker_key(socket, key))
        return err_set(err, ERR_OTHER, "cannot change the key: %s", zmq_strerror(zmq_errno()));
    int rc = zmq_bind(socket, endpoint);
    for (int i = 0; rc && zmq_errno() == EADDRINUSE && i < REBIND_TRIES; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        rc = zmq_bind(socket, endpoint);
    }
    if (rc)
        return err_set(err, ERR_OTHER, "cannot listen on %s again: %s", endpoint,
                       zmq_strerror(zmq_errno()));
    return 0;
}

/* --- the self-test --------------------------------------------------------------------------- */

/* Where this machine reaches what it listens on. */
static void own_address(void *socket, char *out, size_t size)
{
    char bound[256];
    size_t len = sizeof bound;
    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, bound, &len);
    const char *port = strrchr(bound, ':');
    if (strncmp(bound, "tcp://0.0.0.0:", 14) == 0)
        snprintf(out, size, "tcp://127.0.0.1%s", port);
    else if (strncmp(bound, "tcp://[::]:", 11) == 0)
        snprintf(out, size, "tcp://[::1]%s", port);
    else
        snprintf(out, size, "%s", bound);
}

int door_self_test(void *zmq_ctx, void *socket, const struct key *broker, struct err *err)
{
    char endpoint[300];
    struct key stranger = {.role = ROLE_CLIENT, .name = "stranger"};
    own_address(socket, endpoint, sizeof endpoint);
    key_make(&stranger);
    memcpy(stranger.pins[0], broker->public, sizeof broker->public);
    enum door_view with = door_try(zmq_ctx, endpoint, &stranger);
    enum door_view without = door_try(zmq_ctx, endpoint, NULL);
    key_wipe(&stranger);
    if (with == DOOR_REFUSED && without == DOOR_KEYLESS)
        return 0;
    if (with == DOOR_IN || without == DOOR_IN)
        return err_set(err, ERR_OTHER, "this libzmq lets %s in: the broker does not start",
                       with == DOOR_IN ? "an unknown key" : "a peer without a key");
    err_set(err, ERR_OTHER, "cannot prove at %s that strangers are refused", endpoint);
    return err_hint(err, "is a firewall in between on this very machine?");
}

/* --- what else ------------------------------------------------------------------------------- */

uint64_t door_random(void)
{
    uint64_t value;
    while (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value) {
        if (errno != EINTR)
            abort(); /* a kernel without random numbers is no place for tokens */
    }
    return value;
}
