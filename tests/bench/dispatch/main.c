/* Null tiles through the real broker, sink and database; see dispatch.h.
 *
 *   dispatch_bench [--workers 10,100,1000] [--tiles 1000000] [--bundle 256] [--curve] [--jobs 1]
 *                  [--solve-us 1] [--under DIR] [--raw-seconds 2]
 *
 * --solve-us: what the workers say that a tile took; the broker makes leases longer where that is
 * short.
 *   dispatch_bench --chart 1e8 [--rounds 5] [--under DIR]     a chart of so many points on disk
 *
 * --bundle 1: each answer in a message of its own; 0: two RESULTs each, as long answers go. */
#include "dispatch.h"

#include "door.h"
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNTS_MAX = 16, SIDE = 1000, HOSTS = 64 };

struct options {
    unsigned workers[COUNTS_MAX], count, tiles, bundle, jobs, solve_us;
    bool curve;
    const char *under;
    double raw_seconds, chart;
    unsigned rounds;
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
    fprintf(stderr, "usage: dispatch_bench [--workers 10,100,1000] [--tiles N] [--bundle N]"
                    " [--curve] [--jobs N] [--under DIR] [--raw-seconds S]\n");
    return 2;
}

static bool take_options(struct options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(name, "--curve") == 0) {
            o->curve = true;
            continue;
        }
        if (!value)
            return false;
        i++;
        if (strcmp(name, "--workers") == 0)
            take_workers(o, value);
        else if (strcmp(name, "--tiles") == 0)
            o->tiles = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "--bundle") == 0)
            o->bundle = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "--jobs") == 0)
            o->jobs = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "--solve-us") == 0)
            o->solve_us = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "--chart") == 0)
            o->chart = strtod(value, NULL);
        else if (strcmp(name, "--rounds") == 0)
            o->rounds = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "--under") == 0)
            o->under = value;
        else if (strcmp(name, "--raw-seconds") == 0)
            o->raw_seconds = strtod(value, NULL);
        else
            return false;
    }
    return o->count > 0 && o->tiles >= SIDE && o->jobs > 0;
}

static bool all_welcome(const struct farm_figures *now, void *arg)
{
    return now->welcome == *(unsigned *)arg;
}

static bool all_acked(const struct farm_figures *now, void *arg)
{
    return now->acked >= *(uint64_t *)arg;
}

static bool never(const struct farm_figures *now, void *arg)
{
    (void)now, (void)arg;
    return false;
}

static void print_row(const struct options *o, unsigned workers, const struct farm_figures *f,
                      const struct house_cpu *cpu, size_t memory, double raw)
{
    double n = (double)f->acked, rate = n / (f->last_s - f->first_s);
    double us = 1e-3 * (double)(cpu->loop + cpu->io + cpu->sink) / n;
    printf("%7u %9.0f %6.2f %5.2f = %.2f loop + %.2f i/o + %.2f sink", workers, rate,
           raw > 0 ? rate / raw : NAN, us, 1e-3 * (double)cpu->loop / n, 1e-3 * (double)cpu->io / n,
           1e-3 * (double)cpu->sink / n);
    printf("  %7u %6u %8llu %7llu %6.2f %7.2f %6zu\n", f->most_in_flight, f->most_of_one,
           (unsigned long long)f->leases, (unsigned long long)(f->answers - f->acked),
           f->ask_p50_ms, f->ask_p99_ms, memory >> 20);
    (void)o;
    fflush(stdout);
}

static struct house_cpu since(struct house_cpu now, struct house_cpu before)
{
    return (struct house_cpu){now.loop - before.loop, now.io - before.io, now.sink - before.sink};
}

static void say_metrics(const struct house *h)
{
    static const char *const names[] = {"hillsweep_dispatch_seconds{quantile=\"0.5\"}",
                                        "hillsweep_dispatch_seconds{quantile=\"0.99\"}",
                                        "hillsweep_loop_lag_seconds{quantile=\"0.99\"}",
                                        "hillsweep_loop_lag_seconds{quantile=\"0.999\"}",
                                        "hillsweep_loop_lag_seconds{quantile=\"1\"}"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        double v;
        if (house_metric(h, names[i], &v) == 0)
            printf("        %s %.6g\n", names[i], v);
    }
}

static int one_run(const struct options *o, unsigned workers)
{
    struct house h;
    struct key key;
    struct err err;
    uint64_t tiles = o->tiles / SIDE * SIDE * (uint64_t)o->jobs;
    double raw = o->raw_seconds > 0 ? raw_round_trips(workers, 4, 64, o->raw_seconds) : 0;
    if (house_open(&h, o->under, o->curve))
        return -1;
    if (o->curve && key_find(h.keys, ROLE_WORKER, &key, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    struct farm_config config = {
        h.endpoint, o->curve ? &key : NULL, workers, o->bundle, o->solve_us, HOSTS, NULL};
    int rc = o->jobs > 1 ? house_submit(&h, o->tiles / SIDE, SIDE, o->jobs) : 0; /* takes long */
    struct farm *f = farm_create(&config);
    rc = rc == 0 && farm_run(f, 120, all_welcome, &workers) ? 0 : -1;
    struct house_cpu before = house_cpu(&h);
    if (rc == 0 && o->jobs == 1)
        rc = house_submit(&h, o->tiles / SIDE, SIDE, 1);
    if (rc == 0 && !farm_run(f, 300, all_acked, &tiles))
        rc = -1;
    struct house_cpu cpu = since(house_cpu(&h), before);
    struct farm_figures figures = farm_figures(f);
    print_row(o, workers, &figures, &cpu, house_memory(&h), raw);
    if (rc)
        fprintf(stderr, "%u workers: %u came in, %llu of %llu tiles are durable\n", workers,
                figures.welcome, (unsigned long long)figures.acked, (unsigned long long)tiles);
    if (figures.asked_who > 0)
        printf("        %u times a worker was asked who it is\n", figures.asked_who);
    farm_run(f, 0.1, never, NULL);
    say_metrics(&h);
    farm_destroy(f);
    house_close(&h);
    return rc;
}

int main(int argc, char **argv)
{
    struct options o = {.workers = {10, 100, 1000},
                        .count = 3,
                        .tiles = 1000000,
                        .bundle = 256,
                        .jobs = 1,
                        .solve_us = 1,
                        .under = "/tmp",
                        .raw_seconds = 2,
                        .rounds = 5};
    signal(SIGPIPE, SIG_IGN);
    if (!take_options(&o, argc, argv))
        return usage();
    door_room(1u << 20);
    if (o.chart > 0)
        return chart_bench(o.under, o.chart, o.rounds) ? 1 : 0;
    printf("%u tiles of one point, %u job%s, %u answer%s a message, %s\n", o.tiles, o.jobs,
           o.jobs > 1 ? "s" : "", o.bundle, o.bundle == 1 ? "" : "s",
           o.curve ? "CURVE" : "no keys");
    printf("workers   tiles/s  /raw  us of the broker's processors a tile            "
           "in flight of one   leases   twice  ask ms  p99 ms    MiB\n");
    for (unsigned i = 0; i < o.count; i++)
        if (one_run(&o, o.workers[i]))
            return 1;
    return 0;
}
