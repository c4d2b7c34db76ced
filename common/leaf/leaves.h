#ifndef LEAF_LEAVES_H
#define LEAF_LEAVES_H

#include "err.h"
#include "floquet.h"
#include "surface.h"
#include <stdbool.h>

/* A tile as the polynomials that it was solved by, instead of its points: a few kilobytes for any
 * number of points. Whoever expands it (expander.h) gets the bits that the solver got.
 *
 * Little-endian, without padding. f64 and f32 are IEEE-754. Leaves cover the tile, each point once;
 * exceptions are points that were solved by themselves. */

/* clang-format off
 *
 *   u32 magic "HSL1", u16 leaves, u8 flags, u8 0, u32 exceptions
 *   flag 2 only: f64 damping, damping_error, u_bound, v_bound, w_bound, u_uneven, v_uneven, w_uneven
 *                (struct floquet_facts; all finite and, but for the damping, not negative)
 *   leaves x:
 *       u16 q0, q1, a0, a1 (rows and columns of the tile, ends excluded)
 *       u8 na, nq (degrees of the nodes, below 64)
 *       for each number that the outputs ask for, in the order of outputs.h:
 *           u8 na, nq (not above those of the nodes)
 *           f64 x (nq + 1)(na + 1): of T_j(y) x^i
 *           flag 1 only: f64 constant, f64 x (nodes nq + 1)(nodes na + 1): eighth root of the error
 *   exceptions x: u32 point (increasing, in the tile's C order)
 *   each field, exceptions x: f64 value
 *   each field, if the job has errors, exceptions x: f32 error
 *   exceptions x: u8 status
 *
 * clang-format on */

enum {
    LEAVES_ERRORS = 1, /* errors are asked for, or something is derived from them */
    LEAVES_FACTS = 2,  /* something is derived from the monodromy matrix, ... */
    LEAVES_HALF = 4,   /* ... of which half a period was solved */
    LEAVES_DAMPED = 8,
};

#define LEAVES_MAGIC      0x314c5348u
#define LEAVES_HEAD_BYTES 12

/* What a leaf may cost to expand: terms of its polynomials that are summed up for a row, for each
 * point of the row and number. More is not sent and is not taken. */
#define LEAVES_TERMS 64

/* An index block of a tile, in its own rows and columns. */
struct leaves_block {
    size_t q0, q1, a0, a1;
};

/* Whether a leaf of these degrees is worth expanding: no more nodes than points, not too many terms
 * for a row. */
bool leaves_fit(const struct leaves_block *b, int na, int nq);

/* --- writing --------------------------------------------------------------------------------- */

/* Writes into memory of fixed size: solver threads allocate nothing that others free. */
struct leaves_out {
    unsigned char *data; /* borrowed, [room] */
    size_t room, len;    /* len 0: it did not fit, or cannot be said in leaves */
    size_t leaves;
    bool suffice; /* the caller's wish: where leaves say it, points need not be solved as well */
    bool alone;   /* not all of them were */
};

/* errors: whether the job asks for them. facts: NULL when nothing is derived. */
void leaves_begin(struct leaves_out *out, const struct outputs *o, bool errors,
                  const struct floquet_facts *facts);

/* A leaf that is a surface, as it was filled. */
void leaves_add(struct leaves_out *out, const struct leaves_block *b, const struct surface *f);

/* Some leaf is none: the tile has to be sent as points. */
void leaves_give_up(struct leaves_out *out);

/* The exceptions, by their places in the tile, increasing; their numbers are taken from the arrays
 * of the whole tile (errors may be NULL). */
void leaves_end(struct leaves_out *out, const uint32_t *point, size_t count, size_t fields,
                double *const *field, float *const *errors, const uint8_t *status);

#endif
