#ifndef WORKER_TASK_H
#define WORKER_TASK_H

#include "buf.h"
#include "err.h"
#include "planes.h"
#include "recipe.h"
#include <stdatomic.h>
#include <stdint.h>

/* What a solver thread does in one go (pool.h). The I/O thread makes it, a solver thread has it
 * until it is collected, except for what is atomic. */

enum task_kind { TASK_BUILD, TASK_ADOPT, TASK_SOLVE };

struct task {
    enum task_kind kind;
    struct recipe *recipe; /* borrowed until the task is collected */
    struct buf table;      /* ADOPT: the job's table; owned */
    uint64_t id;           /* SOLVE: the piece, see hand.h */
    uint32_t tile, first, count;
    struct planes *planes; /* SOLVE: the answer, coded unless failed; owned */

    atomic_bool cancel;                   /* set by pool_cancel */
    _Atomic uint64_t points_done, cpu_ns; /* so far; read by anybody */

    int failed; /* for SOLVE: it was cancelled */
    struct err err;
    struct task *next; /* among the finished */
};

struct task *task_create(enum task_kind kind, struct recipe *recipe); /* returns owned */
void task_destroy(struct task *t); /* with what it owns, not the recipe; NULL is fine */

#endif
