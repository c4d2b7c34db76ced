#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "planes.h"
#include "queue_private.h"
#include "server_private.h"
#include "talk.h"

/* A whole installation in one thread under a virtual clock: the broker's own queue, message
 * handlers, assembly, routes and catalogue, and the workers' own conversation, hand and shelf, all
 * as they are built into the programs. Only what touches the world is a model: the network (net.c),
 * the disk (disk.c), the solver threads (farm.c), the loop around the queue (house.c). What happens
 * is drawn from one seed (script.c), and judged as it happens (judge.c). */

enum {
    SIM_WORKERS = 10,
    SIM_JOBS = 8,
    SIM_TILES = 1024,
    SIM_TILE_POINTS = 16,
    SIM_FIELDS = 2,
    SIM_POISON = 2,
    SIM_THREADS = 4,
    SIM_TASKS = 4 * SIM_THREADS + 12,
    SIM_TILE_BYTES = SIM_TILE_POINTS * (SIM_FIELDS * 12 + 1),
};

struct sim;

/* --- what can be drawn ----------------------------------------------------------------------- */

struct sim_dice {
    uint64_t state;
};
uint64_t dice_bits(void *dice);
uint32_t dice_below(struct sim *s, uint32_t n);                 /* [0, n) */
int64_t dice_between(struct sim *s, int64_t low, int64_t high); /* [low, high] */
bool dice_ppm(struct sim *s, uint32_t ppm);

/* Of one seed. */
struct sim_knobs {
    uint32_t loss_ppm, twice_ppm, reorder_ppm, spike_ppm; /* of each message */
    enum wire_type doomed; /* messages of this type are lost much more often; 0: none are */
    int64_t delay_ms, spike_ms;
    int64_t group_ms;    /* of a commit */
    uint64_t sink_bytes; /* of the queue's configuration */
    uint32_t lease_bytes, hold_bytes;
    uint64_t whole_bytes; /* answers longer than this go in parts */
    uint32_t verify_one_in;
    int64_t faults_end_ms;
};

/* --- events ---------------------------------------------------------------------------------- */

enum event_type {
    EV_TO_BROKER, /* a = link, frame */
    EV_TO_WORKER, /* a = link, frame */
    EV_CONNECT,   /* a = worker, b = its life */
    EV_START,     /* a = worker: its process is started again */
    EV_BOOT,      /* the broker is started again */
    EV_COMMIT,    /* a = boot: the group that was begun becomes durable */
    EV_DISK_SAYS, /* a = boot: the broker reads the sink's events */
    EV_FAULT,     /* a = what, see script.c */
    EV_HEAL,      /* a = what ends, b = of which worker */
    EV_TYPES
};

struct event {
    int64_t at_ms;
    uint64_t order;
    enum event_type type;
    uint32_t a, b;
    unsigned char *frame; /* owned */
    size_t len;
};

struct event *sim_at(struct sim *s, int64_t at_ms, enum event_type type, uint32_t a, uint32_t b);

/* --- jobs ------------------------------------------------------------------------------------ */

struct sim_poison {
    uint32_t tile, point;
    bool hangs; /* else it ends the process */
};

struct sim_job {
    struct job shape; /* shares what it points to with a job that lives as long as the process */
    uint32_t id, tiles;
    int32_t priority;
    int64_t point_us; /* what a point costs on a good machine */
    bool refused;     /* no worker can build it */
    bool submitted;   /* at some time it was durable */
    bool deleted, cancelled;
    struct sim_poison poison[SIM_POISON];
    uint32_t poison_count;
    uint64_t lent[SIM_TILES];       /* a bit for each worker (by number, modulo 64) it went to */
    uint32_t near_death[SIM_TILES]; /* how often such a one died or hung */
    bool acked[SIM_TILES];
    bool rotted;                /* some tile of it was damaged on disk at some time */
    uint8_t lost[SIM_TILES];    /* how often damaged on disk without the queue knowing yet */
    int64_t last_us, passed_us; /* work of its last lease, and of those of others since then */
    int64_t open_ms;            /* since when it has had something to give out; 0: it has not */
};

/* --- the disk -------------------------------------------------------------------------------- */

struct disk_tile {
    bool durable;
    uint32_t failed;
    uint64_t content; /* of all points that did not fail */
    bool right;
};

