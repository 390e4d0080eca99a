/* SPDX-License-Identifier: MIT */
/*
 * Nothing is lost: callers and supervisors killed at any moment, over and over. At the
 * end every job has one result, ran once, and its log is what it wrote.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "node.h"

#define LINES 50

static unsigned int seed;

static void set_seed(void)
{
	seed = (unsigned int)number_of("JOBLET_SEED", (long)(time(NULL) ^ getpid() << 8));
	note("JOBLET_SEED=%u", seed);
}

static double some(double most)
{
	return most * (double)rand_r(&seed) / RAND_MAX;
}

/* Every line is told apart by the job and its place. */
#define SCRIPT                                                          \
	"i=0; while [ $i -lt 50 ]; do i=$((i+1)); echo \"$JOB_ID $i\";" \
	" if [ $((i % 10)) = 0 ]; then echo \"$JOB_ID err\" >&2; sleep 0.01; fi; done"

/* Both streams one after the other: which of two pipes is emptied first is luck. */
static char *expected(const char *id)
{
	char *text = malloc(LINES * 64), *p = text;

	for (int i = 1; i <= LINES; i++)
		p += sprintf(p, "%s %d\n", id, i);
	for (int i = 10; i <= LINES; i += 10)
		p += sprintf(p, "%s err\n", id);
	return text;
}

static char *both_streams(const char *id)
{
	char *out = log_of(id, JL_LOG_FOLLOW | JL_LOG_STDOUT);
	char *errors = log_of(id, JL_LOG_FOLLOW | JL_LOG_STDERR);

	out = realloc(out, strlen(out) + strlen(errors) + 1);
	ck_assert_ptr_nonnull(out);
	(void)strcat(out, errors);
	free(errors);
	return out;
}

/* ---- the caller that is killed ---- */

/* Tells what was accepted, and goes on with what others left. Never returns. */
static void caller(int told, unsigned int round)
{
	node = open_node();
	for (unsigned int i = 0;; i++) {
		struct pollfd ready = { .fd = jl_node_get_fd(node), .events = POLLIN };
		jl_submission *sub = script(SCRIPT);
		jl_job_info *info;
		int r;

		jl_submission_set_attached(sub, (int)((round + i) % 2));
		if ((round + i) % 4 == 0) {
			ck_ok(jl_submission_add_file(sub, "dir/file", 0, 3, &err));
			ck_ok(jl_submission_write(sub, "abc", 3, &err));
		}
		r = jl_node_submit(node, sub, &info, &err);
		if (r == 0) {
			/* Smaller than a pipe's page: whole or not at all. */
			if (write(told, jl_job_info_get_id(info), 37) != 37)
				_exit(1);
			jl_job_info_free(info);
		} else if (r != -EAGAIN) {
			note("submit: %s", jl_error_message(err));
			_exit(2);
		}
		jl_submission_free(sub);
		(void)poll(&ready, 1, 5);
		ck_ok(jl_node_process(node, &err));
	}
}

/* Accepted jobs by their UUIDs. */
static char (*accepted)[37];
static unsigned int count;

static void take_told(int told)
{
	char id[37];

	while (read(told, id, sizeof(id)) == (ssize_t)sizeof(id))
		memcpy(accepted[count++], id, sizeof(id));
}

static void one_round(int *pipes, unsigned int round, double seconds)
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		(void)close(pipes[0]);
		caller(pipes[1], round);
	}
	pause_for(seconds);
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFSIGNALED(status), "the caller ended by itself: %x", status);
	take_told(pipes[0]);
}

/* ---- what must hold ---- */

static unsigned int entries(const char *folder, const char *with)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	unsigned int found = 0;
	char path[512];

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s/%s", folder, entry->d_name,
			       with);
		found += access(path, F_OK) == 0;
	}
	if (dir)
		(void)closedir(dir);
	return found;
}

/* Entries of a folder of the node. */
static unsigned int in_folder(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", state, name);
	return entries(path, "");
}

static void ck_whole(const jl_job_info *info)
{
	const char *id = jl_job_info_get_id(info);
	char *log, *right = expected(id), folder[256];

	ck_assert_msg(jl_job_info_get_number(info, JL_INFO_STATE) == JL_STATE_COMPLETED,
		      "job %s is %s, reason %d: %s", id,
		      jl_state_name((int)jl_job_info_get_number(info, JL_INFO_STATE)),
		      (int)jl_job_info_get_number(info, JL_INFO_REASON),
		      jl_job_info_get_text(info, JL_INFO_FAILURE));
	log = both_streams(id);
	ck_assert_msg(strcmp(log, right) == 0, "log of %s is\n%s", id, log);
	ck_assert_uint_eq(jl_job_info_get_number(info, JL_INFO_LOG_BYTES), strlen(right));
	(void)snprintf(folder, sizeof(folder), "%s/jobs/%s", state, id);
	ck_assert_msg(entries(folder, "started") == 1, "job %s was started %u times", id,
		      entries(folder, "started"));
	free(right);
	free(log);
}

