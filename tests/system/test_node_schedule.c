/* SPDX-License-Identifier: MIT */
/* Time and uploads of a node's jobs where they meet: what was once got wrong. */
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <joblet/node.h>

#include "node.h"

static uint64_t wall(void)
{
	struct timespec clock;

	ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &clock), 0);
	return (uint64_t)clock.tv_sec * 1000000 + (uint64_t)clock.tv_nsec / 1000;
}

/* How often the node wants to be processed. */
static int wakeups(double seconds)
{
	int count = 0;

	for (double end = now() + seconds; now() < end;) {
		struct pollfd ready = { .fd = jl_node_get_fd(node), .events = POLLIN };

		if (poll(&ready, 1, (int)((end - now()) * 1000) + 1) > 0)
			count++;
		ck_ok(jl_node_process(node, &err));
	}
	return count;
}

START_TEST(a_retry_without_a_slot_leaves_the_processor_alone)
{
	jl_submission *sub;
	char *failing, *other;

	close_node(node);
	ck_ok(jl_node_config_set_number(config, JL_NODE_MAX_JOBS, 1, &err));
	node = open_node();
	sub = script("trap 'exit 1' USR1; echo up; while :; do sleep 0.05; done");
	ck_ok(jl_submission_set_retries(sub, 1, &err));
	failing = submit(sub);
	until_log(failing, "up");
	/* Who waits has the slot as soon as it is free. */
	other = submit_script("sleep 1000");
	ck_ok(jl_node_signal(node, failing, SIGUSR1, &err));
	until(failing, JL_STATE_PENDING);
	until(other, JL_STATE_RUNNING);
	/* The pause before the retry is over, and the slot taken. */
	process_for(1.5);
	ck_assert_int_eq(state_of(failing), JL_STATE_PENDING);
	ck_assert_int_lt(wakeups(0.5), 10);
	ck_ok(jl_node_stop(node, other, 0, &err));
	ck_ends(other, JL_STATE_STOPPED, 137);
	until(failing, JL_STATE_RUNNING);
	until_log(failing, "up");
	ck_ok(jl_node_signal(node, failing, SIGUSR1, &err));
	ck_ends(failing, JL_STATE_FAILED, 1);
	free(failing);
	free(other);
}
END_TEST

static void upload_bytes(jl_submission *sub, const char *path, uint32_t mib)
{
	static char block[1 << 20];

	ck_ok(jl_submission_add_file(sub, path, 0, (uint64_t)mib << 20, &err));
	for (uint32_t i = 0; i < mib; i++)
		ck_ok(jl_submission_write(sub, block, sizeof(block), &err));
}

/* Whether it waits for a time that has passed when it is in the store. */
static bool waits_for(uint64_t usec)
{
	jl_submission *sub = script("echo ran");
	jl_job_info *info = NULL;
	bool waits;
	char *log;

	upload_bytes(sub, "a", 40);
	upload_bytes(sub, "b", 40);
	ck_ok(jl_submission_set_due(sub, wall() + usec, &err));
	ck_ok(jl_node_submit(node, sub, &info, &err));
	jl_submission_free(sub);
	waits = jl_job_info_get_number(info, JL_INFO_STATE) == JL_STATE_SCHEDULED;
	ck_ends(jl_job_info_get_id(info), JL_STATE_COMPLETED, 0);
	log = log_of(jl_job_info_get_id(info), 0);
	ck_assert_str_eq(log, "ran\n");
	free(log);
	jl_job_info_free(info);
	return waits;
}

/* Decided by the moment it began: nobody has claimed it for a supervisor. */
START_TEST(a_time_that_passes_while_it_is_handed_in)
{
	int turns = 0;

	/* Less than the store takes; on a busy machine it may be over when it begins. */
	while (!waits_for(is_slow() ? 5000 : 500))
		ck_assert_int_lt(++turns, 30);
}
END_TEST

START_TEST(a_process_without_zones_ends_no_recurring_job)
{
	jl_submission *sub = script("exit 0");
	char *id;

	ck_assert_int_eq(setenv("TZ", "UTC", 1), 0);
	ck_ok(jl_submission_set_recurrence(sub, "0 2 * * *", &err));
	ck_ok(jl_submission_set_due(sub, wall() + 1000000, &err));
	id = submit(sub);
	ck_assert_int_eq(setenv("TZ", "Nowhere/Land", 1), 0);
	process_for(1.2);
	ck_assert_int_eq(state_of(id), JL_STATE_SCHEDULED);
	/* Later, but not at two in the night. */
	ck_assert_uint_gt(number(id, JL_INFO_DUE_USEC), wall() + 50000000);
	ck_assert_uint_lt(number(id, JL_INFO_DUE_USEC), wall() + 70000000);
	ck_ok(jl_node_cancel(node, id, &err));
	free(id);
}
END_TEST

static void set_clock(uint64_t usec)
{
	struct timespec clock = { (time_t)(usec / 1000000),
				  (long)(usec % 1000000 * 1000) };

	ck_assert_int_eq(clock_settime(CLOCK_REALTIME, &clock), 0);
}

/* Waits for the node to stir, and not for long: that it would do anyway after an hour. */
static void until_it_stirs(void)
{
	struct pollfd ready = { .fd = jl_node_get_fd(node), .events = POLLIN };

	ck_assert_int_eq(poll(&ready, 1, (int)(30e3 * patience)), 1);
	ck_ok(jl_node_process(node, &err));
}

