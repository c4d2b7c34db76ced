/* The sink on a bad disk: every call failing once, at every place; a disk that is full for a while.
 * What was told to be durable is there, bit for bit, and the end result is the same as ever. */
#include "sink_rig.h"

#include <pthread.h>
#include <sqlite3.h>

/* --- a disk that fails on demand ------------------------------------------------------------- */

static atomic_long calls, fail_at; /* the fail_at-th call fails; 0: none */
static atomic_int fail_errno;
static atomic_bool full; /* every write fails with ENOSPC */

static bool bad(void)
{
    bool hit = atomic_fetch_add(&calls, 1) + 1 == atomic_load(&fail_at) || atomic_load(&full);
    if (hit)
        errno = atomic_load(&full) ? ENOSPC : atomic_load(&fail_errno);
    return hit;
}

/* What was written to each file since it was last synced. */
struct written {
    dev_t dev;
    ino_t ino;
    off_t at;
    size_t len;
};
static struct written unsynced[65536];
static atomic_int early_commits; /* syncs of the database before what it speaks of was synced */
static size_t unsynced_count;
static pthread_mutex_t unsynced_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards both */

/* A group's sync is held until the records of the next one are written, which fails; once the first
 * is committed no sync succeeds any more. */
static atomic_bool held, waits, spoils, no_sync;
static atomic_long record_bytes; /* of the file; 0: nothing of this */
static atomic_int record_writes;

static bool spoil(int fd)
{
    struct stat st;
    long bytes = atomic_load(&record_bytes);
    if (bytes == 0 || fstat(fd, &st) != 0 || st.st_size != bytes ||
        atomic_fetch_add(&record_writes, 1) != 1)
        return false;
    atomic_store(&spoils, true);
    atomic_store(&held, false);
    errno = EIO;
    return true;
}

static ssize_t bad_pwrite(int fd, const void *data, size_t len, off_t at)
{
    if (spoil(fd))
        return -1;
    if (bad()) {
        if (len > 1 && pwrite(fd, data, len / 2, at) < 0) /* torn */
            abort();
        return -1;
    }
    struct stat st;
    len = len > 5000 ? len - 1000 : len; /* short ones in between */
    pthread_mutex_lock(&unsynced_mutex);
    if (fstat(fd, &st) == 0 && unsynced_count < sizeof unsynced / sizeof *unsynced)
        unsynced[unsynced_count++] = (struct written){st.st_dev, st.st_ino, at, len};
    ssize_t n = pwrite(fd, data, len, at);
    pthread_mutex_unlock(&unsynced_mutex);
    return n;
}

/* A sync that fails has lost what was written since the last one, as it may be on a real disk. */
static int bad_sync(int fd, int (*sync)(int fd))
{
    struct stat st;
    bool lose = bad() || atomic_load(&no_sync);
    int why = lose && atomic_load(&no_sync) ? EIO : errno;
    assert_int_equal(fstat(fd, &st), 0);
    pthread_mutex_lock(&unsynced_mutex);
    size_t kept = 0;
    for (size_t i = 0; i < unsynced_count; i++) {
        struct written w = unsynced[i];
        if (w.dev != st.st_dev || w.ino != st.st_ino) {
            unsynced[kept++] = w;
            continue;
        }
        char junk[512];
        memset(junk, 0xEE, sizeof junk);
        for (size_t n = 0; lose && n < w.len; n += sizeof junk)
            if (pwrite(fd, junk, w.len - n < sizeof junk ? w.len - n : sizeof junk,
                       w.at + (off_t)n) < 0)
                abort();
    }
    unsynced_count = kept;
    pthread_mutex_unlock(&unsynced_mutex);
    errno = why;
    return lose ? -1 : sync(fd);
}

static int bad_fdatasync(int fd)
{
    for (; atomic_load(&held); usleep(1000))
        atomic_store(&waits, true);
    return bad_sync(fd, fdatasync);
}

