/* SPDX-License-Identifier: MIT */
/*
 * Escape tests: test_escape RNX ATTACKER [PART]. Runs programs as root inside jobs that
 * try to get out, and looks at the host while and after they do.
 */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *rnx_path, *attack_path;

static const struct {
	const char *name;
	void (*run)(void);
	bool by_default;
} parts[] = {
	{ "attacks", part_attacks, true },
	{ "variants", part_variants, true },
	{ "start", part_start, true },
	{ "streams", part_streams, true },
	{ "teeth", part_teeth, true },
	{ "exhaust", part_exhaust, true },
	{ "pid1", part_pid1, true },
	/* A table for people, not a test: what holds without the system call filter. */
	{ "matrix", part_matrix, false },
};

#define N_PARTS (sizeof(parts) / sizeof(parts[0]))

/* Exit code for "cannot run here": a plan of none, or a failure where that is not
 * allowed. */
static int cannot_run(const char *why)
{
	const char *must = getenv("JOBLET_TEST_MUST_RUN");

	if (must != NULL && strcmp(must, "0") != 0 && *must != '\0') {
		(void)printf("1..1\nnot ok 1 - the escape tests run\n# %s\n", why);
		return 1;
	}
	(void)printf("1..0 # SKIP %s\n", why);
	return 0;
}

int main(int argc, char **argv)
{
	const char *part = argc > 3 ? argv[3] : NULL;
	bool found = false;

	if (argc < 3) {
		(void)fprintf(stderr, "usage: test_escape RNX ATTACKER [PART]\n");
		return 2;
	}
	/* Absolute: jobs and burdens change the working folder. */
	rnx_path = realpath(argv[1], NULL);
	attack_path = realpath(argv[2], NULL);
	if (rnx_path == NULL || attack_path == NULL) {
		(void)printf("1..1\nnot ok 1 - %s and %s are there\n", argv[1], argv[2]);
		return 1;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	if (geteuid() != 0)
		return cannot_run("needs root");
	if (!host_prepare()) {
		(void)printf("1..1\nnot ok 1 - the host's side is prepared\n");
		return 1;
	}
	for (size_t i = 0; i < N_PARTS; i++) {
		if (part == NULL ? parts[i].by_default
				 : strcmp(part, parts[i].name) == 0) {
			parts[i].run();
			found = true;
		}
	}
	tap_result(host_is_clean("everything"), "nothing is left on the host");
	host_done();
	if (!found)
		tap_result(false, "there is a part %s", part != NULL ? part : "?");
	return tap_done();
}
