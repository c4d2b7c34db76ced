/* Doors as libzmq really keeps them: who gets in, who does not, and what each side is told. */
#include "door.h"
#include "gate.h"
#include "keyring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

static char folder[64], endpoint[64];
static void *context, *broker;
static struct key key;
static struct gate *gate;
static atomic_int changes;
static struct door *opened; /* at most one at a time; a failed test leaves it to the teardown */

static void on_change(void *arg)
{
    (void)arg;
    atomic_fetch_add(&changes, 1);
}

/* On a free port: 0 is no endpoint for door_kind. */
static int listen_somewhere(const struct key *k, struct err *err)
{
    for (int i = 0; i < 200; i++) {
        snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u",
                 10000 + (unsigned)(door_random() % 20000));
        if (door_bind(context, endpoint, k, &broker, err) == 0)
            return 0;
    }
    return -1;
}

static void let_in(enum role role, const char *name, struct key *out)
{
    char path[4096];
    struct err err;
    assert_int_equal(keyring_new(folder, role, name, path, sizeof path, &err), 0);
    assert_int_equal(key_read(path, out, &err), 0);
}

static int setup(void **state)
{
    struct err err;
    struct key me;
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hs-door-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    context = zmq_ctx_new();
    let_in(ROLE_ADMIN, "me", &me);
    if (keyring_broker(folder, &key, &err) ||
        gate_open(context, folder, on_change, NULL, &gate, &err))
        return -1;
    return listen_somewhere(&key, &err);
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    door_close(opened, 0);
    opened = NULL;
    zmq_close(broker);
    gate_close(gate);
    gate = NULL;
    zmq_ctx_term(context);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void breathe(void)
{
    usleep(2000);
}

/* Until something is known of the door. */
static enum door_view view_of(struct door *d)
{
    enum door_view view = DOOR_WAITING;
    for (int64_t end = now_ms() + 20000; view == DOOR_WAITING && now_ms() < end; breathe())
        view = door_look(d, now_ms());
    return view;
}

static void *enter(const struct key *k)
{
    struct err err;
    assert_int_equal(door_open(context, endpoint, k, &opened, &err), 0);
    assert_int_equal(view_of(opened), DOOR_IN);
    return door_socket(opened);
}

static void leave(void)
{
    door_close(opened, 0);
    opened = NULL;
}

static enum door_view knock(const struct key *k, struct err *err)
{
    struct door *d;
    assert_int_equal(door_open(context, endpoint, k, &d, err), 0);
    enum door_view view = view_of(d);
    if (view != DOOR_IN && view != DOOR_WAITING)
        door_explain(d, view, err);
    door_close(d, 0);
    return view;
}

enum { LONG_MS = 20000 };

/* The user behind the next message, 0 when none comes in time. */
static uint32_t next_user(long ms)
{
    zmq_msg_t m;
    zmq_pollitem_t item = {.socket = broker, .events = ZMQ_POLLIN};
    if (zmq_poll(&item, 1, ms) <= 0)
        return 0;
    zmq_msg_init(&m);
    do
        zmq_msg_recv(&m, broker, 0);
    while (zmq_msg_more(&m));
    uint32_t user = gate_user(gate, &m);
    zmq_msg_close(&m);
    return user;
}

static void a_known_key_gets_in_and_is_named(void **state)
{
    (void)state;
    struct key anna;
    struct err err;
    char name[KEY_NAME_MAX + 1];
    let_in(ROLE_CLIENT, "anna", &anna);
    for (int64_t end = now_ms() + 20000; atomic_load(&changes) == 0 && now_ms() < end;)
        breathe();
    void *socket = enter(&anna);
    zmq_send(socket, "x", 1, 0);
    uint32_t user = next_user(LONG_MS);
    assert_int_not_equal(user, 0);
    assert_int_equal(gate_roles(gate, user), ROLE_CLIENT);
    gate_name(gate, user, name);
    assert_string_equal(name, "anna");
    assert_int_equal(keyring_revoke(folder, "anna", &err), 0);
    for (int64_t end = now_ms() + 20000; gate_roles(gate, user) && now_ms() < end;)
        breathe();
    assert_int_equal(gate_roles(gate, user), 0);
    zmq_send(socket, "x", 1, 0); /* her connection stays, her rights do not */
    assert_int_equal(next_user(LONG_MS), user);
    leave();
    assert_int_equal(knock(&anna, &err), DOOR_REFUSED);
    assert_int_equal(err.code, ERR_NOT_AUTHORISED);
    assert_non_null(strstr(err.text, "anna"));
    struct key again;
    let_in(ROLE_WORKER, "anna", &again); /* the old number does not come to life with the name */
    for (int64_t end = now_ms() + 20000; knock(&again, &err) != DOOR_IN && now_ms() < end;)
        breathe();
    assert_int_equal(gate_roles(gate, user), 0);
}

static void strangers_are_told_what_they_are(void **state)
{
    (void)state;
    struct err err;
    struct key stranger = {.role = ROLE_CLIENT, .name = "stranger"}, other;
    key_make(&stranger);
    memcpy(stranger.pins[0], key.public, sizeof key.public);
    assert_int_equal(knock(&stranger, &err), DOOR_REFUSED);
    assert_int_equal(knock(NULL, &err), DOOR_KEYLESS);
    assert_non_null(strstr(err.text, "key"));
    let_in(ROLE_ADMIN, "other", &other);
    memcpy(other.pins[0], stranger.public, sizeof other.pins[0]); /* another broker's */
    assert_int_equal(knock(&other, &err), DOOR_STRANGER);
    assert_int_equal(err.code, ERR_NOT_AUTHORISED);
    assert_true(gate_refusals(gate) >= 1);
    zmq_close(broker);
    assert_int_equal(listen_somewhere(NULL, &err), 0);
    assert_int_equal(knock(&other, &err), DOOR_KEYLESS);
    assert_non_null(strstr(err.text, "has no keys"));
    assert_int_equal(knock(NULL, &err), DOOR_IN);
}

static void the_second_pin_opens_too(void **state)
{
    (void)state;
    struct err err;
    struct key old, other = {0};
    char next[KEY_CHARS + 1];
    let_in(ROLE_CLIENT, "anna", &old);
    for (int64_t end = now_ms() + 20000; knock(&old, &err) != DOOR_IN && now_ms() < end;)
        breathe();
    struct key forewarned = old;
    assert_int_equal(keyring_prepare(folder, next, &err), 0);
    memcpy(forewarned.pins[1], next, sizeof next);
    void *inside = enter(&forewarned);
    assert_int_equal(keyring_rotate(folder, next, &err), 0);
    for (int64_t end = now_ms() + 20000; gate_key(gate, &other) == 0 && now_ms() < end;)
        breathe();
    assert_string_equal(other.public, next);
    assert_int_equal(door_rebind(broker, &other, &err), 0);
    assert_int_equal(door_self_test(context, broker, &other, &err), 0);
    uint32_t user = 0; /* who was in is back by his second pin */
    for (int64_t end = now_ms() + 20000; user == 0 && now_ms() < end; breathe()) {
        door_look(opened, now_ms());
        if (zmq_send(inside, "x", 1, ZMQ_DONTWAIT) == 1)
            user = next_user(1000);
    }
    assert_int_equal(gate_roles(gate, user), ROLE_CLIENT);
    leave();
    assert_int_equal(knock(&old, &err), DOOR_STRANGER);
    assert_int_equal(knock(&forewarned, &err), DOOR_IN);
}

/* --- the self-test, against handlers of every kind ---------------------------------------------
 */

struct porter {
    void *zap;
    const char *status; /* NULL: never answers */
    atomic_bool stop;
};

static void *answer_all(void *arg)
{
    struct porter *p = arg;
    while (!atomic_load(&p->stop)) {
        char id[64];
        size_t id_len = 0;
        zmq_msg_t m;
        zmq_pollitem_t item = {.socket = p->zap, .events = ZMQ_POLLIN};
        if (zmq_poll(&item, 1, 20) <= 0)
            continue;
        zmq_msg_init(&m);
        int frame = 0, more;
        do {
            zmq_msg_recv(&m, p->zap, 0);
            more = zmq_msg_more(&m);
            if (frame++ == 1)
                memcpy(id, zmq_msg_data(&m), id_len = zmq_msg_size(&m));
        } while (more);
        zmq_msg_close(&m);
        if (!p->status)
            continue;
        zmq_send(p->zap, "1.0", 3, ZMQ_SNDMORE);
        zmq_send(p->zap, id, id_len, ZMQ_SNDMORE);
        zmq_send(p->zap, p->status, 3, ZMQ_SNDMORE);
        zmq_send(p->zap, "", 0, ZMQ_SNDMORE);
        zmq_send(p->zap, "", 0, ZMQ_SNDMORE);
        zmq_send(p->zap, "", 0, 0);
    }
    return NULL;
}

static int tried_with(const char *status, bool handler, struct err *err)
{
    pthread_t thread;
    struct porter porter = {.status = status};
    context = zmq_ctx_new();
    if (handler) {
        porter.zap = zmq_socket(context, ZMQ_REP);
        assert_int_equal(zmq_bind(porter.zap, "inproc://zeromq.zap.01"), 0);
        pthread_create(&thread, NULL, answer_all, &porter);
    }
    key = (struct key){.role = ROLE_BROKER};
    key_make(&key);
    assert_int_equal(listen_somewhere(&key, err), 0);
    int rc = door_self_test(context, broker, &key, err);
    zmq_close(broker);
    atomic_store(&porter.stop, true);
    if (handler) {
        pthread_join(thread, NULL);
        zmq_close(porter.zap);
    }
    zmq_ctx_term(context);
    return rc;
}

static void a_door_that_lets_everybody_in_does_not_pass(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(tried_with("400", true, &err), 0);
    assert_int_equal(tried_with("200", true, &err), -1);
    assert_non_null(strstr(err.text, "lets an unknown key in"));
    assert_int_equal(tried_with("300", true, &err), -1); /* nothing is proved */
    assert_non_null(strstr(err.text, "cannot prove"));
}

static void a_door_without_a_handler_lets_nobody_in(void **state)
{
    (void)state;
    struct err err;
    tried_with(NULL, false, &err); /* whatever it says, nobody got in: */
    assert_null(strstr(err.text, "lets"));
}

/* --- a broker made by hand ------------------------------------------------------------------- */

static int listen_raw(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", ntohs(at.sin_port));
    return fd;
}

/* Takes the next connection and shakes hands (ZMTP 3.0, NULL). */
static int accept_raw(int listener)
{
    static const unsigned char signature[12] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0};
    static const char ready[] = "\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06ROUTER";
    unsigned char greeting[64] = {0}, theirs[64];
    memcpy(greeting, signature, sizeof signature);
    memcpy(greeting + sizeof signature, "NULL", 4);
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, greeting, sizeof greeting), sizeof greeting);
    assert_int_equal(recv(fd, theirs, sizeof theirs, MSG_WAITALL), sizeof theirs);
    assert_int_equal(write(fd, ready, sizeof ready - 1), sizeof ready - 1);
    return fd;
}

