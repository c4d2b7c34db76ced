/* See edges.h. */
#include "edges.h"

#include "boundary.h"
#include "job.h"
#include "json.h"
#include "period.h"
#include "recipe.h"
#include <math.h>
#include <stdio.h>

static int refuse(struct err *err, const char *path, const char *hint, const char *text)
{
    err_set(err, ERR_JOB_REFUSED, "%s", text);
    if (err)
        snprintf(err->path, sizeof err->path, "%s", path);
    return err_hint(err, "%s", hint);
}

static int check(const struct job *job, struct err *err)
{
    if (job->ddz)
        return refuse(err, "z.ddz", "write the equation with z.u, z.v and w instead of z.ddz",
                      "only Hill's equation, z'' + [u + a v + q w] z = 0, has edges of stability");
    if (!(job->period > 0))
        return refuse(err, "w.period",
                      "say after which time w repeats itself: \"period\": \"pi\" for cos(2*t)",
                      "edges of stability are those of a w with a period");
    return 0;
}

/* Runs of values without a gap. */
static void put_pieces(struct json_out *curve, const double *a, const double *error, size_t count)
{
    struct json_out *pieces = json_put_array(curve, "pieces");
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i; end < count && !isnan(a[end]);)
            end++;
        if (end == i) {
            end++;
            continue;
        }
        struct json_out *piece = json_add_object(pieces);
        json_put_integer(piece, "first", (int64_t)i);
        json_put_numbers(piece, "a", a + i, end - i);
        json_put_numbers(piece, "error", error + i, end - i);
    }
}

static void report(const struct job *job, const struct boundary *b, struct buf *out)
{
    static const char *const KINDS[] = {[BOUNDARY_ODD] = "odd",
                                        [BOUNDARY_EVEN] = "even",
                                        [BOUNDARY_LOWER] = "lower",
                                        [BOUNDARY_UPPER] = "upper"};
    struct json_out *o = json_object();
    json_put_number(o, "period", job->period);
    json_put_number(o, "damping", b->loss / job->period);
    json_put_number(o, "even_about", b->is_even ? b->centre : (double)NAN);
    json_put_numbers(o, "q", job->q.values, job->q.count);
    struct json_out *curves = json_put_array(o, "curves");
    for (size_t k = 0; k < b->count; k++) {
        char name[BOUNDARY_NAME];
        struct json_out *curve = json_add_object(curves);
        json_put_string(curve, "name", boundary_name(&b->curve[k], name));
        json_put_string(curve, "kind", KINDS[b->curve[k].kind]);
        json_put_integer(curve, "m", b->curve[k].m);
        put_pieces(curve, b->curve[k].a, b->curve[k].error, b->q_count);
    }
    json_print(o, false, out);
    json_out_destroy(o);
}

static int trace(const struct job *job, struct buf *out, struct err *err)
{
    struct output_text outputs[JOB_OUTPUTS_MAX];
    struct sweep_spec spec;
    struct drive *drive;
    struct boundary boundary;
    recipe_spec(job, outputs, &spec);
    if (drive_create(&spec, &drive, err))
        return -1;
    struct boundary_spec wanted = {.drive = drive,
                                   .from = spec.times[0],
                                   .period = job->period,
                                   .a_min = job->a.values[0],
                                   .a_max = job->a.values[0],
                                   .q = job->q.values,
                                   .q_count = job->q.count};
    for (size_t i = 1; i < job->a.count; i++) {
        wanted.a_min = fmin(wanted.a_min, job->a.values[i]);
        wanted.a_max = fmax(wanted.a_max, job->a.values[i]);
    }
    int rc = boundary_trace(&wanted, &boundary, err);
    if (rc == 0) {
        report(job, &boundary, out);
        boundary_fini(&boundary);
    }
    drive_destroy(drive);
    return rc;
}

int edges_run(const void *text, size_t len, struct buf *out, struct err *err)
{
    struct job *job;
    if (recipe_read_job(text, len, &job, err))
        return -1;
    int rc = check(job, err) ? -1 : trace(job, out, err);
    job_destroy(job);
    return rc;
}
