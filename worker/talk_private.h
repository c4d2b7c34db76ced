#ifndef WORKER_TALK_PRIVATE_H
#define WORKER_TALK_PRIVATE_H

#include "hand.h"
#include "shelf.h"
#include "talk.h"
#include "wire.h"

/* The state behind talk.h, shared by talk.c (what happens when), rest.c (when it does
 * not work) and say.c (the messages). */

enum talk_state { TALK_CALLING, TALK_JOINED, TALK_REFUSED, TALK_LEAVING, TALK_ENDED };

struct talk {
    struct talk_config config;
    struct pool *pool;
    struct hand *hand;
    struct shelf *shelf;
    talk_send_fn *send;
    void *arg;
    struct buf frame, wholes; /* the one being sent, and the answers in it */

    enum talk_state state;
    struct err end; /* why it ended */
    uint64_t store, boot;
    uint64_t hello_tag; /* counts the times it has begun to call */
    int64_t hello_ms;   /* CALLING: when to say HELLO */
    int64_t heard_ms;   /* when the broker was last heard */
    int64_t retry_ms;   /* REFUSED: when to call again */
    int64_t leave_ms;   /* LEAVING: when to go whatever is left */
    int64_t period_ms, heartbeat_ms;
    uint64_t window, sent; /* bytes of results since WELCOME: allowed, sent */
    int64_t gather_ms;     /* until then short answers gather; an ACK ends it */
    bool paused;           /* by the broker */
    char rest[128];        /* why it takes no work by its own rules; "" when it does */
    bool had_work;         /* something was unsolved at the last turn */
    uint64_t told_bytes;   /* hold_bytes as the broker knows it */
    uint8_t limit_percent; /* from the broker; 0 or 100: none */
    uint64_t strange;      /* frames that were not understood */
};

void talk_give_back(struct talk *t, const char *reason); /* all that is not solved */
const char *talk_resting(const struct talk *t);          /* why it takes no work; NULL: it does */
void talk_pause(struct talk *t, bool paused);
void talk_limit(struct talk *t, uint8_t percent);
void talk_say_rest(struct talk *t);

/* hold_bytes as the broker is to know it: 0 while no work is wanted. */
uint32_t talk_hold_bytes(const struct talk *t);

/* Each sends one kind of message, if the connection takes it. */
void say_hello(struct talk *t, int64_t now_ms);
void say_heartbeat(struct talk *t, int64_t now_ms);
void say_return(struct talk *t, const struct wire_holding *run, const char *reason);
void say_get(struct talk *t, enum wire_type type, uint32_t job, uint32_t offset);
void say_table(struct talk *t, uint32_t job, const struct buf *table);
void say_job_fail(struct talk *t, uint32_t job, enum err_code code, const char *text);
void say_bye(struct talk *t);

/* Until when short answers are kept back; INT64_MAX: they are not. */
int64_t talk_gathers_until(const struct talk *t, int64_t now_ms);

/* Answers go out within the window; true when there is more that could go at once. */
bool say_results(struct talk *t, int64_t now_ms);

#endif
