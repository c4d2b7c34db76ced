/* When a guest rests: the signs of others, read from a machine made of files, and the rules. */
#include "rules.h"
#include "signs.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* --- a machine of files --------------------------------------------------------------------- */

struct machine {
    char root[32];
    struct signs_reader *reader;
    int64_t now_ms;
};

static void put(const struct machine *m, const char *path, const char *text)
{
    char full[256];
    snprintf(full, sizeof full, "%s%s", m->root, path);
    for (char *at = full + strlen(m->root) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(full, 0700);
        *at = '/';
    }
    FILE *f = fopen(full, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Read so many seconds ago; whoever writes to it does not touch that. */
static void touch(const struct machine *m, const char *path, int seconds_ago)
{
    char full[256];
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};
    snprintf(full, sizeof full, "%s%s", m->root, path);
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= seconds_ago;
    assert_int_equal(utimensat(AT_FDCWD, full, times, 0), 0);
}

static void put_stat(const struct machine *m, int user, int nice, int system, int idle)
{
    char text[128];
    snprintf(text, sizeof text, "cpu  %d %d %d %d 0 0 0 0 0 0\ncpu0 1 1 1 1\n", user, nice, system,
             idle);
    put(m, "/proc/stat", text);
}

static void put_pressure(const struct machine *m, const char *path, int total_us)
{
    char text[200];
    snprintf(text, sizeof text,
             "some avg10=0.00 avg60=0.00 avg300=0.00 total=%d\n"
             "full avg10=0.00 avg60=0.00 avg300=0.00 total=99999999\n",
             total_us);
    put(m, path, text);
}

static struct signs look(struct machine *m)
{
    struct signs s = signs_read(m->reader, m->now_ms);
    m->now_ms += SIGNS_PERIOD_MS;
    return s;
}

static int setup(void **state)
{
    struct machine *m = calloc(1, sizeof *m);
    strcpy(m->root, "/tmp/hs-signs-XXXXXX");
    if (!mkdtemp(m->root))
        return -1;
    m->reader = signs_open(m->root);
    m->now_ms = 1000;
    *state = m;
    return 0;
}

static int teardown(void **state)
{
    struct machine *m = *state;
    char command[64];
    signs_close(m->reader);
    snprintf(command, sizeof command, "rm -r %s", m->root);
    int rc = system(command);
    free(m);
    return rc;
}

/* --- signs ---------------------------------------------------------------------------------- */

static void a_machine_that_shows_nothing_is_nobodys(void **state)
{
    for (int i = 0; i < 4; i++) {
        struct signs s = look(*state);
        assert_true(isinf(s.owner_idle_s));
        assert_true(s.others == 0 && s.cpu_wait == 0 && s.memory_wait == 0);
        assert_false(s.on_battery);
    }
}

static void load_is_that_of_others(void **state)
{
    struct machine *m = *state;
    put_stat(m, 1000, 0, 0, 1000);
    assert_true(look(m).others == 0); /* there is nothing to compare with */
    put_stat(m, 1030, 0, 10, 1010);
    assert_true(fabs(look(m).others - 40.0 / 50) < 1e-12);
    put_stat(m, 1030, 50, 10, 1010); /* nice time is a guest's */
    assert_true(fabs(look(m).others - 40.0 / 100) < 1e-12);
    put_stat(m, 1030, 100, 10, 1010);
    assert_true(look(m).others == 0); /* the window is two readings long */
    put_stat(m, 900, 100, 10, 1010);
    assert_true(look(m).others == 0); /* a counter that went back tells nothing */
}

static void waits_are_shares_of_the_time(void **state)
{
    struct machine *m = *state;
    put_pressure(m, "/proc/pressure/cpu", 0);
    put_pressure(m, "/proc/pressure/memory", 500);
    look(m);
    put_pressure(m, "/proc/pressure/cpu", 100000);
    put_pressure(m, "/proc/pressure/memory", 25500);
    struct signs s = look(m);
    assert_true(fabs(s.cpu_wait - 0.4) < 1e-9);
    assert_true(fabs(s.memory_wait - 0.1) < 1e-9);
    look(m);
    s = look(m);
    assert_true(s.cpu_wait == 0 && s.memory_wait == 0);
}

static void the_owner_types(void **state)
{
    struct machine *m = *state;
    put(m, "/dev/pts/ptmx", "");
    touch(m, "/dev/pts/ptmx", 0); /* no terminal */
    put(m, "/dev/pts/3", "");
    touch(m, "/dev/pts/3", 500);
    assert_true(fabs(look(m).owner_idle_s - 500) <= 2);
    put(m, "/dev/tty2", "");
    touch(m, "/dev/tty2", 20);
    assert_true(fabs(look(m).owner_idle_s - 20) <= 2);
    touch(m, "/dev/tty2", -3600); /* the clock was set back since */
    assert_true(fabs(look(m).owner_idle_s - 500) <= 2);
}

static void the_owner_moves_a_pointer(void **state)
{
    struct machine *m = *state;
    const char *before = "           CPU0       CPU1\n"
                         "  1:          9          0   IO-APIC   1-edge      i8042\n"
                         " 24:       1000       1000   PCI-MSI   xhci_hcd\n"
                         " 51:         70          2   IR-IO-APIC  51-fasteoi   ELAN0672:00\n"
                         "NMI:          0          0   Non-maskable interrupts\n";
    const char *disk = "           CPU0       CPU1\n"
                       "  1:          9          0   IO-APIC   1-edge      i8042\n"
                       " 24:       2000       1000   PCI-MSI   xhci_hcd\n"
                       " 51:         70          2   IR-IO-APIC  51-fasteoi   ELAN0672:00\n";
    const char *touched = "           CPU0       CPU1\n"
                          "  1:          9          0   IO-APIC   1-edge      i8042\n"
                          " 24:       2000       1000   PCI-MSI   xhci_hcd\n"
                          " 51:         70          3   IR-IO-APIC  51-fasteoi   ELAN0672:00\n";
    put(m, "/proc/interrupts", before);
    assert_true(isinf(look(m).owner_idle_s));
    put(m, "/proc/interrupts", disk);
    assert_true(isinf(look(m).owner_idle_s));
    put(m, "/proc/interrupts", touched);
    assert_true(look(m).owner_idle_s == 0);
    assert_true(look(m).owner_idle_s == SIGNS_PERIOD_MS / 1000.0);
}

static void a_lit_screen_of_a_session_is_its_owner(void **state)
{
    struct machine *m = *state;
    put(m, "/sys/class/drm/card0-HDMI-A-1/status", "connected\n");
    put(m, "/sys/class/drm/card0-HDMI-A-1/dpms", "On\n");
    assert_true(isinf(look(m).owner_idle_s)); /* a screen, but nobody is logged in */
    put(m, "/run/systemd/seats/seat0", "IS_SEAT0=1\nCAN_GRAPHICAL=1\nACTIVE=2\nACTIVE_UID=1000\n");
    assert_true(look(m).owner_idle_s == 0);
    put(m, "/sys/class/drm/card0-HDMI-A-1/dpms", "Off\n");
    assert_true(isinf(look(m).owner_idle_s));
}

static void a_battery_counts_when_nothing_feeds_it(void **state)
{
    struct machine *m = *state;
    put(m, "/sys/class/power_supply/hidpp_battery_0/type", "Battery\n");
    put(m, "/sys/class/power_supply/hidpp_battery_0/scope", "Device\n");
    put(m, "/sys/class/power_supply/hidpp_battery_0/status", "Discharging\n");
    assert_false(look(m).on_battery); /* the mouse's */
    put(m, "/sys/class/power_supply/BAT0/type", "Battery\n");
    put(m, "/sys/class/power_supply/BAT0/status", "Discharging\n");
    assert_true(look(m).on_battery);
    put(m, "/sys/class/power_supply/AC/type", "Mains\n");
    put(m, "/sys/class/power_supply/AC/online", "0\n");
    assert_true(look(m).on_battery);
    put(m, "/sys/class/power_supply/AC/online", "1\n");
    assert_false(look(m).on_battery);
    put(m, "/sys/class/power_supply/AC/online", "0\n");
    put(m, "/sys/class/power_supply/BAT0/status", "Charging\n");
    assert_false(look(m).on_battery);
}

/* --- rules ---------------------------------------------------------------------------------- */

static const struct signs nobody = {.owner_idle_s = INFINITY};

static struct rules parsed(const char *text)
{
    struct rules rules;
    struct err err;
    if (rules_parse(text, &rules, &err))
        fail_msg("%s", err.text);
    return rules;
}

static void rules_are_read(void **state)
{
    static const char *const wrong[] = {
        "",           "owner,",     "owners",       "owner=",     "load=0%",    "load=101%",
        "memory=10s", "battery=5%", "owner=x",      "none,owner", "load = 20%", "owner=1e9",
        "cpu=nan",    "load=-5%",   "owner=60s 10", "=5"};
    (void)state;
    struct rules r = parsed("owner=90,load=25%,battery");
    assert_true(r.used[RULE_OWNER] && r.used[RULE_LOAD] && r.used[RULE_BATTERY]);
    assert_false(r.used[RULE_CPU] || r.used[RULE_MEMORY]);
    assert_true(r.threshold[RULE_OWNER] == 90 && r.threshold[RULE_LOAD] == 0.25);
    assert_false(r.resting);
    r = parsed("none");
    assert_false(rules_any(&r) || r.used[RULE_CORE]);
    r = parsed("core");
    assert_true(r.used[RULE_CORE] && !rules_any(&r));
    r = parsed("all");
    for (int i = 0; i < RULE_COUNT; i++)
        assert_true(r.used[i]);
    assert_true(r.threshold[RULE_OWNER] == 60 && r.threshold[RULE_MEMORY] == 0.1);
    r = parsed(RULES_DEFAULT);
    assert_true(rules_any(&r) && r.used[RULE_CORE]);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err err = {0};
        if (rules_parse(wrong[i], &r, &err) == 0)
            fail_msg("\"%s\" was taken for rules", wrong[i]);
        assert_int_equal(err.code, ERR_USAGE);
        assert_true(err.hint[0] != '\0');
    }
}

