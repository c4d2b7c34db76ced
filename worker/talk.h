#ifndef WORKER_TALK_H
#define WORKER_TALK_H

#include "err.h"
#include "pool.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The worker's side of its conversation with the broker (PROTOCOL.md, section 4): when to say
 * HELLO, what to answer to each message, which work goes to the pool and which answers go out. It
 * owns the hand and the shelf, borrows the pool, and opens no socket and reads no clock: frames
 * come in through talk_recv, go out through a function, and time is passed in.
 *
 *   CALLING --WELCOME--> JOINED --leave--> LEAVING --all acknowledged, or time is up--> ENDED
 *      ^  |                 |                                                             ^
 *      |  +--REFUSED--+     +--silence, WHO, another boot id--> CALLING                   |
 *      |              v                                                                   |
 *      +---later--- REFUSED --never, or leave while not joined ---------------------------+
 */

struct talk;

/* 0, or -1 when the frame cannot be taken now (it will be offered again). */
typedef int talk_send_fn(void *arg, const void *frame, size_t len);

struct talk_config {
    uint64_t session;     /* random, not 0 */
    const char *host;     /* what `workers` shows; borrowed for ever */
    uint32_t pid;         /* what tells it from others there */
    uint64_t hold_bytes;  /* answers it is willing to hold */
    uint32_t self_test;   /* CRC-32C of the known answers; 0: failed */
    double share;         /* --limit, in (0, 1] */
    int64_t silence_ms;   /* 0: as PROTOCOL.md has it; tests want less */
    uint64_t whole_bytes; /* answers up to here go together; 0: WIRE_WHOLE_MAX; tests want less */
};

struct talk *talk_create(const struct talk_config *config, struct pool *pool, talk_send_fn *send,
                         void *arg);
/* After pool_destroy. */
void talk_destroy(struct talk *t);

void talk_recv(struct talk *t, const void *frame, size_t len, int64_t now_ms);

/* Takes finished tasks from the pool, does everything that is due, keeps the pool busy, and sends
 * what can be sent. Called once per wake-up. Returns when to be called next at the latest; now_ms
 * when there is more to send at once. */
int64_t talk_tick(struct talk *t, int64_t now_ms);

/* By its own rules: reason says why it takes no work from now on (what is not solved goes back),
 * NULL that it does again. Told to the broker. */
void talk_rest(struct talk *t, const char *reason);

/* Gives back what is not solved, and ends when every answer is acknowledged, at the latest after
 * wait_ms. A second call may shorten the wait. */
void talk_leave(struct talk *t, int64_t now_ms, int64_t wait_ms, const char *reason);

/* The broker's door stays shut for this worker: the conversation is over, with that error. */
void talk_refused(struct talk *t, const struct err *why);

/* Whether the conversation is over; err has code ERR_NONE when it ended in order, else why. */
bool talk_ended(const struct talk *t, struct err *err);

#endif
