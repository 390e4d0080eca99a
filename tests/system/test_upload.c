/* SPDX-License-Identifier: MIT */
/* Files handed to a job: what its command finds in /work, and what is refused before. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <joblet/node.h>

#include "harness.h"

#define MIB 1048576

static char state[] = "/tmp/joblet-test-upload-XXXXXX";
static jl_node *node;
static jl_submission *sub;
static char output[65536];

static void begin(void)
{
	jl_node_config *config;

	memcpy(strrchr(state, '-') + 1, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(state));
	ck_ok(jl_ctx_set_state_dir(ctx, state, &err));
	ck_ok(jl_node_config_new(&config));
	/* No networks are made on this machine. */
	ck_ok(jl_node_config_set_network(config, "none", &err));
	ck_ok(jl_node_open(ctx, config, &node, &err));
	jl_node_config_free(config);
	ck_ok(jl_submission_new(node, &sub, &err));
}

static void end(void)
{
	char line[128];

	jl_submission_free(sub);
	sub = NULL;
	node = jl_node_unref(node);
	(void)snprintf(line, sizeof(line), "rm -rf %s", state);
	ck_assert_int_eq(system(line), 0);
}

/* A folder of the state folder: how much is in it. */
static int entries_of(const char *name)
{
	char path[128];
	int count = -2;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/%s", state, name);
	dir = opendir(path);
	if (!dir)
		return 0;
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count;
}

static void put(const char *path, uint32_t mode, const char *text)
{
	ck_ok(jl_submission_add_file(sub, path, mode, strlen(text), &err));
	ck_ok(jl_submission_write(sub, text, strlen(text), &err));
}

/* So many bytes of a pattern. */
static int put_bytes(const char *path, uint64_t size)
{
	static char block[MIB];
	int r = jl_submission_add_file(sub, path, 0, size, &err);

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)(i * 7 + (i >> 8));
	for (; r == 0 && size > 0; size -= size < MIB ? size : MIB)
		r = jl_submission_write(sub, block, size < MIB ? size : MIB, &err);
	return r;
}

static void read_output(const char *id)
{
	jl_log *log = NULL;
	size_t len = 0;
	int64_t n;

	ck_ok(jl_node_open_log(node, id, 0, &log, &err));
	while (len < sizeof(output) - 64 &&
	       (n = jl_log_read(log, output + len, sizeof(output) - 1 - len, &err)) > 0)
		len += (size_t)n;
	output[len] = '\0';
	jl_log_close(log);
}

/* Runs a script with what was uploaded; returns the exit code. */
static uint64_t run_script(const char *script)
{
	jl_job_info *info = NULL;
	uint64_t code;
	char id[40];

	ck_ok(jl_job_spec_add_arg(jl_submission_spec(sub), "sh", &err));
	ck_ok(jl_job_spec_add_arg(jl_submission_spec(sub), "-c", &err));
	ck_ok(jl_job_spec_add_arg(jl_submission_spec(sub), script, &err));
	ck_ok(jl_node_submit(node, sub, &info, &err));
	(void)snprintf(id, sizeof(id), "%s", jl_job_info_get_id(info));
	jl_job_info_free(info);
	ck_ok(jl_node_wait(node, id, JL_FOREVER, &err));
	ck_ok(jl_node_get(node, id, &info, &err));
	code = jl_job_info_get_number(info, JL_INFO_EXIT_CODE);
	if (*jl_job_info_get_text(info, JL_INFO_FAILURE))
		note("%s", jl_job_info_get_text(info, JL_INFO_FAILURE));
	jl_job_info_free(info);
	read_output(id);
	ck_assert_int_eq(entries_of("staging"), 0);
	return code;
}

static void prints(const char *script, const char *text)
{
	uint64_t code = run_script(script);

	ck_assert_str_eq(output, text);
	ck_assert_uint_eq(code, 0);
}

/* ---- what is there ---- */

