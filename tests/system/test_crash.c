/* SPDX-License-Identifier: MIT */
/* Supervisors and callers killed at any moment: what becomes of jobs, and what is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define JOBS 20

static unsigned int seed;

static void set_seed(void)
{
	seed = (unsigned int)number_of("JOBLET_SEED", (long)(time(NULL) ^ getpid() << 8));
	note("JOBLET_SEED=%u", seed);
}

/* Seconds up to most, evenly. */
static double some(double most)
{
	return most * (double)rand_r(&seed) / RAND_MAX;
}

/* By descriptor, and only a supervisor: never another process of that number. */
static void kill_supervisor(pid_t pid)
{
	char path[64], name[32] = "";
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && pidfd >= 0 && read(fd, name, sizeof(name) - 1) > 0 &&
	    strncmp(name, "joblet", 6) == 0)
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	if (fd >= 0)
		(void)close(fd);
	if (pidfd >= 0)
		(void)close(pidfd);
}

static jl_job_spec *tough(void)
{
	return shell("trap '' TERM; sleep 1000 & (setsid sleep 1000 &) ; sleep 1000");
}

static bool all_gone(void)
{
	return marked_processes() == 0;
}

/* ---- the supervisor ---- */

START_TEST(a_dead_supervisor_loses_its_jobs_and_nothing_else)
{
	jl_job_spec *spec = tough();
	jl_job *jobs[JOBS];
	pid_t first;

	for (int i = 0; i < JOBS; i++)
		ck_ok(jl_job_spawn(ctx, spec, &jobs[i], &err));
	first = supervisor_of(jobs[0]);
	ck_assert(marked_become(JOBS));
	kill_supervisor(first);
	for (int i = 0; i < JOBS; i++) {
		struct jl_result result = { .size = sizeof(result) };

		ck_ok(jl_job_wait(jobs[i], (uint64_t)(20e6 * patience), &err));
		ck_ok(jl_job_get_result(jobs[i], &result, &err));
		ck_assert_int_eq(result.reason, JL_REASON_LOST);
		ck_assert_int_eq(result.exit_code, 137);
		ck_assert_int_eq(result.signal, SIGKILL);
		ck_assert_uint_ge(result.end_usec, result.start_usec);
		ck_assert_int_eq(jl_job_get_pid(jobs[i]), -ESRCH);
		ck_fails(jl_job_signal(jobs[i], SIGTERM, &err), -ESRCH,
			 jl_job_get_id(jobs[i]));
		ck_fails(jl_job_freeze(jobs[i], &err), -ESRCH, jl_job_get_id(jobs[i]));
		jl_job_unref(jobs[i]);
	}
	ck_assert_uint_eq(marked_processes(), 0);
	ck_assert_msg(becomes(nothing_left, 5), "left: %s", leftovers());
	/* The same context goes on with another one. */
	ck_prints(command("echo", "again", NULL), "again\n");
	ck_ok(jl_job_spawn(ctx, spec, &jobs[0], &err));
	ck_assert_int_ne(supervisor_of(jobs[0]), first);
	jl_job_unref(jobs[0]);
	jl_job_spec_free(spec);
}
END_TEST

START_TEST(lost_jobs_are_events)
{
	jl_job_spec *spec = tough();
	jl_job *jobs[5];
	jl_event *event;
	double end = now() + 20 * patience;
	unsigned int count = 0;

	for (int i = 0; i < 5; i++)
		ck_ok(jl_job_spawn(ctx, spec, &jobs[i], &err));
	jl_job_spec_free(spec);
	remember(jobs[0]);
	kill_supervisor(supervisor_of(jobs[0]));
	while (count < 5 && now() < end) {
		struct pollfd ready = { .fd = jl_ctx_get_fd(ctx), .events = POLLIN };

		(void)poll(&ready, 1, 1000);
		while (jl_ctx_next_event(ctx, &event, &err) == 1) {
			count++;
			jl_event_free(event);
		}
	}
	ck_assert_uint_eq(count, 5);
	for (int i = 0; i < 5; i++)
		jl_job_unref(jobs[i]);
}
END_TEST

struct shot {
	pid_t pid;
	double delay;
};

static void *shoot(void *data)
{
	struct shot *shot = data;

	pause_for(shot->delay);
	kill_supervisor(shot->pid);
	return NULL;
}

