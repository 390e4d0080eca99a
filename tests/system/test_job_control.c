/* SPDX-License-Identifier: MIT */
/* What is done to a running job: signals, stopping, freezing, waiting, events, threads.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

static struct run run;

static void start(const char *script)
{
	jl_job_spec *spec = shell(script);

	run_start(&run, spec);
	jl_job_spec_free(spec);
}

/* It goes on when the gate is closed. */
static int start_gated(const char *script)
{
	jl_job_spec *spec = shell(script);
	int gate = put_gate(spec);

	run_start(&run, spec);
	jl_job_spec_free(spec);
	return gate;
}

/* ---- signals ---- */

START_TEST(a_handled_signal_arrives)
{
	start("trap 'echo got; exit 5' USR1; echo ready; while :; do sleep 0.02; done");
	run_until(&run, "ready");
	ck_ok(jl_job_signal(run.job, SIGUSR1, &err));
	run_end(&run);
	ck_ended(&run, JL_REASON_EXITED, 5);
	ck_assert_str_eq(run.text[0], "ready\ngot\n");
	run_done(&run);
}
END_TEST

static const int deadly[] = { SIGTERM, SIGINT,	SIGHUP, SIGUSR1, SIGALRM,
			      SIGQUIT, SIGKILL, 34,	64 };

START_TEST(a_signal_nobody_asked_for_ends_the_job)
{
	jl_job_spec *spec = command("sleep", "1000", NULL);

	run_start(&run, spec);
	jl_job_spec_free(spec);
	ck_ok(jl_job_signal(run.job, deadly[_i], &err));
	run_end(&run);
	ck_ended(&run, JL_REASON_SIGNALLED, 128 + deadly[_i]);
	ck_assert_int_eq(run.result.signal, deadly[_i]);
	ck_assert_double_lt((double)run.result.wall_usec / 1e6, 10 * patience);
	ck_fails(jl_job_signal(run.job, deadly[_i], &err), -ESRCH,
		 jl_job_get_id(run.job));
	run_done(&run);
}
END_TEST

static const int harmless[] = { SIGCHLD, SIGCONT, SIGURG, SIGWINCH };

START_TEST(a_signal_that_does_nothing_by_default_does_nothing)
{
	int gate = start_gated("echo ready; read go; echo on");

	run_until(&run, "ready");
	ck_ok(jl_job_signal(run.job, harmless[_i], &err));
	(void)close(gate);
	run_end(&run);
	ck_ended(&run, JL_REASON_EXITED, 0);
	run_done(&run);
}
END_TEST

START_TEST(an_ignored_signal_is_ignored)
{
	int gate = start_gated("trap '' TERM INT; echo ready; read go; echo on");

	run_until(&run, "ready");
	ck_ok(jl_job_signal(run.job, SIGTERM, &err));
	ck_ok(jl_job_signal(run.job, SIGINT, &err));
	(void)close(gate);
	run_end(&run);
	ck_ended(&run, JL_REASON_EXITED, 0);
	ck_assert_str_eq(run.text[0], "ready\non\n");
	run_done(&run);
}
END_TEST

START_TEST(numbers_that_are_no_signals_are_refused)
{
	start("sleep 1000");
	ck_fails(jl_job_signal(run.job, 0, &err), -EINVAL, "0");
	ck_fails(jl_job_signal(run.job, -1, &err), -EINVAL, "-1");
	ck_fails(jl_job_signal(run.job, 65, &err), -EINVAL, "65");
	ck_ok(jl_job_kill(run.job, &err));
	run_end(&run);
	ck_ended(&run, JL_REASON_STOPPED, 137);
	run_done(&run);
}
END_TEST

/* ---- stopping ---- */

START_TEST(stop_lets_a_job_say_goodbye)
{
	start("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.02; done");
	run_until(&run, "ready");
	ck_ok(jl_job_stop(run.job, UINT64_C(60000000), &err));
	run_end(&run);
	ck_ended(&run, JL_REASON_STOPPED, 0);
	ck_assert_str_eq(run.text[0], "ready\nbye\n");
	run_done(&run);
}
END_TEST