START_TEST(files_are_in_the_working_directory)
{
	put("run.sh", 0755, "#!/bin/sh\necho \"run in $(pwd): $(cat data/input)\"\n");
	put("data/input", 0644, "42");
	prints("./run.sh", "run in /work: 42\n");
}
END_TEST

START_TEST(modes_are_kept_and_special_bits_are_not)
{
	put("plain", 0, "");
	put("tool", 0755, "");
	put("secret", 0600, "");
	put("suid", 06755, "");
	ck_ok(jl_submission_add_dir(sub, "dir", 01750, &err));
	ck_ok(jl_submission_add_dir(sub, "empty/inside", 0, &err));
	prints("umask 077; stat -c '%n %a %F %s' *", "dir 750 directory 40\n"
						     "empty 755 directory 60\n"
						     "plain 644 regular empty file 0\n"
						     "secret 600 regular empty file 0\n"
						     "suid 755 regular empty file 0\n"
						     "tool 755 regular empty file 0\n");
}
END_TEST

START_TEST(files_belong_to_the_user_of_the_job)
{
	put("dir/file", 0600, "mine");
	ck_ok(jl_job_spec_set_user(jl_submission_spec(sub), 1000, 1000, &err));
	prints("id -u; cat dir/file; echo; echo more >dir/file && echo x >dir/new && "
	       "rm -r dir && ls -A",
	       "1000\nmine\n");
}
END_TEST

START_TEST(names_of_any_bytes_arrive)
{
	put("with space", 0, "");
	put("quote'\"s", 0, "");
	put("new\nline", 0, "");
	put("-rf", 0, "");
	put("\xc3\xa4\xe2\x82\xac", 0, "");
	put("\xff\xfe", 0, "");
	put("..x/a..b", 0, "");
	prints("find . -mindepth 1 -print0 | LC_ALL=C sort -z | od -An -c | tr -d '\\n '",
	       "./-rf\\0./..x\\0./..x/a..b\\0./new\\nline\\0./quote'\"s\\0./withspace\\0./"
	       "303244342202254\\0./377376\\0");
}
END_TEST

START_TEST(links_arrive_as_links)
{
	put("dir/file", 0, "content\n");
	ck_ok(jl_submission_add_link(sub, "to-file", "dir/file", &err));
	ck_ok(jl_submission_add_link(sub, "dir/up", "../to-file", &err));
	ck_ok(jl_submission_add_link(sub, "loop", "loop", &err));
	ck_ok(jl_submission_add_link(sub, "project", ".", &err));
	prints("cat dir/up; readlink to-file dir/up loop; cd project && pwd -P",
	       "content\ndir/file\n../to-file\nloop\n/work\n");
}
END_TEST

START_TEST(ten_thousand_small_files)
{
	char path[64], text[32];
	double start = now();

	for (int i = 0; i < 10000; i++) {
		(void)snprintf(path, sizeof(path), "d%d/f%d", i / 100, i);
		(void)snprintf(text, sizeof(text), "%d\n", i);
		put(path, 0, text);
	}
	note("10000 files staged in %.2f s", now() - start);
	start = now();
	prints("find . -type f | wc -l; cat d*/f* | awk '{ s += $1 } END { print s }'",
	       "10000\n49995000\n");
	note("copied and read in %.2f s", now() - start);
}
END_TEST

START_TEST(fifty_megabytes_come_whole_with_little_memory)
{
	struct rusage before, after;

	(void)getrusage(RUSAGE_SELF, &before);
	ck_ok(put_bytes("a", 50 * MIB));
	ck_ok(put_bytes("b", 50 * MIB));
	(void)getrusage(RUSAGE_SELF, &after);
	ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 8192); /* KiB */
	prints("cmp a b && stat -c %s a && du -sm . | cut -f 1", "52428800\n100\n");
}
END_TEST

