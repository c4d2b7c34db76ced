/* See leaves.h. */
#include "leaves.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers travel as they lie in memory");

enum { LEAVES_AT = 4, EXCEPTIONS_AT = 8 }; /* in the head */

bool leaves_fit(const struct leaves_block *b, int na, int nq)
{
    size_t rows = b->q1 - b->q0, columns = b->a1 - b->a0;
    size_t nodes = (size_t)(na + 1) * (size_t)(nq + 1);
    return nodes <= rows * columns && nodes <= LEAVES_TERMS * columns;
}

static void put(struct leaves_out *out, const void *data, size_t n)
{
    if (out->len == 0)
        return;
    if (n > out->room - out->len) {
        out->len = 0;
        return;
    }
    memcpy(out->data + out->len, data, n);
    out->len += n;
}

static void put8(struct leaves_out *out, unsigned v)
{
    uint8_t byte = (uint8_t)v;
    put(out, &byte, sizeof byte);
}

static void put16(struct leaves_out *out, size_t v)
{
    uint16_t word = (uint16_t)v;
    put(out, &word, sizeof word);
}

static void put32(struct leaves_out *out, size_t v)
{
    uint32_t word = (uint32_t)v;
    put(out, &word, sizeof word);
}

static void put64(struct leaves_out *out, double v)
{
    put(out, &v, sizeof v);
}

static void put_facts(struct leaves_out *out, const struct floquet_facts *f)
{
    const double facts[] = {f->damping, f->damping_error, f->u_bound,  f->v_bound,
                            f->w_bound, f->u_uneven,      f->v_uneven, f->w_uneven};
    put(out, facts, sizeof facts);
}

void leaves_begin(struct leaves_out *out, const struct outputs *o, bool errors,
                  const struct floquet_facts *facts)
{
    unsigned flags = errors || facts != NULL ? LEAVES_ERRORS : 0;
    if (facts != NULL)
        flags |= LEAVES_FACTS | (o->half ? LEAVES_HALF : 0u) | (facts->damped ? LEAVES_DAMPED : 0u);
    out->leaves = 0;
    out->len = 0;
    out->alone = false;
    if (out->room < LEAVES_HEAD_BYTES)
        return;
    uint32_t magic = LEAVES_MAGIC;
    memset(out->data, 0, LEAVES_HEAD_BYTES);
    memcpy(out->data, &magic, sizeof magic);
    out->data[6] = (uint8_t)flags;
    out->len = LEAVES_HEAD_BYTES;
    if (facts != NULL)
        put_facts(out, facts);
}

void leaves_give_up(struct leaves_out *out)
{
    out->len = 0;
}

static void put_sheet(struct leaves_out *out, const struct surface *f, size_t i, bool errors)
{
    const struct sheet *s = &f->sheet[i];
    const struct nodes *nodes = f->margin->nodes;
    put8(out, (unsigned)s->na);
    put8(out, (unsigned)s->nq);
    put(out, s->coef, (size_t)(s->na + 1) * (size_t)(s->nq + 1) * sizeof *s->coef);
    if (!errors)
        return;
    put64(out, f->constant[i]);
    for (size_t r = 0; r < (size_t)nodes->in_q.n; r++)
        put(out, f->margin->probe[i].stated + r * NODE_STRIDE,
            (size_t)nodes->in_a.n * sizeof(double));
}

void leaves_add(struct leaves_out *out, const struct leaves_block *b, const struct surface *f)
{
    const struct nodes *nodes = f->margin->nodes;
    int na = nodes->in_a.n - 1, nq = nodes->in_q.n - 1;
    if (out->len == 0)
        return;
    if (b->q1 > UINT16_MAX || b->a1 > UINT16_MAX || out->leaves == UINT16_MAX ||
        !leaves_fit(b, na, nq)) {
        leaves_give_up(out);
        return;
    }
    put16(out, b->q0);
    put16(out, b->q1);
    put16(out, b->a0);
    put16(out, b->a1);
    put8(out, (unsigned)na);
    put8(out, (unsigned)nq);
    bool errors = out->data[6] & LEAVES_ERRORS;
    for (size_t i = 0; i < f->outputs->probe_count; i++)
        put_sheet(out, f, i, errors);
    out->leaves++;
}

void leaves_end(struct leaves_out *out, const uint32_t *point, size_t count, size_t fields,
                double *const *field, float *const *errors, const uint8_t *status)
{
    for (size_t i = 0; i < count; i++)
        put32(out, point[i]);
    for (size_t k = 0; k < fields; k++)
        for (size_t i = 0; i < count; i++)
            put64(out, field[k][point[i]]);
    for (size_t k = 0; errors != NULL && k < fields; k++)
        for (size_t i = 0; i < count; i++)
            put(out, &errors[k][point[i]], sizeof(float));
    for (size_t i = 0; i < count; i++)
        put8(out, status[point[i]]);
    if (out->len == 0)
        return;
    uint16_t leaves = (uint16_t)out->leaves;
    uint32_t exceptions = (uint32_t)count;
    memcpy(out->data + LEAVES_AT, &leaves, sizeof leaves);
    memcpy(out->data + EXCEPTIONS_AT, &exceptions, sizeof exceptions);
}
