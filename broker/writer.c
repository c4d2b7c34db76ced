/* See writer.h. A ring of tasks; a lot has one holder at any time. There are some threads, so
 * that the disk has something to do while one of them waits for a processor, and so that lots go on
 * while files are synced, side by side. A sync begins when all tasks before it are done. */
#include "writer.h"

#include "buf.h"
#include "bulk.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    HUGE_PAGE = 2 << 20,
    PIECE_BYTES = 2 << 20, /* of a large lot */
    TASKS = 4 * WRITER_LOTS,
    THREADS = 6,
    SYNCS = 4, /* of them with a sync, so that lots go on */
};

struct task {
    size_t steps, begun, ended; /* one, or those of a large lot or of a sync */
    unsigned char *lot;         /* NULL: none */
    void *taken;                /* to be freed */
    struct writer_stretch *stretches;
    size_t stretch_count, each; /* each: so many a step */
    bool sync;                  /* these files, perhaps none */
    int *fds;
    size_t fd_count;
    writer_then *then; /* NULL: nothing */
    void *then_arg;
};

struct writer {
    const struct disk *disk;
    void (*done)(void *arg);
    void *done_arg;
    unsigned char *memory;
    atomic_bool no_direct; /* the file system would not have it */
    pthread_t threads[THREADS];
    unsigned thread_count;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t work, news;
    unsigned char *free[WRITER_LOTS];
    size_t free_count;
    struct {
        unsigned char *memory; /* owned; NULL: none */
        bool taken;
    } large[WRITER_LARGE];
    struct task tasks[TASKS]; /* a ring */
    size_t first, count;
    enum writer_state state;
    struct writer_failure failure;
    bool stop;
};

/* --- the thread ------------------------------------------------------------------------------ */

