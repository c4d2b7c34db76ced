/* How fast numbers become text: rows "q a F" as `results` writes them, beside printf's "%.17g" and
 * a search for the shortest with the C library, on one core. Prints the best of several rounds.
 *
 *   build/release/bin/text_bench [FILE]     also writes the rows to FILE, as `results -o` does
 */
#include "formats.h"
#include "save.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { Q = 100, A = 10000, ROUNDS = 7 };

static double cpu_seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct sweep {
    double *q, *a, *f; /* f[i * A + j] */
    uint8_t *status;
};

/* Values like a chart's: full 53 bits over a few decades. */
static struct sweep sweep_make(void)
{
    struct sweep s = {mem_alloc(Q, 8), mem_alloc(A, 8), mem_alloc(Q * A, 8), mem_alloc(Q * A, 1)};
    memset(s.status, 1, Q * A);
    for (int i = 0; i < Q; i++)
        s.q[i] = i * (4.0 / (Q - 1));
    for (int j = 0; j < A; j++)
        s.a[j] = j * (9.0 / (A - 1)) - 2;
    for (int i = 0; i < Q; i++)
        for (int j = 0; j < A; j++)
            s.f[i * A + j] = 1 + sin(3 * s.a[j]) * exp(2 * s.q[i] - s.a[j]);
    return s;
}

static void ours(const struct sweep *s, struct save *save)
{
    struct row_writer w;
    struct buf text = {0};
    row_writer_init(&w, FORMAT_TXT, s->a, A, 1);
    for (int i = 0; i < Q; i++)
        for (size_t j = 0; j < A; j += 4096) {
            const double *fields[] = {s->f + i * A};
            buf_clear(&text);
            row_writer_rows(&w, s->q[i], j, j + 4096 < A ? j + 4096 : A, fields, s->status + i * A,
                            &text);
            if (save && save_write(save, text.data, text.len, NULL))
                abort();
        }
    buf_fini(&text);
    row_writer_fini(&w);
}

static void with_printf(const struct sweep *s)
{
    char row[128];
    for (int i = 0; i < Q; i++)
        for (int j = 0; j < A; j++)
            if (snprintf(row, sizeof row, "%.17g %.17g %.17g\n", s->q[i], s->a[j],
                         s->f[i * A + j]) < 0)
                abort();
}

static void only_numbers(const struct sweep *s)
{
    char text[NUMBER_TEXT];
    for (int k = 0; k < Q * A; k++)
        number_format(s->f[k], text);
}

static void only_printf(const struct sweep *s)
{
    char text[64];
    for (int k = 0; k < Q * A; k++)
        snprintf(text, sizeof text, "%.17g", s->f[k]);
}

static void report(const char *what, double ours_s, double theirs_s)
{
    printf("%-8s %6.1f ns, %5.1f M/s; printf(\"%%.17g\") %6.1f ns: ratio %.1f\n", what,
           1e9 * ours_s / (Q * A), Q * A / ours_s / 1e6, 1e9 * theirs_s / (Q * A),
           theirs_s / ours_s);
}

static double best(double so_far, double start)
{
    return fmin(so_far, cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - start);
}

static double now(void)
{
    return cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
}

/* Ten times the rows; or as many bytes that need no making, which is the disk's own speed. */
static double written(const struct sweep *s, const char *path, size_t plain_bytes)
{
    struct save save;
    static uint64_t block[1 << 15];
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i < sizeof block / 8; i++) /* nothing to compress */
        block[i] = (x ^= x << 13, x ^= x >> 7, x ^= x << 17);
    double start = cpu_seconds(CLOCK_MONOTONIC);
    if (save_open(&save, path, NULL))
        exit(1);
    for (int i = 0; i < 10 && !plain_bytes; i++)
        ours(s, &save);
    for (size_t at = 0; at < plain_bytes; at += sizeof block)
        if (save_write(&save, block, sizeof block, NULL))
            exit(1);
    if (save_commit(&save, NULL))
        exit(1);
    return cpu_seconds(CLOCK_MONOTONIC) - start;
}

static void to_file(const struct sweep *s, const char *path)
{
    struct stat st;
    double rows = written(s, path, 0);
    if (stat(path, &st))
        exit(1);
    double plain = written(s, path, (size_t)st.st_size);
    printf("to %s, synced: %.1f M rows/s, %.0f MB/s; as many bytes: %.0f MB/s: ratio %.2f\n", path,
           10.0 * Q * A / rows / 1e6, (double)st.st_size / rows / 1e6,
           (double)st.st_size / plain / 1e6, plain / rows);
}

int main(int argc, char **argv)
{
    struct sweep s = sweep_make();
    double t[4] = {INFINITY, INFINITY, INFINITY, INFINITY}, start;
    for (int r = 0; r < ROUNDS; r++) {
        start = now(), ours(&s, NULL), t[0] = best(t[0], start);
        start = now(), with_printf(&s), t[1] = best(t[1], start);
        start = now(), only_numbers(&s), t[2] = best(t[2], start);
        start = now(), only_printf(&s), t[3] = best(t[3], start);
    }
    report("rows", t[0], t[1]);
    report("numbers", t[2], t[3]);
    if (argc > 1)
        to_file(&s, argv[1]);
    return 0;
}
