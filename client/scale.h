#ifndef CLIENT_SCALE_H
#define CLIENT_SCALE_H

#include <stdbool.h>
#include <stddef.h>

/* From values to places in [0, 1] and back: of an axis, of a colour bar. And the ticks on it. Pure.
 *
 * SYMLOG is asinh(v / linear): linear around 0 and logarithmic far away, for values of both signs
 * over many decades, without the kink of a piecewise scale (Lupton, Gunn and Szalay 1999, AJ 118,
 * 1406). */

enum scale_kind { SCALE_LINEAR, SCALE_LOG, SCALE_SYMLOG };

struct scale {
    enum scale_kind kind;
    double lo, hi; /* at 0 and at 1; lo != hi; of LOG both above 0 */
    double linear; /* of SYMLOG: where the logarithmic part begins */
};

/* Not clamped: what is below lo is below 0. NaN, and what LOG has no place for, gives NaN. */
double scale_at(const struct scale *s, double value);
double scale_value(const struct scale *s, double at);

/* "0.25", "10⁻⁹", "2.5×10⁻⁷": three digits at most. */
void scale_label(double value, char out[32]);

#define TICKS_MAX 96

struct tick {
    double value;
    bool minor;     /* without a label */
    char label[32]; /* UTF-8 */
};

struct ticks {
    struct tick items[TICKS_MAX + 1]; /* the last one is never counted */
    size_t count;
};

/* Ticks within [lo, hi] at 1, 2 or 5 times a power of ten, at most about `most` with labels; of a
 * LOG scale at powers of ten (every few when there are many, with 2 and 5 when there are few). */
void ticks_make(const struct scale *s, size_t most, struct ticks *out);

#endif
