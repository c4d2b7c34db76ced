/* Walks a block: tiles, their leaves, rows of one q, strips of a row, chunks of 32 points; then the
 * strip is stored. In the end come the points that are left to the fine level, row by row. */
#include "solver_private.h"

#include "buf.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_NS   2e5 /* estimated work between two calls of yield */
#define SURFACE_NS 8   /* a point of a surface */

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
    if (s->phase != NULL)
        solver->phase = phase_work_create(s->phase, kernel);
    if (s->outputs.derived_count > 0) {
        solver->strip.exponent = mem_alloc(quantities * STRIP, sizeof(double));
        solver->facts = sweep_facts(s);
        solver->floquet = floquet_create(&solver->facts, &s->outputs, s->start, kernel->leaf);
    }
    solver->strip.value = lanes_array(quantities * STRIP);
    solver->strip.error = lanes_array(quantities * STRIP);
    solver->fields = fields_create(&s->outputs, kernel->leaf);
    solver->starts_alike = starts_alike(s->start);
    if (solver->starts_alike)
        load_starts(solver, STRIP);
    solver->left_field = mem_alloc(s->outputs.count + 1, sizeof *solver->left_field);
    solver->left_error = mem_alloc(s->outputs.count + 1, sizeof *solver->left_error);
    for (size_t k = 0; k < s->outputs.count; k++) {
        solver->left_field[k] = mem_alloc(STRIP, sizeof(double));
        solver->left_error[k] = mem_alloc(STRIP, sizeof(float));
    }
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
    phase_work_destroy(s->phase);
    lanes_destroy(s->lanes);
    tile_destroy(s->tile);
    free(s->strip.value);
    free(s->strip.error);
    free(s->strip.exponent);
    floquet_destroy(s->floquet);
    fields_destroy(s->fields);
    later_fini(&s->later);
    for (size_t k = 0; k < s->sweep->outputs.count; k++) {
        free(s->left_field[k]);
        free(s->left_error[k]);
    }
    free(s->left_field);
    free(s->left_error);
    free(s);
}

const char *solver_reason(const struct solver *s)
{
    return fields_reason(s->fields);
}

/* Fills the strip with `count` points of a row and their start values. */
void solver_load(struct solver *s, size_t q, const double *a, size_t count)
{
    s->strip.count = count;
    if (s->strip.has_exponents)
        memset(s->strip.exponent, 0, s->sweep->outputs.quantity_count * STRIP * sizeof(double));
    s->strip.has_exponents = 0;
    s->strip.q = s->sweep->q[q];
    s->strip.a = a;
    for (size_t i = 0; i < count; i++)
        s->q[i] = s->strip.q;
    if (!s->starts_alike)
        load_starts(s, count);
}

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

/* Point by point by phase and amplitude; what is not within the tolerance again, at finer levels.
 */
static int solve_phase(struct solver *s, const struct caller *c)
{
    uint16_t at[STRIP], again[STRIP];
    size_t count = s->strip.count;
    for (size_t i = 0; i < count; i++)
        at[i] = (uint16_t)i;
    size_t together = phase_together(s->sweep->phase);
    for (int level = 0; level < PHASE_LEVELS && count > 0; level++) {
        size_t rest = 0;
        for (size_t k = 0; k < count; k += together) {
            size_t n = count - k < together ? count - k : together;
            rest += phase_solve(s->phase, &s->strip, at + k, n, level, again + rest);
            if (stopped(s, (double)n * s->chunk_ns / LANES, c))
                return -1;
        }
        count = derive(s, at, count, again, rest);
        memcpy(at, again, count * sizeof *at);
        if (phase_is_last(s->sweep->phase, level))
            break;
    }
    return 0;
}

/* Solves the points at[0..*count) at one level and leaves those that want a finer one there. */
int solver_level(struct solver *s, enum level level, uint16_t *at, size_t *count,
                 const struct caller *c)
{
    uint16_t again[STRIP];
    size_t rest;
    if (!lanes_row(s->lanes, level, s->strip.q))
        return 0;
    if (solve_level(s, at, *count, again, &rest, c) != 0)
        return -1;
    *count = derive(s, at, *count, again, rest);
    memcpy(at, again, *count * sizeof *at);
    return 0;
}

