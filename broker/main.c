/* hillsweep-broker: command line and process. */
#include "err.h"
#include "log.h"
#include "manual.h"
#include "number.h"
#include "server.h"
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct option_spec OPTIONS[] = {
    {"listen", 0, "ENDPOINT", "tcp://host:port or ipc://path (default tcp://127.0.0.1:7117)"},
    {"data", 0, "DIR", "state and results (default $XDG_STATE_HOME/hillsweep)"},
    {"keys", 0, "DIR", "let in who has a key: a folder made by `hillsweep keys new`"},
    {"insecure", 0, NULL, "allow an address beyond this machine, without keys"},
    {"quota", 0, "HOURS", "refuse jobs estimated at more processor hours (default 100000)"},
    {"leaves", 0, "auto|all|none",
     "which charts come as polynomials (default auto: where that is less work)"},
    {"log", 0, "warn|info|debug", "how much it says on standard error (default info)"},
    {"results", 0, "DIR", "a private broker's: the results of its one job lie in DIR"},
    {"guest", 0, NULL, "stand behind what others do on this machine (nice)"},
    {"lifeline", 0, "FD", "leave when this pipe ends"},
    {"ready-fd", 0, "FD", "write a line here when the endpoint is bound"},
    {"help", 'h', NULL, "this help"},
    {"version", 'V', NULL, "the version"},
    {"man", 0, NULL, NULL},
    {"completion", 0, "bash|zsh|fish", NULL},
    {NULL, 0, NULL, NULL},
};

static const struct manual MANUAL = {
    .program = "hillsweep-broker",
    .summary = "queues sweeps, leases their tiles to workers and stores the results",
    .usage = "[OPTIONS]",
    .examples = "  hillsweep-broker                                 on tcp://127.0.0.1:7117\n"
                "  hillsweep-broker --data /srv/sweeps              keep jobs and results there\n"
                "  hillsweep-broker --listen ipc:///run/hs/broker   a file instead of a port\n"
                "  hillsweep-broker --listen tcp://0.0.0.0:7117 --keys /etc/hillsweep/keys   the "
                "whole network, by key\n",
    .about =
        "The broker holds the grids as a durable queue of tiles and writes the results.\n"
        "Workers (hillsweep-worker) and clients (hillsweep) connect to it. Stop it with Ctrl-C\n"
        "or SIGTERM at any time: started again it carries on where it was.\n",
    .options = OPTIONS,
    .more = "As root DATA is /var/lib/hillsweep. The results of job 7 lie in DATA/jobs/7.\n",
};

static void default_data(char *path, size_t size)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (geteuid() == 0 && !state)
        snprintf(path, size, "/var/lib/hillsweep");
    else if (state && state[0] == '/')
        snprintf(path, size, "%s/hillsweep", state);
    else
        snprintf(path, size, "%s/.local/state/hillsweep", home ? home : ".");
}

/* Folders are told to clients, which may be elsewhere: relative ones would mean nothing there. */
static int absolute(const char *path, char *out, size_t size, struct err *err)
{
    char here[2048] = "";
    if (path[0] != '/' && !getcwd(here, sizeof here))
        return err_errno(err, ERR_STORAGE, "cannot tell the current folder");
    if (snprintf(out, size, "%s%s%s", here, here[0] ? "/" : "", path) >= (int)size)
        return err_set(err, ERR_STORAGE, "the path %s is too long", path);
    return 0;
}

static int parse_fd(const char *text, int *fd, struct err *err)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < 0 || value > 1 << 20)
        return err_set(err, ERR_USAGE, "\"%s\" is not a file descriptor", text);
    *fd = (int)value;
    return 0;
}

static int parse_log(const char *text, struct err *err)
{
    static const char *const names[] = {"warn", "info", "debug"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            log_open("hillsweep-broker", (enum log_level)i);
            return 0;
        }
    }
    return err_set(err, ERR_USAGE, "--log takes warn, info or debug, not \"%s\"", text);
}

