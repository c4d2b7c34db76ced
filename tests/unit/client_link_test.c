/* The link against a broker that the test plays itself. */
#include "fake_broker.h"

/* A request may be repeated wherever the broker is kept waiting for a processor. */
static void call_is_answered(enum manner manner, unsigned asked_least)
{
    struct broker *b = broker_start(manner);
    struct link *link = connect_to(b);
    struct buf json = {0};
    struct err err;
    assert_int_equal(link_call(link, "ping", "{}", &json, &err), 0);
    assert_string_equal(buf_text(&json), "{\"version\": \"test\"}");
    link_close(link);
    broker_join(b);
    assert_int_equal(b->requests, 1); /* all with its tag */
    assert_true(b->asked >= asked_least);
    buf_fini(&json);
    broker_stop(b);
}

static void a_request_is_answered(void **state)
{
    (void)state;
    call_is_answered(ANSWER, 1);
}

static void jobs_come_in_pages(void **state)
{
    (void)state;
    struct broker *b = broker_start(ANSWER);
    struct link *link = connect_to(b);
    struct buf json = {0};
    struct job_view *views;
    struct err err;
    size_t count;
    assert_int_equal(joblist_fetch(link, &json, &err), 0);
    link_close(link);
    broker_join(b);
    assert_int_equal(b->requests, 3);
    assert_int_equal(view_parse_list(buf_text(&json), json.len, &views, &count, &err), 0);
    assert_int_equal(count, 7);
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(views[i].id, i + 1);
    free(views);
    buf_fini(&json);
    broker_stop(b);
}

static void a_lost_request_is_repeated_with_its_tag(void **state)
{
    (void)state;
    call_is_answered(ANSWER_LATE, 2);
}

static void what_is_not_the_answer_is_ignored(void **state)
{
    (void)state;
    call_is_answered(GARBAGE, 1);
}

static void a_refusal_is_an_error(void **state)
{
    (void)state;
    struct broker *b = broker_start(REFUSE);
    struct link *link = connect_to(b);
    struct buf json = {0};
    struct err err;
    assert_int_equal(link_call(link, "status", "{\"job\":9}", &json, &err), -1);
    assert_int_equal(err.code, ERR_NO_SUCH_JOB);
    assert_string_equal(err.text, "no job 9");
    assert_string_equal(err.hint, "list");
    link_close(link);
    buf_fini(&json);
    broker_stop(b);
}

static void another_version_is_told(void **state)
{
    (void)state;
    struct broker *b = broker_start(OTHER_VERSION);
    struct link *link = connect_to(b);
    struct buf json = {0};
    struct err err;
    assert_int_equal(link_call(link, "ping", "{}", &json, &err), -1);
    assert_int_equal(err.code, ERR_VERSION);
    link_close(link);
    buf_fini(&json);
    broker_stop(b);
}

static void nobody_is_unreachable(void **state)
{
    struct link *link;
    struct buf json = {0};
    struct err err;
    (void)state;
    assert_int_equal(link_open("ipc:///tmp/hillsweep-nobody", "the test", NULL, 50, &link, &err),
                     0);
    assert_int_equal(link_call(link, "ping", "{}", &json, &err), -1);
    assert_int_equal(err.code, ERR_UNREACHABLE);
    assert_non_null(strstr(err.text, "ipc:///tmp/hillsweep-nobody"));
    assert_non_null(strstr(err.text, "the test"));
    link_close(link);
    assert_int_equal(link_open("carrier://pigeon", "the test", NULL, 50, &link, &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
    buf_fini(&json);
}

static void a_file_comes_in_pages(void **state)
{
    (void)state;
    struct broker *b = broker_start(ANSWER);
    struct link *link = connect_to(b);
    struct buf data = {0};
    struct link_page page;
    struct err err;
    uint64_t offset = 4096;
    assert_int_equal(link_fetch(link, 1, "F.npy", offset, FILE_BYTES, &data, &page, &err), 0);
    assert_int_equal(data.len, FILE_BYTES - offset); /* up to the file's end */
    assert_int_equal(page.file_bytes, FILE_BYTES);
    for (size_t i = 0; i < data.len; i++)
        if (data.data[i] != file_byte(offset + i))
            fail_msg("byte %zu is wrong", i);
    link_close(link);
    buf_fini(&data);
    broker_stop(b);
}

static void a_document_goes_up_in_parts(void **state)
{
    enum { BYTES = 700001 };
    (void)state;
    struct broker *b = broker_start(ANSWER);
    struct link *link = connect_to(b);
    unsigned char *document = mem_alloc(BYTES, 1);
    struct buf json = {0};
    struct err err;
    for (size_t i = 0; i < BYTES; i++)
        document[i] = file_byte(i);
    assert_int_equal(link_submit(link, 99, document, BYTES, "{}", &json, &err), 0);
    link_close(link);
    broker_join(b);
    assert_int_equal(b->uploaded, BYTES);
    assert_memory_equal(b->document, document, BYTES);
    free(document);
    buf_fini(&json);
    broker_stop(b);
}

static int say_stop(void *arg, struct err *err)
{
    char byte;
    assert_int_equal(read(*(int *)arg, &byte, 1), 1);
    return err_set(err, ERR_INTERRUPTED, "stop");
}

static void a_watcher_ends_a_wait(void **state)
{
    int ends[2];
    struct link *link;
    struct buf json = {0};
    struct err err;
    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(link_open("ipc:///tmp/hillsweep-nobody", "", NULL, LINK_FOREVER, &link, &err),
                     0);
    link_watch(link, ends[0], say_stop, &ends[0]);
    assert_int_equal(link_call(link, "ping", "{}", &json, &err), -1);
    assert_int_equal(err.code, ERR_INTERRUPTED);
    link_close(link);
    close(ends[0]);
    close(ends[1]);
    buf_fini(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered),
        cmocka_unit_test(jobs_come_in_pages),
        cmocka_unit_test(a_lost_request_is_repeated_with_its_tag),
        cmocka_unit_test(what_is_not_the_answer_is_ignored),
        cmocka_unit_test(a_refusal_is_an_error),
        cmocka_unit_test(another_version_is_told),
        cmocka_unit_test(nobody_is_unreachable),
        cmocka_unit_test(a_file_comes_in_pages),
        cmocka_unit_test(a_document_goes_up_in_parts),
        cmocka_unit_test(a_watcher_ends_a_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
