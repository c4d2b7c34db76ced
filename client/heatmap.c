/* See heatmap.h. */
#include "heatmap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_BYTES = 5, STATUS_OPEN = 0, STATUS_FAILED = 2 };

/* --- cells ----------------------------------------------------------------------------------- */

int heatmap_read(struct heatmap *map, size_t q, size_t a, const void *bytes, size_t len,
                 struct err *err)
{
    const unsigned char *p = bytes;
    if (q == 0 || a == 0 || len / CELL_BYTES / q != a || len != q * a * CELL_BYTES)
        return err_set(err, ERR_OTHER,
                       "the broker's picture has %zu bytes, not those of %zu x %zu "
                       "cells",
                       len, q, a);
    map->values = mem_resize(map->values, q * a, sizeof *map->values);
    map->status = mem_resize(map->status, q * a, 1);
    map->q = q;
    map->a = a;
    for (size_t i = 0; i < q * a; i++, p += CELL_BYTES) {
        memcpy(&map->values[i], p, sizeof map->values[i]);
        map->status[i] = p[sizeof map->values[i]];
    }
    return 0;
}

void heatmap_fini(struct heatmap *map)
{
    free(map->values);
    free(map->status);
    *map = (struct heatmap){0};
}

static bool is_known(uint8_t status)
{
    return status != STATUS_OPEN && status != STATUS_FAILED;
}

void heatmap_shade(const struct heatmap *map, struct shade *shade)
{
    static const struct shade_wish NONE = {0};
    double *known = mem_alloc(map->q * map->a + 1, sizeof *known);
    size_t n = 0;
    for (size_t i = 0; i < map->q * map->a; i++)
        if (is_known(map->status[i]))
            known[n++] = (double)map->values[i];
    shade_choose(known, n, &NONE, shade);
    free(known);
}

/* --- colours --------------------------------------------------------------------------------- */

/* What one half of a character shows. */
struct ink {
    bool blank;
    int level; /* COLOURS_NONE: of the ramp; COLOURS_16: SGR 0..15; COLOURS_256: its number */
    struct rgb rgb;
};

static const char RAMP[] = ".:-=+*#%@";
enum { RAMP_LEVELS = sizeof RAMP - 1, LEVEL_FAILED = RAMP_LEVELS };

/* Of the sixteen colours every terminal has, from low to high: dark to bright, and about a middle.
 */
static const int SIXTEEN_UP[] = {4, 12, 6, 2, 10, 11};
static const int SIXTEEN_ABOUT[] = {4, 12, 15, 9, 1};
enum { SIXTEEN_FAILED = 13 };

static int step_of(double x, int steps)
{
    int i = (int)floor(x * steps);
    return i < 0 ? 0 : i < steps ? i : steps - 1;
}

static int sixteen_of(const struct shade *shade, double x)
{
    if (shade->map == COLORMAP_BLUES_REDS)
        return SIXTEEN_ABOUT[step_of(x, sizeof SIXTEEN_ABOUT / sizeof SIXTEEN_ABOUT[0])];
    return SIXTEEN_UP[step_of(x, sizeof SIXTEEN_UP / sizeof SIXTEEN_UP[0])];
}

/* The nearest of the colour cube 16..231 (levels 0, 95, 135, ..., 255) or of the greys 232..255. */
static int cube_step(int v)
{
    return v < 48 ? 0 : v < 115 ? 1 : (v - 35) / 40;
}

static int distance(int r, int g, int b, struct rgb c)
{
    return (r - c.r) * (r - c.r) + (g - c.g) * (g - c.g) + (b - c.b) * (b - c.b);
}

static int palette_of(struct rgb c)
{
    static const int LEVELS[] = {0, 95, 135, 175, 215, 255};
    int r = cube_step(c.r), g = cube_step(c.g), b = cube_step(c.b);
    int grey = ((c.r + c.g + c.b) / 3 - 3) / 10;
    grey = grey < 0 ? 0 : grey > 23 ? 23 : grey;
    int v = 8 + 10 * grey;
    if (distance(v, v, v, c) < distance(LEVELS[r], LEVELS[g], LEVELS[b], c))
        return 232 + grey;
    return 16 + 36 * r + 6 * g + b;
}

static struct ink ink_of(const struct shade *shade, enum terminal_colours colours, double value,
                         uint8_t status)
{
    struct ink ink = {.blank = status == STATUS_OPEN};
    bool failed = status == STATUS_FAILED;
    if (ink.blank)
        return ink;
    ink.rgb = failed ? COLORMAP_FAILED : shade_at(shade, value);
    double x = scale_at(&shade->scale, value);
    x = x >= 0 ? fmin(x, 1) : 0; /* of NaN, and of what a logarithmic scale has no place for, too */
    if (colours == COLOURS_256)
        ink.level = palette_of(ink.rgb);
    else if (colours == COLOURS_16)
        ink.level = failed ? SIXTEEN_FAILED : sixteen_of(shade, x);
    else
        ink.level = failed ? LEVEL_FAILED : step_of(x, RAMP_LEVELS);
    return ink;
}

