/* What a worker in its sandbox can do no more, and what it still can. Each try is a child's, whose
 * exit code says how it went. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool starts_a_program(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return errno != EPERM;
}

static bool forks(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid > 0 || errno != EPERM;
}

static bool writes_a_file(void)
{
    return open("/tmp/hs-sandbox-test", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0 ||
           open("/dev/null", O_RDWR | O_CLOEXEC) >= 0 ||
           open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) >= 0 ||
           creat("/tmp/hs-sandbox-test", 0600) >= 0;
}

static bool changes_names(void)
{
    return mkdir("/tmp/hs-sandbox-test", 0700) == 0 || unlink("/tmp/hs-sandbox-none") == 0 ||
           errno != EPERM || rename("/tmp/a", "/tmp/b") == 0 || errno != EPERM ||
           symlink("a", "/tmp/hs-sandbox-test") == 0 || chmod("/tmp", 01777) == 0;
}

static bool listens(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 || listen(fd, 1) == 0 || errno != EPERM || accept(fd, NULL, NULL) >= 0;
}

static bool opens_raw_sockets(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0) >= 0 || errno != EPERM ||
           socket(AF_ALG, SOCK_SEQPACKET, 0) >= 0;
}

static bool signals_others(void)
{
    return kill(getppid(), 0) == 0 || errno != EPERM || ptrace(PTRACE_TRACEME) == 0;
}

static bool becomes_another(void)
{
    return setuid(getuid()) == 0 || chroot("/") == 0;
}

static bool makes_code(void)
{
    void *p =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED)
        return true;
    p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED || mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0;
}

static void *add_one(void *arg)
{
    ++*(int *)arg;
    return arg;
}

/* False when all of it works: a true answer is what must not be. */
static bool cannot_work(void)
{
    pthread_t thread;
    int n = 0;
    struct addrinfo *found = NULL;
    char *heap = malloc(64 << 20);
    FILE *f = fopen("/proc/self/status", "re");
    bool ok = heap && f && pthread_create(&thread, NULL, add_one, &n) == 0 &&
              pthread_join(thread, NULL) == 0 && n == 1 &&
              getaddrinfo("localhost", "7117", NULL, &found) == 0 &&
              socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 && usleep(1) == 0 &&
              write(STDERR_FILENO, "", 0) == 0;
    freeaddrinfo(found);
    free(heap);
    if (f)
        fclose(f);
    return !ok;
}

/* 0: refused as it should be; 1: it could; 2: no sandbox here; else a signal. */
static int try(bool (*deed)(void), bool inside)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct err why;
        if (inside && sandbox_enter(&why) != SANDBOX_ON)
            _exit(2);
        _exit(deed());
    }
    int status;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void it_can_do_no_more(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool (*deed)(void);
    } deeds[] = {
        {"start a program", starts_a_program},
        {"fork", forks},
        {"write a file", writes_a_file},
        {"change names", changes_names},
        {"listen", listens},
        {"open raw sockets", opens_raw_sockets},
        {"signal others", signals_others},
        {"become another", becomes_another},
        {"make code", makes_code},
    };
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        int inside = try(deeds[i].deed, true);
        if (inside == 2)
            skip(); /* a sanitized build, or a machine without seccomp */
        if (inside != 0)
            fail_msg("%s: %d", deeds[i].name, inside);
    }
    assert_int_equal(try(forks, false), 1); /* the deeds are possible outside */
    assert_int_equal(try(makes_code, false), 1);
    assert_int_equal(try(signals_others, false), 1);
    assert_int_equal(try(becomes_another, false), 1);
}

static void it_can_work(void **state)
{
    (void)state;
    int inside = try(cannot_work, true);
    if (inside == 2)
        skip();
    assert_int_equal(inside, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_can_do_no_more),
        cmocka_unit_test(it_can_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
