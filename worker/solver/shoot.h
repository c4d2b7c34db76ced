#ifndef SOLVER_SHOOT_H
#define SOLVER_SHOOT_H

#include "parts.h"

/* Shooting at eigenvalues: the propagator of a stretch of time at one (a, q), its derivative by a,
 * and how often both fundamental solutions have turned, which tells for certain on which side of an
 * eigenvalue a lies (Pruefer's angle; Coddington and Levinson, Theory of Ordinary Differential
 * Equations, chapter 8). For equations with v >= 0: then the angle rises with a. One workspace for
 * one thread. */

struct shoot;

/* The propagator over [from, to] for all a and q of g, with every digit there is. loss: the
 * integral of the damping, so that det M = e^-loss. */
int shoot_create(const struct drive *d, const struct grid *g, double from, double to, double loss,
                 struct shoot **out, struct err *err);
void shoot_destroy(struct shoot *s);

void shoot_row(struct shoot *s, double q); /* the q of what follows */

/* z1, z2 start as (1, 0) and (0, 1) in (z, p = z' / omega). All numbers are those of a matrix of
 * determinant 1 times `unit`: of M e^(loss / 2), times a power of two so that none overflows (unit
 * itself may become 0). */
enum { Z1, Z2, P1, P2 };
struct shot {
    double a, unit;
    double m[4], d[4]; /* z1, z2, p1, p2 at the end, and their derivatives by a */
    /* The angle theta of each solution, tan theta = z / p, in quarter turns rounded down: z1 begins
     * at 1, z2 at 0. An even number is passed where z = 0, an odd one where p = 0. */
    int64_t turns[2];
};
void shoot_at(struct shoot *s, double a, struct shot *out);

/* Bounds of the errors of the last shot's m. */
void shoot_errors(const struct shoot *s, double error[4]);

/* The entry that vanishes where z1 or z2 (which = 0 or 1) has turned by so many quarter turns. */
static inline int shot_entry(int which, int64_t turns)
{
    return turns % 2 == 0 ? which : which + 2;
}

/* The derivative of z1's or z2's angle by a. */
double shot_slope(const struct shot *s, int which);

/* How many parts a shot goes through. */
size_t shoot_parts(const struct shoot *s);

#endif
