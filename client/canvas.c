/* See canvas.h. */
#include "canvas.h"

#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <cairo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POINTS_A_PIXEL 0.75

static const char *const NAMES[] = {"png", "svg", "pdf", NULL};

struct canvas {
    enum canvas_kind kind;
    cairo_surface_t *surface;
    cairo_t *cairo;
    struct buf *out;
};

int canvas_kind_parse(const char *name, enum canvas_kind *out, struct err *err)
{
    for (int i = 0; NAMES[i]; i++)
        if (strcmp(name, NAMES[i]) == 0) {
            *out = (enum canvas_kind)i;
            return 0;
        }
    err_set(err, ERR_USAGE, "there is no picture format \"%.20s\"", name);
    return err_hint(err, "png, svg or pdf");
}

static cairo_status_t take(void *closure, const unsigned char *data, unsigned len)
{
    buf_add(closure, data, len);
    return CAIRO_STATUS_SUCCESS;
}

static cairo_surface_t *surface_of(enum canvas_kind kind, double width, double height,
                                   struct buf *out)
{
    double w = width * POINTS_A_PIXEL, h = height * POINTS_A_PIXEL;
    if (kind == CANVAS_SVG)
        return cairo_svg_surface_create_for_stream(take, out, w, h);
    if (kind == CANVAS_PDF)
        return cairo_pdf_surface_create_for_stream(take, out, w, h);
    return cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height);
}

/* Letters where they belong, not moved to whole pixels; grey, so that a picture looks alike
 * everywhere. */
static void set_text_quality(cairo_t *cairo)
{
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_set_font_options(cairo, options);
    cairo_font_options_destroy(options);
}

int canvas_open(enum canvas_kind kind, double width, double height, const char *title,
                struct buf *out, struct canvas **canvas, struct err *err)
{
    struct canvas *c = mem_alloc(1, sizeof *c);
    *c = (struct canvas){.kind = kind, .out = out};
    c->surface = surface_of(kind, width, height, out);
    c->cairo = cairo_create(c->surface);
    if (cairo_status(c->cairo) != CAIRO_STATUS_SUCCESS) {
        err_set(err, ERR_OTHER, "cannot begin a picture of %.0f x %.0f: %s", width, height,
                cairo_status_to_string(cairo_status(c->cairo)));
        canvas_close(c);
        return -1;
    }
    if (kind == CANVAS_PDF) {
        cairo_pdf_surface_set_metadata(c->surface, CAIRO_PDF_METADATA_TITLE, title);
        cairo_pdf_surface_set_metadata(c->surface, CAIRO_PDF_METADATA_CREATOR,
                                       "hillsweep " HILLSWEEP_VERSION);
    }
    if (kind != CANVAS_PNG)
        cairo_scale(c->cairo, POINTS_A_PIXEL, POINTS_A_PIXEL);
    set_text_quality(c->cairo);
    cairo_set_source_rgb(c->cairo, 1, 1, 1);
    cairo_paint(c->cairo);
    *canvas = c;
    return 0;
}

int canvas_finish(struct canvas *c, struct err *err)
{
    cairo_status_t status = cairo_status(c->cairo);
    if (status == CAIRO_STATUS_SUCCESS && c->kind == CANVAS_PNG)
        status = cairo_surface_write_to_png_stream(c->surface, take, c->out);
    cairo_surface_finish(c->surface);
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_status(c->surface);
    if (status == CAIRO_STATUS_SUCCESS)
        return 0;
    return err_set(err, ERR_OTHER, "cannot draw the picture: %s", cairo_status_to_string(status));
}

void canvas_close(struct canvas *c)
{
    if (!c)
        return;
    cairo_destroy(c->cairo);
    cairo_surface_destroy(c->surface);
    free(c);
}

double canvas_sharpness(enum canvas_kind kind)
{
    return kind == CANVAS_PNG ? 1 : 2;
}

enum canvas_kind canvas_kind(const struct canvas *c)
{
    return c->kind;
}

static void set_colour(struct canvas *c, struct rgb colour, double opacity)
{
    cairo_set_source_rgba(c->cairo, colour.r / 255.0, colour.g / 255.0, colour.b / 255.0, opacity);
}

