/* Answers that came whole, several in a message (assembly.h). They are copied, one behind the
 * other, into slabs of some hundred: whoever keeps the message that they came in keeps all that
 * libzmq has received along with it, 18 KiB. A slab is freed, from any thread, with the last of
 * them. */
#include "assembly_private.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { SLAB_BYTES = 32 << 10 };

struct slab {
    atomic_uint holders; /* what lies in it, and the assembly while it fills it */
    size_t used;
    _Alignas(max_align_t) unsigned char room[SLAB_BYTES];
};

struct whole {
    struct sink_result result;
    struct slab *slab;
    struct sink_part parts[]; /* and then the bytes */
};

_Static_assert(sizeof(struct whole) + ASSEMBLY_PLANES_MAX * sizeof(struct sink_part) +
                       WIRE_WHOLE_MAX + sizeof(max_align_t) <=
                   SLAB_BYTES,
               "any answer fits a slab");

void assembly_slab_drop(struct slab *slab)
{
    if (slab && atomic_fetch_sub(&slab->holders, 1) == 1)
        free(slab);
}

static void release_whole(struct sink_result *r)
{
    assembly_slab_drop(((struct whole *)(void *)r)->slab);
}

static struct whole *whole_make(struct assembly *a, size_t bytes)
{
    bytes = (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (!a->slab || a->slab->used + bytes > SLAB_BYTES) {
        assembly_slab_drop(a->slab);
        a->slab = mem_resize(NULL, 1, sizeof *a->slab);
        atomic_init(&a->slab->holders, 1);
        a->slab->used = 0;
    }
    struct whole *w = (struct whole *)(void *)(a->slab->room + a->slab->used);
    a->slab->used += bytes;
    atomic_fetch_add(&a->slab->holders, 1);
    w->slab = a->slab;
    return w;
}

/* The i-th of the planes that the job has; it may have none of errors. */
static uint16_t whole_plane(const struct assembly_shape *shape, uint32_t i)
{
    return (uint16_t)(shape->errors ? i : 2 * i);
}

/* As leaves: one plane that stands for all. */
static bool is_folded(const struct wire_whole *in)
{
    return in->planes == 1 && in->codings[0] == WIRE_LEAVES;
}

static int whole_check(const struct wire_whole *in, const struct assembly_shape *shape,
                       struct err *err)
{
    size_t need = 0;
    if (in->data.len > WIRE_WHOLE_MAX)
        return err_set(err, ERR_OTHER, "%zu bytes: RESULTS carries answers of at most %u",
                       in->data.len, WIRE_WHOLE_MAX);
    if (is_folded(in) && in->data.len > 0 && in->data.len <= assembly_raw_bytes(shape))
        return 0;
    if (in->planes != assembly_planes(shape))
        return err_set(err, ERR_OTHER, "%u planes of a result of %u", in->planes,
                       assembly_planes(shape));
    for (uint32_t i = 0; i < in->planes; i++) {
        size_t element = assembly_element(whole_plane(shape, i), shape->fields);
        if (in->codings[i] > WIRE_SAME)
            return err_set(err, ERR_OTHER, "coding %u is not known", in->codings[i]);
        need += in->codings[i] == WIRE_SAME ? element : element * shape->tile_points;
    }
    if (need != in->data.len)
        return err_set(err, ERR_OTHER, "%zu bytes of a result of %zu", in->data.len, need);
    return 0;
}

struct sink_result *assembly_whole(struct assembly *a, uint32_t worker, uint32_t job,
                                   const struct wire_whole *in, const struct assembly_shape *shape,
                                   struct err *err)
{
    if (whole_check(in, shape, err))
        return NULL;
    bool folded = is_folded(in);
    size_t parts = in->planes * sizeof(struct sink_part);
    struct whole *w = whole_make(a, sizeof *w + parts + in->data.len);
    const unsigned char *data =
        memcpy((unsigned char *)w->parts + parts, in->data.data, in->data.len);
    for (uint32_t i = 0; i < in->planes; i++) {
        struct sink_part part = {.plane = whole_plane(shape, i), .coding = in->codings[i]};
        if (folded)
            part.plane = WIRE_LEAVES_PLANE(shape->fields);
        size_t element = assembly_element(part.plane, shape->fields);
        part.count = shape->tile_points;
        part.len = folded                     ? in->data.len
                   : part.coding == WIRE_SAME ? element
                                              : element * shape->tile_points;
        part.data = data;
        data += part.len;
        w->parts[i] = part;
    }
    w->result = (struct sink_result){.job = job,
                                     .tile = in->tile,
                                     .worker = worker,
                                     .data_bytes = in->data.len,
                                     .room_bytes = folded ? assembly_raw_bytes(shape) : 0,
                                     .part_count = in->planes,
                                     .parts = w->parts,
                                     .release = release_whole};
    return &w->result;
}
