#ifndef CLIENT_RESUME_H
#define CLIENT_RESUME_H

#include "formats.h"
#include "points.h"
#include "save.h"

/* An export that was cut short (the broker went, Ctrl-C) goes on where it stopped. What was written
 * waits beside the file as FILE.XXXXXXXX.part; the digits are a checksum of the job, the fields and
 * the format, so that nothing is carried on that would not come out the same. Rows are written when
 * their points are durable and never change after that. */

uint32_t resume_identity(const struct points *p, enum format format);

/* Reads a save that was opened by save_resume: *rows is how many whole rows of the grid are there
 * after `head`; what follows them is cut off. Without the same head: 0, and the file is empty. */
int resume_rows(struct save *s, const struct points *p, enum format format, const struct buf *head,
                uint64_t *rows, struct err *err);

#endif
