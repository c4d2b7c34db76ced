#ifndef BROKER_NPY_H
#define BROKER_NPY_H

#include <stdint.h>

/* Headers of NumPy's .npy files (format version 1.0, numpy.lib.format), padded to a page so that
 * the data that follow are aligned and a mapping of them too. */

#define NPY_HEADER 4096

/* dtype as in numpy: "<f8", "<f4", "|u1". shape: 1 or 2 dimensions, C order. */
void npy_header(char out[NPY_HEADER], const char *dtype, unsigned dimensions,
                const uint64_t *shape);

#endif
