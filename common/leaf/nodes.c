#include "nodes.h"

#include <math.h>

void axis_range(const double *axis, size_t i0, size_t i1, double *low, double *high)
{
    *low = *high = axis[i0];
    for (size_t i = i0 + 1; i < i1; i++) {
        *low = axis[i] < *low ? axis[i] : *low;
        *high = axis[i] > *high ? axis[i] : *high;
    }
}

void nodes_lay(struct nodes *n, int na, int nq, const struct nodes_range *range)
{
    chebyshev_init(&n->in_a, na + 1);
    chebyshev_init(&n->in_q, nq + 1);
    n->a_middle = 0.5 * range->a_low + 0.5 * range->a_high;
    n->a_half = fmax(range->a_high - n->a_middle, n->a_middle - range->a_low);
    n->q_middle = 0.5 * range->q_low + 0.5 * range->q_high;
    n->q_half = fmax(range->q_high - n->q_middle, n->q_middle - range->q_low);
}
