#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include "buf.h"
#include "keys.h"
#include "wire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The connections of simulated workers: DEALERs, all served by one thread and one epoll set. What
 * generates the load is on the same processors as what is measured, so it has to cost little. A
 * *plain* peer speaks ZMTP 3.0 itself (RFC 23: greeting, NULL, READY, short and long frames; PING
 * is answered as RFC 37 wants it): one read brings all that has come, one write takes all that is
 * said. A peer *of libzmq* has that library's mailbox, its descriptors and its thread behind it,
 * as a real worker does; CURVE is only there. */

struct peers { /* what they have in common */
    int epoll;
    void *zmq; /* NULL: plain ones */
    const struct key *key;
    const char *endpoint; /* borrowed */
    unsigned char *input; /* what is being read */
};

enum peer_state {
    PEER_AWAY,       /* no connection; peer_open again */
    PEER_CONNECTING, /* said the greeting, wait for the other side's */
    PEER_SHAKING,    /* said READY, wait for the other side's */
    PEER_READY,
};

struct peer {
    void *zmq; /* a socket of libzmq, NULL: plain */
    int fd;
    uint32_t number; /* as epoll has it */
    enum peer_state state;
    bool waits;            /* for room to write, in epoll */
    struct buf in, out;    /* of a frame that has not come whole; not written yet */
    size_t written;        /* of out */
    struct wire_span lent; /* not written yet, either: follows out */
};

/* key NULL and not of_libzmq: plain. */
void peers_init(struct peers *p, const char *endpoint, const struct key *key, bool of_libzmq);
void peers_fini(struct peers *p);

void peer_open(struct peers *all, struct peer *p, uint32_t number);
void peer_close(struct peer *p);
/* One message; it goes with the next peer_flush. -1: there is no room (or no connection) now. */
int peer_send(struct peer *p, const void *data, size_t len);
/* A long one, in two pieces, which goes at once. A plain peer borrows its data until all has been
 * written, and takes no other such message before. */
int peer_lend(struct peer *p, const struct buf *head, struct wire_span data);
void peer_flush(struct peers *all, struct peer *p);

/* Hands over all messages that have come. False: the connection has broken. */
typedef void peer_heard_fn(void *arg, const void *data, size_t len);
bool peer_hear(struct peers *all, struct peer *p, peer_heard_fn *heard, void *arg);

#endif
