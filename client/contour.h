#ifndef CLIENT_CONTOUR_H
#define CLIENT_CONTOUR_H

#include <stddef.h>

/* Lines along which a function on a rectangular mesh has a given value (marching squares; the
 * value is taken to be linear along each edge of the mesh). Pure. */

struct contour_point {
    double x, y;
};

struct contour {
    struct contour_point *points; /* two and two are the ends of a piece */
    size_t count, room;
};

/* Adds the lines of `level` of values[i * ny + j] at (x[i], y[j]), both increasing. Where one of
 * four corners is NaN there is no line. */
void contour_add(struct contour *c, const double *values, const double *x, size_t nx,
                 const double *y, size_t ny, double level);
/* Adds the lines along which |values| has a local maximum that is `level` as far as the mesh can
 * tell: where two lines of contour_add come so near to one another that they fall between the
 * mesh's points (a gap of instability that closes). */
void contour_add_touching(struct contour *c, const double *values, const double *x, size_t nx,
                          const double *y, size_t ny, double level);

/* Adds one piece as it is. */
void contour_add_piece(struct contour *c, struct contour_point from, struct contour_point to);

void contour_fini(struct contour *c); /* a contour of zeros is empty and valid */

#endif