struct disk_job {
    bool there, taken;
    int state;
    int32_t priority;
    char reason[256];
    uint32_t frontier;
    struct buf table;
    struct disk_tile tile[SIM_TILES];
    uint64_t points_failed;
};

struct disk_order;

struct sim_disk {
    struct disk_job jobs[SIM_JOBS + 1];
    struct disk_order *first, **end; /* not yet in a group */
    struct disk_order *group;        /* being committed */
    bool stalled, told_stalled;
    int64_t slow_until_ms;
    struct sink_event events[1024]; /* not yet read by the broker */
    size_t event_count;
    uint64_t commits;
};

void disk_submit(struct sim *s, uint32_t job);
void disk_frontier(struct sim *s, uint32_t job, uint32_t frontier);
void disk_state(struct sim *s, uint32_t job, int state, const char *reason);
void disk_priority(struct sim *s, uint32_t job, int32_t priority);
void disk_finish(struct sim *s, uint32_t job);
void disk_delete(struct sim *s, uint32_t job);
void disk_commit(struct sim *s);
void disk_stall(struct sim *s, bool stalled);
void disk_rot(struct sim *s);                /* a tile is found damaged, if there is one */
void disk_take(struct sim *s, uint32_t job); /* its files are gone */
void disk_power_cut(struct sim *s); /* the broker is gone; what was not committed is lost */
void disk_fini(struct sim *s);
/* What the point's results are, as they travel; tile bytes in the order of planes. */
void disk_truth(const struct sim_job *j, uint32_t tile, unsigned char *bytes, size_t *len);

/* --- the network ----------------------------------------------------------------------------- */

struct sim_link {
    uint32_t id; /* 0: none; its bytes are the routing id */
    bool cut_up, cut_down;
    int64_t cut_ms;
    int64_t last_up_ms, last_down_ms; /* nothing overtakes, unless the seed wants it */
};

void net_connect(struct sim *s, uint32_t worker);
void net_disconnect(struct sim *s, uint32_t worker, bool reconnects);
int net_to_broker(struct sim *s, uint32_t worker, const void *frame, size_t len);
int net_to_worker(struct sim *s, const struct route *to, const void *frame, size_t len);
void net_deliver(struct sim *s, struct event *e);
void net_cut(struct sim *s, uint32_t worker, bool up, bool down);
void net_heal(struct sim *s, uint32_t worker);
int64_t net_due_ms(const struct sim *s); /* when a cut link is noticed */
void net_tick(struct sim *s);

/* --- workers --------------------------------------------------------------------------------- */

struct sim_frame {
    unsigned char *data;
    size_t len;
};

struct sim_worker {
    char host[24];
    uint32_t threads;
    uint32_t slow;                          /* so many times */
    uint32_t lie_ppm, hang_ppm, garble_ppm; /* of each tile */
    bool odd;                               /* its w differs from everybody else's */
    bool weak;                              /* fails the self-test */
    uint32_t starved;                       /* gets 1/starved of a processor; 0, 1: all */
    uint32_t life;                          /* 0: was never started */
    bool on, stopped;
    bool rests;    /* its process was paused by the admin, and not resumed */
    uint32_t vain; /* leases that it was sent while it was leaving */
    bool told_lie; /* at least once, and it reached the disk */
    int64_t next_ms;
    struct talk *talk;
    struct pool *pool;
    struct sim_link link;
    struct sim_frame inbox[512]; /* while it is stopped */
    size_t inbox_count;
    int64_t stopped_ms; /* since when */
};

void farm_start(struct sim *s, uint32_t worker);
void farm_kill(struct sim *s, uint32_t worker, int64_t again_ms); /* again < 0: stays away */
void farm_stop(struct sim *s, uint32_t worker, bool stopped);
void farm_leave(struct sim *s, uint32_t worker);
void farm_recv(struct sim *s, uint32_t worker, const void *frame, size_t len);
void farm_rests(struct sim *s, uint64_t session, bool rests);
/* Whether the admin has paused this process, and it knows. */
bool farm_is_paused(const struct sim *s, uint64_t session);
/* How often it has been sent a lease since it is leaving; this one counts. */
uint32_t farm_lease_in_vain(struct sim *s, uint64_t session);
void farm_tick(struct sim *s, uint32_t worker);
bool farm_is_idle(const struct sim *s, uint32_t worker);

