/* See advice.h. */
#include "advice.h"

#include "expr.h"
#include "text.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIGHTEST  1e-13 /* tolerances below are finer than a double can state */
#define JUMP      30.0  /* a step of a table, over the median one */
#define JUMP_PART 0.2   /* and over the whole range */

void advice_add(struct advice *list, const char *kind, const char *fmt, ...)
{
    if (list->count == ADVICE_MAX)
        return;
    va_list ap;
    va_start(ap, fmt);
    list->items[list->count].kind = kind;
    vsnprintf(list->items[list->count].text, sizeof list->items[0].text, fmt, ap);
    va_end(ap);
    list->count++;
}

/* --- the error ------------------------------------------------------------------------------- */

static bool is_interpolated(const struct job *job)
{
    return !job->w_is || job->interpolation != JOB_EXACT;
}

/* By the error contract the method stays within the tolerance: what is beyond it is something else.
 */
enum advice_error advice_leading_error(const struct job *job, const struct advice_samples *samples)
{
    if (samples->points == 0 || samples->points == samples->failed || isnan(samples->worst_error))
        return ERROR_UNKNOWN;
    if (2 * samples->limited > samples->points)
        return ERROR_ROUNDING;
    if (samples->exact_stated < samples->worst_stated / 2 ||
        (samples->worst_error > 1 && is_interpolated(job)))
        return ERROR_INTERPOLATION;
    return ERROR_METHOD;
}

const char *advice_error_name(enum advice_error error)
{
    static const char *const NAMES[] = {
        [ERROR_UNKNOWN] = "unknown",
        [ERROR_METHOD] = "method",
        [ERROR_INTERPOLATION] = "interpolation",
        [ERROR_ROUNDING] = "rounding",
    };
    return NAMES[error];
}

/* Of sin(2 pi x) on knots 1/N apart, the classical bounds: linear h^2/8 max|f''|; cubic splines
 * 5/384 h^4 max|f''''| (Hall and Meyer 1976, J. Approx. Theory 16, 105); Akima's and Steffen's
 * slopes are of second order, so that the cubic between them errs by about h^3/24 max|f'''|. */
double advice_knots(enum job_interpolation kind, double oscillations, double error)
{
    const double turn = 2 * acos(-1.0);
    double h; /* in units of the phase */
    if (kind == JOB_LINEAR)
        h = sqrt(8 * error);
    else if (kind == JOB_AKIMA || kind == JOB_STEFFEN)
        h = cbrt(24 * error);
    else
        h = sqrt(sqrt(384.0 / 5 * error));
    return ceil(oscillations * turn / h) + 1;
}

/* --- the job alone --------------------------------------------------------------------------- */

/* The first name in the text that is on the list, or NULL. */
static const char *name_in(const char *text, const char *const *list)
{
    while (text && *text) {
        size_t len = 0;
        while (isalnum((unsigned char)text[len]) || text[len] == '_')
            len++;
        for (size_t i = 0; list[i]; i++)
            if (len == strlen(list[i]) && strncmp(text, list[i], len) == 0)
                return list[i];
        text += len ? len : 1;
    }
    return NULL;
}

