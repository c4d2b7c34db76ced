/* Puts a job's numerics together: outputs say which times matter, the drive is built, and from it
 * the parts at each level. */
#include "general.h"
#include "phase.h"

#include "buf.h"
#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 32 numbers follow that may be read. */
static double *copy(const double *v, size_t n)
{
    double *out = mem_alloc(n + LANES, sizeof *out);
    memcpy(out, v, n * sizeof *out);
    return out;
}

#define FINEST         0x1p-57 /* what rounding leaves of an entry of a part */
#define PART_NS        150e3   /* filling a fine part takes about so long */
#define TILE_PAY       0.5     /* of the time that points take: what tiles save at least */
#define PART_COARSE_NS 80e3    /* filling a coarse part */
#define PHASE_PAY      0.7     /* of that time: the same for phases, */
#define PHASE_PARTS    200     /* which are not looked at for fewer parts */
#define PHASE_SEGMENT  3       /* nor for fewer radians in a segment of w */

static int create_parts(const struct sweep *s, enum level level, struct parts **out,
                        struct err *err)
{
    const struct outputs *o = &s->outputs;
    int fine = level == LEVEL_FINE;
    return parts_create(s->drive, &s->grid, s->from, o->record, o->record_count,
                        fine ? PARTS_REACH_FINE : s->reach, fine ? FINEST : s->target, out, err);
}

/* Solving tiles needs the fine level, which takes a while to make: small grids do without. */
static int tiles_pay(const struct sweep *s)
{
    const struct outputs *o = &s->outputs;
    double parts =
        parts_estimate(s->drive, &s->grid, s->from, o->record, o->record_count, PARTS_REACH_FINE);
    double points_ns = s->grid.points * s->point_ns;
    if (s->method == SWEEP_POINT || s->method == SWEEP_PHASE ||
        !(parts > 0 && parts < PARTS_MAX / 4))
        return 0;
    return s->method == SWEEP_TILE || parts * PART_NS < TILE_PAY * points_ns;
}

/* The nodes of products resolve each stretch, but not what all of them together make of an error of
 * w: it has peaks between the nodes. Roundings are small enough for that; an interpolation is not.
 */
static int drives_exactly(const struct drive *d)
{
    return d->interpolation == SWEEP_EXACT || d->is_table;
}

static int look_ahead(struct sweep *s, struct err *err)
{
    const struct outputs *o = &s->outputs;
    struct parts *fine;
    if (create_parts(s, LEVEL_FINE, &fine, err) != 0)
        return -1;
    atomic_store(&s->late->parts[LEVEL_FINE], fine);
    struct outlook_spec spec = {.drive = s->drive,
                                .fine = fine,
                                .record = fine->record,
                                .record_count = o->record_count,
                                .probes = o->probe_count,
                                .surfaces = starts_alike(s->start) || !o->uses[VECTOR_START],
                                .products = drives_exactly(s->drive),
                                .always = s->method == SWEEP_TILE,
                                .tolerance = s->tolerance,
                                .point_ns = s->point_ns};
    for (int v = 0; v < VECTOR_COUNT; v++)
        spec.vectors += o->uses[v] != 0;
    s->outlook = outlook_create(&spec);
    return 0;
}

/* Where solutions oscillate fast the parts are many, each takes a while to make and a while for
 * each point; by phase and amplitude a point costs the same at any frequency. */
static void choose_phase(struct sweep *s)
{
    const struct outputs *o = &s->outputs;
    double parts =
        parts_estimate(s->drive, &s->grid, s->from, o->record, o->record_count, s->reach);
    if (o->counts_zeros || (s->method == SWEEP_TILE && parts < PARTS_MAX / 4))
        return; /* zeros are counted at ends of parts */
    const struct drive *d = s->drive;
    double segments = (double)(d->w.count + d->u.count + d->v.count + d->damping.count);
    int may_pay = parts >= PHASE_PARTS && parts * s->reach >= PHASE_SEGMENT * segments;
    if (s->method != SWEEP_PHASE && !may_pay && parts <= PARTS_MAX)
        return;
    struct phase *p = phase_create(s);
    double ns = phase_point_ns(p), points = s->grid.points;
    double other = points * s->point_ns + parts * PART_COARSE_NS;
    int pays = points * ns < PHASE_PAY * other || (parts > PARTS_MAX && ns < INFINITY);
    if (s->method != SWEEP_PHASE && !pays) {
        phase_destroy(p);
        return;
    }
    s->phase = p;
    s->point_ns = ns;
}

