#ifndef SOLVER_PHASE_VECTOR_H
#define SOLVER_PHASE_VECTOR_H

/* What points by phase and amplitude need of vectors beside common/leaf/vector.h, two doubles among
 * it. */

#include "vector.h"

#define UNIT  0x1p-53
#define SPLIT 134217729.0

static inline vector get(const double *p, size_t at)
{
    return *(const vector *)(const void *)(p + at);
}

static inline void set(double *p, size_t at, vector v)
{
    *(vector *)(void *)(p + at) = v;
}

static inline vector all(double x)
{
    vector zero = {0};
    return zero + x;
}

static inline int any(bits mask)
{
    int64_t sum = 0;
    for (int i = 0; i < WIDTH; i++)
        sum |= mask[i];
    return sum != 0;
}

/* A number in two doubles. */
struct two {
    vector high, low;
};

/* Knuth's and Dekker's exact sum and product. */
static inline struct two two_sum(vector a, vector b)
{
    vector s = a + b, t = s - a;
    return (struct two){s, (a - (s - t)) + (b - t)};
}

static inline struct two halves(vector a)
{
    vector c = a * SPLIT, high = c - (c - a);
    return (struct two){high, a - high};
}

static inline vector product_error(vector p, struct two a, struct two b)
{
    return ((a.high * b.high - p) + a.high * b.low + a.low * b.high) + a.low * b.low;
}

#endif
