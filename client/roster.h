#ifndef CLIENT_ROSTER_H
#define CLIENT_ROSTER_H

#include "json.h"
#include "link.h"

/* All workers of a broker: thousands do not fit one answer, so they are asked for in pages. */

/* Appends {"workers": [...]} as PROTOCOL.md has it, of all pages. */
int roster_fetch(struct link *link, struct buf *out, struct err *err);

/* To parse it with. */
extern const struct json_limits ROSTER_LIMITS;

#endif
