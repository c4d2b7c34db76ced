/* Compiled once per instruction set (see leaf_kernel.c): plain loops over 32 points that compilers
 * turn into vectors. Only + - * / sqrt; what is chosen is chosen by value, not by branch. */
#include "monodromy.h"

#include <float.h>
#include <math.h>

#ifndef MONODROMY
#define MONODROMY    monodromy_portable
#define VECTOR_BYTES 16
#endif

#include "vector.h"

#define GROUPS   (LANES / WIDTH)
#define TOGETHER 4 /* vectors in flight: they hide the latency of a power's steps */

#define UNIT   (0.5 * DBL_EPSILON)
#define LARGE  0x1p+100 /* entries of more than that are scaled, so that products of four fit */
#define LOST   0.5      /* radians: a phase that is off by more is lost */
#define POWERS 6.0      /* roundings of a power, in 2^-53, for each period */
#define SUMS   8.0      /* and of the sum of products that follows */
#define GROWN  40.0     /* e-folds after which the smaller multiplier no longer counts */

enum { Z1, DZ1, Z2, DZ2 };

static inline double larger_of(double x, double y)
{
    return x > y ? x : y;
}

static inline double smaller_of(double x, double y)
{
    return x < y ? x : y;
}

static inline double stiffness(const struct monodromy_doubt *d, int k)
{
    return d->stiffness + fabs(d->a[k]) * d->stiffness_a;
}

static int large(const struct entry e[4])
{
    int64_t any = 0;
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < LANES; k++)
            any |= fabs(e[i].value[k]) <= LARGE ? 0 : -1;
    return any != 0;
}

static int moderate(const double *x, const double *y)
{
    int64_t any = 0;
    for (int k = 0; k < LANES; k++) {
        double size = larger_of(fabs(x[k]), fabs(y[k]));
        any |= size < MONODROMY_MODEST ? 0 : -1;
        any |= size > 1 / MONODROMY_MODEST ? 0 : -1;
    }
    return any == 0;
}

/* Adds what the length of the period may be off by: (z, z') moves on by (z', -K z) in that time. */
static inline void doubt_period(struct monodromy *m, const struct monodromy_doubt *doubt)
{
    double tau = doubt->period_error;
    for (int k = 0; k < LANES; k++) {
        double stiff = stiffness(doubt, k) * tau;
        double m11 = fabs(m->x[k] + m->x11[k]), m22 = fabs(m->x[k] - m->x11[k]);
        double diagonal = 0.5 * (tau * fabs(m->m21[k]) + stiff * fabs(m->m12[k]));
        m->x_error[k] += diagonal;
        m->x11_error[k] += diagonal;
        m->m12_error[k] += tau * m22;
        m->m21_error[k] += stiff * m11;
    }
}

static inline void find_d(struct monodromy *m)
{
    for (int k = 0; k < LANES; k++) {
        double square = m->x11[k] * m->x11[k], product = m->m12[k] * m->m21[k];
        double e11 = m->x11_error[k], e12 = m->m12_error[k], e21 = m->m21_error[k];
        m->d[k] = square + product;
        m->d_error[k] = (2 * fabs(m->x11[k]) + e11) * e11 + fabs(m->m12[k]) * e21 +
                        fabs(m->m21[k]) * e12 + e12 * e21 + 3 * UNIT * (square + fabs(product));
    }
}

static void find_roots(const struct monodromy *m, int damped, struct roots *r)
{
    for (int k = 0; k < LANES; k++) {
        double x = m->x[k], size = fabs(x), by_d = m->d_error[k] / (2 * size);
        double by_x = m->x_error[k], d = (size - 1) * (size + 1), root = sqrt(1 + m->d[k]);
        int free = !damped & (m->exponent[k] == 0), from_d = free & (by_d < by_x);
        int from_x = free & !from_d;
        r->x[k] = from_d ? (x < 0 ? -root : root) : x;
        r->d[k] = from_x ? d : m->d[k];
        r->slack[k] = free ? smaller_of(by_d, by_x) + 2 * UNIT * size : -1;
    }
}

