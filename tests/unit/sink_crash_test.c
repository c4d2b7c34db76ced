/* Crash states: everything that the sink does to its files in a life of two jobs is recorded, and
 * the broker is started on every disk that a crash at any moment may leave (crash_disk.h). What was
 * told to be so is so, bit for bit, and the job goes on to the end that it would have had.
 * CRASH_STATES=20 for so many random disks at each moment. */
#include "sink_rig.h"

#include "crash_disk.h"

#define RUN     1 /* a job to its end */
#define DELETED 2 /* one that is cancelled and deleted */

static struct content odd = {.salt = 41, .odd = true};

/* --- what was told, and after how many calls ------------------------------------------------- */

enum { NEVER = INT32_MAX, TILES = 64 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STRIDE = 7 }; /* sanitizers are slow: not after every call */
#else
enum { STRIDE = 1 };
#endif

struct told {
    size_t submitted[3], deleted, table, finished, tile[TILES];
    size_t ordered[3], delete_ordered; /* not before this the disk may have it */
};

static struct told told;
static struct rig *watched;

static size_t calls_so_far(void)
{
    pthread_mutex_lock(&sys_mutex);
    size_t now = crash_count;
    pthread_mutex_unlock(&sys_mutex);
    return now;
}

static void hear(const struct sink_event *e)
{
    size_t *when = e->type == SINK_SUBMITTED                  ? &told.submitted[e->job]
                   : e->type == SINK_DELETED                  ? &told.deleted
                   : e->type == SINK_TABLE                    ? &told.table
                   : e->type == SINK_FINISHED                 ? &told.finished
                   : e->type == SINK_DURABLE && e->job == RUN ? &told.tile[e->tile]
                                                              : NULL;
    if (when)
        __atomic_store_n(when, calls_so_far(), __ATOMIC_RELEASE);
}

/* --- a life ---------------------------------------------------------------------------------- */

/* Called by the sink's thread, right after the events were put out and before it goes on. */
static void woken(void *arg)
{
    (void)arg;
    struct sink_event e;
    while (sink_next(watched->sink, &e)) {
        hear(&e);
        if (e.type == SINK_STALLED)
            abort();
    }
    sem_post(&watched->woken);
}

static void until_told(struct rig *r, const size_t *when)
{
    while (__atomic_load_n(when, __ATOMIC_ACQUIRE) == NEVER)
        sem_wait(&r->woken);
}

static void store_tiles(struct rig *r, const struct job *job, uint32_t from, uint32_t to,
                        uint32_t group)
{
    for (uint32_t tile = from; tile < to; tile++) {
        sink_store(r->sink, make_result(job, RUN, tile, &odd, tile));
        if (tile % group == group - 1 || tile + 1 == to)
            for (uint32_t t = from; t <= tile; t++)
                until_told(r, &told.tile[t]);
    }
}

static void live(struct rig *r, const struct job *job, bool alone)
{
    uint32_t n = job_tile_count(job);
    rig_open(r);
    told.ordered[RUN] = calls_so_far();
    sink_submit(r->sink, RUN, RUN * 1000003u, 3, "me", job);
    until_told(r, &told.submitted[RUN]);
    sink_job_state(r->sink, RUN, JOB_RUNNING, "");
    sink_table(r->sink, RUN, "\1\0\0\0aaaaaaaabbbbbbbbtail", 24);
    until_told(r, &told.table);
    store_tiles(r, job, 0, n / 3, 2);
    if (!alone) {
        told.ordered[DELETED] = calls_so_far();
        sink_submit(r->sink, DELETED, DELETED * 1000003u, 3, "me", job);
        until_told(r, &told.submitted[DELETED]);
    }
    sink_job_state(r->sink, RUN, JOB_PAUSED, "for lunch");
    store_tiles(r, job, n / 3, n / 2, 3);
    rig_close(r);
    rig_open(r);
    sink_job_state(r->sink, RUN, JOB_RUNNING, "");
    sink_job_state(r->sink, DELETED, JOB_CANCELLED, "no more");
    store_tiles(r, job, n / 2, n - 2, 4);
    told.delete_ordered = calls_so_far();
    if (!alone) {
        sink_delete(r->sink, DELETED);
        until_told(r, &told.deleted);
    }
    store_tiles(r, job, n - 2, n, 1);
    sink_finish(r->sink, RUN);
    until_told(r, &told.finished);
    rig_close(r);
}

/* --- after the crash ------------------------------------------------------------------------- */

static struct sink_job *known(const struct rig *r, uint32_t id)
{
    for (size_t i = 0; i < sink_job_count(r->sink); i++)
        if (sink_job(r->sink, i)->id == id)
            return sink_job(r->sink, i);
    return NULL;
}

static void check_job(struct rig *r, const struct job *job, size_t upto)
{
    const struct sink_job *k = known(r, RUN);
    char folder[160];
    folder_of(r, RUN, folder);
    assert_true(k ? told.ordered[RUN] <= upto : told.submitted[RUN] > upto);
    if (!k) {
        assert_int_equal(access(folder, F_OK), -1);
        return;
    }
    assert_true(k->table_bytes == 24 || told.table > upto);
    if (k->table_bytes > 0)
        free(read_npy(folder, "w.npy", "<f8", "(1, 2)", 16));
    assert_true(k->state == JOB_DONE || told.finished > upto);
    for (uint32_t tile = 0; tile < job_tile_count(job) && k->tile_done; tile++)
        assert_true(k->tile_done[tile] || told.tile[tile] > upto);
    check_planes(job, folder, k->state == JOB_DONE ? ".npy" : ".partial.npy", &odd, k->tile_done);
}

