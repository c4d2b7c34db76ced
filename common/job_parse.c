/* See job_private.h: a job from its text: z, grid, output and what concerns the whole. The tables
 * are read from top to bottom, so what a key is checked against stands above it: y before w, w
 * before z, z before output. */
#include "job_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- grid ---- */

static int read_q(struct job_reader *r, const struct json *v)
{
    return job_read_values(r, v, JOB_AXIS_MAX, &r->job->q);
}

static int read_a(struct job_reader *r, const struct json *v)
{
    return job_read_values(r, v, JOB_AXIS_MAX, &r->job->a);
}

static const struct job_key grid_keys[] = {
    {"q", JOB_VALUES, read_q, "\"q\": {\"from\": 0, \"to\": 4, \"count\": 100}", true},
    {"a", JOB_VALUES, read_a, "\"a\": {\"from\": -2, \"to\": 7, \"count\": 100}", true},
};
static const struct job_level grid_level = JOB_LEVEL("grid", grid_keys);

static int read_grid(struct job_reader *r, const struct json *v)
{
    uint64_t points;
    const struct job *job = r->job;
    if (job_read_keys(r, v, &grid_level))
        return -1;
    if (!__builtin_mul_overflow((uint64_t)job->q.count, (uint64_t)job->a.count, &points) &&
        points <= JOB_POINTS_MAX)
        return 0;
    job_refuse(r, v, "%zu x %zu points are too many, at most %lld are possible", job->q.count,
               job->a.count, (long long)JOB_POINTS_MAX);
    return err_hint(r->err, "take fewer values of q or a, or several jobs");
}

/* ---- output ---- */

static const char *const output_names[] = {"a", "q", "trace", "mu", "nu", "stable"};
enum { OUTPUT_GRID = 2, OUTPUT_NAMES = 6 }; /* the rest belong to a period */
static const char *const solution_names[] = {"z", "dz", "z1", "dz1", "z2", "dz2", "lnabs"};

static bool is_name(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    return ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z')) && s[n] == '\0' &&
           n <= JOB_FIELD_MAX;
}

static int check_field_name(struct job_reader *r, const struct json *v)
{
    static const char *const taken[] = {"q", "a", "w", "t", "status", "job"};
    const char *name = json_key(v);
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        if (strcmp(name, taken[i]) == 0) {
            job_refuse_key(r, v, "a field may not be called \"%s\", which is taken", name);
            return err_hint(r->err, "take another name, such as \"%s_out\"", name);
        }
    if (is_name(name))
        return 0;
    job_refuse_key(r, v, "\"%.64s\" is not a name for a field", name);
    return err_hint(r->err, "begin with a letter, then letters, digits and _, %d at most",
                    JOB_FIELD_MAX);
}

static struct expr_scope output_scope(const struct job *job, bool with_period)
{
    return (struct expr_scope){.variables = output_names,
                               .variable_count = with_period ? OUTPUT_NAMES : OUTPUT_GRID,
                               .solutions = solution_names,
                               .solution_count = sizeof solution_names / sizeof solution_names[0],
                               .times = job->times.values,
                               .time_count = job->times.count};
}

/* Whether it would compile if w had a period: then that is what to say. */
static bool needs_period(const struct job *job, const struct json *v)
{
    struct expr *e;
    struct expr_scope scope = output_scope(job, true);
    if (!json_string(v) || expr_compile(json_string(v), &scope, &e, NULL))
        return false;
    expr_destroy(e);
    return true;
}

