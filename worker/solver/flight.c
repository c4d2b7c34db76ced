/* The lanes of general.h.
 *
 * A round does the same for all lanes: derivatives at the beginning of the step, with which the
 * errors of the step before are carried on (rk8_errors); arrivals, which may put another point on a
 * lane; an attempted step; its acceptance. Choices are per lane and look at that lane's numbers
 * alone, so that a point's bits depend neither on its neighbours nor on its place.
 *
 * The local tolerance is a fraction of the job's. What the error amounts to at the output times is
 * known when the point is done: the drift, the norm of the sum of the local errors as they arrive,
 * with their signs, plus what they could amount to if their signs were accidental. Where that
 * exceeds the tolerance the point is solved again with a smaller local tolerance. */
#include "general_private.h"

#include "buf.h"
#include "rk8.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIT 0x1p-53

#define LOCAL_SHARE  0.1   /* of the tolerance, for a step's error at the first try */
#define LOCAL_STEPS  100.0 /* it grows with the number of steps, */
#define LOCAL_MOST   0.7   /* up to this: the errors of many steps come with all signs */
#define LOCAL_LEAST  1e-15
#define TRIES        4
#define SPREADS      1.0 /* how many standard deviations of errors with accidental signs count */
#define ROUNDINGS    6.0 /* the same for what is rounded away in each step */
#define FADE         0.9 /* of what is remembered of an estimate, per step */
#define SLICE_ROUNDS 16  /* rounds between two calls of yield */

/* ---- a thread's lanes ---- */

/* All that goes with the point on a lane: rows of 32 doubles, so that a lane can be moved. */
struct rows {
    struct equation_lanes lanes;
    struct equation_state state;
    struct equation_slopes slopes;
    double next[LANES];                  /* the step that the error allows */
    double local[LANES];                 /* tolerance of a step */
    double floor[COMPONENTS_MAX][LANES]; /* an error is measured by floor + the norm of the state */
    double omega[COMPONENTS_MAX][LANES];
    double noise[COMPONENTS_MAX][LANES], drive[COMPONENTS_MAX][LANES]; /* at the last slopes */
    struct rk8_step step[COMPONENTS_MAX];
    struct rk8_errors errors[COMPONENTS_MAX];
    struct rk8_memory memory[COMPONENTS_MAX];
    /* What else a lane knows: whole numbers. */
    double point[LANES], stop[LANES], attempts[LANES], steps[LANES], tries[LANES];
    double fresh[LANES]; /* put on the lane in this round: f is not known yet */
    double worst[LANES]; /* error of the method over what is allowed, at the records so far */
    double limited[LANES];
};

#define ROWS (sizeof(struct rows) / (LANES * sizeof(double)))

/* The step that is being tried. */
struct attempt {
    double h[LANES], f[COMPONENTS_MAX][RK8_STAGES][LANES];
    double allowed[LANES]; /* for its error */
    double limit[LANES];   /* no stage is later */
    struct equation_state at, after;
    double local[COMPONENTS_MAX][2][LANES], estimate[COMPONENTS_MAX][LANES];
    double own[COMPONENTS_MAX][LANES]; /* the estimate before others raised it */
    double ratio[LANES], factor[LANES];
};

struct flight {
    struct rows rows;
    struct attempt attempt;
    double y_error[2][LANES];
    const struct general *g;
    const struct rk8 *rk8;
    struct flight_points *points;
    size_t n, next; /* lanes in use; the next point to be put on one */
};

struct flight *flight_create(const struct general *g, const struct kernel *kernel)
{
    size_t bytes = (sizeof(struct flight) + 63) / 64 * 64;
    struct flight *w = aligned_alloc(64, bytes);
    if (w == NULL)
        abort();
    memset(w, 0, bytes);
    w->g = g;
    w->rk8 = rk8_of(kernel);
    return w;
}

void flight_destroy(struct flight *w)
{
    free(w);
}

