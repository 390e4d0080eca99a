/* SPDX-License-Identifier: MIT */
/* Who starts when: slots, order, retries, schedules; and what the node adds or refuses.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "node.h"

static uint64_t wall(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_REALTIME, &time);
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/* The node again, with a number changed. */
static void reopen(int what, uint64_t value)
{
	close_node(node);
	ck_ok(jl_node_config_set_number(config, what, value, &err));
	node = open_node();
}

/* One that ends when its gate is closed. */
static char *submit_gated(int *ret_gate)
{
	jl_submission *sub = script("read go; exit 0");

	*ret_gate = put_gate(jl_submission_spec(sub));
	jl_submission_set_attached(sub, 1);
	return submit(sub);
}

/* ---- the queue ---- */

START_TEST(who_waits_goes_by_priority_then_order)
{
	static const int priorities[] = { 0, -5, 7, 0, 7 };
	static const int order[] = { 2, 4, 0, 3, 1 };
	char *first, *ids[COUNT(priorities)];
	uint64_t last = 0;
	int gate;

	reopen(JL_NODE_MAX_JOBS, 1);
	first = submit_gated(&gate);
	for (size_t i = 0; i < COUNT(ids); i++) {
		jl_submission *sub = script("exit 0");

		ck_ok(jl_submission_set_priority(sub, priorities[i], &err));
		ids[i] = submit(sub);
		ck_assert_int_eq(state_of(ids[i]), JL_STATE_PENDING);
		ck_assert_int_eq((int)(int64_t)number(ids[i], JL_INFO_PRIORITY),
				 priorities[i]);
	}
	(void)close(gate);
	ck_ends(first, JL_STATE_COMPLETED, 0);
	for (size_t i = 0; i < COUNT(ids); i++) {
		uint64_t start;

		ck_ends(ids[order[i]], JL_STATE_COMPLETED, 0);
		start = number(ids[order[i]], JL_INFO_START_USEC);
		ck_assert_uint_gt(start, last);
		last = start;
	}
	for (size_t i = 0; i < COUNT(ids); i++)
		free(ids[i]);
	free(first);
}
END_TEST

START_TEST(never_more_at_once_than_there_are_slots)
{
	uint64_t starts[12], ends[12];
	char *ids[12];

	reopen(JL_NODE_MAX_JOBS, 3);
	for (size_t i = 0; i < COUNT(ids); i++)
		ids[i] = submit_script("sleep 0.05");
	for (size_t i = 0; i < COUNT(ids); i++) {
		ck_ends(ids[i], JL_STATE_COMPLETED, 0);
		starts[i] = number(ids[i], JL_INFO_START_USEC);
		ends[i] = number(ids[i], JL_INFO_END_USEC);
		free(ids[i]);
	}
	for (size_t i = 0; i < COUNT(ids); i++) {
		int meanwhile = 0;

		for (size_t k = 0; k < COUNT(ids); k++)
			meanwhile += starts[k] <= starts[i] && ends[k] > starts[i];
		ck_assert_int_le(meanwhile, 3);
	}
}
END_TEST

/* Whoever has other work gets to it between the starts. */
START_TEST(many_are_started_step_by_step)
{
	uint64_t due = wall() + (uint64_t)(1e6 * patience);
	struct pollfd timer = { .fd = jl_node_get_fd(node), .events = POLLIN };
	uint32_t left, steps = 0;

	for (int i = 0; i < 40; i++) {
		jl_submission *sub = script("exit 0");

		ck_ok(jl_submission_set_due(sub, due, &err));
		jl_submission_set_attached(sub, 1);
		free(submit(sub));
	}
	/* What was done here wakes it too. */
	do
		ck_ok(jl_node_process(node, &err));
	while (poll(&timer, 1, 0) == 1 && wall() < due);
	while (wall() < due)
		ck_assert_int_ge(poll(&timer, 1, (int)(30e3 * patience)), 0);
	while ((left = in_states(1U << JL_STATE_SCHEDULED | 1U << JL_STATE_PENDING))) {
		ck_assert_msg(is_ready(), "%u wait, and nobody is told", left);
		ck_ok(jl_node_process(node, &err));
		steps++;
	}
	ck_assert_uint_gt(steps, 2);
	while (in_states(0xf))
		process_for(0.1);
	ck_assert_uint_eq(in_states(1U << JL_STATE_COMPLETED), 40);
}
END_TEST

