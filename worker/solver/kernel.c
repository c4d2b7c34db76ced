/* Compiled once per instruction set, with KERNEL naming the table and VECTOR_BYTES the width: GCC's
 * vector extensions, no intrinsics. A lane's bits depend neither on the width nor on its place. */
#include "kernel.h"

#ifndef KERNEL
#define KERNEL       kernel_portable
#define LEAF_KERNEL  leaf_kernel_portable
#define VECTOR_BYTES 16
#endif

#include "vector.h"

#define GROUPS (LANES / WIDTH)

#define ROOT_HALF 0.7071067811865475 /* of 1/2, not more */

#define CHAINS 8 /* vectors in flight: they hide the latency of a sum */

/* Vectors of one entry in flight, times four entries: what the registers of each set hold. */
#if VECTOR_BYTES == 64
#define TOGETHER 4
#else
#define TOGETHER 2
#endif

/* The vectors of 32 lanes. */
struct lanes {
    vector v[GROUPS];
};

static inline const struct lanes *lanes_in(const double *p)
{
    return (const struct lanes *)(const void *)p;
}

static inline struct lanes *lanes_out(double *p)
{
    return (struct lanes *)(void *)p;
}

/* out[i] = sum_j c[j * width + i] weight[j], `count` vectors, the highest j first. */
static inline void combine(const double *c, size_t width, int nq, const double *weight, double *out,
                           int count)
{
    vector sum[CHAINS];
    const vector *row = (const vector *)(const void *)(c + (size_t)nq * width);
    for (int k = 0; k < count; k++)
        sum[k] = row[k] * weight[nq];
    for (int j = nq; j-- > 0;) {
        row = (const vector *)(const void *)(c + (size_t)j * width);
        for (int k = 0; k < count; k++)
            sum[k] = sum[k] + row[k] * weight[j];
    }
    for (int k = 0; k < count; k++)
        ((vector *)(void *)out)[k] = sum[k];
}

/* combine() for four rows, `count` <= 2 vectors from column i on. */
static inline __attribute__((always_inline)) void combine_rows(const double *c, size_t width,
                                                               int nq, const double *const *weight,
                                                               double *const *out, size_t at,
                                                               int count)
{
    vector sum[KERNEL_ROWS][2];
    const vector *last = (const vector *)(const void *)(c + (size_t)nq * width);
    for (int r = 0; r < KERNEL_ROWS; r++)
        for (int k = 0; k < count; k++)
            sum[r][k] = last[k] * weight[r][nq];
    for (int j = nq; j-- > 0;) {
        const vector *row = (const vector *)(const void *)(c + (size_t)j * width);
        for (int r = 0; r < KERNEL_ROWS; r++)
            for (int k = 0; k < count; k++)
                sum[r][k] = sum[r][k] + row[k] * weight[r][j];
    }
    for (int r = 0; r < KERNEL_ROWS; r++)
        for (int k = 0; k < count; k++)
            ((vector *)(void *)(out[r] + at))[k] = sum[r][k];
}

static void contract_rows(const struct parts *p, const double *const *weight, double *const *row)
{
    for (size_t n = 0; n < p->count; n++) {
        const struct part *part = &p->part[n];
        const double *c = p->coef + part->coef;
        size_t i = 0;
        for (; i + 2 * WIDTH <= part->width; i += 2 * WIDTH)
            combine_rows(c + i, part->width, part->nq, weight, row, part->row + i, 2);
        for (; i < part->width; i += WIDTH)
            combine_rows(c + i, part->width, part->nq, weight, row, part->row + i, 1);
    }
}

static void contract(const struct parts *p, const double *weight, double *row)
{
    for (size_t n = 0; n < p->count; n++) {
        const struct part *part = &p->part[n];
        size_t i = 0, width = part->width, step = CHAINS * WIDTH;
        const double *c = p->coef + part->coef;
        double *out = row + part->row;
        /* What is left after the full steps is split evenly: few chains are slow. */
        for (; width - i >= 2 * step; i += step)
            combine(c + i, width, part->nq, weight, out + i, CHAINS);
        while (i < width) {
            size_t left = (width - i) / WIDTH, count = left > CHAINS ? (left + 1) / 2 : left;
            switch (count) {
#define CASE(n)                                                                                    \
    case n:                                                                                        \
        combine(c + i, width, part->nq, weight, out + i, n);                                       \
        break
                CASE(1);
                CASE(2);
                CASE(3);
                CASE(4);
                CASE(5);
                CASE(6);
                CASE(7);
                CASE(8);
#undef CASE
            }
            i += count * WIDTH;
        }
    }
}

