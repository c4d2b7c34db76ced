/* Groups under way: with every run put to the writer and a disk that takes its time at any call,
 * tiles are stored in any order, twice, and between orders of all kinds; a disk that fails in the
 * middle of it. Every byte and every record is right, and what is told is in order. */
#include "sink_rig.h"

static atomic_ulong moods;
static atomic_long calls, fail_from, fail_to; /* calls that fail, with EIO */
static atomic_ulong fail_per_mille;           /* ... of 60 calls, then of none of 240 */
static atomic_bool lazy;

static unsigned long mood(unsigned long below)
{
    uint64_t x = atomic_fetch_add(&moods, 1);
    return mix(x) % below;
}

static bool moody(void)
{
    long n = atomic_fetch_add(&calls, 1);
    struct timespec nap = {.tv_nsec = (long)mood(300) * 1000};
    if (atomic_load(&lazy) && mood(4) == 0)
        nanosleep(&nap, NULL);
    errno = EIO;
    if (n % 300 < 60 && mood(1000) < atomic_load(&fail_per_mille))
        return true;
    return n >= atomic_load(&fail_from) && n < atomic_load(&fail_to);
}

static ssize_t moody_pwrite(int fd, const void *data, size_t len, off_t at)
{
    return moody() ? -1 : pwrite(fd, data, len, at);
}

static int moody_fdatasync(int fd)
{
    return moody() ? -1 : fdatasync(fd);
}

static int moody_fsync(int fd)
{
    return moody() ? -1 : fsync(fd);
}

static int moody_range(int fd, off_t at, off_t len, unsigned flags)
{
    return moody() ? -1 : sync_file_range(fd, at, len, flags);
}

static struct disk disk;

static int stream_setup(void **state)
{
    rig_setup(state);
    struct rig *r = *state;
    disk = disk_system;
    disk.pwrite = moody_pwrite;
    disk.fdatasync = moody_fdatasync;
    disk.fsync = moody_fsync;
    disk.sync_file_range = moody_range;
    r->config.disk = &disk;
    r->config.long_bytes = 1;
    atomic_store(&lazy, true);
    atomic_store(&fail_from, 0);
    atomic_store(&fail_to, 0);
    atomic_store(&fail_per_mille, 0);
    return 0;
}

/* --- any order, between anything ------------------------------------------------------------- */

enum { OTHER = 99 };

/* Something else to do, while results are under way. */
static void intrude(struct rig *r, uint32_t id, const struct job *job, const struct content *c,
                    uint32_t stored)
{
    switch (mood(9)) {
    case 0:
        sink_frontier(r->sink, id, stored);
        break;
    case 1:
        sink_job_state(r->sink, id, JOB_PAUSED, "for lunch");
        sink_job_state(r->sink, id, JOB_RUNNING, "");
        break;
    case 2:
        sink_job_priority(r->sink, id, (int32_t)mood(10));
        break;
    case 3:
        sink_verify(r->sink, id);
        break;
    case 4: /* a straggler's, perhaps of one that is under way */
        sink_store(r->sink, make_result(job, id, stored, c, stored));
        break;
    case 5:
        sink_submit(r->sink, OTHER, OTHER, 0, "me", job);
        sink_store(r->sink, make_result(job, OTHER, 0, c, 5));
        sink_delete(r->sink, OTHER);
        break;
    default:
        break;
    }
}

static void count(struct rig *r)
{
    while (sink_next(r->sink, &r->last)) {
        enum sink_event_type type = r->last.type;
        r->durable += type == SINK_DURABLE && r->last.job != OTHER;
        r->stalled += type == SINK_STALLED;
        r->resumed += type == SINK_RESUMED;
        assert_int_not_equal(type, SINK_DIFFERS);
        assert_int_not_equal(type, SINK_DAMAGED);
        assert_int_not_equal(type, SINK_MENDED);
        if (type == SINK_REFUSED && r->last.job != OTHER)
            fail_msg("refused: %s", r->last.err.text);
        assert_true(type != SINK_DROPPED || r->last.job == OTHER);
    }
}

static void store_among_others(struct rig *r, uint32_t id, const struct job *job,
                               const struct content *c, uint64_t seed)
{
    uint32_t n = job_tile_count(job), *order = shuffled(n, seed);
    r->durable = 0;
    for (uint32_t i = 0; i < n; i++) {
        sink_store(r->sink, make_result(job, id, order[i], c, seed + i));
        intrude(r, id, job, c, order[mood(i + 1)]);
        if (mood(8) == 0)
            sem_wait(&r->woken);
        count(r);
    }
    for (; r->durable < n; count(r))
        sem_wait(&r->woken);
    free(order);
}

static const struct shape {
    size_t n_q, n_a;
    unsigned fields;
    bool errors;
    double span;
} shapes[] = {{300, 60, 1, true, 1e4},
              {40, 33, 2, true, 1e6},
              {200, 700, 1, false, 10},
              {64, 61, 3, true, 1e5}};

