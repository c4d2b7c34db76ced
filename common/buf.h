#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stddef.h>

/* A growable run of bytes. Out of memory aborts. Transparent: data and len may be read freely;
 * a buf of zeros is empty and valid. */
struct buf {
    unsigned char *data;
    size_t len, cap;
};

void buf_fini(struct buf *b);  /* frees the bytes; the buf is empty and may be used again */
void buf_clear(struct buf *b); /* len = 0, keeps the memory */
void *buf_grow(struct buf *b,
               size_t n); /* n more bytes, not initialised; borrowed until the next call */
void buf_add(struct buf *b, const void *data, size_t n);
void buf_str(struct buf *b, const char *s); /* the characters of s, without its NUL */
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *buf_text(struct buf *b); /* ends with a NUL that len does not count */

/* malloc family that aborts when there is no memory; n * size is checked. */
void *mem_alloc(size_t n, size_t size); /* zeroed; returns owned */
void *mem_resize(void *p, size_t n, size_t size);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);

#endif
