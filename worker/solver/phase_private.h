#ifndef SOLVER_PHASE_PRIVATE_H
#define SOLVER_PHASE_PRIVATE_H

#include "phase.h"
#include "phase_kernel.h"

/* Between phase.c (the stretches of a job), phase_sample.c (functions of time on a stretch),
 * phase_walk.c (lanes on their way) and phase_read.c (what is read off at the output times). */

/* Functions of time on a stretch. u has the damping d: u - d^2/4 - d'/2. */
struct phase_sample {
    double t0, t1;
    double value[PHASE_CURVES][3][PHASE_POINTS]; /* with two derivatives */
    double taylor[PHASE_CURVES][GAUSS_MAX];      /* about the middle, in half lengths */
    int terms;
    double off[PHASE_CURVES], bend[PHASE_CURVES],
        jump[PHASE_CURVES][4];                       /* see struct phase_stretch */
    double bound[PHASE_CURVES], error[PHASE_CURVES]; /* mean errors */
    double d[2], d_mean, d_error;
    int whole;
};

/* The tree of stretches: spans of atoms, between whose ends all curves are polynomials; atoms;
 * pieces of atoms, as many as a first look at the grid found a use for. */
struct phase_span {
    double t0, t1;
    size_t first, last;          /* atoms [first, last), of which it may be a piece */
    size_t child[2];             /* PHASE_NONE: not in the tree */
    int depth;                   /* halvings of an atom */
    int skip;                    /* nobody gets through */
    size_t tried, passed;        /* in the first look */
    struct phase_sample *sample; /* NULL: to be made when it is needed, or, of several atoms, none:
                                    no polynomial comes near the curves */
};

#define PHASE_NONE   SIZE_MAX
#define PHASE_PIECES 3000 /* spans, beyond which samples are not kept */

struct phase {
    const struct sweep *sweep;
    const struct drive *drive;
    double a_most, q_most;
    int has[PHASE_CURVES], has_damping;
    struct gauss gauss;
    struct phase_tables tables;
    double legendre[3][GAUSS_MAX][PHASE_POINTS]; /* P_k and its derivatives at the points */
    double powers[GAUSS_MAX][GAUSS_MAX];         /* [k][i]: what P_k has of x^i */
    double *atom;                                /* where they begin, and where the last one ends */
    size_t atom_count;
    struct phase_span *span;
    size_t span_count, span_cap;
    size_t *root; /* a span for each record */
    double point_ns;
    double stretches; /* the mean of a point */
};

/* Fills s for [t0, t1] within one atom. */
void phase_sample_atom(const struct phase *p, double t0, double t1, struct phase_sample *s);

/* For the atoms [first, last): the polynomials that are nearest in the mean. Returns whether they
 * are near enough to be of use. */
int phase_sample_span(const struct phase *p, size_t first, size_t last, struct phase_sample *s);

/* What the points of a row see of it. */
void phase_row(const struct phase *p, const struct phase_sample *s, double q,
               struct phase_stretch *out);

/* The stretches that 32 lanes have crossed. */
struct phase_pack {
    double (*entry)[PHASE_ENTRIES][LANES]; /* [n], lane k has count[k] of them */
    size_t cap, count[LANES], most;        /* most: of the counts */
    size_t *record;                        /* [record][32]: stretches before it */
};

#define PHASE_PACKS (STRIP / LANES)

/* All points of a strip go together, so that a stretch that few of them need is looked at once. */
struct phase_work {
    const struct phase *p;
    const struct phase_kernel *kernel;
    const struct phase_pass *pass;
    const struct phase_each *each;
    double q, target;
    size_t lanes;
    double *a; /* [STRIP] */
    struct phase_pack pack[PHASE_PACKS];
    double (
        *state)[3][LANES]; /* z, z' and exponent of a pack before each stretch, and at the end */
    size_t state_cap;
    struct phase_apart *apart;     /* one for each lane of a strip */
    double phases, leaves, visits; /* of lanes; visits are stretches that were tried */
    double limit;                  /* of visits: the walk is broken off */
    struct phase *look;            /* p, in its first look; else NULL */
    struct phase_sample sample;    /* room, one stretch at a time */
};

/* Crosses all stretches for the lanes' a. */
void phase_walk(struct phase_work *w);

/* The next entry of a lane: column i of what the kernel gave. */
void phase_append(struct phase_work *w, size_t lane, double (*out)[LANES], size_t i, int64_t how);

/* What is left of an atom for a lane that goes its own way: the stretch [t0, t1], then those that
 * end at end[count - 1], ..., end[0]. */
#define PHASE_DEPTH 64 /* halvings of an atom; what is left then is a few ulps of time */
struct phase_apart {
    double t0, end[PHASE_DEPTH + 2];
    uint8_t depth[PHASE_DEPTH + 2];
    int count;
};

/* Lanes that are to cross [t0, t1] of an atom in stretches of their own, each a piece of it that
 * came of so many halvings (phase_apart.c). The numbers are those of going together. */
void phase_cross_apart(struct phase_work *w, double t0, double t1, int depth, const uint16_t *lane,
                       size_t n);

/* The curves on the atom that holds t. */
void phase_atom_at(const struct phase *p, double t, struct phase_atom *out);

/* A first look at the grid: pieces of atoms that are needed enter the tree, what nobody gets
 * through is skipped from now on. Returns the mean time of a point (phase_point_ns). */
double phase_look(struct phase *p);

/* A new span; returns its index. */
size_t phase_add_span(struct phase *p, const struct phase_span *span);

/* What the method may be off in a stretch. */
double phase_target(const struct phase *p, int level);

#endif