static void whole(struct monodromy *restrict m, const struct entry e[4],
                  const struct monodromy_doubt *doubt)
{
    for (int k = 0; k < LANES; k++) {
        double m11 = e[Z1].value[k], m22 = e[DZ2].value[k];
        double diagonal = 0.5 * (e[Z1].error[k] + e[DZ2].error[k]);
        m->x[k] = 0.5 * (m11 + m22);
        m->x11[k] = 0.5 * (m11 - m22);
        m->m12[k] = e[Z2].value[k];
        m->m21[k] = e[DZ1].value[k];
        m->x_error[k] = diagonal + UNIT * fabs(m->x[k]);
        m->x11_error[k] = diagonal + UNIT * fabs(m->x11[k]);
        m->m12_error[k] = e[Z2].error[k];
        m->m21_error[k] = e[DZ1].error[k];
    }
    doubt_period(m, doubt);
    find_d(m);
}

/* What a product of two numbers is off by, its rounding included. */
static inline double product_error(double x, double x_error, double y, double y_error)
{
    return fabs(x) * y_error + fabs(y) * x_error + x_error * y_error + UNIT * fabs(x * y);
}

static void half(struct monodromy *restrict m, const struct entry e[4],
                 const struct monodromy_doubt *doubt)
{
    double omega = doubt->omega, inverse = 1 / omega;
    for (int k = 0; k < LANES; k++) {
        double z1 = e[Z1].value[k], e1 = e[Z1].error[k], dz1 = e[DZ1].value[k],
               de1 = e[DZ1].error[k], z2 = e[Z2].value[k], e2 = e[Z2].error[k],
               dz2 = e[DZ2].value[k], de2 = e[DZ2].error[k];
        double size = larger_of(larger_of(fabs(z1), fabs(dz2)),
                                larger_of(fabs(z2) * omega, fabs(dz1) * inverse));
        double least = m->exponent[k] == 0 ? 1 : 0;
        double uneven = (doubt->uneven + fabs(doubt->a[k]) * doubt->uneven_a) * inverse *
                        larger_of(size * size, least);
        m->x[k] = z1 * dz2 + z2 * dz1;
        m->x11[k] = 0;
        m->m12[k] = 2 * (z2 * dz2);
        m->m21[k] = 2 * (z1 * dz1);
        m->x_error[k] = product_error(z1, e1, dz2, de2) + product_error(z2, e2, dz1, de1) +
                        UNIT * fabs(m->x[k]) + uneven;
        m->x11_error[k] = uneven;
        m->m12_error[k] = 2 * product_error(z2, e2, dz2, de2) + uneven * inverse;
        m->m21_error[k] = 2 * product_error(z1, e1, dz1, de1) + uneven * omega;
    }
    doubt_period(m, doubt);
    find_d(m);
}

/* ---- powers ---- */

/* Vectors on their way to a power. */
struct climb {
    vector x, d, c, s, exponent;
};

static inline void take_step(struct climb *p, int odd)
{
    vector c = p->c * p->c + p->d * (p->s * p->s), s = p->c * p->s;
    p->s = s + s;
    p->c = c;
    if (odd) {
        p->c = c * p->x + p->d * p->s;
        p->s = c + p->x * p->s;
    }
    p->exponent = p->exponent + p->exponent;
}

/* The exponent of two of the size as a double: its bits are added to those of 1.5 2^52. */
static inline void normalise(struct climb *p)
{
    vector size = (vector)((bits)p->c & INT64_MAX) + (vector)((bits)p->s & INT64_MAX);
    bits exponent = ((bits)size >> 52 & 0x7ff) - 1023;
    vector factor = (vector)((1023 - exponent) << 52);
    vector more = (vector)(exponent + 0x4338000000000000);
    p->c = p->c * factor;
    p->s = p->s * factor;
    p->exponent = p->exponent + (more - 0x1.8p+52);
}

