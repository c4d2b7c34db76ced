/* The drive as bytes, and back. What travels is what libm had a hand in: the knots' values and the
 * intervals' errors where w is interpolated (the rest follows by GSL's arithmetic), the segments
 * where it is exact, the segments of u, v and the damping. A table that came with the job is
 * everywhere already and does not travel.
 *
 *   "HSWD" u32 version, u32 knots, knots x f64, (knots - 1) x f32 (errors; none without knots),
 *   4 x { u32 segments, segments x { f64 t0 t1 error bound, u32 terms, terms x f64 } }   (w u v
 * damping)
 *
 * All little-endian. A table is a peer's word: everything is checked before it is believed. */
#include "drive.h"

#include "buf.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 2u

static void put_u32(struct buf *b, uint32_t v)
{
    unsigned char *p = buf_grow(b, 4);
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> 8 * i);
}

static void put_f64(struct buf *b, double v)
{
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    put_u32(b, (uint32_t)u);
    put_u32(b, (uint32_t)(u >> 32));
}

static void put_f32(struct buf *b, double v)
{
    float f = (float)v; /* exact: drive.c made it so */
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    put_u32(b, u);
}

static void put_curve(struct buf *b, const struct curve *c)
{
    put_u32(b, (uint32_t)c->count);
    for (size_t k = 0; k < c->count; k++) {
        const struct segment *s = &c->segments[k];
        put_f64(b, s->t0);
        put_f64(b, s->t1);
        put_f64(b, s->error);
        put_f64(b, s->bound);
        put_u32(b, s->n);
        for (uint32_t i = 0; i < s->n; i++)
            put_f64(b, c->coef[s->at + i]);
    }
}

static size_t travelling_knots(const struct drive *d)
{
    return d->is_table ? 0 : d->knot_count;
}

unsigned char *drive_encode(const struct drive *d, size_t *len)
{
    struct buf b = {0};
    struct curve none = {0};
    buf_add(&b, "HSWD", 4);
    put_u32(&b, VERSION);
    put_u32(&b, (uint32_t)travelling_knots(d));
    for (size_t i = 0; i < travelling_knots(d); i++)
        put_f64(&b, d->knot_w[i]);
    for (size_t i = 1; i < travelling_knots(d); i++)
        put_f32(&b, d->w.segments[i - 1].error);
    put_curve(&b, d->knot_count != 0 ? &none : &d->w);
    put_curve(&b, &d->u);
    put_curve(&b, &d->v);
    put_curve(&b, &d->damping);
    *len = b.len;
    return b.data;
}

struct reader {
    const unsigned char *p, *end;
    int bad;
};

static uint32_t get_u32(struct reader *r)
{
    uint32_t v = 0;
    if (r->end - r->p < 4) {
        r->bad = 1;
        return 0;
    }
    for (int i = 0; i < 4; i++)
        v |= (uint32_t)r->p[i] << 8 * i;
    r->p += 4;
    return v;
}

static double get_f64(struct reader *r)
{
    uint64_t low = get_u32(r), u = low | (uint64_t)get_u32(r) << 32;
    double v;
    memcpy(&v, &u, sizeof v);
    if (!isfinite(v))
        r->bad = 1;
    return v;
}

static double get_f32(struct reader *r)
{
    uint32_t u = get_u32(r);
    float v;
    memcpy(&v, &u, sizeof v);
    if (!isfinite(v))
        r->bad = 1;
    return (double)v;
}

/* Reads a curve that must cover exactly what `own` covers. */
static void get_curve(struct reader *r, const struct curve *own, struct curve *c)
{
    uint32_t count = get_u32(r);
    if ((count == 0) != (own->count == 0))
        r->bad = 1;
    for (uint32_t k = 0; k < count && !r->bad; k++) {
        double coef[GAUSS_MAX], t0 = get_f64(r), t1 = get_f64(r);
        double error = get_f64(r), bound = get_f64(r);
        double before = k == 0 ? own->segments[0].t0 : c->segments[k - 1].t1;
        uint32_t n = get_u32(r);
        if (r->bad || n < 2 || n > GAUSS_MAX || t0 != before || !(t1 > t0) || error < 0 ||
            bound < 0) {
            r->bad = 1;
            return;
        }
        for (uint32_t i = 0; i < n; i++)
            coef[i] = get_f64(r);
        curve_add(c, t0, t1, coef, (int)n, error, bound);
    }
    if (!r->bad && count > 0 && c->segments[count - 1].t1 != own->segments[own->count - 1].t1)
        r->bad = 1;
}

static int differs(struct err *err, const char *what, double t, double own, double other)
{
    return err_set(err, ERR_OTHER,
                   "%s at t = %.9g is %.17g here and %.17g in the job's segment table", what, t,
                   own, other);
}

/* Largest error and bound of a curve: what another may claim is measured by them. */
static struct segment summary(const struct curve *c)
{
    struct segment s = {.t0 = c->segments[0].t0, .t1 = c->segments[c->count - 1].t1};
    for (size_t k = 0; k < c->count; k++) {
        s.error = fmax(s.error, c->segments[k].error);
        s.bound = fmax(s.bound, c->segments[k].bound);
    }
    return s;
}

/* Segment k of other against own, at 8 points. Errors here decide, not the errors that the table
 * claims. */
