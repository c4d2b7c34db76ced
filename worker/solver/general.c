/* See general.h: times at which steps end, y up to the first time, and the walk over a block. */
#include "general_private.h"

#include "buf.h"
#include "rk8.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNIT 0x1p-53

/* ---- times at which steps end ---- */

static int by_time(const void *x, const void *y)
{
    double a = ((const struct stop *)x)->t, b = ((const struct stop *)y)->t;
    return (a > b) - (a < b);
}

/* One stop for all that happens at a time. */
static void merge_stops(struct general *g)
{
    size_t n = 0;
    qsort(g->stops, g->stop_count, sizeof *g->stops, by_time);
    for (size_t i = 0; i < g->stop_count; i++) {
        const struct stop *s = &g->stops[i];
        if (n == 0 || s->t != g->stops[n - 1].t) {
            g->stops[n++] = *s;
            continue;
        }
        struct stop *into = &g->stops[n - 1];
        into->record = s->record != NONE ? s->record : into->record;
        into->segment = s->segment != NONE ? s->segment : into->segment;
        into->is_break |= s->is_break;
    }
    g->stop_count = n;
}

static void add_stop(struct general *g, struct stop s)
{
    if (s.t >= g->from && s.t <= g->last)
        g->stops[g->stop_count++] = s;
}

void general_refresh(struct general *g)
{
    const struct outputs *o = g->outputs;
    const struct curve *w = g->equation.curve;
    size_t joints = w != NULL ? w->count : 0, first = 0;
    free(g->stops);
    g->stops = mem_alloc(joints + g->break_count + o->record_count + 1, sizeof *g->stops);
    g->stop_count = 0;
    if (w != NULL)
        first = curve_find(w, g->from, 0);
    for (size_t k = first; k < joints; k++)
        add_stop(g, (struct stop){k == first ? g->from : w->segments[k].t0, NONE, k, 0});
    for (size_t k = 0; k < g->break_count; k++)
        add_stop(g, (struct stop){g->breaks[k], NONE, NONE, 1});
    for (size_t k = 0; k < o->record_count; k++)
        add_stop(g, (struct stop){o->record[k], k, NONE, 0});
    merge_stops(g);
}

/* ---- y of a coupled equation, up to the first time ---- */

#define Y_TOLERANCE 1e-15
#define Y_STEPS     1000000

struct y_step {
    _Alignas(64) double t[LANES], h[LANES], y[LANES], dy[LANES], omega[LANES];
    double f[RK8_STAGES][LANES], y_s[LANES], dy_s[LANES], local[2][LANES], estimate[LANES];
};

static void try_y(const struct equation *e, const struct rk8 *rk8, struct y_step *s, double limit)
{
    for (int i = 0; i < RK8_STAGES; i++) {
        double t = fmin(s->t[0] + rk8->node(i) * s->h[0], limit);
        rk8->stage(i, 1, s->h, s->y, s->dy, s->f, s->y_s, s->dy_s);
        s->f[i][0] = -expr_eval(e->f, &t) * s->y_s[0];
    }
    rk8->finish(1, s->h, s->y, s->dy, s->f, s->omega, s->y_s, s->dy_s, s->local, s->estimate);
}

static int refuse_y(struct err *err, double t)
{
    err_set(err, ERR_JOB_REFUSED, "y cannot be integrated beyond t = %.9g", t);
    if (err != NULL)
        strcpy(err->path, "y.f");
    return -1;
}

static int bring_y(struct general *g, const struct sweep_spec *spec, struct err *err)
{
    const struct rk8 *rk8 = rk8_of(kernel_find(NULL));
    struct y_step s = {.omega = {g->from > spec->y_from ? 1 / (g->from - spec->y_from) : 1}};
    double size = 0, error = 0, h = spec->y_from < g->from ? 0.01 * (g->from - spec->y_from) : 0;
    s.t[0] = spec->y_from;
    s.y[0] = spec->y_start[0];
    s.dy[0] = spec->y_start[1];
    for (long steps = 0; s.t[0] < g->from; steps++) {
        double stop = curve_next_stop(spec->breaks, spec->break_count, s.t[0], g->from);
        s.h[0] = s.t[0] + h < stop ? h : stop - s.t[0];
        try_y(&g->equation, rk8, &s, nextafter(stop, s.t[0]));
        size = fmax(size, fabs(s.y[0]) + fabs(s.dy[0]) / s.omega[0] + DBL_MIN);
        double ratio = s.estimate[0] / (Y_TOLERANCE * size);
        if (steps > Y_STEPS || h < 4 * UNIT * fabs(s.t[0]))
            return refuse_y(err, s.t[0]);
        if (!(ratio <= 1)) {
            h = 0.5 * s.h[0];
            continue;
        }
        s.t[0] = s.h[0] == stop - s.t[0] ? stop : s.t[0] + s.h[0];
        s.y[0] = s.y_s[0];
        s.dy[0] = s.dy_s[0];
        error += s.estimate[0] + 2 * UNIT * size;
        h = ratio < 1e-3 ? 2 * h : ratio < 0.3 ? 1.1 * h : h;
    }
    g->y_start[0] = s.y[0];
    g->y_start[1] = s.dy[0];
    g->y_error = 4 * error;
    return 0;
}

