/* Null tiles through the real broker, sink and database; see dispatch.h.
 *
 *   dispatch_bench       all of this in a short form, three minutes and a half
 *   dispatch_bench [--workers 10,100,1000] [--tiles 1000000] [--rounds 9] [--load 0.5] [--curve]
 *                  [--libzmq] [--bundle 256] [--jobs 1] [--solve-us 1] [--under DIR]
 *                  [--raw-seconds 0.5] [--detail]
 *   dispatch_bench --scale 5000 [--jobs 1000] [--loads 5000,20000,50000,100000,0] [--under DIR]
 *   dispatch_bench --chart 1e8 [--rounds 5] [--alone] [--tcp]    a chart of so many points on disk,
 * by ipc:// as `hillsweep run` has it, or by TCP; --alone: without the programs that only write
 *
 * Each round runs the first and the last number of workers, as fast as all can, those between in
 * every third round; a round is a pair, of which the loss from the first number to the last is
 * reckoned, of the broker and of libzmq alone with the same peers (peer.h; --libzmq: that
 * library's). --load: after that each number of workers at this share of its median
 * rate, for latencies. --bundle: answers in one message at most (a worker sends up to 256); 1: each
 * in a message of its own; 0: two RESULTs each, as long answers go. --solve-us: what the workers
 * say that a tile took; the broker makes leases longer where that is short. --scale: so many
 * workers and queued jobs, at these loads in tiles a second; 0: as fast as all can. */
#include "dispatch.h"

#include "door.h"
#include <malloc.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNTS_MAX = 16, ROUNDS_MAX = 64, SIDE = 1000, HOSTS = 64, LOAD_SECONDS = 8, BETWEEN = 3 };

struct options {
    unsigned workers[COUNTS_MAX], count, tiles, bundle, jobs, solve_us, rounds, scale;
    bool curve, tcp, libzmq, detail, alone;
    const char *under, *loads;
    double raw_seconds, chart, load;
};

static void take_workers(struct options *o, const char *text)
{
    o->count = 0;
    while (*text && o->count < COUNTS_MAX) {
        char *end;
        o->workers[o->count++] = (unsigned)strtoul(text, &end, 10);
        text = *end ? end + 1 : end;
    }
}

static int usage(void)
{
    fprintf(
        stderr,
        "usage: dispatch_bench [--workers 10,100,1000] [--tiles N] [--rounds N] [--load SHARE]\n"
        "                      [--curve] [--libzmq] [--bundle N] [--jobs N] [--solve-us N] "
        "[--under DIR]\n"
        "                      [--raw-seconds S] [--detail]\n"
        "       dispatch_bench --scale WORKERS [--jobs N] [--loads RATE,...] [--under DIR]\n"
        "       dispatch_bench --chart POINTS [--rounds N] [--alone] [--tcp] [--under DIR]\n");
    return 2;
}

static bool take_option(struct options *o, const char *name, const char *value)
{
    struct {
        const char *name;
        unsigned *count;
        double *number;
    } options[] = {{"--tiles", &o->tiles, NULL},   {"--bundle", &o->bundle, NULL},
                   {"--jobs", &o->jobs, NULL},     {"--solve-us", &o->solve_us, NULL},
                   {"--rounds", &o->rounds, NULL}, {"--scale", &o->scale, NULL},
                   {"--chart", NULL, &o->chart},   {"--raw-seconds", NULL, &o->raw_seconds},
                   {"--load", NULL, &o->load}};
    if (strcmp(name, "--workers") == 0)
        return take_workers(o, value), true;
    if (strcmp(name, "--under") == 0)
        return o->under = value, true;
    if (strcmp(name, "--loads") == 0)
        return o->loads = value, true;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (strcmp(name, options[i].name) != 0)
            continue;
        if (options[i].count)
            *options[i].count = (unsigned)strtoul(value, NULL, 10);
        else
            *options[i].number = strtod(value, NULL);
        return true;
    }
    return false;
}

static bool take_options(struct options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--curve") == 0)
            o->curve = true;
        else if (strcmp(argv[i], "--tcp") == 0)
            o->tcp = true;
        else if (strcmp(argv[i], "--libzmq") == 0)
            o->libzmq = true;
        else if (strcmp(argv[i], "--detail") == 0)
            o->detail = true;
        else if (strcmp(argv[i], "--alone") == 0)
            o->alone = true;
        else if (i + 1 == argc || !take_option(o, argv[i], argv[i + 1]))
            return false;
        else
            i++;
    }
    for (unsigned i = 0; i < o->count; i++)
        if (o->workers[i] == 0)
            return false;
    return o->count > 0 && o->tiles >= SIDE && o->rounds <= ROUNDS_MAX && o->load < 1;
}

