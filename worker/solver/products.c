#include "products.h"

#include "buf.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DROP  4e-3 /* of the tolerance and of the propagator: what a fit may drop */
#define ALLOW 0.3  /* of the same: what it may be off by, at all but ... */
#define FEW   0.1  /* ... this share of the nodes */

#define BALANCE_LEAST 0x1p-20

/* Fits of the four entries of a stretch, and what each is off by. */
struct fitted {
    struct fit fit[4];
    double off[4], noise[4], least;
};

struct products {
    const struct parts *fine;
    const struct kernel *kernel;
    size_t record_count;
    double tolerance;
    struct soundings *soundings;
    struct parts parts;
    /* [stretch][entry][row][NODE_STRIDE]; the fifth entry is the norm */
    double *value;
    size_t value_cap;
    double *product, *work;
    double *no_constant;   /* by probe */
    struct fitted *fitted; /* [stretch] */
};

#define ENTRY (NODE_ROWS * NODE_STRIDE)

struct products *products_create(const struct sweep *s, const struct kernel *kernel,
                                 struct soundings *soundings)
{
    struct products *p = mem_alloc(1, sizeof *p);
    p->fine = soundings->fine;
    p->kernel = kernel;
    p->soundings = soundings;
    p->record_count = s->outputs.record_count;
    p->tolerance = s->tolerance;
    p->product = lanes_array(4 * LANES);
    p->work = lanes_array(LATTICE_WORK);
    p->no_constant = mem_alloc(s->outputs.probe_count + 1, sizeof(double));
    p->parts.chebyshev = 1;
    p->parts.part = mem_alloc(LEAF_STRETCHES_MAX, sizeof *p->parts.part);
    p->fitted = mem_alloc(LEAF_STRETCHES_MAX, sizeof *p->fitted);
    /* Errors of the nodes are the soundings'. */
    p->parts.cross = mem_alloc(LEAF_STRETCHES_MAX + 1, sizeof(double));
    p->parts.node = mem_alloc(LEAF_STRETCHES_MAX + 1, sizeof(double));
    p->parts.node_q = mem_alloc(LEAF_STRETCHES_MAX + 1, sizeof(double));
    p->parts.record = mem_alloc(p->record_count + 1, sizeof *p->parts.record);
    return p;
}

void products_destroy(struct products *p)
{
    if (p == NULL)
        return;
    free(p->parts.part);
    free(p->parts.cross);
    free(p->parts.node);
    free(p->parts.node_q);
    free(p->parts.record);
    free(p->parts.coef);
    free(p->value);
    free(p->product);
    free(p->work);
    free(p->no_constant);
    free(p->fitted);
    free(p);
}

const struct parts *products_parts(const struct products *p)
{
    return &p->parts;
}

void products_row(struct products *p, double q)
{
    margin_row(&p->soundings->margin, q, p->no_constant);
}

/* Stretch s at the nodes of the block at hand. */
static int read_nodes(struct products *p, const struct lattice *l, size_t s, size_t b)
{
    const struct leaf *leaf = l->leaf;
    double *to = p->value + s * 5 * ENTRY + l->r * NODE_STRIDE + b * LANES;
    p->kernel->multiply(l->matrix, leaf->cut[s], leaf->cut[s + 1], p->product);
    for (size_t k = 0; k < l->lanes; k++) {
        double norm = 0;
        for (size_t e = 0; e < 4; e++) {
            to[e * ENTRY + k] = p->product[e * LANES + k];
            norm = fmax(norm, fabs(p->product[e * LANES + k]));
        }
        to[4 * ENTRY + k] = norm;
        if (!isfinite(norm))
            return -1;
    }
    return 0;
}

static int solve_nodes(struct products *p, struct lattice *l)
{
    for (size_t r = 0; r < l->rows + LATTICE_SPOT_ROWS; r++) {
        lattice_row(l, r);
        for (size_t b = 0; b < (r < l->rows ? l->blocks : 1); b++) {
            lattice_block(l, b);
            if (soundings_read(p->soundings, l, b) != 0)
                return -1;
            for (size_t s = 0; s < l->leaf->stretches; s++)
                if (read_nodes(p, l, s, b) != 0)
                    return -1;
        }
    }
    return 0;
}

/* The values at the nodes are no longer needed then: their room takes the coefficients. */
static void fit_stretch(struct products *p, const struct lattice *l, size_t s)
{
    struct fitted *f = &p->fitted[s];
    f->least = p->tolerance * lattice_quantile(l, p->value + (s * 5 + 4) * ENTRY, FEW);
    for (size_t e = 0; e < 4; e++) {
        double *value = p->value + (s * 5 + e) * ENTRY;
        struct fit *fit = &f->fit[e];
        lattice_fit(l, value, DROP * f->least, p->work, fit);
        f->off[e] = lattice_off(l, fit, value);
        f->noise[e] = fit_noise(fit);
        memcpy(value, fit->coef, (size_t)(fit->na + 1) * (size_t)(fit->nq + 1) * sizeof *fit->coef);
        fit->coef = value;
    }
}

