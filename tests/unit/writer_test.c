/* The writer by itself: every byte, whatever the disk takes at a time and knows of O_DIRECT; a sync
 * begins when all before it is written; failures stick until they are heard of. */
#include "buf.h"
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { FILE_BYTES = 6 << 20, LARGE_PART = 5 << 20, FILES = 2, PATIENCE_MS = 60000 };

/* --- a disk with moods ----------------------------------------------------------------------- */

static atomic_ulong moods;
static atomic_long written, synced_at; /* bytes; when the last sync began */
static atomic_bool no_direct, shortly, slowly, broken;
static atomic_int direct_calls, sync_calls, syncs_ended;
static atomic_long awaited; /* a sync of a file does not end before so many bytes are written ... */
static atomic_int in_vain;  /* ... or too long has been waited for that */

static unsigned long mood(unsigned long below)
{
    unsigned long x = atomic_fetch_add(&moods, 0x9e3779b97f4a7c15u);
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    return (x ^ x >> 27) % below;
}

static void delay(void)
{
    struct timespec nap = {.tv_nsec = (long)mood(400) * 1000};
    if (atomic_load(&slowly) && mood(3) == 0)
        nanosleep(&nap, NULL);
}

static ssize_t moody_pwrite(int fd, const void *data, size_t len, off_t at)
{
    bool direct = fcntl(fd, F_GETFL) & O_DIRECT;
    delay();
    if (atomic_load(&broken)) {
        errno = EIO;
        return -1;
    }
    if (direct && atomic_load(&no_direct)) {
        errno = EINVAL;
        return -1;
    }
    if (direct) {
        atomic_fetch_add(&direct_calls, 1);
        assert_int_equal((uintptr_t)data % WRITER_PAGE, 0);
        assert_int_equal(at % WRITER_PAGE, 0);
        assert_int_equal(len % WRITER_PAGE, 0);
    }
    if (atomic_load(&shortly) && len > 1)
        len = 1 + mood(len);
    if (direct && len % WRITER_PAGE) /* as a file system may have it at an error's edge */
        len = len > WRITER_PAGE ? len / WRITER_PAGE * WRITER_PAGE : WRITER_PAGE;
    ssize_t n = pwrite(fd, data, len, at);
    if (n > 0)
        atomic_fetch_add(&written, n);
    return n;
}

static int moody_fdatasync(int fd)
{
    (void)fd;
    atomic_fetch_add(&sync_calls, 1);
    atomic_store(&synced_at, atomic_load(&written));
    delay();
    int ms = 0;
    for (; ms < PATIENCE_MS && atomic_load(&written) < atomic_load(&awaited); ms++)
        usleep(1000);
    atomic_fetch_add(&in_vain, ms == PATIENCE_MS);
    atomic_fetch_add(&syncs_ended, 1);
    return 0;
}

static int moody_range(int fd, off_t at, off_t len, unsigned flags)
{
    (void)fd, (void)at, (void)len, (void)flags;
    delay();
    return 0;
}

static const struct disk moody = {
    .pwrite = moody_pwrite, .fdatasync = moody_fdatasync, .sync_file_range = moody_range};

struct rig {
    char folder[32], path[FILES][64];
    int fd[FILES], direct[FILES];
    struct writer *w;
    atomic_int news;
};

static void hear(void *arg)
{
    atomic_fetch_add(&((struct rig *)arg)->news, 1);
}

/* The owner is called a moment after the state can be seen, but before a thread ends. */
static int all_news(struct rig *r)
{
    writer_destroy(r->w);
    r->w = NULL;
    return atomic_load(&r->news);
}

static int setup(void **state)
{
    struct rig *r = mem_alloc(1, sizeof *r);
    snprintf(r->folder, sizeof r->folder, "/tmp/writer-test-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    for (int i = 0; i < FILES; i++) {
        snprintf(r->path[i], sizeof r->path[i], "%s/%d", r->folder, i);
        r->fd[i] = open(r->path[i], O_RDWR | O_CREAT, 0600);
        r->direct[i] = open(r->path[i], O_WRONLY | O_DIRECT); /* -1 where there is none */
        assert_int_equal(ftruncate(r->fd[i], FILE_BYTES), 0);
    }
    atomic_store(&no_direct, false);
    atomic_store(&shortly, false);
    atomic_store(&slowly, true);
    atomic_store(&broken, false);
    r->w = writer_create(&moody, hear, r, NULL);
    assert_non_null(r->w);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    writer_destroy(r->w);
    for (int i = 0; i < FILES; i++) {
        close(r->fd[i]);
        if (r->direct[i] >= 0)
            close(r->direct[i]);
        unlink(r->path[i]);
    }
    rmdir(r->folder);
    free(r);
    return 0;
}

