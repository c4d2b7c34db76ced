/* See chart.h. All lengths are in units of a picture of 960 x 720, and grow with it. */
#include "chart.h"

#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct rgb INK = {0x22, 0x22, 0x22}, PALE = {0x66, 0x66, 0x66},
                        HATCH = {0xb8, 0xb8, 0xb8}, PAPER = {0xff, 0xff, 0xff};

enum { LEFT = 78, RIGHT = 120, TOP = 78, BOTTOM = 66 };
enum { BAR_GAP = 22, BAR_WIDTH = 18, TICK = 6, MINOR_TICK = 3, TICK_GAP = 5 };
enum { X_LABEL_ROOM = 90, Y_LABEL_ROOM = 48 };
enum { LEFT_CHARACTERS = 5, CHARACTER = 8 }; /* LEFT is enough for labels of 5 characters */
#define CLEARLY 0.01 /* of the bar's length: a mean over a pixel hides less */
#define FAINT   1e-6 /* of a pixel: less of it is rounding */

static double unit_of(double width, double height)
{
    return fmax(sqrt(width / 960 * (height / 720)), 0.5);
}

static void a_ticks(const struct axis *a, double h, double u, struct ticks *out)
{
    ticks_make(&a->scale, (size_t)(h / (Y_LABEL_ROOM * u)), out);
}

/* Characters of the longest label. */
static size_t longest(const struct ticks *ticks)
{
    size_t most = 0;
    for (size_t i = 0; i < ticks->count; i++) {
        size_t n = 0;
        for (const char *c = ticks->items[i].label; *c; c++)
            n += ((unsigned char)*c & 0xc0) != 0x80;
        most = n > most ? n : most;
    }
    return most;
}

struct chart_rect chart_area(double width, double height, const struct axis *a)
{
    double u = unit_of(width, height);
    struct chart_rect r = {0, round(TOP * u), 0, 0};
    struct ticks ticks;
    r.h = fmax(round(height - BOTTOM * u) - r.y, 16);
    a_ticks(a, r.h, u, &ticks);
    size_t all = longest(&ticks), more = all > LEFT_CHARACTERS ? all - LEFT_CHARACTERS : 0;
    r.x = round((double)(LEFT + more * CHARACTER) * u);
    r.w = fmax(round(width - RIGHT * u) - r.x, 16);
    return r;
}

struct drawing {
    struct canvas *canvas;
    const struct chart *chart;
    struct chart_rect area;
    double u;
    struct canvas_font title, plain, pale, italic;
};

/* The text, cut at its end until it fits. */
static void text_within(const struct drawing *d, const struct canvas_font *font, double x, double y,
                        double most, const char *text)
{
    char cut[512];
    snprintf(cut, sizeof cut - 4, "%s", text);
    size_t len = strlen(cut);
    while (len > 0 && canvas_text_width(d->canvas, font, cut) > most) {
        do
            len--;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80);
        snprintf(cut + len, 4, "…");
    }
    canvas_text(d->canvas, font, x, y, 0, cut);
}

/* --- points ---------------------------------------------------------------------------------- */

static bool hatched(size_t x, size_t y, double period)
{
    return fmod((double)(x + y), period) < period * 0.22;
}

/* A failed point is worth a pixel even where most of the pixel is well. */
static struct rgb pixel(const struct drawing *d, size_t column, size_t row)
{
    const struct raster *r = d->chart->raster;
    double value, period = 9 * d->u * (double)r->width / d->area.w;
    enum raster_class class = raster_pixel(r, column, row, &value);
    if ((double)r->covered[RASTER_FAILED][column * r->height + row] > FAINT)
        return COLORMAP_FAILED;
    if (class == RASTER_NOT_DONE)
        return hatched(column, row, period) ? HATCH : COLORMAP_NOT_DONE;
    return shade_at(d->chart->shade, value);
}

static void draw_points(const struct drawing *d)
{
    const struct raster *r = d->chart->raster;
    struct rgb *pixels = mem_alloc(r->width * r->height, sizeof *pixels);
    for (size_t y = 0; y < r->height; y++)
        for (size_t x = 0; x < r->width; x++)
            pixels[y * r->width + x] = pixel(d, x, r->height - 1 - y);
    canvas_image(d->canvas, pixels, r->width, r->height, d->area.x, d->area.y, d->area.w,
                 d->area.h);
    free(pixels);
}

