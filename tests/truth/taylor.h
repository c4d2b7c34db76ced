#ifndef TRUTH_TAYLOR_H
#define TRUTH_TAYLOR_H

#include <quadmath.h>

/* Truncated Taylor series in binary128: c[k] belongs to (t - t0)^k. Products, quotients and the
 * like by the usual recurrences (Moore, Interval Analysis, 1966, chapter 11). */

typedef __float128 quad;

enum { ORDER = 32 };

struct taylor {
    quad c[ORDER + 1];
};

static inline struct taylor constant(quad x)
{
    return (struct taylor){{x}};
}

/* slope t + shift at t0. */
static inline struct taylor linear(quad slope, quad shift, quad t0)
{
    return (struct taylor){{slope * t0 + shift, slope}};
}

static inline struct taylor add(struct taylor x, struct taylor y)
{
    for (int k = 0; k <= ORDER; k++)
        x.c[k] += y.c[k];
    return x;
}

static inline struct taylor scale(quad s, struct taylor x)
{
    for (int k = 0; k <= ORDER; k++)
        x.c[k] *= s;
    return x;
}

static inline struct taylor mul(struct taylor x, struct taylor y)
{
    struct taylor z = {{0}};
    for (int k = 0; k <= ORDER; k++)
        for (int i = 0; i <= k; i++)
            z.c[k] += x.c[i] * y.c[k - i];
    return z;
}

/* 1 / x */
static inline struct taylor inverse(struct taylor x)
{
    struct taylor z = {{1 / x.c[0]}};
    for (int k = 1; k <= ORDER; k++) {
        for (int i = 1; i <= k; i++)
            z.c[k] -= x.c[i] * z.c[k - i];
        z.c[k] /= x.c[0];
    }
    return z;
}

/* sin x and cos x at once: s' = c x', c' = -s x'. */
static inline void sines(struct taylor x, struct taylor *s, struct taylor *c)
{
    *s = constant(sinq(x.c[0]));
    *c = constant(cosq(x.c[0]));
    for (int k = 1; k <= ORDER; k++) {
        for (int i = 1; i <= k; i++) {
            s->c[k] += i * x.c[i] * c->c[k - i] / k;
            c->c[k] -= i * x.c[i] * s->c[k - i] / k;
        }
    }
}

static inline struct taylor sine(struct taylor x)
{
    struct taylor s, c;
    sines(x, &s, &c);
    return s;
}

static inline struct taylor cosine(struct taylor x)
{
    struct taylor s, c;
    sines(x, &s, &c);
    return c;
}

static inline struct taylor derivative(struct taylor x)
{
    for (int k = 0; k < ORDER; k++)
        x.c[k] = (k + 1) * x.c[k + 1];
    x.c[ORDER] = 0;
    return x;
}

static inline quad value(const struct taylor *x, quad h)
{
    quad v = 0;
    for (int k = ORDER; k >= 0; k--)
        v = v * h + x->c[k];
    return v;
}

#endif
