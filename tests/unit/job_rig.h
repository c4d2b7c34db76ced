#ifndef TESTS_JOB_RIG_H
#define TESTS_JOB_RIG_H

/* What the tests of jobs share: a job as text, with a part of it replaced. */

#include "job.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The job of the README: what the tests below change. */
static const char base[] =
    "{\n"
    "  \"name\": \"driven mode\",\n"
    "  \"y\": {\"f\": \"1 + 0.3*cos(1.7*t)\", \"t\": [0, 20], \"start\": [1, 0]},\n"
    "  \"w\": {\"is\": \"y\", \"t\": [0, 12], \"interpolation\": \"cspline\", "
    "\"knots\": 2401},\n"
    "  \"z\": {\"start\": [1, 0], \"t\": {\"from\": 0, \"to\": 10, \"count\": 201}},\n"
    "  \"grid\": {\"q\": {\"from\": 0, \"to\": 4, \"count\": 100},\n"
    "           \"a\": {\"from\": -2, \"to\": 7, \"count\": 100}},\n"
    "  \"output\": {\"F\": \"1 + z(t[157])\"},\n"
    "  \"tolerance\": 1e-9\n"
    "}\n";

#define W "{\"is\": \"y\", \"t\": [0, 12], \"interpolation\": \"cspline\", \"knots\": 2401}"
/* A job on t = 0, 1, 2 with other keys, other keys of z, and an output. */
#define WITHOUT_W(keys, of_z, output)                                                              \
    "{" keys "\"z\": {" of_z "\"start\": [1, 0], \"t\": [0, 1, 2]}, "                              \
    "\"grid\": {\"q\": [1], \"a\": [2]}, \"output\": {\"F\": \"" output "\"}}"
#define ZT "{\"from\": 0, \"to\": 10, \"count\": 201}"
#define GQ "{\"from\": 0, \"to\": 4, \"count\": 100}"
#define GA "{\"from\": -2, \"to\": 7, \"count\": 100}"

/* base with the first `find` replaced; returns owned. A ~ marks a place: it is taken out, and *line
 * and *column tell where it was. */
static inline char *change(const char *text, const char *find, const char *replace, int *line,
                           int *column)
{
    const char *at = strstr(text, find);
    if (!at)
        fail_msg("not in the base job: %s", find);
    struct buf b = {0};
    buf_add(&b, text, (size_t)(at - text));
    buf_str(&b, replace);
    buf_str(&b, at + strlen(find));
    char *out = mem_strdup(buf_text(&b)), *mark = strchr(out, '~');
    buf_fini(&b);
    if (!mark)
        return out;
    memmove(mark, mark + 1, strlen(mark));
    *line = *column = 1;
    for (const char *p = out; p < mark; p++) {
        *column = *p == '\n' ? 1 : *column + ((*p & 0xC0) != 0x80);
        *line += *p == '\n';
    }
    return out;
}

static inline struct job *parse(const char *text)
{
    struct job *job;
    struct err err = {0};
    if (job_parse(text, strlen(text), NULL, &job, &err))
        fail_msg("%s\n%d:%d %s: %s; %s", text, err.line, err.column, err.path, err.text, err.hint);
    return job;
}

static inline struct job *parse_changed(const char *find, const char *replace)
{
    char *text = change(base, find, replace, NULL, NULL);
    struct job *job = parse(text);
    free(text);
    return job;
}

static inline char *text_of(const struct job *job)
{
    struct buf b = {0};
    job_format(job, &b);
    char *text = mem_strdup(buf_text(&b));
    buf_fini(&b);
    return text;
}

/* FNV-1a of the bits. */
static inline uint64_t hash(const double *x, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &x[i], 8);
        h = (h ^ bits) * 0x100000001b3u;
    }
    return h;
}

#endif
