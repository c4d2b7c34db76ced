/* One group: the orders that came while the last one was being written. Tiles are written
 * (sink_tiles.c), everything is synced and committed at once, and then told; large results in a
 * stream overlap (sink_land.c). An attempt that fails at any point is made again from the start,
 * with the data written anew, since after a failed fdatasync nobody knows what is on disk. */
#include "sink_group.h"

#include "queue.h"
#include "unfold.h"

#include <stdio.h>
#include <string.h>

#define GROUP_RESULTS 65536
#define GROUP_BYTES   (64u << 20) /* of results, and of statuses that wait for the commit */

/* --- making it durable ----------------------------------------------------------------------- */

/* All slots are settled first, then all are synced (disk.h). */
static int sync_live(struct live *l, struct err *err)
{
    unsigned status = tile_status_plane(l->spec), last = jobdir_record_slot(&l->dir);
    for (unsigned i = 0; i <= 2 * last + 1; i++) {
        unsigned slot = i % (last + 1);
        if ((i <= last ? jobdir_settle : jobdir_sync)(&l->dir, slot, err) == 0)
            continue;
        l->status_stale = l->status_stale || slot == status;
        return -1;
    }
    l->status_synced = l->status_written;
    return 0;
}

static int sync_touched(struct sink *s, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < s->live_count; i++) {
        struct live *l = s->lives[i];
        if (rc == 0 && l->touched && !l->over)
            rc = sync_live(l, err);
        l->touched = false;
    }
    return rc;
}

/* A tile's statuses as the database keeps them: NULL when all are 1, one byte when all are alike.
 */
static const void *pack_status(struct sink *s, const struct run *run, const struct job_tile *at,
                               const struct tile_record *r, size_t *bytes)
{
    if (r->failed + r->overflow + r->limited == 0)
        return NULL;
    size_t width = at->a1 - at->a0, height = at->q1 - at->q0, n = width * height;
    uint8_t *out = sink_room(&s->packed, &s->packed_bytes, n);
    const uint8_t *row = run->status + (at->a0 - run->band.a0);
    for (size_t i = 0; i < height; i++, row += run->band.a1 - run->band.a0)
        memcpy(out + i * width, row, width);
    *bytes = r->failed == n || r->overflow == n || r->limited == n ? 1 : n;
    return out;
}

static int commit_run(struct sink *s, const struct group *g, const struct run *run, struct err *err)
{
    for (size_t i = run->first; i < run->first + run->count; i++) {
        const struct entry *e = &g->entries[i];
        const struct tile_record *r = &e->record;
        if (e->fate != FATE_STORE)
            continue;
        struct job_tile at = job_tile(e->live->spec, r->tile);
        struct store_tile row = {r->tile,    r->crc, r->failed, r->overflow,
                                 r->limited, g->seq, NULL,      0};
        row.status = pack_status(s, run, &at, r, &row.status_bytes);
        if (store_tile_add(s->store, e->live->id, &row, err) != 0)
            return -1;
    }
    return 0;
}

static int commit_order(struct sink *s, const struct order *o, struct err *err)
{
    switch (o->type) {
    case ORDER_TABLE:
        return store_table(s->store, o->job, o->table, o->table_bytes, err);
    case ORDER_FRONTIER:
        return store_frontier(s->store, o->job, o->frontier, err);
    case ORDER_PRIORITY:
        return store_priority(s->store, o->job, o->priority, err);
    case ORDER_STATE:
        return store_state(s->store, o->job, o->state, o->text, err);
    default:
        return 0;
    }
}

static int commit_one(struct sink *s, const struct group *g, struct err *err)
{
    for (size_t i = 0; i < g->run_count; i++)
        if (commit_run(s, g, &g->runs[i], err) != 0)
            return -1;
    for (const struct order *o = g->orders; o; o = o->next)
        if (commit_order(s, o, err) != 0)
            return -1;
    return g->run_count > 0 ? store_set_seq(s->store, g->seq, err) : 0;
}

/* What is durable of its statuses now: what was synced with this commit counts. */
static uint64_t statuses_synced(const struct live *l)
{
    return l->status_syncing > l->status_synced ? l->status_syncing : l->status_synced;
}

static int commit_all(struct sink *s, const struct group *first, struct err *err)
{
    if (store_begin(s->store, err) != 0)
        return -1;
    for (const struct group *g = first; g; g = g->next)
        if (commit_one(s, g, err) != 0)
            return -1;
    for (size_t i = 0; i < s->live_count; i++) {
        const struct live *l = s->lives[i];
        uint64_t synced = statuses_synced(l);
        if (l->status_clean != synced && store_status_clean(s->store, l->id, synced, err) != 0)
            return -1;
    }
    return store_commit(s->store, err);
}