/* --- what is written ------------------------------------------------------------------------- */

static unsigned char byte_at(int file, uint64_t at)
{
    return (unsigned char)((at * 2654435761u >> 11) + (unsigned)file * 101);
}

static unsigned char *lot_of(struct rig *r, size_t bytes)
{
    unsigned char *lot;
    while (!(lot = writer_lot(r->w, bytes)))
        writer_rest(r->w, bytes);
    return lot;
}

/* Fills the files with stretches of any length, each in a lot or in memory that is taken. */
static long put_all(struct rig *r)
{
    long bytes = 0;
    for (uint64_t at = 0, len; at < FILE_BYTES; at += len) {
        bool own = mood(4) == 0, large = !own && mood(4) == 0;
        len = 1 + mood(large ? LARGE_PART : mood(2) ? 20000 : 700000);
        len = len < FILE_BYTES - at ? len : FILE_BYTES - at;
        unsigned char *lot = own ? aligned_alloc(WRITER_PAGE, 2u << 20)
                                 : lot_of(r, large ? WRITER_LARGE_BYTES : WRITER_LOT_BYTES);
        unsigned char *to = lot;
        struct writer_stretch s[FILES];
        for (int i = 0; i < FILES; i++) {
            unsigned char *data = to + at % WRITER_PAGE;
            for (uint64_t k = 0; k < len; k++)
                data[k] = byte_at(i, at + k);
            s[i] = (struct writer_stretch){r->fd[i], r->direct[i], at, data, len};
            to += (len / WRITER_PAGE + 2) * WRITER_PAGE;
            bytes += (long)len;
        }
        writer_put(r->w, own ? NULL : lot, own ? lot : NULL, s, FILES);
    }
    return bytes;
}

static void check_files(struct rig *r)
{
    unsigned char *bytes = mem_alloc(FILE_BYTES, 1);
    for (int i = 0; i < FILES; i++) {
        assert_int_equal(pread(r->fd[i], bytes, FILE_BYTES, 0), FILE_BYTES);
        for (uint64_t at = 0; at < FILE_BYTES; at++)
            if (bytes[at] != byte_at(i, at))
                fail_msg("file %d differs at %" PRIu64, i, at);
    }
    free(bytes);
}

static void put_and_sync(struct rig *r)
{
    struct writer_failure f;
    atomic_store(&written, 0);
    atomic_store(&synced_at, -1);
    long bytes = put_all(r);
    writer_sync(r->w, r->fd, FILES, NULL, NULL);
    assert_int_equal(writer_hear(r->w, true), WRITER_SYNCED);
    assert_int_equal(atomic_load(&synced_at), bytes); /* not before all was written */
    assert_int_equal(writer_hear(r->w, false), WRITER_IDLE);
    assert_int_equal(writer_wait(r->w, &f), 0);
    check_files(r);
}

static void test_every_byte(void **state)
{
    struct rig *r = *state;
    atomic_store(&direct_calls, 0);
    put_and_sync(r);
    assert_true(r->direct[0] < 0 || atomic_load(&direct_calls) > 0);
    assert_int_equal(all_news(r), 1);
}

static void test_short_writes(void **state)
{
    atomic_store(&shortly, true);
    put_and_sync(*state);
}

/* A file system that opens with O_DIRECT and then refuses it, as some do. */
static void test_no_direct(void **state)
{
    struct rig *r = *state;
    atomic_store(&no_direct, true);
    atomic_store(&direct_calls, 0);
    put_and_sync(r);
    assert_int_equal(atomic_load(&direct_calls), 0);
}

/* Lots that are put behind a sync do not wait for it. */
static void test_lots_go_on_while_files_are_synced(void **state)
{
    struct rig *r = *state;
    struct writer_failure f;
    put_all(r);
    writer_sync(r->w, r->fd, FILES, NULL, NULL);
    put_all(r);
    assert_int_equal(writer_hear(r->w, true), WRITER_SYNCED);
    writer_sync(r->w, r->fd, FILES, NULL, NULL);
    assert_int_equal(writer_wait(r->w, &f), 0);
    check_files(r);
}

