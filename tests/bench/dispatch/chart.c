/* A chart on its way from workers that have it at once to the disk, against programs that do
 * nothing but write the same bytes (plain.h): as a program would for itself (64 MiB between syncs),
 * in the sink's pattern (band after band of tiles, synced after each), and 24 MiB between syncs
 * past the page cache; to new files, as a job's are, and the first two over warm ones as well. All
 * take turns, in every round. The workers are plain peers (peer.h), which send each plane's bytes
 * by reference and know their checksums, and are nice. */
#include "dispatch.h"
#include "plain.h"

#include "buf.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { WORKERS = 4, ROUNDS_MAX = 32, PLAINS = 5, BROKER = PLAINS, TURNS };

static const struct {
    const char *name;
    struct plain_way way;
} plains[PLAINS] = {
    {"plain program, new files", {64 << 20, false, false}},
    {"... in the sink's pattern", {1, false, false}},
    {"... past the page cache", {24 << 20, true, false}},
    {"plain program, warm files", {64 << 20, false, true}},
    {"... in the sink's pattern", {1, false, true}},
};

struct chart {
    struct plain plain;
    char path[300];
    double points, mb;
    enum house_door door;
    bool alone; /* the broker takes its turn and no other program */
};

/* What the broker took beside its time: ns of processor time a point, or shares. */
struct costs {
    double sink, writer, loop_io, farm;
    double idle;       /* of all cores */
    double disk_rests; /* of the time; NaN: unknown */
    double copy;       /* the least that one costs (plain_copy_ns), in the same round */
    size_t memory;
};

struct rounds {
    unsigned count;
    double mb_s[TURNS][ROUNDS_MAX], cpu_ns[TURNS][ROUNDS_MAX], of[PLAINS][ROUNDS_MAX];
    struct costs costs[ROUNDS_MAX];
};

static int make_job(struct chart *c, const char *folder, double points, struct job **job)
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
    c->mb = 1e-6 * PLAIN_POINT_BYTES * c->points;
    if (job_parse(text, (size_t)n, NULL, job, &err) == 0)
        return 0;
    fprintf(stderr, "%s\n", err.text);
    return -1;
}

/* --- by the broker --------------------------------------------------------------------------- */

/* Since the machine has run. */
struct machine {
    double s, idle_s; /* idle_s: of all cores together */
    double disk_s;    /* in which the disk had something to do; NaN: unknown */
};

static double disk_busy_s(const char *under)
{
    char path[64];
    unsigned long ms = 0;
    struct stat st;
    if (stat(under, &st) != 0)
        return NAN;
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/stat", major(st.st_dev), minor(st.st_dev));
    FILE *f = fopen(path, "r");
    int got = f ? fscanf(f, "%*u %*u %*u %*u %*u %*u %*u %*u %*u %lu", &ms) : 0;
    if (f)
        fclose(f);
    return got == 1 ? 1e-3 * (double)ms : NAN;
}

static struct machine machine_now(const char *under)
{
    unsigned long long idle = 0, waits = 0;
    FILE *f = fopen("/proc/stat", "r");
    if (!f || fscanf(f, "cpu %*u %*u %*u %llu %llu", &idle, &waits) != 2)
        idle = waits = 0;
    if (f)
        fclose(f);
    return (struct machine){seconds_now(), (double)(idle + waits) / (double)sysconf(_SC_CLK_TCK),
                            disk_busy_s(under)};
}

static bool all_tiles(const struct farm_figures *now, void *arg)
{
    return now->acked >= *(uint64_t *)arg;
}

static bool all_in(const struct farm_figures *now, void *arg)
{
    (void)arg;
    return now->welcome == WORKERS;
}

