/* hillsweep-broker: command line and process. */
#include "err.h"
#include "log.h"
#include "server.h"
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "Examples:\n"
    "  hillsweep-broker                                 serve this machine on "
    "tcp://127.0.0.1:7117\n"
    "  hillsweep-broker --data /srv/sweeps              keep jobs and results there\n"
    "  hillsweep-broker --listen ipc:///run/hs/broker   serve through a file instead of a port\n"
    "\n"
    "The broker holds the grids as a durable queue of tiles and writes the results.\n"
    "Workers (hillsweep-worker) and clients (hillsweep) connect to it. Stop it with Ctrl-C or\n"
    "SIGTERM at any time: it carries on where it was when it is started again.\n"
    "\n"
    "  --listen ENDPOINT   tcp://host:port or ipc://path (default tcp://127.0.0.1:7117)\n"
    "  --data DIR          its state and the jobs' results (default $XDG_STATE_HOME/hillsweep,\n"
    "                      /var/lib/hillsweep for root)\n"
    "  --insecure          allow an address beyond this machine, without keys\n"
    "  --log LEVEL         warn, info (default) or debug\n"
    "  --results DIR       a private broker's: the results of its one job lie straight in DIR\n"
    "  --lifeline FD       leave when this pipe ends\n"
    "  --ready-fd FD       write a line here when the endpoint is bound\n"
    "  --version, --help\n";

enum { OPT_LISTEN = 1, OPT_DATA, OPT_INSECURE, OPT_LOG, OPT_RESULTS, OPT_LIFELINE, OPT_READY };

static const struct option options[] = {
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"data", required_argument, NULL, OPT_DATA},
    {"insecure", no_argument, NULL, OPT_INSECURE},
    {"log", required_argument, NULL, OPT_LOG},
    {"results", required_argument, NULL, OPT_RESULTS},
    {"lifeline", required_argument, NULL, OPT_LIFELINE},
    {"ready-fd", required_argument, NULL, OPT_READY},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {0},
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

static int parse(int argc, char **argv, struct server_config *config, struct err *err)
{
    int option;
    while ((option = getopt_long(argc, argv, "Vh", options, NULL)) != -1) {
        int rc = 0;
        switch (option) {
        case OPT_LISTEN:
            config->listen = optarg;
            break;
        case OPT_DATA:
            config->data = optarg;
            break;
        case OPT_INSECURE:
            config->insecure = true;
            break;
        case OPT_RESULTS:
            config->results = optarg;
            break;
        case OPT_LOG:
            rc = parse_log(optarg, err);
            break;
        case OPT_LIFELINE:
            rc = parse_fd(optarg, &config->lifeline_fd, err);
            break;
        case OPT_READY:
            rc = parse_fd(optarg, &config->ready_fd, err);
            break;
        case 'V':
            puts("hillsweep-broker " HILLSWEEP_VERSION);
            exit(0);
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            err_set(err, ERR_USAGE, "see hillsweep-broker --help");
            rc = -1;
        }
        if (rc)
            return -1;
    }
    if (optind < argc)
        return err_set(err, ERR_USAGE, "\"%s\" is not an option (see --help)", argv[optind]);
    return 0;
}

int main(int argc, char **argv)
{
    char fallback[2048], data[4096], results[4096], text[1024];
    struct err err = {0};
    struct server_config config = {
        .listen = "tcp://127.0.0.1:7117", .data = fallback, .lifeline_fd = -1, .ready_fd = -1};
    log_open("hillsweep-broker", LOG_INFO);
    signal(SIGPIPE, SIG_IGN);
    default_data(fallback, sizeof fallback);
    int rc = parse(argc, argv, &config, &err);
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
