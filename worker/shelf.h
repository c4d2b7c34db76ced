#ifndef WORKER_SHELF_H
#define WORKER_SHELF_H

#include "buf.h"
#include "err.h"
#include "recipe.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The jobs that this worker knows, by number: how far each is on its way from a number to a recipe
 * that can be solved. Pure logic: state, event, now -> things to do, which shelf_next hands out. It
 * owns the recipes; a recipe that a task is using is only put aside, and freed when the task has
 * come back.
 *
 *   FETCHING --document whole--> BUILDING --built--> TABLING --job's table--> ADOPTING --> READY
 *                                   |                   |  (the same bytes) -------------> READY
 *                                   +---- failed -------+--------- differs --------------> FAILED
 *
 * The table is asked for along with the document, to save a round trip. */

#define SHELF_JOBS     6    /* recipes kept when nothing in hand needs them, the latest used */
#define SHELF_AGAIN_MS 1000 /* a question is asked again after this long */

struct shelf;

struct shelf *shelf_create(unsigned threads);
void shelf_destroy(struct shelf *s); /* after the pool: no task may be running */

/* A lease of this job came: it is wanted, and the latest used. A failed job's failure is handed out
 * again, a ready one's readiness too. */
void shelf_want(struct shelf *s, uint32_t job);

/* Forgets all jobs (another store), or those not used for long that `used` does not keep. */
void shelf_clear(struct shelf *s);
typedef bool shelf_used_fn(void *arg, uint32_t job);
void shelf_trim(struct shelf *s, shelf_used_fn *used, void *arg);

/* The recipe of a ready job, else NULL. */
struct recipe *shelf_recipe(const struct shelf *s, uint32_t job);

/* What the broker sends. Parts of a job that is not wanted, or out of turn, change nothing. */
struct shelf_part {
    uint32_t job, total, offset;
    const void *data;
    size_t len;
};
void shelf_job_part(struct shelf *s, const struct shelf_part *part);
void shelf_table_part(struct shelf *s, const struct shelf_part *part);

/* Tasks: a recipe is lent to one (build, adopt, solve) and comes back from it. */
void shelf_lend(struct shelf *s, struct recipe *recipe);
void shelf_return(struct shelf *s, struct recipe *recipe);
void shelf_built(struct shelf *s, struct recipe *recipe,
                 const struct err *failure); /* NULL: well */
void shelf_adopted(struct shelf *s, struct recipe *recipe, const struct err *failure);

/* Everything still wanted is asked for at once (after HELLO). */
void shelf_hurry(struct shelf *s);

enum shelf_type {
    SHELF_ASK_JOB,   /* send GET_JOB offset */
    SHELF_ASK_TABLE, /* send GET_TABLE offset */
    SHELF_PUT_TABLE, /* send recipe_table(recipe) as PUT_TABLE parts */
    SHELF_BUILD,     /* recipe_build on a solver thread, then shelf_built */
    SHELF_ADOPT,  /* recipe_adopt of table (to be taken) on a solver thread, then shelf_adopted */
    SHELF_READY,  /* leases of the job may be solved with recipe */
    SHELF_FAILED, /* send JOB_FAIL and forget the leases */
    SHELF_GONE,   /* the broker has no such job: forget the leases */
};

struct shelf_action {
    enum shelf_type type;
    uint32_t job, offset;
    struct recipe *recipe;
    struct buf table; /* ADOPT: owned by the receiver */
    struct err err;   /* FAILED */
};

/* The next thing to do; false when nothing is due. */
bool shelf_next(struct shelf *s, int64_t now_ms, struct shelf_action *out);
int64_t shelf_deadline(const struct shelf *s); /* of the next question; INT64_MAX: none */

#endif
