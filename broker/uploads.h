#ifndef BROKER_UPLOADS_H
#define BROKER_UPLOADS_H

#include "err.h"
#include "wire.h"

/* Documents and drive tables that arrive in parts of at most WIRE_PART_MAX bytes, in any order,
 * perhaps repeatedly. Bounded: UPLOADS_MAX sets at a time, WIRE_BLOB_MAX bytes each; a set that
 * gets no part for 30 s is dropped. When a new one needs room, the oldest set of the user who has
 * the most makes it (the new one's own user counts it already): nobody is kept out by one who
 * begins many. */

#define UPLOADS_MAX    16
#define UPLOADS_AGE_MS 30000

struct uploads;

struct uploads *uploads_create(void);
void uploads_destroy(struct uploads *u);

/* Adds a part to the set `key` of a user; -1 when it cannot belong to it. *complete tells that all
 * bytes are there. */
int uploads_add(struct uploads *u, int64_t now_ms, uint32_t user, uint64_t key, uint32_t total,
                uint32_t offset, struct wire_span data, bool *complete, struct err *err);

/* The bytes of a complete set (borrowed until the next call on u), or NULL. */
const void *uploads_get(const struct uploads *u, uint64_t key, size_t *len);
void uploads_remove(struct uploads *u, uint64_t key);
void uploads_expire(struct uploads *u, int64_t now_ms);

#endif
