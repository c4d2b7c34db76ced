/* See points.h. */
#include "points.h"

#include "expr.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *points_name(const struct points *p, size_t k)
{
    return p->origin->job->outputs[p->fields[k]].name;
}

static int choose(struct points *p, const char *name, struct err *err)
{
    const struct job *job = p->origin->job;
    const char *names[JOB_OUTPUTS_MAX + 1];
    for (size_t i = 0; i < job->output_count; i++) {
        names[i] = job->outputs[i].name;
        if (strcmp(names[i], name) == 0) {
            p->fields[p->count++] = i;
            return 0;
        }
    }
    names[job->output_count] = NULL;
    err_set(err, ERR_USAGE, "%s has no field \"%.40s\"", p->origin->label, name);
    const char *near = expr_nearest(name, names);
    return err_hint(err, "did you mean %s?", near ? near : names[0]);
}

int points_choose(struct points *p, struct origin *origin, const struct args *args, size_t all,
                  struct err *err)
{
    *p = (struct points){.origin = origin};
    for (size_t o = 0; o < args->option_count; o++) {
        if (strcmp(args->options[o].spec->name, "field") != 0)
            continue;
        if (p->count == JOB_OUTPUTS_MAX)
            return err_set(err, ERR_USAGE, "more than %d fields", JOB_OUTPUTS_MAX);
        if (choose(p, args->options[o].value, err))
            return -1;
    }
    for (size_t i = 0; p->count == i && i < all && i < origin->job->output_count; i++)
        p->fields[p->count++] = i;
    return 0;
}

enum { NAME_ROOM = JOB_FIELD_MAX + 16 };

static void file_name(const struct points *p, size_t k, char out[NAME_ROOM])
{
    snprintf(out, NAME_ROOM, "%s.npy", points_name(p, k));
}

static void error_name(const struct points *p, size_t k, char out[NAME_ROOM])
{
    snprintf(out, NAME_ROOM, "%s.error.npy", points_name(p, k));
}

int points_open(struct points *p, struct buf *head, struct err *err)
{
    char file[NAME_ROOM];
    int rc = origin_head(p->origin, "status.npy", 'u', 1, &p->status_offset, NULL, err);
    for (size_t k = 0; k < p->count && rc == 0; k++) {
        file_name(p, k, file);
        rc = origin_head(p->origin, file, 'f', sizeof(double), &p->offsets[k],
                         k == p->count - 1 ? head : NULL, err);
        if (rc == 0 && p->origin->job->errors) {
            error_name(p, k, file);
            rc = origin_head(p->origin, file, 'f', sizeof(float), &p->error_offsets[k], NULL, err);
        }
    }
    return rc;
}

size_t points_batch(const struct points *p)
{
    size_t row_bytes = p->origin->job->a.count * sizeof(double);
    return row_bytes < POINTS_BATCH ? POINTS_BATCH / row_bytes : 1;
}

int points_status(const struct points *p, uint64_t row, size_t count, struct buf *out,
                  struct err *err)
{
    size_t width = p->origin->job->a.count;
    buf_clear(out);
    return origin_read(p->origin, "status.npy", p->status_offset + row * width, count * width, out,
                       err);
}

int points_values(const struct points *p, size_t k, uint64_t row, size_t count,
                  const uint8_t *status, struct buf *out, struct err *err)
{
    char file[NAME_ROOM];
    size_t width = p->origin->job->a.count;
    file_name(p, k, file);
    buf_clear(out);
    if (origin_read(p->origin, file, p->offsets[k] + row * width * sizeof(double),
                    count * width * sizeof(double), out, err))
        return -1;
    double *values = (double *)out->data;
    for (size_t i = 0; i < count * width; i++)
        if (status[i] == POINT_OPEN || status[i] == POINT_FAILED)
            values[i] = (double)NAN;
    return 0;
}

int points_errors(const struct points *p, size_t k, uint64_t row, size_t count,
                  const uint8_t *status, struct buf *out, struct err *err)
{
    char file[NAME_ROOM];
    size_t width = p->origin->job->a.count;
    error_name(p, k, file);
    buf_clear(out);
    if (origin_read(p->origin, file, p->error_offsets[k] + row * width * sizeof(float),
                    count * width * sizeof(float), out, err))
        return -1;
    float *bounds = (float *)(void *)out->data;
    for (size_t i = 0; i < count * width; i++)
        if (status[i] == POINT_OPEN || status[i] == POINT_FAILED)
            bounds[i] = NAN;
    return 0;
}
