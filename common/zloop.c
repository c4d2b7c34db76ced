/* See zloop.h. */
#include "zloop.h"

#include "buf.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HANDLES = 5, LOOK_AGAIN_MS = 100, ROUTE_MAX = 256 };

struct zloop {
    void *socket;
    bool router;
    bool closing;
    zloop_recv_fn *recv;
    zloop_drained_fn *drained;
    void *arg;
    uv_poll_t poll;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    uv_timer_t timer;
    int open_handles;
};

static bool readable(struct zloop *z)
{
    int events = 0;
    size_t len = sizeof events;
    if (zmq_getsockopt(z->socket, ZMQ_EVENTS, &events, &len))
        return false;
    return events & ZMQ_POLLIN;
}

/* Receives one message whole; the last frame stays in *frame. The number of frames after the route,
 * or -1 when there is no message. */
static int take(struct zloop *z, char route[ROUTE_MAX], size_t *route_len, zmq_msg_t *frame)
{
    int frames = 0;
    bool routed = !z->router;
    *route_len = 0;
    for (;;) {
        if (zmq_msg_recv(frame, z->socket, ZMQ_DONTWAIT) < 0)
            return routed && frames > 0 ? frames : -1;
        if (!routed) {
            *route_len = zmq_msg_size(frame);
            assert(*route_len <= ROUTE_MAX);
            memcpy(route, zmq_msg_data(frame), *route_len);
            routed = true;
        } else {
            frames++;
        }
        if (!zmq_msg_more(frame))
            return frames;
    }
}

static void drain(struct zloop *z)
{
    char route[ROUTE_MAX];
    size_t route_len;
    int received = 0;
    uint64_t end_ns = uv_hrtime() + ZLOOP_TURN_NS;
    for (int i = 0; i < ZLOOP_BATCH && !z->closing && readable(z); i++) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        int frames = take(z, route, &route_len, &frame);
        if (frames > 0)
            z->recv(z->arg, route, route_len, &frame, frames);
        zmq_msg_close(&frame);
        if (frames < 0)
            break;
        received++;
        if (uv_hrtime() >= end_ns)
            break;
    }
    if (received > 0 && z->drained && !z->closing)
        z->drained(z->arg);
}

/* Only wakes the loop: the work is done in the check phase. */
static void on_poll(uv_poll_t *handle, int status, int events)
{
    (void)handle, (void)status, (void)events;
}

static void on_timer(uv_timer_t *handle)
{
    (void)handle;
}

static void on_idle(uv_idle_t *handle)
{
    (void)handle; /* keeps the loop from sleeping while messages wait */
}

static void on_prepare(uv_prepare_t *handle)
{
    struct zloop *z = handle->data;
    if (readable(z))
        uv_idle_start(&z->idle, on_idle);
}

static void on_check(uv_check_t *handle)
{
    struct zloop *z = handle->data;
    uv_idle_stop(&z->idle);
    drain(z);
}

struct zloop *zloop_create(uv_loop_t *loop, void *socket, bool router, zloop_recv_fn *recv,
                           zloop_drained_fn *drained, void *arg)
{
    struct zloop *z = mem_alloc(1, sizeof *z);
    z->socket = socket;
    z->router = router;
    z->recv = recv;
    z->drained = drained;
    z->arg = arg;
    int fd;
    size_t len = sizeof fd;
    int rc = zmq_getsockopt(socket, ZMQ_FD, &fd, &len);
    assert(rc == 0);
    z->poll.data = z->prepare.data = z->check.data = z->idle.data = z->timer.data = z;
    z->open_handles = HANDLES;
    uv_poll_init(loop, &z->poll, fd);
    uv_prepare_init(loop, &z->prepare);
    uv_check_init(loop, &z->check);
    uv_idle_init(loop, &z->idle);
    uv_timer_init(loop, &z->timer);
    uv_poll_start(&z->poll, UV_READABLE, on_poll);
    uv_prepare_start(&z->prepare, on_prepare);
    uv_check_start(&z->check, on_check);
    uv_timer_start(&z->timer, on_timer, LOOK_AGAIN_MS, LOOK_AGAIN_MS);
    return z;
}

int zloop_send(struct zloop *z, const void *route, size_t route_len, const void *frame, size_t len)
{
    if (route_len > 0 && zmq_send(z->socket, route, route_len, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
        return -1;
    return zmq_send(z->socket, frame, len, ZMQ_DONTWAIT) < 0 ? -1 : 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct zloop *z = handle->data;
    if (--z->open_handles == 0)
        free(z);
}

void zloop_close(struct zloop *z)
{
    if (!z || z->closing)
        return;
    z->closing = true;
    uv_close((uv_handle_t *)&z->poll, on_closed);
    uv_close((uv_handle_t *)&z->prepare, on_closed);
    uv_close((uv_handle_t *)&z->check, on_closed);
    uv_close((uv_handle_t *)&z->idle, on_closed);
    uv_close((uv_handle_t *)&z->timer, on_closed);
}
