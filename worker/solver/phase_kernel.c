/* Compiled once per instruction set, as kernel.c is: GCC's vector extensions, no intrinsics. */
#include "phase_kernel.h"

#include <math.h>
#include <string.h>

#ifndef PHASE_KERNEL
#define PHASE_KERNEL phase_kernel_portable
#define VECTOR_BYTES 16
#endif
#include "phase_vector.h"
#include "phase_elementary.h"

#define TERMS          28   /* of a Taylor series; 1.5^28 / 28! is below rounding */
#define LEAF_REACH     2.25 /* largest |K| h^2 / 4 of it */
#define FEWEST         6.0  /* radians below which there is no phase to speak of */
#define MOST           3e6  /* radians of a stretch: what argument reduction is exact for */
#define CHANGE         0.1  /* largest T / K of a first round that is worth a second */
#define ROUNDS         7
#define ROUNDINGS      6.0  /* of an entry of a matrix, in units of 2^-53 */
#define LEAF_ROUNDINGS 16.0 /* of one by Taylor series, whose terms grow before they cancel */
#define NOISE          1.0  /* of a value of w that was read off its curve, the same */
#define SHIFTED        0.6  /* a phase shifts by the integral of the error of K over 2 psi */

/* ---- phase and amplitude ---- */

/* One vector of lanes on its way through a stretch. m = |K|, r = G - m. */
struct work {
    size_t g; /* of the block's lanes, the first of this vector */
    vector a, sign, m[PHASE_POINTS], low[PHASE_POINTS], r[PHASE_POINTS];
    vector least, most; /* of m */
    vector slope[2];    /* G' at the ends */
    vector change;      /* of r in the last round */
    vector method;
    bits done, failed;
};

#define OF(member) get(s->member, w->g)

static inline void take_k(const struct phase_block *s, struct work *w)
{
    vector least = all(INFINITY), most = all(-INFINITY);
    for (int i = 0; i < PHASE_POINTS; i++) {
        vector p = w->a, error = OF(k_low[i]);
        if (s->has_v) {
            p = w->a * OF(v[i]);
            error += product_error(p, halves(w->a), halves(OF(v[i])));
        }
        struct two k = two_sum(p, OF(k[i]));
        w->m[i] = k.high;
        w->low[i] = k.low + error;
        least = smaller(least, k.high);
        most = larger(most, k.high);
    }
    w->sign = choose(most < 0, all(-1), all(1));
    for (int i = 0; i < PHASE_POINTS; i++) {
        w->m[i] *= w->sign;
        w->low[i] *= w->sign;
    }
    w->least = choose(most < 0, -most, least);
    w->most = larger(absolute(most), absolute(least));
}

/* -sign T from G and its derivatives. */
static inline vector correction(const struct work *w, vector g, vector first, vector second)
{
    vector inverse = 1 / g, rate = first * inverse;
    return w->sign * (0.3125 * rate * rate - 0.25 * second * inverse);
}

static inline vector first_of(const struct phase_block *s, const struct work *w, int i)
{
    return w->sign * (s->has_v ? OF(k1[i]) + w->a * OF(v1[i]) : OF(k1[i]));
}

static inline vector second_of(const struct phase_block *s, const struct work *w, int i)
{
    return w->sign * (s->has_v ? OF(k2[i]) + w->a * OF(v2[i]) : OF(k2[i]));
}

static inline void start(const struct phase_block *s, struct work *w)
{
    w->change = all(0);
    for (int i = 0; i < PHASE_POINTS; i++) {
        w->r[i] = correction(w, w->m[i], first_of(s, w, i), second_of(s, w, i));
        w->change = larger(w->change, absolute(w->r[i]));
    }
}