/* One part, `count` vectors of lanes: four polynomials in x, Horner. */
static inline void horner(const double *row, int na, const vector *x, struct lanes *m, int g,
                          int count)
{
    const double *c = row + 4 * na;
    vector zero = {0}, sum[4][TOGETHER];
    for (int e = 0; e < 4; e++)
        for (int k = 0; k < count; k++)
            sum[e][k] = zero + c[e];
    for (int i = na; i > 0; i--) {
        c -= 4;
        for (int e = 0; e < 4; e++)
            for (int k = 0; k < count; k++)
                sum[e][k] = sum[e][k] * x[k] + c[e];
    }
    for (int e = 0; e < 4; e++)
        for (int k = 0; k < count; k++)
            m[e].v[g + k] = sum[e][k];
}

/* Vectors that hold the first `lanes` lanes. */
static inline int groups_of(size_t lanes)
{
    return (int)((lanes + WIDTH - 1) / WIDTH);
}

static void propagate(const struct parts *p, const double *row, const double *x, size_t lanes,
                      double *matrix)
{
    const struct lanes *at = lanes_in(x);
    int groups = groups_of(lanes);
    for (size_t n = 0; n < p->count; n++) {
        const struct part *part = &p->part[n];
        const double *c = row + part->row;
        struct lanes *m = lanes_out(matrix + n * 4 * LANES);
        int g = 0;
        for (; g + TOGETHER <= groups; g += TOGETHER)
            horner(c, part->na, &at->v[g], m, g, TOGETHER);
        for (; g + 2 <= groups; g += 2)
            horner(c, part->na, &at->v[g], m, g, 2);
        if (g < groups)
            horner(c, part->na, &at->v[g], m, g, 1);
    }
}

static bits rescale(struct lanes *state, struct lanes *scale, int groups)
{
    vector zero = {0}, one = zero + 1;
    bits any = {0};
    for (int g = 0; g < groups; g++) {
        vector size = absolute(state[0].v[g]) + absolute(state[1].v[g]);
        vector factor = choose(size > KERNEL_LARGE, zero + KERNEL_SHRINK, one);
        factor = choose((size < KERNEL_SMALL) & (size > zero), zero + KERNEL_GROW, factor);
        state[0].v[g] = state[0].v[g] * factor;
        state[1].v[g] = state[1].v[g] * factor;
        scale->v[g] = factor;
        any |= factor != one;
    }
    return any;
}

static int forward(const struct parts *p, const double *matrix, size_t lanes, double *state,
                   double *scale)
{
    size_t wait = p->every;
    int groups = groups_of(lanes), found = 0;
    bits any = {0};
    for (size_t n = 0; n < p->count; n++) {
        const struct lanes *m = lanes_in(matrix + n * 4 * LANES);
        struct lanes *now = lanes_out(state + n * 2 * LANES);
        for (int g = 0; g < groups; g++) {
            vector z = now[0].v[g], s = now[1].v[g];
            now[2].v[g] = m[0].v[g] * z + m[1].v[g] * s;
            now[3].v[g] = m[2].v[g] * z + m[3].v[g] * s;
        }
        if (--wait == 0) {
            any |= rescale(now + 2, lanes_out(scale + (n + 1) / p->every * LANES), groups);
            wait = p->every;
        }
    }
    for (int k = 0; k < WIDTH; k++)
        found |= any[k] != 0;
    return found;
}

/* Back over part n (the one that ends at node n + 1), for one vector of lanes. */
struct back {
    vector z, p;                 /* the row */
    vector cross, weighted, all; /* sums */
};

static inline void step_back(struct back *b, const struct lanes *m, const struct lanes *before,
                             const struct lanes *scale, double cross, double node, int g)
{
    vector size = absolute(before[0].v[g]) + absolute(before[1].v[g]);
    vector z = b->z, p = b->p;
    if (scale != NULL) {
        z = z * scale->v[g];
        p = p * scale->v[g];
    }
    b->cross = b->cross + (absolute(z) + absolute(p)) * size * cross;
    b->z = z * m[0].v[g] + p * m[2].v[g];
    b->p = z * m[1].v[g] + p * m[3].v[g];
    vector both = (absolute(b->z) + absolute(b->p)) * size;
    b->all = b->all + both;
    b->weighted = b->weighted + both * node;
}

static void backward(const struct parts *p, const double *matrix, size_t lanes, const double *state,
                     const double *scale, const double *node, size_t at, int row, double *sum)
{
    double row_z = row == 0, row_p = row == 1;
    for (int g = 0; g < groups_of(lanes); g++) {
        const struct lanes *end = lanes_in(state + at * 2 * LANES);
        vector zero = {0};
        vector size = (absolute(end[0].v[g]) + absolute(end[1].v[g])) * (row_z + row_p);
        struct back b = {zero + row_z, zero + row_p, zero, size * node[at], size};
        for (size_t n = at; n-- > 0;) {
            const struct lanes *s =
                (n + 1) % p->every == 0 ? lanes_in(scale + (n + 1) / p->every * LANES) : NULL;
            step_back(&b, lanes_in(matrix + n * 4 * LANES), lanes_in(state + n * 2 * LANES), s,
                      p->cross[n], node[n], g);
        }
        lanes_out(sum)[0].v[g] = b.cross;
        lanes_out(sum)[1].v[g] = b.weighted;
        lanes_out(sum)[2].v[g] = b.all;
    }
}

