#ifndef WORKER_POOL_H
#define WORKER_POOL_H

#include "task.h"
#include <stdbool.h>
#include <stddef.h>

/* The solver threads. Tasks go in, tasks come out; between submit and collect a task belongs to the
 * pool. There is no lock: solver threads are idle ones, and one that is preempted inside a
 * critical section on a busy machine would hold up the I/O thread for seconds. What is shared is a
 * semaphore, a ring of pointers with one writer, a stack of finished tasks, and the flags below.
 * For the same reason solver threads neither allocate nor free what the I/O thread frees: malloc
 * locks.
 *
 * One thread, the I/O thread, calls everything here. */

struct pool;

/* Called by solver threads after a task is finished. */
typedef void pool_wake_fn(void *arg);

/* How threads stand to other programs: as any program does; idle (guest.h); and stepping aside,
 * too, when others want their core (courtesy.h). */
enum pool_manners { POOL_EQUAL, POOL_IDLE, POOL_COURTEOUS };

/* Starts the threads. NULL with err when they cannot be started. */
struct pool *pool_create(unsigned threads, enum pool_manners manners, pool_wake_fn *wake, void *arg,
                         struct err *err);

/* Ends the threads at their next yield, for at most wait_ms. True: all is freed. False: some thread
 * did not come to an end; nothing may be freed that a task uses, the process has to exit. */
bool pool_destroy(struct pool *c, int wait_ms);

unsigned pool_threads(const struct pool *c);
size_t pool_room(const struct pool *c); /* how many more tasks may be submitted; keeps all busy */

void pool_submit(struct pool *c, struct task *t);
struct task *
pool_collect(struct pool *c); /* a finished task, the oldest first; NULL: none. Owned */

/* The task ends at its next yield, or is not begun; it is collected like any other. */
void pool_cancel(struct pool *c, struct task *t);

/* The tasks that are out, for i = 0 .. pool_out - 1, in no order. */
size_t pool_out(const struct pool *c);
struct task *pool_task(const struct pool *c, size_t i);

/* CPU time over wall time of each thread, in (0, 1]; 1 is no limit. */
void pool_limit(struct pool *c, double share);

#endif
