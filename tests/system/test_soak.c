/* SPDX-License-Identifier: MIT */
/*
 * Many jobs, one after the other and at once, and nothing of them afterwards. JOBLET_SOAK
 * is the number of jobs in a row.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define READY_FDS 30
#define READY_CHILDREN 8
#define IN_A_ROW 2000
#define IN_A_ROW_SLOW 150
#define ROW_SECONDS 60 /* of a run without JOBLET_SOAK */
#define AT_ONCE 200
#define AT_ONCE_SLOW 60

/* kB of a line of /proc/PID/smaps_rollup, or -1. */
static long memory_of(pid_t pid, const char *key)
{
	char path[64], line[256];
	long value = -1;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, key, strlen(key)) == 0)
			value = strtol(line + strlen(key), NULL, 10);
	if (file)
		(void)fclose(file);
	return value;
}

static int lines_of(pid_t pid, const char *name)
{
	char path[64];
	int count = 0, c;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	file = fopen(path, "re");
	while (file && (c = fgetc(file)) != EOF)
		count += c == '\n';
	if (file)
		(void)fclose(file);
	return count;
}

/* Processes whose parent it is; the dead ones among them. */
static unsigned int children_of(pid_t parent, unsigned int *ret_zombies)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	unsigned int count = 0;

	*ret_zombies = 0;
	while (folder && (entry = readdir(folder))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && status_of(pid, "\nPPid:\t") == parent) {
			count++;
			*ret_zombies += is_gone(pid);
		}
	}
	if (folder)
		(void)closedir(folder);
	return count;
}

struct shape {
	int fds, own_fds, mounts;
	unsigned int children, zombies;
	long memory;
};

static struct shape shape_of(pid_t supervisor)
{
	struct shape shape;

	/* What it prepares for the next job is there again. */
	pause_for(0.1 * patience);
	shape.fds = fd_count(supervisor);
	shape.own_fds = fd_count(getpid());
	shape.mounts = lines_of(supervisor, "mountinfo");
	shape.children = children_of(supervisor, &shape.zombies);
	shape.memory = memory_of(supervisor, "Private_Dirty:");
	return shape;
}

static bool is_prepared(const struct shape *before, const struct shape *after)
{
	/* Those that helped to prepare the last two are reaped with the next ones. */
	return after->mounts == before->mounts && after->zombies <= 2 &&
	       after->children <= READY_CHILDREN;
}

/* What it prepares for the next job is not there at once. */
static struct shape shape_at_last(pid_t supervisor, const struct shape *before)
{
	double end = now() + 20 * patience;
	struct shape after = shape_of(supervisor);

	while (!is_prepared(before, &after) && now() < end)
		after = shape_of(supervisor);
	return after;
}

static void ck_same_shape(const struct shape *before, const struct shape *after)
{
	note("supervisor: %d descriptors, %d mounts, %ld kB; before: %d, %d, %ld kB",
	     after->fds, after->mounts, after->memory, before->fds, before->mounts,
	     before->memory);
	/* What is kept ready for the next jobs comes and goes; what jobs leave adds up.
	 */
	ck_assert_int_le(abs(after->fds - before->fds), READY_FDS);
	ck_assert_int_eq(after->own_fds, before->own_fds);
	/* What it prepares has processes, some now and then; none of them is a job's. */
	ck_assert_msg(is_prepared(before, after), "%d mounts, %u children, %u zombies",
		      after->mounts, after->children, after->zombies);
	ck_assert_int_le(after->memory, before->memory + 512);
}

static pid_t supervisor_now(void)
{
	jl_job_spec *spec = command("sleep", "1000", NULL);
	struct run run;
	pid_t pid;

	run_start(&run, spec);
	jl_job_spec_free(spec);
	pid = supervisor_of(run.job);
	ck_ok(jl_job_kill(run.job, &err));
	run_end(&run);
	run_done(&run);
	return pid;
}

START_TEST(jobs_in_a_row_leave_nothing)
{
	long asked = number_of("JOBLET_SOAK", 0), done;
	long wanted = asked > 0 ? asked : is_slow() ? IN_A_ROW_SLOW : IN_A_ROW;
	jl_job_spec *spec = command("true", NULL);
	struct shape before = { 0 }, after;
	pid_t supervisor = supervisor_now();
	double start = now();

	for (done = 0; done < wanted; done++) {
		struct jl_result result = { .size = sizeof(result) };
		jl_job *job;

		if (done == 20)
			before = shape_of(supervisor);
		ck_ok(jl_job_spawn(ctx, spec, &job, &err));
		ck_ok(jl_job_wait(job, JL_FOREVER, &err));
		ck_ok(jl_job_get_result(job, &result, &err));
		ck_assert_int_eq(result.reason, JL_REASON_EXITED);
		ck_assert_int_eq(result.exit_code, 0);
		jl_job_unref(job);
		if (asked <= 0 && done > 100 && now() - start > ROW_SECONDS * patience)
			break;
	}
	note("%ld jobs in a row, %.2f ms each", done,
	     (now() - start) * 1000 / (double)done);
	after = shape_at_last(supervisor, &before);
	ck_same_shape(&before, &after);
	ck_assert_uint_eq(marked_processes(), 0);
	jl_job_spec_free(spec);
}
END_TEST

