/* The edges of gaps for any w. See boundary.h.
 *
 * The m-th Dirichlet eigenvalue (z2 = 0 at the end of the period, m zeros) lies in gap m, closed,
 * and the trace has exactly one zero between two neighbours: in the band between their gaps. So
 * each edge is bracketed by a Dirichlet eigenvalue, where D >= 0, and a zero of the trace, where D
 * = -1. In terms of M's entries, D = delta^2 + m12 m21 with delta = (m11 - m22) / 2, which loses no
 * digits where M is close to +-1: a narrow gap is as well conditioned as a wide one. D is the
 * determinant, but for its sign, of the symmetric
 *
 *   H = | -m21  delta |      D = -det H,  H(a + x) = H + x H' + O(x^2),
 *       | delta   m12 |
 *
 * so roots are those of the quadratic -det(H + x H'), step by step. */
#include "boundary_private.h"

#include <float.h>
#include <math.h>

#define SETTLED   1e-9 /* steps as short as this that no longer shrink are rounding */
#define SHOTS_MAX 200
#define DOUBLE    64.0 /* an eigenvalue of H below so many of its errors counts as zero */

/* (11, 12, 22) of H, of its derivative, of its error. */
struct pencil {
    double h[3], slope[3], error[3];
};

static void pencil_of(const double m[4], double h[3])
{
    h[0] = -m[P1];
    h[1] = (m[Z1] - m[P2]) / 2;
    h[2] = m[Z2];
}

/* D, D' and half of D'' of the linearised H. */
static void expand(const struct shot *s, double d[3])
{
    double h[3], k[3];
    pencil_of(s->m, h);
    pencil_of(s->d, k);
    d[0] = h[1] * h[1] - h[0] * h[2];
    d[1] = 2 * h[1] * k[1] - h[0] * k[2] - h[2] * k[0];
    d[2] = k[1] * k[1] - k[0] * k[2];
}

/* The roots x of d0 + d1 x + d2 x^2, the smaller first. Returns 0 when there are none. */
static int quadratic(const double d[3], double x[2])
{
    double disc = d[1] * d[1] - 4 * d[0] * d[2];
    if (!(disc >= 0))
        return 0;
    double t = -(d[1] + copysign(sqrt(disc), d[1])) / 2;
    double one = d[0] / t, other = t / d[2];
    if (t == 0)
        one = other = 0;
    if (d[2] == 0)
        other = one;
    x[0] = fmin(one, other);
    x[1] = fmax(one, other);
    return isfinite(one) || isfinite(other);
}

/* A bracket of an edge: in the band D < 0, in the gap D >= 0. */
struct edge {
    double band, gap;
    int upper; /* of its gap: the band is above */
};

/* Where the linearised H has its edge, or NaN where that is not in the bracket. */
static double predict(const struct edge *e, double a, const double d[3])
{
    double x[2], low = fmin(e->band, e->gap), high = fmax(e->band, e->gap);
    if (!quadratic(d, x))
        return NAN;
    /* Where the quadratic opens downwards it is the gap that lies between its roots. */
    double next = a + x[e->upper == (d[2] < 0)];
    return next >= low && next <= high ? next : NAN;
}

/* To the edge, from a; last: the shot there. */
static double find_edge(struct tracer *t, struct edge e, double a, struct shot *last)
{
    double before = INFINITY;
    if (!(a >= fmin(e.band, e.gap) && a <= fmax(e.band, e.gap)))
        a = e.gap;
    for (int n = 0; n < SHOTS_MAX; n++) {
        double d[3], digit = fabs(a) + 1;
        shoot_at(t->shoot, a, last);
        expand(last, d);
        /* At the gap's end of the bracket D may be 0 but for rounding: the other edge is there. */
        if (a != e.gap && d[0] < 0)
            e.band = a;
        else
            e.gap = a;
        double next = predict(&e, a, d), step = fabs(next - a);
        if (step <= DBL_EPSILON * digit || (step < SETTLED * digit && step > before / 4))
            return next;
        if (!(step <= before / 2))
            next = e.band + (e.gap - e.band) / 2;
        if (!(fabs(e.gap - e.band) > DBL_EPSILON * digit) || next == a)
            break;
        before = fabs(next - a);
        a = next;
    }
    return a;
}

/* --- errors ---------------------------------------------------------------------------------- */

static double form(const double k[3], double x, double y)
{
    return k[0] * x * x + 2 * k[1] * x * y + k[2] * y * y;
}

/* The smaller |eigenvalue| of a symmetric matrix; 0 when it is indefinite. */
static double least(const double k[3])
{
    double mean = (k[0] + k[2]) / 2, radius = hypot((k[0] - k[2]) / 2, k[1]);
    return fmax(0, fabs(mean) - radius);
}

/* An eigenvalue of the pencil by first order: n E n / n H' n, n the null vector; and of a double
 * one |E| / min n H' n. */
