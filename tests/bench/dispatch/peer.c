/* See peer.h: plain peers, and which kind a call is for. */
#include "peer.h"

#include "peer_zmq.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    INPUT_BYTES = 256 << 10, /* one read */
    OUT_BYTES = 256 << 10,   /* more are not kept for a peer that takes nothing */
    GREETING_BYTES = 64,
    HEAD_MAX = 9,
    FLAG_LONG = 2,
    FLAG_COMMAND = 4,
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

void peers_init(struct peers *p, const char *endpoint, const struct key *key, bool of_libzmq)
{
    *p = (struct peers){.key = key, .endpoint = endpoint};
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->input = mem_alloc(INPUT_BYTES, 1);
    if (key || of_libzmq)
        p->zmq = peer_zmq_context();
}

void peers_fini(struct peers *p)
{
    if (p->zmq)
        peer_zmq_end(p->zmq);
    close(p->epoll);
    free(p->input);
}

/* --- connecting ------------------------------------------------------------------------------ */

static void watch(struct peers *all, struct peer *p, int op, bool writing)
{
    struct epoll_event e = {.events = EPOLLIN | (writing ? (uint32_t)EPOLLOUT : 0),
                            .data.u32 = p->number};
    if (epoll_ctl(all->epoll, op, p->fd, &e))
        die("epoll", strerror(errno));
    p->waits = writing;
}

static int connect_tcp(const char *address)
{
    char host[64];
    const char *colon = strrchr(address, ':');
    struct sockaddr_in to = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    snprintf(host, sizeof host, "%.*s", colon ? (int)(colon - address) : 0, address);
    if (!colon || inet_pton(AF_INET, host, &to.sin_addr) != 1)
        die(address, "not an address of this bench");
    to.sin_port = htons((uint16_t)atoi(colon + 1));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)
        die(address, strerror(errno));
    return fd;
}

/* Such a connect waits for a place with the listener rather than come again later. */
static int connect_ipc(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){OUT_BYTES}, sizeof(int)); /* as TCP grows to */
    if (fd >= 0 && (connect(fd, (struct sockaddr *)&to, sizeof to) ||
                    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK)))
        die(path, strerror(errno));
    return fd;
}

