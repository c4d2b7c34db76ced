/* Tiles that are computed again on another machine, to find machines whose numbers are wrong.
 *
 * One durable tile in verify_one_in is drawn (by a hash that workers cannot foresee). The second
 * machine's bytes are compared with what is stored. Two results that differ do not say whose is
 * wrong: a third machine decides. The one that stands alone is set aside, everything else that it
 * has computed is drawn, and a stored tile that was its own is computed anew. All of this is in
 * memory: a restart forgets it. */
#include "queue_private.h"

#include <stdlib.h>
#include <string.h>

enum { TRIES_MAX = 20 };

/* A tile that came in pieces: some of its points kill. */
static bool may_kill(const struct job_entry *j, uint32_t tile)
{
    const struct hurt *h = hurt_find(j, tile);
    return h && h->piece_count > 0;
}

static struct recheck *find(const struct job_entry *j, uint32_t tile)
{
    for (size_t i = 0; i < j->recheck_count; i++)
        if (j->rechecks[i].tile == tile)
            return &j->rechecks[i];
    return NULL;
}

static void list_join(struct queue *q, struct job_entry *j)
{
    j->recheck_next = NULL;
    j->recheck_prev = q->recheck_last;
    *(q->recheck_last ? &q->recheck_last->recheck_next : &q->recheck_first) = j;
    q->recheck_last = j;
}

static void list_leave(struct queue *q, struct job_entry *j)
{
    *(j->recheck_prev ? &j->recheck_prev->recheck_next : &q->recheck_first) = j->recheck_next;
    *(j->recheck_next ? &j->recheck_next->recheck_prev : &q->recheck_last) = j->recheck_prev;
}

static struct recheck *add(struct queue *q, struct job_entry *j, uint32_t tile)
{
    struct recheck *r = find(j, tile);
    if (r)
        return r;
    if (j->recheck_count == 0)
        list_join(q, j);
    j->rechecks = mem_resize(j->rechecks, j->recheck_count + 1, sizeof *j->rechecks);
    r = &j->rechecks[j->recheck_count++];
    *r = (struct recheck){.tile = tile, .author = tile_author(&j->tiles, tile)};
    q->rechecks_open++;
    dispatch_appeared(q);
    return r;
}

static void remove_one(struct queue *q, struct job_entry *j, struct recheck *r)
{
    q->rechecks_open -= r->worker == 0;
    *r = j->rechecks[--j->recheck_count];
    if (j->recheck_count == 0)
        list_leave(q, j);
}

void recheck_forget(struct queue *q, struct job_entry *j)
{
    while (j->recheck_count > 0)
        remove_one(q, j, &j->rechecks[0]);
    free(j->rechecks);
    j->rechecks = NULL;
}

void recheck_forget_tile(struct queue *q, struct job_entry *j, uint32_t tile)
{
    struct recheck *r = find(j, tile);
    if (r)
        remove_one(q, j, r);
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 33) * 0xff51afd7ed558ccdu;
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53u;
    return x ^ x >> 33;
}

void recheck_draw(struct queue *q, struct job_entry *j, uint32_t tile)
{
    uint32_t one_in = q->config.verify_one_in, author = tile_author(&j->tiles, tile);
    bool drawn =
        one_in > 0 && author > 0 && mix(q->salt ^ (uint64_t)j->id << 32 ^ tile) % one_in == 0;
    if (j->state == JOB_FAILED || j->state == JOB_CANCELLED || may_kill(j, tile))
        return;
    if (drawn || machine_aside_ms(q, author) > 0)
        add(q, j, tile);
}

/* --- handing out ----------------------------------------------------------------------------- */

static bool may_check(const struct worker *w, const struct recheck *r)
{
    return r->worker == 0 && w->machine != 0 && w->machine != r->author && w->machine != r->second;
}

