/* Which of the compiled loops run here. */
#include "leaf_kernel.h"
#include "monodromy.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

extern const struct leaf_kernel leaf_kernel_portable;
extern const struct monodromy_kernel monodromy_portable;

#ifdef __x86_64__
extern const struct leaf_kernel leaf_kernel_avx2, leaf_kernel_avx512;
extern const struct monodromy_kernel monodromy_avx2, monodromy_avx512;

static const struct leaf_kernel *const kernels[] = {&leaf_kernel_avx512, &leaf_kernel_avx2,
                                                    &leaf_kernel_portable};

static int runs_here(const struct leaf_kernel *k)
{
    __builtin_cpu_init();
    if (k == &leaf_kernel_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
    if (k == &leaf_kernel_avx2)
        return __builtin_cpu_supports("avx2") != 0;
    return 1;
}

const struct monodromy_kernel *monodromy_kernel_of(const struct leaf_kernel *k)
{
    return k == &leaf_kernel_avx512 ? &monodromy_avx512
           : k == &leaf_kernel_avx2 ? &monodromy_avx2
                                    : &monodromy_portable;
}
#else
static const struct leaf_kernel *const kernels[] = {&leaf_kernel_portable};

static int runs_here(const struct leaf_kernel *k)
{
    (void)k;
    return 1;
}

const struct monodromy_kernel *monodromy_kernel_of(const struct leaf_kernel *k)
{
    (void)k;
    return &monodromy_portable;
}
#endif

static const struct leaf_kernel *find(const char *name)
{
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if ((name == NULL || strcmp(kernels[i]->name, name) == 0) && runs_here(kernels[i]))
            return kernels[i];
    return NULL;
}

const struct leaf_kernel *leaf_kernel_find(const char *name)
{
    /* The choice by the environment is made once; racing threads make the same one. */
    static _Atomic(const struct leaf_kernel *) chosen;
    if (name != NULL)
        return find(name);
    const struct leaf_kernel *k = atomic_load(&chosen);
    if (k == NULL) {
        k = find(getenv("HILLSWEEP_ISA"));
        k = k != NULL ? k : find(NULL);
        atomic_store(&chosen, k);
    }
    return k;
}
