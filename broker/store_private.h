#ifndef BROKER_STORE_PRIVATE_H
#define BROKER_STORE_PRIVATE_H

#include "store.h"
#include <limits.h>
#include <stdbool.h>
#include <sqlite3.h>

/* What store.c (statements and rows) and store_open.c (the database as a file) share. No other file
 * knows SQLite. */

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
    TILE_DELETE,
    JOBS_GET,
    TILES_GET,
    TILE_GET,
    DRIVE_GET,
    STATEMENTS
};

struct store {
    sqlite3 *db;
    char path[PATH_MAX];
    sqlite3_stmt *statements[STATEMENTS];
    uint64_t id, seq;
    uint32_t next_job;
    bool damaged; /* something was read that nobody wrote */
};

/* The last error of SQLite in words; returns -1. */
int store_fail(struct store *s, struct err *err);
int store_damaged(struct store *s, struct err *err, const char *how);
/* Prepared once; NULL when that fails (then store_run tells why). */
sqlite3_stmt *store_statement(struct store *s, enum statement which);
/* Runs a statement that has no rows, and forgets its bindings. */
int store_run(struct store *s, sqlite3_stmt *st, struct err *err);
void store_bind_int(sqlite3_stmt *st, int place, uint64_t value);
void store_bind_text(sqlite3_stmt *st, int place, const char *text); /* NULL: "" */
int store_meta_set(struct store *s, const char *name, uint64_t value, struct err *err);

#endif
