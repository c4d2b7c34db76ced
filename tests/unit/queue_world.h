#ifndef TESTS_QUEUE_WORLD_H
#define TESTS_QUEUE_WORLD_H

#include "queue.h"

/* A small world around the queue's logic, for its tests: workers that keep what they were leased, a
 * sink that makes tiles durable, a clock that the test moves. Messages are structs; nothing is lost
 * unless the test loses it. */

enum { WORLD_WORKERS = 6, WORLD_HELD = 4096 };

struct held_tile {
    struct token token;
    uint32_t job, tile, first, count;
    bool solved, sent;
};

struct world_worker {
    bool alive, connected;
    uint64_t session;
    uint32_t number;
    struct held_tile held[WORLD_HELD];
    size_t held_count;
    uint64_t window, sent;
    bool paused; /* as the newest PONG says */
    uint8_t limit_percent;
    bool rests; /* takes no work by its own rules */
};

struct world_job {
    struct queue_job spec;
    uint32_t tiles;
    uint8_t *durable;  /* how often each tile was stored: must end at 1 */
    uint32_t frontier; /* as persisted */
    enum job_state state;
};

struct stored { /* with the sink, not yet durable */
    uint32_t job, tile, worker;
    uint64_t bytes;
    bool compare;
};

struct world {
    uint64_t seed;
    int64_t now_ms;
    struct queue *q;
    struct world_worker workers[WORLD_WORKERS];
    struct world_job jobs[8];
    size_t job_count;
    struct stored sink[WORLD_HELD];
    size_t sink_count;
    uint32_t frontier_job[64], frontier[64];
    size_t frontier_count;
    uint32_t verify_one_in; /* of the queue's configuration, from the next start; 0: its default */
    unsigned alarms, differs, distrusted, refused;
    unsigned forgotten;       /* tiles whose pieces are not needed */
    struct queue_action last; /* the newest action of any kind but PONG */
};

uint64_t world_random(void *w);
void world_init(struct world *w, uint64_t seed);
void world_fini(struct world *w);
/* A job of q_blocks x a_blocks tiles, each of 10 x 10 points. */
uint32_t world_job(struct world *w, uint32_t q_blocks, uint32_t a_blocks, int32_t priority);
void world_hello(struct world *w,
                 size_t worker); /* connects it; a new session when it is not alive */
void world_solve(struct world *w, size_t worker, size_t i); /* held tile i: its result arrives */
void world_solve_next(struct world *w, size_t worker); /* the first that it has not sent, if any */
/* So many tiles, each taking its time, each durable at once, with heartbeats. */
void world_work(struct world *w, size_t worker, unsigned tiles, int64_t tile_ms);
void world_sink(struct world *w, size_t count); /* makes so many stored results durable */
void world_act(struct world *w);                /* carries out what the queue has put out */
void world_advance(struct world *w,
                   int64_t ms); /* the clock, with ticks on the way; no heartbeats */
void world_beat(struct world *w, size_t worker); /* HEARTBEAT naming all it holds */
void world_kill(struct world *w, size_t worker); /* the process dies: sends to it fail */
void world_restart(struct world *w);             /* kill -9 of the broker, and its start */

/* --- for every test ----------------------------------------------------------------------------
 */

int world_setup(void **state); /* of cmocka: *state is a world of seed 1 */
int world_teardown(void **state);
struct queue_job_info world_info(struct world *w, uint32_t job);
struct queue_worker_info world_worker(struct world *w, size_t i);
/* HELLO of a new session of worker i with these holdings; its number. */
uint32_t world_hello_with(struct world *w, size_t i, const struct wire_holding *list, uint32_t n);
void world_work_off(struct world *w); /* solves and stores until nothing is held any more */
void world_assert_whole(struct world *w, uint32_t job); /* done, each tile stored once */

#endif
