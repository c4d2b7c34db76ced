/* One collocation step per segment; f, y and y' must each be complete as series of 16 terms. Errors
 * made on the way (rounding, mostly) are carried along as a covariance matrix, E <- P E P^T +
 * local: they are independent from segment to segment, and a norm would forget that oscillations do
 * not amplify them. */
#include "source.h"

#include <float.h>
#include <math.h>

#define REACH     6.0   /* largest h^2 |f| of a step: 16 points resolve that to rounding */
#define NEGLECTED 2e-17 /* h^2 times the tail of f that does no harm */

struct state {
    double y, dy;
    double yy, yd, dd; /* covariance of their errors */
};

struct piece {
    struct step step;
    double k[GAUSS_MAX]; /* h^2 f */
    double y[GAUSS_MAX], dy[GAUSS_MAX];
    double y_coef[GAUSS_MAX], dy_coef[GAUSS_MAX];
    double noise; /* relative error of one step */
};

/* Solves one step; 1 when it is accurate, 0 when it is too long, -1 when f fails. */
static int try_step(struct piece *p, const struct gauss *g, curve_fn *f, void *arg, double t,
                    double h, const struct state *now, struct err *err)
{
    double at[GAUSS_MAX], f_error[GAUSS_MAX], coef[GAUSS_MAX], bound = 0, error = 0;
    for (int i = 0; i < g->n; i++)
        at[i] = t + g->x[i] * h;
    if (f(arg, (size_t)g->n, at, p->k, f_error, err) != 0)
        return -1;
    for (int i = 0; i < g->n; i++) {
        p->k[i] *= h * h;
        bound = fmax(bound, fabs(p->k[i]));
        error = fmax(error, h * h * f_error[i]);
    }
    gauss_series(g, p->k, coef);
    double tail = curve_tail(coef, g->n);
    int tiny = h <= 8 * DBL_EPSILON * fabs(t);
    if (!tiny && (bound > REACH || (tail > CURVE_ROUNDING * bound && tail > NEGLECTED)))
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
    /* f's own rounding differs from point to point, and 16 of them are averaged. */
    p->noise = 0.5 * DBL_EPSILON + 0.25 * error + tail;
    return tiny || (y_tail <= CURVE_ROUNDING * size && dy_tail <= CURVE_ROUNDING * size);
}

static void advance(struct state *s, const struct step *step, double h, double noise)
{
    int n = step->n;
    double a = step->m[0][n], b = step->m[1][n] * h;
    double c = step->m[0][n + 1] / h, d = step->m[1][n + 1];
    double y = a * s->y + b * s->dy, dy = c * s->y + d * s->dy;
    double local = noise * fmax(fabs(y) + fabs(h * dy), fabs(s->y) + fabs(h * s->dy));
    double yy = a * (a * s->yy + b * s->yd) + b * (a * s->yd + b * s->dd);
    double yd = a * (c * s->yy + d * s->yd) + b * (c * s->yd + d * s->dd);
    double dd = c * (c * s->yy + d * s->yd) + d * (c * s->yd + d * s->dd);
    *s = (struct state){
        y, dy, yy + local * local, yd, dd + local * local / (h * h),
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

int source_build(struct source *s, const struct gauss *g, curve_fn *f, void *arg, double from,
                 double to, const double start[2], const double *stops, size_t stop_count,
                 struct err *err)
{
    struct state now = {.y = start[0], .dy = start[1]};
    struct piece p;
    double t = from, reach = to - from;
    while (t < to) {
        double stop = curve_next_stop(stops, stop_count, t, to);
        double end = t + reach < stop ? t + reach : stop;
        int good;
        while ((good = try_step(&p, g, f, arg, t, end - t, &now, err)) == 0)
            end = t + (end - t) / 2;
        if (good < 0)
            return -1;
        double h = end - t;
        reach = 2 * h;
        advance(&now, &p.step, h, p.noise);
        if (!isfinite(now.y) || !isfinite(now.dy))
            return refuse(err, "overflows", t);
        double y_error = 3 * sqrt(now.yy) + curve_tail(p.y_coef, g->n);
        double dy_error = 3 * sqrt(now.dd) + curve_tail(p.dy_coef, g->n);
        curve_add(&s->y, t, end, p.y_coef, g->n, y_error, largest(p.y, g->n));
        curve_add(&s->dy, t, end, p.dy_coef, g->n, dy_error, largest(p.dy, g->n));
        if (s->y.count > CURVE_SEGMENTS_MAX) {
            refuse(err, "cannot be resolved", t);
            return err_hint(err, "list the jumps and kinks of f in w.breaks");
        }
        t = end;
    }
    return 0;
}

void source_fini(struct source *s)
{
    curve_fini(&s->y);
    curve_fini(&s->dy);
}