void canvas_line(struct canvas *c, double x0, double y0, double x1, double y1, double width,
                 struct rgb colour)
{
    set_colour(c, colour, 1);
    cairo_set_line_width(c->cairo, width);
    cairo_set_line_cap(c->cairo, CAIRO_LINE_CAP_BUTT);
    cairo_move_to(c->cairo, x0, y0);
    cairo_line_to(c->cairo, x1, y1);
    cairo_stroke(c->cairo);
}

void canvas_frame(struct canvas *c, double x, double y, double w, double h, double width,
                  struct rgb colour)
{
    set_colour(c, colour, 1);
    cairo_set_line_width(c->cairo, width);
    cairo_rectangle(c->cairo, x, y, w, h);
    cairo_stroke(c->cairo);
}

void canvas_polygon(struct canvas *c, const struct contour_point *points, size_t count,
                    struct rgb colour)
{
    set_colour(c, colour, 1);
    for (size_t i = 0; i < count; i++)
        cairo_line_to(c->cairo, points[i].x, points[i].y);
    cairo_close_path(c->cairo);
    cairo_fill(c->cairo);
}

void canvas_image(struct canvas *c, const struct rgb *pixels, size_t columns, size_t rows, double x,
                  double y, double w, double h)
{
    cairo_surface_t *image =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)columns, (int)rows);
    cairo_surface_flush(image);
    unsigned char *data = cairo_image_surface_get_data(image);
    int stride = cairo_image_surface_get_stride(image);
    for (size_t r = 0; data && r < rows; r++) {
        uint32_t *to = (uint32_t *)(void *)(data + r * (size_t)stride);
        for (size_t k = 0; k < columns; k++) {
            struct rgb p = pixels[r * columns + k];
            to[k] = (uint32_t)p.r << 16 | (uint32_t)p.g << 8 | p.b;
        }
    }
    cairo_surface_mark_dirty(image);
    cairo_save(c->cairo);
    cairo_translate(c->cairo, x, y);
    cairo_scale(c->cairo, w / (double)columns, h / (double)rows);
    cairo_set_source_surface(c->cairo, image, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(c->cairo), CAIRO_FILTER_NEAREST);
    cairo_rectangle(c->cairo, 0, 0, (double)columns, (double)rows);
    cairo_fill(c->cairo);
    cairo_restore(c->cairo);
    cairo_surface_destroy(image);
}

void canvas_pieces(struct canvas *c, const struct contour *pieces, double x, double y, double w,
                   double h, double width, struct rgb colour, double opacity)
{
    cairo_save(c->cairo);
    cairo_rectangle(c->cairo, x, y, w, h);
    cairo_clip(c->cairo);
    set_colour(c, colour, opacity);
    cairo_set_line_width(c->cairo, width);
    cairo_set_line_cap(c->cairo, CAIRO_LINE_CAP_ROUND);
    for (size_t i = 0; i + 1 < pieces->count; i += 2) {
        struct contour_point a = pieces->points[i], b = pieces->points[i + 1];
        cairo_move_to(c->cairo, x + a.x * w, y + (1 - a.y) * h);
        cairo_line_to(c->cairo, x + b.x * w, y + (1 - b.y) * h);
    }
    cairo_stroke(c->cairo);
    cairo_restore(c->cairo);
}

static void set_font(struct canvas *c, const struct canvas_font *font)
{
    cairo_select_font_face(
        c->cairo, "sans-serif",
        font->style == CANVAS_ITALIC ? CAIRO_FONT_SLANT_ITALIC : CAIRO_FONT_SLANT_NORMAL,
        font->style == CANVAS_BOLD ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(c->cairo, font->size);
    set_colour(c, font->colour, 1);
}

double canvas_text_width(struct canvas *c, const struct canvas_font *font, const char *text)
{
    cairo_text_extents_t extents;
    set_font(c, font);
    cairo_text_extents(c->cairo, text, &extents);
    return extents.x_advance;
}

/* The middle line of figures and capitals lies 0.36 of the size above the base line. */
#define MIDDLE 0.36

void canvas_text(struct canvas *c, const struct canvas_font *font, double x, double y, double align,
                 const char *text)
{
    double width = canvas_text_width(c, font, text);
    cairo_move_to(c->cairo, x - align * width, y + MIDDLE * font->size);
    cairo_show_text(c->cairo, text);
}