/* One round: r differentiated on the Gauss points. Returns its largest change. */
static inline vector refine(const struct phase_tables *t, const struct phase_block *s,
                            struct work *w)
{
    vector even[8], odd[8], change = all(0);
    vector scale = 2 / OF(h);
    for (int j = 0; j < 8; j++) {
        even[j] = w->r[j] + w->r[15 - j];
        odd[j] = w->r[j] - w->r[15 - j];
    }
    for (int i = 0; i < 9; i++) {
        int low = i < 8 ? i : 16, high = i < 8 ? 15 - i : 17;
        vector e1 = all(0), o1 = all(0), e2 = all(0), o2 = all(0);
        for (int j = 0; j < 8; j++) {
            e1 += t->even[0][i][j] * even[j];
            o1 += t->odd[0][i][j] * odd[j];
            e2 += t->even[1][i][j] * even[j];
            o2 += t->odd[1][i][j] * odd[j];
        }
        for (int side = 0; side < 2; side++) {
            int p = side == 0 ? low : high;
            vector first = first_of(s, w, p) + (side == 0 ? o1 + e1 : o1 - e1) * scale;
            vector second = second_of(s, w, p) + (side == 0 ? e2 + o2 : e2 - o2) * (scale * scale);
            vector r = correction(w, w->m[p] + w->r[p], first, second);
            change = larger(change, absolute(r - w->r[p]));
            w->r[p] = choose(w->done, w->r[p], r);
            if (i == 8)
                w->slope[side] = choose(w->done, w->slope[side], first);
        }
    }
    return change;
}

/* The last Legendre coefficients of a function given at the Gauss points. */
static inline vector tail_of(const struct phase_tables *t, const vector *f)
{
    vector last = all(0), before = all(0);
    for (int j = 0; j < 8; j++) {
        last += t->last[j] * (f[j] - f[15 - j]);
        before += t->last_but_one[j] * (f[j] + f[15 - j]);
    }
    return absolute(last) + absolute(before);
}

/* Rounds until what the next one would change is within the target, or rounding is all that is left
 * of it. */
static inline void iterate(const struct phase_tables *t, const struct phase_block *s,
                           struct work *w, double target)
{
    vector psi = root(w->least), unit = OF(h) / psi, largest = w->change;
    vector stretch = OF(h) * psi, amplified = 1 + 1e5 / (stretch * stretch);
    w->failed |= ~(OF(h) * psi >= FEWEST) | ~(w->change <= CHANGE * w->least);
    w->done = w->failed;
    w->method = all(0);
    for (int k = 0; k < ROUNDS && any(~w->done); k++) {
        vector change = refine(t, s, w), gain = change / (w->change + 0x1p-1000);
        vector rest = unit * change * smaller(all(1), 8 * gain);
        bits enough = (rest <= 0.25 * target) | (change <= 32 * UNIT * amplified * largest);
        w->method = choose(w->done, w->method, rest);
        w->failed |= ~w->done & ~enough & ~(gain <= 0.25);
        w->done |= enough | w->failed;
        w->change = choose(w->done, w->change, change);
    }
    w->failed |= ~w->done;
    /* What the Gauss points do not resolve of r is in its second derivative. */
    vector seen = all(0.1 * 256 * 256) / (stretch * stretch);
    w->method += unit * tail_of(t, w->r) * smaller(all(1), seen);
}

/* psi = sqrt(G) at the Gauss points, and its integral in two doubles. */
static inline struct two integrate(const struct phase_tables *t, const struct phase_block *s,
                                   struct work *w, vector *psi)
{
    struct two sum = {all(0), all(0)};
    for (int i = 0; i < PHASE_NODES; i++) {
        struct two g = two_sum(w->m[i], w->low[i] + w->r[i]);
        vector x = root(g.high), p = x * x;
        struct two x_half = halves(x);
        vector residual = ((g.high - p) - product_error(p, x_half, x_half)) + g.low;
        vector x_low = 0.5 * residual / x;
        const double *b = t->weight[i];
        struct two b_half = {all(b[2]), all(b[3])};
        vector y = b[0] * x, y_low = product_error(y, b_half, x_half) + (b[1] * x + b[0] * x_low);
        struct two next = two_sum(sum.high, y);
        sum.high = next.high;
        sum.low += next.low + y_low;
        psi[i] = x;
    }
    vector y = OF(h) * sum.high;
    vector low = product_error(y, halves(OF(h)), halves(sum.high));
    return two_sum(y, low + (OF(h) * sum.low + OF(h_low) * sum.high));
}

