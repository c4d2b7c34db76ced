/* What `run` stands on: children, the private folder, the folder of results. */
#include "children.h"
#include "jobfile.h"
#include "origin.h"
#include "rundir.h"
#include "runfolder.h"
#include "submit.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char JOB[] =
    "{\"name\": \"test\", \"w\": {\"is\": \"cos(2*t)\", \"t\": [0, 12]},"
    " \"z\": {\"start\": [1, 0], \"t\": {\"from\": 0, \"to\": 10, \"count\": 11}},"
    " \"grid\": {\"q\": {\"from\": 0, \"to\": 4, \"count\": 3},"
    "            \"a\": {\"from\": -2, \"to\": 7, \"count\": 4}},"
    " \"output\": {\"F\": \"1 + z(t[5])\"}, \"tolerance\": 1e-9}";

static int make_folder(void **state)
{
    char *folder = strdup("/tmp/hillsweep-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    *state = folder;
    return 0;
}

static int remove_folder(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", (char *)*state);
    free(*state);
    return system(command);
}

static const char *in(const char *folder, const char *name)
{
    static char path[4][256];
    static unsigned next;
    char *out = path[next++ % 4];
    snprintf(out, 256, "%s/%s", folder, name);
    return out;
}

static void write_file(const char *path, const void *data, size_t len)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, len, out), len);
    fclose(out);
}

/* --- children -----------------------------------------------------------------------------------
 */

static void start_shell(struct child *child, const char *script, const struct child_files *files)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct err err;
    *child = (struct child){.output_fd = -1};
    assert_int_equal(child_start(child, argv, files, &err), 0);
}

static const struct child_files NOTHING = {-1, -1, -1, -1};

static void an_end_is_told_with_the_last_words(void **state)
{
    struct child child;
    struct err err;
    (void)state;
    start_shell(&child, "echo first; echo 'sh: no room left' >&2; exit 11", &NOTHING);
    child_await(&child, 10000);
    child_error(&child, &err);
    assert_int_equal(err.code, ERR_STORAGE);
    assert_string_equal(err.text, "sh: no room left");

    start_shell(&child, "kill -KILL $$", &NOTHING);
    child_await(&child, 10000);
    child_error(&child, &err);
    assert_int_equal(err.code, ERR_OTHER);
    assert_non_null(strstr(err.text, "signal 9"));
}

/* Some shells and services start programs so. */
static void an_end_is_told_where_ends_are_ignored(void **state)
{
    struct child child;
    struct err err;
    (void)state;
    signal(SIGCHLD, SIG_IGN);
    start_shell(&child, "exit 11", &NOTHING);
    child_await(&child, 10000);
    child_error(&child, &err);
    assert_int_equal(err.code, ERR_STORAGE);
    signal(SIGCHLD, SIG_DFL);
}

static void only_the_end_of_much_talk_is_kept(void **state)
{
    struct child child;
    struct err err;
    (void)state;
    start_shell(&child, "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; exit 1",
                &NOTHING);
    child_await(&child, 10000);
    child_error(&child, &err);
    assert_string_equal(err.text, "sh: line 1999");
}

static void a_child_that_stays_is_killed(void **state)
{
    struct child child;
    int ready[2];
    char byte;
    (void)state;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    struct child_files files = {-1, -1, -1, ready[1]};
    start_shell(&child, "trap '' TERM; echo >&4; while :; do sleep 1; done", &files);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    assert_int_not_equal(getpgid(child.pid), getpgrp());
    child_signal(&child, SIGTERM);
    child_await(&child, 50);
    assert_int_equal(child.pid, 0);
    assert_true(WIFSIGNALED(child.wait_status) && WTERMSIG(child.wait_status) == SIGKILL);
}

/* The end of the lifeline is seen although the client has other descriptors at those numbers. */
static void the_lifeline_is_inherited(void **state)
{
    int ends[2];
    struct child child;
    struct err err;
    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct child_files files = {-1, -1, ends[0], ends[1]};
    start_shell(&child, "exec 4>&-; read x <&3; [ ! -e /proc/self/fd/11 ] && exit 10", &files);
    assert_false(child_ended(&child));
    close(ends[1]);
    child_await(&child, 10000);
    child_error(&child, &err);
    assert_int_equal(err.code, ERR_CANCELLED); /* 10 */
    close(ends[0]);
}

static void a_missing_program_is_named(void **state)
{
    const char *argv[] = {"hillsweep-nonesuch", NULL};
    struct child child = {.output_fd = -1};
    struct err err;
    (void)state;
    assert_int_equal(child_start(&child, argv, &NOTHING, &err), -1);
    assert_non_null(strstr(err.text, "hillsweep-nonesuch"));
    assert_int_equal(child.pid, 0);
}

/* --- the private folder
 * --------------------------------------------------------------------------- */

