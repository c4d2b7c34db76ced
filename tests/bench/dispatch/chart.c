/* A chart on its way from workers that have it at once to the disk, against programs that do
 * nothing but write the same bytes to files allocated in the same way: as a program would for
 * itself (64 MiB between syncs), in the sink's pattern (band after band of tiles, synced after
 * each), both through the page cache, and 24 MiB between syncs past it (O_DIRECT). All take turns,
 * each on files of its own that are new: allocated, never written, none of their pages in memory.
 */
#include "dispatch.h"

#include "buf.h"
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 4, ROUNDS_MAX = 32, HEAD = 4096, PLANES = 3, POINT_BYTES = 13 };

#define CHART_BYTES (1u << 20)
#define PAST_BYTES  (4u << 20) /* at a time, with O_DIRECT */
#define SYNC_BYTES  (64u << 20)
#define PAST_SYNC   (24u << 20)
#define PAGE        4096u

static const size_t plane_bytes[PLANES] = {sizeof(double), sizeof(float), 1};

struct chart {
    const char *under;
    char path[300];
    struct job *job;
    double points;
    enum house_door door;
    unsigned char *bytes; /* PAST_BYTES to write */
};

struct took {
    double s, cpu_ns; /* of a point */
};

static int make_job(struct chart *c, const char *folder, double points)
{
    unsigned side = (unsigned)lrint(sqrt(points));
    struct err err;
    char text[600];
    int n = snprintf(text, sizeof text,
                     "{\"name\": \"chart\", \"w\": {\"is\": \"cos(2*t)\", \"t\": [0, 3.2]},"
                     " \"z\": {\"start\": [1, 0], \"t\": [0, 3.2]},"
                     " \"grid\": {\"q\": {\"from\": 0, \"to\": 4, \"count\": %u},"
                     " \"a\": {\"from\": -2, \"to\": 7, \"count\": %u}},"
                     " \"output\": {\"F\": \"z(3.2)\"}}\n",
                     side, side);
    snprintf(c->path, sizeof c->path, "%s/chart.json", folder);
    FILE *file = fopen(c->path, "w");
    if (!file || fwrite(text, 1, (size_t)n, file) != (size_t)n || fclose(file))
        return -1;
    c->points = (double)side * side;
    if (job_parse(text, (size_t)n, NULL, &c->job, &err) == 0)
        return 0;
    fprintf(stderr, "%s\n", err.text);
    return -1;
}

/* --- nothing but writing --------------------------------------------------------------------- */

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct plain {
    int fd[PLANES];
    char path[PLANES][300];
    const unsigned char *bytes; /* have of them */
    size_t have;
    bool failed;
};

static void plain_open(const struct chart *c, struct plain *p, int flags)
{
    uint64_t points = job_points(c->job);
    for (int i = 0; i < PLANES; i++) {
        snprintf(p->path[i], sizeof p->path[i], "%s/plain-%d-%d", c->under, (int)getpid(), i);
        p->fd[i] = open(p->path[i], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | flags, 0600);
        p->failed |=
            p->fd[i] < 0 || fallocate(p->fd[i], 0, 0, (off_t)(HEAD + points * plane_bytes[i])) != 0;
    }
}

static void plain_close(struct plain *p)
{
    for (int i = 0; i < PLANES; i++) {
        close(p->fd[i]);
        unlink(p->path[i]);
    }
}

static void plain_put(struct plain *p, int plane, size_t left, off_t at)
{
    for (size_t len; left > 0 && !p->failed; left -= len, at += (off_t)len) {
        len = left < p->have ? left : p->have;
        p->failed |= pwrite(p->fd[plane], p->bytes, len, at) != (ssize_t)len;
    }
}

static void plain_sync(struct plain *p)
{
    for (int i = 0; i < PLANES && !p->failed; i++)
        p->failed |= fdatasync(p->fd[i]) != 0;
}

/* Up to which byte a plane's file is written when its first rows are; whole pages, if past the
 * cache.
 */
static off_t plain_end(const struct chart *c, int plane, size_t rows, bool past)
{
    size_t end = HEAD + rows * c->job->a.count * plane_bytes[plane];
    if (past)
        end = rows == c->job->q.count ? (end + PAGE - 1) / PAGE * PAGE : end / PAGE * PAGE;
    return (off_t)end;
}

/* Band after band of tiles, plane by plane, some MiB at a time; synced after so many bytes. */
static struct took plain(const struct chart *c, size_t sync_bytes, bool past)
{
    struct plain p = {.bytes = c->bytes, .have = past ? PAST_BYTES : CHART_BYTES};
    size_t rows = c->job->q.count, width = c->job->a.count, unsynced = 0;
    plain_open(c, &p, past ? O_DIRECT : 0);
    double start_s = seconds_now(), start_cpu_s = cpu_s();
    for (uint32_t tile = 0; tile < job_tile_count(c->job); tile += c->job->a_blocks) {
        struct job_tile band = job_tile(c->job, tile);
        for (int i = 0; i < PLANES; i++) {
            off_t from = plain_end(c, i, band.q0, past), to = plain_end(c, i, band.q1, past);
            plain_put(&p, i, (size_t)(to - from), from);
        }
        unsynced += (band.q1 - band.q0) * width * POINT_BYTES;
        if (unsynced >= sync_bytes || band.q1 == rows)
            plain_sync(&p);
        unsynced = unsynced >= sync_bytes ? 0 : unsynced;
    }
    struct took took = {seconds_now() - start_s, 1e9 * (cpu_s() - start_cpu_s) / c->points};
    plain_close(&p);
    return p.failed ? (struct took){0, 0} : took;
}

