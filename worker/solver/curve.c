/* Adaptive segments: march from stop to stop, halve a segment until its series is complete, try
 * twice the length after each success. All decisions depend on the function's values alone. */
#include "curve.h"

#include "buf.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void curve_fini(struct curve *c)
{
    free(c->segments);
    free(c->coef);
    memset(c, 0, sizeof *c);
}

void curve_add(struct curve *c, double t0, double t1, const double *coef, int n, double error,
               double bound)
{
    if (c->count == c->cap) {
        c->cap = c->cap != 0 ? 2 * c->cap : 16;
        c->segments = mem_resize(c->segments, c->cap, sizeof *c->segments);
    }
    while (c->coef_count + (size_t)n > c->coef_cap) {
        c->coef_cap = c->coef_cap != 0 ? 2 * c->coef_cap : 256;
        c->coef = mem_resize(c->coef, c->coef_cap, sizeof *c->coef);
    }
    memcpy(c->coef + c->coef_count, coef, (size_t)n * sizeof *coef);
    c->segments[c->count++] = (struct segment){.t0 = t0,
                                               .t1 = t1,
                                               .error = error,
                                               .bound = bound,
                                               .at = (uint32_t)c->coef_count,
                                               .n = (uint32_t)n};
    c->coef_count += (size_t)n;
}

size_t curve_find(const struct curve *c, double t, size_t hint)
{
    size_t low = 0, high = c->count - 1;
    if (hint <= high && c->segments[hint].t0 <= t) {
        /* Questions come in order of time as a rule: look at the neighbour first. */
        if (hint == high || t < c->segments[hint].t1)
            return hint;
        low = hint + 1;
        if (low == high || t < c->segments[low].t1)
            return low;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t < c->segments[middle].t1)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

double curve_eval(const struct curve *c, size_t segment, double t)
{
    const struct segment *s = &c->segments[segment];
    double x = ((t - s->t0) - (s->t1 - t)) / (s->t1 - s->t0);
    return legendre_eval(c->coef + s->at, (int)s->n, x);
}

void curve_at_points(const struct curve *c, size_t segment, const struct gauss *g, double t0,
                     double t1, double *value)
{
    for (int i = 0; i < g->n; i++)
        value[i] = curve_eval(c, segment, t0 + g->x[i] * (t1 - t0));
}

double curve_next_stop(const double *stops, size_t stop_count, double t, double to)
{
    for (size_t i = 0; i < stop_count; i++)
        if (stops[i] > t)
            return stops[i] < to ? stops[i] : to;
    return to;
}

double curve_tail(const double *coef, int n)
{
    double last = fabs(coef[n - 1]), before = fabs(coef[n - 2]);
    return last > before ? last : before;
}

/* Whether a segment's series is good enough. Its error counts by its integral over time, so a kink
 * (or a jump) that nobody announced may stay inside a segment that is short enough. */
static int complete(double tail, double bound, double error, double length, double span, double t)
{
    if (tail <= CURVE_ROUNDING * bound || tail <= error)
        return 1;
    if (tail * length <= 1e-17 * bound * span)
        return 1;
    return length <= 8 * DBL_EPSILON * fabs(t);
}

/* Series of one segment; -1 when the function cannot be evaluated. */
static int sample(const struct gauss *g, curve_fn *fn, void *arg, double t0, double t1,
                  double *coef, double *error, double *bound, struct err *err)
{
    double t[GAUSS_MAX], value[GAUSS_MAX], part[GAUSS_MAX];
    for (int i = 0; i < g->n; i++)
        t[i] = t0 + g->x[i] * (t1 - t0);
    if (fn(arg, (size_t)g->n, t, value, part, err) != 0)
        return -1;
    *error = *bound = 0;
    for (int i = 0; i < g->n; i++) {
        *bound = fmax(*bound, fabs(value[i]));
        *error = fmax(*error, part[i]);
    }
    gauss_series(g, value, coef);
    double ends = fmax(fabs(legendre_eval(coef, g->n, -1)), fabs(legendre_eval(coef, g->n, 1)));
    *bound = fmax(*bound, ends);
    return 0;
}

int curve_build(struct curve *c, const struct gauss *g, curve_fn *fn, void *arg, double from,
                double to, const double *stops, size_t stop_count, struct err *err)
{
    double t = from, step = to - from;
    while (t < to) {
        double coef[GAUSS_MAX], error, bound, stop = curve_next_stop(stops, stop_count, t, to);
        double end = t + step < stop ? t + step : stop;
        for (;;) {
            if (sample(g, fn, arg, t, end, coef, &error, &bound, err) != 0)
                return -1;
            if (complete(curve_tail(coef, g->n), bound, error, end - t, to - from, t))
                break;
            end = t + (end - t) / 2;
        }
        step = 2 * (end - t);
        error += curve_tail(coef, g->n) + 0.5 * DBL_EPSILON * bound;
        curve_add(c, t, end, coef, g->n, error, bound);
        if (c->count > CURVE_SEGMENTS_MAX) {
            err_set(err, ERR_JOB_REFUSED, "it cannot be resolved near t = %.9g", t);
            return err_hint(err, "list jumps and kinks in w.breaks");
        }
        t = end;
    }
    return 0;
}