/* How much of the whole pages is on the disk. What O_DIRECT does not take goes as all else. */
static size_t put_direct(struct writer *w, const struct writer_stretch *s, size_t len)
{
    size_t done = 0;
    while (done < len && done % WRITER_PAGE == 0) {
        ssize_t n = w->disk->pwrite(s->direct, s->data + done, len - done, (off_t)(s->at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EINVAL || errno == EOPNOTSUPP))
            atomic_store(&w->no_direct, true);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return done;
}

static int put_cached(struct writer *w, const struct writer_stretch *s, size_t from, size_t to)
{
    enum { WORTH = 128 << 10 }; /* a request of its own to the disk */
    if (from == to)
        return 0;
    if (disk_put(w->disk, s->fd, s->data + from, to - from, s->at + from) != 0)
        return -1;
    if (to - from >= WORTH)
        disk_start(w->disk, s->fd, s->at + from, to - from);
    return 0;
}

static int put_stretch(struct writer *w, const struct writer_stretch *s)
{
    size_t head = (WRITER_PAGE - s->at % WRITER_PAGE) % WRITER_PAGE;
    if (s->direct < 0 || atomic_load(&w->no_direct) || s->len < head + WRITER_PAGE)
        return put_cached(w, s, 0, s->len);
    size_t pages = (s->len - head) / WRITER_PAGE * WRITER_PAGE;
    struct writer_stretch inner = *s;
    inner.at += head;
    inner.data += head;
    size_t done = put_direct(w, &inner, pages);
    return put_cached(w, s, 0, head) != 0 || put_cached(w, s, head + done, s->len) != 0 ? -1 : 0;
}

/* A sync is taken in steps, those of a kind by several threads at once: its files are settled, then
 * they are synced, so that the journal of the file system, to which all of them have something to
 * add, is committed for all at once instead of for one after the other; then what follows. */
static int sync_step(struct writer *w, const struct task *t, size_t step, struct writer_failure *f)
{
    size_t n = t->fd_count;
    if (step == 2 * n) {
        f->of = WRITER_THEN;
        return t->then ? t->then(t->then_arg) : 0;
    }
    f->of = WRITER_SYNC;
    f->fd = t->fds[step % n];
    return step < n ? disk_settle(w->disk, f->fd) : w->disk->fdatasync(f->fd);
}

static int put_some(struct writer *w, const struct task *t, size_t step, struct writer_failure *f)
{
    size_t from = step * t->each, left = t->stretch_count - from;
    size_t to = from + (left < t->each ? left : t->each);
    for (size_t i = from; i < to; i++) {
        f->fd = t->stretches[i].fd;
        if (put_stretch(w, &t->stretches[i]) != 0)
            return -1;
    }
    return 0;
}

/* -1: *failure. */
static int carry_out(struct writer *w, const struct task *t, size_t step,
                     struct writer_failure *failure)
{
    if ((t->sync ? sync_step(w, t, step, failure) : put_some(w, t, step, failure)) == 0)
        return 0;
    failure->error = errno;
    return -1;
}

static void task_fini(struct task *t)
{
    free(t->taken);
    free(t->stretches);
    free(t->fds);
}

static bool is_done(const struct task *t)
{
    return t->ended == t->steps;
}

/* Whether its next step may be begun, all tasks before it being done or not. */
static bool is_ready(const struct task *t, bool all_done)
{
    size_t n = t->fd_count, before = t->begun < n ? 0 : t->begun < 2 * n ? n : 2 * n;
    if (!t->sync || t->begun == t->steps)
        return t->begun < t->steps;
    return all_done && t->ended >= before && t->begun - t->ended < SYNCS;
}

/* The first that has something to begin; NULL: none. */
static struct task *next_task(struct writer *w)
{
    bool all_done = true;
    for (size_t i = 0; i < w->count; i++) {
        struct task *t = &w->tasks[(w->first + i) % TASKS];
        if (is_ready(t, all_done))
            return t;
        all_done = all_done && is_done(t);
    }
    return NULL;
}

static void give_back(struct writer *w, unsigned char *lot)
{
    for (size_t i = 0; i < WRITER_LARGE; i++) {
        if (lot == w->large[i].memory) {
            w->large[i].taken = false;
            return;
        }
    }
    w->free[w->free_count++] = lot;
}

/* What is done leaves the ring, in order. */
static void finish(struct writer *w, struct task *t)
{
    if (t->lot)
        give_back(w, t->lot);
    task_fini(t);
    for (; w->count > 0 && is_done(&w->tasks[w->first]); w->count--)
        w->first = (w->first + 1) % TASKS;
    pthread_cond_signal(&w->news);
}

/* The next step, with the mutex, but for the work itself. */
static void do_step(struct writer *w, struct task *t)
{
    struct writer_failure failure = {0};
    bool failed = false;
    size_t step = t->begun++;
    if (next_task(w))
        pthread_cond_signal(&w->work); /* one wakes the next: no more of them than there is to do */
    if (w->state != WRITER_FAILED) {
        pthread_mutex_unlock(&w->mutex);
        failed = carry_out(w, t, step, &failure) != 0;
        pthread_mutex_lock(&w->mutex);
    }
    if (failed && w->state != WRITER_FAILED) {
        w->failure = failure;
        w->state = WRITER_FAILED;
    }
    t->ended++;
    bool ends = t->sync && is_done(t);
    if (ends && w->state != WRITER_FAILED)
        w->state = WRITER_SYNCED;
    if (is_done(t))
        finish(w, t);
    if (!w->done || !(ends || failed))
        return;
    pthread_mutex_unlock(&w->mutex);
    w->done(w->done_arg);
    pthread_mutex_lock(&w->mutex);
}

static void *writer_main(void *arg)
{
    struct writer *w = arg;
    bulk_thread("writer");
    pthread_mutex_lock(&w->mutex);
    for (;;) {
        struct task *t = next_task(w);
        if (t)
            do_step(w, t);
        else if (w->stop && w->count == 0)
            break;
        else
            pthread_cond_wait(&w->work, &w->mutex);
    }
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

/* --- its owner ------------------------------------------------------------------------------- */

/* Pages of 2 MiB where the kernel has them: it finds its way to the disk faster. */
static unsigned char *make_memory(size_t bytes)
{
    unsigned char *at = aligned_alloc(HUGE_PAGE, bytes);
    if (at)
        madvise(at, bytes, MADV_HUGEPAGE);
    return at;
}

struct writer *writer_create(const struct disk *disk, void (*done)(void *arg), void *arg,
                             struct err *err)
{
    struct writer *w = mem_alloc(1, sizeof *w);
    w->disk = disk;
    w->done = done;
    w->done_arg = arg;
    w->memory = make_memory((size_t)WRITER_LOTS * WRITER_LOT_BYTES);
    for (size_t i = 0; i < WRITER_LOTS && w->memory; i++)
        w->free[w->free_count++] = w->memory + i * WRITER_LOT_BYTES;
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->work, NULL);
    pthread_cond_init(&w->news, NULL);
    int rc = w->memory ? 0 : ENOMEM;
    while (rc == 0 && w->thread_count < THREADS) {
        rc = pthread_create(&w->threads[w->thread_count], NULL, writer_main, w);
        w->thread_count += rc == 0;
    }
    if (w->thread_count > 0)
        return w; /* one will do */
    err_set(err, ERR_OTHER, "cannot start the writer's threads: %s", strerror(rc));
    writer_destroy(w);
    return NULL;
}

/* Those that nobody has. */
static void drop_large(struct writer *w)
{
    for (size_t i = 0; i < WRITER_LARGE; i++) {
        if (w->large[i].taken)
            continue;
        free(w->large[i].memory);
        w->large[i].memory = NULL;
    }
}

void writer_destroy(struct writer *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->mutex);
    w->stop = true;
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->mutex);
    for (unsigned i = 0; i < w->thread_count; i++)
        pthread_join(w->threads[i], NULL);
    pthread_mutex_destroy(&w->mutex);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->news);
    drop_large(w);
    free(w->memory);
    free(w);
}