START_TEST(a_job_knows_what_was_uploaded)
{
	jl_job_info *info = NULL;

	put("b/file", 0, "");
	put("a", 0, "");
	ck_ok(jl_submission_add_dir(sub, "dir", 0, &err));
	ck_ok(jl_job_spec_add_arg(jl_submission_spec(sub), "true", &err));
	ck_ok(jl_node_submit(node, sub, &info, &err));
	ck_ok(jl_node_wait(node, jl_job_info_get_id(info), JL_FOREVER, &err));
	jl_job_info_free(info);
	ck_ok(jl_node_get(node, "1", &info, &err));
	ck_assert_uint_eq(jl_job_info_upload_count(info), 2);
	ck_assert_str_eq(jl_job_info_get_upload(info, 0), "b/file");
	ck_assert_str_eq(jl_job_info_get_upload(info, 1), "a");
	ck_assert_ptr_null(jl_job_info_get_upload(info, 2));
	jl_job_info_free(info);
}
END_TEST

/* ---- what is refused ---- */

/* And nothing of it stays. */
static void leaves_nothing(void)
{
	jl_job_info *info = NULL;

	ck_ok(jl_job_spec_add_arg(jl_submission_spec(sub), "true", &err));
	jl_error_free(err);
	err = NULL;
	ck_assert_int_lt(jl_node_submit(node, sub, &info, &err), 0);
	jl_job_info_free(info);
	jl_error_free(err);
	err = NULL;
	jl_submission_free(sub);
	sub = NULL;
	ck_assert_int_eq(entries_of("staging"), 0);
	ck_assert_int_eq(entries_of("jobs"), 0);
}

START_TEST(fifty_one_megabytes_are_refused)
{
	if (_i == 0) {
		ck_fails(jl_submission_add_file(sub, "big", 0, 50 * MIB + 1, &err),
			 -EFBIG, "upload \"big\": larger than 52428800 bytes");
	} else {
		static char block[MIB];

		ck_ok(jl_submission_add_file(sub, "big", 0, UINT64_MAX, &err));
		for (int i = 0; i < 50; i++)
			ck_ok(jl_submission_write(sub, block, MIB, &err));
		ck_fails(jl_submission_write(sub, block, 1, &err), -EFBIG,
			 "upload \"big\": larger than 52428800 bytes");
	}
	leaves_nothing();
}
END_TEST

START_TEST(more_than_a_hundred_megabytes_together_are_refused)
{
	ck_ok(put_bytes("a", 50 * MIB));
	ck_ok(put_bytes("b", 50 * MIB));
	ck_fails(jl_submission_add_file(sub, "c", 0, 1, &err), -EDQUOT,
		 "104857600 bytes");
	leaves_nothing();
}
END_TEST

static const struct {
	const char *path;
	int code;
} bad_paths[] = {
	{ "", -EINVAL },     { "/etc/passwd", -EINVAL }, { "..", -EINVAL },
	{ "../x", -EINVAL }, { "a/../../x", -EINVAL },	 { "a//b", -EINVAL },
};

START_TEST(paths_out_of_work_are_refused)
{
	ck_fails(jl_submission_add_file(sub, bad_paths[_i].path, 0, 1, &err),
		 bad_paths[_i].code, "upload");
	leaves_nothing();
}
END_TEST

START_TEST(a_file_that_came_short_is_refused)
{
	ck_ok(jl_submission_add_file(sub, "file", 0, 10, &err));
	ck_ok(jl_submission_write(sub, "123", 3, &err));
	leaves_nothing();
}
END_TEST

START_TEST(what_does_not_fit_into_work_fails_before_the_command)
{
	jl_job_info *info = NULL;

	ck_ok(put_bytes("a", 2 * MIB));
	ck_ok(jl_submission_set_disk_bytes(sub, MIB, &err));
	ck_ok(jl_job_spec_add_arg(jl_submission_spec(sub), "echo", &err));
	ck_ok(jl_job_spec_add_arg(jl_submission_spec(sub), "ran", &err));
	/* Told at once or by the end, according to who finds it. */
	if (jl_node_submit(node, sub, &info, &err) == 0)
		ck_ok(jl_node_wait(node, jl_job_info_get_id(info), JL_FOREVER, &err));
	jl_error_free(err);
	err = NULL;
	jl_job_info_free(info);
	ck_ok(jl_node_get(node, "1", &info, &err));
	ck_assert_uint_eq(jl_job_info_get_number(info, JL_INFO_STATE), JL_STATE_FAILED);
	note("%s", jl_job_info_get_text(info, JL_INFO_FAILURE));
	ck_assert_ptr_nonnull(
		strstr(jl_job_info_get_text(info, JL_INFO_FAILURE), "\"a\""));
	jl_job_info_free(info);
	read_output("1");
	ck_assert_str_eq(output, "");
}
END_TEST

