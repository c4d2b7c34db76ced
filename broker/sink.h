#ifndef BROKER_SINK_H
#define BROKER_SINK_H

#include "err.h"
#include "job.h"
#include "wire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The sink: the only writer of DATA. A thread with the only SQLite connection; it takes complete
 * results, writes the result files, makes them durable and tells so; only then is anything
 * acknowledged. Order of a group: field bytes and tile records -> fdatasync -> SQLite commit (tiles
 * done, frontiers, states) -> events -> status.npy (made durable by the next group, before its
 * commit). The database remembers up to which commit status.npy is durable; at start the rest is
 * rewritten.
 *
 * Storage errors never acknowledge and never end the process: the sink reports STALLED with the
 * reason, keeps what it was given, tries again by itself, and reports RESUMED. After a failed
 * fdatasync the same data are written anew.
 *
 * DATA/lock (flock), DATA/hillsweep.db, DATA/jobs/N/{job.json, q.npy, a.npy, w.npy, FIELD.npy or
 * FIELD.partial.npy, FIELD.error.npy, status.npy, tiles.crc}. With `results` the files of the one
 * job lie straight in that folder. */

struct sink;
struct disk;

struct sink_config {
    const char *data;        /* made (0700) when missing */
    const char *results;     /* NULL: DATA/jobs/N */
    void (*wake)(void *arg); /* called from the sink's thread when there is an event */
    void *wake_arg;
    const struct disk *disk; /* NULL: the system's; for tests (disk.h) */
    int retry_ms;            /* between attempts after a storage error; 0: 1000 */
    size_t long_bytes;       /* what runs of tiles go by the writer; 0: 1 MiB; for tests */
};

/* Opens, locks and recovers DATA (another broker on it: ERR_STORAGE saying so), without a thread
 * yet. */
int sink_open(const struct sink_config *config, struct sink **out, struct err *err);

uint64_t sink_store_id(const struct sink *s);
uint32_t sink_next_job(const struct sink *s); /* the number for the next submission */

/* A job as the database knows it. */
struct sink_job {
    uint32_t id;
    struct job *job; /* the caller may take it (and set NULL here); else freed by sink_close */
    uint64_t key;    /* the submit's key */
    int state;       /* enum job_state, as persisted */
    int32_t priority;
    char reason[256];
    char owner[64];
    int64_t submitted_s, finished_s; /* Unix time; 0: not yet */
    uint32_t frontier;
    uint64_t points_failed;
    uint8_t *tile_done; /* one byte a tile: 1 durable; NULL when the job is done or over; borrowed
                           until sink_close, as is the table */
    const void *table;  /* drive table, NULL: none yet */
    size_t table_bytes;
};
size_t sink_job_count(const struct sink *s);
struct sink_job *sink_job(struct sink *s, size_t i); /* recovered jobs, by number */

int sink_start(struct sink *s, struct err *err); /* starts the thread */

/* Orders; all return at once. Pointers are taken unless said otherwise. A store order for a tile
 * that is durable compares; a compare order for one that is not stores (and says DURABLE).
 * Comparing is by CRC-32C over all planes as they are stored (tile.h has the rules for what workers
 * send). */
struct sink_part {
    uint32_t first, count; /* points of the tile that this part's plane covers */
    uint16_t plane;
    uint8_t coding; /* enum wire_coding */
    bool has_crc;
    uint32_t crc;    /* CRC-32C of data, as whoever made them says */
    uint32_t offset; /* of data in the coded plane */
    const void *data;
    size_t len;
    void *owner;     /* for release */
    uint32_t worker; /* who sent it, in a result of several workers; else 0 */
};
struct sink_result {            /* covers its tile completely, once */
    struct sink_result *next;   /* the sink's own */
    uint32_t job, tile, worker; /* worker 0: pieces of several, see parts */
    uint64_t data_bytes;
    uint64_t room_bytes; /* what it is in memory when it is written, if that is more: leaves */
    bool compare;        /* compare with what is stored instead of storing */
    size_t part_count;
    struct sink_part *parts;
    void (*release)(struct sink_result *result); /* frees all of it; called from any thread */
    void *unfolded;                              /* the sink's own: see unfold.h */
};

void sink_submit(struct sink *s, uint32_t id, uint64_t key, int32_t priority, const char *owner,
                 const struct job *job); /* job is borrowed until SINK_SUBMITTED or SINK_REFUSED */
void sink_table(struct sink *s, uint32_t job, const void *table, size_t bytes); /* copied */
void sink_store(struct sink *s, struct sink_result *result);
void sink_frontier(struct sink *s, uint32_t job, uint32_t frontier);
void sink_job_state(struct sink *s, uint32_t job, int state, const char *reason); /* copied */
void sink_job_priority(struct sink *s, uint32_t job, int32_t priority);
void sink_finish(struct sink *s, uint32_t job); /* all tiles durable: rename, mark done */
void sink_delete(struct sink *s, uint32_t job); /* files and rows */
/* Looks at every stored byte of the job: MENDED and DAMAGED as found, CHECKED now and then,
 * VERIFIED at the end. A tile that was DAMAGED is not durable any more, and a job that was done is
 * not. */
void sink_verify(struct sink *s, uint32_t job);

/* What is stored of the tile is wrong, whatever its checksum says: DAMAGED, if it was durable. */
void sink_distrust(struct sink *s, uint32_t job, uint32_t tile);

enum sink_event_type {
    SINK_SUBMITTED, /* durable */
    SINK_REFUSED,   /* could not be stored (disk too small, ...): err; nothing of it remains */
    SINK_TABLE,     /* the job's table is durable */
    SINK_DURABLE,   /* tile */
    SINK_SAME,
    SINK_DIFFERS, /* compared */
    SINK_FRONTIER,
    SINK_FINISHED,
    SINK_DELETED,
    SINK_STALLED, /* err says why */
    SINK_RESUMED,
    SINK_DROPPED, /* a result that was not stored: its job is over or gone, or (err set) it does not
                     fit its tile, by the fault of worker (0: nobody knows); its bytes are free */
    SINK_MENDED,  /* bytes that were not as stored and are again: err.text names the file; tile, or
                     UINT32_MAX */
    SINK_DAMAGED, /* tile; crc is what its bytes should have */
    SINK_CHECKED, /* tile: those before it have been looked at */
    SINK_VERIFIED, /* all have, or (err set) could not be */
    SINK_LOST,     /* the job's files were taken away (err): it cannot go on until a restart */
};
struct sink_event {
    enum sink_event_type type;
    uint32_t job, tile, worker, frontier;
    uint32_t points_failed;
    uint32_t crc; /* DURABLE, DAMAGED: of what is stored; SAME, DIFFERS: of what was compared */
    uint64_t data_bytes;
    struct err err;
};
bool sink_next(struct sink *s, struct sink_event *event); /* from the caller's thread */

/* Path of a result file of a job for readers: "status.npy", "FIELD.npy" (the partial file while
 * there is no final one; *final tells). -1 when the job has no such file. Safe from any thread. */
int sink_file(const struct sink *s, uint32_t job, const struct job *spec, const char *file,
              char *path, size_t size, bool *final);
/* The folder of a job's results. */
void sink_folder(const struct sink *s, uint32_t job, char *path, size_t size);

/* Writes and commits what has been ordered (what cannot be written is tried once more and then
 * dropped), stops the thread, unlocks DATA. NULL is fine, and so is a sink never started. */
void sink_close(struct sink *s);

#endif
