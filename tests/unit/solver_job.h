#ifndef TESTS_SOLVER_JOB_H
#define TESTS_SOLVER_JOB_H

/* Jobs for the solver's tests: a spec with everything filled in, to be changed by the test, and the
 * whole grid solved in one call. */

#include "sweep_private.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define JOB_FIELDS 8

struct solver_job {
    struct sweep_spec spec;
    struct output_text outputs[JOB_FIELDS];
    double *q, *a, *times;
    struct sweep *sweep;
    double *field[JOB_FIELDS];
    float *error[JOB_FIELDS];
    uint8_t *status;
};

/* numpy.linspace's doubles. */
static inline double *linspace(double from, double to, size_t count)
{
    double *v = malloc((count + 1) * sizeof *v);
    for (size_t i = 0; i < count; i++)
        v[i] = count > 1 && i + 1 == count ? to
                                           : (double)i * ((to - from) / (double)(count - 1)) + from;
    if (count == 1)
        v[0] = from;
    return v;
}

/* w = cos(2t) on [0, 12], times 0 .. 10 in 201 steps, z = 1, z' = 0, one output z(t[157]). */
static inline void job_init(struct solver_job *j, double q0, double q1, size_t qs, double a0,
                            double a1, size_t as)
{
    memset(j, 0, sizeof *j);
    j->q = linspace(q0, q1, qs);
    j->a = linspace(a0, a1, as);
    j->times = linspace(0, 10, 201);
    j->outputs[0] = (struct output_text){"F", "z(t[157])"};
    j->spec = (struct sweep_spec){
        .w = "cos(2*t)",
        .w_to = 12,
        .z_start = {"1", "0"},
        .times = j->times,
        .time_count = 201,
        .q = j->q,
        .q_count = qs,
        .a = j->a,
        .a_count = as,
        .outputs = j->outputs,
        .output_count = 1,
        .tolerance = 1e-9,
    };
}

static inline void job_create(struct solver_job *j)
{
    struct err err;
    if (sweep_create(&j->spec, &j->sweep, &err) != 0) {
        char text[1024];
        fail_msg("%s", err_format(&err, text, sizeof text));
    }
    size_t n = j->spec.q_count * j->spec.a_count;
    for (size_t k = 0; k < j->spec.output_count; k++) {
        j->field[k] = malloc(n * sizeof(double));
        j->error[k] = malloc(n * sizeof(float));
    }
    j->status = malloc(n);
}

/* Solves the whole grid with a kernel (NULL: the default one). */
static inline void job_solve_with(struct solver_job *j, const struct kernel *kernel)
{
    struct solver *s =
        kernel != NULL ? solver_create_with(j->sweep, kernel) : solver_create(j->sweep);
    struct block all = {0, j->spec.q_count, 0, j->spec.a_count};
    assert_int_equal(solver_block(s, &all, j->field, j->error, j->status, NULL, NULL), 0);
    solver_destroy(s);
}

static inline void job_run(struct solver_job *j)
{
    job_create(j);
    job_solve_with(j, NULL);
}

/* Output k at a point against its truth. */
static inline void job_check(const struct solver_job *j, size_t k, size_t i, double truth,
                             double allowed)
{
    double got = j->field[k][i], error = fabs(got - truth), stated = (double)j->error[k][i];
    if (!(error <= allowed) || !(error <= stated))
        fail_msg("%s at q %.17g a %.17g: %.17g, not %.17g: error %.3g, allowed %.3g, stated %.3g",
                 j->spec.outputs[k].text, j->q[i / j->spec.a_count], j->a[i % j->spec.a_count], got,
                 truth, error, allowed, stated);
}

/* The same output of two jobs: apart by no more than both state. */
static inline void job_check_apart(const struct solver_job *x, const struct solver_job *y, size_t k,
                                   size_t i)
{
    double apart = fabs(x->field[k][i] - y->field[k][i]);
    double stated = (double)x->error[k][i] + (double)y->error[k][i];
    if (!(apart <= stated) && x->field[k][i] != y->field[k][i])
        fail_msg("%s at q %.17g a %.17g: %.17g and %.17g, apart %.3g, stated %.3g",
                 x->spec.outputs[k].text, x->q[i / x->spec.a_count], x->a[i % x->spec.a_count],
                 x->field[k][i], y->field[k][i], apart, stated);
}

static inline void job_fini(struct solver_job *j)
{
    sweep_destroy(j->sweep);
    for (size_t k = 0; k < JOB_FIELDS; k++) {
        free(j->field[k]);
        free(j->error[k]);
    }
    free(j->status);
    free(j->q);
    free(j->a);
    free(j->times);
}

#endif
