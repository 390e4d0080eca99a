/* SPDX-License-Identifier: MIT */
#include "net_lab.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

jl_ctx *ctx;
jl_error *err;
int lab_host = -1, lab_outside = -1;

/* ---- commands ---- */

static char *format_text(const char *format, va_list args)
	__attribute__((format(printf, 1, 0)));

static char *format_text(const char *format, va_list args)
{
	char *text = NULL;

	ck_assert_int_ge(vasprintf(&text, format, args), 0);
	return text;
}

void run(const char *format, ...)
{
	va_list args;
	char *command;
	int status;

	va_start(args, format);
	command = format_text(format, args);
	va_end(args);
	status = system(command);
	ck_assert_msg(status == 0, "%s: status %d", command, status);
	free(command);
}

static char *output_of(const char *command)
{
	FILE *pipe = popen(command, "r");
	size_t len = 0, size = 1 << 20;
	char *text = malloc(size);

	ck_assert_ptr_nonnull(pipe);
	ck_assert_ptr_nonnull(text);
	len = fread(text, 1, size - 1, pipe);
	text[len] = '\0';
	(void)pclose(pipe);
	return text;
}

char *output(const char *format, ...)
{
	va_list args;
	char *command, *text;

	va_start(args, format);
	command = format_text(format, args);
	va_end(args);
	text = output_of(command);
	free(command);
	return text;
}

bool says(const char *what, const char *format, ...)
{
	va_list args;
	char *command, *text;
	bool found;

	va_start(args, format);
	command = format_text(format, args);
	va_end(args);
	text = output_of(command);
	found = strstr(text, what) != NULL;
	free(command);
	free(text);
	return found;
}

char *rules_of_others(void)
{
	return output(
		"for t in $(nft -j list tables | tr '{' '\\n' | sed -n "
		"'s/.*\"family\": \"\\([a-z]*\\)\", \"name\": "
		"\"\\([a-z]*\\)\".*/\\1:\\2/p' | grep -v -e '^inet:joblet$' -e '^bridge:joblet$'); do "
		"nft -a list table ${t%%:*} ${t#*:}; done");
}

char *file_text(const char *format, ...)
{
	va_list args;
	char *path, *text;
	ssize_t got;
	int fd;

	va_start(args, format);
	path = format_text(format, args);
	va_end(args);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	free(path);
	if (fd < 0)
		return NULL;
	text = calloc(1, 1 << 18);
	ck_assert_ptr_nonnull(text);
	got = read(fd, text, (1 << 18) - 1);
	ck_assert_int_ge(got, 0);
	(void)close(fd);
	return text;
}

/* ---- the machine ---- */

static int own_ns(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void build_machine(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
	lab_outside = own_ns();
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	lab_host = own_ns();
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	(void)mkdir("/run/joblet", 0700);
	ck_assert_int_eq(mount("lab", "/run/joblet", "tmpfs", 0, "mode=0700"), 0);
	run("ip link set lo up && ip link add out0 type veth peer name up0 netns "
	    "/proc/%d/fd/%d && ip addr add " HOST_ADDRESS
	    "/24 dev out0 && ip link set out0 up && ip route add default via " OUTSIDE_ADDRESS
	    " 2>/dev/null || true",
	    getpid(), lab_outside);
	run("nsenter --net=/proc/%d/fd/%d sh -c 'ip link set lo up && ip addr add " OUTSIDE_ADDRESS
	    "/24 dev up0 && ip addr add " FAR_ADDRESS
	    "/32 dev lo && ip addr add " METADATA_ADDRESS
	    "/32 dev lo && ip link set up0 up'",
	    getpid(), lab_outside);
	/* Not before its link is up. */
	run("ip route replace default via " OUTSIDE_ADDRESS);
	/* So that nothing is kept out for want of a way back. */
	run("nsenter --net=/proc/%d/fd/%d ip route add default via " HOST_ADDRESS,
	    getpid(), lab_outside);
}

static void set_up(void)
{
	build_machine();
	ck_ok(jl_ctx_new(0, &ctx, &err));
}

static void tear_down(void)
{
	jl_error_free(err);
	err = NULL;
	ctx = jl_ctx_unref(ctx);
}

static bool has_program(const char *name)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1", name);
	return system(command) == 0;
}

static bool can_unshare(void)
{
	pid_t pid = fork();
	int status = 1;

	if (pid == 0)
		_exit(unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static int cannot_run(const char *why)
{
	const char *must = getenv("JOBLET_TEST_MUST_RUN");

	if (must && strcmp(must, "1") == 0) {
		printf("1..1\nnot ok 1 - %s\n", why);
		return EXIT_FAILURE;
	}
	printf("1..0 # SKIP %s\n", why);
	return EXIT_SUCCESS;
}

int lab_main(const char *name, double seconds, void (*add)(TCase *tcase))
{
	Suite *suite;
	TCase *tcase;
	SRunner *runner;
	int failed;

	if (geteuid() != 0 || !can_unshare())
		return cannot_run("needs root and network namespaces");
	if (!has_program("ip") || !has_program("nft") || !has_program("nsenter"))
		return cannot_run("needs ip, nft and nsenter");
	suite = suite_create(name);
	tcase = tcase_create(name);
	tcase_set_timeout(tcase, seconds);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	add(tcase);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_FORK);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