static void the_private_folder_is_private(void **state)
{
    struct rundir dir;
    struct err err;
    struct stat st;
    setenv("XDG_RUNTIME_DIR", *state, 1);
    assert_int_equal(rundir_create(&dir, &err), 0);
    assert_memory_equal(dir.path, *state, strlen(*state));
    assert_int_equal(stat(dir.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_memory_equal(dir.endpoint, "ipc://", 6);
    assert_true(strlen(dir.endpoint + 6) <= 100);
    rundir_sweep(*state); /* it lives */
    assert_int_equal(access(dir.path, F_OK), 0);
    rundir_remove(&dir);
    assert_int_equal(access(dir.path, F_OK), -1);
    unsetenv("XDG_RUNTIME_DIR");
}

static void a_long_or_strange_place_is_not_taken(void **state)
{
    struct rundir dir;
    struct err err;
    char deep[200];
    snprintf(deep, sizeof deep, "%s/a-folder-whose-name-is-too-long-for-the-address-of-a-socket",
             (char *)*state);
    assert_int_equal(mkdir(deep, 0700), 0);
    setenv("XDG_RUNTIME_DIR", deep, 1);
    assert_int_equal(rundir_create(&dir, &err), 0);
    assert_memory_equal(dir.path, "/tmp/", 5);
    rundir_remove(&dir);
    unsetenv("XDG_RUNTIME_DIR");
}

static void the_folders_of_the_dead_are_swept(void **state)
{
    const char *here = *state;
    assert_int_equal(mkdir(in(here, "hillsweep-run.dead00"), 0700), 0);
    write_file(in(here, "hillsweep-run.dead00/lock"), "", 0);
    write_file(in(here, "hillsweep-run.dead00/broker"), "", 0);
    assert_int_equal(mkdir(in(here, "other"), 0700), 0);
    write_file(in(here, "other/lock"), "", 0);
    assert_int_equal(symlink(in(here, "other"), in(here, "hillsweep-run.link00")), 0);
    rundir_sweep(here);
    assert_int_equal(access(in(here, "hillsweep-run.dead00"), F_OK), -1);
    assert_int_equal(access(in(here, "other/lock"), F_OK), 0);
}

/* --- the folder of results
 * -------------------------------------------------------------------------- */

static void read_job(const char *folder, const char *text, struct jobfile *job)
{
    struct err err;
    const char *path = in(folder, "input.json");
    write_file(path, text, strlen(text));
    assert_int_equal(jobfile_read(path, job, &err), 0);
}

static void the_default_folder_lies_beside_the_job(void **state)
{
    char out[RUNFOLDER_PATH_MAX];
    (void)state;
    runfolder_default("jobs/driven.json", out);
    assert_string_equal(out, "jobs/driven");
    runfolder_default("driven", out);
    assert_string_equal(out, "driven.results");
    runfolder_default("jobs/.json", out);
    assert_string_equal(out, "jobs/.json.results");
}

static void a_folder_keeps_its_job(void **state)
{
    struct jobfile job, other;
    struct runfolder f, second;
    struct err err;
    char changed[sizeof JOB];
    const char *out = in(*state, "new/out");
    read_job(*state, JOB, &job);
    strcpy(changed, JOB);
    *strstr(changed, "7,") = '8';
    read_job(*state, changed, &other);

    assert_int_equal(runfolder_open(out, &job, &f, &err), 0);
    assert_int_equal(f.state, RUNFOLDER_FRESH);
    assert_int_equal(runfolder_busy(f.path), 1);
    assert_int_equal(runfolder_open(f.path, &job, &second, &err), -1);
    assert_int_equal(err.code, ERR_STORAGE);
    runfolder_close(&f);
    assert_int_equal(runfolder_busy(f.path), 0);

    write_file(in(f.path, "job.json"), job.canonical.data, job.canonical.len);
    assert_int_equal(runfolder_open(f.path, &job, &second, &err), 0);
    assert_int_equal(second.state, RUNFOLDER_BEGUN);
    runfolder_close(&second);
    assert_int_equal(runfolder_open(f.path, &other, &second, &err), -1);
    assert_int_equal(err.code, ERR_JOB_REFUSED);
    assert_non_null(strstr(err.text, "another job"));

    static char status[4096 + 12];
    memset(status + 4096, 1, 12);
    status[4096 + 5] = 0; /* a damaged tile that was not computed again yet */
    write_file(in(f.path, "status.npy"), status, sizeof status);
    write_file(in(f.path, "F.npy"), "", 0);
    assert_int_equal(runfolder_open(f.path, &job, &second, &err), 0);
    assert_int_equal(second.state, RUNFOLDER_BEGUN);
    assert_int_equal(runfolder_busy(f.path), 1);
    runfolder_close(&second);
    status[4096 + 5] = 2;
    write_file(in(f.path, "status.npy"), status, sizeof status);
    assert_int_equal(runfolder_open(f.path, &job, &second, &err), 0);
    assert_int_equal(second.state, RUNFOLDER_DONE);
    assert_int_equal(second.points_failed, 1);
    runfolder_close(&second);
    jobfile_fini(&job);
    jobfile_fini(&other);
}

static void strange_files_are_not_overwritten(void **state)
{
    struct jobfile job;
    struct runfolder f;
    struct err err;
    read_job(*state, JOB, &job);
    write_file(in(*state, "F.npy"), "precious", 8);
    assert_int_equal(runfolder_open(*state, &job, &f, &err), -1);
    assert_int_equal(err.code, ERR_JOB_REFUSED);
    unlink(in(*state, "F.npy"));
    write_file(in(*state, "G.npy"), "precious", 8);
    assert_int_equal(runfolder_open(*state, &job, &f, &err), 0);
    runfolder_close(&f);
    assert_int_equal(runfolder_open(in(*state, "input.json"), &job, &f, &err), -1);
    jobfile_fini(&job);
}

static void the_key_of_a_job_is_its_own(void **state)
{
    struct jobfile job, same, other;
    char changed[sizeof JOB];
    read_job(*state, JOB, &job);
    read_job(*state, JOB, &same);
    strcpy(changed, JOB);
    *strstr(changed, "7,") = '8';
    read_job(*state, changed, &other);
    assert_true(submit_key_of(&job) == submit_key_of(&same));
    assert_true(submit_key_of(&job) != submit_key_of(&other));
    jobfile_fini(&job);
    jobfile_fini(&same);
    jobfile_fini(&other);
}

/* --- results of a folder
 * --------------------------------------------------------------------------- */

static void write_grid(const char *path, const char *type, size_t item, const void *data)
{
    static char file[4096 + 12 * 8];
    memset(file, ' ', 4096);
    memcpy(file, "\x93NUMPY\1\0\xf6\x0f", 10);
    int n = snprintf(file + 10, 4086, "{'descr': '%s', 'fortran_order': False, 'shape': (3, 4), }",
                     type);
    file[10 + n] = ' ';
    file[4095] = '\n';
    memcpy(file + 4096, data, 12 * item);
    write_file(path, file, 4096 + 12 * item);
}

static void a_folder_tells_which_rows_are_done(void **state)
{
    static const double values[12] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const uint8_t status[12] = {1, 1, 2, 1, 1, 4, 3, 1, 1, 0, 1, 1},
                         all[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    struct jobfile job;
    struct origin o;
    struct err err;
    struct buf data = {0};
    uint64_t offset;
    read_job(*state, JOB, &job);
    write_file(in(*state, "job.json"), job.canonical.data, job.canonical.len);
    write_grid(in(*state, "F.partial.npy"), "<f8", 8, values);
    write_grid(in(*state, "status.npy"), "|u1", 1, status);

    assert_int_equal(origin_open_folder(*state, &o, &err), 0);
    assert_int_equal(o.rows_done, 2);
    assert_false(o.final);
    assert_true(view_ended(&o.view)); /* nobody works on it */
    assert_int_equal(origin_head(&o, "F.npy", 'f', 8, &offset, NULL, &err), 0);
    assert_int_equal(offset, 4096);
    assert_int_equal(origin_read(&o, "F.npy", offset, 64, &data, &err), 0);
    assert_memory_equal(data.data, values, 64);
    assert_int_equal(origin_read(&o, "F.npy", offset + 95, 2, &data, &err), -1);
    assert_int_equal(err.code, ERR_STORAGE);
    assert_int_equal(origin_head(&o, "F.npy", 'u', 1, &offset, NULL, &err), -1);

    write_grid(in(*state, "status.npy"), "|u1", 1, all);
    assert_int_equal(rename(in(*state, "F.partial.npy"), in(*state, "F.npy")), 0);
    assert_int_equal(origin_refresh(&o, &err), 0);
    assert_true(o.final);
    assert_int_equal(o.rows_done, 3);
    origin_close(&o);
    buf_fini(&data);
    jobfile_fini(&job);
    assert_int_equal(origin_open_folder("/nonexistent", &o, &err), -1);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_is_told_with_the_last_words),
        cmocka_unit_test(an_end_is_told_where_ends_are_ignored),
        cmocka_unit_test(only_the_end_of_much_talk_is_kept),
        cmocka_unit_test(a_child_that_stays_is_killed),
        cmocka_unit_test(the_lifeline_is_inherited),
        cmocka_unit_test(a_missing_program_is_named),
        IN_FOLDER(the_private_folder_is_private),
        IN_FOLDER(a_long_or_strange_place_is_not_taken),
        IN_FOLDER(the_folders_of_the_dead_are_swept),
        cmocka_unit_test(the_default_folder_lies_beside_the_job),
        IN_FOLDER(a_folder_keeps_its_job),
        IN_FOLDER(strange_files_are_not_overwritten),
        IN_FOLDER(the_key_of_a_job_is_its_own),
        IN_FOLDER(a_folder_tells_which_rows_are_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
