/* The points of a block that were left to the fine level: a row of that costs as much as dozens of
 * its points, so they are solved at the end, all those of a row together. */
#include "solver_private.h"

/* Copies the strip's points, which were stored apart, to where they belong. */
static void scatter(struct solver *s, const struct block *b, const struct later_point *p,
                    const uint8_t *status, const struct target *to)
{
    for (size_t i = 0; i < s->strip.count; i++) {
        size_t at = p[i].q * (b->a1 - b->a0) + p[i].a;
        for (size_t k = 0; k < s->sweep->outputs.count; k++) {
            to->fields[k][at] = s->left_field[k][i];
            if (to->errors != NULL)
                to->errors[k][at] = s->left_error[k][i];
        }
        to->status[at] = status[i];
    }
}

/* Points p[0..count), all of one row, at the fine level. */
static int solve_left(struct solver *s, const struct block *b, const struct later_point *p,
                      size_t count, const struct target *to, struct caller *c)
{
    uint8_t status[STRIP];
    uint16_t at[STRIP];
    size_t left = count;
    struct target apart = {s->left_field, to->errors != NULL ? s->left_error : NULL, status};
    for (size_t i = 0; i < count; i++) {
        s->left_a[i] = s->sweep->a[b->a0 + p[i].a];
        at[i] = (uint16_t)i;
    }
    solver_load(s, b->q0 + p->q, s->left_a, count);
    if (solver_level(s, LEVEL_FINE, at, &left, c) != 0)
        return -1;
    solver_store(s, NULL, &apart, 0);
    scatter(s, b, p, status, to);
    c->done += count;
    return 0;
}

/* Makes the next rows that have points, from q on; returns where those after them begin. */
static size_t look_ahead(struct solver *s, const struct block *b, size_t q)
{
    double next[LEVEL_ROWS];
    size_t n = 0;
    for (; q < b->q1 - b->q0 && n < LEVEL_ROWS; q++)
        if (s->later.row[q] < s->later.row[q + 1])
            next[n++] = s->sweep->q[b->q0 + q];
    lanes_ahead(s->lanes, LEVEL_FINE, next, n);
    return q;
}

int solver_later(struct solver *s, const struct block *b, const struct target *to, struct caller *c)
{
    later_sort(&s->later, b->q1 - b->q0);
    size_t ahead = 0;
    for (size_t q = 0; q < b->q1 - b->q0; q++) {
        size_t end = s->later.row[q + 1];
        if (q >= ahead && s->later.row[q] < end)
            ahead = look_ahead(s, b, q);
        for (size_t i = s->later.row[q]; i < end; i += STRIP)
            if (solve_left(s, b, s->later.sorted + i, end - i < STRIP ? end - i : STRIP, to, c) !=
                0)
                return -1;
    }
    return 0;
}

/* The leaves have been written; what they do not say follows. */
void solver_note_later(struct solver *s, const struct block *b, const struct target *to)
{
    size_t width = b->a1 - b->a0;
    uint32_t *point = later_places(&s->later, b->q1 - b->q0, width);
    leaves_end(s->leaves, point, s->later.count, s->sweep->outputs.count, to->fields, to->errors,
               to->status);
}
