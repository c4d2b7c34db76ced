/* status.npy: written after the commit of its tiles, synced by the next group, and noted in the
 * database as durable after that; what is in doubt is written again from the rows of the tiles. */
#include "sink_private.h"

#include "buf.h"

#include <string.h>

uint8_t *sink_statuses(struct sink *s, const struct live *l, const struct store_tile *tile)
{
    size_t points = job_tile_points(l->spec, tile->tile);
    uint8_t *rows = sink_room(&s->scratch, &s->scratch_bytes, points);
    if (tile->status && tile->status_bytes == points)
        memcpy(rows, tile->status, points);
    else
        memset(rows, tile->status ? *(const uint8_t *)tile->status : 1, points);
    return rows;
}

struct mending {
    struct sink *s;
    struct live *l;
    struct err *err;
};

static int mend_tile(void *arg, const struct store_tile *tile)
{
    struct mending *m = arg;
    if (tile->seq <= m->l->status_synced)
        return 0;
    uint8_t *rows = sink_statuses(m->s, m->l, tile);
    struct job_tile at = job_tile(m->l->spec, tile->tile);
    return jobdir_write(&m->l->dir, tile_status_plane(m->l->spec), &at, rows, m->err);
}

int sink_mend(struct sink *s, struct live *l, struct err *err)
{
    struct mending m = {s, l, err};
    if (!sink_is_to_mend(l))
        return 0;
    if (store_tiles(s->store, l->id, l->status_synced, mend_tile, &m, err) != 0)
        return -1;
    l->status_written = s->seq;
    l->status_stale = false;
    return 0;
}

int sink_rest_one(struct sink *s, struct live *l, struct err *err)
{
    if (sink_mend(s, l, err) != 0)
        return -1;
    if (jobdir_sync(&l->dir, tile_status_plane(l->spec), err) != 0) {
        l->status_stale = true;
        return -1;
    }
    l->status_synced = l->status_written;
    jobdir_close_files(&l->dir);
    return 0;
}

int sink_rest(struct sink *s, struct err *err)
{
    bool any = false;
    for (size_t i = 0; i < s->live_count; i++) {
        struct live *l = s->lives[i];
        if (l->over || l->status_clean == l->status_written)
            continue;
        if (sink_rest_one(s, l, err) != 0)
            return -1;
        any = true;
    }
    if (!any)
        return 0;
    if (store_begin(s->store, err) != 0)
        return -1;
    for (size_t i = 0; i < s->live_count; i++) {
        const struct live *l = s->lives[i];
        if (l->status_clean != l->status_synced &&
            store_status_clean(s->store, l->id, l->status_synced, err) != 0)
            goto undo;
    }
    if (store_commit(s->store, err) != 0)
        goto undo;
    for (size_t i = 0; i < s->live_count; i++)
        s->lives[i]->status_clean = s->lives[i]->status_synced;
    return 0;
undo:
    store_rollback(s->store);
    return -1;
}
