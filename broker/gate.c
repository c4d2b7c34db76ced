/* See gate.h. One mutex guards the table; the thread takes it for a handshake or a change, the loop
 * for each message, both for microseconds. */
#include "gate.h"

#include "buf.h"
#include "door.h"
#include "keyring.h"
#include "log.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { ZAP_FRAMES = 7, ZAP_BYTES = 256, PATH_SIZE = 4096, SAY_MS = 1000 };

struct user {
    unsigned roles; /* 0: revoked */
    char name[KEY_NAME_MAX + 1], public[KEY_CHARS + 1];
};

/* What a file was when it was last read. */
struct stamp {
    struct timespec mtime;
    ino_t inode;
    off_t size;
    mode_t mode;
};

struct gate {
    char *folder; /* NULL: everybody is local */
    pthread_t thread;
    void *zap; /* REP, the thread's own once it runs */
    gate_changed_fn *changed;
    void *arg;
    struct stamp allowed_stamp, key_stamp;
    _Atomic uint64_t refusals;
    atomic_bool stop, trial;
    bool running;

    pthread_mutex_t lock; /* what follows */
    struct user *users;   /* user number n is users[n - 1] */
    size_t count;
    struct key key;
    unsigned key_turn;
};

/* --- the table ------------------------------------------------------------------------------- */

static struct user *by_public(struct gate *g, const char *public)
{
    for (size_t i = 0; i < g->count; i++)
        if (strcmp(g->users[i].public, public) == 0)
            return &g->users[i];
    return NULL;
}

static struct user *new_user(struct gate *g)
{
    g->users = mem_resize(g->users, g->count + 1, sizeof *g->users);
    struct user *u = &g->users[g->count++];
    *u = (struct user){0};
    return u;
}

/* The rights of the file become the rights of the table. Of a key that is named twice the lesser
 * rights count: none if one line revokes it. */
static bool take_rights(struct gate *g, const struct keyring *k)
{
    bool changed = false;
    unsigned *roles = mem_alloc(g->count + k->count + 1, sizeof *roles);
    bool *named = mem_alloc(g->count + k->count + 1, sizeof *named);
    for (size_t i = 0; i < k->count; i++) {
        const struct keyring_entry *e = &k->entries[i];
        struct user *u = by_public(g, e->public);
        if (!u) {
            u = new_user(g);
            memcpy(u->public, e->public, sizeof u->public);
        }
        memcpy(u->name, e->name, sizeof u->name);
        size_t at = (size_t)(u - g->users);
        roles[at] = named[at] ? roles[at] & e->role : e->role;
        named[at] = true;
    }
    for (size_t i = 0; i < g->count; i++) {
        changed = changed || g->users[i].roles != roles[i];
        g->users[i].roles = roles[i];
    }
    free(roles);
    free(named);
    return changed;
}

/* --- following the folder -------------------------------------------------------------------- */

static bool has_changed(const char *folder, const char *name, struct stamp *stamp)
{
    char path[PATH_SIZE];
    struct stat st;
    struct stamp now = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (stat(path, &st) == 0)
        now = (struct stamp){st.st_mtim, st.st_ino, st.st_size, st.st_mode};
    bool same = now.mtime.tv_sec == stamp->mtime.tv_sec &&
                now.mtime.tv_nsec == stamp->mtime.tv_nsec && now.inode == stamp->inode &&
                now.size == stamp->size && now.mode == stamp->mode;
    *stamp = now;
    return !same;
}

/* While the broker runs a file that cannot be read lets nobody in, and a line that cannot be read
 * lets in nobody: whoever revokes a key must be able to rely on it. */
static bool follow_rights(struct gate *g)
{
    struct keyring k;
    struct err err = {0};
    if (!has_changed(g->folder, "allowed", &g->allowed_stamp))
        return false;
    if (keyring_read(g->folder, &k, &err))
        log_warnx("nobody is let in: %s", err.text);
    else if (k.broken > 0)
        log_warnx("%s/allowed:%d: a line is not understood and lets nobody in count=%zu", g->folder,
                  k.first_broken, k.broken);
    pthread_mutex_lock(&g->lock);
    bool changed = take_rights(g, &k);
    pthread_mutex_unlock(&g->lock);
    log_info("keys read again allowed=%zu changed=%s", k.count, changed ? "yes" : "no");
    keyring_fini(&k);
    return changed;
}

