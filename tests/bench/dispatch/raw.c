/* Libzmq alone on this machine: what the broker's figures are to be held against. */
#include "dispatch.h"

#include "peer.h"
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

struct raw {
    struct peers peers;
    struct peer *peer;
    unsigned count, credits;
    size_t bytes;
    double seconds;
    uint64_t trips;
    double rate;
};

struct bounce {
    struct raw *r;
    struct peer *p;
};

static void bounce(void *arg, const void *data, size_t len)
{
    struct bounce *b = arg;
    peer_send(b->p, data, len);
    b->r->trips++;
}

static void begin(struct raw *r, struct peer *p)
{
    unsigned char *body = mem_alloc(r->bytes, 1);
    for (unsigned k = 0; k < r->credits; k++)
        peer_send(p, body, r->bytes);
    free(body);
}

static void hear(struct raw *r, unsigned i)
{
    struct bounce b = {r, &r->peer[i]};
    bool was_there = b.p->state == PEER_READY;
    if (!peer_hear(&r->peers, b.p, bounce, &b)) {
        fprintf(stderr, "a connection to libzmq alone broke\n");
        exit(1);
    }
    if (!was_there && b.p->state == PEER_READY)
        begin(r, b.p);
    peer_flush(&r->peers, b.p);
}

static void bounce_all(struct raw *r, double seconds)
{
    enum { EVENTS = 256, LOOK_MS = 10 };
    struct epoll_event events[EVENTS];
    for (double end_s = seconds_now() + seconds; seconds_now() < end_s;) {
        int n = epoll_wait(r->peers.epoll, events, EVENTS, LOOK_MS);
        for (int i = 0; i < n; i++)
            hear(r, events[i].data.u32);
        for (unsigned i = 0; n == 0 && i < r->count; i++)
            hear(r, i); /* an edge was swallowed */
    }
}

static void *run(void *arg)
{
    struct raw *r = arg;
    r->peer = mem_alloc(r->count, sizeof *r->peer);
    for (unsigned i = 0; i < r->count; i++) {
        peer_open(&r->peers, &r->peer[i], i);
        if (r->peer[i].state == PEER_READY)
            begin(r, &r->peer[i]);
    }
    bounce_all(r, 0.5);
    uint64_t before = r->trips;
    double start_s = seconds_now();
    bounce_all(r, r->seconds);
    r->rate = (double)(r->trips - before) / (seconds_now() - start_s);
    for (unsigned i = 0; i < r->count; i++)
        peer_close(&r->peer[i]);
    free(r->peer);
    return NULL;
}

double raw_round_trips(unsigned peers, unsigned credits, size_t bytes, double seconds,
                       bool of_libzmq)
{
    char endpoint[64];
    int pipe_fd[2];
    if (pipe(pipe_fd))
        return 0;
    pid_t pid = fork();
    if (pid == 0)
        echo(pipe_fd[1]);
    if (pid < 0 || read(pipe_fd[0], endpoint, sizeof endpoint) != sizeof endpoint)
        return 0;
    struct raw r = {.count = peers, .credits = credits, .bytes = bytes, .seconds = seconds};
    peers_init(&r.peers, endpoint, NULL, of_libzmq);
    run(&r);
    peers_fini(&r.peers);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(pipe_fd[0]);
    close(pipe_fd[1]);
    return r.rate;
}