static bool same(const struct ink *x, const struct ink *y)
{
    return x->blank == y->blank && x->level == y->level &&
           memcmp(&x->rgb, &y->rgb, sizeof x->rgb) == 0;
}

static void set_colour(enum terminal_colours colours, const struct ink *ink, bool background,
                       struct buf *out)
{
    int base = background ? 10 : 0;
    if (ink->blank)
        buf_printf(out, "\x1b[%dm", 39 + base);
    else if (colours == COLOURS_TRUE)
        buf_printf(out, "\x1b[%d;2;%d;%d;%dm", 38 + base, ink->rgb.r, ink->rgb.g, ink->rgb.b);
    else if (colours == COLOURS_256)
        buf_printf(out, "\x1b[%d;5;%dm", 38 + base, ink->level);
    else
        buf_printf(out, "\x1b[%dm", (ink->level < 8 ? 30 + ink->level : 82 + ink->level) + base);
}

/* --- characters ------------------------------------------------------------------------------ */

/* The colours that the terminal has at the moment. */
struct brush {
    enum terminal_colours colours;
    bool unicode, used;
    struct ink front, back;
};

static void brush_begin(struct brush *b, const struct terminal *t)
{
    *b = (struct brush){.colours = t->colours, .unicode = t->unicode};
    b->front.blank = b->back.blank = true;
}

static void brush_set(struct brush *b, const struct ink *ink, bool background, struct buf *out)
{
    struct ink *is = background ? &b->back : &b->front;
    if (same(is, ink))
        return;
    set_colour(b->colours, ink, background, out);
    *is = *ink;
    b->used = true;
}

/* One character: two cells one above the other, or (below NULL) one. */
static void brush_put(struct brush *b, const struct ink *above, const struct ink *below,
                      struct buf *out)
{
    static const struct ink BLANK = {.blank = true};
    if (b->colours == COLOURS_NONE) {
        char c = above->blank ? ' ' : above->level == LEVEL_FAILED ? '!' : RAMP[above->level];
        buf_add(out, &c, 1);
    } else if (!below) {
        brush_set(b, above, true, out);
        buf_str(out, " ");
    } else if (above->blank && below->blank) {
        brush_set(b, &BLANK, true, out);
        buf_str(out, " ");
    } else if (above->blank) {
        brush_set(b, &BLANK, true, out);
        brush_set(b, below, false, out);
        buf_str(out, "\u2584");
    } else {
        brush_set(b, below, true, out);
        brush_set(b, above, false, out);
        buf_str(out, "\u2580");
    }
}

static void brush_end(const struct brush *b, struct buf *out)
{
    if (b->used)
        buf_str(out, "\x1b[0m");
}

/* --- pictures -------------------------------------------------------------------------------- */

static bool has_halves(const struct terminal *t)
{
    return t->unicode && t->colours != COLOURS_NONE;
}

/* As many characters for each of n cells as fit into room, or fewer cells than there are. */
static int fit(size_t n, int room)
{
    if (room < 1)
        return 1;
    return n >= (size_t)room ? room : room / (int)n * (int)n;
}

void heatmap_fit(const struct heatmap *map, const struct terminal *t, int width, int height,
                 int *columns, int *lines)
{
    int halves = has_halves(t) ? 2 : 1;
    *columns = fit(map->q, width);
    *lines = (fit(map->a, height * halves) + halves - 1) / halves;
}

/* The cell at row `y` of `rows` from the top, of column x. */
static struct ink cell(const struct heatmap *map, const struct shade *shade,
                       enum terminal_colours colours, int x, int columns, int y, int rows)
{
    size_t i = (size_t)x * map->q / (size_t)columns;
    size_t k = (size_t)(rows - 1 - y) * map->a / (size_t)rows;
    size_t at = i * map->a + k;
    return ink_of(shade, colours, (double)map->values[at], map->status[at]);
}

void heatmap_line(const struct heatmap *map, const struct shade *shade, const struct terminal *t,
                  int columns, int lines, int line, struct buf *out)
{
    bool halves = has_halves(t);
    int rows = halves ? 2 * lines : lines, y = halves ? 2 * line : line;
    struct brush brush;
    brush_begin(&brush, t);
    for (int x = 0; x < columns; x++) {
        struct ink above = cell(map, shade, t->colours, x, columns, y, rows), below;
        if (halves)
            below = cell(map, shade, t->colours, x, columns, y + 1, rows);
        brush_put(&brush, &above, halves ? &below : NULL, out);
    }
    brush_end(&brush, out);
}

void heatmap_bar(const struct shade *shade, const struct terminal *t, int columns, struct buf *out)
{
    struct brush brush;
    double low = scale_at(&shade->scale, shade->low), high = scale_at(&shade->scale, shade->high);
    brush_begin(&brush, t);
    for (int x = 0; x < columns; x++) {
        double at = low + (high - low) * (columns > 1 ? (double)x / (columns - 1) : 0);
        struct ink ink = ink_of(shade, t->colours, scale_value(&shade->scale, at), 1);
        brush_put(&brush, &ink, has_halves(t) ? &ink : NULL, out);
    }
    brush_end(&brush, out);
}
