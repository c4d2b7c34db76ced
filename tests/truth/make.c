/* Makes and checks the tables of quadruple precision, by Taylor series in binary128.
 *
 *   make_truth list                                the names of the problems
 *   make_truth table NAME [nq na points]           a table on standard output, of the problem's
 *                                                  grid or of one with other counts
 *   make_truth check NAME <tests/truth/NAME.txt    computes every row of a table again
 *
 * A step is at most 0.1 and 0.5 / omega long (6 / omega where there are thousands of oscillations),
 * takes as many terms as leave less than 1e-37 of it, and ends at the breaks. Every point is solved
 * with these steps and with halves of them. Step matrices are kept, for kappa: rows go backwards
 * from T, states forwards. */
#include "problems.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct step {
    quad t, h;
    struct coefficients c;
    int terms; /* of c that matter within the step */
};

enum { Z_ORDER = 128 };

struct axis {
    struct step *step;
    int count;
    double u_max, v_max, w_max;
};

/* What a row of a table says. */
struct row {
    int iq, ia;
    double q, a;
    quad z[2], u[2], change; /* change: by halving the steps, relative */
    double omega, kappa;
};

static double linspace(double from, double to, int count, int i)
{
    double step = (to - from) / (count - 1);
    return i == count - 1 ? to : i * step + from;
}

/* y over one step from (y, y')(t). */
static struct taylor solve_y(const struct problem *p, quad t, const quad y[2])
{
    struct taylor f = p->f(t), s = {{y[0], y[1]}};
    for (int k = 0; k + 2 <= ORDER; k++) {
        quad sum = 0;
        for (int i = 0; i <= k; i++)
            sum += f.c[i] * s.c[k - i];
        s.c[k + 2] = -sum / ((k + 1) * (k + 2));
    }
    return s;
}

static void advance_y(const struct taylor *s, quad h, quad y[2])
{
    struct taylor d = derivative(*s);
    y[0] = value(s, h);
    y[1] = value(&d, h);
}

static void grow_bounds(struct axis *x, const struct step *s)
{
    for (int i = 0; i <= 16; i++) {
        quad h = s->h * i / 16;
        x->w_max = fmax(x->w_max, fabs((double)value(&s->c.w, h)));
        x->u_max = fmax(x->u_max, fabs((double)value(&s->c.u, h)));
        x->v_max = fmax(x->v_max, fabs((double)value(&s->c.v, h)));
    }
}

static quad next_break(const struct problem *p, quad t, quad to)
{
    quad at[BREAKS_MAX];
    int n = p->breaks != NULL ? p->breaks(at) : 0;
    for (int i = 0; i < n; i++)
        if (at[i] > t && at[i] < to)
            return at[i];
    return to;
}

/* Terms of the coefficients that are not below rounding at the end of the step. */
static int count_terms(const struct step *s)
{
    const struct taylor *c[] = {&s->c.w, &s->c.u, &s->c.v, &s->c.damping};
    quad power = 1;
    int terms = 1;
    for (int k = 1; k <= ORDER; k++) {
        power *= s->h;
        for (int i = 0; i < 4; i++)
            if (fabsq(c[i]->c[k]) * power > 1e-36Q)
                terms = k + 1;
    }
    return terms;
}

/* The steps of a run without breaks; y is carried along where the problem has one. */
static void add_run(struct axis *x, const struct problem *p, quad from, quad to, double length,
                    quad y[2], int keep)
{
    int count = (int)ceil((double)(to - from) / length);
    x->step = realloc(x->step, (size_t)(x->count + count) * sizeof *x->step);
    if (x->step == NULL)
        abort();
    for (int i = 0; i < count; i++) {
        struct step s = {.t = from + (to - from) * i / count, .h = (to - from) / count};
        struct taylor series = {{0}};
        if (p->f != NULL)
            series = solve_y(p, s.t, y);
        if (keep) {
            s.c.v = constant(1);
            p->coefficients(s.t, (double)(s.t + s.h / 2), &series, &s.c);
            s.terms = count_terms(&s);
            x->step[x->count++] = s;
            grow_bounds(x, &s);
        }
        if (p->f != NULL)
            advance_y(&series, s.h, y);
    }
}

