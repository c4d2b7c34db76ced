/* See ncfile.h. */
#include "ncfile.h"

#include "buf.h"

#include <dlfcn.h>
#include <math.h>
#include <netcdf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* --- the library ----------------------------------------------------------------------------- */

#define FUNCTIONS(X)                                                                               \
    X(nc_create)                                                                                   \
    X(nc_def_dim)                                                                                  \
    X(nc_def_var)                                                                                  \
    X(nc_def_var_fill)                                                                             \
    X(nc_put_att_text)                                                                             \
    X(nc_put_att_double)                                                                           \
    X(nc_put_att_ubyte)                                                                            \
    X(nc_enddef)                                                                                   \
    X(nc_put_var_double)                                                                           \
    X(nc_put_vara_double)                                                                          \
    X(nc_put_vara_float)                                                                           \
    X(nc_put_vara_uchar)                                                                           \
    X(nc_close)                                                                                    \
    X(nc_strerror)

struct library {
    void *handle;
#define MEMBER(name) __typeof__(name) *name;
    FUNCTIONS(MEMBER)
#undef MEMBER
};

static int library_open(struct library *lib, struct err *err)
{
    static const char *const NAMES[] = {"libnetcdf.so.19", "libnetcdf.so.22", "libnetcdf.so"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0] && !lib->handle; i++)
        lib->handle = dlopen(NAMES[i], RTLD_NOW | RTLD_LOCAL);
    if (!lib->handle) {
        err_set(err, ERR_OTHER, "a .nc file needs the NetCDF library, which is not here");
        return err_hint(err, "install it (Debian: libnetcdf19), or take .npy, .csv or .txt");
    }
    const char *missing = NULL;
#define FIND(name)                                                                                 \
    lib->name = (__typeof__(name) *)dlsym(lib->handle, #name);                                     \
    missing = lib->name ? missing : #name;
    FUNCTIONS(FIND)
#undef FIND
    return missing ? err_set(err, ERR_OTHER, "the NetCDF library has no %s", missing) : 0;
}

/* --- what the library does on a full disk ----------------------------------------------------

 * HDF5 1.10 gives up a file that it cannot write by crashing: in nc_close when its last block does
 * not go out, and in its own handler at the end of the process. So nc_close is watched, and after a
 * failure that handler is passed by. A signal handler and an exit handler have no argument of
 * ours: the only globals here. */

static char closing[4096]; /* path of the file, for who removes it */
static bool broken;

static void on_crash(int signal)
{
    static const char words[] =
        "hillsweep: cannot write the NetCDF file: its library broke off, as "
        "it does when the disk is full\n";
    (void)signal;
    if (write(STDERR_FILENO, words, sizeof words - 1) > 0)
        unlink(closing);
    _exit(ERR_STORAGE);
}

static int close_watched(const struct library *lib, int id)
{
    struct sigaction watched = {.sa_handler = on_crash}, before[2];
    sigaction(SIGSEGV, &watched, &before[0]);
    sigaction(SIGABRT, &watched, &before[1]);
    int rc = lib->nc_close(id);
    sigaction(SIGSEGV, &before[0], NULL);
    sigaction(SIGABRT, &before[1], NULL);
    return rc;
}

static void pass_by(int status, void *arg)
{
    (void)arg;
    fflush(NULL);
    if (broken)
        _exit(status);
}

/* --- the file -------------------------------------------------------------------------------- */

enum { Q, A, GRID_DIMENSIONS };

struct ncfile {
    struct library lib;
    struct ncfile_about about;
    int id, status;
    int axes[GRID_DIMENSIONS]; /* variables */
    int drive[2];              /* t, w */
    int fields[JOB_OUTPUTS_MAX], errors[JOB_OUTPUTS_MAX];
    int rc; /* of the first call that failed */
};

/* Calls nc_NAME unless an earlier call has failed. */
#define DO(f, name, ...) ((f)->rc = (f)->rc ? (f)->rc : (f)->lib.nc_##name((f)->id, __VA_ARGS__))

