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
#include "flight_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LOCAL_SHARE 0.1   /* of the tolerance, for a step's error at the first try */
#define LOCAL_STEPS 100.0 /* it grows with the number of steps, */
#define LOCAL_MOST  0.7   /* up to this: the errors of many steps come with all signs */
#define FADE        0.9   /* of what is remembered of an estimate, per step */
#define SLICE_WORK  4096  /* steps of lanes between two calls of yield, */
#define ROUND_WORK  8     /* where a round by itself costs as much as these */

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

/* Derivatives where the lanes stand, and the errors of the last step carried to there. */
static void settle(struct flight *w)
{
    struct rows *l = &w->rows;
    const struct equation *e = &w->g->equation;
    size_t n = w->n;
    for (size_t k = 0; e->first > 0 && k < n; k++) {
        struct bound y = arrival_bound(l, 0, k, 0), dy = arrival_bound(l, 0, k, 1);
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
    double growth = h / m->h[k], faded = growth <= RK8_REACH ? FADE * m->size[k] : 0;
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

static inline double lesser(double x, double y)
{
    return x < y ? x : y;
}

static inline double greater(double x, double y)
{
    return x > y ? x : y;
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
        double rounded = 8 * UNIT * (fabs(z) + fabs(dz) / l->omega[c][k]);
        if (a->h[k] >= 0.5 * l->next[k])
            memorise(&l->memory[c], k, a->h[k], a->own[c][k] > rounded ? a->own[c][k] : 0);
        s->h[k] = a->h[k];
        s->estimate[k] = a->estimate[c][k];
        s->local[0][k] = a->local[c][0][k];
        s->local[1][k] = a->local[c][1][k];
        s->noise[0][k] = 2 * UNIT * fabs(z);
        s->noise[1][k] = 2 * UNIT * fabs(dz);
        l->state.z[c][k] = z;
        l->state.dz[c][k] = dz;
        if (c < g->equation.first)
            l->floor[c][k] = greater(l->floor[c][k], hypot(z, dz / l->omega[c][k]));
    }
    l->steps[k]++;
    /* A step cut short by a stop says little about how long the next one may be. */
    double allowed = a->h[k] * a->factor[k];
    l->next[k] =
        a->h[k] < l->next[k] ? greater(l->next[k] * lesser(a->factor[k], 1), allowed) : allowed;
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
            l->next[k] = a->h[k] * lesser(a->factor[k], 0.9);
    }
}

static void round_of(struct flight *w)
{
    settle(w);
    for (size_t k = 0; k < w->n;)
        if (!arrival_check(w, k))
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
    while (w->n < LANES && arrival_next(w, w->n))
        w->n++;
    for (size_t work = 0; w->n > 0;) {
        work += w->n + ROUND_WORK;
        round_of(w);
        size_t left = w->points->count - w->next + w->n;
        if (work < SLICE_WORK)
            continue;
        work = 0;
        if (yield != NULL && yield(arg, done + points->count - left) != 0)
            return -1;
    }
    return 0;
}
