/* Tiles solved as a whole against the same points solved by themselves with every digit: drives,
 * spans and ranges at random from a seed. The stated errors must cover the difference, the contract
 * must hold, and the bits may depend neither on the pieces nor on the instruction set.
 *
 * TILE_SEEDS=800 takes more drives than the few dozen of every day; TILE_SEED=17 that one alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "plan.h"
#include "solver_job.h"
#include <math.h>

static uint64_t noise;

static double uniform(double from, double to)
{
    noise ^= noise << 13;
    noise ^= noise >> 7;
    noise ^= noise << 17;
    return from + (to - from) * ((double)(noise >> 11) * 0x1p-53);
}

/* The texts of a job's expressions, and what it was made from. */
struct drawn {
    char f[200];
    unsigned long seed;
};

static void draw(struct solver_job *j, struct drawn *d, unsigned long seed)
{
    static const char *const drives[] = {"y",           "y^2",           "y + dy/2",
                                         "cos(2*t)",    "exp(-t/4)*y",   "y*cos(t)",
                                         "1/(1 + t^2)", "sin(t)^3 - y/5"};
    d->seed = seed;
    noise = 88172645463325252u ^ (seed * 0x9E3779B97F4A7C15u);
    for (int i = 0; i < 20; i++)
        uniform(0, 1);
    double span = exp(uniform(0, log(40))), q = uniform(-6, 5), a = uniform(-4, 6);
    if (uniform(0, 1) < 0.2)
        a = uniform(10, 200);
    job_init(j, q, q + uniform(0.01, 6), (size_t)uniform(20, 120), a,
             a + uniform(0.01, uniform(0, 1) < 0.2 ? 100 : 10), (size_t)uniform(20, 250));
    snprintf(d->f, sizeof d->f, "%.6g + %.6g*cos(%.6g*t) + %.4g*sin(%.4g*t)", uniform(0.2, 3),
             uniform(-1, 1), uniform(0.3, 4), uniform(-0.3, 0.3), uniform(1, 6));
    j->times[1] = span * uniform(0.2, 0.9);
    j->times[2] = span;
    j->outputs[0] = (struct output_text){"F", "z(t[2])"};
    j->outputs[1] = (struct output_text){"D", "dz(t[2])"};
    j->outputs[2] = (struct output_text){"U", "z2(t[1])"};
    j->spec.output_count = 3;
    j->spec.f = d->f;
    j->spec.y_to = span + 1;
    j->spec.y_start[0] = uniform(-1, 1);
    j->spec.y_start[1] = uniform(-1, 1);
    j->spec.w = drives[(int)uniform(0, 8)];
    j->spec.w_to = span + 0.5;
    j->spec.z_start[1] = "0.3";
    j->spec.tolerance = pow(10, -floor(uniform(5, 13)));
    if (uniform(0, 1) < 0.3) {
        j->spec.u = "0.03*t";
        j->spec.damping = "0.1 + 0.05*sin(t)";
        j->spec.v = "1 + 0.2*cos(t)";
    }
}

/* The same job, solved point by point with every digit. */
static void judge_of(struct solver_job *judge, const struct solver_job *j)
{
    memset(judge, 0, sizeof *judge);
    judge->spec = j->spec;
    judge->spec.method = SWEEP_POINT;
    judge->spec.tolerance = 1e-14;
    job_create(judge);
    job_solve_with(judge, NULL);
}

/* Compares all points; returns how many the stated errors do not cover. Those of the judge count by
 * a fifth: it is that much better than it says. */
static size_t compare(const struct solver_job *j, const struct solver_job *judge,
                      const struct drawn *d)
{
    size_t n = j->spec.q_count * j->spec.a_count, uncovered = 0;
    for (size_t i = 0; i < n; i++) {
        double a = j->a[i % j->spec.a_count], q = j->q[i / j->spec.a_count];
        double omega = sweep_omega(j->sweep, a, q);
        double size = 1 + hypot(judge->field[0][i], judge->field[1][i] / omega);
        for (size_t k = 0; k < 3; k++) {
            double off = fabs(j->field[k][i] - judge->field[k][i]);
            double stated = (double)j->error[k][i], own = (double)judge->error[k][i];
            if (!(off <= 1.3 * (stated + own)))
                fail_msg("seed %lu, output %zu at q %.17g a %.17g: off by %.3g, stated %.3g",
                         d->seed, k, q, a, off, stated);
            uncovered += !(off <= stated + 0.2 * own);
        }
        double off = fabs(j->field[0][i] - judge->field[0][i]);
        if (j->status[i] != POINT_LIMITED && judge->status[i] != POINT_LIMITED &&
            !(off <= j->spec.tolerance * size + (double)judge->error[0][i]))
            fail_msg("seed %lu at q %.17g a %.17g: off by %.3g, allowed %.3g", d->seed, q, a, off,
                     j->spec.tolerance * size);
    }
    return uncovered;
}