static void multiply(const double *matrix, size_t n0, size_t n1, double *product)
{
    struct lanes *out = lanes_out(product);
    for (int g = 0; g < GROUPS; g++) {
        vector zero = {0}, m0 = zero + 1, m1 = zero, m2 = zero, m3 = zero + 1;
        for (size_t n = n0; n < n1; n++) {
            const struct lanes *m = lanes_in(matrix + n * 4 * LANES);
            vector z0 = m0, z1 = m1, p0 = m2, p1 = m3;
            m0 = m[0].v[g] * z0 + m[1].v[g] * p0;
            m1 = m[0].v[g] * z1 + m[1].v[g] * p1;
            m2 = m[2].v[g] * z0 + m[3].v[g] * p0;
            m3 = m[2].v[g] * z1 + m[3].v[g] * p1;
        }
        out[0].v[g] = m0;
        out[1].v[g] = m1;
        out[2].v[g] = m2;
        out[3].v[g] = m3;
    }
}

static void conditioning(const struct parts *p, const double *matrix, size_t lanes,
                         const double *state, size_t at, int row, double *kappa_squared)
{
    double omega = p->omega, ratio = omega / p->rate, inverse = 1 / ratio;
    for (int g = 0; g < groups_of(lanes); g++) {
        vector zero = {0}, most = zero, z = zero + (row == 0), s = zero + (row == 1 ? omega : 0);
        for (size_t n = at;; n--) {
            const struct lanes *now = lanes_in(state + n * 2 * LANES);
            vector slope = now[1].v[g] * ratio, part = s * inverse;
            vector size = now[0].v[g] * now[0].v[g] + slope * slope;
            most = larger(most, size * (z * z + part * part));
            if (n == 0)
                break;
            const struct lanes *m = lanes_in(matrix + (n - 1) * 4 * LANES);
            vector next = z * m[0].v[g] + s * m[2].v[g];
            s = z * m[1].v[g] + s * m[3].v[g];
            z = next;
        }
        lanes_out(kappa_squared)->v[g] = most;
    }
}

static void accumulate(double *out, const double *c, size_t c_stride, const double *row, size_t n,
                       size_t width)
{
    loose *to = (loose *)(void *)out;
    for (size_t i = 0; i < (width + WIDTH - 1) / WIDTH; i++) {
        vector sum = to[i];
        for (size_t j = 0; j < n; j++)
            sum = sum + *((const loose *)(const void *)(row + j * 64) + i) * c[j * c_stride];
        to[i] = sum;
    }
}

static int read(const double *state, const double *sum, size_t lanes, struct reading *r)
{
    const struct lanes *z = lanes_in(state), *cross = lanes_in(sum);
    bits any = {0};
    for (int g = 0; g < groups_of(lanes); g++) {
        vector by_z = absolute(z[0].v[g]), by_slope = absolute(z[1].v[g]) * r->slope;
        vector most = larger(by_z, by_slope), sum_of_both = by_z + by_slope;
        vector size = larger(most, sum_of_both * ROOT_HALF) + 1, allowed = size * r->tolerance;
        vector own = cross[0].v[g] * r->unit, rounding = cross[2].v[g] * r->rounding;
        bits doubt = ~((own <= allowed) & (rounding <= allowed));
        vector error = own + cross[1].v[g] * r->unit;
        if (r->stated != NULL) {
            error = error + *((const loose *)(const void *)r->stated + g);
            allowed = larger(size, (vector){0} + r->least) * r->tolerance;
            doubt |= ~(*((const loose *)(const void *)r->doubt + g) <= allowed);
        }
        *((loose *)(void *)r->value + g) = z[r->row].v[g] * r->unit;
        *((loose *)(void *)r->error + g) = error;
        *((loose *)(void *)r->size + g) = size;
        *((loose_bits *)(void *)r->doubtful + g) = doubt;
        any |= doubt;
    }
    int64_t found = 0;
    for (int k = 0; k < WIDTH; k++)
        found |= any[k];
    return found != 0;
}

extern const struct leaf_kernel LEAF_KERNEL;
extern const struct kernel KERNEL;
const struct kernel KERNEL = {&LEAF_KERNEL, contract, contract_rows, propagate,  forward,
                              backward,     multiply, conditioning,  accumulate, read};
