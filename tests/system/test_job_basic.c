/* SPDX-License-Identifier: MIT */
/* What a job is: how it ends, what it sees of processes, arguments, environment, time. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

static struct run run;

/* ---- how it ends ---- */

static const struct {
	const char *script;
	int reason;
	int exit_code;
	int signal;
} ends[] = {
	{ "exit 0", JL_REASON_EXITED, 0, 0 },
	{ "exit 1", JL_REASON_EXITED, 1, 0 },
	{ "exit 255", JL_REASON_EXITED, 255, 0 },
	{ "exit 137", JL_REASON_EXITED, 137, 0 },
	/* Of a child, as the shell tells it. */
	{ "sh -c 'kill -9 $$'; exit $?", JL_REASON_EXITED, 137, 0 },
	/* PID 1 cannot be killed from inside by what it does not handle. */
	{ "kill -9 1; kill -TERM 1; exit 7", JL_REASON_EXITED, 7, 0 },
	/* Background processes end with PID 1. */
	{ "sleep 1000 & sleep 1000 & exit 3", JL_REASON_EXITED, 3, 0 },
};

START_TEST(ends_as_the_command_did)
{
	run_spec(&run, shell(ends[_i].script));
	ck_ended(&run, ends[_i].reason, ends[_i].exit_code);
	ck_assert_int_eq(run.result.signal, ends[_i].signal);
	ck_assert_int_eq(jl_job_get_pid(run.job), -ESRCH);
	run_done(&run);
}
END_TEST

START_TEST(a_fault_is_a_signal)
{
	/* Division by zero in the command itself, without any language's runtime: a
	 * shell that is told to end by what PID 1 cannot ignore. */
	run_spec(&run, shell("ulimit -t 1; while :; do :; done"));
	ck_assert_int_eq(run.result.reason, JL_REASON_SIGNALLED);
	ck_assert_int_eq(run.result.exit_code, 128 + run.result.signal);
	ck_assert(run.result.signal == SIGXCPU || run.result.signal == SIGKILL);
	run_done(&run);
}
END_TEST

static const struct {
	const char *command;
	int code;
	const char *names;
} starts[] = {
	{ "no-such-command", -ENOENT, "no-such-command" },
	{ "/no/such/file", -ENOENT, "/no/such/file" },
	{ "/usr", -EACCES, "/usr" },
	{ "/etc/passwd", -EACCES, "/etc/passwd" },
	{ "/proc/self/exe", -EACCES, "/proc/self/exe" },
	{ "postgres:14", -ENOENT, "postgres:14" },
};

START_TEST(a_command_that_cannot_run_is_named)
{
	jl_job_spec *spec = command(starts[_i].command, NULL);
	jl_job *job = (jl_job *)0x1;

	ck_fails(jl_job_spawn(ctx, spec, &job, &err), starts[_i].code, starts[_i].names);
	ck_assert_ptr_eq(job, (jl_job *)0x1);
	jl_job_spec_free(spec);
	/* The context goes on. */
	ck_prints(command("echo", "fine", NULL), "fine\n");
}
END_TEST

START_TEST(a_text_without_interpreter_is_named)
{
	jl_job_spec *spec;

	/* Only the job's own folders are writable, and they start empty: no script of
	 * ours can be there before the job. So through a shell that tells exec's error.
	 */
	run_spec(&run, shell("echo 'echo hello' >/tmp/x; chmod 755 /tmp/x; exec /tmp/x"));
	ck_ended(&run, JL_REASON_EXITED, 0);
	ck_assert_str_eq(run.text[0], "hello\n");
	run_done(&run);
	spec = command("/bin", NULL);
	ck_fails(jl_job_spawn(ctx, spec, &run.job, &err), -EACCES, "/bin");
	jl_job_spec_free(spec);
}
END_TEST

START_TEST(times_are_sane)
{
	struct timespec ts;
	uint64_t before, after;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	before = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	run_spec(&run, command("sleep", "0.3", NULL));
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	after = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	ck_ended(&run, JL_REASON_EXITED, 0);
	ck_assert_uint_ge(run.result.start_usec, before);
	ck_assert_uint_le(run.result.end_usec, after);
	ck_assert_uint_ge(run.result.end_usec, run.result.start_usec + 299000);
	ck_assert_uint_ge(run.result.wall_usec, 299000);
	ck_assert_uint_le(run.result.wall_usec, after - before);
	/* Sleeping is not computing. */
	ck_assert_uint_le(run.result.cpu_usec, (uint64_t)(200000 * patience));
	ck_assert_uint_ge(run.result.memory_peak_bytes, 4096);
	ck_assert_uint_lt(run.result.memory_peak_bytes, UINT64_C(64) << 20);
	run_done(&run);
}
END_TEST

