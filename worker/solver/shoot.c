/* See shoot.h. A point here is a scalar: a few hundred of them trace all curves at one q, so lanes
 * would gain nothing.
 *
 * Zeros are counted part by part. In a part in which no solution has two zeros (the one that starts
 * with z = 0 has none: B = z2 of the part is positive) a change of sign is one zero; where B is
 * negative one Dirichlet eigenvalue of the part has been passed, and there are one or two. Parts
 * are made short enough that a second eigenvalue cannot be (Sturm: h sqrt(max K) < 2 pi). */
#include "shoot.h"

#include "buf.h"
#include "kernel.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FINEST     0x1p-57 /* what rounding leaves of an entry of a part */
#define LONGEST    5.0     /* less than 2 pi */
#define REFINED    24      /* times that parts are cut again, by then to lengths of rounding */
#define RECORD_MAX 4096

struct shoot {
    struct parts *parts;
    const struct kernel *kernel;
    double q, unit;
    double *row;        /* coefficients at q */
    double (*part)[4];  /* the parts' matrices of the last shot, */
    double (*state)[4]; /* the product of those before each node, times ... */
    double *factor;     /* ... this at the node, and all before */
    double weight[PARTS_WEIGHTS];
};

static int is_long(const struct drive *d, const struct grid *g, const struct part *part)
{
    double a = fmax(fabs(g->a_min), fabs(g->a_max)), q = fmax(fabs(g->q_min), fabs(g->q_max));
    double h = part->t1 - part->t0, drag, unused;
    drive_bounds(&d->damping, part->t0, part->t1, 0, &drag, &unused);
    return h * (sqrt(parts_stiffness(d, a, q, part->t0, part->t1)) + drag / 2) > LONGEST;
}

/* Parts that are too long, because w is uneven there, get one more end in their middle. */
static size_t refine(const struct drive *d, const struct grid *g, const struct parts *p,
                     double *record, size_t max)
{
    size_t n = 0;
    for (size_t k = 0; k < p->count && n < max; k++) {
        const struct part *part = &p->part[k];
        double middle = part->t0 + (part->t1 - part->t0) / 2;
        if (is_long(d, g, part) && middle > part->t0 && middle < part->t1)
            record[n++] = middle;
    }
    return n;
}

/* record: the ends so far, RECORD_MAX of room. */
static int create_parts(const struct drive *d, const struct grid *g, double from, double to,
                        double *record, struct parts **out, struct err *err)
{
    size_t count = 1;
    record[0] = to;
    for (int round = 0;; round++) {
        if (parts_create(d, g, from, record, count, PARTS_REACH_FINE, FINEST, out, err) != 0)
            return -1;
        size_t more = round < REFINED ? refine(d, g, *out, record + count, RECORD_MAX - count) : 0;
        if (more == 0)
            return 0;
        /* All ends so far and the new ones, in order. */
        for (size_t i = count; i < count + more; i++)
            for (size_t k = i; k > 0 && record[k - 1] > record[k]; k--) {
                double t = record[k];
                record[k] = record[k - 1];
                record[k - 1] = t;
            }
        count += more;
        parts_destroy(*out);
    }
}

int shoot_create(const struct drive *d, const struct grid *g, double from, double to, double loss,
                 struct shoot **out, struct err *err)
{
    struct shoot *s = mem_alloc(1, sizeof *s);
    double *record = mem_alloc(RECORD_MAX, sizeof *record);
    int rc = create_parts(d, g, from, to, record, &s->parts, err);
    free(record);
    if (rc != 0) {
        free(s);
        return -1;
    }
    size_t nodes = s->parts->count + 1;
    s->kernel = kernel_find(NULL);
    s->unit = exp(-loss / 2);
    s->row = lanes_array(s->parts->row_count);
    s->part = mem_alloc(nodes, sizeof *s->part);
    s->state = mem_alloc(nodes, sizeof *s->state);
    s->factor = mem_alloc(nodes, sizeof *s->factor);
    *out = s;
    return 0;
}

void shoot_destroy(struct shoot *s)
{
    if (s == NULL)
        return;
    parts_destroy(s->parts);
    free(s->row);
    free(s->part);
    free(s->state);
    free(s->factor);
    free(s);
}

void shoot_row(struct shoot *s, double q)
{
    s->q = q;
    parts_weights(s->parts, q, s->weight);
    s->kernel->contract(s->parts, s->weight, s->row);
}

/* A part's matrix and its derivative by x. */
static void horner(const double *row, int na, double x, double m[4], double d[4])
{
    const double *c = row + 4 * (size_t)na;
    for (int e = 0; e < 4; e++) {
        m[e] = c[e];
        d[e] = 0;
    }
    for (int i = na; i > 0; i--) {
        c -= 4;
        for (int e = 0; e < 4; e++) {
            d[e] = d[e] * x + m[e];
            m[e] = m[e] * x + c[e];
        }
    }
}

