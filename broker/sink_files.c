/* Where readers find the files of a job (sink.h); from any thread. */
#include "sink_private.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void sink_folder(const struct sink *s, uint32_t job, char *path, size_t size)
{
    if (s->results)
        snprintf(path, size, "%s", s->results);
    else
        snprintf(path, size, "%s/jobs/%" PRIu32, s->data, job);
}

static bool there(const struct sink *s, uint32_t job, const char *name, char *path, size_t size)
{
    char folder[PATH_MAX];
    sink_folder(s, job, folder, sizeof folder);
    return snprintf(path, size, "%s/%s", folder, name) < (int)size && access(path, F_OK) == 0;
}

/* The fields are renamed in order, so that the last one's final name says that all is final. */
static bool all_final(const struct sink *s, uint32_t job, const struct job *spec)
{
    char name[JOBDIR_NAME], path[PATH_MAX];
    jobdir_name(spec, tile_status_plane(spec) - 2, JOBDIR_FINAL, name);
    return there(s, job, name, path, sizeof path);
}

static int field_file(const struct sink *s, uint32_t job, const struct job *spec, unsigned slot,
                      char *path, size_t size, bool *final)
{
    char name[JOBDIR_NAME];
    for (int attempt = 0; attempt < 2; attempt++) { /* it may be renamed between the looks */
        jobdir_name(spec, slot, JOBDIR_FINAL, name);
        *final = there(s, job, name, path, size);
        if (*final)
            return 0;
        jobdir_name(spec, slot, JOBDIR_PARTIAL, name);
        if (there(s, job, name, path, size))
            return 0;
    }
    return -1;
}

int sink_file(const struct sink *s, uint32_t job, const struct job *spec, const char *file,
              char *path, size_t size, bool *final)
{
    static const char *const constant[] = {"job.json", "q.npy", "a.npy", "w.npy"};
    for (size_t i = 0; i < sizeof constant / sizeof *constant; i++) {
        *final = true;
        if (!strcmp(file, constant[i]))
            return there(s, job, file, path, size) ? 0 : -1;
    }
    unsigned status = tile_status_plane(spec);
    for (unsigned slot = 0; slot <= status + 1; slot++) {
        char name[JOBDIR_NAME];
        jobdir_name(spec, slot, JOBDIR_FINAL, name);
        if (strcmp(file, name) != 0)
            continue;
        if (slot < status && slot % 2 == 0)
            return field_file(s, job, spec, slot, path, size, final);
        *final = all_final(s, job, spec);
        return there(s, job, file, path, size) ? 0 : -1;
    }
    return -1;
}
