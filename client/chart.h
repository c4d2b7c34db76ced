#ifndef CLIENT_CHART_H
#define CLIENT_CHART_H

#include "axis.h"
#include "canvas.h"
#include "contour.h"
#include "raster.h"
#include "shade.h"

/* A stability chart as a picture: q to the right, a upwards, a colour for each point, a colour bar,
 * the boundaries of stability, and what is not known. */

struct chart_rect {
    double x, y, w, h;
};

/* Where the points are in a picture of that size; known before there are any. a: its labels need
 * room on the left. */
struct chart_rect chart_area(double width, double height, const struct axis *a);

struct chart {
    double width, height;
    const char *title, *subtitle; /* UTF-8; cut where they are too long */
    const char *field;            /* its name, over the colour bar */
    const struct axis *q, *a;
    const struct raster *raster;
    const struct shade *shade;
    const struct contour *boundary; /* places on both axes; may be empty */
    const char *boundary_label;
};

void chart_draw(struct canvas *canvas, const struct chart *chart);

#endif