static int compare_segment(const char *what, const struct curve *own, const struct segment *all,
                           const struct curve *other, size_t k, struct err *err)
{
    const struct segment *s = &other->segments[k];
    double tiny = 1e-9 * (all->t1 - all->t0);
    struct gauss g;
    gauss_init(&g, 8);
    if (s->error > 1000 * all->error + 1e-13 * all->bound || s->bound > 2 * all->bound)
        return differs(err, what, s->t0, all->bound, s->bound);
    for (int i = 0; i < g.n; i++) {
        double t = s->t0 + g.x[i] * (s->t1 - s->t0);
        size_t mine = curve_find(own, t, 0);
        const struct segment *here = &own->segments[mine];
        double a = curve_eval(own, mine, t), b = curve_eval(other, k, t);
        /* The mean error stands for the largest; inside tiny segments there may be a jump. */
        int jump = s->t1 - s->t0 < tiny || here->t1 - here->t0 < tiny;
        double allowed = 32 * here->error + 1e-13 * (jump ? 1e13 * all->bound : here->bound);
        if (!(fabs(a - b) <= allowed) || !(fabs(b) <= 1.1 * s->bound))
            return differs(err, what, t, a, b);
    }
    return 0;
}

static int compare_curves(const char *what, const struct curve *own, const struct curve *other,
                          struct err *err)
{
    if (other->count == 0)
        return 0;
    struct segment all = summary(own);
    for (size_t k = 0; k < other->count; k++)
        if (compare_segment(what, own, &all, other, k, err) != 0)
            return -1;
    return 0;
}

/* The errors of the intervals were measured with this machine's w, too: they may differ by what w
 * may. */
static int adopt_knots(struct drive *d, const double *w, const double *error, struct err *err)
{
    size_t n = d->knot_count;
    struct curve fresh = {0};
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(d->knot_w[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs(w[i] - d->knot_w[i]) <= 1e-13 * most))
            return differs(err, "w", d->knot_t[i], d->knot_w[i], w[i]);
    for (size_t k = 0; k + 1 < n; k++) {
        double own = d->w.segments[k].error;
        if (!(fabs(error[k] - own) <= 1e-3 * own + 1e-13 * most))
            return differs(err, "the error of w", d->knot_t[k], own, error[k]);
    }
    if (interpolant_build(&fresh, d->interpolation, d->knot_t, w, n, err) != 0) {
        curve_fini(&fresh);
        return -1;
    }
    for (size_t k = 0; k < fresh.count; k++)
        fresh.segments[k].error = error[k];
    memcpy(d->knot_w, w, n * sizeof *w);
    curve_fini(&d->w);
    d->w = fresh;
    return 0;
}

/* What a table says, before it is believed. */
struct news {
    double *knots, *error; /* of the intervals between them */
    struct curve curve[4]; /* w u v damping */
};

static int read_news(const struct drive *d, const unsigned char *table, size_t len,
                     struct news *news)
{
    struct reader r = {table, table + len, 0};
    struct curve none = {0};
    const struct curve *own[4] = {d->knot_count != 0 ? &none : &d->w, &d->u, &d->v, &d->damping};
    size_t knots = travelling_knots(d);
    if (len < 4 || memcmp(table, "HSWD", 4) != 0)
        return -1;
    r.p += 4;
    if (get_u32(&r) != VERSION || get_u32(&r) != knots)
        return -1;
    for (size_t i = 0; i < knots; i++)
        news->knots[i] = get_f64(&r);
    for (size_t i = 1; i < knots; i++)
        news->error[i - 1] = get_f32(&r);
    for (int c = 0; c < 4; c++)
        get_curve(&r, own[c], &news->curve[c]);
    return r.bad || r.p != r.end ? -1 : 0;
}

static int take_news(struct drive *d, struct news *news, struct err *err)
{
    static const char *const names[] = {"w", "z.u", "z.v", "z.damping"};
    struct curve *own[4] = {&d->w, &d->u, &d->v, &d->damping};
    for (int c = 0; c < 4; c++)
        if (compare_curves(names[c], own[c], &news->curve[c], err) != 0)
            return -1;
    if (travelling_knots(d) != 0 && adopt_knots(d, news->knots, news->error, err) != 0)
        return -1;
    for (int c = d->knot_count != 0; c < 4; c++) {
        struct curve swap = *own[c];
        *own[c] = news->curve[c];
        news->curve[c] = swap;
    }
    return 1;
}

int drive_adopt(struct drive *d, const unsigned char *table, size_t len, struct err *err)
{
    struct news news = {.knots = mem_alloc(d->knot_count + 1, sizeof(double)),
                        .error = mem_alloc(d->knot_count + 1, sizeof(double))};
    size_t own_len;
    unsigned char *own = drive_encode(d, &own_len);
    int rc;
    if (own_len == len && memcmp(own, table, len) == 0)
        rc = 0;
    else if (read_news(d, table, len, &news) != 0)
        rc = err_set(err, ERR_OTHER, "the segment table is damaged or of another version");
    else
        rc = take_news(d, &news, err);
    for (int c = 0; c < 4; c++)
        curve_fini(&news.curve[c]);
    free(news.knots);
    free(news.error);
    free(own);
    return rc;
}
