#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include "wire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The queue's logic: jobs, tiles, leases and workers as tables of states and events. Pure: it opens
 * no socket and no file, reads no clock, has no randomness of its own. Events come in as function
 * calls with the time now_ms; what is to be done comes out as actions, to be fetched with
 * queue_next after each event. The same code runs under the broker's loop and under the simulator.
 *
 * Every event may be late, repeated or nonsense from a confused peer: it is then counted and
 * ignored. Broken invariants of our own are asserted (queue_check). */

struct queue;

/* The tables of states and events, for those who count what happens. */
enum queue_table { QUEUE_TILES, QUEUE_PIECES, QUEUE_WORKERS, QUEUE_JOBS, QUEUE_TABLES };

struct queue_config {
    int64_t silence_ms;      /* a worker unheard of for this long is dead: 3900 */
    int64_t grace_ms;        /* its connection gone for this long: 300 */
    int64_t hold_ms;         /* after a restart, tiles below the frontier wait this long: 5000 */
    int64_t hung_cpu_ms;     /* solver CPU time without a point done: 4000, more for slow points */
    int64_t lease_ms;        /* work aimed at in one lease: 500 */
    uint32_t lease_bytes;    /* results of one lease at most: 4 MiB */
    uint64_t sink_bytes;     /* results granted and not yet durable, over all workers: 32 MiB */
    uint32_t frontier_ahead; /* tiles, at least, by which the persisted frontier runs ahead: 16 */
    uint32_t verify_one_in;  /* of so many tiles one is computed again elsewhere: 256; 0: none */
    uint64_t (*random)(void *arg); /* unpredictable in the broker, seeded in tests */
    void *random_arg;
    /* Called by the setter of a table for every event, before the state changes; NULL: not. */
    void (*seen)(void *arg, enum queue_table table, unsigned state, unsigned event);
    void *seen_arg;
};

void queue_config_default(struct queue_config *config); /* all but random */
struct queue *queue_create(const struct queue_config *config, int64_t now_ms);
void queue_destroy(struct queue *q);

/* --- jobs ------------------------------------------------------------------------------------ */

enum job_state {
    JOB_QUEUED, /* nothing leased yet */
    JOB_RUNNING,
    JOB_PAUSED,    /* by the user */
    JOB_FINISHING, /* every tile durable; the sink is renaming the files */
    JOB_DONE,
    JOB_FAILED,
    JOB_CANCELLED,
};
const char *job_state_name(enum job_state state); /* FINISHING is shown as "running" */
bool job_state_is_over(enum job_state state);     /* done, failed or cancelled */

enum tile_state {
    TILE_OPEN,
    TILE_HELD, /* below the frontier of a restarted broker: its holder may come back */
    TILE_LEASED,
    TILE_ARRIVED, /* complete result handed to the sink, not yet durable */
    TILE_DONE,    /* durable */
    TILE_CUT,     /* killed its workers twice: goes out in pieces */
};

struct queue_job {
    uint32_t id;
    int32_t priority; /* larger first; equal ones share */
    enum job_state state;
    uint32_t q_count, a_count, q_blocks, a_blocks; /* the grid and its tiles (job.h) */
    uint32_t point_bytes;                          /* result bytes a point, all planes */
    double point_cost_ns;     /* job_point_cost_ns, before anything is learnt */
    bool recovered;           /* known from before a restart of the broker */
    uint32_t frontier;        /* as persisted; 0 for a new job */
    const uint8_t *tile_done; /* one byte a tile, NULL: none; borrowed for the call */
    uint64_t points_failed;
    const char *reason; /* of its state, NULL: none; copied */
};

/* A new job (durable already) or one recovered at start. */
void queue_job_add(struct queue *q, int64_t now_ms, const struct queue_job *job);
void queue_job_remove(struct queue *q, int64_t now_ms, uint32_t job); /* after delete */
/* 0, or -1 with a reason when the state does not allow it ("job 7 is done already"). */
int queue_job_pause(struct queue *q, int64_t now_ms, uint32_t job, struct err *err);
int queue_job_resume(struct queue *q, int64_t now_ms, uint32_t job, struct err *err);
int queue_job_cancel(struct queue *q, int64_t now_ms, uint32_t job, struct err *err);
int queue_job_priority(struct queue *q, int64_t now_ms, uint32_t job, int32_t priority,
                       struct err *err);
