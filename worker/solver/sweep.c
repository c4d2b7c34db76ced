/* Puts a job's numerics together: outputs say which times matter, the drive is built, and from it
 * the parts at each level. */
#include "sweep_private.h"

#include "buf.h"
#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double *copy(const double *v, size_t n)
{
    double *out = mem_alloc(n + 1, sizeof *out);
    memcpy(out, v, n * sizeof *out);
    return out;
}

static void range(const double *v, size_t n, double *low, double *high)
{
    *low = *high = v[0];
    for (size_t i = 1; i < n; i++) {
        *low = fmin(*low, v[i]);
        *high = fmax(*high, v[i]);
    }
}

static int compile_start(struct sweep *s, const struct sweep_spec *spec, struct err *err)
{
    static const char *const variables[] = {"a", "q"};
    struct expr_scope scope = {.variables = variables, .variable_count = 2};
    for (int i = 0; i < 2; i++) {
        if (expr_compile(spec->z_start[i], &scope, &s->start[i], err) != 0) {
            if (err != NULL)
                snprintf(err->path, sizeof err->path, "z.start[%d]", i);
            return -1;
        }
    }
    return 0;
}

#define FINEST 0x1p-57 /* what rounding leaves of an entry of a part */

static int create_parts(const struct sweep *s, double reach, double target, struct parts **out,
                        struct err *err)
{
    const struct outputs *o = &s->outputs;
    return parts_create(s->drive, &s->grid, s->from, o->record, o->record_count, reach, target, out,
                        err);
}

/* Level 0 has much less than the tolerance for each part, because an error made on the way can grow
 * faster than the solution does; level 1 has what rounding leaves, unless level 0 is there already.
 */
static int build_levels(struct sweep *s, struct err *err)
{
    const struct outputs *o = &s->outputs;
    double target = fmax(3e-4 * s->tolerance, FINEST);
    double reach =
        parts_reach(s->drive, &s->grid, s->from, o->record, o->record_count, s->tolerance);
    if (reach > PARTS_REACH_FINE || target > 4 * FINEST)
        s->fine = mem_alloc(1, sizeof *s->fine);
    return create_parts(s, reach, target, &s->coarse, err);
}

const struct parts *sweep_level(const struct sweep *s, int level)
{
    if (level == 0)
        return s->coarse;
    if (level > 1 || s->fine == NULL)
        return NULL;
    struct parts *p = atomic_load(&s->fine->parts), *mine = NULL;
    if (p != NULL || create_parts(s, PARTS_REACH_FINE, FINEST, &mine, NULL) != 0)
        return p;
    if (atomic_compare_exchange_strong(&s->fine->parts, &p, mine))
        return mine;
    parts_destroy(mine); /* another thread was faster */
    return p;
}

static void drop_levels(struct sweep *s)
{
    if (s->fine != NULL)
        parts_destroy(atomic_load(&s->fine->parts));
    free(s->fine);
    parts_destroy(s->coarse);
    s->fine = NULL;
    s->coarse = NULL;
}

static int build(struct sweep *s, const struct sweep_spec *spec, struct err *err)
{
    double unused;
    if (compile_start(s, spec, err) != 0 || outputs_init(&s->outputs, spec, err) != 0)
        return -1;
    if (s->outputs.record_count > 0)
        s->last = s->outputs.record[s->outputs.record_count - 1];
    if (drive_create(spec, s->last, &s->drive, err) != 0)
        return -1;
    drive_bounds(&s->drive->w, s->from, s->last, 0, &s->w_bound, &unused);
    drive_bounds(&s->drive->u, s->from, s->last, 0, &s->u_bound, &unused);
    drive_bounds(&s->drive->v, s->from, s->last, 1, &s->v_bound, &unused);
    return build_levels(s, err);
}

int sweep_create(const struct sweep_spec *spec, struct sweep **out, struct err *err)
{
    struct sweep *s = mem_alloc(1, sizeof *s);
    s->q = copy(spec->q, spec->q_count);
    s->a = copy(spec->a, spec->a_count);
    s->q_count = spec->q_count;
    s->a_count = spec->a_count;
    s->from = s->last = spec->times[0];
    s->tolerance = spec->tolerance;
    s->grid.points = (double)spec->q_count * (double)spec->a_count;
    range(s->q, s->q_count, &s->grid.q_min, &s->grid.q_max);
    range(s->a, s->a_count, &s->grid.a_min, &s->grid.a_max);
    if (build(s, spec, err) != 0) {
        sweep_destroy(s);
        return -1;
    }
    *out = s;
    return 0;
}

void sweep_destroy(struct sweep *s)
{
    if (s == NULL)
        return;
    drop_levels(s);
    outputs_fini(&s->outputs);
    expr_destroy(s->start[0]);
    expr_destroy(s->start[1]);
    drive_destroy(s->drive);
    free(s->q);
    free(s->a);
    free(s);
}

unsigned char *sweep_table_encode(const struct sweep *s, size_t *len)
{
    return drive_encode(s->drive, len);
}

int sweep_table_adopt(struct sweep *s, const unsigned char *table, size_t len, struct err *err)
{
    int changed = drive_adopt(s->drive, table, len, err);
    if (changed <= 0)
        return changed;
    drop_levels(s);
    return build_levels(s, err);
}

size_t sweep_drive_samples(const struct sweep *s, size_t max, double *t, double *w)
{
    return drive_samples(s->drive, max, t, w);
}

double sweep_point_cost_ns(const struct sweep *s)
{
    /* Measured on one core of a server of 2023; other machines differ by a factor of two or so. */
    const char *isa = solver_isa();
    double per_operation = strcmp(isa, "avx512") == 0 ? 0.06 : strcmp(isa, "avx2") == 0 ? 0.1 : 0.2;
    double per_row = per_operation * (double)s->coarse->coef_count;
    return 8 + per_operation * parts_operations(s->coarse) + per_row / (double)s->a_count +
           4 * (double)s->outputs.quantity_count + 6 * (double)s->outputs.count;
}
