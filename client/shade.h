#ifndef CLIENT_SHADE_H
#define CLIENT_SHADE_H

#include "colormap.h"
#include "scale.h"
#include <stddef.h>

/* Which colour a value of a field has. Chosen from the values: a diverging map with 0 in its middle
 * when both signs matter, a logarithmic or symmetric logarithmic scale when most values would
 * otherwise look alike. Pure. */
#define SHADE_COLOURS 256

struct shade {
    enum colormap map;
    struct rgb colours[SHADE_COLOURS]; /* of the scale from 0 to 1 */
    struct scale scale;                /* the map's own ends */
    double low, high;                  /* the part of it that is in use: what a colour bar shows */
};

struct shade_wish {
    bool has_range, has_map, has_scale;
    double low, high; /* low < high */
    enum colormap map;
    enum scale_kind scale; /* LOG and SYMLOG both mean: logarithmic, as the values allow */
};

/* Chooses for values[0 .. n) (n may be 0; NaN and infinities are passed over; the array is put into
 * another order). */
void shade_choose(double *values, size_t n, const struct shade_wish *wish, struct shade *out);

struct rgb shade_at(const struct shade *shade, double value); /* NaN: COLORMAP_NOT_DONE */

#endif
