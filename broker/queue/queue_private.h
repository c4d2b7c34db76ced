#ifndef QUEUE_QUEUE_PRIVATE_H
#define QUEUE_QUEUE_PRIVATE_H

#include "queue.h"
#include "buf.h"
#include "heap.h"
#include "tile_table.h"
#include <assert.h>

/* The tables of the queue. Each has one file; links between them are numbers or, inside this
 * folder, pointers to entries that their own table owns. States change through one setter a table.
 */

enum {
    LEASE_TILES_MAX = 1024,  /* tiles of one lease at most */
    LEASES_ENDED_MAX = 4096, /* ended leases whose tokens are remembered for late results */
    BUCKETS = 4096,
    DEATHS_TO_CUT = 2,  /* a tile or piece that was there so often when its worker died is cut */
    DEATHS_TO_FAIL = 3, /* a single point that was alone there so often is failed */
    PROBE_QUIET_MS = 300,
    PROBE_EVERY_MS = 500,
    PONG_EVERY_MS = 3000, /* at least so often, for windows and wishes that were lost on the way */
    STRAGGLE_EVERY_MS = 200,
    LATE_MS = 500,     /* a tick as late as this tells that the broker itself did not run */
    FORGET_MS = 60000, /* a worker unheard of for this long may be forgotten */
};

/* --- pieces of tiles that kill (death.c) --- */

enum piece_state { PIECE_OPEN, PIECE_LEASED, PIECE_ARRIVED, PIECE_FAILED };

enum piece_event {
    PIECE_LEASE,
    PIECE_RELEASE, /* no lease holds it any more */
    PIECE_ARRIVE,  /* its result is kept until the others are there */
    PIECE_BLAME,   /* it was there when its worker died: once more as it is */
    PIECE_SPLIT,   /* too often: it goes on as the first of two halves */
    PIECE_FAIL,    /* too often, and a single point */
    PIECE_EVENTS
};

struct piece {
    uint32_t first, count;
    uint8_t deaths;
    enum piece_state state;
    uint32_t worker; /* whose result is kept; 0: none is */
};

struct hurt { /* a tile that was being worked on when a worker died */
    uint32_t tile;
    uint32_t hunter;       /* the worker that is given its pieces, one at a time; 0: none yet */
    uint8_t deaths, moves; /* moves: from a late hunter to another one */
    struct piece *pieces;  /* when the tile is CUT (or ARRIVED after that) */
    size_t piece_count;
    uint32_t *failed; /* points, ascending */
    size_t failed_count;
};

/* --- tiles computed again to find bad machines (recheck.c) --- */

struct recheck {
    uint32_t tile;
    uint32_t worker;         /* who computes it; 0: nobody yet */
    uint32_t tries;          /* how often it was given back */
    uint32_t author, second; /* machines: of what is stored, of what differed from it (0: none) */
    uint32_t crc;            /* of the latter */
};

/* What was on a worker's threads when it died. */
struct blamed {
    uint32_t job, tile, first, count;
};

/* --- jobs (job_table.c) --- */

struct job_entry {
    uint32_t id;
    int32_t priority;
    enum job_state state;
    char reason[256];
    uint32_t q_count, a_count, q_blocks, a_blocks;
    uint32_t point_bytes;
    double point_cost_ns;
    struct tile_table tiles;
    uint32_t frontier, frontier_asked;
    bool frontier_short;   /* somebody found nothing below it, and there are tiles beyond */
    int64_t hold_until_ms; /* held tiles are released then; 0: none are held */
    uint64_t points_total, points_done, points_failed;
    uint32_t recomputed;
    struct lease *leases; /* active ones, newest first */
    uint32_t lease_count;
    uint32_t holders; /* workers with an active lease */
    struct hurt *hurt;
    size_t hurt_count;
    struct recheck *rechecks;
    size_t recheck_count;
    struct job_entry *recheck_next, *recheck_prev; /* of those that have any */
    size_t offer_at;  /* its place in the heap of offers, from 1; 0: it has none */
    bool has_pieces;  /* counted in jobs_in_pieces: it is live, with a tile that is CUT */
    double cost_ns;   /* of a point: the estimate, then as measured */
    double served_ns; /* work leased so far, measured when it has come back: the least served
                         job is next */
    double rate;      /* points a second */
    uint64_t rate_points;
    int64_t rate_ms;
};