static void power(const struct roots *r, uint64_t n, double *c, double *s, double *exponent)
{
    int top = 63;
    while (top > 0 && (n >> top & 1) == 0)
        top--;
    /* Sizes stay below 2^720. Scaling by powers of two changes no bit, so that it does not matter
     * when it is done. */
    int64_t any = 0;
    for (int k = 0; k < LANES; k++)
        any |= larger_of(fabs(r->x[k]) * 0x1p+12, fabs(r->d[k])) <= 0x1p+24 ? 0 : -1;
    int every = any == 0 ? 4 : 2;
    for (int g = 0; g < GROUPS; g += TOGETHER) {
        struct climb p[TOGETHER];
        vector zero = {0};
        for (int k = 0; k < TOGETHER; k++) {
            p[k].x = *(const loose *)(const void *)(r->x + (g + k) * WIDTH);
            p[k].d = *(const loose *)(const void *)(r->d + (g + k) * WIDTH);
            p[k].c = zero + 1;
            p[k].s = p[k].exponent = zero;
        }
        for (int i = top; i >= 0; i--) {
            for (int k = 0; k < TOGETHER; k++)
                take_step(&p[k], (n >> i & 1) != 0);
            for (int k = 0; i % every == 0 && k < TOGETHER; k++)
                normalise(&p[k]);
        }
        for (int k = 0; k < TOGETHER; k++) {
            *(loose *)(void *)(c + (g + k) * WIDTH) = p[k].c;
            *(loose *)(void *)(s + (g + k) * WIDTH) = p[k].s;
            *(loose *)(void *)(exponent + (g + k) * WIDTH) = p[k].exponent;
        }
    }
}

/* 2^n, n whole and of moderate size: the bits of 1.5 2^52 + n end in n. */
static inline double two_to(double n)
{
    union {
        double value;
        uint64_t bits;
    } of = {.value = n + 0x1.8p+52};
    of.bits = (of.bits + 1023) << 52;
    return of.value;
}

#define SHIFTED 2000.0 /* powers of two beyond which a double is 0 or infinite anyway */

static void finish(const struct carry *l, double *value, double *error)
{
    for (int k = 0; k < LANES; k++) {
        double n = larger_of(-SHIFTED, smaller_of(SHIFTED, l->exponent[k]));
        double some = (n * 0.5 + 0x1.8p+52) - 0x1.8p+52; /* a whole number */
        double first = two_to(some), second = two_to(n - some);
        value[k] = l->value[k] * first * second;
        error[k] = l->error[k] * l->loss[k] * first * second;
    }
}

static int check(const double *value, const double *error, const double *scale, double promised)
{
    int64_t any = 0;
    for (int k = 0; k < LANES; k++)
        any |= error[k] <= promised * (scale[k] + fabs(value[k])) ? 0 : -1;
    return any != 0;
}

/* How the power depends on x and D. */
struct drift {
    double c, s;  /* what they may be off by, to first order */
    double phase; /* what the phase is off by, squared */
};

/* Without damping: x and D are off together. */
static inline struct drift drift_free(double x, double d, double slack, int level, double n,
                                      double c, double s)
{
    double part = level ? 0.5 * n * n * s : n * c + x * s, turned = n * slack;
    return (struct drift){.c = turned * s,
                          .s = slack * part / (level ? x : d),
                          .phase = turned * turned / larger_of(d, slack)};
}

/* With damping, or scaled: each by itself. c1, s1 bound those of the power n - 1. */
static inline struct drift drift_both(double x, double d, double ex, double ed, int level, double n,
                                      double c1, double s1, double s, double size)
{
    double steep = level ? 0.25 * n * n * s / (x * x) : (n * c1 + s) / (2 * d);
    double phase = n * (ex + ed / (2 * sqrt(larger_of(d, ed)))) / size;
    return (struct drift){
        .c = n * (c1 * ex + 0.5 * s1 * ed), .s = n * s1 * ex + ed * steep, .phase = phase * phase};
}

/* 1 + 2 p >= 1 / (1 - p) for p < 1/2, and p <= (p^2 / p0 + p0) / 2. */
static inline double loss_of(double phase_squared)
{
    const double p0 = 0.05;
    return phase_squared < LOST * LOST ? 1 + p0 + phase_squared * (1 / p0) : INFINITY;
}

