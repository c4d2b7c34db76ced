#ifndef BROKER_LOADERS_H
#define BROKER_LOADERS_H

#include "buf.h"
#include "job.h"

/* Scripts beside a job's results that read them: load.py (numpy), load.jl (Julia without packages),
 * load.wl (Wolfram Language), load.m (Octave and MATLAB). Each has three or four lines to run or to
 * copy. They rely on what npy.h promises: heads of 4096 bytes, little-endian, C order. Pure. */

#define LOADERS 4

const char *loader_name(unsigned i); /* "load.py", ... */

/* Appends the script. */
void loader_text(unsigned i, const struct job *job, struct buf *out);

#endif
