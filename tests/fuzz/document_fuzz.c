/* Any bytes as a document from the network. */
#include "fuzz.h"

#include "job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct job *job = NULL;
    struct err err;
    if (job_decode(data, size, &job, &err) == 0)
        job_destroy(job);
    return 0;
}