static int bad_fsync(int fd)
{
    return bad_sync(fd, fsync);
}

static int bad_rename(const char *from, const char *to)
{
    return bad() ? -1 : rename(from, to);
}

static int bad_fallocate(int fd, int mode, off_t at, off_t len)
{
    return bad() ? -1 : fallocate(fd, mode, at, len);
}

static int bad_sync_file_range(int fd, off_t at, off_t len, unsigned flags)
{
    return bad() ? -1 : sync_file_range(fd, at, len, flags);
}

static const struct disk bad_disk = {
    .pread = pread,
    .pwrite = bad_pwrite,
    .fdatasync = bad_fdatasync,
    .fsync = bad_fsync,
    .rename = bad_rename,
    .fallocate = bad_fallocate,
    .sync_file_range = bad_sync_file_range,
};

/* The same for SQLite's files: a VFS in front of the system's. */
struct bad_file {
    sqlite3_file base;
    sqlite3_file *real;
};
static sqlite3_vfs *real_vfs;
static sqlite3_vfs bad_vfs;

#define REAL(f) (((struct bad_file *)(f))->real)

static int vfs_close(sqlite3_file *f)
{
    return REAL(f)->pMethods->xClose(REAL(f));
}
static int vfs_read(sqlite3_file *f, void *out, int n, sqlite3_int64 at)
{
    return REAL(f)->pMethods->xRead(REAL(f), out, n, at);
}
static int vfs_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 at)
{
    if (!bad())
        return REAL(f)->pMethods->xWrite(REAL(f), data, n, at);
    return errno == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}
static int vfs_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return REAL(f)->pMethods->xTruncate(REAL(f), size);
}
static int vfs_sync(sqlite3_file *f, int flags)
{
    pthread_mutex_lock(&unsynced_mutex);
    if (unsynced_count > 0)
        atomic_fetch_add(&early_commits, 1);
    pthread_mutex_unlock(&unsynced_mutex);
    atomic_store(&no_sync, atomic_load(&spoils));
    return bad() ? SQLITE_IOERR_FSYNC : REAL(f)->pMethods->xSync(REAL(f), flags);
}
static int vfs_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return REAL(f)->pMethods->xFileSize(REAL(f), size);
}
static int vfs_lock(sqlite3_file *f, int level)
{
    return REAL(f)->pMethods->xLock(REAL(f), level);
}
static int vfs_unlock(sqlite3_file *f, int level)
{
    return REAL(f)->pMethods->xUnlock(REAL(f), level);
}
static int vfs_reserved(sqlite3_file *f, int *out)
{
    return REAL(f)->pMethods->xCheckReservedLock(REAL(f), out);
}
static int vfs_control(sqlite3_file *f, int op, void *arg)
{
    return REAL(f)->pMethods->xFileControl(REAL(f), op, arg);
}
static int vfs_sector(sqlite3_file *f)
{
    return REAL(f)->pMethods->xSectorSize(REAL(f));
}
static int vfs_traits(sqlite3_file *f)
{
    return REAL(f)->pMethods->xDeviceCharacteristics(REAL(f));
}

static const sqlite3_io_methods bad_methods = {
    1,        vfs_close,  vfs_read,     vfs_write,   vfs_truncate, vfs_sync,   vfs_size,
    vfs_lock, vfs_unlock, vfs_reserved, vfs_control, vfs_sector,   vfs_traits, NULL,
    NULL,     NULL,       NULL,         NULL,        NULL,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    (void)vfs;
    struct bad_file *file = (struct bad_file *)f;
    file->real = (sqlite3_file *)(file + 1);
    int rc = real_vfs->xOpen(real_vfs, name, file->real, flags, out);
    file->base.pMethods = file->real->pMethods ? &bad_methods : NULL;
    return rc;
}

