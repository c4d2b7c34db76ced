#ifndef COMMON_NUMBER_H
#define COMMON_NUMBER_H

#include <stddef.h>

/* Doubles as text, without regard to the process's locale, and back with the same bits. */

#define NUMBER_TEXT 32 /* bytes that number_format may write, NUL included */

/* Reads the decimal number at the start of text (JSON's grammar without the sign: digits, fraction,
 * exponent; ".5", "5." and "007" are accepted when `loose`). Returns the characters read, 0 when
 * there is no number. The value is correctly rounded; it may be infinite ("1e999"): the caller
 * judges. */
size_t number_parse(const char *text, size_t len, int loose, double *value);

/* Writes the shortest decimal that reads back as the same double ("0.1", "-2", "1e+300");
 * non-finite values as "nan", "inf", "-inf". Returns the length. */
size_t number_format(double value, char out[NUMBER_TEXT]);

#endif
