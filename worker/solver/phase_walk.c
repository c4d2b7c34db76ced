/* Lanes on their way: a stretch for those that come to it, its halves for those that it is too long
 * for. Every choice looks at a lane's own numbers, so that a point's bits do not depend on its
 * neighbours. */
#include "phase_private.h"

#include "buf.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TOGETHER 8 /* lanes that share a stretch pay for looking at it */

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
    w->each = phase_each_of(kernel);
    w->apart = mem_alloc(STRIP, sizeof *w->apart);
    w->limit = INFINITY;
    w->a = lanes_array(STRIP);
    for (int i = 0; i < PHASE_PACKS; i++)
        w->pack[i].record = mem_alloc((p->sweep->outputs.record_count + 1) * LANES, sizeof(size_t));
    return w;
}

void phase_work_destroy(struct phase_work *w)
{
    if (w == NULL)
        return;
    for (int i = 0; i < PHASE_PACKS; i++) {
        free(w->pack[i].record);
        free(w->pack[i].entry);
    }
    free(w->a);
    free(w->apart);
    free(w->state);
    free(w);
}

/* For entry n. */
static void make_room(struct phase_pack *pack, size_t n)
{
    if (n < pack->cap)
        return;
    size_t cap = pack->cap != 0 ? 2 * pack->cap : 16;
    double *entry = lanes_array(cap * PHASE_ENTRIES * LANES);
    if (pack->cap != 0)
        memcpy(entry, pack->entry, pack->cap * sizeof *pack->entry);
    free(pack->entry);
    pack->entry = (double(*)[PHASE_ENTRIES][LANES])(void *)entry;
    pack->cap = cap;
}

void phase_append(struct phase_work *w, size_t lane, double (*out)[LANES], size_t i, int64_t how)
{
    struct phase_pack *pack = &w->pack[lane / LANES];
    size_t k = lane % LANES, at = pack->count[k]++;
    make_room(pack, at);
    for (int e = 0; e < PHASE_ENTRIES; e++)
        pack->entry[at][e][k] = out[e][i];
    w->phases += how == 1;
    w->leaves += how != 1;
}

/* Takes the propagators of the lanes that are through, lists the others in rest[] and returns their
 * number. */
