#ifndef COMMON_CRC32C_H
#define COMMON_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli, polynomial 0x1EDC6F41 reflected, initial and final inversion; RFC 3720
 * appendix B.4). Goes on from `crc`, which is 0 for the first bytes. Uses the processor's
 * instruction where there is one; the value is the same. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

/* The CRC of bytes with CRC `first`, followed by `len` bytes with CRC `second` (each begun at 0).
 */
uint32_t crc32c_join(uint32_t first, uint32_t second, uint64_t len);

#endif
