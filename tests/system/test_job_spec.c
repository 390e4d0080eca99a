/* SPDX-License-Identifier: MIT */
/* What can be said about a job: that it is so inside, and that nonsense is refused. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

static struct run run;

/* ---- streams ---- */

START_TEST(streams_are_dev_null_by_default)
{
	ck_prints(shell("readlink /proc/self/fd/0; cat | wc -c"), "/dev/null\n0\n");
}
END_TEST

START_TEST(standard_input_is_passed_through)
{
	jl_job_spec *spec = command("sort", NULL);
	int pipes[2];

	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	ck_ok(jl_job_spec_set_stdio(spec, 0, pipes[0], &err));
	/* Duplicated at once. */
	(void)close(pipes[0]);
	run_start(&run, spec);
	ck_assert_int_eq(write(pipes[1], "b\nc\na\n", 6), 6);
	(void)close(pipes[1]);
	jl_job_spec_free(spec);
	run_end(&run);
	ck_ended(&run, JL_REASON_EXITED, 0);
	ck_assert_str_eq(run.text[0], "a\nb\nc\n");
	run_done(&run);
}
END_TEST

START_TEST(output_and_errors_are_apart)
{
	run_spec(&run, shell("echo out; echo err >&2"));
	ck_ended(&run, JL_REASON_EXITED, 0);
	ck_assert_str_eq(run.text[0], "out\n");
	ck_assert_str_eq(run.text[1], "err\n");
	run_done(&run);
}
END_TEST

START_TEST(a_job_gets_no_other_descriptor_of_the_caller)
{
	int open_one = open("/etc/passwd", O_RDONLY), high = dup2(open_one, 77);

	ck_assert_int_ge(open_one, 0);
	ck_prints(shell("ls /proc/self/fd; ls /proc/1/fd"), "0\n1\n2\n3\n0\n1\n2\n");
	(void)close(open_one);
	(void)close(high);
}
END_TEST

START_TEST(closed_and_reused_low_descriptors_do_no_harm)
{
	char path[] = "/tmp/system-XXXXXX", text[8], said[64];
	int saved[3], file = mkstemp(path), other;
	jl_ctx *fresh;
	jl_job_spec *spec;

	ck_assert_int_ge(file, 0);
	for (int i = 0; i < 3; i++) {
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 50);
		(void)close(i);
	}
	other = open(path, O_RDWR); /* 0 */
	ck_assert_int_eq(other, 0);
	ck_assert_int_eq(dup(other), 1);
	fresh = open_ctx(0);
	spec = shell("cat; echo leak; echo leak >&2; ls -l /proc/self/fd >/tmp/x");
	ck_ok(jl_job_spawn(fresh, spec, &run.job, &err));
	ck_ok(jl_job_wait(run.job, JL_FOREVER, &err));
	run.job = jl_job_unref(run.job);
	jl_job_spec_free(spec);
	spec = shell("readlink /proc/self/fd/0; cat; echo ok");
	run_start_in(&run, fresh, spec);
	run_end(&run);
	jl_job_spec_free(spec);
	(void)snprintf(said, sizeof(said), "%s", run.text[0]);
	/* Some of the low numbers are the context's now. */
	run_done(&run);
	fresh = jl_ctx_unref(fresh);
	(void)close(0);
	(void)close(1);
	for (int i = 0; i < 3; i++) {
		(void)dup2(saved[i], i);
		(void)close(saved[i]);
	}
	ck_assert_int_eq(pread(file, text, sizeof(text), 0), 0);
	ck_assert_str_eq(said, "/dev/null\nok\n");
	(void)close(file);
	(void)unlink(path);
}
END_TEST

