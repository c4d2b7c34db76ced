/* See store.h. Every statement is prepared once, by its place in a table. Large blobs live in
 * tables of their own, so that an update of a job's row does not write them again. */
#include "store_private.h"

#include <errno.h>

static const char *const SQL[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [META_GET] = "SELECT value FROM meta WHERE name = ?1",
    [META_SET] = "INSERT OR REPLACE INTO meta VALUES(?1, ?2)",
    [JOB_ADD] = "INSERT INTO jobs VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    [DOCUMENT_ADD] = "INSERT INTO documents VALUES(?1, ?2)",
    [JOB_DELETE] = "DELETE FROM jobs WHERE id = ?1",
    [DOCUMENT_DELETE] = "DELETE FROM documents WHERE job = ?1",
    [DRIVE_DELETE] = "DELETE FROM drives WHERE job = ?1",
    [TILES_DELETE] = "DELETE FROM tiles WHERE job = ?1",
    [DRIVE_ADD] = "INSERT OR IGNORE INTO drives VALUES(?1, ?2)",
    [FRONTIER_SET] = "UPDATE jobs SET frontier = ?2 WHERE id = ?1",
    [PRIORITY_SET] = "UPDATE jobs SET priority = ?2 WHERE id = ?1",
    [STATE_SET] = "UPDATE jobs SET state = ?2, reason = ?3 WHERE id = ?1",
    [OVER_SET] = "UPDATE jobs SET finished = ?2, points_failed = ?3 WHERE id = ?1",
    [CLEAN_SET] = "UPDATE jobs SET status_clean = ?2 WHERE id = ?1",
    [TILE_ADD] = "INSERT OR REPLACE INTO tiles VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [TILE_DELETE] = "DELETE FROM tiles WHERE job = ?1 AND tile = ?2",
    [JOBS_GET] = "SELECT id, key, state, priority, reason, owner, submitted, finished, frontier,"
                 " points_failed, status_clean, q_blocks, a_blocks, document, drive FROM jobs"
                 " JOIN documents ON documents.job = id LEFT JOIN drives ON drives.job = id"
                 " ORDER BY id",
    [TILES_GET] = "SELECT tile, crc, failed, overflow, limited, seq,"
                  " CASE WHEN seq > ?2 THEN status END FROM tiles WHERE job = ?1 ORDER BY tile",
    [TILE_GET] = "SELECT tile, crc, failed, overflow, limited, seq, status FROM tiles"
                 " WHERE job = ?1 AND tile = ?2",
    [DRIVE_GET] = "SELECT drive FROM drives WHERE job = ?1",
};

/* --- errors and statements ------------------------------------------------------------------- */

int store_damaged(struct store *s, struct err *err, const char *how)
{
    s->damaged = true;
    err_set(err, ERR_STORAGE, "the database %s is damaged (%s)", s->path, how);
    return err_hint(err, "start the broker again: it rebuilds the database from the result files");
}

int store_fail(struct store *s, struct err *err)
{
    int code = sqlite3_extended_errcode(s->db), primary = code & 255;
    int system = sqlite3_system_errno(s->db);
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || code == SQLITE_IOERR_DATA)
        return store_damaged(s, err, sqlite3_errmsg(s->db));
    switch (primary) {
    case SQLITE_FULL:
        return err_set(err, ERR_STORAGE, "cannot write %s: %s", s->path, disk_words(ENOSPC));
    case SQLITE_IOERR:
        return err_set(err, ERR_STORAGE, "cannot read or write %s: %s", s->path,
                       disk_words(system ? system : EIO));
    case SQLITE_CANTOPEN:
        return err_set(err, ERR_STORAGE, "cannot open %s: %s", s->path,
                       system ? disk_words(system) : sqlite3_errmsg(s->db));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, ERR_STORAGE, "another program has the database %s open", s->path);
    case SQLITE_READONLY:
        return err_set(err, ERR_STORAGE, "the database %s may not be written", s->path);
    default:
        return err_set(err, ERR_STORAGE, "%s: %s (%d)", s->path, sqlite3_errmsg(s->db), code);
    }
}

sqlite3_stmt *store_statement(struct store *s, enum statement which)
{
    if (!s->statements[which])
        sqlite3_prepare_v3(s->db, SQL[which], -1, SQLITE_PREPARE_PERSISTENT, &s->statements[which],
                           NULL);
    return s->statements[which];
}

/* Runs a statement that has no rows. Bindings of NULL statements are harmless no-ops in SQLite. */
int store_run(struct store *s, sqlite3_stmt *st, struct err *err)
{
    int rc = st ? sqlite3_step(st) : SQLITE_ERROR;
    if (rc != SQLITE_DONE)
        store_fail(s, err);
    if (st) {
        sqlite3_reset(st);
        sqlite3_clear_bindings(st);
    }
    return rc == SQLITE_DONE ? 0 : -1;
}

