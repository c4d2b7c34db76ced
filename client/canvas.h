#ifndef CLIENT_CANVAS_H
#define CLIENT_CANVAS_H

#include "buf.h"
#include "colormap.h"
#include "contour.h"
#include "err.h"

/* A picture to draw on, as PNG, SVG or PDF. The only place that knows cairo. Lengths are in pixels
 * (of a PNG; in SVG and PDF a pixel is 3/4 point), y goes down. */

enum canvas_kind { CANVAS_PNG, CANVAS_SVG, CANVAS_PDF };

/* "png", "svg", "pdf". ERR_USAGE with a hint otherwise. */
int canvas_kind_parse(const char *name, enum canvas_kind *out, struct err *err);

struct canvas;

/* White. `title` goes into the metadata of a PDF. The picture's bytes are appended to `out`
 * (borrowed until close). *canvas is returned owned. */
int canvas_open(enum canvas_kind kind, double width, double height, const char *title,
                struct buf *out, struct canvas **canvas, struct err *err);
int canvas_finish(struct canvas *c, struct err *err); /* writes the bytes */
void canvas_close(struct canvas *c);                  /* NULL is fine */

/* How many pixels of an image make one of ours, so that it is sharp. */
double canvas_sharpness(enum canvas_kind kind);
enum canvas_kind canvas_kind(const struct canvas *c);

void canvas_line(struct canvas *c, double x0, double y0, double x1, double y1, double width,
                 struct rgb colour);
void canvas_frame(struct canvas *c, double x, double y, double w, double h, double width,
                  struct rgb colour);
void canvas_polygon(struct canvas *c, const struct contour_point *points, size_t count,
                    struct rgb colour);

/* columns x rows pixels, the first row on top, stretched over the rectangle with hard edges. */
void canvas_image(struct canvas *c, const struct rgb *pixels, size_t columns, size_t rows, double x,
                  double y, double w, double h);

/* Pieces in [0, 1]^2 of the rectangle, y upwards there, clipped to it. */
void canvas_pieces(struct canvas *c, const struct contour *pieces, double x, double y, double w,
                   double h, double width, struct rgb colour, double opacity);

enum canvas_style { CANVAS_PLAIN, CANVAS_ITALIC, CANVAS_BOLD };

struct canvas_font {
    double size;
    enum canvas_style style;
    struct rgb colour;
};

double canvas_text_width(struct canvas *c, const struct canvas_font *font, const char *text);

/* One line of UTF-8; (x, y) is a point of its middle line, `align` how much of its width lies to
 * the left of it: 0, 0.5, 1. */
void canvas_text(struct canvas *c, const struct canvas_font *font, double x, double y, double align,
                 const char *text);

#endif