/* --- a run ----------------------------------------------------------------------------------- */

struct run {
    double rate, raw;
};

static bool all_welcome(const struct farm_figures *now, void *arg)
{
    return now->welcome == *(unsigned *)arg;
}

static bool all_acked(const struct farm_figures *now, void *arg)
{
    return now->acked >= *(uint64_t *)arg;
}

static void print_head(void)
{
    printf("workers   tiles/s  /raw  us of processors a tile: broker = loop + i/o + sink   farm"
           "  messages  in flight   MiB\n");
}

static void print_row(unsigned workers, const struct run *run, const struct farm_figures *f,
                      const struct house_cpu *cpu, uint64_t farm_ns, size_t memory)
{
    double n = 1e3 * (double)f->acked;
    printf("%7u %9.0f  %4.2f %27.2f = %.2f + %.2f + %.2f %13.2f %9.3f %10u %5zu", workers,
           run->rate, run->raw > 0 ? run->rate / run->raw : NAN,
           (double)(cpu->loop + cpu->io + cpu->sink) / n, (double)cpu->loop / n,
           (double)cpu->io / n, (double)cpu->sink / n, (double)farm_ns / n,
           1e3 * (double)(f->said + f->heard) / n, f->most_in_flight, memory >> 20);
    if (f->asked_who > 0)
        printf("  %u WHO", f->asked_who);
    printf("\n");
    fflush(stdout);
}