/* Libzmq cannot take what comes, cuts the connection and does not make it again: the door does. */
static void a_connection_that_libzmq_gives_up_is_made_again(void **state)
{
    enum { GIVEN_UP_MS = 3000 };
    static const unsigned char terabyte[] = {2, 0, 0, 1, 0, 0, 0, 0, 0};
    struct err err;
    char rest[256];
    (void)state;
    context = zmq_ctx_new();
    int listener = listen_raw();
    assert_int_equal(door_open(context, endpoint, NULL, &opened, &err), 0);
    int fd = accept_raw(listener);
    assert_int_equal(view_of(opened), DOOR_IN);
    assert_int_equal(write(fd, terabyte, sizeof terabyte), sizeof terabyte);
    while (read(fd, rest, sizeof rest) > 0) { /* until it is cut */
    }
    close(fd);
    struct pollfd knock = {listener, POLLIN, 0};
    int64_t start = now_ms();
    door_look(opened, start); /* notes that the connection is gone */
    for (int64_t end = start + 20000; poll(&knock, 1, 2) == 0 && now_ms() < end;)
        door_look(opened, now_ms() + GIVEN_UP_MS); /* the clock is the caller's */
    fd = accept_raw(listener);
    assert_int_equal(view_of(opened), DOOR_IN);
    close(fd);
    close(listener);
    door_close(opened, 0);
    opened = NULL;
    zmq_ctx_term(context);
}

