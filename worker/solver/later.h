#ifndef SOLVER_LATER_H
#define SOLVER_LATER_H

#include <stddef.h>
#include <stdint.h>

/* Points of a block that are left to the fine level. They lie here and there in many leaves, and
 * what a row of the fine level costs to begin with is worth more than a point: so they are solved
 * at the end, all those of a row together. */

struct later_point {
    uint32_t q, a; /* indices within the block */
};

struct later {
    struct later_point *point, *sorted;
    size_t count, cap;
    size_t *row; /* sorted[row[q]] .. sorted[row[q + 1]] are those of row q */
    size_t row_cap;
    uint32_t *place;
    size_t place_cap;
};

void later_fini(struct later *l);

void later_clear(struct later *l);
void later_add(struct later *l, size_t q, size_t a);

/* Sorts them by row, for a block of `rows`; within a row they stay in order. */
void later_sort(struct later *l, size_t rows);

/* Once they are sorted (none need not be): where they lie in a block of `rows` rows of so many
 * columns, increasing; borrowed until the next call. */
uint32_t *later_places(struct later *l, size_t rows, size_t columns);

#endif