/* Dark with a pale rim, to be seen on every colour. */
static void draw_boundary(const struct drawing *d)
{
    const struct chart_rect *a = &d->area;
    const struct contour *b = d->chart->boundary;
    if (!b || b->count == 0)
        return;
    canvas_pieces(d->canvas, b, a->x, a->y, a->w, a->h, 3 * d->u, PAPER, 0.55);
    canvas_pieces(d->canvas, b, a->x, a->y, a->w, a->h, 1.3 * d->u, INK, 1);
}

/* --- axes ------------------------------------------------------------------------------------ */

/* On a whole pixel and a half, where a line of one pixel is sharp. */
static double crisp(double x)
{
    return floor(x) + 0.5;
}

static void draw_q_axis(const struct drawing *d)
{
    const struct chart_rect *a = &d->area;
    struct ticks ticks;
    double bottom = a->y + a->h, y = bottom + (TICK + TICK_GAP + 7) * d->u;
    ticks_make(&d->chart->q->scale, (size_t)(a->w / (X_LABEL_ROOM * d->u)), &ticks);
    for (size_t i = 0; i < ticks.count; i++) {
        const struct tick *t = &ticks.items[i];
        double x = crisp(a->x + a->w * scale_at(&d->chart->q->scale, t->value));
        double len = (t->minor ? MINOR_TICK : TICK) * d->u;
        canvas_line(d->canvas, x, bottom, x, bottom + len, d->u, INK);
        canvas_text(d->canvas, &d->plain, x, y, 0.5, t->label);
    }
    canvas_text(d->canvas, &d->italic, a->x + a->w / 2, bottom + 46 * d->u, 0.5, "q");
}

static void draw_a_axis(const struct drawing *d)
{
    const struct chart_rect *a = &d->area;
    struct ticks ticks;
    double widest = 0;
    a_ticks(d->chart->a, a->h, d->u, &ticks);
    for (size_t i = 0; i < ticks.count; i++) {
        const struct tick *t = &ticks.items[i];
        double y = crisp(a->y + a->h * (1 - scale_at(&d->chart->a->scale, t->value)));
        double len = (t->minor ? MINOR_TICK : TICK) * d->u;
        canvas_line(d->canvas, a->x - len, y, a->x, y, d->u, INK);
        canvas_text(d->canvas, &d->plain, a->x - (TICK + TICK_GAP) * d->u, y, 1, t->label);
        widest = fmax(widest, canvas_text_width(d->canvas, &d->plain, t->label));
    }
    double x = fmax(a->x - (TICK + TICK_GAP + 16) * d->u - widest, 10 * d->u);
    canvas_text(d->canvas, &d->italic, x, a->y + a->h / 2, 0.5, "a");
}

/* --- colour bar ------------------------------------------------------------------------------ */

/* A triangle over or below the bar: there are values beyond it. */
static void draw_beyond(const struct drawing *d, double x, double y, double up)
{
    const struct shade *s = d->chart->shade;
    double w = BAR_WIDTH * d->u, h = 11 * d->u * up;
    struct contour_point corners[] = {{x, y}, {x + w, y}, {x + w / 2, y - h}};
    canvas_polygon(d->canvas, corners, 3, shade_at(s, up > 0 ? s->high : s->low));
}

static void draw_bar_colours(const struct drawing *d, double x, double low, double high)
{
    const struct shade *s = d->chart->shade;
    size_t n = (size_t)(d->area.h * canvas_sharpness(canvas_kind(d->canvas)));
    struct rgb *pixels = mem_alloc(n, sizeof *pixels);
    for (size_t i = 0; i < n; i++) {
        double at = high - (high - low) * ((double)i + 0.5) / (double)n;
        pixels[i] = shade_at(s, scale_value(&s->scale, at));
    }
    canvas_image(d->canvas, pixels, 1, n, x, d->area.y, BAR_WIDTH * d->u, d->area.h);
    free(pixels);
    canvas_frame(d->canvas, x + 0.5, d->area.y + 0.5, BAR_WIDTH * d->u - 1, d->area.h - 1, d->u,
                 INK);
}

