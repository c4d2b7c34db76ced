#ifndef CLIENT_NCFILE_H
#define CLIENT_NCFILE_H

#include "err.h"
#include "job.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Results as a NetCDF-4 file that describes itself (CF conventions 1.10): coordinates q and a, each
 * field F(q, a) with its bound of the error "F.error"(q, a), status(q, a) with the meaning of its
 * flags, the drive w(t), and as attributes the whole job, its tolerance and the versions. xarray
 * opens it with open_dataset. The only place that knows NetCDF; the library is loaded when the
 * first file is made, since it costs every start of a program 10 ms. */

struct ncfile;

struct ncfile_about {
    const struct job *job; /* borrowed until close */
    const size_t *fields;  /* indices of the job's outputs */
    size_t field_count;
    bool final;          /* all points are there */
    const char *broker;  /* version of the broker that the results come from; "": unknown */
    const double *drive; /* pairs t, w; may be NULL */
    size_t drive_count;
};

/* Overwrites the file at `path`. ERR_STORAGE, or ERR_OTHER when the library is missing. */
int ncfile_create(const char *path, const struct ncfile_about *about, struct ncfile **out,
                  struct err *err);

/* Rows [row, row + count): fields[k] and errors[k] have count * a.count items, as status has;
 * errors[k] is not looked at for a job without errors. */
int ncfile_rows(struct ncfile *f, size_t row, size_t count, const double *const *fields,
                const float *const *errors, const uint8_t *status, struct err *err);

/* Writes what is left and frees f (NULL is fine), also when it fails. */
int ncfile_close(struct ncfile *f, struct err *err);

#endif
