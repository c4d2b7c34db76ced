#ifndef QUEUE_TILE_TABLE_H
#define QUEUE_TILE_TABLE_H

#include "queue.h"

/* The tiles of one job: what state each is in, and which open one is the first. */

struct tile_table {
    const struct queue_config *config;
    uint32_t count;
    uint8_t *state; /* enum tile_state */
    uint32_t in_state[TILE_CUT + 1];
    uint32_t cursor; /* no tile from here on is in the heap */
    uint32_t *heap;  /* min-heap of OPEN tiles below the cursor */
    uint32_t heap_count, heap_cap;
    uint32_t *band_done; /* durable tiles of each band */
    uint32_t bands_done; /* leading bands that are durable as a whole */
    uint16_t *author;    /* the machine whose result is stored; 0, and NULL: not known */
    uint8_t *shared;     /* a bit a tile: more than one may have it in hand; NULL: none was */
};

enum tile_event {
    TILE_LEASE,   /* leased */
    TILE_RELEASE, /* no lease holds it any more */
    TILE_ARRIVE,  /* a complete result went to the sink */
    TILE_DURABLE,
    TILE_HOLD,   /* found below the frontier at a restart */
    TILE_REJECT, /* what arrived does not fit */
    TILE_KILL,   /* killed too often */
    TILE_ROT,    /* its bytes on disk are not what was stored */
    TILE_EVENTS
};

void tile_table_init(struct tile_table *t, const struct queue_config *config, uint32_t q_blocks,
                     uint32_t a_blocks);
void tile_table_fini(struct tile_table *t);
enum tile_state tile_get(const struct tile_table *t, uint32_t tile);
/* Whether the event is possible in the tile's state; tile_event asserts it. */
bool tile_can(const struct tile_table *t, uint32_t tile, enum tile_event event);
void tile_event(struct tile_table *t, uint32_t a_blocks, uint32_t tile, enum tile_event event);
uint32_t tile_author(const struct tile_table *t, uint32_t tile);
void tile_set_author(struct tile_table *t, uint32_t tile, uint32_t machine);
/* Whether more than one worker may have the tile in hand: who looks for them has to walk over all
 * leases of the job. */
bool tile_is_shared(const struct tile_table *t, uint32_t tile);
void tile_share(struct tile_table *t, uint32_t tile);
/* The lowest open tile below `limit` (it stays open); false when there is none. */
bool tile_first_open(struct tile_table *t, uint32_t limit, uint32_t *tile);

#endif
