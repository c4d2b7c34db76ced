#include "later.h"

#include "buf.h"
#include <stdlib.h>
#include <string.h>

void later_fini(struct later *l)
{
    free(l->point);
    free(l->sorted);
    free(l->row);
    free(l->place);
}

void later_clear(struct later *l)
{
    l->count = 0;
}

void later_add(struct later *l, size_t q, size_t a)
{
    if (l->count == l->cap) {
        l->cap = l->cap != 0 ? 2 * l->cap : 1024;
        l->point = mem_resize(l->point, l->cap, sizeof *l->point);
        l->sorted = mem_resize(l->sorted, l->cap, sizeof *l->sorted);
    }
    l->point[l->count++] = (struct later_point){(uint32_t)q, (uint32_t)a};
}

void later_sort(struct later *l, size_t rows)
{
    if (rows + 2 > l->row_cap) {
        l->row_cap = rows + 2;
        l->row = mem_resize(l->row, l->row_cap, sizeof *l->row);
    }
    memset(l->row, 0, (rows + 2) * sizeof *l->row);
    for (size_t i = 0; i < l->count; i++)
        l->row[l->point[i].q + 2]++;
    for (size_t q = 2; q < rows + 2; q++)
        l->row[q] += l->row[q - 1];
    for (size_t i = 0; i < l->count; i++)
        l->sorted[l->row[l->point[i].q + 1]++] = l->point[i];
}

static int by_place(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return (a > b) - (a < b);
}

uint32_t *later_places(struct later *l, size_t rows, size_t columns)
{
    if (l->count > l->place_cap) {
        l->place_cap = l->cap;
        l->place = mem_resize(l->place, l->place_cap, sizeof *l->place);
    }
    for (size_t i = 0; i < l->count; i++)
        l->place[i] = (uint32_t)(l->sorted[i].q * columns + l->sorted[i].a);
    /* Of one row some may come from a leaf further to the right first. */
    for (size_t q = 0; l->count > 0 && q < rows; q++)
        qsort(l->place + l->row[q], l->row[q + 1] - l->row[q], sizeof *l->place, by_place);
    return l->place;
}
