/* The edges of gaps for any w. See boundary.h.
 *
 * The m-th Dirichlet eigenvalue (z2 = 0 at the end of the period, m zeros) lies in gap m, closed,
 * and the trace has exactly one zero between two neighbours: in the band between their gaps. So
 * each edge is bracketed by a Dirichlet eigenvalue, where D >= 0, and a zero of the trace, where
 * D = -1. Damping makes a gap smaller, until it is none: its edges are bracketed by the zeros of
 * the trace around it and by where the trace is largest in between. */
#include "boundary_private.h"

#include <math.h>

#define TOP 1e-12 /* where the trace is largest is known well enough */

/* One interval between two Dirichlet eigenvalues, or ends of the window: the band between gaps
 * `gap` and gap + 1. */
struct band {
    double low, high;
    int low_in_gap, high_in_gap;
    int crosses; /* the trace is zero within */
    int64_t gap;
};

/* The zero of the trace, or another place well inside the band. */
static double find_middle(struct tracer *t, const struct band *b)
{
    struct hunt h = {b->low, b->high, INFINITY};
    double a = h.low + (h.high - h.low) / 2;
    for (;;) {
        struct shot s;
        shoot_at(t->shoot, a, &s);
        double value = trace_in_gap(b->gap, s.m), slope = trace_in_gap(b->gap, s.d);
        *(value > 0 ? &h.low : &h.high) = a;
        if (fabs(value) < s.unit)
            return a;
        double next = hunt_next(&h, a, a - value / slope);
        if (isnan(next))
            return a;
        a = next;
    }
}

static int trace_band(struct tracer *t, const struct band *b)
{
    if (!b->crosses) {
        if (b->low_in_gap && !b->high_in_gap)
            return tracer_edge(t, b->gap, 1, b->low, b->high);
        return b->high_in_gap && !b->low_in_gap ? tracer_edge(t, b->gap + 1, 0, b->high, b->low)
                                                : 0;
    }
    double middle = find_middle(t, b);
    if (b->low_in_gap && tracer_edge(t, b->gap, 1, b->low, middle) != 0)
        return -1;
    return b->high_in_gap ? tracer_edge(t, b->gap + 1, 0, b->high, middle) : 0;
}

/* --- with damping ---------------------------------------------------------------------------- */

/* Where the trace is largest between two bands: its derivative has one zero there. An end of the
 * window may come first. */
static double find_top(struct tracer *t, int64_t m, double left, double right)
{
    struct hunt h = {left, right, INFINITY};
    struct shot s;
    shoot_at(t->shoot, right, &s);
    if (!(trace_in_gap(m, s.d) < 0))
        return right;
    shoot_at(t->shoot, left, &s);
    double a = left, slope = trace_in_gap(m, s.d), wish = left + (right - left) / 2;
    if (!(slope > 0))
        return left;
    for (;;) {
        double next = hunt_next(&h, a, wish);
        if (isnan(next))
            return a;
        shoot_at(t->shoot, next, &s);
        double now = trace_in_gap(m, s.d);
        *(now > 0 ? &h.low : &h.high) = next;
        wish = next - now * (next - a) / (now - slope);
        if (fabs(wish - next) <= TOP * (1 + fabs(next)))
            return next;
        a = next;
        slope = now;
    }
}

/* Gap m lies between two places in the bands around it, or ends of the window. Damping may have
 * closed it. */
static int trace_gap(struct tracer *t, int64_t m, double left, double right)
{
    struct shot s;
    double place[] = {left, find_top(t, m, left, right), right};
    int inside[3];
    for (int k = 0; k < 3; k++) {
        shoot_at(t->shoot, place[k], &s);
        inside[k] = tracer_in_gap(t, &s);
    }
    if (inside[1] && !inside[0] && tracer_edge(t, m, 0, place[1], left) != 0)
        return -1;
    return inside[1] && !inside[2] ? tracer_edge(t, m, 1, place[1], right) : 0;
}

/* The gap that ends in the band, if its middle is in the window; *left is where it is looked for
 * from. */
static int trace_gap_below(struct tracer *t, const struct band *b, double *left)
{
    if (!b->crosses)
        return 0;
    double middle = find_middle(t, b);
    if (trace_gap(t, b->gap, *left, middle) != 0)
        return -1;
    *left = middle;
    return 0;
}

/* --- all of them ----------------------------------------------------------------------------- */

int tracer_gaps(struct tracer *t)
{
    /* z2 has gone through 0 as often as it has made half turns. */
    int64_t first = t->low.turns[1] / 2, last = t->high.turns[1] / 2;
    double left = t->spec->a_min;
    int damped = t->depth > 0;
    struct roots roots = {1, NAN, NAN};
    struct band b = {.high = t->spec->a_min, .high_in_gap = t->low_in_gap};
    for (b.gap = first; b.gap <= last; b.gap++) {
        struct shot s;
        int starts = b.gap == first, ends = b.gap == last;
        b.low = b.high;
        b.low_in_gap = b.high_in_gap;
        b.high = ends ? t->spec->a_max : tracer_root(t, &roots, 2 * (b.gap + 1), NAN, &s);
        b.high_in_gap = ends ? t->high_in_gap : 1;
        b.crosses = (!starts || trace_in_gap(b.gap, t->low.m) > 0) &&
                    (!ends || trace_in_gap(b.gap, t->high.m) < 0);
        if ((damped ? trace_gap_below(t, &b, &left) : trace_band(t, &b)) != 0)
            return -1;
    }
    int64_t above = trace_in_gap(last, t->high.m) > 0 ? last : last + 1;
    return damped ? trace_gap(t, above, left, t->spec->a_max) : 0;
}