static void end_all(void)
{
	jl_job_list *list;
	uint32_t waiting;
	double end = now() + 120 * patience;

	do {
		ck_ok(jl_node_process(node, &err));
		ck_ok(jl_node_list(node, 0xf, NULL, 0, 0, &list, &err));
		waiting = jl_job_list_count(list);
		jl_job_list_free(list);
		process_for(waiting ? 0.05 : 0);
	} while (waiting && now() < end);
	ck_assert_uint_eq(waiting, 0);
}

START_TEST(callers_killed_at_any_moment)
{
	unsigned int jobs = (unsigned int)number_of("JOBLET_DRILL", 40), rounds = 0;
	jl_job_list *list;
	int pipes[2];

	set_seed();
	accepted = calloc(jobs + 1000, sizeof(*accepted));
	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
	close_node(node);
	ck_ok(jl_node_config_set_number(config, JL_NODE_MAX_JOBS, 12, &err));
	while (count < jobs) {
		/* Short ones hit the opening, long ones the work. */
		one_round(pipes, rounds, some(rounds % 3 ? 0.05 : 0.3) * patience);
		rounds++;
	}
	node = open_node();
	end_all();
	ck_ok(jl_node_list(node, 0, NULL, 0, 0, &list, &err));
	for (uint32_t i = 0; i < jl_job_list_count(list); i++)
		ck_whole(jl_job_list_get(list, i));
	note("%u jobs accepted, %u in the store, %u callers killed", count,
	     jl_job_list_count(list), rounds);
	ck_assert_uint_ge(jl_job_list_count(list), count);
	for (unsigned int i = 0; i < count; i++) {
		char *id = text_of(accepted[i], JL_INFO_ID);

		ck_assert_str_eq(id, accepted[i]);
		free(id);
	}
	/* Nothing is in doubt, no upload waits for anybody, no folder is nobody's. */
	ck_assert_uint_eq(in_folder("doubt"), 0);
	ck_assert_uint_eq(in_folder("staging"), 0);
	ck_assert_uint_eq(in_folder("jobs"), jl_job_list_count(list));
	jl_job_list_free(list);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
	free(accepted);
}
END_TEST

/* ---- deletions ---- */

static void delete_and_die(double seconds)
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		node = open_node();
		_exit(jl_node_delete_all(node, NULL, NULL, &err) == 0 ? 0 : 1);
	}
	pause_for(seconds);
	(void)kill(child, SIGKILL);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
}

START_TEST(deletions_killed_at_any_moment)
{
	unsigned int rounds = 0, left = 450;
	jl_job_list *list;

	set_seed();
	end_many(left);
	close_node(node);
	for (; left > 0; rounds++) {
		delete_and_die(some(0.03) * patience);
		/* What was deleted is gone as a whole, what was not is there as a whole.
		 */
		node = open_node();
		ck_ok(jl_node_list(node, 0, NULL, 0, 0, &list, &err));
		left = jl_job_list_count(list);
		jl_job_list_free(list);
		ck_assert_uint_eq(in_folder("jobs"), left);
		ck_assert_uint_eq(in_folder("doubt"), 0);
		close_node(node);
	}
	note("%u callers killed", rounds);
	node = open_node();
}
END_TEST

/* ---- what others do ---- */

/* Nobody is killed, but the same question: what is there is seen by whoever waits. */
START_TEST(a_change_wakes_who_waits_in_another_process)
{
	int status;

	set_seed();
	for (int i = 0; i < 40; i++) {
		jl_submission *sub = script("exit 0");
		double end = now() + 20 * patience;
		pid_t child;
		char *id;

		ck_ok(jl_submission_set_due(sub, (uint64_t)(time(NULL) + 3600) * 1000000,
					    &err));
		id = submit(sub);
		child = fork();
		ck_assert_int_ge(child, 0);
		if (child == 0) {
			node = open_node();
			_exit(jl_node_wait(node, id, JL_FOREVER, &err) == 0 ? 0 : 1);
		}
		pause_for(some(0.02) * patience);
		ck_ok(jl_node_cancel(node, id, &err));
		while (waitpid(child, &status, WNOHANG) == 0) {
			if (now() > end)
				(void)kill(child, SIGKILL);
			pause_for(0.005);
		}
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
			      "round %d: it waits for ever", i);
		free(id);
	}
}
END_TEST

/* ---- supervisors ---- */