static int group_setup(void **state)
{
    (void)state;
    real_vfs = sqlite3_vfs_find(NULL);
    bad_vfs = *real_vfs;
    bad_vfs.zName = "bad";
    bad_vfs.szOsFile = (int)sizeof(struct bad_file) + real_vfs->szOsFile;
    bad_vfs.xOpen = vfs_open;
    return sqlite3_vfs_register(&bad_vfs, 1);
}

static int fault_setup(void **state)
{
    rig_setup(state);
    struct rig *r = *state;
    r->config.disk = &bad_disk;
    atomic_store(&fail_at, 0);
    atomic_store(&full, false);
    unsynced_count = 0;
    atomic_store(&early_commits, 0);
    return 0;
}

/* --- every call, once ------------------------------------------------------------------------ */

static bool open_or_fail(struct rig *r)
{
    struct err err = {0};
    if (sink_open(&r->config, &r->sink, &err) != 0) {
        assert_int_equal(err.code, ERR_STORAGE);
        assert_true(err.text[0] != '\0');
        r->sink = NULL;
        return false;
    }
    assert_int_equal(sink_start(r->sink, &err), 0);
    return true;
}

static const struct sink_event *any_of(struct rig *r, enum sink_event_type x,
                                       enum sink_event_type y)
{
    struct sink_event e;
    for (;;) {
        while (sink_next(r->sink, &e)) {
            if (e.type != x && e.type != y)
                continue;
            r->last = e;
            return &r->last;
        }
        sem_wait(&r->woken);
    }
}

/* Bits rot in a field, in the statuses, in a head and in a record; verify and one tile anew repair
 * them. */
static void rot_and_repair(struct rig *r, uint32_t id, const struct job *job,
                           const struct content *c, const char *folder)
{
    static const struct {
        const char *name;
        off_t at;
    } spots[] = {
        {"field_0.npy", 4096}, {"status.npy", 4100}, {"field_1.npy", 20}, {"tiles.crc", 40}};
    for (size_t i = 0; i < sizeof spots / sizeof *spots; i++) {
        char path[300], byte;
        snprintf(path, sizeof path, "%s/%s", folder, spots[i].name);
        int fd = open(path, O_RDWR);
        assert_int_equal(pread(fd, &byte, 1, spots[i].at), 1);
        byte ^= 4;
        assert_int_equal(pwrite(fd, &byte, 1, spots[i].at), 1);
        close(fd);
    }
    sink_verify(r->sink, id);
    rig_wait(r, SINK_DAMAGED);
    uint32_t tile = r->last.tile;
    rig_wait(r, SINK_VERIFIED);
    sink_store(r->sink, make_result(job, id, tile, c, tile));
    rig_wait(r, SINK_DURABLE);
    sink_finish(r->sink, id);
    rig_wait(r, SINK_FINISHED);
    check_planes(job, folder, ".npy", c, NULL);
    sink_verify(r->sink, id);
    for (;;) {
        struct sink_event e;
        while (!sink_next(r->sink, &e))
            sem_wait(&r->woken);
        r->stalled += e.type == SINK_STALLED;
        r->resumed += e.type == SINK_RESUMED;
        assert_int_not_equal(e.type, SINK_DAMAGED);
        assert_int_not_equal(e.type, SINK_MENDED);
        if (e.type == SINK_VERIFIED)
            break;
    }
}

/* A job's whole life, with a restart and a second job that is deleted. The failure may come to an
 * open, which is then tried again, or to a submission, which is refused; all else must come
 * through. */