static void say_greeting(struct peer *p)
{
    unsigned char greeting[GREETING_BYTES] = {0xff, [9] = 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    buf_add(&p->out, greeting, sizeof greeting);
}

void peer_open(struct peers *all, struct peer *p, uint32_t number)
{
    *p = (struct peer){.fd = -1, .number = number};
    if (all->zmq) {
        p->zmq = peer_zmq_open(all, number);
        p->state = PEER_READY;
        return;
    }
    const char *to = all->endpoint;
    p->fd = strncmp(to, "ipc://", 6) == 0 ? connect_ipc(to + 6) : connect_tcp(to + 6);
    if (p->fd < 0)
        die("no socket", strerror(errno));
    p->state = PEER_CONNECTING;
    say_greeting(p);
    watch(all, p, EPOLL_CTL_ADD, true);
}

void peer_close(struct peer *p)
{
    if (p->zmq)
        peer_zmq_close(p->zmq);
    if (p->fd >= 0)
        close(p->fd);
    buf_fini(&p->in);
    buf_fini(&p->out);
    *p = (struct peer){.fd = -1, .number = p->number};
}

/* --- saying ---------------------------------------------------------------------------------- */

static size_t put_head(unsigned char head[HEAD_MAX], unsigned flags, size_t len)
{
    if (len <= 255) {
        head[0] = (unsigned char)flags;
        head[1] = (unsigned char)len;
        return 2;
    }
    head[0] = (unsigned char)(flags | FLAG_LONG);
    for (int i = 0; i < 8; i++)
        head[1 + i] = (unsigned char)((uint64_t)len >> 8 * (7 - i));
    return HEAD_MAX;
}

static void put_frame(struct peer *p, unsigned flags, const void *data, size_t len)
{
    unsigned char head[HEAD_MAX];
    buf_add(&p->out, head, put_head(head, flags, len));
    buf_add(&p->out, data, len);
}

/* What follows what is lent has to wait behind it. */
static void copy_lent(struct peer *p)
{
    if (p->lent.len > 0)
        buf_add(&p->out, p->lent.data, p->lent.len);
    p->lent = (struct wire_span){0};
}

int peer_send(struct peer *p, const void *data, size_t len)
{
    if (p->zmq)
        return peer_zmq_send(p->zmq, data, len);
    if (p->state != PEER_READY || p->out.len - p->written > OUT_BYTES)
        return -1;
    copy_lent(p);
    put_frame(p, 0, data, len);
    return 0;
}

/* As much as there is room for. */
static void write_out(struct peer *p)
{
    size_t left;
    ssize_t n = 0;
    while (n >= 0 && (left = p->out.len - p->written) + p->lent.len > 0) {
        struct iovec pieces[] = {{p->out.data + p->written, left},
                                 {(void *)(uintptr_t)p->lent.data, p->lent.len}};
        struct msghdr all = {.msg_iov = pieces, .msg_iovlen = 2};
        n = sendmsg(p->fd, &all, MSG_NOSIGNAL);
        size_t of_out = n < 0 ? 0 : (size_t)n < left ? (size_t)n : left;
        p->written += of_out;
        if (n > 0 && (size_t)n > of_out) {
            p->lent.data = (const char *)p->lent.data + ((size_t)n - of_out);
            p->lent.len -= (size_t)n - of_out;
        }
    } /* no room; or it has broken, and reading tells */
    if (p->written < p->out.len)
        return;
    buf_clear(&p->out);
    p->written = 0;
}

int peer_lend(struct peer *p, const struct buf *head, struct wire_span data)
{
    unsigned char zmtp[HEAD_MAX];
    if (p->zmq)
        return peer_zmq_lend(p->zmq, head, data);
    if (p->state != PEER_READY || p->lent.len > 0 || p->out.len - p->written > OUT_BYTES)
        return -1;
    buf_add(&p->out, zmtp, put_head(zmtp, 0, head->len + data.len));
    buf_add(&p->out, head->data, head->len);
    p->lent = data;
    write_out(p);
    return 0;
}

void peer_flush(struct peers *all, struct peer *p)
{
    if (p->fd < 0)
        return;
    write_out(p);
    bool left = p->out.len + p->lent.len > 0;
    if (left != p->waits)
        watch(all, p, EPOLL_CTL_MOD, left);
}

/* --- hearing --------------------------------------------------------------------------------- */

static void on_command(struct peer *p, const unsigned char *body, size_t len)
{
    static const char ready[] = "\5READY", ping[] = "\4PING", pong[] = "\4PONG";
    size_t name = sizeof ping - 1 + 2; /* and the time that the other side waits for us */
    if (len >= sizeof ready - 1 && memcmp(body, ready, sizeof ready - 1) == 0) {
        p->state = PEER_READY;
    } else if (len >= name && memcmp(body, ping, sizeof ping - 1) == 0) {
        unsigned char answer[32] = {0};
        size_t context = len - name < 16 ? len - name : 16;
        memcpy(answer, pong, sizeof pong - 1);
        memcpy(answer + sizeof pong - 1, body + name, context);
        copy_lent(p);
        put_frame(p, FLAG_COMMAND, answer, sizeof pong - 1 + context);
    } else {
        die("ZMTP", "an unexpected command");
    }
}

/* The bytes of the greeting at `data`, or 0 when it is not whole. */
static size_t on_greeting(struct peer *p, const unsigned char *data, size_t len)
{
    static const char ready[] = "\5READY\13Socket-Type\0\0\0\6DEALER\10Identity\0\0\0";
    if (len < GREETING_BYTES)
        return 0;
    if (data[0] != 0xff || data[9] != 0x7f || data[10] < 3 || memcmp(data + 12, "NULL", 5) != 0)
        die("ZMTP", "the other side does not speak version 3 without keys");
    put_frame(p, FLAG_COMMAND, ready, sizeof ready);
    p->state = PEER_SHAKING;
    return GREETING_BYTES;
}

/* The bytes of the frame at `data`, or 0 when it is not whole. */
static size_t on_frame(struct peer *p, const unsigned char *data, size_t len, peer_heard_fn *heard,
                       void *arg)
{
    size_t head = len > 0 && data[0] & FLAG_LONG ? HEAD_MAX : 2, body = 0;
    if (len < head)
        return 0;
    for (size_t i = 1; i < head; i++)
        body = body << 8 | data[i];
    if (len - head < body)
        return 0;
    if (data[0] & FLAG_COMMAND)
        on_command(p, data + head, body);
    else
        heard(arg, data + head, body);
    return head + body;
}

static size_t take_all(struct peer *p, const unsigned char *data, size_t len, peer_heard_fn *heard,
                       void *arg)
{
    size_t at = 0, n;
    do {
        n = p->state == PEER_CONNECTING ? on_greeting(p, data + at, len - at)
                                        : on_frame(p, data + at, len - at, heard, arg);
        at += n;
    } while (n > 0);
    return at;
}

bool peer_hear(struct peers *all, struct peer *p, peer_heard_fn *heard, void *arg)
{
    if (p->zmq)
        return peer_zmq_hear(p->zmq, heard, arg), true;
    if (p->fd < 0)
        return true;
    ssize_t n;
    while ((n = recv(p->fd, all->input, INPUT_BYTES, 0)) > 0) {
        size_t len = (size_t)n;
        const unsigned char *data = all->input;
        if (p->in.len > 0) {
            buf_add(&p->in, data, len);
            data = p->in.data, len = p->in.len;
        }
        size_t taken = take_all(p, data, len, heard, arg);
        if (p->in.len > 0) {
            memmove(p->in.data, p->in.data + taken, len - taken);
            p->in.len = len - taken;
        } else {
            buf_add(&p->in, data + taken, len - taken);
        }
        if (n < INPUT_BYTES)
            return true;
    }
    return n < 0 && (errno == EAGAIN || errno == ENOTCONN);
}