/* tiles_per_s 0: as fast as all can. */
static int one_run(const struct options *o, unsigned workers, double tiles_per_s, struct run *run)
{
    struct house h;
    struct key key;
    struct err err;
    unsigned rows = (tiles_per_s > 0 ? (unsigned)(tiles_per_s * LOAD_SECONDS) : o->tiles) / SIDE;
    unsigned jobs = o->jobs * ((rows + SIDE - 1) / SIDE); /* one has at most so many tiles */
    rows = rows < SIDE ? rows : SIDE;
    uint64_t tiles = (uint64_t)rows * SIDE * jobs;
    *run = (struct run){0};
    setenv("HILLSWEEP_LATENCY_S", tiles_per_s > 0 ? "4" : "60", 1); /* not of the start */
    if (o->raw_seconds > 0 && tiles_per_s <= 0)
        run->raw = raw_round_trips(workers, 4, 64, o->raw_seconds, o->libzmq);
    if (house_open(&h, o->under, o->curve ? HOUSE_CURVE : HOUSE_TCP))
        return -1;
    if (o->curve && key_find(h.keys, ROLE_WORKER, &key, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    struct farm_config config = {.endpoint = h.endpoint,
                                 .key = o->curve ? &key : NULL,
                                 .workers = workers,
                                 .bundle = o->bundle,
                                 .solve_us = o->solve_us,
                                 .of_libzmq = o->libzmq,
                                 .hosts = HOSTS};
    int rc = o->jobs > 1 ? house_submit(&h, rows, SIDE, jobs, 0) : 0; /* takes long */
    struct farm *f = farm_create(&config);
    farm_pace(f, tiles_per_s);
    rc = rc == 0 && farm_run(f, 120, all_welcome, &workers) ? 0 : -1;
    struct house_cpu before = house_cpu(&h);
    uint64_t farm_before = farm_figures(f).cpu_ns;
    if (rc == 0 && o->jobs == 1)
        rc = house_submit(&h, rows, SIDE, jobs, 0);
    if (rc == 0 && !farm_run(f, 300, all_acked, &tiles))
        rc = -1;
    struct house_cpu cpu = house_cpu_since(house_cpu(&h), before);
    struct farm_figures figures = farm_figures(f);
    run->rate = (double)figures.acked / (figures.last_s - figures.first_s);
    print_row(workers, run, &figures, &cpu, figures.cpu_ns - farm_before, house_memory_most(&h));
    if (rc)
        fprintf(stderr, "%u workers: %u came in, %llu of %llu tiles are durable\n", workers,
                figures.welcome, (unsigned long long)figures.acked, (unsigned long long)tiles);
    house_say_cpu(&cpu);
    if (tiles_per_s > 0 || o->detail) {
        say_latency(&h);
        farm_say_types(&figures, &(struct farm_figures){0}, 1e-3 * (double)figures.acked,
                       "thousand tiles");
    }
    farm_destroy(f);
    house_close(&h);
    return rc;
}

/* --- rounds ---------------------------------------------------------------------------------- */

/* What lies between the first and the last number is run in every third round only. */
static bool in_round(const struct options *o, unsigned round, unsigned i)
{
    return i == 0 || i + 1 == o->count || round % BETWEEN == 0;
}

static double value(const struct run *run, bool raw)
{
    return raw ? run->raw : run->rate;
}

/* Of one number of workers, over all rounds that had it; how many. */
static size_t column(const struct options *o, struct run runs[][COUNTS_MAX], unsigned i, bool raw,
                     double out[ROUNDS_MAX])
{
    size_t n = 0;
    for (unsigned r = 0; r < o->rounds; r++)
        if (in_round(o, r, i))
            out[n++] = value(&runs[r][i], raw);
    return n;
}

/* From the first number to the last, of each round by itself: the two are a pair, one right after
 * the other, so that what the machine does to both does not count. */
static void say_loss(const struct options *o, struct run runs[][COUNTS_MAX], bool raw)
{
    double list[ROUNDS_MAX], low, middle, high;
    printf("%s, median (best):", raw ? "libzmq alone, round trips/s" : "durable tiles/s");
    for (unsigned i = 0; i < o->count; i++) {
        size_t n = column(o, runs, i, raw, list);
        middle = median(list, n);
        printf(" %u: %.0f (%.0f)%s", o->workers[i], middle, list[n - 1],
               i + 1 < o->count ? "," : "\n");
    }
    for (unsigned r = 0; r < o->rounds; r++)
        list[r] = 100 * (1 - value(&runs[r][o->count - 1], raw) / value(&runs[r][0], raw));
    quartiles(list, o->rounds, &low, &middle, &high);
    printf("    loss from %u to %u workers, of %u pairs: median %.1f %%, quartiles %.1f and %.1f"
           " %%, all:",
           o->workers[0], o->workers[o->count - 1], o->rounds, middle, low, high);
    for (unsigned r = 0; r < o->rounds; r++)
        printf(" %.1f", list[r]);
    printf("\n");
}

/* Every second round the other way round: who comes second has the warmer machine, or the tired
 * one. */
static int one_round(const struct options *o, unsigned round, struct run *runs)
{
    for (unsigned k = 0; k < o->count; k++) {
        unsigned i = round % 2 ? o->count - 1 - k : k;
        if (in_round(o, round, i) && one_run(o, o->workers[i], 0, &runs[i]))
            return -1;
    }
    return 0;
}

static int all_rounds(const struct options *o)
{
    static struct run runs[ROUNDS_MAX][COUNTS_MAX];
    double list[ROUNDS_MAX];
    printf("%u tiles of one point, %u job%s, %u answer%s a message, %s\n", o->tiles, o->jobs,
           o->jobs > 1 ? "s" : "", o->bundle, o->bundle == 1 ? "" : "s",
           o->curve ? "CURVE" : "no keys");
    print_head();
    for (unsigned r = 0; r < o->rounds; r++)
        if (one_round(o, r, runs[r]))
            return 1;
    say_loss(o, runs, false);
    if (o->raw_seconds > 0)
        say_loss(o, runs, true);
    if (o->load > 0)
        printf("at %g of the median rate, a lease answered together, or %d tiles of it:\n", o->load,
               FARM_TOGETHER);
    for (unsigned i = 0; i < o->count && o->load > 0; i++) {
        struct run run;
        size_t n = column(o, runs, i, false, list);
        if (one_run(o, o->workers[i], o->load * median(list, n), &run))
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct options o = {.workers = {10, 100, 1000},
                        .count = 3,
                        .tiles = 1000000,
                        .bundle = 256,
                        .solve_us = 1,
                        .under = "/tmp",
                        .loads = "5000,20000,50000,100000,0",
                        .raw_seconds = 0.5,
                        .load = 0.5};
    signal(SIGPIPE, SIG_IGN);
    if (!take_options(&o, argc, argv))
        return usage();
    door_room(1u << 20);
    mallopt(M_MMAP_THRESHOLD, 4 << 20); /* as the broker: frames are not to cost page faults */
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    if (o.chart > 0)
        return chart_bench(o.under, o.chart, o.rounds ? o.rounds : 5, o.tcp ? HOUSE_TCP : HOUSE_IPC,
                           o.alone)
                   ? 1
                   : 0;
    if (o.scale > 0)
        return scale_bench(o.under, o.scale, o.jobs ? o.jobs : 1000, o.loads, 12) ? 1 : 0;
    o.rounds = o.rounds ? o.rounds : 9;
    o.jobs = o.jobs ? o.jobs : 1;
    if (argc > 1)
        return all_rounds(&o);
    return all_rounds(&o) || scale_bench(o.under, 5000, 100, "20000,0", 4) ||
           chart_bench(o.under, 1e8, 2, HOUSE_IPC, false);
}
