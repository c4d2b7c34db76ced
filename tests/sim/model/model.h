#ifndef TESTS_SIM_MODEL_MODEL_H
#define TESTS_SIM_MODEL_MODEL_H

#include "lag.h"
#include "queue.h"

/* A broker and up to 10,000 workers in virtual time: the real queue decides who gets what, and the
 * rest takes the time that was measured for it. The broker is three servers in a row, each first
 * come, first served, each with a core of its own (I/O, loop, sink); then there are the wire, one
 * for each direction, the disk, and the workers' threads. Times are nanoseconds from the start. */

struct costs { /* of the broker, microseconds of a thread; a byte's is of a byte on the wire */
    double loop_tile, loop_message, loop_byte;
    double io_message, io_byte;
    double io_crowd; /* what a thousand connections add to each message, as a share */
    double sink_tile, sink_byte /* stored */, sink_commit /* waiting for the disk, a group */;
};

struct kind { /* of tiles */
    const char *name;
    double point_ns;                 /* of a solver thread */
    uint32_t side;                   /* points: side x side */
    double wire_bytes, stored_bytes; /* a point */
    double expand_ns;                /* a point: of the sink, where leaves travel */
};

struct setup {
    const struct kind *kind;
    uint32_t workers, threads; /* threads of each */
    double wire_bytes_per_s, disk_bytes_per_s;
    int64_t latency_ns, worker_turn_ns; /* of the wire one way; from an answer to its message */
    struct costs costs;
    double seconds; /* measured, after all have come and some seconds have passed */
};

enum server {
    SERVER_WORKERS,
    SERVER_WIRE,
    SERVER_IO,
    SERVER_LOOP,
    SERVER_SINK,
    SERVER_DISK,
    SERVERS
};
extern const char *const server_names[SERVERS];

struct outcome {
    double tiles_per_s;    /* durable */
    double busy[SERVERS];  /* share of the time, 0 to 1 */
    double messages_per_s; /* both directions */
    double dispatch_s[3];  /* p50, p99, p99.9: from the turn that made room to the LEASE */
    double turn_s[3];      /* of the loop */
    uint64_t twice;        /* tiles that became durable more than once: 0 */
};

struct outcome model_play(const struct setup *setup);
/* The fullest server. */
enum server outcome_full(const struct outcome *o);
/* --- within the model ------------------------------------------------------------------------ */

enum event_type {
    EV_JOIN,   /* a worker says HELLO */
    EV_TICK,   /* ... HEARTBEAT */
    EV_SOLVED, /* a thread of it has solved a tile */
    EV_SEND,   /* it sends what has been solved */
    EV_HEARS,  /* a message is at the worker */
    EV_UP,     /* ... at the broker's I/O thread */
    EV_DOWN,   /* ... at it from the loop */
    EV_COMES,  /* ... at the loop */
    EV_TURN,   /* the loop looks */
    EV_DUE,    /* ... because something is due */
    EV_GROUP,  /* a group is durable */
};

struct packet {
    enum wire_type type;
    uint32_t worker; /* its place from 0 */
    uint32_t bytes;  /* on the wire */
    struct token token;
    uint32_t tile,
        count; /* RESULTS, LEASE, ACK, DROP: a run; RESULT: the tile, and 1 with its last part */
    uint64_t number; /* window; RESULT: data bytes */
    struct packet *next;
};

struct event {
    int64_t at_ns;
    uint64_t order;
    enum event_type type;
    uint32_t worker;
    struct packet *packet;
};

struct held { /* a lease at a worker; tiles are begun, solved and sent in their order */
    struct token token;
    uint32_t first, count, begun, solved, sent, left /* not acknowledged */;
    uint64_t offset; /* bytes of tile `sent` that have gone */
};

struct hand {
    uint32_t number; /* the queue's; 0: not yet welcome */
    uint32_t idle;   /* threads */
    struct held *leases;
    size_t count, room;
    size_t begin; /* the first lease with tiles to begin */
    uint64_t window, sent;
    int64_t gather_ns; /* until then short answers wait for each other */
    int64_t send_ns;   /* the next EV_SEND; 0: none */
};

struct order { /* to the sink */
    uint32_t tile, worker;
    bool compare, frontier; /* frontier: tile is it */
};

struct fifo { /* packets */
    struct packet *first, **end;
};

struct model {
    struct setup setup;
    uint32_t tile_points, answer_bytes;
    int64_t now_ns, free_ns[SERVERS], busy_ns[SERVERS];
    int64_t down_free_ns; /* of the wire to the workers */
    uint64_t order;
    struct event *heap;
    size_t heap_count, heap_cap;
    struct packet *spare;
    struct queue *queue;
    uint64_t random;
    /* the loop */
    struct fifo inbox;
    bool turns;
    int64_t due_ns; /* of the queue */
    struct lag dispatch, turn;
    /* the sink */
    struct order *orders, *group;
    size_t order_count, order_cap, group_count, group_cap, told;
    bool commits, group_is_new; /* ... to the loop */
    uint8_t *seen;              /* a byte a tile: durable */
    uint64_t durable, twice, messages;
    struct hand *hands;
    uint32_t *places; /* in hands, of the queue's numbers */
};

struct event *model_at(struct model *m, int64_t at_ns, enum event_type type, uint32_t worker);
/* The server is busy for so long from when it is free on; returns when that ends. */
int64_t model_serve(struct model *m, enum server server, double ns);
struct packet *packet_new(struct model *m, enum wire_type type, uint32_t worker, double bytes);
void packet_free(struct model *m, struct packet *p);
int64_t model_ms(int64_t ns);
uint64_t model_random(void *model);

/* house.c: the broker */
void house_open(struct model *m);
void house_close(struct model *m);
void house_comes(struct model *m, struct packet *p);
void house_look(struct model *m);
void house_turn(struct model *m);
void house_group(struct model *m);

/* farm.c: the workers */

void hand_join(struct model *m, uint32_t worker);
void hand_tick(struct model *m, uint32_t worker);
void hand_solved(struct model *m, uint32_t worker);
void hand_send(struct model *m, uint32_t worker);
void hand_hears(struct model *m, struct packet *p);

#endif