START_TEST(many_fall_due_step_by_step)
{
	struct pollfd timer = { .events = POLLIN };
	char *first, *ids[60];
	uint32_t left, before = 60;
	uint64_t due;

	/* None of them can start: it is about their becoming due. */
	reopen(JL_NODE_MAX_JOBS, 1);
	first = submit_script("sleep 1000");
	timer.fd = jl_node_get_fd(node);
	due = wall() + (uint64_t)(2e6 * patience);
	for (int i = 0; i < 60; i++) {
		jl_submission *sub = script("exit 0");

		ck_ok(jl_submission_set_due(sub, due, &err));
		jl_submission_set_attached(sub, 1);
		ids[i] = submit(sub);
	}
	ck_assert_uint_eq(in_states(1U << JL_STATE_SCHEDULED), before);
	while (wall() < due)
		ck_assert_int_ge(poll(&timer, 1, (int)(30e3 * patience)), 0);
	while ((left = in_states(1U << JL_STATE_SCHEDULED))) {
		ck_assert_msg(left == 60 || left < before, "%u are left", left);
		before = left;
		ck_assert_msg(is_ready(), "%u wait, and nobody is told", left);
		ck_ok(jl_node_process(node, &err));
	}
	ck_assert_uint_lt(before, 60);
	for (int i = 0; i < 60; i++) {
		ck_ok(jl_node_stop(node, ids[i], 0, &err));
		free(ids[i]);
	}
	ck_ok(jl_node_stop(node, first, 0, &err));
	ck_ends(first, JL_STATE_STOPPED, 137);
	free(first);
}
END_TEST

START_TEST(a_full_queue_takes_no_more)
{
	char *first, *second;
	jl_submission *sub;

	ck_ok(jl_node_config_set_number(config, JL_NODE_MAX_QUEUE, 1, &err));
	reopen(JL_NODE_MAX_JOBS, 1);
	first = submit_script("sleep 1000");
	second = submit_script("exit 0");
	sub = script("exit 0");
	ck_fails(jl_node_submit(node, sub, NULL, &err), -EAGAIN, "maxQueuedJobs");
	jl_submission_free(sub);
	ck_ok(jl_node_stop(node, second, 0, &err));
	ck_ends(second, JL_STATE_CANCELED, -1);
	ck_ok(jl_node_stop(node, first, 0, &err));
	ck_ends(first, JL_STATE_STOPPED, 137);
	free(first);
	free(second);
}
END_TEST

/* Whoever waits with the caller's standard input is started by that caller. */
START_TEST(standard_input_waits_for_a_slot)
{
	jl_submission *sub;
	char *first, *id, *log;
	int pair[2], gate;

	reopen(JL_NODE_MAX_JOBS, 1);
	first = submit_gated(&gate);
	sub = script("cat");
	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	ck_ok(jl_job_spec_set_stdio(jl_submission_spec(sub), 0, pair[0], &err));
	id = submit(sub);
	ck_assert_int_eq((int)write(pair[1], "later\n", 6), 6);
	(void)close(pair[0]);
	(void)close(pair[1]);
	ck_assert_int_eq(state_of(id), JL_STATE_PENDING);
	(void)close(gate);
	ck_ok(jl_node_process(open_node(), &err));
	ck_ends(id, JL_STATE_COMPLETED, 0);
	log = log_of(id, 0);
	ck_assert_str_eq(log, "later\n");
	free(log);
	free(id);
	free(first);
}
END_TEST