/* What 16 points leave of the integral of psi (twice as many terms are exact), and what K has
 * beside its polynomial: to first order orthogonal to it, to second order, and as reflections. */
static inline void weigh_integral(const struct phase_tables *t, const struct phase_block *s,
                                  struct work *w, const vector *psi)
{
    vector tail = tail_of(t, psi), least = psi[0], most = psi[0];
    for (int i = 1; i < PHASE_NODES; i++) {
        least = smaller(least, psi[i]);
        most = larger(most, psi[i]);
    }
    tail = larger(tail - 64 * UNIT * most, all(0)); /* sums of roundings are no tail */
    w->method += 4 * OF(h) * tail * tail / ((most - least) + 1e-13 * most);
    if (s->whole)
        return;
    vector size = absolute(w->a), inverse = 1 / (2 * least);
    vector off = OF(off[0]) + size * OF(off[1]);
    vector relative = 2 * off * inverse * inverse, born = off * OF(h) * inverse;
    vector power = inverse * inverse, reflected = all(0);
    for (int k = 0; k < 4; k++) {
        reflected += (OF(jump[k][0]) + size * OF(jump[k][1])) * power;
        power *= inverse;
    }
    /* The integral of T, which has K'', is off by what K' is off at the ends: |K'| / (8 psi^3). */
    vector bend = (OF(bend[0]) + size * OF(bend[1])) * inverse * inverse * inverse;
    w->method += born * (tail / least + relative) + smaller(born, reflected) + 2 * bend;
}

/* z and z' from zeta, which has no damping. */
static inline void add_damping(const struct phase_block *s, const struct work *w, vector m[4])
{
    vector before = 0.5 * OF(d[0]), after = 0.5 * OF(d[1]);
    m[0] += m[1] * before;
    m[2] += m[3] * before;
    m[2] -= m[0] * after;
    m[3] -= m[1] * after;
    for (int e = 0; e < 4; e++)
        m[e] *= OF(drag);
}

static inline void put(double (*out)[LANES], enum phase_entry e, size_t at, bits mask, vector v)
{
    vector *to = (vector *)(void *)&out[e][at];
    *to = choose(mask, v, *to);
}

/* Errors that do not depend on the way. s: the scale of z' / z within the stretch. */
static inline void put_errors(const struct phase_block *s, const struct work *w, size_t at,
                              bits mask, vector scale, double roundings, double share,
                              double (*out)[LANES])
{
    vector size = absolute(w->a);
    vector noise = NOISE * (OF(noise[0]) + size * OF(noise[1])) * OF(h) / scale;
    vector drive = share * (OF(drive[0]) + size * OF(drive[1])) / scale + OF(damping_error);
    put(out, PHASE_METHOD, at, mask, 2 * w->method);
    put(out, PHASE_ROUNDING, at, mask, UNIT * (roundings + OF(drag_noise) + noise));
    put(out, PHASE_DRIVE, at, mask, drive);
}

