/* One edge of a gap, between a place in the gap and one in the band.
 *
 * In terms of M's entries, D = delta^2 + m12 m21 with delta = (m11 - m22) / 2, which loses no
 * digits where M is close to +-1: a narrow gap is as well conditioned as a wide one. D is the
 * determinant, but for its sign, of the symmetric
 *
 *   H = | -m21  delta |      D = -det H,  H(a + x) = H + x H' + O(x^2),
 *       | delta   m12 |
 *
 * so roots are those of the quadratic -det(H + x H'), step by step. In narrow bands M's entries are
 * large, and it is the trace that keeps its digits: trace = +-2. Whichever has the smaller error is
 * taken. A band in which the trace itself cannot be told from 0 is one value for both edges.
 *
 * With damping, M stands for M e^(loss / 2), whose determinant is 1. The larger multiplier is +-1
 * where the trace of that is +-2 cosh(loss / 2), so that D = sinh^2(loss / 2). */
#include "boundary_private.h"

#include <math.h>

#define DOUBLE 64.0 /* an eigenvalue of H below so many of its errors counts as zero */
#define CLEAR  0.25 /* of what a number is told from 0 by: its error is at most this */
#define SINE   1.6 /* from the middle of a band to its edge, against the slope of the trace there */

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

/* D less what it is at an edge, D', and half of D'' of the linearised H. */
static void expand(const struct tracer *t, const struct shot *s, double d[3])
{
    double h[3], k[3];
    pencil_of(s->m, h);
    pencil_of(s->d, k);
    d[0] = h[1] * h[1] - h[0] * h[2] - t->depth * s->unit * s->unit;
    d[1] = 2 * h[1] * k[1] - h[0] * k[2] - h[2] * k[0];
    d[2] = k[1] * k[1] - k[0] * k[2];
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

/* In the units of z' in which H' has equal diagonal elements; neither D nor its roots change. */
static void balance(struct pencil *p)
{
    double unit = sqrt(fabs(p->slope[2] / p->slope[0]));
    for (int i = 0; i < 3 && unit > 0 && isfinite(unit); i += 2) {
        double factor = i == 0 ? unit : 1 / unit;
        p->h[i] *= factor;
        p->slope[i] *= factor;
        p->error[i] *= factor;
    }
}

/* Of D. */
static double determinant_error(const struct tracer *t, const struct shot *s, const double entry[4])
{
    return fabs(s->m[Z1] - s->m[P2]) * (entry[Z1] + entry[P2]) / 2 + fabs(s->m[Z2]) * entry[P1] +
           fabs(s->m[P1]) * entry[Z2] + t->depth_error * s->unit * s->unit;
}

/* How far D must be followed to change by its error. Near the tip of a gap that damping has cut
 * short D' is small. */
static double damped_error(const struct tracer *t, const struct shot *s, const double entry[4])
{
    double d[3], error = determinant_error(t, s, entry);
    expand(t, s, d);
    double slope = fabs(d[1]), bend = fabs(d[2]), disc = slope * slope - 4 * bend * error;
    return disc > 0 ? 2 * error / (slope + sqrt(disc)) : slope / (2 * bend) + sqrt(error / bend);
}

/* An eigenvalue of the pencil by first order: n E n / n H' n, n the null vector; and of a double
 * one |E| / min n H' n. */
static double pencil_error(const struct tracer *t, const struct shot *s, const double entry[4])
{
    struct pencil p = {.error = {entry[P1], (entry[Z1] + entry[P2]) / 2, entry[Z2]}};
    if (t->depth > 0)
        return damped_error(t, s, entry);
    pencil_of(s->m, p.h);
    pencil_of(s->d, p.slope);
    balance(&p);
    double size = fabs(p.h[0] + p.h[2]), norm = p.error[0] + 2 * p.error[1] + p.error[2];
    if (size <= DOUBLE * norm)
        return norm / least(p.slope);
    int row = fabs(p.h[0]) < fabs(p.h[2]);
    double x = row ? p.h[2] : -p.h[1], y = row ? -p.h[1] : p.h[0], length = hypot(x, y);
    return form(p.error, fabs(x / length), fabs(y / length)) /
           fabs(form(p.slope, x / length, y / length));
}

/* The same by the trace. */
static double trace_error(const struct tracer *t, const struct shot *s, const double entry[4])
{
    return (entry[Z1] + entry[P2] + t->level_error * s->unit) / fabs(s->d[Z1] + s->d[P2]);
}

/* --- steps ----------------------------------------------------------------------------------- */

/* A bracket of an edge of gap m. */
struct edge {
    double band, gap;
    int upper; /* of its gap: the band is above */
    int64_t m;
};

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

/* Where the shot says that the edge is, and whether it is in the band itself. */
static double look(const struct tracer *t, const struct edge *e, const struct shot *s, int by_trace,
                   int *in_band)
{
    double d[3], beyond = trace_in_gap(e->m, s->m) - t->level * s->unit;
    expand(t, s, d);
    *in_band = by_trace ? beyond < 0 : d[0] < 0;
    return by_trace ? s->a - beyond / trace_in_gap(e->m, s->d) : predict(e, s->a, d);
}

/* An edge's place, with the errors that it has by H and by the trace. */
struct place {
    double a, pencil_error, trace_error;
};

static struct place place_of(const struct tracer *t, const struct shot *s, double a)
{
    double entry[4];
    shoot_errors(t->shoot, entry);
    return (struct place){a, pencil_error(t, s, entry), trace_error(t, s, entry)};
}

/* From a. At the gap's end of the bracket D may be 0 but for rounding, and the gap's other edge be
 * near: that it is in the gap is not questioned. */
static struct place find_edge(struct tracer *t, struct edge e, double a, int by_trace)
{
    struct hunt h = {fmin(e.band, e.gap), fmax(e.band, e.gap), INFINITY};
    if (!(a >= h.low && a <= h.high))
        a = e.gap;
    for (;;) {
        struct shot s;
        int in_band;
        shoot_at(t->shoot, a, &s);
        double wish = look(t, &e, &s, by_trace, &in_band), step = fabs(wish - a);
        *(in_band && a != e.gap ? &e.band : &e.gap) = a;
        h.low = fmin(e.band, e.gap);
        h.high = fmax(e.band, e.gap);
        if (hunt_is_near(a, step)) {
            struct place p = place_of(t, &s, wish);
            if (hunt_is_over(a, step, by_trace ? p.trace_error : p.pencil_error))
                return p;
        }
        double next = hunt_next(&h, a, wish);
        if (isnan(next))
            return place_of(t, &s, a);
        a = next;
    }
}

int tracer_edge(struct tracer *t, int64_t m, int upper, double gap, double band)
{
    enum boundary_kind kind = upper ? BOUNDARY_UPPER : BOUNDARY_LOWER;
    struct boundary_curve *c = tracer_curve(t, kind, m);
    struct edge e = {band, gap, upper, m};
    struct shot s;
    double entry[4];
    if (c == NULL)
        return -1;
    shoot_at(t->shoot, band, &s);
    shoot_errors(t->shoot, entry);
    double own = entry[Z1] + entry[P2];
    if (!(own <= CLEAR * s.unit)) {
        double all = own + fabs(trace_in_gap(m, s.m)) + t->level * s.unit;
        tracer_put(t, c, band, SINE * all / fabs(trace_in_gap(m, s.d)));
        return 0;
    }
    int by_trace = !(determinant_error(t, &s, entry) <= CLEAR * s.unit * s.unit);
    struct place p = find_edge(t, e, tracer_guess(t, kind, m), by_trace);
    if (!by_trace && p.trace_error < p.pencil_error) {
        by_trace = 1;
        p = find_edge(t, e, p.a, by_trace);
    }
    tracer_put(t, c, p.a, by_trace ? p.trace_error : p.pencil_error);
    return 0;
}

int tracer_in_gap(const struct tracer *t, const struct shot *s)
{
    double d[3], entry[4];
    expand(t, s, d);
    shoot_errors(t->shoot, entry);
    if (determinant_error(t, s, entry) <= CLEAR * s->unit * s->unit)
        return d[0] >= 0;
    return fabs(trace_in_gap(0, s->m)) >= t->level * s->unit;
}
