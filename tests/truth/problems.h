#ifndef TRUTH_PROBLEMS_H
#define TRUTH_PROBLEMS_H

#include "taylor.h"

/* The problems that the tables are made of. Each is written down twice: as the job that hillsweep
 * reads, and as series for the integrator. Constants are the job's doubles, of full precision only
 * in what functions make of them. */

enum { BREAKS_MAX = 64 };

/* The equation's coefficients as functions of time, around one t0. */
struct coefficients {
    struct taylor w, u, v, damping;
};

struct problem {
    const char *name, *about;
    const char *y, *w, *z; /* of the job, as JSON; z without its t; y NULL when there is none */
    double q0, q1, a0, a1; /* the grid; may be asked for with other counts */
    int q_count, a_count;
    double from, last;
    const char *times; /* "t" of z */
    int last_index;    /* of `last` in it */
    double y_from, y_start[2];
    struct taylor (*f)(quad t0);
    /* `middle` is well within the step, for what differs between the breaks. */
    void (*coefficients)(quad t0, double middle, const struct taylor *y, struct coefficients *out);
    void (*start)(quad a, quad q, quad z[2]); /* NULL: (1, 0) */
    int (*breaks)(quad *at);                  /* increasing, at most BREAKS_MAX; NULL: none */
    int points;                               /* of the table */
    int fast; /* thousands of oscillations: longer steps, and 1e-24 where the others have 1e-28 */
};

extern const struct problem problems[], fast_problems[];
extern const int problem_count, fast_problem_count;

/* What both lists use. */
void w_is_y(quad t0, double middle, const struct taylor *y, struct coefficients *out);
void w_is_cos2t(quad t0, double middle, const struct taylor *y, struct coefficients *out);
void spline(quad t0, double middle, const struct taylor *y, struct coefficients *out);
int spline_breaks(quad *at);
struct taylor stiff_f(quad t0);

/* The job's `w` where it is a table, which is computed; else p->w. The text is static. */
const char *problem_w(const struct problem *p);

#endif
