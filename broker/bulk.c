/* See bulk.h. */
#include "bulk.h"

#include <pthread.h>
#include <sched.h>

void bulk_thread(const char *name)
{
    struct sched_param none = {0};
    pthread_setname_np(pthread_self(), name);
    pthread_setschedparam(pthread_self(), SCHED_BATCH, &none); /* refused: as before */
}