/* --- by the broker --------------------------------------------------------------------------- */

struct round {
    struct took own, same, past, sink;
    double writer_ns; /* what the writer's threads have of the sink's */
    double broker_ns; /* loop and I/O */
    size_t memory;
};

static bool all_tiles(const struct farm_figures *now, void *arg)
{
    return now->acked >= *(uint64_t *)arg;
}

static bool all_in(const struct farm_figures *now, void *arg)
{
    (void)arg;
    return now->welcome == WORKERS;
}

static int by_broker(const struct chart *c, struct round *r)
{
    struct house h;
    uint64_t tiles = job_tile_count(c->job);
    if (house_open(&h, c->under, c->door))
        return -1;
    struct farm_config config = {
        .endpoint = h.endpoint, .workers = WORKERS, .solve_us = 1000, .hosts = 1, .job = c->job};
    int rc = house_submit_file(&h, c->path, 1, 0) || house_command(&h, "pause", "1");
    struct farm *f = farm_create(&config);
    rc = rc || !farm_run(f, 60, all_in, NULL) || house_command(&h, "resume", "1") ? -1 : 0;
    struct house_cpu before = house_cpu(&h);
    if (rc == 0 && !farm_run(f, 600, all_tiles, &tiles))
        rc = -1;
    struct house_cpu after = house_cpu(&h);
    struct farm_figures figures = farm_figures(f);
    r->sink = (struct took){figures.last_s - figures.first_s,
                            (double)(after.sink - before.sink) / c->points};
    r->writer_ns = (double)(after.writer - before.writer) / c->points;
    r->broker_ns = (double)(after.loop - before.loop + after.io - before.io) / c->points;
    r->memory = house_memory_most(&h);
    farm_destroy(f);
    house_close(&h);
    return rc;
}

static int by_size(const void *x, const void *y)
{
    const double *a = x, *b = y;
    return *a < *b ? -1 : *a > *b;
}

/* All in turn, each of them at every place once in four rounds. Where there is no O_DIRECT its
 * program fails, and tells nothing. */
static int take_round(const struct chart *c, unsigned turn, struct round *r)
{
    int rc = 0;
    for (unsigned i = 0; i < 4 && rc == 0; i++) {
        switch ((turn + i) % 4) {
        case 0:
            r->own = plain(c, SYNC_BYTES, false);
            break;
        case 1:
            r->same = plain(c, 1, false);
            break;
        case 2:
            r->past = plain(c, PAST_SYNC, true);
            break;
        default:
            rc = by_broker(c, r);
        }
    }
    return rc || r->own.s <= 0 || r->same.s <= 0 ? -1 : 0;
}

static int take_rounds(const struct chart *c, unsigned rounds)
{
    double of_own[ROUNDS_MAX], of_same[ROUNDS_MAX], mb = 1e-6 * POINT_BYTES * c->points;
    static const char *const doors[] = {"TCP", "CURVE", "ipc"};
    printf("%.3g points, %u tiles in %u bands, %d bytes a point, new files, %s; round 0 warms the "
           "disk\n",
           c->points, job_tile_count(c->job), c->job->q_blocks, POINT_BYTES, doors[c->door]);
    printf("         MB/s                            broker of       processor time, ns a point\n");
    printf("round   plain same pattern O_DIRECT broker  plain  same   plain  same O_DIRECT"
           "  sink = own + writer  loop, i/o  broker MiB\n");
    for (unsigned i = 0; i <= rounds; i++) {
        struct round r = {0};
        if (take_round(c, i, &r))
            return -1;
        printf("%5u %7.0f %12.0f %8.0f %6.0f %6.2f %5.2f %7.2f %5.2f %8.2f %5.2f = %.2f + %.2f"
               " %12.2f %11zu\n",
               i, mb / r.own.s, mb / r.same.s, r.past.s > 0 ? mb / r.past.s : NAN, mb / r.sink.s,
               r.own.s / r.sink.s, r.same.s / r.sink.s, r.own.cpu_ns, r.same.cpu_ns, r.past.cpu_ns,
               r.sink.cpu_ns, r.sink.cpu_ns - r.writer_ns, r.writer_ns, r.broker_ns,
               r.memory >> 20);
        fflush(stdout);
        if (i > 0) {
            of_own[i - 1] = r.own.s / r.sink.s;
            of_same[i - 1] = r.same.s / r.sink.s;
        }
    }
    qsort(of_own, rounds, sizeof *of_own, by_size);
    qsort(of_same, rounds, sizeof *of_same, by_size);
    printf("median: %.2f of plain, %.2f of plain in the same pattern\n", of_own[rounds / 2],
           of_same[rounds / 2]);
    return 0;
}

int chart_bench(const char *under, double points, unsigned rounds, enum house_door door)
{
    struct chart c = {.under = under, .door = door};
    char folder[300];
    snprintf(folder, sizeof folder, "%s/chart-XXXXXX", under);
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    if (!mkdtemp(folder) || make_job(&c, folder, points))
        return -1;
    c.bytes = aligned_alloc(PAGE, PAST_BYTES);
    if (!c.bytes)
        return -1;
    for (size_t i = 0; i < PAST_BYTES; i++)
        c.bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    int rc = take_rounds(&c, rounds);
    unlink(c.path);
    rmdir(folder);
    job_destroy(c.job);
    free(c.bytes);
    return rc;
}
