/* The propagator of one part: the series is carried through the part by collocation steps, each
 * within one segment of every curve, then economised. */
#include "parts_private.h"

#include "buf.h"
#include "chebyshev.h"
#include "series.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEP_REACH   3.0  /* sqrt(max |K|) * length that 16 points resolve to rounding */
#define STEP_REACH_8 0.6  /* the same for 8 points, where w is a cubic ... */
#define STEP_REACH_4 0.06 /* and for 4 ... */
/* ... that is nearly straight: n points integrate degrees below 2n, and a product of four cubics,
 * or of two, has more. What is left is 2e-10 bend^3, or 5e-4 bend^2. */
#define STEP_BEND_8 0.02
#define STEP_BEND_4 1e-7
#define ROUNDING    1.0   /* of one part, in units of 2^-53 and of the sum of its terms */
#define SAFETY_W    2.0   /* |row| |state| between nodes against the mean of its neighbours */
#define STACK       32    /* 2^30 steps */
#define NEGLIGIBLE  1e-18 /* what a single step may drop */

struct filler {
    struct parts *parts;
    const struct frame *frame;
    struct gauss gauss4, gauss8, gauss16;
    struct series_work work;
    /* The steps of a part so far, multiplied together in pairs as a binary counter is incremented:
     * the many short steps of an interpolated w meet as series of low degree. One more is scratch.
     */
    struct {
        struct series *series;
        double t0, t1;
        int level; /* 2^level steps */
    } stack[STACK];
    int depth;
    double chebyshev[4][SERIES_SIDE][SERIES_SIDE]; /* [entry][j][i] */
};

/* The entry that is to come next; few jobs need many. */
static struct series *scratch(struct filler *s)
{
    struct series **at = &s->stack[s->depth].series;
    if (*at == NULL)
        *at = mem_alloc(1, sizeof **at);
    return *at;
}

/* Majorant of a step or part of length h. */
struct majorant {
    double base, reach, factor;
};

static struct majorant majorant(const struct parts *p, const struct frame *f,
                                const struct curve_bounds *b, double h)
{
    struct majorant m;
    double unit = h * p->omega, drag = 1 - h * b->d / 64;
    /* Damping: z = exp(-D/2) zeta, and zeta has no damping but the potential of d^2 / 4 (and d' /
     * 2). */
    m.base = h * h * (b->u + fabs(p->a0) * b->v + fabs(p->q0) * b->w + b->d * b->d);
    m.reach = h * h * (f->a_radius * b->v + f->q_radius * b->w);
    m.factor = unit > 1 ? unit : 1 / unit;
    /* e^(h d) <= (1 - h d / 64)^-64 */
    drag = drag > 0.1 ? drag : 0.1;
    for (int i = 0; i < 6; i++)
        drag *= drag;
    m.factor /= drag;
    return m;
}

/* Smallest degree whose remainder is within the target; the remainder goes to *rest. */
static int degree(const struct majorant *m, double target, double *rest)
{
    double tail[SERIES_SIDE];
    int n = 0;
    series_tail(m->base, m->reach, tail, SERIES_SIDE);
    while (n < SERIES_DEGREE_MAX && m->factor * tail[n] > target)
        n++;
    *rest = m->factor * tail[n];
    return n;
}

/* The curves at the points of one step. */
static int take_step(struct filler *s, const struct gauss *g, int n, double t0, double t1)
{
    const struct parts *p = s->parts;
    const struct drive *d = s->frame->drive;
    double middle = t0 + (t1 - t0) / 2;
    double w[GAUSS_MAX], u[GAUSS_MAX], v[GAUSS_MAX], drag[GAUSS_MAX];
    double k0[GAUSS_MAX], ka[GAUSS_MAX], kq[GAUSS_MAX];
    curve_at_points(&d->w, curve_find(&d->w, middle, 0), g, t0, t1, w);
    for (int l = 0; l < g->n; l++) {
        u[l] = 0;
        v[l] = 1;
    }
    if (d->u.count != 0)
        curve_at_points(&d->u, curve_find(&d->u, middle, 0), g, t0, t1, u);
    if (d->v.count != 0)
        curve_at_points(&d->v, curve_find(&d->v, middle, 0), g, t0, t1, v);
    if (d->damping.count != 0)
        curve_at_points(&d->damping, curve_find(&d->damping, middle, 0), g, t0, t1, drag);
    for (int l = 0; l < g->n; l++) {
        k0[l] = u[l] + p->a0 * v[l] + p->q0 * w[l];
        ka[l] = s->frame->a_radius > 0 ? s->frame->a_scale * v[l] : 0;
        kq[l] = s->frame->q_radius > 0 ? s->frame->q_scale * w[l] : 0;
    }
    return series_step(scratch(s), &s->work, g, n, t1 - t0, p->omega, k0, ka, kq,
                       d->damping.count != 0 ? drag : NULL);
}

