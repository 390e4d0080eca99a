/* SPDX-License-Identifier: MIT */
#include "loop.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

uint64_t loop_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void pause_usec(unsigned int usec)
{
	struct timespec time = { usec / 1000000, (long)(usec % 1000000) * 1000 };

	if (usec)
		(void)nanosleep(&time, NULL);
}

static int next_request(unsigned int *count, unsigned int *usec)
{
	char line[64];

	return fgets(line, sizeof(line), stdin) &&
	       sscanf(line, "%u %u", count, usec) == 2;
}

static void say(const char *line)
{
	(void)puts(line);
	(void)fflush(stdout);
}

int loop_run(loop_fn fn, void *data, unsigned int columns)
{
	unsigned int count, usec;

	say("ready");
	while (next_request(&count, &usec)) {
		for (unsigned int i = 0; i < count; i++) {
			uint64_t times[LOOP_TIMES] = { 0 };

			pause_usec(usec);
			if (!fn(data, times))
				return 1;
			for (unsigned int c = 0; c < columns; c++)
				printf("%" PRIu64 "%c", times[c],
				       c + 1 < columns ? ' ' : '\n');
		}
		say(".");
	}
	return 0;
}

int loop_run_batch(int (*fn)(void *data, unsigned int count), void *data)
{
	unsigned int count, usec;

	say("ready");
	while (next_request(&count, &usec)) {
		uint64_t start = loop_now();

		if (!fn(data, count))
			return 1;
		printf("%" PRIu64 "\n", loop_now() - start);
		say(".");
	}
	return 0;
}