static void each_rule_holds_for_its_own_sign(void **state)
{
    static const struct {
        const char *rule, *word;
        struct signs signs;
    } cases[RULE_CORE] = {
        {"owner=60s", "owner", {.owner_idle_s = 59}},
        {"load=50%", "51% of its processor", {.owner_idle_s = INFINITY, .others = 0.51}},
        {"cpu=50%", "processor 60%", {.owner_idle_s = INFINITY, .cpu_wait = 0.6}},
        {"memory=10%", "memory 11%", {.owner_idle_s = INFINITY, .memory_wait = 0.11}},
        {"battery", "battery", {.owner_idle_s = INFINITY, .on_battery = true}},
    };
    (void)state;
    for (int r = 0; r < RULE_CORE; r++) {
        for (int s = 0; s < RULE_CORE; s++) {
            struct rules rules = parsed(cases[r].rule);
            const char *why = rules_judge(&rules, &cases[s].signs, 0);
            if ((why != NULL) != (r == s))
                fail_msg("rule %s, sign of %s: %s", cases[r].rule, cases[s].rule, why ? why : "-");
            if (why && !strstr(why, cases[r].word))
                fail_msg("rule %s says \"%s\"", cases[r].rule, why);
        }
        struct rules rules = parsed(cases[r].rule);
        assert_null(rules_judge(&rules, &nobody, 0));
    }
}

