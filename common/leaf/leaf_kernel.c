/* Compiled once per instruction set, with LEAF_KERNEL naming the table and VECTOR_BYTES the width:
 * GCC's vector extensions, no intrinsics. A lane's bits depend neither on the width nor on its
 * place. */
#include "leaf_kernel.h"

#include <float.h>
#include <string.h>

#ifndef LEAF_KERNEL
#define LEAF_KERNEL      leaf_kernel_portable
#define LEAF_KERNEL_NAME "portable"
#define VECTOR_BYTES     16
#endif

#include "vector.h"

#define CHAINS 8 /* vectors in flight: they hide the latency of a sum */

static void evaluate(const double *row, int na, const double *x, size_t n, double *value)
{
    for (size_t i = 0; i < n; i += CHAINS * WIDTH) {
        const vector *at = (const vector *)(const void *)(x + i);
        vector *out = (vector *)(void *)(value + i), zero = {0}, sum[CHAINS];
        for (int k = 0; k < CHAINS; k++)
            sum[k] = zero + row[na];
        for (int j = na; j-- > 0;)
            for (int k = 0; k < CHAINS; k++)
                sum[k] = sum[k] * at[k] + row[j];
        for (int k = 0; k < CHAINS; k++)
            out[k] = sum[k];
    }
}

static const double eighths[KERNEL_KNOT]
    __attribute__((aligned(64))) = {0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875};

static void spread(const double *knot, size_t first, size_t n, double *bound)
{
    const vector *ramp = (const vector *)(const void *)eighths;
    for (size_t i = 0; i < n; i += KERNEL_KNOT) {
        double from = knot[(first + i) / KERNEL_KNOT];
        double step = knot[(first + i) / KERNEL_KNOT + 1] - from;
        vector *out = (vector *)(void *)(bound + i);
        for (int k = 0; k < KERNEL_KNOT / WIDTH; k++)
            out[k] = ramp[k] * step + from;
    }
}

static int weigh(const double *value, size_t n, const double *stated, const double *doubt,
                 double tolerance, double least, double *error, int64_t *doubtful)
{
    const vector *ramp = (const vector *)(const void *)eighths;
    bits any = {0};
    for (size_t i = 0; i < n; i += KERNEL_KNOT) {
        double s = stated[i / KERNEL_KNOT], s_step = stated[i / KERNEL_KNOT + 1] - s;
        double d = doubt[i / KERNEL_KNOT], d_step = doubt[i / KERNEL_KNOT + 1] - d;
        const vector *v = (const vector *)(const void *)(value + i);
        vector *e = (vector *)(void *)(error + i), zero = {0};
        bits *out = (bits *)(void *)(doubtful + i);
        for (int k = 0; k < KERNEL_KNOT / WIDTH; k++) {
            vector allowed = larger(absolute(v[k]) + 1, zero + least) * tolerance;
            e[k] = ramp[k] * s_step + s;
            out[k] = ~(ramp[k] * d_step + d <= allowed);
            any |= out[k];
        }
    }
    int64_t found = 0;
    for (int k = 0; k < WIDTH; k++)
        found |= any[k];
    return found != 0;
}

typedef float narrow __attribute__((vector_size(VECTOR_BYTES / 2), aligned(4)));

/* One vector; a number that is not finite has all bits of its exponent set. */
static inline bits deliver_vector(const double *value, const double *error, double sign,
                                  double constant, double *field, float *errors)
{
    vector y = *(const loose *)(const void *)value * sign + constant, zero = {0};
    *(loose *)(void *)field = y;
    if (errors != NULL) {
        vector e = absolute(y) * (0x1p-53 * (1 + 0x1p-40)) + *(const loose *)(const void *)error;
        /* The least float is 2^-149. */
        e = e * (1 + 0x1p-23) + choose(e > zero, zero + 0x1p-149, zero);
        *(narrow *)(void *)errors = __builtin_convertvector(e, narrow);
    }
    return (bits)absolute(y) > (bits)(zero + DBL_MAX);
}

static int deliver(const double *value, const double *error, double sign, double constant, size_t n,
                   double *field, float *errors)
{
    bits any = {0};
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH)
        any |= deliver_vector(value + i, error + i, sign, constant, field + i,
                              errors != NULL ? errors + i : NULL);
    if (i < n) { /* the rest by way of whole vectors */
        double v[WIDTH] = {0}, e[WIDTH] = {0}, y[WIDTH];
        float f[WIDTH];
        memcpy(v, value + i, (n - i) * sizeof *v);
        memcpy(e, error + i, (n - i) * sizeof *e);
        any |= deliver_vector(v, e, sign, constant, y, f);
        memcpy(field + i, y, (n - i) * sizeof *y);
        if (errors != NULL)
            memcpy(errors + i, f, (n - i) * sizeof *f);
    }
    int64_t found = 0;
    for (int k = 0; k < WIDTH; k++)
        found |= any[k];
    return found == 0;
}

extern const struct leaf_kernel LEAF_KERNEL;
const struct leaf_kernel LEAF_KERNEL = {LEAF_KERNEL_NAME, evaluate, weigh, spread, deliver};