static void advise_on_kinks(const struct job *job, struct advice *list)
{
    static const char *const KINKS[] = {"abs",   "sign", "step", "floor", "ceil",
                                        "round", "min",  "max",  "mod",   NULL};
    const struct {
        const char *key, *text;
    } parts[] = {{"w.is", job->w_is},
                 {"y.f", job->y_f},
                 {"z.u", job->u},
                 {"z.v", job->v},
                 {"z.damping", job->damping}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && job->break_count == 0; i++) {
        const char *name = name_in(parts[i].text, KINKS);
        if (!name)
            continue;
        advice_add(list, "breaks",
                   "%s has a kink or jump (%s): list its times in w.breaks, so that no step goes "
                   "across one",
                   parts[i].key, name);
        return;
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool is_break(const struct job *job, double from, double to)
{
    for (size_t i = 0; i < job->break_count; i++)
        if (job->breaks[i] >= from && job->breaks[i] <= to)
            return true;
    return false;
}

/* A smooth curve through a jump overshoots on both sides of it. */
static void advise_on_jump(const struct job *job, struct advice *list)
{
    size_t n = job->table_count;
    if (n < 8 || job->interpolation == JOB_LINEAR || job->interpolation == JOB_STEFFEN)
        return;
    double *steps = mem_alloc(n, sizeof *steps), low = job->table_w[0], high = low;
    size_t at = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        steps[i] = fabs(job->table_w[i + 1] - job->table_w[i]);
        low = fmin(low, job->table_w[i + 1]);
        high = fmax(high, job->table_w[i + 1]);
        if (steps[i] > steps[at])
            at = i;
    }
    double largest = steps[at];
    qsort(steps, n - 1, sizeof *steps, by_value);
    double median = steps[(n - 1) / 2];
    free(steps);
    if (largest > JUMP * median && largest > JUMP_PART * (high - low) &&
        !is_break(job, job->table_t[at], job->table_t[at + 1]))
        advice_add(list, "jump",
                   "w jumps by %.3g between t = %.6g and %.6g: %s overshoots there; list the time "
                   "in w.breaks, or take \"steffen\"",
                   largest, job->table_t[at], job->table_t[at + 1],
                   job_interpolation_name(job->interpolation));
}

static void advise_on_interpolation(const struct job *job, struct advice *list)
{
    if (job->w_is && job->interpolation == JOB_LINEAR)
        advice_add(list, "linear",
                   "linear interpolation on %zu knots: its error falls only as 1/knots^2; "
                   "\"interpolation\": \"exact\" has none and costs no more",
                   job->knots);
    else if (!job->w_is && job->interpolation == JOB_LINEAR)
        advice_add(list, "linear",
                   "linear interpolation of the table: \"cspline\" or \"steffen\" follow smooth "
                   "data far more closely");
    if (!job->w_is)
        advise_on_jump(job, list);
}

static void advise_on_outputs(const struct job *job, struct advice *list)
{
    static const char *const SOLUTION[] = {"z",     "dz",    "z1", "dz1", "z2",     "dz2",
                                           "lnabs", "trace", "mu", "nu",  "stable", NULL};
    for (size_t i = 0; i < job->output_count; i++)
        if (!name_in(job->outputs[i].text, SOLUTION))
            advice_add(list, "output", "%s = %.100s does not depend on the solution",
                       job->outputs[i].name, job->outputs[i].text);
}

static bool repeats(const struct job_values *v)
{
    if (!v->listed)
        return v->count > 1 && v->values[0] == v->values[v->count - 1];
    double *sorted = mem_alloc(v->count, sizeof *sorted);
    bool twice = false;
    memcpy(sorted, v->values, v->count * sizeof *sorted);
    qsort(sorted, v->count, sizeof *sorted, by_value);
    for (size_t i = 0; i + 1 < v->count && !twice; i++)
        twice = sorted[i] == sorted[i + 1];
    free(sorted);
    return twice;
}

void advice_of_job(const struct job *job, struct advice *list)
{
    advise_on_interpolation(job, list);
    advise_on_kinks(job, list);
    advise_on_outputs(job, list);
    if (strcmp(job->z_start[0], "0") == 0 && strcmp(job->z_start[1], "0") == 0)
        advice_add(list, "trivial", "z.start is [0, 0]: z stays 0 for ever");
    if (repeats(&job->q))
        advice_add(list, "repeated", "grid.q has a value twice: its points are solved twice");
    if (repeats(&job->a))
        advice_add(list, "repeated", "grid.a has a value twice: its points are solved twice");
    if (!job->errors)
        advice_add(list, "no_errors",
                   "\"errors\": false: nothing will say how far each number can be trusted");
    if (job->tolerance < TIGHTEST)
        advice_add(list, "tolerance", "a tolerance below %.0e is finer than doubles can hold",
                   TIGHTEST);
}

/* --- with samples ---------------------------------------------------------------------------- */

static void advise_on_knots(const struct job *job, const struct advice_samples *s,
                            struct advice *list)
{
    if (!job->w_is || job->interpolation == JOB_EXACT)
        return;
    double oscillations = (double)s->w_turns / 2;
    double needed = advice_knots(job->interpolation, oscillations, job->tolerance);
    if (s->w_turns > 0 && (double)job->knots < needed)
        advice_add(list, "knots",
                   "%zu knots are %.3g for each oscillation of w: for this tolerance %s wants "
                   "about %.0f; \"interpolation\": \"exact\" wants none",
                   job->knots, (double)job->knots / oscillations,
                   job_interpolation_name(job->interpolation), needed);
    else if (s->worst_error > 1 && isnan(s->exact_stated))
        advice_add(list, "knots",
                   "the %s interpolation on %zu knots is coarser than the tolerance; "
                   "\"interpolation\": \"exact\" has no such error",
                   job_interpolation_name(job->interpolation), job->knots);
    if (s->worst_error > 1 && s->exact_stated < s->worst_stated / 2)
        advice_add(list, "interpolation",
                   "%s interpolation on %zu knots limits %s to %.1e; with \"interpolation\": "
                   "\"exact\" it is %.1e",
                   job_interpolation_name(job->interpolation), job->knots, s->worst_field,
                   s->worst_stated, s->exact_stated);
}

void advice_of_samples(const struct job *job, const struct advice_samples *s, struct advice *list)
{
    char text[TEXT_MAX];
    advise_on_knots(job, s, list);
    if (s->worst_error > 1 && !(s->exact_stated < s->worst_stated / 2))
        advice_add(list, "error",
                   "the stated error of some samples is %.3g times the tolerance: mostly by %s",
                   s->worst_error,
                   2 * s->limited > s->points ? "rounding"
                   : is_interpolated(job)     ? "the interpolation of w"
                                          : "what the expression makes of the errors of z and z'");
    if (s->failed)
        advice_add(list, "failed", "%s of %lld sample points failed: %s",
                   count_format((uint64_t)s->failed, text), (long long)s->points, s->failed_reason);
    if (s->overflow)
        advice_add(list, "overflow",
                   "%s of %lld sample points are too large for a double; lnabs(T) never overflows",
                   count_format((uint64_t)s->overflow, text), (long long)s->points);
    if (s->limited)
        advice_add(list, "limited",
                   "at %s of %lld sample points rounding, not the tolerance, decides the error",
                   count_format((uint64_t)s->limited, text), (long long)s->points);
}
