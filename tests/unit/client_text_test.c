/* Durations, counts, the option table, "did you mean", configuration. */
#include "args.h"
#include "command.h"
#include "config.h"
#include "terminal.h"
#include "text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void durations_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"30s", 30000},
        {"500ms", 500},
        {"2min", 120000},
        {"1h30m", 5400000},
        {"1:30:00", 5400000},
        {"4:10", 250000},
        {"90", 90000},
        {"0.5s", 500},
        {"2d", 172800000},
        {"1h 5min", 3900000},
        {"1 h 5 min", 3900000},
        {"1.5", 1500},
        {"0s", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t ms = -1;
        struct err err;
        assert_int_equal(duration_parse(good[i].text, &ms, &err), 0);
        assert_int_equal(ms, good[i].ms);
    }
}

static void broken_durations_are_refused(void **state)
{
    static const char *const bad[] = {
        "",        "s",   "-5s", "5x", "1h1h", "1s1h",      "1:60",
        "1:2:3:4", "5s6", "1e3", "1:", "nan",  "5 parsecs", "99999999999999999999d"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ms;
        struct err err = {0};
        assert_int_equal(duration_parse(bad[i], &ms, &err), -1);
        assert_int_equal(err.code, ERR_USAGE);
    }
}

static void quantities_are_written(void **state)
{
    char out[TEXT_MAX];
    (void)state;
    assert_string_equal(count_format(0, out), "0");
    assert_string_equal(count_format(999, out), "999");
    assert_string_equal(count_format(1000, out), "1,000");
    assert_string_equal(count_format(UINT64_MAX, out), "18,446,744,073,709,551,615");
    assert_string_equal(duration_format(0.0871, out), "87 ms");
    assert_string_equal(duration_format(3.21, out), "3.2 s");
    assert_string_equal(duration_format(59.7, out), "1 min 00 s");
    assert_string_equal(duration_format(250, out), "4 min 10 s");
    assert_string_equal(duration_format(7500, out), "2 h 05 min");
    assert_string_equal(duration_format(-1, out), "?");
    assert_string_equal(rate_format(1250000, out), "1.25 M/s");
    assert_string_equal(rate_format(12, out), "12/s");
    assert_string_equal(bytes_format(13100000, out), "13.1 MB");
    assert_string_equal(bytes_format(512, out), "512 B");
}

static void integers_have_bounds(void **state)
{
    long n;
    struct err err;
    (void)state;
    assert_int_equal(integer_parse("-5", -10, 10, "x", &n, &err), 0);
    assert_int_equal(n, -5);
    assert_int_equal(integer_parse("11", -10, 10, "x", &n, &err), -1);
    assert_int_equal(integer_parse("1.5", -10, 10, "x", &n, &err), -1);
    assert_int_equal(integer_parse("", -10, 10, "x", &n, &err), -1);
    assert_int_equal(integer_parse("3x", -10, 10, "x", &n, &err), -1);
}

static const struct option_spec OWN[] = {
    {"output", 'o', "FILE", ""}, {"wait", 'w', NULL, ""}, {NULL, 0, NULL, NULL}};
static const struct option_spec GLOBAL[] = {{"json", 0, NULL, ""}, {NULL, 0, NULL, NULL}};

static int parse(struct args *args, struct err *err, int argc, const char *const *argv)
{
    return args_parse(argc, (char *const *)argv, OWN, GLOBAL, false, args, NULL, err);
}

static void options_and_words_mix(void **state)
{
    static const char *const argv[] = {"a", "-o",   "x",  "--json", "-5",
                                       "-", "-woy", "--", "-z",     "--output=k=v"};
    struct args args;
    struct err err;
    (void)state;
    assert_int_equal(parse(&args, &err, 10, argv), 0);
    assert_int_equal(args.word_count, 5);
    assert_string_equal(args.words[1], "-5");
    assert_string_equal(args.words[2], "-");
    assert_string_equal(args.words[3], "-z");
    assert_string_equal(args.words[4], "--output=k=v");
    assert_true(args_has(&args, "json"));
    assert_true(args_has(&args, "wait"));
    assert_string_equal(args_value(&args, "output"), "y"); /* the last one counts */

    static const char *const equals[] = {"--output=k=v"};
    assert_int_equal(parse(&args, &err, 1, equals), 0);
    assert_string_equal(args_value(&args, "output"), "k=v");
}

static void wrong_options_are_explained(void **state)
{
    static const char *const unknown[] = {"--outptu", "x"}, *const none[] = {"--output"},
                             *const too_much[] = {"--wait=1"}, *const letter[] = {"-k"};
    struct args args;
    struct err err;
    (void)state;
    assert_int_equal(parse(&args, &err, 2, unknown), -1);
    assert_int_equal(err.code, ERR_USAGE);
    assert_string_equal(err.hint, "did you mean --output?");
    assert_int_equal(parse(&args, &err, 1, none), -1);
    assert_int_equal(parse(&args, &err, 1, too_much), -1);
    assert_int_equal(parse(&args, &err, 1, letter), -1);
}

static void every_command_explains_itself(void **state)
{
    (void)state;
    for (const struct command *c = command_table(); c->name; c++) {
        assert_non_null(c->summary);
        assert_non_null(c->run);
        assert_true(c->least_words <= c->most_words);
        char example[64], *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        command_help(c, out);
        fclose(out);
        snprintf(example, sizeof example, "Examples:\n  hillsweep %s", c->name);
        assert_memory_equal(text, example, strlen(example));
        free(text);
    }
}

