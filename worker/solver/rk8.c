/* Compiled once per instruction set, as kernel.c is. The tables are the published fractions; aa = a
 * a, in the second place of each pair, was made from them in exact arithmetic. */
#include "rk8.h"

#include <math.h>

#ifndef RK8
#define RK8          rk8_portable
#define RK8_NAME     "portable"
#define VECTOR_BYTES 16
#endif

#include "vector.h"

struct term {
    int j;
    double a, aa;
};

struct row {
    double c;
    int count;
    struct term term[RK8_STAGES];
};

static const struct row rows[RK8_STAGES] = {
    {0, 0, {{0, 0, 0}}},
    {0.05555555555555555, 1, {{0, 0.05555555555555555, 0}}},
    {0.08333333333333333, 2, {{0, 0.020833333333333332, 0.003472222222222222}, {1, 0.0625, 0}}},
    {0.125, 3, {{0, 0.03125, 0.001953125}, {1, 0, 0.005859375}, {2, 0.09375, 0}}},
    {0.3125,
     4,
     {{0, 0.3125, 0.01220703125},
      {1, 0, -0.0732421875},
      {2, -1.171875, 0.10986328125},
      {3, 1.171875, 0}}},
    {0.375,
     4,
     {{0, 0.0375, 0.052734375}, {2, 0, -0.158203125}, {3, 0.1875, 0.17578125}, {4, 0.15, 0}}},
    {0.1475,
     5,
     {{0, 0.04791013711111111, -0.003980994885416667},
      {2, 0, 0.04041277828125},
      {3, 0.11224871277777777, -0.027480681979166668},
      {4, -0.02550567377777778, 0.0019270235833333334},
      {5, 0.012846823888888888, 0}}},
    {0.465,
     6,
     {{0, 0.01691798978729228, 0.022474825467748538},
      {2, 0, -0.0058002041866604},
      {3, 0.3878482784860432, 0.05970598785605182},
      {4, 0.03597736985150033, 0.03395071530705003},
      {5, 0.19697021421566607, -0.002218824444189987},
      {6, -0.17271385234050185, 0}}},
    {0.5648654513822595,
     7,
     {{0, 0.0690957533591923, -0.01633462480549711},
      {2, 0, 0.12944266064800283},
      {3, -0.6342479767288541, 0.02479433518962112},
      {4, -0.16119757522460407, 0.004412646532904984},
      {5, 0.13865030945882525, 0.053773996759498816},
      {6, 0.9409286140357562, -0.03655252524188871},
      {7, 0.21163632648194397, 0}}},
    {0.65,
     8,
     {{0, 0.1835569968390454, -0.019417792592889883},
      {2, 0, 0.1099048137551403},
      {3, -2.4687680843155926, 0.004001362255403528},
      {4, -0.29128688781630047, -0.08643080123473924},
      {5, -0.026473020233117376, 0.10916787468472675},
      {6, 2.8478387641928005, 0.06783562710441063},
      {7, 0.2813873314698498, 0.026188916027947925},
      {8, 0.12374489986331466, 0}}},
    {0.9246562776405044,
     9,
     {{0, -1.2154248173958881, 0.08304862641991131},
      {2, 0, 0.48992210725645763},
      {3, 16.672608665945774, -0.29379393528006964},
      {4, 0.915741828416818, 0.6938754262825193},
      {5, -6.056605804357471, 0.7293848835285686},
      {6, -16.00357359415618, -0.5250541967545795},
      {7, 14.849303086297663, -1.3852172132417677},
      {8, -13.371575735289849, 0.6353289176789569},
      {9, 5.134182648179638, 0}}},
    {1.0,
     10,
     {{0, 0.25886091643826425, -0.138831303731739},
      {2, 0, 0.06226658313034699},
      {3, -4.774485785489205, 1.9709248925155145},
      {4, -0.4350930137770325, -0.07799893137678421},
      {5, -3.0494833320722416, -0.29115691419589457},
      {6, 5.5779200399360995, -1.7328575237642097},
      {7, 6.15583158986104, 1.5451497683029058},
      {8, -5.062104586736939, -1.5287013055560492},
      {9, 2.193926173180679, 0.691204734675909},
      {10, 0.13462799865933495, 0}}},
    {1.0,
     10,
     {{0, 0.8224275996265075, -0.15104450543663517},
      {2, 0, -0.20516219987259018},
      {3, -11.658673257277664, 2.025141127696934},
      {4, -0.7576221166909362, -0.36894002261548353},
      {5, 0.7139735881595816, -1.0471590326091713},
      {6, 12.075774986890057, -1.242135396113582},
      {7, -2.127659113920403, 2.9672375129549966},
      {8, 1.9901662070489554, -2.3810329095120633},
      {9, -0.23428647154404028, 0.9030954255075948},
      {10, 0.17589857770794226, 0}}},
};
static const struct row order8 = {1.0,
                                  9,
                                  {{0, 0.041747491141530244, 0.041747491141530244},
                                   {5, -0.05545232861123931, -0.03465770538202457},
                                   {6, 0.2393128072011801, 0.20401416813900605},
                                   {7, 0.703510669403443, 0.376378208130842},
                                   {8, -0.7597596138144609, -0.33059765661514423},
                                   {9, 0.6605630309222863, 0.23119706082280023},
                                   {10, 0.15818748251012332, 0.011918433762990292},
                                   {11, -0.2381095387528628, 0},
                                   {12, 0.25, 0}}};
