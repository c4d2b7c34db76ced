/* See peer_zmq.h. */
#include "peer_zmq.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <zmq.h>

enum { SOCKETS = 1 << 16 };

void *peer_zmq_context(void)
{
    void *zmq = zmq_ctx_new();
    zmq_ctx_set(zmq, ZMQ_MAX_SOCKETS, SOCKETS);
    return zmq;
}

void peer_zmq_end(void *context)
{
    zmq_ctx_term(context);
}

/* Without the monitor of common/door.h, which would take twice the descriptors. */
static void *dealer(const struct peers *all)
{
    const struct key *key = all->key;
    int linger = 0, soon_ms = 50;
    void *s = zmq_socket(all->zmq, ZMQ_DEALER);
    if (!s) {
        fprintf(stderr, "no socket: %s\n", zmq_strerror(zmq_errno()));
        exit(1);
    }
    zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(s, ZMQ_RECONNECT_IVL, &soon_ms, sizeof soon_ms);
    if (key) {
        zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, key->public, KEY_CHARS + 1);
        zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, key->secret, KEY_CHARS + 1);
        zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, key->pins[0], KEY_CHARS + 1);
    }
    zmq_connect(s, all->endpoint);
    return s;
}

void *peer_zmq_open(struct peers *all, uint32_t number)
{
    void *socket = dealer(all);
    int fd;
    size_t len = sizeof fd;
    zmq_getsockopt(socket, ZMQ_FD, &fd, &len);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    int rc = epoll_ctl(all->epoll, EPOLL_CTL_ADD, fd, &event);
    assert(rc == 0);
    return socket;
}

void peer_zmq_close(void *socket)
{
    zmq_close(socket);
}

int peer_zmq_send(void *socket, const void *data, size_t len)
{
    return zmq_send(socket, data, len, ZMQ_DONTWAIT) < 0 ? -1 : 0;
}

int peer_zmq_lend(void *socket, const struct buf *head, struct wire_span data)
{
    zmq_msg_t msg;
    if (zmq_msg_init_size(&msg, head->len + data.len) != 0)
        return -1;
    memcpy(zmq_msg_data(&msg), head->data, head->len);
    memcpy((char *)zmq_msg_data(&msg) + head->len, data.data, data.len);
    if (zmq_msg_send(&msg, socket, ZMQ_DONTWAIT) >= 0)
        return 0;
    zmq_msg_close(&msg);
    return -1;
}

void peer_zmq_hear(void *socket, peer_heard_fn *heard, void *arg)
{
    int ready = 0;
    size_t len = sizeof ready;
    do {
        for (;;) {
            zmq_msg_t frame;
            zmq_msg_init(&frame);
            if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) < 0)
                break;
            heard(arg, zmq_msg_data(&frame), zmq_msg_size(&frame));
            zmq_msg_close(&frame);
        }
        zmq_getsockopt(socket, ZMQ_EVENTS, &ready, &len);
    } while (ready & ZMQ_POLLIN);
}
