/* See period.h. */
#include "period.h"

#include "buf.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define POINTS     16    /* of each segment, at which it is compared */
#define MEAN       64.0  /* an error somewhere against its mean over the segment */
#define ROUNDING   1e-12 /* of the largest value */
#define SLOPE      64.0  /* of a segment's series, at most, in units of its bound and length */
#define NOISE      4.5   /* of noise, in its standard deviation */
#define SEAM_SHARE 1e-9  /* of a period: so much more than one is none to compare */

struct comparison {
    const struct drive *drive;
    const struct sweep_spec *spec;
    const struct curve *curve;
    const char *name;
    double most;    /* largest value */
    double scatter; /* of a table */
    struct err *err;
};

/* How far the curve of a table may be off near a segment: as far as a straight line may be, by the
 * second differences of its neighbours. */
static double table_error(const struct drive *d, size_t segment)
{
    double most = 0;
    for (size_t k = segment > 0 ? segment : 1; k <= segment + 1 && k + 1 < d->knot_count; k++) {
        double h0 = d->knot_t[k] - d->knot_t[k - 1], h1 = d->knot_t[k + 1] - d->knot_t[k];
        double bend =
            (d->knot_w[k + 1] - d->knot_w[k]) / h1 - (d->knot_w[k] - d->knot_w[k - 1]) / h0;
        most = fmax(most, fabs(bend) * fmax(h0, h1) / 4);
    }
    return most;
}

static int by_size(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* What a table's values scatter by: differences of fourth order, which leave next to nothing of
 * what is smooth and sqrt(70) of what is noise, by their median. */
static double scatter(const struct drive *d)
{
    if (!d->is_table || d->knot_count < 16)
        return 0;
    size_t n = d->knot_count - 4;
    double *size = mem_alloc(n, sizeof *size);
    for (size_t k = 0; k < n; k++) {
        const double *w = d->knot_w + k;
        size[k] = fabs(w[0] - 4 * w[1] + 6 * w[2] - 4 * w[3] + w[4]);
    }
    qsort(size, n, sizeof *size, by_size);
    double sigma = 1.4826 * size[n / 2] / sqrt(70);
    free(size);
    return NOISE * sigma;
}

/* What the curve may be off by at a time of this segment. */
static double error_of(const struct comparison *c, size_t segment, double t)
{
    const struct segment *s = &c->curve->segments[segment];
    double slope = SLOPE * s->bound / (s->t1 - s->t0);
    double error = MEAN * s->error + slope * DBL_EPSILON * (fabs(t) + c->spec->period);
    if (c->drive->is_table && c->curve == &c->drive->w)
        error += table_error(c->drive, segment) + c->scatter;
    return error;
}

/* Compares t with `later`, in segments of the curve. */
static int compare(const struct comparison *c, size_t at, double t, size_t at_later, double later)
{
    double x = curve_eval(c->curve, at, t), y = curve_eval(c->curve, at_later, later);
    double allowed = ROUNDING * c->most + error_of(c, at, t) + error_of(c, at_later, later);
    if (fabs(x - y) <= allowed)
        return 0;
    err_set(c->err, ERR_JOB_REFUSED,
            "%s does not repeat itself: it is %.9g at t = %.9g and %.9g a period later, %.2g apart",
            c->name, x, t, y, fabs(x - y));
    if (c->err != NULL)
        snprintf(c->err->path, sizeof c->err->path, "w.period");
    return -1;
}

static int compare_segment(const struct comparison *c, size_t k, double end)
{
    const struct segment *s = &c->curve->segments[k];
    double from = fmax(s->t0, c->drive->t0), to = fmin(s->t1, end);
    for (int i = 0; from < to && i < POINTS; i++) {
        double t = from + (to - from) * (i + 0.5) / POINTS, later = t + c->spec->period;
        if (compare(c, k, t, curve_find(c->curve, later, k), later) != 0)
            return err_hint(c->err,
                            "write the period of w, u, v and damping with every digit: \"2*pi/3\"");
    }
    return 0;
}

static int is_break(const struct sweep_spec *spec, double t)
{
    double near = 8 * DBL_EPSILON * (fabs(t) + spec->period);
    for (size_t i = 0; i < spec->break_count; i++)
        if (fabs(spec->breaks[i] - t) <= near)
            return 1;
    return 0;
}

/* The segment that ends at t, or holds it. */
static size_t last_segment(const struct curve *curve, double t)
{
    size_t k = curve_find(curve, t, 0);
    return k > 0 && curve->segments[k].t0 >= t ? k - 1 : k;
}

static int compare_curve(struct comparison *c)
{
    const struct drive *d = c->drive;
    const struct curve *curve = c->curve;
    double period = c->spec->period, end = d->t1 - period;
    if (curve->count == 0)
        return 0;
    for (size_t k = 0; k < curve->count; k++)
        c->most = fmax(c->most, curve->segments[k].bound);
    if (end - d->t0 > SEAM_SHARE * period) {
        for (size_t k = 0; k < curve->count && curve->segments[k].t0 < end; k++)
            if (compare_segment(c, k, end) != 0)
                return -1;
        return 0;
    }
    if (is_break(c->spec, d->t0) || is_break(c->spec, d->t1) ||
        compare(c, curve_find(curve, d->t0, 0), d->t0, last_segment(curve, d->t1), d->t1) == 0)
        return 0;
    return err_hint(c->err, "correct the period, or list %.9g in w.breaks if it jumps there",
                    d->t1);
}

int period_check(const struct drive *d, const struct sweep_spec *spec, struct err *err)
{
    struct comparison all[] = {{.curve = &d->w, .name = "w"},
                               {.curve = &d->u, .name = "z.u"},
                               {.curve = &d->v, .name = "z.v"},
                               {.curve = &d->damping, .name = "z.damping"}};
    for (size_t i = 0; spec->period > 0 && i < sizeof all / sizeof *all; i++) {
        all[i].drive = d;
        all[i].spec = spec;
        all[i].scatter = i == 0 ? scatter(d) : 0;
        all[i].err = err;
        if (compare_curve(&all[i]) != 0)
            return -1;
    }
    return 0;
}
