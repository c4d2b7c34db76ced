/* See throttle.h. */
#include "throttle.h"

int64_t throttle_debt(struct throttle *t, double share, int64_t wall_ns, int64_t cpu_ns)
{
    double owed = 0;
    if (share < 1)
        owed = (double)(cpu_ns - t->cpu_ns) / share - (double)(wall_ns - t->wall_ns);
    if (owed > 0)
        return (int64_t)owed + 1;
    *t = (struct throttle){wall_ns, cpu_ns};
    return 0;
}