/* Both hand jobs in at the same time; one store, one order, no job twice. */
/* Nobody must start it without. */
START_TEST(standard_input_is_held_or_there_is_no_job)
{
	int gate, pair[2], r = -ENOMEM;
	char *first;

	reopen(JL_NODE_MAX_JOBS, 1);
	first = submit_gated(&gate);
	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	for (unsigned int n = 0; r == -ENOMEM; n++) {
		jl_submission *sub = script("cat");

		ck_ok(jl_job_spec_set_stdio(jl_submission_spec(sub), 0, pair[0], &err));
		allow_allocations(n);
		r = jl_node_submit(node, sub, NULL, NULL);
		allow_allocations(UINT_MAX);
		jl_submission_free(sub);
		ck_assert_msg(in_states(1U << JL_STATE_PENDING) == (r == 0),
			      "allocation %u leaves a job", n + 1);
	}
	ck_assert_int_eq(r, 0);
	(void)close(pair[0]);
	(void)close(pair[1]);
	(void)close(gate);
	ck_ends(first, JL_STATE_COMPLETED, 0);
	while (in_states(0xf))
		process_for(0.1);
	ck_assert_uint_eq(in_states(1U << JL_STATE_COMPLETED), 2);
	free(first);
}
END_TEST

START_TEST(processes_share_a_node)
{
	enum { PROCESSES = 4, EACH = 10 };
	pid_t children[PROCESSES];
	jl_job_list *list;

	close_node(node);
	for (int i = 0; i < PROCESSES; i++) {
		children[i] = fork();
		ck_assert_int_ge(children[i], 0);
		if (children[i] == 0) {
			char *ids[EACH];

			node = open_node();
			for (int k = 0; k < EACH; k++)
				ids[k] = submit_script("echo once");
			for (int k = 0; k < EACH; k++) {
				ck_ends(ids[k], JL_STATE_COMPLETED, 0);
				free(ids[k]);
			}
			close_node(node);
			_exit(0);
		}
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
		ck_assert_int_eq(status, 0);
	}
	node = open_node();
	ck_ok(jl_node_list(node, 0, NULL, 0, 0, &list, &err));
	ck_assert_uint_eq(jl_job_list_count(list), PROCESSES * EACH);
	for (uint32_t i = 0; i < PROCESSES * EACH; i++) {
		const jl_job_info *info = jl_job_list_get(list, i);
		char *log = log_of(jl_job_info_get_id(info), 0);

		ck_assert_str_eq(log, "once\n");
		free(log);
		ck_assert_uint_eq(jl_job_info_get_number(info, JL_INFO_NUMBER),
				  PROCESSES * EACH - i);
		ck_assert_int_eq((int)jl_job_info_get_number(info, JL_INFO_STATE),
				 JL_STATE_COMPLETED);
	}
	jl_job_list_free(list);
}
END_TEST

/* ---- retries ---- */

START_TEST(what_fails_is_started_again)
{
	jl_submission *sub = script("echo try; exit 9");
	char *id, *log;

	ck_ok(jl_submission_set_retries(sub, 1, &err));
	id = submit(sub);
	until(id, JL_STATE_PENDING);
	ck_assert_uint_eq(number(id, JL_INFO_ATTEMPT), 2);
	/* From the first attempt into the second. */
	log = log_of(id, JL_LOG_FOLLOW);
	ck_assert_str_eq(log, "try\ntry\n");
	ck_ends(id, JL_STATE_FAILED, 9);
	ck_assert_uint_eq(number(id, JL_INFO_ATTEMPT), 2);
	ck_assert_uint_eq(number(id, JL_INFO_RETRIES), 1);
	free(log);
	free(id);
}
END_TEST

START_TEST(what_was_stopped_is_not)
{
	jl_submission *sub = script("sleep 1000");
	char *id;

	ck_ok(jl_submission_set_retries(sub, 3, &err));
	id = submit(sub);
	ck_ok(jl_node_stop(node, id, 0, &err));
	ck_ends(id, JL_STATE_STOPPED, 137);
	ck_assert_uint_eq(number(id, JL_INFO_ATTEMPT), 1);
	free(id);
	sub = script("exit 1");
	ck_ok(jl_submission_set_retries(sub, 3, &err));
	id = submit(sub);
	until(id, JL_STATE_PENDING);
	ck_ok(jl_node_stop(node, id, 0, &err));
	ck_ends(id, JL_STATE_STOPPED, -1);
	free(id);
}
END_TEST