static void move_lane(struct flight *w, size_t to, size_t from)
{
    double(*row)[LANES] = (double(*)[LANES])(void *)&w->rows;
    for (size_t r = 0; r < ROWS; r++)
        row[r][to] = row[r][from];
}

static void clear_errors(struct rows *l, int c, size_t k)
{
    double(*row)[LANES] = (double(*)[LANES])(void *)&l->errors[c];
    for (size_t r = 0; r < sizeof l->errors[c] / sizeof row[0]; r++)
        row[r][k] = 0;
    l->step[c].h[k] = l->step[c].estimate[k] = l->step[c].drive[k] = 0;
    for (int i = 0; i < 2; i++)
        l->step[c].local[i][k] = l->step[c].noise[i][k] = 0;
}

static void start_component(struct flight *w, int c, size_t k, size_t point)
{
    struct rows *l = &w->rows;
    const struct equation *e = &w->g->equation;
    double z, dz, error = 0;
    l->floor[c][k] = 1;
    if (c < e->first) {
        z = w->g->y_start[0];
        dz = w->g->y_start[1];
        error = w->g->y_error;
        l->floor[c][k] = fabs(z) + fabs(dz) + DBL_MIN;
    } else if (e->vector[c] == VECTOR_START) {
        z = w->points->start[0][point];
        dz = w->points->start[1][point];
    } else {
        z = e->vector[c] == VECTOR_ONE;
        dz = e->vector[c] == VECTOR_TWO;
    }
    clear_errors(l, c, k);
    l->state.z[c][k] = z;
    l->state.dz[c][k] = dz;
    l->omega[c][k] = l->memory[c].h[k] = 1;
    l->memory[c].size[k] = 0;
    l->errors[c].drift[0][k] = error;
    l->errors[c].rounding[0][k] = 4 * UNIT * UNIT * z * z;
    l->errors[c].rounding[2][k] = 4 * UNIT * UNIT * dz * dz;
}

/* Puts the point at the first time of lane k. */
static void take_off(struct flight *w, size_t k, size_t point)
{
    struct rows *l = &w->rows;
    const struct general *g = w->g;
    l->lanes.a[k] = w->points->a[point];
    l->lanes.q[k] = w->points->q[point];
    l->state.t[k] = g->from;
    l->point[k] = (double)point;
    l->stop[k] = l->steps[k] = l->worst[k] = l->limited[k] = 0;
    l->fresh[k] = 1;
    l->next[k] = 0;
    for (int c = 0; c < g->equation.count; c++)
        start_component(w, c, k, point);
    if (g->equation.curve != NULL)
        equation_enter(&g->equation, &l->lanes, k, g->stops[0].segment);
}

/* The next point of the strip comes onto lane k; 0 when there is none. */
static int next_point(struct flight *w, size_t k)
{
    struct rows *l = &w->rows;
    while (w->next < w->points->count) {
        size_t point = w->next++;
        if (!isfinite(w->points->start[0][point]) || !isfinite(w->points->start[1][point]))
            continue; /* store_points says so */
        l->attempts[k] = l->tries[k] = 0;
        l->local[k] = w->g->tolerance;
        take_off(w, k, point);
        return 1;
    }
    return 0;
}

/* ---- arrivals ---- */

static size_t point_of(const struct rows *l, size_t k)
{
    return (size_t)l->point[k];
}

static int component_of(const struct equation *e, enum vector_kind v)
{
    int c = e->first;
    while (e->vector[c] != v)
        c++;
    return c;
}

/* Bounds of the parts of an error of z (row 0) or z' (row 1). */
struct bound {
    double method, rounding, drive;
};

static struct bound bound_of(const struct rows *l, int c, size_t k, int row)
{
    const struct rk8_errors *e = &l->errors[c];
    double omega = l->omega[c][k], drift = hypot(e->drift[0][k], e->drift[1][k] / omega);
    int at = row == 0 ? 0 : 2;
    return (struct bound){
        .method = 0.5 * drift * (row == 0 ? 1 : omega) + SPREADS * sqrt(e->spread[at][k]),
        .rounding = ROUNDINGS * sqrt(e->rounding[at][k]),
        .drive = sqrt(l->steps[k] * e->drive[at][k]), /* Cauchy and Schwarz: all signs alike */
    };
}