static double edge_error(const struct tracer *t, const struct shot *s)
{
    double entry[4];
    struct pencil p;
    pencil_of(s->m, p.h);
    pencil_of(s->d, p.slope);
    shoot_errors(t->shoot, entry);
    p.error[0] = entry[P1];
    p.error[1] = (entry[Z1] + entry[P2]) / 2;
    p.error[2] = entry[Z2];
    double size = hypot(p.h[0] + p.h[2], 0), norm = p.error[0] + 2 * p.error[1] + p.error[2];
    if (size <= DOUBLE * norm)
        return norm / least(p.slope);
    int row = fabs(p.h[0]) < fabs(p.h[2]);
    double x = row ? p.h[2] : -p.h[1], y = row ? -p.h[1] : p.h[0], length = hypot(x, y);
    return form(p.error, fabs(x / length), fabs(y / length)) /
           fabs(form(p.slope, x / length, y / length));
}

/* --- bands ----------------------------------------------------------------------------------- */

/* One interval between two Dirichlet eigenvalues, or ends of the window: the band between gaps
 * `gap` and gap + 1. */
struct band {
    double low, high;
    int low_in_gap, high_in_gap; /* D >= 0 there */
    int crosses;                 /* the trace is zero within */
    int64_t gap;
};

/* Of the trace, times the sign it has in the lower gap. */
static double trace(const struct band *b, const double m[4])
{
    double sum = m[Z1] + m[P2];
    return b->gap % 2 == 0 ? sum : -sum;
}

static double find_middle(struct tracer *t, const struct band *b, struct shot *last)
{
    double low = b->low, high = b->high, before = INFINITY, a = low + (high - low) / 2;
    for (int n = 0; n < SHOTS_MAX; n++) {
        shoot_at(t->shoot, a, last);
        double value = trace(b, last->m), slope = trace(b, last->d);
        if (value > 0)
            low = a;
        else
            high = a;
        /* Anywhere well inside the band is good enough. */
        if (fabs(value) < last->unit)
            break;
        double next = a - value / slope, step = fabs(next - a);
        if (!(next > low && next < high) || !(step <= before / 2))
            next = low + (high - low) / 2;
        if (!(high - low > DBL_EPSILON * fabs(a)) || next == a)
            break;
        before = fabs(next - a);
        a = next;
    }
    return a;
}

static int put_edge(struct tracer *t, const struct band *b, int upper, double gap, double band)
{
    enum boundary_kind kind = upper ? BOUNDARY_UPPER : BOUNDARY_LOWER;
    int64_t m = upper ? b->gap : b->gap + 1;
    struct boundary_curve *c = tracer_curve(t, kind, m);
    struct shot s;
    if (c == NULL)
        return -1;
    double a = find_edge(t, (struct edge){band, gap, upper}, tracer_guess(t, kind, m), &s);
    tracer_put(t, c, a, edge_error(t, &s));
    return 0;
}

/* A band too narrow for its inside to be found: both edges are where the trace changes its sign. */
static int put_narrow(struct tracer *t, const struct band *b, double a, const struct shot *s)
{
    double entry[4];
    shoot_errors(t->shoot, entry);
    double error = (entry[Z1] + entry[P2] + 2 * s->unit) / fabs(trace(b, s->d));
    for (int upper = 1; upper >= 0; upper--) {
        struct boundary_curve *c =
            tracer_curve(t, upper ? BOUNDARY_UPPER : BOUNDARY_LOWER, upper ? b->gap : b->gap + 1);
        if (c == NULL)
            return -1;
        tracer_put(t, c, a, error);
    }
    return 0;
}

static int trace_band(struct tracer *t, const struct band *b)
{
    struct shot s;
    double d[3];
    if (!b->crosses) {
        if (b->low_in_gap && !b->high_in_gap)
            return put_edge(t, b, 1, b->low, b->high);
        return b->high_in_gap && !b->low_in_gap ? put_edge(t, b, 0, b->high, b->low) : 0;
    }
    double middle = find_middle(t, b, &s);
    expand(&s, d);
    if (!(d[0] < 0))
        return put_narrow(t, b, middle, &s);
    if (b->low_in_gap && put_edge(t, b, 1, b->low, middle) != 0)
        return -1;
    return b->high_in_gap ? put_edge(t, b, 0, b->high, middle) : 0;
}

static int in_gap(const struct shot *s)
{
    double d[3];
    expand(s, d);
    return d[0] >= 0;
}

int tracer_gaps(struct tracer *t)
{
    /* z2 has gone through 0 as often as it has made half turns. */
    int64_t first = t->low.turns[1] / 2, last = t->high.turns[1] / 2;
    struct band b = {.high = t->spec->a_min, .high_in_gap = in_gap(&t->low)};
    for (b.gap = first; b.gap <= last; b.gap++) {
        struct shot s;
        int starts = b.gap == first, ends = b.gap == last;
        b.low = b.high;
        b.low_in_gap = b.high_in_gap;
        b.high = ends ? t->spec->a_max : tracer_root(t, 1, 2 * (b.gap + 1), NAN, &s);
        b.high_in_gap = ends ? in_gap(&t->high) : 1;
        b.crosses = (!starts || trace(&b, t->low.m) > 0) && (!ends || trace(&b, t->high.m) < 0);
        if (trace_band(t, &b) != 0)
            return -1;
    }
    return 0;
}
