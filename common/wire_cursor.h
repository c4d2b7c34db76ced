#ifndef COMMON_WIRE_CURSOR_H
#define COMMON_WIRE_CURSOR_H

#include "buf.h"
#include "wire.h"
#include <assert.h>
#include <string.h>

/* What walks a message's body and either writes or reads it, so that a layout stands once: what is
 * encoded cannot differ from what is decoded. A reading cursor that runs out of bytes goes bad and
 * reads zeros from then on; the caller looks at the end. */

struct cursor {
    struct buf *out;         /* writing when not NULL */
    const unsigned char *in; /* reading */
    size_t left;
    bool bad;
};

static inline void cursor_bytes(struct cursor *c, void *value, size_t n)
{
    if (c->out) {
        buf_add(c->out, value, n);
        return;
    }
    if (c->bad || c->left < n) {
        c->bad = true;
        memset(value, 0, n);
        return;
    }
    memcpy(value, c->in, n);
    c->in += n;
    c->left -= n;
}

/* Integers are little-endian on the wire and, so far, on every machine this is built for. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire is little-endian");

static inline void cursor_u8(struct cursor *c, uint8_t *v)
{
    cursor_bytes(c, v, 1);
}

static inline void cursor_u16(struct cursor *c, uint16_t *v)
{
    cursor_bytes(c, v, 2);
}

static inline void cursor_u32(struct cursor *c, uint32_t *v)
{
    cursor_bytes(c, v, 4);
}

static inline void cursor_u64(struct cursor *c, uint64_t *v)
{
    cursor_bytes(c, v, 8);
}

static inline void cursor_token(struct cursor *c, struct token *t)
{
    cursor_u64(c, &t->hi);
    cursor_u64(c, &t->lo);
}

static inline void cursor_span(struct cursor *c, struct wire_span *s, size_t len)
{
    if (c->out) {
        buf_add(c->out, s->data, s->len);
        return;
    }
    if (c->bad || c->left < len) {
        c->bad = true;
        *s = (struct wire_span){"", 0};
        return;
    }
    *s = (struct wire_span){c->in, len};
    c->in += len;
    c->left -= len;
}

static inline void cursor_str(struct cursor *c, struct wire_span *s)
{
    uint16_t len = 0;
    if (c->out) {
        assert(s->len <= UINT16_MAX);
        len = (uint16_t)s->len;
    }
    cursor_u16(c, &len);
    cursor_span(c, s, len);
}

/* The rest of the body. */
static inline void cursor_rest(struct cursor *c, struct wire_span *s)
{
    cursor_span(c, s, c->left);
}

/* Lists of fixed-size items (wire_list.c): their count, then the items. */
void cursor_holdings(struct cursor *c, struct wire_list *l);
void cursor_progress(struct cursor *c, struct wire_list *l);
void cursor_tiles(struct cursor *c, struct wire_list *l);

#endif