/* Multiplies the last two entries of the stack; n is the part's degree. */
static void merge(struct filler *s, int n)
{
    int top = s->depth - 1;
    struct series *early = s->stack[top - 1].series, *late = s->stack[top].series;
    struct series *product = scratch(s);
    double t0 = s->stack[top - 1].t0, t1 = s->stack[top].t1, rest;
    struct curve_bounds b = bounds_over(s->frame->drive, t0, t1);
    struct majorant m = majorant(s->parts, s->frame, &b, t1 - t0);
    int own = degree(&m, NEGLIGIBLE, &rest);
    own = own < n ? own : n;
    own = own > early->n ? own : early->n;
    own = own > late->n ? own : late->n;
    series_multiply(product, own, late, early);
    s->stack[s->depth].series = late;
    s->stack[top].series = early;
    s->stack[top - 1].series = product;
    s->stack[top - 1].t1 = t1;
    s->stack[top - 1].level++;
    s->depth--;
}

/* The step just taken, into stack[depth], becomes an entry. */
static void push(struct filler *s, double t0, double t1, int n)
{
    s->stack[s->depth].t0 = t0;
    s->stack[s->depth].t1 = t1;
    s->stack[s->depth].level = 0;
    s->depth++;
    while (s->depth > 1 && s->stack[s->depth - 1].level == s->stack[s->depth - 2].level)
        merge(s, n);
}

/* The end of the segment of c that holds the moments after t, if before `end`. */
static double joint(const struct curve *c, double t, double end, uint32_t *terms)
{
    if (c->count == 0)
        return end;
    const struct segment *s = &c->segments[curve_find(c, t, 0)];
    if (s->n > *terms)
        *terms = s->n;
    return s->t1 > t && s->t1 < end ? s->t1 : end;
}

/* What h^2 K has beside a straight line around t, where w is a cubic. */
static double bend(const struct filler *s, double t, double h)
{
    const struct parts *p = s->parts;
    const struct curve *w = &s->frame->drive->w;
    double sum = 0;
    if (w->count == 0)
        return 0;
    const struct segment *at = &w->segments[curve_find(w, t, 0)];
    for (uint32_t k = 2; k < at->n; k++)
        sum += fabs(w->coef[at->at + k]);
    return h * h * (fabs(p->q0) + s->frame->q_radius) * sum;
}

/* The cheapest rule that is exact to rounding over [t, end]. */
static const struct gauss *rule_for(const struct filler *s, uint32_t terms, double reach, double t,
                                    double end)
{
    double bent = terms <= 4 ? bend(s, t + (end - t) / 2, end - t) : 0;
    if (terms <= 4 && reach <= STEP_REACH_4 && bent <= STEP_BEND_4)
        return &s->gauss4;
    return terms <= 4 && reach <= STEP_REACH_8 && bent <= STEP_BEND_8 ? &s->gauss8 : &s->gauss16;
}

/* Carries the series from t0 to t1; n is the part's degree. */
static int cross_part(struct filler *s, double t0, double t1, int n)
{
    const struct drive *d = s->frame->drive;
    double t = t0;
    s->depth = 0;
    while (t < t1) {
        uint32_t terms = 0;
        double end = joint(&d->w, t, t1, &terms);
        end = joint(&d->u, t, end, &terms);
        end = joint(&d->v, t, end, &terms);
        end = joint(&d->damping, t, end, &terms);
        struct curve_bounds b = bounds_over(d, t, end);
        struct majorant m = majorant(s->parts, s->frame, &b, end - t);
        double reach = sqrt(m.base + m.reach), steps = ceil(reach / STEP_REACH), rest;
        steps = steps < 1 ? 1 : steps;
        m = majorant(s->parts, s->frame, &b, (end - t) / steps);
        int own = degree(&m, NEGLIGIBLE, &rest);
        own = own < n ? own : n;
        const struct gauss *g = rule_for(s, terms, reach, t, end);
        double from = t;
        for (double k = 1; k <= steps; k++) {
            double to = k < steps ? t + (end - t) / steps * k : end;
            if (take_step(s, g, own, from, to) != 0)
                return -1;
            push(s, from, to, n);
            from = to;
        }
        t = end;
    }
    while (s->depth > 1)
        merge(s, n);
    return 0;
}

/* The degree in a at which the dropped Chebyshev terms stay within `allowed`; *dropped is their
 * sum. */
