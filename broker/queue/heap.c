/* See heap.h. The item that moves is lifted out, those on its way make room, and it is put down
 * once. */
#include "heap.h"

#include "buf.h"
#include <assert.h>
#include <stdlib.h>

void heap_init(struct heap *h, bool (*before)(const void *a, const void *b), size_t place_at)
{
    *h = (struct heap){.before = before, .place_at = place_at};
}

void heap_fini(struct heap *h)
{
    free(h->items);
    *h = (struct heap){0};
}

static size_t *place(const struct heap *h, void *item)
{
    return (size_t *)((char *)item + h->place_at);
}

static void set(struct heap *h, size_t at, void *item)
{
    h->items[at - 1] = item;
    *place(h, item) = at;
}

void heap_moved(struct heap *h, void *item)
{
    size_t at = *place(h, item);
    if (!at)
        return;
    for (; at > 1 && h->before(item, h->items[at / 2 - 1]); at /= 2)
        set(h, at, h->items[at / 2 - 1]);
    for (size_t child; (child = 2 * at) <= h->count; at = child) {
        if (child < h->count && h->before(h->items[child], h->items[child - 1]))
            child++;
        if (!h->before(h->items[child - 1], item))
            break;
        set(h, at, h->items[child - 1]);
    }
    set(h, at, item);
}

void heap_put(struct heap *h, void *item)
{
    if (*place(h, item))
        return;
    if (h->count == h->cap) {
        h->cap = h->cap ? 2 * h->cap : 64;
        h->items = mem_resize(h->items, h->cap, sizeof *h->items);
    }
    set(h, ++h->count, item);
    heap_moved(h, item);
}

void heap_remove(struct heap *h, void *item)
{
    size_t at = *place(h, item);
    if (!at)
        return;
    void *last = h->items[--h->count];
    *place(h, item) = 0;
    if (last == item)
        return;
    set(h, at, last);
    heap_moved(h, last);
}

void *heap_first(const struct heap *h)
{
    return h->count > 0 ? h->items[0] : NULL;
}

void heap_check(const struct heap *h)
{
    for (size_t at = 1; at <= h->count; at++) {
        void *item = h->items[at - 1];
        assert(*place(h, item) == at);
        assert(at == 1 || !h->before(item, h->items[at / 2 - 1]));
    }
}