static inline bits by_phase(const struct phase_tables *t, const struct phase_block *s,
                            struct work *w, bits wanted, double target, size_t at,
                            double (*out)[LANES])
{
    vector psi[PHASE_NODES], sine, cosine, exponent = all(0), sinh, cosh, none = all(0);
    start(s, w);
    w->failed = ~wanted;
    iterate(t, s, w, target);
    if (!any(~w->failed))
        return ~w->failed;
    struct two phi = integrate(t, s, w, psi);
    weigh_integral(t, s, w, psi);
    bits good = ~w->failed & (w->method <= target) & (phi.high <= MOST), grows = w->sign < 0;
    if (!any(good))
        return good;
    phi.high = choose(good, phi.high, all(1)); /* NaN and the like would be a detour */
    phi.low = choose(good, phi.low, none);
    sine_cosine(phi, &sine, &cosine);
    if (any(grows)) {
        hyperbolic(phi, &sinh, &cosh, &exponent);
        sine = choose(grows, sinh, sine);
        cosine = choose(grows, cosh, cosine);
        exponent = choose(grows, exponent, none);
    }
    vector g0 = w->m[16] + w->r[16], g1 = w->m[17] + w->r[17];
    vector psi0 = root(g0), psi1 = root(g1), mean = root(psi0 * psi1), up = root(psi1 / psi0);
    vector beta0 = 0.25 * w->slope[0] / g0, beta1 = 0.25 * w->slope[1] / g1, m[4];
    m[0] = (cosine + beta0 / psi0 * sine) / up;
    m[1] = sine / mean;
    m[2] = up * beta0 * cosine - w->sign * mean * sine - beta1 * m[0];
    m[3] = up * cosine - beta1 * m[1];
    if (s->has_damping)
        add_damping(s, w, m);
    for (int e = 0; e < 4; e++)
        put(out, (enum phase_entry)e, at, good, m[e]);
    put(out, PHASE_EXPONENT, at, good, exponent + OF(drag_exponent));
    put(out, PHASE_BEFORE, at, good, root(psi0));
    put(out, PHASE_AFTER, at, good, root(psi1));
    put_errors(s, w, at, good, smaller(psi0, smaller(psi1, root(w->least))), ROUNDINGS, SHIFTED,
               out);
    return good;
}

/* ---- Taylor series ---- */

/* Sums of both solutions at the beginning (x = -1) and at the end (x = 1). */
struct leaf_ends {
    vector z[2][2], slope[2][2], tail; /* [solution][end] */
};

/* Two sums of every other term each: a chain of additions is what takes the time. */
static inline struct leaf_ends expand(const struct phase_block *s, const vector *k)
{
    vector z[2][TERMS + 1];
    struct leaf_ends out = {.tail = all(0)};
    for (int c = 0; c < 2; c++) {
        z[c][0] = all(c == 0);
        z[c][1] = all(c == 1);
    }
    for (int n = 0; n + 2 <= TERMS; n++) {
        vector sum[2][2] = {{all(0), all(0)}, {all(0), all(0)}};
        int top = n < s->terms - 1 ? n : s->terms - 1;
        for (int j = 0; j <= top; j++)
            for (int c = 0; c < 2; c++)
                sum[c][j % 2] += k[j] * z[c][n - j];
        for (int c = 0; c < 2; c++)
            z[c][n + 2] = (sum[c][0] + sum[c][1]) * (1.0 / ((n + 1) * (n + 2)));
    }
    for (int c = 0; c < 2; c++) {
        vector value[2] = {all(0), all(0)}, slope[2] = {all(0), all(0)};
        for (int n = TERMS; n >= 0; n--) {
            value[n % 2] += z[c][n];
            slope[n % 2] += n * z[c][n];
        }
        out.z[c][0] = value[0] - value[1];
        out.z[c][1] = value[0] + value[1];
        out.slope[c][0] = slope[1] - slope[0];
        out.slope[c][1] = slope[1] + slope[0];
        for (int n = TERMS - 2; n <= TERMS; n++)
            out.tail += absolute(z[c][n]);
    }
    return out;
}

