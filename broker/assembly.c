/* See assembly.h. A hash of results in the making, keyed by token, tile and first point: a handful
 * at a time, since send windows bound what can be under way. A worker sends the parts of a plane in
 * order, so a plane needs no more than the offset it has reached: what comes before that offset is
 * a repetition, what comes after it is a gap, and both are dropped (the worker sends all of an
 * unacknowledged tile again after a new HELLO). */
#include "assembly_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct pending {
    struct pending *next;                      /* of its bucket */
    struct pending *worker_next, *worker_prev; /* of its worker */
    struct token token;
    uint32_t worker, first, count;
    struct sink_result *result;
    uint32_t reached[ASSEMBLY_PLANES_MAX]; /* bytes of each plane that are here */
    uint32_t planes_open;
    uint32_t folded_bytes; /* of an answer that comes as leaves; 0: as planes */
};

struct assembly *assembly_create(void)
{
    return mem_alloc(1, sizeof(struct assembly));
}

static void release(struct sink_result *r)
{
    for (size_t i = 0; i < r->part_count; i++) {
        if (r->parts[i].owner) {
            zmq_msg_close(r->parts[i].owner);
            free(r->parts[i].owner);
        }
    }
    free(r->parts);
    free(r);
}

static void pending_destroy(struct pending *p)
{
    if (p->result)
        release(p->result);
    free(p);
}

static struct pending **bucket(struct assembly *a, struct token t, uint32_t tile, uint32_t first)
{
    uint64_t h = (t.lo ^ tile * 0x9e3779b97f4a7c15u ^ (uint64_t)first << 32) * 0xff51afd7ed558ccdu;
    return &a->buckets[h >> 52];
}

_Static_assert(ASSEMBLY_BUCKETS == 1 << 12, "bucket() takes the upper 12 bits");

static bool matches(const struct pending *p, uint32_t worker, const struct wire_msg *m)
{
    return p->worker == worker && token_equal(p->token, m->result.token) &&
           p->result->job == m->result.job && p->result->tile == m->result.tile &&
           p->first == m->result.first && p->count == m->result.count;
}

size_t assembly_element(uint16_t plane, uint16_t fields)
{
    if (plane == 2 * fields)
        return sizeof(uint8_t);
    return plane % 2 == 0 ? sizeof(double) : sizeof(float);
}

uint32_t assembly_planes(const struct assembly_shape *shape)
{
    return (shape->errors ? 2u : 1u) * shape->fields + 1u;
}

size_t assembly_raw_bytes(const struct assembly_shape *shape)
{
    size_t point = shape->fields * (sizeof(double) + (shape->errors ? sizeof(float) : 0)) + 1;
    return point * shape->tile_points;
}

/* The bytes of the coded plane of which it is a part; 0 with err when there is no such plane. */
static size_t plane_check(const struct wire_msg *m, const struct assembly_shape *shape,
                          struct err *err)
{
    uint16_t plane = m->result.plane, coding = m->result.coding;
    bool folded = coding == WIRE_LEAVES;
    size_t claimed = m->result.plane_bytes, expected = assembly_raw_bytes(shape);
    if (coding > WIRE_LEAVES) {
        err_set(err, ERR_OTHER, "coding %u is not known", coding);
    } else if (folded != (plane == WIRE_LEAVES_PLANE(shape->fields)) ||
               (!folded && (plane > 2 * shape->fields || (plane % 2 == 1 && !shape->errors)))) {
        err_set(err, ERR_OTHER, "plane %u does not exist in this job", plane);
    } else if (folded) {
        if (m->result.first == 0 && m->result.count == shape->tile_points && claimed > 0 &&
            claimed <= expected)
            return claimed;
        err_set(err, ERR_OTHER, "%zu bytes of leaves for points %u + %u of a tile of %u", claimed,
                m->result.first, m->result.count, shape->tile_points);
    } else {
        size_t element = assembly_element(plane, shape->fields);
        expected = coding == WIRE_SAME ? element : element * m->result.count;
        if (claimed == expected)
            return expected;
        err_set(err, ERR_OTHER, "%zu bytes of a %s plane of %zu", claimed,
                plane == 2 * shape->fields ? "status" : "field", expected);
    }
    return 0;
}