static void put_quantity(struct flight *w, size_t quantity, size_t k, double value, double error)
{
    size_t at = quantity * STRIP + point_of(&w->rows, k);
    if (w->g->outputs->quantity[quantity].is_log) {
        error /= fabs(value);
        value = log(fabs(value));
        error += 2 * DBL_EPSILON * fabs(value);
    }
    w->points->value[at] = value;
    w->points->error[at] = error == error ? error : INFINITY;
}

/* One probe at a record that lane k has reached. */
static void read_probe(struct flight *w, size_t index, size_t k)
{
    struct rows *l = &w->rows;
    const struct general *g = w->g;
    const struct probe *p = &g->outputs->probe[index];
    int c = component_of(&g->equation, p->vector);
    double z = l->state.z[c][k], dz = l->state.dz[c][k], omega = l->omega[c][k];
    double allowed = g->tolerance * (1 + hypot(z, dz / omega)) * (p->row == 0 ? 1 : omega);
    struct bound b = bound_of(l, c, k, p->row);
    double method = b.method + (g->equation.f != NULL ? b.drive : 0);
    if (!(method <= l->worst[k] * allowed))
        l->worst[k] = method / allowed;
    if (!(b.rounding <= allowed))
        l->limited[k] = 1;
    for (size_t j = 0; j < g->outputs->quantity_count; j++)
        if (g->outputs->quantity[j].probe == index)
            put_quantity(w, j, k, p->row == 0 ? z : dz, b.method + b.rounding + b.drive);
}

static void read_record(struct flight *w, size_t record, size_t k)
{
    for (size_t i = 0; i < w->g->outputs->probe_count; i++)
        if (w->g->outputs->probe[i].record == record)
            read_probe(w, i, k);
}

/* The records from lane k's next stop on will not be reached: they get the values of `z` and its
 * derivative that `of` has for them. */
static void fill_rest(struct flight *w, size_t k, int overflow)
{
    struct rows *l = &w->rows;
    const struct general *g = w->g;
    const struct outputs *o = g->outputs;
    for (size_t j = 0; j < o->quantity_count; j++) {
        const struct probe *p = &o->probe[o->quantity[j].probe];
        if (o->record[p->record] <= l->state.t[k])
            continue;
        int c = component_of(&g->equation, p->vector);
        double value = p->row == 0 ? l->state.z[c][k] : l->state.dz[c][k];
        size_t at = j * STRIP + point_of(l, k);
        w->points->value[at] = !overflow               ? NAN
                               : o->quantity[j].is_log ? INFINITY
                                                       : copysign(INFINITY, value);
        w->points->error[at] = overflow ? INFINITY : NAN;
    }
}

static void fail(struct flight *w, size_t k, const char *what)
{
    struct rows *l = &w->rows;
    int c = w->g->equation.first;
    fill_rest(w, k, 0);
    snprintf(w->points->fault[point_of(l, k)], FAULT_BYTES, "%s t = %.9g (z = %.6g, dz = %.6g)",
             what, l->state.t[k], l->state.z[c][k], l->state.dz[c][k]);
}

/* Lane k has nothing more to do: another point, or one lane less. */
static void leave(struct flight *w, size_t k)
{
    if (next_point(w, k))
        return;
    w->n--;
    if (k != w->n)
        move_lane(w, k, w->n);
}

/* All records are there. Again, with smaller steps, if the error is too large and can be made
 * smaller; returns 1 when the lane goes on with this point. */
