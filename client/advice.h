#ifndef CLIENT_ADVICE_H
#define CLIENT_ADVICE_H

#include "job.h"
#include <stddef.h>
#include <stdint.h>

/* What a physicist would regret to find out after the run: said of a job that is right, before it
 * is queued. Pure. */

#define ADVICE_MAX 16

struct advice {
    struct {
        const char *kind; /* a stable word for programs: "linear", "knots", "overflow", ... */
        char text[320];
    } items[ADVICE_MAX];
    size_t count;
};

/* What the solver found on some sample points (worker/survey.h). */
struct advice_samples {
    int64_t points, failed, overflow, limited;
    double worst_error; /* over tolerance * (1 + |value|); NaN: not known */
    int64_t w_turns;    /* turning points of the exact w within w.t; negative: not known */
    const char *failed_reason;
    /* Where the worst error is: the field, its stated error, and the same with the exact w (NaN:
     * not known, or w is exact or a table). */
    const char *worst_field;
    double worst_stated, exact_stated;
};

/* The term that leads the error of most points. */
enum advice_error {
    ERROR_UNKNOWN,
    ERROR_METHOD, /* of the solver, within the tolerance */
    ERROR_INTERPOLATION,
    ERROR_ROUNDING,
};
enum advice_error advice_leading_error(const struct job *job, const struct advice_samples *samples);
const char *advice_error_name(enum advice_error error); /* "method", ... */

/* Each appends to the list; what exceeds ADVICE_MAX is left out. */
void advice_add(struct advice *list, const char *kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void advice_of_job(const struct job *job, struct advice *list);
void advice_of_samples(const struct job *job, const struct advice_samples *samples,
                       struct advice *list);

/* Knots that an interpolation needs so that it errs by no more than `error` of the amplitude of an
 * oscillation of which there are `oscillations` in all. */
double advice_knots(enum job_interpolation kind, double oscillations, double error);

#endif
