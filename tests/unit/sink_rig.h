#ifndef TESTS_SINK_RIG_H
#define TESTS_SINK_RIG_H

/* What the tests of the sink share: a folder of their own, jobs of any shape, results whose every
 * number follows from the place of its point, and a reading of the files that shares no code with
 * their writing. */
#include "buf.h"
#include "crc32c.h"
#include "disk.h"
#include "queue.h"
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* --- a reproducible source of choices -------------------------------------------------------- */

static inline uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static inline uint64_t draw(uint64_t *seed, uint64_t below)
{
    *seed = mix(*seed);
    return *seed % below;
}

/* --- the rig --------------------------------------------------------------------------------- */

struct rig {
    char root[64]; /* removed at the end */
    char data[96], results[96];
    struct sink_config config;
    struct sink *sink;
    sem_t woken;
    struct sink_event last; /* of rig_wait */
    unsigned durable, dropped, stalled, resumed;
};

static atomic_int rig_results; /* not yet released */

static inline void rig_wake(void *arg)
{
    sem_post(arg);
}

static inline int rig_setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    /* in memory where there is some: a thousand syncs of a busy disk are a minute */
    snprintf(r->root, sizeof r->root, "%s/sink-test-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(r->root));
    snprintf(r->data, sizeof r->data, "%s/state/data", r->root);
    snprintf(r->results, sizeof r->results, "%s/out", r->root);
    sem_init(&r->woken, 0, 0);
    r->config = (struct sink_config){
        .data = r->data, .wake = rig_wake, .wake_arg = &r->woken, .retry_ms = 1};
    *state = r;
    return 0;
}

static inline int rig_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline int rig_teardown(void **state)
{
    struct rig *r = *state;
    sink_close(r->sink);
    nftw(r->root, rig_unlink, 16, FTW_DEPTH | FTW_PHYS);
    sem_destroy(&r->woken);
    free(r);
    return atomic_load(&rig_results); /* every result was released */
}

static inline void rig_open(struct rig *r)
{
    struct err err = {0};
    if (sink_open(&r->config, &r->sink, &err) != 0 || sink_start(r->sink, &err) != 0)
        fail_msg("open: %s", err.text);
}

static inline void rig_close(struct rig *r)
{
    sink_close(r->sink);
    r->sink = NULL;
}

/* The next event of this type; others are counted and passed over. */
static inline const struct sink_event *rig_wait(struct rig *r, enum sink_event_type type)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    for (;;) {
        while (sink_next(r->sink, &r->last)) {
            r->durable += r->last.type == SINK_DURABLE;
            r->dropped += r->last.type == SINK_DROPPED;
            r->stalled += r->last.type == SINK_STALLED;
            r->resumed += r->last.type == SINK_RESUMED;
            if (r->last.type == type)
                return &r->last;
        }
        if (sem_timedwait(&r->woken, &until) != 0 && errno == ETIMEDOUT)
            fail_msg("no event of type %d", (int)type);
    }
}

/* --- jobs ------------------------------------------------------------------------------------ */

/* A longer span makes points dearer and so tiles smaller: 1e7 gives a tile a point or so. */
static inline struct job *make_job(size_t n_q, size_t n_a, unsigned fields, bool errors,
                                   double span)
{
    struct buf b = {0};
    struct err err = {0};
    struct job *job = NULL;
    buf_printf(&b,
               "{\"w\": {\"is\": \"cos(2*t)\", \"t\": [0, %.0f]},"
               " \"z\": {\"start\": [1, 0], \"t\": [0, %.0f]},"
               " \"grid\": {\"q\": {\"from\": 0, \"to\": 4, \"count\": %zu},"
               " \"a\": {\"from\": -2, \"to\": 7, \"count\": %zu}},"
               " \"errors\": %s, \"output\": {",
               span, span, n_q, n_a, errors ? "true" : "false");
    for (unsigned k = 0; k < fields; k++)
        buf_printf(&b, "%s\"field_%u\": \"%u*z(%.0f)\"", k ? ", " : "", k, k + 1, span);
    buf_printf(&b, "}}");
    if (job_parse((char *)b.data, b.len, NULL, &job, &err) != 0)
        fail_msg("%s: %s", err.path, err.text);
    buf_fini(&b);
    return job;
}

/* --- what each point is ---------------------------------------------------------------------- */

#define NAN_BITS   0x7ff8000000000000u
#define NAN_BITS_F 0x7fc00000u