START_TEST(ways_out_are_refused_as_streams)
{
	jl_job_spec *spec = empty_spec();
	int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int path = open("/etc/passwd", O_PATH | O_CLOEXEC);
	int datagram = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int packets = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int stream = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int network = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_fails(jl_job_spec_set_stdio(spec, 1, folder, &err), -EINVAL, "directory");
	ck_fails(jl_job_spec_set_stdio(spec, 1, path, &err), -EINVAL, "O_PATH");
	ck_fails(jl_job_spec_set_stdio(spec, 1, datagram, &err), -EINVAL, "socket");
	ck_fails(jl_job_spec_set_stdio(spec, 0, packets, &err), -EINVAL, "socket");
	ck_fails(jl_job_spec_set_stdio(spec, 0, stream, &err), -EINVAL, "not connected");
	ck_fails(jl_job_spec_set_stdio(spec, 0, network, &err), -EINVAL, "network");
	ck_ok(jl_job_spec_set_stdio(spec, 0, pair[0], &err));
	ck_ok(jl_job_spec_set_stdio(spec, 0, -1, &err));
	(void)close(folder);
	(void)close(path);
	(void)close(datagram);
	(void)close(packets);
	(void)close(stream);
	(void)close(network);
	(void)close(pair[0]);
	(void)close(pair[1]);
	ck_fails(jl_job_spec_set_stdio(spec, 0, 9999, &err), -EBADF, "9999");
	ck_fails(jl_job_spec_set_stdio(spec, 0, -2, &err), -EBADF, "-2");
	ck_fails(jl_job_spec_set_stdio(spec, 3, 0, &err), -EINVAL, "3");
	ck_fails(jl_job_spec_set_stdio(spec, -1, 0, &err), -EINVAL, "-1");
	jl_job_spec_free(spec);
}
END_TEST

/* ---- what is chosen is so inside ---- */

START_TEST(host_name_and_working_directory_are_so)
{
	jl_job_spec *spec = shell("cat /proc/sys/kernel/hostname /etc/hostname; echo; "
				  "uname -n; pwd; grep -c a-1.example /etc/hosts");

	ck_ok(jl_job_spec_set_hostname(spec, "a-1.example", &err));
	ck_ok(jl_job_spec_set_work_dir(spec, "/usr/../tmp", &err));
	ck_prints(spec, "a-1.example\na-1.example\na-1.example\n/tmp\n1\n");
}
END_TEST

static const struct {
	const char *path;
	int code;
} folders[] = {
	{ "/no/such/folder", -ENOENT }, { "/etc/passwd", -ENOTDIR },
	{ "/proc/self/root", -EACCES }, { "/proc/1/cwd/..", -EACCES },
	{ "/root", -ENOENT },		{ "/home", -ENOENT },
};

START_TEST(a_working_directory_that_cannot_be_entered_is_named)
{
	jl_job_spec *spec = command("true", NULL);

	ck_ok(jl_job_spec_set_work_dir(spec, folders[_i].path, &err));
	ck_fails(jl_job_spawn(ctx, spec, &run.job, &err), folders[_i].code,
		 folders[_i].path);
	ck_ok(jl_job_spec_set_work_dir(spec, NULL, &err));
	ck_prints(spec, "");
}
END_TEST

START_TEST(a_user_has_ids_files_and_no_capabilities)
{
	jl_job_spec *spec = shell(
		"id -u; id -g; id -G; id -un; grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' "
		"/proc/self/status | tr -d '\\t' | sort -u; cd /work && touch a && stat -c "
		"'%u %g' a; touch /tmp/b && echo tmp; touch /etc/c 2>/dev/null || echo no");

	ck_ok(jl_job_spec_set_user(spec, 1000, 100, &err));
	run_spec(&run, spec);
	ck_ended(&run, JL_REASON_EXITED, 0);
	ck_assert_str_eq(
		run.text[0],
		"1000\n100\n100\nuser\nCapAmb:0000000000000000\nCapBnd:0000000000000000\n"
		"CapEff:0000000000000000\nCapInh:0000000000000000\nCapPrm:"
		"0000000000000000\n1000 100\ntmp\nno\n");
	run_done(&run);
}
END_TEST

