/* How long the dearest inputs of at most 64 KiB keep a program that reads them: made to be dear,
 * not to be right. For each the least of several rounds, in milliseconds of one core: as JSON (the
 * scan, cJSON, equal keys), and as a job the way a broker takes one (document to lean job, its
 * canonical document, job destroyed), whether it is accepted or refused.
 *
 *   build/release/bin/inputs_bench [NAME]
 */
#include "job.h"
#include "json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 7, FULL = 65536, VALUES = 4096 };

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static void put(struct buf *b, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_str(b, text);
}

/* `item` with a running number, `most` times or until the text has `bytes`. */
static void fill(struct buf *b, size_t bytes, unsigned most, const char *between, const char *item)
{
    size_t start = b->len;
    for (unsigned i = 0; i < most && b->len + strlen(item) + 16 < bytes; i++) {
        buf_str(b, b->len > start ? between : "");
        put(b, item, i);
    }
}

/* ---- JSON ---- */

static void of_items(struct buf *b, const char *open, const char *item, const char *close)
{
    buf_str(b, open);
    fill(b, FULL - strlen(close), *item == '"' ? VALUES - 2 : FULL, ",", item);
    buf_str(b, close);
}

static void brackets(struct buf *b)
{
    fill(b, FULL + 17, FULL, "", "[");
}

static void numbers(struct buf *b)
{
    of_items(b, "[", "%u", "]");
}

static void long_numbers(struct buf *b)
{
    of_items(b, "[", "9007199254740993.00000000000001%06ue-9", "]");
}

static void small_numbers(struct buf *b)
{
    of_items(b, "[", "2.47032822920623272088284396%06ue-324", "]");
}

static void texts(struct buf *b)
{
    of_items(b, "[", "\"\"", "]");
}

static void objects(struct buf *b)
{
    of_items(b, "[", "{\"a\":{}}", "]");
}

static void escapes(struct buf *b)
{
    buf_str(b, "[\"");
    fill(b, FULL - 2, FULL, "", "\\ud83d\\ude00");
    buf_str(b, "\"]");
}

static void keys(struct buf *b)
{
    of_items(b, "{", "\"%x\":0", "}");
}

static void near_keys(struct buf *b)
{
    static const char like[] =
        "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%x\":0";
    of_items(b, "{", like, "}");
}

static void late_twice(struct buf *b)
{
    of_items(b, "{", "\"%x\":0", ",\"0\":1}");
}

static void blanks(struct buf *b)
{
    buf_str(b, "[");
    fill(b, FULL, FULL, "", "\n");
    buf_str(b, "x");
}

/* ---- jobs: the usual one with one part made dear ---- */

static void job(struct buf *b, const char *w, const char *times, const char *q, const char *a,
                const char *output)
{
    buf_str(b, "{\"w\":{");
    buf_str(b, w ? w : "\"is\":\"cos(2*t)\",\"t\":[0,1]");
    buf_str(b, "},\"z\":{\"start\":[1,0],\"t\":");
    buf_str(b, times ? times : "[0,1]");
    buf_str(b, "},\"grid\":{\"q\":");
    buf_str(b, q ? q : "[0,1,2]");
    buf_str(b, ",\"a\":");
    buf_str(b, a ? a : "[0,1,2]");
    buf_str(b, "},\"output\":{");
    buf_str(b, output ? output : "\"F\":\"z(1)\"");
    buf_str(b, "}}");
}

/* 64 outputs of at most 990 characters, each of `first` and `item` up to `most` times. */
static void outputs(struct buf *b, const char *first, const char *item, unsigned most)
{
    struct buf output = {0};
    for (int i = 0; i < 64; i++) {
        put(&output, "%s\"F%d\":\"%s", i ? "," : "", i, first);
        fill(&output, output.len + 970, most, "", item);
        buf_str(&output, "\"");
    }
    job(b, NULL, NULL, NULL, NULL, buf_text(&output));
    buf_fini(&output);
}

static void outputs_sum(struct buf *b)
{
    outputs(b, "z(1)", "+z(1)", 169);
}

static void outputs_constants(struct buf *b)
{
    outputs(b, "a", "+a*%u", 127);
}

static void outputs_times(struct buf *b)
{
    outputs(b, "z(0)", "+z(.%u)", 169);
}

static void outputs_folded(struct buf *b)
{
    outputs(b, "a+3", "^.9", 60);
}

static void outputs_powers(struct buf *b)
{
    outputs(b, "a", "+3^.%u", 127);
}

static void outputs_calls(struct buf *b)
{
    outputs(b, "a", "+sin(%u)", 169);
}

static void outputs_pow(struct buf *b)
{
    outputs(b, "a", "+pow(3,.%u)", 127);
}

static void outputs_time_of_calls(struct buf *b)
{
    outputs(b, "a", "+z(cos(%u)^2)", 60);
}

static void outputs_constant_calls(struct buf *b)
{
    outputs(b, "a", "*pow(a,%u.5)", 127);
}

static void outputs_signs(struct buf *b)
{
    outputs(b, "a", "-+a", 169);
}

