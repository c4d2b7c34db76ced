/* Compiled once per instruction set, with KERNEL naming the table and VECTOR_BYTES the width: GCC's
 * vector extensions, no intrinsics. Two vectors are in flight per entry, which hides the latency of
 * Horner's rule (eight chains) and fits the register file of each set. A lane's bits depend neither
 * on the width nor on its place. */
#include "kernel.h"

#ifndef KERNEL
#define KERNEL       kernel_portable
#define KERNEL_NAME  "portable"
#define VECTOR_BYTES 16
#endif

typedef double vector __attribute__((vector_size(VECTOR_BYTES)));
typedef int64_t bits __attribute__((vector_size(VECTOR_BYTES)));

#define WIDTH  (VECTOR_BYTES / 8)
#define GROUPS (LANES / WIDTH)

#define CHAINS 8 /* vectors in flight: they hide the latency of a sum */

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

static inline vector absolute(vector x)
{
    return (vector)((bits)x & INT64_MAX);
}

/* `yes` where the mask is set, else `no`. */
static inline vector choose(bits mask, vector yes, vector no)
{
    return (vector)(((bits)yes & mask) | ((bits)no & ~mask));
}

/* Coefficients have no alignment. */
typedef double loose __attribute__((vector_size(VECTOR_BYTES), aligned(8)));

/* out[i] = sum_j c[j * width + i] weight[j], i < count vectors, the highest j first. */
static inline void combine(const double *c, size_t width, int nq, const double *weight, double *out,
                           int count)
{
    vector sum[CHAINS];
    for (int k = 0; k < count; k++)
        sum[k] = *(const loose *)(c + (size_t)nq * width + (size_t)k * WIDTH) * weight[nq];
    for (int j = nq; j-- > 0;)
        for (int k = 0; k < count; k++)
            sum[k] =
                sum[k] + *(const loose *)(c + (size_t)j * width + (size_t)k * WIDTH) * weight[j];
    for (int k = 0; k < count; k++)
        *(loose *)(out + (size_t)k * WIDTH) = sum[k];
}

static void contract(const struct parts *p, const double *weight, double *row)
{
    for (size_t n = 0; n < p->count; n++) {
        const struct part *part = &p->part[n];
        size_t width = 4 * (size_t)(part->na + 1), i = 0;
        const double *c = p->coef + part->coef;
        double *out = row + part->row;
        for (; i + CHAINS * WIDTH <= width; i += CHAINS * WIDTH)
            combine(c + i, width, part->nq, weight, out + i, CHAINS);
        for (; i + WIDTH <= width; i += WIDTH)
            combine(c + i, width, part->nq, weight, out + i, 1);
        for (; i < width; i++) {
            double sum = c[(size_t)part->nq * width + i] * weight[part->nq];
            for (int j = part->nq; j-- > 0;)
                sum = sum + c[(size_t)j * width + i] * weight[j];
            out[i] = sum;
        }
    }
}

/* One part, two vectors of lanes: four polynomials in x, Horner. */
static inline void horner(const double *row, int na, vector x0, vector x1, vector out[8])
{
    const double *c = row + 4 * na;
    vector zero = {0};
    vector zz0 = c[0] + zero, zp0 = c[1] + zero, pz0 = c[2] + zero, pp0 = c[3] + zero;
    vector zz1 = zz0, zp1 = zp0, pz1 = pz0, pp1 = pp0;
    for (int i = na; i > 0; i--) {
        c -= 4;
        zz0 = zz0 * x0 + c[0];
        zz1 = zz1 * x1 + c[0];
        zp0 = zp0 * x0 + c[1];
        zp1 = zp1 * x1 + c[1];
        pz0 = pz0 * x0 + c[2];
        pz1 = pz1 * x1 + c[2];
        pp0 = pp0 * x0 + c[3];
        pp1 = pp1 * x1 + c[3];
    }
    out[0] = zz0;
    out[1] = zp0;
    out[2] = pz0;
    out[3] = pp0;
    out[4] = zz1;
    out[5] = zp1;
    out[6] = pz1;
    out[7] = pp1;
}

static void propagate(const struct parts *p, const double *row, const double *x, double *matrix)
{
    const struct lanes *at = lanes_in(x);
    for (size_t n = 0; n < p->count; n++) {
        const struct part *part = &p->part[n];
        struct lanes *m = lanes_out(matrix + n * 4 * LANES);
        for (int g = 0; g < GROUPS; g += 2) {
            vector out[8];
            horner(row + part->row, part->na, at->v[g], at->v[g + 1], out);
            for (int e = 0; e < 4; e++) {
                m[e].v[g] = out[e];
                m[e].v[g + 1] = out[e + 4];
            }
        }
    }
}

static void rescale(struct lanes *state, struct lanes *scale)
{
    vector zero = {0}, one = zero + 1;
    for (int g = 0; g < GROUPS; g++) {
        vector size = absolute(state[0].v[g]) + absolute(state[1].v[g]);
        vector factor = choose(size > KERNEL_LARGE, zero + KERNEL_SHRINK, one);
        factor = choose((size < KERNEL_SMALL) & (size > zero), zero + KERNEL_GROW, factor);
        state[0].v[g] = state[0].v[g] * factor;
        state[1].v[g] = state[1].v[g] * factor;
        scale->v[g] = factor;
    }
}

static void forward(const struct parts *p, const double *matrix, double *state, double *scale)
{
    size_t wait = p->every;
    for (size_t n = 0; n < p->count; n++) {
        const struct lanes *m = lanes_in(matrix + n * 4 * LANES);
        struct lanes *now = lanes_out(state + n * 2 * LANES);
        for (int g = 0; g < GROUPS; g++) {
            vector z = now[0].v[g], s = now[1].v[g];
            now[2].v[g] = m[0].v[g] * z + m[1].v[g] * s;
            now[3].v[g] = m[2].v[g] * z + m[3].v[g] * s;
        }
        if (--wait == 0) {
            rescale(now + 2, lanes_out(scale + (n + 1) / p->every * LANES));
            wait = p->every;
        }
    }
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

static void backward(const struct parts *p, const double *matrix, const double *state,
                     const double *scale, const double *node, size_t at, double row_z, double row_p,
                     double *sum)
{
    for (int g = 0; g < GROUPS; g++) {
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

static inline vector larger(vector x, vector y)
{
    return choose(x > y, x, y);
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

static void conditioning(const struct parts *p, const double *matrix, const double *state,
                         size_t at, int row, double *kappa_squared)
{
    double omega = p->omega, inverse = 1 / omega;
    for (int g = 0; g < GROUPS; g++) {
        vector zero = {0}, most = zero, z = zero + (row == 0), s = zero + (row == 1 ? omega : 0);
        for (size_t n = at;; n--) {
            const struct lanes *now = lanes_in(state + n * 2 * LANES);
            vector slope = now[1].v[g] * omega, part = s * inverse;
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

static int weigh(const double *value, size_t n, const double *stated, const double *doubt,
                 double tolerance, double least, double *error, int64_t *doubtful)
{
    static const double eighths[KERNEL_KNOT]
        __attribute__((aligned(64))) = {0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875};
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

extern const struct kernel KERNEL;
const struct kernel KERNEL = {KERNEL_NAME, contract,     propagate, forward, backward,
                              multiply,    conditioning, evaluate,  weigh};