/* However many files a sync has. */
static void test_a_long_sync_leaves_threads_for_lots(void **state)
{
    struct rig *r = *state;
    struct writer_failure f;
    int fds[24];
    for (int i = 0; i < 24; i++)
        fds[i] = r->fd[i % FILES];
    put_all(r);
    assert_int_equal(writer_wait(r->w, &f), 0);
    atomic_store(&awaited, atomic_load(&written) + 1);
    atomic_store(&sync_calls, 0);
    writer_sync(r->w, fds, 24, NULL, NULL);
    while (atomic_load(&sync_calls) < 2)
        usleep(200);
    usleep(20000); /* for as many as will */
    put_all(r);
    assert_int_equal(writer_hear(r->w, true), WRITER_SYNCED);
    assert_int_equal(writer_wait(r->w, &f), 0);
    atomic_store(&awaited, 0);
    assert_int_equal(atomic_load(&in_vain), 0);
    check_files(r);
}

static void test_failures_stick(void **state)
{
    struct rig *r = *state;
    struct writer_failure f;
    atomic_store(&broken, true);
    atomic_store(&sync_calls, 0);
    put_all(r);
    writer_sync(r->w, r->fd, FILES, NULL, NULL);
    assert_int_equal(writer_hear(r->w, true), WRITER_FAILED);
    atomic_store(&broken, false); /* too late for what was put */
    atomic_store(&written, 0);
    writer_put(r->w, NULL, NULL,
               &(struct writer_stretch){r->fd[0], -1, 0, (const unsigned char *)"x", 1}, 1);
    assert_int_equal(writer_hear(r->w, false), WRITER_FAILED);
    assert_int_equal(writer_wait(r->w, &f), -1);
    assert_int_equal(f.error, EIO);
    assert_int_equal(f.of, WRITER_WRITE);
    assert_true(f.fd == r->fd[0] || f.fd == r->fd[1]);
    assert_int_equal(atomic_load(&sync_calls), 0);
    assert_int_equal(atomic_load(&written), 0);
    put_and_sync(r); /* as new */
    assert_true(all_news(r) > 1);
}

struct after {
    int calls, syncs_ended, rc;
};

static int then(void *arg)
{
    struct after *a = arg;
    a->calls++;
    a->syncs_ended = atomic_load(&syncs_ended);
    return a->rc;
}

/* Once, when all files of the sync are synced; what it fails in sticks like any failure. */
static void test_what_follows_a_sync(void **state)
{
    struct rig *r = *state;
    struct writer_failure f;
    struct after fine = {0}, fails = {.rc = -1}, never = {0};
    atomic_store(&slowly, true);
    atomic_store(&syncs_ended, 0);
    put_all(r);
    writer_sync(r->w, r->fd, FILES, then, &fine);
    put_all(r);
    assert_int_equal(writer_hear(r->w, true), WRITER_SYNCED);
    assert_int_equal(fine.calls, 1);
    assert_int_equal(fine.syncs_ended, FILES);
    writer_sync(r->w, r->fd, FILES, then, &fails);
    assert_int_equal(writer_hear(r->w, true), WRITER_FAILED);
    assert_int_equal(fails.calls, 1);
    assert_int_equal(fails.syncs_ended, 2 * FILES);
    assert_int_equal(writer_wait(r->w, &f), -1);
    assert_int_equal(f.of, WRITER_THEN);
    atomic_store(&broken, true);
    put_all(r);
    writer_sync(r->w, NULL, 0, then, &never);
    assert_int_equal(writer_wait(r->w, &f), -1);
    assert_int_equal(never.calls, 0);
    atomic_store(&broken, false);
    writer_sync(r->w, NULL, 0, then, &fine);
    assert_int_equal(writer_hear(r->w, true), WRITER_SYNCED);
    assert_int_equal(fine.calls, 2);
    assert_int_equal(writer_wait(r->w, &f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_writes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_direct, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lots_go_on_while_files_are_synced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_long_sync_leaves_threads_for_lots, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures_stick, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_follows_a_sync, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
