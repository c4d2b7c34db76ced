/* See job_private.h: steps 1 and 2 of a job, y and w. The tables are read from top to bottom, so
 * what a key is checked against stands above it. */
#include "job_private.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const interpolations[] = {"exact",   "linear",   "cspline", "akima",
                                             "steffen", "periodic", "coupled", NULL};

const char *job_interpolation_name(enum job_interpolation kind)
{
    return interpolations[kind];
}

/* ---- expressions ---- */

enum { DRIVE_T, DRIVE_Y, DRIVE_DY };

static const char *const time_names[] = {"t"};
static const char *const drive_names[] = {"t", "y", "dy"};

int job_read_drive_expr(struct job_reader *r, const struct json *v, char **text)
{
    static const struct expr_scope scope = {.variables = drive_names, .variable_count = 3};
    struct expr *e;
    if (job_read_expr(r, v, &scope, text, &e))
        return -1;
    bool uses_y = expr_uses(e, DRIVE_Y) || expr_uses(e, DRIVE_DY);
    expr_destroy(e);
    if (!uses_y || r->job->y_f)
        return 0;
    job_refuse(r, v, "this uses y, but the job has no y");
    return err_hint(r->err,
                    "add \"y\": {\"f\": \"1\", \"t\": [0, 20], \"start\": [1, 0]}, or write "
                    "an expression of t alone");
}

/* ---- y ---- */

static int read_y_f(struct job_reader *r, const struct json *v)
{
    static const struct expr_scope scope = {.variables = time_names, .variable_count = 1};
    return job_read_expr(r, v, &scope, &r->job->y_f, NULL);
}

static int read_y_t(struct job_reader *r, const struct json *v)
{
    return job_read_span(r, v, &r->job->y_from, &r->job->y_to);
}

static int read_y_start(struct job_reader *r, const struct json *v)
{
    return job_read_pair(r, v, r->job->y_start);
}

static const struct job_key y_keys[] = {
    {"f", JOB_EXPRESSION, read_y_f, "\"f\": \"1 + 0.3*cos(1.7*t)\"", true},
    {"t", JOB_TYPE(ARRAY), read_y_t, "\"t\": [0, 20]", true},
    {"start", JOB_TYPE(ARRAY), read_y_start, "\"start\": [1, 0]", true},
};
static const struct job_level y_level = JOB_LEVEL("y", y_keys);

int job_read_y(struct job_reader *r, const struct json *v)
{
    return job_read_keys(r, v, &y_level);
}

/* ---- w ---- */

static int read_w_is(struct job_reader *r, const struct json *v)
{
    return job_read_drive_expr(r, v, &r->job->w_is);
}

static int read_table_t(struct job_reader *r, const struct json *v)
{
    struct job *job = r->job;
    if (job_read_list(r, v, &job->table_t, &job->table_count))
        return -1;
    return job_check_increasing(r, v, job->table_t, job->table_count);
}

static int read_table_w(struct job_reader *r, const struct json *v)
{
    size_t count;
    if (job_read_list(r, v, &r->job->table_w, &count))
        return -1;
    if (count == r->job->table_count)
        return 0;
    job_refuse(r, v, "w has %zu values, but t has %zu", count, r->job->table_count);
    return err_hint(r->err, "give one w for each t");
}

static const struct job_key table_keys[] = {
    {"t", JOB_VALUES, read_table_t, "\"t\": [0, 0.5, 1]", true},
    {"w", JOB_VALUES, read_table_w, "\"w\": [1, 0.88, 0.54]", true},
};
static const struct job_level table_level = JOB_LEVEL("w.table", table_keys);

static int read_table(struct job_reader *r, const struct json *v)
{
    return job_read_keys(r, v, &table_level);
}

static int read_file(struct job_reader *r, const struct json *v)
{
    struct job *job = r->job;
    if (!r->folder) {
        job_refuse(r, v, "only the client reads files, a job under way carries its table");
        return err_hint(r->err, "submit the job with hillsweep submit or hillsweep run");
    }
    if (job->table_t)
        return 0; /* check_source complains */
    struct err err = {0};
    if (job_file_read(r->folder, json_string(v), &job->table_t, &job->table_w, &job->table_count,
                      &err)) {
        job_refuse(r, v, "%s", err.text);
        return err_hint(r->err, "%s", err.hint);
    }
    r->listed += 2 * job->table_count;
    return 0;
}

static int read_w_t(struct job_reader *r, const struct json *v)
{
    return job_read_span(r, v, &r->job->w_from, &r->job->w_to);
}

static int read_interpolation(struct job_reader *r, const struct json *v)
{
    int kind = job_pick(r, v, interpolations);
    r->job->interpolation = kind < 0 ? JOB_EXACT : (enum job_interpolation)kind;
    return kind < 0 ? -1 : 0;
}

static int read_knots(struct job_reader *r, const struct json *v)
{
    int64_t knots;
    if (job_read_integer(r, v, 1, JOB_KNOTS_MAX, &knots))
        return -1;
    r->job->knots = (size_t)knots;
    return 0;
}

