/* Key files and the broker's folder of keys. */
#include "keyring.h"

#include "file.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[4096], away[96];

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hs-keys-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(away, sizeof away, "%s/away", folder);
    return mkdir(away, 0700) || !strcat(away, "/anna.key") ? -1 : 0;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static const char *in(const char *name)
{
    static char full[4096];
    snprintf(full, sizeof full, "%s/%s", folder, name);
    return full;
}

static void made(enum role role, const char *name)
{
    struct err err;
    assert_int_equal(keyring_new(folder, role, name, path, sizeof path, &err), 0);
    assert_string_equal(path, in(strcat(strcpy((char[64]){0}, name), ".key")));
}

static void a_key_is_made_and_read_back(void **state)
{
    (void)state;
    struct key key, broker;
    struct err err;
    struct stat st;
    made(ROLE_WORKER, "lab3");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(key_read(path, &key, &err), 0);
    assert_int_equal(key.role, ROLE_WORKER);
    assert_string_equal(key.name, "lab3");
    assert_int_equal(keyring_broker(folder, &broker, &err), 0);
    assert_string_equal(key.pins[0], broker.public);
    assert_string_equal(key.pins[1], "");
    assert_string_not_equal(key.public, broker.public);
    key_wipe(&key);
    static const struct key none;
    assert_memory_equal(&key, &none, sizeof key);
}

/* hillsweep keys pin KEY: one of 85 would begin like an option. */
static void a_public_key_is_a_word(void **state)
{
    (void)state;
    struct key key;
    for (int i = 0; i < 1000; i++) {
        key_make(&key);
        assert_int_not_equal(key.public[0], '-');
    }
    key_wipe(&key);
}

static void a_key_that_others_may_read_is_refused(void **state)
{
    (void)state;
    static const mode_t bad[] = {0644, 0640, 0620, 0601, 0777};
    struct key key;
    struct err err;
    made(ROLE_CLIENT, "anna");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        chmod(path, bad[i]);
        assert_int_equal(key_read(path, &key, &err), -1);
        assert_int_equal(err.code, ERR_NOT_AUTHORISED);
        assert_non_null(strstr(err.text, "0600"));
        assert_non_null(strstr(err.hint, "chmod 600"));
        assert_int_equal(key.secret[0], 0);
    }
    chmod(path, 0400);
    assert_int_equal(key_read(path, &key, &err), 0);
    assert_int_equal(key_read(in("nobody.key"), &key, &err), -1);
    assert_int_equal(key_read(folder, &key, &err), -1);
}

static void what_is_no_key_file_is_refused(void **state)
{
    (void)state;
    char good[2048], bad[2048];
    struct key key;
    struct err err;
    made(ROLE_CLIENT, "anna");
    FILE *f = fopen(path, "re");
    good[fread(good, 1, sizeof good - 1, f)] = '\0';
    fclose(f);
    static const char *const change[][2] = {
        {"role = client", "role = king"},
        {"role = client", "role: client"},
        {"name = anna", "name = ../anna"},
        {"public = ", "public = x"},
        {"secret = ", "sekret = "},
        {"broker = ", "broker ="},
        {"broker = ", "# broker = "},
        {"secret = ", "# secret = "},
        {"name = anna", "name = anna\nbroker = 0123456789012345678901234567890123456789\nbroker = "
                        "0123456789012345678901234567890123456789"}};
    for (size_t i = 0; i < sizeof change / sizeof *change; i++) {
        const char *at = strstr(good, change[i][0]);
        assert_non_null(at);
        snprintf(bad, sizeof bad, "%.*s%s%s", (int)(at - good), good, change[i][1],
                 at + strlen(change[i][0]));
        assert_int_equal(file_put(in("bad.key"), bad, strlen(bad), false, &err), 0);
        assert_int_equal(key_read(in("bad.key"), &key, &err), -1);
        assert_int_equal(err.code, ERR_NOT_AUTHORISED);
        assert_non_null(strstr(err.text, "bad.key"));
    }
    struct key other = {0};
    key_make(&other); /* a secret that does not fit its public key */
    char *at = strstr(good, "public = ");
    memcpy(at + 9, other.public, KEY_CHARS);
    assert_int_equal(file_put(in("bad.key"), good, strlen(good), false, &err), 0);
    assert_int_equal(key_read(in("bad.key"), &key, &err), -1);
    assert_non_null(strstr(err.text, "does not belong"));
}

