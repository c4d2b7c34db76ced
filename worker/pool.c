/* See pool.h.
 *
 * `work` counts the tasks in the ring. A thread that got past it has one of them for itself, which
 * it looks for from `head` on and takes by an exchange. Between the two steps it may be put aside
 * for long (the threads are idle ones) and others may come past it: then it finds its place empty,
 * or with a later task, and either is well. There is always an empty place for one more task,
 * because no more than `ring_size` are out at a time. */
#include "pool.h"

#include "courtesy.h"
#include "guest.h"
#include "signs.h"
#include "throttle.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TASKS_PER_THREAD = 4, TASKS_MORE = 12 };

struct member {
    struct pool *pool;
    unsigned number;
    bool started;
    pthread_t thread;
    sem_t wake; /* ends a rest early */
    struct throttle throttle;
    struct courtesy courtesy;
    char *stat; /* room for /proc/stat */
};

struct pool {
    unsigned threads;
    enum pool_manners manners;
    int stat_fd, loadavg_fd; /* of /proc; POOL_COURTEOUS only */
    size_t stat_size;        /* room for /proc/stat */
    int cores;               /* of the machine */
    pool_wake_fn *wake;
    void *arg;
    struct member *members;

    sem_t work, ended;            /* tasks in the ring; threads that have left `run` */
    _Atomic(struct task *) *ring; /* NULL: an empty place */
    size_t ring_size, tail;
    atomic_size_t head;
    _Atomic(struct task *) done; /* a stack */
    atomic_bool stop;
    _Atomic double share;

    struct task **out; /* [out_count], in no order */
    size_t out_count;
    struct task *collected; /* taken off `done`, the oldest first */
};

/* --- a solver thread ------------------------------------------------------------------------ */

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool must_end(struct member *m, const struct task *t)
{
    return atomic_load_explicit(&m->pool->stop, memory_order_relaxed) ||
           (t && atomic_load_explicit(&t->cancel, memory_order_relaxed));
}

/* Sleeps until then, or until somebody posts `wake`: false. */
static bool sleep_until(struct member *m, int64_t end_ns)
{
    struct timespec at = {end_ns / 1000000000, end_ns % 1000000000};
    return sem_clockwait(&m->wake, CLOCK_MONOTONIC, &at) && errno == ETIMEDOUT;
}

/* Rests for as long as the limit asks; a cancelled task or another limit ends it at once, because
 * whoever sets a flag posts `wake` after it. What waking up costs is owed at the next rest: paid at
 * once it would have to be paid for again, and a small share would go into nothing but waking up.
 */
static void rest(struct member *m, const struct task *t)
{
    while (!must_end(m, t)) {
        double share = atomic_load_explicit(&m->pool->share, memory_order_relaxed);
        int64_t now = clock_ns(CLOCK_MONOTONIC);
        int64_t debt = throttle_debt(&m->throttle, share, now, clock_ns(CLOCK_THREAD_CPUTIME_ID));
        if (debt == 0)
            return;
        if (sleep_until(m, now + debt))
            return;
    }
}

/* Of all cores where it is known how many wait for any, else of the one that it runs on. */
static int64_t others_of(struct member *m, int core)
{
    const struct pool *c = m->pool;
    return signs_others_ns(c->stat_fd, c->loadavg_fd >= 0 ? -1 : core, m->stat, c->stat_size);
}

/* Threads of the machine that want a core and have none: this one has one. -1: not known. */
static int waiting(const struct pool *c)
{
    int runnable = c->loadavg_fd >= 0 ? signs_runnable(c->loadavg_fd) : -1;
    return runnable > c->cores ? runnable - c->cores : runnable < 0 ? -1 : 0;
}

/* Leaves the core to others for as long as they want it. */
static void step_aside(struct member *m, const struct task *t)
{
    const struct pool *c = m->pool;
    for (bool worked = true; c->manners == POOL_COURTEOUS && !must_end(m, t); worked = false) {
        int64_t now = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        if (!courtesy_crowded(&m->courtesy, worked, waiting(c), now, cpu))
            return;
        int core = sched_getcpu();
        sleep_until(m, now + courtesy_rest(&m->courtesy, others_of(m, core)));
        courtesy_rested(&m->courtesy, clock_ns(CLOCK_MONOTONIC), others_of(m, core));
    }
}

struct solving {
    struct member *member;
    struct task *task;
    int64_t cpu_start_ns;
};

