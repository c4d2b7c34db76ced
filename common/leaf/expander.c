/* See expander.h. The walk over a leaf is the solver's (worker/solver/solver.c), without whatever
 * judges a point: those that did not pass come as exceptions. */
#include "expander.h"

#include "buf.h"
#include "fields.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers travel as they lie in memory");

/* The outputs, numbered for a whole period or for half of one, and what evaluates them. */
struct reader {
    struct outputs outputs;
    struct margin margin;
    struct surface *surface;
    struct fields *fields;
    double *value, *error; /* of the strip */
};

struct expander {
    struct expander_spec spec;
    struct output_text *texts; /* the spec's arrays: copies */
    double *axis_q, *axis_a;   /* LANES more may be read of a */
    double *times;
    const struct leaf_kernel *kernel;
    struct expr *start[2];
    int starts_alike;          /* they are in the strip already */
    double a_most, q_most;     /* largest |a| and |q| of the grid */
    struct reader *readers[2]; /* by LEAVES_HALF; NULL: not asked for yet */
    struct strip strip;
    double q[STRIP];
    uint16_t at[STRIP];
    /* the tile at hand */
    struct reader *reader;
    struct floquet *floquet; /* NULL: nothing is derived */
    struct leaves_block tile;
    unsigned flags;
    struct target to;
    size_t stride;
};

/* --- life ------------------------------------------------------------------------------------ */

static void reader_destroy(struct reader *r)
{
    if (r == NULL)
        return;
    surface_destroy(r->surface);
    fields_destroy(r->fields);
    margin_fini(&r->margin);
    outputs_fini(&r->outputs);
    free(r->value);
    free(r->error);
    free(r);
}

static struct reader *reader_create(const struct expander *e, int half, struct err *err)
{
    struct reader *r = mem_alloc(1, sizeof *r);
    if (outputs_init(&r->outputs, &e->spec.outputs, err) != 0) {
        outputs_fini(&r->outputs);
        free(r);
        return NULL;
    }
    outputs_number(&r->outputs, &e->spec.outputs, half, NULL, 0);
    margin_init(&r->margin, r->outputs.probe_count, 0);
    r->surface = surface_create(&r->outputs, e->kernel, &r->margin, e->spec.tolerance);
    r->fields = fields_create(&r->outputs, e->kernel);
    r->value = lanes_array(r->outputs.quantity_count * STRIP);
    r->error = lanes_array(r->outputs.quantity_count * STRIP);
    return r;
}

static double largest(const double *axis, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fabs(axis[i]) > most ? fabs(axis[i]) : most;
    return most;
}

static void load_starts(struct expander *e, const double *a, size_t count)
{
    const double *in[] = {a, e->q};
    for (int c = 0; c < 2; c++)
        expr_eval_batch(e->start[c], count, in, e->strip.start[c]);
}

/* What all tiles have in common. */
static void prepare(struct expander *e)
{
    e->a_most = largest(e->axis_a, e->spec.a_count);
    e->q_most = largest(e->axis_q, e->spec.q_count);
    for (size_t i = 0; i < STRIP; i++)
        e->at[i] = (uint16_t)i;
    e->starts_alike = starts_alike(e->start);
    if (e->starts_alike)
        load_starts(e, e->q, STRIP); /* whatever a and q */
}

static double *copy(const double *v, size_t n)
{
    double *out = mem_alloc(n + LANES, sizeof *out);
    memcpy(out, v, n * sizeof *out);
    return out;
}

static void copy_arrays(struct expander *e)
{
    struct outputs_spec *o = &e->spec.outputs;
    e->texts = mem_alloc(o->output_count + 1, sizeof *e->texts);
    memcpy(e->texts, o->outputs, o->output_count * sizeof *e->texts);
    o->outputs = e->texts;
    o->times = e->times = copy(o->times, o->time_count);
    e->axis_q = copy(e->spec.q, e->spec.q_count);
    e->axis_a = copy(e->spec.a, e->spec.a_count);
}

