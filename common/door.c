/* See door.h. */
#include "door.h"

#include "buf.h"
#include "wire.h"
#include <arpa/inet.h>
#include <assert.h>
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
    CURVE_ENVELOPE = 33,
    IPC_PATH_MAX = 100, /* sun_path holds 107 */
    HANDSHAKE_MS = 3000,
    REBIND_TRIES = 500, /* libzmq's own thread closes the old listener in a moment */
};

/* Without it a socket with a domain and no handler lets everybody in. zmq.h of 4.3.4 hides its name
 * among the drafts; the library has it. */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

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

/* --- options --------------------------------------------------------------------------------- */

static bool keeps(void *socket, int option, int value)
{
    int now = ~value;
    size_t len = sizeof now;
    return zmq_getsockopt(socket, option, &now, &len) == 0 && now == value;
}

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0 &&
           keeps(socket, option, value);
}

static bool set_limits(void *s, const char *endpoint)
{
    int64_t max = WIRE_FRAME_MAX + CURVE_ENVELOPE, kept = 0;
    size_t len = sizeof kept;
    return zmq_setsockopt(s, ZMQ_MAXMSGSIZE, &max, sizeof max) == 0 &&
           zmq_getsockopt(s, ZMQ_MAXMSGSIZE, &kept, &len) == 0 && kept == max &&
           set_int(s, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) && set_int(s, ZMQ_LINGER, 0) &&
           set_int(s, ZMQ_RECONNECT_IVL, strncmp(endpoint, "ipc:", 4) == 0 ? 10 : 50) &&
           set_int(s, ZMQ_RECONNECT_IVL_MAX, 1000) && set_int(s, ZMQ_IMMEDIATE, 1) &&
           set_int(s, ZMQ_IPV6, strchr(endpoint, '[') != NULL);
}

/* The broker does not ping: libzmq cancels a timer by looking at all of them, which for 5,000 peers
 * takes a processor. The kernel finds out whose machine is gone; who is silent the queue knows. */
static bool set_keepalive(void *s)
{
    return set_int(s, ZMQ_TCP_KEEPALIVE, 1) && set_int(s, ZMQ_TCP_KEEPALIVE_IDLE, 4) &&
           set_int(s, ZMQ_TCP_KEEPALIVE_INTVL, 1) && set_int(s, ZMQ_TCP_KEEPALIVE_CNT, 4);
}

/* A peer does, and asks for no timer at the other end. */
static bool set_heartbeat(void *s)
{
    return set_int(s, ZMQ_HEARTBEAT_IVL, 1000) && set_int(s, ZMQ_HEARTBEAT_TIMEOUT, 3000) &&
           set_int(s, ZMQ_HEARTBEAT_TTL, 0);
}

static bool set_pair(void *s, const struct key *key)
{
    return zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, key->public, KEY_CHARS + 1) == 0 &&
           zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, key->secret, KEY_CHARS + 1) == 0;
}

static bool set_broker_key(void *s, const struct key *key)
{
    char domain[64] = "";
    size_t len = sizeof domain;
    return set_int(s, ZMQ_CURVE_SERVER, 1) && set_pair(s, key) &&
           zmq_setsockopt(s, ZMQ_ZAP_DOMAIN, DOOR_DOMAIN, strlen(DOOR_DOMAIN)) == 0 &&
           zmq_getsockopt(s, ZMQ_ZAP_DOMAIN, domain, &len) == 0 &&
           strcmp(domain, DOOR_DOMAIN) == 0 && set_int(s, ZMQ_ZAP_ENFORCE_DOMAIN, 1) &&
           keeps(s, ZMQ_MECHANISM, ZMQ_CURVE);
}

static bool set_peer_key(void *s, const struct key *key, size_t pin)
{
    return set_pair(s, key) &&
           zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, key->pins[pin], KEY_CHARS + 1) == 0 &&
           keeps(s, ZMQ_MECHANISM, ZMQ_CURVE) && keeps(s, ZMQ_CURVE_SERVER, 0);
}

/* The kernel knows who is at the other end of a file's socket. */
static bool set_own_user(void *s)
{
    uid_t allowed[2] = {geteuid(), 0};
    return zmq_setsockopt(s, ZMQ_IPC_FILTER_UID, &allowed[0], sizeof allowed[0]) == 0 &&
           zmq_setsockopt(s, ZMQ_IPC_FILTER_UID, &allowed[1], sizeof allowed[1]) == 0;
}

