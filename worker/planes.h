#ifndef WORKER_PLANES_H
#define WORKER_PLANES_H

#include "wire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The answer to one piece of work as it travels (PROTOCOL.md, section 3): plane 2k the values of
 * field k, plane 2k+1 its errors, the last one the statuses; or one plane that stands for all. It
 * owns the bytes and nothing else. First the solver writes the raw arrays, then planes_code makes
 * them as short as the wire knows how, then they are read as parts, as often as need be. */

struct planes;

/* Room for `points` points of `fields` fields, not initialised; without error planes when `errors`
 * is false. solve_us is 0. Returns owned. */
struct planes *planes_create(uint32_t fields, bool errors, uint32_t points);
void planes_destroy(struct planes *p);

/* Bytes of the raw planes of that shape. */
size_t planes_raw_bytes(uint32_t fields, bool errors, uint32_t points);

/* The raw arrays, before planes_code. Borrowed until then. errors: NULL when there are none. */
double *planes_field(struct planes *p, uint32_t field);
float *planes_errors(struct planes *p, uint32_t field);
uint8_t *planes_status(struct planes *p);

/* Room to write the same tile down as leaves (common/leaf/leaves.h), which must be shorter than the
 * planes by far; none unless planes_offer_leaves was called. Borrowed until planes_code. */
struct leaves_out;
void planes_offer_leaves(struct planes *p);
struct leaves_out *planes_leaves(struct planes *p); /* NULL: points it is */

/* Codes each plane (raw, or same when all its elements have the same bits), or all of them as the
 * leaves that were written, if these are shorter, and notes the solver's CPU time. The raw arrays
 * are gone afterwards, their memory after planes_trim: a solver thread codes, the I/O thread
 * allocates and frees (pool.h says why). */
void planes_code(struct planes *p, uint32_t solve_us);
void planes_trim(struct planes *p);

size_t planes_bytes(const struct planes *p); /* held in memory, and to be sent in all */
uint32_t planes_solve_us(const struct planes *p);
uint32_t planes_points(const struct planes *p);

/* A place between the parts of coded planes; zeros are the beginning. */
struct planes_place {
    uint32_t plane, offset;
};

struct planes_part {
    uint16_t plane;
    uint8_t coding;
    uint32_t plane_bytes, offset, len;
    const unsigned char *data; /* borrowed from the planes */
};

/* The part at a place, of at most WIRE_PART_MAX and `room` bytes (a part that room cuts short is a
 * multiple of 8, not below 4096). False: everything is sent, or there is no room. */
bool planes_part(const struct planes *p, struct planes_place at, uint64_t room,
                 struct planes_part *part);
struct planes_place planes_after(const struct planes *p, const struct planes_part *part);
bool planes_all_sent(const struct planes *p, struct planes_place at);

/* All of it in one piece, for RESULTS: `data` is filled with the coded planes, codings (room for
 * 255) with those of the planes there are. False: it is longer than WIRE_WHOLE_MAX or `room`. */
bool planes_whole(const struct planes *p, uint64_t room, struct buf *data, uint8_t *codings,
                  uint8_t *count);

/* The beginning of the last plane, the shortest thing that can be sent again. */
struct planes_place planes_last(const struct planes *p);
struct planes_place planes_end(const struct planes *p); /* behind it */

#endif
