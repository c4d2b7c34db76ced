/* See pace.h. */
#include "pace.h"

#include <math.h>

enum { BLOCK_MS = 500, BLOCKS_MIN = 4 };

#define NINE_OF_TEN 1.64

/* Two blocks become one. */
static void halve(struct pace *p)
{
    for (size_t i = 0; i < PACE_BLOCKS / 2; i++)
        p->rates[i] = (p->rates[2 * i] + p->rates[2 * i + 1]) / 2;
    p->count = PACE_BLOCKS / 2;
    p->block_ms *= 2;
}

void pace_tell(struct pace *p, int64_t now_ms, uint64_t points_done)
{
    if (p->block_ms == 0 || points_done < p->start_points) { /* a start, or another job */
        *p = (struct pace){.block_ms = BLOCK_MS, .start_ms = now_ms, .start_points = points_done};
        return;
    }
    int64_t span = now_ms - p->start_ms;
    if (span < p->block_ms)
        return;
    if (p->count == PACE_BLOCKS)
        halve(p);
    p->rates[p->count++] = (double)(points_done - p->start_points) * 1000 / (double)span;
    p->start_ms = now_ms;
    p->start_points = points_done;
}

double pace_band_s(const struct pace *p, double eta_s)
{
    double mean = 0, square = 0, k = (double)p->count;
    if (p->count < BLOCKS_MIN || !(eta_s > 0))
        return -1;
    for (size_t i = 0; i < p->count; i++)
        mean += p->rates[i] / k;
    for (size_t i = 0; i < p->count; i++)
        square += (p->rates[i] - mean) * (p->rates[i] - mean) / (k - 1);
    if (!(mean > 0))
        return -1;
    double to_come = fmax(eta_s * 1000 / (double)p->block_ms, 1);
    return NINE_OF_TEN * eta_s * sqrt(square) / mean * sqrt(1 / k + 1 / to_come);
}
