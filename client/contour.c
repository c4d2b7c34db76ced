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

/* --- where it touches ------------------------------------------------------------------------ */

/* One line of the mesh, in either direction. */
struct section {
    const double *values, *at;
    size_t n, stride;
};

enum touch { NONE, TOUCHES, CROSSES }; /* CROSSES: a clear crossing begins or ends here */

#define COARSE 0.25 /* of the level: a maximum lower than its neighbours by more is no parabola */

/* Whether |f| has a local maximum at j that is `level`; *place is where. The peak is the parabola's
 * through three points; for a function like a cosine that is wrong by drop^2 / 12 at most. */
static enum touch touch_at(const struct section *s, size_t j, double level, double *place)
{
    double f[3], x[3];
    for (size_t k = 0; k < 3; k++) {
        f[k] = s->values[(j + k - 1) * s->stride] / level;
        x[k] = s->at[j + k - 1];
    }
    double sign = f[1] < 0 ? -1 : 1;
    for (int k = 0; k < 3; k++)
        f[k] *= sign;
    double drop = f[1] - (f[0] < f[2] ? f[0] : f[2]);
    if (!(f[1] >= f[0] && f[1] > f[2] && drop < COARSE)) /* also when one is NaN */
        return NONE;
    *place = x[1];
    if (f[0] > 1 || f[2] > 1)
        return CROSSES;
    double left = (f[1] - f[0]) / (x[1] - x[0]), right = (f[2] - f[1]) / (x[2] - x[1]);
    double bend = (right - left) / (x[2] - x[0]);
    double slope = left + bend * (x[1] - x[0]); /* at x[1] */
    double step = -slope / (2 * bend), peak = f[1] + slope * step / 2;
    *place = x[1] + step;
    return peak > 1 - drop * drop ? TOUCHES : NONE;
}

/* Joins what touches in one section to what does in the next, at most two points of the mesh away.
 */
static void join(struct contour *c, const struct section *s, double at, const struct section *next,
                 double next_at, double level, bool upright)
{
    for (size_t j = 1; j + 1 < s->n; j++) {
        double here, there;
        enum touch touch = touch_at(s, j, level, &here);
        for (size_t k = j > 3 ? j - 2 : 1; touch != NONE && k <= j + 2 && k + 1 < s->n; k++) {
            enum touch other = touch_at(next, k, level, &there);
            if (other == NONE || (touch == CROSSES && other == CROSSES))
                continue;
            add(c, upright ? (struct contour_point){at, here} : (struct contour_point){here, at});
            add(c, upright ? (struct contour_point){next_at, there}
                           : (struct contour_point){there, next_at});
            break;
        }
    }
}

void contour_add_touching(struct contour *c, const double *values, const double *x, size_t nx,
                          const double *y, size_t ny, double level)
{
    for (size_t i = 0; i + 1 < nx; i++) {
        struct section s = {values + i * ny, y, ny, 1}, next = {values + (i + 1) * ny, y, ny, 1};
        join(c, &s, x[i], &next, x[i + 1], level, true);
    }
    for (size_t j = 0; j + 1 < ny; j++) {
        struct section s = {values + j, x, nx, ny}, next = {values + j + 1, x, nx, ny};
        join(c, &s, y[j], &next, y[j + 1], level, false);
    }
}

void contour_add_piece(struct contour *c, struct contour_point from, struct contour_point to)
{
    add(c, from);
    add(c, to);
}

void contour_fini(struct contour *c)
{
    free(c->points);
    *c = (struct contour){0};
}
