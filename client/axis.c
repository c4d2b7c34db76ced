/* See axis.h. */
#include "axis.h"

#include "buf.h"

#include <math.h>
#include <stdlib.h>

struct item {
    double value;
    size_t index;
};

static int by_value(const void *a, const void *b)
{
    double x = ((const struct item *)a)->value, y = ((const struct item *)b)->value;
    return (x > y) - (x < y);
}

static struct item *sorted(const struct job_values *values)
{
    struct item *items = mem_alloc(values->count, sizeof *items);
    for (size_t i = 0; i < values->count; i++)
        items[i] = (struct item){values->values[i], i};
    qsort(items, values->count, sizeof *items, by_value);
    return items;
}

/* A list is logarithmic when it spans more than a decade and a half and its steps are more alike as
 * ratios than as differences. */
static bool is_log(const struct job_values *values, const struct item *items)
{
    size_t n = values->count;
    if (!values->listed)
        return values->log && n > 1;
    if (n < 3 || items[0].value <= 0 || items[n - 1].value < 30 * items[0].value)
        return false;
    double step = (items[n - 1].value - items[0].value) / (double)(n - 1), uneven = 0;
    double ratio = log(items[n - 1].value / items[0].value) / (double)(n - 1), uneven_log = 0;
    for (size_t i = 1; i < n; i++) {
        uneven += fabs((items[i].value - items[i - 1].value) / step - 1);
        uneven_log += fabs(log(items[i].value / items[i - 1].value) / ratio - 1);
    }
    return uneven_log < uneven;
}

/* Half way between two values. */
static double between(bool logarithmic, double a, double b)
{
    return logarithmic ? sqrt(a) * sqrt(b) : a / 2 + b / 2;
}

/* The outer edge: as far from `end` as the inner one, on the other side. */
static double beyond(bool logarithmic, double end, double inner)
{
    return logarithmic ? end * (end / inner) : end + (end - inner);
}

/* edges[0 .. n] of the sorted values. */
static double *edges_of(const struct item *items, size_t n, bool logarithmic)
{
    double *edges = mem_alloc(n + 1, sizeof *edges);
    for (size_t i = 1; i < n; i++)
        edges[i] = between(logarithmic, items[i - 1].value, items[i].value);
    if (items[0].value == items[n - 1].value) { /* one value, perhaps repeated */
        double half = items[0].value == 0 ? 0.5 : fabs(items[0].value) / 2;
        edges[0] = items[0].value - half;
        edges[n] = items[0].value + half;
        return edges;
    }
    edges[0] = beyond(logarithmic, items[0].value, edges[1]);
    edges[n] = beyond(logarithmic, items[n - 1].value, edges[n - 1]);
    return edges;
}

void axis_init(struct axis *axis, const struct job_values *values)
{
    size_t n = values->count;
    struct item *items = sorted(values);
    bool logarithmic = is_log(values, items);
    double *edges = edges_of(items, n, logarithmic);
    *axis = (struct axis){
        .scale = {.kind = logarithmic ? SCALE_LOG : SCALE_LINEAR, .lo = edges[0], .hi = edges[n]},
        .count = n,
        .low = mem_alloc(n, sizeof(double)),
        .high = mem_alloc(n, sizeof(double)),
        .place = mem_alloc(n, sizeof(double)),
        .order = mem_alloc(n, sizeof(size_t)),
    };
    for (size_t k = 0; k < n; k++) {
        size_t i = items[k].index;
        axis->low[i] = k == 0 ? 0 : scale_at(&axis->scale, edges[k]);
        axis->high[i] = k == n - 1 ? 1 : scale_at(&axis->scale, edges[k + 1]);
        axis->place[i] = scale_at(&axis->scale, items[k].value);
        axis->order[k] = i;
    }
    free(edges);
    free(items);
}

void axis_fini(struct axis *axis)
{
    free(axis->low);
    free(axis->high);
    free(axis->place);
    free(axis->order);
}