static void whole_life(struct rig *r, const struct job *job, const struct content *c)
{
    char folder[160];
    uint32_t n = job_tile_count(job), id = 0;
    if (!open_or_fail(r))
        assert_true(open_or_fail(r));
    for (id = 1; id < 3; id++) {
        sink_submit(r->sink, id, id, 0, "me", job);
        folder_of(r, id, folder);
        if (any_of(r, SINK_SUBMITTED, SINK_REFUSED)->type == SINK_SUBMITTED)
            break;
        assert_int_equal(r->last.err.code, ERR_STORAGE);
        assert_int_equal(access(folder, F_OK), -1);
    }
    assert_true(id < 3);
    sink_table(r->sink, id, "\0\0\0\0table", 9);
    for (uint32_t tile = 0; tile < n / 2; tile++)
        sink_store(r->sink, make_result(job, id, tile, c, tile));
    r->durable = 0;
    while (r->durable < n / 2)
        rig_wait(r, SINK_DURABLE);
    rig_close(r);
    if (!open_or_fail(r))
        assert_true(open_or_fail(r));
    assert_int_equal(sink_job_count(r->sink), 1);
    assert_int_equal(sink_job(r->sink, 0)->table_bytes, 9);
    for (uint32_t tile = 0; tile < n; tile++)
        assert_int_equal(sink_job(r->sink, 0)->tile_done[tile], tile < n / 2);
    for (uint32_t tile = n; tile-- > n / 2;)
        sink_store(r->sink, make_result(job, id, tile, c, tile));
    while (r->durable < n)
        rig_wait(r, SINK_DURABLE);
    sink_finish(r->sink, id);
    rig_wait(r, SINK_FINISHED);
    check_planes(job, folder, ".npy", c, NULL);
    rot_and_repair(r, id, job, c, folder);
    sink_delete(r->sink, id);
    rig_wait(r, SINK_DELETED);
    assert_int_equal(access(folder, F_OK), -1);
    assert_int_equal(r->stalled, r->resumed);
    rig_close(r);
}

static void every_call_failing_once(size_t long_bytes, long stride)
{
    static const int kinds[] = {EIO, ENOSPC, EROFS};
    struct content c = {.salt = 6, .odd = true};
    struct job *job = make_job(6, 9, 2, true, 1e6);
    long total = 1;
    unsigned stalls = 0;
    for (long n = 0; n <= total; n += stride) {
        void *rig;
        fault_setup(&rig);
        ((struct rig *)rig)->config.long_bytes = long_bytes;
        atomic_store(&calls, 0);
        atomic_store(&fail_at, n);
        atomic_store(&fail_errno, kinds[n % 3]);
        whole_life(rig, job, &c);
        stalls += ((struct rig *)rig)->stalled;
        if (n == 0)
            total = atomic_load(&calls) + 20;
        assert_int_equal(rig_teardown(&rig), 0);
    }
    assert_true(total > 50);
    assert_true(stalls > 20 / stride);
    job_destroy(job);
}

static void test_every_call_failing_once(void **state)
{
    (void)state;
    every_call_failing_once(0, 1);
}

/* The same with results under way (sink_land.c). */
static void test_calls_failing_under_way(void **state)
{
    (void)state;
    every_call_failing_once(1, 3);
}

/* What the database calls durable is not written again when something else fails before the sink
 * has heard of the commit: else it would be in doubt once more, and a start believe it. */
static void test_what_is_committed_is_left_alone(void **state)
{
    struct rig *r = *state;
    struct content c = {.salt = 6, .odd = true};
    struct job *job = make_job(6, 9, 2, true, 1e6);
    uint32_t n = job_tile_count(job);
    char folder[160];
    folder_of(r, 1, folder);
    r->config.long_bytes = 1;
    rig_open(r);
    rig_submit(r, 1, job);
    atomic_store(&record_writes, 0);
    atomic_store(&record_bytes, 32 * (long)n);
    atomic_store(&held, true);
    sink_store(r->sink, make_result(job, 1, 0, &c, 0));
    while (!atomic_load(&waits))
        usleep(1000);
    sink_store(r->sink, make_result(job, 1, n - 1, &c, 0));
    rig_wait(r, SINK_STALLED);
    assert_int_equal(r->durable, 1);
    rig_close(r);
    atomic_store(&record_bytes, 0);
    atomic_store(&spoils, false);
    atomic_store(&no_sync, false);
    rig_open(r);
    assert_int_equal(sink_job(r->sink, 0)->tile_done[0], 1);
    check_planes(job, folder, ".partial.npy", &c, sink_job(r->sink, 0)->tile_done);
    job_destroy(job);
}

