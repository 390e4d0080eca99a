/* SPDX-License-Identifier: MIT */
/* Uploaded folders on their way into /work: everything arrives, nothing leads out. */
#include "durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int staged;

static void open_staged(void)
{
	open_base();
	staged = open_folder("staged");
}

static void put_file(const char *path, const char *text, mode_t mode)
{
	int fd = openat(staged, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	(void)close(fd);
}

static void put_folder(const char *path, mode_t mode)
{
	ck_assert_int_eq(mkdirat(staged, path, 0700), 0);
	ck_assert_int_eq(fchmodat(staged, path, mode, 0), 0);
}

static void run_uploaded(jl_job_spec *spec, const char *want)
{
	struct jl__durable durable = new_job();

	durable.uploads = staged;
	run_durable(spec, &durable);
	ck_log(durable.folder, want);
	(void)result_of(durable.folder, JL__LOG_WHOLE);
	(void)close(durable.folder);
}

/* Fails to start, with a sentence that names this. */
static void ck_refused(jl_job_spec *spec, int code, const char *names)
{
	struct jl__durable durable = new_job();
	struct jl_result result = { .size = sizeof(result) };
	struct jl_stats stats = { .size = sizeof(stats) };
	char *failure = NULL;
	jl_job *job;

	durable.uploads = staged;
	ck_fails(jl__job_spawn_durable(ctx, spec, &durable, &job, &err), code, names);
	ck_ok(jl__record_result(durable.folder, &result, &stats, &failure, &err));
	ck_assert_msg(failure && strstr(failure, names), "%s", failure);
	jl_free(failure);
	jl_job_spec_free(spec);
	(void)close(durable.folder);
}

static void done(void)
{
	(void)close(staged);
	close_ctx();
	remove_base();
}

START_TEST(files_folders_links_and_modes_arrive)
{
	open_staged();
	put_folder("empty", 0755);
	put_folder("a", 0750);
	put_folder("a/b", 0700);
	put_file("a/b/run.sh", "#!/bin/sh\necho ran\n", 0755);
	put_file("secret", "s", 0400);
	put_file("nothing", "", 0644);
	put_file("set", "x", 06755);
	ck_assert_int_eq(symlinkat("a/b/run.sh", staged, "link"), 0);
	ck_assert_int_eq(symlinkat("/etc/shadow", staged, "out"), 0);
	ck_assert_int_eq(symlinkat("/no/where", staged, "dangling"), 0);
	run_uploaded(
		shell("umask; cd /work; find . | sort | while read f; do "
		      "stat -c '%n %A %u:%g %s' \"$f\"; done | grep -v '^\\. '; ./link; "
		      "readlink out dangling"),
		"0022\n"
		"./a drwxr-x--- 0:0 60\n"
		"./a/b drwx------ 0:0 60\n"
		"./a/b/run.sh -rwxr-xr-x 0:0 19\n"
		"./dangling lrwxrwxrwx 0:0 9\n"
		"./empty drwxr-xr-x 0:0 40\n"
		"./link lrwxrwxrwx 0:0 10\n"
		"./nothing -rw-r--r-- 0:0 0\n"
		"./out lrwxrwxrwx 0:0 11\n"
		"./secret -r-------- 0:0 1\n"
		"./set -rwxr-xr-x 0:0 1\n"
		"ran\n"
		"/etc/shadow\n/no/where\n");
	done();
}
END_TEST

START_TEST(they_belong_to_the_jobs_user)
{
	jl_job_spec *spec = shell("cat f; stat -c '%u:%g' f; echo more >> f; rm f; ls");

	open_staged();
	put_file("f", "text\n", 0600);
	ck_ok(jl_job_spec_set_user(spec, 1000, 1001, &err));
	run_uploaded(spec, "text\n1000:1001\n");
	done();
}
END_TEST

START_TEST(names_are_any_bytes)
{
	static const char *const names[] = { "new\nline", "sp ace ",  "\"quote'", "-rf",
					     "\xff\xfe",  "\xc3\xa9", "\\n" };
	char bytes[1024] = "", *end = bytes;

	open_staged();
	for (size_t i = 0; i < COUNT(names); i++)
		put_file(names[i], names[i], 0644);
	/* Each holds its name. */
	run_uploaded(
		shell("for f in *; do [ \"$(cat ./\"$f\"; echo x)\" = \"$(printf %s \"$f\"; echo x)\" ] "
		      "&& echo same; done"),
		"same\nsame\nsame\nsame\nsame\nsame\nsame\n");
	(void)end;
	done();
}
END_TEST

START_TEST(many_and_deep)
{
	char path[512] = "d";

	open_staged();
	put_folder("d", 0755);
	for (int i = 0; i < 90; i++) {
		(void)strcat(path, "/d");
		put_folder(path, 0755);
	}
	put_folder("many", 0755);
	for (int i = 0; i < 2000; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "many/%d", i);
		put_file(name, name, 0644);
	}
	run_uploaded(shell("find d -type d | wc -l; ls many | wc -l; cat many/* | wc -c"),
		     "91\n2000\n16890\n");
	done();
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
	open_staged();
	put_folder("in", 0755);
	ck_assert_int_eq(mkfifoat(staged, "in/pipe", 0600), 0);
	ck_refused(command("true", NULL), -EINVAL, "in/pipe");
	done();
}
END_TEST

