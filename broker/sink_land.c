/* Groups under way. A group of large results that come in a stream is not waited for. All of it is
 * put to the writer, then its sync; the next groups are put there meanwhile. When the sync has
 * ended, the group is committed and told (it *lands*), and all that have been put since, however
 * many, are synced and committed together next. So there is always something to do for the disk,
 * and a sync covers as much as has come while the one before took its time.
 *
 * After a failure of any of it nobody knows what is on the disk of all that was put and not
 * committed: it is carried out again from the start, as any group that fails is, one after the
 * other. */
#include "sink_group.h"

#include "buf.h"

#include <stdlib.h>

static void hear_writer(void *sink)
{
    struct sink *s = sink;
    pthread_mutex_lock(&s->mutex);
    s->writer_news = true;
    pthread_mutex_unlock(&s->mutex);
    pthread_cond_signal(&s->cond);
}

struct writer *sink_writer(struct sink *s)
{
    if (!s->writer)
        s->writer = writer_create(s->disk, hear_writer, s, NULL); /* without one it goes, too */
    return s->writer;
}

/* --- whether --------------------------------------------------------------------------------- */

static bool has(const struct group *g, const struct sink_result *r)
{
    for (; g; g = g->next)
        if (group_has(g, r->job, r->tile))
            return true;
    return false;
}

static bool is_new(const struct sink *s, const struct group *g, size_t i)
{
    const struct entry *e = &g->entries[i];
    const struct live *l = e->live;
    if (!e->fits || !l || l->over || l->dir.lost || l->recut || l->durable[e->result->tile])
        return false;
    if (i > 0 && e->result->job == e[-1].result->job && e->result->tile == e[-1].result->tile)
        return false;
    return !has(s->under_way, e->result) && !has(s->ahead, e->result);
}

bool group_is_stream(const struct sink *s, const struct group *g)
{
    size_t bytes = 0;
    for (const struct order *o = g->orders; o; o = o->next) {
        if (o->type != ORDER_RESULT && o->type != ORDER_FRONTIER)
            return false;
        bytes += o->result_bytes;
    }
    if (bytes < s->long_bytes || s->stalled || s->given_up)
        return false;
    for (size_t i = 0; i < s->live_count; i++)
        if (sink_is_to_mend(s->lives[i]))
            return false;
    for (size_t i = 0; i < g->entry_count; i++)
        if (!is_new(s, g, i))
            return false;
    return true;
}

/* --- on its way ------------------------------------------------------------------------------ */

/* In a thread of the writer, while lots are made: the store is its own until the sink's thread has
 * heard of the end. */
static int commit(void *sink)
{
    struct sink *s = sink;
    s->commit_err = (struct err){0};
    s->committed = group_commit(s, s->under_way, &s->commit_err) == 0;
    return s->committed ? 0 : -1;
}

static void put_sync(struct sink *s)
{
    for (const struct group *g = s->under_way; g; g = g->next)
        for (size_t i = 0; i < g->run_count; i++)
            g->entries[g->runs[i].first].live->touched = true;
    int *fds = NULL;
    size_t count = 0;
    for (size_t i = 0; i < s->live_count; i++) {
        struct live *l = s->lives[i];
        unsigned slots = jobdir_record_slot(&l->dir) + 1;
        if (!l->touched)
            continue;
        fds = mem_resize(fds, count + slots, sizeof *fds);
        for (unsigned slot = 0; slot < slots; slot++)
            if (l->dir.fds[slot] >= 0)
                fds[count++] = l->dir.fds[slot];
        if (!l->status_stale)
            l->status_syncing = l->status_written;
        l->touched = false;
    }
    s->committed = false;
    writer_sync(s->writer, fds, count, commit, s);
    free(fds);
}

static struct group **last_of(struct group **list)
{
    while (*list)
        list = &(*list)->next;
    return list;
}

static uint64_t last_seq(const struct sink *s)
{
    const struct group *g = s->ahead ? s->ahead : s->under_way;
    while (g && g->next)
        g = g->next;
    return g ? g->seq : s->seq;
}

static void go_ahead(struct sink *s)
{
    s->under_way = s->ahead;
    s->ahead = NULL;
    if (s->under_way)
        put_sync(s);
}

bool group_launch(struct sink *s, struct group *g, struct err *err)
{
    g->seq = last_seq(s) + 1;
    if (group_write_tiles(s, g, err) != 0 || sink_land_try(s, false, err) != 0)
        return false;
    *last_of(&s->ahead) = g;
    if (!s->under_way)
        go_ahead(s);
    return true;
}

/* --- and there ------------------------------------------------------------------------------- */

/* Those that were put and not synced. */
static void doubt_statuses(struct sink *s)
{
    for (size_t i = 0; i < s->live_count; i++) {
        struct live *l = s->lives[i];
        l->status_stale = l->status_stale || l->status_written != l->status_synced;
    }
}

int sink_drain(struct sink *s, struct err *err)
{
    struct writer_failure f;
    if (!s->writer || writer_wait(s->writer, &f) == 0)
        return 0;
    doubt_statuses(s);
    if (f.of == WRITER_THEN) {
        if (err)
            *err = s->commit_err;
        return -1;
    }
    err_set(err, ERR_STORAGE, "cannot write results: %s", disk_words(f.error));
    for (size_t i = 0; i < s->live_count; i++)
        if (jobdir_blame(&s->lives[i]->dir, f.fd, f.of == WRITER_SYNC ? "sync" : "write", f.error,
                         err))
            break;
    return -1;
}

static void note_synced(struct sink *s)
{
    for (size_t i = 0; i < s->live_count; i++) {
        struct live *l = s->lives[i];
        if (l->status_syncing > l->status_synced)
            l->status_synced = l->status_syncing;
    }
}

static void tell(struct sink *s)
{
    while (s->under_way) {
        struct group *g = s->under_way;
        s->under_way = g->next;
        group_succeed(s, g);
    }
}

static void land(struct sink *s)
{
    note_synced(s);
    tell(s);
    go_ahead(s);
}

int sink_land_try(struct sink *s, bool wait, struct err *err)
{
    do {
        enum writer_state state =
            s->writer ? writer_hear(s->writer, wait && s->under_way) : WRITER_IDLE;
        if (state == WRITER_FAILED)
            return sink_drain(s, err);
        if (state == WRITER_SYNCED)
            land(s);
    } while (wait && s->under_way);
    return 0;
}

/* What was committed before something else failed is not written again: it would be in doubt while
 * the database calls it durable. */
void sink_land_again(struct sink *s, struct err *err)
{
    struct group *g, *next;
    sink_drain(s, NULL);
    if (s->under_way && s->committed)
        note_synced(s);
    for (size_t i = 0; i < s->live_count; i++) {
        struct live *l = s->lives[i];
        l->touched = false;
        l->status_syncing = 0;
    }
    doubt_statuses(s);
    if (s->committed)
        tell(s);
    g = s->under_way;
    *last_of(&g) = s->ahead;
    s->under_way = s->ahead = NULL;
    for (; g; g = next) {
        next = g->next;
        g->next = NULL;
        group_carry_out(s, g, err);
    }
}

void sink_land(struct sink *s, bool wait)
{
    bool failed;
    do { /* what has landed has statuses, which are put to the writer then */
        struct err err = {0};
        failed = (s->under_way && sink_land_try(s, wait, &err) != 0) ||
                 (wait && sink_drain(s, &err) != 0);
        if (failed)
            sink_land_again(s, &err);
    } while (failed && wait);
}