/* Closes what could not be made as it should be. */
static int no_socket(void *s, struct err *err)
{
    if (s)
        zmq_close(s);
    err_set(err, ERR_OTHER,
            s ? "libzmq does not keep the options that security rests on" : "cannot make a socket");
    return err_hint(err, "hillsweep needs libzmq 4.3.3 or later, built with CURVE");
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
    if (!s || !set_limits(s, endpoint) || !set_keepalive(s) || (key && !set_broker_key(s, key)) ||
        (!key && !keeps(s, ZMQ_MECHANISM, ZMQ_NULL)) || (kind == DOOR_IPC && !set_own_user(s)) ||
        zmq_setsockopt(s, ZMQ_ROUTER_MANDATORY, &mandatory, sizeof mandatory))
        return no_socket(s, err);
    if (zmq_bind(s, endpoint)) {
        err_set(err, ERR_OTHER, "cannot listen on %s: %s", endpoint, zmq_strerror(zmq_errno()));
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
        !set_broker_key(socket, key))
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

/* --- the other side -------------------------------------------------------------------------- */

enum { AGAIN_MS = 1000, GONE_MS = 3000, STRANGE_IN_A_ROW = 3 };

struct door {
    void *socket, *monitor;
    char *endpoint;
    bool has_key;
    struct key key;
    size_t pin, pins; /* the one in use, of how many */
    enum door_view view;
    int64_t again_ms; /* connect anew then; 0: libzmq does so itself */
    int64_t gone_ms;  /* since when the connection is gone and libzmq has not tried again; or 0 */
    unsigned closed;  /* handshakes in a row that the other side cut off */
    unsigned wrong_pins; /* pins in a row under which that happened */
};

static int watch(void *zmq_ctx, struct door *d)
{
    char name[64];
    snprintf(name, sizeof name, "inproc://door-%016llx", (unsigned long long)door_random());
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                 ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_CONNECT_DELAYED |
                 ZMQ_EVENT_CONNECTED;
    int linger = 0;
    if (zmq_socket_monitor(d->socket, name, events))
        return -1;
    d->monitor = zmq_socket(zmq_ctx, ZMQ_PAIR);
    if (!d->monitor)
        return -1;
    zmq_setsockopt(d->monitor, ZMQ_LINGER, &linger, sizeof linger);
    return zmq_connect(d->monitor, name);
}

int door_open(void *zmq_ctx, const char *endpoint, const struct key *key, struct door **out,
              struct err *err)
{
    enum door_kind kind;
    if (door_kind(endpoint, &kind, err))
        return -1;
    void *s = zmq_socket(zmq_ctx, ZMQ_DEALER);
    if (!s || !set_limits(s, endpoint) || !set_heartbeat(s) || (key && !set_peer_key(s, key, 0)) ||
        (!key && !keeps(s, ZMQ_MECHANISM, ZMQ_NULL)))
        return no_socket(s, err);
    struct door *d = mem_alloc(1, sizeof *d);
    d->socket = s;
    d->endpoint = mem_strdup(endpoint);
    d->has_key = key != NULL;
    if (key)
        d->key = *key;
    d->pins = *d->key.pins[1] ? 2 : 1;
    int rc = 0;
    if (watch(zmq_ctx, d))
        rc = err_set(err, ERR_OTHER, "cannot watch a socket: %s", zmq_strerror(zmq_errno()));
    else if (zmq_connect(s, endpoint))
        rc = err_set(err, ERR_UNREACHABLE, "cannot connect to %s: %s", endpoint,
                     zmq_strerror(zmq_errno()));
    if (rc)
        door_close(d, 0);
    else
        *out = d;
    return rc;
}

void *door_socket(const struct door *d)
{
    return d->socket;
}

void door_close(struct door *d, int linger_ms)
{
    if (!d)
        return;
    zmq_setsockopt(d->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    zmq_socket_monitor(d->socket, NULL, 0);
    if (d->monitor)
        zmq_close(d->monitor);
    zmq_close(d->socket);
    key_wipe(&d->key);
    free(d->endpoint);
    free(d);
}

/* The next event of the monitor: its number and value. False: none. */
static bool next_event(void *monitor, uint16_t *event, uint32_t *value)
{
    zmq_msg_t frame;
    bool got = false, more = true;
    zmq_msg_init(&frame);
    while (more && zmq_msg_recv(&frame, monitor, ZMQ_DONTWAIT) >= 0) {
        more = zmq_msg_more(&frame); /* the second frame names the address */
        if (got || zmq_msg_size(&frame) < 6)
            continue;
        memcpy(event, zmq_msg_data(&frame), 2);
        memcpy(value, (char *)zmq_msg_data(&frame) + 2, 4);
        got = true;
    }
    zmq_msg_close(&frame);
    return got;
}

static void note(struct door *d, uint16_t event, uint32_t value, int64_t now_ms)
{
    if (event == ZMQ_EVENT_DISCONNECTED) {
        d->gone_ms = now_ms;
        return;
    }
    d->gone_ms = 0;
    if (event == ZMQ_EVENT_CONNECT_RETRIED || event == ZMQ_EVENT_CONNECT_DELAYED ||
        event == ZMQ_EVENT_CONNECTED)
        return;
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        d->view = DOOR_IN;
        d->closed = d->wrong_pins = 0;
    } else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) {
        d->view = DOOR_REFUSED;
        d->again_ms = now_ms + AGAIN_MS;
    } else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL) {
        if (value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
            d->view = DOOR_KEYLESS;
        d->again_ms = now_ms + AGAIN_MS;
    } else if (d->has_key && ++d->closed >= STRANGE_IN_A_ROW) {
        /* A broker under another key cannot open our HELLO and just closes; one that is short of
         * descriptors does the same now and then. */
        d->closed = 0;
        if (++d->wrong_pins >= d->pins)
            d->view = DOOR_STRANGER;
        if (d->pins > 1) {
            d->pin = !d->pin;
            d->again_ms = now_ms;
        }
    }
}

