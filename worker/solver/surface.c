#include "surface.h"

#include "buf.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DROP  0.02 /* of the tolerance: what the fit may drop */
#define ALLOW 0.5  /* of the tolerance: what a leaf may be off by in all, at all but ... */
#define FEW   0.05 /* ... this share of its nodes */

/* One number that outputs ask for. */
struct sheet {
    struct fit fit;
    double *coef;              /* the fit's, kept */
    double row[CHEBYSHEV_MAX]; /* powers of x, at the row's q */
};

struct surface {
    const struct sweep *sweep;
    const struct kernel *kernel;
    struct margin *margin;
    struct sheet *sheet;   /* by probe */
    double *constant;      /* by probe: what the fit dropped and rounded */
    double *work;          /* LATTICE_WORK */
    double *value, *error; /* [MARGIN_PAD] */
    int64_t *doubtful;
};

struct surface *surface_create(const struct sweep *s, const struct kernel *kernel,
                               struct margin *margin)
{
    struct surface *f = mem_alloc(1, sizeof *f);
    size_t probes = s->outputs.probe_count;
    f->sweep = s;
    f->kernel = kernel;
    f->margin = margin;
    f->sheet = mem_alloc(probes + 1, sizeof *f->sheet);
    f->constant = mem_alloc(probes + 1, sizeof *f->constant);
    for (size_t i = 0; i < probes; i++)
        f->sheet[i].coef = lanes_array(CHEBYSHEV_MAX * CHEBYSHEV_MAX);
    f->work = lanes_array(LATTICE_WORK);
    f->value = lanes_array(MARGIN_PAD);
    f->error = lanes_array(MARGIN_PAD);
    f->doubtful = (int64_t *)(void *)lanes_array(MARGIN_PAD);
    return f;
}

void surface_destroy(struct surface *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->sweep->outputs.probe_count; i++)
        free(f->sheet[i].coef);
    free(f->sheet);
    free(f->constant);
    free(f->work);
    free(f->value);
    free(f->error);
    free(f->doubtful);
    free(f);
}

static int solve_nodes(struct surface *f, struct lattice *l)
{
    for (size_t r = 0; r < l->rows + LATTICE_SPOT_ROWS; r++) {
        lattice_row(l, r);
        for (size_t b = 0; b < (r < l->rows ? l->blocks : 1); b++) {
            lattice_block(l, b);
            if (margin_read(f->margin, l, b) != 0)
                return -1;
        }
    }
    return 0;
}

static int fit_sheet(struct surface *f, const struct lattice *l, size_t i)
{
    const struct margin_probe *p = &f->margin->probe[i];
    struct sheet *s = &f->sheet[i];
    double tolerance = f->sweep->tolerance * lattice_quantile(l, p->size, FEW);
    lattice_fit(l, p->value, DROP * tolerance, f->work, &s->fit);
    size_t count = (size_t)(s->fit.na + 1) * (size_t)(s->fit.nq + 1);
    memcpy(s->coef, s->fit.coef, count * sizeof *s->coef);
    s->fit.coef = s->coef;
    f->constant[i] = lattice_off(l, &s->fit, p->value);
    return f->constant[i] <= ALLOW * tolerance ? 0 : -1;
}

int surface_fit(struct surface *f, struct lattice *l)
{
    margin_begin(f->margin, l);
    if (solve_nodes(f, l) != 0)
        return -1;
    for (size_t i = 0; i < f->sweep->outputs.probe_count; i++)
        if (fit_sheet(f, l, i) != 0)
            return -1;
    margin_end(f->margin);
    return 0;
}

void surface_row(struct surface *f, double q)
{
    const struct lattice *l = f->margin->lattice;
    double y = l->q_half > 0 ? (q - l->q_middle) / l->q_half : 0, weight[CHEBYSHEV_MAX];
    chebyshev_values(y, l->in_q.n, weight);
    for (size_t i = 0; i < f->sweep->outputs.probe_count; i++) {
        struct sheet *s = &f->sheet[i];
        size_t width = (size_t)s->fit.na + 1;
        memset(s->row, 0, width * sizeof *s->row);
        for (int j = s->fit.nq; j >= 0; j--)
            for (size_t k = 0; k < width; k++)
                s->row[k] += weight[j] * s->coef[(size_t)j * width + k];
    }
    margin_row(f->margin, q, f->constant);
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

size_t surface_solve(struct surface *f, struct strip *strip, uint16_t *again)
{
    const struct outputs *o = &f->sweep->outputs;
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
        f->kernel->evaluate(s->row, s->fit.na, f->margin->x + from, round_up(n, 64), value);
        int some = f->kernel->weigh(
            value, round_up(n, KERNEL_KNOT), p->stated_knot + from / KERNEL_KNOT,
            p->doubt_knot + from / KERNEL_KNOT, f->sweep->tolerance, p->least, error, f->doubtful);
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