struct content {
    uint64_t salt; /* another one: other numbers */
    bool odd;      /* with failed, overflown and limited points, and workers' nonsense */
};

static inline uint64_t point_hash(const struct content *c, unsigned field, size_t q, size_t a)
{
    return mix(mix(mix(c->salt * 131 + field) + q) + a);
}

/* What a worker sends. */
static inline uint8_t sent_status(const struct content *c, size_t q, size_t a)
{
    static const uint8_t some[] = {1, 1, 1, 1, 1, 2, 3, 4, 0, 9, 255};
    return c->odd ? some[point_hash(c, 99, q, a) % sizeof some] : 1;
}

static inline uint64_t sent_value(const struct content *c, unsigned field, size_t q, size_t a)
{
    static const uint64_t some[] = {0x7ff0000000000000u, 0xfff0000000000000u, 0x7ff8000000000001u,
                                    0xfff4000000000123u, 0x8000000000000000u, 1};
    uint64_t h = point_hash(c, field, q, a);
    if (c->odd && h % 16 < 6)
        return some[h % 16];
    return (h & 0x800fffffffffffffu) | (1023 + h % 7) << 52;
}

static inline uint32_t sent_error(const struct content *c, unsigned field, size_t q, size_t a)
{
    uint32_t h = (uint32_t)point_hash(c, field + 1000, q, a);
    if (c->odd && h % 13 == 0)
        return 0xffc12345u; /* a NaN */
    return (h & 0x007fffffu) | 100u << 23;
}

/* What must be stored (the rules of tile.h, written down anew). */
static inline uint8_t right_status(const struct content *c, unsigned fields, size_t q, size_t a)
{
    uint8_t status = sent_status(c, q, a);
    if (status < 1 || status > 4)
        status = 2;
    for (unsigned k = 0; k < fields; k++) {
        uint64_t size = sent_value(c, k, q, a) << 1;
        if ((status == 1 || status == 4) && size >= 0xffe0000000000000u)
            status = size == 0xffe0000000000000u ? 3 : 2;
    }
    return status;
}

static inline uint64_t right_value(const struct content *c, unsigned fields, unsigned field,
                                   size_t q, size_t a)
{
    uint64_t bits = sent_value(c, field, q, a);
    bool is_nan = (bits << 1) > 0xffe0000000000000u;
    return is_nan || right_status(c, fields, q, a) == 2 ? NAN_BITS : bits;
}

static inline uint32_t right_error(const struct content *c, unsigned fields, unsigned field,
                                   size_t q, size_t a)
{
    uint32_t bits = sent_error(c, field, q, a);
    return bits == 0xffc12345u || right_status(c, fields, q, a) == 2 ? NAN_BITS_F : bits;
}

/* --- results --------------------------------------------------------------------------------- */

static inline void release_result(struct sink_result *result)
{
    for (size_t i = 0; i < result->part_count; i++)
        free(result->parts[i].owner);
    free(result->parts);
    free(result);
    atomic_fetch_sub(&rig_results, 1);
}

static inline void add_part(struct sink_result *r, struct sink_part part, const void *data)
{
    r->parts = mem_resize(r->parts, r->part_count + 1, sizeof *r->parts);
    part.owner = mem_alloc(part.len + 3, 1);
    part.data = (char *)part.owner + r->part_count % 4; /* as odd in memory as in a message */
    memcpy((void *)part.data, data, part.len);
    r->data_bytes += part.len;
    r->parts[r->part_count++] = part;
}

static inline void plane_bytes(const struct job *job, const struct content *c, uint32_t tile,
                               unsigned plane, struct buf *out)
{
    struct job_tile t = job_tile(job, tile);
    unsigned fields = (unsigned)job->output_count;
    buf_clear(out);
    for (size_t q = t.q0; q < t.q1; q++) {
        for (size_t a = t.a0; a < t.a1; a++) {
            uint64_t value = sent_value(c, plane / 2, q, a);
            uint32_t error = sent_error(c, plane / 2, q, a);
            uint8_t status = sent_status(c, q, a);
            if (plane == 2 * fields)
                buf_add(out, &status, sizeof status);
            else if (plane % 2)
                buf_add(out, &error, sizeof error);
            else
                buf_add(out, &value, sizeof value);
        }
    }
}

static inline bool all_alike(const unsigned char *p, size_t n, size_t element)
{
    return n >= element && memcmp(p, p + element, n - element) == 0;
}

