/* SPDX-License-Identifier: MIT */
/* The reader against folders written by hand, as the supervisor would write them. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "logs/logs.h"
#include "logs/watcher.h"
#include "plan/plan.h"

static char base[64];
static int folder, file, index_fd;
static uint64_t size, entries, clock_usec;
static jl_log *reader;

static void set_up(void)
{
	(void)snprintf(base, sizeof(base), "/tmp/test-logs-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	folder = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(folder, 0);
	file = index_fd = -1;
	size = entries = 0;
	clock_usec = 1764065307000000; /* 2025-11-25 10:08:27 UTC */
	reader = NULL;
}

static void tear_down(void)
{
	static const char *const names[] = { "log", "log.index", "result", "ended" };

	jl_log_close(reader);
	for (size_t i = 0; i < 4; i++)
		(void)unlinkat(folder, names[i], 0);
	(void)rmdir(base);
	(void)close(folder);
	if (file >= 0)
		(void)close(file);
	if (index_fd >= 0)
		(void)close(index_fd);
}

static void make_files(void)
{
	const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;

	if (file >= 0)
		return;
	file = openat(folder, "log", flags, 0600);
	index_fd = openat(folder, "log.index", flags, 0600);
	ck_assert(file >= 0 && index_fd >= 0);
}

static void put_log(const void *data, size_t len)
{
	make_files();
	ck_assert_int_eq(write(file, data, len), (ssize_t)len);
	size += len;
}

/* Bytes of a stream, 1 ms after the last ones. */
static void put_bytes(uint32_t stream, const void *data, size_t len)
{
	struct jl__log_entry entry = { size, (uint32_t)len, stream, clock_usec += 1000 };

	put_log(data, len);
	ck_assert_int_eq(write(index_fd, &entry, sizeof(entry)), sizeof(entry));
	entries++;
}

static void put(uint32_t stream, const char *text)
{
	put_bytes(stream, text, strlen(text));
}