static void draw_bar(const struct drawing *d)
{
    const struct chart_rect *a = &d->area;
    const struct shade *s = d->chart->shade;
    const struct raster *r = d->chart->raster;
    double x = a->x + a->w + BAR_GAP * d->u, right = x + BAR_WIDTH * d->u;
    double low = scale_at(&s->scale, s->low), high = scale_at(&s->scale, s->high);
    struct scale shown = s->scale;
    struct ticks ticks;
    if (r->points[RASTER_VALUE] == 0)
        return; /* nothing has a colour yet */
    shown.lo = s->low;
    shown.hi = s->high;
    draw_bar_colours(d, x, low, high);
    if (scale_at(&shown, r->high) > 1 + CLEARLY || r->infinite)
        draw_beyond(d, x, a->y - 2 * d->u, 1);
    if (scale_at(&shown, r->low) < -CLEARLY)
        draw_beyond(d, x, a->y + a->h + 2 * d->u, -1);
    ticks_make(&shown, (size_t)(a->h / (Y_LABEL_ROOM * d->u)), &ticks);
    for (size_t i = 0; i < ticks.count; i++) {
        const struct tick *t = &ticks.items[i];
        double y = crisp(a->y + a->h * (1 - scale_at(&shown, t->value)));
        double len = (t->minor ? MINOR_TICK : TICK) * d->u;
        canvas_line(d->canvas, right, y, right + len, y, d->u, INK);
        canvas_text(d->canvas, &d->plain, right + (TICK + TICK_GAP) * d->u, y, 0, t->label);
    }
    text_within(d, &d->italic, x, a->y - 25 * d->u, (BAR_WIDTH + 72) * d->u, d->chart->field);
}

/* --- legend ---------------------------------------------------------------------------------- */

/* From right to left along the line of the q axis's name. Returns the new right end. */
static double legend_text(const struct drawing *d, double right, const char *text)
{
    double y = d->area.y + d->area.h + 46 * d->u;
    canvas_text(d->canvas, &d->pale, right, y, 1, text);
    return right - canvas_text_width(d->canvas, &d->pale, text) - 7 * d->u;
}

static double legend_box(const struct drawing *d, double right, const char *text, bool failed)
{
    double side = 13 * d->u, y = d->area.y + d->area.h + 46 * d->u - side / 2;
    size_t n = (size_t)(side * canvas_sharpness(canvas_kind(d->canvas)));
    struct rgb *pixels = mem_alloc(n * n, sizeof *pixels);
    right = legend_text(d, right, text);
    for (size_t i = 0; i < n * n; i++)
        pixels[i] = failed                                                   ? COLORMAP_FAILED
                    : hatched(i % n, n - i / n, 9 * d->u * (double)n / side) ? HATCH
                                                                             : COLORMAP_NOT_DONE;
    canvas_image(d->canvas, pixels, n, n, right - side, y, side, side);
    free(pixels);
    return right - side - 18 * d->u;
}

static double legend_line(const struct drawing *d, double right, const char *text)
{
    double y = crisp(d->area.y + d->area.h + 46 * d->u);
    right = legend_text(d, right, text);
    canvas_line(d->canvas, right - 22 * d->u, y, right, y, 1.3 * d->u, INK);
    return right - 40 * d->u;
}

static void draw_legend(const struct drawing *d)
{
    const struct chart *c = d->chart;
    double right = d->area.x + d->area.w;
    char text[96], number[TEXT_MAX];
    if (c->boundary && c->boundary->count > 0)
        right = legend_line(d, right, c->boundary_label);
    if (c->raster->points[RASTER_FAILED] > 0) {
        snprintf(text, sizeof text, "failed: %s",
                 count_format(c->raster->points[RASTER_FAILED], number));
        right = legend_box(d, right, text, true);
    }
    if (c->raster->points[RASTER_NOT_DONE] > 0) {
        snprintf(text, sizeof text, "not done: %s",
                 count_format(c->raster->points[RASTER_NOT_DONE], number));
        legend_box(d, right, text, false);
    }
}

void chart_draw(struct canvas *canvas, const struct chart *chart)
{
    double u = unit_of(chart->width, chart->height);
    struct drawing d = {
        .canvas = canvas,
        .chart = chart,
        .area = chart_area(chart->width, chart->height, chart->a),
        .u = u,
        .title = {18 * u, CANVAS_BOLD, INK},
        .plain = {13 * u, CANVAS_PLAIN, INK},
        .pale = {13 * u, CANVAS_PLAIN, PALE},
        .italic = {16 * u, CANVAS_ITALIC, INK},
    };
    draw_points(&d);
    draw_boundary(&d);
    canvas_frame(canvas, d.area.x - 0.5, d.area.y - 0.5, d.area.w + 1, d.area.h + 1, u, INK);
    draw_q_axis(&d);
    draw_a_axis(&d);
    draw_bar(&d);
    draw_legend(&d);
    double most = chart->width - d.area.x - 20 * u;
    text_within(&d, &d.title, d.area.x, 27 * u, most, chart->title);
    text_within(&d, &d.pale, d.area.x, 53 * u, d.area.w, chart->subtitle);
}
