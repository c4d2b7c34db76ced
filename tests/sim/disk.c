/* The disk, in place of the sink: orders are gathered into groups, a group becomes durable as a
 * whole some time after it was begun, and the broker is told a little later. A crash loses what was
 * not committed and what was not told. Tiles are judged by their content. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum disk_type {
    D_RESULT,
    D_TABLE,
    D_FRONTIER,
    D_STATE,
    D_PRIORITY,
    D_SUBMIT,
    D_FINISH,
    D_DELETE,
    D_DISTRUST
};

struct disk_order {
    struct disk_order *next;
    enum disk_type type;
    uint32_t job, frontier;
    int state;
    int32_t priority;
    char reason[256];
    struct sink_result *result;
    struct buf table;
};

/* workers.c hands results and tables to the sink without knowing whose it is. */
static struct sim *of(struct sink *sink)
{
    return (struct sim *)(void *)sink;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 33) * 0xff51afd7ed558ccdu;
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53u;
    return x ^ x >> 33;
}

static double value_of(uint32_t job, uint32_t tile, uint32_t point, uint32_t field)
{
    uint64_t h = mix(((uint64_t)job << 40) ^ ((uint64_t)tile << 16) ^ (point << 4) ^ field);
    return 1 + (double)(h >> 12) / 4503599627370496.0;
}

void disk_truth(const struct sim_job *j, uint32_t tile, unsigned char *bytes, size_t *len)
{
    uint32_t n = (uint32_t)job_tile_points(&j->shape, tile);
    size_t at = 0;
    for (uint32_t f = 0; f < j->shape.output_count; f++) {
        for (uint32_t p = 0; p < n; p++, at += sizeof(double)) {
            double v = value_of(j->id, tile, p, f);
            memcpy(bytes + at, &v, sizeof v);
        }
        for (uint32_t p = 0; j->shape.errors && p < n; p++, at += sizeof(float)) {
            float e = f == 0 ? (float)value_of(j->id, tile, p, 9) : 1e-9f;
            memcpy(bytes + at, &e, sizeof e);
        }
    }
    memset(bytes + at, 1, n);
    *len = at + n;
}

/* --- orders ---------------------------------------------------------------------------------- */

static struct disk_order *order_new(struct sim *s, enum disk_type type, uint32_t job)
{
    struct disk_order *o = mem_alloc(1, sizeof *o);
    o->type = type;
    o->job = job;
    if (!s->disk.first)
        s->disk.end = &s->disk.first;
    *s->disk.end = o;
    s->disk.end = &o->next;
    return o;
}

static void begin(struct sim *s)
{
    struct sim_disk *d = &s->disk;
    if (d->group || !d->first)
        return;
    d->group = d->first;
    d->first = NULL;
    int64_t took = dice_between(s, 1, s->knobs.group_ms);
    if (!s->calm && s->now_ms < d->slow_until_ms)
        took += dice_between(s, 500, 3000);
    sim_at(s, s->now_ms + took, EV_COMMIT, s->house.boots, 0);
}

void sink_store(struct sink *sink, struct sink_result *result)
{
    struct sim *s = of(sink);
    judge_store(s, result, s->disk.jobs[result->job].tile[result->tile].durable);
    order_new(s, D_RESULT, result->job)->result = result;
    begin(s);
}

void sink_table(struct sink *sink, uint32_t job, const void *table, size_t bytes)
{
    struct sim *s = of(sink);
    buf_add(&order_new(s, D_TABLE, job)->table, table, bytes);
    begin(s);
}

void sink_distrust(struct sink *sink, uint32_t job, uint32_t tile)
{
    struct sim *s = of(sink);
    order_new(s, D_DISTRUST, job)->frontier = tile;
    begin(s);
}

void disk_submit(struct sim *s, uint32_t job)
{
    order_new(s, D_SUBMIT, job)->priority = s->jobs[job].priority;
    begin(s);
}

void disk_frontier(struct sim *s, uint32_t job, uint32_t frontier)
{
    order_new(s, D_FRONTIER, job)->frontier = frontier;
    begin(s);
}

void disk_state(struct sim *s, uint32_t job, int state, const char *reason)
{
    struct disk_order *o = order_new(s, D_STATE, job);
    o->state = state;
    snprintf(o->reason, sizeof o->reason, "%s", reason);
    begin(s);
}

void disk_priority(struct sim *s, uint32_t job, int32_t priority)
{
    order_new(s, D_PRIORITY, job)->priority = priority;
    begin(s);
}

void disk_finish(struct sim *s, uint32_t job)
{
    order_new(s, D_FINISH, job);
    begin(s);
}

void disk_delete(struct sim *s, uint32_t job)
{
    order_new(s, D_DELETE, job);
    begin(s);
}

static void orders_free(struct disk_order *o)
{
    for (struct disk_order *next; o; o = next) {
        next = o->next;
        if (o->result)
            o->result->release(o->result);
        buf_fini(&o->table);
        free(o);
    }
}

