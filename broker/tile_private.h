#ifndef BROKER_TILE_PRIVATE_H
#define BROKER_TILE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

/* Copies n bytes of a plane, whole elements of 8, 4 or 1 bytes, and returns whether all of them are
 * as usual: finite values, errors that are no NaN, statuses 1. */
bool tile_copy(unsigned char *to, const unsigned char *from, size_t n, size_t element);

#endif