START_TEST(failing_starts_in_a_row_leave_nothing)
{
	jl_job_spec *spec = command("no-such-command", NULL), *at = command("true", NULL);
	struct shape before = { 0 }, after;
	pid_t supervisor = supervisor_now();

	ck_ok(jl_job_spec_set_work_dir(at, "/no/such/folder", &err));
	for (int i = 0; i < (is_slow() ? 60 : 300); i++) {
		jl_job *job;

		if (i == 20)
			before = shape_of(supervisor);
		ck_assert_int_eq(jl_job_spawn(ctx, i & 1 ? spec : at, &job, NULL),
				 -ENOENT);
	}
	after = shape_at_last(supervisor, &before);
	ck_same_shape(&before, &after);
	jl_job_spec_free(spec);
	jl_job_spec_free(at);
}
END_TEST

/* One event loop, hundreds of jobs, a third of them ended from outside at any moment. */
START_TEST(jobs_at_once_leave_nothing)
{
	const unsigned int count = is_slow() ? AT_ONCE_SLOW : AT_ONCE;
	unsigned int seed = (unsigned int)number_of("JOBLET_SEED", (long)time(NULL));
	unsigned int ended = 0, running, touched = 0, zombies, ended_already = 0;
	jl_job_spec *spec = shell("sleep 1000 & read x </dev/null; sleep $((1 + $$))");
	jl_job *jobs[AT_ONCE];
	struct shape before, after;
	pid_t supervisor;
	long empty, full;
	double end, started;

	note("JOBLET_SEED=%u", seed);
	(void)supervisor_now();
	(void)supervisor_now();
	supervisor = supervisor_now();
	before = shape_of(supervisor);
	empty = before.memory;
	started = now();
	for (unsigned int i = 0; i < count; i++) {
		ck_ok(jl_job_spawn(ctx, spec, &jobs[i], &err));
		/* Some end while others start. */
		if (rand_r(&seed) % 12 == 0) {
			unsigned int victim = (unsigned int)rand_r(&seed) % (i + 1);

			(void)jl_job_kill(jobs[victim], NULL);
			touched++;
		}
	}
	running = children_of(supervisor, &zombies);
	full = memory_of(supervisor, "Private_Dirty:");
	if (running)
		note("%u of %u jobs running after %.2f s; %.2f kB of the supervisor for each",
		     running, count, now() - started,
		     (double)(full - empty) / (double)running);
	while (touched < count / 3) {
		jl_job *job = jobs[(unsigned int)rand_r(&seed) % count];

		switch (rand_r(&seed) % 3) {
		case 0:
			(void)jl_job_kill(job, NULL);
			break;
		case 1:
			ended_already += jl_job_signal(job, SIGTERM, NULL) == -ESRCH;
			break;
		default:
			ended_already += jl_job_stop(job, (uint64_t)rand_r(&seed) % 50000,
						     NULL) == -ESRCH;
			break;
		}
		touched++;
		pause_for(0.003 * (double)rand_r(&seed) / RAND_MAX);
	}
	end = now() + 60 * patience;
	while (ended < count && now() < end) {
		struct pollfd ready = { .fd = jl_ctx_get_fd(ctx), .events = POLLIN };
		jl_event *event;

		(void)poll(&ready, 1, 100);
		while (jl_ctx_next_event(ctx, &event, &err) == 1) {
			ended++;
			jl_event_free(event);
		}
	}
	note("%u were ended from outside, %u of them twice", touched, ended_already);
	ck_assert_uint_eq(ended, count);
	for (unsigned int i = 0; i < count; i++) {
		struct jl_result result = { .size = sizeof(result) };

		ck_ok(jl_job_get_result(jobs[i], &result, &err));
		ck_assert(result.reason == JL_REASON_EXITED ||
			  result.reason == JL_REASON_STOPPED ||
			  result.reason == JL_REASON_SIGNALLED);
		jl_job_unref(jobs[i]);
	}
	jl_job_spec_free(spec);
	ck_assert_uint_eq(marked_processes(), 0);
	after = shape_at_last(supervisor, &before);
	/* Records of that many jobs stay for the next ones. */
	after.memory = before.memory;
	ck_same_shape(&before, &after);
}
END_TEST

START_TEST(contexts_in_a_row_leave_nothing)
{
	int before = fd_count(getpid());

	for (int i = 0; i < (is_slow() ? 10 : 60); i++) {
		jl_ctx *own = open_ctx(0);
		jl_job_spec *spec = command("true", NULL);
		jl_job *job;

		ck_ok(jl_job_spawn(own, spec, &job, &err));
		remember(job);
		if (i & 1)
			ck_ok(jl_job_wait(job, JL_FOREVER, &err));
		jl_job_unref(job);
		jl_job_spec_free(spec);
		own = jl_ctx_unref(own);
	}
	ck_assert_int_eq(fd_count(getpid()), before);
	ck_assert_msg(becomes(nothing_left, 5), "left: %s", leftovers());
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, jobs_in_a_row_leave_nothing);
	tcase_add_test(tcase, failing_starts_in_a_row_leave_nothing);
	tcase_add_test(tcase, jobs_at_once_leave_nothing);
	tcase_add_test(tcase, contexts_in_a_row_leave_nothing);
}

int main(void)
{
	return harness_main("soak", number_of("JOBLET_SOAK", 0) > 0 ? 3600 : 150, add);
}
