/* See probe.h. Question and answer are files in memory, so that neither side can block the other.
 */
#include "probe.h"

#include "answer.h"
#include "children.h"
#include "clock.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROBE_MS = 20000, TRACE_MS = 300000, ANSWER_BYTES_MAX = 64 << 20 };

static int write_question(int fd, const struct buf *job, struct err *err)
{
    size_t at = 0;
    while (at < job->len) {
        ssize_t n = write(fd, job->data + at, job->len - at);
        if (n <= 0)
            return err_errno(err, ERR_OTHER, "cannot keep the job in memory");
        at += (size_t)n;
    }
    lseek(fd, 0, SEEK_SET);
    return 0;
}

static int read_answer(int fd, struct json **out, struct err *err)
{
    static const struct json_limits LIMITS = {ANSWER_BYTES_MAX, 1 << 21, 1 << 21};
    struct buf text = {0};
    off_t size = lseek(fd, 0, SEEK_END);
    size_t want = size > 0 && size < ANSWER_BYTES_MAX ? (size_t)size : 0;
    ssize_t n = pread(fd, buf_grow(&text, want), want, 0);
    text.len = n > 0 ? (size_t)n : 0;
    int rc = json_parse((const char *)text.data, text.len, &LIMITS, out, err);
    buf_fini(&text);
    return rc ? err_prefix(err, "the answer of hillsweep-worker") : 0;
}

/* What the worker refuses the job for is in its answer. */
static int explain(const struct child *child, int answer, struct err *err)
{
    char text[4096];
    ssize_t n = pread(answer, text, sizeof text, 0);
    if (n <= 0 || !WIFEXITED(child->wait_status))
        return child_error(child, err);
    return answer_error(text, (size_t)n, WEXITSTATUS(child->wait_status), err);
}

static int run_child(const char *option, int question, int answer, struct err *err)
{
    const char *const argv[] = {"hillsweep-worker", option, NULL};
    int64_t patience = strcmp(option, "--probe") == 0 ? PROBE_MS : TRACE_MS;
    struct child child = {.output_fd = -1};
    struct child_files files = {question, answer, -1, -1};
    if (child_start(&child, argv, &files, err))
        return -1;
    child_await(&child, patience);
    if (WIFEXITED(child.wait_status) && WEXITSTATUS(child.wait_status) == 0)
        return 0;
    if (clock_ms() - child.started_ms >= patience)
        return err_set(err, ERR_OTHER, "hillsweep-worker %s did not answer within %lld s", option,
                       (long long)(patience / 1000));
    return explain(&child, answer, err);
}

int probe_ask(const struct buf *job, const char *option, struct json **out, struct err *err)
{
    int question = memfd_create("question", MFD_CLOEXEC);
    int answer = memfd_create("answer", MFD_CLOEXEC);
    int rc = question < 0 || answer < 0 ? err_errno(err, ERR_OTHER, "cannot keep files in memory")
                                        : write_question(question, job, err);
    if (rc == 0)
        rc = run_child(option, question, answer, err);
    if (rc == 0)
        rc = read_answer(answer, out, err);
    if (question >= 0)
        close(question);
    if (answer >= 0)
        close(answer);
    return rc;
}
