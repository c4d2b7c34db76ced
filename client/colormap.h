#ifndef CLIENT_COLORMAP_H
#define CLIENT_COLORMAP_H

#include "err.h"
#include <stdint.h>

/* Colours for numbers: perceptually even and safe for colour-blind eyes. Pure.
 *
 * viridis (van der Walt and Smith 2015) and cividis (Nunez, Anderton and Renslow 2018, PLoS ONE 13
 * e0199239) are matplotlib's tables (CC0), for values of one sign. blues-reds is for values about a
 * middle: neutral there, its lightness falls linearly and alike on both sides (Oklab, Ottosson
 * 2020), along a blue and an orange-red that every kind of colour vision tells apart. */

enum colormap { COLORMAP_VIRIDIS, COLORMAP_CIVIDIS, COLORMAP_BLUES_REDS };

struct rgb {
    uint8_t r, g, b; /* sRGB */
};

/* Points that are not done or have failed: no map comes near these. */
#define COLORMAP_NOT_DONE ((struct rgb){0xe4, 0xe4, 0xe4})
#define COLORMAP_FAILED   ((struct rgb){0xff, 0x00, 0xff})

/* The colour at x in [0, 1] (clamped; 0.5 is the middle of blues-reds); NaN gives NOT_DONE. */
struct rgb colormap_at(enum colormap map, double x);

/* "viridis", "cividis", "blues-reds". ERR_USAGE with a hint otherwise. */
int colormap_parse(const char *name, enum colormap *out, struct err *err);
const char *colormap_name(enum colormap map);

#endif
