/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <joblet/joblet.h>

#include "ctx/probe.h"

static jl_ctx *ctx;
static jl_probe *probe;
static volatile sig_atomic_t children;

static void count_child(int signal)
{
	(void)signal;
	children++;
}

static void setup(void)
{
	struct sigaction act = { .sa_handler = count_child };

	ck_assert_int_eq(sigaction(SIGCHLD, &act, NULL), 0);
	children = 0;
	ck_assert_int_eq(jl_ctx_new(JL_CTX_NO_ENVIRONMENT, &ctx, NULL), 0);
}

static void teardown(void)
{
	jl_probe_free(probe);
	probe = NULL;
	ctx = jl_ctx_unref(ctx);
}

/* Everything in a /proc file, cut at the size of the buffer. */
static void slurp(const char *path, char *buf, size_t size)
{
	FILE *file = fopen(path, "re");

	ck_assert_ptr_nonnull(file);
	buf[fread(buf, 1, size - 1, file)] = 0;
	(void)fclose(file);
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count;
}

START_TEST(every_line_is_whole)
{
	jl_error *err;

	ck_assert_int_eq(jl_ctx_probe(ctx, &probe, &err), 0);
	ck_assert_ptr_null(err);
	ck_assert_uint_gt(jl_probe_count(probe), 20);
	for (uint32_t i = 0; i < jl_probe_count(probe); i++) {
		const char *name = jl_probe_name(probe, i);
		int status = jl_probe_status(probe, i);

		ck_assert_int_ge(status, JL_PROBE_OK);
		ck_assert_int_le(status, JL_PROBE_MISSING);
		ck_assert_msg(*jl_probe_value(probe, i), "%s has no value", name);
		ck_assert_msg(!*jl_probe_meaning(probe, i) == (status == JL_PROBE_OK),
			      "%s: status and meaning disagree", name);
		for (uint32_t j = 0; j < i; j++)
			ck_assert_str_ne(name, jl_probe_name(probe, j));
	}
	ck_assert_str_eq(jl_probe_name(probe, jl_probe_count(probe) - 1), "jobs");
}
END_TEST

START_TEST(beyond_the_last_line_there_is_nothing)
{
	uint32_t count;

	ck_assert_int_eq(jl_ctx_probe(ctx, &probe, NULL), 0);
	count = jl_probe_count(probe);
	ck_assert_ptr_null(jl_probe_name(probe, count));
	ck_assert_ptr_null(jl_probe_value(probe, count));
	ck_assert_ptr_null(jl_probe_meaning(probe, UINT32_MAX));
	ck_assert_int_eq(jl_probe_status(probe, count), -EINVAL);
	ck_assert_uint_eq(jl_probe_count(NULL), 0);
	ck_assert_ptr_null(jl_probe_name(NULL, 0));
	jl_probe_free(NULL);
}
END_TEST

START_TEST(the_caller_is_as_before)
{
	static char mounts[2][1 << 18];
	char host[2][128];
	sigset_t mask[2];
	int fds;

	/* The first one opens the control groups and keeps them. */
	ck_assert_int_eq(jl_ctx_probe(ctx, &probe, NULL), 0);
	jl_probe_free(probe);
	probe = NULL;

	fds = count_fds();
	slurp("/proc/self/mountinfo", mounts[0], sizeof(mounts[0]));
	ck_assert_int_eq(gethostname(host[0], sizeof(host[0])), 0);
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, NULL, &mask[0]), 0);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(jl_ctx_probe(ctx, &probe, NULL), 0);
		jl_probe_free(probe);
		probe = NULL;
	}
	slurp("/proc/self/mountinfo", mounts[1], sizeof(mounts[1]));
	ck_assert_int_eq(gethostname(host[1], sizeof(host[1])), 0);
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, NULL, &mask[1]), 0);
	ck_assert_int_eq(count_fds(), fds);
	ck_assert_str_eq(mounts[0], mounts[1]);
	ck_assert_str_eq(host[0], host[1]);
	for (int i = 1; i < 65; i++)
		ck_assert_int_eq(sigismember(&mask[0], i), sigismember(&mask[1], i));
	ck_assert_int_eq(children, 0);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

START_TEST(a_user_without_privilege_gets_a_report)
{
	if (geteuid() == 0)
		ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
	ck_assert_int_eq(jl_ctx_probe(ctx, &probe, NULL), 0);
	ck_assert_int_eq(jl__probe_find(probe, "privilege"), JL_PROBE_LIMITED);
	ck_assert_int_eq(jl__probe_find(probe, "idmap.tmpfs"), JL_PROBE_OK);
}
END_TEST

static int seven(void *arg)
{
	*(int *)arg = 7;
	return -EXDEV;
}

START_TEST(a_trial_gives_back_what_its_function_did)
{
	int value = 0;

	ck_assert_int_eq(jl__trial(0, seven, &value), -EXDEV);
	ck_assert_int_eq(value, 7);
	/* What clone3 refuses: threads without a shared signal table. */
	ck_assert_int_eq(jl__trial(0x00010000, seven, &value), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("probe");
	TCase *tc = tcase_create("probe");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, every_line_is_whole);
	tcase_add_test(tc, beyond_the_last_line_there_is_nothing);
	tcase_add_test(tc, the_caller_is_as_before);
	tcase_add_test(tc, a_user_without_privilege_gets_a_report);
	tcase_add_test(tc, a_trial_gives_back_what_its_function_did);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