static void a_near_command_is_suggested(void **state)
{
    const struct command *c;
    struct err err;
    (void)state;
    assert_int_equal(command_find("submit", &c, &err), 0);
    assert_string_equal(c->name, "submit");
    assert_int_equal(command_find("sumbit", &c, &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
    assert_string_equal(err.hint, "did you mean hillsweep submit?");
}

static void terminals_are_told_apart(void **state)
{
    static const struct {
        struct terminal_signs signs;
        struct terminal is;
    } cases[] = {
        {{.is_tty = true, .width = 100, .height = 30, .term = "xterm"},
         {true, false, COLOURS_16, 100, 30}},
        {{.is_tty = true, .term = "dumb"}, {false, false, COLOURS_NONE, 80, 24}},
        {{.is_tty = true}, {false, false, COLOURS_NONE, 80, 24}},
        {{.term = "xterm"}, {false, false, COLOURS_NONE, 80, 24}}, /* a pipe */
        {{.is_tty = true, .term = "xterm-256color", .locale = "de_DE.UTF-8"},
         {true, true, COLOURS_256, 80, 24}},
        {{.is_tty = true, .term = "xterm-256color", .colorterm = "truecolor", .locale = "C.utf8"},
         {true, true, COLOURS_TRUE, 80, 24}},
        {{.is_tty = true, .term = "xterm-direct", .locale = "C"},
         {true, false, COLOURS_TRUE, 80, 24}},
        {{.is_tty = true, .term = "xterm", .no_color = "1", .clicolor_force = "1"},
         {true, false, COLOURS_NONE, 80, 24}},
        {{.is_tty = true, .term = "xterm", .no_color = "", .clicolor = "0"},
         {true, false, COLOURS_NONE, 80, 24}},
        {{.is_tty = true, .term = "xterm", .clicolor = "0", .clicolor_force = "1"},
         {true, false, COLOURS_16, 80, 24}},
        {{.term = "dumb", .clicolor_force = "1"}, {false, false, COLOURS_16, 80, 24}},
        {{.term = "dumb", .clicolor_force = "0"}, {false, false, COLOURS_NONE, 80, 24}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct terminal t = terminal_decide(&cases[i].signs), is = cases[i].is;
        assert_int_equal(t.redraw, is.redraw);
        assert_int_equal(t.unicode, is.unicode);
        assert_int_equal(t.colours, is.colours);
        assert_int_equal(t.width, is.width);
        assert_int_equal(t.height, is.height);
    }
}

static char *write_file(const char *text)
{
    static char path[2][64];
    static int next;
    char *name = path[next++ % 2];
    snprintf(name, 64, "/tmp/hillsweep-config-XXXXXX");
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return name;
}

static void the_nearer_setting_wins(void **state)
{
    struct config c;
    struct err err;
    (void)state;
    char *user = write_file("# mine\n\n  broker = tcp://user:1  # a comment\n");
    char *machine = write_file("broker=tcp://machine:2\nkeys = /machine/keys\n");
    struct config_places p = {"tcp://flag:3", "tcp://environment:4", user, machine, NULL, ""};
    assert_int_equal(config_read(&p, &c, &err), 0);
    assert_string_equal(c.broker, "tcp://flag:3");
    p.flag = NULL;
    assert_int_equal(config_read(&p, &c, &err), 0);
    assert_string_equal(c.broker, "tcp://environment:4");
    p.environment = "";
    assert_int_equal(config_read(&p, &c, &err), 0);
    assert_string_equal(c.broker, "tcp://user:1");
    assert_string_equal(c.from, user);
    assert_string_equal(c.keys, "/machine/keys"); /* each setting by itself */
    p.keys_environment = "/environment/keys";
    assert_int_equal(config_read(&p, &c, &err), 0);
    assert_string_equal(c.keys, "/environment/keys");
    p.keys_flag = "anna.key";
    assert_int_equal(config_read(&p, &c, &err), 0);
    assert_string_equal(c.keys, "anna.key");
    p.user_file = "/nonexistent/config";
    assert_int_equal(config_read(&p, &c, &err), 0);
    assert_string_equal(c.broker, "tcp://machine:2");
    p.machine_file = NULL;
    assert_int_equal(config_read(&p, &c, &err), 0);
    assert_string_equal(c.broker, CONFIG_DEFAULT_BROKER);
    unlink(user);
    unlink(machine);
}

static void broken_settings_are_refused(void **state)
{
    static const char *const bad[] = {"brokr = tcp://x:1\n", "broker tcp://x:1\n", "broker =\n",
                                      "keys =\n"};
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct config c;
        struct err err = {0};
        char *file = write_file(bad[i]);
        struct config_places p = {.user_file = file};
        assert_int_equal(config_read(&p, &c, &err), -1);
        assert_int_equal(err.code, ERR_USAGE);
        assert_non_null(strstr(err.text, file));
        unlink(file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(broken_durations_are_refused),
        cmocka_unit_test(quantities_are_written),
        cmocka_unit_test(integers_have_bounds),
        cmocka_unit_test(options_and_words_mix),
        cmocka_unit_test(wrong_options_are_explained),
        cmocka_unit_test(every_command_explains_itself),
        cmocka_unit_test(a_near_command_is_suggested),
        cmocka_unit_test(terminals_are_told_apart),
        cmocka_unit_test(the_nearer_setting_wins),
        cmocka_unit_test(broken_settings_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
