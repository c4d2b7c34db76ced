/* The database: what a commit returned for is there, what was rolled back is not; foreign, newer
 * and damaged files are refused with a sentence. */
#include "sink_rig.h"
#include "store.h"
#include "store_vfs.h"

#include <sqlite3.h>

struct bench {
    char folder[64], path[96];
    struct store *store;
    struct err err;
};

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    strcpy(b->folder, "/tmp/store-test-XXXXXX");
    assert_non_null(mkdtemp(b->folder));
    snprintf(b->path, sizeof b->path, "%s/db", b->folder);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    store_close(b->store);
    nftw(b->folder, rig_unlink, 16, FTW_DEPTH | FTW_PHYS);
    free(b);
    return 0;
}

static void reopen(struct bench *b)
{
    store_close(b->store);
    b->store = NULL;
    if (store_open(b->path, &disk_system, &b->store, &b->err) != 0)
        fail_msg("%s", b->err.text);
}

static void refused(struct bench *b, enum err_code code, const char *why)
{
    assert_int_equal(store_open(b->path, &disk_system, &b->store, &b->err), -1);
    assert_int_equal(b->err.code, code);
    assert_non_null(strstr(b->err.text, why));
    assert_true(b->err.hint[0] != '\0');
}

static void execute(struct bench *b, const char *sql)
{
    sqlite3 *db;
    store_close(b->store);
    b->store = NULL;
    assert_int_equal(sqlite3_open_v2(b->path, &db, SQLITE_OPEN_READWRITE, store_vfs()), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static const struct store_job sample = {
    .id = 5,
    .key = UINT64_MAX - 6,
    .state = 2,
    .priority = INT32_MIN,
    .reason = "it's \"so\"",
    .owner = "me",
    .submitted_s = 1700000000,
    .frontier = UINT32_MAX,
    .status_clean = 3,
    .q_blocks = 7,
    .a_blocks = 8,
    .document = "\0doc\0",
    .document_bytes = 5,
};

static int check_sample(void *arg, const struct store_job *job)
{
    ++*(int *)arg;
    assert_int_equal(job->id, 5);
    assert_true(job->key == UINT64_MAX - 6);
    assert_int_equal(job->state, 2);
    assert_true(job->priority == INT32_MIN);
    assert_string_equal(job->reason, "it's \"so\"");
    assert_string_equal(job->owner, "me");
    assert_int_equal(job->submitted_s, 1700000000);
    assert_int_equal(job->finished_s, 0);
    assert_int_equal(job->frontier, UINT32_MAX);
    assert_int_equal(job->status_clean, 3);
    assert_int_equal(job->q_blocks, 7);
    assert_int_equal(job->a_blocks, 8);
    assert_int_equal(job->document_bytes, 5);
    assert_memory_equal(job->document, "\0doc\0", 5);
    assert_int_equal(job->table_bytes, 0);
    return 0;
}

static int count_job(void *arg, const struct store_job *job)
{
    (void)job;
    ++*(int *)arg;
    return 0;
}

static void begin(struct bench *b)
{
    assert_int_equal(store_begin(b->store, &b->err), 0);
}

static void test_jobs(void **state)
{
    struct bench *b = *state;
    int n = 0;
    reopen(b);
    uint64_t id = store_id(b->store);
    assert_true(id != 0);
    assert_int_equal(store_next_job(b->store), 1);
    begin(b);
    assert_int_equal(store_job_add(b->store, &sample, &b->err), 0);
    store_rollback(b->store);
    reopen(b);
    assert_int_equal(store_jobs(b->store, count_job, &n, &b->err), 0);
    assert_int_equal(n, 0);
    assert_int_equal(store_next_job(b->store), 1);
    begin(b);
    assert_int_equal(store_job_add(b->store, &sample, &b->err), 0);
    assert_int_equal(store_commit(b->store, &b->err), 0);
    reopen(b);
    assert_int_equal(store_jobs(b->store, check_sample, &n, &b->err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(store_next_job(b->store), 6);
    assert_true(store_id(b->store) == id);

    begin(b);
    assert_int_equal(store_job_add(b->store, &sample, &b->err), -1); /* twice */
    assert_int_equal(b->err.code, ERR_STORAGE);
    store_rollback(b->store);
    begin(b);
    assert_int_equal(store_job_delete(b->store, 5, &b->err), 0);
    assert_int_equal(store_commit(b->store, &b->err), 0);
    n = 0;
    assert_int_equal(store_jobs(b->store, count_job, &n, &b->err), 0);
    assert_int_equal(n, 0);
    reopen(b);
    assert_int_equal(store_next_job(b->store), 6);
}

static int check_tile(void *arg, const struct store_tile *tile)
{
    uint32_t i = (*(uint32_t *)arg)++;
    assert_int_equal(tile->tile, 3 * i);
    assert_int_equal(tile->crc, UINT32_MAX - i);
    assert_int_equal(tile->seq, 10 + i);
    assert_int_equal(tile->failed, i);
    if (i == 7)
        assert_memory_equal(tile->status, "\2\3", 2);
    else
        assert_null(tile->status);
    return i == 8 ? 77 : 0;
}

static void test_tiles(void **state)
{
    struct bench *b = *state;
    uint32_t n = 0;
    struct store_tile tile;
    reopen(b);
    begin(b);
    for (uint32_t i = 0; i < 10; i++) {
        tile =
            (struct store_tile){.tile = 3 * i, .crc = UINT32_MAX - i, .seq = 10 + i, .failed = i};
        if (i == 2 || i == 7) { /* that of 2 is older than what is asked for */
            tile.status = "\2\3";
            tile.status_bytes = 2;
        }
        assert_int_equal(store_tile_add(b->store, 4, &tile, &b->err), 0);
    }
    assert_int_equal(store_set_seq(b->store, 19, &b->err), 0);
    assert_int_equal(store_commit(b->store, &b->err), 0);
    reopen(b);
    assert_int_equal(store_seq(b->store), 19);
    assert_int_equal(store_tiles(b->store, 4, 15, check_tile, &n, &b->err), 77);
    assert_int_equal(n, 9);
    assert_int_equal(store_tiles(b->store, 5, 0, check_tile, &n, &b->err), 0);
    assert_int_equal(n, 9);
    assert_int_equal(store_tile(b->store, 4, 9, &tile, NULL, &b->err), 1);
    assert_int_equal(tile.crc, UINT32_MAX - 3);
    assert_int_equal(store_tile(b->store, 4, 10, &tile, NULL, &b->err), 0);
}

static void test_others_are_refused(void **state)
{
    struct bench *b = *state;
    reopen(b);
    struct store *second = NULL;
    assert_int_equal(store_open(b->path, &disk_system, &second, &b->err), -1);
    assert_non_null(strstr(b->err.text, "another program has the database"));
    execute(b, "PRAGMA user_version = 3");
    refused(b, ERR_VERSION, "newer hillsweep (schema 3, not 2)");
    execute(b, "PRAGMA user_version = 2; PRAGMA application_id = 7");
    refused(b, ERR_STORAGE, "is not a database of hillsweep");
    execute(b, "PRAGMA application_id = 1213421392; DELETE FROM meta WHERE name = 'seq'");
    assert_int_equal(store_open(b->path, &disk_system, &b->store, &b->err), 1);
    assert_non_null(strstr(b->err.text, "is damaged (no seq)"));
}

/* A database of another program stays as it is. */
static void test_a_foreign_database(void **state)
{
    struct bench *b = *state;
    sqlite3 *db;
    size_t len, after;
    assert_int_equal(sqlite3_open(b->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE dogs(name)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    unsigned char *bytes = read_whole(b->path, &len);
    refused(b, ERR_STORAGE, "is not a database of hillsweep");
    unsigned char *now = read_whole(b->path, &after);
    assert_int_equal(len, after);
    assert_memory_equal(bytes, now, len);
    free(bytes);
    free(now);
}

/* Whatever bit is turned, it is noticed before anything is believed. */
static void test_flipped_bits(void **state)
{
    struct bench *b = *state;
    size_t len;
    reopen(b);
    begin(b);
    assert_int_equal(store_job_add(b->store, &sample, &b->err), 0);
    for (uint32_t i = 0; i < 2000; i++) {
        struct store_tile tile = {.tile = i, .crc = i, .seq = 1};
        assert_int_equal(store_tile_add(b->store, 5, &tile, &b->err), 0);
    }
    assert_int_equal(store_commit(b->store, &b->err), 0);
    store_close(b->store);
    b->store = NULL;
    unsigned char *bytes = read_whole(b->path, &len);
    const char *rounds = getenv("FLIPS"); /* on request */
    uint64_t seed = 1;
    for (int round = 0; round < (rounds ? atoi(rounds) : 300); round++) {
        size_t bit = round < 100 * 8 && round % 2 ? (size_t)round : draw(&seed, 8 * len);
        int fd = open(b->path, O_WRONLY | O_TRUNC);
        assert_int_equal(write(fd, bytes, len), len);
        unsigned char other = bytes[bit / 8] ^ (unsigned char)(1u << bit % 8);
        assert_int_equal(pwrite(fd, &other, 1, (off_t)bit / 8), 1);
        close(fd);
        int rc = store_open(b->path, &disk_system, &b->store, &b->err);
        if (rc != 1)
            fail_msg("bit %zu: %d %s", bit, rc, b->err.text);
        assert_non_null(strstr(b->err.text, "is damaged"));
    }
    free(bytes);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_jobs),
        TEST(test_tiles),
        TEST(test_others_are_refused),
        TEST(test_a_foreign_database),
        TEST(test_flipped_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