START_TEST(a_full_work_folder_is_a_failed_start)
{
	jl_job_spec *spec = command("true", NULL);
	char *text = malloc(3 << 20);

	open_staged();
	put_file("small", "x", 0644);
	put_folder("in", 0755);
	ck_assert_ptr_nonnull(text);
	memset(text, 'x', (3 << 20) - 1);
	text[(3 << 20) - 1] = '\0';
	put_file("in/large \xff", text, 0644);
	free(text);
	ck_ok(jl_job_spec_set_tmpfs_bytes(spec, "/work", 2 << 20, &err));
	ck_refused(spec, -ENOSPC, "in/large ?");
	spec = command("true", NULL);
	ck_ok(jl_job_spec_set_tmpfs_bytes(spec, "/work", 2 << 20, &err));
	{
		struct jl__durable durable = new_job();
		jl_job *job;

		durable.uploads = staged;
		ck_fails(jl__job_spawn_durable(ctx, spec, &durable, &job, &err), -ENOSPC,
			 "2097152 bytes");
		(void)close(durable.folder);
	}
	jl_job_spec_free(spec);
	/* With room it is there. */
	run_uploaded(shell("cat in/large* | wc -c"), "3145727\n");
	done();
}
END_TEST

/* What is copied is the job's memory: its limit holds for it. */
START_TEST(uploads_are_charged_to_the_job)
{
	jl_job_spec *spec = command("true", NULL);
	char *text = malloc(24 << 20);

	open_staged();
	ck_assert_ptr_nonnull(text);
	memset(text, 'x', (24 << 20) - 1);
	text[(24 << 20) - 1] = '\0';
	put_file("large", text, 0644);
	free(text);
	ck_ok(jl_limits_set_memory_bytes(jl_job_spec_limits(spec), 16 << 20, &err));
	ck_refused(spec, -EIO, "memory limit");
	done();
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, files_folders_links_and_modes_arrive);
	tcase_add_test(tcase, they_belong_to_the_jobs_user);
	tcase_add_test(tcase, names_are_any_bytes);
	tcase_add_test(tcase, many_and_deep);
	tcase_add_test(tcase, what_is_no_file_is_refused);
	tcase_add_test(tcase, a_full_work_folder_is_a_failed_start);
	tcase_add_test(tcase, uploads_are_charged_to_the_job);
}

int main(void)
{
	return harness_main("durable upload", 120, add);
}
