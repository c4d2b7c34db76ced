/* Walks a block: tiles, their leaves, rows of one q, strips of a row, chunks of 32 points; then the
 * strip is stored. */
#include "floquet.h"
#include "general.h"
#include "store.h"
#include "tile.h"

#include "buf.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_NS   5e5 /* estimated work between two calls of yield */
#define SURFACE_NS 8   /* a point of a surface */

struct solver {
    const struct sweep *sweep;
    struct lanes_work *lanes;
    struct tile *tile; /* NULL: by points */
    struct strip strip;
    double q[STRIP];         /* strip.q as a column */
    int starts_alike;        /* they are in the strip already */
    struct floquet *floquet; /* NULL: nothing is derived from a monodromy matrix */
    struct store *store;
    double work_ns, chunk_ns;
    struct general_work *general; /* NULL: parts do it */
};

static void load_starts(struct solver *s, size_t count)
{
    const double *in[] = {s->strip.a, s->q};
    for (int c = 0; c < 2; c++)
        expr_eval_batch(s->sweep->start[c], count, in, s->strip.start[c]);
}

struct solver *solver_create_with(const struct sweep *s, const struct kernel *kernel)
{
    struct solver *solver = mem_alloc(1, sizeof *solver);
    size_t quantities = s->outputs.quantity_count;
    solver->sweep = s;
    solver->lanes = lanes_create(s, kernel);
    solver->tile = tile_create(s, kernel);
    if (s->general != NULL)
        solver->general = general_work_create(s, kernel);
    if (s->outputs.derived_count > 0) {
        solver->strip.exponent = mem_alloc(quantities * STRIP, sizeof(double));
        solver->floquet = floquet_create(s, kernel);
    }
    solver->strip.value = lanes_array(quantities * STRIP);
    solver->strip.error = lanes_array(quantities * STRIP);
    solver->store = store_create(&s->outputs, kernel);
    solver->starts_alike = expr_is_constant(s->start[0]) && expr_is_constant(s->start[1]);
    if (solver->starts_alike)
        load_starts(solver, STRIP);
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
    general_work_destroy(s->general);
    lanes_destroy(s->lanes);
    tile_destroy(s->tile);
    free(s->strip.value);
    free(s->strip.error);
    free(s->strip.exponent);
    floquet_destroy(s->floquet);
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
    s->strip.a = w->a + a;
    for (size_t i = 0; i < count; i++)
        s->q[i] = s->strip.q;
    if (!s->starts_alike)
        load_starts(s, count);
}

/* Who asked, and how many points of the block are done. */
struct caller {
    solver_yield_fn *yield;
    void *arg;
    size_t done;
};

/* After work of about so many ns. */
static int stopped(struct solver *s, double ns, const struct caller *c)
{
    s->work_ns += ns;
    if (s->work_ns < SLICE_NS || c->yield == NULL)
        return 0;
    s->work_ns = 0;
    return c->yield(c->arg, c->done) != 0;
}

/* Solves the points at[0..count) of the strip at one level; again[] gets those that it leaves to
 * another, *rest their number. `done` points of the block came before the strip. */
static int solve_level(struct solver *s, const uint16_t *at, size_t count, uint16_t *again,
                       size_t *rest, const struct caller *c)
{
    *rest = 0;
    for (size_t k = 0; k < count; k += LANES) {
        size_t n = count - k < LANES ? count - k : LANES;
        *rest += lanes_solve(s->lanes, &s->strip, at + k, n, again + *rest);
        if (stopped(s, s->chunk_ns, c))
            return -1;
    }
    return 0;
}

/* Derives from the points at[0..count) what is to be derived. again[0..rest) are left to another
 * level already; returns how many there are now. */
static size_t derive(struct solver *s, const uint16_t *at, size_t count, uint16_t *again,
                     size_t rest)
{
    unsigned char listed[STRIP] = {0};
    uint16_t more[STRIP];
    if (s->floquet == NULL)
        return rest;
    size_t found = floquet_solve(s->floquet, &s->strip, at, count, more);
    for (size_t i = 0; i < rest; i++)
        listed[again[i]] = 1;
    for (size_t i = 0; i < found; i++)
        if (!listed[more[i]])
            again[rest++] = more[i];
    return rest;
}

/* First as the strip's leaf says, then point by point at finer and finer levels, whatever is left.
 */