static void outputs_unknown(struct buf *b)
{
    outputs(b, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a", 0);
}

static void outputs_nested(struct buf *b)
{
    outputs(b, "", "sin(", 62);
}

static void keys_unknown(struct buf *b)
{
    buf_str(b, "{");
    fill(b, FULL - 1, VALUES - 2, ",", "\"outputt%u\":1");
    buf_str(b, "}");
}

static void listed(struct buf *b, const char *item, int which)
{
    struct buf list = {0};
    buf_str(&list, "[");
    fill(&list, FULL - 400, FULL, ",", item);
    buf_str(&list, "]");
    const char *text = buf_text(&list);
    job(b, NULL, which == 2 ? text : NULL, which == 0 ? text : NULL, which == 1 ? text : NULL,
        NULL);
    buf_fini(&list);
}

static void list_of_q(struct buf *b)
{
    listed(b, "1.%u", 0);
}

static void list_of_long_q(struct buf *b)
{
    listed(b, "1.00000000000000000000000000000%ue-7", 0);
}

static void list_of_times(struct buf *b)
{
    listed(b, "0.0001%05u", 2);
}

static void list_twice(struct buf *b)
{
    listed(b, "0.1", 2);
}

static void wide_axes(struct buf *b)
{
    job(b, NULL, NULL, "{\"from\":1,\"to\":2,\"count\":4194304}",
        "{\"from\":1,\"to\":2,\"count\":23841}", NULL);
}

static void wide_logs(struct buf *b)
{
    job(b, NULL, NULL, "{\"from\":1,\"to\":2,\"count\":4194304,\"scale\":\"log\"}",
        "{\"from\":1,\"to\":2,\"count\":23841,\"scale\":\"log\"}", NULL);
}

static void many_tiles(struct buf *b)
{
    job(b, "\"is\":\"t\",\"t\":[0,1e9]", "[0,1e9]", "{\"from\":1,\"to\":1e6,\"count\":4194304}",
        "[1]", "\"F\":\"z(1e9)\"");
}

static void many_times(struct buf *b)
{
    job(b, NULL, "{\"from\":0,\"to\":1,\"count\":4194304}", NULL, NULL, NULL);
}

static void many_log_times(struct buf *b)
{
    job(b, NULL, "{\"from\":0.5,\"to\":1,\"count\":4194304,\"scale\":\"log\"}", NULL, NULL, NULL);
}

static const struct kind {
    const char *name;
    void (*make)(struct buf *b);
} kinds[] = {
    {"brackets", brackets},
    {"numbers", numbers},
    {"numbers of 40 characters", long_numbers},
    {"numbers of many digits near 0", small_numbers},
    {"empty texts", texts},
    {"small objects", objects},
    {"escapes", escapes},
    {"keys", keys},
    {"keys that begin alike", near_keys},
    {"keys, the last one twice", late_twice},
    {"blanks", blanks},
    {"unknown keys", keys_unknown},
    {"64 outputs: sums", outputs_sum},
    {"64 outputs: constants", outputs_constants},
    {"64 outputs: times", outputs_times},
    {"64 outputs: chains of ^", outputs_folded},
    {"64 outputs: powers of numbers", outputs_powers},
    {"64 outputs: calls of numbers", outputs_calls},
    {"64 outputs: pow of numbers", outputs_pow},
    {"64 outputs: times of calls", outputs_time_of_calls},
    {"64 outputs: pow of a, constants", outputs_constant_calls},
    {"64 outputs: signs", outputs_signs},
    {"64 outputs: a long name", outputs_unknown},
    {"64 outputs: nested calls", outputs_nested},
    {"list of q", list_of_q},
    {"list of q, long numbers", list_of_long_q},
    {"list of times", list_of_times},
    {"list of times, one twice", list_twice},
    {"4,194,304 values of q", wide_axes},
    {"4,194,304 values of q, log", wide_logs},
    {"as many tiles as possible", many_tiles},
    {"4,194,304 times", many_times},
    {"4,194,304 times, log", many_log_times},
};

static double as_json(const struct buf *text)
{
    static const struct json_limits limits = {.bytes = 65536, .values = 4096, .numbers = 65536};
    struct json *root;
    double start = cpu_ms();
    if (json_parse((const char *)text->data, text->len, &limits, &root, NULL) == 0)
        json_destroy(root);
    return cpu_ms() - start;
}

static double as_job(const struct buf *document, struct err *err)
{
    struct job *j;
    struct buf again = {0};
    double start = cpu_ms();
    if (job_decode_lean(document->data, document->len, &j, err) == 0) {
        job_encode(j, &again);
        job_destroy(j);
    }
    double took = cpu_ms() - start;
    buf_fini(&again);
    return took;
}

static void measure(const struct kind *kind)
{
    struct buf text = {0}, document = {0};
    struct err err = {0};
    double json_ms = 1e9, job_ms = 1e9;
    kind->make(&text);
    uint32_t head[2] = {(uint32_t)text.len, 0};
    buf_add(&document, head, sizeof head);
    buf_add(&document, text.data, text.len);
    for (int i = 0; i < ROUNDS; i++) {
        double ms = as_json(&text);
        json_ms = ms < json_ms ? ms : json_ms;
        err = (struct err){0};
        ms = as_job(&document, &err);
        job_ms = ms < job_ms ? ms : job_ms;
    }
    printf("%-32s %6zu %8.2f %8.2f  %.60s\n", kind->name, text.len, json_ms, job_ms,
           err.code ? err.text : "accepted");
    buf_fini(&text);
    buf_fini(&document);
}

int main(int argc, char **argv)
{
    printf("%-32s %6s %8s %8s\n", "what", "bytes", "json ms", "job ms");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (argc < 2 || strstr(kinds[i].name, argv[1]))
            measure(&kinds[i]);
    return 0;
}