/* ---- processes ---- */

START_TEST(ps_sees_one_process_of_root)
{
	char *line;

	run_spec(&run, command("ps", "aux", NULL));
	ck_ended(&run, JL_REASON_EXITED, 0);
	line = strchr(run.text[0], '\n');
	ck_assert_ptr_nonnull(line);
	ck_assert_msg(strncmp(line + 1, "root ", 5) == 0, "%s", run.text[0]);
	ck_assert_int_eq(strtol(line + 5, NULL, 10), 1);
	line = strchr(line + 1, '\n');
	ck_assert_ptr_nonnull(line);
	ck_assert_str_eq(line, "\n");
	run_done(&run);
}
END_TEST

static const struct {
	const char *script;
	const char *prints;
} scripts[] = {
	/* Not through a pipe: who comes behind it may not be there yet. */
	{ "sleep 30 & sleep 40 & ps -e -o pid= >/tmp/x; tr -d ' ' </tmp/x",
	  "1\n2\n3\n4\n" },
	{ "echo $$ $PPID; sh -c 'echo $$ $PPID'; :", "1 0\n2 1\n" },
	{ "sleep 100 & kill $!; wait $! 2>/dev/null; echo $?", "143\n" },
	{ "sleep 0.1 & a=$!; sleep 0.2 & wait; echo $a $!", "2 3\n" },
	{ "trap 'echo bye' EXIT; echo hi", "hi\nbye\n" },
	{ "trap 'echo caught' TERM; kill -TERM $$; echo on", "caught\non\n" },
	{ "(sleep 0.1; echo sub) & wait; echo main", "sub\nmain\n" },
	{ "set -- /proc/[0-9]*; echo $#", "1\n" },
	{ "cut -d' ' -f1,4 /proc/self/stat >/tmp/x; read a b </tmp/x; echo $b", "1\n" },
	{ "cat /proc/sys/kernel/hostname", "joblet\n" },
	{ "id -u; id -g; id -G; id -un; whoami", "0\n0\n0\nroot\nroot\n" },
	{ "readlink /proc/self/cwd; pwd", "/work\n/work\n" },
	{ "cat /proc/1/comm", "sh\n" },
	{ "umask", "0022\n" },
	{ "ls -A /work /tmp /dev/shm", "/dev/shm:\n\n/tmp:\n\n/work:\n" },
	{ "grep -E 'Sig(Blk|Ign)' /proc/self/status | cut -f2",
	  "0000000000000000\n0000000000000000\n" },
	{ "ls /proc/self/fd", "0\n1\n2\n3\n" },
};

START_TEST(shells_work_as_on_a_machine)
{
	ck_prints(shell(scripts[_i].script), scripts[_i].prints);
}
END_TEST

START_TEST(bash_has_job_control_and_children_2_3_4)
{
	run_spec(&run, command("bash", "-c",
			       "sleep 30 & sleep 40 & ps aux >/tmp/x; "
			       "awk '{print $2}' /tmp/x",
			       NULL));
	ck_ended(&run, JL_REASON_EXITED, 0);
	ck_assert_str_eq(run.text[0], "PID\n1\n2\n3\n4\n");
	run_done(&run);
	run_spec(&run, command("bash", "-c", "sleep 30 & sleep 40 & ps aux", NULL));
	/* The shell may become the last command; then there are three. */
	ck_assert_ptr_nonnull(strstr(run.text[0], "sleep 30"));
	ck_assert_ptr_nonnull(strstr(run.text[0], "sleep 40"));
	run_done(&run);
	run_spec(&run, command("bash", "-c", "sleep 30 & jobs; kill %1; wait %1; echo $?",
			       NULL));
	ck_assert_ptr_nonnull(strstr(run.text[0], "[1]"));
	ck_assert_ptr_nonnull(strstr(run.text[0], "143"));
	run_done(&run);
}
END_TEST

START_TEST(init_reaps_and_hands_on)
{
	jl_job_spec *spec = shell("echo $$; (sleep 1000 & echo $! >/tmp/x); "
				  "read p </tmp/x; ps -o ppid= -p $p | tr -d ' '; "
				  "kill $p; while [ -e /proc/$p ]; do sleep 0.02; done; "
				  "trap 'echo term; exit 9' TERM; echo ready; "
				  "while :; do sleep 0.05; done");

	ck_ok(jl_job_spec_set_init(spec, 1, &err));
	run_start(&run, spec);
	jl_job_spec_free(spec);
	run_until(&run, "ready");
	ck_ok(jl_job_signal(run.job, SIGTERM, &err));
	run_end(&run);
	ck_ended(&run, JL_REASON_EXITED, 9);
	ck_assert_str_eq(run.text[0], "2\n1\nready\nterm\n");
	run_done(&run);
	spec = command("no-such-command", NULL);
	ck_ok(jl_job_spec_set_init(spec, 1, &err));
	ck_fails(jl_job_spawn(ctx, spec, &run.job, &err), -ENOENT, "no-such-command");
	jl_job_spec_free(spec);
	spec = command("/etc/passwd", NULL);
	ck_ok(jl_job_spec_set_init(spec, 1, &err));
	ck_fails(jl_job_spawn(ctx, spec, &run.job, &err), -EACCES, "/etc/passwd");
	jl_job_spec_free(spec);
}
END_TEST