static int economise(struct filler *s, int n, double x, double y, double allowed, double *dropped)
{
    const struct series *whole = s->stack[0].series;
    int na = n;
    double sum[4] = {0};
    for (int e = 0; e < 4; e++) {
        for (int j = 0; j <= n; j++) {
            double c[SERIES_SIDE] = {0}, scale = 1;
            for (int i = 0; i <= whole->n - j; i++, scale *= x)
                c[i] = whole->c[e / 2][j][2 * i + e % 2] * scale;
            chebyshev_from_powers(c, n - j, s->chebyshev[e][j]);
        }
    }
    *dropped = 0;
    for (; na > 0; na--) {
        double most = 0;
        for (int e = 0; e < 4; e++) {
            double scale = 1;
            for (int j = 0; j <= n - na; j++, scale *= y)
                sum[e] += fabs(s->chebyshev[e][j][na]) * scale;
            most = fmax(most, sum[e]);
        }
        if (most > allowed)
            break;
        *dropped = most;
    }
    return na;
}

/* Writes the kept terms in powers of (a - a0) * a_inverse; returns the largest entry's sum of
 * terms. */
static double pack(struct filler *s, struct part *part, int n, double x, double y)
{
    double *coef = parts_room(s->parts, part), size = 0;
    for (int e = 0; e < 4; e++) {
        double sum = 0, scale = 1;
        for (int j = 0; j <= part->nq; j++, scale *= y) {
            double c[SERIES_SIDE], power = 1;
            int top = n - j < part->na ? n - j : part->na;
            chebyshev_to_powers(s->chebyshev[e][j], top, c);
            for (int i = 0; i <= top; i++, power *= x) {
                coef[(size_t)j * part->width + (size_t)i * 4 + (size_t)e] =
                    power > 0 ? c[i] / power : 0;
                sum += fabs(c[i]) * scale;
            }
        }
        size = fmax(size, sum);
    }
    return size;
}

static void weigh(struct filler *s, size_t k, double error, double size)
{
    struct parts *p = s->parts;
    const struct part *part = &p->part[k];
    struct curve_bounds b = bounds_over(s->frame->drive, part->t0, part->t1);
    double h = part->t1 - part->t0;
    double rest = h / p->omega * (b.u_error + s->frame->a_most * b.v_error) + h * b.d_error;
    /* Roundings of different parts are independent and half cancel, but not all are: x itself is
     * rounded. */
    double share = fmax(0.25, fmin(1, 3.5 / sqrt((double)p->count)));
    p->cross[k] = error + ROUNDING * share * 0.5 * DBL_EPSILON * size;
    for (size_t node = k; node <= k + 1; node++) {
        p->node[node] += SAFETY_W * 0.5 * rest;
        p->node_q[node] += SAFETY_W * 0.5 * h / p->omega * b.w_error;
    }
}

static int fill_part(struct filler *s, size_t k, struct err *err)
{
    struct parts *p = s->parts;
    const struct frame *f = s->frame;
    struct part *part = &p->part[k];
    double h = part->t1 - part->t0, rest, dropped, truncated = 0, scale = 1;
    double x = f->a_radius / f->a_scale, y = f->q_radius / f->q_scale;
    struct curve_bounds b = bounds_over(f->drive, part->t0, part->t1);
    struct majorant m = majorant(p, f, &b, h);
    int n = degree(&m, 0.25 * f->target, &rest);
    if (cross_part(s, part->t0, part->t1, n) != 0)
        return err_set(err, ERR_OTHER, "no step is possible near t = %.9g", part->t0);
    part->na = economise(s, n, x, y, 0.5 * f->target, &dropped);
    /* Powers of q that no longer matter. Their sums are bounded by the sums of all their terms. */
    double sum[SERIES_SIDE] = {0};
    for (int j = 0; j <= n; j++, scale *= y)
        for (int e = 0; e < 4; e++)
            for (int i = 0; i <= n - j; i++)
                sum[j] += fabs(s->chebyshev[e][j][i]) * scale;
    for (part->nq = n; part->nq > 0; part->nq--) {
        if (truncated + sum[part->nq] > 0.125 * f->target)
            break;
        truncated += sum[part->nq];
    }
    weigh(s, k, rest + dropped + truncated, pack(s, part, n, x, y));
    return 0;
}

int parts_fill(struct parts *p, const struct frame *f, struct err *err)
{
    struct filler *s = mem_alloc(1, sizeof *s);
    int rc = 0;
    s->parts = p;
    s->frame = f;
    gauss_init(&s->gauss4, 4);
    gauss_init(&s->gauss8, 8);
    gauss_init(&s->gauss16, 16);
    p->cross = mem_alloc(p->count + 1, sizeof *p->cross);
    p->node = mem_alloc(p->count + 1, sizeof *p->node);
    p->node_q = mem_alloc(p->count + 1, sizeof *p->node_q);
    /* The start values are rounded, too. */
    p->node[0] = 2 * DBL_EPSILON;
    for (size_t k = 0; rc == 0 && k < p->count; k++)
        rc = fill_part(s, k, err);
    for (int i = 0; i < STACK; i++)
        free(s->stack[i].series);
    free(s);
    return rc;
}