struct expander *expander_create(const struct expander_spec *spec, struct err *err)
{
    struct expander *e = mem_alloc(1, sizeof *e);
    e->spec = *spec;
    copy_arrays(e);
    e->kernel = spec->kernel != NULL ? spec->kernel : leaf_kernel_find(NULL);
    if (starts_compile(spec->start, e->start, err) == 0)
        e->readers[0] = reader_create(e, 0, err);
    int counts = e->readers[0] != NULL && e->readers[0]->outputs.counts_zeros;
    if (counts)
        err_set(err, ERR_OTHER, "the job asks for nu, which is solved by points");
    if (e->readers[0] == NULL || counts) {
        expander_destroy(e);
        return NULL;
    }
    prepare(e);
    return e;
}

void expander_destroy(struct expander *e)
{
    if (e == NULL)
        return;
    reader_destroy(e->readers[0]);
    reader_destroy(e->readers[1]);
    floquet_destroy(e->floquet);
    expr_destroy(e->start[0]);
    expr_destroy(e->start[1]);
    free(e->texts);
    free(e->times);
    free(e->axis_q);
    free(e->axis_a);
    free(e);
}

/* --- reading --------------------------------------------------------------------------------- */

struct bytes {
    const unsigned char *at;
    size_t left;
};

/* The next n bytes, whatever their alignment; NULL when there are not that many. */
static const unsigned char *take(struct bytes *in, size_t n)
{
    const unsigned char *at = in->at;
    if (n > in->left)
        return NULL;
    in->at += n;
    in->left -= n;
    return at;
}

static int take_into(struct bytes *in, void *out, size_t n)
{
    const unsigned char *at = take(in, n);
    if (at == NULL)
        return -1;
    memcpy(out, at, n);
    return 0;
}

static int cut_short(struct err *err)
{
    return err_set(err, ERR_OTHER, "leaves are cut short");
}

struct head {
    uint32_t magic;
    uint16_t leaves;
    uint8_t flags, zero;
    uint32_t exceptions;
};
_Static_assert(sizeof(struct head) == LEAVES_HEAD_BYTES, "no padding");

static int head_check(const struct expander *e, const struct head *h, struct err *err)
{
    int derives = e->readers[0]->outputs.derived_count > 0;
    unsigned known = LEAVES_ERRORS | LEAVES_FACTS | LEAVES_HALF | LEAVES_DAMPED;
    unsigned wanted = e->spec.errors || derives ? LEAVES_ERRORS : 0;
    if (h->magic != LEAVES_MAGIC || h->zero != 0 || (h->flags & ~known) != 0)
        return err_set(err, ERR_OTHER, "these are no leaves that this version knows");
    if ((h->flags & LEAVES_ERRORS) != wanted || !(h->flags & LEAVES_FACTS) != !derives)
        return err_set(err, ERR_OTHER, "leaves of another job: flags %u", h->flags);
    return 0;
}

/* Makes what derives the numbers that follow from the monodromy matrix. */
static int take_facts(struct expander *e, struct bytes *in, struct err *err)
{
    double given[8];
    if (take_into(in, given, sizeof given) != 0)
        return cut_short(err);
    for (size_t i = 0; i < 8; i++)
        if (!isfinite(given[i]) || (i > 0 && given[i] < 0))
            return err_set(err, ERR_OTHER, "what is known of the period is no number");
    struct floquet_facts facts = {.period = e->spec.outputs.period,
                                  .damping = given[0],
                                  .damping_error = given[1],
                                  .u_bound = given[2],
                                  .v_bound = given[3],
                                  .w_bound = given[4],
                                  .u_uneven = given[5],
                                  .v_uneven = given[6],
                                  .w_uneven = given[7],
                                  .promised = e->spec.tolerance,
                                  .a_most = e->a_most,
                                  .q_most = e->q_most,
                                  .damped = (e->flags & LEAVES_DAMPED) != 0};
    e->floquet = floquet_create(&facts, &e->reader->outputs, e->start, e->kernel);
    return 0;
}