static bool follow_key(struct gate *g)
{
    struct key key;
    struct err err;
    if (!has_changed(g->folder, "broker.key", &g->key_stamp))
        return false;
    if (keyring_broker(g->folder, &key, &err)) {
        log_warnx("the key in use stays: %s", err.text);
        return false;
    }
    pthread_mutex_lock(&g->lock);
    bool changed = strcmp(key.public, g->key.public) != 0;
    g->key = key;
    g->key_turn += changed;
    pthread_mutex_unlock(&g->lock);
    key_wipe(&key);
    return changed;
}

static void follow(struct gate *g)
{
    bool rights = follow_rights(g), key = follow_key(g);
    if (rights || key)
        g->changed(g->arg);
}

/* --- ZAP ------------------------------------------------------------------------------------- */

/* version, request id, domain, address, routing id, mechanism, credentials */
struct request {
    char text[ZAP_FRAMES][ZAP_BYTES];
    size_t len[ZAP_FRAMES];
    int frames; /* -1: one was too long */
};

static bool receive(void *zap, struct request *r)
{
    int more = 1;
    size_t size = sizeof more;
    r->frames = 0;
    for (int i = 0; more; i++) {
        char spare[ZAP_BYTES];
        int n = zmq_recv(zap, i < ZAP_FRAMES ? r->text[i] : spare, ZAP_BYTES - 1, ZMQ_DONTWAIT);
        if (n < 0)
            return false;
        if (i >= ZAP_FRAMES || n >= ZAP_BYTES)
            r->frames = -1;
        if (r->frames >= 0) {
            r->len[i] = (size_t)n;
            r->text[i][n] = '\0';
            r->frames++;
        }
        if (zmq_getsockopt(zap, ZMQ_RCVMORE, &more, &size))
            return false;
    }
    return true;
}

/* The number of the user whose key this is, 0 when nobody's. */
static uint32_t judge(struct gate *g, const struct request *r)
{
    char public[KEY_CHARS + 1];
    if (r->frames != ZAP_FRAMES || strcmp(r->text[0], "1.0") != 0 ||
        strcmp(r->text[2], DOOR_DOMAIN) != 0 || strcmp(r->text[5], "CURVE") != 0 || r->len[6] != 32)
        return 0;
    if (!zmq_z85_encode(public, (const uint8_t *)r->text[6], 32))
        return 0;
    pthread_mutex_lock(&g->lock);
    const struct user *u = by_public(g, public);
    uint32_t number = u && u->roles ? (uint32_t)(u - g->users) + 1 : 0;
    pthread_mutex_unlock(&g->lock);
    return number;
}

static void note_refusal(struct gate *g, const struct request *r, int64_t *said_ms, int64_t now_ms)
{
    if (atomic_load(&g->trial))
        return;
    if (atomic_fetch_add(&g->refusals, 1) == 0 || now_ms >= *said_ms + SAY_MS) {
        log_info("an unknown key was refused address=%.60s refusals=%" PRIu64,
                 r->frames == ZAP_FRAMES ? r->text[3] : "?", atomic_load(&g->refusals));
        *said_ms = now_ms;
    }
}