static size_t collect(struct phase_work *w, const uint16_t *lane, size_t n, double (*out)[LANES],
                      const int64_t *solved, uint16_t *rest)
{
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        if (solved[i] == 0)
            rest[left++] = lane[i];
        else
            phase_append(w, lane[i], out, i, solved[i]);
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
    if (!(middle > p->t0 && middle < p->t1) || p->depth >= PHASE_DEPTH)
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

/* One stretch for the lanes that come to it; returns the number of those that it is too long for.
 */
static size_t try_stretch(struct phase_work *w, const struct phase_sample *sample, int force,
                          const uint16_t *lane, size_t n, uint16_t *rest)
{
    _Alignas(64) double a[LANES], out[PHASE_ENTRIES][LANES];
    _Alignas(64) int64_t solved[LANES];
    struct phase_stretch stretch;
    size_t left = 0;
    phase_row(w->p, sample, w->q, &stretch);
    for (size_t from = 0; from < n; from += LANES) {
        size_t count = n - from < LANES ? n - from : LANES;
        for (size_t i = 0; i < LANES; i++)
            a[i] = w->a[lane[from + (i < count ? i : count - 1)]];
        w->kernel->solve(&w->p->tables, &stretch, count, a, w->target, force, out, solved);
        left += collect(w, lane + from, count, out, solved, rest + left);
    }
    w->visits += (double)n;
    return left;
}

/* Whether the lanes that are left had better go their own ways from here, because few would share a
 * stretch. The numbers are the same. */
static int part_now(const struct phase_work *w, const struct place *p, size_t left)
{
    if (w->look != NULL || left > TOGETHER)
        return 0;
    if (p->span == PHASE_NONE)
        return 1;
    const struct phase_span *span = &w->p->span[p->span];
    return span->last - span->first == 1 && !span->skip;
}

static void cross(struct phase_work *w, const struct place *p, const uint16_t *lane, size_t n)
{
    uint16_t rest[STRIP];
    struct place half[2];
    const struct phase_sample *sample = sample_of(w, p);
    int can_halve = halves_of(w, p, half);
    size_t left = n;
    if (sample != NULL) {
        left = try_stretch(w, sample, !can_halve, lane, n, rest);
        lane = rest;
        if (w->look != NULL && p->span != PHASE_NONE && can_halve)
            remember(w, p, n, left, half);
    }
    if (left > 0 && part_now(w, p, left)) {
        phase_cross_apart(w, p->t0, p->t1, p->depth, lane, left);
        return;
    }
    for (int i = 0; i < 2 && left > 0 && !(w->visits > w->limit); i++)
        cross(w, &half[i], lane, left);
}

/* Lanes that have crossed fewer stretches than others stand still in the end. */
static void pad(struct phase_pack *pack, size_t lanes)
{
    pack->most = 0;
    for (size_t k = 0; k < lanes; k++)
        pack->most = pack->count[k] > pack->most ? pack->count[k] : pack->most;
    make_room(pack, pack->most);
    for (size_t k = 0; k < LANES; k++) {
        for (size_t n = pack->count[k]; n < pack->most; n++) {
            for (int e = 0; e < PHASE_ENTRIES; e++)
                pack->entry[n][e][k] = 0;
            pack->entry[n][PHASE_ZZ][k] = pack->entry[n][PHASE_PP][k] = 1;
            pack->entry[n][PHASE_BEFORE][k] = pack->entry[n][PHASE_AFTER][k] = 1;
        }
    }
}

void phase_walk(struct phase_work *w)
{
    const struct phase *p = w->p;
    uint16_t lane[STRIP];
    for (int i = 0; i < PHASE_PACKS; i++)
        memset(w->pack[i].count, 0, sizeof w->pack[i].count);
    for (size_t k = 0; k < STRIP; k++)
        lane[k] = (uint16_t)k;
    for (size_t r = 0; r < p->sweep->outputs.record_count; r++) {
        if (p->root[r] != PHASE_NONE) {
            const struct phase_span *span = &p->span[p->root[r]];
            struct place place = {span->t0, span->t1, p->root[r], 0};
            cross(w, &place, lane, w->lanes);
        }
        for (size_t i = 0; i * LANES < w->lanes; i++)
            memcpy(w->pack[i].record + r * LANES, w->pack[i].count, sizeof w->pack[i].count);
    }
    for (size_t i = 0; i * LANES < w->lanes; i++)
        pad(&w->pack[i], w->lanes - i * LANES < LANES ? w->lanes - i * LANES : LANES);
}

/* ---- what it costs ---- */

#define SAMPLES  5   /* of each axis */
#define NS_PHASE 50  /* a stretch by phase of one lane, or one that must be halved */
#define NS_LEAF  80  /* by Taylor series */
#define NS_ENTRY 2   /* forwards, or backwards for a probe */
#define NS_POINT 120 /* and whatever else a point takes */

static double sample_of_axis(const double *x, size_t n, size_t i)
{
    return x[i * (n - 1) / (SAMPLES - 1)];
}

/* Walks over the samples of the grid; returns the mean time of a point. */
static double walk_samples(struct phase_work *w, double *stretches)
{
    const struct sweep *s = w->p->sweep;
    double passes = (double)s->outputs.probe_count, ns = 0;
    *stretches = 0;
    for (int v = 0; v < VECTOR_COUNT; v++)
        passes += s->outputs.uses[v] != 0;
    for (size_t i = 0; i < SAMPLES && ns < INFINITY; i++) {
        w->q = sample_of_axis(s->q, s->q_count, i);
        w->phases = w->leaves = w->visits = 0;
        w->limit = (double)SAMPLES * PHASE_MOST;
        phase_walk(w);
        *stretches += (w->phases + w->leaves) / (SAMPLES * SAMPLES);
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
    for (size_t i = 0; i < SAMPLES; i++)
        w->a[i] = sample_of_axis(s->a, s->a_count, i);
    w->look = p;
    double ns = walk_samples(w, &p->stretches);
    for (size_t k = 0; k < p->span_count; k++) {
        /* Not pieces of atoms: who goes there alone knows nothing of the tree. */
        p->span[k].skip = p->span[k].tried > 0 && p->span[k].passed == 0 && p->span[k].depth == 0 &&
                          p->span[k].child[0] != PHASE_NONE;
    }
    w->look = NULL;
    if (ns < INFINITY)
        ns = walk_samples(w, &p->stretches);
    phase_work_destroy(w);
    return ns;
}
