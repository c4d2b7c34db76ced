/* What several parts of the bench say and reckon. */
#include "dispatch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_size(const void *x, const void *y)
{
    const double *a = x, *b = y;
    return *a < *b ? -1 : *a > *b;
}

double median(double *values, size_t count)
{
    if (count == 0)
        return NAN;
    qsort(values, count, sizeof *values, by_size);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* As `hillsweep status --metrics` has them, in ms. */
void say_latency(const struct house *h)
{
    static const struct {
        const char *name, *label;
    } figures[] = {{"hillsweep_dispatch_seconds{quantile=\"0.5\"}", "dispatch p50"},
                   {"hillsweep_dispatch_seconds{quantile=\"0.99\"}", "p99"},
                   {"hillsweep_loop_lag_seconds{quantile=\"0.99\"}", "   loop lag p99"},
                   {"hillsweep_loop_lag_seconds{quantile=\"0.999\"}", "p99.9"},
                   {"hillsweep_loop_lag_seconds{quantile=\"1\"}", "longest"}};
    printf("        exported, ms:");
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        double v;
        if (house_metric(h, figures[i].name, &v) == 0)
            printf(" %s %.3g", figures[i].label, 1000 * v);
    }
    printf("\n");
    fflush(stdout);
}
