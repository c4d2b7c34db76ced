/* The command line of the model: tables for a reader, or checks for the tests. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "Where one broker is full, in virtual time: the real queue, and the costs that dispatch_bench "
    "measures.\n"
    "\n"
    "  model [--wire MB/s] [--disk MB/s] [NAME=VALUE ...]   tables: tiles a second, and what is "
    "full\n"
    "  model --tiles N --workers N [--threads N] [...]      one play, with all that it tells\n"
    "  model check                                          what the queue is held to\n"
    "\n"
    "--wire is 117 (1 GbE) unless given, --disk 1500, --seconds (of each play) 2.\n";

/* As dispatch_bench has them on the 2-core reference machine: 10 and 1,000 workers give what a tile
 * and what a message costs, --chart what a byte costs, --scale what a connection adds. */
static const struct costs measured = {
    .loop_tile = 0.3,
    .loop_message = 2.3,
    .loop_byte = 0.00015,
    .io_message = 5.4,
    .io_byte = 0.0005,
    .io_crowd = 0.01,
    .sink_tile = 1.3,
    .sink_byte = 0.0006,
    .sink_commit = 1000,
};

static const struct {
    const char *name;
    size_t at;
} cost_names[] = {
    {"loop_tile", offsetof(struct costs, loop_tile)},
    {"loop_message", offsetof(struct costs, loop_message)},
    {"loop_byte", offsetof(struct costs, loop_byte)},
    {"io_message", offsetof(struct costs, io_message)},
    {"io_byte", offsetof(struct costs, io_byte)},
    {"io_crowd", offsetof(struct costs, io_crowd)},
    {"sink_tile", offsetof(struct costs, sink_tile)},
    {"sink_byte", offsetof(struct costs, sink_byte)},
    {"sink_commit", offsetof(struct costs, sink_commit)},
};

enum {
    NULL_TILES,
    HARD_POINTS,
    SLOW_TILES,
    CHART_POINTS,
    CHART_LEAVES,
    TRACE_POINTS,
    TRACE_LEAVES,
    KINDS
};

/* Nanoseconds a point of a solver thread, points along a side of a tile, bytes a point on the wire
 * and on disk, nanoseconds to expand one from its leaf. */
static const struct kind kinds[KINDS] = {
    [NULL_TILES] = {"null tiles of one point", 1e3, 1, 9, 9, 0},
    [HARD_POINTS] = {"a hard point of 10 ms", 10e6, 1, 13, 13, 0},
    [SLOW_TILES] = {"25 x 25 points of 20 us (z.ddz)", 20e3, 25, 12, 13, 0},
    [CHART_POINTS] = {"chart of z(T), points", 3, 512, 12, 13, 0},
    [CHART_LEAVES] = {"chart of z(T), leaves", 0.8, 512, 0.018, 13, 2.0},
    [TRACE_POINTS] = {"chart of trace and mu, points", 22, 512, 24, 25, 0},
    [TRACE_LEAVES] = {"chart of trace and mu, leaves", 22, 512, 0.06, 25, 22.4},
};

static const struct {
    const char *name;
    double mb_per_s;
} wires[] = {{"100 Mbit/s", 11.7}, {"1 GbE", 117}, {"10 GbE", 1170}, {"25 GbE", 2900}};

/* --- tables ---------------------------------------------------------------------------------- */

/* Nothing is full: what waits is an answer or a lease on its way. */
static const char *full_name(const struct outcome *o)
{
    enum server full = outcome_full(o);
    return o->busy[full] > 0.75 ? server_names[full] : "latency";
}

static void cell(const char *text)
{
    printf("%22s", text);
    fflush(stdout);
}

static void rate_cell(const struct setup *s)
{
    char text[64];
    struct outcome o = model_play(s);
    snprintf(text, sizeof text, "%.0f (%s)", o.tiles_per_s, full_name(&o));
    cell(text);
}

static struct setup with_workers(struct setup s, uint32_t workers)
{
    s.workers = workers;
    return s;
}

/* Each hundred workers have a broker of their own, which is a worker to the first one. */
static struct setup second_level(struct setup s, uint32_t workers)
{
    s.workers = workers / 100;
    s.threads *= 100;
    s.worker_turn_ns = 1000000;
    return s;
}

static void tables(struct setup s)
{
    static const uint32_t counts[] = {1, 10, 100, 1000, 10000};
    enum { COUNTS = sizeof counts / sizeof *counts, WIRES = sizeof wires / sizeof *wires };
    printf("wire %.0f MB/s, disk %.0f MB/s, %u threads a worker; tiles a second (what is full)\n",
           s.wire_bytes_per_s * 1e-6, s.disk_bytes_per_s * 1e-6, s.threads);
    printf("%-34s", "workers");
    for (int i = 0; i < COUNTS; i++)
        printf("%22u", counts[i]);
    printf("%22s\n", "10000, two levels");
    for (int k = 0; k < KINDS; k++) {
        s.kind = &kinds[k];
        printf("%-34s", kinds[k].name);
        for (int i = 0; i < COUNTS; i++) {
            struct setup one = with_workers(s, counts[i]);
            rate_cell(&one);
        }
        struct setup two = second_level(s, counts[COUNTS - 1]);
        rate_cell(&two);
        printf("\n");
    }
    printf("\n%-34s", "million points a second, 20 workers");
    for (int i = 0; i < WIRES; i++)
        printf("%22s", wires[i].name);
    printf("\n");
    for (int k = CHART_POINTS; k < KINDS; k++) {
        printf("%-34s", kinds[k].name);
        for (int i = 0; i < WIRES; i++) {
            char text[64];
            struct setup one = with_workers(s, 20);
            one.kind = &kinds[k];
            one.wire_bytes_per_s = wires[i].mb_per_s * 1e6;
            one.seconds *= 15; /* of a tile in a second or two */
            struct outcome o = model_play(&one);
            snprintf(text, sizeof text, "%.3g (%s)",
                     o.tiles_per_s * kinds[k].side * kinds[k].side * 1e-6, full_name(&o));
            cell(text);
        }
        printf("\n");
    }
}

