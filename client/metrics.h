#ifndef CLIENT_METRICS_H
#define CLIENT_METRICS_H

#include "buf.h"
#include "err.h"

/* A broker's state as metrics in Prometheus' text format, version 0.0.4: jobs by state, each job
 * that is not over, workers by state, each worker. Names begin with hillsweep_, units are in the
 * names. A broker that does not answer is the metric `hillsweep_up 0`. */

/* list, workers, ping: the broker's answers (PROTOCOL.md, section 5). Appends to out. */
int metrics_format(struct buf *list, struct buf *workers, struct buf *ping, struct buf *out,
                   struct err *err);
void metrics_format_down(struct buf *out);

#endif
