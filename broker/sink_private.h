#ifndef BROKER_SINK_PRIVATE_H
#define BROKER_SINK_PRIVATE_H

#include "jobcopy.h"
#include "jobdir.h"
#include "sink.h"
#include "store.h"
#include "writer.h"
#include <pthread.h>

/* What the files of the sink share. Everything without a remark belongs to the sink's thread
 * (before sink_start and after its end, to the caller). */

enum order_type {
    ORDER_RESULT,
    ORDER_TABLE,
    ORDER_FRONTIER,
    ORDER_STATE,
    ORDER_PRIORITY,
    ORDER_SUBMIT, /* this and those below are carried out alone */
    ORDER_OVER,   /* a state that ends the job */
    ORDER_FINISH,
    ORDER_DELETE,
    ORDER_DISTRUST, /* tile `frontier` */
    ORDER_VERIFY,   /* from tile `frontier` on; put back until it is through */
};

struct order {
    struct order *next;
    enum order_type type;
    uint32_t job;
    struct sink_result *results, **results_end; /* owned; of one job, in the order of arrival */
    size_t result_count, result_bytes;
    void *table; /* owned */
    size_t table_bytes;
    uint32_t frontier;
    int state;
    int32_t priority;
    char *text;             /* reason or owner; owned */
    uint64_t key;           /* SUBMIT */
    const struct job *spec; /* SUBMIT: borrowed */
};

/* What row and copy of a job say beside its document. */
struct card {
    uint64_t key;
    int state;
    int32_t priority;
    int64_t submitted_s, finished_s;
    char reason[256], owner[64];
};

/* A job as the sink's thread knows it. */
struct live {
    uint32_t id;
    struct job *spec; /* owned */
    struct card card;
    struct jobdir dir;
    struct expander *expander; /* of results that come as leaves; NULL before the first */
    uint8_t *durable;          /* by tile; NULL when over */
    uint32_t open_tiles;       /* not durable */
    uint64_t points_failed;
    bool over;    /* done, failed, cancelled, or its files are lost */
    bool touched; /* files written in this attempt */
    bool has_table;
    bool adopted; /* at start: a copy tells of it, the database does not */
    bool changed; /* the card is not yet in the copy (at start: in the database) */
    bool odd;     /* what came last had to be put right */
    bool recut;   /* its tiles in the database are others than its job's: nothing can be compared */
    /* Commits of tiles whose statuses are in status.npy: in the database as such <= known to be
     * durable <= written. Stale: what is written beyond `synced` is in doubt. */
    uint64_t status_clean, status_synced, status_written;
    uint64_t status_syncing; /* those that the group under way syncs */
    bool status_stale;
};

/* Events on their way to the caller's thread; there may be a hundred thousand. */
struct news {
    struct told {
        enum sink_event_type type;
        uint32_t job, tile, worker, frontier, points_failed, crc;
        uint64_t data_bytes;
        struct err *err; /* owned; NULL: none */
    } * list;
    size_t count, room;
};

/* Large tiles that wait for the rest of their band. */
struct bands {
    struct waiting {
        struct sink_result *result; /* owned */
        uint64_t arrival;
        int64_t since_ms;
    } * list;
    size_t count, room, bytes;
    uint64_t arrivals;
};

struct sink {
    char *data, *results; /* constant */
    void (*wake)(void *arg);
    void *wake_arg;
    const struct disk *disk;
    int retry_ms;
    int lock_fd;
    struct store *store;

    struct sink_job *recovered; /* the caller's thread */
    size_t recovered_count;
    uint32_t next_job; /* the caller's thread, as are those below */
    struct news taken;
    size_t taken_next;

    struct live **lives; /* by number */
    size_t live_count;
    uint64_t seq; /* of the last commit with tiles */
    bool stalled, given_up;
    struct bands bands;
    int gather_ms;           /* to wait for more before the next group: results come in a stream */
    size_t long_bytes;       /* of a run that goes by the writer */
    struct writer *writer;   /* NULL before the first such run */
    struct group *under_way; /* all of them put to the writer, and their sync and commit: one */
    struct err commit_err;   /* the writer's, until its end is heard of, and so is */
    bool committed;          /* what is under way */
    struct group *ahead;     /* put to the writer as well, their sync is to follow */
    bool rebuilt;            /* the database was damaged and has been made anew */
    unsigned char *band, *scratch, *packed; /* packed: of a commit */
    size_t band_bytes, scratch_bytes, packed_bytes;

    pthread_t thread;
    bool started;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t cond;
    struct order *orders, **orders_end, *orders_last;
    size_t order_bytes, gather_bytes; /* of results in them; that the thread waits for, 0: none */
    int64_t put_ms;                   /* when the last order came */
    double gap_ms;                    /* usually between two; pauses count little */
    bool stop, writer_news;           /* of a sync or a failure, since the thread has looked */
    struct news news;
};