static bool has_lot(const struct writer *w, size_t bytes)
{
    for (size_t i = 0; i < WRITER_LARGE && bytes > WRITER_LOT_BYTES; i++)
        if (!w->large[i].taken)
            return true;
    return bytes <= WRITER_LOT_BYTES && w->free_count > 0;
}

static unsigned char *take_large(struct writer *w)
{
    size_t i = 0;
    while (w->large[i].taken)
        i++;
    if (!w->large[i].memory && !(w->large[i].memory = make_memory(WRITER_LARGE_BYTES)))
        abort();
    if (w->free_count == WRITER_LOTS) /* nobody has a small one: they need no memory now */
        madvise(w->memory, (size_t)WRITER_LOTS * WRITER_LOT_BYTES, MADV_DONTNEED);
    w->large[i].taken = true;
    return w->large[i].memory;
}

unsigned char *writer_lot(struct writer *w, size_t bytes)
{
    unsigned char *lot = NULL;
    pthread_mutex_lock(&w->mutex);
    if (bytes <= WRITER_LOT_BYTES)
        drop_large(w);
    if (has_lot(w, bytes))
        lot = bytes > WRITER_LOT_BYTES ? take_large(w) : w->free[--w->free_count];
    pthread_mutex_unlock(&w->mutex);
    return lot;
}

void writer_rest(struct writer *w, size_t bytes)
{
    pthread_mutex_lock(&w->mutex);
    while (!has_lot(w, bytes) && w->state != WRITER_SYNCED && w->state != WRITER_FAILED)
        pthread_cond_wait(&w->news, &w->mutex);
    pthread_mutex_unlock(&w->mutex);
}

/* Waits for room in the ring: a task without a lot may find it full. */
static void put_task(struct writer *w, struct task t)
{
    pthread_mutex_lock(&w->mutex);
    while (w->count == TASKS)
        pthread_cond_wait(&w->news, &w->mutex);
    if (t.sync && w->state != WRITER_FAILED)
        w->state = WRITER_SYNCING;
    w->tasks[(w->first + w->count++) % TASKS] = t;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->mutex);
}

/* Pieces of a stretch, all but the last of which end with a page of the file, at *to; their number.
 */
static size_t cut(const struct writer_stretch *s, struct writer_stretch *to)
{
    size_t n = 0, len;
    for (size_t done = 0; done < s->len; done += len, n++) {
        uint64_t at = s->at + done, end = (at / WRITER_PAGE) * WRITER_PAGE + PIECE_BYTES;
        len = s->len - done < end - at ? s->len - done : (size_t)(end - at);
        to[n] = (struct writer_stretch){s->fd, s->direct, at, s->data + done, len};
    }
    return n;
}

/* A large lot is written in pieces, several at once: the disk would wait between them. */
static void put_pieces(struct task *t, const struct writer_stretch *stretches, size_t count,
                       size_t bytes)
{
    t->stretches = mem_alloc(bytes / (PIECE_BYTES - WRITER_PAGE) + count, sizeof *t->stretches);
    for (size_t i = 0; i < count; i++)
        t->stretch_count += cut(&stretches[i], t->stretches + t->stretch_count);
    t->each = 1;
    t->steps = t->stretch_count;
}

void writer_put(struct writer *w, unsigned char *lot, void *taken,
                const struct writer_stretch *stretches, size_t count)
{
    struct task t = {.steps = 1, .each = count, .lot = lot, .taken = taken};
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += stretches[i].len;
    if (bytes > WRITER_LOT_BYTES) {
        put_pieces(&t, stretches, count, bytes);
    } else {
        t.stretches = mem_alloc(count, sizeof *t.stretches);
        t.stretch_count = count;
        if (count > 0)
            memcpy(t.stretches, stretches, count * sizeof *stretches);
    }
    put_task(w, t);
}

void writer_sync(struct writer *w, const int *fds, size_t count, writer_then *then, void *arg)
{
    struct task t = {
        .steps = 2 * count + 1, .sync = true, .fd_count = count, .then = then, .then_arg = arg};
    t.fds = mem_alloc(count, sizeof *t.fds);
    if (count > 0)
        memcpy(t.fds, fds, count * sizeof *fds);
    put_task(w, t);
}

enum writer_state writer_hear(struct writer *w, bool wait)
{
    pthread_mutex_lock(&w->mutex);
    while (wait && w->state == WRITER_SYNCING)
        pthread_cond_wait(&w->news, &w->mutex);
    enum writer_state state = w->state;
    if (state == WRITER_SYNCED)
        w->state = WRITER_IDLE;
    pthread_mutex_unlock(&w->mutex);
    return state;
}

int writer_wait(struct writer *w, struct writer_failure *failure)
{
    pthread_mutex_lock(&w->mutex);
    while (w->count > 0)
        pthread_cond_wait(&w->news, &w->mutex);
    int rc = w->state == WRITER_FAILED ? -1 : 0;
    *failure = w->failure;
    w->failure = (struct writer_failure){0};
    w->state = WRITER_IDLE;
    pthread_mutex_unlock(&w->mutex);
    return rc;
}
