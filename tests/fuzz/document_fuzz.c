/* Any bytes as a document from the network, as a broker takes it and as a worker does. */
#include "fuzz.h"

#include "job.h"
#include <assert.h>

enum { VALUES_MAX = 10000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct job *lean = NULL, *job = NULL;
    struct err err;
    if (job_decode_lean(data, size, &lean, &err))
        return 0;
    if (lean->q.count + lean->a.count < VALUES_MAX) { /* ranges are quick to name, slow to write */
        int rc = job_decode(data, size, &job, &err);
        assert(rc == 0 && job_tile_count(job) == job_tile_count(lean));
        job_destroy(job);
    }
    job_destroy(lean);
    return 0;
}