static int outcome(const struct ncfile *f, struct err *err)
{
    if (f->rc == 0)
        return 0;
    broken = true;
    err_set(err, ERR_STORAGE, "cannot write the NetCDF file: %s",
            f->rc > 0 ? strerror(f->rc) : f->lib.nc_strerror(f->rc));
    return f->rc == NC_EHDFERR ? err_hint(err, "is there room on the disk?") : -1;
}

static void text(struct ncfile *f, int variable, const char *name, const char *value)
{
    DO(f, put_att_text, variable, name, strlen(value), value);
}

static void define_axes(struct ncfile *f, int dimensions[GRID_DIMENSIONS])
{
    static const char *const NAMES[] = {"q", "a"}, *const LONG[] = {
                                                       "strength of the drive",
                                                       "constant part of the frequency squared"};
    const struct job_values *values[] = {&f->about.job->q, &f->about.job->a};
    for (int i = 0; i < GRID_DIMENSIONS; i++) {
        DO(f, def_dim, NAMES[i], values[i]->count, &dimensions[i]);
        DO(f, def_var, NAMES[i], NC_DOUBLE, 1, &dimensions[i], &f->axes[i]);
        text(f, f->axes[i], "long_name", LONG[i]);
        text(f, f->axes[i], "units", "1");
    }
}

static void define_field(struct ncfile *f, size_t k, const int dimensions[GRID_DIMENSIONS])
{
    const struct job_output *output = &f->about.job->outputs[f->about.fields[k]];
    const double nothing = (double)NAN;
    char error[JOB_FIELD_MAX + 8], beside[JOB_FIELD_MAX + 16], bound[JOB_FIELD_MAX + 64];
    snprintf(error, sizeof error, "%s.error", output->name);
    snprintf(beside, sizeof beside, "%s%sstatus", f->about.job->errors ? error : "",
             f->about.job->errors ? " " : "");
    snprintf(bound, sizeof bound, "bound of the absolute error of %s", output->name);
    DO(f, def_var, output->name, NC_DOUBLE, GRID_DIMENSIONS, dimensions, &f->fields[k]);
    DO(f, def_var_fill, f->fields[k], NC_FILL, &nothing);
    text(f, f->fields[k], "long_name", output->text);
    text(f, f->fields[k], "units", "1");
    text(f, f->fields[k], "ancillary_variables", beside);
    if (!f->about.job->errors)
        return;
    const float no_bound = NAN;
    DO(f, def_var, error, NC_FLOAT, GRID_DIMENSIONS, dimensions, &f->errors[k]);
    DO(f, def_var_fill, f->errors[k], NC_FILL, &no_bound);
    text(f, f->errors[k], "long_name", bound);
    text(f, f->errors[k], "units", "1");
}

static void define_status(struct ncfile *f, const int dimensions[GRID_DIMENSIONS])
{
    static const unsigned char VALUES[] = {0, 1, 2, 3, 4};
    DO(f, def_var, "status", NC_UBYTE, GRID_DIMENSIONS, dimensions, &f->status);
    text(f, f->status, "long_name", "what became of the point");
    DO(f, put_att_ubyte, f->status, "flag_values", NC_UBYTE, sizeof VALUES, VALUES);
    text(f, f->status, "flag_meanings", "not_done done failed overflow limited_by_rounding");
}

static void define_drive(struct ncfile *f)
{
    int dimension;
    if (f->about.drive_count == 0)
        return;
    DO(f, def_dim, "t", f->about.drive_count, &dimension);
    DO(f, def_var, "t", NC_DOUBLE, 1, &dimension, &f->drive[0]);
    DO(f, def_var, "w", NC_DOUBLE, 1, &dimension, &f->drive[1]);
    text(f, f->drive[0], "long_name", "time");
    text(f, f->drive[0], "units", "1");
    text(f, f->drive[1], "long_name", "drive w(t)");
    text(f, f->drive[1], "units", "1");
}