/* A power of two by which p = z' / omega is to be divided, so that an error of a leaf's propagators
 * counts alike whether it is of z by p or of p by z: what the whole grid's omega is may be far from
 * how fast solutions turn over on the leaf. */
static double balance(const struct products *p)
{
    double z_by_p = 0, p_by_z = 0, ratio = 1;
    for (size_t s = 0; s < p->parts.count; s++) {
        z_by_p += p->fitted[s].off[1];
        p_by_z += p->fitted[s].off[2];
    }
    while (z_by_p * ratio > 2 * p_by_z / ratio && ratio > BALANCE_LEAST)
        ratio *= 0.5;
    while (p_by_z / ratio > 2 * z_by_p * ratio && ratio < 1 / BALANCE_LEAST)
        ratio *= 2;
    return ratio;
}

/* The four fits of a stretch, whose degrees differ, become one part. */
static void pack(struct products *p, struct part *part, const struct fitted *f,
                 const double scale[4])
{
    part->na = part->nq = 0;
    for (int e = 0; e < 4; e++) {
        part->na = f->fit[e].na > part->na ? f->fit[e].na : part->na;
        part->nq = f->fit[e].nq > part->nq ? f->fit[e].nq : part->nq;
    }
    double *out = parts_room(&p->parts, part);
    for (int e = 0; e < 4; e++) {
        const struct fit *fit = &f->fit[e];
        for (int j = 0; j <= fit->nq; j++)
            for (int i = 0; i <= fit->na; i++)
                out[(size_t)j * part->width + 4 * (size_t)i + (size_t)e] =
                    fit->coef[j * (fit->na + 1) + i] * scale[e];
    }
}

/* -1: it is off by too much. */
static int take_stretch(struct products *p, const struct leaf *leaf, size_t s, double ratio)
{
    const struct fitted *f = &p->fitted[s];
    const double scale[4] = {1, ratio, 1 / ratio, 1};
    struct part *part = &p->parts.part[s];
    double off = 0, noise = 0;
    for (int e = 0; e < 4; e++) {
        off = fmax(off, f->off[e] * scale[e]);
        noise = fmax(noise, f->noise[e] * scale[e]);
    }
    part->t0 = p->fine->part[leaf->cut[s]].t0;
    part->t1 = p->fine->part[leaf->cut[s + 1] - 1].t1;
    pack(p, part, f, scale);
    /* Roundings of different stretches cancel for a part. */
    double share = fmax(0.35, fmin(1, 1.2 / sqrt((double)leaf->stretches)));
    p->parts.cross[s] = off > noise ? off : share * off;
    return off <= ALLOW * f->least ? 0 : -1;
}

/* The nodes of the stretches at the output times, and how often states are rescaled. */
static void lay_stretches(struct products *p, const struct leaf *leaf)
{
    size_t s = 0, longest = 1;
    for (size_t k = 0; k < leaf->stretches; k++)
        longest =
            leaf->cut[k + 1] - leaf->cut[k] > longest ? leaf->cut[k + 1] - leaf->cut[k] : longest;
    p->parts.every = p->fine->every / longest > 1 ? p->fine->every / longest : 1;
    for (size_t r = 0; r < p->record_count; r++) {
        while (leaf->cut[s] < p->fine->record[r])
            s++;
        p->parts.record[r] = s;
    }
}

int products_fit(struct products *p, struct lattice *l)
{
    const struct leaf *leaf = l->leaf;
    struct parts *parts = &p->parts;
    if (leaf->stretches * 5 * ENTRY > p->value_cap) {
        p->value_cap = leaf->stretches * 5 * ENTRY;
        free(p->value);
        p->value = lanes_array(p->value_cap);
    }
    parts->count = leaf->stretches;
    parts->coef_count = parts->row_count = 0;
    parts->a0 = l->nodes.a_middle;
    parts->q0 = l->nodes.q_middle;
    parts->a_inverse = l->nodes.a_half > 0 ? 1 / l->nodes.a_half : 0;
    parts->q_inverse = l->nodes.q_half > 0 ? 1 / l->nodes.q_half : 0;
    lay_stretches(p, leaf);
    soundings_begin(p->soundings);
    if (solve_nodes(p, l) != 0)
        return -1;
    for (size_t s = 0; s < leaf->stretches; s++)
        fit_stretch(p, l, s);
    double ratio = balance(p);
    parts->omega = p->fine->omega * ratio;
    parts->rate = p->fine->rate;
    for (size_t s = 0; s < leaf->stretches; s++)
        if (take_stretch(p, leaf, s, ratio) != 0)
            return -1;
    soundings_end(p->soundings, l);
    return 0;
}