static int check_output_times(struct job_reader *r, const struct json *v, const struct expr *e)
{
    struct job *job = r->job;
    double first = job->times.values[0];
    for (size_t i = 0; i < expr_solution_count(e); i++) {
        size_t solution;
        double t;
        expr_solution(e, i, &solution, &t);
        const char *name = solution_names[solution];
        if (job->ddz && strpbrk(name, "12")) {
            job_refuse(r, v, "%s is a fundamental solution of Hill's form, ddz has none", name);
            return err_hint(r->err, "take z and dz; z.start says which solution that is");
        }
        if (t < first) {
            job_refuse(r, v, "%s(%s) is before the first time of z, %s", name, JOB_SHOW(t),
                       JOB_SHOW(first));
            return err_hint(r->err, "take a time from %s to %s", JOB_SHOW(first),
                            JOB_SHOW(job->w_to));
        }
        if (job->period > 0 && !((t - first) / job->period <= JOB_PERIODS_MAX)) {
            job_refuse(r, v, "%s(%s) is more than %g periods after the first time of z", name,
                       JOB_SHOW(t), JOB_PERIODS_MAX);
            return err_hint(r->err, "take an earlier time; trace, mu and nu say what follows");
        }
        if (job->period == 0 && !(t <= job->w_to)) {
            job_refuse(r, v, "%s(%s) is after the end of w.t, %s", name, JOB_SHOW(t),
                       JOB_SHOW(job->w_to));
            return err_hint(r->err, "take a time from %s to %s, or let w.t reach %s",
                            JOB_SHOW(first), JOB_SHOW(job->w_to), JOB_SHOW(t));
        }
        job->monodromy |= job->period > 0 && t - first > job->period;
        job->libm |= strcmp(name, "lnabs") == 0;
        job->last_time = t > job->last_time ? t : job->last_time;
        job->stop_count++;
    }
    return 0;
}

static int read_field(struct job_reader *r, const struct json *v)
{
    struct job *job = r->job;
    struct job_output *out = &job->outputs[job->output_count];
    struct expr_scope scope = output_scope(job, job->period > 0);
    struct expr *e;
    if (check_field_name(r, v))
        return -1;
    if (json_type(v) != JSON_STRING && json_type(v) != JSON_NUMBER) {
        job_refuse(r, v, "\"%s\" is %s, it has to be an expression", json_key(v),
                   json_type_name(json_type(v)));
        return err_hint(r->err, "write \"%s\": \"1 + z(t[%zu])\"", json_key(v),
                        job->times.count - 1);
    }
    if (job_read_expr(r, v, &scope, &out->text, &e)) {
        if (!needs_period(job, v))
            return -1;
        job_refuse(r, v, "trace, mu, nu and stable belong to a period of w, which has none");
        return err_hint(r->err, job->ddz ? "they are of Hill's form, ddz has none of them"
                                         : "add the time after which w repeats itself to w: "
                                           "\"period\": \"pi\"");
    }
    snprintf(out->name, sizeof out->name, "%s", json_key(v));
    job->output_count++;
    int rc = check_output_times(r, v, e);
    for (size_t i = OUTPUT_GRID; rc == 0 && job->period > 0 && i < OUTPUT_NAMES; i++)
        job->monodromy |= expr_uses(e, i) != 0;
    job->libm |= expr_calls_libm(e) != 0;
    expr_destroy(e);
    return rc;
}

static int read_output(struct job_reader *r, const struct json *v)
{
    struct job *job = r->job;
    job->last_time = job->times.values[0];
    if (json_length(v) == 0) {
        job_refuse(r, v, "there is no output");
        return err_hint(r->err, "write \"output\": {\"F\": \"z(t[%zu])\"}", job->times.count - 1);
    }
    if (json_length(v) > JOB_OUTPUTS_MAX) {
        job_refuse(r, v, "%zu outputs, at most %d are possible", json_length(v), JOB_OUTPUTS_MAX);
        return err_hint(r->err, "make several jobs of it");
    }
    job->outputs = mem_alloc(json_length(v), sizeof *job->outputs);
    for (const struct json *field = json_first(v); field; field = json_next(field))
        if (read_field(r, field))
            return -1;
    return 0;
}

/* ---- the job ---- */

/* Names are printed on terminals, and JOB of a command is a number, "last" or a name. */
static int read_name(struct job_reader *r, const struct json *v)
{
    const unsigned char *name = (const unsigned char *)json_string(v);
    size_t n = json_length(v);
    if (n > JOB_NAME_MAX) {
        job_refuse(r, v, "the name has %zu bytes, at most %d are possible", n, JOB_NAME_MAX);
        return err_hint(r->err, "shorten it");
    }
    for (size_t i = 0; i < n; i++)
        if (name[i] < 0x20 || name[i] == 0x7F || (name[i] == 0xC2 && name[i + 1] < 0xA0)) {
            job_refuse(r, v, "there is a control character in the name");
            return err_hint(r->err, "take it out");
        }
    if (n > 0 &&
        (strspn(json_string(v), "0123456789") == n || strcmp(json_string(v), "last") == 0)) {
        job_refuse(r, v, "\"%s\" cannot be a name, as it means a job by its number", name);
        return err_hint(r->err, "put a letter before it: \"job %s\"", name);
    }
    if (name[0] == '-' || name[0] == ' ' || (n > 0 && name[n - 1] == ' ')) {
        job_refuse(r, v, "a name may not begin with - or a blank, nor end in a blank");
        return err_hint(r->err, "take it out");
    }
    snprintf(r->job->name, sizeof r->job->name, "%s", json_string(v));
    return 0;
}