static void again(struct door *d)
{
    d->again_ms = d->gone_ms = 0;
    zmq_disconnect(d->socket, d->endpoint);
    if (d->has_key && !set_peer_key(d->socket, &d->key, d->pin))
        return;
    zmq_connect(d->socket, d->endpoint);
}

enum door_view door_look(struct door *d, int64_t now_ms)
{
    uint16_t event;
    uint32_t value = 0;
    while (next_event(d->monitor, &event, &value))
        note(d, event, value, now_ms);
    bool gone = d->gone_ms != 0 && now_ms - d->gone_ms >= GONE_MS;
    if (gone || (d->again_ms != 0 && now_ms >= d->again_ms))
        again(d);
    return d->view;
}

int door_explain(const struct door *d, enum door_view view, struct err *err)
{
    if (view == DOOR_REFUSED) {
        err_set(err, ERR_NOT_AUTHORISED,
                "the broker at %s does not let the key \"%s\" in: it is "
                "unknown there, or revoked",
                d->endpoint, d->key.name);
        return err_hint(err, "ask its keeper for a key: hillsweep keys new %s NAME --keys DIR",
                        role_name(d->key.role));
    }
    if (view == DOOR_STRANGER) {
        err_set(err, ERR_NOT_AUTHORISED,
                "the broker at %s is not the one that the key \"%s\" was made for", d->endpoint,
                d->key.name);
        return err_hint(err, "its key was changed (hillsweep keys pin), the key is another "
                             "broker's, or somebody poses as it");
    }
    if (d->has_key) {
        err_set(err, ERR_NOT_AUTHORISED,
                "the broker at %s has no keys: nothing would be secret "
                "nor certain",
                d->endpoint);
        return err_hint(err, "start it with --keys DIR; or, knowingly, --keys none");
    }
    err_set(err, ERR_NOT_AUTHORISED, "the broker at %s lets in only who has a key", d->endpoint);
    return err_hint(err, "--keys FILE, with a key file made by: hillsweep keys new ROLE NAME");
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

static enum door_view try_door(void *zmq_ctx, const char *endpoint, const struct key *key)
{
    struct door *d;
    struct err err;
    if (door_open(zmq_ctx, endpoint, key, &d, &err))
        return DOOR_WAITING;
    zmq_pollitem_t item = {.socket = d->monitor, .events = ZMQ_POLLIN};
    enum door_view view = DOOR_WAITING;
    enum { EVENTS = 10 }; /* of two attempts */
    for (int i = 0; i < EVENTS && view == DOOR_WAITING && zmq_poll(&item, 1, HANDSHAKE_MS) > 0; i++)
        view = door_look(d, 0);
    door_close(d, 0);
    return view;
}

int door_self_test(void *zmq_ctx, void *socket, const struct key *broker, struct err *err)
{
    char endpoint[300];
    struct key stranger = {.role = ROLE_CLIENT, .name = "stranger"};
    own_address(socket, endpoint, sizeof endpoint);
    key_make(&stranger);
    memcpy(stranger.pins[0], broker->public, sizeof broker->public);
    enum door_view with = try_door(zmq_ctx, endpoint, &stranger);
    enum door_view without = try_door(zmq_ctx, endpoint, NULL);
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
