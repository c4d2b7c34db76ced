/* See lag.h. Eight buckets for each power of two, as HdrHistogram has it. */
#include "lag.h"

enum { SUB_BITS = 3, SUB = 1 << SUB_BITS };

#define MINUTE_NS UINT64_C(60000000000)

static unsigned bucket(uint64_t ns)
{
    if (ns < SUB)
        return (unsigned)ns;
    unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - SUB_BITS;
    unsigned b = (shift + 1) * SUB + (unsigned)(ns >> shift) - SUB;
    return b < LAG_BUCKETS ? b : LAG_BUCKETS - 1;
}

/* The end of a bucket, its last ns included. */
static uint64_t bucket_end(unsigned b)
{
    if (b < SUB)
        return b;
    unsigned shift = b / SUB - 1;
    return ((uint64_t)(b % SUB + SUB + 1) << shift) - 1;
}

void lag_add(struct lag *p, uint64_t now_ns, uint64_t took_ns, uint64_t weight)
{
    if (p->since_ns == 0)
        p->since_ns = now_ns;
    uint64_t period_ns = p->period_ns ? p->period_ns : MINUTE_NS;
    if (now_ns - p->since_ns >= period_ns) {
        p->before = now_ns - p->since_ns < 2 * period_ns ? p->now : (struct lag_minute){0};
        p->now = (struct lag_minute){0};
        p->since_ns = now_ns;
    }
    p->now.weight[bucket(took_ns)] += weight;
    p->now.total += weight;
    if (took_ns > p->now.max_ns)
        p->now.max_ns = took_ns;
}

double lag_quantile(const struct lag *p, double q)
{
    uint64_t total = p->now.total + p->before.total, sum = 0;
    uint64_t max_ns = p->now.max_ns > p->before.max_ns ? p->now.max_ns : p->before.max_ns;
    for (unsigned b = 0; q < 1 && b < LAG_BUCKETS - 1; b++) {
        sum += p->now.weight[b] + p->before.weight[b];
        if (sum > 0 && (double)sum >= q * (double)total)
            return 1e-9 * (double)(bucket_end(b) < max_ns ? bucket_end(b) : max_ns);
    }
    return 1e-9 * (double)max_ns;
}
