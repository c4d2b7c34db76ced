/* See sandbox.h. The filter is a list of what is allowed; all else fails with EPERM, as a careful
 * program expects of a machine where it may not. Conditions look at numbers in registers only: what
 * a pointer points to could change after it was judged. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

/* SANITIZED: leak checkers stop the process's own threads with ptrace. */
#if defined(ARCH) && !defined(SANITIZED)

/* The frequent ones first: the filter is read from the top. */
static const uint16_t ALLOWED[] = {
    /* waiting, time, the connection */
    SYS_futex,
    SYS_read,
    SYS_write,
    SYS_sendto,
    SYS_recvfrom,
    SYS_epoll_pwait,
    SYS_ppoll,
    SYS_clock_gettime,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_epoll_ctl,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_sendmmsg,
    SYS_recvmmsg,
    SYS_readv,
    SYS_writev,
    SYS_connect,
    SYS_bind,
    SYS_shutdown,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_getsockname,
    SYS_getpeername,
    SYS_epoll_create1,
    SYS_eventfd2,
    SYS_pipe2,
    SYS_pselect6,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_clock_getres,
    SYS_gettimeofday,
    SYS_setitimer,
    /* memory */
    SYS_munmap,
    SYS_madvise,
    SYS_brk,
    SYS_mremap,
    SYS_membarrier,
    /* reading files */
    SYS_close,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_lseek,
    SYS_pread64,
    SYS_readlinkat,
    SYS_faccessat,
    SYS_getdents64,
    SYS_getcwd,
    SYS_fcntl,
    SYS_dup,
    SYS_dup3,
    SYS_statfs,
    SYS_fstatfs,
    SYS_uname,
    /* itself: threads, signals it handles, what it is */
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigtimedwait,
    SYS_sigaltstack,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_sched_setaffinity,
    SYS_sched_getscheduler,
    SYS_sched_setscheduler,
    SYS_sched_setattr,
    SYS_sched_getattr,
    SYS_sched_getparam,
    SYS_getpriority,
    SYS_setpriority,
    SYS_ioprio_set,
    SYS_set_robust_list,
    SYS_restart_syscall,
    SYS_exit,
    SYS_exit_group,
    SYS_getpid,
    SYS_gettid,
    SYS_getppid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getrusage,
    SYS_times,
    SYS_getrandom,
    SYS_sysinfo,
    SYS_getcpu,
#ifdef SYS_rseq
    SYS_rseq,
#endif
#ifdef SYS_epoll_wait /* what older processors' tables have besides */
    SYS_epoll_wait,
    SYS_poll,
    SYS_select,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_pipe,
    SYS_eventfd,
    SYS_epoll_create,
    SYS_getdents,
    SYS_dup2,
    SYS_alarm,
    SYS_arch_prctl,
    SYS_time,
#endif
};

/* Allowed where an argument is as it should be. */
struct condition {
    uint16_t call;
    uint8_t argument;
    uint32_t mask, value; /* (argument & mask) == value */
};

#define WRITING (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY))

static const struct condition CONDITIONS[] = {
    {SYS_openat, 2, WRITING, 0},
#ifdef SYS_open
    {SYS_open, 1, WRITING, 0},
#endif
    {SYS_mmap, 2, PROT_EXEC, 0},
    {SYS_mmap, 2, PROT_WRITE | PROT_EXEC, PROT_EXEC}, /* name services are loaded when needed */
    {SYS_mprotect, 2, PROT_EXEC, 0},
    {SYS_clone, 0, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM},
    {SYS_socket, 0, UINT32_MAX, AF_INET},
    {SYS_socket, 0, UINT32_MAX, AF_INET6},
    {SYS_socket, 0, UINT32_MAX, AF_UNIX},
    {SYS_socket, 0, UINT32_MAX, AF_NETLINK}, /* getaddrinfo asks which addresses there are */
    {SYS_ioctl, 1, UINT32_MAX, FIONBIO},
    {SYS_ioctl, 1, UINT32_MAX, FIONREAD},
    {SYS_ioctl, 1, UINT32_MAX, FIOCLEX},
    {SYS_ioctl, 1, UINT32_MAX, TCGETS},
    {SYS_prctl, 0, UINT32_MAX, PR_SET_NAME},
    {SYS_prctl, 0, UINT32_MAX, PR_GET_NAME},
    {SYS_prctl, 0, UINT32_MAX, PR_SET_PDEATHSIG},
    {SYS_prlimit64, 2, UINT32_MAX, 0}, /* asks; the upper half is zero as well below 4 GiB */
};

