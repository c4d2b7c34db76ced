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
    size_t low = 0, high = stop_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (stops[middle] > t)
            high = middle;
        else
            low = middle + 1;
    }
    return low < stop_count && stops[low] < to ? stops[low] : to;
}

double curve_tail(const double *coef, int n)
{
    double last = fabs(coef[n - 1]), before = fabs(coef[n - 2]);
    return last > before ? last : before;
}

/* Whether a segment's series is good enough. Its error counts by its integral over time, so a kink
 * (or a jump) that nobody announced may stay inside a segment that is short enough; `most` is the
 * largest value met so far. */
static int complete(const struct segment *s, double tail, double most, double span)
{
    double length = s->t1 - s->t0;
    if (tail <= CURVE_ROUNDING * s->bound || tail <= s->error)
        return 1;
    if (tail * length <= 1e-17 * most * span)
        return 1;
    return length <= 8 * DBL_EPSILON * fabs(s->t0);
}

/* Series of one segment [t0, t1]; -1 when the function cannot be evaluated. */
static int sample(const struct gauss *g, curve_fn *fn, void *arg, struct segment *s, double *coef,
                  struct err *err)
{
    double t[GAUSS_MAX], value[GAUSS_MAX], error[GAUSS_MAX];
    for (int i = 0; i < g->n; i++)
        t[i] = s->t0 + g->x[i] * (s->t1 - s->t0);
    if (fn(arg, (size_t)g->n, t, value, error, err) != 0)
        return -1;
    s->error = s->bound = 0;
    for (int i = 0; i < g->n; i++) {
        s->bound = fmax(s->bound, fabs(value[i]));
        s->error = fmax(s->error, error[i]);
    }
    gauss_series(g, value, coef);
    double ends = fmax(fabs(legendre_eval(coef, g->n, -1)), fabs(legendre_eval(coef, g->n, 1)));
    s->bound = 1.03 * fmax(s->bound, ends); /* a peak may hide between two points */
    return 0;
}

int curve_build(struct curve *c, const struct gauss *g, curve_fn *fn, void *arg, double from,
                double to, const double *stops, size_t stop_count, struct err *err)
{
    double t = from, step = to - from, most = 0;
    while (t < to) {
        double coef[GAUSS_MAX], stop = curve_next_stop(stops, stop_count, t, to);
        struct segment s = {.t0 = t, .t1 = t + step < stop ? t + step : stop};
        for (;;) {
            if (sample(g, fn, arg, &s, coef, err) != 0)
                return -1;
            most = fmax(most, s.bound);
            if (complete(&s, curve_tail(coef, g->n), most, to - from))
                break;
            s.t1 = t + (s.t1 - t) / 2;
        }
        curve_add(c, t, s.t1, coef, g->n,
                  s.error + curve_tail(coef, g->n) + 0.5 * DBL_EPSILON * s.bound, s.bound);
        if (c->count > CURVE_SEGMENTS_MAX) {
            err_set(err, ERR_JOB_REFUSED, "it cannot be resolved near t = %.9g", t);
            return err_hint(err, "list jumps and kinks in w.breaks");
        }
        step = 2 * (s.t1 - t);
        t = s.t1;
    }
    return 0;
}
