#ifndef TESTS_TRUTH_H
#define TESTS_TRUTH_H

/* The tables of tests/truth: 100 or 200 points each of a grid, solved in binary128 from exactly the
 * job's doubles. Their columns and their jobs are described in their first lines. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct truth_row {
    int iq, ia;
    double q, a, z, dz, u, du, omega, kappa;
};

struct truth {
    char job[8192]; /* its job as JSON, without tolerance and solver, and without the last brace */
    struct truth_row row[512];
    size_t count;
};

/* Reads a table; ends the program when it cannot, for a test without truth means nothing. */
static inline void truth_load(struct truth *t, const char *path)
{
    static const char MARK[] = "# job: ";
    char line[8192];
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        perror(path);
        exit(1);
    }
    t->count = 0;
    t->job[0] = '\0';
    while (fgets(line, sizeof line, f) != NULL && t->count < 512) {
        struct truth_row *r = &t->row[t->count];
        if (strncmp(line, MARK, strlen(MARK)) == 0) {
            snprintf(t->job, sizeof t->job, "%s", line + strlen(MARK));
            *strrchr(t->job, '}') = '\0';
        } else if (sscanf(line, "%d %d %lf %lf %lf %lf %lf %lf %lf %lf", &r->iq, &r->ia, &r->q,
                          &r->a, &r->z, &r->dz, &r->u, &r->du, &r->omega, &r->kappa) == 10) {
            t->count++;
        }
    }
    fclose(f);
}

static inline void truth_read(struct truth *t, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.txt", TRUTH_FOLDER, name);
    truth_load(t, path);
}

#endif
