/* See tile.h. Bytes are copied row by row: a part may begin and end anywhere, also within an
 * element. */
#include "tile.h"
#include "tile_private.h"

#include "crc32c.h"

#include <string.h>

#define RECORD_MAGIC 0x31525448u /* "HTR1" */
#define INFINITE     0x7ff0000000000000u
#define INFINITE32   0x7f800000u
#define NAN64        0x7ff8000000000000u
#define NAN32        0x7fc00000u

enum { DONE = 1, FAILED = 2, OVERFLOWED = 3, LIMITED = 4 };

unsigned tile_status_plane(const struct job *job)
{
    return 2 * (unsigned)job->output_count;
}

bool tile_has_plane(const struct job *job, unsigned plane)
{
    return plane <= tile_status_plane(job) && (job->errors || plane % 2 == 0);
}

size_t tile_element(const struct job *job, unsigned plane)
{
    if (plane == tile_status_plane(job))
        return 1;
    return plane % 2 ? sizeof(float) : sizeof(double);
}

static bool part_fits(const struct job *job, const struct sink_part *p, size_t points)
{
    if (!tile_has_plane(job, p->plane) || p->count == 0 || p->first > points ||
        p->count > points - p->first)
        return false;
    size_t element = tile_element(job, p->plane);
    if (p->coding == WIRE_SAME)
        return p->offset == 0 && p->len == element;
    size_t bytes = p->count * element;
    return p->coding == WIRE_RAW && p->offset <= bytes && p->len <= bytes - p->offset;
}

int tile_fits(const struct job *job, const struct sink_result *result, uint32_t *sender,
              struct err *err)
{
    uint32_t nobody, *who = sender ? sender : &nobody;
    *who = result->worker;
    if (result->tile >= job_tile_count(job))
        return err_set(err, ERR_OTHER, "there is no tile %u", result->tile);
    size_t points = job_tile_points(job, result->tile);
    uint64_t covered[2 * JOB_OUTPUTS_MAX + 1] = {0};
    for (size_t i = 0; i < result->part_count; i++) {
        const struct sink_part *p = &result->parts[i];
        if (!part_fits(job, p, points)) {
            *who = p->worker ? p->worker : result->worker;
            return err_set(err, ERR_OTHER, "a part of plane %u does not fit tile %u", p->plane,
                           result->tile);
        }
        covered[p->plane] +=
            p->coding == WIRE_SAME ? p->count * tile_element(job, p->plane) : p->len;
    }
    for (unsigned plane = 0; plane <= tile_status_plane(job); plane++)
        if (tile_has_plane(job, plane) && covered[plane] != points * tile_element(job, plane))
            return err_set(err, ERR_OTHER, "plane %u of tile %u is not complete", plane,
                           result->tile);
    return 0;
}

/* --- looking --------------------------------------------------------------------------------- */

/* What is usual, nothing to be put right, is found out for a stretch of points at once and without
 * branches. */
#define STRETCH 256

static uint64_t bits64(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint32_t bits32(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* An exponent of ones becomes a carry. */
static bool any_nonfinite(const double *values, size_t n)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < n; i++)
        carry |= (bits64(values[i]) & INFINITE) + (INFINITE & -INFINITE);
    return carry >> 63;
}

static bool any_nan(const float *errors, size_t n)
{
    uint32_t carry = 0;
    for (size_t i = 0; i < n; i++)
        carry |= (bits32(errors[i]) & INT32_MAX) + (UINT32_C(1) << 31) - INFINITE32 - 1;
    return carry >> 31;
}

static bool any_status(uint8_t which, const uint8_t *status, size_t n)
{
    uint8_t found = 0;
    for (size_t i = 0; i < n; i++)
        found |= status[i] == which;
    return found;
}

static bool all_done(const uint8_t *status, size_t n)
{
    uint8_t other = 0;
    for (size_t i = 0; i < n; i++)
        other |= status[i] ^ DONE;
    return other == 0;
}

/* --- decoding -------------------------------------------------------------------------------- */

/* Some rows of a tile's plane and where they go; all in bytes. */
struct window {
    unsigned char *origin;    /* of byte `from` */
    size_t row_bytes, stride; /* there, and here */
    size_t from, to;          /* of the plane */
};

static struct window window_of(const struct job_tile *at, const struct job_tile *band,
                               size_t element, unsigned char *out)
{
    size_t q0 = at->q0 > band->q0 ? at->q0 : band->q0, q1 = at->q1 < band->q1 ? at->q1 : band->q1;
    size_t width = band->a1 - band->a0, row_bytes = (at->a1 - at->a0) * element;
    return (struct window){
        .origin = out + ((q0 - band->q0) * width + (at->a0 - band->a0)) * element,
        .row_bytes = row_bytes,
        .stride = width * element,
        .from = (q0 - at->q0) * row_bytes,
        .to = q1 > q0 ? (q1 - at->q0) * row_bytes : 0,
    };
}