static void it_goes_on_when_all_has_been_calm(void **state)
{
    (void)state;
    struct rules rules = parsed("load=50%,battery");
    struct signs loaded = {.owner_idle_s = INFINITY, .others = 0.9}, drained = nobody;
    drained.on_battery = true;
    assert_null(rules_judge(&rules, &nobody, 0));
    assert_non_null(rules_judge(&rules, &loaded, 250));
    assert_non_null(rules_judge(&rules, &nobody, 500));
    assert_non_null(rules_judge(&rules, &drained, 4000)); /* counts from here again */
    assert_non_null(rules_judge(&rules, &nobody, 8999));
    assert_null(rules_judge(&rules, &nobody, 9000));
    assert_non_null(rules_judge(&rules, &drained, 9250));
    assert_string_equal(rules_judge(&rules, &drained, 9500), "it runs on its battery");
}

#define ON_MACHINE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MACHINE(a_machine_that_shows_nothing_is_nobodys),
        ON_MACHINE(load_is_that_of_others),
        ON_MACHINE(waits_are_shares_of_the_time),
        ON_MACHINE(the_owner_types),
        ON_MACHINE(the_owner_moves_a_pointer),
        ON_MACHINE(a_lit_screen_of_a_session_is_its_owner),
        ON_MACHINE(a_battery_counts_when_nothing_feeds_it),
        cmocka_unit_test(rules_are_read),
        cmocka_unit_test(each_rule_holds_for_its_own_sign),
        cmocka_unit_test(it_goes_on_when_all_has_been_calm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
