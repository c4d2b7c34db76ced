#ifndef SOLVER_PHASE_KERNEL_H
#define SOLVER_PHASE_KERNEL_H

#include "gauss.h"
#include "kernel.h"

/* One stretch of time for up to 32 values of a with one q: its propagator by phase and amplitude
 * where K = u + a v + q w is large and of one sign, by a Taylor series where the stretch is short,
 * or the answer that it must be cut. Compiled once per instruction set (phase_kernel.c);
 * elementwise + - * / sqrt in a fixed order, sine, cosine and exponential included: a lane's bits
 * are the same in all of them.
 *
 * With G = psi^2 = K - T, T = G''/(4G) - (5/16)(G'/G)^2, the functions psi^(-1/2) cos phi and
 * psi^(-1/2) sin phi, phi' = psi, solve z'' + K z = 0 exactly (Kummer's equation; the real form of
 * Riccati's defect correction, Agocs & Barnett, arXiv:2212.06924). G is found by iteration from G =
 * K: each round gains the square of the number of oscillations per length over which K changes, so
 * that what is left is below any tolerance where K changes slowly, and the cost does not grow with
 * K. For K < 0 the same holds with |K|, + T, cosh and sinh.
 *
 * T is differentiated numerically, on the 16 Gauss points of the stretch; K itself is a polynomial
 * there. The phase is summed in two doubles: K from its exact sums, sqrt(G) with its residual,
 * Gauss's weights in full, so that of the phase's own size nothing is lost but what w has lost
 * before. */

#define PHASE_NODES  GAUSS_MAX
#define PHASE_POINTS (PHASE_NODES + 2) /* the Gauss points, the beginning, the end */

/* Constants that depend on nothing. */
struct phase_tables {
    double weight[PHASE_NODES][4]; /* high, low; halves of the high one, for exact products */
    /* Derivatives of the interpolant at point i and at its mirror image, from the even and the odd
     * part of its values: even +- odd; row 8 has the ends. First and second. */
    double even[2][9][8], odd[2][9][8];
    double last[8], last_but_one[8]; /* Legendre coefficients 15 (odd part), 14 (even part) */
};
void phase_tables_init(struct phase_tables *t, const struct gauss *g);

/* P_k(x) and its first two derivatives, k < 16. */
void phase_legendre(double x, double *p, double *first, double *second);

/* What all lanes share. Functions of time are given as those of a = 0 and of what a multiplies (v);
 * q is in them. */
struct phase_stretch {
    double h, h_low; /* its length, in two doubles */
    /* u + q w with its rounding, first and second derivative, at the points */
    double k[PHASE_POINTS], k_low[PHASE_POINTS], k1[PHASE_POINTS], k2[PHASE_POINTS];
    int has_v; /* v is not 1 throughout */
    double v[PHASE_POINTS], v1[PHASE_POINTS], v2[PHASE_POINTS];
    /* -h^2/4 times the Taylor coefficients about the middle, in half lengths: [k][of a] */
    double taylor[GAUSS_MAX][2];
    int terms; /* of them */
    /* [1]: per |a|. Mean |K - its polynomial|, what the polynomial's slope is off by at the ends,
     * jumps of derivatives within (0 to 3), what rounding the values of w, u, v may amount to, and
     * the errors of the curves times h. */
    double off[2], bend[2], jump[4][2], noise[2], drive[2];
    int whole; /* off and jumps are 0 */
    /* Damping d: z = exp(-integral of d / 2) zeta, u has it. */
    int has_damping;
    double drag, drag_exponent; /* that exponential: drag 2^drag_exponent, */
    double drag_noise;          /* what of it is rounding, in units of 2^-53, */
    double d[2];                /* and d at the ends */
    double damping_error;       /* times h */
};