static void one_play(const struct setup *s)
{
    struct outcome o = model_play(s);
    printf("%s, %u workers of %u threads: %.0f tiles a second\n", s->kind->name, s->workers,
           s->threads, o.tiles_per_s);
    printf("busy:");
    for (int i = 0; i < SERVERS; i++)
        printf(" %s %.0f %%", server_names[i], 100 * o.busy[i]);
    printf("\n%.0f messages a second, %.2f a tile\n", o.messages_per_s,
           o.messages_per_s / o.tiles_per_s);
    printf(
        "dispatch p50, p99, p99.9: %.2f, %.2f, %.2f ms; turns of the loop: %.2f, %.2f, %.2f ms\n",
        1e3 * o.dispatch_s[0], 1e3 * o.dispatch_s[1], 1e3 * o.dispatch_s[2], 1e3 * o.turn_s[0],
        1e3 * o.turn_s[1], 1e3 * o.turn_s[2]);
}

/* --- checks ---------------------------------------------------------------------------------- */

static int missed;

static struct outcome expect(const struct setup *s, double at_least)
{
    struct outcome o = model_play(s);
    bool well = o.tiles_per_s >= at_least && o.twice == 0;
    printf("%-34s %5u workers: %8.0f tiles/s (at least %.0f), %s%s\n", s->kind->name, s->workers,
           o.tiles_per_s, at_least, full_name(&o), well ? "" : "  MISSED");
    missed += !well;
    return o;
}

/* In virtual time, so that it is the same on every machine. */
static int check(struct setup s)
{
    s.kind = &kinds[NULL_TILES];
    s = with_workers(s, 10);
    double few = expect(&s, 500000).tiles_per_s;
    s = with_workers(s, 1000);
    expect(&s, 0.9 * few);
    s.kind = &kinds[HARD_POINTS];
    double one_thread = 1e9 / s.kind->point_ns;
    s = with_workers(s, 100);
    expect(&s, 0.99 * s.workers * s.threads * one_thread);
    s = with_workers(s, 1000);
    expect(&s, 400000);
    s.kind = &kinds[CHART_POINTS];
    s = with_workers(s, 20);
    expect(&s, 0.97 * s.wire_bytes_per_s / (512 * 512 * 12));
    printf("model: %d missed\n", missed);
    return missed > 0;
}

/* --- the command line ------------------------------------------------------------------------ */

static int wrong(const char *what)
{
    fprintf(stderr, "model: %s\n%s", what, usage);
    return 2;
}

static bool set_cost(struct costs *c, const char *word)
{
    for (size_t i = 0; i < sizeof cost_names / sizeof *cost_names; i++) {
        size_t len = strlen(cost_names[i].name);
        if (strncmp(word, cost_names[i].name, len) || word[len] != '=')
            continue;
        char *end;
        double value = strtod(word + len + 1, &end);
        memcpy((char *)c + cost_names[i].at, &value, sizeof value);
        return end > word + len + 1 && *end == '\0' && value >= 0;
    }
    return false;
}

/* A number from 1 to most. */
static bool set_number(double *out, const char *word, double most)
{
    char *end;
    double value = word ? strtod(word, &end) : 0;
    if (!word || end == word || *end || !(value >= 1 && value <= most))
        return false;
    *out = value;
    return true;
}

int main(int argc, char **argv)
{
    double wire = 117, disk = 1500, threads = 8, workers = 0, tiles = 0, seconds = 2;
    struct setup s = {.costs = measured, .latency_ns = 100000, .worker_turn_ns = 100000};
    const struct {
        const char *name;
        double *value, most;
    } options[] = {{"--wire", &wire, 1e6},        {"--disk", &disk, 1e6},
                   {"--threads", &threads, 2000}, {"--workers", &workers, 20000},
                   {"--tiles", &tiles, KINDS},    {"--seconds", &seconds, 60}};
    bool checks = false;
    for (int i = 1; i < argc; i++) {
        size_t k = 0, n = sizeof options / sizeof *options;
        while (k < n && strcmp(argv[i], options[k].name))
            k++;
        if (k < n) {
            if (!set_number(options[k].value, argv[i + 1], options[k].most))
                return wrong("that option wants a number");
            i++;
        } else if (!strcmp(argv[i], "check")) {
            checks = true;
        } else if (!strcmp(argv[i], "--help")) {
            return fputs(usage, stdout) < 0;
        } else if (!set_cost(&s.costs, argv[i])) {
            return wrong("the costs are loop_tile, loop_message, loop_byte, io_message, io_byte, "
                         "io_crowd, sink_tile, sink_byte and sink_commit, in microseconds");
        }
    }
    s.wire_bytes_per_s = wire * 1e6;
    s.disk_bytes_per_s = disk * 1e6;
    s.threads = (uint32_t)threads;
    s.workers = (uint32_t)workers;
    s.seconds = seconds;
    if (checks)
        return check(s);
    bool one = s.workers > 0;
    if (one != (tiles > 0))
        return wrong("--tiles (1 to 7, as the table has them) and --workers go together");
    if (one) {
        s.kind = &kinds[(int)tiles - 1];
        one_play(&s);
    } else {
        tables(s);
    }
    return 0;
}
