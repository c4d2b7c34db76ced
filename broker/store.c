/* See store.h. Every statement is prepared once, by its place in a table. Large blobs live in
 * tables of their own, so that an update of a job's row does not write them again. */
#include "store.h"

#include "buf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define APPLICATION    0x48535750 /* "HSWP", SQLite's application_id */
#define SCHEMA_VERSION 1

static const char SCHEMA[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE jobs(id INTEGER PRIMARY KEY, key INTEGER NOT NULL, state INTEGER NOT NULL,"
    " priority INTEGER NOT NULL, reason TEXT NOT NULL, owner TEXT NOT NULL,"
    " submitted INTEGER NOT NULL, finished INTEGER NOT NULL, frontier INTEGER NOT NULL,"
    " points_failed INTEGER NOT NULL, status_clean INTEGER NOT NULL,"
    " q_blocks INTEGER NOT NULL, a_blocks INTEGER NOT NULL);"
    "CREATE TABLE documents(job INTEGER PRIMARY KEY, document BLOB NOT NULL);"
    "CREATE TABLE drives(job INTEGER PRIMARY KEY, drive BLOB NOT NULL);"
    "CREATE TABLE tiles(job INTEGER NOT NULL, tile INTEGER NOT NULL, crc INTEGER NOT NULL,"
    " failed INTEGER NOT NULL, overflow INTEGER NOT NULL, limited INTEGER NOT NULL,"
    " seq INTEGER NOT NULL, status BLOB, PRIMARY KEY(job, tile)) WITHOUT ROWID;";

enum statement {
    BEGIN,
    COMMIT,
    META_GET,
    META_SET,
    JOB_ADD,
    DOCUMENT_ADD,
    JOB_DELETE,
    DOCUMENT_DELETE,
    DRIVE_DELETE,
    TILES_DELETE,
    DRIVE_ADD,
    FRONTIER_SET,
    PRIORITY_SET,
    STATE_SET,
    OVER_SET,
    CLEAN_SET,
    TILE_ADD,
    JOBS_GET,
    TILES_GET,
    TILE_GET,
    STATEMENTS
};

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
    [JOBS_GET] = "SELECT id, key, state, priority, reason, owner, submitted, finished, frontier,"
                 " points_failed, status_clean, q_blocks, a_blocks, document, drive FROM jobs"
                 " JOIN documents ON documents.job = id LEFT JOIN drives ON drives.job = id"
                 " ORDER BY id",
    [TILES_GET] = "SELECT tile, crc, failed, overflow, limited, seq,"
                  " CASE WHEN seq > ?2 THEN status END FROM tiles WHERE job = ?1 ORDER BY tile",
    [TILE_GET] = "SELECT tile, crc, failed, overflow, limited, seq, NULL FROM tiles"
                 " WHERE job = ?1 AND tile = ?2",
};

struct store {
    sqlite3 *db;
    char path[PATH_MAX];
    sqlite3_stmt *statements[STATEMENTS];
    uint64_t id, seq;
    uint32_t next_job;
};

/* --- errors and statements ------------------------------------------------------------------- */

static int fail(struct store *s, struct err *err)
{
    int code = sqlite3_extended_errcode(s->db), primary = code & 255;
    int system = sqlite3_system_errno(s->db);
    switch (primary) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        err_set(err, ERR_STORAGE, "the database %s is damaged: %s", s->path, sqlite3_errmsg(s->db));
        return err_hint(err, "restore it from a backup, or move it away and start anew; the files "
                             "of finished jobs stay readable without it");
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

static sqlite3_stmt *statement(struct store *s, enum statement which)
{
    if (!s->statements[which])
        sqlite3_prepare_v3(s->db, SQL[which], -1, SQLITE_PREPARE_PERSISTENT, &s->statements[which],
                           NULL);
    return s->statements[which];
}

/* Runs a statement that has no rows. Bindings of NULL statements are harmless no-ops in SQLite. */
static int run(struct store *s, sqlite3_stmt *st, struct err *err)
{
    int rc = st ? sqlite3_step(st) : SQLITE_ERROR;
    if (rc != SQLITE_DONE)
        fail(s, err);
    if (st) {
        sqlite3_reset(st);
        sqlite3_clear_bindings(st);
    }
    return rc == SQLITE_DONE ? 0 : -1;
}

static void bind_int(sqlite3_stmt *st, int place, uint64_t value)
{
    sqlite3_bind_int64(st, place, (sqlite3_int64)value);
}

static void bind_text(sqlite3_stmt *st, int place, const char *text)
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
    sqlite3_stmt *st = statement(s, which);
    int places = st ? sqlite3_bind_parameter_count(st) : 0;
    const uint64_t values[3] = {id, a, b};
    for (int i = 0; i < places; i++)
        bind_int(st, i + 1, values[i]);
    return run(s, st, err);
}

static int run_blob(struct store *s, enum statement which, uint32_t id, const void *data,
                    size_t bytes, struct err *err)
{
    sqlite3_stmt *st = statement(s, which);
    bind_int(st, 1, id);
    sqlite3_bind_blob64(st, 2, data, bytes, SQLITE_STATIC);
    return run(s, st, err);
}

/* --- opening --------------------------------------------------------------------------------- */

static int meta_get(struct store *s, const char *name, uint64_t *value, struct err *err)
{
    sqlite3_stmt *st = statement(s, META_GET);
    bind_text(st, 1, name);
    int rc = st ? sqlite3_step(st) : SQLITE_ERROR;
    if (rc == SQLITE_ROW)
        *value = column(st, 0);
    else if (rc == SQLITE_DONE)
        err_set(err, ERR_STORAGE, "the database %s is damaged: it has no %s", s->path, name);
    else
        fail(s, err);
    sqlite3_reset(st);
    return rc == SQLITE_ROW ? 0 : -1;
}

static int meta_set(struct store *s, const char *name, uint64_t value, struct err *err)
{
    sqlite3_stmt *st = statement(s, META_SET);
    bind_text(st, 1, name);
    bind_int(st, 2, value);
    return run(s, st, err);
}

static int execute(struct store *s, const char *sql, struct err *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(s, err);
}

static int pragma(struct store *s, const char *name, int64_t *value, struct err *err)
{
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA %s", name);
    sqlite3_stmt *st = NULL;
    int rc = -1;
    if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW) {
        *value = sqlite3_column_int64(st, 0);
        rc = 0;
    } else {
        fail(s, err);
    }
    sqlite3_finalize(st);
    return rc;
}

