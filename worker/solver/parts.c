/* Where the parts end. What a part looks like inside is in parts_fill.c. */
#include "parts.h"

#include "buf.h"
#include "chebyshev.h"
#include "parts_private.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CELLS 64 /* resolution at which lengths of parts follow w */

struct curve_bounds bounds_over(const struct drive *d, double t0, double t1)
{
    struct curve_bounds b;
    drive_bounds(&d->w, t0, t1, 0, &b.w, &b.w_error);
    drive_bounds(&d->u, t0, t1, 0, &b.u, &b.u_error);
    drive_bounds(&d->v, t0, t1, 1, &b.v, &b.v_error);
    drive_bounds(&d->damping, t0, t1, 0, &b.d, &b.d_error);
    return b;
}

static double largest(double a, double b)
{
    return fmax(fabs(a), fabs(b));
}

double parts_stiffness(const struct drive *d, double a, double q, double from, double to)
{
    struct curve_bounds b = bounds_over(d, from, to);
    return b.u + a * b.v + q * b.w;
}

/* Integral of sqrt(max |K|) over each cell of [t0, t1]; returns the sum. */
static double measure(const struct drive *d, const struct grid *g, double t0, double t1,
                      double cell[CELLS])
{
    double sum = 0, a = largest(g->a_min, g->a_max), q = largest(g->q_min, g->q_max);
    for (int i = 0; i < CELLS; i++) {
        double from = t0 + (t1 - t0) / CELLS * i, to = t0 + (t1 - t0) / CELLS * (i + 1);
        struct curve_bounds b = bounds_over(d, from, to);
        cell[i] = (to - from) * (sqrt(b.u + a * b.v + q * b.w) + b.d);
        sum += cell[i];
    }
    return sum;
}

static double parts_needed(double sum, double reach)
{
    double n = ceil(sum / reach);
    return n < 1 ? 1 : n;
}

static void add_part(struct parts *p, size_t *cap, double t0, double t1)
{
    if (p->count == *cap) {
        *cap = *cap != 0 ? 2 * *cap : 16;
        p->part = mem_resize(p->part, *cap, sizeof *p->part);
    }
    p->part[p->count++] = (struct part){.t0 = t0, .t1 = t1};
}

/* Cuts [t0, t1] where the integral passes equal shares. */
static int cut_interval(struct parts *p, size_t *cap, const struct drive *d, const struct grid *g,
                        double t0, double t1)
{
    double cell[CELLS], sum = measure(d, g, t0, t1, cell), passed = 0, t = t0;
    double n = parts_needed(sum, p->reach), k = 1;
    if (!(n + (double)p->count <= PARTS_MAX))
        return -1;
    for (int i = 0; i < CELLS && k < n; i++) {
        for (; k < n && passed + cell[i] > sum / n * k; k++) {
            double end = t0 + (t1 - t0) / CELLS * (i + (sum / n * k - passed) / cell[i]);
            if (end > t && end < t1) {
                add_part(p, cap, t, end);
                t = end;
            }
        }
        passed += cell[i];
    }
    add_part(p, cap, t, t1);
    return 0;
}

/* Too many parts: a long or fast job, or a drive that all but blows up somewhere. */
static int refuse_cut(const struct drive *d, struct err *err)
{
    const struct segment *worst = d->w.segments;
    for (size_t k = 1; k < d->w.count; k++)
        if (d->w.segments[k].bound > worst->bound)
            worst = &d->w.segments[k];
    err_set(err, ERR_JOB_REFUSED,
            "the solution oscillates or grows too fast for this solver (more than %d parts): |w| "
            "reaches %.3g near t = %.6g",
            PARTS_MAX, worst->bound, worst->t0);
    return err_hint(err,
                    "make grid.a, grid.q or z.t smaller, or keep w.t away from where w is large");
}

static int cut(struct parts *p, const struct drive *d, const struct grid *g, double from,
               const double *record, size_t record_count, struct err *err)
{
    size_t cap = 0;
    double t = from;
    for (size_t k = 0; k < record_count; k++) {
        if (record[k] > t && cut_interval(p, &cap, d, g, t, record[k]) != 0) {
            return refuse_cut(d, err);
        }
        t = record[k];
        p->record[k] = p->count;
    }
    return 0;
}

/* The smallest power of two that is at least x; x = 0 gives 1. */
static double power_of_two(double x)
{
    int exponent;
    double fraction = frexp(x, &exponent);
    return x == 0 ? 1 : ldexp(1, fraction == 0.5 ? exponent - 1 : exponent);
}

static void centre(struct parts *p, const struct grid *g, struct frame *f)
{
    p->a0 = 0.5 * g->a_min + 0.5 * g->a_max;
    p->q0 = 0.5 * g->q_min + 0.5 * g->q_max;
    f->a_radius = fmax(g->a_max - p->a0, p->a0 - g->a_min);
    f->q_radius = fmax(g->q_max - p->q0, p->q0 - g->q_min);
    f->a_scale = power_of_two(f->a_radius);
    f->q_scale = power_of_two(f->q_radius);
    p->a_inverse = 1 / f->a_scale;
    p->q_inverse = 1 / f->q_scale;
    f->a_most = largest(g->a_min, g->a_max);
}