/* ---- schedules ---- */

START_TEST(a_scheduled_job_waits_for_its_time)
{
	jl_submission *sub = script("echo ran");
	uint64_t due = wall() + 1500000;
	char *id, *log;

	ck_ok(jl_submission_set_due(sub, due, &err));
	id = submit(sub);
	ck_assert_int_eq(state_of(id), JL_STATE_SCHEDULED);
	ck_assert_uint_eq(number(id, JL_INFO_DUE_USEC), due);
	/* A follower of a job that has not begun sees all of it. */
	log = log_of(id, JL_LOG_FOLLOW);
	ck_assert_str_eq(log, "ran\n");
	ck_ends(id, JL_STATE_COMPLETED, 0);
	ck_assert_uint_ge(number(id, JL_INFO_START_USEC), due);
	ck_assert_uint_lt(number(id, JL_INFO_START_USEC),
			  due + (uint64_t)(5e6 * patience));
	free(log);
	free(id);
}
END_TEST

START_TEST(an_overdue_job_runs_at_once)
{
	jl_submission *sub = script("cat file; exit 0");
	char *id, *log;

	ck_ok(jl_submission_add_file(sub, "file", 0, 4, &err));
	ck_ok(jl_submission_write(sub, "kept", 4, &err));
	ck_ok(jl_submission_set_due(sub, wall() + 300000, &err));
	id = submit(sub);
	close_node(node);
	pause_for(0.5);
	node = open_node();
	ck_ends(id, JL_STATE_COMPLETED, 0);
	log = log_of(id, 0);
	ck_assert_str_eq(log, "kept");
	free(log);
	free(id);
}
END_TEST

START_TEST(a_canceled_job_never_runs)
{
	jl_submission *sub = script("exit 0");
	char *id, *log;

	ck_ok(jl_submission_set_due(sub, wall() + 1000000, &err));
	id = submit(sub);
	ck_ok(jl_node_cancel(node, id, &err));
	ck_assert_int_eq(state_of(id), JL_STATE_CANCELED);
	process_for(1.2);
	ck_assert_int_eq(state_of(id), JL_STATE_CANCELED);
	log = log_of(id, JL_LOG_FOLLOW);
	ck_assert_str_eq(log, "");
	ck_fails(jl_node_cancel(node, id, &err), -EBUSY, "CANCELED");
	free(log);
	free(id);
}
END_TEST

static uint32_t runs_of(const char *id, jl_job_list **ret)
{
	uint64_t series = number(id, JL_INFO_NUMBER);
	uint32_t found = 0;
	jl_job_list *list;

	ck_ok(jl_node_list(node, 0, NULL, 0, 0, &list, &err));
	for (uint32_t i = 0; i < jl_job_list_count(list); i++)
		found += jl_job_info_get_number(jl_job_list_get(list, i),
						JL_INFO_SERIES) == series;
	if (ret)
		*ret = list;
	else
		jl_job_list_free(list);
	return found;
}

static void until_runs(const char *id, uint32_t count)
{
	for (double end = now() + 30 * patience; runs_of(id, NULL) < count;) {
		ck_assert(now() < end);
		process_for(0.05);
	}
}