/* --- what becomes durable -------------------------------------------------------------------- */

static void say(struct sim *s, const struct sink_event *e)
{
    struct sim_disk *d = &s->disk;
    if (d->event_count == 1024) {
        sim_fail(s, "the sink's events are not read");
        return;
    }
    if (d->event_count == 0)
        sim_at(s, s->now_ms + dice_between(s, 0, 2), EV_DISK_SAYS, s->house.boots, 0);
    d->events[d->event_count++] = *e;
}

/* A plane's place in the tile's bytes. */
static size_t plane_start(const struct sim_job *j, uint32_t n, unsigned plane)
{
    size_t at = 0;
    for (unsigned k = 0; k < plane; k++)
        if (k % 2 == 0 || j->shape.errors)
            at += n * (k % 2 ? sizeof(float) : sizeof(double));
    return at;
}

static void lay_out(const struct sim_job *j, const struct sink_result *r, unsigned char *bytes)
{
    uint32_t n = (uint32_t)job_tile_points(&j->shape, r->tile);
    for (size_t i = 0; i < r->part_count; i++) {
        const struct sink_part *p = &r->parts[i];
        size_t element = p->plane == 2 * j->shape.output_count ? 1
                         : p->plane % 2                        ? sizeof(float)
                                                               : sizeof(double);
        unsigned char *to = bytes + plane_start(j, n, p->plane) + p->first * element;
        if (p->coding == WIRE_RAW) {
            memcpy(to + p->offset, p->data, p->len);
            continue;
        }
        for (uint32_t k = 0; k < p->count; k++)
            memcpy(to + k * element, p->data, element);
    }
}

/* What is stored of a tile: its content, how many points failed, whether all others are right. */
static struct disk_tile weigh(const struct sim_job *j, const struct sink_result *r)
{
    unsigned char bytes[SIM_TILE_BYTES] = {0}, truth[SIM_TILE_BYTES];
    size_t len;
    uint32_t n = (uint32_t)job_tile_points(&j->shape, r->tile);
    disk_truth(j, r->tile, truth, &len);
    lay_out(j, r, bytes);
    struct disk_tile t = {.durable = true, .right = true};
    for (uint32_t p = 0; p < n; p++)
        t.failed += bytes[len - n + p] == 2;
    for (unsigned plane = 0; plane <= 2 * j->shape.output_count; plane++) {
        size_t at = plane_start(j, n, plane), element = plane % 2 ? sizeof(float) : sizeof(double);
        if (plane % 2 && !j->shape.errors)
            continue;
        if (plane == 2 * j->shape.output_count)
            element = 1;
        for (uint32_t p = 0; p < n; p++) {
            if (bytes[len - n + p] == 2)
                continue;
            t.right =
                t.right && memcmp(bytes + at + p * element, truth + at + p * element, element) == 0;
        }
    }
    for (size_t i = 0; i < len; i++)
        t.content = mix(t.content ^ bytes[i] ^ i << 8);
    return t;
}

/* Whether all statuses are such as there are; *sender: who sent one that is not. */
static bool fits(const struct sim_job *j, const struct sink_result *r, uint32_t *sender)
{
    for (size_t i = 0; i < r->part_count; i++) {
        const struct sink_part *p = &r->parts[i];
        const unsigned char *status = p->data;
        for (size_t k = 0; p->plane == 2 * j->shape.output_count && k < p->len; k++) {
            if (status[k] <= 4)
                continue;
            *sender = p->worker ? p->worker : r->worker;
            return false;
        }
    }
    return true;
}

static void keep(struct sim *s, struct sink_result *r)
{
    struct disk_job *d = &s->disk.jobs[r->job];
    struct sink_event e = {.type = SINK_DROPPED,
                           .job = r->job,
                           .tile = r->tile,
                           .worker = r->worker,
                           .data_bytes = r->data_bytes};
    if (d->there && !d->taken && !fits(&s->jobs[r->job], r, &e.worker)) {
        err_set(&e.err, ERR_OTHER, "a status that there is not");
        judge_blame(s, e.worker);
    } else if (d->there && !d->taken &&
               (!job_state_is_over((enum job_state)d->state) || d->tile[r->tile].durable)) {
        struct disk_tile now = weigh(&s->jobs[r->job], r), *at = &d->tile[r->tile];
        e.points_failed = now.failed;
        e.crc = (uint32_t)now.content;
        e.type = !at->durable                 ? SINK_DURABLE
                 : at->content == now.content ? SINK_SAME
                                              : SINK_DIFFERS;
        if (!at->durable) {
            *at = now;
            d->points_failed += now.failed;
        }
    }
    say(s, &e);
}

