/* Any bytes as JSON. What is accepted prints as text that is accepted and prints the same. */
#include "fuzz.h"

#include "json.h"
#include <assert.h>
#include <string.h>

static const struct json_limits limits = {.bytes = 65536, .values = 4096, .numbers = 65536};

static void print(const struct json *root, bool pretty, struct buf *text)
{
    struct json_out *o = json_copy(root);
    json_print(o, pretty, text);
    json_out_destroy(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json *root = NULL, *again = NULL;
    struct err err = {0};
    if (json_parse((const char *)data, size, &limits, &root, &err)) {
        assert(err.code && *err.text && err.line >= 1 && err.column >= 1);
        return 0;
    }
    struct buf first = {0}, second = {0};
    print(root, size % 2, &first);
    struct json_limits wide = limits;
    wide.bytes = 64u << 20; /* pretty printing adds blanks */
    int rc = json_parse((const char *)first.data, first.len, &wide, &again, &err);
    assert(rc == 0);
    print(again, size % 2, &second);
    assert(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    json_destroy(again);
    json_destroy(root);
    buf_fini(&first);
    buf_fini(&second);
    return 0;
}
