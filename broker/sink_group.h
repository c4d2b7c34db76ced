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
    uint8_t *status, *memory; /* in which they are; owned */
    bool by_writer;           /* put to the writer, since it is long */
};

struct group {
    struct group *next; /* of those that are committed together, in the order of seq */
    struct order *orders;
    struct entry *entries;
    size_t entry_count;
    struct run *runs;
    size_t run_count, run_room;
    uint64_t seq;
};

/* sink_tiles.c */
struct group *group_open(struct sink *s, struct order *orders);     /* takes the orders */
bool group_has(const struct group *g, uint32_t job, uint32_t tile); /* a result of that tile */
void group_close(struct group *g);
/* Decides what becomes of each result and writes what is to be stored (all but statuses and
 * commit). May be called again, from the start. */
int group_write_tiles(struct sink *s, struct group *g, struct err *err);

/* sink_group.c */
/* These groups, all of whose files are synced, as one commit. */
int group_commit(struct sink *s, struct group *first, struct err *err);
void group_succeed(struct sink *s, struct group *g); /* tells; frees g */
/* Carries it out from the start, waits for it, tells and frees it. failed: what it has failed with
 * already, told first; cleared; code 0: it has not. */
void group_carry_out(struct sink *s, struct group *g, struct err *failed);

/* sink_land.c */
struct writer *sink_writer(struct sink *s); /* made when it is needed; NULL: there is none */
/* Whether it may be left under way: large new results and nothing else. */
bool group_is_stream(const struct sink *s, const struct group *g);
/* Puts it to the writer; it is under way then, or is when what is there already has landed. False:
 * something has failed, of it or of those; all are to be carried out again. */
bool group_launch(struct sink *s, struct group *g, struct err *err);
/* Waits for all that was put to the writer; -1: some of it failed. */
int sink_drain(struct sink *s, struct err *err);
/* What is under way lands if it is synced, or all when it is (wait). -1: that failed, or something
 * else that was put to the writer. */
int sink_land_try(struct sink *s, bool wait, struct err *err);
/* After that: what is under way is carried out again, having failed with *err, which is cleared if
 * there is anything. */
void sink_land_again(struct sink *s, struct err *err);

/* sink_run.c */
enum run_end {
    RUN_FAILED, /* err */
    RUN_WRITTEN,
    RUN_UNFIT, /* what came as leaves does not fit its tile: the group is to be planned again */
};
/* Decodes, judges and checksums a run, and writes it if it is to be stored; long ones by the
 * writer, to which they have been put when this returns. Whatever comes of the group under way is
 * carried out in between (sink_land). */
enum run_end run_write(struct sink *s, struct group *g, struct run *run, struct err *err);
/* Its statuses, after the commit. */
int run_write_statuses(struct sink *s, struct live *l, struct run *run, struct err *err);

#endif