void store_bind_int(sqlite3_stmt *st, int place, uint64_t value)
{
    sqlite3_bind_int64(st, place, (sqlite3_int64)value);
}

void store_bind_text(sqlite3_stmt *st, int place, const char *text)
{
    sqlite3_bind_text(st, place, text ? text : "", -1, SQLITE_STATIC);
}

static uint64_t column(sqlite3_stmt *st, int place)
{
    return (uint64_t)sqlite3_column_int64(st, place);
}

/* A statement with up to two integers after the job's number. */
static int run_ints(struct store *s, enum statement which, uint64_t id, uint64_t a, uint64_t b,
                    struct err *err)
{
    sqlite3_stmt *st = store_statement(s, which);
    int places = st ? sqlite3_bind_parameter_count(st) : 0;
    const uint64_t values[3] = {id, a, b};
    for (int i = 0; i < places; i++)
        store_bind_int(st, i + 1, values[i]);
    return store_run(s, st, err);
}

static int run_blob(struct store *s, enum statement which, uint32_t id, const void *data,
                    size_t bytes, struct err *err)
{
    sqlite3_stmt *st = store_statement(s, which);
    store_bind_int(st, 1, id);
    sqlite3_bind_blob64(st, 2, data, bytes, SQLITE_STATIC);
    return store_run(s, st, err);
}

uint64_t store_id(const struct store *s)
{
    return s->id;
}

uint32_t store_next_job(const struct store *s)
{
    return s->next_job;
}

uint64_t store_seq(const struct store *s)
{
    return s->seq;
}

int store_meta_set(struct store *s, const char *name, uint64_t value, struct err *err)
{
    sqlite3_stmt *st = store_statement(s, META_SET);
    store_bind_text(st, 1, name);
    store_bind_int(st, 2, value);
    return store_run(s, st, err);
}

/* --- writing --------------------------------------------------------------------------------- */

int store_begin(struct store *s, struct err *err)
{
    return store_run(s, store_statement(s, BEGIN), err);
}

int store_commit(struct store *s, struct err *err)
{
    return store_run(s, store_statement(s, COMMIT), err);
}