/* ---- arguments ---- */

START_TEST(arguments_arrive_byte_by_byte)
{
	ck_prints(command("printf", "<%s>", "", "a b", "", "l1\nl2\n", "\xff\xfe", "*",
			  "'\"", "$HOME", "-n", "", NULL),
		  "<><a b><><l1\nl2\n><\xff\xfe><*><'\"><$HOME><-n><>");
}
END_TEST

static char *repeat(char c, size_t len)
{
	char *text = malloc(len + 1);

	ck_assert_ptr_nonnull(text);
	memset(text, c, len);
	text[len] = '\0';
	return text;
}

START_TEST(the_longest_argument_arrives)
{
	char *text = repeat('x', 131071), *longer = repeat('x', 131072);
	jl_job_spec *spec =
		command("sh", "-c", "echo ${#1} $#", "sh", text, "tail", NULL);

	ck_prints(spec, "131071 2\n");
	spec = command("true", NULL);
	ck_fails(jl_job_spec_add_arg(spec, longer, &err), -E2BIG, "131072");
	jl_job_spec_free(spec);
	free(text);
	free(longer);
}
END_TEST

START_TEST(nearly_2_mb_of_arguments_arrive)
{
	char *text = repeat('y', 100000);
	jl_job_spec *spec = command("sh", "-c", "echo $# ${#1} ${#19}", "sh", NULL);
	struct rlimit stack;
	int count = 19;

	/* The kernel takes a quarter of the stack's limit for arguments. */
	(void)getrlimit(RLIMIT_STACK, &stack);
	if (stack.rlim_cur < 8 << 20)
		count = 10;
	for (int i = 0; i < count; i++)
		ck_ok(jl_job_spec_add_arg(spec, text, &err));
	run_spec(&run, spec);
	ck_ended(&run, JL_REASON_EXITED, 0);
	if (count == 19)
		ck_assert_str_eq(run.text[0], "19 100000 100000\n");
	run_done(&run);
	/* More than the kernel takes: an answer, not a lost job. */
	spec = command("true", NULL);
	for (int i = 0; i < 20; i++)
		ck_ok(jl_job_spec_add_arg(spec, text, &err));
	ck_fails(jl_job_spec_add_arg(spec, text, &err), -E2BIG, "2097152");
	for (int i = 0; i < 9; i++)
		ck_ok(jl_job_spec_add_arg(spec, "z", &err));
	for (int i = 0; i < 20; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "BIG%d", i);
		text[32000] = '\0';
		ck_ok(jl_job_spec_set_env(spec, name, text, &err));
	}
	ck_fails(jl_job_spawn(ctx, spec, &run.job, &err), -E2BIG, "");
	jl_job_spec_free(spec);
	ck_prints(command("echo", "fine", NULL), "fine\n");
	free(text);
}
END_TEST

START_TEST(many_small_arguments_arrive)
{
	jl_job_spec *spec = command("sh", "-c", "echo $#", "sh", NULL);

	for (int i = 0; i < 20000; i++)
		ck_ok(jl_job_spec_add_arg(spec, i % 3 ? "a" : "", &err));
	ck_prints(spec, "20000\n");
}
END_TEST