static void names_are_files_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      ".",
                                      "..",
                                      ".x",
                                      "-x",
                                      "a/b",
                                      "a b",
                                      "ä",
                                      "local",
                                      "broker",
                                      "broker-next",
                                      "a\nb",
                                      "012345678901234567890123456789012"};
    struct err err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(keyring_new(folder, ROLE_CLIENT, bad[i], path, sizeof path, &err), -1);
        assert_int_equal(err.code, ERR_USAGE);
    }
    made(ROLE_CLIENT, "A.b_c-9");
    assert_int_equal(keyring_new(folder, ROLE_ADMIN, "A.b_c-9", path, sizeof path, &err), -1);
    assert_non_null(strstr(err.text, "already"));
}

static void the_list_says_who_may(void **state)
{
    (void)state;
    struct keyring k;
    struct err err;
    made(ROLE_ADMIN, "me");
    made(ROLE_WORKER, "lab3");
    assert_int_equal(keyring_revoke(folder, "lab3", &err), 0);
    assert_int_equal(access(in("lab3.key"), F_OK), -1);
    assert_int_equal(keyring_revoke(folder, "lab3", &err), -1);
    made(ROLE_CLIENT, "lab3"); /* the name is free again, the key is another */
    assert_int_equal(keyring_read(folder, &k, &err), 0);
    assert_int_equal(k.count, 3);
    assert_int_equal(k.entries[0].role, ROLE_ADMIN);
    assert_int_equal(k.entries[1].role, 0);
    assert_int_equal(k.entries[2].role, ROLE_CLIENT);
    assert_string_not_equal(k.entries[1].public, k.entries[2].public);
    keyring_fini(&k);
    chmod(in("allowed"), 0622);
    assert_int_equal(keyring_read(folder, &k, &err), -1);
    assert_int_equal(err.code, ERR_NOT_AUTHORISED);
}

static void a_broken_line_lets_nobody_in(void **state)
{
    (void)state;
    struct keyring k;
    struct err err;
    made(ROLE_ADMIN, "me");
    FILE *f = fopen(in("allowed"), "ae");
    fputs("\n  \nking me2 0123456789012345678901234567890123456789 -\nworker lab9 short -\n"
          "worker lab9\nbroker x 0123456789012345678901234567890123456789 -\n",
          f);
    fclose(f);
    assert_int_equal(keyring_read(folder, &k, &err), 0);
    assert_int_equal(k.count, 1);
    assert_int_equal(k.broken, 4);
    assert_int_equal(k.first_broken, 5);
    keyring_fini(&k);
    assert_int_equal(keyring_new(folder, ROLE_CLIENT, "x", path, sizeof path, &err), -1);
    assert_non_null(strstr(err.text, "allowed:5")); /* what it cannot read it does not write over */
    chmod(folder, 0777);
    assert_int_equal(keyring_revoke(folder, "me", &err), -1);
    assert_non_null(strstr(err.hint, "chmod 700"));
    chmod(folder, 0700);
}

/* A change must not write over what was not read to its end. */
static void a_list_that_is_not_read_whole_is_none(void **state)
{
    static const struct {
        size_t len;
        char filling;
    } tails[] = {{4096, '\0'}, {5 << 20, '#'}};
    (void)state;
    struct keyring k;
    struct err err;
    for (size_t i = 0; i < 2; i++) {
        char name[] = "anna0";
        name[4] = (char)('0' + i);
        made(ROLE_ADMIN, name);
        FILE *f = fopen(in("allowed"), "re+");
        fseek(f, 0, SEEK_END);
        long end = ftell(f);
        for (size_t n = 0; n < tails[i].len; n++)
            fputc(tails[i].filling, f);
        fclose(f);
        assert_int_equal(keyring_read(folder, &k, &err), -1);
        assert_int_equal(err.code, ERR_NOT_AUTHORISED);
        assert_int_equal(keyring_new(folder, ROLE_CLIENT, "x", path, sizeof path, &err), -1);
        assert_int_equal(truncate(in("allowed"), end), 0);
        assert_int_equal(keyring_read(folder, &k, &err), 0);
        assert_int_equal(k.count, i + 1);
        keyring_fini(&k);
    }
}

