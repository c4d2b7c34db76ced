/* The database as a file: making, recognising, opening, closing it. */
#include "store_private.h"

#include "buf.h"
#include "store_vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define APPLICATION    0x48535750 /* "HSWP", SQLite's application_id */
#define SCHEMA_VERSION 2          /* 1 had no checksums in its pages */

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

static int meta_get(struct store *s, const char *name, uint64_t *value, struct err *err)
{
    char missing[32];
    snprintf(missing, sizeof missing, "no %s", name);
    sqlite3_stmt *st = store_statement(s, META_GET);
    store_bind_text(st, 1, name);
    int rc = st ? sqlite3_step(st) : SQLITE_ERROR;
    if (rc == SQLITE_ROW)
        *value = (uint64_t)sqlite3_column_int64(st, 0);
    else if (rc == SQLITE_DONE)
        store_damaged(s, err, missing);
    else
        store_fail(s, err);
    sqlite3_reset(st);
    return rc == SQLITE_ROW ? 0 : -1;
}

static int execute(struct store *s, const char *sql, struct err *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : store_fail(s, err);
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
        store_fail(s, err);
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
    if (sqlite3_open_v2(s->path, &s->db, flags | SQLITE_OPEN_NOMUTEX, store_vfs()) != SQLITE_OK)
        return store_fail(s, err);
    sqlite3_extended_result_codes(s->db, 1);
    return execute(s, "PRAGMA locking_mode = EXCLUSIVE", err);
}

/* Room for the checksums is left in every page of a database that is not there yet. */
static int reserve_checksums(struct store *s, struct err *err)
{
    char sql[40];
    int reserve = STORE_PAGE_RESERVE;
    if (sqlite3_file_control(s->db, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserve) != SQLITE_OK)
        return store_fail(s, err);
    snprintf(sql, sizeof sql, "PRAGMA page_size = %d", STORE_PAGE);
    return execute(s, sql, err);
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
        reserve_checksums(s, err) != 0 ||
        execute(s, "PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL; BEGIN", err) != 0 ||
        execute(s, SCHEMA, err) != 0 || execute(s, sql, err) != 0 ||
        store_meta_set(s, "store", id | 1, err) != 0 || store_meta_set(s, "seq", 0, err) != 0 ||
        store_meta_set(s, "next_job", 1, err) != 0 || execute(s, "COMMIT", err) != 0)
        return -1;
    /* Closing would move the WAL into the database too, but tell nobody when that fails. */
    if (sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
        return store_fail(s, err);
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
    return disk_sync_folder(disk, disk_folder_of(path, folder), err);
}

/* A database of another program has neither our number nor room for checksums; one of ours that is
 * damaged has one of them at least. */
static int refuse_foreign(const char *path, struct err *err)
{
    enum { HEADER = 100, RESERVED_AT = 20, APPLICATION_AT = 68 };
    unsigned char h[HEADER] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, h, sizeof h);
    if (fd >= 0)
        close(fd);
    const unsigned char *id = h + APPLICATION_AT;
    uint32_t application =
        (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | (uint32_t)id[3];
    if (n != HEADER || memcmp(h, "SQLite format 3", 16) != 0 || application == APPLICATION ||
        h[RESERVED_AT] == STORE_PAGE_RESERVE)
        return 0;
    err_set(err, ERR_STORAGE, "%s is not a database of hillsweep", path);
    return err_hint(err, "choose another data folder");
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

/* What the WAL holds moves into the main file first: a page that a power cut has torn while it was
 * being moved is whole again then. */
static int check_pages(struct store *s, struct err *err)
{
    char how[48];
    uint64_t page;
    if (sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
        return store_fail(s, err);
    if (store_pages_sound(s->path, &page))
        return 0;
    snprintf(how, sizeof how, "page %" PRIu64, page);
    return store_damaged(s, err, how);
}

static int open_existing(struct store *s, struct err *err)
{
    uint64_t next_job;
    if (refuse_foreign(s->path, err) != 0 || connect_db(s, SQLITE_OPEN_READWRITE, err) != 0 ||
        check_kind(s, err) != 0 ||
        execute(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", err) != 0 ||
        check_pages(s, err) != 0 || meta_get(s, "store", &s->id, err) != 0 ||
        meta_get(s, "seq", &s->seq, err) != 0 || meta_get(s, "next_job", &next_job, err) != 0)
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
        int rc = s->damaged ? 1 : -1;
        store_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

int store_set_aside(const char *path, const struct disk *disk, struct err *err)
{
    static const char *const endings[] = {"-wal", "-journal", ""}; /* the database last */
    char from[PATH_MAX], to[PATH_MAX], folder[PATH_MAX];
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (snprintf(from, sizeof from, "%s%s", path, endings[i]) >= PATH_MAX ||
            snprintf(to, sizeof to, "%s.damaged%s", path, endings[i]) >= PATH_MAX)
            return err_set(err, ERR_STORAGE, "the path %s is too long", path);
        if (disk->rename(from, to) != 0 && errno != ENOENT)
            return disk_fail(err, "rename", from);
    }
    return disk_sync_folder(disk, disk_folder_of(path, folder), err);
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
