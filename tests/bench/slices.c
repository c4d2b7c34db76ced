/* How long a solver thread works between two yields, at which it may be asked to rest, to stop or
 * to make room for somebody else: build/release/bin/slices_bench JOB.json... prints, for at most
 * SECONDS of each job's tiles, the thread's CPU time between two yields: mean, 99th percentile and
 * longest, in microseconds. The longest is what a machine's owner waits for at worst. */
#include "recipe.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECONDS   3.0
#define MOST      2000000
#define FILE_MOST (64 << 20)

struct slices {
    double last_s, sum_s;
    float *us;
    size_t count;
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int note(void *arg, size_t points_done)
{
    struct slices *s = arg;
    (void)points_done;
    double now = now_s(), took = now - s->last_s;
    s->sum_s += took;
    if (s->count < MOST)
        s->us[s->count++] = (float)(1e6 * took);
    s->last_s = now_s();
    return s->sum_s > SECONDS;
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Every tile in turn, one in ten first, so that a job cut short has shown all of its regions. */
static int solve(struct recipe *recipe, struct slices *s)
{
    uint32_t count = job_tile_count(recipe_job(recipe)), step = count >= 100 ? 10 : 1;
    for (uint32_t from = 0; from < step; from++) {
        for (uint32_t tile = from; tile < count && s->sum_s <= SECONDS; tile += step) {
            uint32_t points = (uint32_t)job_tile_points(recipe_job(recipe), tile);
            struct planes *planes = planes_create((uint32_t)recipe_job(recipe)->output_count,
                                                  recipe_job(recipe)->errors, points);
            s->last_s = now_s();
            if (recipe_solve(recipe, 0, tile, 0, points, planes, note, s) == 0) {
                note(s, points);
                planes_code(planes, 0);
                note(s, points);
            }
            planes_destroy(planes);
        }
    }
    return s->count > 0 ? 0 : -1;
}

static int read_job(const char *path, struct job **job, struct err *err)
{
    FILE *f = fopen(path, "re");
    char *text = malloc(FILE_MOST), *copy = strdup(path);
    size_t len = f && text ? fread(text, 1, FILE_MOST, f) : 0;
    int rc = f ? job_parse(text, len, dirname(copy), job, err) : err_errno(err, ERR_OTHER, "open");
    if (f)
        fclose(f);
    free(copy);
    free(text);
    return rc;
}

static int measure(const char *path)
{
    struct err err = {0};
    struct buf document = {0};
    struct job *job = NULL;
    struct slices s = {.us = malloc(MOST * sizeof *s.us)};
    struct recipe *recipe = NULL;
    int rc = read_job(path, &job, &err) || !s.us;
    if (rc == 0) {
        job_encode(job, &document);
        recipe = recipe_create(&document, 1);
        rc = recipe_build(recipe, &err) || solve(recipe, &s);
    }
    if (rc == 0) {
        qsort(s.us, s.count, sizeof *s.us, by_size);
        printf("%-40s %8zu yields, mean %7.0f us, p99 %7.0f, longest %7.0f\n", path, s.count,
               1e6 * s.sum_s / (double)s.count, s.us[s.count - 1 - s.count / 100],
               s.us[s.count - 1]);
    } else {
        fprintf(stderr, "%s: %s\n", path, err.text);
    }
    recipe_destroy(recipe);
    job_destroy(job);
    buf_fini(&document);
    free(s.us);
    return rc;
}

int main(int argc, char **argv)
{
    int rc = argc < 2;
    for (int i = 1; i < argc; i++)
        rc |= measure(argv[i]) != 0;
    if (argc < 2)
        fputs("usage: slices_bench JOB.json...\n", stderr);
    return rc;
}
