/* What a machine's owner runs while others sweep, for tests/bench/guest.py and side_by_side: a
 * small task that a timer wakes every millisecond, and a loop that wants a core. */
/* clang-format off
 *
 *   foreground cyclic MS              the median, the 99th percentile and the maximum of how late it
 *                                     woke up, in microseconds; SIGTERM ends it early
 *   foreground spin N LENGTH [PID...] N threads do a fixed amount of work, LENGTH times some 35 ms:
 *                                     the seconds it took, and the processor time that these
 *                                     processes had meanwhile
 *   foreground idle N                 N SCHED_IDLE threads that touch no memory, for ever: the least
 *                                     that a guest costs who leaves it all to the kernel
 *
 * clang-format on */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PERIOD_NS = 1000000, SPIN_STEPS = 30000000, THREADS_MAX = 256, LENGTH_MAX = 10000 };

static volatile sig_atomic_t ended;
static long length = 1;

static void end(int number)
{
    (void)number;
    ended = 1;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int cyclic(long ms)
{
    size_t most = (size_t)ms, n = 0;
    int64_t *late = malloc(most * sizeof *late), at = now_ns();
    if (!late)
        return 1;
    signal(SIGTERM, end);
    while (n < most && (n == 0 || !ended)) {
        at += PERIOD_NS;
        struct timespec t = {at / 1000000000, at % 1000000000};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL))
            ;
        int64_t now = now_ns();
        late[n++] = now - at;
        if (now > at + PERIOD_NS)
            at = now; /* missed cycles are not caught up with */
    }
    qsort(late, n, sizeof *late, by_size);
    printf("%.1f %.1f %.1f\n", (double)late[n / 2] / 1000, (double)late[n - n / 100 - 1] / 1000,
           (double)late[n - 1] / 1000);
    free(late);
    return 0;
}

static void *spin(void *arg)
{
    volatile uint64_t x = (uintptr_t)arg;
    for (long i = 0; i < length * SPIN_STEPS; i++)
        x = x * 6364136223846793005u + 1442695040888963407u;
    return NULL;
}

static void *idle(void *arg)
{
    struct sched_param none = {0};
    sched_setscheduler(0, SCHED_IDLE, &none);
    for (;;)
        spin(arg);
    return NULL;
}

/* The processor time of all threads of a process, in seconds. */
static double used_s(const char *pid)
{
    char path[400];
    double sum = 0, ns;
    snprintf(path, sizeof path, "/proc/%.20s/task", pid);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        snprintf(path, sizeof path, "/proc/%.20s/task/%.20s/schedstat", pid, e->d_name);
        FILE *f = fopen(path, "re");
        sum += f && fscanf(f, "%lf", &ns) == 1 ? ns / 1e9 : 0;
        if (f)
            fclose(f);
    }
    if (dir)
        closedir(dir);
    return sum;
}

static double used_by_all_s(char **pids)
{
    double sum = 0;
    while (*pids)
        sum += used_s(*pids++);
    return sum;
}

static int run_threads(long n, void *(*body)(void *), char **pids)
{
    pthread_t threads[THREADS_MAX];
    double used = used_by_all_s(pids);
    int64_t began = now_ns();
    for (long i = 0; i < n; i++)
        if (pthread_create(&threads[i], NULL, body, NULL))
            return 1;
    for (long i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    double took = (double)(now_ns() - began) / 1e9;
    printf("%.4f %.4f\n", took, used_by_all_s(pids) - used);
    return 0;
}

static bool number(const char *text, long most, long *out)
{
    char *end;
    *out = text ? strtol(text, &end, 10) : 0;
    return text && *end == '\0' && *out >= 1 && *out <= most;
}

int main(int argc, char **argv)
{
    long n;
    const char *what = argc >= 3 ? argv[1] : "";
    if (argc == 3 && strcmp(what, "cyclic") == 0 && number(argv[2], 3600000, &n))
        return cyclic(n);
    if (argc == 3 && strcmp(what, "idle") == 0 && number(argv[2], THREADS_MAX, &n))
        return run_threads(n, idle, argv + 3);
    if (argc >= 4 && strcmp(what, "spin") == 0 && number(argv[2], THREADS_MAX, &n) &&
        number(argv[3], LENGTH_MAX, &length))
        return run_threads(n, spin, argv + 4);
    fputs("usage: foreground cyclic MS | spin THREADS LENGTH [PID...] | idle THREADS\n", stderr);
    return 2;
}