/* From the end points to the propagator: Y(1) Y(-1)^-1, whose determinant is 1. */
static inline bits by_series(const struct phase_block *s, struct work *w, bits wanted,
                             double target, size_t at, double (*out)[LANES])
{
    vector k[GAUSS_MAX], m[4], half = 0.5 * OF(h), per_half = 2 / OF(h);
    for (int j = 0; j < s->terms; j++)
        k[j] = OF(taylor[j][0]) + w->a * OF(taylor[j][1]);
    struct leaf_ends y = expand(s, k);
    m[0] = y.z[0][1] * y.slope[1][0] - y.z[1][1] * y.slope[0][0];
    m[1] = (y.z[1][1] * y.z[0][0] - y.z[0][1] * y.z[1][0]) * half;
    m[2] = (y.slope[0][1] * y.slope[1][0] - y.slope[1][1] * y.slope[0][0]) * per_half;
    m[3] = y.slope[1][1] * y.z[0][0] - y.slope[0][1] * y.z[1][0];
    if (s->has_damping)
        add_damping(s, w, m);
    vector off = OF(off[0]) + absolute(w->a) * OF(off[1]);
    w->method = TERMS * y.tail + off * OF(h) * half;
    bits good = wanted & (w->method <= (target > 0.25 * UNIT ? target : 0.25 * UNIT));
    for (int e = 0; e < 4; e++)
        put(out, (enum phase_entry)e, at, good, m[e]);
    put(out, PHASE_EXPONENT, at, good, OF(drag_exponent));
    put(out, PHASE_BEFORE, at, good, root(per_half));
    put(out, PHASE_AFTER, at, good, root(per_half));
    put_errors(s, w, at, good, per_half, LEAF_ROUNDINGS, 1, out);
    return good;
}

/* One vector of lanes: what becomes of them. */
static inline bits solve_vector(const struct phase_tables *t, const struct phase_block *s,
                                struct work *w, double target, int force, size_t at,
                                double (*out)[LANES])
{
    take_k(s, w);
    bits none = (bits)all(0), same = (w->least > 0), by_phase_now = none, by_series_now = none;
    bits small = (0.25 * OF(h) * OF(h) * w->most <= LEAF_REACH);
    small |= force ? ~none : none;
    if (any(small))
        by_series_now = by_series(s, w, small, force ? INFINITY : target, at, out);
    if (any(same & ~small))
        by_phase_now = by_phase(t, s, w, same & ~small, target, at, out);
    return (by_phase_now & 1) | (by_series_now & 2);
}

/* The same stretch for all lanes of a block. */
static void spread(const struct phase_stretch *s, struct phase_block *b)
{
#define SPREAD(member)                                                                             \
    for (int l = 0; l < PHASE_BLOCK; l++)                                                          \
    b->member[l] = s->member
    for (int i = 0; i < PHASE_POINTS; i++) {
        SPREAD(k[i]);
        SPREAD(k_low[i]);
        SPREAD(k1[i]);
        SPREAD(k2[i]);
        if (!s->has_v)
            continue;
        SPREAD(v[i]);
        SPREAD(v1[i]);
        SPREAD(v2[i]);
    }
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < s->terms; i++)
            SPREAD(taylor[i][side]);
        for (int i = 0; i < 4; i++)
            SPREAD(jump[i][side]);
        SPREAD(off[side]);
        SPREAD(bend[side]);
        SPREAD(noise[side]);
        SPREAD(drive[side]);
        SPREAD(d[side]);
    }
    SPREAD(h);
    SPREAD(h_low);
    SPREAD(drag);
    SPREAD(drag_exponent);
    SPREAD(drag_noise);
    SPREAD(damping_error);
#undef SPREAD
    b->terms = s->terms;
    b->has_v = s->has_v;
    b->has_damping = s->has_damping;
    b->whole = s->whole;
}

static void solve(const struct phase_tables *t, const struct phase_stretch *s, size_t lanes,
                  const double *a, double target, int force, double (*out)[LANES], int64_t *solved)
{
    struct phase_block block;
    spread(s, &block);
    for (size_t at = 0; at < lanes; at += WIDTH) {
        struct work w = {.a = get(a, at)};
        *(bits *)(void *)(solved + at) = solve_vector(t, &block, &w, target, force, at, out);
    }
}

static void solve_each(const struct phase_tables *t, const struct phase_block *block, size_t lanes,
                       const double *a, double target, int force, double (*out)[LANES],
                       int64_t *solved)
{
    for (size_t at = 0; at < lanes; at += WIDTH) {
        struct work w = {.g = at, .a = get(a, at)};
        *(bits *)(void *)(solved + at) = solve_vector(t, block, &w, target, force, at, out);
    }
}

const struct phase_kernel PHASE_KERNEL = {solve, solve_each};
