#include "tile.h"

#include "buf.h"
#include <stdlib.h>

#define ATTEMPTS 4 /* at fitting a leaf, with more and more stretches */

struct tile {
    const struct sweep *sweep;
    struct lattice lattice;
    struct soundings soundings; /* of the leaf that was fitted last, too */
    struct surface *surface;
    struct products *products;
    double *work;              /* LATTICE_WORK */
    struct leaf tile, *leaves; /* tile.q1 is 0 before the first */
    size_t leaf_count;
    const struct leaf *fitted; /* NULL: none of them yet */
    struct leaf leaf;          /* as it was fitted */
};

struct tile *tile_create(const struct sweep *s, const struct kernel *kernel)
{
    const struct parts *fine = sweep_outlook(s) != NULL ? sweep_level(s, LEVEL_FINE) : NULL;
    if (fine == NULL)
        return NULL;
    struct tile *t = mem_alloc(1, sizeof *t);
    t->sweep = s;
    lattice_init(&t->lattice, fine, kernel);
    soundings_init(&t->soundings, s, fine, kernel);
    t->surface = surface_create(&s->outputs, kernel->leaf, &t->soundings.margin, s->tolerance);
    t->products = products_create(s, kernel, &t->soundings);
    t->work = lanes_array(LATTICE_WORK);
    t->leaves = mem_alloc(LEAVES_MAX, sizeof *t->leaves);
    return t;
}

void tile_destroy(struct tile *t)
{
    if (t == NULL)
        return;
    surface_destroy(t->surface);
    products_destroy(t->products);
    soundings_fini(&t->soundings);
    lattice_fini(&t->lattice);
    free(t->work);
    free(t->leaves);
    free(t);
}

const struct leaf *tile_at(struct tile *t, size_t q, size_t a, size_t *count)
{
    const struct leaf *at = &t->tile;
    if (q < at->q0 || q >= at->q1 || a < at->a0 || a >= at->a1) {
        sweep_tile(t->sweep, q, a, &t->tile);
        t->leaf_count =
            plan_root(sweep_outlook(t->sweep), &t->tile, t->sweep->q, t->sweep->a, t->leaves);
        t->fitted = NULL;
    }
    *count = t->leaf_count;
    return t->leaves;
}

static int fit(struct tile *t)
{
    lattice_lay(&t->lattice, &t->leaf);
    return t->leaf.form == LEAF_SURFACE
               ? surface_fit(t->surface, &t->soundings, &t->lattice, t->work)
               : products_fit(t->products, &t->lattice);
}

/* Growth that the plan did not see makes a fit too rough: shorter stretches see less of it. -1 when
 * points by themselves cost less. */
static int shorten(const struct tile *t, struct leaf *l)
{
    size_t m = l->form == LEAF_SURFACE ? 2 : l->stretches + (l->stretches + 1) / 2;
    double points = (double)(l->q1 - l->q0) * (double)(l->a1 - l->a0);
    struct leaf more;
    if (plan_products(sweep_outlook(t->sweep), l, m, &more) != 0 ||
        (t->sweep->method == SWEEP_AUTO && more.cost > points * t->sweep->point_ns))
        return -1;
    *l = more;
    return 0;
}

enum leaf_form tile_fit(struct tile *t, const struct leaf *leaf)
{
    if (t->fitted == leaf)
        return t->leaf.form;
    t->fitted = leaf;
    t->leaf = *leaf;
    for (int i = 1; t->leaf.form != LEAF_POINTS && fit(t) != 0; i++)
        if (i == ATTEMPTS || shorten(t, &t->leaf) != 0)
            t->leaf.form = LEAF_POINTS;
    return t->leaf.form;
}

struct surface *tile_surface(struct tile *t)
{
    return t->surface;
}

struct products *tile_products(struct tile *t)
{
    return t->products;
}

const struct margin *tile_margin(const struct tile *t)
{
    return &t->soundings.margin;
}
