/* Everything here is done once per job: tens of thousands of multiplications a step instead of a
 * few per point. The inner loops run over contiguous numbers and are left to the compiler. */
#include "series.h"

#include <math.h>
#include <string.h>

/* out[0..n+2) += the step's answer to the load r[0..n). n is a literal at each call. */
static inline __attribute__((always_inline)) void apply(const struct step *s, int n,
                                                        const double *r, double *out)
{
    for (int l = 0; l < n; l++)
        for (int k = 0; k < n + 2; k++)
            out[k] += s->m[l + 2][k] * r[l];
}

static void apply_step(const struct step *s, const double *r, double *out)
{
    switch (s->n) {
    case 4:
        apply(s, 4, r, out);
        break;
    case 8:
        apply(s, 8, r, out);
        break;
    default:
        apply(s, 16, r, out);
        break;
    }
}

/* Stores z(1), z'(1) of solution `column` (0 starts as z = 1, 1 as z' = 1) in units of (z, p). */
static void store(struct series *s, int i, int j, int column, const double *end, double unit)
{
    s->c[0][j][2 * i + column] = column == 0 ? end[0] : end[0] * unit;
    s->c[1][j][2 * i + column] = column == 0 ? end[1] / unit : end[1];
}

static void solve_term(struct series *s, struct series_work *w, const struct step *step, int i,
                       int j, double unit, const double *ka, const double *kq)
{
    int n = step->n;
    for (int column = 0; column < 2; column++) {
        double r[GAUSS_MAX], out[STEP_MAX];
        if (i + j == 0) {
            memcpy(out, step->m[column], (size_t)(n + 2) * sizeof *out);
        } else {
            /* Arrays this short are not worth a call, nor clearing as a whole. */
            for (int l = 0; l < n; l++)
                r[l] = i > 0 ? ka[l] * w->z[j][i - 1][column][l] : 0;
            for (int l = 0; l < n && j > 0; l++)
                r[l] += kq[l] * w->z[j - 1][i][column][l];
            for (int k = 0; k < n + 2; k++)
                out[k] = 0;
            apply_step(step, r, out);
        }
        for (int l = 0; l < n; l++)
            w->z[j][i][column][l] = out[l];
        store(s, i, j, column, out + n, unit);
    }
}

int series_step(struct series *out, struct series_work *work, const struct gauss *g, int n,
                double h, double omega, const double *k0, const double *ka, const double *kq,
                const double *d)
{
    double base[GAUSS_MAX], in_a[GAUSS_MAX], in_q[GAUSS_MAX], drag[GAUSS_MAX];
    struct step step;
    int has_a = 0, has_q = 0;
    for (int l = 0; l < g->n; l++) {
        base[l] = h * h * k0[l];
        in_a[l] = h * h * ka[l];
        in_q[l] = h * h * kq[l];
        drag[l] = d != NULL ? h * d[l] : 0;
        has_a |= in_a[l] != 0;
        has_q |= in_q[l] != 0;
    }
    if (step_init(&step, g, base, d != NULL ? drag : NULL) != 0)
        return -1;
    out->n = n;
    for (int j = 0; j <= n; j++) {
        for (int i = 0; i <= n - j; i++) {
            if ((i > 0 && !has_a) || (j > 0 && !has_q)) {
                memset(work->z[j][i], 0, sizeof work->z[j][i]);
                memset(&out->c[0][j][2 * i], 0, 2 * sizeof(double));
                memset(&out->c[1][j][2 * i], 0, 2 * sizeof(double));
                continue;
            }
            solve_term(out, work, &step, i, j, h * omega, in_a, in_q);
        }
    }
    return 0;
}

/* One term of the left factor times one row of the right one. */
static void multiply_row(struct series *out, const struct series *late, int i, int j,
                         const struct series *early, int row)
{
    double a = late->c[0][j][2 * i], b = late->c[0][j][2 * i + 1];
    double c = late->c[1][j][2 * i], d = late->c[1][j][2 * i + 1];
    const double *restrict top = early->c[0][row], *restrict low = early->c[1][row];
    double *restrict out_top = &out->c[0][j + row][2 * i];
    double *restrict out_low = &out->c[1][j + row][2 * i];
    int have = early->n - row, room = out->n - i - j - row;
    int width = 2 * ((have < room ? have : room) + 1);
    for (int k = 0; k < width; k++) {
        out_top[k] += a * top[k] + b * low[k];
        out_low[k] += c * top[k] + d * low[k];
    }
}

void series_multiply(struct series *out, int n, const struct series *late,
                     const struct series *early)
{
    out->n = n;
    for (int r = 0; r < 2; r++)
        for (int j = 0; j <= n; j++)
            memset(out->c[r][j], 0, (size_t)(2 * (n - j + 1)) * sizeof(double));
    for (int j = 0; j <= late->n; j++)
        for (int i = 0; i <= late->n - j; i++)
            for (int row = 0; row <= n - i - j && row <= early->n; row++)
                multiply_row(out, late, i, j, early, row);
}

/* The largest of the four entries' majorants is sqrt(X) sinh(sqrt(X)) + 1 with X = base + lambda
 * reach; its terms are X^k / (2k - 1)!. term[d] collects the coefficients of lambda^d. */
void series_tail(double base, double reach, double *tail, int size)
{
    double power[2 * SERIES_SIDE] = {1}, term[2 * SERIES_SIDE] = {0};
    double factorial = 1; /* 1 / (2k - 1)! */
    int top = 2 * SERIES_SIDE - 1, highest = 0;
    for (int k = 1; k <= 200; k++) {
        highest = k < top ? k : top;
        for (int d = highest; d > 0; d--)
            power[d] = base * power[d] + reach * power[d - 1];
        power[0] *= base;
        if (k > 1)
            factorial /= (2.0 * k - 1) * (2.0 * k - 2);
        double most = 0;
        for (int d = 0; d <= highest; d++) {
            term[d] += power[d] * factorial;
            most = fmax(most, power[d] * factorial);
        }
        if (most < 1e-25 && k > 2)
            break;
    }
    double sum = 0;
    memset(tail, 0, (size_t)size * sizeof *tail);
    for (int d = highest; d > 0; d--) {
        sum += term[d];
        if (d - 1 < size)
            tail[d - 1] = sum;
    }
}