void queue_job_finished(struct queue *q, int64_t now_ms,
                        uint32_t job); /* the sink renamed the files */
void queue_job_fail(struct queue *q, int64_t now_ms, uint32_t job, const char *reason);
void queue_frontier_durable(struct queue *q, int64_t now_ms, uint32_t job, uint32_t frontier);

/* --- workers --------------------------------------------------------------------------------- */

/* HELLO. Returns the worker's number (the same for the same session), or 0 with err when it is
 * refused (quarantined: err says why; *retry_ms how long). Adopts its holdings: leases of tiles
 * that are open or held; what nobody wants comes out as ACTION_DROP. */
uint32_t queue_worker_hello(struct queue *q, int64_t now_ms, uint64_t session,
                            const struct wire_msg *hello, uint32_t *retry_ms, struct err *err);
/* Whether this HELLO (its tag counts the conversations of a session) has been answered already: it
 * came twice (the worker's number: WELCOME again), or is older than the latest one (0: no answer).
 * Then queue_worker_hello is not to be called: what it says is no longer so. */
bool queue_worker_greeted(const struct queue *q, uint64_t session, uint64_t tag, uint32_t *worker);
void queue_worker_heartbeat(struct queue *q, int64_t now_ms, uint32_t worker,
                            const struct wire_msg *heartbeat);
void queue_worker_heard(struct queue *q, int64_t now_ms, uint32_t worker); /* any other message */
void queue_worker_unreachable(struct queue *q, int64_t now_ms, uint32_t worker); /* send failed */
void queue_worker_return(struct queue *q, int64_t now_ms, uint32_t worker,
                         const struct wire_msg *give_back);
void queue_worker_job_fail(struct queue *q, int64_t now_ms, uint32_t worker,
                           const struct wire_msg *fail);
void queue_worker_bye(struct queue *q, int64_t now_ms, uint32_t worker);

/* The admin's wish, repeated in every PONG for as long as the worker's session is known: no work
 * for it, percent (1 to 100) of its threads' time. Told to it at once. A worker says in its HELLO
 * what it was told, so that the wish outlives a restart. -1: there is no such worker. */
int queue_worker_pause(struct queue *q, int64_t now_ms, uint32_t worker, bool paused);
int queue_worker_limit(struct queue *q, int64_t now_ms, uint32_t worker, uint8_t percent);

/* The admin believes a machine that is set aside again. */
void queue_machine_forgive(struct queue *q, int64_t now_ms, const char *host);

/* The worker's send window: RESULT data bytes since its WELCOME (cumulative). */
uint64_t queue_worker_window(const struct queue *q, uint32_t worker);

/* Whether a part of a result may be taken from this worker: the token is one that this tile (piece)
 * was leased under to it, now or earlier in this run, and the tile is not durable. */
enum queue_verdict {
    VERDICT_TAKE,    /* keep the part */
    VERDICT_ACKED,   /* durable already: an ACK has been put out again; drop the part */
    VERDICT_REFUSED, /* not its lease: drop the part (counted) */
};
enum queue_verdict queue_result_part(struct queue *q, int64_t now_ms, uint32_t worker,
                                     const struct wire_msg *result);

/* Whether more parts of this result (one tile or piece under a token) may be taken. */
bool queue_result_wanted(const struct queue *q, uint32_t worker, const struct wire_holding *result);
/* Parts that were taken turned out useless, or are of a result that nobody waits for any more, and
 * have been dropped: their window is renewed. */
void queue_parts_dropped(struct queue *q, int64_t now_ms, uint32_t worker, uint64_t data_bytes);

/* All parts of a result are there. STORE: hand it to the sink (the tile is ARRIVED). COMPARE: the
 * tile is with the sink or durable already, or this was a verification: the sink compares. PIECE:
 * kept by the caller until ACTION_STORE_PIECES says that the pieces cover their tile. */