START_TEST(stop_kills_after_the_grace)
{
	double before;

	start("trap 'echo no' TERM; sleep 1000 & echo ready; while :; do sleep 0.02; done");
	run_until(&run, "ready");
	/* It returns at once, the job has all the time to answer, and goes on. */
	ck_ok(jl_job_stop(run.job, UINT64_C(3600000000), &err));
	run_until(&run, "no\n");
	ck_fails(jl_job_wait(run.job, 0, &err), -ETIMEDOUT, "running");
	before = now();
	ck_ok(jl_job_stop(run.job, 400000, &err));
	run_end(&run);
	ck_assert_double_ge(now() - before, 0.4);
	ck_ended(&run, JL_REASON_STOPPED, 137);
	ck_assert_uint_eq(marked_processes(), 0);
	ck_fails(jl_job_stop(run.job, 1, &err), -ESRCH, jl_job_get_id(run.job));
	run_done(&run);
}
END_TEST

START_TEST(stop_needs_no_grace_for_a_plain_command)
{
	jl_job_spec *spec = command("sleep", "1000", NULL);

	run_start(&run, spec);
	jl_job_spec_free(spec);
	ck_ok(jl_job_stop(run.job, UINT64_C(600000000), &err));
	run_end(&run);
	ck_ended(&run, JL_REASON_STOPPED, 128 + SIGTERM);
	run_done(&run);
}
END_TEST

START_TEST(stop_without_grace_kills)
{
	start("trap 'echo no' TERM; echo ready; while :; do sleep 0.02; done");
	run_until(&run, "ready");
	ck_ok(jl_job_stop(run.job, 0, &err));
	run_end(&run);
	ck_ended(&run, JL_REASON_STOPPED, 137);
	ck_assert_str_eq(run.text[0], "ready\n");
	run_done(&run);
}
END_TEST

START_TEST(a_second_stop_can_shorten_the_grace)
{
	start("trap '' TERM; echo ready; sleep 1000");
	run_until(&run, "ready");
	ck_ok(jl_job_stop(run.job, UINT64_MAX, &err));
	ck_ok(jl_job_stop(run.job, 10000, &err));
	run_end(&run);
	ck_ended(&run, JL_REASON_STOPPED, 137);
	run_done(&run);
}
END_TEST

static void *kill_later(void *job)
{
	pause_for(0.2);
	return (void *)(intptr_t)jl_job_kill(job, NULL);
}

START_TEST(another_thread_may_kill_while_one_waits)
{
	jl_job_spec *spec = shell("trap '' TERM; sleep 1000 & sleep 1000");
	pthread_t thread;
	void *r;

	for (int i = 0; i < 5; i++) {
		run_start(&run, spec);
		ck_assert_int_eq(pthread_create(&thread, NULL, kill_later, run.job), 0);
		ck_ok(jl_job_wait(run.job, JL_FOREVER, &err));
		(void)pthread_join(thread, &r);
		ck_assert_ptr_null(r);
		run_end(&run);
		ck_ended(&run, JL_REASON_STOPPED, 137);
		ck_fails(jl_job_kill(run.job, &err), -ESRCH, jl_job_get_id(run.job));
		run_done(&run);
	}
	jl_job_spec_free(spec);
}
END_TEST

/* ---- freezing ---- */

/* What has been written and not been read. */
static size_t written(void)
{
	char block[4096];
	size_t count = 0;
	ssize_t got;

	while ((got = read(run.fds[0], block, sizeof(block))) > 0)
		count += (size_t)got;
	return count;
}

static bool something_is_written(void)
{
	return written() > 0;
}

