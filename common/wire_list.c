/* Lists within messages: what a worker holds, how far it is, runs of tiles. A list that was
 * received stays as it came, and its items are read one at a time. */
#include "wire_cursor.h"

static void holding(struct cursor *c, struct wire_holding *h)
{
    cursor_u32(c, &h->job);
    cursor_u32(c, &h->first_tile);
    cursor_u32(c, &h->tile_count);
    cursor_u32(c, &h->first);
    cursor_u32(c, &h->count);
    cursor_token(c, &h->token);
    uint8_t solved = h->solved;
    cursor_u8(c, &solved);
    h->solved = solved != 0;
}

static void progress(struct cursor *c, struct wire_progress *p)
{
    cursor_token(c, &p->token);
    cursor_u64(c, &p->points_done);
    cursor_u32(c, &p->cpu_ms);
}

static void tiles(struct cursor *c, struct wire_tiles *t)
{
    cursor_u32(c, &t->job);
    cursor_u32(c, &t->first_tile);
    cursor_u32(c, &t->tile_count);
}

enum { HOLDING_BYTES = 37, PROGRESS_BYTES = 28, TILES_BYTES = 12 };

static void list_item(struct cursor *c, const struct wire_list *l, size_t item_bytes, uint32_t i)
{
    switch (item_bytes) {
    case HOLDING_BYTES: {
        struct wire_holding h = ((const struct wire_holding *)l->items)[i];
        holding(c, &h);
        break;
    }
    case PROGRESS_BYTES: {
        struct wire_progress p = ((const struct wire_progress *)l->items)[i];
        progress(c, &p);
        break;
    }
    default: {
        struct wire_tiles t = ((const struct wire_tiles *)l->items)[i];
        tiles(c, &t);
    }
    }
}

static void list(struct cursor *c, struct wire_list *l, size_t item_bytes)
{
    cursor_u32(c, &l->count);
    if (c->out) {
        for (uint32_t i = 0; i < l->count; i++)
            list_item(c, l, item_bytes, i);
        return;
    }
    struct wire_span s;
    if (l->count > WIRE_FRAME_MAX / item_bytes) {
        c->bad = true;
        l->count = 0;
    }
    cursor_span(c, &s, l->count * item_bytes);
    l->raw = s.data;
    l->items = NULL;
    if (c->bad)
        l->count = 0;
}

void cursor_holdings(struct cursor *c, struct wire_list *l)
{
    list(c, l, HOLDING_BYTES);
}

void cursor_progress(struct cursor *c, struct wire_list *l)
{
    list(c, l, PROGRESS_BYTES);
}

void cursor_tiles(struct cursor *c, struct wire_list *l)
{
    list(c, l, TILES_BYTES);
}

struct wire_holding wire_holding_at(const struct wire_list *l, uint32_t i)
{
    assert(i < l->count);
    struct wire_holding h = {0};
    if (!l->raw)
        return ((const struct wire_holding *)l->items)[i];
    holding(&(struct cursor){.in = l->raw + (size_t)i * HOLDING_BYTES, .left = HOLDING_BYTES}, &h);
    return h;
}

struct wire_progress wire_progress_at(const struct wire_list *l, uint32_t i)
{
    assert(i < l->count);
    struct wire_progress p = {0};
    if (!l->raw)
        return ((const struct wire_progress *)l->items)[i];
    progress(&(struct cursor){.in = l->raw + (size_t)i * PROGRESS_BYTES, .left = PROGRESS_BYTES},
             &p);
    return p;
}

struct wire_tiles wire_tiles_at(const struct wire_list *l, uint32_t i)
{
    assert(i < l->count);
    struct wire_tiles t = {0};
    if (!l->raw)
        return ((const struct wire_tiles *)l->items)[i];
    tiles(&(struct cursor){.in = l->raw + (size_t)i * TILES_BYTES, .left = TILES_BYTES}, &t);
    return t;
}