START_TEST(resource_limits_are_so)
{
	jl_job_spec *spec =
		shell("ulimit -n; ulimit -Hn; ulimit -c; ulimit -Hc; ulimit -s");
	struct rlimit files;
	char want[128];

	(void)getrlimit(RLIMIT_NOFILE, &files);
	ck_ok(jl_job_spec_set_rlimit(spec, RLIMIT_STACK, 1 << 20, 2 << 20, &err));
	(void)snprintf(want, sizeof(want), "%llu\n%llu\n0\n0\n1024\n",
		       (unsigned long long)files.rlim_cur,
		       (unsigned long long)files.rlim_max);
	ck_prints(spec, want);
	spec = shell("ulimit -n; ulimit -Hn; ulimit -c");
	ck_ok(jl_job_spec_set_rlimit(spec, RLIMIT_NOFILE, 9, 9, &err));
	ck_ok(jl_job_spec_set_rlimit(spec, RLIMIT_NOFILE, 20, 30, &err));
	ck_ok(jl_job_spec_set_rlimit(spec, RLIMIT_CORE, UINT64_MAX, UINT64_MAX, &err));
	ck_prints(spec, "20\n30\nunlimited\n");
}
END_TEST

START_TEST(folders_in_memory_have_the_size_asked_for)
{
	jl_job_spec *spec =
		shell("for d in /tmp /work /dev/shm; do "
		      "set -- $(stat -f -c '%b %S' $d); echo $(($1 * $2)); done; "
		      "dd if=/dev/zero of=/tmp/x bs=64k count=32 2>/dev/null || "
		      "echo full; stat -c %s /tmp/x");

	ck_ok(jl_job_spec_set_tmpfs_bytes(spec, "/tmp", 1 << 20, &err));
	ck_ok(jl_job_spec_set_tmpfs_bytes(spec, "/work", 3 << 20, &err));
	ck_ok(jl_job_spec_set_tmpfs_bytes(spec, "/dev/shm", 65536, &err));
	ck_prints(spec, "1048576\n3145728\n65536\nfull\n1048576\n");
	/* Enough for the seed's example without any size. */
	ck_prints(shell("dd if=/dev/zero of=/tmp/test bs=1M count=100 2>/dev/null; "
			"stat -c %s /tmp/test; rm /tmp/test"),
		  "104857600\n");
}
END_TEST

START_TEST(a_name_of_each_kind_is_taken)
{
	static const char *const names[] = {
		"a",
		"a-b_c.d",
		"A1",
		"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123",
	};
	jl_job_spec *spec = command("sh", "-c", "echo ${JOB_NAME-none}", NULL);
	char want[80];

	for (size_t i = 0; i < COUNT(names); i++) {
		ck_ok(jl_job_spec_set_name(spec, names[i], &err));
		run_start(&run, spec);
		run_end(&run);
		(void)snprintf(want, sizeof(want), "%s\n", names[i]);
		ck_assert_str_eq(run.text[0], want);
		run_done(&run);
	}
	ck_ok(jl_job_spec_set_name(spec, NULL, &err));
	ck_prints(spec, "none\n");
}
END_TEST

/* ---- explaining, using again ---- */

START_TEST(explaining_masks_secrets)
{
	jl_job_spec *spec = command("sh", "-c", "true", NULL);
	char *text = NULL;

	ck_ok(jl_job_spec_set_secret_env(spec, "PASSWORD", "hunter2", &err));
	ck_ok(jl_job_spec_set_env(spec, "SHOWN", "value3", &err));
	ck_ok(jl_job_spec_set_hostname(spec, "explained", &err));
	ck_ok(jl_limits_set_pids(jl_job_spec_limits(spec), 77, &err));
	ck_ok(jl_job_spec_explain(ctx, spec, &text, &err));
	ck_assert_ptr_null(strstr(text, "hunter2"));
	ck_assert_ptr_nonnull(strstr(text, "PASSWORD=***"));
	ck_assert_ptr_nonnull(strstr(text, "SHOWN=value3"));
	ck_assert_ptr_nonnull(strstr(text, "explained"));
	ck_assert_ptr_nonnull(strstr(text, "pids.max 77"));
	jl_free(text);
	/* Replaced by a plain one it is not secret any more, and the other way round. */
	ck_ok(jl_job_spec_set_env(spec, "PASSWORD", "public4", &err));
	ck_ok(jl_job_spec_set_secret_env(spec, "SHOWN", "value5", &err));
	ck_ok(jl_job_spec_explain(ctx, spec, &text, &err));
	ck_assert_ptr_nonnull(strstr(text, "PASSWORD=public4"));
	ck_assert_ptr_null(strstr(text, "value5"));
	ck_assert_ptr_null(strstr(text, "value3"));
	jl_free(text);
	jl_job_spec_free(spec);
	spec = empty_spec();
	ck_fails(jl_job_spec_explain(ctx, spec, &text, &err), -EINVAL, "command");
	jl_job_spec_free(spec);
}
END_TEST