static void free_judge(struct solver_job *judge)
{
    judge->q = judge->a = judge->times = NULL; /* the other's */
    job_fini(judge);
}

static unsigned long setting(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoul(text, NULL, 10) : otherwise;
}

static void test_drives_at_random(void **state)
{
    (void)state;
    unsigned long first = setting("TILE_SEED", 1), last = first;
    size_t points = 0, uncovered = 0;
    if (getenv("TILE_SEED") == NULL)
        last = setting("TILE_SEEDS", 40);
    for (unsigned long seed = first; seed <= last; seed++) {
        struct solver_job j, judge;
        struct drawn d;
        draw(&j, &d, seed);
        j.spec.method = SWEEP_TILE;
        if (seed == 530) /* dy/2 that explodes: more parts than a job may have */
            j.spec.w = "y";
        job_run(&j);
        judge_of(&judge, &j);
        uncovered += compare(&j, &judge, &d);
        points += j.spec.q_count * j.spec.a_count;
        free_judge(&judge);
        job_fini(&j);
    }
    print_message("%lu drives, %zu points, 3 numbers each: %zu not covered\n", last - first + 1,
                  points, uncovered);
    assert_true((double)uncovered <= 1e-5 * 3 * (double)points);
}

/* A chart that has all forms of leaves: surfaces, products, points. */
static void rich(struct solver_job *j, double tolerance, double span)
{
    job_init(j, 0, 4, 150, -2, 7, 300);
    j->spec.f = "1 + 0.3*cos(1.7*t)";
    j->spec.y_to = 50;
    j->spec.y_start[0] = 1;
    j->spec.w = "y";
    j->spec.w_to = 45;
    j->times[1] = span;
    j->outputs[0] = (struct output_text){"F", "1 + z(t[1])"};
    j->outputs[1] = (struct output_text){"L", "lnabs(t[1])"};
    j->spec.output_count = 2;
    j->spec.tolerance = tolerance;
    j->spec.method = SWEEP_TILE;
    j->spec.q_blocks = 1;
    j->spec.a_blocks = 2;
}

static void assert_same(const struct solver_job *x, const struct solver_job *y)
{
    size_t n = x->spec.q_count * x->spec.a_count;
    for (size_t k = 0; k < x->spec.output_count; k++) {
        assert_memory_equal(x->field[k], y->field[k], n * sizeof(double));
        assert_memory_equal(x->error[k], y->error[k], n * sizeof(float));
    }
    assert_memory_equal(x->status, y->status, n);
}

/* Solves the grid in blocks of odd sizes, in an order of its own. */
static void solve_in_pieces(struct solver_job *j)
{
    struct solver *s = solver_create(j->sweep);
    double *field[2] = {calloc(1000, sizeof(double)), calloc(1000, sizeof(double))};
    float *error[2] = {calloc(1000, sizeof(float)), calloc(1000, sizeof(float))};
    uint8_t status[1000];
    size_t qs = j->spec.q_count, as = j->spec.a_count, rows = 7, columns = 53;
    for (size_t q = 0; q < qs; q += rows) {
        for (size_t a = 0; a < as; a += columns) {
            size_t a0 = (as - 1) / columns * columns - a; /* from the right */
            struct block b = {q, q + rows < qs ? q + rows : qs, a0,
                              a0 + columns < as ? a0 + columns : as};
            size_t width = b.a1 - b.a0;
            assert_int_equal(solver_block(s, &b, field, error, status, NULL, NULL), 0);
            for (size_t i = 0; i < (b.q1 - b.q0) * width; i++) {
                size_t at = (b.q0 + i / width) * as + b.a0 + i % width;
                for (int k = 0; k < 2; k++) {
                    j->field[k][at] = field[k][i];
                    j->error[k][at] = error[k][i];
                }
                j->status[at] = status[i];
            }
        }
    }
    for (int k = 0; k < 2; k++) {
        free(field[k]);
        free(error[k]);
    }
    solver_destroy(s);
}

