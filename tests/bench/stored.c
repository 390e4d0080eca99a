/* SPDX-License-Identifier: MIT */
/*
 * A node with many stored jobs: stored JOBS. Prints what was done, and medians of the
 * time it took and of the processor time it needed, in microseconds.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <joblet/node.h>

#include "loop.h"
#include "store/store.h"

#define ROUNDS 21

static char base[] = "/var/tmp/joblet-bench-stored-XXXXXX";
static jl_error *err;
static jl_ctx *ctx;
static jl_node *node;
static struct jl__store *store;
static char last[37];

static int fail(const char *what)
{
	(void)fprintf(stderr, "stored: %s: %s\n", what, jl_error_message(err));
	return -1;
}

/* Ended jobs as they are: a command line, limits, a result. */
static int add(unsigned int i)
{
	static char spec[4] = { 1 }; /* version 1, nothing else */
	static const char command[] = "python3\0train.py\0--epochs=10\0--out=/work/model";
	const struct jl__details details = { .spec = spec, .spec_len = sizeof(spec) };
	struct jl__row row;

	jl__row_init(&row);
	for (int n = JL__N_CREATED; n < JL__N_COUNT; n++)
		row.number[n] = 1700000000000000 + i;
	row.number[JL__N_STATE] = JL_STATE_COMPLETED;
	row.number[JL__N_SERIES] = row.number[JL__N_UPLOADS] = UINT64_MAX;
	(void)snprintf(last, sizeof(last), "%08x-0000-4000-8000-%012x", i * 2654435761U,
		       i);
	row.text[JL__T_ID] = last;
	row.text[JL__T_NAME] = "training";
	row.text[JL__T_NETWORK] = "bridge";
	row.text[JL__T_WORK_DIR] = "/work";
	row.command = command;
	row.command_len = sizeof(command);
	return jl__store_insert(store, &row, &details, &err);
}

static int fill(unsigned int jobs)
{
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "%s/node.db", base);
	r = jl__store_open(path, &store, &err);
	if (r == 0)
		r = jl__store_begin(store, true, &err);
	for (unsigned int i = 0; r == 0 && i < jobs; i++)
		r = add(i);
	return r < 0 ? r : jl__store_commit(store, &err);
}

static int open_node(void)
{
	node = jl_node_unref(node);
	return jl_node_open(ctx, NULL, &node, &err);
}

static int list(uint32_t limit)
{
	jl_job_list *jobs;
	int r = jl_node_list(node, 0, NULL, limit, &jobs, &err);

	if (r == 0)
		jl_job_list_free(jobs);
	return r;
}

static int list_all(void)
{
	return list(0);
}

static int list_some(void)
{
	return list(20);
}

static int get(const char *id)
{
	jl_job_info *info;
	int r = jl_node_get(node, id, &info, &err);

	if (r == 0)
		jl_job_info_free(info);
	return r;
}

static int get_number(void)
{
	return get("77");
}

static int get_prefix(void)
{
	char prefix[9];

	(void)snprintf(prefix, sizeof(prefix), "%.8s", last);
	return get(prefix);
}

static int commit(bool durable)
{
	struct jl__row *row;
	int r = jl__store_begin(store, durable, &err);

	if (r == 0)
		r = jl__store_get(store, 77, &row, &err);
	if (r < 0)
		return r;
	r = jl__store_update(store, row, &err);
	jl__row_free(row);
	return r < 0 ? r : jl__store_commit(store, &err);
}

static int commit_fast(void)
{
	return commit(false);
}

static int commit_durable(void)
{
	return commit(true);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t processor_now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static uint64_t median(uint64_t *times)
{
	qsort(times, ROUNDS, sizeof(times[0]), by_size);
	return times[ROUNDS / 2] / 1000;
}

static int measure(const char *what, int (*fn)(void))
{
	uint64_t times[ROUNDS], processor[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = loop_now(), used = processor_now();

		if (fn() < 0)
			return fail(what);
		times[i] = loop_now() - start;
		processor[i] = processor_now() - used;
	}
	printf("%-16s %8" PRIu64 " %8" PRIu64 "\n", what, median(times),
	       median(processor));
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int jobs = argc > 1 ? (unsigned int)strtoul(argv[1], NULL, 10) : 10000;
	char clean[96];
	int r;

	if (!mkdtemp(base) || jl_ctx_new(0, &ctx, &err) < 0 ||
	    jl_ctx_set_state_dir(ctx, base, &err) < 0)
		return EXIT_FAILURE;
	r = fill(jobs);
	if (r < 0)
		(void)fail("filling the store");
	if (r == 0)
		r = measure("open", open_node);
	if (r == 0)
		r = measure("list", list_all);
	if (r == 0)
		r = measure("list of 20", list_some);
	if (r == 0)
		r = measure("get", get_number);
	if (r == 0)
		r = measure("get by prefix", get_prefix);
	if (r == 0)
		r = measure("commit", commit_fast);
	if (r == 0)
		r = measure("durable commit", commit_durable);
	(void)jl_node_unref(node);
	(void)jl__store_close(store);
	(void)jl_ctx_unref(ctx);
	(void)snprintf(clean, sizeof(clean), "rm -rf %s", base);
	return system(clean) != 0 || r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
