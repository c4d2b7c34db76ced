/* Points come onto lanes, are read at the output times, judged, sent again or left. See general.h
 * and flight.c. */
#include "flight_private.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LOCAL_LEAST 1e-15
#define TRIES       4
#define SPREADS     1.0 /* how many standard deviations of errors with accidental signs count */
#define ROUNDINGS   6.0 /* the same for what is rounded away in each step */

/* ---- departures ---- */

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
        l->floor[c][k] = fabs(z) + fabs(dz) / w->g->slowest + DBL_MIN;
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
    l->omega[c][k] = w->g->slowest;
    l->memory[c].h[k] = 1;
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

int arrival_next(struct flight *w, size_t k)
{
    struct rows *l = &w->rows;
    while (w->next < w->points->count) {
        size_t point = w->next++;
        if (!isfinite(w->points->start[0][point]) || !isfinite(w->points->start[1][point]))
            continue; /* fields_put says so */
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

struct bound arrival_bound(const struct rows *l, int c, size_t k, int row)
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
    if (w->g->outputs->quantity[quantity].kind == QUANTITY_LOG) {
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
    struct bound b = arrival_bound(l, c, k, p->row);
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

/* The records that lane k will not reach: not a number, or as large as it is now on its way to be.
 */
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
        w->points->value[at] = !overflow                             ? NAN
                               : o->quantity[j].kind == QUANTITY_LOG ? INFINITY
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
    if (arrival_next(w, k))
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

int arrival_check(struct flight *w, size_t k)
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
