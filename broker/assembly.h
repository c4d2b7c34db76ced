#ifndef BROKER_ASSEMBLY_H
#define BROKER_ASSEMBLY_H

#include "sink.h"
#include "wire.h"
#include <zmq.h>

/* Parts of results on their way to whole tiles. A part is kept as the message it came in (moved,
 * not copied); answers of a few bytes that travel together are copied. What is built under one
 * lease token never mixes with what another worker sends for the same tile. The caller has checked
 * the token; this module checks sizes, order and checksums.
 */

struct assembly;

/* What a tile's result must look like. */
struct assembly_shape {
    uint32_t tile_points;
    uint16_t fields;
    bool errors;
};

struct assembly *assembly_create(void);
void assembly_destroy(struct assembly *a);

enum assembly_added {
    ASSEMBLY_MORE,     /* kept */
    ASSEMBLY_AGAIN,    /* a repetition, or what follows a gap: dropped */
    ASSEMBLY_COMPLETE, /* *out is the whole result, returned owned */
    ASSEMBLY_BAD,      /* malformed: err says why; the part is dropped */
};

/* Adds the part m (decoded from frame, which is moved away when the part is kept). */
enum assembly_added assembly_add(struct assembly *a, uint32_t worker, const struct wire_msg *m,
                                 zmq_msg_t *frame, const struct assembly_shape *shape,
                                 struct sink_result **out, struct err *err);

/* An answer of RESULTS (its bytes are copied): the whole result, returned owned, or NULL with err
 * when it is malformed. */
struct sink_result *assembly_whole(struct assembly *a, uint32_t worker, uint32_t job,
                                   const struct wire_whole *whole,
                                   const struct assembly_shape *shape, struct err *err);

/* Drops what is incomplete of one worker: all, or what `wanted` does not want any more (result: one
 * tile or piece under a token). Returns the bytes of data dropped. */
void assembly_forget_worker(struct assembly *a, uint32_t worker);
typedef bool assembly_wanted_fn(void *arg, const struct wire_holding *result);
uint64_t assembly_sweep(struct assembly *a, uint32_t worker, assembly_wanted_fn *wanted, void *arg);

/* Complete pieces of tiles that were cut wait here (taken) until they cover their tile. */
void assembly_keep_piece(struct assembly *a, struct sink_result *piece);
#define ASSEMBLY_ALL_TILES UINT32_MAX
void assembly_forget_pieces(struct assembly *a, uint32_t job, uint32_t tile);

/* All kept pieces of the tile as one result, with the `failed` points (ascending indices in the
 * tile) added as NaN with status 2. Its worker is 0 (each part has its own), and so are its
 * data_bytes: no window waits for it. Returned owned. */
struct sink_result *assembly_join(struct assembly *a, uint32_t job, uint32_t tile,
                                  const struct assembly_shape *shape, const uint32_t *failed,
                                  size_t failed_count);

#endif
