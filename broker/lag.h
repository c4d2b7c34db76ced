#ifndef BROKER_LAG_H
#define BROKER_LAG_H

#include <stdint.h>

/* How long things take, as quantiles over the last one to two minutes: a histogram of times with a
 * resolution of an eighth, and the one of the minute before. Pure: the caller reads the clock. */

enum { LAG_BUCKETS = 320 };

struct lag {
    struct lag_minute {
        uint64_t weight[LAG_BUCKETS], total, max_ns;
    } now, before;
    uint64_t since_ns;  /* when `now` began */
    uint64_t period_ns; /* instead of a minute; 0: a minute */
};

/* Something took so long, with a weight (1: an event; a duration: that share of the time). */
void lag_add(struct lag *p, uint64_t now_ns, uint64_t took_ns, uint64_t weight);

/* What a share q (0 to 1) of all weight did not exceed, in seconds; 1: the longest. At most an
 * eighth too long, never too short. 0 when there is nothing. */
double lag_quantile(const struct lag *p, double q);

#endif