/* Whether the part can belong to a result of this shape at all. */
static int part_check(const struct wire_msg *m, const struct assembly_shape *shape, struct err *err)
{
    uint32_t first = m->result.first, count = m->result.count;
    if (count == 0 || first >= shape->tile_points || count > shape->tile_points - first)
        return err_set(err, ERR_OTHER, "points %u + %u of a tile of %u", first, count,
                       shape->tile_points);
    size_t expected = plane_check(m, shape, err);
    if (expected == 0)
        return -1;
    size_t element =
        m->result.coding == WIRE_LEAVES ? 1 : assembly_element(m->result.plane, shape->fields);
    size_t len = m->result.data.len, offset = m->result.offset;
    if (len == 0 || len > WIRE_PART_MAX || offset > expected || len > expected - offset ||
        offset % element || len % element)
        return err_set(err, ERR_OTHER, "a part of %zu bytes at %zu of %zu", len, offset, expected);
    if (m->result.data_crc != m->result.crc)
        return err_set(err, ERR_OTHER, "checksum of a part is wrong");
    return 0;
}

static void worker_list_add(struct assembly *a, struct pending *p)
{
    if (p->worker >= a->workers) {
        uint32_t n = p->worker + p->worker / 2 + 16;
        a->of_worker = mem_resize(a->of_worker, n, sizeof *a->of_worker);
        memset(a->of_worker + a->workers, 0, (n - a->workers) * sizeof *a->of_worker);
        a->workers = n;
    }
    p->worker_next = a->of_worker[p->worker];
    if (p->worker_next)
        p->worker_next->worker_prev = p;
    a->of_worker[p->worker] = p;
}

static struct pending *find(struct assembly *a, uint32_t worker, const struct wire_msg *m,
                            const struct assembly_shape *shape)
{
    struct pending **at = bucket(a, m->result.token, m->result.tile, m->result.first);
    for (struct pending *p = *at; p; p = p->next)
        if (matches(p, worker, m))
            return p;
    struct pending *p = mem_alloc(1, sizeof *p);
    p->token = m->result.token;
    p->worker = worker;
    p->first = m->result.first;
    p->count = m->result.count;
    p->folded_bytes = m->result.coding == WIRE_LEAVES ? m->result.plane_bytes : 0;
    p->planes_open = p->folded_bytes ? 1 : assembly_planes(shape);
    p->result = mem_alloc(1, sizeof *p->result);
    p->result->job = m->result.job;
    p->result->tile = m->result.tile;
    p->result->worker = worker;
    p->result->release = release;
    p->result->room_bytes = p->folded_bytes ? assembly_raw_bytes(shape) : 0;
    p->next = *at;
    *at = p;
    worker_list_add(a, p);
    return p;
}

static struct sink_part *result_grow(struct sink_result *r)
{
    if ((r->part_count & (r->part_count - 1)) == 0) /* 0, 1, 2, 4, 8, ... parts: full */
        r->parts = mem_resize(r->parts, r->part_count ? 2 * r->part_count : 1, sizeof *r->parts);
    struct sink_part *part = &r->parts[r->part_count++];
    *part = (struct sink_part){0};
    return part;
}

static void keep(struct sink_result *r, const struct wire_msg *m, zmq_msg_t *frame)
{
    const char *start = zmq_msg_data(frame);
    size_t at = (size_t)((const char *)m->result.data.data - start);
    zmq_msg_t *owner = mem_alloc(1, sizeof *owner);
    zmq_msg_init(owner);
    zmq_msg_move(owner, frame);
    struct sink_part *part = result_grow(r);
    part->first = m->result.first;
    part->count = m->result.count;
    part->plane = m->result.plane;
    part->coding = m->result.coding;
    part->has_crc = true;
    part->crc = m->result.crc;
    part->offset = m->result.offset;
    part->data = (const char *)zmq_msg_data(owner) + at;
    part->len = m->result.data.len;
    part->owner = owner;
    r->data_bytes += m->result.data.len;
}

static void unlink_pending(struct assembly *a, struct pending *p)
{
    struct pending **at = bucket(a, p->token, p->result->tile, p->first);
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    if (p->worker_prev)
        p->worker_prev->worker_next = p->worker_next;
    else
        a->of_worker[p->worker] = p->worker_next;
    if (p->worker_next)
        p->worker_next->worker_prev = p->worker_prev;
}

