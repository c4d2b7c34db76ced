#include "surface.h"

#include "buf.h"
#include <stdlib.h>
#include <string.h>

struct surface *surface_create(const struct outputs *o, const struct leaf_kernel *kernel,
                               struct margin *margin, double tolerance)
{
    struct surface *f = mem_alloc(1, sizeof *f);
    f->outputs = o;
    f->kernel = kernel;
    f->margin = margin;
    f->tolerance = tolerance;
    f->sheet = mem_alloc(o->probe_count + 1, sizeof *f->sheet);
    f->constant = mem_alloc(o->probe_count + 1, sizeof *f->constant);
    for (size_t i = 0; i < o->probe_count; i++)
        f->sheet[i].coef = lanes_array(CHEBYSHEV_MAX * CHEBYSHEV_MAX);
    f->value = lanes_array(MARGIN_PAD);
    f->error = lanes_array(MARGIN_PAD);
    f->doubtful = (int64_t *)(void *)lanes_array(MARGIN_PAD);
    return f;
}

void surface_destroy(struct surface *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->outputs->probe_count; i++)
        free(f->sheet[i].coef);
    free(f->sheet);
    free(f->constant);
    free(f->value);
    free(f->error);
    free(f->doubtful);
    free(f);
}

void surface_row(struct surface *f, double q)
{
    const struct nodes *nodes = f->margin->nodes;
    double weight[CHEBYSHEV_MAX];
    chebyshev_values(nodes_y(nodes, q), nodes->in_q.n, weight);
    for (size_t i = 0; i < f->outputs->probe_count; i++) {
        struct sheet *s = &f->sheet[i];
        size_t width = (size_t)s->na + 1;
        memset(s->row, 0, width * sizeof *s->row);
        for (int j = s->nq; j >= 0; j--)
            for (size_t k = 0; k < width; k++)
                s->row[k] += weight[j] * s->coef[(size_t)j * width + k];
    }
    margin_row(f->margin, q, f->constant);
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* The stated errors of n points from a column on. Returns whether any of them may leave the
 * tolerance, and f->doubtful says which. */
static int bound(struct surface *f, const struct margin_probe *p, size_t from, size_t n,
                 const double *value, double *error)
{
    if (!f->margin->judges) {
        f->kernel->spread(p->stated_knot, from, n, error);
        return 0;
    }
    return f->kernel->weigh(value, round_up(n, KERNEL_KNOT), p->stated_knot + from / KERNEL_KNOT,
                            p->doubt_knot + from / KERNEL_KNOT, f->tolerance, p->least, error,
                            f->doubtful);
}

size_t surface_solve(struct surface *f, struct strip *strip, uint16_t *again)
{
    const struct outputs *o = f->outputs;
    size_t lead = strip->column % KERNEL_KNOT, from = strip->column - lead, n = lead + strip->count,
           count = 0;
    int any = 0;
    unsigned char doubtful[STRIP] = {0};
    for (size_t i = 0; i < o->probe_count; i++) {
        struct sheet *s = &f->sheet[i];
        const struct margin_probe *p = &f->margin->probe[i];
        size_t only = outputs_only_quantity(o, i);
        int straight = lead == 0 && only < o->quantity_count;
        double *value = straight ? strip->value + only * STRIP : f->value;
        double *error = straight ? strip->error + only * STRIP : f->error;
        f->kernel->evaluate(s->row, s->na, f->margin->x + from, round_up(n, 64), value);
        int some = bound(f, p, from, n, value, error);
        for (size_t k = 0; some && k < strip->count; k++)
            doubtful[k] |= f->doubtful[lead + k] != 0;
        any |= some;
        for (size_t j = 0; !straight && j < o->quantity_count; j++)
            if (o->quantity[j].probe == i)
                strip_put(strip, j, f->value + lead, f->error + lead, o->quantity[j].kind);
    }
    memset(strip->limited, 0, strip->count);
    for (size_t k = 0; any && k < strip->count; k++)
        if (doubtful[k])
            again[count++] = (uint16_t)k;
    return count;
}

/* Between the nodes doubt is linear, and a point is allowed tolerance * least at least. */
int surface_is_certain(const struct surface *f)
{
    const struct margin *m = f->margin;
    size_t rows = (size_t)m->nodes->in_q.n, columns = (size_t)m->nodes->in_a.n;
    for (size_t i = 0; i < m->probe_count; i++) {
        const struct margin_probe *p = &m->probe[i];
        double allowed = (1 - 0x1p-40) * (f->tolerance * p->least - f->constant[i]);
        for (size_t r = 0; r < rows; r++)
            for (size_t k = 0; k < columns; k++)
                if (!(p->doubt[r * NODE_STRIDE + k] <= allowed))
                    return 0;
    }
    return 1;
}
