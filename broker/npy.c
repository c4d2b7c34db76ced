/* See npy.h. */
#include "npy.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void npy_header(char out[NPY_HEADER], const char *dtype, unsigned dimensions, const uint64_t *shape)
{
    assert(dimensions == 1 || dimensions == 2);
    enum { PREFIX = 10 };
    char tuple[64], dict[160];
    if (dimensions == 1)
        snprintf(tuple, sizeof tuple, "(%" PRIu64 ",)", shape[0]);
    else
        snprintf(tuple, sizeof tuple, "(%" PRIu64 ", %" PRIu64 ")", shape[0], shape[1]);
    int len = snprintf(dict, sizeof dict, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
                       dtype, tuple);
    assert(len > 0 && (size_t)len < sizeof dict);

    memset(out, ' ', NPY_HEADER);
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)((NPY_HEADER - PREFIX) & 255);
    out[9] = (char)((NPY_HEADER - PREFIX) >> 8);
    memcpy(out + PREFIX, dict, (size_t)len);
    out[NPY_HEADER - 1] = '\n';
}