/* --- solver threads -------------------------------------------------------------------------- */

struct pool *solver_new(struct sim *s, uint32_t worker);
void solver_free(struct pool *c);
void solver_enter(struct sim *s, uint32_t worker);   /* whose recipes are made from now on */
bool solver_advance(struct pool *c, int64_t now_ms); /* true: a task has ended the process */
int64_t solver_due_ms(struct pool *c);
void solver_slept(struct pool *c, int64_t ms); /* SIGSTOP: all that runs ends so much later */
bool solver_is_idle(const struct pool *c);

/* --- the broker ------------------------------------------------------------------------------ */

struct sim_house {
    struct server s;
    struct server_config config;
    bool up, stopped;
    uint32_t boots;
    int64_t next_ms;
    struct event *held[2048]; /* messages while it is stopped */
    size_t held_count;
};

void house_boot(struct sim *s);
void house_kill(struct sim *s, int64_t again_ms);
void house_stop(struct sim *s, bool stopped);
void house_recv(struct sim *s, const struct sim_link *from, const void *frame, size_t len);
void house_read_disk(struct sim *s);
void house_settle(struct sim *s);
void house_tick(struct sim *s);
bool house_is_idle(const struct sim *s);
struct sim_job *sim_job_new(struct sim *s, uint32_t q_blocks, uint32_t a_blocks, uint32_t q_side,
                            uint32_t a_side, uint32_t fields, bool errors);

/* --- the judge ------------------------------------------------------------------------------- */

void sim_fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_trace(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void judge_to_worker(struct sim *s, uint32_t worker, const struct wire_msg *m);
void judge_blame(struct sim *s, uint32_t worker);
void judge_store(struct sim *s, const struct sink_result *r, bool stored_before);
void judge_step(struct sim *s);
void judge_end(struct sim *s);
/* What the worker has in hand of job 1 is expected to go out again: again_left counts down. */
void judge_watch(struct sim *s, uint32_t worker);
bool judge_is_strict(const struct sim *s);
void judge_death(struct sim *s, uint32_t worker, uint32_t job, uint32_t tile); /* job 0: all */
void judge_tell(struct sim *s);
void judge_seen(void *arg, enum queue_table table, unsigned state, unsigned event);
int judge_print_coverage(bool all);

/* --- one seed -------------------------------------------------------------------------------- */

struct sim {
    uint64_t seed;
    struct sim_dice dice;
    int64_t now_ms;
    uint64_t order;
    struct event *heap;
    size_t heap_count, heap_cap;
    struct sim_knobs knobs;
    struct sim_job jobs[SIM_JOBS + 1]; /* by number, from 1 */
    uint32_t job_count;
    struct sim_disk disk;
    struct sim_worker workers[SIM_WORKERS];
    uint32_t worker_count, now_worker;
    struct sim_house house;
    uint32_t links;
    uint64_t store;
    bool calm; /* no fault is left */
    uint64_t events, faults, deaths, alarms, lies_found;
    uint32_t leases_sent, tiles_solved;
    int64_t first_lease_ms[SIM_JOBS + 1];
    uint64_t points_leased[SIM_JOBS + 1];
    bool again[SIM_TILES]; /* of job 1: to be put out again */
    uint32_t again_left;
    int64_t forgot_ms; /* when a worker was last given up */
    bool verbose, failed;
    char why[512];
};

struct sim *sim_create(uint64_t seed, bool verbose); /* nothing is started */
void sim_destroy(struct sim *s);
/* Runs until the given time, or until `done` says so; false when it failed or time ran out. */
bool sim_run(struct sim *s, int64_t until_ms, bool (*done)(struct sim *s));
bool sim_all_over(struct sim *s); /* every job is done, failed, cancelled or deleted, on disk */
bool sim_is_quiet(struct sim *s); /* and nobody holds anything */

/* script.c: draws an installation and what happens to it. */
void script_draw(struct sim *s);
void script_event(struct sim *s, const struct event *e);
bool script_play(struct sim *s); /* true: nothing was wrong */

/* figures.c */
int figures_print(uint64_t seeds);

#endif