/* ---- kept until it is time ---- */

START_TEST(uploads_wait_with_a_scheduled_job)
{
	struct timespec clock;
	jl_job_info *info = NULL;
	char id[40];

	put("file", 0755, "kept\n");
	ck_ok(jl_job_spec_add_arg(jl_submission_spec(sub), "cat", &err));
	ck_ok(jl_job_spec_add_arg(jl_submission_spec(sub), "file", &err));
	ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &clock), 0);
	ck_ok(jl_submission_set_due(sub, ((uint64_t)clock.tv_sec + 2) * 1000000, &err));
	ck_ok(jl_node_submit(node, sub, &info, &err));
	(void)snprintf(id, sizeof(id), "%s", jl_job_info_get_id(info));
	ck_assert_uint_eq(jl_job_info_get_number(info, JL_INFO_STATE),
			  JL_STATE_SCHEDULED);
	jl_job_info_free(info);
	/* Another opening of the node, as after a restart. */
	jl_submission_free(sub);
	sub = NULL;
	node = jl_node_unref(node);
	ck_ok(jl_node_open(ctx, NULL, &node, &err));
	ck_ok(jl_node_wait(node, id, JL_FOREVER, &err));
	read_output(id);
	ck_assert_str_eq(output, "kept\n");
}
END_TEST

START_TEST(uploads_of_a_canceled_job_go)
{
	struct timespec clock;
	jl_job_info *info = NULL;

	put("file", 0755, "never\n");
	ck_ok(jl_job_spec_add_arg(jl_submission_spec(sub), "true", &err));
	ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &clock), 0);
	ck_ok(jl_submission_set_due(sub, ((uint64_t)clock.tv_sec + 3600) * 1000000,
				    &err));
	ck_ok(jl_node_submit(node, sub, &info, &err));
	ck_ok(jl_node_cancel(node, jl_job_info_get_id(info), &err));
	ck_ok(jl_node_delete(node, jl_job_info_get_id(info), &err));
	jl_job_info_free(info);
	ck_assert_int_eq(entries_of("jobs"), 0);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, begin, end);
	tcase_add_test(tcase, files_are_in_the_working_directory);
	tcase_add_test(tcase, modes_are_kept_and_special_bits_are_not);
	tcase_add_test(tcase, files_belong_to_the_user_of_the_job);
	tcase_add_test(tcase, names_of_any_bytes_arrive);
	tcase_add_test(tcase, links_arrive_as_links);
	tcase_add_test(tcase, ten_thousand_small_files);
	tcase_add_test(tcase, fifty_megabytes_come_whole_with_little_memory);
	tcase_add_test(tcase, a_job_knows_what_was_uploaded);
	tcase_add_loop_test(tcase, fifty_one_megabytes_are_refused, 0, 2);
	tcase_add_test(tcase, more_than_a_hundred_megabytes_together_are_refused);
	tcase_add_loop_test(tcase, paths_out_of_work_are_refused, 0,
			    (int)COUNT(bad_paths));
	tcase_add_test(tcase, a_file_that_came_short_is_refused);
	tcase_add_test(tcase, what_does_not_fit_into_work_fails_before_the_command);
	tcase_add_test(tcase, uploads_wait_with_a_scheduled_job);
	tcase_add_test(tcase, uploads_of_a_canceled_job_go);
}

int main(void)
{
	return harness_main("upload", 60, add);
}
