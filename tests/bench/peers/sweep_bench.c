/* The solver in memory: the whole grid of a table's job, tile by tile as a worker does, into arrays
 * that are there already.
 *
 *   sweep_bench point|tile|auto one|five|plain TABLE TOLERANCE ...
 *
 * one: the output F = 1 + z(T) with its error field, as the question asks; five: five outputs at
 * two times; plain: F without errors. Prints a line for each tolerance:
 *
 *   tolerance, thread CPU time of a point in ns (least of at least three rounds) with and without
 *   the setup, setup in ms, largest error relative to S, the same relative to the contract, points
 *   that the stated error does not cover, share of the outputs' expressions in the time, tiles */
#include "expr.h"
#include "job.h"
#include "recipe.h"
#include "truth.h"

#include <math.h>
#include <string.h>
#include <time.h>

#define U      0x1p-53
#define LEAST  3
#define ENOUGH 4e8 /* ns spent on rounds */

static double in_expressions_ns;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double wall_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* from user space, some 25 ns */
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

void __real_expr_eval_batch(const struct expr *e, size_t n, const double *const *in, double *out);
void __real_expr_eval_grad(const struct expr *e, size_t n, const double *const *in, double *out,
                           double *const *grad, double *rounding);
void __wrap_expr_eval_batch(const struct expr *e, size_t n, const double *const *in, double *out);
void __wrap_expr_eval_grad(const struct expr *e, size_t n, const double *const *in, double *out,
                           double *const *grad, double *rounding);

void __wrap_expr_eval_batch(const struct expr *e, size_t n, const double *const *in, double *out)
{
    double start = wall_ns();
    __real_expr_eval_batch(e, n, in, out);
    in_expressions_ns += wall_ns() - start;
}

void __wrap_expr_eval_grad(const struct expr *e, size_t n, const double *const *in, double *out,
                           double *const *grad, double *rounding)
{
    double start = wall_ns();
    __real_expr_eval_grad(e, n, in, out, grad, rounding);
    in_expressions_ns += wall_ns() - start;
}

/* The arrays of the whole grid, tile after tile. */
struct arrays {
    size_t points;
    double *field[8];
    float *error[8];
    uint8_t *status;
};

struct result {
    double solve_ns, setup_ns, outputs_ns;
};

static struct job *make_job(const struct truth *truth, const char *outputs, double tolerance,
                            const char *method)
{
    char text[16384], last[32];
    const char *own = strstr(truth->job, "\"output\": {\"z\": \"z(");
    struct err err;
    struct job *job;
    if (own == NULL || sscanf(own, "\"output\": {\"z\": \"z(%31[^)])", last) != 1) {
        fprintf(stderr, "sweep_bench: the table's job has no output z\n");
        exit(1);
    }
    int len = snprintf(text, sizeof text, "%.*s\"output\": {\"F\": \"1 + z(%s)\"",
                       (int)(own - truth->job), truth->job, last);
    if (strcmp(outputs, "five") == 0)
        len += snprintf(text + len, sizeof text - (size_t)len,
                        ", \"G\": \"z(%s)^2 + dz(%s)^2\", \"L\": \"lnabs(%s)\", \"W\": "
                        "\"z1(%s)*dz2(%s) - z2(%s)*dz1(%s)\", \"H\": \"exp(-z(5)^2)*cos(a)\"",
                        last, last, last, last, last, last, last);
    len += snprintf(text + len, sizeof text - (size_t)len,
                    "}, \"tolerance\": %g, \"solver\": \"%s\", \"errors\": %s}", tolerance, method,
                    strcmp(outputs, "plain") == 0 ? "false" : "true");
    if (job_parse(text, (size_t)len, NULL, &job, &err) != 0) {
        fprintf(stderr, "sweep_bench: %s: %s\n", err.path, err.text);
        exit(1);
    }
    return job;
}

static struct arrays make_arrays(const struct job *job)
{
    struct arrays a = {.points = (size_t)job_points(job)};
    for (size_t k = 0; k < job->output_count; k++) {
        a.field[k] = malloc(a.points * sizeof(double));
        a.error[k] = job->errors ? malloc(a.points * sizeof(float)) : NULL;
        memset(a.field[k], 1, a.points * sizeof(double));
        if (job->errors)
            memset(a.error[k], 1, a.points * sizeof(float));
    }
    a.status = malloc(a.points);
    memset(a.status, 1, a.points);
    return a;
}