/* sink_orders.c */
void sink_push(struct sink *s, const struct sink_event *event); /* without waking */
void sink_order_free(struct order *o);
bool sink_is_gathered(const struct sink *s); /* what the thread waits for; under the mutex */
void sink_order_join(struct order *o, struct sink_result *r); /* takes it; both of one job */
void sink_order_again(struct sink *s, struct order *o);       /* behind all others; takes it */

/* sink.c */
void *sink_main(void *sink); /* the thread */
int64_t sink_now_ms(void);
void sink_tell(struct sink *s); /* wakes the caller's thread */
/* Repeats the step until it succeeds, telling STALLED and RESUMED. False: the sink is closing and
 * the step has failed again. */
typedef int sink_step(struct sink *s, void *arg, struct err *err);
bool sink_persist(struct sink *s, sink_step *step, void *arg);

/* sink_jobs.c: the table of live jobs, and the orders that are carried out alone. */
struct live *sink_live(const struct sink *s, uint32_t job);                /* NULL: none */
struct live *sink_live_add(struct sink *s, uint32_t id, struct job *spec); /* takes spec */
void sink_live_over(struct live *l);
bool sink_is_at_work(int state); /* queued or running: what copies do not tell apart */
void sink_lives_free(struct sink *s);
void sink_alone(struct sink *s, struct order *o); /* frees o */
void sink_bound_files(struct sink *s);            /* rests, when too many jobs have files open */
/* A job whose files were found missing is over; true when there was such a one. */
bool sink_forget_lost(struct sink *s, const struct err *err);
/* The job's row as the card has it, and its copy written so. row.document borrows from *document.
 */
struct store_job sink_row(const struct live *l, struct buf *document);
int sink_copy(struct sink *s, const struct live *l, struct err *err);
/* Renames the files of a job all of whose tiles are durable, and marks it done. */
int sink_complete(struct sink *s, struct live *l, struct err *err);

/* sink_status.c */
/* A tile's statuses as its row keeps them, one byte a point; in s->scratch. */
uint8_t *sink_statuses(struct sink *s, const struct live *l, const struct store_tile *tile);
/* Writes the statuses again that are in doubt. */
static inline bool sink_is_to_mend(const struct live *l)
{
    return l->status_stale && !l->over;
}
int sink_mend(struct sink *s, struct live *l, struct err *err);
int sink_rest_one(struct sink *s, struct live *l, struct err *err); /* of one job, not noted */
/* Syncs the statuses of all jobs and notes that; their files are closed. */
int sink_rest(struct sink *s, struct err *err);

/* What a result takes in memory while it is written. */
static inline size_t sink_result_bytes(const struct sink_result *r)
{
    return r->room_bytes > r->data_bytes ? r->room_bytes : r->data_bytes;
}

/* Memory that grows and is reused, contents not kept. */
void *sink_room(unsigned char **memory, size_t *have, size_t bytes);

/* sink_bands.c: what of the orders is to be carried out now, a list; the rest is kept. Quiet:
 * nothing has come for a while, or the sink is closing. */
struct order *sink_bands(struct sink *s, struct order *orders, bool quiet);

/* sink_group.c: carries out a run of orders as one commit; returns the rest. Large results in a
 * stream are left under way, so that the next group is made meanwhile. */
struct order *sink_group(struct sink *s, struct order *orders);

/* Statuses that could not be written are written again, those of all jobs. */
void sink_mend_all(struct sink *s);

/* sink_land.c: what is under way is committed and told as soon as it is synced; or waited for.
 * After a failure it is carried out again from the start, with patience (sink_persist). */
void sink_land(struct sink *s, bool wait);

/* sink_verify.c: looks at tiles from *tile on, puts right what it can, tells what it found, and
 * moves *tile; true when that was the end. */
bool sink_verify_slice(struct sink *s, uint32_t job, uint32_t *tile);
void sink_distrust_tile(struct sink *s, uint32_t job, uint32_t tile);

/* sink_pending.c: folders that are being made or removed. The note of a folder that holds other
 * files too (results) names those that go when no job in the database owns them. */
int sink_note_pending(struct sink *s, const struct live *l, struct err *err);
void sink_clear_pending(struct sink *s);
int sink_sweep(struct sink *s, struct err *err); /* at start: removes what nothing refers to */

/* sink_recover.c */
int sink_recover(struct sink *s, struct err *err);
void sink_recovered_free(struct sink *s);

/* sink_tally.c: a job's tiles as the files tell of them. */
/* The CRC of a tile's planes in the files and of these statuses; -1: they cannot be read. */
int sink_tile_crc(struct sink *s, struct live *l, uint32_t tile, const uint8_t *statuses,
                  uint32_t *crc, struct err *err);
/* At start: fills l->durable from the rows, holds rows and records against one another, and where
 * they differ both against the data. Rows and records of what is whole are put right, all else is
 * open again. */
int sink_tally(struct sink *s, struct live *l, struct err *err);

#endif
