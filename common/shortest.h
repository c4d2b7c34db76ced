#ifndef COMMON_SHORTEST_H
#define COMMON_SHORTEST_H

#include <stdint.h>

/* The shortest decimal that reads back as the same double, and of several the nearest: Schubfach
 * (R. Giulietti, "The Schubfach way to render doubles", 2022), some 20 ns a number. Pure. */

struct shortest {
    uint64_t digits; /* at most 17; may end in zeros */
    int exponent;    /* the value is digits * 10^exponent */
};

/* Of a finite value above 0. */
struct shortest shortest_decimal(double value);

#endif