static int read_tolerance(struct job_reader *r, const struct json *v)
{
    double x = json_number(v);
    if (!(x >= JOB_TOLERANCE_MIN && x <= JOB_TOLERANCE_MAX)) {
        job_refuse(r, v, "a tolerance of %s is not possible", JOB_SHOW(x));
        return err_hint(r->err, "take one from %s to %s; 1e-9 is the default",
                        JOB_SHOW(JOB_TOLERANCE_MIN), JOB_SHOW(JOB_TOLERANCE_MAX));
    }
    r->job->tolerance = x;
    return 0;
}

const char *const job_solver_names[] = {
    [JOB_AUTO] = "auto", [JOB_POINT] = "point", [JOB_TILE] = "tile", NULL};

static int read_solver(struct job_reader *r, const struct json *v)
{
    int picked = job_pick(r, v, job_solver_names);
    if (picked < 0)
        return -1;
    r->job->solver = (enum job_solver)picked;
    bool by_points = r->job->ddz || r->job->interpolation == JOB_COUPLED;
    if (!by_points || r->job->solver != JOB_TILE)
        return 0;
    job_refuse(r, v, "%s is solved point by point", r->job->ddz ? "z.ddz" : "a coupled drive");
    return err_hint(r->err, "leave \"solver\" out");
}

static int read_errors(struct job_reader *r, const struct json *v)
{
    r->job->errors = json_bool(v);
    return 0;
}

static int read_blocks(struct job_reader *r, const struct json *v, const char *axis, size_t count,
                       size_t longest, uint32_t *blocks)
{
    double x = json_number(v);
    size_t fewest = (count + longest - 1) / longest;
    if (x >= (double)fewest && x <= (double)count && x == (double)(uint32_t)x) {
        *blocks = (uint32_t)x;
        return 0;
    }
    job_refuse(r, v, "%s blocks of %zu values of %s are not possible", JOB_SHOW(x), count, axis);
    return err_hint(r->err, "take a whole number from %zu to %zu, or leave \"tiles\" out", fewest,
                    count);
}

static int read_tiles(struct job_reader *r, const struct json *v)
{
    struct job *job = r->job;
    if (!json_numbers(v) || json_length(v) != 2) {
        job_refuse(r, v, "two numbers are needed, the blocks of q and of a");
        return err_hint(r->err, "write \"tiles\": [8, 8], or leave it out");
    }
    if (read_blocks(r, json_at(v, 0), "q", job->q.count, JOB_TILE_ROWS_MAX, &job->q_blocks) ||
        read_blocks(r, json_at(v, 1), "a", job->a.count, JOB_TILE_COLUMNS_MAX, &job->a_blocks))
        return -1;
    uint64_t tiles = (uint64_t)job->q_blocks * job->a_blocks;
    if (tiles > JOB_TILES_MAX) {
        job_refuse(r, v, "%llu tiles, at most %u are possible", (unsigned long long)tiles,
                   JOB_TILES_MAX);
        return err_hint(r->err, "leave \"tiles\" out");
    }
    if (job_largest_tile(job) > JOB_TILE_POINTS_MAX) {
        job_refuse(r, v, "tiles of %zu points, at most %u are possible", job_largest_tile(job),
                   JOB_TILE_POINTS_MAX);
        return err_hint(r->err, "take more blocks, or leave \"tiles\" out");
    }
    if (job_largest_tile(job) * job_point_bytes(job) > JOB_TILE_BYTES) {
        job_refuse(r, v, "tiles of %zu points have results of more than %u MiB each",
                   job_largest_tile(job), JOB_TILE_BYTES >> 20);
        return err_hint(r->err, "take more blocks, or leave \"tiles\" out");
    }
    return 0;
}