static int parse_leaves(const char *text, enum server_leaves *leaves, struct err *err)
{
    static const char *const names[] = {"auto", "all", "none"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            *leaves = (enum server_leaves)i;
            return 0;
        }
    }
    return err_set(err, ERR_USAGE, "--leaves takes auto, all or none, not \"%s\"", text);
}

static int parse_quota(const char *text, double *hours, struct err *err)
{
    size_t len = strlen(text), used = number_parse(text, len, 1, hours);
    if (used == 0 || used != len || !(*hours > 0))
        return err_set(err, ERR_USAGE, "--quota takes processor hours above 0, not \"%s\"", text);
    return 0;
}

/* As the broker of `hillsweep run` is by default, like its worker: behind the owner's programs,
 * before the solver threads; and being nice it is none of the others for whom those step aside. */
enum { GUEST_NICE = 10 };

static int take_option(const struct option_spec *option, const char *value,
                       struct server_config *config, struct err *err)
{
    if (strcmp(option->name, "listen") == 0)
        config->listen = value;
    else if (strcmp(option->name, "data") == 0)
        config->data = value;
    else if (strcmp(option->name, "keys") == 0)
        config->keys = value;
    else if (strcmp(option->name, "quota") == 0)
        return parse_quota(value, &config->quota_hours, err);
    else if (strcmp(option->name, "insecure") == 0)
        config->insecure = true;
    else if (strcmp(option->name, "results") == 0)
        config->results = value;
    else if (strcmp(option->name, "guest") == 0)
        setpriority(PRIO_PROCESS, 0, GUEST_NICE);
    else if (strcmp(option->name, "leaves") == 0)
        return parse_leaves(value, &config->leaves, err);
    else if (strcmp(option->name, "log") == 0)
        return parse_log(value, err);
    else if (strcmp(option->name, "lifeline") == 0)
        return parse_fd(value, &config->lifeline_fd, err);
    else if (strcmp(option->name, "ready-fd") == 0)
        return parse_fd(value, &config->ready_fd, err);
    return 0;
}

/* 0, 1 when there is nothing left to do, -1. */
static int parse(int argc, char **argv, struct server_config *config, struct err *err)
{
    struct args args;
    if (args_parse(argc - 1, argv + 1, OPTIONS, NULL, false, &args, NULL, err))
        return -1;
    int about = manual_asked(&MANUAL, &args, err);
    if (about)
        return about;
    if (args.word_count > 0)
        return err_set(err, ERR_USAGE, "\"%.100s\" is not an option (see --help)", args.words[0]);
    for (size_t i = 0; i < args.option_count; i++)
        if (take_option(args.options[i].spec, args.options[i].value, config, err))
            return -1;
    return 0;
}

/* Frames of 256 KiB come and go a thousand times a second, taken in one thread and freed in
 * another: their pages are kept, which the kernel would have to fill with zeros each time. What is
 * larger (statuses of a band, say) is rare and goes back at once: kept, it leaves holes that make
 * up a third of all memory. */
static void keep_pages(void)
{
    enum { KIB = 1 << 10 };
    mallopt(M_MMAP_THRESHOLD, 512 * KIB);
    mallopt(M_TRIM_THRESHOLD, 64 * KIB * KIB);
}

int main(int argc, char **argv)
{
    char fallback[2048], data[4096], results[4096], text[1024];
    struct err err = {0};
    struct server_config config = {
        .listen = "tcp://127.0.0.1:7117",
        .data = fallback,
        .quota_hours = 100000,
        .lifeline_fd = -1,
        .ready_fd = -1,
    };
    log_open("hillsweep-broker", LOG_INFO);
    signal(SIGPIPE, SIG_IGN);
    keep_pages();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    default_data(fallback, sizeof fallback);
    int rc = parse(argc, argv, &config, &err);
    if (rc > 0)
        return 0;
    if (rc == 0)
        rc = absolute(config.data, data, sizeof data, &err);
    config.data = data;
    if (rc == 0 && config.results) {
        rc = absolute(config.results, results, sizeof results, &err);
        config.results = results;
    }
    if (rc || server_run(&config, &err)) {
        log_warnx("%s", err_format(&err, text, sizeof text));
        return (int)err.code;
    }
    return 0;
}
