/* A chart on its way from workers that have it at once to the disk, against a program that does
 * nothing but write the same bytes, to files allocated in the same way, in whole rows from the
 * first to the last, and syncs them as often as the sink does. The two take turns. */
#include "dispatch.h"

#include "buf.h"
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 4, ROUNDS_MAX = 32, HEAD = 4096 };

#define SYNC_BYTES (64u << 20)

static const size_t plane_bytes[] = {sizeof(double), sizeof(float), 1};

struct chart {
    const char *under;
    char path[300];
    struct job *job;
    double points;
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

/* Whole bands of tiles, plane by plane, a MiB at a time. Seconds, 0 on failure; *cpu_ns a point. */
static double plain(const struct chart *c, const unsigned char *bytes, size_t have, double *cpu_ns)
{
    char path[3][300];
    int fd[3], failed = 0;
    size_t rows = c->job->q.count, width = c->job->a.count,
           band = c->job->q.count / c->job->q_blocks;
    for (int i = 0; i < 3; i++) {
        snprintf(path[i], sizeof path[i], "%s/plain-%d-%d", c->under, (int)getpid(), i);
        fd[i] = open(path[i], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        failed |=
            fd[i] < 0 || fallocate(fd[i], 0, 0, (off_t)(HEAD + rows * width * plane_bytes[i])) != 0;
    }
    double start_s = seconds_now(), start_cpu_s = cpu_s();
    size_t unsynced = 0;
    for (size_t q = 0; q < rows && !failed; q += band) {
        size_t n = rows - q < band ? rows - q : band;
        for (int i = 0; i < 3; i++) {
            size_t left = n * width * plane_bytes[i];
            off_t at = (off_t)(HEAD + q * width * plane_bytes[i]);
            for (size_t len; left > 0 && !failed; left -= len, at += (off_t)len) {
                len = left < have ? left : have;
                failed |= pwrite(fd[i], bytes, len, at) != (ssize_t)len;
            }
            unsynced += n * width * plane_bytes[i];
        }
        for (int i = 0; i < 3 && unsynced >= SYNC_BYTES; i++)
            failed |= fdatasync(fd[i]) != 0;
        unsynced = unsynced >= SYNC_BYTES ? 0 : unsynced;
    }
    for (int i = 0; i < 3; i++)
        failed |= fdatasync(fd[i]) != 0;
    double took_s = seconds_now() - start_s;
    *cpu_ns = 1e9 * (cpu_s() - start_cpu_s) / c->points;
    for (int i = 0; i < 3; i++) {
        close(fd[i]);
        unlink(path[i]);
    }
    return failed ? 0 : took_s;
}

/* --- by the broker --------------------------------------------------------------------------- */

struct round {
    double plain_s, plain_ns, broker_s, sink_ns, broker_ns;
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
    if (house_open(&h, c->under, false))
        return -1;
    struct farm_config config = {
        .endpoint = h.endpoint, .workers = WORKERS, .solve_us = 1000, .hosts = 1, .job = c->job};
    struct farm *f = farm_create(&config);
    int rc = farm_run(f, 60, all_in, NULL) ? house_submit_file(&h, c->path, 1) : -1;
    struct house_cpu before = house_cpu(&h);
    if (rc == 0 && !farm_run(f, 600, all_tiles, &tiles))
        rc = -1;
    struct house_cpu after = house_cpu(&h);
    struct farm_figures figures = farm_figures(f);
    r->broker_s = figures.last_s - figures.first_s;
    r->sink_ns = (double)(after.sink - before.sink) / c->points;
    r->broker_ns = (double)(after.loop - before.loop + after.io - before.io) / c->points;
    r->memory = house_memory(&h);
    farm_destroy(f);
    house_close(&h);
    return rc;
}

static int by_ratio(const void *x, const void *y)
{
    const struct round *a = x, *b = y;
    double one = a->plain_s / a->broker_s, other = b->plain_s / b->broker_s;
    return one < other ? -1 : one > other;
}

int chart_bench(const char *under, double points, unsigned rounds)
{
    enum { MIB = 1 << 20 };
    struct chart c = {.under = under};
    struct round r[ROUNDS_MAX + 1];
    char folder[300];
    snprintf(folder, sizeof folder, "%s/chart-XXXXXX", under);
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    if (!mkdtemp(folder) || make_job(&c, folder, points))
        return -1;
    unsigned char *bytes = mem_alloc(MIB, 1);
    for (size_t i = 0; i < MIB; i++)
        bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    printf("%.3g points, %u tiles, 13 bytes a point; MB/s; the first round warms the disk\n",
           c.points, job_tile_count(c.job));
    printf("                            processor time, ns a point\n");
    printf("round  plain  broker  ratio   plain   sink  loop and i/o  broker MiB\n");
    int rc = 0;
    for (unsigned i = 0; i <= rounds && rc == 0; i++) {
        if (i % 2 == 0)
            r[i].plain_s = plain(&c, bytes, MIB, &r[i].plain_ns);
        rc = by_broker(&c, &r[i]);
        if (i % 2 == 1)
            r[i].plain_s = plain(&c, bytes, MIB, &r[i].plain_ns);
        if (rc || r[i].plain_s <= 0)
            break;
        double mb = 13e-6 * c.points;
        printf("%5u %6.0f %7.0f %6.2f %7.2f %6.2f %13.2f %11zu\n", i, mb / r[i].plain_s,
               mb / r[i].broker_s, r[i].plain_s / r[i].broker_s, r[i].plain_ns, r[i].sink_ns,
               r[i].broker_ns, r[i].memory >> 20);
        fflush(stdout);
    }
    if (rc == 0) {
        qsort(r + 1, rounds, sizeof *r, by_ratio);
        printf("median ratio %.2f\n", r[1 + rounds / 2].plain_s / r[1 + rounds / 2].broker_s);
    }
    unlink(c.path);
    rmdir(folder);
    job_destroy(c.job);
    free(bytes);
    return rc;
}