/* The coarse level has much less than the tolerance for each part, because an error made on the way
 * can grow faster than the solution does; the fine one has what rounding leaves. One of them is
 * made now, so that a job that cannot be solved is refused; the other when it is first needed. */
static int build_levels(struct sweep *s, struct err *err)
{
    const struct outputs *o = &s->outputs;
    struct parts *coarse;
    s->target = fmax(3e-4 * s->tolerance, FINEST);
    s->reach = parts_reach(s->drive, &s->grid, s->from, o->record, o->record_count, s->tolerance,
                           &s->point_ns);
    s->fine_is_coarse = !(s->reach > PARTS_REACH_FINE || s->target > 4 * FINEST);
    choose_phase(s);
    if (tiles_pay(s))
        return look_ahead(s, err);
    if (s->phase != NULL)
        return 0;
    if (create_parts(s, LEVEL_COARSE, &coarse, err) != 0)
        return -1;
    atomic_store(&s->late->parts[LEVEL_COARSE], coarse);
    return 0;
}

const struct parts *sweep_level(const struct sweep *s, enum level level)
{
    if (level == LEVEL_FINE && s->fine_is_coarse && s->outlook == NULL)
        return NULL;
    if (level >= LEVEL_LEAF)
        return NULL;
    _Atomic(struct parts *) *at = &s->late->parts[level];
    struct parts *p = atomic_load(at), *mine = NULL;
    if (p != NULL || create_parts(s, level, &mine, NULL) != 0)
        return p;
    if (atomic_compare_exchange_strong(at, &p, mine))
        return mine;
    parts_destroy(mine); /* another thread was faster */
    return p;
}

const struct outlook *sweep_outlook(const struct sweep *s)
{
    return s->outlook;
}

/* [*i0, *i1) := the block of n values in `blocks` that holds i. */
static void find_block(size_t n, size_t blocks, size_t i, size_t *i0, size_t *i1)
{
    size_t k = i * blocks / n;
    while (n * (k + 1) / blocks <= i)
        k++;
    *i0 = n * k / blocks;
    *i1 = n * (k + 1) / blocks;
}

void sweep_tile(const struct sweep *s, size_t q, size_t a, struct leaf *tile)
{
    memset(tile, 0, sizeof *tile);
    find_block(s->q_count, s->q_blocks, q, &tile->q0, &tile->q1);
    find_block(s->a_count, s->a_blocks, a, &tile->a0, &tile->a1);
    axis_range(s->q, tile->q0, tile->q1, &tile->q_low, &tile->q_high);
    axis_range(s->a, tile->a0, tile->a1, &tile->a_low, &tile->a_high);
}

struct outputs_spec sweep_outputs(const struct sweep_spec *spec)
{
    return (struct outputs_spec){.outputs = spec->outputs,
                                 .output_count = spec->output_count,
                                 .times = spec->times,
                                 .time_count = spec->time_count,
                                 .w_to = spec->w_to,
                                 .period = spec->period};
}

double sweep_omega(const struct sweep *s, double a, double q)
{
    return fmax(s->slowest, sqrt(s->u_bound + fabs(a) * s->v_bound + fabs(q) * s->w_bound));
}

static void drop_levels(struct sweep *s)
{
    for (int l = 0; l < LEVEL_LEAF; l++)
        parts_destroy(atomic_exchange(&s->late->parts[l], NULL));
    outlook_destroy(s->outlook);
    s->outlook = NULL;
    phase_destroy(s->phase);
    s->phase = NULL;
}

#define FINEST_WHOLE 1e-12 /* tolerances that tiles can keep at moderate cost, of entries of a */
#define FINEST_HALF  4e-13 /* period or of half of one */

/* Of the entries of the monodromy matrix, so that what is derived from them keeps what is promised:
 * powers multiply their errors, halves of a period are multiplied with each other. Where this does
 * not do, points are solved again at the fine level (floquet.h). */
static double inner_tolerance(const struct sweep *s)
{
    const struct outputs *o = &s->outputs;
    double made_of_it = (o->half ? 4 : 2) * fmax(1, (double)o->most_periods);
    return o->has_monodromy ? fmax(s->promised / made_of_it,
                                   fmin(s->promised, o->half ? FINEST_HALF : FINEST_WHOLE))
                            : s->promised;
}

