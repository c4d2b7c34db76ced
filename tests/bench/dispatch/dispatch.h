#ifndef BENCH_DISPATCH_H
#define BENCH_DISPATCH_H

#include "job.h"
#include "keys.h"
#include "wire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What the broker costs when workers cost nothing. A farm of simulated workers in one thread speaks
 * the protocol of real ones and answers each lease at once; the broker, its sink and its database
 * are the real programs. */

/* --- house.c: the broker's process and its jobs --- */

struct house {
    char folder[256], endpoint[300], keys[300];
    bool curve;
    pid_t pid;
    int lifeline; /* the broker leaves when we do */
};

enum house_door { HOUSE_TCP, HOUSE_CURVE, HOUSE_IPC };

int house_open(struct house *h, const char *under, enum house_door door);
int house_again(struct house *h);  /* another broker, which finds what this one leaves */
void house_close(struct house *h); /* ends the broker, removes the folder */
/* Queues a grid of q x a points, each of them a tile, so many times. */
int house_submit(const struct house *h, unsigned q, unsigned a, unsigned times, int priority);
/* Queues the document in this file. */
int house_submit_file(const struct house *h, const char *path, unsigned times, int priority);
int house_command(const struct house *h, const char *command, const char *argument);
/* What it exports, asked for once; NaN: it does not. */
struct house_metric {
    const char *name, *label;
    double value;
};
void house_metrics(const struct house *h, struct house_metric *metrics, size_t count);

/* Processor time of the broker's threads, and how long they have waited for a core that others had,
 * in ns (/proc/PID/task/N/schedstat). */
struct house_cpu {
    uint64_t loop, io, sink; /* sink: all threads but the others, */
    uint64_t writer;         /* those of its writer among them */
    uint64_t loop_wait, io_wait, sink_wait;
    double at_s; /* when; of a difference: the time between */
};
struct house_cpu house_cpu(const struct house *h);
struct house_cpu house_cpu_since(struct house_cpu now, struct house_cpu before);
void house_say_cpu(const struct house_cpu *difference); /* as shares of a core */
size_t house_memory(const struct house *h);             /* VmRSS, bytes */
size_t house_memory_most(const struct house *h);        /* VmHWM */

/* --- farm.c: the workers --- */

struct farm;

struct farm_config {
    const char *endpoint;
    const struct key *key; /* NULL: none */
    unsigned workers;
    unsigned bundle;       /* answers in one message; 0: a RESULT for each plane */
    unsigned solve_us;     /* what they say that a tile took */
    unsigned hosts;        /* machines that they say they are */
    double tiles_per_s;    /* of all together; 0: they answer at once */
    unsigned together;     /* paced ones answer all of a lease together, or so many; 0: 64 */
    bool of_libzmq;        /* not plain peers (peer.h); with a key, always */
    const struct job *job; /* NULL: tiles of one point; else its tiles, of random bytes */
};

enum { FARM_TOGETHER = 64, FARM_TYPES = 32 };

struct farm_figures {
    uint64_t acked; /* tiles that the broker called durable, each once */
    uint64_t answers, leases, stragglers;
    unsigned welcome, asked_who, broken; /* broken: connections */
    uint64_t chatter;                    /* questions of farm_chatter that are not answered yet */
    unsigned most_in_flight;             /* tiles leased and not acknowledged, over all workers */
    unsigned most_of_one;
    double first_s, last_s;        /* of the first lease, the last acknowledgement */
    double ask_p50_ms, ask_p99_ms; /* from having nothing to the next lease */
    uint64_t said, heard;          /* messages */
    uint64_t types[FARM_TYPES];    /* the same, by their type */
    uint64_t cpu_ns; /* processor time of this process, with libzmq's thread if there is one */
};

struct farm *farm_create(const struct farm_config *config);
void farm_destroy(struct farm *f);
/* Works until `until` says so (asked every few ms), or for `seconds`; false: time is over. */
typedef bool farm_until(const struct farm_figures *now, void *arg);
bool farm_run(struct farm *f, double seconds, farm_until *until, void *arg);
void farm_pace(struct farm *f, double tiles_per_s); /* another pace from now on */
/* Each worker asks so many times for a job that there is not, and is answered each time: messages
 * like all others to libzmq, and the shortest way to a connection that has carried many. */
void farm_chatter(struct farm *f, unsigned times);
struct farm_figures farm_figures(const struct farm *f);
/* Messages by type, as so many for each of `per` ("tile", "s"). */
void farm_say_types(const struct farm_figures *now, const struct farm_figures *before, double units,
                    const char *per);

/* --- raw.c: libzmq alone --- */

/* Round trips a second between `peers` DEALERs in this process and a ROUTER of libzmq in another,
 * `credits` under way for each, `bytes` a message there and back. */
double raw_round_trips(unsigned peers, unsigned credits, size_t bytes, double seconds,
                       bool of_libzmq);

/* --- chart.c: a chart of so many points, against programs that do nothing but write it; `alone`:
 * without them --- */

int chart_bench(const char *under, double points, unsigned rounds, enum house_door door,
                bool alone);

/* --- figures.c --- */

double median(double *values, size_t count); /* sorts them */
void quartiles(const double *values, size_t count, double *low, double *middle, double *high);
void say_latency(const struct house *h);
/* Peers run in threads that give way (SCHED_IDLE), since workers are on other machines in life:
 * what they do while the broker wants the processor would not be in its way. A nice thread keeps
 * its core for some milliseconds when the broker wakes up. So are threads and processes that these
 * make. */
void give_way(void); /* this thread, from now on */
void run_aside(void *(*run)(void *), void *arg);

/* --- scale.c: 5,000 workers, a million tiles, a thousand queued jobs --- */

/* loads: tiles a second, with commas between; 0: as fast as all can. */
int scale_bench(const char *under, unsigned workers, unsigned jobs, const char *loads,
                double seconds);

double seconds_now(void);

#endif
