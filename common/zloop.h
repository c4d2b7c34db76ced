#ifndef COMMON_ZLOOP_H
#define COMMON_ZLOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>
#include <zmq.h>

/* A ZeroMQ socket on a libuv loop. ZeroMQ's descriptor is edge-triggered and any call on the socket
 * may swallow the edge, so ZMQ_EVENTS is read again in the prepare phase (arming an idle handle
 * when there is more) and in the check phase, which drains at most ZLOOP_BATCH messages a turn; a
 * 100 ms timer looks again whatever happens. One file, one mechanism (cf. flux-core's zwatcher). */

#define ZLOOP_BATCH   256
#define ZLOOP_TURN_NS 200000 /* no more are taken after that */

struct zloop;

/* A message arrived: frame is the last frame (owned by the loop, closed after the call unless moved
 * away with zmq_msg_move); route is the routing id in front of it (empty on a DEALER), borrowed;
 * frames counts all frames after the route. */
typedef void zloop_recv_fn(void *arg, const void *route, size_t route_len, zmq_msg_t *frame,
                           int frames);

/* Messages were received in this turn, and for now there are no more. */
typedef void zloop_drained_fn(void *arg);

/* `drained` may be NULL. borrows socket and loop; `router` tells whether messages begin with a
 * routing id. */
struct zloop *zloop_create(uv_loop_t *loop, void *socket, bool router, zloop_recv_fn *recv,
                           zloop_drained_fn *drained, void *arg);

/* Sends one message without blocking: [route] frame. Takes the frame's bytes (copy). 0, or -1 with
 * errno: EHOSTUNREACH (the peer is gone), EAGAIN (its pipe is full). */
int zloop_send(struct zloop *z, const void *route, size_t route_len, const void *frame, size_t len);

/* Closes the handles; frees itself once libuv has let go of them (run the loop until it ends). */
void zloop_close(struct zloop *z);

#endif
