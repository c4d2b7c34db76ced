/* See verifications.h. A ring: the oldest one makes room. */
#include "verifications.h"

#include "buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT = 64, KEYS = 8, FILES = 64, LISTED = 1000 };

enum fate { WAITING, REPAIRED, DIFFERENT };

struct damage {
    uint32_t tile, crc;
    enum fate fate;
};

struct mended {
    char file[48];
    uint32_t count;
};

struct verification {
    uint64_t keys[KEYS];
    unsigned key_count;
    uint32_t job; /* 0: free */
    bool verified;
    uint32_t checked;
    struct damage *damage;
    size_t damage_count;
    struct mended mended[FILES];
    size_t mended_count;
    struct err err;
};

struct verifications {
    struct verification all[KEPT];
    unsigned next;
};

struct verifications *verifications_create(void)
{
    return mem_alloc(1, sizeof(struct verifications));
}

void verifications_destroy(struct verifications *v)
{
    if (!v)
        return;
    for (unsigned i = 0; i < KEPT; i++)
        free(v->all[i].damage);
    free(v);
}

static struct verification *by_key(struct verifications *v, uint64_t key, uint32_t job)
{
    for (unsigned i = 0; i < KEPT; i++)
        for (unsigned k = 0; k < v->all[i].key_count; k++)
            if (v->all[i].keys[k] == key && v->all[i].job == job)
                return &v->all[i];
    return NULL;
}

static struct verification *under_way(struct verifications *v, uint32_t job)
{
    for (unsigned i = 0; i < KEPT; i++)
        if (v->all[i].job == job && !v->all[i].verified && v->all[i].key_count < KEYS)
            return &v->all[i];
    return NULL;
}

struct verification *verifications_get(struct verifications *v, uint64_t key, uint32_t job,
                                       bool *fresh)
{
    *fresh = false;
    struct verification *found = by_key(v, key, job);
    if (found)
        return found;
    found = under_way(v, job);
    if (!found) {
        found = &v->all[v->next++ % KEPT];
        free(found->damage);
        *found = (struct verification){.job = job};
        *fresh = true;
    }
    found->keys[found->key_count++] = key;
    return found;
}

/* --- events ---------------------------------------------------------------------------------- */

static void add_damage(struct verification *v, const struct sink_event *e)
{
    for (size_t i = 0; i < v->damage_count; i++) {
        if (v->damage[i].tile == e->tile) {
            v->damage[i].fate = WAITING;
            return;
        }
    }
    v->damage = mem_resize(v->damage, v->damage_count + 1, sizeof *v->damage);
    v->damage[v->damage_count++] = (struct damage){e->tile, e->crc, WAITING};
}

static void add_mended(struct verification *v, const char *file)
{
    size_t i = 0;
    while (i < v->mended_count && strcmp(v->mended[i].file, file) != 0)
        i++;
    if (i == FILES)
        return;
    if (i == v->mended_count)
        snprintf(v->mended[v->mended_count++].file, sizeof v->mended[i].file, "%.47s", file);
    v->mended[i].count++;
}

static void repaired(struct verification *v, const struct sink_event *e)
{
    for (size_t i = 0; i < v->damage_count; i++)
        if (v->damage[i].tile == e->tile && v->damage[i].fate == WAITING)
            v->damage[i].fate = v->damage[i].crc == e->crc ? REPAIRED : DIFFERENT;
}

static void take(struct verification *v, const struct sink_event *e)
{
    if (e->type == SINK_DURABLE)
        repaired(v, e);
    if (v->verified)
        return;
    switch (e->type) {
    case SINK_DAMAGED:
        add_damage(v, e);
        break;
    case SINK_MENDED:
        add_mended(v, e->err.text);
        break;
    case SINK_CHECKED:
    case SINK_VERIFIED:
        v->checked = e->tile;
        v->verified = e->type == SINK_VERIFIED;
        v->err = e->err;
        break;
    default:
        break;
    }
}

void verifications_event(struct verifications *v, const struct sink_event *e)
{
    for (unsigned i = 0; i < KEPT; i++)
        if (v->all[i].job == e->job && e->job != 0)
            take(&v->all[i], e);
}

/* --- the report ------------------------------------------------------------------------------ */

static size_t count_of(const struct verification *v, enum fate fate)
{
    size_t n = 0;
    for (size_t i = 0; i < v->damage_count; i++)
        n += v->damage[i].fate == fate;
    return n;
}

struct json_out *verification_report(const struct verification *v, uint32_t tiles, bool over)
{
    struct json_out *o = json_object();
    size_t waiting = count_of(v, WAITING);
    json_put_integer(o, "job", v->job);
    json_put_string(o, "state",
                    !v->verified           ? "checking"
                    : v->err.code          ? "failed"
                    : waiting > 0 && !over ? "repairing"
                                           : "done");
    json_put_integer(o, "tiles_total", tiles);
    json_put_integer(o, "tiles_checked", v->checked);
    json_put_integer(o, "tiles_damaged", (int64_t)v->damage_count);
    json_put_integer(o, "tiles_repaired", (int64_t)(v->damage_count - waiting));
    json_put_integer(o, "tiles_differ", (int64_t)count_of(v, DIFFERENT));
    struct json_out *damaged = json_put_array(o, "damaged");
    for (size_t i = 0; i < v->damage_count && i < LISTED; i++)
        json_add_integer(damaged, v->damage[i].tile);
    struct json_out *mended = json_put_array(o, "mended");
    for (size_t i = 0; i < v->mended_count; i++) {
        struct json_out *m = json_add_object(mended);
        json_put_string(m, "file", v->mended[i].file);
        json_put_integer(m, "count", v->mended[i].count);
    }
    json_put_string(o, "reason", v->err.text);
    return o;
}
