/* SPDX-License-Identifier: MIT */
/* Jobs of a node: how they end, what is known of them, finding, stopping, deleting. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "node.h"

/* ---- how they end ---- */

START_TEST(a_job_runs_and_everything_of_it_is_kept)
{
	uint64_t before = (uint64_t)time(NULL) * 1000000;
	jl_submission *sub = script("echo out; echo err >&2; exit 0");
	char *id, *log, *name;

	ck_ok(jl_job_spec_set_name(jl_submission_spec(sub), "first", &err));
	ck_ok(jl_submission_set_owner(sub, "somebody", &err));
	id = submit(sub);
	ck_ends(id, JL_STATE_COMPLETED, 0);
	log = log_of(id, 0);
	ck_assert_ptr_nonnull(strstr(log, "out\n"));
	ck_assert_ptr_nonnull(strstr(log, "err\n"));
	ck_assert_uint_eq(strlen(log), 8);
	ck_assert_uint_eq(number(id, JL_INFO_LOG_BYTES), 8);
	ck_assert_uint_eq(number(id, JL_INFO_LOG_CUT), 0);
	ck_assert_uint_eq(number(id, JL_INFO_NUMBER), 1);
	ck_assert_uint_ge(number(id, JL_INFO_CREATED_USEC), before);
	ck_assert_uint_ge(number(id, JL_INFO_START_USEC),
			  number(id, JL_INFO_CREATED_USEC));
	ck_assert_uint_ge(number(id, JL_INFO_END_USEC), number(id, JL_INFO_START_USEC));
	ck_assert_int_eq((int)number(id, JL_INFO_REASON), JL_REASON_EXITED);
	ck_assert_uint_eq(number(id, JL_INFO_ATTEMPT), 1);
	name = text_of(id, JL_INFO_NAME);
	ck_assert_str_eq(name, "first");
	free(name);
	name = text_of(id, JL_INFO_OWNER);
	ck_assert_str_eq(name, "somebody");
	free(name);
	free(log);
	free(id);
}
END_TEST

static const struct {
	const char *script;
	int state, exit_code, reason;
} endings[] = {
	{ "exit 0", JL_STATE_COMPLETED, 0, JL_REASON_EXITED },
	{ "exit 3", JL_STATE_FAILED, 3, JL_REASON_EXITED },
	{ "exit 255", JL_STATE_FAILED, 255, JL_REASON_EXITED },
	{ "sh -c 'kill -9 $$' ; exit $?", JL_STATE_FAILED, 137, JL_REASON_EXITED },
};

START_TEST(states_follow_from_how_it_ended)
{
	char *id = submit_script(endings[_i].script);

	ck_ends(id, endings[_i].state, endings[_i].exit_code);
	ck_assert_int_eq((int)number(id, JL_INFO_REASON), endings[_i].reason);
	free(id);
}
END_TEST

START_TEST(a_timeout_fails_it)
{
	jl_submission *sub = script("sleep 100");
	char *id;

	ck_ok(jl_job_spec_set_timeout(jl_submission_spec(sub), 100000, &err));
	id = submit(sub);
	ck_ends(id, JL_STATE_FAILED, 137);
	ck_assert_int_eq((int)number(id, JL_INFO_REASON), JL_REASON_TIMEOUT);
	ck_assert_uint_eq(number(id, JL_INFO_TIMEOUT_USEC), 100000);
	free(id);
}
END_TEST

START_TEST(one_that_cannot_start_is_there_all_the_same)
{
	jl_submission *sub;
	jl_job_info *info = NULL;
	char *log, *why;

	ck_ok(jl_submission_new(node, &sub, &err));
	ck_ok(jl_job_spec_add_arg(jl_submission_spec(sub), "nosuchcommand", &err));
	ck_ok(jl_submission_set_retries(sub, 5, &err));
	ck_fails(jl_node_submit(node, sub, &info, &err), -ENOENT, "nosuchcommand");
	ck_assert_ptr_nonnull(info);
	jl_submission_free(sub);
	ck_ends(jl_job_info_get_id(info), JL_STATE_FAILED, -1);
	why = text_of(jl_job_info_get_id(info), JL_INFO_FAILURE);
	ck_assert_ptr_nonnull(strstr(why, "nosuchcommand"));
	ck_assert_uint_eq(number(jl_job_info_get_id(info), JL_INFO_EXIT_CODE),
			  UINT64_MAX);
	log = log_of(jl_job_info_get_id(info), JL_LOG_FOLLOW);
	ck_assert_str_eq(log, "");
	jl_job_info_free(info);
	free(why);
	free(log);
}
END_TEST

