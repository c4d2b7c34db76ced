/* See job_private.h: step 3 of a job, z: start, times, and the equation. The table is read from top
 * to bottom; w stands above it. */
#include "job_private.h"

#include <stdio.h>

static const char *const point_names[] = {"a", "q"};

static int read_z_start(struct job_reader *r, const struct json *v)
{
    static const struct expr_scope scope = {.variables = point_names, .variable_count = 2};
    if (json_length(v) != 2) {
        job_refuse(r, v, "start has %zu values, z and dz at the first time are needed",
                   json_length(v));
        return err_hint(r->err, "write \"start\": [1, 0]");
    }
    for (size_t i = 0; i < 2; i++) {
        const struct json *e = json_at(v, i);
        if (json_type(e) != JSON_NUMBER && json_type(e) != JSON_STRING) {
            job_refuse(r, e, "this is %s, a number or an expression is needed",
                       json_type_name(json_type(e)));
            return err_hint(r->err, "write \"start\": [\"1/sqrt(2*sqrt(a))\", 0]");
        }
        if (job_read_expr(r, e, &scope, &r->job->z_start[i], NULL))
            return -1;
    }
    return 0;
}

/* The place of time k: its element in a list, else "from" or "to". */
static int refuse_time(struct job_reader *r, const struct json *v, size_t k, const char *text)
{
    const struct job_values *x = &r->job->times;
    if (x->listed)
        job_refuse_at(r, v, k, "%s", text);
    else
        job_refuse(r, k > 0 ? json_get(v, "to") : json_get(v, "from"), "%s", text);
    return -1;
}

/* With a period times may go on beyond w.t, which has to have one period from the first of them. */
static int check_first_period(struct job_reader *r, const struct json *v)
{
    const struct job *job = r->job;
    double t = job->times.values[0];
    char text[200];
    if (job_spans_period(job, t))
        return 0;
    snprintf(text, sizeof text, "a period from the first time, %s, is not within w.t, [%s, %s]",
             JOB_SHOW(t), JOB_SHOW(job->w_from), JOB_SHOW(job->w_to));
    refuse_time(r, v, 0, text);
    return err_hint(r->err, "begin at %s, or write w.t as [%s, %s]", JOB_SHOW(job->w_from),
                    JOB_SHOW(t), JOB_SHOW(t + job->period));
}

static int check_times_in_w(struct job_reader *r, const struct json *v)
{
    const struct job *job = r->job;
    const double *t = job->times.values;
    char text[200];
    bool has_w = job->w_is || job->table_t;
    for (size_t k = 0; has_w && k < job->times.count; k++) {
        if (t[k] >= job->w_from && t[k] <= job->w_to)
            continue;
        bool early = t[k] < job->w_from;
        size_t at = early || job->times.listed ? k : job->times.count - 1;
        snprintf(text, sizeof text, "the time %s is %s w.t, [%s, %s]", JOB_SHOW(t[at]),
                 early ? "before" : "after", JOB_SHOW(job->w_from), JOB_SHOW(job->w_to));
        refuse_time(r, v, at, text);
        return err_hint(r->err, "%s at %s, or let w.t %s %s", early ? "begin" : "end",
                        JOB_SHOW(early ? job->w_from : job->w_to), early ? "begin at" : "reach",
                        JOB_SHOW(t[at]));
    }
    return 0;
}

static int read_z_t(struct job_reader *r, const struct json *v)
{
    struct job_values *x = &r->job->times;
    if (job_read_values(r, v, JOB_TIMES_MAX, x))
        return -1;
    job_fill_values(x);
    if (x->listed && job_check_increasing(r, v, x->values, x->count))
        return -1;
    for (size_t k = 1; k < x->count; k++)
        if (!(x->values[k] > x->values[k - 1])) {
            char text[128];
            snprintf(text, sizeof text, "%zu times from %s to %s do not increase", x->count,
                     JOB_SHOW(x->from), JOB_SHOW(x->to));
            refuse_time(r, v, x->count - 1, text);
            return err_hint(r->err, "let \"to\" be later than \"from\", or take \"count\": 1");
        }
    return r->job->period > 0 ? check_first_period(r, v) : check_times_in_w(r, v);
}

static int read_u(struct job_reader *r, const struct json *v)
{
    return job_read_drive_expr(r, v, &r->job->u);
}

