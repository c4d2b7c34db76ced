/* Lanes on their way: a stretch for those that come to it, its halves for those that it is too long
 * for. Every choice looks at a lane's own numbers, so that a point's bits do not depend on its
 * neighbours. */
#include "phase_private.h"

#include "buf.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 64 /* halvings of an atom; what is left then is a few ulps of time */

/* Where a stretch is: in the tree, or a piece of an atom that is not. */
struct place {
    double t0, t1;
    size_t span; /* PHASE_NONE: not in the tree */
    int depth;
};

struct phase_work *phase_work_create(const struct phase *p, const struct kernel *kernel)
{
    struct phase_work *w = mem_alloc(1, sizeof *w);
    w->p = p;
    w->kernel = phase_kernel_of(kernel);
    w->pass = phase_pass_of(kernel);
    w->limit = INFINITY;
    w->a = lanes_array(LANES);
    w->record = mem_alloc((p->sweep->outputs.record_count + 1) * LANES, sizeof *w->record);
    return w;
}

void phase_work_destroy(struct phase_work *w)
{
    if (w == NULL)
        return;
    free(w->a);
    free(w->record);
    free(w->entry);
    free(w->state);
    free(w);
}

static void make_room(struct phase_work *w, size_t n)
{
    if (n < w->cap)
        return;
    size_t cap = w->cap != 0 ? 2 * w->cap : 64;
    double *entry = lanes_array(cap * PHASE_ENTRIES * LANES);
    if (w->cap != 0)
        memcpy(entry, w->entry, w->cap * sizeof *w->entry);
    free(w->entry);
    free(w->state);
    w->entry = (double(*)[PHASE_ENTRIES][LANES])(void *)entry;
    w->state = (double(*)[3][LANES])(void *)lanes_array((cap + 1) * 3 * LANES);
    w->cap = cap;
}

/* Takes the propagators of the lanes that are through; returns the number of those that are not. */
static size_t collect(struct phase_work *w, const uint8_t *lane, size_t n, double (*out)[LANES],
                      const int64_t *solved, uint8_t *rest)
{
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        size_t k = lane[i], at = w->count[k];
        if (solved[i] == 0) {
            rest[left++] = (uint8_t)k;
            continue;
        }
        make_room(w, at);
        for (int e = 0; e < PHASE_ENTRIES; e++)
            w->entry[at][e][k] = out[e][i];
        w->count[k] = at + 1;
        w->phases += solved[i] == 1;
        w->leaves += solved[i] != 1;
    }
    return left;
}

static const struct phase_sample *sample_of(struct phase_work *w, const struct place *p)
{
    if (p->span != PHASE_NONE) {
        const struct phase_span *span = &w->p->span[p->span];
        if (span->skip)
            return NULL;
        if (span->sample != NULL || span->last - span->first > 1)
            return span->sample;
    }
    phase_sample_atom(w->p, p->t0, p->t1, &w->sample);
    return &w->sample;
}

/* Puts the halves of a piece of an atom into the tree. */
static void add_halves(struct phase *p, size_t parent, double middle)
{
    struct phase_span half = p->span[parent];
    double end = half.t1;
    half.depth++;
    half.skip = 0;
    half.tried = half.passed = 0;
    half.sample = NULL;
    half.t1 = middle;
    size_t early = phase_add_span(p, &half);
    half.t0 = middle;
    half.t1 = end;
    size_t late = phase_add_span(p, &half);
    p->span[parent].child[0] = early;
    p->span[parent].child[1] = late;
}

/* 0: it cannot be halved. */
static int halves_of(struct phase_work *w, const struct place *p, struct place half[2])
{
    double middle = p->t0 + (p->t1 - p->t0) / 2;
    if (p->span != PHASE_NONE && w->p->span[p->span].child[0] != PHASE_NONE) {
        const struct phase_span *span = &w->p->span[p->span];
        for (int i = 0; i < 2; i++) {
            const struct phase_span *child = &w->p->span[span->child[i]];
            half[i] = (struct place){child->t0, child->t1, span->child[i], child->depth};
        }
        return 1;
    }
    if (!(middle > p->t0 && middle < p->t1) || p->depth >= DEPTH)
        return 0;
    half[0] = (struct place){p->t0, middle, PHASE_NONE, p->depth + 1};
    half[1] = (struct place){middle, p->t1, PHASE_NONE, p->depth + 1};
    return 1;
}

static void remember(struct phase_work *w, const struct place *p, size_t tried, size_t left,
                     struct place half[2])
{
    struct phase_span *span = &w->look->span[p->span];
    span->tried += tried;
    span->passed += tried - left;
    if (left == 0 || span->child[0] != PHASE_NONE || w->look->span_count + 2 > PHASE_PIECES ||
        half[0].t1 <= p->t0)
        return;
    add_halves(w->look, p->span, half[0].t1);
    halves_of(w, p, half);
}