/* What is stored of a tile is not what it should be, or not believed to be. */
static void lose_tile(struct sim *s, uint32_t job, uint32_t tile)
{
    struct disk_job *d = &s->disk.jobs[job];
    struct disk_tile *t = &d->tile[tile];
    bool live = !job_state_is_over((enum job_state)d->state) || d->state == JOB_DONE;
    if (!d->there || d->taken || !live || !t->durable)
        return;
    struct sink_event e = {.type = SINK_DAMAGED, .job = job, .tile = tile};
    e.points_failed = t->failed;
    d->points_failed -= t->failed;
    if (d->state == JOB_DONE)
        d->state = JOB_RUNNING;
    *t = (struct disk_tile){0};
    s->jobs[job].acked[tile] = false;
    s->jobs[job].lost[tile]++;
    s->jobs[job].rotted = true;
    say(s, &e);
}

/* The drawn tile of a job, or the next one that is on disk. */
void disk_rot(struct sim *s)
{
    uint32_t job = 1 + dice_below(s, s->job_count), tiles = s->jobs[job].tiles;
    uint32_t tile = dice_below(s, tiles);
    for (uint32_t n = 0; n < tiles && !s->disk.jobs[job].tile[tile].durable; n++)
        tile = (tile + 1) % tiles;
    if (s->house.up)
        lose_tile(s, job, tile);
}

void disk_take(struct sim *s, uint32_t job)
{
    struct disk_job *d = &s->disk.jobs[job];
    if (!d->there || d->taken || job_state_is_over((enum job_state)d->state))
        return;
    d->taken = true;
    struct sink_event e = {.type = SINK_LOST, .job = job};
    err_set(&e.err, ERR_STORAGE, "its files are gone");
    say(s, &e);
}

static void carry_out(struct sim *s, struct disk_order *o)
{
    struct disk_job *d = &s->disk.jobs[o->job];
    struct sink_event e = {.job = o->job, .frontier = o->frontier};
    switch (o->type) {
    case D_RESULT:
        keep(s, o->result);
        return;
    case D_SUBMIT:
        *d = (struct disk_job){.there = true, .priority = o->priority, .state = JOB_QUEUED};
        e.type = SINK_SUBMITTED;
        break;
    case D_TABLE:
        buf_clear(&d->table);
        buf_add(&d->table, o->table.data, o->table.len);
        e.type = SINK_TABLE;
        break;
    case D_FRONTIER:
        d->frontier = o->frontier;
        e.type = SINK_FRONTIER;
        break;
    case D_FINISH:
        if (!s->calm && dice_below(s, 256) == 0)
            disk_take(s, o->job); /* just before they get their names */
        if (d->taken)
            return;
        for (uint32_t t = 0; t < s->jobs[o->job].tiles; t++) {
            if (!d->there || d->tile[t].durable)
                continue;
            if (!s->jobs[o->job].rotted)
                sim_fail(s, "job %u is finished without tile %u", o->job, t);
            return; /* damaged meanwhile: it is not finished */
        }
        d->state = JOB_DONE;
        e.type = SINK_FINISHED;
        break;
    case D_DELETE:
        d->there = false;
        buf_fini(&d->table);
        e.type = SINK_DELETED;
        break;
    case D_DISTRUST:
        lose_tile(s, o->job, o->frontier);
        return;
    case D_STATE:
        d->state = o->state;
        snprintf(d->reason, sizeof d->reason, "%s", o->reason);
        return;
    case D_PRIORITY:
        d->priority = o->priority;
        return;
    }
    say(s, &e);
}

void disk_commit(struct sim *s)
{
    struct sim_disk *d = &s->disk;
    if (!d->group)
        return;
    if (d->stalled) {
        if (!d->told_stalled) {
            struct sink_event e = {.type = SINK_STALLED};
            err_set(&e.err, ERR_STORAGE, "no space left on device");
            say(s, &e);
        }
        d->told_stalled = true;
        sim_at(s, s->now_ms + 1000, EV_COMMIT, s->house.boots, 0);
        return;
    }
    if (d->told_stalled)
        say(s, &(struct sink_event){.type = SINK_RESUMED});
    d->told_stalled = false;
    struct disk_order *group = d->group;
    d->commits++;
    for (struct disk_order *o = group; o; o = o->next)
        carry_out(s, o);
    d->group = NULL;
    orders_free(group);
    begin(s);
}

void disk_stall(struct sim *s, bool stalled)
{
    s->disk.stalled = stalled;
}

/* The group on its way may or may not have made it; nobody was told in any case. */
void disk_power_cut(struct sim *s)
{
    struct sim_disk *d = &s->disk;
    if (d->group && !d->stalled && dice_below(s, 2))
        for (struct disk_order *o = d->group; o; o = o->next)
            carry_out(s, o);
    disk_fini(s);
}

void disk_fini(struct sim *s)
{
    struct sim_disk *d = &s->disk;
    orders_free(d->group);
    orders_free(d->first);
    d->group = d->first = NULL;
    d->event_count = 0;
    for (uint32_t id = 1; id <= s->job_count; id++) /* the next broker finds out by itself */
        memset(s->jobs[id].lost, 0, sizeof s->jobs[id].lost);
    d->told_stalled = false;
}
