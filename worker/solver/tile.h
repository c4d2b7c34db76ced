#ifndef SOLVER_TILE_H
#define SOLVER_TILE_H

#include "products.h"
#include "surface_fit.h"

/* One thread's tile: its plan, and the leaf of it that was fitted last. Both are functions of the
 * job alone, so that a piece of a tile gives the same bits as the tile. */

struct tile;

/* NULL when the job is solved by points. */
struct tile *tile_create(const struct sweep *s, const struct kernel *kernel);
void tile_destroy(struct tile *t);

/* Turns to the tile that holds the point (q, a), by index; returns its leaves, borrowed until the
 * next call, and their number. */
const struct leaf *tile_at(struct tile *t, size_t q, size_t a, size_t *count);

/* Fits a leaf of the tile at hand, unless that was done last; its form says how it is solved:
 * LEAF_POINTS when the check of the fit failed. */
enum leaf_form tile_fit(struct tile *t, const struct leaf *leaf);

/* Of the leaf that was fitted last, according to its form. */
struct surface *tile_surface(struct tile *t);
struct products *tile_products(struct tile *t);
const struct margin *tile_margin(const struct tile *t);

#endif
