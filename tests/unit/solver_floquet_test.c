/* Periods: what is refused because it does not repeat itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "solver_job.h"
#include <math.h>

/* ---- what repeats itself ---- */

static const struct {
    const char *w, *u;
    double to, period, jump; /* jump: listed in w.breaks, if any */
    enum sweep_interpolation kind;
    const char *says; /* NULL: it does */
} periods[] = {
    {"cos(2*t)", NULL, 12, M_PI, 0, SWEEP_EXACT, NULL},
    {"cos(2*t)", NULL, M_PI, M_PI, 0, SWEEP_EXACT, NULL},
    {"cos(2*t)", NULL, 12, 2 * M_PI, 0, SWEEP_EXACT, NULL},
    {"cos(2*t)", NULL, 12, 3.14, 0, SWEEP_EXACT, "w does not repeat itself: it is"},
    {"cos(2*t)", NULL, 12, 3.1415926535, 0, SWEEP_EXACT, "apart"},
    {"cos(2*t)", NULL, 3, 3, 0, SWEEP_EXACT, "w does not repeat itself: it is 1 at t = 0 and 0.96"},
    {"cos(2*t)", NULL, 12, M_PI, 0, SWEEP_CSPLINE, NULL},
    {"cos(2*t)", NULL, 12, 3.14, 0, SWEEP_CSPLINE, "w does not repeat itself"},
    {"mod(t, 1)", NULL, 4, 1, 0, SWEEP_EXACT, NULL},
    {"t", NULL, 1, 1, 0, SWEEP_EXACT, "and 1 a period later, 1 apart"},
    {"t", NULL, 1, 1, 1, SWEEP_EXACT, NULL},
    {"cos(2*t)", "cos(t)", 12, M_PI, 0, SWEEP_EXACT, "z.u does not repeat itself"},
    {"cos(2*t)", "cos(t)", 12, 2 * M_PI, 0, SWEEP_EXACT, NULL},
};

static void test_what_repeats_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof periods / sizeof *periods; i++) {
        struct solver_job j;
        struct err err = {0};
        double times[] = {0, 1}, breaks[] = {periods[i].jump};
        job_init(&j, 0, 1, 2, 0, 1, 2);
        j.spec.w = periods[i].w;
        j.spec.u = periods[i].u;
        j.spec.w_to = periods[i].to;
        j.spec.period = periods[i].period;
        j.spec.breaks = breaks;
        j.spec.break_count = periods[i].jump > 0;
        j.spec.interpolation = periods[i].kind;
        j.spec.knots = 4001;
        j.spec.times = times;
        j.spec.time_count = 2;
        j.outputs[0].text = "z(1)";
        int rc = sweep_create(&j.spec, &j.sweep, &err);
        if ((rc == 0) != (periods[i].says == NULL) ||
            (rc != 0 && (strstr(err.text, periods[i].says) == NULL ||
                         strcmp(err.path, "w.period") != 0 || err.code != ERR_JOB_REFUSED)))
            fail_msg("case %zu: %d %s: %s", i, rc, err.path, err.text);
        if (rc != 0)
            j.sweep = NULL;
        job_fini(&j);
    }
}

/* Of a table nobody knows how good it is: it has to repeat itself as well as straight lines tell.
 */
static void test_tables_that_repeat_themselves(void **state)
{
    (void)state;
    enum { ROWS = 101 };
    for (int wrong = 0; wrong < 2; wrong++) {
        struct solver_job j;
        struct err err = {0};
        job_init(&j, 0, 1, 2, 0, 1, 2);
        double *t = linspace(0, 10, ROWS), w[ROWS];
        for (int i = 0; i < ROWS; i++)
            w[i] = cos(2 * t[i]);
        j.spec.w = NULL;
        j.spec.table_t = t;
        j.spec.table_w = w;
        j.spec.table_count = ROWS;
        j.spec.w_to = 10;
        j.spec.interpolation = SWEEP_CSPLINE;
        j.spec.period = wrong ? 3.0 : M_PI;
        assert_int_equal(sweep_create(&j.spec, &j.sweep, &err), -wrong);
        if (wrong)
            j.sweep = NULL;
        free(t);
        job_fini(&j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_repeats_itself),
        cmocka_unit_test(test_tables_that_repeat_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