/* Where byte `pos` of the plane goes, and how many bytes follow in its row. */
struct spot {
    unsigned char *at;
    size_t left;
};

static struct spot window_spot(const struct window *w, size_t pos)
{
    size_t row = (pos - w->from) / w->row_bytes, column = (pos - w->from) % w->row_bytes;
    return (struct spot){w->origin + row * w->stride + column, w->row_bytes - column};
}

/* A piece that ends within an element is not looked at. */
static bool put_raw(const struct window *w, size_t pos, size_t end, const unsigned char *data,
                    size_t element)
{
    bool usual = true;
    while (pos < end) {
        struct spot spot = window_spot(w, pos);
        size_t n = end - pos < spot.left ? end - pos : spot.left;
        if (pos % element == 0 && n % element == 0) {
            usual = tile_copy(spot.at, data, n, element) && usual;
        } else {
            memcpy(spot.at, data, n);
            usual = false;
        }
        pos += n;
        data += n;
    }
    return usual;
}

static bool put_same(const struct window *w, size_t pos, size_t end, const void *one,
                     size_t element)
{
    unsigned char copy[sizeof(double)];
    while (pos < end) {
        struct spot spot = window_spot(w, pos);
        size_t n = end - pos < spot.left ? end - pos : spot.left;
        if (element == 1)
            memset(spot.at, *(const unsigned char *)one, n);
        else
            for (size_t i = 0; i < n; i += element)
                memcpy(spot.at + i, one, element);
        pos += n;
    }
    return tile_copy(copy, one, element, element);
}

bool tile_decode(const struct job *job, const struct sink_result *result, unsigned plane,
                 const struct job_tile *band, unsigned char *out)
{
    struct job_tile at = job_tile(job, result->tile);
    size_t element = tile_element(job, plane);
    struct window w = window_of(&at, band, element, out);
    bool usual = true;
    for (size_t i = 0; i < result->part_count; i++) {
        const struct sink_part *p = &result->parts[i];
        if (p->plane != plane)
            continue;
        size_t begin = p->first * element + (p->coding == WIRE_SAME ? 0 : p->offset);
        size_t len = p->coding == WIRE_SAME ? p->count * element : p->len;
        size_t from = begin > w.from ? begin : w.from;
        size_t to = begin + len < w.to ? begin + len : w.to;
        if (from >= to)
            continue;
        const unsigned char *data = p->data;
        bool of_part = p->coding == WIRE_SAME
                           ? put_same(&w, from, to, data, element)
                           : put_raw(&w, from, to, data + (from - begin), element);
        usual = usual && of_part;
    }
    return usual;
}

/* --- the rules ------------------------------------------------------------------------------- */

bool tile_judge_statuses(uint8_t *status, size_t n, bool *changed)
{
    bool all = true;
    for (size_t from = 0; from < n; from += STRETCH) {
        size_t to = n - from < STRETCH ? n : from + STRETCH;
        if (all_done(status + from, to - from))
            continue;
        all = false;
        for (size_t i = from; i < to; i++) {
            if (status[i] - 1u <= LIMITED - 1u)
                continue;
            status[i] = FAILED;
            *changed = true;
        }
    }
    return all;
}

bool tile_judge_values(const double *values, uint8_t *status, size_t n, bool *changed)
{
    bool all = true;
    for (size_t from = 0; from < n; from += STRETCH) {
        size_t to = n - from < STRETCH ? n : from + STRETCH;
        if (!any_nonfinite(values + from, to - from))
            continue;
        all = false;
        for (size_t i = from; i < to; i++) {
            uint64_t size = bits64(values[i]) & ~(UINT64_C(1) << 63);
            if (size < INFINITE || (status[i] != DONE && status[i] != LIMITED))
                continue;
            status[i] = size == INFINITE ? OVERFLOWED : FAILED;
            *changed = true;
        }
    }
    return all;
}

void tile_clean_values(double *values, const uint8_t *status, size_t n, bool *changed)
{
    const uint64_t nan_bits = NAN64;
    for (size_t from = 0; from < n; from += STRETCH) {
        size_t to = n - from < STRETCH ? n : from + STRETCH;
        if (!any_status(FAILED, status + from, to - from) &&
            !any_nonfinite(values + from, to - from))
            continue;
        for (size_t i = from; i < to; i++) {
            if (status[i] != FAILED && values[i] == values[i])
                continue;
            *changed = *changed || bits64(values[i]) != nan_bits;
            memcpy(&values[i], &nan_bits, sizeof nan_bits);
        }
    }
}