START_TEST(a_supervisor_may_die_at_any_moment)
{
	jl_job_spec *spec = tough();
	int rounds = is_slow() ? 3 : 12;

	set_seed();
	for (int round = 0; round < rounds; round++) {
		jl_job *jobs[JOBS];
		int started = 0, lost = 0;
		struct shot shot;
		pthread_t thread;

		ck_ok(jl_job_spawn(ctx, spec, &jobs[started++], &err));
		remember(jobs[0]);
		shot.pid = supervisor_of(jobs[0]);
		shot.delay = some(0.05) * patience;
		ck_assert_int_eq(pthread_create(&thread, NULL, shoot, &shot), 0);
		while (started < JOBS) {
			int r = jl_job_spawn(ctx, spec, &jobs[started], &err);

			if (r == 0) {
				started++;
				continue;
			}
			/* One start fails with the supervisor; the next has a new one. */
			ck_assert_msg(r == -ECONNRESET, "%d %s", r,
				      jl_error_message(err));
			ck_assert_int_le(++lost, 1);
			jl_error_free(err);
			err = NULL;
		}
		(void)pthread_join(thread, NULL);
		for (int i = 0; i < started; i++) {
			struct jl_result result = { .size = sizeof(result) };

			remember(jobs[i]);
			(void)jl_job_kill(jobs[i], NULL);
			ck_ok(jl_job_wait(jobs[i], (uint64_t)(20e6 * patience), &err));
			ck_ok(jl_job_get_result(jobs[i], &result, &err));
			ck_assert(result.reason == JL_REASON_LOST ||
				  result.reason == JL_REASON_STOPPED);
			jl_job_unref(jobs[i]);
		}
		/* The one whose start failed was nobody's to wait for. */
		ck_assert(becomes(all_gone, 10));
	}
	jl_job_spec_free(spec);
}
END_TEST

/* ---- the caller ---- */

/* A process that runs jobs through a context of its own until it is killed. */
static pid_t start_caller(int orphan, int jobs, const char *script, int gate, int ready)
{
	pid_t pid = fork();
	jl_job_spec *spec;
	jl_ctx *own;

	ck_assert_int_ge(pid, 0);
	if (pid)
		return pid;
	own = open_ctx(0);
	spec = script ? shell(script) : tough();
	if (jl_job_spec_set_orphan(spec, orphan, NULL) < 0)
		_exit(1);
	if (script && (jl_job_spec_set_stdio(spec, 0, gate, NULL) < 0 ||
		       jl_job_spec_set_stdio(spec, 1, ready, NULL) < 0))
		_exit(1);
	for (int i = 0; i < jobs; i++) {
		jl_job *job = NULL;

		if (jl_job_spawn(own, spec, &job, NULL) < 0)
			_exit(2);
		remember(job);
	}
	if (write(ready, "r", 1) != 1)
		_exit(3);
	(void)close(ready);
	jl_job_spec_free(spec);
	for (;;)
		pause_for(1000);
}

static void reap(pid_t pid)
{
	int status = 0;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFSIGNALED(status), "the caller ended with %d", status);
}

static bool no_supervisor_left(void)
{
	return !strstr(leftovers(), "supervisor");
}

/* A new context's first job removes what nobody could remove. */
static void sweep(void)
{
	/* As long as it is there, its groups are its own. */
	ck_assert(becomes(no_supervisor_left, 10));
	ck_prints(command("echo", "fine", NULL), "fine\n");
	close_ctx();
	ck_assert_msg(becomes(nothing_left, 10), "left: %s", leftovers());
	ctx = open_ctx(0);
}

START_TEST(jobs_of_a_dead_caller_die)
{
	char byte;
	int pipes[2];
	pid_t caller;

	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	caller = start_caller(JL_ORPHAN_KILL, 10, NULL, -1, pipes[1]);
	(void)close(pipes[1]);
	ck_assert_int_eq(read(pipes[0], &byte, 1), 1);
	(void)close(pipes[0]);
	ck_assert(marked_become(10));
	ck_assert_int_eq(kill(caller, SIGKILL), 0);
	reap(caller);
	ck_assert(becomes(all_gone, 10));
	/* The supervisor cleans up by itself and leaves. */
	ck_assert_msg(becomes(nothing_left, 10), "left: %s", leftovers());
}
END_TEST