__attribute__((always_inline)) static inline void carry_lane(const struct monodromy *m,
                                                             const struct roots *r,
                                                             const struct monodromy_doubt *doubt,
                                                             struct carry *l, int k, int all_free)
{
    double n = l->periods, c = l->c[k], s = l->s[k];
    double x11 = m->x11[k], m12 = m->m12[k], m21 = m->m21[k];
    double r0 = l->row[0][k], r1 = l->row[1][k], z0 = l->start[0][k], z1 = l->start[1][k];
    double x0 = x11 * z0 + m12 * z1, x1 = m21 * z0 - x11 * z1;
    double w0 = c * z0 + s * x0, w1 = c * z1 + s * x1; /* after n periods */
    double x = fabs(r->x[k]), d = fabs(r->d[k]), square = larger_of(x * x, d);
    int level = n * n * d < x * x; /* s is n x^(n - 1) or so */
    /* Envelopes of the power and of s along the phase. */
    double envelope = sqrt(c * c + d * (s * s)), flat = x * x / (1.44 * n * n);
    double along = envelope * sqrt(1 / (level ? flat : d));
    double steep = r->d[k] < 0 ? larger_of(fabs(s), along) : fabs(s);
    struct drift drift = drift_free(x, d, r->slack[k], level, n, fabs(c), fabs(s));
    if (!all_free) {
        double size = sqrt(square);
        struct drift both = drift_both(x, d, m->x_error[k], m->d_error[k], level, n,
                                       envelope / size, along / size, fabs(s), size);
        drift = r->slack[k] >= 0 ? drift : both;
    }
    double rounding = POWERS * UNIT * n, turned = rounding * rounding;
    drift.c += rounding * envelope;
    drift.s += rounding * steep;
    int grown = (m->d[k] > 2 * m->d_error[k]) & (n * n * d > GROWN * GROWN * square);
    double terms = fabs(r0) * (fabs(c * z0) + fabs(s) * (fabs(x11 * z0) + fabs(m12 * z1))) +
                   fabs(r1) * (fabs(c * z1) + fabs(s) * (fabs(m21 * z0) + fabs(x11 * z1)));
    double of_x = fabs(r0) * (m->x11_error[k] * fabs(z0) + m->m12_error[k] * fabs(z1)) +
                  fabs(r1) * (m->m21_error[k] * fabs(z0) + m->x11_error[k] * fabs(z1));
    double of_row = l->row_error[0][k] * fabs(w0) + l->row_error[1][k] * fabs(w1);
    double of_time = fabs(r0 * w1) + stiffness(doubt, k) * fabs(r1 * w0);
    l->value[k] = r0 * w0 + r1 * w1;
    l->error[k] = drift.c * fabs(r0 * z0 + r1 * z1) + drift.s * fabs(r0 * x0 + r1 * x1) +
                  fabs(s) * of_x + of_row + 2 * l->time_error * of_time +
                  (l->start_error + SUMS * UNIT) * terms;
    l->loss[k] = loss_of(2 * (drift.phase + turned));
    l->log_loss[k] = grown ? 1.5 : l->loss[k];
    l->exponent[k] = l->start_exponent[k] + l->power_exponent[k] + n * m->exponent[k];
}

static void carry(const struct monodromy *m, const struct roots *r, const struct monodromy_doubt *d,
                  struct carry *restrict l)
{
    int64_t bound = 0;
    for (int k = 0; k < LANES; k++)
        bound |= r->slack[k] >= 0 ? 0 : -1;
    if (bound == 0)
        for (int k = 0; k < LANES; k++)
            carry_lane(m, r, d, l, k, 1);
    else
        for (int k = 0; k < LANES; k++)
            carry_lane(m, r, d, l, k, 0);
}

extern const struct monodromy_kernel MONODROMY;
const struct monodromy_kernel MONODROMY = {large, moderate, whole,  half, find_roots,
                                           power, carry,    finish, check};