enum job_event {
    JOB_EV_LEASE,
    JOB_EV_PAUSE,
    JOB_EV_RESUME,
    JOB_EV_COMPLETE, /* the last tile is durable */
    JOB_EV_FILED,    /* the files have their names */
    JOB_EV_FAIL,
    JOB_EV_CANCEL,
    JOB_EV_ROT, /* a durable tile was found damaged: it is computed again */
    JOB_EVENTS
};

struct job_entry *job_find(const struct queue *q, uint32_t id);
bool job_can(const struct job_entry *j, enum job_event event);
/* The one place that changes a job's state; puts out ACTION_JOB_STATE. reason may be "". */
void job_event(struct queue *q, struct job_entry *j, enum job_event event, const char *reason);
bool job_is_live(const struct job_entry *j); /* queued or running */
/* tile_event, and what follows from it for those who look for work. */
void job_tile_event(struct queue *q, struct job_entry *j, uint32_t tile, enum tile_event event);
uint32_t tile_points(const struct job_entry *j, uint32_t tile);
uint64_t tile_bytes(const struct job_entry *j, uint32_t tile);
void job_check_complete(struct queue *q, struct job_entry *j);
void job_ask_frontier(struct queue *q, struct job_entry *j);
bool job_is_quick(const struct job_entry *j, uint32_t tile); /* solved before a message is sent */
bool job_awaits_frontier(const struct job_entry *j); /* nothing of it can go out before that */

/* --- leases (lease_table.c) --- */

enum lease_tile { LEASE_SETTLED, LEASE_PENDING, LEASE_ARRIVED };
enum { LEASE_CLAIMED = 0x80 };

struct lease {
    struct lease *hash_next;
    struct lease *next, *prev;         /* of its worker, oldest first */
    struct lease *job_next, *job_prev; /* of its job, newest first */
    struct token token;
    uint32_t worker, job, first_tile, tile_count;
    uint32_t first, count; /* piece; count 0: whole tiles */
    uint32_t point_bytes;  /* its job's */
    uint16_t flags;
    bool ended;                      /* only its token is remembered */
    bool adopted;                    /* from a holding: its progress counts what is not in it too */
    uint8_t unnamed;                 /* heartbeats in a row that did not name it */
    uint32_t pending;                /* tiles in state PENDING */
    uint32_t unsettled;              /* tiles in another state than SETTLED */
    uint64_t points, pending_points; /* of all its tiles (or the piece); of those pending */
    double charge_ns;                /* a point, added to its job's served_ns; 0: nothing was */
    int64_t out_ms;
    uint64_t points_done;
    uint32_t cpu_ms, progress_cpu_ms;
    uint8_t tile[]; /* enum lease_tile, | LEASE_CLAIMED during a HELLO */
};

struct lease_table {
    struct lease *buckets[BUCKETS];
    struct lease *ended[LEASES_ENDED_MAX]; /* a ring */
    uint32_t ended_at;
};

void lease_table_fini(struct queue *q);
/* A new active lease; its tiles become LEASED (event TILE_LEASE where they are not yet). */
struct lease *lease_add(struct queue *q, struct token token, uint32_t worker, struct job_entry *j,
                        uint32_t first_tile, uint32_t tile_count, int64_t now_ms);
/* The lease of this worker with this token that contains the tile; NULL: none. */
struct lease *lease_find(const struct queue *q, struct token token, uint32_t worker, uint32_t job,
                         uint32_t tile);
/* The tile is no longer pending under this lease; ends the lease when none is unsettled. */
void lease_settle(struct queue *q, struct lease *l, uint32_t tile);
/* The worker hands one pending tile back. */
void lease_release_tile(struct queue *q, struct lease *l, uint32_t tile);
/* Takes the lease away: what is pending and in no other lease becomes open again. */
void lease_end(struct queue *q, struct lease *l);
/* Whether an active lease other than `but` has the tile pending. */
bool lease_elsewhere(const struct job_entry *j, const struct lease *but, uint32_t tile);
bool lease_has(const struct lease *l, uint32_t job, uint32_t tile);

/* Gives the worker a tile that others have, a durable one to compute again (dispatch.c). */
struct worker;
void lease_straggler(struct queue *q, struct worker *w, struct job_entry *j, uint32_t tile);
void lease_verify(struct queue *q, struct worker *w, struct job_entry *j, uint32_t tile);

/* --- machines (machine_table.c) --- */

struct machine {
    char host[64], reason[256];
    int64_t aside_until_ms;
    uint32_t offences; /* how often it was set aside */
};