int parts_create(const struct drive *d, const struct grid *g, double from, const double *record,
                 size_t record_count, double reach, double target, struct parts **out,
                 struct err *err)
{
    struct parts *p = mem_alloc(1, sizeof *p);
    double last = record_count > 0 ? record[record_count - 1] : from;
    struct frame f = {.drive = d, .target = target};
    p->reach = reach;
    p->record = mem_alloc(record_count + 1, sizeof *p->record);
    centre(p, g, &f);
    double slowest = last > from ? 1 / (last - from) : 1;
    p->omega = power_of_two(
        fmax(slowest, sqrt(parts_stiffness(d, f.a_most, largest(g->q_min, g->q_max), from, last))));
    p->rate = fmin(p->omega, power_of_two(fmax(1, slowest)));
    /* A part multiplies by less than e^reach times a few; states are kept between 2^-300 and 2^300.
     */
    p->every = (size_t)(200 / (reach + 3));
    if (cut(p, d, g, from, record, record_count, err) != 0 || parts_fill(p, &f, err) != 0) {
        parts_destroy(p);
        return -1;
    }
    *out = p;
    return 0;
}

void parts_destroy(struct parts *p)
{
    if (p == NULL)
        return;
    free(p->part);
    free(p->coef);
    free(p->record);
    free(p->cross);
    free(p->node);
    free(p->node_q);
    free(p);
}

double *parts_room(struct parts *p, struct part *part)
{
    part->width = ((size_t)(part->na + 1) * 4 + 7) / 8 * 8;
    size_t count = part->width * (size_t)(part->nq + 1);
    if (p->coef_count + count > p->coef_cap) {
        double *old = p->coef;
        p->coef_cap = 2 * (p->coef_cap + count);
        p->coef = lanes_array(p->coef_cap);
        if (old != NULL)
            memcpy(p->coef, old, p->coef_count * sizeof *old);
        free(old);
    }
    part->coef = p->coef_count;
    part->row = p->row_count;
    p->coef_count += count;
    p->row_count += part->width;
    return memset(p->coef + part->coef, 0, count * sizeof(double));
}

void parts_weights(const struct parts *p, double q, double *weight)
{
    double y = (q - p->q0) * p->q_inverse;
    if (p->chebyshev) {
        chebyshev_values(y, PARTS_WEIGHTS, weight);
        return;
    }
    weight[0] = 1;
    for (int j = 1; j < PARTS_WEIGHTS; j++)
        weight[j] = weight[j - 1] * y;
}

double parts_operations(const struct parts *p)
{
    double sum = 0;
    for (size_t n = 0; n < p->count; n++)
        sum += 4 * p->part[n].na + 20;
    return sum;
}

/* cosh without libm: enough terms for what is asked here. */
static double growth(double x)
{
    double term = 1, sum = 1;
    for (int k = 1; k < 60; k++) {
        term *= x * x / ((2.0 * k) * (2.0 * k - 1));
        sum += term;
    }
    return sum;
}

/* Degree of a Chebyshev series of cosh(sqrt(X)), X over an interval of length 2 r. */
static int degree(double r, double target)
{
    double term = 2;
    int n = 0;
    while (term > target && n < 60) {
        n++;
        term *= r / 2 / ((2.0 * n) * (2.0 * n - 1));
    }
    return n;
}

/* Parts of a given reach, and the longest of them by that measure. */
static double count_parts(const struct drive *d, const struct grid *g, double from,
                          const double *record, size_t record_count, double reach, double *longest)
{
    double cell[CELLS], t = from, parts = 0;
    *longest = 0;
    for (size_t k = 0; k < record_count; k++) {
        if (!(record[k] > t))
            continue;
        double sum = measure(d, g, t, record[k], cell), n = parts_needed(sum, reach);
        parts += n;
        *longest = fmax(*longest, sum / n);
        t = record[k];
    }
    return parts;
}

double parts_estimate(const struct drive *d, const struct grid *g, double from,
                      const double *record, size_t record_count, double reach)
{
    double longest;
    return count_parts(d, g, from, record, record_count, reach, &longest);
}

#define OPERATION_NS 0.07 /* of one core of a server, and */
#define POINT_NS     15   /* what a point takes apart from them */

double parts_reach(const struct drive *d, const struct grid *g, double from, const double *record,
                   size_t record_count, double tolerance, double *point_ns)
{
    static const double choice[] = {2, 2.5, 3, 4, 5, 6, 8, 10};
    double best = choice[0], best_cost = INFINITY;
    *point_ns = POINT_NS;
    for (size_t c = 0; c < sizeof choice / sizeof *choice; c++) {
        /* Rounding grows with the terms of the series; it may have a part of the tolerance. */
        double reach = choice[c], longest;
        if (c > 0 && 32 * DBL_EPSILON * growth(reach) > 0.1 * tolerance)
            break;
        double parts = count_parts(d, g, from, record, record_count, reach, &longest);
        double n = degree(longest * longest, 1e-3 * tolerance);
        double terms = n * n / 2, setup = (longest / 3 + 1) * terms * (800 + terms);
        double cost = parts * ((4 * n + 20) * g->points + setup);
        if (cost < best_cost) {
            best_cost = cost;
            best = reach;
            *point_ns = POINT_NS + OPERATION_NS * parts * (4 * n + 20);
        }
    }
    return best;
}