START_TEST(a_description_is_used_again_and_again)
{
	jl_job_spec *spec = shell("echo $JOB_ID $X");
	char first[64] = "";

	for (int i = 0; i < 5; i++) {
		char value[8], want[64];

		(void)snprintf(value, sizeof(value), "%d", i);
		ck_ok(jl_job_spec_set_env(spec, "X", value, &err));
		run_start(&run, spec);
		/* What is changed later is for later jobs. */
		ck_ok(jl_job_spec_set_env(spec, "X", "later", &err));
		run_end(&run);
		(void)snprintf(want, sizeof(want), "%s %d\n", jl_job_get_id(run.job), i);
		ck_assert_str_eq(run.text[0], want);
		ck_assert_str_ne(run.text[0], first);
		(void)snprintf(first, sizeof(first), "%s", want);
		run_done(&run);
	}
	jl_job_spec_free(spec);
}
END_TEST

START_TEST(an_empty_description_does_not_start)
{
	jl_job_spec *spec = empty_spec();

	ck_fails(jl_job_spec_check(spec, &err), -EINVAL, "command");
	ck_fails(jl_job_spawn(ctx, spec, &run.job, &err), -EINVAL, "command");
	ck_assert_int_eq(jl_job_spawn(ctx, spec, &run.job, NULL), -EINVAL);
	jl_job_spec_free(spec);
}
END_TEST

/* ---- nonsense ---- */

enum {
	ARG,
	ENV_NAME,
	ENV_VALUE,
	SECRET,
	NAME,
	HOST,
	DIR,
	USER,
	GROUP,
	TIMEOUT,
	TMPFS,
	NETWORK,
	SECCOMP,
	INIT,
	ORPHAN,
	RLIMIT,
	CPU,
	MEMORY,
	PIDS,
	READ,
	WRITE,
	CPUS,
	BASE,
	STATE
};

#define L63 "0123456789012345678901234567890123456789012345678901234567890ab"
#define HUGE_TEXT ((const char *)-1)
#define BAD_UTF8 "\xc3\x28"

static char huge[200001];