/* As the strip's leaf says. The points at[0..*count) want the fine level. */
static int solve_strip(struct solver *s, enum leaf_form form, uint16_t *at, size_t *count,
                       const struct caller *c)
{
    uint16_t again[STRIP];
    if (form == LEAF_POINTS && s->phase != NULL) {
        *count = 0;
        return solve_phase(s, c);
    }
    *count = s->strip.count;
    for (size_t i = 0; (form != LEAF_SURFACE || s->floquet != NULL) && i < *count; i++)
        at[i] = (uint16_t)i;
    if (form != LEAF_SURFACE)
        return solver_level(s, form == LEAF_PRODUCTS ? LEVEL_LEAF : LEVEL_COARSE, at, count, c);
    size_t rest = surface_solve(tile_surface(s->tile), &s->strip, again);
    *count = derive(s, at, *count, again, rest);
    memcpy(at, again, *count * sizeof *at);
    return stopped(s, STRIP * SURFACE_NS, c);
}

/* Whether there is a finer level than that at hand. */
static int has_fine(const struct solver *s)
{
    return sweep_level(s->sweep, LEVEL_FINE) != NULL;
}

/* Puts points of the strip, which begins at (q, a) of the block, off to the end; returns how many:
 * those whose start is no number are not any better then. */
static size_t put_off(struct solver *s, const uint16_t *at, size_t count, size_t q, size_t a)
{
    size_t put = 0;
    memset(s->is_later, 0, s->strip.count);
    for (size_t k = 0; k < count; k++) {
        if (!isfinite(s->strip.start[0][at[k]]) || !isfinite(s->strip.start[1][at[k]]))
            continue;
        s->is_later[at[k]] = 1;
        later_add(&s->later, q, a + at[k]);
        put++;
    }
    return put;
}

void solver_store(struct solver *s, const unsigned char *later, const struct target *to,
                  size_t offset)
{
    struct points points = {.count = s->strip.count,
                            .q = s->q,
                            .a = s->strip.a,
                            .start = {s->strip.start[0], s->strip.start[1]},
                            .starts_finite = s->starts_alike && isfinite(s->strip.start[0][0]) &&
                                             isfinite(s->strip.start[1][0]),
                            .value = s->strip.value,
                            .error = s->strip.error,
                            .limited = s->strip.limited,
                            .later = later};
    fields_put(s->fields, &points, to, offset);
}

/* The strip at hand, which begins at (q, a). */
static int solve_row(struct solver *s, const struct block *whole, size_t q, size_t a,
                     enum leaf_form form, const struct target *to, struct caller *c)
{
    uint16_t at[STRIP];
    size_t left, count = s->strip.count, row = q - whole->q0, column = a - whole->a0;
    if (solve_strip(s, form, at, &left, c) != 0)
        return -1;
    left = left > 0 && has_fine(s) ? put_off(s, at, left, row, column) : 0;
    solver_store(s, left > 0 ? s->is_later : NULL, to, row * (whole->a1 - whole->a0) + column);
    c->done += count - left;
    return 0;
}

/* Whether whoever expands the leaf does not need its points: none can leave the tolerance. */
static int leaves_suffice(const struct solver *s, enum leaf_form form)
{
    return s->leaves != NULL && s->leaves->suffice && s->leaves->len > 0 && form == LEAF_SURFACE &&
           s->floquet == NULL && surface_is_certain(tile_surface(s->tile));
}

static void note_leaf(struct solver *s, const struct block *tile, const struct leaf *leaf,
                      enum leaf_form form)
{
    if (s->leaves == NULL)
        return;
    if (form != LEAF_SURFACE) {
        leaves_give_up(s->leaves);
        return;
    }
    const struct leaves_block at = {leaf->q0 - tile->q0, leaf->q1 - tile->q0, leaf->a0 - tile->a0,
                                    leaf->a1 - tile->a0};
    leaves_add(s->leaves, &at, tile_surface(s->tile));
}

