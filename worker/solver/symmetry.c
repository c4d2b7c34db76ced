/* See symmetry.h. The phase of a harmonic of w leaves a few candidates, and each is tried. */
#include "symmetry.h"

#include <math.h>

#define POINTS    16
#define HARMONICS 64
#define ROUNDING  1e-12 /* of the largest value, on average */
#define NOTHING   1e-9  /* of the largest value: a harmonic that says nothing */
#define CLEAR     1e-3  /* of it: one whose phase is known */
#define TURN      6.0   /* radians that the points resolve, times a segment's series */

struct stretch {
    double from, period;
    struct gauss gauss;
};

/* The segment's part within the stretch; 0 when there is none. */
static int clip(const struct stretch *x, const struct segment *s, double *t0, double *t1)
{
    *t0 = fmax(s->t0, x->from);
    *t1 = fmin(s->t1, x->from + x->period);
    return *t1 > *t0;
}

static double largest(const struct curve *c)
{
    double most = 0;
    for (size_t k = 0; k < c->count; k++)
        most = fmax(most, c->segments[k].bound);
    return most;
}

/* Mean |f(t) - f(2 c - t)| over a period. */
static double unevenness(const struct stretch *x, const struct curve *c, double centre)
{
    double sum = 0, t0, t1;
    size_t hint = 0;
    for (size_t k = 0; k < c->count; k++) {
        if (!clip(x, &c->segments[k], &t0, &t1))
            continue;
        for (int i = POINTS; i-- > 0;) {
            double t = t0 + x->gauss.x[i] * (t1 - t0), mirror = 2 * centre - t;
            while (mirror < x->from)
                mirror += x->period;
            while (mirror > x->from + x->period)
                mirror -= x->period;
            hint = curve_find(c, mirror, hint);
            sum +=
                x->gauss.b[i] * (t1 - t0) * fabs(curve_eval(c, k, t) - curve_eval(c, hint, mirror));
        }
    }
    return sum / x->period;
}

static int is_even(const struct stretch *x, const struct curve *c, double centre, double *uneven)
{
    *uneven = unevenness(x, c, centre);
    return *uneven <= ROUNDING * largest(c);
}

static int all_even(const struct stretch *x, const struct drive *d, double centre,
                    struct symmetry *out)
{
    out->centre = centre;
    return is_even(x, &d->w, centre, &out->w) && is_even(x, &d->u, centre, &out->u) &&
           is_even(x, &d->v, centre, &out->v);
}

/* The integral of f(t) e^(i angle (t - from)) over a piece of a segment that is short enough. */
static void add_harmonic(const struct stretch *x, const struct curve *c, size_t segment, double t0,
                         double t1, double frequency, double sum[2])
{
    for (int i = 0; i < POINTS; i++) {
        double t = t0 + x->gauss.x[i] * (t1 - t0), angle = frequency * (t - x->from);
        double f = x->gauss.b[i] * (t1 - t0) * curve_eval(c, segment, t);
        sum[0] += f * cos(angle);
        sum[1] += f * sin(angle);
    }
}

/* The first harmonic of a curve that says something, A cos(k Omega (t - from) - phase), or the
 * largest: k, or 0 when there is none. */
static int harmonic(const struct stretch *x, const struct curve *c, double *phase)
{
    double omega = 2 * M_PI / x->period, whole = largest(c), most = NOTHING * whole, t0, t1;
    int found = 0;
    for (int k = 1; k <= HARMONICS && most < CLEAR * whole; k++) {
        double sum[2] = {0, 0};
        for (size_t j = 0; j < c->count; j++) {
            if (!clip(x, &c->segments[j], &t0, &t1))
                continue;
            double pieces = ceil(k * omega * (t1 - t0) / TURN);
            for (double n = 0; n < pieces; n++)
                add_harmonic(x, c, j, t0 + (t1 - t0) / pieces * n,
                             t0 + (t1 - t0) / pieces * (n + 1), k * omega, sum);
        }
        double size = 2 / x->period * hypot(sum[0], sum[1]);
        if (size > most) {
            most = size;
            found = k;
            *phase = atan2(sum[1], sum[0]);
        }
    }
    return found;
}

int symmetry_about(const struct drive *d, double from, double period, double centre,
                   struct symmetry *out)
{
    struct stretch x = {.from = from, .period = period};
    gauss_init(&x.gauss, POINTS);
    return all_even(&x, d, centre, out);
}

int symmetry_find(const struct drive *d, double from, double period, struct symmetry *out)
{
    struct stretch x = {.from = from, .period = period};
    const struct curve *curves[] = {&d->w, &d->u, &d->v};
    double phase = 0;
    int k = 0;
    gauss_init(&x.gauss, POINTS);
    if (all_even(&x, d, from, out))
        return 1;
    for (int i = 0; i < 3 && k == 0; i++)
        k = harmonic(&x, curves[i], &phase);
    for (int j = 0; j < k; j++) {
        double turn = (phase + j * M_PI) / (2 * M_PI * k); /* of a period */
        turn -= floor(2 * turn) / 2;
        if (all_even(&x, d, from + turn * period, out))
            return 1;
    }
    return 0;
}
