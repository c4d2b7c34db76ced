/* Results that wait for their neighbours. Rows of a tile are short stretches of the files, each of
 * which costs the kernel a page and the disk a request; those of a whole band of tiles are one. So
 * a large tile waits here until all others of its band are here or durable, and is then carried out
 * with them; but not when nothing else comes, and not for long. When much of what the queue allows
 * to be with us waits, those in front go as they are: nobody is kept from working by that. */
#include "sink_private.h"

#include "buf.h"

#include <stdlib.h>
#include <string.h>

#define LARGE_BYTES (64u << 10) /* of a tile, when stored */
#define MOST_BYTES  (24u << 20) /* of what waits, as it came */
#define MOST_MS     200

static bool has_bands(const struct live *l)
{
    return l && !l->over && l->spec->a_blocks > 1 &&
           job_tile_points(l->spec, 0) * job_point_bytes(l->spec) >= LARGE_BYTES;
}

/* Takes the results out of the order, which is freed. */
static void let_wait(struct sink *s, struct order *o)
{
    struct bands *b = &s->bands;
    if (b->count + o->result_count > b->room) {
        b->room = 2 * b->room + o->result_count;
        b->list = mem_resize(b->list, b->room, sizeof *b->list);
    }
    for (struct sink_result *r = o->results; r; r = r->next) {
        b->list[b->count++] = (struct waiting){r, b->arrivals++, sink_now_ms()};
        b->bytes += r->data_bytes;
    }
    o->results = NULL;
    sink_order_free(o);
}

static int by_place(const void *x, const void *y)
{
    const struct waiting *a = x, *b = y;
    if (a->result->job != b->result->job)
        return a->result->job < b->result->job ? -1 : 1;
    if (a->result->tile != b->result->tile)
        return a->result->tile < b->result->tile ? -1 : 1;
    return a->arrival < b->arrival ? -1 : 1;
}

/* How many of those that begin at w belong to one band. */
static size_t band_length(const struct waiting *w, const struct waiting *end, uint32_t a_blocks)
{
    size_t n = 1;
    while (w + n < end && w[n].result->job == w->result->job &&
           w[n].result->tile / a_blocks == w->result->tile / a_blocks)
        n++;
    return n;
}

/* Whether with these n results all tiles of their band are durable. */
static bool completes(const struct live *l, const struct waiting *w, size_t n)
{
    uint32_t a_blocks = l->spec->a_blocks, first = w->result->tile / a_blocks * a_blocks;
    size_t i = 0;
    for (uint32_t tile = first; tile < first + a_blocks; tile++) {
        bool here = i < n && w[i].result->tile == tile;
        while (i < n && w[i].result->tile == tile)
            i++;
        if (!here && !l->durable[tile])
            return false;
    }
    return true;
}

/* One order of results of one job. */
static struct order *order_of(const struct waiting *w, size_t n)
{
    struct order *o = mem_alloc(1, sizeof *o);
    o->type = ORDER_RESULT;
    o->job = w->result->job;
    o->results_end = &o->results;
    for (size_t i = 0; i < n; i++)
        sink_order_join(o, w[i].result);
    return o;
}

enum going { COMPLETE, FRONT, ALL };

/* Appends the orders of all bands that go to *end; the others stay. FRONT: those in front, until
 * what waits is half as much as may wait. */
static void release(struct sink *s, enum going who, struct order ***end)
{
    struct bands *b = &s->bands;
    size_t kept = 0;
    qsort(b->list, b->count, sizeof *b->list, by_place);
    for (size_t i = 0, n; i < b->count; i += n) {
        struct waiting *w = &b->list[i];
        const struct live *l = sink_live(s, w->result->job);
        bool go = who == ALL || !has_bands(l) || (who == FRONT && b->bytes > MOST_BYTES / 2);
        n = has_bands(l) ? band_length(w, b->list + b->count, l->spec->a_blocks) : 1;
        if (go || w->result->tile >= job_tile_count(l->spec) || completes(l, w, n)) {
            for (size_t k = 0; k < n; k++)
                b->bytes -= w[k].result->data_bytes;
            struct order *o = order_of(w, n);
            **end = o;
            *end = &o->next;
        } else {
            memmove(&b->list[kept], w, n * sizeof *w);
            kept += n;
        }
    }
    b->count = kept;
}

static bool too_long(const struct bands *b)
{
    int64_t now = sink_now_ms();
    for (size_t i = 0; i < b->count; i++)
        if (now - b->list[i].since_ms > MOST_MS)
            return true;
    return false;
}

static bool ends_job(const struct order *o)
{
    return o->type == ORDER_OVER || o->type == ORDER_FINISH || o->type == ORDER_DELETE;
}

struct order *sink_bands(struct sink *s, struct order *orders, bool quiet)
{
    struct order *others = NULL, **others_end = &others, *ready = NULL, **end = &ready;
    bool all = quiet;
    while (orders) {
        struct order *o = orders;
        orders = o->next;
        all = all || ends_job(o);
        if (o->type == ORDER_RESULT && has_bands(sink_live(s, o->job))) {
            let_wait(s, o);
        } else {
            *others_end = o;
            others_end = &o->next;
        }
    }
    *others_end = NULL;
    if (s->bands.count > 0)
        release(s, all || too_long(&s->bands) ? ALL : COMPLETE, &end);
    if (s->bands.bytes > MOST_BYTES)
        release(s, FRONT, &end);
    *end = others;
    return ready;
}
