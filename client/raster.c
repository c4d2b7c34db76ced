/* See raster.h. A row of the grid is first spread along the height and then added to the columns
 * that its q covers, so that a point costs the same however large the grid is. */
#include "raster.h"

#include "buf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_OPEN = 0, STATUS_FAILED = 2 };

/* Stands for an infinite value in a mean: beyond every scale, and a million of them stay finite. */
#define BEYOND 1e300

void raster_init(struct raster *r, const struct axis *q, const struct axis *a, size_t width,
                 size_t height)
{
    *r = (struct raster){.width = width, .height = height, .q = q, .a = a};
    r->low = (double)INFINITY;
    r->high = -(double)INFINITY;
    r->sum = mem_alloc(width * height, sizeof *r->sum);
    r->row_sum = mem_alloc(height, sizeof *r->row_sum);
    for (int c = 0; c < RASTER_CLASSES; c++) {
        r->covered[c] = mem_alloc(width * height, sizeof **r->covered);
        r->row_covered[c] = mem_alloc(height, sizeof **r->row_covered);
    }
}

void raster_fini(struct raster *r)
{
    free(r->sum);
    free(r->row_sum);
    for (int c = 0; c < RASTER_CLASSES; c++) {
        free(r->covered[c]);
        free(r->row_covered[c]);
    }
}

/* The pixels [first, last] that [low, high] of [0, 1] touches. */
static void pixels(double low, double high, size_t n, size_t *first, size_t *last)
{
    double most = (double)n - 1;
    *first = (size_t)fmin(fmax(floor(low * (double)n), 0), most);
    *last = (size_t)fmin(fmax(ceil(high * (double)n) - 1, (double)*first), most);
}

/* How much of pixel p lies in [low, high]. */
static double share(double low, double high, size_t n, size_t p)
{
    double from = fmax(low * (double)n, (double)p), to = fmin(high * (double)n, (double)p + 1);
    return to > from ? to - from : 0;
}

static enum raster_class classify(uint8_t status, double value)
{
    if (status == STATUS_OPEN)
        return RASTER_NOT_DONE;
    return status == STATUS_FAILED || isnan(value) ? RASTER_FAILED : RASTER_VALUE;
}

/* Counts the point; returns what stands for it in a mean. */
static double count(struct raster *r, enum raster_class class, double value)
{
    r->points[class]++;
    if (class != RASTER_VALUE)
        return 0;
    if (isinf(value)) {
        r->infinite++;
        return value < 0 ? -BEYOND : BEYOND;
    }
    r->low = value < r->low ? value : r->low;
    r->high = value > r->high ? value : r->high;
    return value;
}

static void spread(struct raster *r, const double *values, const uint8_t *status)
{
    memset(r->row_sum, 0, r->height * sizeof *r->row_sum);
    for (int c = 0; c < RASTER_CLASSES; c++)
        memset(r->row_covered[c], 0, r->height * sizeof **r->row_covered);
    for (size_t j = 0; j < r->a->count; j++) {
        double low = r->a->low[j], high = r->a->high[j];
        enum raster_class class = classify(status[j], values[j]);
        double value = count(r, class, values[j]);
        size_t first, last;
        pixels(low, high, r->height, &first, &last);
        for (size_t p = first; p <= last; p++) {
            double part = share(low, high, r->height, p);
            r->row_sum[p] += part * value;
            r->row_covered[class][p] += (float)part;
        }
    }
}

void raster_add(struct raster *r, size_t row, const double *values, const uint8_t *status)
{
    double low = r->q->low[row], high = r->q->high[row];
    size_t first, last;
    spread(r, values, status);
    pixels(low, high, r->width, &first, &last);
    for (size_t x = first; x <= last; x++) {
        double part = share(low, high, r->width, x);
        double *sum = r->sum + x * r->height;
        for (size_t y = 0; y < r->height; y++)
            sum[y] += part * r->row_sum[y];
        for (int c = 0; c < RASTER_CLASSES; c++) {
            float *covered = r->covered[c] + x * r->height;
            for (size_t y = 0; y < r->height; y++)
                covered[y] += (float)part * r->row_covered[c][y];
        }
    }
}

enum raster_class raster_pixel(const struct raster *r, size_t column, size_t row, double *value)
{
    size_t at = column * r->height + row;
    enum raster_class most = RASTER_VALUE;
    for (enum raster_class c = RASTER_NOT_DONE; c < RASTER_CLASSES; c++)
        if (r->covered[c][at] > r->covered[most][at])
            most = c;
    double area = (double)r->covered[RASTER_VALUE][at];
    *value = most == RASTER_VALUE && area > 0 ? r->sum[at] / area : (double)NAN;
    return most == RASTER_VALUE && area <= 0 ? RASTER_NOT_DONE : most;
}
