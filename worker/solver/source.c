/* One collocation step per segment; f, y and y' must each be complete as series of 16 terms, so
 * that what is left is rounding. That is measured, not bounded: the equation is integrated a second
 * time with shorter steps, whose points, and so whose roundings of f, are others. */
#include "source.h"

#include "glance.h"
#include <float.h>
#include <math.h>

#define REACH     6.0   /* largest h^2 |f| of a step: 16 points resolve that to rounding */
#define CHECK     0.7   /* the same for the second integration */
#define NEGLECTED 2e-17 /* h^2 times the tail of f that does no harm */

struct state {
    double y, dy;
};

struct piece {
    struct step step;
    double k[GAUSS_MAX]; /* h^2 f */
    double y[GAUSS_MAX], dy[GAUSS_MAX];
    double y_coef[GAUSS_MAX], dy_coef[GAUSS_MAX];
};

/* Whether h^2 f is what its series says, also between the points of a step: 1, 0, or -1. */
static int is_seen(const struct source_job *job, const double *coef, double t, double h,
                   double rounding, struct err *err)
{
    struct curve_span span = {job->from, job->to, job->stops, job->stop_count};
    struct glimpse seen;
    struct glance g = {.span = &span,
                       .fn = job->f,
                       .arg = job->arg,
                       .t0 = t,
                       .t1 = t + h,
                       .coef = coef,
                       .n = job->gauss->n,
                       .factor = h * h,
                       .rounding = rounding};
    return glance(&g, &seen, err) != 0 ? -1 : seen.off == 0;
}

/* Solves one step; 1 when it is accurate, 0 when it is too long, -1 when f fails. */
static int try_step(struct piece *p, const struct source_job *job, double t, double h, double reach,
                    const struct state *now, struct err *err)
{
    const struct gauss *g = job->gauss;
    double at[GAUSS_MAX], f_error[GAUSS_MAX], f_noise[GAUSS_MAX], coef[GAUSS_MAX], bound = 0,
                                                                                   noise = 0;
    for (int i = 0; i < g->n; i++)
        at[i] = t + g->x[i] * h;
    if (job->f(job->arg, (size_t)g->n, at, p->k, f_error, f_noise, err) != 0)
        return -1;
    for (int i = 0; i < g->n; i++) {
        p->k[i] *= h * h;
        bound = fmax(bound, fabs(p->k[i]));
        noise =
            fmax(noise,
                 h * h * (f_error[i] + f_noise[i])); /* cos(1.7 t) at t = 1000 has no more digits */
    }
    gauss_series(g, p->k, coef);
    double tail = curve_tail(coef, g->n);
    int tiny = h <= 8 * DBL_EPSILON * fabs(t);
    if (!tiny && (bound > reach || (tail > CURVE_ROUNDING * bound + noise && tail > NEGLECTED)))
        return 0;
    if (step_init(&p->step, g, p->k, NULL) != 0)
        return 0;
    for (int i = 0; i < g->n; i++)
        p->y[i] = p->step.m[0][i] * now->y + p->step.m[1][i] * (h * now->dy);
    double size = 0;
    for (int i = 0; i < g->n; i++) {
        double sum = 0;
        for (int j = 0; j < g->n; j++)
            sum += g->once[i][j] * p->k[j] * p->y[j];
        p->dy[i] = now->dy - sum / h;
        size = fmax(size, fabs(p->y[i]) + fabs(h * p->dy[i]));
    }
    gauss_series(g, p->y, p->y_coef);
    gauss_series(g, p->dy, p->dy_coef);
    double y_tail = curve_tail(p->y_coef, g->n), dy_tail = h * curve_tail(p->dy_coef, g->n);
    double rounding = (CURVE_ROUNDING + noise) * size;
    if (tiny)
        return 1;
    if (!(y_tail <= rounding && dy_tail <= rounding))
        return 0;
    return is_seen(job, coef, t, h, fmax(CURVE_ROUNDING * bound + noise, NEGLECTED), err);
}

static struct state advance(const struct state *s, const struct step *step, double h)
{
    int n = step->n;
    return (struct state){
        step->m[0][n] * s->y + step->m[1][n] * (h * s->dy),
        step->m[0][n + 1] * s->y / h + step->m[1][n + 1] * s->dy,
    };
}

static double largest(const double *v, int n)
{
    double m = 0;
    for (int i = 0; i < n; i++)
        m = fmax(m, fabs(v[i]));
    return m;
}

static int refuse(struct err *err, const char *what, double t)
{
    err_set(err, ERR_JOB_REFUSED, "y %s near t = %.9g", what, t);
    return -1;
}

/* One integration with steps of the given reach; errors are left at 0. */
static int integrate(struct source *s, const struct source_job *job, double reach, struct err *err)
{
    struct state now = {job->start[0], job->start[1]};
    struct piece p;
    double t = job->from, length = job->to - job->from;
    while (t < job->to) {
        double stop = curve_next_stop(job->stops, job->stop_count, t, job->to);
        double end = t + length < stop ? t + length : stop;
        int good;
        while ((good = try_step(&p, job, t, end - t, reach, &now, err)) == 0)
            end = t + (end - t) / 2;
        if (good < 0)
            return -1;
        now = advance(&now, &p.step, end - t);
        if (!isfinite(now.y) || !isfinite(now.dy))
            return refuse(err, "overflows", t);
        int n = job->gauss->n;
        curve_add(&s->y, t, end, p.y_coef, n, 0, largest(p.y, n));
        curve_add(&s->dy, t, end, p.dy_coef, n, 0, largest(p.dy, n));
        if (s->y.count > CURVE_SEGMENTS_MAX) {
            refuse(err, "cannot be resolved", t);
            return err_hint(err, "list the jumps and kinks of f in w.breaks");
        }
        length = 2 * (end - t);
        t = end;
    }
    return 0;
}

/* Errors of a from its distance to b: twice the largest so far, for errors do not heal. */
static void compare(struct curve *a, const struct curve *b, const struct gauss *g)
{
    double most = 0;
    size_t hint = 0;
    for (size_t k = 0; k < a->count; k++) {
        struct segment *s = &a->segments[k];
        for (int i = 0; i < g->n; i++) {
            double t = s->t0 + g->x[i] * (s->t1 - s->t0);
            hint = curve_find(b, t, hint);
            most = fmax(most, fabs(curve_eval(a, k, t) - curve_eval(b, hint, t)));
        }
        s->error = 2 * most + 0.5 * DBL_EPSILON * s->bound;
    }
}

int source_build(struct source *s, const struct source_job *job, struct err *err)
{
    struct source check = {0};
    int rc = integrate(s, job, REACH, err);
    if (rc == 0)
        rc = integrate(&check, job, CHECK, err);
    if (rc == 0) {
        compare(&s->y, &check.y, job->gauss);
        compare(&s->dy, &check.dy, job->gauss);
    }
    source_fini(&check);
    return rc;
}

void source_fini(struct source *s)
{
    curve_fini(&s->y);
    curve_fini(&s->dy);
}