static int take_sheet(struct expander *e, size_t i, const struct nodes *nodes, struct bytes *in,
                      struct err *err)
{
    struct sheet *s = &e->reader->surface->sheet[i];
    uint8_t degree[2];
    if (take_into(in, degree, sizeof degree) != 0)
        return cut_short(err);
    if (degree[0] >= nodes->in_a.n || degree[1] >= nodes->in_q.n)
        return err_set(err, ERR_OTHER, "a polynomial of degrees %u, %u at %d x %d nodes", degree[0],
                       degree[1], nodes->in_a.n, nodes->in_q.n);
    s->na = degree[0];
    s->nq = degree[1];
    size_t terms = (size_t)(s->na + 1) * (size_t)(s->nq + 1);
    if (take_into(in, s->coef, terms * sizeof *s->coef) != 0)
        return cut_short(err);
    if (!(e->flags & LEAVES_ERRORS))
        return 0;
    double *stated = e->reader->margin.probe[i].stated;
    if (take_into(in, &e->reader->surface->constant[i], sizeof(double)) != 0)
        return cut_short(err);
    for (size_t r = 0; r < (size_t)nodes->in_q.n; r++)
        if (take_into(in, stated + r * NODE_STRIDE, (size_t)nodes->in_a.n * sizeof *stated) != 0)
            return cut_short(err);
    return 0;
}

/* Its place in the tile and its nodes. */
static int take_place(struct expander *e, struct bytes *in, struct leaves_block *b,
                      struct nodes *nodes, struct err *err)
{
    uint16_t side[4];
    uint8_t degree[2];
    size_t rows = e->tile.q1 - e->tile.q0, columns = e->tile.a1 - e->tile.a0;
    if (take_into(in, side, sizeof side) != 0 || take_into(in, degree, sizeof degree) != 0)
        return cut_short(err);
    *b = (struct leaves_block){side[0], side[1], side[2], side[3]};
    if (b->q0 >= b->q1 || b->a0 >= b->a1 || b->q1 > rows || b->a1 > columns)
        return err_set(err, ERR_OTHER, "a leaf [%u, %u) x [%u, %u) of a tile of %zu x %zu", side[0],
                       side[1], side[2], side[3], rows, columns);
    if (degree[0] >= CHEBYSHEV_MAX || degree[1] >= CHEBYSHEV_MAX ||
        !leaves_fit(b, degree[0], degree[1]))
        return err_set(err, ERR_OTHER, "a leaf of %zu x %zu points has %u x %u nodes",
                       b->q1 - b->q0, b->a1 - b->a0, degree[0] + 1u, degree[1] + 1u);
    struct nodes_range range;
    const double *q = e->axis_q + e->tile.q0, *a = e->axis_a + e->tile.a0;
    axis_range(q, b->q0, b->q1, &range.q_low, &range.q_high);
    axis_range(a, b->a0, b->a1, &range.a_low, &range.a_high);
    nodes_lay(nodes, degree[0], degree[1], &range);
    return 0;
}

/* --- expanding ------------------------------------------------------------------------------- */

/* Columns [column, column + count) of a row of the leaf, which go `offset` points behind the tile's
 * first. */
static void expand_strip(struct expander *e, const double *a, size_t column, size_t count, double q,
                         size_t offset)
{
    struct strip *strip = &e->strip;
    uint16_t unused[STRIP];
    strip->count = count;
    strip->column = column;
    strip->q = q;
    strip->a = a;
    strip->value = e->reader->value;
    strip->error = e->reader->error;
    if (!e->starts_alike)
        load_starts(e, a, count);
    surface_solve(e->reader->surface, strip, unused);
    if (e->floquet != NULL)
        floquet_solve(e->floquet, strip, e->at, count, unused);
    struct points points = {.count = count,
                            .q = e->q,
                            .a = a,
                            .start = {strip->start[0], strip->start[1]},
                            .starts_finite = e->starts_alike && isfinite(strip->start[0][0]) &&
                                             isfinite(strip->start[1][0]),
                            .value = strip->value,
                            .error = strip->error,
                            .limited = strip->limited};
    fields_put(e->reader->fields, &points, &e->to, offset);
}

static bool is_open(const uint8_t *status, size_t n)
{
    unsigned any = 0;
    for (size_t i = 0; i < n; i++)
        any |= status[i];
    return any == 0;
}

static int expand_leaf(struct expander *e, const struct leaves_block *b, struct err *err)
{
    const double *columns = e->axis_a + e->tile.a0;
    for (size_t q = b->q0; q < b->q1; q++) {
        double at = e->axis_q[e->tile.q0 + q];
        if (!is_open(e->to.status + q * e->stride + b->a0, b->a1 - b->a0))
            return err_set(err, ERR_OTHER, "leaves overlap");
        for (size_t i = 0; i < STRIP; i++)
            e->q[i] = at;
        surface_row(e->reader->surface, at);
        for (size_t a = b->a0; a < b->a1; a += STRIP)
            expand_strip(e, columns + a, a - b->a0, b->a1 - a < STRIP ? b->a1 - a : STRIP, at,
                         q * e->stride + a);
    }
    return 0;
}

