/* See unfold.h. The planes of a tile are one allocation; the parts that came are kept beside it
 * until the result is released, since whoever made them frees them. */
#include "unfold.h"

#include "buf.h"
#include "expander.h"
#include "tile.h"

#include <stdlib.h>
#include <string.h>

struct unfolded {
    struct sink_part *folded; /* as they came */
    size_t folded_count;
    void (*release)(struct sink_result *result);
    unsigned char *planes, *at[2 * JOB_OUTPUTS_MAX + 1]; /* at: each of them */
    struct sink_part parts[];
};

bool unfold_is_due(const struct job *job, const struct sink_result *result)
{
    return result->part_count > 0 && result->parts[0].plane == WIRE_LEAVES_PLANE(job->output_count);
}

#define AXIS_MAX (1u << 20) /* values of an axis that are kept */

bool unfold_takes(const struct job *job)
{
    return !job->ddz && job->interpolation != JOB_COUPLED && job->solver != JOB_POINT &&
           job->q.count <= AXIS_MAX && job->a.count <= AXIS_MAX;
}

/* A job that the broker keeps has not written them out. */
static double *values_of(const struct job_values *v)
{
    double *out = mem_alloc(v->count, sizeof *out);
    job_values_write(v, out);
    return out;
}

static struct expander *make_expander(const struct job *job, struct err *err)
{
    struct output_text outputs[JOB_OUTPUTS_MAX];
    for (size_t i = 0; i < job->output_count; i++)
        outputs[i] = (struct output_text){job->outputs[i].name, job->outputs[i].text};
    double *q = values_of(&job->q), *a = values_of(&job->a), *times = values_of(&job->times);
    struct expander_spec spec = {
        .q = q,
        .a = a,
        .q_count = job->q.count,
        .a_count = job->a.count,
        .outputs = {outputs, job->output_count, times, job->times.count, job->w_to, job->period},
        .start = {job->z_start[0], job->z_start[1]},
        .tolerance = job->tolerance,
        .errors = job->errors,
    };
    struct expander *e = expander_create(&spec, err);
    free(q);
    free(a);
    free(times);
    return e;
}

/* The coded bytes in one piece: those of the only part, or copied into *room. NULL: parts are
 * missing, or do not belong together. */
static const void *gather(const struct job *job, const struct sink_result *r, struct buf *room,
                          size_t *len)
{
    uint32_t points = (uint32_t)job_tile_points(job, r->tile);
    size_t at = 0;
    for (size_t i = 0; i < r->part_count; i++) {
        const struct sink_part *p = &r->parts[i];
        if (p->plane != WIRE_LEAVES_PLANE(job->output_count) || p->coding != WIRE_LEAVES ||
            p->first != 0 || p->count != points || p->offset != at)
            return NULL;
        at += p->len;
        if (r->part_count > 1)
            buf_add(room, p->data, p->len);
    }
    *len = at;
    return r->part_count > 1 ? room->data : r->parts[0].data;
}

/* Lays the planes out, the widest elements first. */
static struct unfolded *lay_out(const struct job *job, uint32_t points)
{
    unsigned status = tile_status_plane(job);
    struct unfolded *u = mem_alloc(1, sizeof *u + (status + 1) * sizeof u->parts[0]);
    u->planes = mem_resize(NULL, points, job_point_bytes(job));
    unsigned char *at = u->planes;
    size_t n = 0;
    for (size_t element = sizeof(double); element > 0; element /= 2) {
        for (unsigned plane = 0; plane <= status; plane++) {
            if (!tile_has_plane(job, plane) || tile_element(job, plane) != element)
                continue;
            u->parts[n++] = (struct sink_part){.count = points,
                                               .plane = (uint16_t)plane,
                                               .coding = WIRE_RAW,
                                               .data = at,
                                               .len = points * element};
            u->at[plane] = at;
            at += points * element;
        }
    }
    return u;
}

static size_t planes_of(const struct job *job)
{
    return job->output_count * (job->errors ? 2 : 1) + 1;
}

static void drop(struct unfolded *u)
{
    free(u->planes);
    free(u);
}

void unfold_undo(struct sink_result *r)
{
    struct unfolded *u = r->unfolded;
    if (!u)
        return;
    r->parts = u->folded;
    r->part_count = u->folded_count;
    r->release = u->release;
    r->unfolded = NULL;
    drop(u);
}

static void release(struct sink_result *r)
{
    unfold_undo(r);
    r->release(r);
}

/* Where the planes are; *expander is made if there is none yet. */
static int expand(struct expander **expander, const struct job *job, const struct sink_result *r,
                  unsigned char *const *at, size_t width, struct err *err)
{
    double *fields[JOB_OUTPUTS_MAX];
    float *errors[JOB_OUTPUTS_MAX];
    if (!*expander && !(*expander = make_expander(job, err)))
        return -1;
    for (unsigned plane = 0; plane < tile_status_plane(job); plane++) {
        if (plane % 2)
            errors[plane / 2] = (float *)(void *)at[plane];
        else
            fields[plane / 2] = (double *)(void *)at[plane];
    }
    struct expander_to to = {fields, job->errors ? errors : NULL, at[tile_status_plane(job)],
                             width};
    struct job_tile t = job_tile(job, r->tile);
    struct leaves_block block = {t.q0, t.q1, t.a0, t.a1};
    struct buf room = {0};
    size_t len = 0;
    const void *data = gather(job, r, &room, &len);
    int rc = data ? expander_run(*expander, &block, data, len, &to, err)
                  : err_set(err, ERR_OTHER, "parts of leaves do not fit together");
    buf_fini(&room);
    return rc;
}

static int check(const struct job *job, struct err *err)
{
    return unfold_takes(job) ? 0
                             : err_set(err, ERR_OTHER, "results of this job cannot come as leaves");
}

int unfold_into(struct expander **expander, const struct job *job, const struct sink_result *r,
                unsigned char *const *at, size_t width, struct err *err)
{
    return check(job, err) == 0 ? expand(expander, job, r, at, width, err) : -1;
}

int unfold(struct expander **expander, const struct job *job, struct sink_result *r,
           struct err *err)
{
    if (!unfold_is_due(job, r) || r->tile >= job_tile_count(job))
        return 0;
    if (check(job, err) != 0)
        return -1;
    struct job_tile t = job_tile(job, r->tile);
    struct unfolded *u = lay_out(job, (uint32_t)job_tile_points(job, r->tile));
    if (expand(expander, job, r, u->at, t.a1 - t.a0, err) != 0) {
        drop(u);
        return -1;
    }
    u->folded = r->parts;
    u->folded_count = r->part_count;
    u->release = r->release;
    r->parts = u->parts;
    r->part_count = planes_of(job);
    r->unfolded = u;
    r->release = release;
    return 0;
}
