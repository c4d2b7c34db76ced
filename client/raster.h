#ifndef CLIENT_RASTER_H
#define CLIENT_RASTER_H

#include "axis.h"
#include <stdint.h>

/* A field as pixels: each pixel is the mean over the cells that it covers, weighted by area, so
 * that a chart of a billion points shows what is there and not which point was hit. q goes to the
 * right, a upwards. Points that are not known count apart; a pixel is what most of it is. Pure. */

enum raster_class { RASTER_VALUE, RASTER_NOT_DONE, RASTER_FAILED, RASTER_CLASSES };

struct raster {
    size_t width, height;
    double *sum;                    /* [column * height + row], row 0 at the bottom */
    float *covered[RASTER_CLASSES]; /* area of each class, of 1 a pixel */
    double *row_sum;                /* one row of the grid, along the height */
    float *row_covered[RASTER_CLASSES];
    const struct axis *q, *a;        /* borrowed */
    double low, high;                /* of all finite values */
    uint64_t points[RASTER_CLASSES]; /* of the grid */
    uint64_t infinite;               /* of the values */
};

void raster_init(struct raster *r, const struct axis *q, const struct axis *a, size_t width,
                 size_t height);
void raster_fini(struct raster *r);

/* The values and statuses (as in status.npy) of all a at the q of index `row`; each row once. */
void raster_add(struct raster *r, size_t row, const double *values, const uint8_t *status);

/* What the pixel is; *value is its mean. */
enum raster_class raster_pixel(const struct raster *r, size_t column, size_t row, double *value);

#endif
