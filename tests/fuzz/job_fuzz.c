/* Any text as a job. What is accepted has a canonical form that is a fixed point, as text and as a
 * document. */
#include "fuzz.h"

#include "job.h"
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct job *job = NULL, *again = NULL;
    struct err err = {0};
    if (job_parse((const char *)data, size, NULL, &job, &err)) {
        assert(err.code == ERR_JOB_REFUSED && err.text[0]);
        return 0;
    }
    struct buf text = {0}, second = {0}, document = {0};
    job_format(job, &text);
    int rc = job_parse((const char *)text.data, text.len, NULL, &again, &err);
    assert(rc == 0);
    job_format(again, &second);
    assert(second.len == text.len && memcmp(second.data, text.data, text.len) == 0);
    job_destroy(again);
    job_encode(job, &document);
    rc = job_decode(document.data, document.len, &again, &err);
    assert(rc == 0);
    job_destroy(again);
    job_destroy(job);
    buf_fini(&text);
    buf_fini(&second);
    buf_fini(&document);
    return 0;
}