static const struct {
	int what;
	const char *text;
	uint64_t number;
	int code;
	const char *names;
} bad[] = {
	{ ARG, NULL, 0, -EINVAL, "argument 0" },
	{ ARG, "", 0, -EINVAL, "empty" },
	{ ARG, HUGE_TEXT, 0, -E2BIG, "200000" },
	{ ENV_NAME, NULL, 0, -EINVAL, "name" },
	{ ENV_NAME, "", 0, -EINVAL, "name" },
	{ ENV_NAME, "1A", 0, -EINVAL, "1A" },
	{ ENV_NAME, "A B", 0, -EINVAL, "A B" },
	{ ENV_NAME, "A=B", 0, -EINVAL, "A=B" },
	{ ENV_NAME, "A\nB\x7f", 0, -EINVAL, "\"A?B?\"" },
	{ ENV_NAME, "\xc3\xa9", 0, -EINVAL, "name" },
	{ ENV_NAME, BAD_UTF8, 0, -EINVAL, "name" },
	{ ENV_NAME, HUGE_TEXT, 0, -EINVAL, "hhhhhhhh" },
	{ ENV_NAME, "JOB_ID", 0, -EINVAL, "JOB_ID" },
	{ ENV_NAME, "JOB_", 0, -EINVAL, "JOB_" },
	{ ENV_NAME, "JOBLET", 0, -EINVAL, "JOBLET" },
	{ ENV_NAME, "JOBLET_X", 0, -EINVAL, "JOBLET_X" },
	{ ENV_VALUE, NULL, 0, -EINVAL, "VARIABLE" },
	{ ENV_VALUE, HUGE_TEXT, 0, -E2BIG, "200000" },
	{ ENV_VALUE, BAD_UTF8, 0, -EINVAL, "VARIABLE" },
	{ SECRET, HUGE_TEXT, 0, -E2BIG, "VARIABLE" },
	{ SECRET, BAD_UTF8, 0, -EINVAL, "VARIABLE" },
	{ NAME, "", 0, -EINVAL, "\"\"" },
	{ NAME, "-a", 0, -EINVAL, "-a" },
	{ NAME, "a-", 0, -EINVAL, "a-" },
	{ NAME, "a b", 0, -EINVAL, "a b" },
	{ NAME, "a/b", 0, -EINVAL, "a/b" },
	{ NAME, L63 "x", 0, -EINVAL, "0123456789" },
	{ NAME, BAD_UTF8, 0, -EINVAL, "name" },
	{ NAME, HUGE_TEXT, 0, -EINVAL, "hhhhhhhh" },
	{ HOST, "", 0, -EINVAL, "\"\"" },
	{ HOST, "a_b", 0, -EINVAL, "a_b" },
	{ HOST, "-a", 0, -EINVAL, "-a" },
	{ HOST, "a.", 0, -EINVAL, "a." },
	{ HOST, "a..b", 0, -EINVAL, "a..b" },
	{ HOST, "a-.b", 0, -EINVAL, "a-.b" },
	{ HOST, L63 "x", 0, -EINVAL, "0123456789" },
	{ HOST, BAD_UTF8, 0, -EINVAL, "name" },
	{ HOST, HUGE_TEXT, 0, -EINVAL, "hhhhhhhh" },
	{ DIR, "", 0, -EINVAL, "\"\"" },
	{ DIR, "tmp", 0, -EINVAL, "tmp" },
	{ DIR, HUGE_TEXT, 0, -EINVAL, "hhhhhhhh" },
	{ DIR, "/" BAD_UTF8, 0, -EINVAL, "UTF-8" },
	{ USER, NULL, 65535, -ERANGE, "65535" },
	{ USER, NULL, UINT32_MAX, -ERANGE, "4294967295" },
	{ GROUP, NULL, 65535, -ERANGE, "65535" },
	{ TIMEOUT, NULL, 1, -ERANGE, "1 " },
	{ TIMEOUT, NULL, 999, -ERANGE, "999" },
	{ TIMEOUT, NULL, UINT64_MAX - 1, -ERANGE, "18446744073709551614" },
	{ TMPFS, NULL, 65536, -EINVAL, "/tmp" },
	{ TMPFS, "", 65536, -EINVAL, "/tmp" },
	{ TMPFS, "/etc", 65536, -EINVAL, "/etc" },
	{ TMPFS, HUGE_TEXT, 65536, -EINVAL, "hhhhhhhh" },
	{ TMPFS, BAD_UTF8, 65536, -EINVAL, "size" },
	{ TMPFS, "/tmp", 1, -ERANGE, "1 " },
	{ TMPFS, "/tmp", 65535, -ERANGE, "65535" },
	{ TMPFS, "/tmp", UINT64_MAX, -ERANGE, "18446744073709551615" },
	{ NETWORK, NULL, 4, -EINVAL, "4" },
	{ NETWORK, NULL, (uint64_t)-1, -EINVAL, "-1" },
	{ SECCOMP, NULL, 3, -EINVAL, "3" },
	{ SECCOMP, NULL, (uint64_t)-1, -EINVAL, "-1" },
	{ INIT, NULL, 2, -EINVAL, "2" },
	{ INIT, NULL, (uint64_t)-1, -EINVAL, "-1" },
	{ ORPHAN, NULL, 2, -EINVAL, "2" },
	{ RLIMIT, NULL, 16, -EINVAL, "16" },
	{ RLIMIT, NULL, (uint64_t)-1, -EINVAL, "-1" },
	{ RLIMIT, NULL, RLIMIT_NOFILE, -EINVAL, "11" },
	{ CPU, NULL, 1000001, -ERANGE, "1000001" },
	{ CPU, NULL, UINT32_MAX, -ERANGE, "4294967295" },
	{ MEMORY, NULL, 1, -ERANGE, "1 " },
	{ MEMORY, NULL, (1 << 20) - 1, -ERANGE, "1048575" },
	{ MEMORY, NULL, UINT64_MAX, -ERANGE, "18446744073709551615" },
	{ PIDS, NULL, 4194305, -ERANGE, "4194305" },
	{ PIDS, NULL, UINT64_MAX, -ERANGE, "18446744073709551615" },
	{ READ, NULL, 1023, -ERANGE, "1023" },
	{ WRITE, NULL, 1, -ERANGE, "1 " },
	{ CPUS, "a", 0, -EINVAL, "\"a\"" },
	{ CPUS, "1-", 0, -EINVAL, "1-" },
	{ CPUS, "-1", 0, -EINVAL, "-1" },
	{ CPUS, "3-1", 0, -EINVAL, "3-1" },
	{ CPUS, "1,,2", 0, -EINVAL, "1,,2" },
	{ CPUS, ",", 0, -EINVAL, "," },
	{ CPUS, " ", 0, -EINVAL, "\" \"" },
	{ CPUS, "0x1", 0, -EINVAL, "0x1" },
	{ CPUS, "8192", 0, -ERANGE, "8192" },
	{ CPUS, "99999999999999999999", 0, -ERANGE, "9999999" },
	{ CPUS, BAD_UTF8, 0, -EINVAL, "core" },
	{ CPUS, HUGE_TEXT, 0, -EINVAL, "hhhhhhhh" },
	{ BASE, "x", 0, -EINVAL, "\"x\"" },
	{ BASE, "", 0, -EINVAL, "\"\"" },
	{ BASE, "/a/../b", 0, -EINVAL, "/a/../b" },
	{ STATE, "x", 0, -EINVAL, "x" },
	{ STATE, "", 0, -EINVAL, "\"\"" },
};