static const struct row difference = {1.0,
                                      9,
                                      {{0, 0.012194277465176748, 0.012194277465176751},
                                       {5, 0.7731539478765578, 0.48322121742284857},
                                       {6, -0.07192809284993823, -0.061318699154572345},
                                       {7, -1.763834521196444, -0.9436514688400975},
                                       {8, 1.787182038027448, 0.7776646494148068},
                                       {9, -0.7829855527544889, -0.2740449434640711},
                                       {10, 0.07877188662899605, 0.005934967155908738},
                                       {11, -0.28255398319730723, 0},
                                       {12, 0.25, 0}}}; /* order 8 less order 7 */

static inline vector get(const double *p, size_t g)
{
    return *(const vector *)(const void *)(p + g * WIDTH);
}

static inline void put(double *p, size_t g, vector v)
{
    *(vector *)(void *)(p + g * WIDTH) = v;
}

static size_t groups(size_t n)
{
    return (n + WIDTH - 1) / WIDTH;
}

struct sums {
    vector z, dz;
};

static inline struct sums add_up(const struct row *r, const double (*f)[LANES], size_t g)
{
    struct sums s = {{0}, {0}};
    for (int i = 0; i < r->count; i++) {
        vector v = get(f[r->term[i].j], g);
        s.dz += v * r->term[i].a;
        s.z += v * r->term[i].aa;
    }
    return s;
}

static void stage(int s, size_t n, const double *h, const double *z, const double *dz,
                  const double (*f)[LANES], double *z_s, double *dz_s)
{
    for (size_t g = 0; g < groups(n); g++) {
        struct sums sum = add_up(&rows[s], f, g);
        vector hg = get(h, g), d = get(dz, g);
        put(z_s, g, get(z, g) + hg * (d * rows[s].c + hg * sum.z));
        put(dz_s, g, d + hg * sum.dz);
    }
}

/* |z| + |dz| / omega */
static inline vector norm(vector z, vector dz, vector inverse)
{
    return absolute(z) + absolute(dz) * inverse;
}

static void finish(size_t n, const double *h, const double *z, const double *dz,
                   const double (*f)[LANES], const double *omega, double *z_1, double *dz_1,
                   double (*local)[LANES], double *estimate)
{
    for (size_t g = 0; g < groups(n); g++) {
        vector hg = get(h, g), d = get(dz, g), inverse = 1 / get(omega, g);
        struct sums sum = add_up(&order8, f, g), error = add_up(&difference, f, g);
        put(z_1, g, get(z, g) + hg * (d + hg * sum.z));
        put(dz_1, g, d + hg * sum.dz);
        vector e = hg * hg * error.z, e_dz = hg * error.dz;
        put(local[0], g, e);
        put(local[1], g, e_dz);
        put(estimate, g, norm(e, e_dz, inverse));
    }
}

static void remember(size_t n, const double *h, const struct rk8_memory *memory,
                     double (*local)[LANES], double *estimate)
{
    for (size_t g = 0; g < groups(n); g++) {
        vector own = get(estimate, g), growth = get(h, g) / get(memory->h, g), none = {0};
        vector size = choose(growth <= RK8_REACH, get(memory->size, g), none);
        for (int i = 0; i < 3; i++)
            growth = growth * growth;
        vector least = size * growth;
        vector raised = choose(own < least, least, own), scale = raised / (own + 0x1p-1000);
        scale = choose(own < least, scale, own * 0 + 1);
        put(estimate, g, raised);
        put(local[0], g, get(local[0], g) * scale);
        put(local[1], g, get(local[1], g) * scale);
    }
}

static void weigh(size_t n, double rate, const double *h, const double *z, const double *dz,
                  const double *z_1, const double *dz_1, const double *omega, const double *floor,
                  const double *local, const double *estimate, double *ratio)
{
    for (size_t g = 0; g < groups(n); g++) {
        vector inverse = 1 / get(omega, g);
        vector before = norm(get(z, g), get(dz, g), inverse);
        vector after = norm(get(z_1, g), get(dz_1, g), inverse);
        vector size = get(floor, g) + choose(before > after, before, after);
        vector share = root(get(h, g) * rate), few = {0};
        few += RK8_FEW;
        vector allowed = get(local, g) * choose(share > few, share, few) * size;
        put(ratio, g, get(ratio, g) + get(estimate, g) / (allowed + 0x1p-1000));
    }
}

