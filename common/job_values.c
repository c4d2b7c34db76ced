/* See job_private.h: lists of numbers, and the values that from/to/count stand for. */
#include "job_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LOG_SPAN_MAX                                                                               \
    1e280 /* ratio of the ends of a logarithmic scale: within the range of split() */

/* ---- from/to/count ---- */

/* numpy.linspace, bit for bit (numpy 1.16 and later): arange(count) * step + from, the last one set
 * to `to`; where the step underflows to zero, j / div * delta takes its place. */
static void fill_linear(const struct job_values *v, double *out)
{
    double div = (double)(v->count - 1), delta = v->to - v->from, step = delta / div;
    for (size_t i = 0; i < v->count; i++) {
        double j = (double)i;
        out[i] = (step == 0 ? j / div * delta : j * step) + v->from;
    }
    if (v->count > 1)
        out[v->count - 1] = v->to;
    else
        out[0] = v->from;
}

/* Double-double arithmetic for the logarithmic scale: libm's exp and log differ between machines,
 * these bits may not. Error-free transformations: T. J. Dekker, Numer. Math. 18 (1971) 224. */
struct dd {
    double hi, lo;
};

static struct dd quick_sum(double a, double b)
{
    double s = a + b;
    return (struct dd){s, b - (s - a)};
}

static void split(double a, double *hi, double *lo)
{
    double c = 134217729 * a; /* 2^27 + 1 */
    *hi = c - (c - a);
    *lo = a - *hi;
}

