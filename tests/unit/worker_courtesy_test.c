/* When a solver thread steps aside, with the time and the others made up. */
#include "courtesy.h"
#include "signs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MS 1000000LL

/* A core of 4 ms ticks that a thread shares with somebody: its clocks, and what others had. */
struct core {
    struct courtesy courtesy;
    int64_t wall, cpu, others, worked;
    bool nice;  /* what others do is */
    bool alone; /* nobody else runs while it rests */
};

static void somebody_runs(struct core *k, int64_t ns)
{
    k->wall += ns;
    k->others += k->nice ? 0 : ns;
}

static void work(struct core *k, int64_t ns)
{
    k->wall += ns;
    k->cpu += ns;
    k->worked += ns;
}

static int64_t ticks(const struct core *k)
{
    return k->others / (10 * MS) * 10 * MS;
}

/* As the pool's: at a yield; wait: how late it wakes up. Returns how often it rested. */
static int yield(struct core *k, int64_t wait)
{
    int rests = 0;
    for (bool worked = true; courtesy_crowded(&k->courtesy, worked, -1, k->wall, k->cpu);
         worked = false) {
        int64_t rest = courtesy_rest(&k->courtesy, ticks(k));
        assert_true(rest > 0 && rest <= 100 * MS);
        if (k->alone)
            k->wall += rest;
        else
            somebody_runs(k, rest);
        somebody_runs(k, wait);
        courtesy_rested(&k->courtesy, k->wall, ticks(k));
        rests++;
    }
    return rests;
}

static void nobody_is_disturbed_by_nobody(void **state)
{
    (void)state;
    struct core k = {0};
    for (int i = 0; i < 10000; i++) {
        work(&k, MS);
        somebody_runs(&k, MS / 2); /* interrupts, a small cyclic task */
        assert_int_equal(yield(&k, 0), 0);
    }
}

/* A loop begins, and every second it is at it: the thread has little of the core. */
static void others_have_the_core(void **state)
{
    (void)state;
    struct core k = {0};
    work(&k, 1000 * MS);
    yield(&k, 0);
    k.worked = 0;
    somebody_runs(&k, 4 * MS);
    work(&k, MS);
    assert_true(yield(&k, 4 * MS) > 0);
    for (int second = 0; second < 10; second++) {
        int64_t end = k.wall + 1000 * MS;
        k.worked = 0;
        while (k.wall < end) {
            work(&k, MS);
            yield(&k, 4 * MS);
        }
        assert_true(k.worked >= MS && k.worked <= 15 * MS);
    }
    /* And when they have gone it has the core back. */
    int64_t gone = k.wall;
    work(&k, MS);
    yield(&k, 0);
    assert_true(k.wall - gone <= 101 * MS);
    for (int i = 0; i < 1000; i++) {
        work(&k, MS);
        assert_int_equal(yield(&k, 0), 0);
    }
}

/* Another guest, or another virtual machine: a short rest a second, no more. */
static void nice_programs_are_no_others(void **state)
{
    (void)state;
    struct core k = {.nice = true};
    work(&k, 100 * MS);
    yield(&k, 0);
    int64_t began = k.wall;
    k.worked = 0;
    while (k.wall - began < 20000 * MS) {
        somebody_runs(&k, 4 * MS);
        for (int i = 0; i < 4; i++) {
            work(&k, MS);
            yield(&k, 4 * MS);
        }
    }
    assert_true(k.worked > 40 * (k.wall - began) / 100);
}

/* A broker, a browser: now and then a few milliseconds, over before the rest begins. */
static void who_is_soon_done_costs_little(void **state)
{
    (void)state;
    struct core k = {.alone = true};
    while (k.wall < 60000 * MS) {
        for (int i = 0; i < 97; i++) {
            work(&k, MS);
            yield(&k, 0);
        }
        somebody_runs(&k, 3 * MS);
    }
    assert_true(k.worked > 90 * k.wall / 100);
}

/* Where it cannot be seen who it was, somebody was there. */
static void who_is_not_known_counts(void **state)
{
    (void)state;
    struct courtesy c = {0};
    int64_t wall = 0;
    for (int i = 0; i < 5; i++) {
        wall += 5 * MS;
        assert_true(courtesy_crowded(&c, true, -1, wall, 0));
        wall += courtesy_rest(&c, -1);
        courtesy_rested(&c, wall, -1);
    }
}

/* A machine that shows how many wait: the thread works for `ns`, looking every quarter of a
 * millisecond; others_ns of a core go to programs that are not nice meanwhile and in its rests. */
struct machine {
    struct courtesy courtesy;
    int64_t wall, cpu, worked, rested;
    int rests;
    int waiting;   /* beside this thread, which does not wait */
    double others; /* cores of programs that are not nice */
};

static int64_t theirs(const struct machine *m)
{
    return (int64_t)(m->others * (double)m->wall) / (10 * MS) * 10 * MS;
}

