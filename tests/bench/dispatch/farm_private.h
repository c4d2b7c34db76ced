#ifndef BENCH_FARM_PRIVATE_H
#define BENCH_FARM_PRIVATE_H

#include "dispatch.h"

#include "buf.h"
#include "peer.h"

/* What farm.c (life and time), hand.c (what one worker says and hears) and answer.c share. */

enum { PERIOD_MS = 1000, ASKS = 1 << 18, KNOWN = 1024 };

struct held { /* a lease */
    struct token token;
    uint32_t job, first, count, sent, left; /* tiles: answered, not acknowledged */
    uint32_t plane, offset;                 /* how far the next answer is sent */
};

struct hand {
    struct peer peer;
    uint64_t session, window, sent, tag; /* tag: of the latest HELLO */
    struct held *leases;
    size_t count, room, next; /* next: the first that is not answered to its end */
    unsigned in_flight;
    unsigned to_ask, asking; /* farm_chatter: questions to ask yet, and under way */
    double beat_s;           /* of its next heartbeat */
    double asked_s;          /* since when it has had nothing; 0: it has something */
    double solved;           /* tiles that it might have answered by now, when it is not at once */
    double paced_s;          /* as of then */
    double phase;            /* of a tile: what it has solved when its first work comes */
    bool welcome, calling;   /* calling: asked who it is, and not welcome again yet */
    bool wants;              /* something waits for window or pipe */
};

struct farm {
    struct farm_config config;
    struct peers peers;
    struct hand *hands;
    double *due_s; /* of each: when it has something to do by itself */
    struct farm_figures figures;
    unsigned in_flight;
    struct seen { /* by job: tiles that were acknowledged */
        uint8_t *tile;
        uint32_t room;
    } * seen;
    uint32_t jobs;
    float *asks;
    size_t ask_count;
    struct buf frame, wholes;
    double *values; /* what the planes of real tiles hold */
    float *errors;
    struct known { /* CRCs of parts of them: what workers cost is not to be measured */
        uint32_t plane, offset, len, crc;
    } known[KNOWN];
};

/* answer.c */
int hand_post(struct farm *f, struct hand *w, struct wire_msg *m); /* -1: no room */
void hand_answer(struct farm *f, struct hand *w);                  /* what it can; the rest waits */

/* hand.c */
void hand_hello(struct farm *f, struct hand *w);
void hand_heartbeat(struct farm *f, struct hand *w);
void hand_chatter(struct farm *f, struct hand *w); /* what it has to ask and may */
void hand_hear(struct farm *f, struct hand *w);    /* all that has come */

#endif
