/* Makes the table of Floquet exponents in binary128: gcc -O2 -std=gnu17 make.c -lquadmath -lm, then
 * ./a.out > floquet.txt (a minute). tests/truth/make has the series.
 *
 * The period is that of the functions, pi, not its double. M is the product of Taylor steps of
 * order 32, D comes from M, and zeros are counted between steps that are too short for two of them.
 * z(T), from (1, 0), is M^N by N scaled multiplications, then the rest. */
#include "../taylor.h"

#include <stdio.h>
#include <stdlib.h>

struct equation {
    const char *name;
    struct taylor (*w)(quad t0), (*damping)(quad t0);
};

static struct taylor mathieu(quad t0)
{
    return scale(-2, cosine(linear(2, 0, t0)));
}

static struct taylor uneven(quad t0)
{
    return add(cosine(linear(2, 0, t0)), scale(0.3, sine(linear(4, 1, t0))));
}

static struct taylor drag(quad t0)
{
    return add(constant(0.1), scale(0.05, cosine(linear(2, 0, t0))));
}

static const struct equation equations[] = {
    {"mathieu", mathieu, NULL}, {"uneven", uneven, NULL}, {"damped", mathieu, drag}};

static void step(const struct equation *e, quad q, quad a, quad t, quad h, quad z[2])
{
    struct taylor k = add(constant(a), scale(q, e->w(t))), x = {{z[0], z[1]}}, d;
    struct taylor damping = e->damping != NULL ? e->damping(t) : constant(0);
    for (int n = 0; n + 2 <= ORDER; n++) {
        quad sum = 0;
        for (int i = 0; i <= n; i++)
            sum += k.c[i] * x.c[n - i] + damping.c[i] * (n - i + 1) * x.c[n - i + 1];
        x.c[n + 2] = -sum / ((n + 1) * (n + 2));
    }
    d = derivative(x);
    z[0] = value(&x, h);
    z[1] = value(&d, h);
}

/* Both solutions over [0, t]: m[row][column]; returns the zeros of the second. */
static int solve(const struct equation *e, quad q, quad a, quad t, quad m[2][2])
{
    quad turn = t * sqrtq(fabsq(a) + 3 * fabsq(q));
    int zeros = 0, steps = (int)ceilq(fmaxq(80 * t, 4 * turn));
    for (int j = 0; j < 2; j++) {
        quad z[2] = {j == 0, j == 1};
        for (int i = 0; i < steps; i++) {
            quad before = z[0];
            step(e, q, a, t * i / steps, t / steps, z);
            zeros += j == 1 && before * z[0] < 0;
        }
        m[0][j] = z[0];
        m[1][j] = z[1];
    }
    return zeros;
}

static quad late(const struct equation *e, quad q, quad a, quad t, quad m[2][2])
{
    int periods = (int)floorq(t / M_PIq);
    quad z[2] = {1, 0}, ln = 0, rest[2][2] = {{1, 0}, {0, 1}};
    for (int n = 0; n < periods; n++) {
        quad next[2] = {m[0][0] * z[0] + m[0][1] * z[1], m[1][0] * z[0] + m[1][1] * z[1]};
        quad size = fabsq(next[0]) + fabsq(next[1]);
        ln += logq(size);
        z[0] = next[0] / size;
        z[1] = next[1] / size;
    }
    solve(e, q, a, t - periods * M_PIq, rest);
    return ln + logq(fabsq(rest[0][0] * z[0] + rest[0][1] * z[1]));
}

static void print_quad(quad x)
{
    char text[64];
    quadmath_snprintf(text, sizeof text, "%.20Qe", x);
    printf(" %s", text);
}

static void print_row(const struct equation *e, double q, double a, double t)
{
    quad m[2][2];
    int zeros = solve(e, q, a, M_PIq, m);
    quad x = (m[0][0] + m[1][1]) / 2;
    quad half = (m[0][0] - m[1][1]) / 2, d = half * half + m[0][1] * m[1][0];
    /* The cosine in the damping comes to nothing over a period. */
    quad loss = e->damping != NULL ? 0.1 * M_PIq / 2 : 0, mu = -loss, nu, root = expq(-loss);
    if (d > 0)
        mu = asinhq(sqrtq(d) / root) - loss;
    mu /= M_PIq;
    quad theta = d < 0 ? atan2q(sqrtq(-d), x) / M_PIq : x > 0 ? 0 : 1;
    nu = zeros % 2 == 0 ? zeros + theta : zeros + 1 - theta;
    printf("%s %.17g %.17g %.17g", e->name, q, a, t);
    print_quad(2 * x);
    print_quad(mu);
    print_quad(nu);
    printf(" %d", mu > 1e-25Q || (e->damping == NULL && d > 0) ? -1 : 1);
    print_quad(late(e, q, a, t, m));
    printf("\n");
}

static double draw(double from, double to)
{
    return from + (to - from) * (rand() / (1.0 + RAND_MAX));
}

int main(void)
{
    /* The middle of gaps 2 to 5 at small q, by GSL's a_m, b_m. */
    static const double narrow[][2] = {{0.1, 4.0016639313323328},  {0.1, 9.0006250633934677},
                                       {0.1, 16.000333340047092},  {0.1, 25.000208334754298},
                                       {0.03, 16.000030000054373}, {0.03, 25.000018750011513}};
    printf("# equation, q, a, T, trace, mu, nu, stable, ln|z(T)|; z'' + damping z' + (a + q w) z = "
           "0, period pi, z = 1, z' = 0 at t = 0\n"
           "# mathieu: w = -2 cos 2t. uneven: w = cos 2t + 0.3 sin(4t + 1). damped: w = -2 cos 2t, "
           "damping = 0.1 + 0.05 cos 2t\n"
           "# IEEE binary128, by make.c\n");
    for (size_t i = 0; i < sizeof narrow / sizeof *narrow; i++)
        print_row(&equations[0], narrow[i][0], narrow[i][1], 50);
    for (size_t e = 0; e < 3; e++)
        for (int i = 0; i < 60; i++)
            print_row(&equations[e], draw(-8, 8), draw(-6, 27), draw(4, 600));
    /* mu T = 5000 and more */
    print_row(&equations[0], 6, -5.5, 1700);
    print_row(&equations[0], 8, -6, 2000);
    print_row(&equations[1], 8, -6, 3000);
    print_row(&equations[2], 8, -6, 2000);
    /* one period of more than a double can hold: mu P > 710 */
    for (size_t e = 0; e < 3; e++)
        print_row(&equations[e], 1000, -60000, 10);
    return 0;
}
