/* SPDX-License-Identifier: MIT */
/*
 * Jobs through the library, as any program would start them:
 *
 *   bench jobs [OPTION…]      start to end, and spawn alone, in one context
 *   bench cold                a new context, its first job, and closing it
 *   bench parallel N [OPTION…]  jobs/s with so many at a time in one context
 *   bench memory N…           memory of the supervisor while so many run
 *   bench grow N [OPTION…]    spawn alone, of the first and the last of so many
 *
 * Options: --limits, --touch MIB, --network NAME, --bps BYTES.
 */
#include "loop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <joblet/joblet.h>

#define PARALLEL_MAX 64
#define MEMORY_MAX 5000

struct bench {
	jl_ctx *ctx;
	jl_job_spec *spec;
	unsigned int parallel;
	jl_job *jobs[PARALLEL_MAX];
};

static int complain(const char *what, jl_error *err)
{
	fprintf(stderr, "bench: %s: %s\n", what, jl_error_message(err));
	jl_error_free(err);
	return 0;
}

static int set_limits(jl_job_spec *spec)
{
	jl_limits *limits = jl_job_spec_limits(spec);

	return jl_limits_set_cpu_percent(limits, 200, NULL) == 0 &&
	       jl_limits_set_memory_bytes(limits, UINT64_C(256) << 20, NULL) == 0 &&
	       jl_limits_set_pids(limits, 64, NULL) == 0 &&
	       jl_limits_set_cpus(limits, "0", NULL) == 0;
}

static int make_spec(jl_job_spec **spec, const char *command, const char *arg)
{
	return jl_job_spec_new(spec) == 0 &&
	       jl_job_spec_add_arg(*spec, command, NULL) == 0 &&
	       (!arg || jl_job_spec_add_arg(*spec, arg, NULL) == 0);
}

/* ---- one after the other -------------------------------------------------------------
 */

static int ended_well(jl_job *job)
{
	struct jl_result result = { .size = sizeof(result) };

	if (jl_job_get_result(job, &result, NULL) == 0 && result.exit_code == 0)
		return 1;
	fprintf(stderr, "bench: a job failed: %s with %" PRId64 "\n",
		jl_reason_name(result.reason), result.exit_code);
	return 0;
}

static int run_job(void *data, uint64_t times[LOOP_TIMES])
{
	struct bench *b = data;
	uint64_t start = loop_now();
	jl_error *err;
	jl_job *job;
	int well;

	if (jl_job_spawn(b->ctx, b->spec, &job, &err) < 0)
		return complain("cannot start a job", err);
	times[1] = loop_now() - start;
	if (jl_job_wait(job, JL_FOREVER, &err) < 0)
		return complain("cannot wait for a job", err);
	times[0] = loop_now() - start;
	well = ended_well(job);
	jl_job_unref(job);
	return well;
}

static int run_cold(void *data, uint64_t times[LOOP_TIMES])
{
	struct bench *b = data;
	uint64_t start = loop_now();
	jl_error *err;
	int r;

	if (jl_ctx_new(JL_CTX_MOVE_SELF, &b->ctx, &err) < 0)
		return complain("cannot open a context", err);
	r = run_job(b, times);
	times[0] = loop_now() - start;
	start = loop_now();
	b->ctx = jl_ctx_unref(b->ctx);
	times[2] = loop_now() - start;
	return r;
}

/* Memory of the caller that a fork would have to copy the tables of. */
static int touch(uint64_t mib)
{
	size_t size = (size_t)mib << 20;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return 0;
	(void)madvise(memory, size, MADV_NOHUGEPAGE);
	for (size_t at = 0; at < size; at += 4096)
		memory[at] = 1;
	return 1;
}

/* ---- many at a time ------------------------------------------------------------------
 */

static int finish(struct bench *b, unsigned int slot)
{
	jl_error *err;
	int well;

	if (jl_job_wait(b->jobs[slot], JL_FOREVER, &err) < 0)
		return complain("cannot wait for a job", err);
	well = ended_well(b->jobs[slot]);
	b->jobs[slot] = jl_job_unref(b->jobs[slot]);
	return well;
}

static int run_batch(void *data, unsigned int count)
{
	struct bench *b = data;
	jl_error *err;

	for (unsigned int i = 0; i < count; i++) {
		unsigned int slot = i % b->parallel;

		if (b->jobs[slot] && !finish(b, slot))
			return 0;
		if (jl_job_spawn(b->ctx, b->spec, &b->jobs[slot], &err) < 0)
			return complain("cannot start a job", err);
	}
	for (unsigned int slot = 0; slot < b->parallel; slot++)
		if (b->jobs[slot] && !finish(b, slot))
			return 0;
	return 1;
}

/* ---- memory --------------------------------------------------------------------------
 */

static int parent_of(int pid)
{
	char path[64], line[512], *end;
	int parent = -1;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (file && fgets(line, sizeof(line), file)) {
		end = strrchr(line, ')');
		if (!end || sscanf(end + 1, " %*c %d", &parent) != 1)
			parent = -1;
	}
	if (file)
		(void)fclose(file);
	return parent;
}

static void print_memory(unsigned int jobs, int supervisor)
{
	unsigned long kib, private_kib = 0, pss_kib = 0;
	char path[64], line[256];
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", supervisor);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Private_Clean: %lu", &kib) == 1 ||
		    sscanf(line, "Private_Dirty: %lu", &kib) == 1)
			private_kib += kib;
		else if (sscanf(line, "Pss: %lu", &kib) == 1)
			pss_kib = kib;
	}
	if (file)
		(void)fclose(file);
	printf("%u %lu %lu\n", jobs, private_kib, pss_kib);
	(void)fflush(stdout);
}