static int say(jl_job_spec *spec, int what, const char *text, uint64_t number)
{
	jl_limits *limits = jl_job_spec_limits(spec);

	switch (what) {
	case ARG:
		return jl_job_spec_add_arg(spec, text, &err);
	case ENV_NAME:
		return jl_job_spec_set_env(spec, text, "1", &err);
	case ENV_VALUE:
		return jl_job_spec_set_env(spec, "VARIABLE", text, &err);
	case SECRET:
		return jl_job_spec_set_secret_env(spec, "VARIABLE", text, &err);
	case NAME:
		return jl_job_spec_set_name(spec, text, &err);
	case HOST:
		return jl_job_spec_set_hostname(spec, text, &err);
	case DIR:
		return jl_job_spec_set_work_dir(spec, text, &err);
	case USER:
		return jl_job_spec_set_user(spec, (uint32_t)number, 0, &err);
	case GROUP:
		return jl_job_spec_set_user(spec, 0, (uint32_t)number, &err);
	case TIMEOUT:
		return jl_job_spec_set_timeout(spec, number, &err);
	case TMPFS:
		return jl_job_spec_set_tmpfs_bytes(spec, text, number, &err);
	case NETWORK:
		return jl_job_spec_set_network(spec, (int)number, &err);
	case SECCOMP:
		return jl_job_spec_set_seccomp(spec, (int)number, &err);
	case INIT:
		return jl_job_spec_set_init(spec, (int)number, &err);
	case ORPHAN:
		return jl_job_spec_set_orphan(spec, (int)number, &err);
	case RLIMIT:
		return jl_job_spec_set_rlimit(spec, (int)number, 11, 10, &err);
	case CPU:
		return jl_limits_set_cpu_percent(limits, (uint32_t)number, &err);
	case MEMORY:
		return jl_limits_set_memory_bytes(limits, number, &err);
	case PIDS:
		return jl_limits_set_pids(limits, number, &err);
	case READ:
		return jl_limits_set_io_bps(limits, number, 0, &err);
	case WRITE:
		return jl_limits_set_io_bps(limits, 0, number, &err);
	case CPUS:
		return jl_limits_set_cpus(limits, text, &err);
	case BASE:
		return jl_ctx_set_cgroup_base(ctx, text, &err);
	default:
		return jl_ctx_set_state_dir(ctx, text, &err);
	}
}