static int read_breaks(struct job_reader *r, const struct json *v)
{
    struct job *job = r->job;
    if (job_read_list(r, v, &job->breaks, &job->break_count))
        return -1;
    return job_check_increasing(r, v, job->breaks, job->break_count);
}

/* A number, or an expression of none but numbers: "2*pi/3". */
static int read_period(struct job_reader *r, const struct json *v)
{
    static const struct expr_scope scope = {.variable_count = 0};
    struct expr *e;
    char *text = NULL;
    int rc = job_read_expr(r, v, &scope, &text, &e);
    free(text);
    if (rc)
        return -1;
    r->job->period = expr_eval(e, NULL);
    expr_destroy(e);
    if (r->job->period > 0)
        return 0;
    job_refuse(r, v, "a period of %s is not possible", JOB_SHOW(r->job->period));
    return err_hint(r->err, "write the time after which w repeats itself, \"period\": \"pi\"");
}

static const struct job_key w_keys[] = {
    {"is", JOB_EXPRESSION, read_w_is, "\"is\": \"cos(2*t)\"", false},
    {"table", JOB_TYPE(OBJECT), read_table,
     "\"table\": {\"t\": [0, 0.5, 1], \"w\": [1, 0.88, 0.54]}", false},
    {"file", JOB_TYPE(STRING), read_file, "\"file\": \"drive.txt\"", false},
    {"t", JOB_TYPE(ARRAY), read_w_t, "\"t\": [0, 12]", false}, /* needed unless there is a table */
    {"interpolation", JOB_TYPE(STRING), read_interpolation, "\"interpolation\": \"cspline\"",
     false},
    {"knots", JOB_TYPE(NUMBER), read_knots, "\"knots\": 2401", false},
    {"breaks", JOB_VALUES, read_breaks, "\"breaks\": [1.5, 3]", false},
    {"period", JOB_EXPRESSION, read_period, "\"period\": \"pi\"", false},
};
static const struct job_level w_level = JOB_LEVEL("w", w_keys);

/* Exactly one of is, table, file. */
static int check_source(struct job_reader *r, const struct json *w)
{
    static const char *const names[] = {"is", "table", "file"};
    const char *given = NULL;
    for (size_t i = 0; i < 3; i++) {
        const struct json *v = json_get(w, names[i]);
        if (v && given) {
            job_refuse_key(r, v, "w has both \"%s\" and \"%s\"", given, names[i]);
            return err_hint(r->err, "keep one of them");
        }
        given = v ? names[i] : given;
    }
    if (given)
        return 0;
    job_refuse_missing(r, w, "is", "nothing says what w is");
    return err_hint(r->err, "add \"is\": \"cos(2*t)\", a \"table\" or a \"file\"");
}

static int check_table_span(struct job_reader *r, const struct json *w)
{
    struct job *job = r->job;
    const struct json *t = json_get(w, "t");
    double first = job->table_t[0], last = job->table_t[job->table_count - 1];
    if (!t) {
        job->w_from = first;
        job->w_to = last;
        return 0;
    }
    if (job->w_from >= first && job->w_to <= last)
        return 0;
    job_refuse_at(r, t, job->w_from < first ? 0 : 1, "the table reaches from %s to %s only",
                  JOB_SHOW(first), JOB_SHOW(last));
    return err_hint(r->err, "leave w.t out, or write [%s, %s]", JOB_SHOW(first), JOB_SHOW(last));
}

static bool has_knots(enum job_interpolation kind)
{
    return kind != JOB_EXACT && kind != JOB_COUPLED;
}

static size_t fewest_knots(enum job_interpolation kind)
{
    static const size_t fewest[] = {0, 2, 3, 5, 3, 2, 0}; /* gsl_interp_type_min_size */
    return fewest[kind];
}

static int check_table(struct job_reader *r, const struct json *w)
{
    struct job *job = r->job;
    const struct json *source = json_get(w, json_get(w, "table") ? "table" : "file");
    const struct json *kind = json_get(w, "interpolation"), *knots = json_get(w, "knots");
    if (!kind)
        job->interpolation = JOB_CSPLINE;
    if (!has_knots(job->interpolation)) {
        job_refuse(r, kind, "a table is known at its times only, so that \"%s\" is not possible",
                   job_interpolation_name(job->interpolation));
        return err_hint(r->err, "take \"cspline\", \"steffen\" or another interpolation");
    }
    if (knots) {
        job_refuse_key(r, knots, "the times of the table are the knots");
        return err_hint(r->err, "leave \"knots\" out");
    }
    size_t n = job->table_count, fewest = fewest_knots(job->interpolation);
    if (n < fewest || n < 2) {
        job_refuse(r, source, "the table has %zu rows, %s needs %zu", n,
                   job_interpolation_name(job->interpolation), fewest);
        return err_hint(r->err, "give more rows%s", n > 1 ? ", or take \"linear\"" : "");
    }
    double first = job->table_w[0], last = job->table_w[n - 1];
    if (job->interpolation == JOB_PERIODIC && first != last) {
        job_refuse(r, source,
                   "w is %s at the beginning and %s at the end, periodic needs equal ends",
                   JOB_SHOW(first), JOB_SHOW(last));
        return err_hint(r->err, "write %s for both, or take \"cspline\"", JOB_SHOW(first));
    }
    return check_table_span(r, w);
}