void store_rollback(struct store *s)
{
    if (!sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

int store_job_add(struct store *s, const struct store_job *job, struct err *err)
{
    sqlite3_stmt *st = store_statement(s, JOB_ADD);
    store_bind_int(st, 1, job->id);
    store_bind_int(st, 2, job->key);
    store_bind_int(st, 3, (uint64_t)job->state);
    store_bind_int(st, 4, (uint64_t)(int64_t)job->priority);
    store_bind_text(st, 5, job->reason);
    store_bind_text(st, 6, job->owner);
    store_bind_int(st, 7, (uint64_t)job->submitted_s);
    store_bind_int(st, 8, (uint64_t)job->finished_s);
    store_bind_int(st, 9, job->frontier);
    store_bind_int(st, 10, job->points_failed);
    store_bind_int(st, 11, job->status_clean);
    store_bind_int(st, 12, job->q_blocks);
    store_bind_int(st, 13, job->a_blocks);
    if (store_run(s, st, err) != 0 ||
        run_blob(s, DOCUMENT_ADD, job->id, job->document, job->document_bytes, err) != 0)
        return -1;
    uint32_t next = job->id < s->next_job ? s->next_job : job->id + 1;
    return store_meta_set(s, "next_job", next, err);
}

int store_job_delete(struct store *s, uint32_t job, struct err *err)
{
    static const enum statement all[] = {TILES_DELETE, DRIVE_DELETE, DOCUMENT_DELETE, JOB_DELETE};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (run_ints(s, all[i], job, 0, 0, err) != 0)
            return -1;
    return 0;
}

int store_table(struct store *s, uint32_t job, const void *table, size_t bytes, struct err *err)
{
    return run_blob(s, DRIVE_ADD, job, table, bytes, err);
}

int store_frontier(struct store *s, uint32_t job, uint32_t frontier, struct err *err)
{
    return run_ints(s, FRONTIER_SET, job, frontier, 0, err);
}

int store_priority(struct store *s, uint32_t job, int32_t priority, struct err *err)
{
    return run_ints(s, PRIORITY_SET, job, (uint64_t)(int64_t)priority, 0, err);
}

int store_state(struct store *s, uint32_t job, int state, const char *reason, struct err *err)
{
    sqlite3_stmt *st = store_statement(s, STATE_SET);
    store_bind_int(st, 1, job);
    store_bind_int(st, 2, (uint64_t)state);
    store_bind_text(st, 3, reason);
    return store_run(s, st, err);
}

int store_over(struct store *s, uint32_t job, int64_t finished_s, uint64_t points_failed,
               struct err *err)
{
    return run_ints(s, OVER_SET, job, (uint64_t)finished_s, points_failed, err);
}

int store_status_clean(struct store *s, uint32_t job, uint64_t seq, struct err *err)
{
    return run_ints(s, CLEAN_SET, job, seq, 0, err);
}

int store_tile_add(struct store *s, uint32_t job, const struct store_tile *tile, struct err *err)
{
    sqlite3_stmt *st = store_statement(s, TILE_ADD);
    store_bind_int(st, 1, job);
    store_bind_int(st, 2, tile->tile);
    store_bind_int(st, 3, tile->crc);
    store_bind_int(st, 4, tile->failed);
    store_bind_int(st, 5, tile->overflow);
    store_bind_int(st, 6, tile->limited);
    store_bind_int(st, 7, tile->seq);
    if (tile->status)
        sqlite3_bind_blob64(st, 8, tile->status, tile->status_bytes, SQLITE_STATIC);
    return store_run(s, st, err);
}

int store_tile_delete(struct store *s, uint32_t job, uint32_t tile, struct err *err)
{
    return run_ints(s, TILE_DELETE, job, tile, 0, err);
}

int store_set_seq(struct store *s, uint64_t seq, struct err *err)
{
    return store_meta_set(s, "seq", seq, err);
}

/* --- reading --------------------------------------------------------------------------------- */

static int end_reading(struct store *s, sqlite3_stmt *st, int rc, int stopped, struct err *err)
{
    if (!stopped && rc != SQLITE_DONE)
        stopped = store_fail(s, err);
    sqlite3_reset(st);
    return stopped;
}

int store_jobs(struct store *s, store_job_fn *fn, void *arg, struct err *err)
{
    sqlite3_stmt *st = store_statement(s, JOBS_GET);
    int rc = SQLITE_ERROR, stopped = 0;
    while (st && !stopped && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct store_job job = {
            .id = (uint32_t)column(st, 0),
            .key = column(st, 1),
            .state = (int)column(st, 2),
            .priority = (int32_t)column(st, 3),
            .reason = (const char *)sqlite3_column_text(st, 4),
            .owner = (const char *)sqlite3_column_text(st, 5),
            .submitted_s = (int64_t)column(st, 6),
            .finished_s = (int64_t)column(st, 7),
            .frontier = (uint32_t)column(st, 8),
            .points_failed = column(st, 9),
            .status_clean = column(st, 10),
            .q_blocks = (uint32_t)column(st, 11),
            .a_blocks = (uint32_t)column(st, 12),
            .document = sqlite3_column_blob(st, 13),
            .table = sqlite3_column_blob(st, 14),
            .document_bytes = (size_t)sqlite3_column_bytes(st, 13),
            .table_bytes = (size_t)sqlite3_column_bytes(st, 14),
        };
        stopped = fn(arg, &job);
    }
    return end_reading(s, st, rc, stopped, err);
}

static struct store_tile tile_of(sqlite3_stmt *st)
{
    return (struct store_tile){
        .tile = (uint32_t)column(st, 0),
        .crc = (uint32_t)column(st, 1),
        .failed = (uint32_t)column(st, 2),
        .overflow = (uint32_t)column(st, 3),
        .limited = (uint32_t)column(st, 4),
        .seq = column(st, 5),
        .status = sqlite3_column_blob(st, 6),
        .status_bytes = (size_t)sqlite3_column_bytes(st, 6),
    };
}

int store_tiles(struct store *s, uint32_t job, uint64_t status_after, store_tile_fn *fn, void *arg,
                struct err *err)
{
    sqlite3_stmt *st = store_statement(s, TILES_GET);
    store_bind_int(st, 1, job);
    store_bind_int(st, 2, status_after);
    int rc = SQLITE_ERROR, stopped = 0;
    while (st && !stopped && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct store_tile tile = tile_of(st);
        stopped = fn(arg, &tile);
    }
    return end_reading(s, st, rc, stopped, err);
}

int store_tile(struct store *s, uint32_t job, uint32_t tile, struct store_tile *out,
               struct buf *status, struct err *err)
{
    sqlite3_stmt *st = store_statement(s, TILE_GET);
    store_bind_int(st, 1, job);
    store_bind_int(st, 2, tile);
    int rc = st ? sqlite3_step(st) : SQLITE_ERROR;
    if (rc == SQLITE_ROW) {
        *out = tile_of(st);
        if (status) {
            buf_clear(status);
            buf_add(status, out->status, out->status_bytes);
        }
        out->status = status && out->status ? status->data : NULL;
    } else if (rc != SQLITE_DONE) {
        store_fail(s, err);
    }
    sqlite3_reset(st);
    return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

int store_drive(struct store *s, uint32_t job, struct buf *out, struct err *err)
{
    sqlite3_stmt *st = store_statement(s, DRIVE_GET);
    store_bind_int(st, 1, job);
    int rc = st ? sqlite3_step(st) : SQLITE_ERROR;
    buf_clear(out);
    if (rc == SQLITE_ROW)
        buf_add(out, sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
    else if (rc != SQLITE_DONE)
        store_fail(s, err);
    sqlite3_reset(st);
    return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

bool store_is_damaged(const struct store *s)
{
    return s->damaged;
}