START_TEST(a_frozen_job_stands_still_and_goes_on)
{
	struct jl_stats a = { .size = sizeof(a) }, b = { .size = sizeof(b) };

	start("echo ready; (while :; do echo x; sleep 0.01; done) & "
	      "while :; do echo y; sleep 0.01; done");
	run_until(&run, "ready");
	for (int i = 0; i < 3; i++) {
		ck_ok(jl_job_freeze(run.job, &err));
		(void)written();
		ck_ok(jl_job_get_stats(run.job, &a, &err));
		pause_for(0.4);
		ck_assert_uint_eq(written(), 0);
		ck_ok(jl_job_get_stats(run.job, &b, &err));
		ck_assert_uint_eq(a.cpu_usec, b.cpu_usec);
		ck_ok(jl_job_freeze(run.job, &err));
		ck_ok(jl_job_thaw(run.job, &err));
		ck_ok(jl_job_thaw(run.job, &err));
		ck_assert(becomes(something_is_written, 20));
	}
	ck_ok(jl_job_kill(run.job, &err));
	run_end(&run);
	ck_fails(jl_job_freeze(run.job, &err), -ESRCH, jl_job_get_id(run.job));
	ck_fails(jl_job_thaw(run.job, &err), -ESRCH, jl_job_get_id(run.job));
	run_done(&run);
}
END_TEST

static const struct {
	int how; /* 0 kill, 1 stop, 2 timeout, 3 the end of the context */
	int reason;
} frozen_ends[] = { { 0, JL_REASON_STOPPED },
		    { 1, JL_REASON_STOPPED },
		    { 2, JL_REASON_TIMEOUT },
		    { 3, -1 } };

static bool is_frozen(void)
{
	if (jl_job_freeze(run.job, NULL) == 0)
		return true;
	run_end(&run);
	ck_ended(&run, JL_REASON_TIMEOUT, 137);
	run_done(&run);
	return false;
}

START_TEST(a_frozen_job_can_be_ended)
{
	jl_job_spec *spec = shell("echo ready; sleep 1000 & sleep 1000 & wait");
	uint64_t usec = 500000;

	do {
		if (frozen_ends[_i].how == 2)
			ck_ok(jl_job_spec_set_timeout(spec, usec *= 2, &err));
		run_start(&run, spec);
		if (frozen_ends[_i].how != 2)
			run_until(&run, "ready");
		/* Its time may be over before it is frozen; then it gets more. */
	} while (!is_frozen() && usec < UINT64_C(60000000));
	jl_job_spec_free(spec);
	if (frozen_ends[_i].how == 0)
		ck_ok(jl_job_kill(run.job, &err));
	if (frozen_ends[_i].how == 1)
		ck_ok(jl_job_stop(run.job, 200000, &err));
	if (frozen_ends[_i].how == 3) {
		run_done(&run);
		close_ctx();
		ck_assert_uint_eq(marked_processes(), 0);
		return;
	}
	run_end(&run);
	ck_assert_int_eq(run.result.reason, frozen_ends[_i].reason);
	run_done(&run);
}
END_TEST

/* ---- numbers ---- */

START_TEST(stats_follow_a_job_and_stay_after_its_end)
{
	struct jl_stats a = { .size = sizeof(a) }, b = { .size = sizeof(b) };

	start("echo ready; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done; "
	      "sleep 1000 & sleep 1000");
	run_until(&run, "ready");
	ck_ok(jl_job_get_stats(run.job, &a, &err));
	ck_assert_uint_ge(a.pids, 1);
	ck_assert_uint_gt(a.memory_bytes, 0);
	run_until(&run, "done");
	ck_ok(jl_job_get_stats(run.job, &b, &err));
	ck_assert_uint_gt(b.cpu_usec, a.cpu_usec);
	ck_assert_uint_ge(b.memory_peak_bytes, b.memory_anon_bytes);
	ck_ok(jl_job_kill(run.job, &err));
	run_end(&run);
	ck_ok(jl_job_get_stats(run.job, &a, &err));
	ck_assert_uint_ge(a.cpu_usec, b.cpu_usec);
	ck_assert_uint_eq(a.cpu_usec, run.result.cpu_usec);
	ck_assert_uint_eq(a.memory_peak_bytes, run.result.memory_peak_bytes);
	ck_assert_uint_eq(a.memory_oom_kills, 0);
	run_done(&run);
}
END_TEST

