/* Statuses follow the commit of their tiles, and failures follow them: what was put and failed must
 * not be noted as durable, or no start would ever write it again; and no file is closed while the
 * writer is at it. The disk fails one call of a kind, and holds calls until others have come. */
#include "sink_rig.h"

enum { NEVER = 1000000 };

static atomic_long field_writes, status_writes; /* calls so far, those that fail as well */
static atomic_long field_may, sync_must;        /* as many may be begun; a sync waits for as many */
static atomic_long bad_status, bad_syncs;       /* that one fails; so many syncs of fields fail */
static atomic_bool slow_status, slow_field;     /* the next one takes its time */
static atomic_bool late_record;                 /* the next one waits until one is synced */
static atomic_long record_writes, record_syncs;
static atomic_int strayed; /* writes whose file was closed meanwhile */

static bool is_of(int fd, const char *name)
{
    char link[64], path[300];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    return strstr(path, name) != NULL;
}

static void wait_for(atomic_long *count, long least)
{
    while (atomic_load(count) < least)
        usleep(200);
}

/* Long enough for somebody who does not wait to close the file. */
static void nap_and_look(int fd, const char *name)
{
    usleep(10000);
    if (!is_of(fd, name))
        atomic_fetch_add(&strayed, 1);
}

static ssize_t odd_pwrite(int fd, const void *data, size_t len, off_t at)
{
    bool fails = false;
    if (is_of(fd, "/field_0.")) {
        long n = atomic_fetch_add(&field_writes, 1);
        wait_for(&field_may, n + 1);
        if (atomic_exchange(&slow_field, false))
            nap_and_look(fd, "/field_0.");
    } else if (is_of(fd, "/status.npy")) {
        fails = atomic_fetch_add(&status_writes, 1) + 1 == atomic_load(&bad_status);
        if (atomic_exchange(&slow_status, false))
            nap_and_look(fd, "/status.npy");
    } else if (is_of(fd, "/tiles.crc")) {
        bool late = atomic_exchange(&late_record, false);
        atomic_fetch_add(&record_writes, 1);
        if (late) {
            wait_for(&record_syncs, 1);
            usleep(1000); /* until the writer has noted it */
        }
    }
    errno = EIO;
    return fails ? -1 : pwrite(fd, data, len, at);
}

static int odd_fdatasync(int fd)
{
    if (is_of(fd, "/field_0.")) {
        while (atomic_load(&field_writes) < atomic_load(&sync_must))
            usleep(200);
        errno = EIO;
        if (atomic_load(&bad_syncs) > 0 && atomic_fetch_sub(&bad_syncs, 1) > 0)
            return -1;
    }
    int rc = fdatasync(fd);
    atomic_fetch_add(&record_syncs, is_of(fd, "/tiles.crc"));
    return rc;
}

static struct disk disk;

static int status_setup(void **state)
{
    rig_setup(state);
    struct rig *r = *state;
    disk = disk_system;
    disk.pwrite = odd_pwrite;
    disk.fdatasync = odd_fdatasync;
    r->config.disk = &disk;
    r->config.long_bytes = 1; /* all goes by the writer */
    atomic_store(&field_may, NEVER);
    atomic_store(&sync_must, 0);
    atomic_store(&bad_status, 0);
    atomic_store(&bad_syncs, 0);
    atomic_store(&strayed, 0);
    return 0;
}

/* A tile is a point, and a row of its own. */
static struct job *job_of_points(void)
{
    struct job *job = make_job(5, 1, 1, false, 1e7);
    assert_int_equal(job_tile_count(job), 5);
    return job;
}

static const struct content plain = {.salt = 3};

static void begin(struct rig *r, uint32_t id, const struct job *job)
{
    rig_submit(r, id, job);
    r->durable = 0;
    atomic_store(&field_writes, 0);
    atomic_store(&status_writes, 0);
    atomic_store(&record_writes, 0);
    atomic_store(&record_syncs, 0);
}

static void store(struct rig *r, uint32_t id, const struct job *job, uint32_t tile)
{
    sink_store(r->sink, make_result(job, id, tile, &plain, tile));
}

/* A result that is to be left under way whatever its size. */
static void store_in_stream(struct rig *r, uint32_t id, const struct job *job, uint32_t tile)
{
    struct sink_result *result = make_result(job, id, tile, &plain, tile);
    result->room_bytes = r->config.long_bytes;
    sink_store(r->sink, result);
}

/* After a restart, which writes what was not noted: the first n tiles are there, and no others. */
static void check_after_restart(struct rig *r, uint32_t id, const struct job *job, uint32_t n)
{
    uint8_t done[5] = {0};
    char folder[160];
    memset(done, 1, n);
    folder_of(r, id, folder);
    rig_close(r);
    rig_open(r);
    check_planes(job, folder, ".partial.npy", &plain, done);
}