/* w.npy before the copy: a table that a start finds there has its file. */
static int write_drives(struct sink *s, const struct group *g, struct err *err)
{
    for (const struct order *o = g->orders; o; o = o->next) {
        struct live *l = o->type == ORDER_TABLE ? sink_live(s, o->job) : NULL;
        if (!l || l->over || l->has_table)
            continue;
        if (jobdir_drive(&l->dir, o->table, o->table_bytes, err) != 0 ||
            jobcopy_write_drive(s->disk, s->data, l->id, o->table, o->table_bytes, err) != 0)
            return -1;
        l->has_table = true;
    }
    return 0;
}

static void change_card(struct live *l, const struct order *o)
{
    if (!l || l->over)
        return;
    if (o->type == ORDER_PRIORITY) {
        l->changed = l->changed || l->card.priority != o->priority;
        l->card.priority = o->priority;
        return;
    }
    l->changed = l->changed || sink_is_at_work(l->card.state) != sink_is_at_work(o->state);
    l->card.state = o->state;
    snprintf(l->card.reason, sizeof l->card.reason, "%s", o->text);
}

/* The copies of jobs whose state or priority changes. */
static int write_copies(struct sink *s, const struct group *g, struct err *err)
{
    for (const struct order *o = g->orders; o; o = o->next)
        if (o->type == ORDER_PRIORITY || o->type == ORDER_STATE)
            change_card(sink_live(s, o->job), o);
    for (size_t i = 0; i < s->live_count; i++) {
        if (s->lives[i]->changed && sink_copy(s, s->lives[i], err) != 0)
            return -1;
        s->lives[i]->changed = false;
    }
    return 0;
}

int group_commit(struct sink *s, struct group *first, struct err *err)
{
    if (commit_all(s, first, err) == 0)
        return 0;
    store_rollback(s->store);
    return -1;
}

static int attempt(struct sink *s, struct group *g, struct err *err)
{
    for (size_t i = 0; i < s->live_count; i++) {
        if (sink_mend(s, s->lives[i], err) != 0) {
            sink_drain(s, NULL);
            return -1;
        }
    }
    g->seq = s->seq + 1;
    if (group_write_tiles(s, g, err) != 0) {
        sink_drain(s, NULL);
        return -1;
    }
    if (sink_drain(s, err) != 0 || write_drives(s, g, err) != 0 || write_copies(s, g, err) != 0 ||
        sync_touched(s, err) != 0)
        return -1;
    return group_commit(s, g, err);
}

struct patience {
    struct group *g;
    struct err failed;
};

static int group_step(struct sink *s, void *arg, struct err *err)
{
    struct patience *p = arg;
    if (p->failed.code != ERR_NONE && !sink_forget_lost(s, &p->failed)) {
        *err = p->failed;
        p->failed = (struct err){0};
        return -1;
    }
    p->failed = (struct err){0};
    do {
        if (attempt(s, p->g, err) == 0)
            return 0;
    } while (sink_forget_lost(s, err));
    return -1;
}

/* --- telling --------------------------------------------------------------------------------- */

static void tell_entry(struct sink *s, const struct entry *e)
{
    struct sink_event event = {
        .type = SINK_DURABLE,
        .job = e->result->job,
        .tile = e->result->tile,
        .worker = e->result->worker,
        .data_bytes = e->result->data_bytes,
        .points_failed = e->record.failed,
        .crc = e->record.crc,
    };
    if (e->fate == FATE_COMPARE)
        event.type = e->same ? SINK_SAME : SINK_DIFFERS;
    if (e->fate == FATE_DROP)
        event.type = SINK_DROPPED;
    if (e->live && !e->fits &&
        unfold(&e->live->expander, e->live->spec, e->result, &event.err) == 0)
        tile_fits(e->live->spec, e->result, &event.worker, &event.err);
    sink_push(s, &event);
    if (e->fate != FATE_STORE)
        return;
    if (e->live->durable)
        e->live->durable[e->result->tile] = 1;
    e->live->open_tiles--;
    e->live->points_failed += e->record.failed;
}

static void tell_order(struct sink *s, const struct order *o)
{
    struct sink_event event = {.job = o->job, .frontier = o->frontier};
    if (o->type != ORDER_TABLE && o->type != ORDER_FRONTIER)
        return;
    event.type = o->type == ORDER_TABLE ? SINK_TABLE : SINK_FRONTIER;
    sink_push(s, &event);
}