static struct axis make_axis(const struct problem *p, double length)
{
    struct axis x = {0};
    quad y[2] = {p->y_start[0], p->y_start[1]};
    if (p->f != NULL && p->y_from < p->from)
        add_run(&x, p, p->y_from, p->from, length, y, 0);
    for (quad t = p->from, next; t < p->last; t = next) {
        next = next_break(p, t, p->last);
        add_run(&x, p, t, next, length, y, 1);
    }
    return x;
}

/* One column of a step's matrix: z'' = -damping z' - (u + a v + q w) z, as many terms as matter. */
static void solve_step(const struct step *s, const struct taylor *k, quad z[2])
{
    quad x[Z_ORDER + 1] = {z[0], z[1]}, power = s->h, last = fabsq(z[1] * power);
    quad value = z[0] + z[1] * power, slope = z[1], most = fabsq(z[0]) + last;
    for (int n = 0; n + 2 <= Z_ORDER; n++) {
        quad sum = 0;
        for (int i = 0; i <= n && i < s->terms; i++)
            sum += k->c[i] * x[n - i] + s->c.damping.c[i] * (n - i + 1) * x[n - i + 1];
        x[n + 2] = -sum / ((n + 1) * (n + 2));
        slope += (n + 2) * x[n + 2] * power;
        power *= s->h;
        value += x[n + 2] * power;
        quad size = fabsq(x[n + 2] * power);
        most = fmaxq(most, size);
        if (n > 16 && (n + 2) * (size + last) < 1e-37Q * most)
            break;
        last = size;
    }
    z[0] = value;
    z[1] = slope;
}

static void fill_matrices(const struct axis *x, quad q, quad a, quad (*m)[2][2])
{
    for (int n = 0; n < x->count; n++) {
        const struct step *s = &x->step[n];
        struct taylor k = add(s->c.u, add(scale(a, s->c.v), scale(q, s->c.w)));
        for (int j = 0; j < 2; j++) {
            quad z[2] = {j == 0, j == 1};
            solve_step(s, &k, z);
            m[n][0][j] = z[0];
            m[n][1][j] = z[1];
        }
    }
}

static void apply(quad (*m)[2][2], int count, quad z[2], quad (*states)[2])
{
    for (int n = 0; n < count; n++) {
        quad next[2] = {m[n][0][0] * z[0] + m[n][0][1] * z[1],
                        m[n][1][0] * z[0] + m[n][1][1] * z[1]};
        z[0] = next[0];
        z[1] = next[1];
        if (states != NULL)
            states[n + 1][0] = z[0], states[n + 1][1] = z[1];
    }
}

static double conditioning(quad (*m)[2][2], int count, quad (*states)[2])
{
    quad row[2] = {1, 0}, most = 0;
    for (int n = count;; n--) {
        quad size = fabsq(row[0] * states[n][0]) + fabsq(row[1] * states[n][1]);
        most = fmaxq(most, size);
        if (n == 0)
            return (double)most;
        quad next[2] = {row[0] * m[n - 1][0][0] + row[1] * m[n - 1][1][0],
                        row[0] * m[n - 1][0][1] + row[1] * m[n - 1][1][1]};
        row[0] = next[0];
        row[1] = next[1];
    }
}

static void solve(const struct problem *p, const struct axis *x, struct row *r)
{
    quad(*m)[2][2] = malloc((size_t)x->count * sizeof *m);
    quad(*states)[2] = malloc((size_t)(x->count + 1) * sizeof *states);
    if (m == NULL || states == NULL)
        abort();
    r->z[0] = 1;
    r->z[1] = 0;
    r->u[0] = 0;
    r->u[1] = 1;
    if (p->start != NULL)
        p->start(r->a, r->q, r->z);
    states[0][0] = r->z[0];
    states[0][1] = r->z[1];
    fill_matrices(x, r->q, r->a, m);
    apply(m, x->count, r->z, states);
    apply(m, x->count, r->u, NULL);
    r->kappa = conditioning(m, x->count, states);
    r->omega = sqrt(fmax(1, x->u_max + fabs(r->a) * x->v_max + fabs(r->q) * x->w_max));
    free(m);
    free(states);
}

