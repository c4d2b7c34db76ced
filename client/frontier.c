/* See frontier.h. A grid finer than a picture is read at every k-th q and a. */
#include "frontier.h"

#include "curves.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MESH_MAX 2000 /* lines of the mesh in each direction */

enum sort { BOTH, ONE, SIGN }; /* the levels: +-level, level, where it begins to be above 0 */

struct kind {
    const char *text; /* an output's expression without blanks; # is a time, each time the same */
    enum sort sort;
    double level;
    const char *label;
};

static const struct kind KINDS[] = {
    {"trace", BOTH, 2, "|trace| = 2"},
    {"trace/2", BOTH, 1, "|trace| = 2"},
    {"abs(trace)", ONE, 2, "|trace| = 2"},
    {"abs(trace)/2", ONE, 1, "|trace| = 2"},
    {"z1(#)+dz2(#)", BOTH, 2, "|trace| = 2"},
    {"(z1(#)+dz2(#))/2", BOTH, 1, "|trace| = 2"},
    {"abs(z1(#)+dz2(#))", ONE, 2, "|trace| = 2"},
    {"abs(z1(#)+dz2(#))/2", ONE, 1, "|trace| = 2"},
    {"stable", ONE, 0, "edge of stability"},
    {"mu", SIGN, 0, "edge of stability"},
};

static bool matches(const char *text, const char *kind)
{
    const char *time = NULL;
    size_t len = 0;
    for (;;) {
        text += strspn(text, " \t");
        if (*kind == '#') {
            size_t here = strcspn(text, ")");
            if (time && (here != len || strncmp(text, time, len) != 0))
                return false;
            time = text;
            len = here;
            text += here;
            kind++;
        } else if (*text != *kind) {
            return false;
        } else if (!*text) {
            return true;
        } else {
            text++;
            kind++;
        }
    }
}

static const struct kind *find(const struct job *job, size_t *field)
{
    for (size_t k = 0; k < sizeof KINDS / sizeof KINDS[0]; k++)
        for (size_t i = 0; i < job->output_count; i++)
            if (matches(job->outputs[i].text, KINDS[k].text)) {
                *field = i;
                return &KINDS[k];
            }
    return NULL;
}

/* Every k-th value in increasing order. */
struct lines {
    size_t count, *index;
    double *place;
};

static struct lines lines_of(const struct axis *axis)
{
    size_t step = (axis->count + MESH_MAX - 1) / MESH_MAX;
    struct lines l = {.count = (axis->count + step - 1) / step};
    l.index = mem_alloc(l.count, sizeof *l.index);
    l.place = mem_alloc(l.count, sizeof *l.place);
    for (size_t k = 0; k < l.count; k++) {
        l.index[k] = axis->order[k * step];
        l.place[k] = axis->place[l.index[k]];
    }
    return l;
}

static void lines_fini(struct lines *l)
{
    free(l->index);
    free(l->place);
}

static double meaning(const struct kind *kind, double value)
{
    if (kind->sort == SIGN && !isnan(value))
        return value > 0 ? 1 : -1;
    return value;
}

/* One row of the grid as one of the mesh. */
static int read_row(const struct points *p, const struct kind *kind, size_t row,
                    const struct lines *a, double *out, struct err *err)
{
    struct buf status = {0}, values = {0};
    int rc = points_status(p, row, 1, &status, err);
    if (rc == 0)
        rc = points_values(p, 0, row, 1, status.data, &values, err);
    for (size_t j = 0; j < a->count && rc == 0; j++)
        out[j] = meaning(kind, ((const double *)values.data)[a->index[j]]);
    buf_fini(&status);
    buf_fini(&values);
    return rc;
}

int frontier_find(struct origin *origin, const struct axis *q, const struct axis *a,
                  struct contour *out, const char **label, struct err *err)
{
    struct points points = {.origin = origin, .count = 1};
    const struct kind *kind = find(origin->job, &points.fields[0]);
    if (!kind || q->count < 2 || a->count < 2)
        return 0;
    *label = kind->label;
    struct lines across = lines_of(q), up = lines_of(a);
    double *mesh = mem_alloc(across.count * up.count, sizeof *mesh);
    int rc = points_open(&points, NULL, err);
    for (size_t i = 0; i < across.count && rc == 0; i++)
        rc = read_row(&points, kind, across.index[i], &up, mesh + i * up.count, err);
    for (int side = 1; side >= (kind->sort == BOTH ? -1 : 1) && rc == 0; side -= 2)
        contour_add(out, mesh, across.place, across.count, up.place, up.count, side * kind->level);
    if (rc == 0 && kind->sort != SIGN && kind->level > 0)
        contour_add_touching(out, mesh, across.place, across.count, up.place, up.count,
                             kind->level);
    free(mesh);
    lines_fini(&across);
    lines_fini(&up);
    return rc;
}

/* --- as the solver traces it ----------------------------------------------------------------- */

#define TRACED 600 /* values of q across the picture */

/* From edge to edge of the axis. */
static struct job_values range_of(const struct axis *axis, size_t count)
{
    struct job_values v = {.count = count,
                           .log = axis->scale.kind == SCALE_LOG,
                           .from = axis->scale.lo,
                           .to = axis->scale.hi};
    double *values = mem_alloc(count, sizeof *values);
    job_values_write(&v, values);
    v.values = values;
    return v;
}

static void add_piece(const struct curves *c, const struct curves_piece *p, const struct axis *q,
                      const struct axis *a, struct contour *out)
{
    struct contour_point last = {0, 0};
    for (size_t i = 0; i < p->count; i++) {
        struct contour_point here = {scale_at(&q->scale, c->q[p->first + i]),
                                     scale_at(&a->scale, p->a[i])};
        if (i > 0)
            contour_add_piece(out, last, here);
        last = here;
    }
}

int frontier_trace(const struct job *job, const struct axis *q, const struct axis *a,
                   struct contour *out, const char **label, struct err *err)
{
    struct job wanted = *job;
    struct curves curves;
    wanted.q = range_of(q, TRACED);
    wanted.a = range_of(a, 2);
    job_cut_tiles(&wanted);
    int rc = curves_ask(&wanted, &curves, err);
    free(wanted.q.values);
    free(wanted.a.values);
    if (rc)
        return rc;
    for (size_t k = 0; k < curves.count; k++)
        for (size_t i = 0; i < curves.lines[k].piece_count; i++)
            add_piece(&curves, &curves.lines[k].pieces[i], q, a, out);
    curves_fini(&curves);
    *label = "edge of stability";
    return 0;
}
