/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of the public interface, run with the first, second, third … allocation
 * failing until they pass. A scenario returns 0 or what the library returned, and
 * releases everything it got on every way out.
 */
#ifndef OOM_H
#define OOM_H

#include <stdbool.h>

#include <joblet/joblet.h>

struct scenario {
	const char *name;
	int (*run)(jl_error **err);
	bool needs_root;
	/* Has steps that nobody misses, such as sweeping up after others. */
	bool may_pass;
	/* Only every so manieth allocation fails, where a round takes its time; all of
	 * them with JOBLET_OOM=1. 0: each. */
	long every;
};

/* Ends with an empty entry. */
extern const struct scenario scenarios[];

/* Like assert(), for what must hold whatever fails. */
#define REQUIRE(condition)                                          \
	do {                                                        \
		if (!(condition))                                   \
			oom_broken(__FILE__, __LINE__, #condition); \
	} while (0)

void oom_broken(const char *file, int line, const char *condition)
	__attribute__((noreturn));

#endif
