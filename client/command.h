#ifndef CLIENT_COMMAND_H
#define CLIENT_COMMAND_H

#include "args.h"
#include "session.h"
#include <stdio.h>

/* The one table of commands. Dispatch, help, manual page, completion and "did you mean" come from
 * it. */

/* Does the command. Returns the exit code, or -1 with err. */
typedef int command_fn(struct session *s, struct err *err);

struct command {
    const char *name, *words, *summary; /* words: the arguments as usage shows them */
    const char *examples;               /* lines of "command   what it does" */
    const char *about;                  /* a paragraph */
    const struct option_spec *options;  /* its own; may be NULL */
    size_t least_words, most_words;
    command_fn *run;
};

const struct command *command_table(void); /* ends with a NULL name */
const struct option_spec *command_global_options(void);

/* ERR_USAGE with a suggestion when there is none of that name. */
int command_find(const char *name, const struct command **out, struct err *err);

void command_help(const struct command *command, FILE *out); /* NULL: the overview */

/* --help, --version, --man, --completion without a command (manual.h): 1 answered, 0 none, -1. */
int command_asked(const struct args *args, struct err *err);

command_fn command_boundaries;
command_fn command_cancel;
command_fn command_check;
command_fn command_completion;
command_fn command_delete;
command_fn command_keys;
command_fn command_list;
command_fn command_pause;
command_fn command_plot;
command_fn command_priority;
command_fn command_results;
command_fn command_resume;
command_fn command_run;
command_fn command_status;
command_fn command_submit;
command_fn command_verify;
command_fn command_version;
command_fn command_wait;
command_fn command_watch;
command_fn command_why;
command_fn command_workers;

#endif
