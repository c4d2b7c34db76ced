/* Any bytes as a document from the network, as a broker takes it and as a worker does; and once
 * more with a head that fits them. */
#include "fuzz.h"

#include "job.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_MAX = 10000 };

static void take(const uint8_t *data, size_t size)
{
    struct job *lean = NULL, *job = NULL;
    struct err err;
    if (job_decode_lean(data, size, &lean, &err))
        return;
    if (lean->q.count + lean->a.count < VALUES_MAX) { /* ranges are quick to name, slow to write */
        int rc = job_decode(data, size, &job, &err);
        assert(rc == 0 && job_tile_count(job) == job_tile_count(lean));
        job_destroy(job);
    }
    job_destroy(lean);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t head[2];
    take(data, size);
    if (size < sizeof head)
        return 0;
    memcpy(head, data, sizeof head);
    size_t left = size - sizeof head;
    head[1] %= (uint32_t)(left / sizeof(double) + 1);
    head[0] = (uint32_t)(left - head[1] * sizeof(double));
    uint8_t *copy = malloc(size);
    memcpy(copy, head, sizeof head);
    memcpy(copy + sizeof head, data + sizeof head, left);
    take(copy, size);
    free(copy);
    return 0;
}
