#ifndef COMMON_COMPLETE_H
#define COMMON_COMPLETE_H

#include "manual.h"

/* Completion for bash, zsh and fish, from the table that also makes the help. What a value or an
 * argument may be is read off its placeholder: "a|b|c" those words, DIR folders, FILE files,
 * JOB.json files of that ending, JOB what `PROGRAM list --names` prints, anything else nothing. */

/* shell: "bash", "zsh" or "fish"; ERR_USAGE for another one. */
int complete_script(const struct manual *m, const char *shell, FILE *out, struct err *err);

#endif