/* A start finishes what is whole. */
static bool is_done(const struct rig *r, uint32_t id)
{
    for (size_t i = 0; i < sink_job_count(r->sink); i++)
        if (sink_job(r->sink, i)->id == id)
            return sink_job(r->sink, i)->state == JOB_DONE;
    return false;
}

/* All tiles are durable: every byte and every record of the job is as it should be. */
static void finish(struct rig *r, uint32_t id, struct job *job, const struct content *c)
{
    char folder[160];
    if (!is_done(r, id)) {
        sink_finish(r->sink, id);
        rig_wait(r, SINK_FINISHED);
    }
    folder_of(r, id, folder);
    check_planes(job, folder, ".npy", c, NULL);
    check_records(job, folder, c);
    job_destroy(job);
}

static void a_life(struct rig *r, uint32_t id, const struct shape *s, bool odd)
{
    struct content c = {.salt = id, .odd = odd};
    struct job *job = make_job(s->n_q, s->n_a, s->fields, s->errors, s->span);
    rig_submit(r, id, job);
    store_among_others(r, id, job, &c, id);
    finish(r, id, job, &c);
}

static void test_any_order_among_others(void **state)
{
    struct rig *r = *state;
    rig_open(r);
    for (uint32_t id = 1; id <= 4; id++)
        a_life(r, id, &shapes[id % 4], id % 3 == 0);
    assert_int_equal(r->stalled, 0);
}

/* Lots end within pages, of every plane at another place; a band is more than one lot; with many
 * planes a lot has a few rows, or (the last) too few of them. */
static void test_several_lots_to_a_band(void **state)
{
    struct rig *r = *state;
    static const struct shape large[] = {{512, 801, 1, true, 10},
                                         {512, 801, 1, true, 10},
                                         {5, 300, 64, true, 10},
                                         {3, 700, 64, true, 10}};
    atomic_store(&lazy, false);
    rig_open(r);
    for (uint32_t id = 1; id <= 4; id++)
        a_life(r, id, &large[id - 1], id == 2);
}

/* Whatever is under way when some calls fail is there in the end, and is told once. */
static void test_failures_on_the_way(void **state)
{
    struct rig *r = *state;
    long begin = 0;
    rig_open(r);
    atomic_store(&lazy, false);
    for (uint32_t id = 1; id <= 40; id++) {
        struct content c = {.salt = id};
        struct job *job = make_job(40, 33, 1, true, 1e6);
        uint32_t n = job_tile_count(job), *order = shuffled(n, id);
        rig_submit(r, id, job);
        begin = atomic_load(&calls) + (long)mood(40);
        atomic_store(&fail_to, begin + 1 + (long)mood(6));
        atomic_store(&fail_from, begin);
        r->durable = 0;
        for (uint32_t i = 0; i < n; i++)
            sink_store(r->sink, make_result(job, id, order[i], &c, id + i));
        for (; r->durable < n; count(r))
            sem_wait(&r->woken);
        atomic_store(&fail_to, 0);
        assert_int_equal(r->durable, n);
        finish(r, id, job, &c);
        free(order);
    }
    assert_true(r->stalled > 5);
    assert_int_equal(r->stalled, r->resumed);
}

/* Calls fail again and again, also while what has failed is carried out once more, other jobs come
 * and go, and the broker is started again: no status that was lost is taken for one that is there.
 */
static void test_failures_again_and_again(void **state)
{
    struct rig *r = *state;
    atomic_store(&lazy, false);
    rig_open(r);
    for (uint32_t id = 1; id <= 40; id++) {
        struct content c = {.salt = id};
        struct job *job = make_job(40, 33, 1, true, 1e6);
        uint32_t n = job_tile_count(job), *order = shuffled(n, id);
        rig_submit(r, id, job);
        r->durable = 0;
        atomic_store(&fail_per_mille, 20 + 20 * (id % 8));
        for (uint32_t i = 0; i < n; i++) {
            sink_store(r->sink, make_result(job, id, order[i], &c, id + i));
            if (mood(4) == 0)
                count(r);
            if (i == n / 2) {
                sink_submit(r->sink, OTHER, OTHER, 0, "me", job);
                sink_store(r->sink, make_result(job, OTHER, 0, &c, 5));
                sink_delete(r->sink, OTHER);
            }
        }
        for (; r->durable < n; count(r))
            sem_wait(&r->woken);
        atomic_store(&fail_per_mille, 0);
        if (id % 2) {
            rig_close(r);
            rig_open(r);
        }
        finish(r, id, job, &c);
        free(order);
    }
    assert_true(r->stalled > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_any_order_among_others, stream_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_several_lots_to_a_band, stream_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_failures_on_the_way, stream_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_failures_again_and_again, stream_setup, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
