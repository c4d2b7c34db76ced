#ifndef CLIENT_LINK_PRIVATE_H
#define CLIENT_LINK_PRIVATE_H

#include "link.h"
#include "wire.h"
#include <zmq.h>

/* What the files of the link share. */

enum { LINK_REPEAT_MS = 1000 /* a request without an answer is sent again */ };

struct link {
    void *context, *socket; /* the socket is the door's */
    struct door *door;
    char *endpoint, *from;
    uint64_t sender, next_tag;
    int64_t connect_ms, patience_ms;
    int64_t strange_ms; /* since when the door is a stranger's; 0: it is not */
    bool met;           /* the broker has answered something */
    bool answered;      /* the last request */
    int64_t asked_ms;   /* since when the request has had no answer; 0: there is none */
    link_silence_fn *silence;
    void *silence_arg;
    int watch_fd;
    link_wake_fn *wake;
    void *wake_arg;
    zmq_msg_t message; /* the frame that the last received message borrows from */
    struct buf frame;
    struct buf notice; /* the newest one that nobody has asked for; empty: none */
};

int64_t link_later(int64_t now_ms, int64_t ms);
int64_t link_deadline(const struct link *link); /* of a request that is made now */
int link_unreachable(const struct link *link, struct err *err);

/* Sends, waiting for room until the deadline. */
int link_transmit(struct link *link, const struct wire_msg *msg, int64_t deadline, struct err *err);
/* The next well-formed message. 1, 0 at `until`, -1; a broker of another version is ERR_VERSION. */
int link_receive(struct link *link, int64_t until, struct wire_msg *msg, struct err *err);

#endif