static void define_about(struct ncfile *f)
{
    const struct job *job = f->about.job;
    struct buf json = {0};
    char when[32], history[96];
    time_t now = time(NULL);
    struct tm utc;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    snprintf(history, sizeof history, "%s hillsweep results (%s)", when, HILLSWEEP_VERSION);
    job_format(job, &json);
    text(f, NC_GLOBAL, "Conventions", "CF-1.10");
    text(f, NC_GLOBAL, "title", *job->name ? job->name : "sweep of Hill's equation");
    text(f, NC_GLOBAL, "source", "hillsweep " HILLSWEEP_VERSION);
    text(f, NC_GLOBAL, "history", history);
    text(f, NC_GLOBAL, "comment",
         "z'' + damping(t) z' + [u(t) + a v(t) + q w(t)] z = 0 for every (q, a); see the attribute "
         "job. F[i, j] belongs to q[i], a[j]. F.error bounds |F - true value| point by point.");
    if (*f->about.broker)
        text(f, NC_GLOBAL, "broker_version", f->about.broker);
    DO(f, put_att_double, NC_GLOBAL, "tolerance", NC_DOUBLE, 1, &job->tolerance);
    text(f, NC_GLOBAL, "complete", f->about.final ? "yes" : "no");
    text(f, NC_GLOBAL, "job", buf_text(&json));
    buf_fini(&json);
}

static void write_axes(struct ncfile *f)
{
    size_t n = f->about.drive_count;
    DO(f, put_var_double, f->axes[Q], f->about.job->q.values);
    DO(f, put_var_double, f->axes[A], f->about.job->a.values);
    double *column = mem_alloc(n, sizeof *column);
    for (int i = 0; i < 2 && n > 0; i++) {
        for (size_t k = 0; k < n; k++)
            column[k] = f->about.drive[2 * k + (size_t)i];
        DO(f, put_var_double, f->drive[i], column);
    }
    free(column);
}

int ncfile_create(const char *path, const struct ncfile_about *about, struct ncfile **out,
                  struct err *err)
{
    struct ncfile *f = mem_alloc(1, sizeof *f);
    int dimensions[GRID_DIMENSIONS] = {0};
    f->about = *about;
    if (library_open(&f->lib, err)) {
        free(f);
        return -1;
    }
    snprintf(closing, sizeof closing, "%s", path);
    f->rc = f->lib.nc_create(path, NC_NETCDF4 | NC_CLOBBER, &f->id);
    on_exit(pass_by, NULL); /* handlers run in reverse order: before the library's */
    if (f->rc) {
        outcome(f, err);
        free(f);
        return -1;
    }
    define_axes(f, dimensions);
    for (size_t k = 0; k < about->field_count; k++)
        define_field(f, k, dimensions);
    define_status(f, dimensions);
    define_drive(f);
    define_about(f);
    f->rc = f->rc ? f->rc : f->lib.nc_enddef(f->id);
    write_axes(f);
    f->about.drive = NULL; /* it was borrowed for this call */
    if (outcome(f, err)) {
        ncfile_close(f, NULL);
        return -1;
    }
    *out = f;
    return 0;
}

int ncfile_rows(struct ncfile *f, size_t row, size_t count, const double *const *fields,
                const float *const *errors, const uint8_t *status, struct err *err)
{
    const size_t from[] = {row, 0}, extent[] = {count, f->about.job->a.count};
    for (size_t k = 0; k < f->about.field_count; k++) {
        DO(f, put_vara_double, f->fields[k], from, extent, fields[k]);
        if (f->about.job->errors)
            DO(f, put_vara_float, f->errors[k], from, extent, errors[k]);
    }
    DO(f, put_vara_uchar, f->status, from, extent, status);
    return outcome(f, err);
}

/* The library stays loaded: it has handlers for the end of the process. */
int ncfile_close(struct ncfile *f, struct err *err)
{
    if (!f)
        return 0;
    int rc = close_watched(&f->lib, f->id);
    f->rc = f->rc ? f->rc : rc;
    rc = outcome(f, err);
    free(f);
    return rc;
}