START_TEST(a_recurring_job_runs_again_and_again)
{
	jl_submission *sub = script("cat file");
	char *id, *rule;
	jl_job_list *list;
	double start = now();
	uint32_t count;

	ck_ok(jl_submission_add_file(sub, "file", 0, 4, &err));
	ck_ok(jl_submission_write(sub, "kept", 4, &err));
	ck_ok(jl_submission_set_recurrence(sub, "every 1s", &err));
	id = submit(sub);
	ck_assert_int_eq(state_of(id), JL_STATE_SCHEDULED);
	rule = text_of(id, JL_INFO_RECURRENCE);
	ck_assert_str_eq(rule, "every 1s");
	until_runs(id, 2);
	ck_ok(jl_node_cancel(node, id, &err));
	process_for(0.3);
	count = runs_of(id, &list);
	ck_assert_uint_le(count, (uint32_t)(now() - start));
	for (uint32_t i = 0; i < jl_job_list_count(list); i++) {
		const jl_job_info *info = jl_job_list_get(list, i);
		char *log;

		if (jl_job_info_get_number(info, JL_INFO_SERIES) == UINT64_MAX)
			continue;
		ck_ends(jl_job_info_get_id(info), JL_STATE_COMPLETED, 0);
		log = log_of(jl_job_info_get_id(info), 0);
		ck_assert_str_eq(log, "kept");
		free(log);
	}
	process_for(1.1);
	ck_assert_uint_eq(runs_of(id, NULL), count);
	jl_job_list_free(list);
	free(rule);
	free(id);
}
END_TEST

START_TEST(a_run_is_left_out_while_the_one_before_goes_on)
{
	jl_submission *sub = script("sleep 1000");
	jl_job_list *list;
	char *id;

	ck_ok(jl_submission_set_recurrence(sub, "every 1s", &err));
	id = submit(sub);
	until_runs(id, 1);
	process_for(1.2);
	ck_assert_uint_eq(runs_of(id, &list), 1);
	ck_ok(jl_node_stop(node, id, 0, &err));
	ck_assert_int_eq(state_of(id), JL_STATE_CANCELED);
	for (uint32_t i = 0; i < jl_job_list_count(list); i++)
		if (jl_job_info_get_number(jl_job_list_get(list, i), JL_INFO_SERIES) !=
		    UINT64_MAX)
			ck_ok(jl_node_stop(node,
					   jl_job_info_get_id(jl_job_list_get(list, i)),
					   0, &err));
	process_for(0.3);
	jl_job_list_free(list);
	free(id);
}
END_TEST

/* Nobody was there for some of its times: one run, not one for each. */
START_TEST(missed_runs_are_made_up_for_once)
{
	jl_submission *sub = script("exit 0");
	double start = now();
	uint64_t reopened;
	uint32_t runs;
	char *id;

	ck_ok(jl_submission_set_recurrence(sub, "every 1s", &err));
	id = submit(sub);
	close_node(node);
	pause_for(3.2);
	reopened = wall();
	node = open_node();
	ck_ok(jl_node_process(node, &err));
	runs = runs_of(id, NULL);
	ck_assert_uint_ge(runs, 1);
	/* One for three seconds; a slow machine may have come to the next ones. */
	ck_assert_uint_le(runs, (uint32_t)(now() - start) - 2);
	ck_assert_uint_gt(number(id, JL_INFO_DUE_USEC), reopened);
	ck_ok(jl_node_cancel(node, id, &err));
	process_for(0.3);
	free(id);
}
END_TEST

/* ---- defaults and caps ---- */

START_TEST(caps_name_themselves)
{
	jl_submission *sub;

	ck_ok(jl_node_config_set_number(config, JL_NODE_CAP_MEMORY_BYTES, 64 << 20,
					&err));
	ck_ok(jl_node_config_set_number(config, JL_NODE_CAP_DISK_BYTES, 1 << 20, &err));
	reopen(JL_NODE_CAP_CPU_PERCENT, 50);
	sub = script("exit 0");
	ck_ok(jl_limits_set_memory_bytes(jl_job_spec_limits(jl_submission_spec(sub)),
					 128 << 20, &err));
	ck_fails(jl_node_submit(node, sub, NULL, &err), -ERANGE, "joblet.maxMemoryLimit");
	jl_submission_free(sub);
	sub = script("exit 0");
	ck_ok(jl_limits_set_cpu_percent(jl_job_spec_limits(jl_submission_spec(sub)), 51,
					&err));
	ck_fails(jl_node_submit(node, sub, NULL, &err), -ERANGE, "joblet.maxCpuLimit");
	jl_submission_free(sub);
	sub = script("exit 0");
	ck_ok(jl_submission_set_disk_bytes(sub, 2 << 20, &err));
	ck_fails(jl_node_submit(node, sub, NULL, &err), -ERANGE, "/work");
	jl_submission_free(sub);
}
END_TEST