START_TEST(sized_structs_are_filled_as_far_as_they_go)
{
	struct jl_result small, exact = { .size = sizeof(exact) };
	struct {
		struct jl_result known;
		uint64_t more[4];
	} big;
	struct jl_stats stats = { .size = 8 };
	int gate;

	gate = start_gated("read x; exit 3");
	memset(&small, 0x55, sizeof(small));
	small.size = 32;
	ck_fails(jl_job_get_result(run.job, &exact, &err), -EBUSY,
		 jl_job_get_id(run.job));
	(void)close(gate);
	run_end(&run);
	ck_ok(jl_job_get_result(run.job, &small, &err));
	ck_assert_int_eq(small.exit_code, 3);
	ck_assert_uint_eq(small.size, 32);
	ck_assert_uint_eq(small.start_usec, UINT64_C(0x5555555555555555));
	memset(&big, 0x55, sizeof(big));
	big.known.size = sizeof(big);
	ck_ok(jl_job_get_result(run.job, &big.known, &err));
	ck_assert_uint_eq(big.more[0] | big.more[3], 0);
	small.size = 15;
	ck_fails(jl_job_get_result(run.job, &small, &err), -EINVAL, "size");
	ck_fails(jl_job_get_stats(run.job, &stats, &err), -EINVAL, "size");
	ck_assert_str_eq(jl_reason_name(JL_REASON_LOST), "lost");
	ck_assert_str_eq(jl_reason_name(-1), "unknown");
	ck_assert_str_eq(jl_reason_name(1000), "unknown");
	run_done(&run);
}
END_TEST

/* ---- waiting and events ---- */

static void wait_for_no_time(void)
{
	ck_fails(jl_job_wait(run.job, 0, &err), -ETIMEDOUT, jl_job_get_id(run.job));
}

static void wait_for_a_while(void)
{
	double before = now();

	ck_fails(jl_job_wait(run.job, 300000, &err), -ETIMEDOUT, "running");
	ck_assert_double_ge(now() - before, 0.3);
}

START_TEST(waiting_ends_in_time)
{
	start("sleep 1000");
	ck_assert(is_done_within(wait_for_no_time, 0.1));
	ck_assert(is_done_within(wait_for_a_while, 0.5));
	ck_ok(jl_job_kill(run.job, &err));
	run_end(&run);
	ck_ok(jl_job_wait(run.job, 0, &err));
	ck_ok(jl_job_wait(run.job, JL_FOREVER, &err));
	run_done(&run);
}
END_TEST

static bool readable(int msec)
{
	struct pollfd ready = { .fd = jl_ctx_get_fd(ctx), .events = POLLIN };

	return poll(&ready, 1, msec) == 1;
}

START_TEST(each_end_is_one_event)
{
	jl_job_spec *spec = shell("sleep 0.2; exit 4");
	jl_event *event = (jl_event *)0x1;
	jl_job *jobs[3];
	unsigned int ended = 0;
	double end;

	ck_assert_int_eq(jl_ctx_next_event(ctx, &event, &err), 0);
	ck_assert_ptr_eq(event, (jl_event *)0x1);
	for (int i = 0; i < 3; i++)
		ck_ok(jl_job_spawn(ctx, spec, &jobs[i], &err));
	jl_job_spec_free(spec);
	end = now() + 20 * patience;
	while (ended != 7 && now() < end) {
		if (!readable(1000))
			continue;
		while (jl_ctx_next_event(ctx, &event, &err) == 1) {
			struct jl_result result = { .size = sizeof(result) };

			ck_assert_int_eq(jl_event_get_type(event), JL_EVENT_JOB_ENDED);
			for (unsigned int i = 0; i < 3; i++)
				if (jl_event_get_job(event) == jobs[i]) {
					ck_assert_uint_eq(ended & 1u << i, 0);
					ended |= 1u << i;
				}
			ck_ok(jl_job_get_result(jl_event_get_job(event), &result, &err));
			ck_assert_int_eq(result.exit_code, 4);
			jl_event_free(event);
		}
	}
	ck_assert_uint_eq(ended, 7);
	ck_assert_int_eq(jl_ctx_next_event(ctx, &event, &err), 0);
	ck_assert(!readable(0));
	for (int i = 0; i < 3; i++)
		jl_job_unref(jobs[i]);
}
END_TEST

