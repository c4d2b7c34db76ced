/* What periods cost: build/release/bin/periods_bench [SIDE] [TOLERANCE]. Charts of Mathieu's
 * equation (a Strutt chart, and one without symmetry) in memory, by each method: the four entries
 * after one period, ten thousand periods, and what follows from the monodromy matrix. Thread CPU
 * time of a point, the least of several rounds. */
#include "sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ENOUGH 3e8 /* ns spent on rounds */
#define FIELDS 4

struct chart {
    const char *name, *text[FIELDS];
};

static const struct chart charts[] = {
    {"z1 dz1 z2 dz2, one period", {"z1(pi)", "dz1(pi)", "z2(pi)", "dz2(pi)"}},
    {"z after 10,000 periods", {"z(10000*pi)"}},
    {"z after 10,000.3 periods", {"z(10000.3*pi)"}},
    {"lnabs after 10,000 periods", {"lnabs(10000*pi)"}},
    {"trace", {"trace"}},
    {"stable", {"stable"}},
    {"mu", {"mu"}},
    {"mu, stable, trace", {"mu", "stable", "trace"}},
    {"nu", {"nu"}},
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double *linspace(double from, double to, size_t n)
{
    double *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = from + (to - from) * (double)i / (double)(n - 1);
    return x;
}

/* Where the fields go: pages that are there already. */
struct room {
    double *field[FIELDS];
    float *error[FIELDS];
    unsigned char *status;
};

static struct room make_room(size_t n)
{
    struct room r = {.status = malloc(n)};
    for (size_t k = 0; k < FIELDS; k++) {
        r.field[k] = malloc(n * sizeof *r.field[k]);
        r.error[k] = malloc(n * sizeof *r.error[k]);
        memset(r.field[k], 1, n * sizeof *r.field[k]);
        memset(r.error[k], 1, n * sizeof *r.error[k]);
    }
    return r;
}

static void free_room(struct room *r)
{
    for (size_t k = 0; k < FIELDS; k++) {
        free(r->field[k]);
        free(r->error[k]);
    }
    free(r->status);
}

/* ns of a point, setup included; *limited: points where rounding decides. */
static double solve(const struct sweep_spec *spec, const struct room *room, size_t *limited)
{
    size_t n = spec->q_count * spec->a_count;
    double start = now_ns();
    struct sweep *sweep;
    struct err err;
    if (sweep_create(spec, &sweep, &err) != 0) {
        fprintf(stderr, "periods_bench: %s: %s\n", err.path, err.text);
        exit(1);
    }
    struct solver *solver = solver_create(sweep);
    struct block all = {0, spec->q_count, 0, spec->a_count};
    solver_block(solver, &all, room->field, room->error, room->status, NULL, NULL);
    double spent = now_ns() - start;
    *limited = 0;
    for (size_t i = 0; i < n; i++)
        *limited += room->status[i] == POINT_LIMITED;
    solver_destroy(solver);
    sweep_destroy(sweep);
    return spent / (double)n;
}

static void measure(struct sweep_spec *spec, const struct room *room, const struct chart *chart,
                    double *base)
{
    struct output_text outputs[FIELDS];
    size_t limited = 0;
    double best = INFINITY, spent = 0;
    spec->outputs = outputs;
    for (spec->output_count = 0; spec->output_count < FIELDS; spec->output_count++) {
        if (chart->text[spec->output_count] == NULL)
            break;
        outputs[spec->output_count] = (struct output_text){"F", chart->text[spec->output_count]};
    }
    for (int round = 0; round < 3 || (spent < ENOUGH && round < 100); round++) {
        double ns = solve(spec, room, &limited);
        best = fmin(best, ns);
        spent += ns * (double)(spec->q_count * spec->a_count);
    }
    *base = *base > 0 ? *base : best;
    printf("  %-30s %9.4g %9.2f %10zu\n", chart->name, best, best / *base, limited);
}

int main(int argc, char **argv)
{
    static const char *const drives[] = {"-2*cos(2*t)", "cos(2*t) + 0.3*sin(4*t + 1)"};
    static const struct {
        enum sweep_method method;
        const char *name;
    } methods[] = {{SWEEP_AUTO, "auto"}, {SWEEP_POINT, "point"}};
    size_t side = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
    double times[] = {0, 1}, tolerance = argc > 2 ? strtod(argv[2], NULL) : 1e-9;
    if (side < 2 || !(tolerance > 0)) {
        fprintf(stderr, "usage: periods_bench [SIDE] [TOLERANCE]\n");
        return 2;
    }
    struct room room = make_room(side * side);
    double *q = linspace(-8, 8, side), *a = linspace(-6, 27, side);
    for (int d = 0; d < 2; d++) {
        for (int m = 0; m < 2; m++) {
            double base = 0;
            printf("w = %s, %zu^2, %g, %s:\n  %-30s %9s %9s %10s\n", drives[d], side, tolerance,
                   methods[m].name, "", "ns/point", "/first", "limited");
            struct sweep_spec spec = {.w = drives[d],
                                      .w_to = acos(-1),
                                      .period = acos(-1),
                                      .z_start = {"1", "0"},
                                      .times = times,
                                      .time_count = 2,
                                      .q = q,
                                      .a = a,
                                      .q_count = side,
                                      .a_count = side,
                                      .tolerance = tolerance,
                                      .method = methods[m].method,
                                      .q_blocks = (uint32_t)((side + 511) / 512),
                                      .a_blocks = (uint32_t)((side + 511) / 512)};
            for (size_t c = 0; c < sizeof charts / sizeof *charts; c++)
                measure(&spec, &room, &charts[c], &base);
        }
    }
    free_room(&room);
    free(q);
    free(a);
    return 0;
}