static int solve_strip(struct solver *s, enum leaf_form form, const struct caller *c)
{
    static const enum level levels[][LEVELS] = {
        [LEAF_POINTS] = {LEVEL_COARSE, LEVEL_FINE, LEVELS},
        [LEAF_SURFACE] = {LEVEL_FINE, LEVELS},
        [LEAF_PRODUCTS] = {LEVEL_LEAF, LEVEL_FINE, LEVELS},
    };
    uint16_t at[STRIP], again[STRIP];
    size_t count = s->strip.count, rest;
    for (size_t i = 0; (form != LEAF_SURFACE || s->floquet != NULL) && i < count; i++)
        at[i] = (uint16_t)i;
    if (form == LEAF_SURFACE) {
        rest = surface_solve(tile_surface(s->tile), &s->strip, again);
        count = derive(s, at, count, again, rest);
        memcpy(at, again, count * sizeof *at);
        if (stopped(s, STRIP * SURFACE_NS, c))
            return -1;
    }
    for (const enum level *l = levels[form]; count > 0 && *l != LEVELS; l++) {
        if (!lanes_row(s->lanes, *l, s->strip.q))
            break;
        if (solve_level(s, at, count, again, &rest, c) != 0)
            return -1;
        rest = derive(s, at, count, again, rest);
        memcpy(at, again, rest * sizeof *at);
        count = rest;
    }
    return 0;
}

static void store_strip(struct solver *s, const struct sink *to, size_t offset)
{
    struct points points = {.count = s->strip.count,
                            .q = s->q,
                            .a = s->strip.a,
                            .start = {s->strip.start[0], s->strip.start[1]},
                            .starts_finite = s->starts_alike && isfinite(s->strip.start[0][0]) &&
                                             isfinite(s->strip.start[1][0]),
                            .value = s->strip.value,
                            .error = s->strip.error,
                            .limited = s->strip.limited};
    store_points(s->store, &points, to, offset);
}

/* The points of `b` that lie in the leaf, row by row; the fields of `whole` go to `to`. */
static int solve_leaf(struct solver *s, const struct block *whole, const struct leaf *leaf,
                      const struct sink *to, struct caller *c)
{
    size_t q0 = leaf->q0 > whole->q0 ? leaf->q0 : whole->q0;
    size_t q1 = leaf->q1 < whole->q1 ? leaf->q1 : whole->q1;
    size_t a0 = leaf->a0 > whole->a0 ? leaf->a0 : whole->a0;
    size_t a1 = leaf->a1 < whole->a1 ? leaf->a1 : whole->a1;
    if (q0 >= q1 || a0 >= a1)
        return 0;
    enum leaf_form form = s->tile != NULL ? tile_fit(s->tile, leaf) : LEAF_POINTS;
    if (form == LEAF_PRODUCTS)
        lanes_take_leaf(s->lanes, products_parts(tile_products(s->tile)), tile_margin(s->tile));
    for (size_t q = q0; q < q1; q++) {
        if (form == LEAF_SURFACE)
            surface_row(tile_surface(s->tile), s->sweep->q[q]);
        if (form == LEAF_PRODUCTS)
            products_row(tile_products(s->tile), s->sweep->q[q]);
        for (size_t a = a0; a < a1; a += STRIP) {
            load(s, q, a, a1 - a < STRIP ? a1 - a : STRIP);
            s->strip.column = a - leaf->a0;
            if (form == LEAF_PRODUCTS)
                lanes_take_strip(s->lanes, &s->strip);
            if (solve_strip(s, form, c) != 0)
                return -1;
            store_strip(s, to, (q - whole->q0) * (whole->a1 - whole->a0) + (a - whole->a0));
            c->done += s->strip.count;
        }
    }
    return 0;
}

/* The part of `b` in the tile that holds (q, a); *q1 and *a1 are where that tile ends. */
static int solve_tile(struct solver *s, const struct block *b, size_t q, size_t a, size_t *q1,
                      size_t *a1, const struct sink *to, struct caller *c)
{
    struct leaf tile;
    size_t count;
    sweep_tile(s->sweep, q, a, &tile);
    *q1 = tile.q1;
    *a1 = tile.a1;
    if (s->tile == NULL)
        return solve_leaf(s, b, &tile, to, c);
    const struct leaf *leaves = tile_at(s->tile, q, a, &count);
    for (size_t k = 0; k < count; k++)
        if (solve_leaf(s, b, &leaves[k], to, c) != 0)
            return -1;
    return 0;
}

int solver_block(struct solver *s, const struct block *b, double *const *fields,
                 float *const *errors, uint8_t *status, solver_yield_fn *yield, void *arg)
{
    struct sink to = {fields, errors, status};
    struct caller caller = {yield, arg, 0};
    size_t q_end = b->q1, a_end = b->a1;
    store_begin(s->store);
    if (s->general != NULL)
        return general_block(s->general, b, s->store, &to, yield, arg);
    s->work_ns = 0;
    for (size_t q = b->q0; q < b->q1; q = q_end)
        for (size_t a = b->a0; a < b->a1; a = a_end)
            if (solve_tile(s, b, q, a, &q_end, &a_end, &to, &caller) != 0)
                return -1;
    return 0;
}
