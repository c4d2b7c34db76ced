#ifndef BROKER_TILE_H
#define BROKER_TILE_H

#include "job.h"
#include "sink.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a tile's result becomes before it is stored. The planes (PROTOCOL.md, section 3) of one tile
 * or of neighbouring tiles of a band are decoded from the parts into a *band*: rows of one
 * rectangle of the grid, C order, one plane after the other.
 *
 * Workers are not believed blindly. What is stored obeys these rules, whatever came in:
 * - a status is 1 done, 2 failed, 3 overflow or 4 limited; anything else becomes 2;
 * - a point that is done or limited has finite values; one with an infinite value becomes 3, one
 * with a NaN becomes 2;
 * - a failed point is NaN in every field and every error;
 * - there is one NaN: 0x7ff8000000000000, and 0x7fc00000 for errors.
 * The CRC-32C of a tile runs over its stored planes in plane order, each in the tile's C order. */

/* Planes of a job: values, errors (absent without `errors`) and the statuses. */
unsigned tile_status_plane(const struct job *job); /* the last plane, 2 * fields */
bool tile_has_plane(const struct job *job, unsigned plane);
size_t tile_element(const struct job *job, unsigned plane); /* 8, 4 or 1 bytes */

/* Whether the parts cover each plane of the tile completely, once, and nothing else (overlaps that
 * cancel gaps are the caller's promise). -1 with ERR_OTHER; *sender (may be NULL) is then whoever
 * sent what does not fit; the result's worker where something is missing. */
int tile_fits(const struct job *job, const struct sink_result *result, uint32_t *sender,
              struct err *err);

/* Copies those rows of the result's plane that are in the rectangle `band` (it has all columns of
 * the tile) to `out`, where element (q, a) lies at
 * ((q - band.q0) * (band.a1 - band.a0) + (a - band.a0)) * element. Returns whether they are known
 * to be as usual: statuses 1, values finite, errors no NaN. */
bool tile_decode(const struct job *job, const struct sink_result *result, unsigned plane,
                 const struct job_tile *band, unsigned char *out);

/* The rules above, on n points that are not known to be as usual. Judging returns whether all is as
 * usual: statuses 1, values finite; where that is so there is nothing to clean but errors, with
 * status NULL. *changed becomes true where anything was put right, and else stays. */
bool tile_judge_statuses(uint8_t *status, size_t n, bool *changed);
bool tile_judge_values(const double *values, uint8_t *status, size_t n, bool *changed);
void tile_clean_values(double *values, const uint8_t *status, size_t n, bool *changed);
void tile_clean_errors(float *errors, const uint8_t *status, size_t n, bool *changed);

/* Goes on with a CRC through the rectangle `at` within a band of elements of this size. */
uint32_t tile_crc(uint32_t crc, const struct job_tile *at, const struct job_tile *band,
                  size_t element, const unsigned char *rows);

/* The CRC that the tile has if nothing of it is put right, from those of its parts; false: they do
 * not tell. So what was damaged on its way through this process differs from its record. */
bool tile_parts_crc(const struct job *job, const struct sink_result *result, uint32_t *crc);

/* A tile's record in tiles.crc, at tile * TILE_RECORD_BYTES: u32 magic, tile, crc of the planes,
 * points failed, overflow, limited, commit sequence (low bits), CRC-32C of the first 28 bytes. */
#define TILE_RECORD_BYTES 32
struct tile_record {
    uint32_t tile, crc, failed, overflow, limited, seq;
};
void tile_record_encode(const struct tile_record *r, unsigned char out[TILE_RECORD_BYTES]);
bool tile_record_decode(const unsigned char in[TILE_RECORD_BYTES], struct tile_record *r);

/* Adds the statuses of the rectangle `at` within a band to those that the record has counted. */
void tile_count_statuses(const struct job_tile *at, const struct job_tile *band,
                         const uint8_t *status, struct tile_record *r);

#endif