static struct store *store_create(const char *path)
{
    struct store *s = mem_alloc(1, sizeof *s);
    snprintf(s->path, sizeof s->path, "%s", path);
    return s;
}

static int connect_db(struct store *s, int flags, struct err *err)
{
    if (sqlite3_open_v2(s->path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return fail(s, err);
    sqlite3_extended_result_codes(s->db, 1);
    return execute(s, "PRAGMA locking_mode = EXCLUSIVE", err);
}

static int fill_new(struct store *s, struct err *err)
{
    char sql[96];
    snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION,
             SCHEMA_VERSION);
    uint64_t id;
    if (getrandom(&id, sizeof id, 0) != (ssize_t)sizeof id)
        return err_errno(err, ERR_OTHER, "no random numbers");
    if (connect_db(s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err) != 0 ||
        execute(s, "PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL; BEGIN", err) != 0 ||
        execute(s, SCHEMA, err) != 0 || execute(s, sql, err) != 0 ||
        meta_set(s, "store", id | 1, err) != 0 || meta_set(s, "seq", 0, err) != 0 ||
        meta_set(s, "next_job", 1, err) != 0 || execute(s, "COMMIT", err) != 0)
        return -1;
    /* Closing would move the WAL into the database too, but tell nobody when that fails. */
    if (sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
        return fail(s, err);
    return 0;
}

static int sync_path(const struct disk *disk, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return disk_fail(err, "open", path);
    int rc = disk->fsync(fd);
    if (rc != 0)
        disk_fail(err, "sync", path);
    close(fd);
    return rc;
}

/* The new database is made beside its place without syncing, then synced once and renamed. */
static int make_new(const char *path, const struct disk *disk, struct err *err)
{
    char beside[PATH_MAX], wal[PATH_MAX], folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    snprintf(slash ? slash + 1 : folder, 2, "%s", slash ? "" : ".");
    if (snprintf(beside, sizeof beside, "%s.new", path) >= (int)sizeof beside ||
        snprintf(wal, sizeof wal, "%s.new-wal", path) >= (int)sizeof wal)
        return err_set(err, ERR_STORAGE, "the path %s is too long", path);
    unlink(beside);
    unlink(wal);
    struct store *s = store_create(beside);
    int rc = fill_new(s, err);
    store_close(s);
    if (rc == 0)
        rc = sync_path(disk, beside, err);
    if (rc == 0 && disk->rename(beside, path) != 0)
        rc = disk_fail(err, "rename", beside);
    if (rc != 0) {
        unlink(beside);
        unlink(wal);
        return -1;
    }
    return disk_sync_folder(disk, folder, err);
}

static int check_kind(struct store *s, struct err *err)
{
    int64_t application, version;
    if (pragma(s, "application_id", &application, err) != 0 ||
        pragma(s, "user_version", &version, err) != 0)
        return -1;
    if (application != APPLICATION) {
        err_set(err, ERR_STORAGE, "%s is not a database of hillsweep", s->path);
        return err_hint(err, "choose another data folder");
    }
    if (version > SCHEMA_VERSION) {
        err_set(err, ERR_VERSION,
                "%s was written by a newer hillsweep (schema %" PRId64 ", not %d)", s->path,
                version, SCHEMA_VERSION);
        return err_hint(err, "upgrade this broker");
    }
    return 0;
}

static int open_existing(struct store *s, struct err *err)
{
    uint64_t next_job;
    if (connect_db(s, SQLITE_OPEN_READWRITE, err) != 0 || check_kind(s, err) != 0 ||
        execute(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", err) != 0 ||
        meta_get(s, "store", &s->id, err) != 0 || meta_get(s, "seq", &s->seq, err) != 0 ||
        meta_get(s, "next_job", &next_job, err) != 0)
        return -1;
    s->next_job = (uint32_t)next_job;
    return 0;
}

int store_open(const char *path, const struct disk *disk, struct store **out, struct err *err)
{
    if (access(path, F_OK) != 0 && make_new(path, disk, err) != 0)
        return -1;
    struct store *s = store_create(path);
    if (open_existing(s, err) != 0) {
        store_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(s->statements[i]);
    sqlite3_close(s->db);
    free(s);
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

/* --- writing --------------------------------------------------------------------------------- */

int store_begin(struct store *s, struct err *err)
{
    return run(s, statement(s, BEGIN), err);
}

int store_commit(struct store *s, struct err *err)
{
    return run(s, statement(s, COMMIT), err);
}

void store_rollback(struct store *s)
{
    if (!sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

int store_job_add(struct store *s, const struct store_job *job, struct err *err)
{
    sqlite3_stmt *st = statement(s, JOB_ADD);
    bind_int(st, 1, job->id);
    bind_int(st, 2, job->key);
    bind_int(st, 3, (uint64_t)job->state);
    bind_int(st, 4, (uint64_t)(int64_t)job->priority);
    bind_text(st, 5, job->reason);
    bind_text(st, 6, job->owner);
    bind_int(st, 7, (uint64_t)job->submitted_s);
    bind_int(st, 8, (uint64_t)job->finished_s);
    bind_int(st, 9, job->frontier);
    bind_int(st, 10, job->points_failed);
    bind_int(st, 11, job->status_clean);
    bind_int(st, 12, job->q_blocks);
    bind_int(st, 13, job->a_blocks);
    if (run(s, st, err) != 0 ||
        run_blob(s, DOCUMENT_ADD, job->id, job->document, job->document_bytes, err) != 0)
        return -1;
    uint32_t next = job->id < s->next_job ? s->next_job : job->id + 1;
    return meta_set(s, "next_job", next, err);
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
    sqlite3_stmt *st = statement(s, STATE_SET);
    bind_int(st, 1, job);
    bind_int(st, 2, (uint64_t)state);
    bind_text(st, 3, reason);
    return run(s, st, err);
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
    sqlite3_stmt *st = statement(s, TILE_ADD);
    bind_int(st, 1, job);
    bind_int(st, 2, tile->tile);
    bind_int(st, 3, tile->crc);
    bind_int(st, 4, tile->failed);
    bind_int(st, 5, tile->overflow);
    bind_int(st, 6, tile->limited);
    bind_int(st, 7, tile->seq);
    if (tile->status)
        sqlite3_bind_blob64(st, 8, tile->status, tile->status_bytes, SQLITE_STATIC);
    return run(s, st, err);
}

int store_set_seq(struct store *s, uint64_t seq, struct err *err)
{
    return meta_set(s, "seq", seq, err);
}

/* --- reading --------------------------------------------------------------------------------- */

static int end_reading(struct store *s, sqlite3_stmt *st, int rc, int stopped, struct err *err)
{
    if (!stopped && rc != SQLITE_DONE)
        stopped = fail(s, err);
    sqlite3_reset(st);
    return stopped;
}

int store_jobs(struct store *s, store_job_fn *fn, void *arg, struct err *err)
{
    sqlite3_stmt *st = statement(s, JOBS_GET);
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
    sqlite3_stmt *st = statement(s, TILES_GET);
    bind_int(st, 1, job);
    bind_int(st, 2, status_after);
    int rc = SQLITE_ERROR, stopped = 0;
    while (st && !stopped && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct store_tile tile = tile_of(st);
        stopped = fn(arg, &tile);
    }
    return end_reading(s, st, rc, stopped, err);
}

int store_tile(struct store *s, uint32_t job, uint32_t tile, struct store_tile *out,
               struct err *err)
{
    sqlite3_stmt *st = statement(s, TILE_GET);
    bind_int(st, 1, job);
    bind_int(st, 2, tile);
    int rc = st ? sqlite3_step(st) : SQLITE_ERROR;
    if (rc == SQLITE_ROW)
        *out = tile_of(st);
    else if (rc != SQLITE_DONE)
        fail(s, err);
    sqlite3_reset(st);
    return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}
