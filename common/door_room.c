/* How many may come in at once; see door.h. */
#include "door.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

enum { OWN = 64 }; /* our own descriptors: files, database, pipes */

unsigned door_room(unsigned peers)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return 0;
    rlim_t want = ((rlim_t)peers + OWN) * 4 / 3 + 1;
    if (limit.rlim_cur < want) {
        limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
        if (setrlimit(RLIMIT_NOFILE, &limit))
            getrlimit(RLIMIT_NOFILE, &limit);
    }
    rlim_t room = limit.rlim_cur / 4 * 3 > OWN ? limit.rlim_cur / 4 * 3 - OWN : 0;
    return room < peers ? (unsigned)room : peers;
}

/* The kernel gives the lowest number that is free: it tells how many are taken. */
enum door_crowd door_crowd(void)
{
    struct rlimit limit;
    int fd = eventfd(0, EFD_CLOEXEC);
    if (fd < 0)
        return DOOR_FULL;
    close(fd);
    if (getrlimit(RLIMIT_NOFILE, &limit) || (rlim_t)fd < limit.rlim_cur / 2)
        return DOOR_QUIET;
    return (rlim_t)fd < limit.rlim_cur / 4 * 3 ? DOOR_BETWEEN : DOOR_FULL;
}

static bool listens_on(int fd, unsigned port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a;
    int listening = 0;
    socklen_t len = sizeof listening, size = sizeof a;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) || !listening ||
        getsockname(fd, &a.any, &size))
        return false;
    return (a.any.sa_family == AF_INET && ntohs(a.v4.sin_port) == port) ||
           (a.any.sa_family == AF_INET6 && ntohs(a.v6.sin6_port) == port);
}

/* Libzmq does not tell its listening descriptor; a filter on it drops whatever would become a new
 * connection, and connections that are up have descriptors of their own. */
void door_hold(void *socket, bool hold)
{
    char endpoint[256];
    size_t len = sizeof endpoint;
    struct rlimit limit;
    if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &len) ||
        strncmp(endpoint, "tcp:", 4) != 0 || getrlimit(RLIMIT_NOFILE, &limit))
        return;
    unsigned port = (unsigned)strtoul(strrchr(endpoint, ':') + 1, NULL, 10);
    struct sock_filter nothing = {.code = BPF_RET | BPF_K};
    struct sock_fprog filter = {1, &nothing};
    for (int fd = 0; (rlim_t)fd < limit.rlim_cur; fd++)
        if (listens_on(fd, port))
            setsockopt(fd, SOL_SOCKET, hold ? SO_ATTACH_FILTER : SO_DETACH_FILTER, &filter,
                       sizeof filter);
}