enum queue_complete { COMPLETE_STORE, COMPLETE_COMPARE, COMPLETE_PIECE, COMPLETE_DROP };
enum queue_complete queue_result_complete(struct queue *q, int64_t now_ms, uint32_t worker,
                                          const struct wire_msg *result, uint64_t data_bytes);

/* The points of a cut tile that killed their workers, ascending indices in the tile; borrowed until
 * the next event. */
const uint32_t *queue_tile_failed_points(const struct queue *q, uint32_t job, uint32_t tile,
                                         size_t *count);

/* From the sink. data_bytes as given to queue_result_complete: its window is renewed. */
void queue_tile_durable(struct queue *q, int64_t now_ms, uint32_t job, uint32_t tile,
                        uint32_t worker, uint64_t data_bytes, uint32_t points_failed);
void queue_tile_compared(struct queue *q, int64_t now_ms, uint32_t job, uint32_t tile,
                         uint32_t worker, uint64_t data_bytes, uint32_t points_failed, bool same,
                         uint32_t crc); /* of the worker's bytes */
/* The sink did not store a result: its job is over (reason NULL), or it does not fit its tile; then
 * the tile goes out again and the worker gets no more of the job (of a tile that came in pieces:
 * whoever sent the piece that does not fit; 0: nobody knows). */
void queue_tile_dropped(struct queue *q, int64_t now_ms, uint32_t job, uint32_t tile,
                        uint32_t worker, uint64_t data_bytes, const char *reason);

/* The bytes of a durable tile on disk are not what was stored: it goes out again, and a job that
 * was done runs again; of one that failed or was cancelled the tile is just not done. */
void queue_tile_damaged(struct queue *q, int64_t now_ms, uint32_t job, uint32_t tile,
                        uint32_t points_failed);

/* The sink cannot write (reason), or can again (NULL): nothing is leased meanwhile. */
void queue_sink_stalled(struct queue *q, int64_t now_ms, const char *reason);

/* --- time and actions ------------------------------------------------------------------------ */

/* Does all that is due; returns the time of the next thing that will be (INT64_MAX: nothing). */
int64_t queue_tick(struct queue *q, int64_t now_ms);

enum action_type {
    ACTION_LEASE,    /* send LEASE to worker */
    ACTION_ACK,      /* send ACK(tiles, window) to worker */
    ACTION_DROP,     /* send DROP(tiles) to worker */
    ACTION_PONG,     /* send PONG(window, paused, limit_percent) to worker */
    ACTION_PROBE,    /* send PONG too, to see whether the worker's connection lives */
    ACTION_WHO,      /* send WHO to worker: some of its parts were lost, all are to come again */
    ACTION_REFUSE,   /* send REFUSED(text, retry_ms) to worker */
    ACTION_DISTRUST, /* what is stored of tile is wrong: the sink forgets it (queue_tile_damaged) */
    ACTION_FORGET,   /* the worker is dead: forget its connection and unfinished assemblies */
    ACTION_FRONTIER, /* persist job's frontier; queue_frontier_durable when it is */
    ACTION_JOB_STATE,     /* job's state changed: persist state and reason */
    ACTION_STORE_PIECES,  /* the pieces of job's tile are all there: hand them to the sink as one;
                             the points listed by queue_tile_failed_points go in as failed */
    ACTION_FORGET_PIECES, /* what is kept of pieces of job's tile is not needed */
    ACTION_ALARM,         /* text: two workers' bytes differ, a machine was set aside, ... */
};

enum { QUEUE_ALSO_MAX = 3 };