static int refuse_period(struct err *err, const char *text)
{
    err_set(err, ERR_JOB_REFUSED, "%s", text);
    if (err != NULL)
        snprintf(err->path, sizeof err->path, "w.period");
    return -1;
}

static int number_outputs(struct sweep *s, const struct sweep_spec *spec, struct err *err)
{
    struct outputs *o = &s->outputs;
    double *node = NULL;
    size_t nodes = 0;
    struct outputs_spec outputs = sweep_outputs(spec);
    int mirrors = cycle_measure(&s->cycle, s->drive);
    if (o->counts_zeros) {
        node = cycle_nodes(&s->cycle, s->drive, fmax(fabs(s->grid.a_min), fabs(s->grid.a_max)),
                           fmax(fabs(s->grid.q_min), fabs(s->grid.q_max)), &nodes);
        s->method = SWEEP_POINT; /* polynomials have no zeros to count */
    }
    if (nodes < CYCLE_NODES_MAX)
        outputs_number(o, &outputs, mirrors && !o->counts_zeros, node, nodes);
    free(node);
    if (nodes < CYCLE_NODES_MAX)
        return 0;
    refuse_period(err, "solutions turn too often within a period for nu, which counts zeros");
    return err_hint(err, "make grid.a or grid.q smaller, or leave nu out");
}

static int build(struct sweep *s, const struct sweep_spec *spec, struct err *err)
{
    double unused;
    struct outputs_spec outputs = sweep_outputs(spec);
    if (starts_compile(spec->z_start, s->start, err) != 0 ||
        outputs_init(&s->outputs, &outputs, err) != 0 || drive_create(spec, &s->drive, err) != 0)
        return -1;
    cycle_init(&s->cycle, spec);
    if (s->outputs.has_monodromy && (spec->ddz != NULL || spec->interpolation == SWEEP_COUPLED))
        return refuse_period(err, "only Hill's form with a drive of its own is solved by periods");
    if (number_outputs(s, spec, err) != 0)
        return -1;
    if (s->outputs.record_count > 0)
        s->last = s->outputs.record[s->outputs.record_count - 1];
    s->slowest = s->last > s->from ? 1 / (s->last - s->from) : 1;
    s->tolerance = inner_tolerance(s);
    if (spec->ddz != NULL || spec->interpolation == SWEEP_COUPLED)
        return general_create(spec, s->drive, &s->outputs, &s->general, err);
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
    s->promised = spec->tolerance;
    s->grid.points = (double)spec->q_count * (double)spec->a_count;
    s->method = spec->method;
    s->q_blocks = spec->q_blocks != 0 ? spec->q_blocks : 1;
    s->a_blocks = spec->a_blocks != 0 ? spec->a_blocks : 1;
    s->late = mem_alloc(1, sizeof *s->late);
    axis_range(s->q, 0, s->q_count, &s->grid.q_min, &s->grid.q_max);
    axis_range(s->a, 0, s->a_count, &s->grid.a_min, &s->grid.a_max);
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
    free(s->late);
    general_destroy(s->general);
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
    cycle_measure(&s->cycle, s->drive);
    if (s->general != NULL) {
        general_refresh(s->general);
        return 0;
    }
    drop_levels(s);
    return build_levels(s, err);
}

size_t sweep_drive_samples(const struct sweep *s, size_t max, double *t, double *w)
{
    return drive_samples(s->drive, max, t, w);
}

double sweep_point_cost_ns(const struct sweep *s)
{
    if (s->general != NULL)
        return general_point_cost_ns(s->general);
    /* Measured on one core of a server of 2023; other machines differ by a factor of two or so. */
    const char *isa = solver_isa();
    double per_operation = strcmp(isa, "avx512") == 0 ? 0.06 : strcmp(isa, "avx2") == 0 ? 0.1 : 0.2;
    if (s->phase != NULL)
        return s->point_ns * per_operation / 0.06;
    /* Where tiles are solved whole the coarse level may never be made. */
    const struct parts *p = sweep_level(s, s->outlook != NULL ? LEVEL_FINE : LEVEL_COARSE);
    double per_row = per_operation * (double)p->coef_count;
    return 8 + per_operation * parts_operations(p) + per_row / (double)s->a_count +
           4 * (double)s->outputs.quantity_count + 6 * (double)s->outputs.count;
}
