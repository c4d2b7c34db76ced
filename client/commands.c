/* The table of commands, and what is made of it. See command.h. */
#include "command.h"

#include "complete.h"
#include "expr.h"
#include "manual.h"

#include <string.h>

static const struct option_spec GLOBAL[] = {
    {"broker", 0, "ENDPOINT", "the broker (default $HILLSWEEP_BROKER, else tcp://127.0.0.1:7117)"},
    {"keys", 0, "FILE|DIR", "the key that opens it (default $HILLSWEEP_KEYS)"},
    {"connect-timeout", 0, "TIME", "how long to try to reach it (default 3s)"},
    {"json", 0, NULL, "answer as JSON, errors too"},
    {"quiet", 'q', NULL, "no talk, only data and errors"},
    {"help", 'h', NULL, "this help"},
    {"version", 'V', NULL, "the version"},
    {"man", 0, NULL, NULL},
    {"completion", 0, "bash|zsh|fish", NULL},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec RUN[] = {
    {"output", 'o', "DIR", "the folder for the results (default: the job file without .json)"},
    {"jobs", 'j', "N", "solver threads (default: all cores, one less on a desktop)"},
    {"limit", 0, "P%", "at most this share of each core's time"},
    {"full", 0, NULL, "do not stand back for other programs"},
    {"watch", 'w', NULL, "a picture that grows, not only a line"},
    {"verbose", 'v', NULL, "pass on what broker and worker say"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec SUBMIT[] = {
    {"wait", 'w', NULL, "stay until it ends, with the exit code of wait"},
    {"watch", 0, NULL, "as --wait, with a picture that grows"},
    {"priority", 'p', "N", "-1000 to 1000, higher goes first (default 0)"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec DELETE[] = {
    {"yes", 'y', NULL, "do not ask"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec LIST[] = {
    {"names", 0, NULL, NULL}, /* numbers and names alone, for completion */
    {NULL, 0, NULL, NULL},
};

static const struct option_spec STATUS[] = {
    {"metrics", 0, NULL, "jobs and workers of the broker as metrics for Prometheus"},
    {"output", 'o', "FILE", "where the metrics go to (default -, standard output)"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec WAIT[] = {
    {"timeout", 't', "TIME", "give up after 30s, 10min, 2h, ... with exit code 6"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec WATCH[] = {
    {"field", 'f', "NAME", "which output is shown (default: the first)"},
    {"timeout", 't', "TIME", "give up after 30s, 10min, 2h, ... with exit code 6"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec RESULTS[] = {
    {"output", 'o', "FILE", "where to (default -, standard output)"},
    {"format", 0, "FORMAT", "npy, csv, txt or nc (default: by the file's ending; txt on -)"},
    {"field", 'f', "NAME", "this output only; may be repeated, but for npy"},
    {"partial", 0, NULL, "do not wait for the rest of a running job: it becomes nan"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec PLOT[] = {
    {"output", 'o', "FILE", "chart.png (the default), .svg or .pdf; - is standard output"},
    {"field", 'f', "NAME", "which output (default: the first)"},
    {"log", 0, NULL, "colours by the logarithm (default: where the values ask for it)"},
    {"linear", 0, NULL, "colours in proportion, whatever the values"},
    {"range", 0, "LOW:HIGH", "what the ends of the colour bar stand for"},
    {"colours", 0, "MAP", "viridis, cividis or blues-reds (default: by the values' signs)"},
    {"boundaries", 0, NULL, "the edges of stability as the solver traces them (needs w.period)"},
    {"size", 0, "WxH", "in pixels (default 960x720)"},
    {"format", 0, "FORMAT", "png, svg or pdf (default: by the file's ending)"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec BOUNDARIES[] = {
    {"output", 'o', "FILE", "curves.csv, .json or .txt (default -, standard output)"},
    {"q", 0, "FROM:TO:COUNT", "these values of q (default: those of the grid)"},
    {"format", 0, "FORMAT", "csv, json or txt (default: by the file's ending; txt on -)"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec KEYS[] = {
    {"prepare", 0, NULL, "of rotate: only make and pin the next key of the broker"},
    {NULL, 0, NULL, NULL},
};

static const struct command COMMANDS[] = {
    {"run", "JOB.json", "solve a job here, results in a folder",
     "  hillsweep run driven.json                 results in driven/\n"
     "  hillsweep run driven.json -o out -j 2     in out/, two solver threads\n"
     "  hillsweep run driven.json --limit 20%     leave most of each core to others\n",
     "Starts a private broker and one worker, shows progress, and ends them. Ctrl-C ends in "
     "order;\n"
     "the same command typed again carries on where it stopped. A folder that holds another job\n"
     "is refused.\n",
     RUN, 1, 1, command_run},
    {"check", "JOB.json", "validate a job; points, time, disk, advice",
     "  hillsweep check driven.json\n"
     "  hillsweep check driven.json --json\n",
     "Nothing is queued. The time is measured on a few samples by hillsweep-worker.\n", NULL, 1, 1,
     command_check},
    {"submit", "JOB.json", "queue a job; prints its number",
     "  hillsweep submit driven.json\n"
     "  hillsweep submit driven.json --wait && hillsweep results last -o F.npy\n",
     "The number is printed, alone, once the broker has the job on disk.\n", SUBMIT, 1, 1,
     command_submit},
    {"status", "[JOB]", "how a job is getting on (default: the last)",
     "  hillsweep status\n"
     "  hillsweep status 7 --json\n"
     "  hillsweep status --metrics -o /var/lib/prometheus/node-exporter/hillsweep.prom\n",
     "JOB is a number, last, a name, or the unique beginning of one. --metrics is of the broker as "
     "a\n"
     "whole, in Prometheus' text format; a broker that is down is hillsweep_up 0.\n",
     STATUS, 0, 1, command_status},
    {"watch", "[JOB]", "a heat map that grows, and a progress line",
     "  hillsweep watch last\n"
     "  hillsweep watch 7 --field F               of several outputs this one\n"
     "  hillsweep watch 7 --json                  a line of JSON for each change\n",
     "Ctrl-C detaches, the job goes on. Each cell is the point in its middle, so a chart of any\n"
     "size can be watched from afar. Off a terminal it is a plain line now and then. The exit "
     "code\n"
     "is that of wait.\n",
     WATCH, 0, 1, command_watch},
    {"wait", "JOB", "follow a job until it ends",
     "  hillsweep wait last\n"
     "  hillsweep wait 7 --timeout 10min\n",
     "Exit code 0 done, 3 done but points failed, 10 cancelled, 1 failed, 6 not within the time.\n",
     WAIT, 1, 1, command_wait},
    {"why", "[JOB]", "why a job does not run, or not faster",
     "  hillsweep why last\n"
     "  hillsweep why 7 --json\n",
     "The broker's facts as sentences, what weighs most first: no workers, paused, waiting for "
     "the\n"
     "disk, other priorities, stragglers; or what limits its pace: solver, wire, disk, machines.\n",
     NULL, 0, 1, command_why},
    {"list", "", "all jobs of the broker",
     "  hillsweep list\n"
     "  hillsweep list --json\n",
     NULL, LIST, 0, 0, command_list},
    {"cancel", "JOB", "end a job; what is done stays", "  hillsweep cancel 7\n", NULL, NULL, 1, 1,
     command_cancel},
    {"pause", "JOB", "let a job rest", "  hillsweep pause 7\n",
     "Within a second no worker works on it.\n", NULL, 1, 1, command_pause},
    {"resume", "JOB", "let a paused job go on", "  hillsweep resume 7\n", NULL, NULL, 1, 1,
     command_resume},
    {"delete", "JOB", "remove a job that has ended, with its results",
     "  hillsweep delete 7\n"
     "  hillsweep delete 7 --yes                  without a question\n",
     "On a terminal it asks first. Results that were fetched or are in a folder of a run stay.\n",
     DELETE, 1, 1, command_delete},
    {"priority", "JOB N", "which of several jobs goes first",
     "  hillsweep priority 7 10                   before those of priority 0\n",
     "N is from -1000 to 1000. Jobs of one priority share the workers.\n", NULL, 2, 2,
     command_priority},
    {"results", "JOB|DIR", "results as .npy, .csv, .txt, .nc, or rows on standard output",
     "  hillsweep results 7 -o F.npy              for numpy.load\n"
     "  hillsweep results out -o chart.nc         of the folder of a run; for xarray.open_dataset\n"
     "  hillsweep results last | head             rows \"q a F\"; while it runs, as they come\n",
     "Numbers are the shortest that read back as the same double; failed points are nan. A DIR "
     "that\n"
     "could be taken for a job is written with a slash (./7). Cut short (Ctrl-C, a broker that has "
     "gone)\n"
     "it leaves FILE.XXXXXXXX.part, and the same command carries on there.\n",
     RESULTS, 1, 2, command_results},
    {"plot", "JOB|DIR", "a chart as .png, .svg or .pdf",
     "  hillsweep plot driven -o chart.png        of the folder of a run\n"
     "  hillsweep plot 7 -f F --range -2:2        one field, colours from -2 to 2\n"
     "  hillsweep plot last -o chart.pdf          also while the job runs\n",
     "q goes to the right, a upwards. A pixel is the mean of the points in it. Stability "
     "boundaries are\n"
     "drawn when trace, stable or mu is an output, as well as the points tell; with --boundaries "
     "as the\n"
     "solver traces them. Points that are not done are hatched, failed ones magenta.\n",
     PLOT, 1, 1, command_plot},
    {"boundaries", "JOB.json|JOB|DIR", "the edges of stability as curves a(q)",
     "  hillsweep boundaries strutt.json                   rows \"a_1 q a error\"\n"
     "  hillsweep boundaries strutt.json --q 0:25:200 -o curves.csv\n"
     "  hillsweep boundaries 7 -o curves.json              of a job's equation\n",
     "For an equation with w.period, within the range of the grid's a. Nothing needs to be solved "
     "before:\n"
     "the edges are eigenvalues, found to about 14 digits, each with its error. Where w, u and v "
     "are even\n"
     "about a time, a_m are those whose solution is even about it and b_m those whose is odd, with "
     "m zeros\n"
     "in a period (DLMF 28.2; Mathieu's q goes with w = -2*cos(2*t)); otherwise lower_m and "
     "upper_m are\n"
     "the edges of the m-th gap. The solution repeats itself after a period for even m, after two "
     "for\n"
     "odd m.\n\n"
     "With damping the edges are where the larger multiplier is 1 or -1, so that growth begins. A "
     "curve\n"
     "that leaves the range of a is cut; an empty line ends each piece.\n",
     BOUNDARIES, 1, 1, command_boundaries},
    {"verify", "JOB|DIR", "every stored byte against its checksum, with repair",
     "  hillsweep verify last\n"
     "  hillsweep verify out/                     the folder of a run\n"
     "  hillsweep verify 7 --json\n",
     "What follows from the job (heads, axes, job.json, w, statuses, records) is mended at once; "
     "tiles\n"
     "that are damaged are computed again in place, and no others. Exit code 0: all is as it was\n"
     "stored, now; 11: something is lost.\n",
     WAIT, 1, 1, command_verify},
    {"workers", "[pause|resume|limit WORKER [P%]]", "who is working, how fast, and why not",
     "  hillsweep workers\n"
     "  hillsweep workers pause lab-pc            it gives its work back within a second\n"
     "  hillsweep workers resume all\n"
     "  hillsweep workers limit 3 20%             a fifth of each of its threads' time\n",
     "WORKER is its number, its host (all workers there), or all. A wish lasts until the worker "
     "or\n"
     "the broker is started again.\n",
     NULL, 0, 3, command_workers},
    {"keys", "new|list|revoke|rotate|pin ...", "who may come in at a broker",
     "  hillsweep keys new admin me --keys /etc/hillsweep/keys      the first key makes the "
     "folder\n"
     "  hillsweep keys new worker lab3 --keys /etc/hillsweep/keys   makes lab3.key: carry it "
     "there\n"
     "  hillsweep keys list --keys /etc/hillsweep/keys\n"
     "  hillsweep keys revoke lab3 --keys /etc/hillsweep/keys       out within a second\n"
     "  hillsweep keys rotate --prepare --keys /etc/hillsweep/keys   announces the broker's next "
     "key\n"
     "  hillsweep keys pin KEY --keys lab3.key                      that a key file is to trust, "
     "too\n"
     "  hillsweep keys rotate --keys /etc/hillsweep/keys            and this puts it in use\n",
     "ROLE is client (submits and reads), worker (solves) or admin (all that a client may, on any\n"
     "job, and workers pause). --keys is the broker's folder. A running broker follows by "
     "itself.\n",
     KEYS, 1, 3, command_keys},
    {"completion", "bash|zsh|fish", "a script that completes this program's command line",
     "  hillsweep completion bash > ~/.local/share/bash-completion/completions/hillsweep\n"
     "  hillsweep completion fish > ~/.config/fish/completions/hillsweep.fish\n"
     "  hillsweep completion zsh > ~/.zfunc/_hillsweep   (a folder of $fpath)\n",
     "An installed hillsweep has them where each shell looks.\n", NULL, 1, 1, command_completion},
    {"version", "", "the versions of this program and of the broker", "  hillsweep version\n", NULL,
     NULL, 0, 0, command_version},
    {NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL},
};

const struct command *command_table(void)
{
    return COMMANDS;
}

const struct option_spec *command_global_options(void)
{
    return GLOBAL;
}

int command_find(const char *name, const struct command **out, struct err *err)
{
    const char *names[sizeof COMMANDS / sizeof COMMANDS[0] + 1];
    size_t n = 0;
    for (const struct command *c = COMMANDS; c->name; c++) {
        if (strcmp(c->name, name) == 0) {
            *out = c;
            return 0;
        }
        names[n++] = c->name;
    }
    names[n++] = "help";
    names[n] = NULL;
    err_set(err, ERR_USAGE, "there is no command \"%.40s\"", name);
    const char *near = expr_nearest(name, names);
    size_t len = strlen(name);
    if (len > 5 && strcmp(name + len - 5, ".json") == 0)
        return err_hint(err, "did you mean hillsweep run %.200s?", name);
    if (near)
        return err_hint(err, "did you mean hillsweep %s?", near);
    return err_hint(err, "hillsweep --help lists the commands");
}

/* The table as common/manual.h wants it, made at the first call. */
static const struct manual *manual(void)
{
    static struct manual_command commands[sizeof COMMANDS / sizeof COMMANDS[0]];
    static const struct manual MANUAL = {
        .program = "hillsweep",
        .summary = "sweeps a parametric oscillator over a grid of two parameters",
        .usage = "COMMAND [ARGUMENTS] [OPTIONS]",
        .examples =
            "  hillsweep run driven.json                 solve it here, results in driven/\n"
            "  hillsweep check driven.json               what will it cost?\n"
            "  hillsweep submit driven.json              queue it at a broker\n"
            "  hillsweep results last -o F.npy           fetch what it found\n",
        .about = "hillsweep sweeps a parametric oscillator, z'' + [a + q w(t)] z = 0, over a grid "
                 "of\n(q, a) and keeps any expression of the solution, with an error for each "
                 "number.\n",
        .options = GLOBAL,
        .commands = commands,
        .more = "`hillsweep COMMAND --help` shows examples and options of one command.\n\n"
                "Exit codes: 0 ok, 1 other error, 2 usage, 3 finished but points failed, 4 not "
                "authorised,\n"
                "5 no such job, 6 wait timed out, 7 broker unreachable, 8 job refused, 9 version "
                "mismatch,\n"
                "10 cancelled, 11 storage, 130 interrupted.\n",
    };
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        commands[i] = (struct manual_command){
            COMMANDS[i].name,     COMMANDS[i].words, COMMANDS[i].summary,
            COMMANDS[i].examples, COMMANDS[i].about, COMMANDS[i].options,
        };
    return &MANUAL;
}

void command_help(const struct command *command, FILE *out)
{
    if (command)
        manual_help_command(manual(), &manual()->commands[command - COMMANDS], out);
    else
        manual_help(manual(), out);
}

int command_completion(struct session *s, struct err *err)
{
    return complete_script(manual(), s->args->words[0], stdout, err);
}

int command_asked(const struct args *args, struct err *err)
{
    return manual_asked(manual(), args, err);
}
