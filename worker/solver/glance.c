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
    double t[ROOM];
    size_t n;
};

/* Compares at the places gathered and forgets them. */
static int compare(const struct glance *g, struct places *p, struct glimpse *seen, struct err *err)
{
    double value[ROOM], error[ROOM], noise[ROOM];
    if (p->n > 0 && g->fn(g->arg, p->n, p->t, value, error, noise, err) != 0)
        return -1;
    for (size_t i = 0; i < p->n; i++) {
        double x = ((p->t[i] - g->t0) - (g->t1 - p->t[i])) / (g->t1 - g->t0);
        double off = fabs(g->factor * value[i] - legendre_eval(g->coef, g->n, x));
        seen->size = fmax(seen->size, fabs(g->factor * value[i]));
        if (off > ALLOWED * (g->rounding + g->factor * noise[i]))
            seen->off = fmax(seen->off, off);
    }
    p->n = 0;
    return 0;
}

static int look_at(const struct glance *g, double t, struct places *p, struct glimpse *seen,
                   struct err *err)
{
    if (!(t > g->t0 && t < g->t1))
        return 0;
    p->t[p->n++] = t;
    return p->n == ROOM ? compare(g, p, seen, err) : 0;
}

static int is_stop(const struct curve_span *s, double t)
{
    return t == s->from || t == s->to ||
           curve_next_stop(s->stops, s->stop_count, nextafter(t, -INFINITY), s->to) == t;
}

static int look_near_ends(const struct glance *g, struct places *p, struct glimpse *seen,
                          struct err *err)
{
    int first = is_stop(g->span, g->t0), last = is_stop(g->span, g->t1);
    for (int k = FARTHEST; k <= NEAREST; k++) {
        double away = ldexp(g->t1 - g->t0, -k);
        if ((first && look_at(g, g->t0 + away, p, seen, err) != 0) ||
            (last && look_at(g, g->t1 - away, p, seen, err) != 0))
            return -1;
    }
    return 0;
}

static int look_between(const struct glance *g, struct places *p, struct glimpse *seen,
                        struct err *err)
{
    double from = g->span->from, stride = (g->span->to - from) / GLANCES;
    if (g->t1 - g->t0 <= GAUSS_MAX * stride)
        return 0;
    for (double k = ceil((g->t0 - from) / stride - OFFSET);; k++) {
        double t = from + (k + OFFSET) * stride;
        if (!(t < g->t1))
            break;
        if (look_at(g, t, p, seen, err) != 0)
            return -1;
    }
    return 0;
}

int glance(const struct glance *g, struct glimpse *seen, struct err *err)
{
    struct places p = {.n = 0};
    *seen = (struct glimpse){0, 0};
    return look_near_ends(g, &p, seen, err) != 0 || look_between(g, &p, seen, err) != 0 ||
                   compare(g, &p, seen, err) != 0
               ? -1
               : 0;
}
