#ifndef SOLVER_PHASE_ELEMENTARY_H
#define SOLVER_PHASE_ELEMENTARY_H

/* Sine, cosine and the hyperbolic pair of a vector of lanes, of arguments in two doubles: the
 * same bits from every instruction set, which a library's functions are not. Phases up to 3e6
 * radians. Only + - * / and the bits of a double; included once in each phase_kernel.c, after
 * phase_vector.h. */

#define MAGIC 0x1.8p52 /* adding it rounds to the nearest whole number */

/* Taylor's series, on [-pi/4, pi/4] and [-ln 2 / 2, ln 2 / 2]: the first term left out is below
 * 1e-19. */
static inline vector horner(const double *c, int n, vector x)
{
    vector sum = all(c[n - 1]);
    for (int k = n - 1; k-- > 0;)
        sum = sum * x + c[k];
    return sum;
}

static const double SINE[] = {
    -1.0 / 6,        1.0 / 120,        -1.0 / 5040,         1.0 / 362880,
    -1.0 / 39916800, 1.0 / 6227020800, -1.0 / 1307674368e3, 1.0 / 355687428096e3};
static const double COSINE[] = {
    1.0 / 24,        -1.0 / 720,         1.0 / 40320,         -1.0 / 3628800,
    1.0 / 479001600, -1.0 / 87178291200, 1.0 / 20922789888e3, -1.0 / 6402373705728e3};
static const double EXPONENTIAL[] = {
    1.0 / 2,     1.0 / 6,      1.0 / 24,      1.0 / 120,      1.0 / 720,       1.0 / 5040,
    1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};

/* Whole multiples of 32 bits times a number below 2^21 are exact. */
static const double PI_2[] = {0x1.921fb544p+0, 0x1.0b4611a6p-34, 0x1.3198a2e037073p-69};
static const double LN_2[] = {0x1.62e42feep-1, 0x1.a39ef356p-33, 0x1.93c7673007e5fp-65};
static const double PER_PI_2 = 0x1.45f306dc9c883p-1, PER_LN_2 = 0x1.71547652b82fep+0;

static inline vector reduce(struct two x, vector n, const double *unit)
{
    return ((x.high - n * unit[0]) - n * unit[1]) + (x.low - n * unit[2]);
}

static inline void sine_cosine(struct two x, vector *sine, vector *cosine)
{
    vector shifted = x.high * PER_PI_2 + MAGIC, n = shifted - MAGIC;
    vector r = reduce(x, n, PI_2), r2 = r * r;
    vector s = r + r * r2 * horner(SINE, 8, r2);
    vector c = 1 - 0.5 * r2 + r2 * r2 * horner(COSINE, 8, r2);
    bits quadrant = (bits)shifted, odd = -(quadrant & 1);
    bits sine_sign = (quadrant & 2) << 62, cosine_sign = ((quadrant + 1) & 2) << 62;
    *sine = (vector)((bits)choose(odd, c, s) ^ sine_sign);
    *cosine = (vector)((bits)choose(odd, s, c) ^ cosine_sign);
}

/* cosh x and sinh x, both over 2^exponent; x >= 0. */
static inline void hyperbolic(struct two x, vector *sinh, vector *cosh, vector *exponent)
{
    vector shifted = x.high * PER_LN_2 + MAGIC, n = shifted - MAGIC, most = all(500);
    vector r = reduce(x, n, LN_2);
    vector e = 1 + (r + r * r * horner(EXPONENTIAL, 12, r)), inverse = 1 / e;
    bits power = (bits)(smaller(n, most) + MAGIC) - (bits)all(MAGIC);
    vector small = (vector)((1023 - 2 * power) << 52); /* 2^(-2 n) */
    vector rest = inverse * small;
    *cosh = 0.5 * (e + rest);
    *sinh = 0.5 * (e - rest);
    *exponent = n;
}

#endif
