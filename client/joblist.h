#ifndef CLIENT_JOBLIST_H
#define CLIENT_JOBLIST_H

#include "buf.h"
#include "link.h"

/* All jobs of a broker: it tells of some hundred at a time, so that nobody waits for it meanwhile.
 */

/* Appends {"jobs": [...], "left_off": 0} as PROTOCOL.md has it, of all pages, in ascending order.
 */
int joblist_fetch(struct link *link, struct buf *out, struct err *err);

#endif
