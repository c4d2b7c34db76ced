#ifndef WORKER_SIGNS_H
#define WORKER_SIGNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a machine shows of those who need it: its owner's hands, other programs, memory that runs
 * short, the battery. Read from /proc, /sys and /dev alone, by any user: no X11, no Wayland, no
 * bus, no look at what is typed. A sign that a machine does not show reads as "nobody".
 *
 *   owner    the access times of terminals (the kernel renews them at most every 8 s while somebody
 *            types) and the interrupts of keyboards, touchpads and pointers. A keyboard on USB in a
 *            graphical session shows in neither; then the screen does: a session is on the seat and
 *            a display is lit.
 *   others   user and system time of all programs that are not nice; solver threads are nice 19
 *   waits    the kernel's pressure stall information, "some" */

struct signs {
    double owner_idle_s;          /* since the last input; INFINITY: never seen */
    double others;                /* share of all cores' time over the last half second */
    double cpu_wait, memory_wait; /* share of the last half second */
    bool on_battery;
};

struct signs_reader;

/* root: "" on a real machine, a folder that holds proc, sys, dev and run in tests. */
struct signs_reader *signs_open(const char *root);
void signs_close(struct signs_reader *r);

enum { SIGNS_PERIOD_MS = 250 };

/* To be called every SIGNS_PERIOD_MS. */
struct signs signs_read(struct signs_reader *r, int64_t now_ms);

/* The time, in ns, that programs which are not nice, and interrupts, have had of one core since the
 * machine started (core < 0: of all cores); -1 when it is not known. fd: /proc/stat, open; text:
 * room for `size` bytes of it, STAT_BYTES for each core there may be. Allocates nothing. */
enum { STAT_BYTES = 128 };
int64_t signs_others_ns(int fd, int core, char *text, size_t size);

/* The threads of the whole machine that run now or want to; -1 when that is not known. fd:
 * /proc/loadavg, open. Takes about a microsecond and allocates nothing. */
int signs_runnable(int fd);

#endif
