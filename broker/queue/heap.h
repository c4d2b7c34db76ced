#ifndef QUEUE_HEAP_H
#define QUEUE_HEAP_H

#include <stdbool.h>
#include <stddef.h>

/* A binary heap of things that others own and that know their own place in it, so that any of them
 * may move or leave at once, not the first alone: O(log n) comparisons each. Which of two that are
 * alike comes first depends on what happened, and on nothing else. */
struct heap {
    void **items; /* [0] is the first */
    size_t count, cap;
    bool (*before)(const void *a, const void *b); /* a strict order */
    size_t place_at; /* where in a thing its place is, a size_t: from 1, or 0: it is not in it */
};

/* heap_init(&q->due, due_before, offsetof(struct worker, due_at)) */
void heap_init(struct heap *h, bool (*before)(const void *a, const void *b), size_t place_at);
void heap_fini(struct heap *h); /* the things are left as they are */

void heap_put(struct heap *h, void *item);    /* borrows it; nothing when it is there already */
void heap_moved(struct heap *h, void *item);  /* its order has changed; nothing when it is not in */
void heap_remove(struct heap *h, void *item); /* nothing when it is not in */
void *heap_first(const struct heap *h);       /* NULL: it is empty */

/* Asserts order and places, for tests. */
void heap_check(const struct heap *h);

#endif
