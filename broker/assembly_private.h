#ifndef BROKER_ASSEMBLY_PRIVATE_H
#define BROKER_ASSEMBLY_PRIVATE_H

#include "assembly.h"

/* Between assembly.c and assembly_whole.c. */

enum { ASSEMBLY_BUCKETS = 4096, ASSEMBLY_PLANES_MAX = 2 * JOB_OUTPUTS_MAX + 2 };

struct assembly {
    struct pending *buckets[ASSEMBLY_BUCKETS];
    struct pending **of_worker; /* [number]: the first of its results in the making */
    uint32_t workers;
    struct sink_result **pieces;
    size_t piece_count;
    struct slab *slab; /* that answers which came whole are put into */
};

/* Bytes of an element of a plane; planes that a result of this shape has; bytes of all of them,
 * raw. */
size_t assembly_element(uint16_t plane, uint16_t fields);
uint32_t assembly_planes(const struct assembly_shape *shape);
size_t assembly_raw_bytes(const struct assembly_shape *shape);

void assembly_slab_drop(struct slab *slab); /* one holder less; NULL is fine */

#endif