static quad distance(const quad x[2], const quad y[2], double omega)
{
    return hypotq(x[0] - y[0], (x[1] - y[1]) / omega) / hypotq(y[0], y[1] / omega);
}

/* A problem with its steps, for any number of points. */
struct maker {
    const struct problem *problem;
    struct axis whole, half;
};

static const struct problem *find_problem(const char *name)
{
    for (int i = 0; i < problem_count; i++)
        if (strcmp(problems[i].name, name) == 0)
            return &problems[i];
    for (int i = 0; i < fast_problem_count; i++)
        if (strcmp(fast_problems[i].name, name) == 0)
            return &fast_problems[i];
    return NULL;
}

static struct maker maker_of(const char *name)
{
    struct maker m = {.problem = find_problem(name)};
    if (m.problem == NULL) {
        fprintf(stderr, "make_truth: there is no problem %s; 'list' says which there are\n", name);
        exit(2);
    }
    const struct problem *p = m.problem;
    struct axis guess = make_axis(p, 0.1);
    double largest = guess.u_max + fmax(fabs(p->a0), fabs(p->a1)) * guess.v_max +
                     fmax(fabs(p->q0), fabs(p->q1)) * guess.w_max;
    double length = fmin(0.1, (p->fast ? 6 : 0.5) / sqrt(largest));
    free(guess.step);
    m.whole = make_axis(p, length);
    m.half = make_axis(p, length / 2);
    return m;
}

/* `compare`: with halves of the steps, too. */
static void make_row(const struct maker *m, struct row *r, int compare)
{
    struct row coarse = *r;
    r->change = 0;
    if (!compare) {
        solve(m->problem, &m->whole, r);
        return;
    }
    solve(m->problem, &m->whole, &coarse);
    solve(m->problem, &m->half, r);
    r->change = fmaxq(distance(coarse.z, r->z, r->omega), distance(coarse.u, r->u, r->omega));
}

static void print_quad(quad x)
{
    char text[64];
    quadmath_snprintf(text, sizeof text, "%.20Qe", x);
    printf(" %s", text);
}

static void print_head(const struct problem *p, int nq, int na)
{
    int k = p->last_index;
    printf("# %s T = %.17g.\n", p->about, p->last);
    printf("# Grid: q = linspace(%g,%g,%d), a = linspace(%g,%g,%d), exactly numpy.linspace's "
           "doubles (j*step + from, the last = to); all constants are the job's doubles.\n",
           p->q0, p->q1, nq, p->a0, p->a1, na);
    printf("# u(t0)=0, u'(t0)=1; omega = sqrt(max(1, max|u| + |a| max|v| + |q| max|w|)) of the "
           "equation's u, v, w; kappa = max over s of |row of P(T,s)| . |(z,z')(s)|, entry "
           "by entry.\n");
    printf("# IEEE binary128, Taylor series (make.c); halving the steps changes less than %s "
           "relative.\n",
           p->fast ? "1e-24" : "1e-28");
    printf("# job: {%s%s%s\"w\": %s, \"z\": {%s, \"t\": %s}, \"grid\": {\"q\": {\"from\": %.17g, "
           "\"to\": %.17g, \"count\": %d}, \"a\": {\"from\": %.17g, \"to\": %.17g, \"count\": "
           "%d}}, \"output\": {\"z\": \"z(t[%d])\", \"dz\": \"dz(t[%d])\", \"u\": \"z2(t[%d])\", "
           "\"du\": \"dz2(t[%d])\"}}\n",
           p->y != NULL ? "\"y\": " : "", p->y != NULL ? p->y : "", p->y != NULL ? ", " : "",
           problem_w(p), p->z, p->times, p->q0, p->q1, nq, p->a0, p->a1, na, k, k, k, k);
    printf("# columns: i_q i_a q a z z' u u' omega kappa\n");
}

