/* See job.h: a job as canonical text and as a document. Both come from one function, so that they
 * say the same; only long lists are written differently. */
#include "job_private.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DOCUMENT_HEADER 8

/* `data` collects the doubles of a document; NULL for a text. */
static void put_list(struct json_out *out, const char *key, const double *values, size_t count,
                     struct buf *data)
{
    if (!data || count <= JOB_INLINE) {
        json_put_numbers(out, key, values, count);
        return;
    }
    double place[2] = {(double)(data->len / sizeof(double)), (double)count};
    json_put_numbers(json_put_object(out, key), "data", place, 2);
    unsigned char *to = buf_grow(data, count * sizeof(double));
    for (size_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        for (int byte = 0; byte < 8; byte++)
            *to++ = (unsigned char)(bits >> (8 * byte));
    }
}

static void put_values(struct json_out *out, const char *key, const struct job_values *v,
                       struct buf *data)
{
    if (v->listed) {
        put_list(out, key, v->values, v->count, data);
        return;
    }
    struct json_out *range = json_put_object(out, key);
    json_put_number(range, "from", v->from);
    json_put_number(range, "to", v->to);
    json_put_integer(range, "count", (int64_t)v->count);
    if (v->log)
        json_put_string(range, "scale", "log");
}

static void put_pair(struct json_out *out, const char *key, double x, double y)
{
    json_put_numbers(out, key, (double[]){x, y}, 2);
}

static void put_text(struct json_out *out, const char *key, const char *text)
{
    if (text)
        json_put_string(out, key, text);
}

/* What is exactly the text of a number is written as a number. */
static void add_number_or_text(struct json_out *array, const char *text)
{
    char again[NUMBER_TEXT];
    double value;
    size_t len = strlen(text), minus = text[0] == '-';
    if (number_parse(text + minus, len - minus, 0, &value) == len - minus && isfinite(value)) {
        value = minus ? -value : value;
        number_format(value, again);
        if (strcmp(again, text) == 0) {
            json_add_number(array, value);
            return;
        }
    }
    json_add_string(array, text);
}

static void put_w(struct json_out *out, const struct job *job, struct buf *data)
{
    put_text(out, "is", job->w_is);
    if (!job->w_is) {
        struct json_out *table = json_put_object(out, "table");
        put_list(table, "t", job->table_t, job->table_count, data);
        put_list(table, "w", job->table_w, job->table_count, data);
    }
    put_pair(out, "t", job->w_from, job->w_to);
    json_put_string(out, "interpolation", job_interpolation_name(job->interpolation));
    if (job->knots > 0)
        json_put_integer(out, "knots", (int64_t)job->knots);
    if (job->break_count > 0)
        put_list(out, "breaks", job->breaks, job->break_count, data);
    if (job->period > 0)
        json_put_number(out, "period", job->period);
}

static void put_z(struct json_out *out, const struct job *job, struct buf *data)
{
    struct json_out *start = json_put_array(out, "start");
    add_number_or_text(start, job->z_start[0]);
    add_number_or_text(start, job->z_start[1]);
    put_values(out, "t", &job->times, data);
    put_text(out, "u", job->u);
    put_text(out, "v", job->v);
    put_text(out, "damping", job->damping);
    put_text(out, "ddz", job->ddz);
}

