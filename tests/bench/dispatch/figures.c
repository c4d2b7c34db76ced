/* What several parts of the bench say and reckon. */
#include "dispatch.h"

#include "buf.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* Of sorted values, between two of them by their distance. */
static double quantile(const double *values, size_t count, double q)
{
    double at = q * (double)(count - 1);
    size_t i = (size_t)at, next = i + 1 < count ? i + 1 : i;
    return values[i] + (at - (double)i) * (values[next] - values[i]);
}

void quartiles(const double *values, size_t count, double *low, double *middle, double *high)
{
    double *sorted = mem_alloc(count, sizeof *sorted);
    memcpy(sorted, values, count * sizeof *sorted);
    *middle = median(sorted, count);
    *low = quantile(sorted, count, 0.25);
    *high = quantile(sorted, count, 0.75);
    free(sorted);
}

/* As `hillsweep status --metrics` has them, in ms. */
void say_latency(const struct house *h)
{
    struct house_metric figures[] = {
        {"hillsweep_dispatch_seconds{quantile=\"0.5\"}", "dispatch p50", 0},
        {"hillsweep_dispatch_seconds{quantile=\"0.99\"}", "p99", 0},
        {"hillsweep_loop_lag_seconds{quantile=\"0.99\"}", "   loop lag p99", 0},
        {"hillsweep_loop_lag_seconds{quantile=\"0.999\"}", "p99.9", 0},
        {"hillsweep_loop_lag_seconds{quantile=\"1\"}", "longest", 0}};
    size_t count = sizeof figures / sizeof *figures;
    house_metrics(h, figures, count);
    printf("        exported, ms:");
    for (size_t i = 0; i < count; i++)
        printf(" %s %.3g", figures[i].label, 1000 * figures[i].value);
    printf("\n");
    fflush(stdout);
}

struct work {
    void *(*run)(void *arg);
    void *arg;
};

void give_way(void)
{
    struct sched_param none = {0};
    pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
}

static void *run_work(void *arg)
{
    const struct work *work = arg;
    give_way();
    return work->run(work->arg);
}

void run_aside(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    struct work work = {run, arg};
    pthread_create(&thread, NULL, run_work, &work);
    pthread_join(thread, NULL);
}
