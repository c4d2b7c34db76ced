/* See contour.h. */
#include "contour.h"

#include "buf.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* A mesh cell: corners 0 (left, below), 1 (right, below), 2 (right, above), 3 (left, above); edge k
 * goes from corner k to corner k + 1. */
struct cell {
    double value[4];
    struct contour_point at[4];
};

static void add(struct contour *c, struct contour_point p)
{
    if (c->count == c->room) {
        c->room = c->room ? 2 * c->room : 1024;
        c->points = mem_resize(c->points, c->room, sizeof *c->points);
    }
    c->points[c->count++] = p;
}

static struct contour_point cross(const struct cell *cell, int edge, double level)
{
    int to = (edge + 1) % 4;
    double part = (level - cell->value[edge]) / (cell->value[to] - cell->value[edge]);
    struct contour_point a = cell->at[edge], b = cell->at[to];
    part = isfinite(part) ? part : 0.5; /* one of them is infinite, or both are very large */
    return (struct contour_point){a.x + part * (b.x - a.x), a.y + part * (b.y - a.y)};
}

static void piece(struct contour *c, const struct cell *cell, int edge, int other, double level)
{
    add(c, cross(cell, edge, level));
    add(c, cross(cell, other, level));
}

/* Four crossings are a saddle: the mean of the corners says which of them belong together. */
static void saddle(struct contour *c, const struct cell *cell, double level)
{
    const double *v = cell->value;
    bool middle = v[0] / 4 + v[1] / 4 + v[2] / 4 + v[3] / 4 > level;
    bool cuts_0 = middle != (v[0] > level); /* corner 0 is cut off from the middle */
    piece(c, cell, cuts_0 ? 3 : 0, cuts_0 ? 0 : 1, level);
    piece(c, cell, cuts_0 ? 1 : 2, cuts_0 ? 2 : 3, level);
}

static void add_cell(struct contour *c, const struct cell *cell, double level)
{
    int edges[4], n = 0;
    for (int k = 0; k < 4; k++) {
        if (isnan(cell->value[k]))
            return;
        if ((cell->value[k] > level) != (cell->value[(k + 1) % 4] > level))
            edges[n++] = k;
    }
    if (n == 2)
        piece(c, cell, edges[0], edges[1], level);
    else if (n == 4)
        saddle(c, cell, level);
}

void contour_add(struct contour *c, const double *values, const double *x, size_t nx,
                 const double *y, size_t ny, double level)
{
    for (size_t i = 0; i + 1 < nx; i++)
        for (size_t j = 0; j + 1 < ny; j++) {
            const double *v = values + i * ny + j;
            struct cell cell = {
                {v[0], v[ny], v[ny + 1], v[1]},
                {{x[i], y[j]}, {x[i + 1], y[j]}, {x[i + 1], y[j + 1]}, {x[i], y[j + 1]}},
            };
            add_cell(c, &cell, level);
        }
}

void contour_fini(struct contour *c)
{
    free(c->points);
    *c = (struct contour){0};
}
