/* See plain.h. */
#include "plain.h"

#include "buf.h"
#include "dispatch.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PLANES = 3, HEAD = 4096, PAGE = 4096, AT_ONCE = 1 << 20 };

static const size_t plane_bytes[PLANES] = {sizeof(double), sizeof(float), 1};

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- files ----------------------------------------------------------------------------------- */

struct files {
    int fd[PLANES];
    const unsigned char *bytes;
    size_t at_once;
    bool failed;
};

static const char *path_of(const struct plain *p, bool warm, int plane, char path[300])
{
    snprintf(path, 300, "%s/plain-%s-%d-%d", p->under, warm ? "warm" : "new", (int)getpid(), plane);
    return path;
}

static void files_open(struct files *f, const struct plain *p, const struct plain_way *way)
{
    char path[300];
    int flags = O_RDWR | O_CREAT | O_CLOEXEC | (way->past ? O_DIRECT : 0);
    for (int i = 0; i < PLANES; i++) {
        off_t bytes = (off_t)(HEAD + job_points(p->job) * plane_bytes[i]);
        f->fd[i] = open(path_of(p, way->warm, i, path), flags, 0600);
        f->failed |= f->fd[i] < 0 || fallocate(f->fd[i], 0, 0, bytes) != 0;
    }
}

static void files_remove(const struct plain *p, bool warm)
{
    char path[300];
    for (int i = 0; i < PLANES; i++)
        unlink(path_of(p, warm, i, path));
}

static void files_close(const struct files *f)
{
    for (int i = 0; i < PLANES; i++)
        close(f->fd[i]);
}

static void put(struct files *f, int plane, size_t left, off_t at)
{
    for (size_t len; left > 0 && !f->failed; left -= len, at += (off_t)len) {
        len = left < f->at_once ? left : f->at_once;
        f->failed |= pwrite(f->fd[plane], f->bytes, len, at) != (ssize_t)len;
    }
}

static void sync_all(struct files *f)
{
    for (int i = 0; i < PLANES && !f->failed; i++)
        f->failed |= fdatasync(f->fd[i]) != 0;
}

/* Up to which byte a plane's file is written when its first rows are; whole pages, if past the
 * cache. */
static off_t end_of(const struct job *job, int plane, size_t rows, bool past)
{
    size_t end = HEAD + rows * job->a.count * plane_bytes[plane];
    if (past)
        end = rows == job->q.count ? (end + PAGE - 1) / PAGE * PAGE : end / PAGE * PAGE;
    return (off_t)end;
}

struct took plain_write(const struct plain *p, const struct plain_way *way)
{
    struct files f = {.bytes = p->page, .at_once = way->past ? PLAIN_PAGE_BYTES : AT_ONCE};
    const struct job *job = p->job;
    size_t unsynced = 0;
    files_open(&f, p, way);
    double start_s = seconds_now(), start_cpu_s = cpu_s();
    for (uint32_t tile = 0; tile < job_tile_count(job); tile += job->a_blocks) {
        struct job_tile band = job_tile(job, tile);
        for (int i = 0; i < PLANES; i++) {
            off_t from = end_of(job, i, band.q0, way->past),
                  to = end_of(job, i, band.q1, way->past);
            put(&f, i, (size_t)(to - from), from);
        }
        unsynced += (band.q1 - band.q0) * job->a.count * PLAIN_POINT_BYTES;
        if (unsynced >= way->sync_bytes || band.q1 == job->q.count)
            sync_all(&f);
        unsynced = unsynced >= way->sync_bytes ? 0 : unsynced;
    }
    struct took took = {seconds_now() - start_s,
                        1e9 * (cpu_s() - start_cpu_s) / (double)job_points(job)};
    files_close(&f);
    if (!way->warm)
        files_remove(p, false);
    return f.failed ? (struct took){0, 0} : took;
}

void plain_forget(const struct plain *p)
{
    files_remove(p, true);
}

/* --- copying --------------------------------------------------------------------------------- */

enum { MESSAGE = 256 << 10, RING = 96, MESSAGES = 20 * RING, TO = 6 << 20, HUGE = 2 << 20 };

struct ring {
    unsigned char *messages;
    atomic_uint made, copied;
};

static void *make_messages(void *arg)
{
    struct ring *r = arg;
    for (unsigned i = 0; i < MESSAGES; i++) {
        while (i - atomic_load(&r->copied) >= RING)
            sched_yield();
        memset(r->messages + i % RING * (size_t)MESSAGE, (int)i, MESSAGE);
        atomic_store(&r->made, i + 1);
    }
    return NULL;
}

double plain_copy_ns(void)
{
    struct ring r = {.messages = mem_alloc(RING, MESSAGE)};
    unsigned char *to = aligned_alloc(HUGE, TO);
    pthread_t maker;
    double took_s = 0;
    if (!to || pthread_create(&maker, NULL, make_messages, &r) != 0)
        abort();
    madvise(to, TO, MADV_HUGEPAGE);
    for (unsigned i = 0; i < MESSAGES; i++) {
        while (atomic_load(&r.made) <= i)
            sched_yield();
        double start_s = cpu_s();
        memcpy(to + (size_t)i * MESSAGE % TO, r.messages + i % RING * (size_t)MESSAGE, MESSAGE);
        if (i >= RING) /* the first ones meet fresh memory */
            took_s += cpu_s() - start_s;
        atomic_store(&r.copied, i + 1);
    }
    pthread_join(maker, NULL);
    free(r.messages);
    free(to);
    return 1e9 * took_s * PLAIN_POINT_BYTES / ((double)(MESSAGES - RING) * MESSAGE);
}
