/* Any bytes as a frame. What decodes must encode to the same bytes again. */
#include "fuzz.h"

#include "crc32c.h"
#include "wire.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void decode(const uint8_t *data, size_t size)
{
    struct wire_msg m;
    struct err err;
    if (wire_decode(data, size, &m, &err))
        return;
    uint64_t sum = 0;
    for (uint32_t i = 0; m.type == WIRE_HELLO && i < m.hello.holdings.count; i++)
        sum += wire_holding_at(&m.hello.holdings, i).job;
    for (uint32_t i = 0; m.type == WIRE_HEARTBEAT && i < m.heartbeat.progress.count; i++)
        sum += wire_progress_at(&m.heartbeat.progress, i).cpu_ms;
    for (uint32_t i = 0; (m.type == WIRE_ACK || m.type == WIRE_DROP) && i < m.tiles.tiles.count;
         i++)
        sum += wire_tiles_at(&m.tiles.tiles, i).job;
    struct wire_span wholes = m.type == WIRE_RESULTS ? m.results.wholes : (struct wire_span){"", 0};
    for (struct wire_whole w; wire_whole_next(&wholes, &w);)
        for (size_t i = 0; i < w.planes; i++)
            sum += w.codings[i];
    if (m.type == WIRE_RESULTS)
        sum = 0;
    if (m.type == WIRE_HELLO || m.type == WIRE_HEARTBEAT || m.type == WIRE_ACK ||
        m.type == WIRE_DROP || m.type == WIRE_RESULT)
        return; /* lists are read in place; RESULT has a byte that is not looked at */
    struct buf again = {0};
    wire_encode(&m, &again);
    assert(again.len == size && memcmp(again.data, data, size) == 0 && sum == 0);
    buf_fini(&again);
}

/* The bytes as they are, and once more with a head that fits them: what a peer who knows the
 * protocol and means ill would send. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode(data, size);
    if (size < WIRE_HEADER)
        return 0;
    uint8_t *copy = malloc(size);
    uint32_t magic = WIRE_MAGIC, len = (uint32_t)(size - WIRE_HEADER);
    uint16_t version = WIRE_VERSION;
    memcpy(copy, data, size);
    memcpy(copy, &magic, sizeof magic);
    memcpy(copy + 4, &version, sizeof version);
    memcpy(copy + 24, &len, sizeof len);
    uint32_t crc = crc32c(crc32c(0, copy, 28), copy + WIRE_HEADER, len);
    memcpy(copy + 28, &crc, sizeof crc);
    decode(copy, size);
    free(copy);
    return 0;
}
