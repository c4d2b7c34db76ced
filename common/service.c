/* See service.h. */
#include "service.h"

#include "log.h"
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A path, or "@name" in the abstract namespace. The length of the address; 0: none that we know. */
static socklen_t address(struct sockaddr_un *a)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path ? strlen(path) : 0;
    if (len < 2 || len >= sizeof a->sun_path || (path[0] != '/' && path[0] != '@'))
        return 0;
    a->sun_family = AF_UNIX;
    memcpy(a->sun_path, path, len);
    if (path[0] == '@')
        a->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

void service_say(const char *fmt, ...)
{
    char text[512];
    struct sockaddr_un to = {0};
    socklen_t len = address(&to);
    if (len == 0)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to, len) < 0)
        log_debug("the service manager does not listen: %s", strerror(errno));
    close(fd);
}

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
    service_say("WATCHDOG=1");
}

/* WATCHDOG_PID says whom the watchdog is for: a child may have inherited the variables. */
static uint64_t watchdog_ms(void)
{
    const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (!us || (pid && strtol(pid, NULL, 10) != getpid()))
        return 0;
    return strtoull(us, NULL, 10) / 1000;
}

void service_watchdog(uv_loop_t *loop, uv_timer_t *timer)
{
    uint64_t period = watchdog_ms() / 2;
    uv_timer_init(loop, timer);
    if (period == 0)
        return;
    uv_timer_start(timer, on_timer, period, period);
    uv_unref((uv_handle_t *)timer);
}