START_TEST(waiting_for_a_job_takes_its_event)
{
	jl_job_spec *spec = command("true", NULL);
	jl_event *event;
	jl_job *a, *b;

	ck_ok(jl_job_spawn(ctx, spec, &a, &err));
	ck_ok(jl_job_spawn(ctx, spec, &b, &err));
	jl_job_spec_free(spec);
	ck_ok(jl_job_wait(a, JL_FOREVER, &err));
	ck_ok(jl_job_wait(b, JL_FOREVER, &err));
	ck_assert(!readable(100));
	ck_assert_int_eq(jl_ctx_next_event(ctx, &event, &err), 0);
	jl_job_unref(a);
	jl_job_unref(b);
}
END_TEST

START_TEST(an_event_keeps_its_job)
{
	jl_job_spec *spec = shell("exit 6");
	struct jl_result result = { .size = sizeof(result) };
	jl_event *event = NULL;
	jl_job *job;
	double end = now() + 20 * patience;

	ck_ok(jl_job_spawn(ctx, spec, &job, &err));
	jl_job_spec_free(spec);
	while (now() < end && jl_ctx_next_event(ctx, &event, &err) == 0)
		(void)readable(100);
	ck_assert_ptr_nonnull(event);
	jl_job_unref(job);
	ck_ok(jl_job_get_result(jl_event_get_job(event), &result, &err));
	ck_assert_int_eq(result.exit_code, 6);
	jl_event_free(event);
}
END_TEST

static bool all_gone(void)
{
	return marked_processes() == 0;
}

START_TEST(a_job_goes_on_without_handles)
{
	jl_job_spec *spec = shell("sleep 0.4; echo survived");
	int pipes[2];
	char text[16] = "";
	jl_event *event;
	jl_job *job;

	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	ck_ok(jl_job_spec_set_stdio(spec, 1, pipes[1], &err));
	(void)close(pipes[1]);
	ck_ok(jl_job_spawn(ctx, spec, &job, &err));
	jl_job_unref(job);
	jl_job_spec_free(spec);
	ck_assert_int_eq(read(pipes[0], text, sizeof(text)), 9);
	ck_assert_str_eq(text, "survived\n");
	ck_assert_int_eq(read(pipes[0], text, sizeof(text)), 0);
	(void)close(pipes[0]);
	ck_assert(becomes(all_gone, 10));
	(void)readable(200);
	ck_assert_int_eq(jl_ctx_next_event(ctx, &event, &err), 0);
	ck_prints(command("echo", "fine", NULL), "fine\n");
}
END_TEST

START_TEST(closing_a_context_ends_its_jobs)
{
	jl_job_spec *spec = shell("trap '' TERM; sleep 1000 & sleep 1000");
	jl_job *job;

	for (int i = 0; i < 10; i++) {
		ck_ok(jl_job_spawn(ctx, spec, &job, &err));
		jl_job_unref(job);
	}
	jl_job_spec_free(spec);
	ck_assert(marked_become(10));
	close_ctx();
	ck_assert_uint_eq(marked_processes(), 0);
	ck_assert_msg(becomes(nothing_left, 5), "left: %s", leftovers());
}
END_TEST

START_TEST(a_job_keeps_its_context)
{
	jl_job_spec *spec = shell("sleep 0.2; exit 8");

	run_start(&run, spec);
	jl_job_spec_free(spec);
	close_ctx();
	run_end(&run);
	ck_ended(&run, JL_REASON_EXITED, 8);
	run_done(&run);
}
END_TEST

/* ---- several contexts ---- */

