/* Any bytes as a frame. What decodes must encode to the same bytes again. */
#include "wire.h"
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_msg m;
    struct err err;
    if (wire_decode(data, size, &m, &err))
        return 0;
    if (m.type == WIRE_HELLO)
        for (uint32_t i = 0; i < m.hello.holdings.count; i++)
            wire_holding_at(&m.hello.holdings, i);
    if (m.type == WIRE_HELLO || m.type == WIRE_HEARTBEAT || m.type == WIRE_ACK ||
        m.type == WIRE_DROP || m.type == WIRE_RESULT)
        return 0; /* lists are read in place; RESULT has a byte that is not looked at */
    struct buf again = {0};
    wire_encode(&m, &again);
    assert(again.len == size && memcmp(again.data, data, size) == 0);
    buf_fini(&again);
    return 0;
}
