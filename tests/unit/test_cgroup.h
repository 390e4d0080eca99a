/* SPDX-License-Identifier: MIT */
/* What the unit tests of cgroup/ share: failing allocations, temporary folders, the
 * runner. */
#ifndef TEST_CGROUP_H
#define TEST_CGROUP_H

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "cgroup/cgroup-priv.h"

static long alloc_live;	 /* not yet released */
static long alloc_until; /* allocations that still succeed; -1 for all */

static inline void *counted_resize(void *old, size_t bytes)
{
	void *ptr;

	if (alloc_until == 0)
		return NULL;
	alloc_until -= alloc_until > 0;
	ptr = realloc(old, bytes);
	alloc_live += ptr && !old;
	return ptr;
}

static inline void *counted_alloc(size_t bytes)
{
	return counted_resize(NULL, bytes);
}

static inline void counted_free(void *ptr)
{
	alloc_live -= ptr != NULL;
	free(ptr);
}

/*
 * Runs a scenario with allocation 1, 2, 3 ... and all later ones failing until it passes.
 * The scenario releases everything and returns what the library said.
 */
static inline void run_short_of_memory(int (*scenario)(jl_error **err))
{
	jl_error *err = NULL;
	int r = -ENOMEM;
	long n;

	ck_assert_int_eq(jl_set_allocator(counted_alloc, counted_resize, counted_free),
			 0);
	for (n = 0; r != 0; n++) {
		ck_assert_int_lt(n, 1000);
		alloc_live = 0;
		alloc_until = n;
		r = scenario(&err);
		alloc_until = -1;
		if (r != 0)
			ck_assert_int_eq(r, -ENOMEM);
		if (err)
			ck_assert_int_eq(jl_error_code(err), -ENOMEM);
		jl_error_free(err);
		err = NULL;
		ck_assert_int_eq(alloc_live, 0);
	}
	ck_assert_int_gt(n, 1);
	ck_assert_int_eq(jl_set_allocator(NULL, NULL, NULL), 0);
}

static inline struct jl__span span_of(const char *text)
{
	return (struct jl__span){ text, strlen(text) };
}

static inline void write_text(const char *folder, const char *file, const char *text)
{
	char path[512];
	FILE *out;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, file);
	out = fopen(path, "we");
	ck_assert_ptr_nonnull(out);
	ck_assert_int_ge(fputs(text, out), 0);
	ck_assert_int_eq(fclose(out), 0);
}

/* The same sequence each time: a failure must come again. */
static inline uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* A text made of pieces of the given one and of noise, in memory of exactly its size. */
static inline char *damaged(const char *text, uint32_t *seed, size_t *ret_len)
{
	size_t len = strlen(text);
	char *copy;

	len = len ? next_random(seed) % (len + 1) : 0;
	copy = malloc(len ? len : 1);
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, len);
	for (uint32_t i = next_random(seed) % 4; len && i > 0; i--)
		copy[next_random(seed) % len] = (char)next_random(seed);
	*ret_len = len;
	return copy;
}

static inline int run_suite(const char *title, TCase *tcase)
{
	Suite *suite = suite_create(title);
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
