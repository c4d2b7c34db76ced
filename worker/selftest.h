#ifndef WORKER_SELFTEST_H
#define WORKER_SELFTEST_H

#include "err.h"
#include <stdint.h>

/* Known answers, solved by the very solver that is going to work: a machine whose arithmetic is off
 * is found before it is given anything. Takes a few milliseconds.
 *
 * The return value is the CRC-32C of the answers to the equation with w = t, which needs no libm,
 * so that it is the same on every sound machine of one version; 0 with err when an answer, of it or
 * of Mathieu's equation, is off by more than it may be. */
uint32_t selftest_run(struct err *err);

#endif