struct queue_action {
    enum action_type type;
    uint32_t worker;
    uint32_t job, tile, tile_count;         /* LEASE, ACK, DROP: a run of tiles */
    struct wire_tiles also[QUEUE_ALSO_MAX]; /* ACK: further runs */
    uint32_t also_count;
    uint32_t first, count; /* LEASE of a piece */
    struct token token;    /* LEASE */
    uint16_t flags;        /* LEASE: WIRE_LEASE_* */
    uint64_t window;       /* ACK, PONG, PROBE */
    bool paused;           /* PONG, PROBE */
    uint8_t limit_percent; /* PONG, PROBE */
    uint32_t retry_ms;     /* REFUSE */
    uint32_t frontier;     /* FRONTIER */
    enum job_state state;  /* JOB_STATE */
    char text[256];        /* JOB_STATE: reason; ALARM */
};

/* Fetches the next action; false when there is none. What events have put out comes first; then
 * work is given out, to a few workers a call. */
bool queue_next(struct queue *q, struct queue_action *action);
/* The same, but gives out nothing: for whoever has no time for that now. */
bool queue_pending(struct queue *q, struct queue_action *action);

/* --- what status shows ----------------------------------------------------------------------- */

struct queue_job_info {
    enum job_state state;
    char reason[256]; /* why it waits, failed or was cancelled; "" */
    int32_t priority;
    uint64_t points_total, points_done, points_failed;
    uint32_t tiles_total, tiles_done, tiles_leased, rows_done;
    uint32_t tiles_recomputed_after_ack; /* leased although they were durable: 0, or a bug */
    uint32_t workers;                    /* that hold a lease of it */
    double rate;  /* points a second, smoothed over some seconds; 0 unknown */
    double eta_s; /* NaN: unknown */
};
int queue_job_info(const struct queue *q, int64_t now_ms, uint32_t job,
                   struct queue_job_info *info);

struct queue_worker_info {
    uint32_t worker;
    const char
        *state; /* "idle", "working", "paused" (by the admin), "resting" (by itself), "silent" */
    char host[64], version[32], isa[16], reason[256];
    int64_t aside_ms;      /* set aside for so long yet (a machine: worker 0); 0: it is not */
    bool paused;           /* the admin's wish; it may have work in hand for a moment longer */
    uint8_t limit_percent; /* the admin's wish; 100: none */
    uint16_t threads;
    uint32_t pid, job, leases, tiles_done;
    double points_per_s;
    int64_t heard_ms_ago;
};
/* The first worker at *place of the table or behind it (0: the first of all), then machines that
 * are set aside; *place is moved behind it. False past the end. */
bool queue_worker_next(struct queue *q, int64_t now_ms, uint64_t *place,
                       struct queue_worker_info *info);

/* The facts about a job that does not run, or not faster. */
struct queue_why {
    uint32_t tiles[TILE_CUT + 1]; /* of the job, by enum tile_state */
    int64_t hold_ms;              /* until the held ones go out, if their holders stay away */
    char stall_reason[256];       /* of the sink, "" when it works */
    double sink_share;            /* of its budget that is in use or granted */
    uint32_t workers;             /* connected; of these: */
    uint32_t workers_silent;      /*   their connection is in doubt */
    uint32_t workers_here;        /*   hold a lease of the job */
    uint32_t workers_elsewhere;   /*   hold leases of other jobs only */
    uint32_t workers_resting;     /*   ask for no work */
    uint32_t workers_idle;        /*   ask and have none */
    uint32_t workers_banned;      /*   get nothing of this job: ban_reason of one of them */
    uint32_t workers_starved;     /*   have results and no window: the disk is slower than they */
    char ban_reason[256];
    uint32_t threads_here;             /* solver threads of those with a lease of the job */
    double cpu_threads;                /* how many threads' worth of processor time those use */
    uint64_t points_on_their_way;      /* solved there, not here yet, as of the last heartbeats */
    int64_t oldest_lease_ms;           /* how long the oldest unfinished lease is out */
    uint32_t jobs_before, jobs_beside; /* that want workers: of higher and of the same priority */
    uint32_t job_before;               /* the first of the former, or 0, */
    int32_t priority_before;           /*   and its priority */
};
/* 0, or -1: no such job. */
int queue_job_why(struct queue *q, int64_t now_ms, uint32_t job, struct queue_why *why);

/* All invariants, asserted. Called after every step by tests and debug builds. */
void queue_check(const struct queue *q);

#endif
