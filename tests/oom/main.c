/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "oom.h"

/* No scenario needs as many; one that gets here does not end. */
#define ALLOCATIONS_MAX 20000

static long live;      /* allocations not yet released */
static long countdown; /* the allocation that fails, counted from 1; 0 for none */
static bool and_all_later;
static bool has_failed;

static bool fails_now(void)
{
	if (has_failed)
		return and_all_later;
	if (countdown == 0 || --countdown > 0)
		return false;
	has_failed = true;
	return true;
}

static void *failing_alloc(size_t bytes)
{
	void *ptr = fails_now() ? NULL : malloc(bytes);

	live += ptr != NULL;
	return ptr;
}

static void *failing_resize(void *old, size_t bytes)
{
	void *ptr = fails_now() ? NULL : realloc(old, bytes);

	live += ptr != NULL && old == NULL;
	return ptr;
}

static void counting_release(void *ptr)
{
	live -= ptr != NULL;
	free(ptr);
}

void oom_broken(const char *file, int line, const char *condition)
{
	printf("not ok - %s:%d: %s\n", file, line, condition);
	exit(EXIT_FAILURE);
}

/* NULL, or what is wrong with how a failed allocation was reported. */
static const char *judge_failure(int r, const jl_error *err, bool may_pass)
{
	static const jl_error *first;

	if (r == 0)
		return may_pass ? NULL : "the call passed all the same";
	if (r != -ENOMEM)
		return "the code is not -ENOMEM";
	/* jl_job_spec_new() and its like have no error parameter. */
	if (!err)
		return NULL;
	if (jl_error_code(err) != -ENOMEM)
		return "the error says something else than the code";
	if (!first)
		first = err;
	if (err != first)
		return "the error is not the static one";
	return NULL;
}

/* One run with the n-th allocation failing. Returns 0 when it passed without a failure.
 */
static int run_once(const struct scenario *scenario, long n, bool later,
		    const char **wrong)
{
	jl_error *err = NULL;
	long before = live;
	int r;

	countdown = n;
	and_all_later = later;
	has_failed = false;
	r = scenario->run(&err);
	countdown = 0;
	and_all_later = false;
	*wrong = NULL;
	if (has_failed)
		*wrong = judge_failure(r, err, scenario->may_pass);
	else if (r != 0)
		*wrong = err ? jl_error_message(err)
			     : "failed without a failed allocation";
	if (*wrong)
		printf("# code %d (%s), \"%s\"\n", r, strerror(-r),
		       jl_error_message(err));
	jl_error_free(err);
	if (!*wrong && live != before) {
		printf("# %ld allocations\n", live - before);
		live = before;
		*wrong = "memory is lost";
	}
	return has_failed || *wrong ? 1 : 0;
}

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value && strcmp(value, "0") != 0;
}

/* Returns how many allocations the scenario makes, or -1. */
static long run_scenario(const struct scenario *scenario, bool later)
{
	long step = scenario->every && !is_set("JOBLET_OOM") ? scenario->every : 1;
	const char *wrong;

	for (long n = 1; n < ALLOCATIONS_MAX; n += step) {
		int more = run_once(scenario, n, later, &wrong);

		if (wrong) {
			printf("# allocation %ld%s: %s\n", n,
			       later ? " and all later" : "", wrong);
			return -1;
		}
		if (!more)
			return n - 1;
	}
	printf("# does not end\n");
	return -1;
}

int main(void)
{
	int count = 0, bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (jl_set_allocator(failing_alloc, failing_resize, counting_release) < 0)
		return EXIT_FAILURE;
	for (const struct scenario *s = scenarios; s->name; s++) {
		long one, all;

		if (s->needs_root && geteuid() != 0 && !is_set("JOBLET_TEST_MUST_RUN")) {
			printf("ok %d - %s # SKIP needs root\n", ++count, s->name);
			continue;
		}
		one = run_scenario(s, false);
		all = one < 0 ? -1 : run_scenario(s, true);
		bad += all < 0;
		printf("%sok %d - %s, %ld allocations\n", all < 0 ? "not " : "", ++count,
		       s->name, one);
	}
	printf("1..%d\n", count);
	return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