static struct took by_broker(const struct chart *c, struct costs *costs)
{
    struct house h;
    const char *under = c->plain.under;
    uint64_t tiles = job_tile_count(c->plain.job);
    if (house_open(&h, under, c->door))
        return (struct took){0, 0};
    struct farm_config config = {.endpoint = h.endpoint,
                                 .workers = WORKERS,
                                 .solve_us = 1000,
                                 .hosts = 1,
                                 .job = c->plain.job};
    int rc = house_submit_file(&h, c->path, 1, 0) || house_command(&h, "pause", "1");
    struct farm *f = farm_create(&config);
    rc = rc || !farm_run(f, 60, all_in, NULL) || house_command(&h, "resume", "1") ? -1 : 0;
    struct machine from = machine_now(under);
    struct house_cpu before = house_cpu(&h);
    uint64_t farm_ns = farm_figures(f).cpu_ns;
    if (rc == 0 && !farm_run(f, 600, all_tiles, &tiles))
        rc = -1;
    struct house_cpu cpu = house_cpu_since(house_cpu(&h), before);
    struct machine to = machine_now(under);
    struct farm_figures figures = farm_figures(f);
    double cores = (double)sysconf(_SC_NPROCESSORS_ONLN);
    *costs = (struct costs){
        .sink = (double)cpu.sink / c->points,
        .writer = (double)cpu.writer / c->points,
        .loop_io = (double)(cpu.loop + cpu.io) / c->points,
        .farm = (double)(figures.cpu_ns - farm_ns) / c->points,
        .idle = (to.idle_s - from.idle_s) / ((to.s - from.s) * cores),
        .disk_rests = 1 - (to.disk_s - from.disk_s) / (to.s - from.s),
        .memory = house_memory_most(&h),
    };
    farm_destroy(f);
    house_close(&h);
    return rc ? (struct took){0, 0}
              : (struct took){figures.last_s - figures.first_s, costs->sink + costs->loop_io};
}

/* --- rounds ---------------------------------------------------------------------------------- */

/* All in turn, each of them at every place once in some rounds. Where there is no O_DIRECT its
 * program fails, and tells nothing. */
static int take_round(const struct chart *c, unsigned turn, struct rounds *all, unsigned to)
{
    for (unsigned i = 0; i < TURNS; i++) {
        unsigned who = (turn + i) % TURNS;
        if (c->alone && who != BROKER)
            continue;
        struct took took = who == BROKER ? by_broker(c, &all->costs[to])
                                         : plain_write(&c->plain, &plains[who].way);
        if (took.s <= 0 && (who == BROKER || !plains[who].way.past))
            return -1;
        all->mb_s[who][to] = took.s > 0 ? c->mb / took.s : NAN;
        all->cpu_ns[who][to] = took.s > 0 ? took.cpu_ns : NAN;
    }
    all->costs[to].copy = plain_copy_ns();
    for (unsigned i = 0; i < PLAINS; i++)
        all->of[i][to] = all->mb_s[BROKER][to] / all->mb_s[i][to];
    return 0;
}

/* Median and, between brackets, the quartiles. */
static const char *middle(double *values, unsigned count, char text[40])
{
    median(values, count); /* sorts them */
    double at[3];
    for (int i = 0; i < 3; i++) {
        double place = (i + 1) * 0.25 * (count - 1), low = floor(place), part = place - low;
        unsigned k = (unsigned)low;
        at[i] = values[k] + (part > 0 ? part * (values[k + 1] - values[k]) : 0);
    }
    const char *form = at[1] < 100 ? "%.2f (%.2f to %.2f)" : "%.0f (%.0f to %.0f)";
    snprintf(text, 40, form, at[1], at[0], at[2]);
    return text;
}

static void say_round(const struct rounds *all, unsigned to, unsigned number)
{
    const struct costs *k = &all->costs[to];
    printf("%5u", number);
    for (unsigned i = 0; i < PLAINS; i++)
        all->mb_s[i][to] > 0 ? (void)printf(" %6.0f", all->mb_s[i][to]) : (void)printf("      -");
    printf(" %6.0f", all->mb_s[BROKER][to]);
    printf("   %5.2f = %.2f + %.2f %7.2f %6.2f %6.0f %% %6.0f %% %7zu\n", k->sink,
           k->sink - k->writer, k->writer, k->loop_io, k->farm, 100 * k->idle, 100 * k->disk_rests,
           k->memory >> 20);
    fflush(stdout);
}