/* Lists in the order in which job_read reads them, which placeholders depend on. */
static struct json_out *make(const struct job *job, struct buf *data)
{
    struct json_out *out = json_object();
    put_text(out, "name", job->name[0] ? job->name : NULL);
    if (job->y_f) {
        struct json_out *y = json_put_object(out, "y");
        json_put_string(y, "f", job->y_f);
        put_pair(y, "t", job->y_from, job->y_to);
        put_pair(y, "start", job->y_start[0], job->y_start[1]);
    }
    put_w(json_put_object(out, "w"), job, data);
    put_z(json_put_object(out, "z"), job, data);
    struct json_out *grid = json_put_object(out, "grid");
    put_values(grid, "q", &job->q, data);
    put_values(grid, "a", &job->a, data);
    struct json_out *output = json_put_object(out, "output");
    for (size_t i = 0; i < job->output_count; i++)
        json_put_string(output, job->outputs[i].name, job->outputs[i].text);
    json_put_number(out, "tolerance", job->tolerance);
    put_text(out, "solver", job->solver != JOB_AUTO ? job_solver_names[job->solver] : NULL);
    json_put_bool(out, "errors", job->errors);
    put_pair(out, "tiles", job->q_blocks, job->a_blocks);
    return out;
}

void job_format(const struct job *job, struct buf *out)
{
    struct json_out *json = make(job, NULL);
    json_print(json, true, out);
    json_out_destroy(json);
}

/* ---- documents ---- */

static void put_u32(unsigned char *at, size_t value)
{
    assert(value <= UINT32_MAX);
    for (int byte = 0; byte < 4; byte++)
        at[byte] = (unsigned char)(value >> (8 * byte));
}

static uint32_t get_u32(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static double get_f64(const unsigned char *at)
{
    uint64_t bits = get_u32(at) | (uint64_t)get_u32(at + 4) << 32;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

size_t job_document_json_len(const void *document)
{
    return get_u32(document);
}

void job_encode(const struct job *job, struct buf *out)
{
    struct buf data = {0};
    struct json_out *json = make(job, &data);
    size_t start = out->len;
    buf_grow(out, DOCUMENT_HEADER);
    json_print(json, false, out);
    put_u32(out->data + start, out->len - start - DOCUMENT_HEADER);
    put_u32(out->data + start + 4, data.len / sizeof(double));
    buf_add(out, data.data, data.len);
    json_out_destroy(json);
    buf_fini(&data);
}

static int refuse(struct err *err, const char *text)
{
    err_set(err, ERR_JOB_REFUSED, "the job's document is damaged: %s", text);
    return err_hint(err, "submit the job again");
}

static int decode_json(struct job_reader *r, const char *json, size_t len, struct job **out)
{
    static const struct json_limits limits = {
        .bytes = JOB_JSON_MAX, .values = 4096, .numbers = JOB_JSON_MAX};
    struct json *root;
    if (json_parse(json, len, &limits, &root, r->err)) {
        if (r->err)
            r->err->code = ERR_JOB_REFUSED;
        return -1;
    }
    int rc = job_read(r, root, out);
    json_destroy(root);
    return rc;
}

static int decode(const void *document, size_t len, bool lean, struct job **out, struct err *err)
{
    const unsigned char *bytes = document;
    *out = NULL;
    if (len < DOCUMENT_HEADER)
        return refuse(err, "it is too short");
    size_t json_len = get_u32(bytes), count = get_u32(bytes + 4);
    if (json_len > JOB_JSON_MAX || count > JOB_LISTED_MAX)
        return refuse(err, "it is too large");
    if (len != DOCUMENT_HEADER + json_len + count * sizeof(double))
        return refuse(err, "its length is wrong");
    const unsigned char *from = bytes + DOCUMENT_HEADER + json_len;
    double *data = mem_alloc(count, sizeof *data);
    size_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        data[i] = get_f64(from + i * sizeof(double));
        bad += !isfinite(data[i]);
    }
    struct job_reader r = {.err = err, .data = data, .data_count = count, .lean = lean};
    int rc = bad ? refuse(err, "a number is not finite")
                 : decode_json(&r, (const char *)bytes + DOCUMENT_HEADER, json_len, out);
    free(data);
    return rc;
}

int job_decode(const void *document, size_t len, struct job **out, struct err *err)
{
    return decode(document, len, false, out, err);
}

int job_decode_lean(const void *document, size_t len, struct job **out, struct err *err)
{
    return decode(document, len, true, out, err);
}
