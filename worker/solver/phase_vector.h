#ifndef SOLVER_PHASE_VECTOR_H
#define SOLVER_PHASE_VECTOR_H

/* GCC's vector extensions for the files that are compiled once per instruction set: VECTOR_BYTES is
 * the width. Elementwise, so that a lane's bits do not depend on it. */

#include <math.h>
#include <stddef.h>
#include <stdint.h>

typedef double vector __attribute__((vector_size(VECTOR_BYTES)));
typedef int64_t bits __attribute__((vector_size(VECTOR_BYTES)));

#define WIDTH (VECTOR_BYTES / 8)
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

static inline vector absolute(vector x)
{
    return (vector)((bits)x & INT64_MAX);
}

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
