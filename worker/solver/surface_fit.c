#include "surface_fit.h"

#include <string.h>

#define DROP  0.02 /* of the tolerance: what the fit may drop */
#define ALLOW 0.5  /* of the tolerance: what a leaf may be off by in all, at all but ... */
#define FEW   0.05 /* ... this share of its nodes */

static int solve_nodes(struct soundings *s, struct lattice *l)
{
    for (size_t r = 0; r < l->rows + LATTICE_SPOT_ROWS; r++) {
        lattice_row(l, r);
        for (size_t b = 0; b < (r < l->rows ? l->blocks : 1); b++) {
            lattice_block(l, b);
            if (soundings_read(s, l, b) != 0)
                return -1;
        }
    }
    return 0;
}

static int fit_sheet(struct surface *f, const struct soundings *s, const struct lattice *l,
                     size_t i, double *work)
{
    const struct sounding *p = &s->probe[i];
    struct sheet *to = &f->sheet[i];
    struct fit fit;
    double tolerance = f->tolerance * lattice_quantile(l, p->size, FEW);
    lattice_fit(l, p->value, DROP * tolerance, work, &fit);
    to->na = fit.na;
    to->nq = fit.nq;
    memcpy(to->coef, fit.coef, (size_t)(fit.na + 1) * (size_t)(fit.nq + 1) * sizeof *to->coef);
    f->constant[i] = lattice_off(l, &fit, p->value);
    return f->constant[i] <= ALLOW * tolerance ? 0 : -1;
}

int surface_fit(struct surface *f, struct soundings *s, struct lattice *l, double *work)
{
    soundings_begin(s);
    if (solve_nodes(s, l) != 0)
        return -1;
    for (size_t i = 0; i < f->outputs->probe_count; i++)
        if (fit_sheet(f, s, l, i, work) != 0)
            return -1;
    soundings_end(s, l);
    return 0;
}