static void in_pieces(double span, const char *start)
{
    struct solver_job whole, pieces;
    rich(&whole, 1e-12, span);
    rich(&pieces, 1e-12, span);
    whole.spec.z_start[0] = pieces.spec.z_start[0] = start;
    for (size_t i = 0; i < 300; i++) /* what follows a leaf grows more */
        whole.a[i] = pieces.a[i] = 7 - 9 * (double)i / 299;
    job_run(&whole);
    job_create(&pieces);
    solve_in_pieces(&pieces);
    assert_same(&whole, &pieces);
    job_fini(&whole);
    job_fini(&pieces);
}

/* Of huge starts some lanes are rescaled on the way and their neighbours are not, nor what follows
 * a leaf. */
static void test_pieces(void **state)
{
    (void)state;
    in_pieces(16, "1");
    for (int e = 70; e <= 90; e += 5) {
        char start[8];
        snprintf(start, sizeof start, "1e%d", e);
        in_pieces(40, start);
    }
}

static void test_instruction_sets(void **state)
{
    (void)state;
    static const char *const names[] = {"portable", "avx2", "avx512"};
    struct solver_job first, other;
    rich(&first, 1e-10, 40);
    job_create(&first);
    job_solve_with(&first, kernel_find("portable"));
    for (int i = 1; i < 3; i++) {
        if (kernel_find(names[i]) == NULL)
            continue;
        rich(&other, 1e-10, 40);
        job_create(&other);
        job_solve_with(&other, kernel_find(names[i]));
        assert_same(&first, &other);
        job_fini(&other);
    }
    job_fini(&first);
}

/* Every point of a tile is in one leaf, and ranges are those of the axes. */
static void count_leaves(double span, size_t forms[3])
{
    struct solver_job j;
    rich(&j, 1e-12, span);
    job_create(&j);
    struct leaf tile, *leaves = calloc(LEAVES_MAX, sizeof *leaves);
    unsigned char *seen = calloc(150 * 300, 1);
    for (size_t a = 0; a < 300; a = tile.a1) {
        sweep_tile(j.sweep, 0, a, &tile);
        size_t n = plan_root(sweep_outlook(j.sweep), &tile, j.sweep->q, j.sweep->a, leaves);
        for (size_t k = 0; k < n; k++) {
            const struct leaf *l = &leaves[k];
            forms[l->form]++;
            assert_true(l->q_low == j.q[l->q0] && l->q_high == j.q[l->q1 - 1]);
            assert_true(l->a_low == j.a[l->a0] && l->a_high == j.a[l->a1 - 1]);
            for (size_t q = l->q0; q < l->q1; q++)
                for (size_t i = l->a0; i < l->a1; i++)
                    seen[q * 300 + i]++;
        }
    }
    for (size_t i = 0; i < 150 * 300; i++)
        assert_int_equal(seen[i], 1);
    free(seen);
    free(leaves);
    job_fini(&j);
}

static void test_leaves_cover_the_tile(void **state)
{
    (void)state;
    size_t brief[3] = {0}, lengthy[3] = {0};
    count_leaves(4, brief);
    count_leaves(40, lengthy);
    assert_true(brief[LEAF_SURFACE] > 0);
    assert_true(lengthy[LEAF_PRODUCTS] > 0);
}

/* Axes as users write them: lists without order, repeated values, one value, logarithms; starts
 * that depend on a. */
static void against_points(struct solver_job *j, const char *what)
{
    struct solver_job judge;
    j->spec.method = SWEEP_TILE;
    job_run(j);
    judge_of(&judge, j);
    size_t n = j->spec.q_count * j->spec.a_count;
    for (size_t i = 0; i < n; i++) {
        double off = fabs(j->field[0][i] - judge.field[0][i]);
        if (!(off <= (double)j->error[0][i] + 0.2 * (double)judge.error[0][i]))
            fail_msg("%s, point %zu: off by %.3g, stated %.3g", what, i, off,
                     (double)j->error[0][i]);
        assert_int_equal(j->status[i], POINT_DONE);
    }
    free_judge(&judge);
    job_fini(j);
}