static int read_v(struct job_reader *r, const struct json *v)
{
    return job_read_drive_expr(r, v, &r->job->v);
}

static int read_damping(struct job_reader *r, const struct json *v)
{
    return job_read_drive_expr(r, v, &r->job->damping);
}

/* ---- z'' as an expression ---- */

enum { DDZ_T, DDZ_Z, DDZ_DZ, DDZ_A, DDZ_Q, DDZ_W, DDZ_NAMES };

static const char *const ddz_names[DDZ_NAMES] = {"t", "z", "dz", "a", "q", "w"};
static const struct expr_scope ddz_scope = {.variables = ddz_names, .variable_count = DDZ_NAMES};

/* u, v and damping are the form's that ddz takes the place of. */
static int refuse_form(struct job_reader *r, const struct json *z)
{
    static const char *const names[] = {"u", "v", "damping"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct json *v = json_get(z, names[i]);
        if (!v)
            continue;
        job_refuse_key(r, v, "\"%s\" is part of Hill's form, which ddz takes the place of",
                       names[i]);
        return err_hint(r->err, "write it into ddz, as in \"-0.1*dz - (t + a + q*w)*z\", or leave "
                                "ddz out");
    }
    return 0;
}

static int refuse_period(struct job_reader *r, const struct json *z)
{
    const struct json *period = json_get(json_get(json_parent(z), "w"), "period");
    if (!period)
        return 0;
    job_refuse_key(r, period, "a period is of use to Hill's form, which ddz takes the place of");
    return err_hint(r->err, "leave \"period\" out and let w.t cover all times of z");
}

/* ddz may go without w; then its span is that of the times. */
static int read_ddz(struct job_reader *r, const struct json *v)
{
    struct job *job = r->job;
    struct expr *e;
    if (refuse_form(r, json_parent(v)) || refuse_period(r, json_parent(v)) ||
        job_read_expr(r, v, &ddz_scope, &job->ddz, &e))
        return -1;
    bool uses_w = expr_uses(e, DDZ_W);
    expr_destroy(e);
    if (job->w_is || job->table_t || !uses_w)
        return 0;
    job_refuse_missing(r, json_parent(json_parent(v)), "w", "ddz uses w, but the job has no w");
    return err_hint(r->err, "add \"w\": {\"is\": \"cos(2*t)\", \"t\": [0, 12]}");
}

/* A job without w: it is zero over the times of z. */
static int make_w(struct job_reader *r, const struct json *z)
{
    struct job *job = r->job;
    if (job->w_is || job->table_t)
        return 0;
    if (!job->ddz) {
        job_refuse_missing(r, json_parent(z), "w", "\"w\" is missing");
        return err_hint(r->err, "add \"w\": {\"is\": \"cos(2*t)\", \"t\": [0, 12]}");
    }
    if (job->times.count < 2) {
        job_refuse(r, json_get(z, "t"), "nothing says up to when z is wanted");
        return err_hint(r->err, "write \"t\": {\"from\": 0, \"to\": 10, \"count\": 201}");
    }
    job->w_is = mem_strdup("0");
    job->w_from = job->times.values[0];
    job->w_to = job->times.values[job->times.count - 1];
    return 0;
}

static const struct job_key z_keys[] = {
    {"ddz", JOB_EXPRESSION, read_ddz, "\"ddz\": \"-a*dz - q*sin(z)\"", false},
    {"start", JOB_TYPE(ARRAY), read_z_start, "\"start\": [1, 0]", true},
    {"t", JOB_VALUES, read_z_t, "\"t\": {\"from\": 0, \"to\": 10, \"count\": 201}", true},
    {"u", JOB_EXPRESSION, read_u, "\"u\": \"0\"", false},
    {"v", JOB_EXPRESSION, read_v, "\"v\": \"1\"", false},
    {"damping", JOB_EXPRESSION, read_damping, "\"damping\": \"0.1\"", false},
};
static const struct job_level z_level = JOB_LEVEL("z", z_keys);

int job_read_z(struct job_reader *r, const struct json *v)
{
    if (!r->job->w_is && !r->job->table_t && !json_get(v, "ddz"))
        return make_w(r, v);
    return job_read_keys(r, v, &z_level) || make_w(r, v) ? -1 : 0;
}
