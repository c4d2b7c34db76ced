/* Calls a fuzz target without libFuzzer, in every build:
 *
 *   NAME_fuzz [-runs=N] [-seed=S] [-large] FILE|FOLDER...
 *
 * runs each file (with -large: also repeated up to 64 KiB), then N mutations of them (flipped bits,
 * changed, cut, doubled and exchanged pieces), the same ones for the same seed, and prints how long
 * the slowest took. */
#include "fuzz.h"

#include "buf.h"
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { INPUTS_MAX = 4096, INPUT_MAX = 65536 };

static struct buf inputs[INPUTS_MAX];
static size_t input_count;
static double slowest_ms;

static int by_content(const void *a, const void *b)
{
    const struct buf *x = a, *y = b;
    size_t n = x->len < y->len ? x->len : y->len;
    int order = n ? memcmp(x->data, y->data, n) : 0;
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

static void read_file(const char *path)
{
    FILE *f = fopen(path, "re");
    if (!f || input_count == INPUTS_MAX) {
        fprintf(stderr, "cannot take %s\n", path);
        exit(2);
    }
    struct buf *b = &inputs[input_count++];
    b->len = fread(buf_grow(b, INPUT_MAX), 1, INPUT_MAX, f);
    fclose(f);
}

static void read_place(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) {
        read_file(path);
        return;
    }
    for (struct dirent *e; (e = readdir(dir));) {
        char name[4096];
        if (e->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        read_file(name);
    }
    closedir(dir);
}

static uint64_t draw(uint64_t *seed, uint64_t below)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed % below;
}

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* From an allocation of its exact size, so that a byte too many is seen. */
static void run(const struct buf *input)
{
    uint8_t *exact = malloc(input->len ? input->len : 1);
    memcpy(exact, input->data ? input->data : (unsigned char *)"", input->len);
    double start = cpu_ms();
    LLVMFuzzerTestOneInput(exact, input->len);
    double took = cpu_ms() - start;
    slowest_ms = took > slowest_ms ? took : slowest_ms;
    free(exact);
}

static void mutate_once(struct buf *b, uint64_t *seed)
{
    static const unsigned char odd[] = {0, 1, 0x7f, 0x80, 0xff, '"', '[', '{', '\\', '0', '-', 'e'};
    size_t at = b->len ? draw(seed, b->len) : 0, n = b->len ? 1 + draw(seed, b->len - at) : 0;
    n = draw(seed, 2) && n > 8 ? 8 : n;
    const struct buf *other = &inputs[draw(seed, input_count)];
    switch (b->len ? draw(seed, 7) : 6) {
    case 0:
        b->data[at] ^= (unsigned char)(1 << draw(seed, 8));
        break;
    case 1:
        b->data[at] = odd[draw(seed, sizeof odd)];
        break;
    case 2:
        memset(b->data + at, odd[draw(seed, 5)], n);
        break;
    case 3: /* cut out */
        memmove(b->data + at, b->data + at + n, b->len - at - n);
        b->len -= n;
        break;
    case 4: /* doubled */
        if (b->len + n > INPUT_MAX)
            break;
        buf_grow(b, n);
        memmove(b->data + at + n, b->data + at, b->len - n - at);
        break;
    case 5: /* cut off */
        b->len = at;
        break;
    default: /* a piece of another one in its place */
        if (other->len == 0)
            break;
        n = 1 + draw(seed, other->len);
        if (at + n > b->len)
            buf_grow(b, at + n - b->len);
        memcpy(b->data + at, other->data + draw(seed, other->len - n + 1), n);
    }
}

static void run_large(const struct buf *from)
{
    struct buf b = {0};
    while (from->len > 0 && b.len < INPUT_MAX) {
        size_t left = INPUT_MAX - b.len;
        buf_add(&b, from->data, from->len < left ? from->len : left);
    }
    run(&b);
    buf_fini(&b);
}

static void run_mutations(long runs, uint64_t seed)
{
    struct buf b = {0};
    for (long i = 0; i < runs; i++) {
        const struct buf *from = &inputs[draw(&seed, input_count)];
        buf_clear(&b);
        buf_add(&b, from->data, from->len);
        for (uint64_t k = 1 + draw(&seed, 4); k > 0; k--)
            mutate_once(&b, &seed);
        run(&b);
    }
    buf_fini(&b);
}

int main(int argc, char **argv)
{
    long runs = 2000;
    uint64_t seed = 1;
    bool large = false;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-runs=", 6) == 0)
            runs = strtol(argv[i] + 6, NULL, 10);
        else if (strncmp(argv[i], "-seed=", 6) == 0)
            seed = strtoull(argv[i] + 6, NULL, 10) | 1;
        else if (strcmp(argv[i], "-large") == 0)
            large = true;
        else
            read_place(argv[i]);
    }
    run(&(struct buf){0});
    qsort(inputs, input_count, sizeof *inputs, by_content); /* whatever order the folder has */
    for (size_t i = 0; i < input_count; i++) {
        run(&inputs[i]);
        if (large)
            run_large(&inputs[i]);
    }
    if (input_count > 0)
        run_mutations(runs, seed);
    printf("%s: %zu files, %ld mutations, the slowest %.2f ms\n", argv[0], input_count,
           input_count ? runs : 0, slowest_ms);
    for (size_t i = 0; i < input_count; i++)
        buf_fini(&inputs[i]);
    return 0;
}