/* ---- life ---- */

int general_create(const struct sweep_spec *spec, const struct drive *drive,
                   const struct outputs *outputs, struct general **out, struct err *err)
{
    struct general *g = mem_alloc(1, sizeof *g);
    g->outputs = outputs;
    g->from = g->last = spec->times[0];
    if (outputs->record_count > 0)
        g->last = outputs->record[outputs->record_count - 1];
    g->slowest = g->last > g->from ? 1 / (g->last - g->from) : 1;
    g->tolerance = spec->tolerance;
    g->break_count = spec->break_count;
    g->breaks = mem_alloc(g->break_count + 1, sizeof *g->breaks);
    for (size_t i = 0; i < g->break_count; i++)
        g->breaks[i] = spec->breaks[i];
    if (equation_init(&g->equation, spec, drive, outputs, err) != 0 ||
        (g->equation.f != NULL && bring_y(g, spec, err) != 0)) {
        general_destroy(g);
        return -1;
    }
    general_refresh(g);
    *out = g;
    return 0;
}

void general_destroy(struct general *g)
{
    if (g == NULL)
        return;
    equation_fini(&g->equation);
    free(g->breaks);
    free(g->stops);
    free(g);
}

double general_point_cost_ns(const struct general *g)
{
    /* Some 40 steps of 12 stages, whatever the equation is: only solving tells. */
    return 480 * (15.0 + 10 * g->equation.count) + 50 * (double)g->stop_count;
}

/* ---- a block ---- */

struct general_work {
    const struct sweep *sweep;
    struct flight *flight;
    struct flight_points points;
};

struct general_work *general_work_create(const struct sweep *s, const struct kernel *kernel)
{
    struct general_work *w = mem_alloc(1, sizeof *w);
    size_t quantities = s->outputs.quantity_count;
    w->sweep = s;
    w->flight = flight_create(s->general, kernel);
    w->points.value = mem_alloc(quantities * STRIP + 1, sizeof(double));
    w->points.error = mem_alloc(quantities * STRIP + 1, sizeof(double));
    return w;
}

void general_work_destroy(struct general_work *w)
{
    if (w == NULL)
        return;
    flight_destroy(w->flight);
    free(w->points.value);
    free(w->points.error);
    free(w);
}

/* `count` points of the block, in its C order, from the one with number `first` on. */
static void load(struct general_work *w, const struct block *b, size_t first, size_t count)
{
    struct flight_points *p = &w->points;
    size_t width = b->a1 - b->a0;
    p->count = count;
    for (size_t i = 0; i < count; i++) {
        p->q[i] = w->sweep->q[b->q0 + (first + i) / width];
        p->a[i] = w->sweep->a[b->a0 + (first + i) % width];
    }
    const double *in[] = {p->a, p->q};
    for (int c = 0; c < 2; c++)
        expr_eval_batch(w->sweep->start[c], count, in, p->start[c]);
}

int general_block(struct general_work *w, const struct block *b, struct fields *out,
                  const struct target *to, solver_yield_fn *yield, void *arg)
{
    size_t total = (b->q1 - b->q0) * (b->a1 - b->a0);
    struct flight_points *p = &w->points;
    for (size_t at = 0; at < total; at += STRIP) {
        load(w, b, at, total - at < STRIP ? total - at : STRIP);
        if (flight_solve(w->flight, p, yield, arg, at) != 0)
            return -1;
        struct points points = {.count = p->count,
                                .q = p->q,
                                .a = p->a,
                                .start = {p->start[0], p->start[1]},
                                .value = p->value,
                                .error = p->error,
                                .limited = p->limited,
                                .fault = p->fault};
        fields_put(out, &points, to, at);
    }
    return 0;
}
