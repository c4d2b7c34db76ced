/* Any sequence of RESULT messages: parts of any plane, place, coding and length under two tokens,
 * leaves among them, through assembly, unfold and tile to the bytes that would be stored. Whatever
 * came, a whole result covers its tile, and what is called done is finite. */
#include "fuzz.h"

#include "assembly.h"
#include "crc32c.h"
#include "expander.h"
#include "tile.h"
#include "unfold.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct job *the_job(void)
{
    static const char text[] =
        "{\"w\": {\"is\": \"cos(2*t)\", \"t\": [0, 1]}, \"z\": {\"start\": [1, 0], \"t\": [0, 1]},"
        " \"grid\": {\"q\": {\"from\": 0, \"to\": 1, \"count\": 3},"
        " \"a\": {\"from\": 0, \"to\": 1, \"count\": 3}}, \"output\": {\"F\": \"z(1)\"}}";
    static struct job *job;
    if (!job) {
        int rc = job_parse(text, sizeof text - 1, NULL, &job, NULL);
        assert(rc == 0);
    }
    return job;
}

struct bytes {
    const uint8_t *at, *end;
};

static uint8_t one(struct bytes *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static uint32_t small(struct bytes *in, uint32_t usual)
{
    uint8_t b = one(in);
    return b < 0xf0 ? usual : b == 0xff ? UINT32_MAX - one(in) : one(in);
}

/* The next message; its header says what it likes, its data are the next bytes. */
static void next_part(struct bytes *in, const struct job *job, struct wire_msg *m)
{
    static const size_t elements[] = {8, 4, 1};
    uint32_t points = (uint32_t)job_tile_points(job, 0);
    uint8_t kind = one(in);
    *m = (struct wire_msg){.type = WIRE_RESULT};
    m->result.job = 1;
    m->result.count = small(in, points);
    m->result.first = small(in, 0);
    m->result.token = (struct token){1, kind >> 6 & 1};
    m->result.plane = (uint16_t)small(in, kind % 3);
    m->result.coding = (uint8_t)small(in, kind >> 2 & 1);
    size_t element = elements[kind % 3];
    size_t whole = kind >> 2 & 1 ? element : points * element;
    if (kind >> 3 & 1) {
        m->result.plane = WIRE_LEAVES_PLANE(1);
        m->result.coding = WIRE_LEAVES;
        whole = one(in); /* bytes of leaves */
    }
    m->result.plane_bytes = small(in, (uint32_t)whole);
    m->result.offset = small(in, 0);
    size_t len = small(in, (uint32_t)whole) % 1024, left = (size_t)(in->end - in->at);
    len = len < left ? len : left;
    m->result.data = (struct wire_span){in->at, len};
    in->at += len;
    m->result.crc = crc32c(0, m->result.data.data, len) ^ (kind >> 7 & (one(in) == 0));
}

static void store(const struct job *job, struct sink_result *result)
{
    static struct expander *expander;
    struct err err = {0};
    if (unfold(&expander, job, result, &err) != 0) {
        assert(err.text[0]);
        return;
    }
    struct job_tile band = job_tile(job, result->tile);
    size_t n = (size_t)job_tile_points(job, result->tile);
    int rc = tile_fits(job, result, NULL, NULL);
    assert(rc == 0); /* the assembly's promise */
    double *values = malloc(n * sizeof *values);
    float *errors = malloc(n * sizeof *errors);
    uint8_t *status = malloc(n);
    uint32_t told, crc = 0;
    bool changed = false, tells = tile_parts_crc(job, result, &told);
    tile_decode(job, result, 2, &band, status);
    tile_decode(job, result, 0, &band, (unsigned char *)values);
    tile_decode(job, result, 1, &band, (unsigned char *)errors);
    tile_judge_statuses(status, n, &changed);
    tile_judge_values(values, status, n, &changed);
    tile_clean_values(values, status, n, &changed);
    tile_clean_errors(errors, status, n, &changed);
    crc = tile_crc(crc, &band, &band, sizeof *values, (unsigned char *)values);
    crc = tile_crc(crc, &band, &band, sizeof *errors, (unsigned char *)errors);
    crc = tile_crc(crc, &band, &band, 1, status);
    assert(!tells || changed || told == crc);
    for (size_t i = 0; i < n; i++) {
        assert(status[i] >= 1 && status[i] <= 4);
        assert((status[i] != 1 && status[i] != 4) || isfinite(values[i]));
        assert(status[i] != 2 || isnan(values[i]));
    }
    free(values);
    free(errors);
    free(status);
}

static void take(struct assembly *a, const struct job *job, const struct wire_msg *m)
{
    struct assembly_shape shape = {.fields = 1, .errors = true};
    struct buf bytes = {0};
    struct wire_msg decoded;
    struct sink_result *out = NULL;
    struct err err = {0};
    zmq_msg_t frame;
    shape.tile_points = (uint32_t)job_tile_points(job, 0);
    wire_encode(m, &bytes);
    zmq_msg_init_size(&frame, bytes.len);
    memcpy(zmq_msg_data(&frame), bytes.data, bytes.len);
    buf_fini(&bytes);
    int rc = wire_decode(zmq_msg_data(&frame), zmq_msg_size(&frame), &decoded, &err);
    assert(rc == 0);
    enum assembly_added added =
        assembly_add(a, (uint32_t)(1 + m->result.token.lo), &decoded, &frame, &shape, &out, &err);
    assert((added == ASSEMBLY_COMPLETE) == (out != NULL));
    assert(added != ASSEMBLY_BAD || *err.text);
    zmq_msg_close(&frame);
    bool whole = m->result.first == 0 && m->result.count == shape.tile_points;
    if (out && whole)
        store(job, out);
    if (out)
        out->release(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, data + size};
    const struct job *job = the_job();
    struct assembly *a = assembly_create();
    for (int i = 0; i < 64 && in.at < in.end; i++) {
        struct wire_msg m;
        next_part(&in, job, &m);
        take(a, job, &m);
    }
    assembly_destroy(a);
    return 0;
}