static struct recheck *wanted(const struct queue *q, const struct worker *w, struct job_entry **job)
{
    for (struct job_entry *j = q->recheck_first; j; j = j->recheck_next) {
        if (!(job_is_live(j) || j->state == JOB_FINISHING || j->state == JOB_DONE) ||
            !worker_can_work(w, j->id))
            continue;
        for (size_t k = 0; k < j->recheck_count; k++) {
            if (!may_check(w, &j->rechecks[k]))
                continue;
            *job = j;
            return &j->rechecks[k];
        }
    }
    return NULL;
}

bool recheck_give(struct queue *q, struct worker *w)
{
    struct job_entry *j;
    struct recheck *r = q->rechecks_open > 0 && q->machine_count > 1 ? wanted(q, w, &j) : NULL;
    if (!r)
        return false;
    r->worker = w->number;
    q->rechecks_open--;
    lease_verify(q, w, j, r->tile);
    return true;
}

void recheck_release(struct queue *q, struct job_entry *j, uint32_t tile, uint32_t worker)
{
    struct recheck *r = find(j, tile);
    if (!r || r->worker != worker)
        return;
    r->worker = 0;
    q->rechecks_open++;
    dispatch_appeared(q);
    if (++r->tries == TRIES_MAX)
        remove_one(q, j, r);
}

/* --- judging --------------------------------------------------------------------------------- */

/* All that the machine has computed here is drawn. */
static void suspect(struct queue *q, uint32_t machine)
{
    for (size_t i = 0; i < q->job_count; i++) {
        struct job_entry *j = q->jobs[i];
        if (j->state == JOB_FAILED || j->state == JOB_CANCELLED || !j->tiles.author)
            continue;
        for (uint32_t t = 0; t < j->tiles.count; t++)
            if (tile_author(&j->tiles, t) == machine && tile_get(&j->tiles, t) == TILE_DONE &&
                !may_kill(j, t))
                add(q, j, t);
    }
}

static void convict(struct queue *q, struct job_entry *j, uint32_t tile, uint32_t guilty,
                    uint32_t one, uint32_t other)
{
    if (machine_aside_ms(q, guilty) == 0)
        machine_set_aside(q, guilty,
                          "job %u tile %u: its bytes are not those of %s and %s, which agree",
                          j->id, tile, machine_name(q, one), machine_name(q, other));
    suspect(q, guilty);
}

static void compare_third(struct queue *q, struct job_entry *j, struct recheck *r,
                          const struct worker *w, bool same, uint32_t crc)
{
    struct recheck was = *r;
    remove_one(q, j, r);
    if (same) {
        convict(q, j, was.tile, was.second, was.author, w->machine);
    } else if (crc == was.crc) {
        convict(q, j, was.tile, was.author, was.second, w->machine);
        struct queue_action *a = action_add(q, ACTION_DISTRUST);
        a->job = j->id;
        a->tile = was.tile;
    } else {
        action_alarm(q, "job %u tile %u: %s, %s and %s computed three different results", j->id,
                     was.tile, machine_name(q, was.author), machine_name(q, was.second),
                     machine_name(q, w->machine));
    }
}

void recheck_compared(struct queue *q, struct job_entry *j, uint32_t tile, const struct worker *w,
                      bool same, uint32_t crc)
{
    struct recheck *r = find(j, tile);
    if (r && r->worker == w->number) {
        r->worker = 0;
        q->rechecks_open++;
        dispatch_appeared(q);
    } else if (r && (!may_check(w, r) || same)) {
        return; /* a straggler of the same machine, or one that adds nothing */
    }
    if (!same)
        action_alarm(
            q, "job %u tile %u: worker %u (%s) computed other bytes than are stored, by %s", j->id,
            tile, w->number, w->host, machine_name(q, tile_author(&j->tiles, tile)));
    if (j->state == JOB_FAILED || j->state == JOB_CANCELLED) {
        return; /* nobody will read it */
    } else if (r && r->second) {
        compare_third(q, j, r, w, same, crc);
    } else if (same) {
        if (r)
            remove_one(q, j, r);
    } else {
        r = add(q, j, tile);
        r->second = w->machine;
        r->crc = crc;
    }
}