START_TEST(standard_input_reaches_it)
{
	jl_submission *sub = script("cat");
	int pair[2];
	char *id, *log;

	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	ck_ok(jl_job_spec_set_stdio(jl_submission_spec(sub), 0, pair[0], &err));
	jl_submission_set_attached(sub, 1);
	id = submit(sub);
	ck_assert_int_eq((int)write(pair[1], "typed\n", 6), 6);
	(void)close(pair[0]);
	(void)close(pair[1]);
	ck_ends(id, JL_STATE_COMPLETED, 0);
	log = log_of(id, 0);
	ck_assert_str_eq(log, "typed\n");
	free(log);
	free(id);
}
END_TEST

/* ---- without memory ---- */

/* Whatever could not be done or noted is, as soon as there is memory again. */
START_TEST(no_start_is_left_without_memory)
{
	int r = -ENOMEM;
	double end;

	/* What it looks for when it is new has been found. */
	ck_ok(jl_node_process(node, &err));
	for (unsigned int n = 0; r == -ENOMEM; n += 7) {
		jl_submission *sub = script("exit 0");

		allow_allocations(n);
		r = jl_node_submit(node, sub, NULL, NULL);
		allow_allocations(UINT_MAX);
		jl_submission_free(sub);
		for (end = now() + 10 * patience; in_states(0xf); process_for(0.1))
			ck_assert_msg(now() < end, "the %u. allocation leaves a job",
				      n + 1);
	}
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(in_states(1U << JL_STATE_FAILED),
			  in_states(0) - in_states(1U << JL_STATE_COMPLETED));
}
END_TEST

/* ---- what is known of them ---- */

START_TEST(secrets_are_not_shown)
{
	jl_submission *sub = script("test \"$TOKEN\" = hunter2 && echo $PLAIN");
	jl_job_info *info;
	bool seen = false;
	char *id, *log;

	ck_ok(jl_job_spec_set_secret_env(jl_submission_spec(sub), "TOKEN", "hunter2",
					 &err));
	ck_ok(jl_job_spec_set_env(jl_submission_spec(sub), "PLAIN", "shown", &err));
	id = submit(sub);
	ck_ends(id, JL_STATE_COMPLETED, 0);
	log = log_of(id, 0);
	ck_assert_str_eq(log, "shown\n");
	ck_ok(jl_node_get(node, id, &info, &err));
	for (uint32_t i = 0; i < jl_job_info_env_count(info); i++) {
		if (strcmp(jl_job_info_get_env_name(info, i), "TOKEN") != 0)
			continue;
		seen = true;
		ck_assert_int_eq(jl_job_info_env_is_secret(info, i), 1);
		ck_assert_str_eq(jl_job_info_get_env_value(info, i), "***");
	}
	ck_assert(seen);
	ck_assert_uint_eq(jl_job_info_arg_count(info), 3);
	ck_assert_str_eq(jl_job_info_get_arg(info, 1), "-c");
	ck_assert_str_eq(jl_job_info_get_arg(info, 0), "sh");
	ck_assert_ptr_null(jl_job_info_get_arg(info, 3));
	jl_job_info_free(info);
	free(log);
	free(id);
}
END_TEST

