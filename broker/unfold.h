#ifndef BROKER_UNFOLD_H
#define BROKER_UNFOLD_H

#include "sink.h"

/* Results that came as leaves (PROTOCOL.md, section 6) become planes, by the solver's own code
 * (common/leaf). Nothing of a worker is believed: what does not expand is refused like any other
 * result that does not fit. */

struct expander;

/* Whether answers of the job may come as leaves: the sink keeps the values of its axes then. */
bool unfold_takes(const struct job *job);

/* Puts planes in place of leaves; a result without leaves stays as it is. *expander (the job's,
 * NULL before the first) is made when it is needed. The result's release frees all of it as ever.
 * -1 with ERR_OTHER when it is no tile of the job. */
int unfold(struct expander **expander, const struct job *job, struct sink_result *result,
           struct err *err);

/* The same straight into planes of a band: at[plane] is where the tile's first point goes, and rows
 * of the band have `width` points. The result stays as it is. */
int unfold_into(struct expander **expander, const struct job *job, const struct sink_result *result,
                unsigned char *const *at, size_t width, struct err *err);

/* Whether it came as leaves and still is. */
bool unfold_is_due(const struct job *job, const struct sink_result *result);

/* Back to the leaves: the planes' memory is free. */
void unfold_undo(struct sink_result *result);

#endif