static void answer(struct gate *g, int64_t *said_ms, int64_t now_ms)
{
    struct request r = {0};
    char id[16] = "";
    if (!receive(g->zap, &r))
        return;
    uint32_t user = judge(g, &r);
    if (user)
        snprintf(id, sizeof id, "%" PRIu32, user);
    else
        note_refusal(g, &r, said_ms, now_ms);
    zmq_send(g->zap, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(g->zap, r.text[1], r.len[1], ZMQ_SNDMORE);
    zmq_send(g->zap, user ? "200" : "400", 3, ZMQ_SNDMORE);
    zmq_send(g->zap, user ? "OK" : "unknown key", user ? 2 : 11, ZMQ_SNDMORE);
    zmq_send(g->zap, id, strlen(id), ZMQ_SNDMORE);
    zmq_send(g->zap, "", 0, 0);
}

static int64_t clock_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *serve(void *arg)
{
    struct gate *g = arg;
    int64_t look_ms = clock_now_ms() + GATE_LOOK_MS, said_ms = 0;
    while (!atomic_load(&g->stop)) {
        int64_t now_ms = clock_now_ms();
        zmq_pollitem_t item = {.socket = g->zap, .events = ZMQ_POLLIN};
        int n = zmq_poll(&item, 1, now_ms < look_ms ? (long)(look_ms - now_ms) : 0);
        now_ms = clock_now_ms();
        if (n > 0)
            answer(g, &said_ms, now_ms);
        if (now_ms < look_ms)
            continue;
        follow(g);
        look_ms = now_ms + GATE_LOOK_MS;
    }
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------ */

struct gate *gate_local(unsigned roles)
{
    struct gate *g = mem_alloc(1, sizeof *g);
    pthread_mutex_init(&g->lock, NULL);
    struct user *u = new_user(g);
    u->roles = roles;
    snprintf(u->name, sizeof u->name, GATE_LOCAL);
    return g;
}

/* At the start every line must be understood. */
static int first_read(struct gate *g, struct err *err)
{
    struct keyring k;
    has_changed(g->folder, "allowed", &g->allowed_stamp);
    has_changed(g->folder, "broker.key", &g->key_stamp);
    if (keyring_broker(g->folder, &g->key, err) || keyring_read(g->folder, &k, err))
        return -1;
    int rc = 0;
    if (k.broken > 0) {
        rc = err_set(err, ERR_NOT_AUTHORISED, "%s/allowed:%d: this line is not understood",
                     g->folder, k.first_broken);
        err_hint(err, "a line is: ROLE NAME PUBLIC-KEY SINCE");
    }
    take_rights(g, &k);
    keyring_fini(&k);
    return rc;
}

int gate_open(void *zmq_ctx, const char *folder, gate_changed_fn *changed, void *arg,
              struct gate **out, struct err *err)
{
    struct gate *g = mem_alloc(1, sizeof *g);
    pthread_mutex_init(&g->lock, NULL);
    g->folder = mem_strdup(folder);
    g->changed = changed;
    g->arg = arg;
    int linger = 0, rc = first_read(g, err);
    g->zap = rc ? NULL : zmq_socket(zmq_ctx, ZMQ_REP);
    if (g->zap)
        zmq_setsockopt(g->zap, ZMQ_LINGER, &linger, sizeof linger);
    if (rc == 0 && (!g->zap || zmq_bind(g->zap, "inproc://zeromq.zap.01")))
        rc = err_set(err, ERR_OTHER, "cannot answer for keys: %s", zmq_strerror(zmq_errno()));
    if (rc == 0 && pthread_create(&g->thread, NULL, serve, g))
        rc = err_set(err, ERR_OTHER, "cannot start a thread");
    if (rc) {
        gate_close(g);
        return -1;
    }
    g->running = true;
    *out = g;
    return 0;
}

void gate_stop(struct gate *g)
{
    atomic_store(&g->stop, true);
    if (g->running)
        pthread_join(g->thread, NULL); /* within GATE_LOOK_MS */
    g->running = false;
}

void gate_close(struct gate *g)
{
    if (!g)
        return;
    gate_stop(g);
    if (g->zap)
        zmq_close(g->zap);
    pthread_mutex_destroy(&g->lock);
    key_wipe(&g->key);
    free(g->users);
    free(g->folder);
    free(g);
}

/* --- questions ------------------------------------------------------------------------------- */

uint32_t gate_user(struct gate *g, zmq_msg_t *frame)
{
    if (!g->folder)
        return 1;
    const char *id = zmq_msg_gets(frame, "User-Id");
    return id ? (uint32_t)strtoul(id, NULL, 10) : 0;
}

unsigned gate_roles(struct gate *g, uint32_t user)
{
    pthread_mutex_lock(&g->lock);
    unsigned roles = user >= 1 && user <= g->count ? g->users[user - 1].roles : 0;
    pthread_mutex_unlock(&g->lock);
    return roles & ROLE_ADMIN ? roles | ROLE_CLIENT : roles;
}

void gate_name(struct gate *g, uint32_t user, char out[KEY_NAME_MAX + 1])
{
    pthread_mutex_lock(&g->lock);
    bool known = user >= 1 && user <= g->count;
    memcpy(out, known ? g->users[user - 1].name : "", known ? KEY_NAME_MAX + 1 : 1);
    pthread_mutex_unlock(&g->lock);
}

unsigned gate_key(struct gate *g, struct key *key)
{
    pthread_mutex_lock(&g->lock);
    *key = g->key;
    unsigned turn = g->key_turn;
    pthread_mutex_unlock(&g->lock);
    return turn;
}

void gate_trial(struct gate *g, bool on)
{
    atomic_store(&g->trial, on);
}

uint64_t gate_refusals(struct gate *g)
{
    return atomic_load(&g->refusals);
}
