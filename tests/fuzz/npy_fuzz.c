/* Any bytes as the head of a result file. What is accepted is a place and a size that hold. */
#include "fuzz.h"

#include "npyhead.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct npyhead head;
    struct err err = {0};
    if (npyhead_parse(data, size, &head, &err)) {
        assert(err.code == ERR_STORAGE && *err.text);
        return 0;
    }
    assert(head.data_offset <= size);
    assert(head.dimensions == 1 || head.dimensions == 2);
    assert(head.item_bytes >= 1 && head.item_bytes <= 16);
    assert(head.data_bytes <= INT64_MAX);
    assert(head.data_bytes / head.item_bytes == head.shape[0] * head.shape[1]);
    return 0;
}
