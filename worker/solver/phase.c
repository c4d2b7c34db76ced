/* See phase.h: the stretches of a job, and what a point costs with them. */
#include "phase_private.h"

#include "buf.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- atoms: between the joints of all curves, and output times ---- */

static int by_time(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static size_t add_joints(const struct curve *c, double from, double last, double *at)
{
    size_t n = 0;
    for (size_t k = 0; k < c->count; k++)
        if (c->segments[k].t0 > from && c->segments[k].t0 < last)
            at[n++] = c->segments[k].t0;
    return n;
}

static void make_atoms(struct phase *p)
{
    const struct drive *d = p->drive;
    const struct outputs *o = &p->sweep->outputs;
    double from = p->sweep->from, last = p->sweep->last;
    size_t n = 0, count = d->w.count + d->u.count + d->v.count + d->damping.count;
    p->atom = mem_alloc(count + o->record_count + 2, sizeof *p->atom);
    p->atom[n++] = from;
    n += add_joints(&d->w, from, last, p->atom + n);
    n += add_joints(&d->u, from, last, p->atom + n);
    n += add_joints(&d->v, from, last, p->atom + n);
    n += add_joints(&d->damping, from, last, p->atom + n);
    for (size_t k = 0; k < o->record_count; k++)
        p->atom[n++] = o->record[k];
    qsort(p->atom, n, sizeof *p->atom, by_time);
    size_t distinct = 1;
    for (size_t k = 1; k < n; k++)
        if (p->atom[k] > p->atom[distinct - 1])
            p->atom[distinct++] = p->atom[k];
    p->atom_count = distinct - 1;
}

/* ---- the tree ---- */

/* The joint that halves a span best: nearest to its middle. */
static size_t middle_of(const struct phase *p, size_t first, size_t last)
{
    double middle = p->atom[first] + (p->atom[last] - p->atom[first]) / 2;
    size_t low = first + 1, high = last - 1;
    while (low < high) {
        size_t k = low + (high - low) / 2;
        if (p->atom[k] < middle)
            low = k + 1;
        else
            high = k;
    }
    if (low > first + 1 && middle - p->atom[low - 1] < p->atom[low] - middle)
        low--;
    return low;
}

size_t phase_add_span(struct phase *p, const struct phase_span *span)
{
    if (p->span_count == p->span_cap) {
        p->span_cap = p->span_cap != 0 ? 2 * p->span_cap : 64;
        p->span = mem_resize(p->span, p->span_cap, sizeof *p->span);
    }
    size_t at = p->span_count++;
    struct phase_span *s = &p->span[at];
    *s = *span;
    s->child[0] = s->child[1] = PHASE_NONE;
    if (s->last - s->first == 1 && at < PHASE_PIECES) {
        s->sample = mem_alloc(1, sizeof *s->sample);
        phase_sample_atom(p, s->t0, s->t1, s->sample);
    }
    return at;
}

static size_t add_tree(struct phase *p, size_t first, size_t last)
{
    struct phase_span span = {
        .t0 = p->atom[first], .t1 = p->atom[last], .first = first, .last = last};
    if (last - first > 1) {
        struct phase_sample s;
        if (phase_sample_span(p, first, last, &s)) {
            span.sample = mem_alloc(1, sizeof s);
            *span.sample = s;
        }
    }
    size_t at = phase_add_span(p, &span);
    if (last - first > 1) {
        size_t middle = middle_of(p, first, last);
        size_t early = add_tree(p, first, middle), late = add_tree(p, middle, last);
        p->span[at].child[0] = early;
        p->span[at].child[1] = late;
    }
    return at;
}

static void make_spans(struct phase *p)
{
    const struct outputs *o = &p->sweep->outputs;
    size_t from = 0;
    p->root = mem_alloc(o->record_count + 1, sizeof *p->root);
    for (size_t r = 0; r < o->record_count; r++) {
        size_t to = from;
        while (p->atom[to] < o->record[r])
            to++;
        p->root[r] = to > from ? add_tree(p, from, to) : PHASE_NONE;
        from = to;
    }
}

/* ---- life ---- */

static void init_tables(struct phase *p)
{
    gauss_init(&p->gauss, GAUSS_MAX);
    phase_tables_init(&p->tables, &p->gauss);
    for (int i = 0; i < PHASE_POINTS; i++) {
        double x = i < 16 ? 2 * p->gauss.x[i] - 1 : i == 16 ? -1 : 1;
        double value[3][GAUSS_MAX];
        phase_legendre(x, value[0], value[1], value[2]);
        for (int d = 0; d < 3; d++)
            for (int k = 0; k < GAUSS_MAX; k++)
                p->legendre[d][k][i] = value[d][k];
    }
    p->powers[0][0] = p->powers[1][1] = 1;
    for (int k = 1; k + 1 < GAUSS_MAX; k++) {
        for (int i = 0; i <= k; i++)
            p->powers[k + 1][i + 1] = (2 * k + 1) * p->powers[k][i] / (k + 1);
        for (int i = 0; i < k; i++)
            p->powers[k + 1][i] -= k * p->powers[k - 1][i] / (k + 1);
    }
}

struct phase *phase_create(const struct sweep *s)
{
    struct phase *p = mem_alloc(1, sizeof *p);
    p->sweep = s;
    p->drive = s->drive;
    p->has[PHASE_W] = 1;
    p->has_damping = s->drive->damping.count != 0;
    p->has[PHASE_U] = s->drive->u.count != 0 || p->has_damping;
    p->has[PHASE_V] = s->drive->v.count != 0;
    p->a_most = fmax(fabs(s->grid.a_min), fabs(s->grid.a_max));
    p->q_most = fmax(fabs(s->grid.q_min), fabs(s->grid.q_max));
    init_tables(p);
    make_atoms(p);
    make_spans(p);
    p->point_ns = phase_look(p);
    return p;
}

void phase_destroy(struct phase *p)
{
    if (p == NULL)
        return;
    for (size_t k = 0; k < p->span_count; k++)
        free(p->span[k].sample);
    free(p->span);
    free(p->atom);
    free(p->root);
    free(p);
}

double phase_point_ns(const struct phase *p)
{
    return p->point_ns;
}

#define MANY 100 /* stretches of a point, times a strip: 2 MB */

size_t phase_together(const struct phase *p)
{
    size_t lanes = STRIP;
    while (lanes > LANES && (double)lanes * p->stretches > (double)STRIP * MANY)
        lanes /= 2;
    return lanes;
}