static int judge(struct flight *w, size_t k)
{
    struct rows *l = &w->rows;
    size_t point = point_of(l, k);
    if (!(l->worst[k] <= 1) && l->tries[k] < TRIES && l->local[k] > LOCAL_LEAST) {
        double share = 0.5 / l->worst[k];
        l->tries[k]++;
        l->local[k] *= share == share ? fmax(share, 1e-3) : 1e-3;
        l->local[k] = fmax(l->local[k], LOCAL_LEAST);
        take_off(w, k, point);
        return 1;
    }
    w->points->limited[point] = l->limited[k] != 0 || !(l->worst[k] <= 1);
    return 0;
}

static int has_overflowed(const struct flight *w, size_t k)
{
    for (int c = w->g->equation.first; c < w->g->equation.count; c++)
        if (!(fabs(w->rows.state.z[c][k]) <= GENERAL_LARGE) ||
            !(fabs(w->rows.state.dz[c][k]) <= GENERAL_LARGE))
            return 1;
    return 0;
}

static int is_defined(const struct flight *w, size_t k)
{
    for (int c = 0; c < w->g->equation.count; c++)
        if (!isfinite(w->rows.slopes.f[c][k]))
            return 0;
    return 1;
}

/* Stops that lane k stands at, and all other reasons to end a point. Returns 1 when lane k now has
 * another point (or the lane that was the last one), which must be looked at in its turn. */
static int arrive(struct flight *w, size_t k)
{
    struct rows *l = &w->rows;
    const struct general *g = w->g;
    size_t stop = (size_t)l->stop[k];
    for (; stop < g->stop_count && g->stops[stop].t <= l->state.t[k]; stop++)
        if (g->stops[stop].record != NONE)
            read_record(w, g->stops[stop].record, k);
    l->stop[k] = (double)stop;
    if (stop == g->stop_count) {
        if (judge(w, k))
            return 0;
    } else if (l->fresh[k] != 0) {
        return 0;
    } else if (has_overflowed(w, k)) {
        fill_rest(w, k, 1);
    } else if (!is_defined(w, k)) {
        fail(w, k, "ddz is not a finite number at");
    } else if (l->next[k] < 4 * UNIT * (fabs(l->state.t[k]) + 1e-10 * (g->last - g->from)) &&
               l->next[k] > 0) {
        fail(w, k, "the solution cannot be continued beyond");
    } else if (l->attempts[k] >= GENERAL_ATTEMPTS) {
        fail(w, k, "too many steps (stiff, or fast): given up at");
    } else {
        return 0;
    }
    size_t before = w->n;
    leave(w, k);
    return w->n < before;
}

/* ---- rounds ---- */

/* Derivatives where the lanes stand, and the errors of the last step carried to there. */
static void settle(struct flight *w)
{
    struct rows *l = &w->rows;
    const struct equation *e = &w->g->equation;
    size_t n = w->n;
    for (size_t k = 0; e->first > 0 && k < n; k++) {
        struct bound y = bound_of(l, 0, k, 0), dy = bound_of(l, 0, k, 1);
        w->y_error[0][k] = y.method + y.rounding + y.drive;
        w->y_error[1][k] = dy.method + dy.rounding + dy.drive;
    }
    equation_slopes(e, n, &l->lanes, &l->state, w->rk8->series, w->y_error, &l->slopes);
    for (int c = 0; c < e->count; c++) {
        struct rk8_step *s = &l->step[c];
        for (size_t k = 0; k < n; k++) {
            double h = s->h[k], noise = l->slopes.noise[c][k], drive = l->slopes.drive[c][k];
            s->by_z[1][k] = l->slopes.by_z[c][k];
            s->by_dz[1][k] = l->slopes.by_dz[c][k];
            s->noise[1][k] += 0.5 * h * (l->noise[c][k] + noise);
            s->drive[k] = 0.5 * h * (l->drive[c][k] + drive);
            l->noise[c][k] = noise;
            l->drive[c][k] = drive;
        }
        memcpy(s->omega, l->omega[c], sizeof s->omega);
        w->rk8->carry(n, s, &l->errors[c]);
        for (size_t k = 0; k < n; k++) {
            double omega = sqrt(fabs(s->by_z[1][k]));
            s->by_z[0][k] = s->by_z[1][k];
            s->by_dz[0][k] = s->by_dz[1][k];
            s->h[k] = s->estimate[k] = s->drive[k] = 0;
            s->local[0][k] = s->local[1][k] = s->noise[0][k] = s->noise[1][k] = 0;
            if (omega > l->omega[c][k] && omega < 1e100)
                l->omega[c][k] = omega;
        }
    }
}