/* 0.9 ratio^(-1/8), by square roots, whose bits are the same everywhere. */
static void factor(size_t n, const double *ratio, double *out)
{
    for (size_t g = 0; g < groups(n); g++) {
        vector r = get(ratio, g), most = {0}, least = {0};
        most += RK8_GROW;
        least += RK8_SHRINK;
        vector x = 0.9 / root(root(root(r + 0x1p-1000)));
        x = choose(x < most, x, most);
        put(out, g, choose((x > least) & (r == r), x, least));
    }
}

/* What the method makes of a linear equation in one step: its stability function, a polynomial, at
 * h times the mean of the two matrices (0 1; by_z by_dz). Where it differs from the exponential, in
 * what is damped so fast that steps are limited by stability, it is this that errors meet. Powers
 * of M are taken from M^2 = trace M - determinant: P = alpha + beta M, by Horner's rule. */
static const double stability[] = {1,
                                   1,
                                   1.0 / 2,
                                   1.0 / 6,
                                   1.0 / 24,
                                   1.0 / 120,
                                   1.0 / 720,
                                   1.0 / 5040,
                                   1.0 / 40320,
                                   2.7521279901047076e-06,
                                   2.4231996586958736e-07,
                                   2.4389718205443207e-08,
                                   -2.0346152896857728e-10,
                                   0.0};

struct matrix {
    vector zz, zd, dz, dd;
};

static inline struct matrix propagator(vector h, vector by_z, vector by_dz)
{
    vector trace = h * by_dz, k = h * h * by_z, alpha = {0}, beta = {0};
    alpha += stability[RK8_STAGES];
    for (int i = RK8_STAGES - 1; i >= 0; i--) {
        vector next = alpha + trace * beta;
        alpha = stability[i] + k * beta;
        beta = next;
    }
    return (struct matrix){alpha, beta * h, beta * h * by_z, alpha + beta * trace};
}

/* m := P m P^T + diag(z^2, dz^2) */
static inline void carry_square(double (*m)[LANES], size_t g, const struct matrix *p, vector z,
                                vector dz)
{
    vector zz = get(m[0], g), zd = get(m[1], g), dd = get(m[2], g);
    vector a = p->zz * zz + p->zd * zd, b = p->zz * zd + p->zd * dd;
    vector c = p->dz * zz + p->dd * zd, d = p->dz * zd + p->dd * dd;
    put(m[0], g, a * p->zz + b * p->zd + z * z);
    put(m[1], g, a * p->dz + b * p->dd);
    put(m[2], g, c * p->dz + d * p->dd + dz * dz);
}

static void carry(size_t n, const struct rk8_step *s, struct rk8_errors *e)
{
    const vector none = {0};
    for (size_t g = 0; g < groups(n); g++) {
        struct matrix p = propagator(get(s->h, g), 0.5 * (get(s->by_z[0], g) + get(s->by_z[1], g)),
                                     0.5 * (get(s->by_dz[0], g) + get(s->by_dz[1], g)));
        vector z = get(e->drift[0], g), dz = get(e->drift[1], g), size = get(s->estimate, g);
        put(e->drift[0], g, p.zz * z + p.zd * dz + get(s->local[0], g));
        put(e->drift[1], g, p.dz * z + p.dd * dz + get(s->local[1], g));
        carry_square(e->spread, g, &p, size, size * get(s->omega, g));
        carry_square(e->rounding, g, &p, get(s->noise[0], g), get(s->noise[1], g));
        carry_square(e->drive, g, &p, none, get(s->drive, g));
    }
}

static double node(int s)
{
    return rows[s].c;
}

/* Clenshaw's recurrence for P_k: b_k = c_k + rise_k x b_{k+1} - fall_k b_{k+2}. */
#define RISE(k)     ((2 * (k) + 1) / ((k) + 1.0))
#define FALL(k)     (((k) + 1) / ((k) + 2.0))
#define FOUR(of, k) of(k), of((k) + 1), of((k) + 2), of((k) + 3)
static const double rise[] = {FOUR(RISE, 0), FOUR(RISE, 4), FOUR(RISE, 8), FOUR(RISE, 12)};
static const double fall[] = {FOUR(FALL, 0), FOUR(FALL, 4), FOUR(FALL, 8), FOUR(FALL, 12)};

static void series(size_t n, int terms, const double (*coef)[LANES], const double *x, double *out)
{
    for (size_t g = 0; g < groups(n); g++) {
        vector b1 = {0}, b2 = {0}, xg = get(x, g);
        for (int k = terms - 1; k >= 0; k--) {
            vector b = get(coef[k], g) + xg * b1 * rise[k] - b2 * fall[k];
            b2 = b1;
            b1 = b;
        }
        put(out, g, b1);
    }
}

extern const struct rk8 RK8;
const struct rk8 RK8 = {RK8_NAME, node, stage, finish, remember, weigh, factor, carry, series};
