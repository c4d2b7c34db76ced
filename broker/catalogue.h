#ifndef BROKER_CATALOGUE_H
#define BROKER_CATALOGUE_H

#include "assembly.h"
#include "buf.h"
#include "err.h"
#include "job.h"

/* What the broker knows of its jobs beside the queue's state: the checked job, its document and
 * drive table as bytes to send, who submitted it and when. Jobs are kept in order of their number.
 */

enum catalogue_stage {
    CATALOGUE_COMING,  /* submitted, not yet durable */
    CATALOGUE_THERE,   /* the queue knows it */
    CATALOGUE_LEAVING, /* deleted; the sink is at work on it */
};

struct catalogue_job {
    uint32_t id;
    struct job *job; /* owned */
    uint64_t key;
    int32_t priority; /* as submitted */
    char owner[64];
    int64_t submitted_s, finished_s;
    struct buf document;
    struct buf table;         /* empty until one is durable */
    struct buf table_pending; /* ordered from the sink */
    bool table_ordered;       /* with the sink, not yet durable */
    uint32_t table_sender;    /* whose table is arriving, until its turn is over */
    int64_t table_turn_ms;
    enum catalogue_stage stage;
    uint32_t *table_waiters; /* workers to be sent the table when it is durable */
    size_t table_waiter_count;
    struct assembly_shape shape; /* tile_points is set per tile */
};

struct catalogue;

struct catalogue *catalogue_create(void);
void catalogue_destroy(struct catalogue *c);

/* Adds a job (taken); its document is encoded here. Borrowed until the job is removed. */
struct catalogue_job *catalogue_add(struct catalogue *c, uint32_t id, struct job *job);
void catalogue_remove(struct catalogue *c, uint32_t id);

struct catalogue_job *catalogue_job(const struct catalogue *c, uint32_t id);     /* NULL: none */
struct catalogue_job *catalogue_by_key(const struct catalogue *c, uint64_t key); /* NULL: none */
struct catalogue_job *catalogue_at(const struct catalogue *c, size_t i); /* NULL: past the end */
size_t catalogue_before(const struct catalogue *c, int64_t id); /* how many have lower numbers */

/* What a user calls a job that is THERE: its number, "last", its name, or a unique prefix of a name
 * (the newest job of several with the very same name). NULL with ERR_NO_SUCH_JOB. */
struct catalogue_job *catalogue_find(const struct catalogue *c, const char *word, struct err *err);

#endif
