/* keys: who may come in at a broker. Works on its folder of keys (keyring.h), not on a broker: it
 * is typed where the broker runs, by whoever may write there. */
#include "command.h"
#include "json.h"
#include "keyring.h"

#include <stdio.h>
#include <string.h>

static void print(struct json_out *o)
{
    struct buf text = {0};
    json_print(o, true, &text);
    json_out_destroy(o);
    session_print_json(&text);
    buf_fini(&text);
}

static int keys_new(struct session *s, const char *folder, struct err *err)
{
    char path[4096];
    enum role role;
    const char *word = s->args->words[1], *name = s->args->words[2];
    if (role_parse(word, &role)) {
        err_set(err, ERR_USAGE, "there is no role \"%.40s\"", word);
        return err_hint(err, "the roles are client, worker and admin");
    }
    if (keyring_new(folder, role, name, path, sizeof path, err))
        return -1;
    if (s->json) {
        struct json_out *o = json_object();
        json_put_string(o, "role", role_name(role));
        json_put_string(o, "name", name);
        json_put_string(o, "file", path);
        print(o);
        return 0;
    }
    puts(path);
    session_say(s,
                "carry it to where %s works, by a safe way (scp), and keep it 0600 there:\n"
                "  %s --broker tcp://THIS-MACHINE:7117 --keys %s.key%s",
                name, role == ROLE_WORKER ? "hillsweep-worker" : "hillsweep", name,
                role == ROLE_WORKER ? "" : " status");
    return 0;
}

static int keys_list(struct session *s, const char *folder, struct err *err)
{
    struct keyring k;
    if (keyring_read(folder, &k, err))
        return -1;
    struct json_out *o = json_object(), *list = json_put_array(o, "keys");
    int width = 0;
    for (size_t i = 0; i < k.count; i++)
        width = (int)strlen(k.entries[i].name) > width ? (int)strlen(k.entries[i].name) : width;
    for (size_t i = 0; i < k.count; i++) {
        const struct keyring_entry *e = &k.entries[i];
        const char *role = e->role ? role_name(e->role) : "revoked";
        struct json_out *one = json_add_object(list);
        json_put_string(one, "role", role);
        json_put_string(one, "name", e->name);
        json_put_string(one, "public", e->public);
        json_put_string(one, "since", e->since);
        if (!s->json)
            printf("%-8s  %-*s  %s  %s\n", role, width, e->name, e->public, e->since);
    }
    if (s->json)
        print(o);
    else
        json_out_destroy(o);
    int rc = 0;
    if (k.broken > 0)
        rc = err_set(err, ERR_NOT_AUTHORISED, "%s/allowed:%d: this line is not understood", folder,
                     k.first_broken);
    keyring_fini(&k);
    return rc;
}

static int keys_revoke(struct session *s, const char *folder, struct err *err)
{
    const char *name = s->args->words[1];
    if (keyring_revoke(folder, name, err))
        return -1;
    if (s->json) {
        struct json_out *o = json_object();
        json_put_string(o, "revoked", name);
        print(o);
    }
    session_say(s, "%s is out; a running broker sees it within a second", name);
    return 0;
}

static int keys_rotate(struct session *s, const char *folder, struct err *err)
{
    char public[KEY_CHARS + 1];
    bool first = args_has(s->args, "prepare");
    if (first ? keyring_prepare(folder, public, err) : keyring_rotate(folder, public, err))
        return -1;
    if (s->json) {
        struct json_out *o = json_object();
        json_put_string(o, "public", public);
        json_put_bool(o, "in_use", !first);
        print(o);
        return 0;
    }
    puts(public);
    if (first)
        session_say(s,
                    "the broker's next key. The key files in %s trust it already; where others "
                    "are:\n  hillsweep keys pin '%s' --keys FILE",
                    folder, public);
    else
        session_say(s, "the broker's key from now on; a running broker takes it within a second, "
                       "and who trusts it "
                       "comes back by himself");
    return 0;
}

static int keys_pin(struct session *s, const char *file, struct err *err)
{
    if (keyring_pin(file, s->args->words[1], err))
        return -1;
    session_say(s, "%s trusts a broker with that key, too", file);
    return 0;
}

static const struct {
    const char *word;
    size_t words;
    const char *takes;
    int (*run)(struct session *s, const char *place, struct err *err);
} ACTIONS[] = {
    {"new", 3, "a role and a name", keys_new},     {"list", 1, "nothing more", keys_list},
    {"revoke", 2, "a name", keys_revoke},          {"rotate", 1, "nothing more", keys_rotate},
    {"pin", 2, "a broker's public key", keys_pin},
};

int command_keys(struct session *s, struct err *err)
{
    const char *place = args_value(s->args, "keys"), *word = s->args->words[0];
    for (size_t i = 0; i < sizeof ACTIONS / sizeof *ACTIONS; i++) {
        if (strcmp(word, ACTIONS[i].word) != 0)
            continue;
        if (s->args->word_count != ACTIONS[i].words)
            return err_set(err, ERR_USAGE, "keys %s takes %s", word, ACTIONS[i].takes);
        if (place && *place)
            return ACTIONS[i].run(s, place, err);
        err_set(err, ERR_USAGE, "keys %s needs --keys", word);
        return err_hint(err, strcmp(word, "pin") == 0 ? "the key file that is to trust it"
                                                      : "the broker's folder of keys");
    }
    err_set(err, ERR_USAGE, "keys cannot \"%.40s\"", word);
    return err_hint(err, "new, list, revoke, rotate and pin are what it can");
}