/* A zero at the end of a part counts as passed. */
static int is_negative(double z, double p)
{
    return z < 0 || (z == 0 && p < 0);
}

static int zeros_in_part(const double part[4], double z, double p, double z_end, double p_end)
{
    int changed = is_negative(z, p) != is_negative(z_end, p_end);
    return part[1] > 0 ? changed : 2 - changed;
}

/* m := part m, d := dpart m + part d. */
static void advance(const double part[4], const double dpart[4], double m[4], double d[4])
{
    double z1 = m[Z1], z2 = m[Z2], p1 = m[P1], p2 = m[P2];
    double y1 = d[Z1], y2 = d[Z2], r1 = d[P1], r2 = d[P2];
    m[Z1] = part[0] * z1 + part[1] * p1;
    m[Z2] = part[0] * z2 + part[1] * p2;
    m[P1] = part[2] * z1 + part[3] * p1;
    m[P2] = part[2] * z2 + part[3] * p2;
    d[Z1] = part[0] * y1 + part[1] * r1 + (dpart[0] * z1 + dpart[1] * p1);
    d[Z2] = part[0] * y2 + part[1] * r2 + (dpart[0] * z2 + dpart[1] * p2);
    d[P1] = part[2] * y1 + part[3] * r1 + (dpart[2] * z1 + dpart[3] * p1);
    d[P2] = part[2] * y2 + part[3] * r2 + (dpart[2] * z2 + dpart[3] * p2);
}

static double size_of(const double m[4])
{
    return fmax(fmax(fabs(m[Z1]), fabs(m[Z2])), fmax(fabs(m[P1]), fabs(m[P2])));
}

void shoot_at(struct shoot *s, double a, struct shot *out)
{
    const struct parts *p = s->parts;
    double x = (a - p->a0) * p->a_inverse, dpart[4];
    *out = (struct shot){.a = a, .unit = s->unit, .m = {1, 0, 0, 1}};
    int64_t zeros[2] = {0, 0};
    for (size_t n = 0; n < p->count; n++) {
        double *part = s->part[n], *now = memcpy(s->state[n], out->m, sizeof out->m);
        horner(s->row + p->part[n].row, p->part[n].na, x, part, dpart);
        for (int e = 0; e < 4; e++)
            dpart[e] *= p->a_inverse;
        advance(part, dpart, out->m, out->d);
        for (int j = 0; j < 2; j++)
            zeros[j] += zeros_in_part(part, now[j], now[j + 2], out->m[j], out->m[j + 2]);
        double size = size_of(out->m);
        s->factor[n + 1] = size > KERNEL_LARGE   ? KERNEL_SHRINK
                           : size < KERNEL_SMALL ? KERNEL_GROW
                                                 : 1;
        for (int e = 0; e < 4 && s->factor[n + 1] != 1; e++) {
            out->m[e] *= s->factor[n + 1];
            out->d[e] *= s->factor[n + 1];
        }
        out->unit *= s->factor[n + 1];
    }
    memcpy(s->state[p->count], out->m, sizeof out->m);
    for (int j = 0; j < 2; j++) {
        double z = out->m[j],
               slope = is_negative(z, out->m[j + 2]) ? -out->m[j + 2] : out->m[j + 2];
        out->turns[j] = 2 * zeros[j] + (slope > 0 ? 0 : 1);
    }
}

void shoot_errors(const struct shoot *s, double error[4])
{
    const struct parts *p = s->parts;
    double row[2][2] = {{1, 0}, {0, 1}};
    memset(error, 0, 4 * sizeof *error);
    for (size_t n = p->count;; n--) {
        const double *state = s->state[n];
        double column[2] = {fabs(state[Z1]) + fabs(state[P1]), fabs(state[Z2]) + fabs(state[P2])};
        double node = p->node[n] + fabs(s->q) * p->node_q[n];
        for (int e = 0; e < 4; e++)
            error[e] += node * (fabs(row[e / 2][0]) + fabs(row[e / 2][1])) * column[e % 2];
        if (n == 0)
            break;
        const double *part = s->part[n - 1], *before = s->state[n - 1];
        for (int i = 0; i < 2; i++) {
            double z = row[i][0] * s->factor[n], r = row[i][1] * s->factor[n];
            double length = p->cross[n - 1] * (fabs(z) + fabs(r));
            error[2 * i] += length * (fabs(before[Z1]) + fabs(before[P1]));
            error[2 * i + 1] += length * (fabs(before[Z2]) + fabs(before[P2]));
            row[i][0] = z * part[0] + r * part[2];
            row[i][1] = z * part[1] + r * part[3];
        }
    }
}

double shot_slope(const struct shot *s, int which)
{
    double z = s->m[which], p = s->m[which + 2], size = hypot(z, p);
    return (p / size * s->d[which] - z / size * s->d[which + 2]) / size;
}

size_t shoot_parts(const struct shoot *s)
{
    return s->parts->count;
}
