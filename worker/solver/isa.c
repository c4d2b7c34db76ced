/* Which of the compiled kernels runs here. */
#include "kernel.h"
#include "phase_kernel.h"
#include "rk8.h"

extern const struct kernel kernel_portable;

#ifdef __x86_64__
extern const struct kernel kernel_avx2, kernel_avx512;

static const struct kernel *const kernels[] = {&kernel_avx512, &kernel_avx2, &kernel_portable};
#else
static const struct kernel *const kernels[] = {&kernel_portable};
#endif

const struct kernel *kernel_find(const char *name)
{
    const struct leaf_kernel *leaf = leaf_kernel_find(name);
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (kernels[i]->leaf == leaf)
            return kernels[i];
    return NULL;
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

const char *solver_isa(void)
{
    return kernel_find(NULL)->leaf->name;
}
