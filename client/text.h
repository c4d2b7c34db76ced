#ifndef CLIENT_TEXT_H
#define CLIENT_TEXT_H

#include "err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Quantities as people write and read them. Pure. */

#define TEXT_MAX 48 /* bytes that a *_format function may write, NUL included */

/* "30s", "500ms", "2min", "1h30m", "1:30:00", "2d", "90" (seconds) -> milliseconds.
 * Each unit at most once, the larger ones first. ERR_USAGE on anything else. */
int duration_parse(const char *text, int64_t *ms, struct err *err);

/* A decimal integer in [low, high]; `what` names it in the message. ERR_USAGE otherwise. */
int integer_parse(const char *text, long low, long high, const char *what, long *value,
                  struct err *err);

/* All of text[0 .. len) as a finite number, with or without a sign. */
bool real_parse(const char *text, size_t len, double *value);

char *duration_format(double seconds, char out[TEXT_MAX]); /* "0.3 s", "4 min 10 s", "2 h 05 min" */
char *count_format(uint64_t count, char out[TEXT_MAX]);    /* "1,234,567" */
char *rate_format(double per_second, char out[TEXT_MAX]);  /* "1.25 M/s" */
char *bytes_format(double bytes, char out[TEXT_MAX]);      /* "13.1 MB", powers of 1000 */

#endif