static int measure_memory(struct bench *b, int count, char **steps)
{
	static jl_job *jobs[MEMORY_MAX];
	unsigned int running = 0;
	jl_error *err;
	int r = 1, supervisor = -1;

	for (int i = 0; i < count && r; i++) {
		unsigned int want = (unsigned int)strtoul(steps[i], NULL, 10);

		while (r && running < want && running < MEMORY_MAX) {
			if (jl_job_spawn(b->ctx, b->spec, &jobs[running], &err) < 0)
				r = complain("cannot start a job", err);
			else if (running++ == 0)
				supervisor = parent_of(jl_job_get_pid(jobs[0]));
		}
		if (r)
			print_memory(running, supervisor);
	}
	for (unsigned int i = 0; i < running; i++)
		(void)jl_job_kill(jobs[i], NULL);
	for (unsigned int i = 0; i < running; i++) {
		if (jl_job_wait(jobs[i], JL_FOREVER, NULL) < 0)
			r = 0;
		jl_job_unref(jobs[i]);
	}
	return r;
}

/* ---- the first and the thousandth ---- */

#define GROW_BLOCK 50

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int grow(struct bench *b, unsigned int count)
{
	static jl_job *jobs[MEMORY_MAX];
	static uint64_t took[MEMORY_MAX];
	unsigned int running = 0;
	jl_error *err;
	int r = count >= 2 * GROW_BLOCK && count <= MEMORY_MAX;

	while (r && running < count) {
		uint64_t start = loop_now();

		if (jl_job_spawn(b->ctx, b->spec, &jobs[running], &err) < 0)
			r = complain("cannot start a job", err);
		else
			took[running++] = loop_now() - start;
	}
	for (unsigned int i = 0; i < running; i++)
		(void)jl_job_kill(jobs[i], NULL);
	for (unsigned int i = 0; i < running; i++) {
		if (jl_job_wait(jobs[i], JL_FOREVER, NULL) < 0)
			r = 0;
		jl_job_unref(jobs[i]);
	}
	if (!r)
		return 0;
	/* Behind the first few, which fill the stock. */
	qsort(took + 10, GROW_BLOCK, sizeof(*took), by_size);
	qsort(took + count - GROW_BLOCK, GROW_BLOCK, sizeof(*took), by_size);
	printf("%" PRIu64 " %" PRIu64 "\n", took[10 + GROW_BLOCK / 2],
	       took[count - GROW_BLOCK / 2]);
	return 1;
}

/* ---- */

static int usage(void)
{
	fprintf(stderr, "usage: bench jobs|parallel N|grow N [--limits] [--touch MIB]\n"
			"                  [--network NAME] [--bps BYTES]\n"
			"       bench cold | memory N...\n");
	return 2;
}

static int set_options(struct bench *b, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;
		int r = 0;

		if (strcmp(argv[i], "--limits") == 0) {
			if (!set_limits(b->spec))
				return 0;
			continue;
		}
		if (!value)
			return 0;
		if (strcmp(argv[i], "--touch") == 0)
			r = touch(strtoull(value, NULL, 10)) ? 0 : -1;
		else if (strcmp(argv[i], "--network") == 0)
			r = jl_job_spec_set_network_name(b->spec, value, NULL);
		else if (strcmp(argv[i], "--bps") == 0)
			r = jl_job_spec_set_net_bps(b->spec, strtoull(value, NULL, 10),
						    NULL);
		else
			r = -1;
		if (r < 0)
			return 0;
		i++;
	}
	return 1;
}

/* With a number in front of the options. */
static int run_numbered(struct bench *b, const char *mode, int argc, char **argv)
{
	unsigned int number = (unsigned int)strtoul(argv[0], NULL, 10);

	if (!set_options(b, argc - 1, argv + 1))
		return -1;
	if (strcmp(mode, "grow") == 0)
		return !grow(b, number);
	b->parallel = number;
	if (number < 1 || number > PARALLEL_MAX)
		return -1;
	return loop_run_batch(run_batch, b);
}

int main(int argc, char **argv)
{
	struct bench b = { .parallel = 1 };
	struct rlimit files;
	const char *mode = argc > 1 ? argv[1] : "";
	int memory = strcmp(mode, "memory") == 0, r = -1;
	int sleeps = memory || strcmp(mode, "grow") == 0;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	if (!make_spec(&b.spec, sleeps ? "sleep" : "/bin/true", sleeps ? "3600" : NULL))
		return 1;
	if (strcmp(mode, "cold") == 0)
		return loop_run(run_cold, &b, 3);
	if (jl_ctx_new(JL_CTX_MOVE_SELF, &b.ctx, NULL) < 0)
		return 1;
	if (strcmp(mode, "jobs") == 0 && set_options(&b, argc - 2, argv + 2)) {
		r = loop_run(run_job, &b, 2);
	} else if ((strcmp(mode, "parallel") == 0 || strcmp(mode, "grow") == 0) &&
		   argc > 2) {
		r = run_numbered(&b, mode, argc - 2, argv + 2);
	} else if (memory && argc > 2) {
		r = !measure_memory(&b, argc - 2, argv + 2);
	}
	jl_job_spec_free(b.spec);
	jl_ctx_unref(b.ctx);
	return r < 0 ? usage() : r;
}
