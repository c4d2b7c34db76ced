/* The side of workers and clients: a socket that connects, and what its monitor tells of the
 * broker's door. See door.h. */
#include "door_private.h"

#include "buf.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

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
    if (!s || !door_set_limits(s, endpoint) || !door_set_heartbeat(s) ||
        (key && !door_set_peer_key(s, key, 0)) || (!key && !door_keeps(s, ZMQ_MECHANISM, ZMQ_NULL)))
        return door_no_socket(s, err);
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
    if (d->has_key && !door_set_peer_key(d->socket, &d->key, d->pin))
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

enum door_view door_try(void *zmq_ctx, const char *endpoint, const struct key *key)
{
    struct door *d;
    struct err err;
    if (door_open(zmq_ctx, endpoint, key, &d, &err))
        return DOOR_WAITING;
    zmq_pollitem_t item = {.socket = d->monitor, .events = ZMQ_POLLIN};
    enum door_view view = DOOR_WAITING;
    enum { EVENTS = 10 }; /* of two attempts */
    for (int i = 0; i < EVENTS && view == DOOR_WAITING && zmq_poll(&item, 1, DOOR_HANDSHAKE_MS) > 0;
         i++)
        view = door_look(d, 0);
    door_close(d, 0);
    return view;
}
