/* See cycle.h. */
#include "cycle.h"

#include "buf.h"
#include "sweep_private.h"
#include <float.h>
#include <math.h>
#include <string.h>

void cycle_init(struct cycle *c, const struct sweep_spec *spec)
{
    struct outputs_spec outputs = sweep_outputs(spec);
    memset(c, 0, sizeof *c);
    if (!(spec->period > 0))
        return;
    c->from = spec->times[0];
    c->to = outputs_period_end(&outputs);
    c->period = spec->period;
    c->may_mirror =
        spec->damping == NULL && (spec->w == NULL || spec->interpolation == SWEEP_EXACT);
}

static void integrate_damping(struct cycle *c, const struct curve *curve)
{
    struct gauss g;
    gauss_init(&g, GAUSS_MAX);
    c->damping = c->damping_error = 0;
    for (size_t k = 0; k < curve->count; k++) {
        const struct segment *s = &curve->segments[k];
        double from = fmax(s->t0, c->from), to = fmin(s->t1, c->to), value[GAUSS_MAX];
        if (!(from < to))
            continue;
        curve_at_points(curve, k, &g, from, to, value);
        for (int i = 0; i < g.n; i++)
            c->damping += (to - from) * g.b[i] * value[i];
        c->damping_error += (to - from) * (s->error + 8 * DBL_EPSILON * s->bound);
    }
}

int cycle_measure(struct cycle *c, const struct drive *d)
{
    if (!(c->period > 0))
        return 0;
    integrate_damping(c, &d->damping);
    return symmetry_about(d, c->from, c->to - c->from, c->from, &c->symmetry) && c->may_mirror;
}

/* Two zeros need length * integral of |K| e^|damping| > 4 (Lyapunov; Hartman, Ordinary Differential
 * Equations, XI.5). */
static int may_have_two(const struct drive *d, double a, double q, double t0, double t1)
{
    double damping, unused, h = t1 - t0;
    drive_bounds(&d->damping, t0, t1, 0, &damping, &unused);
    return !(h * h * parts_stiffness(d, a, q, t0, t1) * exp(h * damping) < 3.9);
}

double *cycle_nodes(const struct cycle *c, const struct drive *d, double a, double q, size_t *count)
{
    double *node = mem_alloc(CYCLE_NODES_MAX, sizeof *node), t = c->from, step = c->to - c->from;
    *count = 0;
    while (t < c->to && *count < CYCLE_NODES_MAX) {
        double end = fmin(t + step, c->to);
        while (end > t && may_have_two(d, a, q, t, end))
            end = t + (end - t) / 2;
        if (!(end > t))
            *count = CYCLE_NODES_MAX - 1;
        node[(*count)++] = end;
        step = 2 * (end - t);
        t = end;
    }
    return node;
}

struct floquet_facts sweep_facts(const struct sweep *s)
{
    const struct symmetry *uneven = &s->cycle.symmetry;
    const struct grid *g = &s->grid;
    return (struct floquet_facts){
        .period = s->cycle.period,
        .damping = s->cycle.damping,
        .damping_error = s->cycle.damping_error,
        .u_bound = s->u_bound,
        .v_bound = s->v_bound,
        .w_bound = s->w_bound,
        .u_uneven = uneven->u,
        .v_uneven = uneven->v,
        .w_uneven = uneven->w,
        .promised = s->promised,
        .a_most = fmax(fabs(g->a_min), fabs(g->a_max)),
        .q_most = fmax(fabs(g->q_min), fabs(g->q_max)),
        .damped = s->drive->damping.count != 0,
        .refines = s->drive->interpolation == SWEEP_EXACT || s->drive->is_table,
    };
}
