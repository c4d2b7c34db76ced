/* Nodes are solved with every digit there is: their errors are roundings and those of w. */
#include "soundings.h"

#include "buf.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BETWEEN   1.1 /* errors between nodes against those at the nodes */
#define BETWEEN_S 0.7 /* the least S between nodes against that at the nodes */

void soundings_init(struct soundings *s, const struct sweep *sweep, const struct parts *fine,
                    const struct kernel *kernel)
{
    size_t probes = sweep->outputs.probe_count;
    memset(s, 0, sizeof *s);
    s->sweep = sweep;
    s->fine = fine;
    s->kernel = kernel;
    margin_init(&s->margin, probes, 1);
    s->probe = mem_alloc(probes + 1, sizeof *s->probe);
    for (size_t i = 0; i < probes; i++) {
        s->probe[i].value = lanes_array(NODE_ROWS * NODE_STRIDE);
        s->probe[i].size = lanes_array(NODE_ROWS * NODE_STRIDE);
    }
    s->state = lanes_array((fine->count + 1) * 2 * LANES);
    s->scale = lanes_array((fine->count / fine->every + 1) * LANES);
    s->sum = lanes_array(4 * LANES);
}

void soundings_fini(struct soundings *s)
{
    for (size_t i = 0; i < s->sweep->outputs.probe_count; i++) {
        free(s->probe[i].value);
        free(s->probe[i].size);
    }
    margin_fini(&s->margin);
    free(s->probe);
    free(s->state);
    free(s->scale);
    free(s->sum);
}

void soundings_begin(struct soundings *s)
{
    for (size_t i = 0; i < s->sweep->outputs.probe_count; i++)
        s->margin.probe[i].least = INFINITY;
}

void soundings_end(struct soundings *s, const struct lattice *l)
{
    const struct leaf *leaf = l->leaf;
    margin_lay(&s->margin, &l->nodes, s->sweep->a + leaf->a0, leaf->a1 - leaf->a0);
}

/* State 0 of all lanes. */
static void start_lanes(struct soundings *s, const struct lattice *l, enum vector_kind vector)
{
    for (int k = 0; k < LANES; k++) {
        double at[2] = {l->at[k], l->q}, z = vector == VECTOR_ONE, dz = vector == VECTOR_TWO;
        if (vector == VECTOR_START) {
            z = expr_eval(s->sweep->start[0], at);
            dz = expr_eval(s->sweep->start[1], at);
        }
        s->state[k] = z;
        s->state[LANES + k] = dz / s->fine->omega;
    }
}

static int was_rescaled(const struct soundings *s, size_t node)
{
    for (size_t r = 1; r <= node / s->fine->every; r++)
        for (size_t k = 0; k < LANES; k++)
            if (s->scale[r * LANES + k] != 1)
                return 1;
    return 0;
}

/* Where solutions grow, errors do by factors from node to node: the eighth roots of what is
 * stated are what is interpolated, which is nearly the logarithm; doubt is linear, which is more.
 */
static double eighth_root(double x)
{
    return sqrt(sqrt(sqrt(x)));
}

/* One probe at the nodes of the block at hand, whose states are there. */
static int read_probe(struct soundings *s, const struct lattice *l, size_t index, size_t block)
{
    const struct probe *probe = &s->sweep->outputs.probe[index];
    const struct parts *p = s->fine;
    struct sounding *to = &s->probe[index];
    struct margin_probe *bounds = &s->margin.probe[index];
    size_t node = p->record[probe->record], at = l->r * NODE_STRIDE + block * LANES;
    double unit = probe->row == 0 ? 1 : p->omega;
    const double *z = s->state + node * 2 * LANES, *slope = z + LANES, *sum = s->sum;
    s->kernel->backward(p, l->matrix, LANES, s->state, s->scale, l->node, node, probe->row, s->sum);
    s->kernel->conditioning(p, l->matrix, LANES, s->state, node, probe->row, s->sum + 3 * LANES);
    for (size_t k = 0; k < l->lanes; k++) {
        double omega = sweep_omega(s->sweep, l->at[k], l->q), dz = slope[k] * p->omega / omega;
        double size = (1 + sqrt(z[k] * z[k] + dz * dz)) * (probe->row == 0 ? 1 : omega);
        double kappa = sqrt(sum[3 * LANES + k]);
        to->value[at + k] = (probe->row == 0 ? z : slope)[k] * unit;
        to->size[at + k] = size;
        bounds->stated[at + k] = eighth_root(BETWEEN * (sum[k] + sum[LANES + k]) * unit);
        bounds->doubt[at + k] = BETWEEN * fmax(sum[k] * unit, 8 * DBL_EPSILON * kappa);
        bounds->least = fmin(bounds->least, BETWEEN_S * size);
        if (!isfinite(size) || !isfinite(kappa) || !isfinite(bounds->stated[at + k]))
            return -1;
    }
    return was_rescaled(s, node) ? -1 : 0;
}

int soundings_read(struct soundings *s, const struct lattice *l, size_t block)
{
    const struct outputs *o = &s->sweep->outputs;
    for (int v = 0; v < VECTOR_COUNT; v++) {
        if (!o->uses[v])
            continue;
        start_lanes(s, l, (enum vector_kind)v);
        s->kernel->forward(s->fine, l->matrix, LANES, s->state, s->scale);
        for (size_t i = 0; i < o->probe_count; i++)
            if ((int)o->probe[i].vector == v && read_probe(s, l, i, block) != 0)
                return -1;
    }
    return 0;
}