/* Data first: whenever the database is synced, nothing that was written to a file is still waiting
 * for a sync, not even the statuses of the commit before. */
static void test_data_are_synced_before_the_commit(void **state)
{
    struct rig *r = *state;
    struct content c = {.salt = 6, .odd = true};
    struct job *job = make_job(12, 12, 2, true, 1e8);
    whole_life(r, job, &c);
    assert_int_equal(atomic_load(&early_commits), 0);
    job_destroy(job);
}

/* --- a full disk ----------------------------------------------------------------------------- */

static void test_a_full_disk(void **state)
{
    struct rig *r = *state;
    struct content c = {.salt = 6, .odd = true};
    struct job *job = make_job(8, 8, 1, true, 1e8);
    char folder[160];
    folder_of(r, 1, folder);
    rig_open(r);
    rig_submit(r, 1, job);
    sink_store(r->sink, make_result(job, 1, 0, &c, 0));
    rig_wait(r, SINK_DURABLE);
    atomic_store(&full, true);
    for (uint32_t tile = 1; tile < job_tile_count(job); tile++)
        sink_store(r->sink, make_result(job, 1, tile, &c, tile));
    rig_wait(r, SINK_STALLED);
    assert_int_equal(r->last.err.code, ERR_STORAGE);
    assert_non_null(strstr(r->last.err.text, "the disk is full"));
    long before = atomic_load(&calls);
    while (atomic_load(&calls) < before + 20) /* it goes on trying, and says nothing more */
        usleep(1000);
    assert_false(sink_next(r->sink, &r->last));
    atomic_store(&full, false);
    r->durable = 0;
    while (r->durable < job_tile_count(job) - 1)
        rig_wait(r, SINK_DURABLE);
    assert_int_equal(r->resumed, 1);
    assert_int_equal(r->stalled, 1);
    sink_finish(r->sink, 1);
    rig_wait(r, SINK_FINISHED);
    check_planes(job, folder, ".npy", &c, NULL);
    job_destroy(job);
}

static void test_closing_on_a_full_disk(void **state)
{
    struct rig *r = *state;
    struct content c = {.salt = 6};
    struct job *job = make_job(8, 8, 1, true, 1e8);
    rig_open(r);
    rig_submit(r, 1, job);
    atomic_store(&full, true);
    for (uint32_t tile = 0; tile < job_tile_count(job); tile++)
        sink_store(r->sink, make_result(job, 1, tile, &c, tile));
    sink_finish(r->sink, 2);
    rig_close(r); /* ends, and releases every result */
    assert_int_equal(atomic_load(&rig_results), 0);
    atomic_store(&full, false);
    rig_open(r);
    for (uint32_t tile = 0; tile < job_tile_count(job); tile++)
        assert_int_equal(sink_job(r->sink, 0)->tile_done[tile], 0);
    job_destroy(job);
}

/* A submission that does not fit leaves nothing, whichever of its files it is that does not. */
static void test_no_room_for_a_submission(void **state)
{
    struct rig *r = *state;
    struct job *job = make_job(8, 8, 2, true, 1e8);
    char folder[160];
    folder_of(r, 1, folder);
    rig_open(r);
    atomic_store(&full, true);
    sink_submit(r->sink, 1, 1, 0, "me", job);
    rig_wait(r, SINK_REFUSED);
    assert_int_equal(r->last.err.code, ERR_STORAGE);
    assert_int_equal(access(folder, F_OK), -1);
    atomic_store(&full, false);
    rig_submit(r, 2, job);
    job_destroy(job);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fault_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_call_failing_once),
        cmocka_unit_test(test_calls_failing_under_way),
        TEST(test_what_is_committed_is_left_alone),
        TEST(test_data_are_synced_before_the_commit),
        TEST(test_a_full_disk),
        TEST(test_closing_on_a_full_disk),
        TEST(test_no_room_for_a_submission),
    };
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
