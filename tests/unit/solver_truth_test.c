/* The error contract, point by point against quadruple precision: |error of z| <= tolerance S + 16
 * u kappa, the stated error covers the true one everywhere, and is not much larger than it need be.
 * Every table in tests/truth is a job, solved tile by tile as a worker does, by every method.
 *
 * TRUTH_TABLE=high takes one table alone, TRUTH_SHOW=1 prints what was reached. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "recipe.h"
#include "solver_job.h"
#include "truth.h"
#include <glob.h>
#include <math.h>

#define U         0x1p-53
#define SHARP     100 /* the stated error may be so many times the true one, as a median */
#define TABLES    64
#define RATIO_MAX 512

static const char *const METHODS[] = {"point", "auto", "tile"};
static const double TOLERANCES[] = {1e-6, 1e-9, 1e-12};

static int by_size(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_size);
    return v[n / 2];
}

/* A table's job at one tolerance by one method, solved. */
struct solved {
    struct recipe *recipe;
    const struct job *job;
    struct planes **tile;
};

static int never(void *arg, size_t points_done)
{
    (void)arg, (void)points_done;
    return 0;
}

static void solve_table(struct solved *s, const struct truth *truth, double tolerance,
                        const char *method)
{
    char text[sizeof truth->job + 128];
    struct err err = {0};
    struct job *job;
    struct buf document = {0};
    int len = snprintf(text, sizeof text, "%s, \"tolerance\": %g, \"solver\": \"%s\"}", truth->job,
                       tolerance, method);
    if (job_parse(text, (size_t)len, NULL, &job, &err) != 0)
        fail_msg("%s: %s", err.path, err.text);
    job_encode(job, &document);
    job_destroy(job);
    s->recipe = recipe_create(&document, 1);
    if (recipe_build(s->recipe, &err) != 0)
        fail_msg("%s: %s", err.path, err.text);
    s->job = recipe_job(s->recipe);
    s->tile = calloc(job_tile_count(s->job), sizeof *s->tile);
    for (uint32_t t = 0; t < job_tile_count(s->job); t++) {
        uint32_t points = (uint32_t)job_tile_points(s->job, t);
        s->tile[t] = planes_create((uint32_t)s->job->output_count, true, points);
        assert_int_equal(recipe_solve(s->recipe, 0, t, 0, points, s->tile[t], never, NULL), 0);
    }
}

static void drop(struct solved *s)
{
    for (uint32_t t = 0; t < job_tile_count(s->job); t++)
        planes_destroy(s->tile[t]);
    free(s->tile);
    recipe_destroy(s->recipe);
}

/* Where a point of the grid lies. */
struct place {
    struct planes *planes;
    size_t at;
};

static struct place find(const struct solved *s, const struct truth_row *r)
{
    for (uint32_t t = 0; t < job_tile_count(s->job); t++) {
        struct job_tile b = job_tile(s->job, t);
        size_t q = (size_t)r->iq, a = (size_t)r->ia;
        if (q >= b.q0 && q < b.q1 && a >= b.a0 && a < b.a1)
            return (struct place){s->tile[t], (q - b.q0) * (b.a1 - b.a0) + a - b.a0};
    }
    fail_msg("no tile has q[%d], a[%d]", r->iq, r->ia);
    return (struct place){0};
}

/* One output of a point against its truth: within what is allowed, and stated. Returns the stated
 * error over max(error, floor). */
static double check_output(const struct place *p, uint32_t k, const struct truth_row *r,
                           double truth, double allowed, double floor)
{
    double got = planes_field(p->planes, k)[p->at];
    double error = fabs(got - truth), stated = (double)planes_errors(p->planes, k)[p->at];
    if (!(error <= allowed))
        fail_msg("output %u at q %.17g a %.17g: %.17g, error %.3g, allowed %.3g", k, r->q, r->a,
                 got, error, allowed);
    if (!(error <= stated))
        fail_msg("output %u at q %.17g a %.17g: %.17g, error %.3g, stated %.3g", k, r->q, r->a, got,
                 error, stated);
    return stated / fmax(error, floor);
}

static double check_row(const struct solved *s, const struct truth_row *r)
{
    double tolerance = s->job->tolerance, rounding = 16 * U * r->kappa;
    double size = 1 + hypot(r->z, r->dz / r->omega);
    struct place p = find(s, r);
    uint8_t status = planes_status(p.planes)[p.at];
    assert_true(s->job->q.values[r->iq] == r->q && s->job->a.values[r->ia] == r->a);
    assert_true(status == POINT_DONE || status == POINT_LIMITED);
    if (rounding > 2 * tolerance * size)
        assert_int_equal(status, POINT_LIMITED);
    /* The contract is about z; kappa of the others is not in the tables. */
    check_output(&p, 1, r, r->dz, INFINITY, 0);
    check_output(&p, 2, r, r->u, INFINITY, 0);
    check_output(&p, 3, r, r->du, INFINITY, 0);
    return check_output(&p, 0, r, r->z, tolerance * size + rounding, 1e-3 * tolerance * size);
}

