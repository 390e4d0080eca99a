/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <joblet/node.h>

#include "backend.h"
#include "json.h"
#include "outlet.h"
#include "output.h"
#include "show.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const struct {
	uint64_t usec;
	const char *shown;
} spans[] = {
	{ 0, "0.0s" },		 { 1249999, "1.2s" },
	{ 59999999, "59.9s" },	 { 60000000, "1.0m" },
	{ 204000000, "3.4m" },	 { 3599999999, "59.9m" },
	{ 3600000000, "1h0m" },	 { 7500000000, "2h5m" },
	{ 86400000000, "1d0h" }, { 273600000000, "3d4h" },
};

START_TEST(spans_are_short)
{
	char buf[64];

	ck_assert_str_eq(show_span(buf, spans[_i].usec), spans[_i].shown);
}
END_TEST

START_TEST(times_are_shown_in_their_zone)
{
	char buf[64];

	ck_assert_int_eq(setenv("TZ", "TST+7", 1), 0);
	tzset();
	ck_assert_str_eq(show_rfc3339(buf, 1752894168999999), "2025-07-19T03:02:48Z");
	ck_assert_str_eq(show_local(buf, 1752894168999999), "2025-07-18 20:02:48");
	ck_assert_str_eq(show_local_zone(buf, 1752894168999999),
			 "2025-07-18 20:02:48 TST");
	ck_assert_str_eq(show_rfc3339(buf, UNKNOWN), "-");
}
END_TEST

/* What a function prints on stdout. */
static char captured[8192];

static void capture(void (*print)(const void *), const void *data)
{
	int saved = dup(STDOUT_FILENO), fds[2];
	ssize_t n;

	ck_assert_int_eq(pipe(fds), 0);
	(void)fflush(stdout);
	ck_assert_int_ge(dup2(fds[1], STDOUT_FILENO), 0);
	print(data);
	(void)fflush(stdout);
	ck_assert_int_ge(dup2(saved, STDOUT_FILENO), 0);
	(void)close(fds[1]);
	n = read(fds[0], captured, sizeof(captured) - 1);
	captured[n < 0 ? 0 : n] = 0;
	(void)close(fds[0]);
	(void)close(saved);
}

static void print_one_text(const void *data)
{
	print_text(data);
}

static void print_cut_command(const void *data)
{
	print_command(data, 20);
}