START_TEST(the_store_is_for_its_owner_alone)
{
	static const char *const files[] = { "node.db", "node.db-wal", "node.db-shm" };
	char path[128];
	struct stat st;

	for (size_t i = 0; i < COUNT(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", state, files[i]);
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_int_eq((int)st.st_mode & 0777, 0600);
	}
}
END_TEST

START_TEST(uploads_are_in_work)
{
	jl_submission *sub =
		script("cat a/b.txt; ls -d empty; test -x run.sh; rm a/b.txt");
	jl_job_info *info;
	char *id, *log;

	ck_ok(jl_submission_add_file(sub, "a/b.txt", 0644, 6, &err));
	ck_ok(jl_submission_write(sub, "hello\n", 6, &err));
	ck_ok(jl_submission_add_dir(sub, "empty", 0, &err));
	ck_ok(jl_submission_add_file(sub, "run.sh", 0755, UINT64_MAX, &err));
	ck_ok(jl_submission_write(sub, "#!/bin/sh\n", 10, &err));
	id = submit(sub);
	ck_ends(id, JL_STATE_COMPLETED, 0);
	log = log_of(id, 0);
	ck_assert_str_eq(log, "hello\nempty\n");
	ck_ok(jl_node_get(node, id, &info, &err));
	ck_assert_uint_eq(jl_job_info_upload_count(info), 2);
	ck_assert_str_eq(jl_job_info_get_upload(info, 0), "a/b.txt");
	ck_assert_str_eq(jl_job_info_get_upload(info, 1), "run.sh");
	jl_job_info_free(info);
	free(log);
	free(id);
}
END_TEST

START_TEST(work_has_its_size)
{
	jl_submission *sub =
		script("dd if=/dev/zero of=x bs=1k count=600 2>/dev/null;"
		       "echo half; dd if=/dev/zero of=y bs=1k count=600"
		       " 2>/dev/null && echo too much; echo full; sleep 1000");
	char *id, *log;

	ck_ok(jl_submission_set_disk_bytes(sub, 1 << 20, &err));
	id = submit(sub);
	until_log(id, "full");
	log = log_of(id, 0);
	ck_assert_str_eq(log, "half\nfull\n");
	ck_assert_uint_eq(number(id, JL_INFO_DISK_BYTES), 1 << 20);
	ck_assert_uint_gt(number(id, JL_INFO_DISK_USED_BYTES), 600 << 10);
	ck_assert_uint_le(number(id, JL_INFO_DISK_USED_BYTES), 1 << 20);
	ck_ok(jl_node_stop(node, id, 0, &err));
	ck_ends(id, JL_STATE_STOPPED, 137);
	ck_assert_uint_eq(number(id, JL_INFO_DISK_USED_BYTES), UINT64_MAX);
	free(log);
	free(id);
}
END_TEST

/* ---- finding ---- */

START_TEST(jobs_are_found_by_what_people_type)
{
	char *id = submit_script("exit 0"), upper[37], prefix[37];
	jl_job_info *info;

	ck_ends("1", JL_STATE_COMPLETED, 0);
	for (size_t i = 0; i < 37; i++)
		upper[i] = id[i] >= 'a' && id[i] <= 'f' ? (char)(id[i] - 32) : id[i];
	ck_assert_uint_eq(number(upper, JL_INFO_NUMBER), 1);
	(void)snprintf(prefix, sizeof(prefix), "%.8s", id);
	ck_assert_uint_eq(number(prefix, JL_INFO_NUMBER), 1);
	(void)snprintf(prefix, sizeof(prefix), "%.12s", id);
	ck_assert_uint_eq(number(prefix, JL_INFO_NUMBER), 1);
	ck_fails(jl_node_get(node, "2", &info, &err), -ENOENT, "2");
	ck_fails(jl_node_get(node, "00000000-0000", &info, &err), -ENOENT, "0000");
	ck_fails(jl_node_get(node, "", &info, &err), -EINVAL, "number");
	ck_fails(jl_node_get(node, "abc", &info, &err), -EINVAL, "abc");
	ck_fails(jl_node_get(node, "nonsense", &info, &err), -EINVAL, "nonsense");
	ck_fails(jl_node_get(node, "abcd' OR 1=1", &info, &err), -EINVAL, "abcd");
	free(id);
}
END_TEST

/* ---- stopping ---- */

START_TEST(a_stop_is_not_a_failure)
{
	char *id = submit_script("sleep 1000");

	ck_ok(jl_node_stop(node, id, JL_FOREVER, &err));
	ck_ends(id, JL_STATE_STOPPED, -1);
	ck_assert_int_eq((int)number(id, JL_INFO_REASON), JL_REASON_STOPPED);
	ck_fails(jl_node_stop(node, id, 0, &err), -ESRCH, "STOPPED");
	ck_fails(jl_node_signal(node, id, SIGTERM, &err), -ESRCH, "STOPPED");
	free(id);
}
END_TEST

START_TEST(another_process_can_stop_and_signal_it)
{
	char *id = submit_script("trap 'echo usr1; exit 7' USR1; echo up;"
				 " while :; do sleep 0.05; done");
	jl_node *mine = node, *other;

	until_log(id, "up");
	other = open_node();
	ck_ok(jl_node_signal(other, id, SIGUSR1, &err));
	node = other;
	ck_ends(id, JL_STATE_FAILED, 7);
	node = mine;
	ck_assert_int_eq(state_of(id), JL_STATE_FAILED);
	free(id);
	id = submit_script("trap '' TERM; echo up; sleep 1000");
	until_log(id, "up");
	ck_ok(jl_node_stop(other, id, 100000, &err));
	ck_ends(id, JL_STATE_STOPPED, 137);
	free(id);
}
END_TEST

/* ---- deleting ---- */

START_TEST(deleting_takes_everything)
{
	char *id = submit_script("echo gone"), path[128];
	uint32_t deleted = 0, skipped = 0;
	jl_job_info *info;
	char *other;

	ck_ends(id, JL_STATE_COMPLETED, 0);
	(void)snprintf(path, sizeof(path), "%s/jobs/%s", state, id);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_ok(jl_node_delete(node, id, &err));
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_fails(jl_node_get(node, id, &info, &err), -ENOENT, "no job");
	free(id);
	id = submit_script("exit 0");
	ck_assert_uint_eq(number(id, JL_INFO_NUMBER), 2);
	ck_ends(id, JL_STATE_COMPLETED, 0);
	other = submit_script("sleep 1000");
	ck_fails(jl_node_delete(node, other, &err), -EBUSY, "stop");
	ck_ok(jl_node_delete_all(node, &deleted, &skipped, &err));
	ck_assert_uint_eq(deleted, 1);
	ck_assert_uint_eq(skipped, 1);
	ck_ok(jl_node_stop(node, other, 0, &err));
	ck_ends(other, JL_STATE_STOPPED, 137);
	free(other);
	free(id);
}
END_TEST

START_TEST(a_reader_keeps_what_is_deleted)
{
	char *id = submit_script("echo kept"), data[64];
	jl_log *log;

	ck_ends(id, JL_STATE_COMPLETED, 0);
	ck_ok(jl_node_open_log(node, id, JL_LOG_FOLLOW, &log, &err));
	ck_ok(jl_node_delete(node, id, &err));
	ck_assert_int_eq((int)jl_log_read(log, data, sizeof(data), &err), 5);
	ck_assert_int_eq((int)jl_log_read(log, data, sizeof(data), &err), 0);
	jl_log_close(log);
	free(id);
}
END_TEST

START_TEST(old_jobs_are_removed)
{
	jl_job_list *list;

	close_node(node);
	ck_ok(jl_node_config_set_number(config, JL_NODE_KEEP_JOBS, 2, &err));
	node = open_node();
	for (int i = 0; i < 4; i++) {
		char *id = submit_script("exit 0");

		ck_ends(id, JL_STATE_COMPLETED, 0);
		free(id);
	}
	/* Not after each of them, and not never: the node asks for it. */
	for (double end = now() + 10 * patience; in_states(0) > 2; process_for(0.5))
		ck_assert_msg(now() < end, "%u jobs are kept", in_states(0));
	ck_ok(jl_node_list(node, 0, NULL, 0, 0, &list, &err));
	ck_assert_uint_eq(jl_job_list_count(list), 2);
	ck_assert_uint_eq(
		jl_job_info_get_number(jl_job_list_get(list, 0), JL_INFO_NUMBER), 4);
	jl_job_list_free(list);
	close_node(node);
	ck_ok(jl_node_config_set_number(config, JL_NODE_KEEP_USEC, 1, &err));
	node = open_node();
	ck_ok(jl_node_process(node, &err));
	ck_ok(jl_node_list(node, 0, NULL, 0, 0, &list, &err));
	ck_assert_uint_eq(jl_job_list_count(list), 0);
	jl_job_list_free(list);
}
END_TEST

/* Whoever has other work gets to it: neither call goes through all of them. */
START_TEST(many_jobs_are_deleted_step_by_step)
{
	uint32_t deleted = 0, skipped = 0, steps = 1, left;
	uint64_t below = 0;
	char *id;

	end_many(450);
	id = submit_script("sleep 1000");
	while (jl_node_delete_some(node, &below, &deleted, &skipped, &err) == 1) {
		steps++;
		ck_assert_uint_eq(in_states(0), 451 - deleted);
	}
	ck_assert_ptr_null(err);
	ck_assert_uint_gt(steps, 2);
	ck_assert_uint_eq(deleted, 450);
	ck_assert_uint_eq(skipped, 1);
	end_many(450);
	close_node(node);
	ck_ok(jl_node_config_set_number(config, JL_NODE_KEEP_JOBS, 2, &err));
	node = open_node();
	for (steps = 0; (left = in_states(0)) > 3; steps++) {
		ck_ok(jl_node_process(node, &err));
		ck_assert_uint_gt(left, in_states(0));
		ck_assert_msg(in_states(0) == 3 || is_ready(),
			      "%u jobs are left, and nobody is told", in_states(0));
	}
	ck_assert_uint_gt(steps, 1);
	ck_ok(jl_node_stop(node, id, 0, &err));
	ck_ends(id, JL_STATE_STOPPED, 137);
	free(id);
}
END_TEST

/* The row of an attached job may not get to the disk before the machine goes down. */
START_TEST(folders_of_nobody_go_with_the_next_start_of_the_machine)
{
	static const char other[] = "00000000-1111-4222-8333-444444444444";
	char path[128], swept[128], theirs[128];
	FILE *file;

	end_many(1);
	(void)snprintf(theirs, sizeof(theirs), "%s/jobs/lost+found", state);
	ck_assert_int_eq(mkdir(theirs, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/jobs/%s", state, other);
	(void)snprintf(swept, sizeof(swept), "%s/swept", state);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	(void)strcat(path, "/1");
	ck_assert_int_eq(mkdir(path, 0700), 0);
	close_node(node);
	file = fopen(swept, "r+");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fputs(other, file), 1);
	ck_assert_int_eq(fclose(file), 0);
	node = open_node();
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(rmdir(theirs), 0);
	ck_assert_uint_eq(in_states(0), 1);
}
END_TEST

static uint32_t in_page(uint64_t below, uint32_t limit)
{
	jl_job_list *list;
	uint32_t count;

	ck_ok(jl_node_list(node, 0, NULL, below, limit, &list, &err));
	count = jl_job_list_count(list);
	jl_job_list_free(list);
	return count;
}

START_TEST(lists_have_pages)
{
	end_many(5);
	ck_assert_uint_eq(in_states(0), 5);
	ck_assert_uint_eq(in_page(0, 3), 3);
	ck_assert_uint_eq(in_page(3, 0), 2);
	ck_assert_uint_eq(in_page(3, 1), 1);
	ck_assert_uint_eq(in_page(1, 0), 0);
	ck_assert_uint_eq(in_page(UINT64_MAX, 0), 5);
}
END_TEST

/* ---- changes ---- */

START_TEST(changes_are_seen_by_everybody)
{
	jl_node *other = open_node();
	char *id = submit_script("exit 0");
	int last = -1, r;

	ck_ends(id, JL_STATE_COMPLETED, 0);
	do {
		jl_job_info *info;

		ck_ok(r = jl_node_next_change(other, &info, &err));
		if (r == 1) {
			ck_assert_str_eq(jl_job_info_get_id(info), id);
			last = (int)jl_job_info_get_number(info, JL_INFO_STATE);
			jl_job_info_free(info);
		}
	} while (r == 1);
	ck_assert_int_eq(last, JL_STATE_COMPLETED);
	free(id);
}
END_TEST

/* A command that asks something and ends takes no inotify instance; who waits does, and
 * is told of all that came before. */
START_TEST(who_waits_is_woken_by_others)
{
	jl_node *other = open_node();
	struct pollfd ready = { .fd = jl_node_get_fd(other), .events = POLLIN };
	jl_job_list *list;
	jl_job_info *info;
	char *id;
	int before;

	ck_ok(jl_node_list(other, 0, NULL, 0, 0, &list, &err));
	jl_job_list_free(list);
	before = fd_count(getpid());
	ck_assert_int_eq(poll(&ready, 1, 0), 1);
	ck_ok(jl_node_process(other, &err));
	ck_assert_int_eq(fd_count(getpid()), before + 1);
	ck_assert_int_eq(poll(&ready, 1, 0), 0);
	id = submit_script("exit 0");
	ck_assert_int_eq(poll(&ready, 1, 10000), 1);
	ck_ok(jl_node_process(other, &err));
	ck_assert_int_eq(jl_node_next_change(other, &info, &err), 1);
	ck_assert_str_eq(jl_job_info_get_id(info), id);
	jl_job_info_free(info);
	ck_ends(id, JL_STATE_COMPLETED, 0);
	free(id);
}
END_TEST

/* Nothing to do: it does not wake up again and again, its own writes included. */
START_TEST(an_idle_node_sleeps)
{
	struct pollfd ready = { .fd = jl_node_get_fd(node), .events = POLLIN };
	char *id = submit_script("exit 0");
	int rounds = 0;

	ck_ends(id, JL_STATE_COMPLETED, 0);
	/* What ends makes some noise, on a busy machine in several pieces. */
	while (poll(&ready, 1, 200) > 0 && ++rounds < 20)
		ck_ok(jl_node_process(node, &err));
	ck_assert_int_lt(rounds, 20);
	free(id);
}
END_TEST

/* The program goes on without its node; its job has somebody else to look after it. */
START_TEST(a_closed_node_lets_go_of_its_jobs)
{
	char *id = submit_script("sleep 0.3; exit 5");
	jl_node *other = open_node();

	close_node(node);
	node = other;
	ck_ends(id, JL_STATE_FAILED, 5);
	free(id);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, node_set_up, node_tear_down);
	tcase_add_test(tcase, a_job_runs_and_everything_of_it_is_kept);
	tcase_add_loop_test(tcase, states_follow_from_how_it_ended, 0, COUNT(endings));
	tcase_add_test(tcase, a_timeout_fails_it);
	tcase_add_test(tcase, one_that_cannot_start_is_there_all_the_same);
	tcase_add_test(tcase, standard_input_reaches_it);
	tcase_add_test(tcase, no_start_is_left_without_memory);
	tcase_add_test(tcase, secrets_are_not_shown);
	tcase_add_test(tcase, the_store_is_for_its_owner_alone);
	tcase_add_test(tcase, uploads_are_in_work);
	tcase_add_test(tcase, work_has_its_size);
	tcase_add_test(tcase, jobs_are_found_by_what_people_type);
	tcase_add_test(tcase, a_stop_is_not_a_failure);
	tcase_add_test(tcase, another_process_can_stop_and_signal_it);
	tcase_add_test(tcase, deleting_takes_everything);
	tcase_add_test(tcase, a_reader_keeps_what_is_deleted);
	tcase_add_test(tcase, old_jobs_are_removed);
	tcase_add_test(tcase, many_jobs_are_deleted_step_by_step);
	tcase_add_test(tcase, folders_of_nobody_go_with_the_next_start_of_the_machine);
	tcase_add_test(tcase, lists_have_pages);
	tcase_add_test(tcase, changes_are_seen_by_everybody);
	tcase_add_test(tcase, who_waits_is_woken_by_others);
	tcase_add_test(tcase, an_idle_node_sleeps);
	tcase_add_test(tcase, a_closed_node_lets_go_of_its_jobs);
}

int main(void)
{
	return harness_main("node", 60, add);
}
