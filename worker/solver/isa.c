/* Which of the compiled kernels runs here. */
#include "kernel.h"
#include "monodromy.h"
#include "phase_kernel.h"
#include "rk8.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

extern const struct kernel kernel_portable;

#ifdef __x86_64__
extern const struct kernel kernel_avx2, kernel_avx512;

static const struct kernel *const kernels[] = {&kernel_avx512, &kernel_avx2, &kernel_portable};

static int runs_here(const struct kernel *k)
{
    __builtin_cpu_init();
    if (k == &kernel_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
    if (k == &kernel_avx2)
        return __builtin_cpu_supports("avx2") != 0;
    return 1;
}
#else
static const struct kernel *const kernels[] = {&kernel_portable};

static int runs_here(const struct kernel *k)
{
    (void)k;
    return 1;
}
#endif

static const struct kernel *find(const char *name)
{
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if ((name == NULL || strcmp(kernels[i]->name, name) == 0) && runs_here(kernels[i]))
            return kernels[i];
    return NULL;
}

const struct kernel *kernel_find(const char *name)
{
    /* The choice by the environment is made once; racing threads make the same one. */
    static _Atomic(const struct kernel *) chosen;
    if (name != NULL)
        return find(name);
    const struct kernel *k = atomic_load(&chosen);
    if (k == NULL) {
        k = find(getenv("HILLSWEEP_ISA"));
        k = k != NULL ? k : find(NULL);
        atomic_store(&chosen, k);
    }
    return k;
}

extern const struct rk8 rk8_portable;

#ifdef __x86_64__
extern const struct rk8 rk8_avx2, rk8_avx512;

const struct rk8 *rk8_of(const struct kernel *k)
{
    return k == &kernel_avx512 ? &rk8_avx512 : k == &kernel_avx2 ? &rk8_avx2 : &rk8_portable;
}
#else
const struct rk8 *rk8_of(const struct kernel *k)
{
    (void)k;
    return &rk8_portable;
}
#endif

extern const struct phase_kernel phase_kernel_portable;
extern const struct phase_pass phase_pass_portable;
extern const struct phase_each phase_each_portable;

#ifdef __x86_64__
extern const struct phase_kernel phase_kernel_avx2, phase_kernel_avx512;
extern const struct phase_pass phase_pass_avx2, phase_pass_avx512;
extern const struct phase_each phase_each_avx2, phase_each_avx512;

const struct phase_kernel *phase_kernel_of(const struct kernel *k)
{
    return k == &kernel_avx512 ? &phase_kernel_avx512
           : k == &kernel_avx2 ? &phase_kernel_avx2
                               : &phase_kernel_portable;
}

const struct phase_pass *phase_pass_of(const struct kernel *k)
{
    return k == &kernel_avx512 ? &phase_pass_avx512
           : k == &kernel_avx2 ? &phase_pass_avx2
                               : &phase_pass_portable;
}

const struct phase_each *phase_each_of(const struct kernel *k)
{
    return k == &kernel_avx512 ? &phase_each_avx512
           : k == &kernel_avx2 ? &phase_each_avx2
                               : &phase_each_portable;
}
#else
const struct phase_pass *phase_pass_of(const struct kernel *k)
{
    (void)k;
    return &phase_pass_portable;
}

const struct phase_each *phase_each_of(const struct kernel *k)
{
    (void)k;
    return &phase_each_portable;
}

const struct phase_kernel *phase_kernel_of(const struct kernel *k)
{
    (void)k;
    return &phase_kernel_portable;
}
#endif

extern const struct monodromy_kernel monodromy_portable;

#ifdef __x86_64__
extern const struct monodromy_kernel monodromy_avx2, monodromy_avx512;

const struct monodromy_kernel *monodromy_kernel_of(const struct kernel *k)
{
    return k == &kernel_avx512 ? &monodromy_avx512
           : k == &kernel_avx2 ? &monodromy_avx2
                               : &monodromy_portable;
}
#else
const struct monodromy_kernel *monodromy_kernel_of(const struct kernel *k)
{
    (void)k;
    return &monodromy_portable;
}
#endif

const char *solver_isa(void)
{
    return kernel_find(NULL)->name;
}
