/* SPDX-License-Identifier: MIT */
/*
 * What all programs that are measured have in common: they stay, and run a number of jobs
 * each time they are told to on standard input, so that rounds of one can be mixed with
 * rounds of the others. A request is a line "COUNT PAUSE_USEC"; the answer is a line per
 * job with its times in nanoseconds, then a line ".".
 */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <stdint.h>

#define LOOP_TIMES 3

/* Runs one job and fills in the times it knows; false ends the loop. */
typedef int (*loop_fn)(void *data, uint64_t times[LOOP_TIMES]);

uint64_t loop_now(void);
/* Until standard input ends; exit code of the program. Starts by saying "ready". */
int loop_run(loop_fn fn, void *data, unsigned int columns);
/* One answer for COUNT jobs together, which fn has run. */
int loop_run_batch(int (*fn)(void *data, unsigned int count), void *data);

#endif
