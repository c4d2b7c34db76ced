#ifndef BENCH_PEER_ZMQ_H
#define BENCH_PEER_ZMQ_H

#include "peer.h"

/* Peers of libzmq, for CURVE and for comparison; peer.c alone calls these. */

void *peer_zmq_context(void);
void peer_zmq_end(void *context);
void *peer_zmq_open(struct peers *all, uint32_t number);
void peer_zmq_close(void *socket);
int peer_zmq_send(void *socket, const void *data, size_t len);
int peer_zmq_lend(void *socket, const struct buf *head, struct wire_span data);
/* ZMQ_EVENTS is read until nothing is left: libzmq's descriptors are edge-triggered. */
void peer_zmq_hear(void *socket, peer_heard_fn *heard, void *arg);

#endif