static void check_deleted(struct rig *r, size_t upto)
{
    const struct sink_job *k = known(r, DELETED);
    char folder[160];
    folder_of(r, DELETED, folder);
    if (k)
        assert_true(told.ordered[DELETED] <= upto && told.deleted > upto);
    else
        assert_true(told.submitted[DELETED] > upto || told.delete_ordered <= upto);
    assert_int_equal(access(folder, F_OK), k ? 0 : -1);
}

static void go_on(struct rig *r, const struct job *job)
{
    struct sink_job *k = known(r, RUN);
    struct err err = {0};
    char folder[160];
    assert_int_equal(sink_start(r->sink, &err), 0);
    r->durable = 0;
    if (!k) {
        rig_submit(r, RUN, job);
    } else if (!k->tile_done) {
        return;
    }
    uint32_t wanted = 0;
    for (uint32_t tile = 0; tile < job_tile_count(job); tile++) {
        if (k && k->tile_done[tile])
            continue;
        sink_store(r->sink, make_result(job, RUN, tile, &odd, tile));
        wanted++;
    }
    while (r->durable < wanted)
        rig_wait(r, SINK_DURABLE);
    sink_finish(r->sink, RUN);
    rig_wait(r, SINK_FINISHED);
    folder_of(r, RUN, folder);
    check_planes(job, folder, ".npy", &odd, NULL);
}

static void check_state(struct rig *r, const struct job *job, size_t upto, enum crash_kind kind,
                        uint64_t seed)
{
    struct err err = {0};
    nftw(r->root, rig_unlink, 16, FTW_DEPTH | FTW_PHYS);
    assert_int_equal(mkdir(r->root, 0700), 0);
    crash_disk_make(upto, kind, seed);
    if (sink_open(&r->config, &r->sink, &err) != 0)
        fail_msg("crash after %zu calls, kind %d, seed %" PRIu64 ": %s", upto, (int)kind, seed,
                 err.text);
    check_job(r, job, upto);
    if (!r->config.results)
        check_deleted(r, upto);
    if ((upto + seed) % 5 == 0)
        go_on(r, job);
    rig_close(r);
}

/* The names of folders that were there before the first call. */
static int crash_setup(void **state)
{
    int rc = rig_setup(state);
    struct rig *r = *state;
    snprintf(r->data, sizeof r->data, "%s/data", r->root);
    snprintf(r->results, sizeof r->results, "%s/out", r->root);
    return rc;
}

/* Records a life. */
static void record(struct rig *r, const struct job *job)
{
    for (size_t *t = (size_t *)&told; t < (size_t *)(&told + 1); t++)
        *t = NEVER;
    watched = r;
    r->config.wake = woken;
    sys_root = r->root;
    sys_after = crash_record;
    live(r, job, r->config.results != NULL);
    sys_root = NULL;
    sys_after = NULL;
    r->config.wake = rig_wake;
    assert_true(crash_count > 200);
}

static void every_crash_state(struct rig *r, struct job *job, size_t stride)
{
    const char *text = getenv("CRASH_STATES");
    unsigned each = text ? (unsigned)atoi(text) : 1, states = 0;
    assert_true(job_tile_count(job) > 8 && job_tile_count(job) < TILES);
    record(r, job);
    for (size_t upto = 0; upto <= crash_count; upto += stride) {
        check_state(r, job, upto, CRASH_KILL, 0);
        check_state(r, job, upto, CRASH_SYNCED_ONLY, 0);
        for (unsigned seed = 1; seed <= each; seed++)
            check_state(r, job, upto, CRASH_RANDOM, seed * 1000003 + upto);
        states += 2 + each;
    }
    print_message("%zu calls, %u disks\n", crash_count, states);
    crash_reset();
    job_destroy(job);
}

static void test_every_crash_state(void **state)
{
    every_crash_state(*state, make_job(4, 9, 1, true, 1e8), STRIDE);
}

/* The same of results that are left under way: whole pages past the cache, parts of pages through
 * it, syncs and writes of the writer's threads among the sink's own. */
static void test_every_crash_state_of_a_stream(void **state)
{
    struct rig *r = *state;
    struct job *job = make_job(600, 50, 1, true, 3e3);
    r->config.long_bytes = 1;
    assert_int_equal(job->a_blocks, 1);
    assert_true(job_tile(job, 0).q1 * job->a.count * sizeof(double) > 3 * 4096);
    every_crash_state(r, job, getenv("CRASH_STATES") ? STRIDE : 2 * STRIDE + 1);
}

/* The folder of a run is the user's: that nothing is left in it of a submission that a power cut
 * ended is not promised (sink_pending.c); after a kill nothing is. */
static void test_every_kill_of_a_run(void **state)
{
    struct rig *r = *state;
    struct job *job = make_job(4, 9, 2, false, 1e8);
    r->config.results = r->results;
    record(r, job);
    for (size_t upto = 0; upto <= crash_count; upto += STRIDE)
        check_state(r, job, upto, CRASH_KILL, 0);
    crash_reset();
    job_destroy(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_crash_state, crash_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_every_crash_state_of_a_stream, crash_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(test_every_kill_of_a_run, crash_setup, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
