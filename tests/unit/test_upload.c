/* SPDX-License-Identifier: MIT */
/* Staging of uploads: what gets in, under which name, and what does not. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/remove.h"
#include "upload/upload-priv.h"

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

static char top_path[] = "/tmp/joblet-upload-XXXXXX";
static int top, staging;
static struct jl__upload *up;

static void begin_with(uint64_t file_bytes, uint64_t job_bytes, uint32_t entries)
{
	struct jl__upload_caps caps = { file_bytes, job_bytes, entries };
	jl_error *err = NULL;

	(void)umask(077); /* modes must not depend on it */
	memcpy(strrchr(top_path, '-') + 1, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(top_path));
	top = open(top_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(mkdirat(top, "staging", 0700), 0);
	staging = openat(top, "staging", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(staging, 0);
	if (jl__upload_new(staging, "one", &caps, &up, &err) < 0)
		ck_abort_msg("%s", jl_error_message(err));
}

static void begin(void)
{
	begin_with(0, 0, 0);
}

static void end(void)
{
	jl__upload_free(up);
	(void)close(staging);
	(void)close(top);
	jl__sys_remove_tree(AT_FDCWD, top_path);
	ck_assert_int_lt(access(top_path, F_OK), 0);
}

/* A call that has to succeed. */
#define OK(call)                                                   \
	do {                                                       \
		jl_error *err = NULL;                              \
                                                                   \
		if ((call) < 0)                                    \
			ck_abort_msg("%s", jl_error_message(err)); \
	} while (0)

/* A call that has to fail with a code and a sentence. */
#define FAILS(call, code_, says)                                   \
	do {                                                       \
		jl_error *err = NULL;                              \
                                                                   \
		ck_assert_int_eq(call, code_);                     \
		ck_assert_int_eq(jl_error_code(err), code_);       \
		ck_assert_str_eq(jl_error_module(err), "upload");  \
		if (!strstr(jl_error_message(err), says))          \
			ck_abort_msg("\"%s\" is not in: %s", says, \
				     jl_error_message(err));       \
		jl_error_free(err);                                \
	} while (0)

static void put_file(const char *path, const char *text)
{
	OK(jl__upload_add_file(up, path, 0, strlen(text), &err));
	OK(jl__upload_write(up, text, strlen(text), &err));
}

/* Below the files of the staging folder. */
static struct stat stat_of(const char *path)
{
	char full[8192];
	struct stat st;

	(void)snprintf(full, sizeof(full), "%s/staging/one/files/%s", top_path, path);
	if (lstat(full, &st) < 0)
		ck_abort_msg("%s: %s", full, strerror(errno));
	return st;
}

static const char *content_of(const char *path)
{
	static char text[256];
	char full[8192];
	ssize_t n;
	int fd;

	(void)snprintf(full, sizeof(full), "%s/staging/one/files/%s", top_path, path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	n = read(fd, text, sizeof(text) - 1);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	(void)close(fd);
	return text;
}

/* ---- what gets in ---- */

START_TEST(files_and_folders_arrive_as_they_are)
{
	put_file("run.sh", "echo hello\n");
	put_file("empty", "");
	put_file("a/b/c", "deep");
	OK(jl__upload_add_dir(up, "nothing/in/here", 0, &err));
	OK(jl__upload_add_file(up, "parts", 0, UINT64_MAX, &err));
	for (int i = 0; i < 5; i++)
		OK(jl__upload_write(up, "part ", 5, &err));
	OK(jl__upload_finish(up, false, &err));
	ck_assert_str_eq(content_of("run.sh"), "echo hello\n");
	ck_assert_str_eq(content_of("empty"), "");
	ck_assert_str_eq(content_of("a/b/c"), "deep");
	ck_assert_str_eq(content_of("parts"), "part part part part part ");
	ck_assert(S_ISDIR(stat_of("nothing/in/here").st_mode));
	ck_assert_uint_eq(jl__upload_count(up), 4);
	ck_assert_uint_eq(jl__upload_bytes(up), 11 + 4 + 25);
}
END_TEST

static const struct {
	uint32_t mode, file, dir;
} modes[] = {
	{ 0, 0644, 0755 },
	{ 0755, 0755, 0755 },
	{ 0600, 0600, 0700 },
	{ 0444, 0444, 0744 },
	{ 0111, 0511, 0711 },
	{ 04755, 0755, 0755 },
	{ 06777, 0777, 0777 },
	{ 01777, 0777, 0777 },
	{ 1U << 31 | 0750, 0750, 0750 },
	{ 1U << 23 | 0755, 0755, 0755 },
	{ 1U << 23, 0644, 0755 },
};

START_TEST(modes_are_kept_without_special_bits)
{
	OK(jl__upload_add_file(up, "file", modes[_i].mode, 0, &err));
	OK(jl__upload_add_dir(up, "dir", modes[_i].mode, &err));
	OK(jl__upload_add_file(up, "dir/inside", 0, 0, &err));
	ck_assert_uint_eq(stat_of("file").st_mode & 07777, modes[_i].file);
	ck_assert_uint_eq(stat_of("dir").st_mode & 07777, modes[_i].dir);
}
END_TEST

static const char *const odd_names[] = {
	"with space",
	"quote'\"s",
	"new\nline",
	"tab\tand\a",
	"-rf",
	"--help",
	"*?[x]",
	"$(reboot)",
	"`x`",
	"a\\b",
	"..a",
	"a..b",
	"...",
	".hidden",
	"\xc3\xa4\xe2\x82\xac",
	"\xff\xfe not utf8",
	"\x7f",
	"c:\\x",
	"files",
	"list",
	"a:b",
};

START_TEST(names_of_any_bytes_are_kept)
{
	char below[300];

	put_file(odd_names[_i], "x");
	(void)snprintf(below, sizeof(below), "dir/%s/%s", odd_names[_i], odd_names[_i]);
	put_file(below, "y");
	ck_assert_str_eq(content_of(odd_names[_i]), "x");
	ck_assert_str_eq(content_of(below), "y");
}
END_TEST

START_TEST(dots_in_a_path_fall_away)
{
	put_file("./a", "1");
	put_file("b/./c", "2");
	OK(jl__upload_add_dir(up, ".", 0700, &err));
	OK(jl__upload_add_dir(up, "d/.", 0700, &err));
	ck_assert_str_eq(content_of("a"), "1");
	ck_assert_str_eq(content_of("b/c"), "2");
	ck_assert_uint_eq(stat_of("d").st_mode & 07777, 0700);
	FAILS(jl__upload_add_file(up, "./.", 0, 0, &err), -EINVAL,
	      "this is /work itself, a name is missing");
}
END_TEST

START_TEST(a_folder_may_come_again_and_gets_the_last_mode)
{
	put_file("dir/file", "x");
	OK(jl__upload_add_dir(up, "dir", 0700, &err));
	OK(jl__upload_add_dir(up, "dir", 0711, &err));
	ck_assert_uint_eq(stat_of("dir").st_mode & 07777, 0711);
	ck_assert_str_eq(content_of("dir/file"), "x");
}
END_TEST

START_TEST(the_longest_names_and_paths_fit)
{
	char path[JL__UPLOAD_PATH_MAX + 1];
	size_t len = 0;

	/* 15 names of 255 bytes, then one that fills it up. */
	while (len + 256 < sizeof(path)) {
		memset(path + len, 'n', 255);
		path[len + 255] = '/';
		len += 256;
	}
	memset(path + len, 'n', sizeof(path) - len);
	path[JL__UPLOAD_PATH_MAX] = '\0';
	put_file(path, "x");
	ck_assert_uint_eq(jl__upload_count(up), 1);
}
END_TEST

START_TEST(links_are_kept_and_never_followed)
{
	char target[64] = "";
	int fd;

	OK(jl__upload_add_link(up, "self", ".", &err));
	OK(jl__upload_add_link(up, "a/up", "..", &err));
	OK(jl__upload_add_link(up, "a/b/far", "../../x/../y", &err));
	OK(jl__upload_add_link(up, "loop", "loop", &err));
	ck_assert(S_ISLNK(stat_of("a/up").st_mode));
	fd = openat(staging, "one/files/a/b", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(readlinkat(fd, "far", target, sizeof(target)), 12);
	ck_assert_str_eq(target, "../../x/../y");
	(void)close(fd);
	FAILS(jl__upload_add_file(up, "a/up/inside", 0, 0, &err), -EEXIST,
	      "\"up\" was uploaded before and is not a folder");
}
END_TEST

/* ---- what does not ---- */

static char long_name[257], long_path[4097], deep_path[300];

static const struct {
	const char *path;
	int code;
	const char *says;
} bad_paths[] = {
	{ NULL, -EINVAL, "an upload has no path" },
	{ "", -EINVAL, "an upload has no path" },
	{ "/", -EINVAL, "upload \"/\": paths are below /work" },
	{ "/etc/passwd", -EINVAL,
	  "upload \"/etc/passwd\": paths are below /work, write it without the '/'" },
	{ "..", -EINVAL, "upload \"..\": the path must not hold \"..\"" },
	{ "../x", -EINVAL, "must not hold \"..\"" },
	{ "a/../../x", -EINVAL, "must not hold \"..\"" },
	{ "a/..", -EINVAL, "must not hold \"..\"" },
	{ "a//b", -EINVAL, "upload \"a//b\": a name in the path is empty" },
	{ "a/", -EINVAL, "a name in the path is empty" },
	{ "new\nline/..", -EINVAL, "upload \"new?line/..\": the path must not" },
	{ long_name, -ENAMETOOLONG, "a name has 256 bytes, 255 are the most" },
	{ long_path, -ENAMETOOLONG, "the path has 4096 bytes, 4095 are the most" },
	{ deep_path, -ENAMETOOLONG, "too deep, 100 folders are the most" },
};

static void fill_long_paths(void)
{
	memset(long_name, 'n', sizeof(long_name) - 1);
	for (size_t i = 0; i < sizeof(long_path) - 1; i++)
		long_path[i] = i % 100 == 99 ? '/' : 'n';
	for (size_t i = 0; i < 201; i++)
		deep_path[i] = i % 2 ? '/' : 'd';
}

START_TEST(bad_paths_have_a_sentence)
{
	fill_long_paths();
	FAILS(jl__upload_add_file(up, bad_paths[_i].path, 0, 0, &err), bad_paths[_i].code,
	      bad_paths[_i].says);
	/* Nothing more is taken, and what is there cannot be handed over. */
	FAILS(jl__upload_add_file(up, "good", 0, 0, &err), bad_paths[_i].code,
	      "an upload before has failed");
	FAILS(jl__upload_write(up, "x", 1, &err), bad_paths[_i].code,
	      "before has failed");
	FAILS(jl__upload_finish(up, false, &err), bad_paths[_i].code,
	      "before has failed");
	FAILS(jl__upload_move(up, top, "moved", &err), -EINVAL, "cannot be handed over");
}
END_TEST

START_TEST(bad_paths_of_folders_and_links_too)
{
	fill_long_paths();
	if (_i % 2)
		FAILS(jl__upload_add_dir(up, bad_paths[_i].path, 0, &err),
		      bad_paths[_i].code, bad_paths[_i].says);
	else
		FAILS(jl__upload_add_link(up, bad_paths[_i].path, "x", &err),
		      bad_paths[_i].code, bad_paths[_i].says);
}
END_TEST

static const struct {
	const char *path, *target, *says;
} bad_links[] = {
	{ "l", NULL, "upload \"l\": the link leads nowhere" },
	{ "l", "", "the link leads nowhere" },
	{ "l", "/etc/passwd", "the link to \"/etc/passwd\" is absolute" },
	{ "l", "..", "the link to \"..\" leads out of what is uploaded" },
	{ "l", "a/../..", "leads out" },
	{ "a/b/l", "../../../x", "leads out" },
	{ "a/b/l", "./.././../x/../..", "leads out" },
	{ "a/b/l", "..//../..", "leads out" },
};

START_TEST(links_that_lead_out_are_refused)
{
	FAILS(jl__upload_add_link(up, bad_links[_i].path, bad_links[_i].target, &err),
	      -EINVAL, bad_links[_i].says);
}
END_TEST

START_TEST(a_name_is_used_once)
{
	put_file("dir/file", "x");
	if (_i == 0)
		FAILS(jl__upload_add_file(up, "dir/file", 0, 0, &err), -EEXIST,
		      "upload \"dir/file\" is there twice");
	if (_i == 1)
		FAILS(jl__upload_add_file(up, "dir", 0, 0, &err), -EEXIST,
		      "upload \"dir\" is there twice");
	if (_i == 2)
		FAILS(jl__upload_add_link(up, "dir/./file", "x", &err), -EEXIST,
		      "upload \"dir/file\" is there twice");
	if (_i == 3)
		FAILS(jl__upload_add_file(up, "dir/file/below", 0, 0, &err), -EEXIST,
		      "upload \"dir/file/below\": \"file\" was uploaded before and is not");
	if (_i == 4)
		FAILS(jl__upload_add_dir(up, "dir/file", 0, &err), -EEXIST,
		      "upload \"dir/file\": \"file\" was uploaded before and is not");
}
END_TEST

START_TEST(a_file_has_the_size_that_was_announced)
{
	OK(jl__upload_add_file(up, "file", 0, 5, &err));
	OK(jl__upload_write(up, "abcd", 4, &err));
	if (_i == 0)
		FAILS(jl__upload_write(up, "ef", 2, &err), -EMSGSIZE,
		      "upload \"file\": more bytes came than the 5 announced");
	if (_i == 1)
		FAILS(jl__upload_add_file(up, "next", 0, 0, &err), -EMSGSIZE,
		      "upload \"file\": 4 bytes came and 5 were announced");
	if (_i == 2)
		FAILS(jl__upload_finish(up, false, &err), -EMSGSIZE,
		      "4 bytes came and 5 were announced");
}
END_TEST

START_TEST(bytes_belong_to_a_file)
{
	if (_i == 0)
		FAILS(jl__upload_write(up, "x", 1, &err), -EINVAL,
		      "no file has been begun");
	if (_i == 1) {
		put_file("a", "x");
		OK(jl__upload_add_dir(up, "d", 0, &err));
		FAILS(jl__upload_write(up, "x", 1, &err), -EINVAL,
		      "no file has been begun");
	}
	if (_i == 2) {
		OK(jl__upload_finish(up, false, &err));
		FAILS(jl__upload_add_file(up, "a", 0, 0, &err), -EINVAL,
		      "the uploads have been finished");
	}
}
END_TEST

/* ---- caps: 100 bytes a file, 150 a job, 5 entries ---- */

static void begin_capped(void)
{
	begin_with(100, 150, 5);
}

START_TEST(a_file_has_a_largest_size)
{
	static char bytes[101];

	if (_i == 0)
		FAILS(jl__upload_add_file(up, "big", 0, 101, &err), -EFBIG,
		      "upload \"big\": larger than 100 bytes, the most for one file");
	if (_i == 1) {
		OK(jl__upload_add_file(up, "big", 0, UINT64_MAX, &err));
		OK(jl__upload_write(up, bytes, 100, &err));
		FAILS(jl__upload_write(up, bytes, 1, &err), -EFBIG,
		      "the most for one file");
	}
	if (_i == 2)
		FAILS(jl__upload_add_file(up, "big", 0, UINT64_MAX - 1, &err), -EFBIG,
		      "the most for one file");
}
END_TEST

START_TEST(all_files_of_a_job_have_a_largest_size)
{
	static char bytes[101];

	OK(jl__upload_add_file(up, "one", 0, 100, &err));
	OK(jl__upload_write(up, bytes, 100, &err));
	if (_i == 0)
		FAILS(jl__upload_add_file(up, "two", 0, 51, &err), -EDQUOT,
		      "upload \"two\": all uploads of a job together may have 150 bytes");
	OK(_i == 0 ? 0 : jl__upload_add_file(up, "two", 0, UINT64_MAX, &err));
	if (_i == 1) {
		OK(jl__upload_write(up, bytes, 50, &err));
		FAILS(jl__upload_write(up, bytes, 1, &err), -EDQUOT, "150 bytes");
	}
}
END_TEST

START_TEST(files_and_folders_are_counted_with_their_parents)
{
	OK(jl__upload_add_file(up, "a/b/c/d", 0, 0, &err)); /* four */
	OK(jl__upload_add_dir(up, "a/b", 0, &err));	    /* there already */
	OK(jl__upload_add_link(up, "l", "a", &err));
	if (_i == 0)
		FAILS(jl__upload_add_file(up, "f", 0, 0, &err), -E2BIG,
		      "upload \"f\": more than 5 files and folders");
	if (_i == 1)
		FAILS(jl__upload_add_dir(up, "f", 0, &err), -E2BIG, "more than 5");
	if (_i == 2)
		FAILS(jl__upload_add_file(up, "x/y/z", 0, 0, &err), -E2BIG,
		      "more than 5");
}
END_TEST

/* ---- the end, and afterwards ---- */

static int entries_of(const char *name)
{
	int fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = -2;
	DIR *dir = fdopendir(fd);

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count;
}

START_TEST(what_is_not_handed_over_is_removed)
{
	put_file("a/b/c", "x");
	OK(jl__upload_add_link(up, "a/l", "..", &err));
	OK(_i ? jl__upload_finish(up, true, &err) : 0);
	ck_assert_int_eq(entries_of("staging"), 1);
	jl__upload_free(up);
	up = NULL;
	ck_assert_int_eq(entries_of("staging"), 0);
}
END_TEST

START_TEST(what_is_handed_over_can_be_listed_opened_and_dropped)
{
	static const char want[] = "new\nline\0a/b\0link";
	char *list = NULL;
	size_t len = 0;
	int fd;

	put_file("new\nline", "x");
	put_file("a/b", "y");
	OK(jl__upload_add_dir(up, "dir", 0, &err));
	OK(jl__upload_add_link(up, "link", "a", &err));
	OK(jl__upload_finish(up, true, &err));
	OK(jl__upload_move(up, top, "upload", &err));
	jl__upload_free(up);
	up = NULL;
	ck_assert_int_eq(entries_of("staging"), 0);
	OK(jl__upload_list(top, "upload", &list, &len, &err));
	ck_assert_uint_eq(len, sizeof(want));
	ck_assert_mem_eq(list, want, sizeof(want));
	jl__free(list);
	fd = jl__upload_open(top, "upload", NULL);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(faccessat(fd, "a/b", R_OK, 0), 0);
	(void)close(fd);
	jl__upload_drop(top, "upload");
	FAILS(jl__upload_open(top, "upload", &err), -ENOENT, "nothing was uploaded");
	OK(jl__upload_list(top, "upload", &list, &len, &err));
	jl__free(list);
	FAILS(jl__upload_list(top, "other", &list, &len, &err), -ENOENT,
	      "nothing was uploaded");
	jl__upload_drop(top, "other");
}
END_TEST

START_TEST(only_folders_can_be_an_empty_list)
{
	char *list = (char *)&list;
	size_t len = 7;

	OK(jl__upload_add_dir(up, "dir", 0, &err));
	OK(jl__upload_finish(up, false, &err));
	OK(jl__upload_move(up, top, "upload", &err));
	OK(jl__upload_list(top, "upload", &list, &len, &err));
	ck_assert_ptr_null(list);
	ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(many_paths_come_back_in_order)
{
	char *list = NULL, path[128];
	const char *at;
	size_t len = 0;

	for (int i = 0; i < 3000; i++) {
		(void)snprintf(path, sizeof(path), "d%d/%d%.*s", i / 100, i, i % 60,
			       "......................................................"
			       "......");
		OK(jl__upload_add_file(up, path, 0, 0, &err));
	}
	OK(jl__upload_finish(up, false, &err));
	OK(jl__upload_move(up, top, "upload", &err));
	OK(jl__upload_list(top, "upload", &list, &len, &err));
	at = list;
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(path, sizeof(path), "d%d/%d%.*s", i / 100, i, i % 60,
			       "......................................................"
			       "......");
		ck_assert_str_eq(at, path);
		at += strlen(at) + 1;
	}
	ck_assert_ptr_eq(at, list + len);
	jl__free(list);
}
END_TEST

START_TEST(nothing_is_handed_over_onto_something_else)
{
	ck_assert_int_eq(mkdirat(top, "upload", 0700), 0);
	FAILS(jl__upload_move(up, top, "upload", &err), -EINVAL, "cannot be handed over");
	OK(jl__upload_finish(up, false, &err));
	FAILS(jl__upload_move(up, top, "upload", &err), -EEXIST,
	      "cannot hand over uploads");
}
END_TEST

START_TEST(a_staging_folder_has_one_name_of_its_own)
{
	static const char *const bad[] = { "", ".", "..", ".x", "a/b", "../x" };
	struct jl__upload_caps caps = { 0 };
	struct jl__upload *other;

	FAILS(jl__upload_new(staging, "one", &caps, &other, &err), -EEXIST,
	      "cannot make a folder for uploads");
	/* And it did not take away what was there. */
	put_file("a", "x");
	for (int i = 0; i < COUNT(bad); i++)
		FAILS(jl__upload_new(staging, bad[i], &caps, &other, &err), -EINVAL,
		      "is no name for a staging folder");
	jl__upload_free(NULL);
}
END_TEST

START_TEST(sweeping_leaves_what_is_being_filled)
{
	struct jl__upload_caps caps = { 0 };
	struct jl__upload *other = NULL;
	int status, ends[2];
	char byte;
	pid_t pid;

	put_file("a/b", "x");
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		/* Somebody who is killed while he uploads. */
		if (jl__upload_new(staging, "two", &caps, &other, NULL) < 0 ||
		    jl__upload_add_file(other, "c/d", 0, 100, NULL) < 0 ||
		    write(ends[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	jl__upload_sweep(staging);
	ck_assert_int_eq(entries_of("staging"), 2);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	jl__upload_sweep(staging);
	ck_assert_int_eq(entries_of("staging"), 1);
	ck_assert_str_eq(content_of("a/b"), "x");
	/* Ours is still whole. */
	OK(jl__upload_finish(up, false, &err));
	OK(jl__upload_move(up, top, "upload", &err));
	jl__upload_sweep(staging);
	ck_assert_int_eq(entries_of("upload"), 2);
	(void)close(ends[0]);
	(void)close(ends[1]);
}
END_TEST

START_TEST(a_sweeper_and_makers_at_once)
{
	struct jl__upload_caps caps = { 0 };
	struct jl__upload *other;
	char name[16];
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			jl__upload_sweep(staging);
	}
	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		OK(jl__upload_new(staging, name, &caps, &other, &err));
		OK(jl__upload_add_file(other, "f", 0, 0, &err));
		OK(jl__upload_finish(other, false, &err));
		OK(jl__upload_move(other, top, name, &err));
		jl__upload_free(other);
		ck_assert_int_eq(entries_of(name), 2);
	}
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}
END_TEST

static TCase *with_caps(void)
{
	TCase *tc = tcase_create("caps");

	tcase_add_checked_fixture(tc, begin_capped, end);
	tcase_add_loop_test(tc, a_file_has_a_largest_size, 0, 3);
	tcase_add_loop_test(tc, all_files_of_a_job_have_a_largest_size, 0, 2);
	tcase_add_loop_test(tc, files_and_folders_are_counted_with_their_parents, 0, 3);
	return tc;
}

static Suite *make_suite(void)
{
	Suite *suite = suite_create("upload");
	TCase *in = tcase_create("in"), *out = tcase_create("out"),
	      *done = tcase_create("end");

	tcase_add_checked_fixture(in, begin, end);
	tcase_add_test(in, files_and_folders_arrive_as_they_are);
	tcase_add_loop_test(in, modes_are_kept_without_special_bits, 0, COUNT(modes));
	tcase_add_loop_test(in, names_of_any_bytes_are_kept, 0, COUNT(odd_names));
	tcase_add_test(in, dots_in_a_path_fall_away);
	tcase_add_test(in, a_folder_may_come_again_and_gets_the_last_mode);
	tcase_add_test(in, the_longest_names_and_paths_fit);
	tcase_add_test(in, links_are_kept_and_never_followed);
	tcase_add_checked_fixture(out, begin, end);
	tcase_add_loop_test(out, bad_paths_have_a_sentence, 0, COUNT(bad_paths));
	tcase_add_loop_test(out, bad_paths_of_folders_and_links_too, 0, COUNT(bad_paths));
	tcase_add_loop_test(out, links_that_lead_out_are_refused, 0, COUNT(bad_links));
	tcase_add_loop_test(out, a_name_is_used_once, 0, 5);
	tcase_add_loop_test(out, a_file_has_the_size_that_was_announced, 0, 3);
	tcase_add_loop_test(out, bytes_belong_to_a_file, 0, 3);
	tcase_add_checked_fixture(done, begin, end);
	/* Two that fight for one folder take their time on a busy machine. */
	tcase_set_timeout(done, 60);
	tcase_add_loop_test(done, what_is_not_handed_over_is_removed, 0, 2);
	tcase_add_test(done, what_is_handed_over_can_be_listed_opened_and_dropped);
	tcase_add_test(done, only_folders_can_be_an_empty_list);
	tcase_add_test(done, many_paths_come_back_in_order);
	tcase_add_test(done, nothing_is_handed_over_onto_something_else);
	tcase_add_test(done, a_staging_folder_has_one_name_of_its_own);
	tcase_add_test(done, sweeping_leaves_what_is_being_filled);
	tcase_add_test(done, a_sweeper_and_makers_at_once);
	suite_add_tcase(suite, in);
	suite_add_tcase(suite, out);
	suite_add_tcase(suite, with_caps());
	suite_add_tcase(suite, done);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(make_suite());
	int failed;

	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