struct machine *machine_find(const struct queue *q, uint32_t number); /* from 1; NULL: none */
uint32_t machine_named(struct queue *q, const char *host); /* its number, made; 0: too many */
const char *machine_name(const struct queue *q, uint32_t number);
int64_t machine_aside_ms(const struct queue *q,
                         uint32_t number); /* for how long yet; 0: it is not */
uint32_t machine_retry_ms(const struct queue *q, uint32_t number); /* when to call again */
/* Its workers are refused, their work goes out again. The reason is shown. */
void machine_set_aside(struct queue *q, uint32_t number, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* --- workers (worker_table.c) --- */

enum worker_state {
    WORKER_UP,
    WORKER_DOUBTED, /* a send failed: it has grace_ms to come back */
    WORKER_GONE,    /* dead or said goodbye; known by its session should it return */
};

/* Who stands where to be given work, dispatch.c. */
enum line { LINE_NONE, LINE_READY, LINE_HUNGRY, LINES };

enum worker_event { WORKER_HELLO, WORKER_HEARD, WORKER_UNREACHABLE, WORKER_DIE, WORKER_EVENTS };

enum { ACKS_MAX = 1 + QUEUE_ALSO_MAX };

struct worker {
    struct worker *hash_next;
    uint32_t number;
    uint64_t session;
    enum worker_state state;
    char host[64], version[32], isa[16], reason[256];
    char rest[128]; /* why it takes no work, by its own word */
    bool paused;    /* the admin's wish, wish.c */
    uint8_t limit_percent;
    uint32_t machine; /* 0: not known */
    uint16_t threads;
    uint32_t pid, hold_bytes;
    uint64_t hello_tag; /* of the latest HELLO */
    int64_t over_ms;    /* since when it says that it has sent more than it may; 0: it does not */
    int64_t part_ms;    /* when it last sent a part that was taken */
    int64_t who_ms;     /* when it was last asked for another one; 0: it has answered */
    int64_t heard_ms, doubted_ms, probed_ms;
    int64_t told_ms, pong_ms;   /* when anything was put out for it, and a PONG */
    struct lease *first, *last; /* active leases, oldest first */
    uint32_t lease_count;
    uint64_t bytes_in_hand, points_in_hand; /* leased, not durable */
    uint32_t tiles_in_hand;                 /* or pieces */
    uint64_t largest_bytes;                 /* of the tiles it was leased */
    uint64_t answer_bytes; /* of a tile that it has in hand, or had last, on average; 0: unknown */
    uint64_t granted, received, unsettled, at_sink; /* window.c */
    uint32_t results_at_sink;
    struct wire_tiles acks[ACKS_MAX]; /* not told yet, acks.c */
    unsigned ack_count;
    uint32_t kept_bytes; /* of these tiles */
    int64_t ack_ms;      /* since when the first of them waits */
    bool starved;        /* waits for window: in this list */
    struct worker *starved_next, *starved_prev;
    double rate;     /* points a second, wall time; 0 unknown */
    int64_t rate_ms; /* since when rate_points are counted */
    int64_t dry_ms;  /* since when all it has is solved; 0: it has something to solve, or nothing */
    uint64_t rate_points, rate_us;
    double cpu_share; /* processor time of its solver over threads x time, smoothed as rate is */
    uint32_t tiles_done;
    uint32_t *banned; /* jobs it cannot do */
    size_t banned_count;
    struct token
        strange; /* named by its heartbeats since strange_ms though it is no lease of its */
    int64_t strange_ms;
    struct blamed *blamed; /* at its death; taken back should it return */
    size_t blamed_count;
    enum line line;
    struct worker *line_next, *line_prev;
    int64_t due_ms; /* worker_tick looks at it then, or before; deadline.c */
    size_t due_at;  /* its place in the heap, from 1; 0: it has none */
};

struct worker *worker_find(const struct queue *q, uint32_t number);
struct worker *worker_by_session(struct queue *q, uint64_t session, bool make);
void worker_event(struct queue *q, struct worker *w, enum worker_event event, const char *reason);
bool worker_holds_job(const struct worker *w, uint32_t job); /* has an active lease of it */
bool worker_has_pending(const struct worker *w);             /* something to solve */
bool worker_can_work(const struct worker *w, uint32_t job);
void worker_ban(struct worker *w, uint32_t job, const char *reason);
/* What comes from now on tells of its rate. */
void worker_count_from(struct worker *w, int64_t now_ms);
/* A result of so many points, solved in so much processor time, has come. */
void worker_learn(struct worker *w, int64_t now_ms, uint64_t points, uint32_t solve_us);

/* --- the rest --- */

struct queue {
    struct queue_config config;
    int64_t start_ms, now_ms;
    struct job_entry **jobs; /* in order of their number */
    size_t job_count;
    struct worker **workers; /* [number - 1] */
    size_t worker_count, workers_up;
    struct worker *sessions[BUCKETS];
    struct machine *machines; /* [number - 1] */
    size_t machine_count;
    uint64_t salt;                                  /* of what is drawn to be computed again */
    size_t rechecks_open;                           /* over all jobs, with nobody at them */
    struct job_entry *recheck_first, *recheck_last; /* jobs with rechecks */
    struct heap offers;                             /* jobs, offers.c */
    size_t jobs_in_pieces;                          /* live jobs with tiles that are CUT */
    struct lease_table leases;
    struct queue_action *actions; /* a ring */
    size_t action_first, action_count, action_cap;
    uint64_t granted_sum;                        /* budget in use by all workers */
    uint64_t at_sink;                            /* bytes, of all workers */
    uint32_t results_at_sink;                    /* how many these are */
    struct worker *starved_first, *starved_last; /* who wait for window, the longest first */
    bool stalled;
    char stall_reason[256];
    size_t lease_count; /* active leases of all jobs */
    struct worker *line_first[LINES], *line_last[LINES];
    size_t line_count[LINES];
    size_t hungry_left; /* so many of them are still to be asked */
    bool appeared;      /* there may be work for those who are hungry */
    bool turn_awaited;  /* they wait for the frontier of the job whose turn it is */
    struct heap due;    /* workers by due_ms, deadline.c */
    int64_t held_ms;    /* when to look for tiles that are held */
    int64_t straggle_ms;
    size_t straggle_at; /* the worker to begin with */
};

struct queue_action *action_add(struct queue *q, enum action_type type); /* zeroed */
/* Those of a kind that continue the newest one join it. */
struct queue_action *action_tiles(struct queue *q, enum action_type type, struct worker *w,
                                  uint32_t job, uint32_t tile, uint32_t count);
void action_pong(struct queue *q, struct worker *w, uint64_t window); /* wish.c */
/* Acknowledges a durable tile, now or with others (acks.c). */
void ack_tile(struct queue *q, struct worker *w, const struct job_entry *j, uint32_t tile);
void ack_flush(struct queue *q, struct worker *w); /* all that waits, now */
void ack_look(struct queue *q, struct worker *w);  /* the same, if it can wait no more */
void ack_forget(struct worker *w);                 /* its next HELLO, or nothing, will tell it */
void ack_tick(struct queue *q, struct worker *w);
void ack_rot(struct queue *q, const struct job_entry *j, uint32_t tile); /* durable no more */
void ack_job_ends(struct queue *q, const struct job_entry *j);
/* Of a session that is not known here: what it was told before a restart. */
void wish_remembered(struct worker *w, const struct wire_msg *hello);
void action_alarm(struct queue *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Gives the worker one lease, if there is one for it and it has room (dispatch.c). One at a time,
 * in turn: then neighbouring tiles are solved at the same time, by different workers, and are there
 * together when the sink writes them. */
enum served { SERVED_MORE, SERVED_ENOUGH, SERVED_NOTHING };
enum served dispatch_serve(struct queue *q, struct worker *w);

/* Lines of workers (lines.c). Nothing is given out in the middle of an event. The worker may have
 * room for more now; there may be work for those who have found none; everybody is to be looked at.
 */
void dispatch_soon(struct queue *q, struct worker *w);
void dispatch_appeared(struct queue *q);
void dispatch_everyone(struct queue *q);
void dispatch_never(struct queue *q, struct worker *w); /* it is gone */
bool dispatch_some(struct queue *q); /* after the event, now; false: nothing is left to do */
void dispatch_stragglers(struct queue *q);

/* Jobs that may have something to give, in order of their turn (offers.c). */
void offers_init(struct queue *q);
void offer_put(struct queue *q, struct job_entry *j);   /* nothing for a job that is not live */
void offer_moved(struct queue *q, struct job_entry *j); /* what its turn depends on has changed */
void offer_withdraw(struct queue *q, struct job_entry *j);
struct job_entry *offer_first(const struct queue *q); /* NULL: there is none */
bool offer_before(const struct job_entry *a, const struct job_entry *b);

/* queue_tick looks at the worker then, or before (deadline.c). */
void deadlines_init(struct queue *q);
void deadline_set(struct queue *q, struct worker *w, int64_t at_ms);
void deadline_clear(struct queue *q, struct worker *w);
int64_t deadline_first(const struct queue *q); /* INT64_MAX: none */
struct worker *deadline_pop(struct queue *q);  /* there is one */

void window_reset(struct queue *q, struct worker *w); /* at HELLO */
void window_close(struct queue *q, struct worker *w); /* it is gone */
void window_received(struct queue *q, struct worker *w, uint64_t bytes, bool kept);
/* What was sent and has not come is lost: true. */
bool window_told(struct queue *q, struct worker *w, uint64_t sent);
void window_settled(struct queue *q, struct worker *w, uint64_t bytes);
void window_at_sink(struct queue *q, struct worker *w, uint64_t bytes);
void window_leave_sink(struct queue *q, struct worker *w, uint64_t bytes); /* and settled */
/* How many bytes a worker may have to solve, of results of so many bytes: no more of short ones
 * than it may send. What is under way lies closer together then, and so do the files' pages. */
uint64_t window_to_solve(const struct queue *q, uint64_t bytes);
bool window_covers(const struct worker *w);     /* short answers of all that it has in hand */
uint64_t window_in_use(const struct worker *w); /* of the sink's budget */
uint64_t window_renew(struct queue *q, struct worker *w); /* grants what it can; the window */

/* The tile has become durable: it may be drawn. */
void recheck_draw(struct queue *q, struct job_entry *j, uint32_t tile);
bool recheck_give(struct queue *q, struct worker *w); /* a lease, if there is one for it */
void recheck_release(struct queue *q, struct job_entry *j, uint32_t tile, uint32_t worker);
/* A second result of a durable tile was compared with what is stored. */
void recheck_compared(struct queue *q, struct job_entry *j, uint32_t tile, const struct worker *w,
                      bool same, uint32_t crc);
void recheck_forget_tile(struct queue *q, struct job_entry *j, uint32_t tile);
void recheck_forget(struct queue *q, struct job_entry *j);

/* Its connection broke (blames what it was working on), or nothing is heard of it (blames nothing:
 * that is a matter of networks and suspended machines). */
void death_of_worker(struct queue *q, struct worker *w, bool broke);
void death_unblame(struct queue *q, struct worker *w);
void death_of_lease(struct queue *q, struct lease *l); /* its first unsolved tile hangs */
/* Processor time without a point done, of one thread, after which a lease hangs. */
int64_t hung_after_ms(const struct queue *q, const struct job_entry *j);
struct hurt *hurt_find(const struct job_entry *j, uint32_t tile);
bool piece_can(const struct piece *p, enum piece_event event);
/* The one place that changes a piece's state. */
void piece_event(const struct queue *q, struct piece *p, enum piece_event event);
/* An open piece that this worker may be given, now or when it has nothing else in hand. */
struct piece *piece_for(const struct queue *q, const struct job_entry *j, const struct worker *w,
                        struct hurt **hurt);
struct piece *piece_of(const struct hurt *h, uint32_t first, uint32_t count);
/* A piece that this worker has sent is kept: should it not fit, its number says who is to blame. */
bool hurt_keeps_of(const struct queue *q, uint32_t worker);
void hurt_check_whole(struct queue *q, struct job_entry *j, struct hurt *h);
/* A whole result of before the tile was cut has become durable: it is ARRIVED, its pieces are
 * needless. Nothing for a tile that is not CUT. */
void hurt_is_over(struct queue *q, struct job_entry *j, uint32_t tile);

/* A table of states and events, as tests see it. */
struct queue_table_view {
    const char *name;
    unsigned states, events;
    const char *const *state_names, *const *event_names;
    bool (*allows)(unsigned state, unsigned event);
};
extern const struct queue_table_view tile_view, piece_view, worker_view, job_view;
const struct queue_table_view *queue_table_view(enum queue_table table);

static inline void seen(const struct queue_config *c, enum queue_table table, unsigned state,
                        unsigned event)
{
    if (c->seen)
        c->seen(c->seen_arg, table, state, event);
}

void copy_text(char *to, size_t size,
               const struct wire_span *from); /* what a peer says, printable */
#endif