static bool is_utf8(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		int more = *p < 0x80   ? 0
			   : *p < 0xc2 ? -1
			   : *p < 0xe0 ? 1
			   : *p < 0xf0 ? 2
				       : 3;

		if (more < 0)
			return false;
		for (p++; more > 0; more--, p++)
			if ((*p & 0xc0) != 0x80)
				return false;
	}
	return true;
}

START_TEST(nonsense_is_refused_by_name)
{
	jl_job_spec *spec = empty_spec();
	const char *text = bad[_i].text;
	int r;

	memset(huge, 'h', sizeof(huge) - 1);
	if (text == HUGE_TEXT)
		text = huge;
	r = say(spec, bad[_i].what, text, bad[_i].number);
	ck_assert_msg(is_utf8(jl_error_message(err)), "not UTF-8: %s",
		      jl_error_message(err));
	ck_assert_uint_lt(strlen(jl_error_message(err)), 400);
	ck_assert_ptr_null(strchr(jl_error_message(err), '\n'));
	ck_assert_str_ne(jl_error_module(err), "");
	ck_assert_int_eq(r, bad[_i].code);
	ck_fails(say(spec, bad[_i].what, text, bad[_i].number), bad[_i].code,
		 bad[_i].names);
	/* Nothing of it was kept. */
	ck_ok(jl_job_spec_add_arg(spec, "echo", &err));
	ck_ok(jl_job_spec_add_arg(spec, "unchanged", &err));
	ck_prints(spec, "unchanged\n");
}
END_TEST

START_TEST(what_a_context_stands_on_is_fixed_with_its_first_job)
{
	ck_fails(jl_ctx_new(1u << 31, &ctx, &err), -EINVAL, "");
	ck_prints(command("true", NULL), "");
	ck_fails(jl_ctx_set_cgroup_base(ctx, "/", &err), -EBUSY, "");
	ck_fails(jl_ctx_set_state_dir(ctx, "/tmp", &err), -EBUSY, "");
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, streams_are_dev_null_by_default);
	tcase_add_test(tcase, standard_input_is_passed_through);
	tcase_add_test(tcase, output_and_errors_are_apart);
	tcase_add_test(tcase, a_job_gets_no_other_descriptor_of_the_caller);
	tcase_add_test(tcase, closed_and_reused_low_descriptors_do_no_harm);
	tcase_add_test(tcase, ways_out_are_refused_as_streams);
	tcase_add_test(tcase, host_name_and_working_directory_are_so);
	tcase_add_loop_test(tcase, a_working_directory_that_cannot_be_entered_is_named, 0,
			    COUNT(folders));
	tcase_add_test(tcase, a_user_has_ids_files_and_no_capabilities);
	tcase_add_test(tcase, resource_limits_are_so);
	tcase_add_test(tcase, folders_in_memory_have_the_size_asked_for);
	tcase_add_test(tcase, a_name_of_each_kind_is_taken);
	tcase_add_test(tcase, explaining_masks_secrets);
	tcase_add_test(tcase, a_description_is_used_again_and_again);
	tcase_add_test(tcase, an_empty_description_does_not_start);
	tcase_add_loop_test(tcase, nonsense_is_refused_by_name, 0, COUNT(bad));
	tcase_add_test(tcase, what_a_context_stands_on_is_fixed_with_its_first_job);
}

int main(void)
{
	return harness_main("job_spec", 60, add);
}
