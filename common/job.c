/* See job.h: the life of a job, and its tiles by number. How a job is read is in job_parse.c and
 * job_drive.c, how it is written in job_format.c, how its tiles are cut in job_tiles.c. */
#include "job_private.h"

#include <assert.h>
#include <stdlib.h>

void job_destroy(struct job *job)
{
    if (!job)
        return;
    free(job->y_f);
    free(job->w_is);
    free(job->table_t);
    free(job->table_w);
    free(job->breaks);
    free(job->u);
    free(job->v);
    free(job->damping);
    free(job->ddz);
    free(job->z_start[0]);
    free(job->z_start[1]);
    free(job->times.values);
    free(job->q.values);
    free(job->a.values);
    for (size_t i = 0; i < job->output_count; i++)
        free(job->outputs[i].text);
    free(job->outputs);
    free(job);
}

uint64_t job_points(const struct job *job)
{
    return (uint64_t)job->q.count * job->a.count;
}

uint32_t job_tile_count(const struct job *job)
{
    return job->q_blocks * job->a_blocks;
}

/* Where block k of n values in b blocks begins. */
static size_t cut(size_t n, uint32_t k, uint32_t b)
{
    return (size_t)((uint64_t)n * k / b);
}

struct job_tile job_tile(const struct job *job, uint32_t tile)
{
    assert(tile < job_tile_count(job));
    uint32_t q = tile / job->a_blocks, a = tile % job->a_blocks;
    return (struct job_tile){
        .q0 = cut(job->q.count, q, job->q_blocks),
        .q1 = cut(job->q.count, q + 1, job->q_blocks),
        .a0 = cut(job->a.count, a, job->a_blocks),
        .a1 = cut(job->a.count, a + 1, job->a_blocks),
    };
}

size_t job_tile_points(const struct job *job, uint32_t tile)
{
    struct job_tile t = job_tile(job, tile);
    return (t.q1 - t.q0) * (t.a1 - t.a0);
}