static void end_job(const char *how)
{
	int fd = openat(folder, how, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	(void)close(fd);
}

static void open_reader(uint32_t flags)
{
	jl_error *err = NULL;

	jl_log_close(reader);
	ck_assert_msg(jl__log_open(folder, flags, &reader, &err) == 0, "%s",
		      jl_error_message(err));
}

static bool is_ready(void)
{
	struct pollfd fd = { jl_log_get_fd(reader), POLLIN, 0 };

	return poll(&fd, 1, 0) == 1;
}

/* Reads in pieces of this size until the end, or until there is nothing yet. */
static char *read_pieces(size_t piece, int64_t *ret_last)
{
	static char text[1 << 20];
	char block[65536];
	size_t len = 0;
	int64_t got;

	for (;;) {
		got = jl_log_read(reader, block, piece, NULL);
		if (got <= 0)
			break;
		ck_assert_uint_lt(len + (size_t)got, sizeof(text));
		memcpy(text + len, block, (size_t)got);
		len += (size_t)got;
	}
	text[len] = '\0';
	if (ret_last)
		*ret_last = got;
	else
		ck_assert_int_eq(got, 0);
	return text;
}

static void ck_reads(const char *want)
{
	ck_assert_str_eq(read_pieces(64, NULL), want);
}

static void ck_waits(const char *want)
{
	int64_t last;

	ck_assert_str_eq(read_pieces(4096, &last), want);
	ck_assert_int_eq(last, -EAGAIN);
	ck_assert(!is_ready());
}

START_TEST(streams_are_told_apart)
{
	put(1, "one\n");
	put(2, "two\n");
	put(2, "three\n");
	put(1, "four");
	end_job("result");
	open_reader(0);
	ck_reads("one\ntwo\nthree\nfour");
	open_reader(JL_LOG_STDOUT | JL_LOG_STDERR);
	ck_reads("one\ntwo\nthree\nfour");
	open_reader(JL_LOG_STDOUT);
	ck_reads("one\nfour");
	open_reader(JL_LOG_STDERR);
	ck_reads("two\nthree\n");
	jl_log_close(jl__steal(reader));
	ck_assert_int_eq(jl__log_open(folder, 1u << 20, &reader, NULL), -EINVAL);
}
END_TEST

START_TEST(pieces_have_a_stream_and_a_time)
{
	static const struct {
		const char *text;
		int stream;
	} want[] = { { "one\n", 1 }, { "two\n", 2 }, { "three\n", 2 },
		     { "[full]\n", 0 }, { "rest", 0 } };
	uint64_t begin = clock_usec;
	char block[64];

	put(1, "one\n");
	put(2, "two\n");
	put(2, "three\n");
	put(0, "[full]\n");
	put_log("rest", 4);
	end_job("result");
	open_reader(JL_LOG_PIECES);
	for (size_t i = 0; i < 5; i++) {
		int64_t got = jl_log_read(reader, block, sizeof(block), NULL);

		ck_assert_int_eq(got, (int64_t)strlen(want[i].text));
		ck_assert_mem_eq(block, want[i].text, (size_t)got);
		ck_assert_int_eq(jl_log_get_stream(reader), want[i].stream);
		/* What nobody noted has the time of what came before. */
		ck_assert_uint_eq(jl_log_get_time(reader),
				  begin + 1000 * (i < 4 ? i + 1 : 4));
	}
	ck_reads("");
	open_reader(JL_LOG_PIECES | JL_LOG_STDERR);
	ck_assert_int_eq(jl_log_read(reader, block, sizeof(block), NULL), 4);
	ck_assert_uint_eq(jl_log_get_time(reader), begin + 2000);
	/* Cut where there is no more room, not only at the end of a piece. */
	tear_down();
	set_up();
	begin = clock_usec;
	put(1, "123456789 123456789 123456789 123456789 123456789 123456789 12345678");
	end_job("result");
	open_reader(JL_LOG_PIECES | JL_LOG_FOLLOW);
	ck_assert_int_eq(jl_log_read(reader, block, sizeof(block), NULL), 64);
	ck_assert_uint_eq(jl_log_get_time(reader), begin + 1000);
	ck_assert_int_eq(jl_log_read(reader, block, sizeof(block), NULL), 4);
	ck_assert_uint_eq(jl_log_get_time(reader), begin + 1000);
	/* Who did not ask for them gets none. */
	open_reader(0);
	ck_assert_int_eq(jl_log_read(reader, block, sizeof(block), NULL), 64);
	ck_assert_uint_eq(jl_log_get_time(reader), 0);
	ck_assert_int_eq(jl_log_get_stream(reader), 0);
}
END_TEST

START_TEST(a_mark_is_for_everybody)
{
	put(1, "out\n");
	put(0, "[full]\n");
	end_job("result");
	open_reader(JL_LOG_STDERR);
	ck_reads("[full]\n");
}
END_TEST

START_TEST(what_a_killed_supervisor_left_is_shown)
{
	put(1, "out\n");
	put(2, "err\n");
	put_log("nobody's\n", 9);
	/* Half an entry. */
	ck_assert_int_eq(write(index_fd, "abcdefghijk", 11), 11);
	open_reader(JL_LOG_STDOUT | JL_LOG_FOLLOW);
	ck_waits("out\n");
	end_job("ended");
	ck_assert(is_ready());
	ck_reads("nobody's\n");
	open_reader(JL_LOG_STDERR);
	ck_reads("err\nnobody's\n");
	open_reader(JL_LOG_STDERR);
	ck_assert_int_eq(jl_log_seek_tail(reader, 1, NULL), 0);
	ck_reads("nobody's\n");
}
END_TEST

START_TEST(an_index_of_garbage_ends_where_it_begins)
{
	char zeros[48] = { 0 };

	put(1, "out\n");
	put_log("rest\n", 5);
	ck_assert_int_eq(write(index_fd, zeros, sizeof(zeros)), sizeof(zeros));
	end_job("result");
	open_reader(JL_LOG_STDERR);
	ck_reads("rest\n");
	open_reader(JL_LOG_STDOUT);
	ck_assert_int_eq(jl_log_seek_tail(reader, 2, NULL), 0);
	ck_reads("out\nrest\n");
}
END_TEST

START_TEST(followers_wait_for_files_and_for_the_end)
{
	for (uint32_t flags = 0; flags <= JL_LOG_STDERR; flags += JL_LOG_STDERR) {
		open_reader(JL_LOG_FOLLOW | flags);
		ck_assert(is_ready());
		ck_waits("");
		put(2, "late\n");
		ck_assert(is_ready());
		ck_waits("late\n");
		put(2, "later\n");
		ck_assert(is_ready());
		ck_waits("later\n");
		put(2, "last");
		end_job("result");
		ck_assert(is_ready());
		ck_reads("last");
		ck_assert(is_ready());
		jl_log_close(reader);
		reader = NULL;
		tear_down();
		set_up();
	}
	open_reader(0);
	ck_reads("");
}
END_TEST

/* How many inotify instances this process has. */
static unsigned int count_instances(void)
{
	char name[32], target[64];
	unsigned int count = 0;

	for (int fd = 0; fd < 64; fd++) {
		ssize_t len;

		(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		len = readlink(name, target, sizeof(target) - 1);
		target[len > 0 ? len : 0] = '\0';
		count += strcmp(target, "anon_inode:inotify") == 0;
	}
	return count;
}

START_TEST(followers_use_what_others_have_left)
{
	char other[] = "/tmp/test-logs-XXXXXX";
	int first = folder, second;

	jl__watchers_keep();
	ck_assert_ptr_nonnull(mkdtemp(other));
	second = open(other, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 3; i++) {
		make_files();
		open_reader(JL_LOG_FOLLOW);
		ck_waits("");
		/* News that nobody has read, and then a reader of another folder. */
		end_job("result");
		ck_assert(is_ready());
		jl_log_close(reader);
		reader = NULL;
		ck_assert_uint_eq(count_instances(), 1);
		folder = second;
		open_reader(JL_LOG_FOLLOW);
		ck_assert_uint_eq(count_instances(), 1);
		ck_waits("");
		ck_assert(!is_ready());
		folder = first;
		end_job("ended");
		ck_assert(!is_ready());
		ck_assert_int_eq(unlinkat(first, "result", 0), 0);
		ck_assert_int_eq(unlinkat(first, "ended", 0), 0);
		ck_assert(!is_ready());
		folder = second;
		end_job("result");
		ck_assert(is_ready());
		ck_assert_int_eq(unlinkat(second, "result", 0), 0);
		folder = first;
	}
	jl_log_close(reader);
	reader = NULL;
	jl__watchers_close();
	ck_assert_uint_eq(count_instances(), 0);
	(void)close(second);
	(void)rmdir(other);
}
END_TEST

/* Of a user namespace of our own. */
static bool limit_watches(const char *most)
{
	_cleanup_close_ int fd = open("/proc/sys/user/max_inotify_watches", O_WRONLY);

	return fd >= 0 && write(fd, most, strlen(most)) == (ssize_t)strlen(most);
}

static unsigned int count_watches(int fd)
{
	char path[40], line[256];
	unsigned int count = 0;
	FILE *info;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "r");
	ck_assert_ptr_nonnull(info);
	while (fgets(line, sizeof(line), info))
		count += strncmp(line, "inotify wd:", 11) == 0;
	(void)fclose(info);
	return count;
}

/* What is given back has no watch, also when one could not be had in between. */
START_TEST(followers_leave_nothing_when_watches_run_out)
{
	char data[4096];
	int fd;

	if (unshare(CLONE_NEWUSER) < 0 || !limit_watches("64"))
		return;
	jl__watchers_keep();
	ck_assert_int_eq(jl__log_open_run(folder, 0, JL_LOG_FOLLOW, &reader, NULL), 0);
	ck_waits("");
	ck_assert_int_eq(mkdirat(folder, "1", 0700), 0);
	ck_assert(limit_watches("1"));
	ck_assert_int_eq(jl_log_read(reader, data, sizeof(data), NULL), -ENOSPC);
	ck_assert(limit_watches("64"));
	ck_waits("");
	jl_log_close(reader);
	reader = NULL;
	fd = jl__watcher_take();
	ck_assert_uint_eq(count_watches(fd), 0);
	(void)close(fd);
	(void)unlinkat(folder, "1", AT_REMOVEDIR);
}
END_TEST

START_TEST(a_child_has_instances_of_its_own)
{
	int status, fd = jl__watcher_take();
	pid_t pid;

	ck_assert_int_ge(fd, 0);
	jl__watchers_keep();
	ck_assert_int_eq(jl__watcher_give(fd), -EBADF);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		/* That of the parent is closed here, and a new one is made. */
		int own = jl__watcher_take();
		bool good = own >= 0 && count_instances() == 1 &&
			    inotify_add_watch(own, base, IN_CREATE) >= 0;

		end_job("result");
		_exit(good ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	/* It would have told of the child's watch. */
	ck_assert_int_eq(jl__watcher_take(), fd);
	ck_assert_int_eq(read(fd, &status, sizeof(status)), -1);
	ck_assert_int_eq(errno, EAGAIN);
	(void)close(fd);
}
END_TEST

START_TEST(an_entry_that_grows_is_followed)
{
	struct jl__log_entry entry;

	put(1, "a");
	put(2, "b");
	open_reader(JL_LOG_FOLLOW | JL_LOG_STDERR);
	ck_waits("b");
	/* As the supervisor does: in its place, and then another behind it. */
	put_log("cd", 2);
	entry = (struct jl__log_entry){ 1, 3, 2, clock_usec };
	(void)close(index_fd);
	index_fd = openat(folder, "log.index", O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(pwrite(index_fd, &entry, sizeof(entry), sizeof(entry)),
			 sizeof(entry));
	ck_assert(is_ready());
	ck_waits("cd");
	put_log("ef", 2);
	entry.size = 5;
	ck_assert_int_eq(pwrite(index_fd, &entry, sizeof(entry), sizeof(entry)),
			 sizeof(entry));
	put_log("out", 3);
	entry = (struct jl__log_entry){ 6, 3, 1, clock_usec };
	ck_assert_int_eq(pwrite(index_fd, &entry, sizeof(entry), 2 * sizeof(entry)),
			 sizeof(entry));
	ck_waits("ef");
	end_job("result");
	ck_reads("");
}
END_TEST

START_TEST(a_deleted_log_is_read_to_its_end)
{
	put(1, "one\n");
	open_reader(JL_LOG_FOLLOW);
	ck_waits("one\n");
	put(1, "two\n");
	ck_assert_int_eq(unlinkat(folder, "log", 0), 0);
	ck_assert_int_eq(unlinkat(folder, "log.index", 0), 0);
	ck_assert_int_eq(rmdir(base), 0);
	ck_assert(is_ready());
	ck_reads("two\n");
	open_reader(JL_LOG_FOLLOW);
	ck_reads("");
}
END_TEST

static const struct {
	const char *log;
	uint64_t lines;
	const char *tail;
} tails[] = {
	{ "a\nb\nc\n", 0, "" },
	{ "a\nb\nc\n", 1, "c\n" },
	{ "a\nb\nc\n", 2, "b\nc\n" },
	{ "a\nb\nc\n", 3, "a\nb\nc\n" },
	{ "a\nb\nc\n", 99, "a\nb\nc\n" },
	{ "a\nb\nc", 1, "c" },
	{ "a\nb\nc", 2, "b\nc" },
	{ "\n\n\n", 1, "\n" },
	{ "\n\n\n", 2, "\n\n" },
	{ "no end", 1, "no end" },
	{ "", 5, "" },
	{ "a\n\n", 1, "\n" },
};

START_TEST(tails_are_lines_from_the_end)
{
	if (*tails[_i].log)
		put(1, tails[_i].log);
	end_job("result");
	open_reader(0);
	ck_assert_int_eq(jl_log_seek_tail(reader, tails[_i].lines, NULL), 0);
	ck_reads(tails[_i].tail);
	/* The same through the index, with the other stream in between. */
	tear_down();
	set_up();
	for (const char *p = tails[_i].log; *p; p++) {
		put_bytes(2, p, 1);
		put(1, "out\n\nout");
	}
	end_job("result");
	open_reader(JL_LOG_STDERR);
	ck_assert_int_eq(jl_log_seek_tail(reader, tails[_i].lines, NULL), 0);
	ck_reads(tails[_i].tail);
}
END_TEST

START_TEST(tails_cross_blocks)
{
	static char line[5000];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 50; i++)
		put_bytes(1 + i % 2, line, sizeof(line));
	end_job("result");
	for (uint64_t n = 1; n < 25; n++) {
		open_reader(0);
		ck_assert_int_eq(jl_log_seek_tail(reader, n, NULL), 0);
		ck_assert_uint_eq(strlen(read_pieces(4096, NULL)), n * sizeof(line));
		open_reader(JL_LOG_STDOUT);
		ck_assert_int_eq(jl_log_seek_tail(reader, n, NULL), 0);
		ck_assert_uint_eq(strlen(read_pieces(4096, NULL)), n * sizeof(line));
	}
}
END_TEST

START_TEST(since_is_the_first_entry_of_that_time)
{
	uint64_t begin = clock_usec;

	for (int i = 0; i < 100; i++)
		put_bytes(1, &"0123456789"[i % 10], 1);
	end_job("result");
	open_reader(0);
	ck_assert_int_eq(jl_log_seek_time(reader, begin + 96 * 1000, NULL), 0);
	ck_assert_uint_eq(jl_log_get_offset(reader), 95);
	ck_reads("56789");
	ck_assert_int_eq(jl_log_seek_time(reader, begin + 95500, NULL), 0);
	ck_reads("56789");
	ck_assert_int_eq(jl_log_seek_time(reader, 0, NULL), 0);
	ck_assert_uint_eq(jl_log_get_offset(reader), 0);
	ck_assert_int_eq(jl_log_seek_time(reader, begin + 1000000, NULL), 0);
	ck_reads("");
	tear_down();
	set_up();
	open_reader(JL_LOG_FOLLOW);
	ck_assert_int_eq(jl_log_seek_time(reader, begin, NULL), 0);
	ck_waits("");
}
END_TEST

START_TEST(times_stand_before_lines)
{
	put(1, "a\nb");
	put(1, "c\n");
	put(2, "err\n");
	put(1, "d");
	put(2, "e\n");
	put(1, "d\n\n");
	end_job("result");
	open_reader(JL_LOG_TIMESTAMPS);
	ck_assert_str_eq(read_pieces(64, NULL), "2025-11-25T10:08:27.001000Z a\n"
						"2025-11-25T10:08:27.001000Z bc\n"
						"2025-11-25T10:08:27.003000Z err\n"
						"2025-11-25T10:08:27.004000Z d"
						"2025-11-25T10:08:27.005000Z e\n"
						"d\n"
						"2025-11-25T10:08:27.006000Z \n");
	open_reader(JL_LOG_TIMESTAMPS | JL_LOG_STDERR);
	ck_reads("2025-11-25T10:08:27.003000Z err\n2025-11-25T10:08:27.005000Z e\n");
	/* Within a line there is none. */
	open_reader(JL_LOG_TIMESTAMPS | JL_LOG_STDOUT);
	jl_log_seek(reader, 3);
	ck_reads("c\n2025-11-25T10:08:27.004000Z dd\n2025-11-25T10:08:27.006000Z \n");
	open_reader(JL_LOG_TIMESTAMPS);
	ck_assert_int_eq(jl_log_seek_tail(reader, 1, NULL), 0);
	ck_reads("2025-11-25T10:08:27.006000Z \n");
}
END_TEST

START_TEST(positions_continue_where_reading_stopped)
{
	unsigned char data[4096], got[8192];
	uint64_t at = 0;
	size_t len = 0;
	int64_t n;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7 + i / 256);
	put_bytes(1, data, 2048);
	put_bytes(2, "zzz", 3);
	put_bytes(1, data + 2048, 2048);
	end_job("result");
	do {
		open_reader(JL_LOG_STDOUT);
		jl_log_seek(reader, at);
		n = jl_log_read(reader, got + len, 100, NULL);
		ck_assert_int_ge(n, 0);
		len += (size_t)n;
		at = jl_log_get_offset(reader);
	} while (n);
	ck_assert_uint_eq(len, sizeof(data));
	ck_assert_int_eq(memcmp(got, data, sizeof(data)), 0);
	ck_assert_int_eq(jl_log_read(reader, got, 63, NULL), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("logs");
	TCase *tcase = tcase_create("reader");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, streams_are_told_apart);
	tcase_add_test(tcase, pieces_have_a_stream_and_a_time);
	tcase_add_test(tcase, a_mark_is_for_everybody);
	tcase_add_test(tcase, what_a_killed_supervisor_left_is_shown);
	tcase_add_test(tcase, an_index_of_garbage_ends_where_it_begins);
	tcase_add_test(tcase, followers_wait_for_files_and_for_the_end);
	tcase_add_test(tcase, followers_use_what_others_have_left);
	tcase_add_test(tcase, followers_leave_nothing_when_watches_run_out);
	tcase_add_test(tcase, a_child_has_instances_of_its_own);
	tcase_add_test(tcase, an_entry_that_grows_is_followed);
	tcase_add_test(tcase, a_deleted_log_is_read_to_its_end);
	tcase_add_loop_test(tcase, tails_are_lines_from_the_end, 0,
			    (int)(sizeof(tails) / sizeof(tails[0])));
	tcase_add_test(tcase, tails_cross_blocks);
	tcase_add_test(tcase, since_is_the_first_entry_of_that_time);
	tcase_add_test(tcase, times_stand_before_lines);
	tcase_add_test(tcase, positions_continue_where_reading_stopped);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