START_TEST(defaults_are_for_those_who_ask_for_nothing)
{
	jl_submission *sub;
	char *id;

	ck_ok(jl_node_config_set_number(config, JL_NODE_DEFAULT_TIMEOUT_USEC, 60000000,
					&err));
	reopen(JL_NODE_DEFAULT_MEMORY_BYTES, 96 << 20);
	id = submit_script("exit 0");
	ck_assert_uint_eq(number(id, JL_INFO_MEMORY_BYTES), 96 << 20);
	ck_assert_uint_eq(number(id, JL_INFO_TIMEOUT_USEC), 60000000);
	ck_ends(id, JL_STATE_COMPLETED, 0);
	free(id);
	sub = script("exit 0");
	ck_ok(jl_limits_set_memory_bytes(jl_job_spec_limits(jl_submission_spec(sub)),
					 200 << 20, &err));
	id = submit(sub);
	ck_assert_uint_eq(number(id, JL_INFO_MEMORY_BYTES), 200 << 20);
	ck_ends(id, JL_STATE_COMPLETED, 0);
	free(id);
}
END_TEST

START_TEST(work_on_the_disk_has_no_size)
{
	jl_submission *sub = script("exit 0");

	ck_ok(jl_limits_set_io_bps(jl_job_spec_limits(jl_submission_spec(sub)), 1 << 20,
				   1 << 20, &err));
	ck_ok(jl_submission_set_disk_bytes(sub, 1 << 20, &err));
	ck_fails(jl_node_submit(node, sub, NULL, &err), -EOPNOTSUPP, "/work");
	jl_submission_free(sub);
}
END_TEST

START_TEST(the_host_network_can_be_forbidden)
{
	jl_submission *sub;

	close_node(node);
	jl_node_config_set_host_network(config, 0);
	node = open_node();
	sub = script("exit 0");
	ck_ok(jl_job_spec_set_network(jl_submission_spec(sub), JL_NETWORK_HOST, &err));
	ck_fails(jl_node_submit(node, sub, NULL, &err), -EPERM, "host");
	jl_submission_free(sub);
}
END_TEST

START_TEST(a_child_after_fork_opens_its_own)
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		jl_job_info *info;

		_exit(jl_node_get(node, "1", &info, NULL) == -EPERM ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, node_set_up, node_tear_down);
	tcase_add_test(tcase, who_waits_goes_by_priority_then_order);
	tcase_add_test(tcase, never_more_at_once_than_there_are_slots);
	tcase_add_test(tcase, many_are_started_step_by_step);
	tcase_add_test(tcase, many_fall_due_step_by_step);
	tcase_add_test(tcase, a_full_queue_takes_no_more);
	tcase_add_test(tcase, standard_input_waits_for_a_slot);
	tcase_add_test(tcase, standard_input_is_held_or_there_is_no_job);
	tcase_add_test(tcase, processes_share_a_node);
	tcase_add_test(tcase, what_fails_is_started_again);
	tcase_add_test(tcase, what_was_stopped_is_not);
	tcase_add_test(tcase, a_scheduled_job_waits_for_its_time);
	tcase_add_test(tcase, an_overdue_job_runs_at_once);
	tcase_add_test(tcase, a_canceled_job_never_runs);
	tcase_add_test(tcase, a_recurring_job_runs_again_and_again);
	tcase_add_test(tcase, a_run_is_left_out_while_the_one_before_goes_on);
	tcase_add_test(tcase, missed_runs_are_made_up_for_once);
	tcase_add_test(tcase, caps_name_themselves);
	tcase_add_test(tcase, defaults_are_for_those_who_ask_for_nothing);
	tcase_add_test(tcase, work_on_the_disk_has_no_size);
	tcase_add_test(tcase, the_host_network_can_be_forbidden);
	tcase_add_test(tcase, a_child_after_fork_opens_its_own);
}

int main(void)
{
	return harness_main("node_queue", 60, add);
}