static void check_table(const char *name, const struct truth *truth, double tolerance,
                        const char *method)
{
    struct solved s = {0};
    double ratio[RATIO_MAX];
    int fast = strncmp(name, "fast", 4) == 0;
    solve_table(&s, truth, tolerance, method);
    for (size_t n = 0; n < truth->count; n++)
        ratio[n] = check_row(&s, &truth->row[n]);
    /* Of what w itself is off by only bounds are known, and fast oscillations count on it. */
    double sharpness = median(ratio, truth->count), share = tolerance < 1e-10 && fast ? 4 : 1;
    if (sharpness > share * SHARP)
        fail_msg("%s at %g by %s: the stated error is %.3g times too large", name, tolerance,
                 method, sharpness);
    if (getenv("TRUTH_SHOW") != NULL)
        print_message("%-14s %-6s %6.0e: stated / true %.3g, median of %zu\n", name, method,
                      tolerance, sharpness, truth->count);
    drop(&s);
}

static void test_table(void **state)
{
    const char *name = *state;
    struct truth truth;
    truth_read(&truth, name);
    assert_true(truth.count >= 100 && truth.job[0] == '{');
    /* Thousands of oscillations are not a matter of tiles. */
    size_t methods = sizeof METHODS / sizeof *METHODS - (strncmp(name, "fast", 4) == 0);
    for (size_t m = 0; m < methods; m++)
        for (size_t t = 0; t < sizeof TOLERANCES / sizeof *TOLERANCES; t++)
            check_table(name, &truth, TOLERANCES[t], METHODS[m]);
}

/* With an interpolated w the fields are those of the interpolant, and the stated error must reach
 * to the truth of the exact w: that is what no other program tells its user. */
static void check_interpolation(enum sweep_interpolation kind, size_t knots, double least)
{
    struct truth truth;
    struct solver_job j;
    double worst = 0, ratio[RATIO_MAX];
    truth_read(&truth, "driven");
    job_init(&j, 0, 4, 100, -2, 7, 100);
    j.spec.y_to = 20;
    j.spec.y_start[0] = 1;
    j.spec.f = "1 + 0.3*cos(1.7*t)";
    j.spec.w = "y";
    j.spec.interpolation = kind;
    j.spec.knots = knots;
    job_run(&j);
    for (size_t n = 0; n < truth.count; n++) {
        const struct truth_row *r = &truth.row[n];
        size_t i = (size_t)r->iq * 100 + (size_t)r->ia;
        double error = fabs(j.field[0][i] - r->z);
        if (!(error <= (double)j.error[0][i]))
            fail_msg("kind %d q %g a %g: error %.3g, stated %.3g", (int)kind, r->q, r->a, error,
                     (double)j.error[0][i]);
        worst = fmax(worst, error / (1 + fabs(r->z)));
        ratio[n] = (double)j.error[0][i] / fmax(error, 1e-12);
    }
    /* The interpolation is really there. */
    assert_true(worst > least);
    double sharpness = median(ratio, truth.count);
    if (sharpness > 2 * SHARP)
        fail_msg("kind %d: the stated error is %.3g times too large", (int)kind, sharpness);
    job_fini(&j);
}

static void test_interpolation_error(void **state)
{
    (void)state;
    check_interpolation(SWEEP_CSPLINE, 121, 1e-8);
    check_interpolation(SWEEP_LINEAR, 2401, 1e-7);
    check_interpolation(SWEEP_AKIMA, 121, 1e-7);
    check_interpolation(SWEEP_STEFFEN, 121, 1e-6);
}

/* The names of all tables, or of the one that is asked for. */
static size_t find_tables(char (*name)[64])
{
    const char *only = getenv("TRUTH_TABLE");
    char pattern[1024];
    glob_t found;
    size_t count = 0;
    snprintf(pattern, sizeof pattern, "%s/%s.txt", TRUTH_FOLDER, only != NULL ? only : "*");
    if (glob(pattern, 0, NULL, &found) != 0) {
        fprintf(stderr, "no tables: %s\n", pattern);
        exit(1);
    }
    for (; count < found.gl_pathc && count < TABLES; count++) {
        const char *base = strrchr(found.gl_pathv[count], '/') + 1;
        snprintf(name[count], sizeof name[count], "%.*s", (int)strlen(base) - 4, base);
    }
    globfree(&found);
    return count;
}

int main(void)
{
    static char name[TABLES][64];
    struct CMUnitTest tests[TABLES + 1] = {cmocka_unit_test(test_interpolation_error)};
    size_t count = find_tables(name);
    for (size_t i = 0; i < count; i++)
        tests[1 + i] =
            (struct CMUnitTest){.name = name[i], .test_func = test_table, .initial_state = name[i]};
    return _cmocka_run_group_tests("truth", tests, 1 + count, NULL, NULL);
}
