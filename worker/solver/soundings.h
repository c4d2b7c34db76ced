#ifndef SOLVER_SOUNDINGS_H
#define SOLVER_SOUNDINGS_H

#include "lattice.h"
#include "margin.h"
#include "sweep_private.h"

/* What is found at the nodes of a leaf: at each node the solutions are carried along and back as
 * for any point (kernel.h), which gives each number that outputs ask for, its error there and its
 * conditioning kappa. Errors go to a margin (margin.h), with a factor to spare for what is between
 * the nodes. One thread's workspace. */

struct sounding {
    double *value; /* the number itself, [row][NODE_STRIDE], rows of spots too */
    double *size;  /* S of the error contract, times omega for a z' */
};

struct soundings {
    const struct sweep *sweep;
    const struct parts *fine;
    const struct kernel *kernel;
    struct margin margin;
    struct sounding *probe;
    double *state, *scale, *sum;
};

void soundings_init(struct soundings *s, const struct sweep *sweep, const struct parts *fine,
                    const struct kernel *kernel);
void soundings_fini(struct soundings *s);

/* Before and after the blocks of a leaf. */
void soundings_begin(struct soundings *s);
void soundings_end(struct soundings *s, const struct lattice *l);

/* Reads the block at hand. -1: the solution leaves a double's reach. */
int soundings_read(struct soundings *s, const struct lattice *l, size_t block);

#endif