START_TEST(contexts_do_not_know_each_other)
{
	jl_ctx *other = open_ctx(0);
	jl_job_spec *spec = shell("echo ready; sleep 1000");
	struct run second;

	run_start(&run, spec);
	run_start_in(&second, other, spec);
	jl_job_spec_free(spec);
	run_until(&run, "ready");
	run_until(&second, "ready");
	ck_assert_int_ne(supervisor_of(run.job), supervisor_of(second.job));
	ck_ok(jl_job_kill(second.job, &err));
	run_end(&second);
	run_done(&second);
	other = jl_ctx_unref(other);
	ck_fails(jl_job_wait(run.job, 100000, &err), -ETIMEDOUT, "");
	ck_ok(jl_job_kill(run.job, &err));
	run_end(&run);
	ck_ended(&run, JL_REASON_STOPPED, 137);
	run_done(&run);
}
END_TEST

struct runner {
	pthread_t thread;
	jl_ctx *ctx;
	int failures;
};

static void *run_jobs(void *data)
{
	struct runner *own = data;
	jl_job_spec *spec = NULL;

	if (jl_job_spec_new(&spec) < 0 || jl_job_spec_add_arg(spec, "true", NULL) < 0)
		own->failures++;
	for (int i = 0; i < 20 && !own->failures; i++) {
		struct jl_result result = { .size = sizeof(result) };
		jl_job *job = NULL;

		if (jl_job_spawn(own->ctx, spec, &job, NULL) < 0 ||
		    jl_job_wait(job, JL_FOREVER, NULL) < 0 ||
		    jl_job_get_result(job, &result, NULL) < 0 || result.exit_code != 0)
			own->failures++;
		jl_job_unref(job);
	}
	jl_job_spec_free(spec);
	jl_ctx_unref(own->ctx);
	return NULL;
}

START_TEST(threads_with_a_context_each_do_not_meet)
{
	struct runner runners[6] = { 0 };

	for (size_t i = 0; i < COUNT(runners); i++) {
		runners[i].ctx = open_ctx(0);
		ck_assert_int_eq(
			pthread_create(&runners[i].thread, NULL, run_jobs, &runners[i]),
			0);
	}
	for (size_t i = 0; i < COUNT(runners); i++) {
		(void)pthread_join(runners[i].thread, NULL);
		ck_assert_int_eq(runners[i].failures, 0);
	}
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, a_handled_signal_arrives);
	tcase_add_loop_test(tcase, a_signal_nobody_asked_for_ends_the_job, 0,
			    COUNT(deadly));
	tcase_add_loop_test(tcase, a_signal_that_does_nothing_by_default_does_nothing, 0,
			    COUNT(harmless));
	tcase_add_test(tcase, an_ignored_signal_is_ignored);
	tcase_add_test(tcase, numbers_that_are_no_signals_are_refused);
	tcase_add_test(tcase, stop_lets_a_job_say_goodbye);
	tcase_add_test(tcase, stop_kills_after_the_grace);
	tcase_add_test(tcase, stop_needs_no_grace_for_a_plain_command);
	tcase_add_test(tcase, stop_without_grace_kills);
	tcase_add_test(tcase, a_second_stop_can_shorten_the_grace);
	tcase_add_test(tcase, another_thread_may_kill_while_one_waits);
	tcase_add_test(tcase, a_frozen_job_stands_still_and_goes_on);
	tcase_add_loop_test(tcase, a_frozen_job_can_be_ended, 0, COUNT(frozen_ends));
	tcase_add_test(tcase, stats_follow_a_job_and_stay_after_its_end);
	tcase_add_test(tcase, sized_structs_are_filled_as_far_as_they_go);
	tcase_add_test(tcase, waiting_ends_in_time);
	tcase_add_test(tcase, each_end_is_one_event);
	tcase_add_test(tcase, waiting_for_a_job_takes_its_event);
	tcase_add_test(tcase, an_event_keeps_its_job);
	tcase_add_test(tcase, a_job_goes_on_without_handles);
	tcase_add_test(tcase, closing_a_context_ends_its_jobs);
	tcase_add_test(tcase, a_job_keeps_its_context);
	tcase_add_test(tcase, contexts_do_not_know_each_other);
	tcase_add_test(tcase, threads_with_a_context_each_do_not_meet);
}

int main(void)
{
	return harness_main("job_control", 120, add);
}
