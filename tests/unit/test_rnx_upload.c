/* SPDX-License-Identifier: MIT */
/* What --upload and --upload-dir find, and in which form it goes out. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "upload.h"
#include "upload_bar.h"
#include "upload_walk.h"

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

/* ---- a receiver that writes down what it gets ---- */

#define LINES_MAX 64

static struct {
	char line[LINES_MAX][5000];
	int count;
	uint64_t bytes;
	size_t largest; /* write */
	int fail_at;	/* call number that fails; 0: none */
} got;

static void *grow_while_sent; /* path of a file that changes at the first write */

static int note(struct fault *fault, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int note(struct fault *fault, const char *format, ...)
{
	va_list args;

	ck_assert_int_lt(got.count, LINES_MAX);
	va_start(args, format);
	(void)vsnprintf(got.line[got.count++], sizeof(got.line[0]), format, args);
	va_end(args);
	if (got.fail_at == got.count)
		return fault_set(fault, -EDQUOT, "no more");
	return 0;
}

static int take_dir(struct submission *submission, const char *path, uint32_t mode,
		    struct fault *fault)
{
	(void)submission;
	return note(fault, "dir %s %o", path, mode);
}

static int take_file(struct submission *submission, const char *path, uint32_t mode,
		     uint64_t size, struct fault *fault)
{
	(void)submission;
	return note(fault, "file %s %o %lld", path, mode, (long long)size);
}

static int take_link(struct submission *submission, const char *path, const char *target,
		     struct fault *fault)
{
	(void)submission;
	return note(fault, "link %s %s", path, target);
}

static int take_bytes(struct submission *submission, const void *data, size_t len,
		      struct fault *fault)
{
	(void)submission;
	(void)data;
	got.bytes += len;
	if (len > got.largest)
		got.largest = len;
	if (grow_while_sent) {
		int fd = open(grow_while_sent, O_WRONLY | O_APPEND | O_CLOEXEC);

		ck_assert_int_eq(write(fd, "more", 4), 4);
		(void)close(fd);
		grow_while_sent = NULL;
	}
	return got.fail_at < 0 ? fault_set(fault, -EDQUOT, "no more") : 0;
}

static const struct backend_ops with_links = { .add_dir = take_dir,
					       .add_file = take_file,
					       .add_link = take_link,
					       .write = take_bytes };
static const struct backend_ops without_links = { .add_dir = take_dir,
						  .add_file = take_file,
						  .write = take_bytes };

static bool has_line(const char *line)
{
	for (int i = 0; i < got.count; i++) {
		if (strcmp(got.line[i], line) == 0)
			return true;
	}
	return false;
}

static void want_line(const char *line)
{
	if (has_line(line))
		return;
	for (int i = 0; i < got.count; i++)
		printf("# %s\n", got.line[i]);
	ck_abort_msg("no \"%s\"", line);
}

static int place_of(const char *line)
{
	for (int i = 0; i < got.count; i++) {
		if (strcmp(got.line[i], line) == 0)
			return i;
	}
	ck_abort_msg("no \"%s\"", line);
	return -1;
}

/* ---- a folder to work in ---- */

static char top_path[] = "/tmp/joblet-rnx-upload-XXXXXX";
static struct options opts;
static struct repeated flags[8];
static struct fault fault;
static struct upload_totals totals;

static void begin(void)
{
	memcpy(strrchr(top_path, '-') + 1, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(top_path));
	ck_assert_int_eq(chdir(top_path), 0);
	(void)umask(022);
	opts.repeated = flags;
}

static void end(void)
{
	char command[128];

	ck_assert_int_eq(chdir("/"), 0);
	(void)snprintf(command, sizeof(command), "rm -rf %s", top_path);
	ck_assert_int_eq(system(command), 0);
}

static void make(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

static void flag(enum flag which, const char *text)
{
	flags[opts.repeated_count++] = (struct repeated){ which, text };
}

static int send_with(const struct backend_ops *ops)
{
	struct submission submission = { ops };
	int r = upload_survey(&opts, &totals, &fault);

	return r < 0 ? r : upload_send(&opts, &submission, &totals, false, &fault);
}

static void send_all(void)
{
	if (send_with(&with_links) < 0)
		ck_abort_msg("%s", fault.text);
}

/* Refused before anything is sent. */
static void want_refused(int code, const char *says)
{
	ck_assert_int_eq(upload_survey(&opts, &totals, &fault), code);
	ck_assert_int_eq(fault.code, code);
	if (!strstr(fault.text, says))
		ck_abort_msg("%s", fault.text);
}

/* ---- --upload ---- */

static const struct {
	const char *flag, *line;
} files[] = {
	{ "a.txt", "file a.txt 644 5" },
	{ "./a.txt", "file a.txt 644 5" },
	{ "dir/b.txt", "file b.txt 644 5" },
	{ "run.sh", "file run.sh 755 5" },
	{ "a.txt:other", "file other 644 5" },
	{ "a.txt:x/y/other", "file x/y/other 644 5" },
	{ "a.txt:x/", "file x/a.txt 644 5" },
	{ "a.txt:/work/x/y", "file x/y 644 5" },
	{ "a.txt:/work/", "file a.txt 644 5" },
	{ "with:colon", "file with:colon 644 5" },
	{ "with:colon:plain", "file plain 644 5" },
	{ "link", "file link 644 5" },
	{ "with space", "file with space 644 5" },
	{ "new\nline", "file new\nline 644 5" },
	{ "\xff\xfe", "file \xff\xfe 644 5" },
	{ "empty", "file empty 644 0" },
};

static void make_files(void)
{
	ck_assert_int_eq(mkdir("dir", 0755), 0);
	make("a.txt", "hello");
	make("dir/b.txt", "hello");
	make("with:colon", "hello");
	make("with space", "hello");
	make("new\nline", "hello");
	make("\xff\xfe", "hello");
	make("empty", "");
	make("run.sh", "hello");
	ck_assert_int_eq(chmod("run.sh", 04755), 0);
	ck_assert_int_eq(symlink("a.txt", "link"), 0);
	ck_assert_int_eq(symlink("loop", "loop"), 0);
	ck_assert_int_eq(mkfifo("fifo", 0644), 0);
}

START_TEST(a_file_goes_where_it_is_told)
{
	make_files();
	flag(FLAG_UPLOAD, files[_i].flag);
	send_all();
	ck_assert_int_eq(got.count, 1);
	ck_assert_str_eq(got.line[0], files[_i].line);
	ck_assert_uint_eq(totals.files, 1);
	ck_assert_uint_eq(totals.bytes, got.bytes);
}
END_TEST

static const struct {
	const char *flag, *says;
} bad_files[] = {
	{ "missing",
	  "cannot open the file to upload missing: No such file or directory" },
	{ "missing:x", "cannot open the file to upload missing: No such file" },
	{ "", "must be a file, or FILE:PATH" },
	{ ":x", "must be FILE:PATH, with something on both sides" },
	{ "a.txt:", "must be FILE:PATH, with something on both sides" },
	{ "dir", "use --upload-dir for directories: dir" },
	{ "dir:x", "use --upload-dir for directories: dir:x" },
	{ ".", "use --upload-dir for directories: ." },
	{ "fifo", "--upload=fifo: is not a regular file" },
	{ "/dev/null", "--upload=/dev/null: is not a regular file" },
	{ "loop", "cannot open the file to upload loop: Too many levels" },
	{ "a.txt:/etc/x", "there must be a path below /work" },
	{ "a.txt:../x", "there must be a path below /work" },
	{ "a.txt:x/../../y", "there must be a path below /work" },
	{ "a.txt:x//y", "there must be a path below /work" },
	{ "a.txt:/work/../x", "there must be a path below /work" },
};

START_TEST(bad_files_are_refused_before_anything_is_sent)
{
	make_files();
	flag(FLAG_UPLOAD, "a.txt");
	flag(FLAG_UPLOAD, bad_files[_i].flag);
	want_refused(-EINVAL, bad_files[_i].says);
}
END_TEST

START_TEST(a_path_has_a_largest_size)
{
	static char text[5100];

	make_files();
	memcpy(text, "a.txt:", 6);
	memset(text + 6, 'x', 4000);
	flag(FLAG_UPLOAD, text);
	memset(text + 6, 'x', 5000);
	want_refused(-EINVAL, "must be a file, or FILE:PATH");
}
END_TEST

/* ---- --upload-dir ---- */

static void make_tree(void)
{
	ck_assert_int_eq(mkdir("tree", 0755), 0);
	ck_assert_int_eq(mkdir("tree/sub", 0750), 0);
	ck_assert_int_eq(mkdir("tree/sub/empty", 0700), 0);
	make("tree/one", "1");
	make("tree/sub/two", "22");
	ck_assert_int_eq(chmod("tree/one", 0755), 0);
	ck_assert_int_eq(symlink("../one", "tree/sub/up"), 0);
	ck_assert_int_eq(symlink("sub", "tree/down"), 0);
}

START_TEST(a_tree_goes_out_folders_first)
{
	make_tree();
	flag(FLAG_UPLOAD_DIR, "tree");
	send_all();
	want_line("dir sub 750");
	want_line("dir sub/empty 700");
	want_line("file one 755 1");
	want_line("file sub/two 644 2");
	want_line("link sub/up ../one");
	want_line("link down sub");
	/* So that "cd tree" works too. */
	want_line("link tree .");
	ck_assert_int_eq(got.count, 7);
	ck_assert_int_lt(place_of("dir sub 750"), place_of("dir sub/empty 700"));
	ck_assert_int_lt(place_of("dir sub 750"), place_of("file sub/two 644 2"));
	ck_assert_uint_eq(totals.files, 4);
	ck_assert_uint_eq(totals.bytes, 3);
}
END_TEST

START_TEST(without_links_their_files_are_sent)
{
	make_tree();
	ck_assert_int_eq(unlink("tree/down"), 0);
	flag(FLAG_UPLOAD_DIR, "tree");
	ck_assert_int_eq(send_with(&without_links), 0);
	want_line("file sub/up 755 1");
	ck_assert(!has_line("link tree ."));
	ck_assert_int_eq(symlink("sub", "tree/down"), 0);
	ck_assert_int_lt(send_with(&without_links), 0);
	ck_assert_ptr_nonnull(
		strstr(fault.text, "takes no links, and it does not lead to"));
}
END_TEST

static const struct {
	const char *flag;
	bool alias;
} own_names[] = {
	{ "tree", true },	   { "./tree", true }, { "tree/", true },
	{ "tree/sub/../", false }, { "../", false },   { "tree/.", false },
	{ "tree/sub", true },
};

START_TEST(a_folder_has_its_own_name_inside)
{
	make_tree();
	ck_assert_int_eq(unlink("tree/sub/up"), 0);
	flag(FLAG_UPLOAD_DIR, own_names[_i].flag);
	if (strcmp(own_names[_i].flag, "../") == 0)
		ck_assert_int_eq(chdir("tree/sub"), 0);
	send_all();
	ck_assert_int_eq(has_line("link tree .") || has_line("link sub ."),
			 own_names[_i].alias);
}
END_TEST

START_TEST(the_own_name_gives_way)
{
	char absolute[100];

	make_tree();
	ck_assert_int_eq(mkdir("other", 0755), 0);
	ck_assert_int_eq(mkdir("other/tree", 0755), 0);
	flag(FLAG_UPLOAD_DIR, "tree");
	if (_i == 0) { /* to another folder's entry */
		flag(FLAG_UPLOAD_DIR, "other");
	} else if (_i == 1) { /* to a file */
		flag(FLAG_UPLOAD, "tree/one:tree");
	} else if (_i == 2) { /* to the folder of a file */
		flag(FLAG_UPLOAD, "tree/one:tree/x");
	} else if (_i == 3) { /* to its own entry */
		make("tree/tree", "");
	} else { /* of an absolute path nobody thinks of the name */
		(void)snprintf(absolute, sizeof(absolute), "%s/tree", top_path);
		flags[0].text = absolute;
	}
	send_all();
	ck_assert(!has_line("link tree ."));
	ck_assert_int_eq(has_line("link other ."), _i == 0);
}
END_TEST

START_TEST(two_folders_of_one_name_get_it_once)
{
	make_tree();
	ck_assert_int_eq(mkdir("a", 0755), 0);
	ck_assert_int_eq(mkdir("a/tree", 0755), 0);
	flag(FLAG_UPLOAD_DIR, "tree");
	flag(FLAG_UPLOAD_DIR, "a/tree");
	send_all();
	ck_assert_int_eq(place_of("link tree ."), got.count - 1);
}
END_TEST

static const struct {
	const char *target;
	const char *says; /* NULL: taken */
} links[] = {
	{ "one", NULL },
	{ "sub", NULL },
	{ "sub/../one", NULL },
	{ "missing", NULL },
	{ "sub/link", NULL }, /* itself */
	{ "../tree/one", "the link to ../tree/one leads out of it" },
	{ "..", "leads out of it" },
	{ "../..", "leads out of it" },
	{ "sub/../../x", "leads out of it" },
	{ "/etc/passwd", "the link to /etc/passwd is absolute" },
	{ "/proc/self/cwd", "is absolute" },
	{ "new\nline/../../x", NULL },
};

START_TEST(links_stay_inside)
{
	make_tree();
	ck_assert_int_eq(symlink(links[_i].target, "tree/link"), 0);
	if (strcmp(links[_i].target, "sub/link") == 0)
		ck_assert_int_eq(symlink("../link", "tree/sub/link"), 0);
	flag(FLAG_UPLOAD_DIR, "tree");
	if (links[_i].says) {
		want_refused(-EINVAL, links[_i].says);
		ck_assert_ptr_nonnull(strstr(fault.text, "--upload-dir=tree: link: "));
	} else {
		char line[100];

		(void)snprintf(line, sizeof(line), "link link %s", links[_i].target);
		send_all();
		want_line(line);
	}
}
END_TEST

START_TEST(other_things_are_refused)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "tree/sub/odd" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	make_tree();
	if (_i == 0)
		ck_assert_int_eq(mkfifo("tree/sub/odd", 0644), 0);
	else
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	(void)close(fd);
	flag(FLAG_UPLOAD_DIR, "tree");
	want_refused(-EINVAL,
		     "--upload-dir=tree: sub/odd: is neither a file nor a folder");
}
END_TEST

static const struct {
	const char *flag, *says;
} bad_dirs[] = {
	{ "missing", "cannot open the folder to upload missing: No such file" },
	{ "tree/one", "use --upload for files: tree/one" },
	{ "", "cannot open the folder to upload" },
};

START_TEST(bad_folders_are_refused)
{
	make_tree();
	flag(FLAG_UPLOAD_DIR, bad_dirs[_i].flag);
	want_refused(-EINVAL, bad_dirs[_i].says);
}
END_TEST

START_TEST(a_tree_has_a_largest_depth)
{
	make_tree();
	ck_assert_int_eq(chdir("tree"), 0);
	for (int i = 0; i < UPLOAD_DEPTH_MAX; i++) {
		ck_assert_int_eq(mkdir("d", 0755), 0);
		ck_assert_int_eq(chdir("d"), 0);
	}
	ck_assert_int_eq(chdir(top_path), 0);
	flag(FLAG_UPLOAD_DIR, "tree");
	want_refused(-EINVAL, "the folders in it get too deep");
}
END_TEST

START_TEST(a_tree_has_a_longest_path)
{
	char name[256];

	make_tree();
	memset(name, 'n', 255);
	name[255] = '\0';
	ck_assert_int_eq(chdir("tree"), 0);
	for (int i = 0; i < 16; i++) {
		ck_assert_int_eq(mkdir(name, 0755), 0);
		ck_assert_int_eq(chdir(name), 0);
	}
	make("x", "");
	ck_assert_int_eq(chdir(top_path), 0);
	flag(FLAG_UPLOAD_DIR, "tree");
	want_refused(-EINVAL, "the paths in it get too long");
}
END_TEST

/* ---- reading ---- */

START_TEST(a_large_file_goes_in_pieces)
{
	make("large", "");
	ck_assert_int_eq(truncate("large", 10000000), 0);
	flag(FLAG_UPLOAD, "large");
	send_all();
	ck_assert_uint_eq(got.bytes, 10000000);
	ck_assert_uint_le(got.largest, 131072);
	ck_assert_str_eq(got.line[0], "file large 644 10000000");
}
END_TEST

START_TEST(a_file_that_changes_is_an_error)
{
	make("file", "hello");
	ck_assert_int_eq(truncate("file", _i ? 500000 : 5), 0);
	grow_while_sent = (void *)(uintptr_t) "file";
	flag(FLAG_UPLOAD, "file");
	ck_assert_int_eq(send_with(&with_links), -EIO);
	ck_assert_str_eq(fault.text,
			 "--upload=file: changed while it was being uploaded");
}
END_TEST

START_TEST(files_of_the_kernel_have_no_size_before)
{
	flag(FLAG_UPLOAD, "/proc/self/status");
	send_all();
	ck_assert_str_eq(got.line[0], "file status 444 -1");
	ck_assert_uint_gt(got.bytes, 100);
}
END_TEST

START_TEST(what_the_receiver_says_ends_it)
{
	make_tree();
	flag(FLAG_UPLOAD_DIR, "tree");
	/* The n-th call, or with 0 the first bytes. */
	got.fail_at = _i ? _i : -1;
	ck_assert_int_eq(send_with(&with_links), -EDQUOT);
	ck_assert_str_eq(fault.text, "no more");
	if (_i > 0)
		ck_assert_int_eq(got.count, _i);
}
END_TEST

START_TEST(nothing_is_left_open)
{
	int before, after;

	make_tree();
	make_files();
	before = dup(0);
	(void)close(before);
	flag(FLAG_UPLOAD, "a.txt");
	flag(FLAG_UPLOAD_DIR, "tree");
	send_all();
	flag(FLAG_UPLOAD_DIR, "missing");
	(void)upload_survey(&opts, &totals, &fault);
	flags[2].text = ".";
	(void)upload_survey(&opts, &totals, &fault); /* a fifo */
	after = dup(0);
	(void)close(after);
	ck_assert_int_eq(before, after);
}
END_TEST

/* ---- the bar ---- */

static const struct {
	unsigned int width;
	uint64_t done, total, usec;
	const char *text;
} bars[] = {
	{ 60, 0, 10485760, 0,
	  "[>                            ]   0%  0.0/10.0 MB  0.0 MB/s" },
	{ 60, 5242880, 10485760, 1000000,
	  "[==============>              ]  50%  5.0/10.0 MB  5.0 MB/s" },
	{ 60, 10485760, 10485760, 2000000,
	  "[============================] 100%  10.0/10.0 MB  5.0 MB/s" },
	/* More than there was to be, and nothing at all. */
	{ 60, 20971520, 10485760, 2000000,
	  "[===========================] 100%  20.0/10.0 MB  10.0 MB/s" },
	{ 60, 0, 0, 0, "[==============================] 100%  0.0/0.0 MB  0.0 MB/s" },
	{ 40, 5242880, 10485760, 1000000, " 50%  5.0/10.0 MB  5.0 MB/s" },
	{ 10, 5242880, 10485760, 1000000, " 50%  5.0" },
	{ 0, 5242880, 10485760, 1000000, "" },
};

START_TEST(a_bar_fits_its_line)
{
	char buf[256];

	ck_assert_str_eq(upload_bar_text(buf, bars[_i].width, bars[_i].done,
					 bars[_i].total, bars[_i].usec),
			 bars[_i].text);
	if (bars[_i].width > 0)
		ck_assert_uint_lt(strlen(buf), bars[_i].width);
	(void)upload_bar_text(buf, 100000, bars[_i].done, bars[_i].total, bars[_i].usec);
	(void)upload_bar_text(buf, 200, UINT64_MAX, UINT64_MAX, 1);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("rnx_upload");
	TCase *file = tcase_create("files"), *dir = tcase_create("folders"),
	      *reading = tcase_create("reading"), *bar = tcase_create("bar");

	tcase_add_checked_fixture(file, begin, end);
	tcase_add_loop_test(file, a_file_goes_where_it_is_told, 0, COUNT(files));
	tcase_add_loop_test(file, bad_files_are_refused_before_anything_is_sent, 0,
			    COUNT(bad_files));
	tcase_add_test(file, a_path_has_a_largest_size);
	tcase_add_checked_fixture(dir, begin, end);
	tcase_add_test(dir, a_tree_goes_out_folders_first);
	tcase_add_test(dir, without_links_their_files_are_sent);
	tcase_add_loop_test(dir, a_folder_has_its_own_name_inside, 0, COUNT(own_names));
	tcase_add_loop_test(dir, the_own_name_gives_way, 0, 5);
	tcase_add_test(dir, two_folders_of_one_name_get_it_once);
	tcase_add_loop_test(dir, links_stay_inside, 0, COUNT(links));
	tcase_add_loop_test(dir, other_things_are_refused, 0, 2);
	tcase_add_loop_test(dir, bad_folders_are_refused, 0, COUNT(bad_dirs));
	tcase_add_test(dir, a_tree_has_a_largest_depth);
	tcase_add_test(dir, a_tree_has_a_longest_path);
	tcase_add_checked_fixture(reading, begin, end);
	tcase_add_test(reading, a_large_file_goes_in_pieces);
	tcase_add_loop_test(reading, a_file_that_changes_is_an_error, 0, 2);
	tcase_add_test(reading, files_of_the_kernel_have_no_size_before);
	tcase_add_loop_test(reading, what_the_receiver_says_ends_it, 0, 8);
	tcase_add_test(reading, nothing_is_left_open);
	tcase_add_loop_test(bar, a_bar_fits_its_line, 0, COUNT(bars));
	suite_add_tcase(suite, file);
	suite_add_tcase(suite, dir);
	suite_add_tcase(suite, reading);
	suite_add_tcase(suite, bar);
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
