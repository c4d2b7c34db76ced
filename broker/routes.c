/* See routes.h. A chained hash from routing id to worker, and an array by worker number. */
#include "routes.h"

#include "buf.h"
#include "crc32c.h"
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1024 };

struct entry {
    struct entry *next;
    struct route route;
    uint32_t worker;
    bool far;
};

struct routes {
    struct entry *buckets[BUCKETS];
    struct entry **by_worker; /* index: worker number */
    size_t worker_count;
};

struct routes *routes_create(void)
{
    return mem_alloc(1, sizeof(struct routes));
}

void routes_destroy(struct routes *r)
{
    if (!r)
        return;
    for (uint32_t w = 0; w < r->worker_count; w++)
        free(r->by_worker[w]);
    free(r->by_worker);
    free(r);
}

static struct entry **find(const struct routes *r, const void *id, size_t len)
{
    struct entry **at = (struct entry **)&r->buckets[crc32c(0, id, len) % BUCKETS];
    while (*at && ((*at)->route.len != len || memcmp((*at)->route.id, id, len) != 0))
        at = &(*at)->next;
    return at;
}

void routes_put(struct routes *r, const struct route *from, uint32_t worker)
{
    uint32_t holder = routes_worker(r, from->id, from->len);
    if (holder == worker)
        return;
    if (holder)
        routes_remove(r, holder);
    routes_remove(r, worker);
    if (worker >= r->worker_count) {
        size_t count = 2 * (size_t)worker + 8;
        r->by_worker = mem_resize(r->by_worker, count, sizeof *r->by_worker);
        memset(r->by_worker + r->worker_count, 0, (count - r->worker_count) * sizeof *r->by_worker);
        r->worker_count = count;
    }
    struct entry *e = mem_alloc(1, sizeof *e);
    e->route = *from;
    e->worker = worker;
    *find(r, from->id, from->len) = e;
    r->by_worker[worker] = e;
}

uint32_t routes_worker(const struct routes *r, const void *id, size_t len)
{
    struct entry *e = *find(r, id, len);
    return e ? e->worker : 0;
}

const struct route *routes_of(const struct routes *r, uint32_t worker)
{
    struct entry *e = worker < r->worker_count ? r->by_worker[worker] : NULL;
    return e ? &e->route : NULL;
}

void routes_set_far(struct routes *r, uint32_t worker, bool far)
{
    if (routes_of(r, worker))
        r->by_worker[worker]->far = far;
}

bool routes_far(const struct routes *r, uint32_t worker)
{
    return routes_of(r, worker) && r->by_worker[worker]->far;
}

uint32_t routes_end(const struct routes *r)
{
    return (uint32_t)r->worker_count;
}

void routes_remove(struct routes *r, uint32_t worker)
{
    struct entry *e = worker < r->worker_count ? r->by_worker[worker] : NULL;
    if (!e)
        return;
    *find(r, e->route.id, e->route.len) = e->next;
    r->by_worker[worker] = NULL;
    free(e);
}
