#ifndef BENCH_PEER_H
#define BENCH_PEER_H

/* What the compiled peers share: a table of truth, the drive as a cubic spline, the clock and the
 * line they print. A peer is  peer TABLE TOLERANCE ...  and prints one line for each tolerance:
 *
 *   tolerance, thread CPU time of a point in ns (the least of three rounds), largest error of z
 *   relative to S = 1 + hypot(z, z'/omega)
 *
 * The drive is known by the table's name: driven, mathieu, preheat, with or without _40. */

#include <gsl/gsl_errno.h>
#include <gsl/gsl_odeiv2.h>
#include <gsl/gsl_spline.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PEER_KNOTS = 3001, PEER_ROWS = 512, PEER_ROUNDS = 3 };

struct peer_row {
    double q, a, z, dz, omega;
};

enum peer_drive { PEER_DRIVEN, PEER_MATHIEU, PEER_PREHEAT };

struct peer {
    enum peer_drive drive;
    double last;
    struct peer_row row[PEER_ROWS];
    int count;
    gsl_spline *w;
    gsl_interp_accel *accel;
};

static inline double peer_f(enum peer_drive drive, double t)
{
    return drive == PEER_DRIVEN ? 1 + 0.3 * cos(1.7 * t) : 1 + 0.05 * t;
}

static inline double peer_w_of_y(enum peer_drive drive, double t, double y)
{
    return drive == PEER_MATHIEU ? cos(2 * t) : drive == PEER_DRIVEN ? y : y * y;
}

static inline int peer_source(double t, const double y[], double dy[], void *arg)
{
    dy[0] = y[1];
    dy[1] = -peer_f(*(const enum peer_drive *)arg, t) * y[0];
    return GSL_SUCCESS;
}

/* Steps 1 and 2: y to rounding, then a spline on a little more than [0, last] at both ends, so that
 * the natural spline's poor ends are outside: good to 1e-11 where it is used. */
static inline void peer_make_spline(struct peer *p)
{
    double *t = (double *)malloc(PEER_KNOTS * sizeof *t);
    double *w = (double *)malloc(PEER_KNOTS * sizeof *w);
    double y[2] = {1, 0}, now = 0, from = -0.1 * p->last, to = 1.15 * p->last;
    gsl_odeiv2_system system = {peer_source, NULL, 2, &p->drive};
    gsl_odeiv2_driver *back =
        gsl_odeiv2_driver_alloc_y_new(&system, gsl_odeiv2_step_rk8pd, -1e-3, 1e-14, 1e-14);
    gsl_odeiv2_driver *on =
        gsl_odeiv2_driver_alloc_y_new(&system, gsl_odeiv2_step_rk8pd, 1e-3, 1e-14, 1e-14);
    if (gsl_odeiv2_driver_apply(back, &now, from, y) != GSL_SUCCESS)
        abort();
    for (int i = 0; i < PEER_KNOTS; i++) {
        t[i] = from + (to - from) * i / (PEER_KNOTS - 1);
        if (i > 0 && gsl_odeiv2_driver_apply(on, &now, t[i], y) != GSL_SUCCESS)
            abort();
        w[i] = peer_w_of_y(p->drive, t[i], y[0]);
    }
    p->w = gsl_spline_alloc(gsl_interp_cspline, PEER_KNOTS);
    gsl_spline_init(p->w, t, w, PEER_KNOTS);
    p->accel = gsl_interp_accel_alloc();
    gsl_odeiv2_driver_free(back);
    gsl_odeiv2_driver_free(on);
    free(t);
    free(w);
}

static inline void peer_read(struct peer *p, const char *path)
{
    char line[8192];
    const char *name = strrchr(path, '/');
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        perror(path);
        exit(1);
    }
    name = name != NULL ? name + 1 : path;
    p->drive = strncmp(name, "mathieu", 7) == 0   ? PEER_MATHIEU
               : strncmp(name, "preheat", 7) == 0 ? PEER_PREHEAT
                                                  : PEER_DRIVEN;
    p->last = 0;
    p->count = 0;
    while (fgets(line, sizeof line, f) != NULL && p->count < PEER_ROWS) {
        struct peer_row *r = &p->row[p->count];
        const char *last = strstr(line, " T = ");
        double kappa;
        int iq, ia;
        if (last != NULL && p->last == 0)
            p->last = strtod(last + 5, NULL);
        if (sscanf(line, "%d %d %lf %lf %lf %lf %*s %*s %lf %lf", &iq, &ia, &r->q, &r->a, &r->z,
                   &r->dz, &r->omega, &kappa) == 8)
            p->count++;
    }
    fclose(f);
    if (p->count == 0 || !(p->last > 0)) {
        fprintf(stderr, "%s: not a table of truth\n", path);
        exit(1);
    }
    peer_make_spline(p);
}

static inline double peer_clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* z(last) from (1, 0) at 0; NaN when the peer gives up. */
typedef double peer_solve_fn(struct peer *p, const struct peer_row *r, double tolerance, void *arg);

static inline int peer_run(struct peer *p, int argc, char **argv, peer_solve_fn *solve, void *arg)
{
    for (int i = 0; i < argc; i++) {
        double tolerance = strtod(argv[i], NULL), least = INFINITY, worst = 0;
        for (int round = 0; round < PEER_ROUNDS; round++) {
            double start = peer_clock_ns();
            for (int k = 0; k < p->count; k++) {
                const struct peer_row *r = &p->row[k];
                double z = solve(p, r, tolerance, arg);
                double off = fabs(z - r->z) / (1 + hypot(r->z, r->dz / r->omega));
                worst = off <= worst ? worst : off;
                if (isnan(off))
                    worst = INFINITY;
            }
            least = fmin(least, (peer_clock_ns() - start) / p->count);
        }
        printf("%g %.6g %.3g\n", tolerance, least, worst);
        fflush(stdout);
    }
    return 0;
}

#endif
