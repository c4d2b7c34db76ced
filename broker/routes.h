#ifndef BROKER_ROUTES_H
#define BROKER_ROUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which connection belongs to which worker: routing ids to worker numbers and back. A worker that
 * reconnects comes with another routing id; its newest one counts. */

#define ROUTE_MAX 16 /* routing ids that libzmq makes have 5 bytes */

/* A connection and the user (gate.h) behind it. */
struct route {
    unsigned char id[ROUTE_MAX];
    uint8_t len;
    uint32_t user;
};

struct routes;

struct routes *routes_create(void);
void routes_destroy(struct routes *r);

void routes_put(struct routes *r, const struct route *from, uint32_t worker);
uint32_t routes_worker(const struct routes *r, const void *id, size_t len); /* 0: not a worker's */
const struct route *routes_of(const struct routes *r, uint32_t worker);     /* NULL: none */
/* Whether the worker is on another machine; false until it is said. */
void routes_set_far(struct routes *r, uint32_t worker, bool far);
bool routes_far(const struct routes *r, uint32_t worker);
uint32_t routes_end(const struct routes *r); /* every worker's number is below it */
void routes_remove(struct routes *r, uint32_t worker);

#endif
