#ifndef WORKER_HAND_PRIVATE_H
#define WORKER_HAND_PRIVATE_H

#include "hand.h"

/* The tables behind hand.h, shared by hand.c (what becomes of pieces) and hand_send.c (what is sent
 * and told of them). */

enum piece_state { PIECE_WAITING, PIECE_SOLVING, PIECE_SOLVED, PIECE_GONE, PIECE_STATES };

struct piece {
    uint8_t state;
    bool queued; /* its id is in the send queue */
    uint8_t nudges;
    uint32_t points, raw_bytes;
    struct planes_place place; /* how far it is sent */
    int64_t sent_ms;           /* when the last part went; 0: not yet */
    struct planes *planes;     /* SOLVED */
};

struct lease {
    struct hand_lease terms;
    uint32_t serial;
    bool open;
    uint32_t first_waiting; /* no piece below it waits */
    uint32_t left;          /* pieces that are not gone */
    uint64_t points_done, cpu_us;
    struct piece *pieces; /* [terms.tile_count] */
};

struct hand {
    struct lease *leases;
    size_t lease_count, lease_room;
    uint32_t next_serial;
    uint64_t hold_bytes, bytes;
    uint64_t kept;    /* of bytes: solved pieces of tiles that were cut, kept until all are there */
    uint64_t largest; /* raw bytes of the largest piece met */
    size_t counts[PIECE_STATES];
    uint64_t *queue; /* ids to be sent: [queue_head, queue_tail) */
    size_t queue_head, queue_tail, queue_room;
    struct buf whole; /* of the answer that hand_whole told of */
    uint8_t whole_codings[UINT8_MAX];
};

/* The id of a piece; the lease and the piece of an id, NULL when it has left. */
uint64_t hand_id(const struct lease *l, uint32_t index);
struct piece *hand_piece(const struct hand *h, uint64_t id, struct lease **lease);

/* A run of a lease's pieces, [from, to) from its first tile. */
struct wire_holding hand_run(const struct lease *l, uint32_t from, uint32_t to, bool solved);

/* A piece has something to be sent. */
void hand_enqueue(struct hand *h, struct piece *p, uint64_t id);

#endif
