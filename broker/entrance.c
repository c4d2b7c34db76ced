/* The broker's door: how its socket is made, who is behind a message and what he may send. Roles
 * come from the authenticated user, never from what a message says; see PROTOCOL.md section 9. */
#include "server_private.h"

#include "door.h"
#include "log.h"
#include <stdio.h>
#include <string.h>

/* --- the socket ------------------------------------------------------------------------------ */

static int check_listen(const struct server_config *config, enum door_kind *kind, struct err *err)
{
    if (door_kind(config->listen, kind, err))
        return -1;
    if (config->keys && config->insecure)
        return err_set(err, ERR_USAGE, "--keys and --insecure exclude each other");
    if (config->keys && *kind == DOOR_IPC) {
        err_set(err, ERR_USAGE, "%s takes no keys: the kernel tells who connects to a file",
                config->listen);
        return err_hint(err, "leave --keys away, or listen on tcp://host:port");
    }
    if (*kind == DOOR_NETWORK && !config->keys && !config->insecure) {
        err_set(err, ERR_USAGE, "%s would let anyone on the network submit, solve and read",
                config->listen);
        return err_hint(err, "give --keys DIR (hillsweep keys new makes it), or spell out "
                             "--insecure on a network that you trust");
    }
    return 0;
}

static int open_gate(struct server *s, enum door_kind kind, struct err *err)
{
    if (s->config->keys)
        return gate_open(s->zmq_ctx, s->config->keys, wake_send, &s->gate_wake, &s->gate, err);
    unsigned roles = ROLE_CLIENT | ROLE_WORKER;
    s->gate = gate_local(kind == DOOR_IPC ? roles | ROLE_ADMIN : roles);
    return 0;
}

int entrance_open(struct server *s, struct err *err)
{
    enum door_kind kind;
    struct key key;
    if (check_listen(s->config, &kind, err) || open_gate(s, kind, err))
        return -1;
    s->key_turn = gate_key(s->gate, &key);
    const struct key *mine = s->config->keys ? &key : NULL;
    int rc = door_bind(s->zmq_ctx, s->config->listen, mine, &s->socket, err);
    if (rc == 0 && mine) {
        gate_trial(s->gate, true);
        rc = door_self_test(s->zmq_ctx, s->socket, mine, err);
        gate_trial(s->gate, false);
    }
    if (rc == 0 && mine)
        log_info("strangers are refused, as tried just now public_key=%s", key.public);
    key_wipe(&key);
    return rc;
}

/* Strangers may fill the room for 3 s each; our own files must open all the same. */
void entrance_look(struct server *s)
{
    enum door_crowd crowd = door_crowd();
    bool hold = crowd == DOOR_FULL || (s->holding && crowd != DOOR_QUIET);
    if (hold == s->holding)
        return;
    s->holding = hold;
    door_hold(s->socket, hold);
    if (hold)
        log_warnx("too many connections: new ones wait until some have left");
    else
        log_info("new connections are let in again");
}

/* --- changes --------------------------------------------------------------------------------- */

static void revoked(struct server *s, const struct route *who, struct err *err)
{
    char name[KEY_NAME_MAX + 1];
    gate_name(s->gate, who->user, name);
    err_set(err, ERR_NOT_AUTHORISED, "the key \"%s\" has been revoked", name);
}

static void follow_key(struct server *s)
{
    struct key key;
    struct err err;
    unsigned turn = gate_key(s->gate, &key);
    if (turn != s->key_turn) {
        if (door_rebind(s->socket, &key, &err))
            log_warnx("%s", err.text); /* nobody comes in until a restart */
        else
            log_info("the broker has another key: all connect anew public_key=%s", key.public);
        s->key_turn = turn;
    }
    key_wipe(&key);
}

void entrance_changed(struct server *s)
{
    struct err err;
    follow_key(s);
    for (uint32_t worker = 0; worker < routes_end(s->routes); worker++) {
        const struct route *route = routes_of(s->routes, worker);
        if (!route || entrance_is(s, route, ROLE_WORKER))
            continue;
        revoked(s, route, &err);
        log_info("worker dismissed worker=%u: %s", worker, err.text);
        workers_dismiss(s, worker, &err);
    }
}

/* --- rights ---------------------------------------------------------------------------------- */

bool entrance_is(struct server *s, const struct route *from, unsigned roles)
{
    return (gate_roles(s->gate, from->user) & roles) == roles;
}

bool entrance_owns(struct server *s, const struct route *from, const struct catalogue_job *job)
{
    char name[KEY_NAME_MAX + 1];
    gate_name(s->gate, from->user, name);
    return entrance_is(s, from, ROLE_ADMIN) || strcmp(name, job->owner) == 0;
}

/* splitmix64's finaliser: a bijection for each user, and unrelated ones for two of them. */
uint64_t entrance_own(const struct route *from, uint64_t id)
{
    uint64_t x = id + from->user * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

void entrance_refuse(struct server *s, const struct route *to, uint64_t tag)
{
    struct err err;
    revoked(s, to, &err);
    reply_refused(s, to, tag, &err, 0);
}

bool entrance_admits(struct server *s, const struct route *from, const struct wire_msg *msg)
{
    bool works = msg->type >= WIRE_HELLO && msg->type <= WIRE_RESULTS;
    bool asks = msg->type == WIRE_REQUEST || msg->type == WIRE_FETCH || msg->type == WIRE_UPLOAD;
    unsigned roles = gate_roles(s->gate, from->user);
    if (roles & (works ? ROLE_WORKER : ROLE_CLIENT))
        return true;
    log_debug("message refused type=%s user=%u", wire_type_name(msg->type), from->user);
    if (roles == 0) {
        entrance_refuse(s, from, msg->tag);
        return false;
    }
    char name[KEY_NAME_MAX + 1];
    struct err err;
    gate_name(s->gate, from->user, name);
    err_set(&err, ERR_NOT_AUTHORISED, "the key \"%s\" is a %s's and may not %s", name,
            roles & ROLE_WORKER ? "worker" : "client", works ? "solve" : "submit or read");
    if (asks)
        reply_error(s, from, msg->tag, &err);
    else
        reply_refused(s, from, msg->tag, &err, 0);
    return false;
}