START_TEST(a_dead_supervisor_loses_jobs_and_says_so)
{
	jl_submission *sub = script("echo before; sleep 1000");
	char *id, *again, *log;
	pid_t supervisor;
	int pidfd;

	id = submit(sub);
	sub = script("trap 'exit 0' USR1; echo try; while :; do sleep 0.05; done");
	ck_ok(jl_submission_set_retries(sub, 1, &err));
	again = submit(sub);
	until_log(id, "before");
	until_log(again, "try");
	stale_sockets_ok = true;
	supervisor = supervisor_of_marked();
	ck_assert_int_gt(supervisor, 1);
	pidfd = (int)syscall(SYS_pidfd_open, supervisor, 0);
	ck_assert_int_eq((int)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0), 0);
	(void)close(pidfd);
	log = log_of(id, JL_LOG_FOLLOW);
	ck_assert_str_eq(log, "before\n");
	ck_ends(id, JL_STATE_FAILED, -1);
	ck_assert_int_eq((int)number(id, JL_INFO_REASON), JL_REASON_LOST);
	/* What was lost has failed, and may be started again. */
	while (number(again, JL_INFO_ATTEMPT) < 2)
		process_for(0.05);
	until(again, JL_STATE_RUNNING);
	until_log(again, "try");
	ck_ok(jl_node_signal(node, again, SIGUSR1, &err));
	ck_ends(again, JL_STATE_COMPLETED, 0);
	ck_assert_uint_eq(number(again, JL_INFO_ATTEMPT), 2);
	free(log);
	free(id);
	free(again);
}
END_TEST

/* ---- between the claim and the start ---- */

/* Keeps one job until it is told to hand in another, which it does not survive. */
static void claimer(int go, bool input)
{
	jl_submission *sub;
	jl_job_info *info;
	char byte;

	node = open_node();
	ck_ok(jl_node_submit(node, script("exec sleep 1000"), NULL, &err));
	sub = script("echo ran");
	if (input)
		ck_ok(jl_job_spec_set_stdio(jl_submission_spec(sub), 0, go, &err));
	ck_assert_int_eq((int)read(go, &byte, 1), 1);
	_exit(jl_node_submit(node, sub, &info, &err) == 0 ? 1 : 2);
}

/* The only job in these states; to be freed. */
static char *wait_for_one(uint32_t states)
{
	double end = now() + 30 * patience;
	jl_job_list *list;
	char *id = NULL;

	while (!id) {
		ck_assert(now() < end);
		pause_for(0.01);
		ck_ok(jl_node_list(node, states, NULL, 0, 0, &list, &err));
		if (jl_job_list_count(list) == 1)
			id = strdup(jl_job_info_get_id(jl_job_list_get(list, 0)));
		jl_job_list_free(list);
	}
	return id;
}

/* A supervisor that does not come to it, and a caller that is killed while he waits. With
 * his standard input it is over. */
START_TEST(a_start_that_was_never_begun_is_made_again)
{
	bool input = _i == 2;
	char *first, *id, *log, path[256];
	pid_t child, supervisor;
	int go[2], status;

	ck_assert_int_eq(pipe2(go, O_CLOEXEC), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		claimer(go[0], input);
	first = wait_for_one(1U << JL_STATE_RUNNING);
	supervisor = supervisor_of_marked();
	ck_assert_int_gt(supervisor, 1);
	ck_ok(jl_node_stop(node, first, 0, &err));
	free(wait_for_one(1U << JL_STATE_STOPPED));
	ck_assert_int_eq(kill(supervisor, SIGSTOP), 0);
	ck_assert_int_eq((int)write(go[1], "x", 1), 1);
	id = wait_for_one(1U << JL_STATE_INITIALIZING);
	(void)snprintf(path, sizeof(path), "%s/jobs/%s/1", state, id);
	while (access(path, F_OK) < 0)
		pause_for(0.01);
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	/* Somebody has seen it already, and was killed before he put it back. */
	(void)strcat(path, "/begun");
	if (_i == 1)
		ck_assert_int_eq(symlink("never", path), 0);
	ck_ends(id, input ? JL_STATE_CANCELED : JL_STATE_COMPLETED, input ? -1 : 0);
	/* Now it comes to it, and is too late. */
	ck_assert_int_eq(kill(supervisor, SIGCONT), 0);
	ck_assert(gone_within(supervisor, 30));
	log = log_of(id, JL_LOG_FOLLOW);
	ck_assert_str_eq(log, input ? "" : "ran\n");
	(void)snprintf(path, sizeof(path), "%s/jobs/%s", state, id);
	ck_assert_uint_eq(entries(path, "started"), !input);
	ck_assert_uint_eq(entries(path, "begun"), !input);
	(void)close(go[0]);
	(void)close(go[1]);
	free(first);
	free(log);
	free(id);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, node_set_up, node_tear_down);
	tcase_add_test(tcase, callers_killed_at_any_moment);
	tcase_add_test(tcase, deletions_killed_at_any_moment);
	tcase_add_test(tcase, a_change_wakes_who_waits_in_another_process);
	tcase_add_loop_test(tcase, a_start_that_was_never_begun_is_made_again, 0, 3);
	tcase_add_test(tcase, a_dead_supervisor_loses_jobs_and_says_so);
}

int main(void)
{
	return harness_main("node_crash", 60 + (double)number_of("JOBLET_DRILL", 40),
			    add);
}
