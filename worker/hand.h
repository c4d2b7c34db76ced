#ifndef WORKER_HAND_H
#define WORKER_HAND_H

#include "job.h"
#include "planes.h"
#include "wire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The work in hand: every lease that the broker granted, and what has become of each of its pieces
 * (a whole tile, or the one piece of a tile that a lease of a piece means). It accounts for the
 * memory that answers take, so that the worker stops solving before it grows, and keeps an answer
 * until the broker says that it is durable. Solved pieces of tiles that were cut do not count
 * against that memory: they wait for each other, and the last one must find room. Pure: no threads,
 * no sockets, no clock. Pieces are named by ids that are never used again; an id whose piece is
 * gone is harmless.
 *
 *              take             put
 *   WAITING ---------> SOLVING -----> SOLVED
 *      |                  |             |
 *      +------------------+-------------+--> GONE     (ack, drop, give back)
 */

struct hand;

/* hold_bytes: what it may hold; never less than two pieces of the largest kind in hand. */
struct hand *hand_create(uint64_t hold_bytes);
void hand_destroy(struct hand *h);

struct hand_lease {
    uint32_t job, first_tile, tile_count, first, count; /* count 0: whole tiles */
    struct token token;
    bool leaves; /* answers may come as leaves */
};

/* A new lease. False when it makes no sense (no tiles, a piece of several tiles, too many). A token
 * that is in hand already changes nothing. Its pieces wait until the job is opened. */
bool hand_add(struct hand *h, const struct hand_lease *lease);

/* The job's shape is known and its recipe ready: its leases may be solved, now and later ones after
 * another call. Leases that do not fit the job are forgotten; returns how many. */
size_t hand_open(struct hand *h, uint32_t job, const struct job *shape);

struct hand_pick {
    uint64_t id;
    uint32_t job, tile, first, count;
    bool leaves; /* a whole tile whose answer may come as leaves */
};

/* The next piece to solve, oldest lease first; it is then SOLVING. False: nothing waits in an open
 * lease, or there is no room for its answer. */
bool hand_take(struct hand *h, struct hand_pick *pick);
bool hand_is_solving(const struct hand *h, uint64_t id);

/* The answer to a piece, and the solver's CPU time; takes planes. False when nobody wants it any
 * more (the planes are destroyed). */
bool hand_put(struct hand *h, uint64_t id, struct planes *planes, uint32_t cpu_us);

/* Durable: solved and unsolved tiles of the run leave the hand; of a piece of a tile only an answer
 * that has been sent whole. Unwanted: all leave. Both return the number of pieces that left. */
size_t hand_ack(struct hand *h, const struct wire_tiles *tiles);
size_t hand_drop(struct hand *h, const struct wire_tiles *tiles);
size_t hand_forget_job(struct hand *h, uint32_t job);
void hand_clear(struct hand *h);

/* Takes one run of unsolved pieces out of the hand, to be given back to the broker. False: none. */
bool hand_give_back(struct hand *h, struct wire_holding *run);

/* --- sending -------------------------------------------------------------------------------- */

struct hand_part {
    uint64_t id;
    uint32_t job, tile, first, count, solve_us;
    struct token token;
    struct planes_part part;
};

/* The next part that has not been sent, in the order of solving; at most `room` bytes. Repeats
 * itself until hand_sent says that it is on its way. */
bool hand_part(struct hand *h, uint64_t room, struct hand_part *out);
void hand_sent(struct hand *h, const struct hand_part *part, int64_t now_ms);

/* The same for an answer to a whole tile that nothing has been sent of and that is short enough to
 * go in one piece (planes_whole). False: what comes next is not such a one. */
struct hand_whole {
    uint64_t id;
    uint32_t job;
    struct token token;
    struct wire_whole whole; /* borrowed from data and codings */
};
bool hand_whole(struct hand *h, uint64_t room, struct hand_whole *out);
void hand_whole_sent(struct hand *h, uint64_t id, int64_t now_ms);
void hand_whole_unsent(struct hand *h, uint64_t id); /* the connection did not take it */

/* How many such answers, of so many bytes or fewer, wait to be sent, at most max; 0 when something
 * else waits among them: a long answer, or a piece of a tile that kills. */
size_t hand_wholes(const struct hand *h, uint64_t bytes, size_t max);

/* Every answer in hand is sent again from its beginning. */
void hand_send_again(struct hand *h);

/* Answers sent whole before `before_ms` and still not acknowledged: their last plane, a byte as a
 * rule, is sent again, which the broker answers with the lost ACK; now and then all of the answer.
 * Returns how many. */
size_t hand_nudge(struct hand *h, int64_t before_ms);

/* --- what the broker is told ---------------------------------------------------------------- */

/* Runs of pieces with the same fate, at most max; returns the number. */
size_t hand_holdings(const struct hand *h, struct wire_holding *out, size_t max);

/* Every lease with a piece that is not gone, at most max; ids[i] (may be NULL) is the id of its
 * first piece, for hand_same_lease. */
size_t hand_progress(const struct hand *h, struct wire_progress *out, uint64_t *ids, size_t max);
bool hand_same_lease(uint64_t id, uint64_t other);

struct hand_totals {
    size_t leases, waiting, solving, solved; /* the latter three: pieces */
    uint64_t bytes;                          /* of answers solved or being solved */
    uint64_t hold_bytes;
};
struct hand_totals hand_totals(const struct hand *h);
bool hand_uses(const struct hand *h, uint32_t job);

/* All invariants, asserted (tests). */
void hand_check(const struct hand *h);

#endif