static int on_yield(void *arg, size_t points_done)
{
    const struct solving *s = arg;
    int64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - s->cpu_start_ns;
    atomic_store_explicit(&s->task->points_done, points_done, memory_order_relaxed);
    atomic_store_explicit(&s->task->cpu_ns, (uint64_t)cpu, memory_order_relaxed);
    step_aside(s->member, s->task);
    rest(s->member, s->task);
    return must_end(s->member, s->task);
}

static void solve(struct member *m, struct task *t)
{
    struct solving s = {m, t, clock_ns(CLOCK_THREAD_CPUTIME_ID)};
    t->failed =
        recipe_solve(t->recipe, m->number, t->tile, t->first, t->count, t->planes, on_yield, &s);
    if (t->failed)
        return;
    int64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - s.cpu_start_ns;
    planes_code(t->planes, cpu / 1000 < UINT32_MAX ? (uint32_t)(cpu / 1000) : UINT32_MAX);
    atomic_store_explicit(&t->cpu_ns, (uint64_t)cpu, memory_order_relaxed);
}

static void perform(struct member *m, struct task *t)
{
    t->failed = -1;
    if (must_end(m, t))
        return;
    if (t->kind == TASK_BUILD)
        t->failed = recipe_build(t->recipe, &t->err);
    else if (t->kind == TASK_ADOPT)
        t->failed = recipe_adopt(t->recipe, t->table.data, t->table.len, &t->err);
    else
        solve(m, t);
}

static void finish(struct pool *c, struct task *t)
{
    t->next = atomic_load_explicit(&c->done, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&c->done, &t->next, t, memory_order_release,
                                                  memory_order_relaxed))
        ;
    c->wake(c->arg);
}

/* The oldest task, but for threads that come past one another. */
static struct task *take(struct pool *c)
{
    for (;;) {
        size_t place = atomic_fetch_add(&c->head, 1) % c->ring_size;
        struct task *t = atomic_exchange_explicit(&c->ring[place], NULL, memory_order_acquire);
        if (t)
            return t;
    }
}

static void wait_for_work(struct member *m)
{
    if (sem_trywait(&m->pool->work) == 0)
        return;
    while (sem_wait(&m->pool->work) && errno == EINTR)
        ;
    courtesy_begin(&m->courtesy, clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_THREAD_CPUTIME_ID));
}

static void *run(void *arg)
{
    struct member *m = arg;
    struct pool *c = m->pool;
    if (c->manners != POOL_EQUAL)
        guest_idle_thread();
    for (;;) {
        wait_for_work(m);
        if (atomic_load(&c->stop))
            break;
        struct task *t = take(c);
        perform(m, t);
        finish(c, t);
        rest(m, NULL);
    }
    sem_post(&c->ended);
    return NULL;
}

/* --- the I/O thread's side ------------------------------------------------------------------ */

/* All signals are blocked in solver threads: the I/O thread is to get them. */
static int start(struct pool *c, struct err *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = 0;
    for (unsigned i = 0; i < c->threads && rc == 0; i++) {
        struct member *m = &c->members[i];
        m->pool = c;
        m->number = i;
        sem_init(&m->wake, 0, 0);
        rc = pthread_create(&m->thread, NULL, run, m);
        m->started = rc == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc)
        return err_set(err, ERR_OTHER, "cannot start %u solver threads: %s", c->threads,
                       strerror(rc));
    return 0;
}

/* Before the threads are there, which may open nothing and allocate nothing. */
static void open_stat(struct pool *c)
{
    bool courteous = c->manners == POOL_COURTEOUS;
    c->stat_fd = courteous ? open("/proc/stat", O_RDONLY | O_CLOEXEC) : -1;
    c->cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
    bool whole = guest_cores() >= (unsigned)c->cores; /* else others may wait for cores not ours */
    c->loadavg_fd = courteous && whole ? open("/proc/loadavg", O_RDONLY | O_CLOEXEC) : -1;
    c->stat_size = ((size_t)sysconf(_SC_NPROCESSORS_CONF) + 1) * STAT_BYTES;
    for (unsigned i = 0; i < c->threads && c->stat_fd >= 0; i++)
        c->members[i].stat = mem_alloc(c->stat_size, 1);
}

static void close_stat(struct pool *c)
{
    if (c->stat_fd >= 0)
        close(c->stat_fd);
    if (c->loadavg_fd >= 0)
        close(c->loadavg_fd);
    for (unsigned i = 0; i < c->threads; i++)
        free(c->members[i].stat);
}

