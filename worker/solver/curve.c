/* Adaptive segments: march from stop to stop, halve a segment until its series is complete, try
 * twice the length after each success. All decisions depend on the function's values alone. */
#include "curve.h"

#include "buf.h"
#include "glance.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEVIATIONS  0.75  /* of the sum of independent roundings: norms leave ten times that */
#define INDEPENDENT 256.0 /* segments at most: a solution may live in a few of them */
#define ORTHOGONAL  0.03  /* of what is orthogonal to low orders */

/* By which halving a segment lowers its tail, unless a fifth derivative or a lower one jumps. */
#define GAIN         64.0
#define GAIN_AT_LAST 4.0  /* when it ends in rounding then */
#define NOISY        8.0  /* times the rounding that is expected, a tail may be luck */
#define SMALL        1e-9 /* beside the largest value: digits of less are of no use */

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

/* A segment on its way into a curve. */
struct draft {
    struct segment segment; /* error: what samples have in common */
    double coef[GAUSS_MAX], tail, noise;
};

static double rounding_of(const struct draft *d)
{
    return fmax(CURVE_ROUNDING * d->segment.bound, d->segment.error + d->noise);
}

/* Whether a segment's series ends in rounding, or the segment cannot be any shorter. */
static int complete(const struct draft *d)
{
    const struct segment *s = &d->segment;
    return d->tail <= rounding_of(d) || s->t1 - s->t0 <= 8 * DBL_EPSILON * fabs(s->t0);
}

/* An error counts by its integral over time, so a kink (or a jump) that nobody announced may stay
 * inside a segment that is short enough; `most` is the largest value met so far. */
static int is_negligible(const struct draft *d, double most, double span)
{
    return d->tail * (d->segment.t1 - d->segment.t0) <= 1e-17 * most * span;
}

/* Whether a segment with a negligible tail is halved all the same, for where a function is small
 * among its values a large q may make that tail count. */
static int gains(const struct draft *half, const struct draft *d, double most)
{
    double rounding = fmax(rounding_of(d), CURVE_ROUNDING * SMALL * most);
    double gain = complete(half) ? GAIN_AT_LAST : GAIN;
    return d->tail > NOISY * rounding &&
           d->tail * half->segment.bound > gain * half->tail * d->segment.bound;
}

/* What the series leaves out. Where it is complete, that is orthogonal to all low orders and next
 * to nothing in any integral with what a solution looks like there. */
static double left_out(const struct draft *d)
{
    double share = d->tail <= rounding_of(d) ? ORTHOGONAL : 1;
    return share * d->tail + ORTHOGONAL * DBL_EPSILON * d->segment.bound;
}

/* What a series that looks good enough has missed becomes its tail. */
static int look_closer(const struct curve_span *span, int n, curve_fn *fn, void *arg,
                       struct draft *d, struct err *err)
{
    struct segment *s = &d->segment;
    struct glimpse seen;
    struct glance g = {.span = span,
                       .fn = fn,
                       .arg = arg,
                       .t0 = s->t0,
                       .t1 = s->t1,
                       .coef = d->coef,
                       .n = n,
                       .factor = 1,
                       .rounding = rounding_of(d)};
    if (glance(&g, &seen, err) != 0)
        return -1;
    d->tail = fmax(d->tail, seen.off);
    s->bound = fmax(s->bound, seen.off > 0 ? seen.size : 0);
    return 0;
}

/* Series of one segment [t0, t1], `most` being the largest value before; -1 when the function
 * cannot be evaluated. */
static int sample(const struct curve_span *span, double most, const struct gauss *g, curve_fn *fn,
                  void *arg, struct draft *d, struct err *err)
{
    struct segment *s = &d->segment;
    double t[GAUSS_MAX], value[GAUSS_MAX], error[GAUSS_MAX], noise[GAUSS_MAX];
    for (int i = 0; i < g->n; i++)
        t[i] = s->t0 + g->x[i] * (s->t1 - s->t0);
    if (fn(arg, (size_t)g->n, t, value, error, noise, err) != 0)
        return -1;
    s->error = s->bound = d->noise = 0;
    for (int i = 0; i < g->n; i++) {
        s->bound = fmax(s->bound, fabs(value[i]));
        s->error = fmax(s->error, error[i]);
        d->noise = fmax(d->noise, noise[i]);
    }
    gauss_series(g, value, d->coef);
    d->tail = curve_tail(d->coef, g->n);
    double ends =
        fmax(fabs(legendre_eval(d->coef, g->n, -1)), fabs(legendre_eval(d->coef, g->n, 1)));
    s->bound = 1.03 * fmax(s->bound, ends); /* a peak may hide between two points */
    if (!complete(d) && !is_negligible(d, most, span->to - span->from))
        return 0;
    return look_closer(span, g->n, fn, arg, d, err);
}

/* Roundings of the samples cancel for the most part, all the more the more samples there are. */
static void add_noise(struct curve *c, const double *noise, int samples)
{
    double random = DEVIATIONS / sqrt(samples * fmin((double)c->count, INDEPENDENT));
    for (size_t k = 0; k < c->count; k++)
        c->segments[k].error += random * noise[k];
}

/* As curve_build; noise[segment] grows with the curve. */
static int build(struct curve *c, const struct gauss *g, curve_fn *fn, void *arg,
                 const struct curve_span *span, double **noise, struct err *err)
{
    double t = span->from, step = span->to - span->from, most = 0;
    size_t cap = 0;
    while (t < span->to) {
        double stop = curve_next_stop(span->stops, span->stop_count, t, span->to);
        struct draft d = {.segment = {.t0 = t, .t1 = t + step < stop ? t + step : stop}};
        struct segment *s = &d.segment;
        if (sample(span, most, g, fn, arg, &d, err) != 0)
            return -1;
        most = fmax(most, s->bound);
        while (!complete(&d)) {
            struct draft half = {.segment = {.t0 = t, .t1 = t + (s->t1 - t) / 2}};
            if (sample(span, most, g, fn, arg, &half, err) != 0)
                return -1;
            if (is_negligible(&d, most, span->to - span->from) && !gains(&half, &d, most))
                break;
            most = fmax(most, half.segment.bound);
            d = half;
        }
        if (c->count == cap) {
            cap = cap != 0 ? 2 * cap : 64;
            *noise = mem_resize(*noise, cap, sizeof **noise);
        }
        (*noise)[c->count] = d.noise;
        curve_add(c, t, s->t1, d.coef, g->n, s->error + left_out(&d), s->bound);
        if (c->count > CURVE_SEGMENTS_MAX) {
            err_set(err, ERR_JOB_REFUSED, "it cannot be resolved near t = %.9g", t);
            return err_hint(err, "list jumps and kinks in w.breaks");
        }
        step = 2 * (s->t1 - t);
        t = s->t1;
    }
    return 0;
}

int curve_build(struct curve *c, const struct gauss *g, curve_fn *fn, void *arg,
                const struct curve_span *span, struct err *err)
{
    double *noise = NULL;
    int rc = build(c, g, fn, arg, span, &noise, err);
    if (rc == 0)
        add_noise(c, noise, g->n);
    free(noise);
    return rc;
}
