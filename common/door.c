/* See door.h. */
#include "door.h"

#include "wire.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

enum {
    CURVE_ENVELOPE = 33,
    IPC_PATH_MAX = 100, /* sun_path holds 107 */
};

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
    bool loopback = (host >= 4 && strncmp(address, "127.", 4) == 0) ||
                    (host == 9 && strncmp(address, "localhost", 9) == 0) ||
                    (host == 5 && strncmp(address, "[::1]", 5) == 0);
    *kind = loopback ? DOOR_LOOPBACK : DOOR_NETWORK;
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

static void set_int(void *socket, int option, int value)
{
    int rc = zmq_setsockopt(socket, option, &value, sizeof value);
    assert(rc == 0);
}

static void *make(void *zmq_ctx, int type, const char *endpoint)
{
    void *s = zmq_socket(zmq_ctx, type);
    if (!s)
        return NULL;
    int64_t max = WIRE_FRAME_MAX + CURVE_ENVELOPE;
    int rc = zmq_setsockopt(s, ZMQ_MAXMSGSIZE, &max, sizeof max);
    assert(rc == 0);
    set_int(s, ZMQ_HANDSHAKE_IVL, 3000);
    set_int(s, ZMQ_HEARTBEAT_IVL, 1000);
    set_int(s, ZMQ_HEARTBEAT_TIMEOUT, 3000);
    set_int(s, ZMQ_HEARTBEAT_TTL, 4000);
    set_int(s, ZMQ_LINGER, 0);
    set_int(s, ZMQ_RECONNECT_IVL, strncmp(endpoint, "ipc:", 4) == 0 ? 10 : 50);
    set_int(s, ZMQ_RECONNECT_IVL_MAX, 1000);
    set_int(s, ZMQ_IMMEDIATE, 1);
    set_int(s, ZMQ_IPV6, strchr(endpoint, '[') != NULL);
    if (type == ZMQ_ROUTER)
        set_int(s, ZMQ_ROUTER_MANDATORY, 1);
    return s;
}

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

int door_bind(void *zmq_ctx, const char *endpoint, void **socket, struct err *err)
{
    enum door_kind kind;
    if (door_kind(endpoint, &kind, err))
        return -1;
    if (kind == DOOR_IPC && ipc_is_served(endpoint + 6))
        return err_set(err, ERR_OTHER, "%s is in use by another broker", endpoint);
    void *s = make(zmq_ctx, ZMQ_ROUTER, endpoint);
    if (!s)
        return err_set(err, ERR_OTHER, "cannot make a socket: %s", zmq_strerror(zmq_errno()));
    if (zmq_bind(s, endpoint)) {
        err_set(err, ERR_OTHER, "cannot listen on %s: %s", endpoint, zmq_strerror(zmq_errno()));
        zmq_close(s);
        return -1;
    }
    *socket = s;
    return 0;
}

int door_connect(void *zmq_ctx, const char *endpoint, void **socket, struct err *err)
{
    enum door_kind kind;
    if (door_kind(endpoint, &kind, err))
        return -1;
    void *s = make(zmq_ctx, ZMQ_DEALER, endpoint);
    if (!s)
        return err_set(err, ERR_OTHER, "cannot make a socket: %s", zmq_strerror(zmq_errno()));
    if (zmq_connect(s, endpoint)) {
        err_set(err, ERR_UNREACHABLE, "cannot connect to %s: %s", endpoint,
                zmq_strerror(zmq_errno()));
        zmq_close(s);
        return -1;
    }
    *socket = s;
    return 0;
}

unsigned door_room(unsigned peers)
{
    enum { OWN = 64 }; /* our own descriptors: files, database, pipes */
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return 0;
    rlim_t want = (rlim_t)peers + OWN;
    if (limit.rlim_cur < want) {
        limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
        if (setrlimit(RLIMIT_NOFILE, &limit))
            getrlimit(RLIMIT_NOFILE, &limit);
    }
    rlim_t room = limit.rlim_cur > OWN ? limit.rlim_cur - OWN : 0;
    return room < peers ? (unsigned)room : peers;
}

uint64_t door_random(void)
{
    uint64_t value;
    while (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value) {
        if (errno != EINTR)
            abort(); /* a kernel without random numbers is no place for tokens */
    }
    return value;
}