void tile_clean_errors(float *errors, const uint8_t *status, size_t n, bool *changed)
{
    const uint32_t nan_bits = NAN32;
    for (size_t from = 0; from < n; from += STRETCH) {
        size_t to = n - from < STRETCH ? n : from + STRETCH;
        if ((!status || !any_status(FAILED, status + from, to - from)) &&
            !any_nan(errors + from, to - from))
            continue;
        for (size_t i = from; i < to; i++) {
            if ((!status || status[i] != FAILED) && errors[i] == errors[i])
                continue;
            *changed = *changed || bits32(errors[i]) != nan_bits;
            memcpy(&errors[i], &nan_bits, sizeof nan_bits);
        }
    }
}

/* --- checksums and records ------------------------------------------------------------------- */

static const unsigned char *band_row(const struct job_tile *at, const struct job_tile *band,
                                     size_t element, const unsigned char *rows, size_t q)
{
    return rows + ((q - band->q0) * (band->a1 - band->a0) + (at->a0 - band->a0)) * element;
}

uint32_t tile_crc(uint32_t crc, const struct job_tile *at, const struct job_tile *band,
                  size_t element, const unsigned char *rows)
{
    for (size_t q = at->q0; q < at->q1; q++)
        crc = crc32c(crc, band_row(at, band, element, rows, q), (at->a1 - at->a0) * element);
    return crc;
}

/* Of n elements that are alike, from that of one. */
static uint32_t alike_crc(uint32_t one, size_t n, size_t element)
{
    uint32_t crc = 0, some = one; /* of `have` elements */
    for (size_t have = 1; n > 0; n /= 2, have *= 2) {
        if (n % 2)
            crc = crc32c_join(crc, some, have * element);
        some = crc32c_join(some, some, have * element);
    }
    return crc;
}

/* The part of a plane that begins at this byte, and its bytes in the plane. */
static const struct sink_part *part_at(const struct sink_result *r, unsigned plane, size_t element,
                                       size_t at, size_t *len)
{
    for (size_t i = 0; i < r->part_count; i++) {
        const struct sink_part *p = &r->parts[i];
        bool same = p->coding == WIRE_SAME;
        *len = same ? p->count * element : p->len;
        if (p->plane == plane && p->first * element + (same ? 0 : p->offset) == at && *len > 0)
            return p;
    }
    return NULL;
}

bool tile_parts_crc(const struct job *job, const struct sink_result *result, uint32_t *crc)
{
    enum { PARTS_MOST = 400 }; /* else it is faster to look at the bytes */
    size_t points = job_tile_points(job, result->tile), len;
    *crc = 0;
    if (result->part_count > PARTS_MOST)
        return false;
    for (unsigned plane = 0; plane <= tile_status_plane(job); plane++) {
        size_t element = tile_element(job, plane), all = points * element;
        for (size_t at = 0; tile_has_plane(job, plane) && at < all; at += len) {
            const struct sink_part *p = part_at(result, plane, element, at, &len);
            if (!p || !p->has_crc || len > all - at)
                return false;
            uint32_t of_part =
                p->coding == WIRE_SAME ? alike_crc(p->crc, p->count, element) : p->crc;
            *crc = crc32c_join(*crc, of_part, len);
        }
    }
    return true;
}

void tile_count_statuses(const struct job_tile *at, const struct job_tile *band,
                         const uint8_t *status, struct tile_record *r)
{
    size_t width = at->a1 - at->a0;
    for (size_t q = at->q0; q < at->q1; q++) {
        const uint8_t *row = band_row(at, band, 1, status, q);
        if (all_done(row, width))
            continue;
        for (size_t i = 0; i < width; i++) {
            r->failed += row[i] == FAILED;
            r->overflow += row[i] == OVERFLOWED;
            r->limited += row[i] == LIMITED;
        }
    }
}

static void put32(unsigned char *out, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(v >> 8 * i);
}

static uint32_t get32(const unsigned char *in)
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

void tile_record_encode(const struct tile_record *r, unsigned char out[TILE_RECORD_BYTES])
{
    const uint32_t words[7] = {RECORD_MAGIC, r->tile,    r->crc, r->failed,
                               r->overflow,  r->limited, r->seq};
    for (int i = 0; i < 7; i++)
        put32(out + 4 * i, words[i]);
    put32(out + 28, crc32c(0, out, 28));
}

bool tile_record_decode(const unsigned char in[TILE_RECORD_BYTES], struct tile_record *r)
{
    if (get32(in) != RECORD_MAGIC || get32(in + 28) != crc32c(0, in, 28))
        return false;
    *r = (struct tile_record){get32(in + 4),  get32(in + 8),  get32(in + 12),
                              get32(in + 16), get32(in + 20), get32(in + 24)};
    return true;
}
