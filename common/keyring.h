#ifndef COMMON_KEYRING_H
#define COMMON_KEYRING_H

#include "keys.h"
#include <stddef.h>

/* The broker's folder of keys:
 *
 *   broker.key       its own pair; made with the folder (0700)
 *   broker-next.key  the pair that a rotation will put in its place, when one is prepared
 *   allowed          who may come in: lines "ROLE NAME PUBLIC-KEY SINCE", as ssh's authorized_keys;
 *                    ROLE is "revoked" for those who may no more
 *   NAME.key         made for NAME, to be carried to its machine; the broker does not need them
 *
 * Changes lock the folder and replace files whole; a running broker follows within a second. */

struct keyring_entry {
    unsigned role; /* 0: revoked */
    char name[KEY_NAME_MAX + 1], public[KEY_CHARS + 1], since[32];
};

struct keyring { /* the allowed file */
    struct keyring_entry *entries;
    size_t count;
    size_t broken; /* lines that are not understood: they let nobody in */
    int first_broken;
};

/* ERR_NOT_AUTHORISED when the file cannot be read or may be changed by others. `out` is filled also
 * when some lines are broken. */
int keyring_read(const char *folder, struct keyring *out, struct err *err);
void keyring_fini(struct keyring *k);

/* The broker's own pair. ERR_NOT_AUTHORISED when there is none. */
int keyring_broker(const char *folder, struct key *key, struct err *err);

/* Makes NAME.key (its path in `path`) and lets it in; makes the folder and the broker's pair when
 * there are none. ERR_OTHER when the name is taken. */
int keyring_new(const char *folder, enum role role, const char *name, char *path, size_t size,
                struct err *err);

/* Revokes all keys of that name; its key file, if it is here, is removed. */
int keyring_revoke(const char *folder, const char *name, struct err *err);

/* A rotation has two steps. prepare: the next pair is made, and pinned beside the present one in
 * the key files that are here (those elsewhere: keyring_pin). rotate: it takes the place of the
 * present one. Without the first step the second leaves everybody out whose file is not here.
 * `public` (41 bytes) receives the key to be pinned. */
int keyring_prepare(const char *folder, char public[KEY_CHARS + 1], struct err *err);
int keyring_rotate(const char *folder, char public[KEY_CHARS + 1], struct err *err);

/* Pins the broker's next (or new) key in one key file, beside the one that it has. */
int keyring_pin(const char *file, const char *public, struct err *err);

#endif
