/* See buf.h. */
#include "buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is durable makes it safe to end here; the system's own words need no memory. */
static void no_memory(void)
{
    static const char words[] = "hillsweep: out of memory\n";
    if (write(STDERR_FILENO, words, sizeof words - 1) < 0)
        abort();
    abort();
}

void *mem_alloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (!p)
        no_memory();
    return p;
}

void *mem_resize(void *p, size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size)
        no_memory();
    p = realloc(p, n && size ? n * size : 1);
    if (!p)
        no_memory();
    return p;
}

char *mem_strndup(const char *s, size_t n)
{
    char *copy = mem_alloc(n + 1, 1);
    memcpy(copy, s, n);
    return copy;
}

char *mem_strdup(const char *s)
{
    return mem_strndup(s, strlen(s));
}

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
}

void *buf_grow(struct buf *b, size_t n)
{
    if (n > SIZE_MAX / 2 - b->len)
        no_memory();
    if (b->len + n > b->cap) {
        size_t cap = b->cap ? b->cap : 64;
        while (cap < b->len + n)
            cap *= 2;
        b->data = mem_resize(b->data, cap, 1);
        b->cap = cap;
    }
    void *at = b->data + b->len;
    b->len += n;
    return at;
}

void buf_add(struct buf *b, const void *data, size_t n)
{
    if (n > 0)
        memcpy(buf_grow(b, n), data, n);
}

void buf_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    assert(n >= 0);
    vsnprintf(buf_grow(b, (size_t)n + 1), (size_t)n + 1, fmt, again);
    va_end(again);
    b->len--;
}

const char *buf_text(struct buf *b)
{
    buf_add(b, "", 1);
    b->len--;
    return (const char *)b->data;
}
