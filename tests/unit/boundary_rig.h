#ifndef TESTS_BOUNDARY_RIG_H
#define TESTS_BOUNDARY_RIG_H

/* Edges of stability for tests: an equation, a window, and the curves traced in it. */

#include "boundary.h"
#include "solver_job.h"
#include <gsl/gsl_errno.h>
#include <math.h>

/* What is traced, with the drive that it needs. */
struct trace {
    struct sweep_spec spec;
    struct drive *drive;
    struct boundary_spec boundary;
    struct boundary out;
    double *q, time[1];
};

static inline void trace_drive(struct trace *t)
{
    struct err err;
    char text[1024];
    t->spec.times = t->time;
    t->spec.time_count = 1;
    t->time[0] = t->spec.w_from;
    if (drive_create(&t->spec, &t->drive, &err) != 0)
        fail_msg("%s", err_format(&err, text, sizeof text));
}

/* w over one period from 0 on; n values of q; a window of a. */
static inline void trace_init(struct trace *t, const char *w, double period, double q0, double q1,
                              size_t n, double a0, double a1)
{
    memset(t, 0, sizeof *t);
    t->q = linspace(q0, q1, n);
    t->spec.w = w;
    t->spec.w_to = t->spec.period = period;
    t->boundary =
        (struct boundary_spec){.period = period, .a_min = a0, .a_max = a1, .q = t->q, .q_count = n};
}

static inline void trace_run(struct trace *t)
{
    struct err err;
    char text[1024];
    if (t->drive == NULL)
        trace_drive(t);
    t->boundary.drive = t->drive;
    t->boundary.from = t->spec.w_from;
    t->boundary.period = t->spec.period;
    if (boundary_trace(&t->boundary, &t->out, &err) != 0)
        fail_msg("%s", err_format(&err, text, sizeof text));
}

static inline void trace_fini(struct trace *t)
{
    boundary_fini(&t->out);
    drive_destroy(t->drive);
    free(t->q);
}

static inline const struct boundary_curve *curve_of(const struct trace *t, enum boundary_kind kind,
                                                    int64_t m)
{
    for (size_t k = 0; k < t->out.count; k++)
        if (t->out.curve[k].kind == kind && t->out.curve[k].m == m)
            return &t->out.curve[k];
    fail_msg("there is no curve %d of kind %d", (int)m, (int)kind);
    return NULL;
}

static inline struct trace mathieu(double q0, double q1, size_t n, double a0, double a1)
{
    struct trace t;
    trace_init(&t, "-2*cos(2*t)", M_PI, q0, q1, n, a0, a1);
    return t;
}

/* A value and its error against what it should be; `own`: what that is off by. */
static inline void check_value(const struct boundary_curve *c, size_t i, double want, double own)
{
    char name[BOUNDARY_NAME];
    double off = fabs(c->a[i] - want);
    if (!(off <= 1e-10 * (1 + fabs(want))) || !(off <= c->error[i] + own))
        fail_msg("%s is %.17g +- %.2g instead of %.17g (value %zu)", boundary_name(c, name),
                 c->a[i], c->error[i], want, i);
}

#endif