struct pool *pool_create(unsigned threads, enum pool_manners manners, pool_wake_fn *wake, void *arg,
                         struct err *err)
{
    struct pool *c = mem_alloc(1, sizeof *c);
    c->threads = threads;
    c->manners = manners;
    c->wake = wake;
    c->arg = arg;
    c->members = mem_alloc(threads, sizeof *c->members);
    open_stat(c);
    c->ring_size = (size_t)threads * TASKS_PER_THREAD + TASKS_MORE;
    c->ring = mem_alloc(c->ring_size, sizeof *c->ring);
    c->out = mem_alloc(c->ring_size, sizeof(struct task *));
    atomic_init(&c->share, 1.0);
    sem_init(&c->work, 0, 0);
    sem_init(&c->ended, 0, 0);
    if (start(c, err)) {
        pool_destroy(c, 1000);
        return NULL;
    }
    return c;
}

static void wake_all(struct pool *c)
{
    for (unsigned i = 0; i < c->threads; i++)
        if (c->members[i].started)
            sem_post(&c->members[i].wake);
}

static bool join_all(struct pool *c, int wait_ms)
{
    int64_t end = clock_ns(CLOCK_MONOTONIC) + (int64_t)wait_ms * 1000000;
    struct timespec at = {end / 1000000000, end % 1000000000};
    for (unsigned i = 0; i < c->threads && c->members[i].started; i++)
        while (sem_clockwait(&c->ended, CLOCK_MONOTONIC, &at))
            if (errno != EINTR)
                return false;
    for (unsigned i = 0; i < c->threads && c->members[i].started; i++) {
        pthread_join(c->members[i].thread, NULL);
        sem_destroy(&c->members[i].wake);
    }
    return true;
}

/* They end by themselves, or with the process; what they use stays. */
static void let_go(struct pool *c)
{
    for (unsigned i = 0; i < c->threads && c->members[i].started; i++)
        pthread_detach(c->members[i].thread);
}

bool pool_destroy(struct pool *c, int wait_ms)
{
    if (!c)
        return true;
    atomic_store(&c->stop, true);
    for (unsigned i = 0; i < c->threads; i++)
        sem_post(&c->work);
    wake_all(c);
    if (!join_all(c, wait_ms)) {
        let_go(c);
        return false;
    }
    for (struct task *t; (t = pool_collect(c));)
        task_destroy(t);
    for (size_t i = 0; i < c->out_count; i++)
        task_destroy(c->out[i]);
    sem_destroy(&c->work);
    sem_destroy(&c->ended);
    close_stat(c);
    free(c->out);
    free(c->ring);
    free(c->members);
    free(c);
    return true;
}

unsigned pool_threads(const struct pool *c)
{
    return c->threads;
}

size_t pool_room(const struct pool *c)
{
    return c->ring_size - c->out_count;
}

void pool_submit(struct pool *c, struct task *t)
{
    assert(c->out_count < c->ring_size);
    c->out[c->out_count++] = t;
    while (atomic_load_explicit(&c->ring[c->tail % c->ring_size], memory_order_relaxed))
        c->tail++;
    atomic_store_explicit(&c->ring[c->tail++ % c->ring_size], t, memory_order_release);
    sem_post(&c->work);
}

struct task *pool_collect(struct pool *c)
{
    if (!c->collected) {
        struct task *t = atomic_exchange_explicit(&c->done, NULL, memory_order_acquire);
        for (struct task *next; t; t = next) {
            next = t->next;
            t->next = c->collected;
            c->collected = t;
        }
    }
    struct task *t = c->collected;
    if (!t)
        return NULL;
    c->collected = t->next;
    size_t i = 0;
    while (c->out[i] != t)
        i++;
    c->out[i] = c->out[--c->out_count];
    return t;
}

void pool_cancel(struct pool *c, struct task *t)
{
    if (atomic_exchange(&t->cancel, true))
        return;
    if (atomic_load_explicit(&c->share, memory_order_relaxed) < 1)
        wake_all(c);
}

size_t pool_out(const struct pool *c)
{
    return c->out_count;
}

struct task *pool_task(const struct pool *c, size_t i)
{
    return c->out[i];
}

void pool_limit(struct pool *c, double share)
{
    atomic_store(&c->share, share);
    wake_all(c);
}
