#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

/* A fuzz target is one function of any bytes. With `cmake --preset fuzz` libFuzzer calls it; in all
 * other builds driver.c does, with the corpus and some mutations of it. It returns 0 and asserts
 * what must hold. */
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
