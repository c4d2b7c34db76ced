/* Walks a block: rows of one q, strips of a row, chunks of 32 points; then the strip is stored. */
#include "lanes.h"
#include "store.h"

#include "buf.h"
#include <stdlib.h>
#include <string.h>

#define SLICE_NS 5e5 /* estimated work between two calls of yield */

struct solver {
    const struct sweep *sweep;
    struct lanes_work *lanes;
    struct strip strip;
    double q[STRIP]; /* strip.q as a column */
    struct store *store;
    double work_ns, chunk_ns;
};

struct solver *solver_create_with(const struct sweep *s, const struct kernel *kernel)
{
    struct solver *solver = mem_alloc(1, sizeof *solver);
    size_t quantities = s->outputs.quantity_count;
    solver->sweep = s;
    solver->lanes = lanes_create(s, kernel);
    solver->strip.value = mem_alloc(quantities * STRIP + 1, sizeof(double));
    solver->strip.error = mem_alloc(quantities * STRIP + 1, sizeof(double));
    solver->store = store_create(&s->outputs);
    solver->chunk_ns = LANES * sweep_point_cost_ns(s);
    return solver;
}

struct solver *solver_create(const struct sweep *s)
{
    return solver_create_with(s, kernel_find(NULL));
}

void solver_destroy(struct solver *s)
{
    if (s == NULL)
        return;
    lanes_destroy(s->lanes);
    free(s->strip.value);
    free(s->strip.error);
    store_destroy(s->store);
    free(s);
}

const char *solver_reason(const struct solver *s)
{
    return store_reason(s->store);
}

/* Fills the strip with `count` points of a row and their start values. */
static void load(struct solver *s, size_t q, size_t a, size_t count)
{
    const struct sweep *w = s->sweep;
    s->strip.count = count;
    s->strip.q = w->q[q];
    memcpy(s->strip.a, w->a + a, count * sizeof(double));
    for (size_t i = 0; i < count; i++)
        s->q[i] = s->strip.q;
    const double *in[] = {s->strip.a, s->q};
    for (int c = 0; c < 2; c++)
        expr_eval_batch(w->start[c], count, in, s->strip.start[c]);
}

static int stopped(struct solver *s, solver_yield_fn *yield, void *arg, size_t done)
{
    s->work_ns += s->chunk_ns;
    if (s->work_ns < SLICE_NS || yield == NULL)
        return 0;
    s->work_ns = 0;
    return yield(arg, done) != 0;
}

/* Solves the strip, level by level; `done` points of the block came before it. */
static int solve_strip(struct solver *s, solver_yield_fn *yield, void *arg, size_t done)
{
    uint16_t at[STRIP], again[STRIP];
    size_t count = s->strip.count;
    for (size_t i = 0; i < count; i++)
        at[i] = (uint16_t)i;
    for (int level = 0; count > 0 && lanes_row(s->lanes, level, s->strip.q); level++) {
        size_t rest = 0;
        for (size_t k = 0; k < count; k += LANES) {
            size_t n = count - k < LANES ? count - k : LANES;
            rest += lanes_solve(s->lanes, &s->strip, at + k, n, again + rest);
            if (stopped(s, yield, arg, done))
                return -1;
        }
        memcpy(at, again, rest * sizeof *at);
        count = rest;
    }
    return 0;
}

int solver_block(struct solver *s, const struct block *b, double *const *fields,
                 float *const *errors, uint8_t *status, solver_yield_fn *yield, void *arg)
{
    struct sink to = {fields, errors, status};
    size_t width = b->a1 - b->a0;
    store_begin(s->store);
    s->work_ns = 0;
    for (size_t q = b->q0; q < b->q1; q++) {
        for (size_t a = b->a0; a < b->a1; a += STRIP) {
            size_t offset = (q - b->q0) * width + (a - b->a0);
            load(s, q, a, b->a1 - a < STRIP ? b->a1 - a : STRIP);
            if (solve_strip(s, yield, arg, offset) != 0)
                return -1;
            struct points points = {.count = s->strip.count,
                                    .q = s->q,
                                    .a = s->strip.a,
                                    .start = {s->strip.start[0], s->strip.start[1]},
                                    .value = s->strip.value,
                                    .error = s->strip.error,
                                    .limited = s->strip.limited};
            store_points(s->store, &points, &to, offset);
        }
    }
    return 0;
}
