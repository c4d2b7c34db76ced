#ifndef BENCH_PLAIN_H
#define BENCH_PLAIN_H

#include "job.h"
#include <stdbool.h>
#include <stddef.h>

/* Programs that do nothing but write the bytes of a chart: three files (values, errors, statuses)
 * of whole rows, band after band of the job's tiles, some MiB at a time. */

enum { PLAIN_POINT_BYTES = 13 };

struct plain {
    const char *under;         /* a folder; borrowed */
    const struct job *job;     /* borrowed */
    const unsigned char *page; /* PLAIN_PAGE_BYTES to write, on a page's boundary; borrowed */
};

enum { PLAIN_PAGE_BYTES = 4 << 20 };

struct plain_way {
    size_t sync_bytes; /* fdatasync after the band with which so many are written */
    bool past;         /* the page cache (O_DIRECT) */
    bool warm;         /* over files that are there and stay, as are their pages in memory, instead
                          of new ones: allocated, never written, nothing of them in memory */
};

struct took {
    double s;      /* 0: it failed */
    double cpu_ns; /* of a point: processor time, user and system, of the thread that writes */
};

struct took plain_write(const struct plain *p, const struct plain_way *way);
void plain_forget(const struct plain *p); /* removes the files that stay */

/* The least that a copy costs, in ns of processor time for the bytes of a point: from messages of
 * 256 KiB that another core wrote, 24 MiB of them in turn, into 6 MiB of pages of 2 MiB. */
double plain_copy_ns(void);

#endif
