/* See guest.h. */
#include "guest.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_CLASS_IDLE = 3, IOPRIO_CLASS_SHIFT = 13 };

#define SLICE_NS 100000000 /* the longest there is */

static const char oom_file[] = "/proc/self/oom_score_adj";
static const char autogroup_file[] = "/proc/self/autogroup";
static const char seat_file[] = "/run/systemd/seats/seat0"; /* logind's state of the first seat */

static bool seat_is_in_use(void)
{
    char text[2048];
    int fd = open(seat_file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return strstr(text, "ACTIVE_UID=") && strstr(text, "CAN_GRAPHICAL=1");
}

static bool is_desktop(void)
{
    return getenv("XDG_CURRENT_DESKTOP") || getenv("WAYLAND_DISPLAY") || seat_is_in_use();
}

/* Cores that the quota of one control group is worth, rounded up; 0: it has none. */
static int quota_of(const char *group)
{
    char path[1024];
    double quota = 0, period = 0;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
    FILE *f = fopen(path, "re");
    int n = f ? fscanf(f, "%lf %lf", &quota, &period) : 0; /* "max 100000" where there is none */
    if (f)
        fclose(f);
    if (n != 2 || !(quota > 0) || !(period > 0) || quota / period > 1 << 20)
        return 0;
    int cores = (int)(quota / period);
    return cores + (cores * period < quota);
}

/* The least quota of this process's group (cgroup v2) and those above it. */
static int quota(void)
{
    char line[512], *group = NULL, *slash;
    int least = 0;
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f && !group && fgets(line, sizeof line, f))
        if (strncmp(line, "0::/", 4) == 0)
            group = line + 3;
    if (f)
        fclose(f);
    if (!group)
        return 0;
    group[strcspn(group, "\n")] = '\0';
    do {
        int cores = quota_of(group);
        if (cores > 0 && (least == 0 || cores < least))
            least = cores;
        slash = strrchr(group, '/');
        if (slash)
            *slash = '\0';
    } while (slash);
    return least;
}

unsigned guest_cores(void)
{
    cpu_set_t set;
    int cores = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cores = CPU_COUNT(&set);
    else
        cores = (int)sysconf(_SC_NPROCESSORS_ONLN); /* more than 1024 cores */
    int most = quota();
    if (most > 0 && most < cores)
        cores = most;
    return cores > 1 ? (unsigned)cores : 1;
}

unsigned guest_threads(bool full)
{
    unsigned cores = guest_cores();
    return cores > 1 && !full && is_desktop() ? cores - 1 : cores;
}

static void ask(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t written = write(fd, text, strlen(text));
    (void)written;
    close(fd);
}

void guest_settle(void)
{
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_CLASS_IDLE << IOPRIO_CLASS_SHIFT);
    ask(oom_file, "800");
    if (getsid(0) == getpid())
        ask(autogroup_file, "19");
}

/* As linux/sched/types.h has it, which clashes with glibc's headers. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

/* False: the kernel knows no slices of a thread's own (older than 6.12). */
static bool ask_for_long_slices(void)
{
    struct attributes wanted = {
        .size = sizeof wanted, .policy = SCHED_BATCH, .nice = 19, .runtime_ns = SLICE_NS};
    struct attributes got = {0};
    return syscall(SYS_sched_setattr, 0, &wanted, 0) == 0 &&
           syscall(SYS_sched_getattr, 0, &got, sizeof got, 0) == 0 && got.runtime_ns == SLICE_NS;
}

void guest_idle_thread(void)
{
    struct sched_param none = {0};
    setpriority(PRIO_PROCESS, (id_t)gettid(), 19);
    if (!ask_for_long_slices())
        sched_setscheduler(0, SCHED_IDLE, &none); /* 0: the calling thread */
}

static void on_parent_death(int signal)
{
    (void)signal;
    alarm(1); /* the lifeline has its second; SIGALRM ends what is left */
}

bool guest_follow_parent(void)
{
    pid_t parent = getppid();
    struct sigaction action = {.sa_handler = on_parent_death, .sa_flags = SA_RESTART};
    sigaction(SIGUSR2, &action, NULL);
    prctl(PR_SET_PDEATHSIG, SIGUSR2);
    return getppid() == parent;
}

void guest_end_within(unsigned seconds)
{
    signal(SIGALRM, SIG_DFL);
    alarm(seconds);
}