static void cross(struct phase_work *w, const struct place *p, const uint8_t *lane, size_t n)
{
    _Alignas(64) double a[LANES], out[PHASE_ENTRIES][LANES];
    _Alignas(64) int64_t solved[LANES];
    uint8_t rest[LANES];
    struct place half[2];
    struct phase_stretch stretch;
    const struct phase_sample *sample = sample_of(w, p);
    int can_halve = halves_of(w, p, half);
    size_t left = n;
    memcpy(rest, lane, n);
    if (sample != NULL) {
        for (size_t i = 0; i < LANES; i++)
            a[i] = w->a[lane[i < n ? i : n - 1]];
        phase_row(w->p, sample, w->q, &stretch);
        w->kernel->solve(&w->p->tables, &stretch, n, a, w->target, !can_halve, out, solved);
        w->visits += (double)n;
        left = collect(w, lane, n, out, solved, rest);
        if (w->look != NULL && p->span != PHASE_NONE && can_halve)
            remember(w, p, n, left, half);
    }
    for (int i = 0; i < 2 && left > 0 && !(w->visits > w->limit); i++)
        cross(w, &half[i], rest, left);
}

/* Lanes that have crossed fewer stretches than others stand still in the end. */
static void pad(struct phase_work *w)
{
    make_room(w, w->most);
    for (size_t k = 0; k < LANES; k++) {
        for (size_t n = w->count[k]; n < w->most; n++) {
            for (int e = 0; e < PHASE_ENTRIES; e++)
                w->entry[n][e][k] = 0;
            w->entry[n][PHASE_ZZ][k] = w->entry[n][PHASE_PP][k] = 1;
            w->entry[n][PHASE_BEFORE][k] = w->entry[n][PHASE_AFTER][k] = 1;
        }
    }
}

void phase_walk(struct phase_work *w)
{
    const struct phase *p = w->p;
    uint8_t lane[LANES];
    memset(w->count, 0, sizeof w->count);
    for (size_t k = 0; k < LANES; k++)
        lane[k] = (uint8_t)k;
    for (size_t r = 0; r < p->sweep->outputs.record_count; r++) {
        if (p->root[r] != PHASE_NONE) {
            const struct phase_span *span = &p->span[p->root[r]];
            struct place place = {span->t0, span->t1, p->root[r], 0};
            cross(w, &place, lane, w->lanes);
        }
        for (size_t k = 0; k < LANES; k++)
            w->record[r * LANES + k] = w->count[k];
    }
    w->most = 0;
    for (size_t k = 0; k < w->lanes; k++)
        w->most = w->count[k] > w->most ? w->count[k] : w->most;
    pad(w);
}

/* ---- what it costs ---- */

#define SAMPLES  5   /* of each axis */
#define NS_PHASE 45  /* a stretch by phase of one lane, or one that must be halved */
#define NS_LEAF  20  /* by Taylor series */
#define NS_ENTRY 2   /* forwards, or backwards for a probe */
#define NS_POINT 120 /* and whatever else a point takes */

static double sample_of_axis(const double *x, size_t n, size_t i)
{
    return x[i * (n - 1) / (SAMPLES - 1)];
}

/* Walks over the samples of the grid; returns the mean time of a point. */
static double walk_samples(struct phase_work *w)
{
    const struct sweep *s = w->p->sweep;
    double passes = (double)s->outputs.probe_count, ns = 0;
    for (int v = 0; v < VECTOR_COUNT; v++)
        passes += s->outputs.uses[v] != 0;
    for (size_t i = 0; i < SAMPLES && ns < INFINITY; i++) {
        w->q = sample_of_axis(s->q, s->q_count, i);
        w->phases = w->leaves = w->visits = 0;
        w->limit = (double)SAMPLES * PHASE_MOST;
        phase_walk(w);
        ns += w->visits > w->limit ? INFINITY
                                   : NS_PHASE * (w->visits - w->leaves) + NS_LEAF * w->leaves +
                                         NS_ENTRY * passes * (w->phases + w->leaves);
    }
    return NS_POINT + ns / (SAMPLES * SAMPLES);
}

double phase_look(struct phase *p)
{
    const struct sweep *s = p->sweep;
    struct phase_work *w = phase_work_create(p, kernel_find(NULL));
    w->target = phase_target(p, 0);
    w->lanes = SAMPLES;
    for (size_t i = 0; i < LANES; i++)
        w->a[i] = sample_of_axis(s->a, s->a_count, i < SAMPLES ? i : SAMPLES - 1);
    w->look = p;
    double ns = walk_samples(w);
    for (size_t k = 0; k < p->span_count; k++)
        p->span[k].skip =
            p->span[k].tried > 0 && p->span[k].passed == 0 && p->span[k].child[0] != PHASE_NONE;
    w->look = NULL;
    if (ns < INFINITY)
        ns = walk_samples(w);
    phase_work_destroy(w);
    return ns;
}
