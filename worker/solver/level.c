#include "level.h"

#include <math.h>
#include <stdlib.h>

void level_fini(struct lanes_level *l)
{
    for (size_t i = 0; i < LEVEL_ROWS; i++)
        free(l->rows[i]);
    free(l->node);
    free(l->matrix);
    free(l->state);
    free(l->scale);
}

static void resize(double **array, size_t n)
{
    free(*array);
    *array = lanes_array(n);
}

static void forget(struct lanes_level *l)
{
    l->q = NAN;
    for (size_t i = 0; i < LEVEL_ROWS; i++)
        l->made[i] = NAN;
}

void level_take(struct lanes_level *l, const struct parts *p)
{
    size_t scales = (p->count / p->every + 1) * LANES;
    l->parts = p;
    forget(l);
    for (size_t i = 0; p->row_count > l->row_cap && i < LEVEL_ROWS; i++)
        resize(&l->rows[i], p->row_count);
    l->row_cap = p->row_count > l->row_cap ? p->row_count : l->row_cap;
    if (p->count + 1 > l->node_cap) {
        l->node_cap = p->count + 1;
        resize(&l->node, l->node_cap);
        resize(&l->matrix, l->node_cap * 4 * LANES);
        resize(&l->state, l->node_cap * 2 * LANES);
    }
    if (scales > l->scale_cap)
        resize(&l->scale, l->scale_cap = scales);
}

void level_ahead(struct lanes_level *l, const struct kernel *kernel, const double *q, size_t n)
{
    double weight[LEVEL_ROWS][PARTS_WEIGHTS];
    const double *weights[LEVEL_ROWS];
    forget(l);
    for (size_t i = 0; i < n; i++) {
        l->made[i] = q[i];
        parts_weights(l->parts, q[i], weight[i]);
        weights[i] = weight[i];
    }
    if (n == LEVEL_ROWS)
        kernel->contract_rows(l->parts, weights, l->rows);
    for (size_t i = 0; n < LEVEL_ROWS && i < n; i++)
        kernel->contract(l->parts, weight[i], l->rows[i]);
}

void level_turn(struct lanes_level *l, const struct sweep *s, const struct kernel *kernel, double q)
{
    const struct parts *p = l->parts;
    size_t i = 0;
    if (l->q == q)
        return;
    while (i < LEVEL_ROWS && l->made[i] != q)
        i++;
    if (i == LEVEL_ROWS) {
        level_ahead(l, kernel, &q, 1);
        i = 0;
    }
    l->q = q;
    l->row = l->rows[i];
    l->omega = sweep_omega(s, fmax(fabs(s->grid.a_min), fabs(s->grid.a_max)), q);
    for (size_t n = 0; n <= p->count; n++)
        l->node[n] = p->node[n] + fabs(q) * p->node_q[n];
}