/* The statuses of what is durable now. What cannot be written is in doubt, and mended. */
static void write_statuses(struct sink *s, const struct group *g)
{
    for (size_t i = 0; i < g->run_count; i++) {
        struct run *run = &g->runs[i];
        struct live *l = g->entries[run->first].live;
        if (g->entries[run->first].fate != FATE_STORE || l->over || l->status_stale)
            continue;
        if (run_write_statuses(s, l, run, NULL) != 0)
            l->status_stale = true;
        else
            l->status_written = g->seq;
    }
}

static int mend_step(struct sink *s, void *arg, struct err *err)
{
    (void)arg;
    for (size_t i = 0; i < s->live_count; i++)
        if (sink_is_to_mend(s->lives[i]) && s->under_way)
            sink_land(s, true); /* a commit has the store */
    for (size_t i = 0; i < s->live_count; i++) {
        if (sink_mend(s, s->lives[i], err) == 0)
            continue;
        sink_land(s, true); /* the writer may be at files that are closed now */
        return sink_forget_lost(s, err) ? mend_step(s, arg, err) : -1;
    }
    return 0;
}

void sink_mend_all(struct sink *s)
{
    bool any = false;
    for (size_t i = 0; i < s->live_count; i++)
        any |= sink_is_to_mend(s->lives[i]);
    if (!any)
        return;
    sink_persist(s, mend_step, NULL);
    sink_tell(s);
}

void group_succeed(struct sink *s, struct group *g)
{
    if (g->run_count > 0)
        s->seq = g->seq;
    for (size_t i = 0; i < s->live_count; i++)
        s->lives[i]->status_clean = s->lives[i]->status_synced;
    for (size_t i = 0; i < g->entry_count; i++)
        tell_entry(s, &g->entries[i]);
    for (const struct order *o = g->orders; o; o = o->next)
        tell_order(s, o);
    sink_tell(s);
    write_statuses(s, g);
    group_close(g);
}

void group_carry_out(struct sink *s, struct group *g, struct err *failed)
{
    struct patience p = {g, *failed};
    *failed = (struct err){0};
    if (sink_persist(s, group_step, &p))
        group_succeed(s, g);
    else
        group_close(g);
}

/* --- a group --------------------------------------------------------------------------------- */

static size_t weight(const struct sink *s, const struct order *o)
{
    const struct live *l = o->type == ORDER_RESULT ? sink_live(s, o->job) : NULL;
    size_t sum = 0;
    for (const struct sink_result *r = l ? o->results : NULL; r; r = r->next) {
        if (r->tile >= job_tile_count(l->spec))
            continue;
        size_t n = job_tile_points(l->spec, r->tile), bytes = sink_result_bytes(r);
        sum += n > bytes ? n : bytes;
    }
    return sum;
}

/* Cuts the orders off that make one group; returns the rest. */
static struct order *cut(const struct sink *s, struct order *orders)
{
    size_t count = 0, bytes = 0;
    struct order *last = NULL;
    for (struct order *o = orders; o && o->type < ORDER_SUBMIT; last = o, o = o->next) {
        bytes += weight(s, o);
        count += o->result_count + 1;
        if (last && (count > GROUP_RESULTS || bytes > GROUP_BYTES))
            break;
    }
    struct order *rest = last->next;
    last->next = NULL;
    return rest;
}

static void set_gather(struct sink *s, size_t bytes, int64_t took_ms)
{
    enum { STREAM_BYTES = 1 << 20, GATHER_MS_MAX = 20 };
    if (bytes < STREAM_BYTES)
        took_ms = 0;
    s->gather_ms = (int)(took_ms < GATHER_MS_MAX ? took_ms : GATHER_MS_MAX);
}

static size_t result_bytes(const struct group *g)
{
    size_t bytes = 0;
    for (size_t i = 0; i < g->entry_count; i++)
        bytes += g->entries[i].result->data_bytes;
    return bytes;
}

struct order *sink_group(struct sink *s, struct order *orders)
{
    struct err failed = {0};
    struct order *rest = cut(s, orders);
    int64_t start_ms = sink_now_ms();
    struct group *g = group_open(s, orders);
    size_t bytes = result_bytes(g);
    bool stream = group_is_stream(s, g) && sink_writer(s);
    if (!stream || !group_launch(s, g, &failed)) {
        if (stream)
            sink_land_again(s, &failed);
        else
            sink_land(s, true);
        group_carry_out(s, g, &failed);
    }
    set_gather(s, bytes, s->under_way ? 0 : sink_now_ms() - start_ms);
    sink_mend_all(s);
    sink_bound_files(s);
    return rest;
}