/* One piece of one plane, in parts that end where chance has it. */
static inline void add_piece(struct sink_result *r, unsigned plane, const unsigned char *bytes,
                             uint32_t first, uint32_t count, size_t element, uint64_t *seed)
{
    struct sink_part part = {.first = first, .count = count, .plane = (uint16_t)plane};
    const unsigned char *from = bytes + first * element;
    size_t len = count * element;
    if (all_alike(from, len, element) && draw(seed, 4)) {
        part.coding = WIRE_SAME;
        part.len = element;
        add_part(r, part, from);
        return;
    }
    part.coding = WIRE_RAW;
    for (size_t at = 0; at < len; at += part.len) {
        part.offset = (uint32_t)at;
        part.len = draw(seed, 3) ? len - at : 1 + draw(seed, len - at);
        add_part(r, part, from + at);
    }
}

static inline struct sink_result *make_result(const struct job *job, uint32_t id, uint32_t tile,
                                              const struct content *c, uint64_t seed)
{
    struct sink_result *r = mem_alloc(1, sizeof *r);
    struct buf bytes = {0};
    r->job = id;
    r->tile = tile;
    r->worker = 7;
    r->release = release_result;
    atomic_fetch_add(&rig_results, 1);
    unsigned last = 2 * (unsigned)job->output_count;
    uint32_t points = (uint32_t)job_tile_points(job, tile);
    uint32_t cut = draw(&seed, 3) ? points : 1 + (uint32_t)draw(&seed, points);
    for (unsigned plane = 0; plane <= last; plane++) {
        if (plane % 2 && !job->errors)
            continue;
        size_t element = plane == last ? 1 : plane % 2 ? 4 : 8;
        plane_bytes(job, c, tile, plane, &bytes);
        add_piece(r, plane, bytes.data, 0, cut, element, &seed);
        if (cut < points)
            add_piece(r, plane, bytes.data, cut, points - cut, element, &seed);
    }
    for (size_t i = 0; i < r->part_count && seed % 2; i++) {
        r->parts[i].has_crc = true;
        r->parts[i].crc = crc32c(0, r->parts[i].data, r->parts[i].len);
    }
    buf_fini(&bytes);
    return r;
}

static inline void rig_submit(struct rig *r, uint32_t id, const struct job *job)
{
    sink_submit(r->sink, id, id * 1000003u, 3, "me", job);
    rig_wait(r, SINK_SUBMITTED);
    assert_int_equal(r->last.job, id);
}

/* Waits until the statuses of what was told to be durable are written: the next group is done. */
static inline void rig_settle(struct rig *r, uint32_t id)
{
    sink_frontier(r->sink, id, 1);
    rig_wait(r, SINK_FRONTIER);
}