static const struct job_key job_keys[] = {
    {"name", JOB_TYPE(STRING), read_name, "\"name\": \"driven mode\"", false},
    {"y", JOB_TYPE(OBJECT), job_read_y,
     "\"y\": {\"f\": \"1 + 0.3*cos(1.7*t)\", \"t\": [0, 20], \"start\": [1, 0]}", false},
    {"w", JOB_TYPE(OBJECT), job_read_w, "\"w\": {\"is\": \"cos(2*t)\", \"t\": [0, 12]}",
     false}, /* needed unless ddz does without: make_w */
    {"z", JOB_TYPE(OBJECT), job_read_z,
     "\"z\": {\"start\": [1, 0], \"t\": {\"from\": 0, \"to\": 10, \"count\": 201}}", true},
    {"grid", JOB_TYPE(OBJECT), read_grid,
     "\"grid\": {\"q\": {\"from\": 0, \"to\": 4, \"count\": 100}, "
     "\"a\": {\"from\": -2, \"to\": 7, \"count\": 100}}",
     true},
    {"output", JOB_TYPE(OBJECT), read_output, "\"output\": {\"F\": \"1 + z(t[157])\"}", true},
    {"tolerance", JOB_TYPE(NUMBER), read_tolerance, "\"tolerance\": 1e-9", false},
    {"solver", JOB_TYPE(STRING), read_solver, "\"solver\": \"auto\"", false},
    {"errors", JOB_TYPE(BOOL), read_errors, "\"errors\": true", false},
    {"tiles", JOB_TYPE(ARRAY), read_tiles, "\"tiles\": [8, 8]", false},
};
static const struct job_level job_level = JOB_LEVEL("", job_keys);

/* What is left when the lists are taken out has to fit a document. */
static int check_size(struct job_reader *r, const struct json *root)
{
    struct buf document = {0};
    job_encode(r->job, &document);
    size_t bytes = job_document_json_len(document.data);
    buf_fini(&document);
    if (bytes <= JOB_JSON_MAX)
        return 0;
    job_refuse(r, root, "the job has %zu bytes without its lists, at most %u are possible", bytes,
               JOB_JSON_MAX);
    return err_hint(r->err, "shorten the expressions, or spread the outputs over several jobs");
}

static int read_all(struct job_reader *r, const struct json *root)
{
    if (json_type(root) != JSON_OBJECT) {
        job_refuse(r, root, "a job is an object, not %s", json_type_name(json_type(root)));
        return err_hint(r->err, "write {\"w\": ..., \"z\": ..., \"grid\": ..., \"output\": ...}");
    }
    if (job_read_keys(r, root, &job_level))
        return -1;
    if (r->data_used != r->data_count)
        return job_refuse(r, root, "%zu of the document's %zu numbers belong to no list",
                          r->data_count - r->data_used, r->data_count);
    if (r->job->q_blocks == 0)
        job_cut_tiles(r->job);
    return check_size(r, root);
}

static void finish_values(const struct job_reader *r, struct job_values *v)
{
    if (!r->lean) {
        job_fill_values(v);
    } else if (!v->listed) {
        free(v->values);
        v->values = NULL;
    }
}

int job_read(struct job_reader *r, const struct json *root, struct job **out)
{
    struct err unused;
    r->err = r->err ? r->err : &unused;
    r->job = mem_alloc(1, sizeof *r->job);
    r->job->tolerance = JOB_TOLERANCE;
    r->job->errors = true;
    if (read_all(r, root)) {
        job_destroy(r->job);
        return -1;
    }
    finish_values(r, &r->job->times);
    finish_values(r, &r->job->q);
    finish_values(r, &r->job->a);
    *out = r->job;
    return 0;
}

int job_parse(const char *text, size_t len, const char *folder, struct job **out, struct err *err)
{
    static const struct json_limits limits = {
        .bytes = JOB_DATA_MAX + JOB_JSON_MAX, .values = 4096, .numbers = JOB_LISTED_MAX + 4096};
    struct job_reader r = {.err = err, .folder = folder};
    struct json *root;
    *out = NULL;
    if (json_parse(text, len, &limits, &root, err)) {
        if (err)
            err->code = ERR_JOB_REFUSED;
        return -1;
    }
    int rc = job_read(&r, root, out);
    json_destroy(root);
    return rc;
}