static void test_axes(void **state)
{
    (void)state;
    struct solver_job j;
    job_init(&j, 0.3, 0.3, 1, -1, 5, 400);
    against_points(&j, "one q");
    job_init(&j, -1, 2, 400, 0.7, 0.7, 1);
    against_points(&j, "one a");
    job_init(&j, 0.5, 0.5, 1, 2, 2, 1);
    against_points(&j, "one point");
    job_init(&j, -2, 2, 90, 0.1, 30, 200);
    for (size_t i = 0; i < 200; i++)
        j.a[i] = 0.1 * pow(300, (double)i / 199);
    against_points(&j, "logarithmic a");
    job_init(&j, -2, 2, 90, -1, 6, 200);
    for (size_t i = 0; i < 200; i++)
        j.a[i] = (double)(i * 73 % 199) * 0.03 - 1;
    against_points(&j, "a without order");
    job_init(&j, 2, -2, 90, 6, -1, 200);
    against_points(&j, "falling axes");
    job_init(&j, -2, 2, 90, 0.5, 9, 200);
    j.spec.z_start[0] = "1/sqrt(2*sqrt(a))";
    j.spec.z_start[1] = "sqrt(sqrt(a)/2)";
    against_points(&j, "a start that depends on a");
    for (int i = 0; i < 2; i++) {
        job_init(&j, -2, 4, 90, -2, 9, 200);
        j.times[1] = 30;
        j.outputs[0].text = "z(30)";
        j.spec.w_to = 31;
        j.spec.z_start[0] = i == 0 ? "1e-250" : "1e250";
        against_points(&j, i == 0 ? "a tiny start" : "a huge start");
    }
}

/* The error of an interpolated w reaches, through the nodes, every point of a leaf: the judge has
 * the exact one. */
static void test_interpolated_drive(void **state)
{
    (void)state;
    static const double spans[] = {4, 40};
    for (size_t i = 0; i < 2; i++) {
        struct solver_job j, judge;
        double most = 0;
        rich(&j, 1e-9, spans[i]);
        rich(&judge, 1e-12, spans[i]);
        j.spec.interpolation = SWEEP_CSPLINE;
        j.spec.knots = 400;
        judge.spec.method = SWEEP_POINT;
        job_run(&j);
        job_run(&judge);
        for (size_t n = 0; n < j.spec.q_count * j.spec.a_count; n++) {
            double off = fabs(j.field[0][n] - judge.field[0][n]);
            if (!(off <= (double)j.error[0][n] + (double)judge.error[0][n]))
                fail_msg("to %g, point %zu: off by %.3g, stated %.3g", spans[i], n, off,
                         (double)j.error[0][n]);
            most = fmax(most, off / (1 + fabs(judge.field[0][n])));
        }
        assert_true(most > 1e-7); /* the interpolation is really there */
        job_fini(&j);
        job_fini(&judge);
    }
}

/* Where 16 u kappa is the larger term of the contract a tile says so as points do, but for a few
 * at the very edge of it; and no point is off by more than the contract allows elsewhere. */
static void test_limited(void **state)
{
    (void)state;
    struct solver_job tiles, points;
    size_t found = 0, missed = 0, extra = 0, n = 150 * 300;
    rich(&tiles, 1e-12, 40);
    rich(&points, 1e-12, 40);
    points.spec.method = SWEEP_POINT;
    job_run(&tiles);
    job_run(&points);
    for (size_t i = 0; i < n; i++) {
        found += points.status[i] == POINT_LIMITED;
        missed += points.status[i] == POINT_LIMITED && tiles.status[i] != POINT_LIMITED;
        extra += points.status[i] != POINT_LIMITED && tiles.status[i] == POINT_LIMITED;
    }
    assert_true(found > 50);
    assert_true(missed <= found / 20 && extra <= found / 20);
    job_fini(&tiles);
    job_fini(&points);
}

/* Outputs that only shift a number take a shorter way; their bits are those of the expression. */
static void test_shifts(void **state)
{
    (void)state;
    static const char *const short_way[] = {"1 - z(t[1])", "z(t[1]) - 0.25", "z(t[1])"};
    struct solver_job j;
    job_init(&j, 0, 3, 60, -1, 6, 77);
    for (int k = 0; k < 3; k++)
        j.outputs[k] = (struct output_text){k == 0 ? "F" : k == 1 ? "G" : "H", short_way[k]};
    j.spec.output_count = 3;
    j.spec.method = SWEEP_TILE;
    job_run(&j);
    for (size_t i = 0; i < 60 * 77; i++) {
        double z = j.field[2][i];
        assert_true(j.field[0][i] == 1 - z && j.field[1][i] == z - 0.25);
        assert_true(fabsf(j.error[0][i] - j.error[2][i]) < 1e-15 * (2 + fabs(z)));
        assert_true(j.error[2][i] > 0);
    }
    job_fini(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drives_at_random),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_instruction_sets),
        cmocka_unit_test(test_leaves_cover_the_tile),
        cmocka_unit_test(test_axes),
        cmocka_unit_test(test_interpolated_drive),
        cmocka_unit_test(test_limited),
        cmocka_unit_test(test_shifts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
