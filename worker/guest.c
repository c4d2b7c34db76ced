/* See guest.h. */
#include "guest.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_CLASS_IDLE = 3, IOPRIO_CLASS_SHIFT = 13 };

static const char oom_file[] = "/proc/self/oom_score_adj";
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

unsigned guest_threads(void)
{
    cpu_set_t set;
    int cores = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cores = CPU_COUNT(&set);
    else
        cores = (int)sysconf(_SC_NPROCESSORS_ONLN); /* more than 1024 cores */
    if (cores > 1 && is_desktop())
        cores--;
    return cores > 1 ? (unsigned)cores : 1;
}

void guest_settle(void)
{
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_CLASS_IDLE << IOPRIO_CLASS_SHIFT);
    int fd = open(oom_file, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t written = write(fd, "800", 3);
    (void)written;
    close(fd);
}

void guest_idle_thread(void)
{
    struct sched_param none = {0};
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
