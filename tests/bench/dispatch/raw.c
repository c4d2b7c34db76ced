/* Libzmq alone on this machine: what the broker's figures are to be held against. */
#include "dispatch.h"

#include "buf.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

/* The other side: every message goes back where it came from. */
static void echo(int endpoint_fd)
{
    char endpoint[64];
    size_t len = sizeof endpoint;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    void *zmq = zmq_ctx_new(), *router = zmq_socket(zmq, ZMQ_ROUTER);
    zmq_bind(router, "tcp://127.0.0.1:*");
    zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, endpoint, &len);
    if (write(endpoint_fd, endpoint, sizeof endpoint) != sizeof endpoint)
        _exit(1);
    for (;;) {
        zmq_msg_t route, body;
        zmq_msg_init(&route);
        zmq_msg_init(&body);
        if (zmq_msg_recv(&route, router, 0) < 0 || zmq_msg_recv(&body, router, 0) < 0)
            _exit(1);
        zmq_msg_send(&route, router, ZMQ_SNDMORE);
        zmq_msg_send(&body, router, 0);
    }
}

static uint64_t bounce(void *socket)
{
    uint64_t n = 0;
    for (;;) {
        zmq_msg_t body;
        zmq_msg_init(&body);
        if (zmq_msg_recv(&body, socket, ZMQ_DONTWAIT) < 0)
            return n;
        if (zmq_msg_send(&body, socket, ZMQ_DONTWAIT) < 0)
            zmq_msg_close(&body);
        n++;
    }
}

static uint64_t bounce_one(void *socket)
{
    uint64_t trips = 0;
    int ready = 0;
    size_t len = sizeof ready;
    do {
        trips += bounce(socket);
        zmq_getsockopt(socket, ZMQ_EVENTS, &ready, &len);
    } while (ready & ZMQ_POLLIN);
    return trips;
}

static uint64_t bounce_all(int epoll, void **sockets, unsigned peers, double seconds)
{
    enum { EVENTS = 256, LOOK_MS = 10 };
    struct epoll_event events[EVENTS];
    uint64_t trips = 0;
    for (double end_s = seconds_now() + seconds; seconds_now() < end_s;) {
        int n = epoll_wait(epoll, events, EVENTS, LOOK_MS);
        for (int i = 0; i < n; i++)
            trips += bounce_one(sockets[events[i].data.u32]);
        for (unsigned i = 0; n == 0 && i < peers; i++)
            trips += bounce_one(sockets[i]); /* an edge was swallowed */
    }
    return trips;
}

double raw_round_trips(unsigned peers, unsigned credits, size_t bytes, double seconds)
{
    char endpoint[64];
    int pipe_fd[2], off = 0;
    if (pipe(pipe_fd))
        return 0;
    pid_t pid = fork();
    if (pid == 0)
        echo(pipe_fd[1]);
    if (pid < 0 || read(pipe_fd[0], endpoint, sizeof endpoint) != sizeof endpoint)
        return 0;
    void *zmq = zmq_ctx_new(), **sockets = mem_alloc(peers, sizeof *sockets);
    unsigned char *body = mem_alloc(bytes, 1);
    zmq_ctx_set(zmq, ZMQ_MAX_SOCKETS, (int)peers + 16);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < peers; i++) {
        int fd;
        size_t len = sizeof fd;
        sockets[i] = zmq_socket(zmq, ZMQ_DEALER);
        zmq_setsockopt(sockets[i], ZMQ_LINGER, &off, sizeof off);
        zmq_connect(sockets[i], endpoint);
        zmq_getsockopt(sockets[i], ZMQ_FD, &fd, &len);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        for (unsigned k = 0; k < credits; k++)
            zmq_send(sockets[i], body, bytes, ZMQ_DONTWAIT);
    }
    bounce_all(epoll, sockets, peers, 0.5);
    double start_s = seconds_now();
    uint64_t trips = bounce_all(epoll, sockets, peers, seconds);
    double rate = (double)trips / (seconds_now() - start_s);
    for (unsigned i = 0; i < peers; i++)
        zmq_close(sockets[i]);
    zmq_ctx_term(zmq);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(pipe_fd[0]);
    close(pipe_fd[1]);
    close(epoll);
    free(sockets);
    free(body);
    return rate;
}
