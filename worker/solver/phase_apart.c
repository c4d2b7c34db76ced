/* Near turning points every point has its own: there the lanes of a vector are each on a stretch of
 * its own, so that none of them waits for the others. */
#include "phase_private.h"

#include <math.h>
#include <string.h>

/* The lane's next stretch was crossed; returns whether there is another. */
static int next_stretch(struct phase_apart *s)
{
    s->t0 = s->end[--s->count];
    return s->count > 0;
}

/* Puts the first half on top; 0 when there is no middle. */
static int halve(struct phase_apart *s)
{
    int top = s->count - 1, depth = s->depth[top];
    double end = s->end[top], middle = s->t0 + (end - s->t0) / 2;
    if (!(middle > s->t0 && middle < end) || depth >= PHASE_DEPTH)
        return 0;
    s->depth[top] = (uint8_t)(depth + 1);
    s->depth[top + 1] = (uint8_t)(depth + 1);
    s->end[top + 1] = middle;
    s->count++;
    return 1;
}

/* The current stretches of up to PHASE_BLOCK lanes: solved[i] tells how. */
static void solve_block(struct phase_work *w, const struct phase_atom *atom, const uint16_t *lane,
                        size_t n, int force, double (*out)[LANES], int64_t *solved)
{
    _Alignas(64) double t0[PHASE_BLOCK], t1[PHASE_BLOCK], a[PHASE_BLOCK];
    struct phase_block block;
    for (size_t i = 0; i < PHASE_BLOCK; i++) {
        size_t k = lane[i < n ? i : n - 1];
        t0[i] = w->apart[k].t0;
        t1[i] = w->apart[k].end[w->apart[k].count - 1];
        a[i] = w->a[k];
    }
    w->each->fill(atom, w->q, t0, t1, &block);
    w->kernel->solve_each(&w->p->tables, &block, n, a, w->target, force, out, solved);
    w->visits += (double)n;
}

/* One step of a block of lanes; returns how many of them have something left to do, listed in
 * still[]. */
static size_t step(struct phase_work *w, const struct phase_atom *atom, const uint16_t *lane,
                   size_t n, uint16_t *still)
{
    _Alignas(64) double out[PHASE_ENTRIES][LANES];
    _Alignas(64) int64_t solved[LANES], one[LANES];
    size_t left = 0;
    solve_block(w, atom, lane, n, 0, out, solved);
    for (size_t i = 0; i < n; i++) {
        struct phase_apart *s = &w->apart[lane[i]];
        int goes_on = 1;
        if (solved[i] != 0) {
            phase_append(w, lane[i], out, i, solved[i]);
            goes_on = next_stretch(s);
        } else if (!halve(s)) {
            _Alignas(64) double last[PHASE_ENTRIES][LANES];
            solve_block(w, atom, lane + i, 1, 1, last, one);
            phase_append(w, lane[i], last, 0, one[0]);
            goes_on = next_stretch(s);
        }
        if (goes_on)
            still[left++] = lane[i];
    }
    return left;
}

void phase_cross_apart(struct phase_work *w, double t0, double t1, int depth, const uint16_t *lane,
                       size_t n)
{
    struct phase_atom atom;
    uint16_t now[STRIP], still[STRIP];
    phase_atom_at(w->p, t0 + (t1 - t0) / 2, &atom);
    for (size_t i = 0; i < n; i++) {
        struct phase_apart *s = &w->apart[lane[i]];
        s->t0 = t0;
        s->end[0] = t1;
        s->depth[0] = (uint8_t)depth;
        s->count = 1;
        /* It has been tried as a whole. */
        halve(s);
    }
    memcpy(now, lane, n * sizeof *now);
    while (n > 0 && !(w->visits > w->limit)) {
        size_t left = 0;
        for (size_t at = 0; at < n; at += PHASE_BLOCK)
            left +=
                step(w, &atom, now + at, n - at < PHASE_BLOCK ? n - at : PHASE_BLOCK, still + left);
        memcpy(now, still, left * sizeof *now);
        n = left;
    }
}