static void say_all(const struct chart *c, struct rounds *all)
{
    char mb_s[40], ns[40], of[40];
    printf("\nmedian (quartiles) of %u rounds   %-24s %-22s  broker's MB/s of it, pair by pair\n",
           all->count, "MB/s", "ns a point");
    for (unsigned i = c->alone ? BROKER : 0; i < TURNS; i++)
        printf("%-33s %-24s %-22s  %s\n", i == BROKER ? "broker, new files" : plains[i].name,
               middle(all->mb_s[i], all->count, mb_s), middle(all->cpu_ns[i], all->count, ns),
               i == BROKER ? "" : middle(all->of[i], all->count, of));
    double own[ROUNDS_MAX], writer[ROUNDS_MAX], sink[ROUNDS_MAX], copy[ROUNDS_MAX];
    for (unsigned i = 0; i < all->count; i++) {
        sink[i] = all->costs[i].sink;
        writer[i] = all->costs[i].writer;
        own[i] = sink[i] - writer[i];
        copy[i] = all->costs[i].copy;
    }
    printf("... of its ns the sink %s", middle(sink, all->count, ns));
    printf(" = own %s", middle(own, all->count, ns));
    printf(" + writer %s\n", middle(writer, all->count, ns));
    if (c->alone)
        return;
    printf(
        "floor of own: a copy from what another core wrote %s; of the writer: past the page cache"
        " %s\n",
        middle(copy, all->count, ns), middle(all->cpu_ns[2], all->count, of));
}

static int take_rounds(const struct chart *c, unsigned rounds)
{
    static const char *const doors[] = {"TCP", "CURVE", "ipc"};
    struct rounds *all = mem_alloc(1, sizeof *all);
    const struct job *job = c->plain.job;
    printf(
        "%.3g points, %u tiles in %u bands, %d bytes a point, %s; round 0 warms files and disk\n",
        c->points, job_tile_count(job), job->q_blocks, PLAIN_POINT_BYTES, doors[c->door]);
    printf("      MB/s: new files               warm                   processor time, ns a point"
           "        cores   disk  broker\n");
    printf("round  plain   same direct  plain   same broker    sink = own + writer  loop+i/o   farm"
           "   idle  rests     MiB\n");
    int rc = take_round(c, 0, all, 0);
    if (rc == 0)
        say_round(all, 0, 0);
    for (; rc == 0 && all->count < rounds; all->count++) {
        rc = take_round(c, all->count + 1, all, all->count);
        if (rc == 0)
            say_round(all, all->count, all->count + 1);
    }
    if (rc == 0)
        say_all(c, all);
    free(all);
    return rc;
}

int chart_bench(const char *under, double points, unsigned rounds, enum house_door door, bool alone)
{
    struct chart c = {.plain.under = under, .door = door, .alone = alone};
    struct job *job = NULL;
    char folder[300];
    snprintf(folder, sizeof folder, "%s/chart-XXXXXX", under);
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    if (!mkdtemp(folder) || make_job(&c, folder, points, &job))
        return -1;
    unsigned char *page = aligned_alloc(4096, PLAIN_PAGE_BYTES);
    if (!page)
        return -1;
    for (size_t i = 0; i < PLAIN_PAGE_BYTES; i++)
        page[i] = (unsigned char)(i * 2654435761u >> 13);
    c.plain.job = job;
    c.plain.page = page;
    int rc = take_rounds(&c, rounds);
    plain_forget(&c.plain);
    unlink(c.path);
    rmdir(folder);
    job_destroy(job);
    free(page);
    return rc;
}