static void endpoints_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        enum door_kind kind;
    } cases[] = {
        {"tcp://127.0.0.1:1", 0, DOOR_LOOPBACK},
        {"tcp://127.9.9.9:7117", 0, DOOR_LOOPBACK},
        {"tcp://localhost:7117", 0, DOOR_LOOPBACK},
        {"tcp://[::1]:7117", 0, DOOR_LOOPBACK},
        {"tcp://0.0.0.0:7117", 0, DOOR_NETWORK},
        {"tcp://*:7117", 0, DOOR_NETWORK},
        {"tcp://[::]:7117", 0, DOOR_NETWORK},
        {"tcp://localhost.evil:7117", 0, DOOR_NETWORK},
        {"tcp://127.evil.example:7117", 0, DOOR_NETWORK},
        {"tcp://127.0.0.1.nip.io:1", 0, DOOR_NETWORK},
        {"tcp://1270.0.0.1:7117", 0, DOOR_NETWORK},
        {"tcp://eth0:7117", 0, DOOR_NETWORK},
        {"ipc:///tmp/x", 0, DOOR_IPC},
        {"ipc://@abstract", -1, 0},
        {"tcp://127.0.0.1", -1, 0},
        {"tcp://127.0.0.1:0", -1, 0},
        {"inproc://x", -1, 0},
        {"", -1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum door_kind kind = DOOR_IPC;
        struct err err;
        assert_int_equal(door_kind(cases[i].text, &kind, &err), cases[i].rc);
        if (cases[i].rc == 0)
            assert_int_equal(kind, cases[i].kind);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_are_told_apart),
        cmocka_unit_test_setup_teardown(a_known_key_gets_in_and_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(strangers_are_told_what_they_are, setup, teardown),
        cmocka_unit_test_setup_teardown(the_second_pin_opens_too, setup, teardown),
        cmocka_unit_test(a_connection_that_libzmq_gives_up_is_made_again),
        cmocka_unit_test(a_door_that_lets_everybody_in_does_not_pass),
        cmocka_unit_test(a_door_without_a_handler_lets_nobody_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
