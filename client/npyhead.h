#ifndef CLIENT_NPYHEAD_H
#define CLIENT_NPYHEAD_H

#include "err.h"
#include <stddef.h>
#include <stdint.h>

/* The head of a .npy file (format 1 to 3: https://numpy.org/doc/stable/reference/generated/
 * numpy.lib.format.html), as far as result files use it: C order, one or two dimensions. Pure. */

#define NPYHEAD_MAX                                                                                \
    8192 /* bytes that are enough to read any head of ours (it is padded to 4096)                  \
          */

struct npyhead {
    char kind; /* 'f', 'u', ... */
    size_t item_bytes;
    uint64_t shape[2]; /* one dimension: shape[1] is 1 */
    int dimensions;
    uint64_t data_offset, data_bytes;
};

/* Reads the head from the first len bytes of a file. ERR_STORAGE when it is none of ours. */
int npyhead_parse(const void *head, size_t len, struct npyhead *out, struct err *err);

#endif
