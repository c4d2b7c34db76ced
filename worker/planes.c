/* See planes.h. Each plane is an allocation of its own, so that one that turns out constant (the
 * statuses nearly always, the errors often) gives its memory back. */
#include "planes.h"

#include "leaves.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "planes travel as they lie in memory");

enum {
    SHORT_PART_MIN = 4096,
    LEAVES_SHARE = 4, /* leaves are to be so many times shorter than raw planes at least, ... */
    LEAVES_MAX_BYTES = 256 << 10, /* ... and than this, which is never used as a rule */
};

struct plane {
    unsigned char *data; /* NULL: the plane is absent (errors that nobody wants) */
    uint32_t bytes, room;
    uint8_t element, coding;
};

struct planes {
    uint32_t points, count; /* count of planes, absent ones included; one of leaves follows */
    uint32_t solve_us;
    size_t bytes;
    struct leaves_out leaves; /* room 0: nobody asked for them */
    struct plane plane[];
};

static uint8_t element_size(uint32_t plane, uint32_t count)
{
    if (plane == count - 1)
        return sizeof(uint8_t);
    return plane % 2 ? sizeof(float) : sizeof(double);
}

static bool is_absent(uint32_t plane, uint32_t count, bool errors)
{
    return !errors && plane % 2 == 1 && plane < count - 1;
}

size_t planes_raw_bytes(uint32_t fields, bool errors, uint32_t points)
{
    size_t point = (size_t)fields * (sizeof(double) + (errors ? sizeof(float) : 0)) + 1;
    return point * points;
}

struct planes *planes_create(uint32_t fields, bool errors, uint32_t points)
{
    uint32_t count = 2 * fields + 1;
    struct planes *p = mem_alloc(1, sizeof *p + (count + 1) * sizeof p->plane[0]);
    p->points = points;
    p->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct plane *plane = &p->plane[i];
        plane->element = element_size(i, count);
        if (is_absent(i, count, errors))
            continue;
        plane->bytes = plane->room = points * plane->element;
        plane->data = mem_resize(NULL, plane->room, 1);
        p->bytes += plane->bytes;
    }
    return p;
}

void planes_destroy(struct planes *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i <= p->count; i++)
        free(p->plane[i].data);
    free(p);
}

double *planes_field(struct planes *p, uint32_t field)
{
    return (double *)(void *)p->plane[2 * field].data;
}

float *planes_errors(struct planes *p, uint32_t field)
{
    return (float *)(void *)p->plane[2 * field + 1].data;
}

uint8_t *planes_status(struct planes *p)
{
    return p->plane[p->count - 1].data;
}

void planes_offer_leaves(struct planes *p)
{
    struct plane *plane = &p->plane[p->count];
    size_t room = p->bytes / LEAVES_SHARE;
    plane->room = (uint32_t)(room < LEAVES_MAX_BYTES ? room : LEAVES_MAX_BYTES);
    plane->data = mem_resize(NULL, plane->room + 1, 1);
    plane->coding = WIRE_LEAVES;
    p->leaves = (struct leaves_out){.data = plane->data, .room = plane->room, .suffice = true};
}

struct leaves_out *planes_leaves(struct planes *p)
{
    return p->leaves.room > 0 ? &p->leaves : NULL;
}

/* All elements have the bits of the first: the array equals itself moved by one element. */
static bool is_constant(const struct plane *plane)
{
    return plane->bytes > plane->element &&
           memcmp(plane->data, plane->data + plane->element, plane->bytes - plane->element) == 0;
}

static void code_planes(struct planes *p)
{
    for (uint32_t i = 0; i < p->count; i++) {
        struct plane *plane = &p->plane[i];
        plane->coding = WIRE_RAW;
        if (!plane->data || !is_constant(plane))
            continue;
        p->bytes -= plane->bytes - plane->element;
        plane->bytes = plane->element;
        plane->coding = WIRE_SAME;
    }
}

void planes_code(struct planes *p, uint32_t solve_us)
{
    struct plane *leaves = &p->plane[p->count];
    p->solve_us = solve_us;
    if (!p->leaves.alone)
        code_planes(p);
    if (p->leaves.len == 0 || (p->leaves.len >= p->bytes && !p->leaves.alone))
        return;
    for (uint32_t i = 0; i < p->count; i++)
        p->plane[i].bytes = 0;
    p->bytes = leaves->bytes = (uint32_t)p->leaves.len;
}

void planes_trim(struct planes *p)
{
    for (uint32_t i = 0; i <= p->count; i++) {
        struct plane *plane = &p->plane[i];
        if (plane->bytes == 0) {
            free(plane->data);
            plane->data = NULL;
        } else if (plane->room > plane->bytes) {
            plane->data = mem_resize(plane->data, plane->bytes, 1);
        }
        plane->room = plane->bytes;
    }
    p->leaves = (struct leaves_out){0};
}

size_t planes_bytes(const struct planes *p)
{
    return p->bytes;
}

uint32_t planes_solve_us(const struct planes *p)
{
    return p->solve_us;
}

uint32_t planes_points(const struct planes *p)
{
    return p->points;
}

/* Absent planes have no bytes, so a place in one moves on to the next. */
static struct planes_place settle(const struct planes *p, struct planes_place at)
{
    while (at.plane <= p->count && at.offset >= p->plane[at.plane].bytes)
        at = (struct planes_place){at.plane + 1, 0};
    return at;
}

bool planes_part(const struct planes *p, struct planes_place at, uint64_t room,
                 struct planes_part *part)
{
    at = settle(p, at);
    if (at.plane > p->count)
        return false;
    const struct plane *plane = &p->plane[at.plane];
    uint32_t len = plane->bytes - at.offset;
    if (len > WIRE_PART_MAX)
        len = WIRE_PART_MAX;
    if (len > room) {
        len = (uint32_t)room & ~7u;
        if (len < SHORT_PART_MIN)
            return false;
    }
    *part = (struct planes_part){
        .plane = (uint16_t)at.plane,
        .coding = plane->coding,
        .plane_bytes = plane->bytes,
        .offset = at.offset,
        .len = len,
        .data = plane->data + at.offset,
    };
    return true;
}

struct planes_place planes_after(const struct planes *p, const struct planes_part *part)
{
    assert(part->offset + part->len <= p->plane[part->plane].bytes);
    return settle(p, (struct planes_place){part->plane, part->offset + part->len});
}

bool planes_all_sent(const struct planes *p, struct planes_place at)
{
    return settle(p, at).plane > p->count;
}

bool planes_whole(const struct planes *p, uint64_t room, struct buf *data, uint8_t *codings,
                  uint8_t *count)
{
    if (p->bytes > WIRE_WHOLE_MAX || p->bytes > room)
        return false;
    buf_clear(data);
    *count = 0;
    for (uint32_t i = 0; i <= p->count; i++) {
        if (p->plane[i].bytes == 0)
            continue;
        buf_add(data, p->plane[i].data, p->plane[i].bytes);
        codings[(*count)++] = p->plane[i].coding;
    }
    return true;
}

struct planes_place planes_last(const struct planes *p)
{
    return (struct planes_place){p->plane[p->count].bytes > 0 ? p->count : p->count - 1, 0};
}

struct planes_place planes_end(const struct planes *p)
{
    return (struct planes_place){p->count + 1, 0};
}
