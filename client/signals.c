/* See signals.h. */
#include "signals.h"

#include "hangup.h"

#include <sys/signalfd.h>
#include <unistd.h>

int signals_open(struct signals *s, const int *list, struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    for (; *list; list++)
        if (*list != SIGHUP || !hangup_is_ignored())
            sigaddset(&set, *list);
    sigprocmask(SIG_BLOCK, &set, &s->before);
    s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->fd >= 0)
        return 0;
    sigprocmask(SIG_SETMASK, &s->before, NULL);
    return err_errno(err, ERR_OTHER, "cannot watch signals");
}

void signals_close(struct signals *s)
{
    if (s->fd < 0)
        return;
    while (signals_take(s)) {
    }
    close(s->fd);
    s->fd = -1;
    sigprocmask(SIG_SETMASK, &s->before, NULL);
}

int signals_take(struct signals *s)
{
    struct signalfd_siginfo info;
    return read(s->fd, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}

int signals_interrupt(void *arg, struct err *err)
{
    return signals_take(arg) ? err_set(err, ERR_INTERRUPTED, "interrupted") : 0;
}