/* Points of all parts of the grid in an order without a pattern, the four corners first. */
static void choose(int i, int nq, int na, unsigned long long *state, struct row *r)
{
    if (i < 4) {
        r->iq = i / 2 * (nq - 1);
        r->ia = i % 2 * (na - 1);
        return;
    }
    for (int k = 0; k < 2; k++) {
        *state = *state * 6364136223846793005ull + 1442695040888963407ull;
        unsigned long long bits = *state >> 33;
        *(k == 0 ? &r->iq : &r->ia) = (int)(bits % (unsigned long long)(k == 0 ? nq : na));
    }
}

static int table(const char *name, int nq, int na, int points)
{
    struct maker m = maker_of(name);
    const struct problem *p = m.problem;
    unsigned long long state = 20200411;
    quad worst = 0;
    nq = nq > 0 ? nq : p->q_count;
    na = na > 0 ? na : p->a_count;
    print_head(p, nq, na);
    for (int i = 0; i < (points > 0 ? points : p->points); i++) {
        struct row r;
        choose(i, nq, na, &state, &r);
        r.q = linspace(p->q0, p->q1, nq, r.iq);
        r.a = linspace(p->a0, p->a1, na, r.ia);
        make_row(&m, &r, !p->fast || i % 10 == 0);
        worst = fmaxq(worst, r.change);
        printf("%d %d %.17g %.17g", r.iq, r.ia, r.q, r.a);
        print_quad(r.z[0]);
        print_quad(r.z[1]);
        print_quad(r.u[0]);
        print_quad(r.u[1]);
        printf(" %.3g %.3g\n", r.omega, r.kappa);
    }
    fprintf(stderr, "%s: halving the steps changes %.1e relative\n", name, (double)worst);
    return worst < (p->fast ? 1e-24Q : 1e-28Q) ? 0 : 1;
}

static int check(const char *name)
{
    struct maker m = maker_of(name);
    char line[8192];
    double worst = 0, kappa_low = 1, kappa_high = 1;
    int rows = 0;
    while (fgets(line, sizeof line, stdin) != NULL) {
        struct row r = {0};
        char text[4][64];
        double omega, kappa;
        if (sscanf(line, "%d %d %lf %lf %63s %63s %63s %63s %lf %lf", &r.iq, &r.ia, &r.q, &r.a,
                   text[0], text[1], text[2], text[3], &omega, &kappa) != 10)
            continue;
        quad z[2] = {strtoflt128(text[0], NULL), strtoflt128(text[1], NULL)};
        quad u[2] = {strtoflt128(text[2], NULL), strtoflt128(text[3], NULL)};
        make_row(&m, &r, 0);
        worst = fmax(worst, (double)distance(z, r.z, r.omega));
        worst = fmax(worst, (double)distance(u, r.u, r.omega));
        kappa_low = fmin(kappa_low, r.kappa / kappa);
        kappa_high = fmax(kappa_high, r.kappa / kappa);
        if (fabs(omega / r.omega - 1) > 0.006)
            worst = INFINITY;
        rows++;
    }
    printf("%s: %d rows, largest difference %.1e, kappa %.2f to %.2f of the table's\n", name, rows,
           worst, kappa_low, kappa_high);
    return rows > 0 && worst < 1e-19 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        for (int i = 0; i < problem_count; i++)
            printf("%s\n", problems[i].name);
        for (int i = 0; i < fast_problem_count; i++)
            printf("%s\n", fast_problems[i].name);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "check") == 0)
        return check(argv[2]);
    if ((argc == 3 || argc == 6) && strcmp(argv[1], "table") == 0)
        return argc == 3 ? table(argv[2], 0, 0, 0)
                         : table(argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
    fprintf(stderr, "usage: make_truth list | table NAME [nq na points] | check NAME\n");
    return 2;
}
