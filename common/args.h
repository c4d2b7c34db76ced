#ifndef COMMON_ARGS_H
#define COMMON_ARGS_H

#include "err.h"
#include <stdbool.h>
#include <stddef.h>

/* The command line against a table of options, from which help, manual page and completion come
 * too (manual.h, complete.h): "--name value", "--name=value", "-n value",
 * "-nvalue", options and words in any order, "--" ends the options. Values and words are borrowed
 * from argv. */

struct option_spec {
    const char *name;  /* without the dashes; NULL ends a table */
    char letter;       /* '\0': none */
    const char *value; /* placeholder of its value ("DIR", "npy|csv"); NULL: a switch */
    const char *help;  /* one line; NULL: for programs, not shown */
};

#define ARGS_WORDS_MAX   16
#define ARGS_OPTIONS_MAX 32

struct args {
    const char *words[ARGS_WORDS_MAX];
    size_t word_count;
    struct {
        const struct option_spec *spec;
        const char *value;
    } options[ARGS_OPTIONS_MAX];
    size_t option_count;
};

/* Parses argv[0..argc). An option is looked up in `own` (may be NULL), then in `global`. ERR_USAGE
 * with a "did you mean" where there is a near name. `stop_at_word`: everything from the first word
 * on is left alone and *used says how many arguments were read (to find the command's name). */
int args_parse(int argc, char *const *argv, const struct option_spec *own,
               const struct option_spec *global, bool stop_at_word, struct args *out, int *used,
               struct err *err);

bool args_has(const struct args *args, const char *name);
const char *args_value(const struct args *args, const char *name); /* the last one given, or NULL */

#endif