/* A first step, to be corrected by its error: a fraction of the shortest time scale in sight. */
static double first_step(const struct flight *w, size_t k)
{
    const struct rows *l = &w->rows;
    double rate = 1 / (w->g->last - w->g->from);
    for (int c = 0; c < w->g->equation.count; c++) {
        double size = fabs(l->state.z[c][k]) + fabs(l->state.dz[c][k]) + 1;
        rate += l->omega[c][k] + fabs(l->slopes.by_dz[c][k]) + fabs(l->slopes.f[c][k]) / size;
    }
    return 0.2 / rate;
}

/* Each lane's step, no longer than to its next stop. */
static void choose_steps(struct flight *w)
{
    struct rows *l = &w->rows;
    struct attempt *a = &w->attempt;
    for (size_t k = 0; k < w->n; k++) {
        const struct stop *stop = &w->g->stops[(size_t)l->stop[k]];
        double more = LOCAL_SHARE * (1 + l->steps[k] / LOCAL_STEPS);
        a->allowed[k] = l->local[k] * (more < LOCAL_MOST ? more : LOCAL_MOST);
        double rest = stop->t - l->state.t[k];
        if (l->fresh[k] != 0) {
            a->h[k] = 0;
            a->limit[k] = l->state.t[k];
            continue;
        }
        if (l->next[k] == 0)
            l->next[k] = first_step(w, k);
        double h = l->next[k];
        a->h[k] = h >= rest ? rest : h > 0.5 * rest ? 0.5 * rest : h;
        a->limit[k] = stop->is_break ? nextafter(stop->t, l->state.t[k]) : stop->t;
        l->attempts[k]++;
    }
}

static void try_steps(struct flight *w)
{
    struct rows *l = &w->rows;
    struct attempt *a = &w->attempt;
    const struct equation *e = &w->g->equation;
    size_t n = w->n;
    double *f[COMPONENTS_MAX];
    for (int c = 0; c < e->count; c++)
        memcpy(a->f[c][0], l->slopes.f[c], n * sizeof(double));
    for (int s = 1; s < RK8_STAGES; s++) {
        double node = w->rk8->node(s);
        for (size_t k = 0; k < n; k++) {
            double t = l->state.t[k] + node * a->h[k];
            a->at.t[k] = t < a->limit[k] ? t : a->limit[k];
        }
        for (int c = 0; c < e->count; c++) {
            w->rk8->stage(s, n, a->h, l->state.z[c], l->state.dz[c], a->f[c], a->at.z[c],
                          a->at.dz[c]);
            f[c] = a->f[c][s];
        }
        equation_value(e, n, &l->lanes, &a->at, w->rk8->series, f);
    }
    for (int c = 0; c < e->count; c++)
        w->rk8->finish(n, a->h, l->state.z[c], l->state.dz[c], a->f[c], l->omega[c], a->after.z[c],
                       a->after.dz[c], a->local[c], a->estimate[c]);
}

/* The largest error over what a step may have, and the factor for the next step. */
static void weigh(struct flight *w)
{
    struct attempt *a = &w->attempt;
    struct rows *l = &w->rows;
    double rate = 1 / (w->g->last - w->g->from);
    for (size_t k = 0; k < w->n; k++)
        a->ratio[k] = 0;
    memcpy(a->own, a->estimate, sizeof a->own);
    for (int c = 0; c < w->g->equation.count; c++)
        w->rk8->remember(w->n, a->h, &l->memory[c], a->local[c], a->estimate[c]);
    for (int c = 0; c < w->g->equation.count; c++)
        w->rk8->weigh(w->n, rate, a->h, l->state.z[c], l->state.dz[c], a->after.z[c],
                      a->after.dz[c], l->omega[c], l->floor[c], a->allowed, a->estimate[c],
                      a->ratio);
    w->rk8->factor(w->n, a->ratio, a->factor);
}