enum {
    ALLOWED_COUNT = sizeof ALLOWED / sizeof *ALLOWED,
    CONDITION_COUNT = sizeof CONDITIONS / sizeof *CONDITIONS,
    PROGRAM_MAX = 16 + 2 * ALLOWED_COUNT + 6 * CONDITION_COUNT,
};

struct program {
    struct sock_filter code[PROGRAM_MAX];
    unsigned short len;
};

static void add(struct program *p, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
    p->code[p->len++] = (struct sock_filter){code, yes, no, k};
}

static void load(struct program *p, size_t offset)
{
    add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void finish(struct program *p, uint32_t verdict)
{
    add(p, BPF_RET | BPF_K, verdict, 0, 0);
}

/* If the call is `number`, the verdict; goes on otherwise. */
static void rule(struct program *p, uint32_t number, uint32_t verdict)
{
    add(p, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
    finish(p, verdict);
}

static void condition(struct program *p, const struct condition *c)
{
    load(p, offsetof(struct seccomp_data, nr));
    add(p, BPF_JMP | BPF_JEQ | BPF_K, c->call, 0, 4);
    load(p, offsetof(struct seccomp_data, args) + 8 * c->argument); /* little-endian: lower half */
    add(p, BPF_ALU | BPF_AND | BPF_K, c->mask, 0, 0);
    add(p, BPF_JMP | BPF_JEQ | BPF_K, c->value, 0, 1);
    finish(p, SECCOMP_RET_ALLOW);
}

static void build(struct program *p, uint32_t self)
{
    p->len = 0;
    load(p, offsetof(struct seccomp_data, arch));
    add(p, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
    finish(p, SECCOMP_RET_KILL_PROCESS); /* calls of another kind mean other things */
    load(p, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < ALLOWED_COUNT; i++)
        rule(p, ALLOWED[i], SECCOMP_RET_ALLOW);
#ifdef SYS_clone3 /* its flags lie in memory; the C library then falls back to clone */
    rule(p, SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS);
#endif
    for (size_t i = 0; i < CONDITION_COUNT; i++)
        condition(p, &CONDITIONS[i]);
    struct condition own = {SYS_tgkill, 0, UINT32_MAX, self}; /* abort() and raise() */
    condition(p, &own);
    finish(p, SECCOMP_RET_ERRNO | EPERM);
}

/* Three things that must fail now, and fail for this reason. */
static bool holds(void)
{
    static char *const none[] = {NULL};
    execve("/nonexistent/program", none, none);
    bool no_program = errno == EPERM;
    int fd = openat(AT_FDCWD, "/nonexistent/file", O_WRONLY | O_CLOEXEC);
    bool no_file = fd < 0 && errno == EPERM;
    bool no_signal = syscall(SYS_kill, 1, 0) < 0 && errno == EPERM;
    return no_program && no_file && no_signal;
}

enum sandbox sandbox_enter(struct err *why)
{
    static struct program p;
    build(&p, (uint32_t)getpid());
    struct sock_fprog filter = {p.len, p.code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
        err_errno(why, ERR_OTHER, "no_new_privs is not to be had");
        return SANDBOX_OFF;
    }
    long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
    if (rc < 0)
        err_errno(why, ERR_OTHER, "the kernel takes no filter of system calls");
    else if (rc > 0)
        err_set(why, ERR_OTHER, "a thread could not be put behind the filter of system calls");
    else if (!holds())
        err_set(why, ERR_OTHER, "the filter of system calls does not hold");
    else
        return SANDBOX_ON;
    return SANDBOX_OFF;
}

#else

enum sandbox sandbox_enter(struct err *why)
{
    err_set(why, ERR_OTHER, "this build has no filter of system calls");
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return SANDBOX_OFF;
}

#endif
