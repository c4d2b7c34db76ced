#ifndef COMMON_FILE_H
#define COMMON_FILE_H

#include "err.h"
#include <stdbool.h>
#include <stddef.h>

/* Small files that must be whole, durable and private. */

/* Writes a file of mode 0600 that appears whole or not at all and survives a power cut. `fresh`:
 * ERR_OTHER when there is one of that name already; otherwise it is replaced. */
int file_put(const char *path, const void *data, size_t len, bool fresh, struct err *err);

#endif
