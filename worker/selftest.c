/* See selftest.h. */
#include "selftest.h"

#include "crc32c.h"
#include "sweep.h"
#include <math.h>
#include <string.h>

enum { POINTS_MAX = 16 };

static const double tolerance = 1e-9;

/* One small grid with its true values. NaN: a point that is solved and not judged. */
struct known {
    const char *name, *w;
    double w_to, times[2], q[4], a[4];
    size_t q_count, a_count;
    double z[POINTS_MAX]; /* z(times[1]), in the grid's C order */
};

/* z'' + (a + q t) z = 0, z(0) = 1, z'(0) = 0 at t = 2. q = 0: cosh(2), cos(2), cos(4). Else Airy
 * functions (DLMF 9.2) of s = -(a + q t) / q^(2/3), evaluated with 40 digits. */
static const struct known airy = {
    .name = "Airy's equation",
    .w = "t",
    .w_to = 2,
    .times = {0, 2},
    .q = {0, 0.5, 2},
    .a = {-1, 1, 4},
    .q_count = 3,
    .a_count = 3,
    .z = {3.7621956910836314596, -0.416146836547142387, -0.65364362086361191464,
          2.5701449973421315514, -0.60537408875976463086, -0.44158300136974633405,
          0.3132627651129132764, -0.73689473334041319249, 0.10098900219139241816},
};

/* z'' + (a + q cos 2t) z = 0 at t = 7.85: the diagonal is lines of tests/truth/mathieu.txt (made in
 * IEEE binary128). */
static const struct known mathieu = {
    .name = "Mathieu's equation",
    .w = "cos(2*t)",
    .w_to = 10,
    .times = {0, 7.8500000000000005},
    .q = {0.040404040404040407, 0.36363636363636365, 1.494949494949495, 2.9090909090909092},
    .a = {0.36363636363636376, 6.0909090909090917, 6.2727272727272734, 4.9090909090909092},
    .q_count = 4,
    .a_count = 4,
    .z = {0.0226174543275563126420, NAN, NAN, NAN, NAN, 0.899698837589526492136, NAN, NAN, NAN, NAN,
          0.857201369482020900134, NAN, NAN, NAN, NAN, -0.837012455200246849424},
};

static int never(void *arg, size_t points_done)
{
    (void)arg, (void)points_done;
    return 0;
}

/* The allowance is the error contract's, generously: the values are of order 1. */
static int judge(const struct known *k, const double *z, const uint8_t *status, struct err *err)
{
    for (size_t i = 0; i < k->q_count * k->a_count; i++) {
        double q = k->q[i / k->a_count], a = k->a[i % k->a_count];
        if (isnan(k->z[i]))
            continue;
        if (status[i] != POINT_DONE && status[i] != POINT_LIMITED)
            return err_set(err, ERR_OTHER, "%s at q = %g, a = %g could not be solved", k->name, q,
                           a);
        if (!(fabs(z[i] - k->z[i]) <= 10 * tolerance * (1 + fabs(k->z[i]))))
            return err_set(err, ERR_OTHER, "%s at q = %g, a = %g gave %.17g instead of %.17g",
                           k->name, q, a, z[i], k->z[i]);
    }
    return 0;
}

static int solve(const struct known *k, uint32_t *crc, struct err *err)
{
    const struct output_text output = {"z", "z(t[1])"};
    const struct sweep_spec spec = {
        .w = k->w,
        .w_to = k->w_to,
        .z_start = {"1", "0"},
        .times = k->times,
        .time_count = 2,
        .q = k->q,
        .a = k->a,
        .q_count = k->q_count,
        .a_count = k->a_count,
        .outputs = &output,
        .output_count = 1,
        .tolerance = tolerance,
    };
    struct sweep *sweep;
    if (sweep_create(&spec, &sweep, err))
        return -1;
    struct solver *solver = solver_create(sweep);
    size_t points = k->q_count * k->a_count;
    double z[POINTS_MAX], *fields[1] = {z};
    uint8_t status[POINTS_MAX];
    memset(status, POINT_OPEN, sizeof status);
    solver_block(solver, &(struct block){0, k->q_count, 0, k->a_count}, fields, NULL, status, never,
                 NULL);
    int rc = judge(k, z, status, err);
    *crc = crc32c(crc32c(0, z, points * sizeof *z), status, points);
    solver_destroy(solver);
    sweep_destroy(sweep);
    return rc;
}

uint32_t selftest_run(struct err *err)
{
    uint32_t crc, other;
    if (solve(&airy, &crc, err) || solve(&mathieu, &other, err))
        return 0;
    return crc ? crc : 1; /* 0 means failed */
}
