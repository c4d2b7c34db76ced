/* hillsweep: the command line and the process. */
#include "command.h"
#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The command's name is the first word; options may stand before and after it. */
static int find_command(int argc, char **argv, const struct command **command, int *at,
                        struct err *err)
{
    struct args before;
    int used;
    *command = NULL;
    if (args_parse(argc, argv, NULL, command_global_options(), true, &before, &used, err))
        return -1;
    *at = used;
    return used < argc && strcmp(argv[used], "help") != 0 ? command_find(argv[used], command, err)
                                                          : 0;
}

static int check_words(const struct command *command, const struct args *args, struct err *err)
{
    if (args->word_count < command->least_words)
        err_set(err, ERR_USAGE, "%s needs %s", command->name, command->words);
    else if (args->word_count > command->most_words)
        err_set(err, ERR_USAGE, "\"%.100s\" is one word too many",
                args->words[command->most_words]);
    else
        return 0;
    return err_hint(err, "hillsweep %s --help shows examples", command->name);
}

/* Without a command: "help", "help COMMAND", or the help as an answer to nothing. */
static int no_command(const struct args *args, bool help, struct err *err)
{
    const struct command *topic = NULL;
    if (args->word_count > 0 && command_find(args->words[0], &topic, err))
        return -1;
    int asked = topic ? 0 : command_asked(args, err);
    if (asked)
        return asked > 0 ? 0 : -1;
    command_help(topic, help ? stdout : stderr);
    return help ? 0 : ERR_USAGE;
}

static int dispatch(struct session *s, const struct command *command, struct args *args,
                    struct err *err)
{
    if (args_has(args, "help")) {
        command_help(command, stdout);
        return 0;
    }
    if (args_has(args, "version")) {
        puts("hillsweep " HILLSWEEP_VERSION);
        return 0;
    }
    return check_words(command, args, err) ? -1 : command->run(s, err);
}

static int run(struct session *s, int argc, char **argv, struct err *err)
{
    const struct command *command;
    struct args args;
    int at;
    if (find_command(argc, argv, &command, &at, err))
        return -1;
    bool help = !command && at < argc;
    if (command || help) { /* take the name out */
        memmove(argv + at, argv + at + 1, (size_t)(argc - at - 1) * sizeof *argv);
        argc--;
    }
    if (args_parse(argc, argv, command ? command->options : NULL, command_global_options(), false,
                   &args, NULL, err))
        return -1;
    s->args = &args;
    s->json = args_has(&args, "json");
    s->quiet = args_has(&args, "quiet");
    if (command)
        return dispatch(s, command, &args, err);
    return no_command(&args, help, err);
}

/* What was printed must have arrived, unless the reader has seen enough. */
static int finish_output(int rc, struct err *err)
{
    if ((fflush(stdout) || ferror(stdout)) && errno != EPIPE && rc >= 0)
        return err_errno(err, ERR_STORAGE, "cannot write to standard output");
    return rc;
}

static bool wants_json(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    struct err err = {0};
    struct session s = {.terminal = terminal_of(2), .json = wants_json(argc, argv)};
    signal(SIGPIPE, SIG_IGN);
    log_open("hillsweep", LOG_WARN);
    int rc = finish_output(run(&s, argc - 1, argv + 1, &err), &err);
    if (rc < 0)
        session_report(&s, &err);
    return rc < 0 ? (int)err.code : rc;
}