static struct dd product(double a, double b)
{
    double ah, al, bh, bl, p = a * b;
    split(a, &ah, &al);
    split(b, &bh, &bl);
    return (struct dd){p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
}

static struct dd dd_product(struct dd a, struct dd b)
{
    struct dd p = product(a.hi, b.hi);
    return quick_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

static struct dd dd_root(struct dd a)
{
    double s = sqrt(a.hi);
    struct dd p = product(s, s);
    return quick_sum(s, ((a.hi - p.hi) - p.lo + a.lo) / (2 * s));
}

static struct dd dd_quotient(double a, double b)
{
    double q = a / b;
    struct dd p = product(q, b);
    return quick_sum(q, ((a - p.hi) - p.lo) / b);
}

/* from * r^j with r = (to/from)^(1/(count-1)), which is a product of repeated square roots: one for
 * each binary digit of 1/(count-1). 100 digits make r exact to about 2^-98, and j is below 2^22. */
static void fill_log(const struct job_values *v, double *out)
{
    int exponent;
    double scaled = frexp(v->from, &exponent);
    struct dd root = dd_quotient(ldexp(v->to, -exponent), scaled), r = {1, 0}, power = {1, 0};
    uint64_t rest = 1, n = v->count - 1;
    for (int digit = 0; digit < 100 && n > 0; digit++) {
        root = dd_root(root);
        rest *= 2;
        if (rest >= n) {
            rest -= n;
            r = dd_product(r, root);
        }
    }
    for (size_t j = 0; j < v->count; j++) {
        struct dd x = product(scaled, power.hi);
        out[j] = ldexp(x.hi + (x.lo + scaled * power.lo), exponent);
        power = dd_product(power, r);
    }
    out[0] = v->from;
    if (n > 0)
        out[n] = v->to;
}

void job_values_write(const struct job_values *v, double *out)
{
    if (v->values)
        memcpy(out, v->values, v->count * sizeof *out);
    else if (v->log)
        fill_log(v, out);
    else
        fill_linear(v, out);
}

void job_fill_values(struct job_values *v)
{
    if (v->values)
        return;
    double *values = mem_alloc(v->count, sizeof *values);
    job_values_write(v, values);
    v->values = values;
}

double job_first_value(const struct job_values *v)
{
    return v->listed ? v->values[0] : v->from;
}

static int read_from(struct job_reader *r, const struct json *v)
{
    r->values->from = json_number(v);
    return 0;
}

static int read_to(struct job_reader *r, const struct json *v)
{
    r->values->to = json_number(v);
    return 0;
}

static int read_count(struct job_reader *r, const struct json *v)
{
    int64_t count;
    if (job_read_integer(r, v, 1, (int64_t)r->most, &count))
        return -1;
    r->values->count = (size_t)count;
    return 0;
}

static int read_scale(struct job_reader *r, const struct json *v)
{
    static const char *const names[] = {"linear", "log", NULL};
    int scale = job_pick(r, v, names);
    r->values->log = scale == 1;
    return scale < 0 ? -1 : 0;
}

static const struct job_key values_keys[] = {
    {"from", JOB_TYPE(NUMBER), read_from, "\"from\": 0", true},
    {"to", JOB_TYPE(NUMBER), read_to, "\"to\": 10", false}, /* needed when count > 1 */
    {"count", JOB_TYPE(NUMBER), read_count, "\"count\": 100", true},
    {"scale", JOB_TYPE(STRING), read_scale, "\"scale\": \"log\"", false},
};

const struct job_level job_values_level = JOB_LEVEL("from/to/count", values_keys);

static int check_log(struct job_reader *r, const struct json *v, const struct job_values *x)
{
    const struct json *scale = json_get(v, "scale");
    double ratio = x->to / x->from;
    if (x->from == 0 || x->to == 0 || (x->from < 0) != (x->to < 0)) {
        job_refuse(r, scale, "a logarithmic scale cannot go from %s to %s", JOB_SHOW(x->from),
                   JOB_SHOW(x->to));
        return err_hint(r->err, "let both ends be positive, or take \"scale\": \"linear\"");
    }
    if (!(ratio <= LOG_SPAN_MAX && ratio >= 1 / LOG_SPAN_MAX)) {
        job_refuse(r, scale, "a logarithmic scale from %s to %s is too wide", JOB_SHOW(x->from),
                   JOB_SHOW(x->to));
        return err_hint(r->err, "at most 280 powers of ten are possible");
    }
    return 0;
}

static int read_range(struct job_reader *r, const struct json *v, struct job_values *out)
{
    r->values = out;
    if (job_read_keys(r, v, &job_values_level))
        return -1;
    if (!json_get(v, "to")) {
        if (out->count > 1) {
            job_refuse_missing(r, v, "to", "\"to\" is missing");
            return err_hint(r->err, "add the last value, \"to\": 10, or take \"count\": 1");
        }
        out->to = out->from;
    }
    if (!isfinite(out->to - out->from)) {
        job_refuse(r, json_get(v, "to"), "from %s to %s is more than a double can hold",
                   JOB_SHOW(out->from), JOB_SHOW(out->to));
        return err_hint(r->err, "take ends that are nearer to each other");
    }
    return out->log ? check_log(r, v, out) : 0;
}

/* ---- lists ---- */

/* {"data": [offset, count]}: the next `count` doubles of the document. Each is used exactly once,
 * in the order of the keys, so that a small document cannot stand for a large job. */
static int read_placeholder(struct job_reader *r, const struct json *v, double **values,
                            size_t *count)
{
    const struct json *data = json_get(v, "data");
    int64_t offset, n;
    if (json_length(v) != 1 || json_type(data) != JSON_ARRAY || json_length(data) != 2 ||
        json_integer(json_at(data, 0), &offset) || json_integer(json_at(data, 1), &n) || n < 1 ||
        offset != (int64_t)r->data_used || n > (int64_t)(r->data_count - r->data_used))
        return job_refuse(r, v, "this does not describe data of the document");
    double *x = mem_alloc((size_t)n, sizeof *x);
    memcpy(x, r->data + offset, (size_t)n * sizeof *x);
    r->data_used += (size_t)n;
    *values = x;
    *count = (size_t)n;
    return 0;
}

static int refuse_element(struct job_reader *r, const struct json *list)
{
    for (size_t i = 0; i < json_length(list); i++) {
        const struct json *v = json_at(list, i);
        if (json_type(v) == JSON_NUMBER)
            continue;
        job_refuse(r, v, "this is %s, a number is needed", json_type_name(json_type(v)));
        return err_hint(r->err, json_type(v) == JSON_STRING ? "write the number without quotes"
                                                            : "write numbers only: [0, 0.5, 1]");
    }
    return job_refuse(r, list, "this is not a list of numbers");
}

static bool is_placeholder(const struct job_reader *r, const struct json *v)
{
    return r->data && json_get(v, "data");
}

static int read_any_list(struct job_reader *r, const struct json *v, double **values, size_t *count)
{
    if (is_placeholder(r, v))
        return read_placeholder(r, v, values, count);
    if (json_type(v) == JSON_OBJECT) {
        job_refuse(r, v, "this is an object, a list of numbers is needed");
        return err_hint(r->err, "write [0, 0.5, 1]");
    }
    const double *numbers = json_numbers(v);
    if (!numbers)
        return refuse_element(r, v);
    *count = json_length(v);
    *values = mem_alloc(*count, sizeof **values);
    memcpy(*values, numbers, *count * sizeof **values);
    return 0;
}

int job_read_list(struct job_reader *r, const struct json *v, double **values, size_t *count)
{
    if (read_any_list(r, v, values, count))
        return -1;
    r->listed += *count;
    if (r->listed > JOB_LISTED_MAX) {
        job_refuse(r, v, "all lists of a job together may have at most %d numbers", JOB_LISTED_MAX);
        return err_hint(r->err, "thin the list out, or write from/to/count");
    }
    return 0;
}

int job_read_pair(struct job_reader *r, const struct json *v, double out[2])
{
    const double *numbers = json_numbers(v);
    if (!numbers)
        return refuse_element(r, v);
    if (json_length(v) != 2) {
        job_refuse(r, v, "%s has %zu numbers, two are needed", json_key(v), json_length(v));
        return err_hint(r->err, "write \"%s\": [0, 1], with your numbers", json_key(v));
    }
    out[0] = numbers[0];
    out[1] = numbers[1];
    return 0;
}

int job_read_span(struct job_reader *r, const struct json *v, double *from, double *to)
{
    double pair[2] = {0, 0};
    if (job_read_pair(r, v, pair))
        return -1;
    if (!(pair[0] < pair[1])) {
        job_refuse_at(r, v, 1, "the span ends at %s, not after its beginning %s", JOB_SHOW(pair[1]),
                      JOB_SHOW(pair[0]));
        return pair[0] == pair[1]
                   ? err_hint(r->err, "let the second number be the larger one")
                   : err_hint(r->err, "write [%s, %s]", JOB_SHOW(pair[1]), JOB_SHOW(pair[0]));
    }
    if (!isfinite(pair[1] - pair[0])) {
        job_refuse_at(r, v, 1, "the span is more than a double can hold");
        return err_hint(r->err, "take ends that are nearer to each other");
    }
    *from = pair[0];
    *to = pair[1];
    return 0;
}

int job_read_values(struct job_reader *r, const struct json *v, size_t most, struct job_values *out)
{
    r->most = most;
    if (json_type(v) == JSON_OBJECT && !is_placeholder(r, v))
        return read_range(r, v, out);
    if (job_read_list(r, v, &out->values, &out->count))
        return -1;
    if (out->count > most) {
        job_refuse(r, v, "the list has %zu values, at most %zu are possible", out->count, most);
        return err_hint(r->err, "thin it out");
    }
    out->listed = true;
    if (out->count == 0) {
        job_refuse(r, v, "the list is empty");
        return err_hint(r->err, "write at least one value, or from/to/count");
    }
    return 0;
}

int job_check_increasing(struct job_reader *r, const struct json *v, const double *x, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (!(x[i] > x[i - 1])) {
            job_refuse_at(r, v, i, "%s comes after %s, but the values have to increase",
                          JOB_SHOW(x[i]), JOB_SHOW(x[i - 1]));
            return err_hint(r->err,
                            x[i] == x[i - 1] ? "leave out what is there twice" : "sort the list");
        }
    return 0;
}
