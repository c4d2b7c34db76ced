#ifndef COMMON_MANUAL_H
#define COMMON_MANUAL_H

#include "args.h"
#include <stdio.h>

/* What a program says of itself: help on a terminal and a manual page, both from the same table of
 * options (args.h) and, where the program has any, commands. Texts are plain, an empty line between
 * paragraphs; where their lines end is of no importance. In `examples` each line is
 * "  COMMAND   what it does". Help is as wide as the terminal, up to 100 columns, and 80 elsewhere.
 */

struct manual_command {
    const char *name, *words, *summary; /* words: its arguments as usage shows them, or "" */
    const char *examples;
    const char *about; /* paragraphs, or NULL */
    const struct option_spec *options;
};

struct manual {
    const char *program, *summary;
    const char *usage; /* what follows the program's name */
    const char *examples;
    const char *about;                     /* paragraphs, or NULL */
    const struct option_spec *options;     /* of the program, and of each of its commands */
    const struct manual_command *commands; /* ends with a NULL name; NULL: there are none */
    const char *more;                      /* what closes the help: exit codes, files; or NULL */
};

void manual_help(const struct manual *m, FILE *out);
void manual_help_command(const struct manual *m, const struct manual_command *c, FILE *out);

/* The page for man(1), in the man macros. */
void manual_page(const struct manual *m, FILE *out);

/* Answers --help, --version, --man and --completion SHELL on standard output: 1 when one of them
 * was given, 0 when none, -1 with err. */
int manual_asked(const struct manual *m, const struct args *args, struct err *err);

#endif