START_TEST(jobs_that_are_kept_go_on_and_are_cleaned_up)
{
	static const char script[] = "echo started; read go; echo finished";
	char text[256] = "";
	size_t len = 0;
	ssize_t got;
	int pipes[2], gate[2];
	pid_t caller;

	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(gate, O_CLOEXEC), 0);
	caller = start_caller(JL_ORPHAN_KEEP, 3, script, gate[0], pipes[1]);
	(void)close(pipes[1]);
	(void)close(gate[0]);
	while (!strchr(text, 'r') || len < 25) {
		got = read(pipes[0], text + len, sizeof(text) - 1 - len);
		ck_assert_int_gt(got, 0);
		len += (size_t)got;
		if (memchr(text, 'r', len) && len >= 25)
			break;
	}
	ck_assert_int_eq(kill(caller, SIGKILL), 0);
	reap(caller);
	ck_assert_uint_ge(marked_processes(), 3);
	/* All three say so, and then there is nobody to hold the pipe. */
	(void)close(gate[1]);
	while ((got = read(pipes[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)got;
	(void)close(pipes[0]);
	got = 0;
	for (const char *at = text; (at = strstr(at, "finished\n")); at++)
		got++;
	ck_assert_int_eq(got, 3);
	ck_assert_msg(becomes(nothing_left, 10), "left: %s", leftovers());
}
END_TEST

START_TEST(kept_jobs_survive_the_closing_of_their_context)
{
	jl_job_spec *keep = shell("read go; echo kept"), *die = tough();
	int pipes[2], gate = put_gate(keep);
	char text[64] = "";
	jl_job *job;

	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	ck_ok(jl_job_spec_set_orphan(keep, JL_ORPHAN_KEEP, &err));
	ck_ok(jl_job_spec_set_stdio(keep, 1, pipes[1], &err));
	(void)close(pipes[1]);
	ck_ok(jl_job_spawn(ctx, keep, &job, &err));
	remember(job);
	jl_job_unref(job);
	ck_ok(jl_job_spawn(ctx, die, &job, &err));
	jl_job_unref(job);
	jl_job_spec_free(keep);
	jl_job_spec_free(die);
	close_ctx();
	(void)close(gate);
	ck_assert_int_eq(read(pipes[0], text, sizeof(text)), 5);
	ck_assert_str_eq(text, "kept\n");
	ck_assert_int_eq(read(pipes[0], text, sizeof(text)), 0);
	(void)close(pipes[0]);
	ck_assert_msg(becomes(nothing_left, 10), "left: %s", leftovers());
}
END_TEST

START_TEST(a_caller_may_die_at_any_moment)
{
	int rounds = is_slow() ? 4 : 20;

	set_seed();
	for (int round = 0; round < rounds; round++) {
		int pipes[2];
		pid_t caller;

		ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
		caller = start_caller(JL_ORPHAN_KILL, 8, NULL, -1, pipes[1]);
		(void)close(pipes[1]);
		/* From before its supervisor starts until its jobs run. */
		pause_for(some(0.04) * patience);
		ck_assert_int_eq(kill(caller, SIGKILL), 0);
		reap(caller);
		(void)close(pipes[0]);
		ck_assert_msg(becomes(all_gone, 10), "%s", leftovers());
	}
	sweep();
}
END_TEST

START_TEST(caller_and_supervisor_may_die_together)
{
	int rounds = is_slow() ? 3 : 10;

	set_seed();
	for (int round = 0; round < rounds; round++) {
		jl_job_spec *spec = tough();
		jl_job *job;
		pid_t caller;
		int pipes[2];
		pid_t supervisor = 0;

		ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
		caller = fork();
		if (caller == 0) {
			jl_ctx *own = open_ctx(0);

			for (int i = 0; i < 8; i++) {
				if (jl_job_spawn(own, spec, &job, NULL) < 0)
					_exit(2);
				remember(job);
				supervisor = supervisor_of(job);
				if (i == 0 &&
				    write(pipes[1], &supervisor, sizeof(supervisor)) < 0)
					_exit(3);
			}
			for (;;)
				pause_for(1000);
		}
		(void)close(pipes[1]);
		ck_assert_int_eq(read(pipes[0], &supervisor, sizeof(supervisor)),
				 sizeof(supervisor));
		(void)close(pipes[0]);
		pause_for(some(0.02) * patience);
		if (round & 1) {
			kill_supervisor(supervisor);
			ck_assert_int_eq(kill(caller, SIGKILL), 0);
		} else {
			ck_assert_int_eq(kill(caller, SIGSTOP), 0);
			kill_supervisor(supervisor);
			ck_assert_int_eq(kill(caller, SIGKILL), 0);
		}
		reap(caller);
		jl_job_spec_free(spec);
		ck_assert_msg(becomes(all_gone, 10), "%s", leftovers());
	}
	sweep();
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, a_dead_supervisor_loses_its_jobs_and_nothing_else);
	tcase_add_test(tcase, lost_jobs_are_events);
	tcase_add_test(tcase, a_supervisor_may_die_at_any_moment);
	tcase_add_test(tcase, jobs_of_a_dead_caller_die);
	tcase_add_test(tcase, jobs_that_are_kept_go_on_and_are_cleaned_up);
	tcase_add_test(tcase, kept_jobs_survive_the_closing_of_their_context);
	tcase_add_test(tcase, a_caller_may_die_at_any_moment);
	tcase_add_test(tcase, caller_and_supervisor_may_die_together);
}

int main(void)
{
	return harness_main("crash", 120, add);
}