static int check_expression(struct job_reader *r, const struct json *w)
{
    struct job *job = r->job;
    const struct json *knots = json_get(w, "knots");
    const char *kind = job_interpolation_name(job->interpolation);
    if (!json_get(w, "t"))
        job->w_to = job->period;
    if (!json_get(w, "t") && job->period == 0) {
        job_refuse_missing(r, w, "t", "\"t\" is missing");
        return err_hint(r->err, "add \"t\": [0, 12], the times for which w is needed");
    }
    if (!has_knots(job->interpolation) && knots) {
        job_refuse_key(r, knots, "\"%s\" has no knots", kind);
        return err_hint(r->err, "leave \"knots\" out, or add \"interpolation\": \"cspline\"");
    }
    if (has_knots(job->interpolation) && !knots) {
        job_refuse_missing(r, w, "knots", "%s needs to know how many knots", kind);
        return err_hint(r->err, "add \"knots\": 2401, or take \"exact\"");
    }
    if (job->interpolation == JOB_COUPLED && !job->y_f) {
        job_refuse(r, json_get(w, "interpolation"),
                   "\"coupled\" integrates y along with z, but the job has no y");
        return err_hint(r->err, "leave it out: w is known exactly at all times");
    }
    size_t fewest = fewest_knots(job->interpolation);
    if (job->knots < fewest) {
        job_refuse(r, knots, "%zu knots cannot carry %s, which needs %zu", job->knots, kind,
                   fewest);
        return err_hint(r->err, "write \"knots\": 2401, or take \"exact\"");
    }
    return 0;
}

bool job_spans_period(const struct job *job, double from)
{
    double end = from + job->period, slack = 4 * DBL_EPSILON * (fabs(from) + job->period);
    return from >= job->w_from && end - job->w_to <= slack;
}

/* That w repeats itself is for the solver to find out. */
static int check_period(struct job_reader *r, const struct json *w)
{
    const struct job *job = r->job;
    const struct json *period = json_get(w, "period");
    if (!period)
        return 0;
    if (job->interpolation == JOB_COUPLED) {
        job_refuse_key(r, period, "\"coupled\" integrates y along with z and repeats nothing");
        return err_hint(r->err, "leave \"period\" out, or take \"interpolation\": \"exact\"");
    }
    if (job_spans_period(job, job->w_from))
        return 0;
    job_refuse(r, period, "the period %s is longer than w.t, [%s, %s]", JOB_SHOW(job->period),
               JOB_SHOW(job->w_from), JOB_SHOW(job->w_to));
    return err_hint(r->err,
                    job->w_is ? "let w.t reach %s"
                              : "let the table reach %s: its last row is the first one again",
                    JOB_SHOW(job->w_from + job->period));
}

static int check_breaks(struct job_reader *r, const struct json *w)
{
    const struct job *job = r->job;
    for (size_t i = 0; i < job->break_count; i++) {
        double t = job->breaks[i];
        if (t >= job->w_from && t <= job->w_to)
            continue;
        job_refuse_at(r, json_get(w, "breaks"), i, "the break at %s is outside of w.t, [%s, %s]",
                      JOB_SHOW(t), JOB_SHOW(job->w_from), JOB_SHOW(job->w_to));
        return err_hint(r->err, "leave it out");
    }
    return 0;
}

/* w looks at y all over w.t. */
static int check_y_covers(struct job_reader *r, const struct json *w)
{
    const struct job *job = r->job;
    if (!job->y_f || (job->y_from <= job->w_from && job->y_to >= job->w_to))
        return 0;
    const struct json *y_t = json_get(json_get(json_parent(w), "y"), "t");
    bool early = job->y_from > job->w_from;
    job_refuse_at(r, y_t, early ? 0 : 1, "y is solved from %s to %s, but w is needed from %s to %s",
                  JOB_SHOW(job->y_from), JOB_SHOW(job->y_to), JOB_SHOW(job->w_from),
                  JOB_SHOW(job->w_to));
    return err_hint(r->err, "let y.t cover w.t: write [%s, %s]",
                    JOB_SHOW(early ? job->w_from : job->y_from),
                    JOB_SHOW(job->y_to < job->w_to ? job->w_to : job->y_to));
}

int job_read_w(struct job_reader *r, const struct json *v)
{
    if (job_read_keys(r, v, &w_level) || check_source(r, v))
        return -1;
    if (r->job->w_is ? check_expression(r, v) : check_table(r, v))
        return -1;
    return check_period(r, v) || check_breaks(r, v) || check_y_covers(r, v) ? -1 : 0;
}
