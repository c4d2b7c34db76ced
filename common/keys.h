#ifndef COMMON_KEYS_H
#define COMMON_KEYS_H

#include "err.h"
#include <stdbool.h>

/* Keys: who a program is, as CURVE (RFC 26, CurveZMQ) knows it. A key file holds one end of a
 * connection: a role, a name, the key pair, and the public key of the broker that it is for (the
 * pin: no other broker can pose as that one). Lines are "name = value"; keys are Z85 (RFC 32), 40
 * characters. A file that anybody but its owner may read is refused, as ssh does. */

#define KEY_CHARS    40
#define KEY_NAME_MAX 32
#define KEYS_NONE    "none" /* a place that means: go without a key */
#define KEY_PINS     2      /* the broker's key, and the one that it will have next */

enum role { /* bits, so that several fit one set */
            ROLE_CLIENT = 1,
            ROLE_WORKER = 2,
            ROLE_ADMIN = 4,
            ROLE_BROKER = 8,
};

struct key {
    enum role role;
    char name[KEY_NAME_MAX + 1];
    char public[KEY_CHARS + 1], secret[KEY_CHARS + 1];
    char pins[KEY_PINS][KEY_CHARS + 1]; /* the broker's public keys; "" where there is none */
};

const char *role_name(enum role role);         /* "client", ... */
int role_parse(const char *text, enum role *); /* client, worker or admin; -1 otherwise */

/* 1 to 32 characters of A-Z a-z 0-9 . _ -, not beginning with . or -: it becomes a file's name. */
bool key_name_is_good(const char *name);
bool key_is_z85(const char *text); /* 40 characters of that alphabet */

void key_make(struct key *key); /* a new pair; the rest is left alone */
void key_wipe(struct key *key); /* all of it, so that no copy stays in memory */

/* ERR_NOT_AUTHORISED when it is missing, may be read by others, or is no key. */
int key_read(const char *path, struct key *key, struct err *err);
/* Appears whole, 0600, durable. `fresh`: ERR_OTHER when there is one already. */
int key_write(const char *path, const struct key *key, bool fresh, struct err *err);

/* The key of one of these roles at `place`: a key file, or a folder with just one that fits. */
int key_find(const char *place, unsigned roles, struct key *key, struct err *err);

/* The key for an endpoint. `place` is what the user said (--keys, HILLSWEEP_KEYS, configuration),
 * NULL: nothing. Without a word the folders $XDG_CONFIG_HOME/hillsweep/keys and /etc/hillsweep/keys
 * count, for addresses beyond this machine. *have false: go without. ipc:// never takes a key. */
int key_for(const char *endpoint, const char *place, unsigned roles, struct key *key, bool *have,
            struct err *err);

#endif