/* The same for lanes that are each on a stretch of its own, within one atom; nothing is off. */
#define PHASE_BLOCK 8
struct phase_block {
    _Alignas(64) double h[PHASE_BLOCK];
    double h_low[PHASE_BLOCK];
    double k[PHASE_POINTS][PHASE_BLOCK], k_low[PHASE_POINTS][PHASE_BLOCK];
    double k1[PHASE_POINTS][PHASE_BLOCK], k2[PHASE_POINTS][PHASE_BLOCK];
    double v[PHASE_POINTS][PHASE_BLOCK], v1[PHASE_POINTS][PHASE_BLOCK];
    double v2[PHASE_POINTS][PHASE_BLOCK];
    double taylor[GAUSS_MAX][2][PHASE_BLOCK];
    double off[2][PHASE_BLOCK], bend[2][PHASE_BLOCK], jump[4][2][PHASE_BLOCK],
        noise[2][PHASE_BLOCK];
    double drive[2][PHASE_BLOCK], d[2][PHASE_BLOCK];
    double drag[PHASE_BLOCK], drag_exponent[PHASE_BLOCK], drag_noise[PHASE_BLOCK];
    double damping_error[PHASE_BLOCK];
    int terms, has_v, has_damping, whole;
};

/* A propagator of (z, z'): matrix times 2^exponent. Errors are those of its entries in units in
 * which they are moderate, (z s, z' / s) with s at the beginning and at the end. */
enum phase_entry {
    PHASE_ZZ,
    PHASE_ZP,
    PHASE_PZ,
    PHASE_PP,
    PHASE_EXPONENT,
    PHASE_METHOD,
    PHASE_ROUNDING,
    PHASE_DRIVE,
    PHASE_BEFORE, /* s */
    PHASE_AFTER,
    PHASE_ENTRIES
};

struct phase_kernel {
    /* Fills out[entry][32] of those lanes whose method error stays within the target and says so:
     * solved[32] is 0, 1 (by phase) or 2 (by Taylor series). `force`: nothing may be refused. */
    void (*solve)(const struct phase_tables *t, const struct phase_stretch *s, size_t lanes,
                  const double *a, double target, int force, double (*out)[LANES], int64_t *solved);
    /* The same for up to PHASE_BLOCK lanes. */
    void (*solve_each)(const struct phase_tables *t, const struct phase_block *b, size_t lanes,
                       const double *a, double target, int force, double (*out)[LANES],
                       int64_t *solved);
};

/* What comes home of a number per lane: times 2^exponent. Before: row is (1, 0) or (0, 1), exponent
 * 0; after: what it is at the first time. */
struct phase_arrival {
    _Alignas(64) double row[3][LANES];
    double value[LANES], other[LANES], exponent[LANES]; /* the component asked for, and the other */
    double last[LANES];                                 /* stretches before it */
    double method[LANES], rounding[LANES], drive[LANES], kappa[LANES];
};

/* From the first time to the last and back (phase_pass.c). */
struct phase_pass {
    /* state[n + 1] = [z, z', exponent] after stretch n, from state[0]. */
    void (*forwards)(size_t count, const double (*entry)[PHASE_ENTRIES][LANES], size_t lanes,
                     double (*state)[3][LANES]);
    /* From the end to the beginning with a row vector. An error of a stretch arrives as |row after
     * it| . |state before it| times what it is, in the units above: where the solution oscillates
     * that product is constant in time. kappa: the largest |row| . |state|, entry by entry. */
    void (*backwards)(size_t count, const double (*entry)[PHASE_ENTRIES][LANES],
                      const double (*state)[3][LANES], size_t lanes, struct phase_arrival *r);
};

const struct phase_pass *phase_pass_of(const struct kernel *k);
/* Functions of time in an atom, each a Legendre series over a segment (phase_each.c). */
enum phase_curve { PHASE_W, PHASE_U, PHASE_V, PHASE_CURVES };

struct phase_piece {
    const double *coef; /* n of them; 0: the function is 0 */
    int n;
    double t0, t1, error;
};

struct phase_atom {
    int has[PHASE_CURVES], has_damping;
    struct phase_piece curve[PHASE_CURVES], damping;
    const struct gauss *gauss;
    const double (*legendre)[GAUSS_MAX][PHASE_POINTS]; /* see struct phase */
    const double (*powers)[GAUSS_MAX];
    const double *rise, *fall; /* of Clenshaw's recurrence */
    double a_most, q_most;
};

#define PHASE_LEAST 1e-20 /* Taylor coefficients below this do not matter */

struct phase_each {
    /* Stretches [t0, t1] of a block of lanes. */
    void (*fill)(const struct phase_atom *p, double q, const double *t0, const double *t1,
                 struct phase_block *b);
};

const struct phase_each *phase_each_of(const struct kernel *k);
const struct phase_kernel *phase_kernel_of(const struct kernel *k);

#endif