/* ---- environment ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void ck_environment(jl_job_spec *spec, const char *const *want, size_t count)
{
	char *lines[64], *save = NULL;
	size_t at = 0;

	run_spec(&run, spec);
	ck_ended(&run, JL_REASON_EXITED, 0);
	for (char *line = strtok_r(run.text[0], "\n", &save); line && at < 64;
	     line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, "JOB_ID=", 7) == 0)
			ck_assert_str_eq(line + 7, jl_job_get_id(run.job));
		else
			lines[at++] = line;
	qsort(lines, at, sizeof(lines[0]), by_text);
	for (size_t i = 0; i < at && i < count; i++)
		ck_assert_str_eq(lines[i], want[i]);
	ck_assert_uint_eq(at, count);
	run_done(&run);
}

START_TEST(environment_is_the_documented_one)
{
	static const char *const want[] = {
		"HOME=/work",
		"JOBLET=1",
		"JOB_NETWORK=none",
		"LANG=C.UTF-8",
		"LOGNAME=root",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"SHELL=/bin/sh",
		"TERM=dumb",
		"TMPDIR=/tmp",
		"USER=root",
	};
	jl_job_spec *spec;

	(void)setenv("CALLERS_SECRET", "1", 1);
	(void)setenv("LD_PRELOAD", "/nothing.so", 1);
	ck_ok(jl_job_spec_new(&spec));
	ck_ok(jl_job_spec_add_arg(spec, "env", &err));
	ck_environment(spec, want, COUNT(want));
	(void)unsetenv("LD_PRELOAD");
}
END_TEST

START_TEST(environment_tells_name_limits_and_what_was_set)
{
	static const char *const want[] = {
		"A=",
		"HOME=/tmp",
		"JOBLET=1",
		"JOB_CPU_CORES=0",
		"JOB_MAX_CPU=150",
		"JOB_MAX_MEMORY=512",
		"JOB_NAME=my.job-1",
		"JOB_NETWORK=host",
		"LANG=C.UTF-8",
		"LOGNAME=nobody",
		"PATH=/usr/bin:/bin",
		"SECRET=s3cr3t = \"x\"",
		"SHELL=/bin/sh",
		"TERM=dumb",
		"TMPDIR=/tmp",
		"USER=nobody",
		"_u=\xc3\xa9",
	};
	jl_job_spec *spec;

	ck_ok(jl_job_spec_new(&spec));
	ck_ok(jl_job_spec_add_arg(spec, "env", &err));
	ck_ok(jl_job_spec_set_name(spec, "my.job-1", &err));
	ck_ok(jl_job_spec_set_user(spec, 65534, 65534, &err));
	ck_ok(jl_job_spec_set_network(spec, JL_NETWORK_HOST, &err));
	ck_ok(jl_job_spec_set_env(spec, "HOME", "/tmp", &err));
	ck_ok(jl_job_spec_set_env(spec, "PATH", "/usr/bin:/bin", &err));
	ck_ok(jl_job_spec_set_env(spec, "A", "1", &err));
	ck_ok(jl_job_spec_set_env(spec, "A", "", &err));
	ck_ok(jl_job_spec_set_env(spec, "_u", "\xc3\xa9", &err));
	ck_ok(jl_job_spec_set_secret_env(spec, "SECRET", "s3cr3t = \"x\"", &err));
	ck_ok(jl_limits_set_cpu_percent(jl_job_spec_limits(spec), 150, &err));
	ck_ok(jl_limits_set_memory_bytes(jl_job_spec_limits(spec), UINT64_C(512) << 20,
					 &err));
	ck_ok(jl_limits_set_cpus(jl_job_spec_limits(spec), "0", &err));
	ck_environment(spec, want, COUNT(want));
}
END_TEST

START_TEST(path_of_the_job_finds_the_command)
{
	jl_job_spec *spec = command("echo", "x", NULL);

	ck_ok(jl_job_spec_set_env(spec, "PATH", "/nowhere:/tmp", &err));
	ck_fails(jl_job_spawn(ctx, spec, &run.job, &err), -ENOENT, "echo");
	ck_ok(jl_job_spec_set_env(spec, "PATH", "/nowhere::/etc:/usr/bin:/bin", &err));
	ck_prints(spec, "x\n");
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_loop_test(tcase, ends_as_the_command_did, 0, COUNT(ends));
	tcase_add_test(tcase, a_fault_is_a_signal);
	tcase_add_loop_test(tcase, a_command_that_cannot_run_is_named, 0, COUNT(starts));
	tcase_add_test(tcase, a_text_without_interpreter_is_named);
	tcase_add_test(tcase, times_are_sane);
	tcase_add_test(tcase, ps_sees_one_process_of_root);
	tcase_add_loop_test(tcase, shells_work_as_on_a_machine, 0, COUNT(scripts));
	tcase_add_test(tcase, bash_has_job_control_and_children_2_3_4);
	tcase_add_test(tcase, init_reaps_and_hands_on);
	tcase_add_test(tcase, arguments_arrive_byte_by_byte);
	tcase_add_test(tcase, the_longest_argument_arrives);
	tcase_add_test(tcase, nearly_2_mb_of_arguments_arrive);
	tcase_add_test(tcase, many_small_arguments_arrive);
	tcase_add_test(tcase, environment_is_the_documented_one);
	tcase_add_test(tcase, environment_tells_name_limits_and_what_was_set);
	tcase_add_test(tcase, path_of_the_job_finds_the_command);
}

int main(void)
{
	return harness_main("job_basic", 120, add);
}