static void free_arrays(struct arrays *a)
{
    for (int k = 0; k < 8; k++) {
        free(a->field[k]);
        free(a->error[k]);
    }
    free(a->status);
}

/* Where the tile's first point lies in the arrays. */
static size_t tile_start(const struct job *job, uint32_t tile)
{
    struct job_tile t = job_tile(job, tile);
    return t.q0 * job->a.count + (t.q1 - t.q0) * t.a0;
}

static struct result solve_once(const struct job *job, struct arrays *to)
{
    struct output_text outputs[JOB_OUTPUTS_MAX];
    struct sweep_spec spec;
    struct sweep *sweep;
    struct err err;
    double start = now_ns();
    recipe_spec(job, outputs, &spec);
    if (sweep_create(&spec, &sweep, &err) != 0) {
        fprintf(stderr, "sweep_bench: %s: %s\n", err.path, err.text);
        exit(1);
    }
    struct solver *solver = solver_create(sweep);
    double begun = now_ns();
    in_expressions_ns = 0;
    for (uint32_t n = 0; n < job_tile_count(job); n++) {
        struct job_tile t = job_tile(job, n);
        struct block b = {t.q0, t.q1, t.a0, t.a1};
        double *field[8];
        float *error[8];
        size_t at = tile_start(job, n);
        for (size_t k = 0; k < job->output_count; k++) {
            field[k] = to->field[k] + at;
            error[k] = job->errors ? to->error[k] + at : NULL;
        }
        solver_block(solver, &b, field, job->errors ? error : NULL, to->status + at, NULL, NULL);
    }
    double end = now_ns();
    solver_destroy(solver);
    sweep_destroy(sweep);
    return (struct result){end - begun, begun - start, in_expressions_ns};
}

static size_t place(const struct job *job, const struct truth_row *r)
{
    for (uint32_t n = 0; n < job_tile_count(job); n++) {
        struct job_tile t = job_tile(job, n);
        size_t q = (size_t)r->iq, a = (size_t)r->ia;
        if (q >= t.q0 && q < t.q1 && a >= t.a0 && a < t.a1)
            return tile_start(job, n) + (q - t.q0) * (t.a1 - t.a0) + a - t.a0;
    }
    abort();
}

static void measure(const struct truth *truth, const char *outputs, const char *method,
                    double tolerance)
{
    struct job *job = make_job(truth, outputs, tolerance, method);
    struct arrays arrays = make_arrays(job);
    struct result best = {INFINITY, INFINITY, INFINITY};
    double spent = 0, off_scale = 0, off_contract = 0;
    int uncovered = 0;
    for (int round = 0; round < LEAST || (spent < ENOUGH && round < 1000); round++) {
        struct result r = solve_once(job, &arrays);
        spent += r.solve_ns + r.setup_ns;
        best.solve_ns = fmin(best.solve_ns, r.solve_ns);
        best.outputs_ns = fmin(best.outputs_ns, r.outputs_ns); /* wall time: others may be in it */
        best.setup_ns = fmin(best.setup_ns, r.setup_ns);
    }
    for (size_t k = 0; k < truth->count; k++) {
        const struct truth_row *r = &truth->row[k];
        size_t at = place(job, r);
        double off = fabs(arrays.field[0][at] - 1 - r->z), size = 1 + hypot(r->z, r->dz / r->omega);
        double own = U * fabs(1 + r->z); /* of 1 + z */
        off_scale = fmax(off_scale, off / size);
        off_contract = fmax(off_contract, off / (tolerance * size + 16 * U * r->kappa + own));
        uncovered += job->errors && !(off <= (double)arrays.error[0][at]);
    }
    printf("%g %.5g %.5g %.4g %.3g %.3g %d %.3g %u\n", tolerance,
           (best.solve_ns + best.setup_ns) / (double)arrays.points,
           best.solve_ns / (double)arrays.points, best.setup_ns * 1e-6, off_scale, off_contract,
           uncovered, best.outputs_ns / best.solve_ns, job_tile_count(job));
    fflush(stdout);
    free_arrays(&arrays);
    job_destroy(job);
}

int main(int argc, char **argv)
{
    static struct truth truth;
    if (argc < 5) {
        fprintf(stderr, "usage: sweep_bench point|tile|auto one|five|plain TABLE TOLERANCE ...\n");
        return 2;
    }
    truth_load(&truth, argv[3]);
    for (int i = 4; i < argc; i++)
        measure(&truth, argv[2], argv[1], strtod(argv[i], NULL));
    return 0;
}
