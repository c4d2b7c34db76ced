/* See glance.h. A peak of Gaussian shape is seen by the double's last digit up to six of its widths
 * away, so that places a 4096th of the span apart find all that are wider than a 50,000th. */
#include "glance.h"

#include <math.h>

#define ROOM    64
#define OFFSET  0.38196601125010515 /* of the first place, in strides: the golden section */
#define ALLOWED 32.0                /* roundings: an interpolant magnifies those of its samples */

/* From a stop on, places at L 2^-k; the points of a series begin at L 2^-7.6. */
#define NEAREST  36
#define FARTHEST 6

struct places {
    double t[ROOM], share[ROOM]; /* share: of the segment, how much a place speaks for at most */
    size_t n;
};

/* Compares at the first n places. */
static int compare(const struct glance *g, const struct places *p, size_t n, struct glimpse *seen,
                   struct err *err)
{
    double value[ROOM], error[ROOM], noise[ROOM];
    if (n > 0 && g->fn(g->arg, n, p->t, value, error, noise, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        double x = ((p->t[i] - g->t0) - (g->t1 - p->t[i])) / (g->t1 - g->t0);
        double off = fabs(g->factor * value[i] - legendre_eval(g->coef, g->n, x));
        seen->size = fmax(seen->size, p->share[i] * fabs(g->factor * value[i]));
        if (off > ALLOWED * (g->rounding + g->factor * (error[i] + noise[i])))
            seen->off = fmax(seen->off, p->share[i] * off);
    }
    return 0;
}

static void add(const struct glance *g, double t, double share, struct places *p)
{
    if (!(t > g->t0 && t < g->t1))
        return;
    p->t[p->n] = t;
    p->share[p->n++] = share;
}

static int is_stop(const struct curve_span *s, double t)
{
    return t == s->from || t == s->to ||
           curve_next_stop(s->stops, s->stop_count, nextafter(t, -INFINITY), s->to) == t;
}

/* What a function does there may be infinite, and yet next to nothing in an integral. And
 * t^2/(1 - cos(t)) is 2 for all that matters, but 0/0 in doubles where t is small: where it fails,
 * nobody looks closer than where it does not. */
static void look_near(const struct glance *g, double end, double length, struct glimpse *seen)
{
    struct places p = {.n = 0};
    for (int k = FARTHEST; k <= NEAREST; k++)
        add(g, end + ldexp(length, -k), ldexp(1, 1 - k), &p);
    for (size_t n = p.n; n > 0 && compare(g, &p, n, seen, NULL) != 0;)
        n /= 2;
}

static int look_between(const struct glance *g, struct glimpse *seen, struct err *err)
{
    double from = g->span->from, stride = (g->span->to - from) / GLANCES, t;
    struct places p = {.n = 0};
    if (g->t1 - g->t0 <= GAUSS_MAX * stride)
        return 0;
    for (double k = ceil((g->t0 - from) / stride - OFFSET);
         (t = from + (k + OFFSET) * stride) < g->t1; k++) {
        add(g, t, 1, &p);
        if (p.n == ROOM) {
            if (compare(g, &p, p.n, seen, err) != 0)
                return -1;
            p.n = 0;
        }
    }
    return compare(g, &p, p.n, seen, err);
}

int glance(const struct glance *g, struct glimpse *seen, struct err *err)
{
    *seen = (struct glimpse){0, 0};
    if (is_stop(g->span, g->t0))
        look_near(g, g->t0, g->t1 - g->t0, seen);
    if (is_stop(g->span, g->t1))
        look_near(g, g->t1, g->t0 - g->t1, seen);
    return look_between(g, seen, err);
}