/* The points of `b` that lie in the leaf, row by row; the fields of `whole` go to `to`. */
static int solve_leaf(struct solver *s, const struct block *whole, const struct leaf *leaf,
                      const struct target *to, struct caller *c)
{
    size_t q0 = leaf->q0 > whole->q0 ? leaf->q0 : whole->q0;
    size_t q1 = leaf->q1 < whole->q1 ? leaf->q1 : whole->q1;
    size_t a0 = leaf->a0 > whole->a0 ? leaf->a0 : whole->a0;
    size_t a1 = leaf->a1 < whole->a1 ? leaf->a1 : whole->a1;
    if (q0 >= q1 || a0 >= a1)
        return 0;
    enum leaf_form form = s->tile != NULL ? tile_fit(s->tile, leaf) : LEAF_POINTS;
    int by_phase = form == LEAF_POINTS && s->phase != NULL;
    note_leaf(s, whole, leaf, form);
    if (leaves_suffice(s, form)) {
        s->leaves->alone = true;
        c->done += (q1 - q0) * (a1 - a0);
        return stopped(s, SLICE_NS, c);
    }
    if (form == LEAF_PRODUCTS)
        lanes_take_leaf(s->lanes, products_parts(tile_products(s->tile)), tile_margin(s->tile));
    for (size_t q = q0; q < q1; q++) {
        if (form != LEAF_SURFACE && !by_phase && (q - q0) % LEVEL_ROWS == 0)
            lanes_ahead(s->lanes, form == LEAF_PRODUCTS ? LEVEL_LEAF : LEVEL_COARSE,
                        s->sweep->q + q, q1 - q < LEVEL_ROWS ? q1 - q : LEVEL_ROWS);
        if (form == LEAF_SURFACE)
            surface_row(tile_surface(s->tile), s->sweep->q[q]);
        if (form == LEAF_PRODUCTS)
            products_row(tile_products(s->tile), s->sweep->q[q]);
        for (size_t a = a0; a < a1; a += STRIP) {
            solver_load(s, q, s->sweep->a + a, a1 - a < STRIP ? a1 - a : STRIP);
            s->strip.column = a - leaf->a0;
            if (form == LEAF_PRODUCTS)
                lanes_take_strip(s->lanes, &s->strip);
            if (solve_row(s, whole, q, a, form, to, c) != 0)
                return -1;
        }
    }
    return 0;
}

/* The part of `b` in the tile that holds (q, a); *q1 and *a1 are where that tile ends. */
static int solve_tile(struct solver *s, const struct block *b, size_t q, size_t a, size_t *q1,
                      size_t *a1, const struct target *to, struct caller *c)
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

/* All of it, tile by tile, and then what was left. */
static int solve_tiles(struct solver *s, const struct block *b, const struct target *to,
                       struct caller *c)
{
    size_t q_end = b->q1, a_end = b->a1;
    s->work_ns = 0;
    later_clear(&s->later);
    for (size_t q = b->q0; q < b->q1; q = q_end)
        for (size_t a = b->a0; a < b->a1; a = a_end)
            if (solve_tile(s, b, q, a, &q_end, &a_end, to, c) != 0)
                return -1;
    return s->later.count > 0 ? solver_later(s, b, to, c) : 0;
}

int solver_block(struct solver *s, const struct block *b, double *const *fields,
                 float *const *errors, uint8_t *status, solver_yield_fn *yield, void *arg)
{
    struct target to = {fields, errors, status};
    struct caller caller = {yield, arg, 0};
    fields_begin(s->fields);
    return s->general != NULL ? general_block(s->general, b, s->fields, &to, yield, arg)
                              : solve_tiles(s, b, &to, &caller);
}

static int is_tile(const struct solver *s, const struct block *b)
{
    struct leaf tile;
    sweep_tile(s->sweep, b->q0, b->a0, &tile);
    return tile.q0 == b->q0 && tile.q1 == b->q1 && tile.a0 == b->a0 && tile.a1 == b->a1;
}

int solver_tile(struct solver *s, const struct block *b, double *const *fields,
                float *const *errors, uint8_t *status, struct leaves_out *leaves,
                solver_yield_fn *yield, void *arg)
{
    struct target to = {fields, errors, status};
    leaves->len = 0;
    leaves->alone = false;
    if (s->tile == NULL || !is_tile(s, b))
        return solver_block(s, b, fields, errors, status, yield, arg);
    leaves_begin(leaves, &s->sweep->outputs, errors != NULL, s->floquet != NULL ? &s->facts : NULL);
    s->leaves = leaves;
    int rc = solver_block(s, b, fields, errors, status, yield, arg);
    if (rc == 0)
        solver_note_later(s, b, &to);
    s->leaves = NULL;
    if (rc != 0 || leaves->len > 0 || !leaves->alone)
        return rc;
    leaves->alone = false; /* some leaf is none, and the points of others are missing */
    return solver_block(s, b, fields, errors, status, yield, arg);
}
