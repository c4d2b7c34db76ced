#ifndef LEAF_VECTOR_H
#define LEAF_VECTOR_H

/* GCC's vector extensions, no intrinsics, for the files that are compiled once per instruction set:
 * VECTOR_BYTES is the width. Elementwise, so that a lane's bits depend neither on the width nor on
 * its place. */

#include <math.h>
#include <stddef.h>
#include <stdint.h>

typedef double vector __attribute__((vector_size(VECTOR_BYTES)));
typedef int64_t bits __attribute__((vector_size(VECTOR_BYTES)));
/* Where memory is not aligned. */
typedef double loose __attribute__((vector_size(VECTOR_BYTES), aligned(8)));
typedef int64_t loose_bits __attribute__((vector_size(VECTOR_BYTES), aligned(8)));

#define WIDTH (VECTOR_BYTES / 8)

static inline vector absolute(vector x)
{
    return (vector)((bits)x & INT64_MAX);
}

/* `yes` where the mask is set, else `no`. */
static inline vector choose(bits mask, vector yes, vector no)
{
    return (vector)(((bits)yes & mask) | ((bits)no & ~mask));
}

static inline vector larger(vector x, vector y)
{
    return choose(x > y, x, y);
}

static inline vector smaller(vector x, vector y)
{
    return choose(x < y, x, y);
}

static inline vector root(vector v)
{
    for (int i = 0; i < WIDTH; i++)
        v[i] = sqrt(v[i]);
    return v;
}

#endif