static void work_on(struct machine *m, int64_t ns)
{
    int64_t end = m->wall + ns;
    while (m->wall < end) {
        m->wall += MS / 4;
        m->cpu += MS / 4;
        m->worked += MS / 4;
        for (bool worked = true;
             courtesy_crowded(&m->courtesy, worked, m->waiting, m->wall, m->cpu); worked = false) {
            int64_t rest = courtesy_rest(&m->courtesy, theirs(m));
            assert_true(rest > 0 && rest <= 100 * MS);
            m->wall += rest;
            m->rested += rest;
            m->rests++;
            courtesy_rested(&m->courtesy, m->wall, theirs(m));
        }
    }
}

static void who_waits_gets_the_core(void **state)
{
    (void)state;
    struct machine m = {.others = 2};
    work_on(&m, 1000 * MS);
    assert_int_equal(m.rested, 0);
    m.waiting = 1;
    work_on(&m, MS);
    assert_true(m.rested > 0 && m.worked <= 1001 * MS); /* within the millisecond */
    m.worked = m.rests = 0;
    work_on(&m, 10000 * MS);
    assert_true(m.rests <= 400); /* it does not wake up for nothing all the time */
    assert_true(m.worked >= 15 * MS && m.worked <= 50 * MS); /* a fifth of a per cent */
    m.waiting = 0;
    m.worked = m.rested = 0;
    work_on(&m, 1000 * MS);
    assert_true(m.rested <= 100 * MS && m.worked >= 900 * MS);
}

/* A timer's task on another core, seen by chance. */
static void who_is_there_for_a_moment_costs_nothing(void **state)
{
    (void)state;
    struct machine m = {.others = 0.1};
    for (int i = 0; i < 1000; i++) {
        m.waiting = 1;
        work_on(&m, MS / 4);
        m.waiting = 0;
        work_on(&m, 3 * MS);
    }
    assert_int_equal(m.rested, 0);
}

static void two_nice_programs_are_no_others_but_a_third_is(void **state)
{
    (void)state;
    struct machine m = {.waiting = 2};
    work_on(&m, 5000 * MS);
    assert_true(m.worked >= 4000 * MS);
    m.waiting = 3;
    m.others = 1;
    m.worked = 0;
    work_on(&m, 2000 * MS);
    assert_true(m.worked <= 40 * MS);
}

/* Waiting for work is no gap. */
static void a_pause_is_no_crowd(void **state)
{
    (void)state;
    struct courtesy c = {0};
    courtesy_begin(&c, 5000 * MS, 7 * MS);
    assert_false(courtesy_crowded(&c, true, -1, 5001 * MS, 8 * MS));
    assert_true(courtesy_crowded(&c, true, -1, 5005 * MS, 9 * MS));
}

static void others_of_one_core_are_read(void **state)
{
    (void)state;
    static const char stat[] = "cpu  9 9 9 9 9 9 9 0 0 0\n"
                               "cpu0 1 2 3 4 5 6 7 0 0 0\n"
                               "cpu1 100 50 20 999 8 1 2 77 0 0\n"
                               "intr 5\n";
    char path[] = "/tmp/hs-stat-XXXXXX", text[4 * STAT_BYTES];
    int fd = mkstemp(path);
    assert_int_equal(write(fd, stat, strlen(stat)), strlen(stat));
    int64_t tick = 1000000000 / sysconf(_SC_CLK_TCK);
    assert_true(signs_others_ns(fd, 0, text, sizeof text) == 17 * tick);
    assert_true(signs_others_ns(fd, 1, text, sizeof text) == 123 * tick);
    assert_true(signs_others_ns(fd, 2, text, sizeof text) == -1);
    assert_true(signs_others_ns(fd, -1, text, sizeof text) == 36 * tick);
    assert_true(signs_others_ns(-1, 0, text, sizeof text) == -1);
    close(fd);
    unlink(path);
}

static void the_runnable_are_read(void **state)
{
    (void)state;
    static const char loadavg[] = "0.85 1.27 1.52 3/86 16901\n";
    char path[] = "/tmp/hs-load-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, loadavg, strlen(loadavg)), strlen(loadavg));
    assert_int_equal(signs_runnable(fd), 3);
    assert_int_equal(ftruncate(fd, 12), 0);
    assert_int_equal(signs_runnable(fd), -1);
    assert_int_equal(signs_runnable(-1), -1);
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_disturbed_by_nobody),
        cmocka_unit_test(others_have_the_core),
        cmocka_unit_test(nice_programs_are_no_others),
        cmocka_unit_test(who_is_soon_done_costs_little),
        cmocka_unit_test(who_is_not_known_counts),
        cmocka_unit_test(who_waits_gets_the_core),
        cmocka_unit_test(who_is_there_for_a_moment_costs_nothing),
        cmocka_unit_test(two_nice_programs_are_no_others_but_a_third_is),
        cmocka_unit_test(a_pause_is_no_crowd),
        cmocka_unit_test(others_of_one_core_are_read),
        cmocka_unit_test(the_runnable_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
