/* See shade.h. */
#include "shade.h"

#include <math.h>
#include <stdlib.h>

#define MANY_DECADES 1e3  /* largest over median: beyond it a linear scale shows little */
#define BOTH_SIGNS   0.04 /* the smaller side over the larger one */
#define DEEPEST      1e-4 /* the lower end of a logarithmic scale, of the lowest quarter's size */

static int by_size(const void *a, const void *b)
{
    double x = fabs(*(const double *)a), y = fabs(*(const double *)b);
    return (x > y) - (x < y);
}

/* What the choice is made of. */
struct look {
    double low, high;       /* of the finite values */
    double smallest;        /* above 0; 0 when there is none */
    double quarter, median; /* of the sizes of what is not 0 */
    double largest;
};

static size_t drop_the_rest(double *values, size_t n)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(values[i]) && fabs(values[i]) < 1e299)
            values[m++] = values[i];
    return m;
}

static struct look look_at(double *values, size_t n)
{
    struct look l = {.low = (double)INFINITY, .high = -(double)INFINITY};
    n = drop_the_rest(values, n);
    if (n == 0)
        return (struct look){.low = 0, .high = 1};
    qsort(values, n, sizeof *values, by_size);
    size_t zeros = 0;
    for (size_t i = 0; i < n; i++) {
        l.low = fmin(l.low, values[i]);
        l.high = fmax(l.high, values[i]);
        zeros += values[i] == 0;
        if (l.smallest == 0 && values[i] > 0)
            l.smallest = values[i];
    }
    l.quarter = zeros < n ? fabs(values[zeros + (n - zeros) / 4]) : 0;
    l.median = zeros < n ? fabs(values[zeros + (n - zeros) / 2]) : 0;
    l.largest = fmax(fabs(l.low), fabs(l.high));
    return l;
}

static double power_below(double x)
{
    return pow(10, floor(log10(x) + 1e-9));
}

/* Both ends are a little apart even when all values are one. */
static void open_up(double *low, double *high)
{
    if (*low < *high)
        return;
    double half = *low == 0 ? 1 : fabs(*low) / 2;
    *low -= half;
    *high += half;
}

static bool wants_decades(const struct look *l, const struct shade_wish *wish)
{
    if (wish->has_scale)
        return wish->scale != SCALE_LINEAR;
    double largest = wish->has_range ? fmax(fabs(wish->low), fabs(wish->high)) : l->largest;
    return l->median > 0 && largest / l->median > MANY_DECADES;
}

static enum scale_kind kind_of(const struct shade *s, const struct look *l,
                               const struct shade_wish *wish)
{
    if (!wants_decades(l, wish) || l->largest == 0)
        return SCALE_LINEAR;
    return s->low > 0 ? SCALE_LOG : SCALE_SYMLOG;
}

void shade_choose(double *values, size_t n, const struct shade_wish *wish, struct shade *out)
{
    struct look l = look_at(values, n);
    *out = (struct shade){.low = wish->has_range ? wish->low : l.low,
                          .high = wish->has_range ? wish->high : l.high};
    open_up(&out->low, &out->high);
    struct scale *s = &out->scale;
    s->kind = kind_of(out, &l, wish);
    if (s->kind == SCALE_LOG && !wish->has_range)
        out->low = fmax(out->low, l.quarter * DEEPEST);
    double largest = fmax(fabs(out->low), fabs(out->high));
    if (s->kind == SCALE_SYMLOG)
        s->linear = power_below(fmin(l.quarter > 0 ? l.quarter : largest, largest / 10));
    double smaller = fmin(-out->low, out->high);
    bool both = smaller > 0 &&
                (s->kind == SCALE_SYMLOG ? smaller > s->linear : smaller > BOTH_SIGNS * largest);
    out->map = wish->has_map ? wish->map : both ? COLORMAP_BLUES_REDS : COLORMAP_VIRIDIS;
    both = out->map == COLORMAP_BLUES_REDS && s->kind != SCALE_LOG;
    s->lo = both ? -largest : out->low;
    s->hi = both ? largest : out->high;
    for (int i = 0; i < SHADE_COLOURS; i++)
        out->colours[i] = colormap_at(out->map, (double)i / (SHADE_COLOURS - 1));
}

struct rgb shade_at(const struct shade *shade, double value)
{
    double at = scale_at(&shade->scale, value);
    if (shade->scale.kind == SCALE_LOG && value <= 0)
        at = 0;
    if (isnan(at))
        return COLORMAP_NOT_DONE;
    return shade->colours[(int)(fmin(fmax(at, 0), 1) * (SHADE_COLOURS - 1) + 0.5)];
}