/* --- what must not be noted ------------------------------------------------------------------ */

/* A sync fails; the first of what was under way is carried out again, but its statuses are lost
 * while the second one is. */
static void test_statuses_that_fail_while_the_next_is_carried_out(void **state)
{
    struct rig *r = *state;
    struct job *job = job_of_points();
    rig_open(r);
    begin(r, 1, job);
    atomic_store(&sync_must, 2); /* both are put */
    atomic_store(&bad_syncs, 1);
    atomic_store(&bad_status, 1);
    store(r, 1, job, 0);
    wait_for(&field_writes, 1);
    store(r, 1, job, 1);
    while (r->durable < 2)
        rig_wait(r, SINK_DURABLE);
    rig_settle(r, 1);
    assert_true(atomic_load(&status_writes) > 1);
    check_after_restart(r, 1, job, 2);
    job_destroy(job);
}

/* A group has landed and of its statuses the second one fails, when the next group waits for its
 * sync: that does not speak for them. */
static void test_statuses_that_fail_before_the_next_sync(void **state)
{
    struct rig *r = *state;
    struct job *job = job_of_points();
    r->config.long_bytes = 2 * job_point_bytes(job); /* two go together, but not by the writer */
    rig_open(r);
    begin(r, 1, job);
    atomic_store(&bad_status, 3);
    atomic_store(&field_may, 0);
    store(r, 1, job, 0);
    wait_for(&field_writes, 1);
    store_in_stream(r, 1, job, 1); /* one group, since the sink is busy */
    store_in_stream(r, 1, job, 2);
    atomic_store(&field_may, 1);
    rig_wait(r, SINK_DURABLE);
    atomic_store(&sync_must, 4); /* theirs, until the next is put */
    atomic_store(&field_may, NEVER);
    wait_for(&field_writes, 3);
    store_in_stream(r, 1, job, 3);
    while (r->durable < 4)
        rig_wait(r, SINK_DURABLE);
    rig_settle(r, 1);
    assert_true(atomic_load(&status_writes) > 3);
    check_after_restart(r, 1, job, 4);
    job_destroy(job);
}

/* --- what must not be closed ----------------------------------------------------------------- */

/* A sync fails while an order waits that closes the job's files; the statuses of what is carried
 * out again are to be there first. */
static void test_no_file_is_closed_by_a_cancelled_job(void **state)
{
    struct rig *r = *state;
    struct job *job = job_of_points();
    rig_open(r);
    for (uint32_t id = 1; id <= 10; id++) { /* the sink may hear of the failure before the order */
        begin(r, id, job);
        atomic_store(&sync_must, 2);
        atomic_store(&bad_syncs, 1);
        atomic_store(&slow_status, true);
        store(r, id, job, 0);
        wait_for(&field_writes, 1);
        sink_job_state(r->sink, id, JOB_CANCELLED, "");
        usleep(1000);
        atomic_store(&sync_must, 0);
        sink_delete(r->sink, id);
        rig_wait(r, SINK_DELETED);
    }
    assert_int_equal(atomic_load(&strayed), 0);
    job_destroy(job);
}

static void lose_statuses(struct rig *r, uint32_t id)
{
    char folder[160], path[200];
    folder_of(r, id, folder);
    snprintf(path, sizeof path, "%s/status.npy", folder);
    assert_int_equal(unlink(path), 0);
}

/* A job is lost, since a file is missing that was not yet open: this is seen when a group of it
 * lands, at the moment when the next one has been put. */
static void test_no_file_is_closed_by_a_lost_job(void **state)
{
    struct rig *r = *state;
    struct job *job = job_of_points();
    rig_open(r);
    begin(r, 1, job);
    lose_statuses(r, 1);
    atomic_store(&sync_must, 2);
    store(r, 1, job, 0);
    wait_for(&field_writes, 1);
    wait_for(&record_writes, 1);
    atomic_store(&slow_field, true);
    atomic_store(&late_record, true);
    store(r, 1, job, 1);
    rig_wait(r, SINK_LOST);
    rig_close(r);
    assert_int_equal(atomic_load(&strayed), 0);
    job_destroy(job);
}

/* No order need come for that to be seen. */
static void test_a_lost_job_is_told_when_its_last_result_lands(void **state)
{
    struct rig *r = *state;
    struct job *job = job_of_points();
    rig_open(r);
    begin(r, 1, job);
    lose_statuses(r, 1);
    store(r, 1, job, 0);
    rig_wait(r, SINK_LOST);
    job_destroy(job);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, status_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_statuses_that_fail_while_the_next_is_carried_out),
        TEST(test_statuses_that_fail_before_the_next_sync),
        TEST(test_no_file_is_closed_by_a_cancelled_job),
        TEST(test_no_file_is_closed_by_a_lost_job),
        TEST(test_a_lost_job_is_told_when_its_last_result_lands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
