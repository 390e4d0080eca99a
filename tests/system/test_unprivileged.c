/* SPDX-License-Identifier: MIT */
/* Jobs of a caller without privileges: what works, and what is refused with a reason. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <joblet/node.h>

#include "harness.h"

#define USER 12345

static struct run run;
static char home[64];

/* Whatever is in there is this user's. */
static void remove_home(void)
{
	char command_line[128];

	(void)snprintf(command_line, sizeof(command_line), "rm -rf %s", home);
	if (system(command_line) != 0)
		note("%s stays", home);
}

/* The process of the test becomes somebody else, for good. */
static void become_somebody(void)
{
	char folder[128];

	close_ctx();
	(void)snprintf(home, sizeof(home), "/tmp/system-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(home));
	(void)atexit(remove_home);
	(void)snprintf(folder, sizeof(folder), "%s/run", home);
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	ck_assert_int_eq(chown(folder, USER, USER), 0);
	ck_assert_int_eq(chown(home, USER, USER), 0);
	ck_assert_int_eq(setenv("HOME", home, 1), 0);
	ck_assert_int_eq(setenv("XDG_RUNTIME_DIR", folder, 1), 0);
	ck_assert_int_eq(unsetenv("XDG_STATE_HOME"), 0);
	ck_assert_int_eq(setgroups(0, NULL), 0);
	ck_assert_int_eq(setresgid(USER, USER, USER), 0);
	ck_assert_int_eq(setresuid(USER, USER, USER), 0);
	/* As after an exec. */
	ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
	ck_assert_int_eq(chdir(home), 0);
	ctx = open_ctx(0);
}

/* False where this kernel gives user namespaces to root only. */
static bool can_run(void)
{
	jl_job_spec *spec = command("true", NULL);
	int r = jl_job_spawn(ctx, spec, &run.job, &err);

	jl_job_spec_free(spec);
	if ((r == -EPERM || r == -EACCES || r == -ENOSPC) &&
	    strstr(jl_error_message(err), "namespace")) {
		(void)cannot_run(jl_error_message(err));
		jl_error_free(err);
		err = NULL;
		return false;
	}
	ck_assert_msg(r == 0, "%d %s", r, jl_error_message(err));
	ck_ok(jl_job_wait(run.job, JL_FOREVER, &err));
	run.job = jl_job_unref(run.job);
	return true;
}

static const struct {
	const char *script;
	const char *prints;
} scripts[] = {
	{ "id -u; id -g; whoami; echo $HOME $USER", "0\n0\nroot\n/work root\n" },
	{ "set -- /proc/[0-9]*; echo $# $$", "1 1\n" },
	{ "sleep 30 & sleep 40 & ps -e -o pid= >/tmp/x; tr -d ' ' </tmp/x",
	  "1\n2\n3\n4\n" },
	{ "touch /work/a /tmp/b /dev/shm/c && echo written; stat -c '%u %g' /work/a",
	  "written\n0 0\n" },
	{ "echo x 2>/dev/null >/usr/x || echo no; echo x 2>/dev/null >/etc/x || echo no",
	  "no\nno\n" },
	{ "cat /etc/shadow 2>/dev/null || echo no; ls /root /home 2>/dev/null || echo no",
	  "no\nno\n" },
	{ "cat /proc/sys/kernel/hostname; pwd", "joblet\n/work\n" },
	{ "echo x >/dev/null && head -c 3 /dev/zero | wc -c", "3\n" },
};

START_TEST(a_job_is_root_in_a_world_of_its_own)
{
	become_somebody();
	if (!can_run())
		return;
	ck_prints(shell(scripts[_i].script), scripts[_i].prints);
}
END_TEST

START_TEST(how_it_ends_and_what_it_used_is_known)
{
	jl_job_spec *spec;

	become_somebody();
	if (!can_run())
		return;
	run_spec(&run, shell("i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; exit 5"));
	ck_ended(&run, JL_REASON_EXITED, 5);
	ck_assert_uint_gt(run.result.cpu_usec, 0);
	ck_assert_uint_gt(run.result.wall_usec, 0);
	run_done(&run);
	spec = shell("sleep 1000 & sleep 1000");
	ck_ok(jl_job_spec_set_timeout(spec, 300000, &err));
	run_spec(&run, spec);
	ck_ended(&run, JL_REASON_TIMEOUT, 137);
	run_done(&run);
	spec = command("sleep", "1000", NULL);
	run_start(&run, spec);
	ck_ok(jl_job_signal(run.job, SIGTERM, &err));
	run_end(&run);
	ck_ended(&run, JL_REASON_SIGNALLED, 143);
	run_done(&run);
	run_start(&run, spec);
	ck_ok(jl_job_kill(run.job, &err));
	run_end(&run);
	ck_ended(&run, JL_REASON_STOPPED, 137);
	run_done(&run);
	jl_job_spec_free(spec);
	spec = command("no-such-command", NULL);
	ck_fails(jl_job_spawn(ctx, spec, &run.job, &err), -ENOENT, "no-such-command");
	jl_job_spec_free(spec);
	ck_assert_uint_eq(marked_processes(), 0);
}
END_TEST

START_TEST(another_user_inside_is_refused)
{
	jl_job_spec *spec = command("id", NULL);

	become_somebody();
	if (!can_run())
		return;
	ck_ok(jl_job_spec_set_user(spec, 1000, 0, &err));
	ck_fails(jl_job_spawn(ctx, spec, &run.job, &err), -EPERM, "1000");
	ck_ok(jl_job_spec_set_user(spec, 0, 1000, &err));
	ck_fails(jl_job_spawn(ctx, spec, &run.job, &err), -EPERM, "1000");
	jl_job_spec_free(spec);
}
END_TEST

START_TEST(limits_are_refused_where_groups_are_not_the_callers)
{
	static const char *const names[] = { "memory", "cpu", "processes", "cores",
					     "I/O" };

	become_somebody();
	if (!can_run())
		return;
	for (int i = 0; i < 5; i++) {
		jl_job_spec *spec = shell("echo ran");
		jl_limits *limits = jl_job_spec_limits(spec);
		int r;

		if (i == 0)
			ck_ok(jl_limits_set_memory_bytes(limits, 64 << 20, &err));
		if (i == 1)
			ck_ok(jl_limits_set_cpu_percent(limits, 50, &err));
		if (i == 2)
			ck_ok(jl_limits_set_pids(limits, 10, &err));
		if (i == 3)
			ck_ok(jl_limits_set_cpus(limits, "0", &err));
		if (i == 4)
			ck_ok(jl_limits_set_io_bps(limits, 1 << 20, 0, &err));
		r = jl_job_spawn(ctx, spec, &run.job, &err);
		ck_assert_msg(r == -EOPNOTSUPP, "%s: %d %s", names[i], r,
			      jl_error_message(err));
		ck_assert_str_ne(jl_error_message(err), "");
		note("%s: %s", names[i], jl_error_message(err));
		jl_error_free(err);
		err = NULL;
		jl_job_spec_free(spec);
	}
}
END_TEST

START_TEST(a_caller_that_may_not_dump_core_can_run_jobs)
{
	struct rlimit none = { 0, 0 };

	ck_assert_int_eq(setrlimit(RLIMIT_CORE, &none), 0);
	become_somebody();
	if (!can_run())
		return;
	ck_prints(shell("ulimit -Hc"), "0\n");
}
END_TEST

START_TEST(a_caller_without_folders_can_run_jobs)
{
	become_somebody();
	if (!can_run())
		return;
	close_ctx();
	(void)unsetenv("HOME");
	(void)unsetenv("XDG_RUNTIME_DIR");
	ctx = open_ctx(JL_CTX_NO_ENVIRONMENT);
	ck_prints(command("echo", "fine", NULL), "fine\n");
}
END_TEST

START_TEST(ten_jobs_in_a_row_and_at_once)
{
	jl_job_spec *spec;
	jl_job *jobs[10];

	become_somebody();
	if (!can_run())
		return;
	for (int i = 0; i < 10; i++)
		ck_prints(command("echo", "x", NULL), "x\n");
	spec = shell("sleep 1000 & sleep 1000");
	for (int i = 0; i < 10; i++)
		ck_ok(jl_job_spawn(ctx, spec, &jobs[i], &err));
	for (int i = 0; i < 10; i++) {
		ck_ok(jl_job_kill(jobs[i], &err));
		ck_ok(jl_job_wait(jobs[i], JL_FOREVER, &err));
		jl_job_unref(jobs[i]);
	}
	jl_job_spec_free(spec);
	ck_assert_uint_eq(marked_processes(), 0);
}
END_TEST

static char *log_of(jl_node *node, const char *id)
{
	static char text[4096];
	size_t len = 0;
	int64_t got;
	jl_log *log;

	ck_ok(jl_node_open_log(node, id, 0, &log, &err));
	while ((got = jl_log_read(log, text + len, sizeof(text) - len - 1, &err)) > 0)
		len += (size_t)got;
	ck_ok((int)got);
	jl_log_close(log);
	text[len] = '\0';
	return text;
}

static char *submit(jl_node *node, const char *script)
{
	jl_submission *sub;
	jl_job_info *info;
	jl_job_spec *spec;
	char *id;

	ck_ok(jl_submission_new(node, &sub, &err));
	spec = jl_submission_spec(sub);
	put_mark(spec);
	ck_ok(jl_job_spec_add_arg(spec, "sh", &err));
	ck_ok(jl_job_spec_add_arg(spec, "-c", &err));
	ck_ok(jl_job_spec_add_arg(spec, script, &err));
	ck_ok(jl_submission_add_file(sub, "dir/file", 0, 9, &err));
	ck_ok(jl_submission_write(sub, "uploaded\n", 9, &err));
	ck_ok(jl_node_submit(node, sub, &info, &err));
	id = strdup(jl_job_info_get_id(info));
	jl_job_info_free(info);
	jl_submission_free(sub);
	return id;
}

static int state_of(jl_node *node, const char *id)
{
	jl_job_info *info;
	int value;

	ck_ok(jl_node_get(node, id, &info, &err));
	value = (int)jl_job_info_get_number(info, JL_INFO_STATE);
	jl_job_info_free(info);
	return value;
}

/* Kept in the user's own folders, and taken over by another process of the same user. */
START_TEST(jobs_of_a_node_outlive_their_caller)
{
	struct stat st;
	jl_node *node;
	jl_ctx *other;
	char *id, *stopped;

	become_somebody();
	if (!can_run())
		return;
	ck_ok(jl_node_open(ctx, NULL, &node, &err));
	ck_assert_int_eq(stat(".local/state/joblet/node.db", &st), 0);
	ck_assert_uint_eq(st.st_uid, USER);
	ck_assert_uint_eq(st.st_mode & 077, 0);
	id = submit(node, "trap 'exit 3' TERM; cat dir/file; echo to stderr >&2; "
			  "while :; do sleep 0.01; done");
	stopped = submit(node, "exec sleep 1000");
	/* The first one leaves; its jobs do not. */
	(void)jl_node_unref(node);
	close_ctx();
	other = open_ctx(0);
	ck_ok(jl_node_open(other, NULL, &node, &err));
	ck_assert_int_eq(state_of(node, id), JL_STATE_RUNNING);
	ck_ok(jl_node_stop(node, stopped, 0, &err));
	ck_ok(jl_node_wait(node, stopped, (uint64_t)(30e6 * patience), &err));
	ck_assert_int_eq(state_of(node, stopped), JL_STATE_STOPPED);
	/* It is listening by now. */
	while (!strstr(log_of(node, id), "stderr"))
		pause_for(0.02);
	ck_ok(jl_node_signal(node, id, SIGTERM, &err));
	ck_ok(jl_node_wait(node, id, (uint64_t)(30e6 * patience), &err));
	ck_assert_int_eq(state_of(node, id), JL_STATE_FAILED);
	ck_assert_str_eq(log_of(node, id), "uploaded\nto stderr\n");
	free(id);
	id = submit(node, "id -u");
	ck_ok(jl_node_wait(node, id, (uint64_t)(30e6 * patience), &err));
	ck_assert_str_eq(log_of(node, id), "0\n");
	ck_ok(jl_node_delete(node, id, &err));
	ck_ok(jl_node_delete(node, stopped, &err));
	(void)jl_node_unref(node);
	(void)jl_ctx_unref(other);
	free(stopped);
	free(id);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_loop_test(tcase, a_job_is_root_in_a_world_of_its_own, 0,
			    COUNT(scripts));
	tcase_add_test(tcase, how_it_ends_and_what_it_used_is_known);
	tcase_add_test(tcase, another_user_inside_is_refused);
	tcase_add_test(tcase, limits_are_refused_where_groups_are_not_the_callers);
	tcase_add_test(tcase, a_caller_that_may_not_dump_core_can_run_jobs);
	tcase_add_test(tcase, a_caller_without_folders_can_run_jobs);
	tcase_add_test(tcase, ten_jobs_in_a_row_and_at_once);
	tcase_add_test(tcase, jobs_of_a_node_outlive_their_caller);
}

int main(void)
{
	return harness_main("unprivileged", 60, add);
}
