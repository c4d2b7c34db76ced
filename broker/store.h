#ifndef BROKER_STORE_H
#define BROKER_STORE_H

#include "buf.h"
#include "disk.h"
#include "err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the broker remembers in its SQLite database: jobs, their documents and drive tables, and one
 * row for each durable tile. Only store*.c know SQLite. One connection, EXCLUSIVE, WAL,
 * synchronous=FULL: what a commit has returned for survives a power cut. Used by one thread at a
 * time. Errors are ERR_STORAGE with the reason in words, ERR_VERSION for a database of a newer
 * hillsweep; after an error in a transaction roll back, then everything may be tried again. */

struct store;

/* Makes the database when there is none (two fsyncs, never half a database). Every page's checksum
 * (store_vfs.h) is looked at. 1 with err: what is there is not what was written. */
int store_open(const char *path, const struct disk *disk, struct store **out, struct err *err);
void store_close(struct store *s);
/* Whether an error since the opening was due to damage. */
bool store_is_damaged(const struct store *s);
/* Renames a database that is not open to PATH.damaged (in place of an earlier one). */
int store_set_aside(const char *path, const struct disk *disk, struct err *err);

uint64_t store_id(const struct store *s);       /* random, made once */
uint32_t store_next_job(const struct store *s); /* beyond every number that was ever used */
uint64_t store_seq(const struct store *s);      /* of the last commit with tiles */

int store_begin(struct store *s, struct err *err);
int store_commit(struct store *s, struct err *err);
void store_rollback(struct store *s);

/* Inside a transaction. Strings and blobs are borrowed for the call. */
struct store_job {
    uint32_t id;
    uint64_t key;
    int state;
    int32_t priority;
    const char *reason, *owner;
    int64_t submitted_s, finished_s;
    uint32_t frontier;
    uint32_t q_blocks, a_blocks; /* the tile partition that the rows of its tiles mean */
    uint64_t points_failed;      /* set when the job is over */
    uint64_t status_clean;       /* status.npy is durable up to this commit */
    const void *document, *table;
    size_t document_bytes, table_bytes; /* table_bytes 0: none yet */
};
int store_job_add(struct store *s, const struct store_job *job, struct err *err);
int store_job_delete(struct store *s, uint32_t job, struct err *err); /* and its tiles */
int store_table(struct store *s, uint32_t job, const void *table, size_t bytes, struct err *err);
int store_frontier(struct store *s, uint32_t job, uint32_t frontier, struct err *err);
int store_priority(struct store *s, uint32_t job, int32_t priority, struct err *err);
int store_state(struct store *s, uint32_t job, int state, const char *reason, struct err *err);
int store_over(struct store *s, uint32_t job, int64_t finished_s, uint64_t points_failed,
               struct err *err);
int store_status_clean(struct store *s, uint32_t job, uint64_t seq, struct err *err);

struct store_tile {
    uint32_t tile, crc, failed, overflow, limited;
    uint64_t seq;       /* of its commit */
    const void *status; /* the tile's statuses; NULL: all are 1 */
    size_t status_bytes;
};
int store_tile_add(struct store *s, uint32_t job, const struct store_tile *tile, struct err *err);
int store_tile_delete(struct store *s, uint32_t job, uint32_t tile, struct err *err);
int store_set_seq(struct store *s, uint64_t seq, struct err *err);

/* Reading. The callback gets values borrowed for the call; a result other than 0 ends the reading
 * and is returned. */
typedef int store_job_fn(void *arg, const struct store_job *job);
typedef int store_tile_fn(void *arg, const struct store_tile *tile);
int store_jobs(struct store *s, store_job_fn *fn, void *arg, struct err *err);
/* All tiles of a job in order. Statuses are read only of those with a seq beyond `status_after`. */
int store_tiles(struct store *s, uint32_t job, uint64_t status_after, store_tile_fn *fn, void *arg,
                struct err *err);
/* 1: found, 0: not there, -1. Its statuses are copied to `status` (NULL: not wanted), which
 * out->status then borrows. */
int store_tile(struct store *s, uint32_t job, uint32_t tile, struct store_tile *out,
               struct buf *status, struct err *err);
/* The job's drive table: 1, 0: none yet, -1. */
int store_drive(struct store *s, uint32_t job, struct buf *out, struct err *err);

#endif