static void the_brokers_key_changes_in_two_steps(void **state)
{
    (void)state;
    char next[KEY_CHARS + 1], now[KEY_CHARS + 1];
    struct key key, old, broker;
    struct err err;
    made(ROLE_CLIENT, "anna");
    assert_int_equal(keyring_broker(folder, &old, &err), 0);
    assert_int_equal(rename(in("anna.key"), away), 0); /* she has it */
    made(ROLE_CLIENT, "bert");
    assert_int_equal(keyring_prepare(folder, next, &err), 0);
    assert_int_equal(keyring_prepare(folder, now, &err), 0); /* the same one again */
    assert_string_equal(now, next);
    assert_int_equal(key_read(in("bert.key"), &key, &err), 0);
    assert_string_equal(key.pins[0], old.public);
    assert_string_equal(key.pins[1], next);
    made(ROLE_CLIENT, "carl");
    assert_int_equal(key_read(path, &key, &err), 0);
    assert_string_equal(key.pins[1], next);
    assert_int_equal(keyring_pin(away, next, &err), 0);
    assert_int_equal(key_read(away, &key, &err), 0);
    assert_string_equal(key.pins[0], old.public);
    assert_string_equal(key.pins[1], next);
    unlink(away);
    assert_int_equal(keyring_rotate(folder, now, &err), 0);
    assert_string_equal(now, next);
    assert_int_equal(keyring_broker(folder, &broker, &err), 0);
    assert_string_equal(broker.public, next);
    assert_int_equal(key_read(in("bert.key"), &key, &err), 0);
    assert_string_equal(key.pins[0], next);
    assert_string_equal(key.pins[1], "");
    assert_int_equal(access(in("broker-next.key"), F_OK), -1);
    assert_int_equal(keyring_pin(in("bert.key"), "short", &err), -1);
}

static void the_key_that_fits_is_found(void **state)
{
    (void)state;
    struct key key;
    struct err err;
    bool have;
    made(ROLE_WORKER, "lab3");
    assert_int_equal(key_find(folder, ROLE_CLIENT | ROLE_ADMIN, &key, &err), -1);
    assert_non_null(strstr(err.hint, "keys new client"));
    made(ROLE_ADMIN, "me");
    assert_int_equal(key_find(folder, ROLE_CLIENT | ROLE_ADMIN, &key, &err), 0);
    assert_string_equal(key.name, "me");
    made(ROLE_CLIENT, "anna");
    assert_int_equal(key_find(folder, ROLE_CLIENT | ROLE_ADMIN, &key, &err), -1);
    assert_non_null(strstr(err.text, "several"));
    assert_int_equal(key_find(in("anna.key"), ROLE_CLIENT | ROLE_ADMIN, &key, &err), 0);
    assert_int_equal(key_find(in("anna.key"), ROLE_WORKER, &key, &err), -1);
    const char *net = "tcp://192.0.2.1:7117", *here = "tcp://127.0.0.1:7117";
    assert_int_equal(key_for(net, folder, ROLE_WORKER, &key, &have, &err), 0);
    assert_true(have);
    assert_int_equal(key_for("ipc:///tmp/x", folder, ROLE_WORKER, &key, &have, &err), 0);
    assert_false(have);
    assert_int_equal(key_for(net, KEYS_NONE, ROLE_WORKER, &key, &have, &err), 0);
    assert_false(have);
    char config[128];
    snprintf(config, sizeof config, "%s/config/hillsweep", folder);
    assert_int_equal(system(strcat(strcpy((char[300]){0}, "mkdir -p "), config)), 0);
    snprintf(path, sizeof path, "%s/config", folder);
    setenv("XDG_CONFIG_HOME", path, 1);
    assert_int_equal(key_for(net, NULL, ROLE_WORKER, &key, &have, &err), 0);
    assert_false(have);
    snprintf(path, sizeof path,
             "cp -a %s/lab3.key %s/anna.key %s; mkdir %s/keys; mv %s/*.key %s/keys", folder, folder,
             config, config, config, config);
    assert_int_equal(system(path), 0);
    assert_int_equal(key_for(net, NULL, ROLE_WORKER, &key, &have, &err), 0);
    assert_true(have);
    assert_string_equal(key.name, "lab3");
    assert_int_equal(key_for(here, NULL, ROLE_WORKER, &key, &have, &err), 0);
    assert_false(have); /* beyond this machine only, unless it is said */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_is_made_and_read_back, setup, teardown),
        cmocka_unit_test(a_public_key_is_a_word),
        cmocka_unit_test_setup_teardown(a_key_that_others_may_read_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_key_file_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(names_are_files_names, setup, teardown),
        cmocka_unit_test_setup_teardown(the_list_says_who_may, setup, teardown),
        cmocka_unit_test_setup_teardown(a_broken_line_lets_nobody_in, setup, teardown),
        cmocka_unit_test_setup_teardown(a_list_that_is_not_read_whole_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(the_brokers_key_changes_in_two_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(the_key_that_fits_is_found, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
