#ifndef CLIENT_HEATMAP_H
#define CLIENT_HEATMAP_H

#include "buf.h"
#include "shade.h"
#include "terminal.h"
#include <stdint.h>

/* A field as characters: q to the right, a upwards. With UTF-8 and colours a character is two cells
 * (an upper half block, its two colours); without UTF-8 it is a coloured space; without colours a
 * character of a ramp. Points not done are left blank. Pure. */

/* What a snapshot brings (PROTOCOL, section 5). */
struct heatmap {
    size_t q, a;     /* cells, at least 1 each */
    float *values;   /* C order (q, a) */
    uint8_t *status; /* as in status.npy */
};

/* Takes the bytes of a snapshot of q x a cells. ERR_OTHER when there are not as many. The map must
 * be zeroed or hold an earlier one. */
int heatmap_read(struct heatmap *map, size_t q, size_t a, const void *bytes, size_t len,
                 struct err *err);
void heatmap_fini(struct heatmap *map);

/* The colours for what is done so far. */
void heatmap_shade(const struct heatmap *map, struct shade *shade);

/* The largest picture of these cells in width x height characters: each point of a small grid is as
 * many characters as fit. */
void heatmap_fit(const struct heatmap *map, const struct terminal *t, int width, int height,
                 int *columns, int *lines);

/* Appends line `line` (0 is the uppermost) of a picture of columns x lines characters, without a
 * line end; colours are switched off after it. */
void heatmap_line(const struct heatmap *map, const struct shade *shade, const struct terminal *t,
                  int columns, int lines, int line, struct buf *out);

/* Appends a bar of `columns` characters through all colours in use, from low to high. */
void heatmap_bar(const struct shade *shade, const struct terminal *t, int columns, struct buf *out);

#endif