/* All leaves; -1 also when they do not cover the tile. */
static int expand_leaves(struct expander *e, size_t count, struct bytes *in, struct err *err)
{
    size_t points = (e->tile.q1 - e->tile.q0) * (e->tile.a1 - e->tile.a0), covered = 0;
    struct leaves_block b;
    struct nodes nodes;
    for (size_t i = 0; i < count; i++) {
        if (take_place(e, in, &b, &nodes, err) != 0)
            return -1;
        for (size_t k = 0; k < e->reader->outputs.probe_count; k++)
            if (take_sheet(e, k, &nodes, in, err) != 0)
                return -1;
        margin_lay(&e->reader->margin, &nodes, e->axis_a + e->tile.a0 + b.a0, b.a1 - b.a0);
        if (expand_leaf(e, &b, err) != 0)
            return -1;
        covered += (b.q1 - b.q0) * (b.a1 - b.a0);
    }
    if (covered != points)
        return err_set(err, ERR_OTHER, "leaves cover %zu of %zu points", covered, points);
    return 0;
}

/* The points that were solved by themselves. */
static int take_exceptions(struct expander *e, size_t count, struct bytes *in, struct err *err)
{
    size_t width = e->tile.a1 - e->tile.a0, points = (e->tile.q1 - e->tile.q0) * width;
    size_t fields = e->reader->outputs.count;
    const unsigned char *place = count <= points ? take(in, count * sizeof(uint32_t)) : NULL;
    const unsigned char *value = place != NULL ? take(in, fields * count * sizeof(double)) : NULL;
    const unsigned char *error =
        e->to.errors != NULL && value != NULL ? take(in, fields * count * sizeof(float)) : value;
    const unsigned char *status = error != NULL ? take(in, count) : NULL;
    if (status == NULL)
        return cut_short(err);
    size_t before = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t at;
        memcpy(&at, place + i * sizeof at, sizeof at);
        if (at >= points || at < before)
            return err_set(err, ERR_OTHER, "point %u of a tile of %zu is out of order", at, points);
        before = (size_t)at + 1;
        size_t to = at / width * e->stride + at % width;
        for (size_t k = 0; k < fields; k++) {
            memcpy(&e->to.fields[k][to], value + (k * count + i) * sizeof(double), sizeof(double));
            if (e->to.errors != NULL)
                memcpy(&e->to.errors[k][to], error + (k * count + i) * sizeof(float),
                       sizeof(float));
        }
        e->to.status[to] = status[i];
    }
    return 0;
}

static int run(struct expander *e, struct bytes *in, struct err *err)
{
    struct head head;
    if (take_into(in, &head, sizeof head) != 0)
        return cut_short(err);
    if (head_check(e, &head, err) != 0)
        return -1;
    int half = (head.flags & LEAVES_HALF) != 0;
    if (e->readers[half] == NULL)
        e->readers[half] = reader_create(e, half, err);
    e->reader = e->readers[half];
    e->flags = head.flags;
    if (e->reader == NULL || ((e->flags & LEAVES_FACTS) && take_facts(e, in, err) != 0))
        return -1;
    fields_begin(e->reader->fields);
    if (expand_leaves(e, head.leaves, in, err) != 0 ||
        take_exceptions(e, head.exceptions, in, err) != 0)
        return -1;
    if (in->left > 0)
        return err_set(err, ERR_OTHER, "%zu bytes after the leaves", in->left);
    return 0;
}

int expander_run(struct expander *e, const struct leaves_block *at, const void *data, size_t len,
                 const struct expander_to *to, struct err *err)
{
    struct bytes in = {data, len};
    e->tile = *at;
    e->to = (struct target){to->fields, to->errors, to->status};
    e->stride = to->stride;
    for (size_t q = 0; q < at->q1 - at->q0; q++)
        memset(to->status + q * to->stride, POINT_OPEN, at->a1 - at->a0);
    int rc = run(e, &in, err);
    floquet_destroy(e->floquet);
    e->floquet = NULL;
    return rc;
}