/* Tiles in a random order. */
static inline uint32_t *shuffled(uint32_t n, uint64_t seed)
{
    uint32_t *order = mem_alloc(n, sizeof *order);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = (uint32_t)draw(&seed, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    return order;
}

static inline void rig_store_all(struct rig *r, uint32_t id, const struct job *job,
                                 const struct content *c, uint64_t seed)
{
    uint32_t n = job_tile_count(job), *order = shuffled(n, seed);
    r->durable = 0;
    for (uint32_t i = 0; i < n; i++)
        sink_store(r->sink, make_result(job, id, order[i], c, seed + i));
    while (r->durable < n)
        rig_wait(r, SINK_DURABLE);
    free(order);
}

/* --- reading back ---------------------------------------------------------------------------- */

static inline unsigned char *read_whole(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        fail_msg("%s cannot be read", path);
    unsigned char *bytes = mem_alloc((size_t)st.st_size + 1, 1);
    assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
    close(fd);
    *len = (size_t)st.st_size;
    return bytes;
}

/* A file's data behind its header, which must say this much and nothing else. */
static inline unsigned char *read_npy(const char *folder, const char *name, const char *descr,
                                      const char *shape, size_t data_bytes)
{
    char path[300], dict[200];
    size_t len;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(dict, sizeof dict, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr,
             shape);
    unsigned char *bytes = read_whole(path, &len);
    assert_int_equal(len, 4096 + data_bytes);
    assert_memory_equal(bytes, "\x93NUMPY\x01\x00\xf6\x0f", 10);
    assert_memory_equal(bytes + 10, dict, strlen(dict));
    for (size_t i = 10 + strlen(dict); i < 4095; i++)
        assert_int_equal(bytes[i], ' ');
    assert_int_equal(bytes[4095], '\n');
    memmove(bytes, bytes + 4096, data_bytes);
    return bytes;
}

static inline bool exists(const char *folder, const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

/* Checks fields, errors and statuses of the tiles with done[tile] (NULL: all); statuses of the
 * others are 0. `ending` is ".npy" or ".partial.npy". */
static inline void check_planes(const struct job *job, const char *folder, const char *ending,
                                const struct content *c, const uint8_t *done)
{
    size_t n_q = job->q.count, n_a = job->a.count, n = n_q * n_a;
    unsigned fields = (unsigned)job->output_count;
    char shape[64], name[64];
    snprintf(shape, sizeof shape, "(%zu, %zu)", n_q, n_a);
    uint8_t *status = read_npy(folder, "status.npy", "|u1", shape, n);
    for (unsigned k = 0; k < fields; k++) {
        snprintf(name, sizeof name, "field_%u%s", k, ending);
        unsigned char *values = read_npy(folder, name, "<f8", shape, 8 * n), *errors = NULL;
        snprintf(name, sizeof name, "field_%u.error.npy", k);
        assert_int_equal(exists(folder, name), job->errors);
        if (job->errors)
            errors = read_npy(folder, name, "<f4", shape, 4 * n);
        for (uint32_t tile = 0; tile < job_tile_count(job); tile++) {
            struct job_tile t = job_tile(job, tile);
            for (size_t q = t.q0; q < t.q1; q++) {
                for (size_t a = t.a0; a < t.a1; a++) {
                    size_t i = q * n_a + a;
                    bool is_done = !done || done[tile];
                    uint64_t value;
                    uint32_t error;
                    memcpy(&value, values + 8 * i, 8);
                    memcpy(&error, errors ? errors + 4 * i : values, 4);
                    assert_int_equal(status[i], is_done ? right_status(c, fields, q, a) : 0);
                    if (is_done)
                        assert_true(value == right_value(c, fields, k, q, a));
                    if (is_done && errors)
                        assert_true(error == right_error(c, fields, k, q, a));
                }
            }
        }
        free(values);
        free(errors);
    }
    free(status);
}

static inline void folder_of(const struct rig *r, uint32_t id, char path[160])
{
    if (r->config.results)
        snprintf(path, 160, "%s", r->results);
    else
        snprintf(path, 160, "%s/jobs/%u", r->data, id);
}

static inline uint32_t u32_at(const unsigned char *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

static inline uint32_t right_crc(const struct job *job, const struct content *c, uint32_t tile)
{
    struct job_tile t = job_tile(job, tile);
    unsigned fields = (unsigned)job->output_count;
    uint32_t crc = 0;
    for (unsigned plane = 0; plane <= 2 * fields; plane++) {
        for (size_t q = t.q0; q < t.q1; q++) {
            for (size_t a = t.a0; a < t.a1; a++) {
                uint64_t value = right_value(c, fields, plane / 2, q, a);
                uint32_t error = right_error(c, fields, plane / 2, q, a);
                uint8_t status = right_status(c, fields, q, a);
                if (plane == 2 * fields)
                    crc = crc32c(crc, &status, 1);
                else if (plane % 2 == 0)
                    crc = crc32c(crc, &value, 8);
                else if (job->errors)
                    crc = crc32c(crc, &error, 4);
            }
        }
    }
    return crc;
}

/* Every record of a job all of whose tiles are stored: checksums, counts, number. */
static inline void check_records(const struct job *job, const char *folder, const struct content *c)
{
    char path[300];
    size_t len;
    snprintf(path, sizeof path, "%s/tiles.crc", folder);
    unsigned char *bytes = read_whole(path, &len);
    assert_int_equal(len, 32 * (size_t)job_tile_count(job));
    for (uint32_t tile = 0; tile < job_tile_count(job); tile++) {
        const unsigned char *r = bytes + 32 * (size_t)tile;
        struct job_tile t = job_tile(job, tile);
        uint32_t counts[5] = {0};
        for (size_t q = t.q0; q < t.q1; q++)
            for (size_t a = t.a0; a < t.a1; a++)
                counts[right_status(c, (unsigned)job->output_count, q, a)]++;
        assert_int_equal(u32_at(r + 28), crc32c(0, r, 28));
        assert_int_equal(u32_at(r + 4), tile);
        assert_int_equal(u32_at(r + 8), right_crc(job, c, tile));
        assert_int_equal(u32_at(r + 12), counts[2]);
        assert_int_equal(u32_at(r + 16), counts[3]);
        assert_int_equal(u32_at(r + 20), counts[4]);
        assert_true(u32_at(r + 24) > 0);
    }
    free(bytes);
}

#endif
