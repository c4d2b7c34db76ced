#ifndef CLIENT_PACE_H
#define CLIENT_PACE_H

#include <stddef.h>
#include <stdint.h>

/* How evenly a job gets on, and so how far its ETA may be off. Pure: it is told when how many
 * points were done.
 *
 * Time is cut into blocks of equal length (when there are too many, two become one), each with its
 * rate. With k blocks seen, n to come and a coefficient of variation c of their rates, the time
 * left is uncertain by about c sqrt(1/k + 1/n) of itself (the error of the mean so far, and of the
 * mean to come); the band is 1.64 times that, for nine cases of ten. It does not see that a later
 * part of a chart costs more than an earlier one. */

#define PACE_BLOCKS 32

/* Begins zeroed. */
struct pace {
    int64_t block_ms; /* length of a block; 0: nothing was told yet */
    int64_t start_ms; /* of the block that is being filled */
    uint64_t start_points;
    double rates[PACE_BLOCKS]; /* points a second, oldest first */
    size_t count;
};

void pace_tell(struct pace *p, int64_t now_ms, uint64_t points_done);

/* Half the width of the band around an ETA of eta_s seconds; negative while it is not known. */
double pace_band_s(const struct pace *p, double eta_s);

#endif