/* Steps that a stop cut short are too small to tell. */
static void memorise(struct rk8_memory *m, size_t k, double h, double estimate)
{
    double faded = FADE * m->size[k], growth = h / m->h[k];
    growth *= growth;
    growth *= growth;
    growth *= growth;
    if (estimate >= faded * growth) {
        m->size[k] = estimate;
        m->h[k] = h;
    } else {
        m->size[k] = faded;
    }
}

static void accept(struct flight *w, size_t k)
{
    struct rows *l = &w->rows;
    struct attempt *a = &w->attempt;
    const struct general *g = w->g;
    const struct stop *stop = &g->stops[(size_t)l->stop[k]];
    double t = l->state.t[k];
    for (int c = 0; c < g->equation.count; c++) {
        struct rk8_step *s = &l->step[c];
        double z = a->after.z[c][k], dz = a->after.dz[c][k];
        if (a->h[k] >= 0.5 * l->next[k])
            memorise(&l->memory[c], k, a->h[k], a->own[c][k]);
        s->h[k] = a->h[k];
        s->estimate[k] = a->estimate[c][k];
        s->local[0][k] = a->local[c][0][k];
        s->local[1][k] = a->local[c][1][k];
        s->noise[0][k] = 2 * UNIT * fabs(z);
        s->noise[1][k] = 2 * UNIT * fabs(dz);
        l->state.z[c][k] = z;
        l->state.dz[c][k] = dz;
        if (c < g->equation.first)
            l->floor[c][k] = fmax(l->floor[c][k], hypot(z, dz / l->omega[c][k]));
    }
    l->steps[k]++;
    /* A step cut short by a stop says little about how long the next one may be. */
    double allowed = a->h[k] * a->factor[k];
    l->next[k] = a->h[k] < l->next[k] ? fmax(l->next[k] * fmin(a->factor[k], 1), allowed) : allowed;
    if (a->h[k] == stop->t - t) {
        l->state.t[k] = stop->t;
        if (stop->segment != NONE)
            equation_enter(&g->equation, &l->lanes, k, stop->segment);
    } else {
        l->state.t[k] = t + a->h[k];
    }
}

static void end_steps(struct flight *w)
{
    struct rows *l = &w->rows;
    struct attempt *a = &w->attempt;
    for (size_t k = 0; k < w->n; k++) {
        if (l->fresh[k] != 0)
            l->fresh[k] = 0;
        else if (a->ratio[k] <= 1)
            accept(w, k);
        else
            l->next[k] = a->h[k] * fmin(a->factor[k], 0.9);
    }
}

static void round_of(struct flight *w)
{
    settle(w);
    for (size_t k = 0; k < w->n;)
        if (!arrive(w, k))
            k++;
    choose_steps(w);
    try_steps(w);
    weigh(w);
    end_steps(w);
}

int flight_solve(struct flight *w, struct flight_points *points, solver_yield_fn *yield, void *arg,
                 size_t done)
{
    w->points = points;
    w->next = w->n = 0;
    memset(points->limited, 0, points->count);
    for (size_t i = 0; i < points->count; i++)
        points->fault[i][0] = '\0';
    for (size_t j = 0; j < w->g->outputs->quantity_count * STRIP; j++)
        points->value[j] = points->error[j] = NAN;
    while (w->n < LANES && next_point(w, w->n))
        w->n++;
    for (unsigned rounds = 0; w->n > 0; rounds++) {
        round_of(w);
        size_t left = w->points->count - w->next + w->n;
        if (rounds % SLICE_ROUNDS == 0 && yield != NULL &&
            yield(arg, done + points->count - left) != 0)
            return -1;
    }
    return 0;
}