static const struct {
	const char *text;
	const char *shown;
} texts[] = {
	{ "", "" },
	{ "plain text", "plain text" },
	{ "\x1b[31mred", "\\x1b[31mred" },
	{ "a\nb\tc\r", "a\\x0ab\\x09c\\x0d" },
	{ "\x7f", "\\x7f" },
	{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
	{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
	{ "\xc3", "\\xc3" },
	{ "\xc0\xaf", "\\xc0\\xaf" },
	{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },
	{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
	{ "\xc2\x9b"
	  "31m",
	  "\\xc2\\x9b31m" },
	{ "\xe2\x80\xaeopposite", "\\xe2\\x80\\xaeopposite" },
	{ "\xe2\x81\xa6\xe2\x80\x8f\xd8\x9c",
	  "\\xe2\\x81\\xa6\\xe2\\x80\\x8f\\xd8\\x9c" },
};

START_TEST(texts_cannot_steer_a_terminal)
{
	capture(print_one_text, texts[_i].text);
	ck_assert_str_eq(captured, texts[_i].shown);
}
END_TEST

START_TEST(long_texts_are_shown_in_full)
{
	static char text[1001];

	memset(text, 'x', sizeof(text) - 1);
	capture(print_one_text, text);
	ck_assert_str_eq(captured, text);
	memset(text, '\x01', sizeof(text) - 1);
	capture(print_one_text, text);
	ck_assert_uint_eq(strlen(captured), 4000);
}
END_TEST

static const struct {
	const char *words[4];
	const char *shown;
} commands[] = {
	{ { "true" }, "true" },
	{ { "echo", "a", "b" }, "echo a b" },
	{ { "echo", "123456789012345" }, "echo 123456789012345" },
	{ { "echo", "1234567890123456" }, "echo 123456789012345..." },
	{ { "echo", "123456789012345", "x" }, "echo 123456789012345..." },
	{ { "sh", "-c", "one\ntwo" }, "sh -c one..." },
	{ { "sh", "-c", "one\n" }, "sh -c one..." },
	{ { "echo", "12345678901234\xc3\xbc" }, "echo 12345678901234\xc3\xbc" },
	{ { "echo", "123456789012\x1b" }, "echo 123456789012..." },
};

START_TEST(commands_are_cut_to_a_line)
{
	struct job job;

	job_init(&job);
	for (size_t i = 0; i < 4 && commands[_i].words[i]; i++)
		ck_assert_int_eq(job_add_arg(&job, commands[_i].words[i]), 0);
	capture(print_cut_command, &job);
	ck_assert_str_eq(captured, commands[_i].shown);
	job_done(&job);
}
END_TEST

START_TEST(states_have_names)
{
	for (int i = JL_STATE_SCHEDULED; i <= JL_STATE_CANCELED; i++)
		ck_assert_int_eq(state_by_name(state_name(i)), i);
	ck_assert_int_eq(state_by_name("running"), JL_STATE_RUNNING);
	ck_assert_int_eq(state_by_name("RUN"), -1);
	ck_assert_str_eq(state_name(-1), "UNKNOWN");
	ck_assert_str_eq(state_name(99), "UNKNOWN");
}
END_TEST

static const struct {
	int code;
	int exit;
} faults[] = {
	{ -ENOENT, 3 },	      { -EPERM, 4 },	 { -EACCES, 4 }, { -EKEYREJECTED, 4 },
	{ -ECONNREFUSED, 5 }, { -ETIMEDOUT, 5 }, { -EAGAIN, 5 }, { -EINVAL, 2 },
	{ -ERANGE, 2 },	      { -EBUSY, 1 },	 { -EIO, 1 },	 { -ENOMEM, 1 },
};

START_TEST(failures_have_exit_codes)
{
	struct fault fault;

	ck_assert_int_eq(fault_set(&fault, faults[_i].code, "%s", "why"),
			 faults[_i].code);
	ck_assert_str_eq(fault.text, "why");
	ck_assert_int_eq(fault_exit(&fault), faults[_i].exit);
}
END_TEST

START_TEST(any_bytes_become_json)
{
	static const char bytes[] = "a\0\xff\xc3\xa4\xe2\x80";
	json_t *value = json_bytes_len(bytes, sizeof(bytes) - 1);

	ck_assert_ptr_nonnull(value);
	ck_assert_uint_eq(json_string_length(value), 1 + 1 + 3 + 2 + 3 + 3);
	ck_assert_int_eq(memcmp(json_string_value(value),
				"a\0\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd", 13),
			 0);
	json_decref(value);
	value = json_bytes(NULL);
	ck_assert_str_eq(json_string_value(value), "");
	json_decref(value);
}
END_TEST

START_TEST(a_full_pipe_is_not_waited_for)
{
	static char data[1 << 20], back[1 << 20];
	struct outlet outlet;
	size_t written = 0;
	int64_t n;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	outlet_init(&outlet, fds[1]);
	for (int way = 0; way < 2; way++) {
		/* The second time as on a kernel that has no such write for pipes. */
		outlet.waits = way == 1;
		written = 0;
		while ((n = outlet_write(&outlet, data, sizeof(data))) > 0)
			written += (size_t)n;
		ck_assert_int_eq(n, -EAGAIN);
		ck_assert_uint_ge(written, 4096);
		ck_assert_int_eq(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
		ck_assert_int_eq(read(fds[0], back, sizeof(back)), (ssize_t)written);
	}
	(void)close(fds[0]);
	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(outlet_write(&outlet, data, 1), -EPIPE);
	outlet.waits = false;
	ck_assert_int_eq(outlet_write(&outlet, data, 1), -EPIPE);
	(void)close(fds[1]);
}
END_TEST

START_TEST(a_file_takes_it_all)
{
	static char data[200000];
	char path[] = "/tmp/rnx-outlet-XXXXXX";
	int fd = mkstemp(path);
	struct outlet outlet;

	ck_assert_int_ge(fd, 0);
	(void)unlink(path);
	outlet_init(&outlet, fd);
	ck_assert_int_eq(outlet_write(&outlet, data, sizeof(data)), sizeof(data));
	(void)close(fd);
	ck_assert_int_eq(outlet_write(&outlet, data, 1), -EBADF);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rnx_show");
	TCase *tc = tcase_create("show");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, spans_are_short, 0, COUNT(spans));
	tcase_add_test(tc, times_are_shown_in_their_zone);
	tcase_add_loop_test(tc, texts_cannot_steer_a_terminal, 0, COUNT(texts));
	tcase_add_test(tc, long_texts_are_shown_in_full);
	tcase_add_loop_test(tc, commands_are_cut_to_a_line, 0, COUNT(commands));
	tcase_add_test(tc, states_have_names);
	tcase_add_loop_test(tc, failures_have_exit_codes, 0, COUNT(faults));
	tcase_add_test(tc, any_bytes_become_json);
	tcase_add_test(tc, a_full_pipe_is_not_waited_for);
	tcase_add_test(tc, a_file_takes_it_all);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
