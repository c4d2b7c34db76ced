/* See uploads.h. Memory for a set grows as its parts come: an announced total costs nothing but
 * the map of its parts. */
#include "uploads.h"

#include <stdlib.h>
#include <string.h>

struct upload {
    uint64_t key;
    int64_t touched_ms;
    uint32_t user, total, have;
    struct buf bytes;
    unsigned char *parts; /* one a part: whether it is there */
};

struct uploads {
    struct upload set[UPLOADS_MAX];
    size_t count;
};

struct uploads *uploads_create(void)
{
    return mem_alloc(1, sizeof(struct uploads));
}

static void drop(struct uploads *u, size_t i)
{
    buf_fini(&u->set[i].bytes);
    free(u->set[i].parts);
    u->set[i] = u->set[--u->count];
}

void uploads_destroy(struct uploads *u)
{
    if (!u)
        return;
    while (u->count > 0)
        drop(u, 0);
    free(u);
}

static struct upload *find(const struct uploads *u, uint64_t key)
{
    for (size_t i = 0; i < u->count; i++)
        if (u->set[i].key == key)
            return (struct upload *)&u->set[i];
    return NULL;
}

static size_t sets_of(const struct uploads *u, uint32_t user)
{
    size_t n = 0;
    for (size_t i = 0; i < u->count; i++)
        n += u->set[i].user == user;
    return n;
}

static void make_room(struct uploads *u, uint32_t user)
{
    size_t victim = 0, most = 0;
    for (size_t i = 0; i < u->count; i++) {
        size_t n = sets_of(u, u->set[i].user) + (u->set[i].user == user);
        if (n > most || (n == most && u->set[i].touched_ms < u->set[victim].touched_ms))
            victim = i;
        most = n > most ? n : most;
    }
    drop(u, victim);
}

static struct upload *make(struct uploads *u, uint32_t user, uint64_t key, uint32_t total)
{
    if (u->count == UPLOADS_MAX)
        make_room(u, user);
    struct upload *set = &u->set[u->count++];
    *set = (struct upload){.user = user, .key = key, .total = total};
    set->parts = mem_alloc(total / WIRE_PART_MAX + 1, 1);
    return set;
}

int uploads_add(struct uploads *u, int64_t now_ms, uint32_t user, uint64_t key, uint32_t total,
                uint32_t offset, struct wire_span data, bool *complete, struct err *err)
{
    *complete = false;
    if (total == 0 || total > WIRE_BLOB_MAX)
        return err_set(err, ERR_OTHER, "an upload of %u bytes (at most %u)", total, WIRE_BLOB_MAX);
    uint32_t expected = total - offset < WIRE_PART_MAX ? total - offset : WIRE_PART_MAX;
    if (offset >= total || offset % WIRE_PART_MAX || data.len != expected)
        return err_set(err, ERR_OTHER, "an upload's part of %zu bytes at %u of %u", data.len,
                       offset, total);
    struct upload *set = find(u, key);
    if (set && set->total != total)
        return err_set(err, ERR_OTHER, "an upload of %u bytes that began with %u", total,
                       set->total);
    if (!set)
        set = make(u, user, key, total);
    set->touched_ms = now_ms;
    unsigned char *part = &set->parts[offset / WIRE_PART_MAX];
    if (!*part) {
        if (set->bytes.len < offset + data.len)
            buf_grow(&set->bytes, offset + data.len - set->bytes.len);
        memcpy(set->bytes.data + offset, data.data, data.len);
        *part = 1;
        set->have += (uint32_t)data.len;
    }
    *complete = set->have == total;
    return 0;
}

const void *uploads_get(const struct uploads *u, uint64_t key, size_t *len)
{
    struct upload *set = find(u, key);
    if (!set || set->have != set->total)
        return NULL;
    *len = set->total;
    return set->bytes.data;
}

void uploads_remove(struct uploads *u, uint64_t key)
{
    struct upload *set = find(u, key);
    if (set)
        drop(u, (size_t)(set - u->set));
}

void uploads_expire(struct uploads *u, int64_t now_ms)
{
    for (size_t i = u->count; i > 0; i--)
        if (now_ms - u->set[i - 1].touched_ms > UPLOADS_AGE_MS)
            drop(u, i - 1);
}
