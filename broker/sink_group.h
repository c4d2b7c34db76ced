#ifndef BROKER_SINK_GROUP_H
#define BROKER_SINK_GROUP_H

#include "sink_private.h"

/* A group of orders on its way to one commit, and the tiles in it: which are stored, which only
 * compared, and which are neighbours. */

enum fate { FATE_STORE, FATE_COMPARE, FATE_DROP };

struct entry { /* one result */
    struct sink_result *result;
    struct live *live; /* NULL: no such job */
    size_t arrival;
    enum fate fate;
    bool fits, same;
    struct tile_record record;
};

struct run { /* entries of neighbouring tiles of one band, or one to compare */
    size_t first, count;
    struct job_tile band;
    uint8_t *status;
};

struct group {
    struct order *orders;
    struct entry *entries;
    size_t entry_count;
    struct run *runs;
    size_t run_count, run_room;
    uint64_t seq;
};

/* sink_tiles.c */
void group_open(struct group *g, struct sink *s, struct order *orders);
void group_close(struct group *g); /* frees the orders too */
/* Decides what becomes of each result and writes what is to be stored (all but statuses and
 * commit). May be called again, from the start. */
int group_write_tiles(struct sink *s, struct group *g, struct err *err);

#endif