/* Only in a machine of our own: everybody has this clock. */
START_TEST(a_clock_that_is_set_is_noticed)
{
	const uint64_t hour = UINT64_C(3600) * 1000000;
	jl_submission *sub;
	char *id;

	if (!is_slow()) {
		note("left out: the clock is everybody's; the virtual machine sets its own");
		return;
	}
	sub = script("exit 0");
	ck_ok(jl_submission_set_due(sub, wall() + 2 * hour, &err));
	id = submit(sub);
	process_for(0.2);
	/* Forward, but not far enough: it goes on waiting. */
	set_clock(wall() + hour);
	until_it_stirs();
	ck_assert_int_eq(state_of(id), JL_STATE_SCHEDULED);
	/* Back and forth. */
	set_clock(wall() - hour);
	until_it_stirs();
	ck_assert_int_eq(state_of(id), JL_STATE_SCHEDULED);
	set_clock(wall() + 2 * hour);
	until_it_stirs();
	ck_ends(id, JL_STATE_COMPLETED, 0);
	set_clock(wall() - 2 * hour);
	free(id);
}
END_TEST

/* Whether the staged files of a job are there. */
static bool staged(const char *id)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/jobs/%s/upload/files", state, id);
	return access(path, F_OK) == 0;
}

static jl_submission *with_file(const char *text)
{
	jl_submission *sub = script(text);

	ck_ok(jl_submission_add_file(sub, "file", 0, 5, &err));
	ck_ok(jl_submission_write(sub, "kept\n", 5, &err));
	return sub;
}

static uint32_t jobs_in(uint32_t states)
{
	jl_job_list *list;
	uint32_t count;

	ck_ok(jl_node_list(node, states, NULL, 0, 0, &list, &err));
	count = jl_job_list_count(list);
	jl_job_list_free(list);
	return count;
}

/* Runs of a series are jobs, too. */
static void until_there_are(uint32_t count)
{
	for (double end = now() + 30 * patience; jobs_in(0) < count;) {
		ck_assert(now() < end);
		process_for(0.05);
	}
}

static void until_none_is_active(void)
{
	for (double end = now() + 30 * patience; jobs_in(0xe);) {
		ck_assert(now() < end);
		process_for(0.05);
	}
}

START_TEST(uploads_go_when_nobody_can_want_them)
{
	jl_submission *sub = with_file("cat file");
	jl_job_info *info = NULL;
	char *id;

	if (_i == 0) { /* it has ended */
		id = submit(sub);
		ck_ends(id, JL_STATE_COMPLETED, 0);
	} else if (_i == 1) { /* it will be tried again */
		jl_submission_free(sub);
		sub = with_file("cat file; exit 3");
		ck_ok(jl_submission_set_retries(sub, 1, &err));
		id = submit(sub);
		until(id, JL_STATE_PENDING);
		ck_assert(staged(id));
		ck_ends(id, JL_STATE_FAILED, 3);
	} else if (_i == 2) { /* it never ran */
		ck_ok(jl_submission_set_due(sub, wall() + 3600000000, &err));
		id = submit(sub);
		ck_assert(staged(id));
		ck_ok(jl_node_cancel(node, id, &err));
	} else { /* it runs again and again */
		ck_ok(jl_submission_set_recurrence(sub, "every 1s", &err));
		id = submit(sub);
		until_there_are(2);
		ck_assert(staged(id));
		ck_ok(jl_node_cancel(node, id, &err));
		until_none_is_active();
	}
	ck_assert(!staged(id));
	/* What they were called is still known. */
	ck_ok(jl_node_get(node, id, &info, &err));
	ck_assert_uint_eq(jl_job_info_upload_count(info), 1);
	ck_assert_str_eq(jl_job_info_get_upload(info, 0), "file");
	jl_job_info_free(info);
	free(id);
}
END_TEST

START_TEST(a_run_that_outlives_its_series_keeps_the_uploads)
{
	jl_submission *sub = with_file("sleep 1000");
	jl_job_list *list = NULL;
	char *id, *run = NULL;

	ck_ok(jl_submission_set_recurrence(sub, "every 1s", &err));
	id = submit(sub);
	until_there_are(2);
	for (double end = now() + 30 * patience; !jobs_in(1U << JL_STATE_RUNNING);) {
		ck_assert(now() < end);
		process_for(0.05);
	}
	ck_ok(jl_node_list(node, 1U << JL_STATE_RUNNING, NULL, 0, 0, &list, &err));
	ck_assert_uint_eq(jl_job_list_count(list), 1);
	run = strdup(jl_job_info_get_id(jl_job_list_get(list, 0)));
	jl_job_list_free(list);
	ck_ok(jl_node_cancel(node, id, &err));
	ck_assert(staged(id));
	ck_ok(jl_node_stop(node, run, 0, &err));
	ck_ends(run, JL_STATE_STOPPED, 137);
	ck_assert(!staged(id));
	free(run);
	free(id);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, node_set_up, node_tear_down);
	tcase_add_test(tcase, a_retry_without_a_slot_leaves_the_processor_alone);
	tcase_add_test(tcase, a_clock_that_is_set_is_noticed);
	tcase_add_test(tcase, a_time_that_passes_while_it_is_handed_in);
	tcase_add_test(tcase, a_process_without_zones_ends_no_recurring_job);
	tcase_add_loop_test(tcase, uploads_go_when_nobody_can_want_them, 0, 4);
	tcase_add_test(tcase, a_run_that_outlives_its_series_keeps_the_uploads);
}

int main(void)
{
	return harness_main("node_schedule", 60, add);
}
