/* See wake.h. */
#include "wake.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_poll(uv_poll_t *handle, int status, int events)
{
    const struct wake *w = handle->data;
    uint64_t count;
    ssize_t n = read(w->fd, &count, sizeof count);
    (void)n, (void)status, (void)events;
    w->fn(w->arg);
}

int wake_open(struct wake *w, uv_loop_t *loop, wake_fn *fn, void *arg, struct err *err)
{
    *w = (struct wake){.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .fn = fn, .arg = arg};
    if (w->fd < 0)
        return err_errno(err, ERR_OTHER, "cannot make an eventfd");
    w->poll.data = w;
    uv_poll_init(loop, &w->poll, w->fd);
    uv_poll_start(&w->poll, UV_READABLE, on_poll);
    return 0;
}

void wake_send(void *wake)
{
    const struct wake *w = wake;
    uint64_t one = 1;
    ssize_t n = write(w->fd, &one, sizeof one);
    (void)n; /* EAGAIN: it is awake */
}

void wake_fini(struct wake *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}
