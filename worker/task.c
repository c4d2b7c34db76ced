#include "task.h"

#include <stdlib.h>

struct task *task_create(enum task_kind kind, struct recipe *recipe)
{
    struct task *t = mem_alloc(1, sizeof *t);
    t->kind = kind;
    t->recipe = recipe;
    return t;
}

void task_destroy(struct task *t)
{
    if (!t)
        return;
    planes_destroy(t->planes);
    buf_fini(&t->table);
    free(t);
}