enum assembly_added assembly_add(struct assembly *a, uint32_t worker, const struct wire_msg *m,
                                 zmq_msg_t *frame, const struct assembly_shape *shape,
                                 struct sink_result **out, struct err *err)
{
    if (part_check(m, shape, err))
        return ASSEMBLY_BAD;
    struct pending *p = find(a, worker, m, shape);
    if (p->folded_bytes != (m->result.coding == WIRE_LEAVES ? m->result.plane_bytes : 0)) {
        err_set(err, ERR_OTHER, "part of an answer comes as leaves, part of it as planes");
        return ASSEMBLY_BAD;
    }
    uint32_t *reached = &p->reached[m->result.plane];
    if (m->result.offset != *reached || *reached == m->result.plane_bytes)
        return ASSEMBLY_AGAIN;
    *reached += (uint32_t)m->result.data.len;
    bool whole = *reached == m->result.plane_bytes;
    keep(p->result, m, frame);
    if (!whole || --p->planes_open > 0)
        return ASSEMBLY_MORE;
    unlink_pending(a, p);
    *out = p->result;
    free(p);
    return ASSEMBLY_COMPLETE;
}

uint64_t assembly_sweep(struct assembly *a, uint32_t worker, assembly_wanted_fn *wanted, void *arg)
{
    uint64_t bytes = 0;
    struct pending *next;
    for (struct pending *p = worker < a->workers ? a->of_worker[worker] : NULL; p; p = next) {
        next = p->worker_next;
        struct wire_holding result = {p->result->job, p->result->tile, 1,   p->first,
                                      p->count,       p->token,        true};
        if (wanted(arg, &result))
            continue;
        unlink_pending(a, p);
        bytes += p->result->data_bytes;
        pending_destroy(p);
    }
    return bytes;
}

static bool want_nothing(void *arg, const struct wire_holding *result)
{
    (void)arg, (void)result;
    return false;
}

void assembly_forget_worker(struct assembly *a, uint32_t worker)
{
    assembly_sweep(a, worker, want_nothing, NULL);
}

void assembly_forget_pieces(struct assembly *a, uint32_t job, uint32_t tile)
{
    size_t kept = 0;
    for (size_t i = 0; i < a->piece_count; i++) {
        if (a->pieces[i]->job == job && (tile == ASSEMBLY_ALL_TILES || a->pieces[i]->tile == tile))
            release(a->pieces[i]);
        else
            a->pieces[kept++] = a->pieces[i];
    }
    a->piece_count = kept;
}

void assembly_destroy(struct assembly *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < ASSEMBLY_BUCKETS; i++) {
        while (a->buckets[i]) {
            struct pending *p = a->buckets[i];
            a->buckets[i] = p->next;
            pending_destroy(p);
        }
    }
    for (size_t i = 0; i < a->piece_count; i++)
        release(a->pieces[i]);
    assembly_slab_drop(a->slab);
    free(a->pieces);
    free(a->of_worker);
    free(a);
}

void assembly_keep_piece(struct assembly *a, struct sink_result *piece)
{
    a->pieces = mem_resize(a->pieces, a->piece_count + 1, sizeof *a->pieces);
    a->pieces[a->piece_count++] = piece;
}

/* Appends the parts of `from` to `to`, owners and all; each says who sent it. */
static void take_parts(struct sink_result *to, struct sink_result *from)
{
    for (size_t i = 0; i < from->part_count; i++) {
        from->parts[i].worker = from->worker;
        *result_grow(to) = from->parts[i];
    }
    from->part_count = 0;
    release(from);
}

static void add_failed(struct sink_result *r, const struct assembly_shape *shape, uint32_t point)
{
    static const double nan_value = NAN;
    static const float nan_error = NAN;
    static const uint8_t failed = 2; /* POINT_FAILED of status.npy */
    for (uint16_t plane = 0; plane <= 2 * shape->fields; plane++) {
        if (plane % 2 == 1 && !shape->errors)
            continue;
        struct sink_part *part = result_grow(r);
        part->first = point;
        part->count = 1;
        part->plane = plane;
        part->coding = WIRE_SAME;
        part->len = assembly_element(plane, shape->fields);
        part->data = plane == 2 * shape->fields ? (const void *)&failed
                     : plane % 2 == 0           ? (const void *)&nan_value
                                                : (const void *)&nan_error;
    }
}

struct sink_result *assembly_join(struct assembly *a, uint32_t job, uint32_t tile,
                                  const struct assembly_shape *shape, const uint32_t *failed,
                                  size_t failed_count)
{
    struct sink_result *r = mem_alloc(1, sizeof *r);
    r->job = job;
    r->tile = tile;
    r->release = release;
    size_t kept = 0;
    for (size_t i = 0; i < a->piece_count; i++) {
        if (a->pieces[i]->job == job && a->pieces[i]->tile == tile)
            take_parts(r, a->pieces[i]);
        else
            a->pieces[kept++] = a->pieces[i];
    }
    a->piece_count = kept;
    for (size_t i = 0; i < failed_count; i++)
        add_failed(r, shape, failed[i]);
    return r;
}
