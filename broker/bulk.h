#ifndef BROKER_BULK_H
#define BROKER_BULK_H

/* The calling thread works through bulk, and is called `name`: when it wakes up it does not
 * interrupt whoever is at work on its core, but waits until that is through or asleep (SCHED_BATCH,
 * sched(7)). What is interrupted otherwise is the loop in the middle of a turn, for four
 * milliseconds at a time where cores are few. */
void bulk_thread(const char *name);

#endif
