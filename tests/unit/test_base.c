/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <joblet/joblet.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/id.h"
#include "base/parse.h"

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

/* ---- alloc
 * ------------------------------------------------------------------------------ */

static size_t live, budget;

static void *counting_alloc(size_t bytes)
{
	ck_assert_uint_ne(bytes, 0);
	if (budget == 0)
		return NULL;
	budget--;
	live++;
	return malloc(bytes);
}

static void *counting_resize(void *ptr, size_t bytes)
{
	if (budget == 0)
		return NULL;
	budget--;
	live += !ptr;
	return realloc(ptr, bytes);
}

static void counting_release(void *ptr)
{
	live--;
	free(ptr);
}

static void count_allocations(void)
{
	live = 0;
	budget = SIZE_MAX;
	ck_assert_int_eq(
		jl_set_allocator(counting_alloc, counting_resize, counting_release), 0);
}

static void stop_counting(void)
{
	ck_assert_int_eq(jl_set_allocator(NULL, NULL, NULL), 0);
}

START_TEST(an_allocator_is_replaced_whole_or_not_at_all)
{
	ck_assert_int_eq(jl_set_allocator(malloc, NULL, NULL), -EINVAL);
	ck_assert_int_eq(jl_set_allocator(NULL, realloc, free), -EINVAL);
	ck_assert_int_eq(jl_set_allocator(malloc, realloc, free), 0);
	ck_assert_int_eq(jl_set_allocator(NULL, NULL, NULL), 0);
}
END_TEST

START_TEST(nothing_is_ever_asked_for_zero_bytes)
{
	void *ptr;

	count_allocations();
	ptr = jl__alloc(0);
	ck_assert_ptr_nonnull(ptr);
	ptr = jl__resize(ptr, 0);
	ck_assert_ptr_nonnull(ptr);
	jl__free(ptr);
	ptr = jl__calloc(0, 8);
	ck_assert_ptr_nonnull(ptr);
	jl_free(ptr);
	jl_free(NULL);
	ck_assert_uint_eq(live, 0);
	stop_counting();
}
END_TEST

START_TEST(calloc_does_not_overflow)
{
	ck_assert_ptr_null(jl__calloc(SIZE_MAX / 2, 3));
}
END_TEST

START_TEST(copies_are_exact)
{
	_cleanup_free_ char *all = jl__strdup("sandbox");
	_cleanup_free_ char *part = jl__strndup("sandbox", 4);
	_cleanup_free_ char *text = jl__format("%s-%d", "job", 7);
	_cleanup_free_ char *bytes = jl__memdup("a\0b", 3);

	ck_assert_str_eq(all, "sandbox");
	ck_assert_str_eq(part, "sand");
	ck_assert_str_eq(text, "job-7");
	ck_assert_mem_eq(bytes, "a\0b", 3);
}
END_TEST

START_TEST(releasing_keeps_errno)
{
	errno = ENOTTY;
	jl__free(jl__alloc(1));
	(void)jl__close(open("/dev/null", O_RDONLY | O_CLOEXEC));
	(void)jl__close(-EBADF);
	ck_assert_int_eq(errno, ENOTTY);
}
END_TEST

START_TEST(stealing_leaves_the_null_value)
{
	char *text = jl__strdup("x");
	char *stolen = jl__steal(text);
	int fd = 5;

	ck_assert_ptr_null(text);
	ck_assert_str_eq(stolen, "x");
	jl__free(stolen);
	ck_assert_int_eq(jl__fd_steal(&fd), 5);
	ck_assert_int_eq(fd, -EBADF);
}
END_TEST

/* ---- error
 * ------------------------------------------------------------------------------ */

START_TEST(no_error_has_empty_values)
{
	ck_assert_int_eq(jl_error_code(NULL), 0);
	ck_assert_str_eq(jl_error_module(NULL), "");
	ck_assert_str_eq(jl_error_message(NULL), "");
	jl_error_free(NULL);
}
END_TEST

START_TEST(a_failure_carries_code_module_and_sentence)
{
	jl_error *err = NULL;

	ck_assert_int_eq(jl__fail_in(&err, -EINVAL, "cgroup", "bad %s", "name"), -EINVAL);
	ck_assert_int_eq(jl_error_code(err), -EINVAL);
	ck_assert_str_eq(jl_error_module(err), "cgroup");
	ck_assert_str_eq(jl_error_message(err), "bad name");
	ck_assert_int_eq(jl__wrap(&err, -EIO, "job %d", 3), -EIO);
	ck_assert_int_eq(jl_error_code(err), -EIO);
	ck_assert_str_eq(jl_error_module(err), "cgroup");
	ck_assert_str_eq(jl_error_message(err), "job 3: bad name");
	jl_error_free(err);
}
END_TEST

START_TEST(an_errno_becomes_text)
{
	jl_error *err = NULL;

	ck_assert_int_eq(jl__fail_errno(&err, -ENOENT, "cannot open %s", "x"), -ENOENT);
	ck_assert_str_eq(jl_error_message(err),
			 "cannot open x: No such file or directory");
	jl_error_free(err);
	ck_assert_str_eq(jl__errno_text(-EPERM), jl__errno_text(EPERM));
	ck_assert_str_eq(jl__errno_text(123456), "unknown error");
}
END_TEST

START_TEST(nobody_listening_costs_nothing)
{
	count_allocations();
	budget = 0;
	ck_assert_int_eq(jl__fail(NULL, -EIO, "%s", "lost"), -EIO);
	ck_assert_int_eq(jl__fail_errno(NULL, -EIO, "%s", "lost"), -EIO);
	ck_assert_int_eq(jl__wrap(NULL, -EIO, "%s", "lost"), -EIO);
	ck_assert_int_eq(jl__oom(NULL), -ENOMEM);
	stop_counting();
}
END_TEST

START_TEST(a_second_failure_replaces_the_first)
{
	jl_error *err = NULL;

	count_allocations();
	(void)jl__fail(&err, -EIO, "first");
	(void)jl__fail(&err, -EPERM, "second");
	ck_assert_str_eq(jl_error_message(err), "second");
	ck_assert_uint_eq(live, 1);
	ck_assert_int_eq(jl__oom(&err), -ENOMEM);
	ck_assert_uint_eq(live, 0);
	stop_counting();
}
END_TEST

START_TEST(out_of_memory_is_reported_without_memory)
{
	jl_error *err = NULL, *other = NULL;

	count_allocations();
	budget = 0;
	ck_assert_int_eq(jl__fail(&err, -EIO, "lost"), -ENOMEM);
	ck_assert_int_eq(jl_error_code(err), -ENOMEM);
	ck_assert_str_eq(jl_error_message(err), "out of memory");
	ck_assert_int_eq(jl__fail(&other, -ENOMEM, "never shown"), -ENOMEM);
	ck_assert_ptr_eq(err, other);
	ck_assert_int_eq(jl__wrap(&err, -ENOMEM, "never shown"), -ENOMEM);
	ck_assert_ptr_eq(err, other);
	jl_error_free(err);
	jl_error_free(other);
	ck_assert_uint_eq(live, 0);
	stop_counting();
}
END_TEST

START_TEST(a_long_sentence_is_cut)
{
	jl_error *err = NULL;
	_cleanup_free_ char *text = jl__calloc(1, 5000);

	memset(text, 'x', 4999);
	ck_assert_int_eq(jl__fail(&err, -EIO, "%s", text), -EIO);
	ck_assert_uint_eq(strlen(jl_error_message(err)), 1023);
	ck_assert_int_eq(jl__wrap(&err, -EIO, "%s", text), -EIO);
	ck_assert_uint_eq(strlen(jl_error_message(err)), 1023);
	ck_assert_int_eq(jl__fail_errno(&err, -EIO, "%s", text), -EIO);
	ck_assert_uint_eq(strlen(jl_error_message(err)), 1023);
	jl_error_free(err);
}
END_TEST

/* ---- buf
 * -------------------------------------------------------------------------------- */

START_TEST(a_buffer_grows_and_stays_terminated)
{
	struct jl__buf buf = JL__BUF_INIT(100000);

	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(jl__buf_addf(&buf, "%04d,", i), 0);
	ck_assert_uint_eq(buf.len, 5000);
	ck_assert_mem_eq(buf.data + 4995, "0999,", 6);
	jl__buf_done(&buf);
	ck_assert_ptr_null(buf.data);
}
END_TEST

START_TEST(a_buffer_keeps_its_maximum)
{
	struct jl__buf buf = JL__BUF_INIT(4);

	ck_assert_int_eq(jl__buf_add_str(&buf, "abcd"), 0);
	ck_assert_int_eq(jl__buf_add_str(&buf, "e"), -E2BIG);
	ck_assert_int_eq(jl__buf_add_str(&buf, ""), -E2BIG);
	ck_assert_int_eq(jl__buf_addf(&buf, "%s", ""), -E2BIG);
	ck_assert_int_eq(jl__buf_align(&buf, 4), -E2BIG);
	ck_assert_str_eq(buf.data, "abcd");
	jl__buf_done(&buf);
}
END_TEST

START_TEST(a_buffer_remembers_that_memory_was_short)
{
	struct jl__buf buf = JL__BUF_INIT(4096);

	count_allocations();
	budget = 0;
	ck_assert_int_eq(jl__buf_add(&buf, "a", 1), -ENOMEM);
	budget = 1;
	ck_assert_int_eq(jl__buf_add(&buf, "a", 1), -ENOMEM);
	ck_assert_uint_eq(live, 0);
	jl__buf_done(&buf);
	stop_counting();
}
END_TEST

START_TEST(a_buffer_pads_with_zero_bytes)
{
	struct jl__buf buf = JL__BUF_INIT(64);
	char *data;

	ck_assert_int_eq(jl__buf_align(&buf, 8), 0);
	ck_assert_uint_eq(buf.len, 0);
	ck_assert_int_eq(jl__buf_add(&buf, "abc", 3), 0);
	ck_assert_int_eq(jl__buf_align(&buf, 8), 0);
	ck_assert_uint_eq(buf.len, 8);
	ck_assert_mem_eq(buf.data, "abc\0\0\0\0\0", 8);
	ck_assert_int_eq(jl__buf_align(&buf, 8), 0);
	ck_assert_uint_eq(buf.len, 8);
	data = jl__buf_steal(&buf);
	ck_assert_ptr_nonnull(data);
	ck_assert_ptr_null(jl__buf_steal(&buf));
	jl__free(data);
}
END_TEST

/* ---- parse
 * ------------------------------------------------------------------------------ */

static const struct {
	const char *text;
	uint64_t min, max;
	int result;
	uint64_t value;
} numbers[] = {
	{ "0", 0, UINT64_MAX, 0, 0 },
	{ "42", 0, 100, 0, 42 },
	{ "007", 0, 100, 0, 7 },
	{ "18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX },
	{ "18446744073709551616", 0, UINT64_MAX, -ERANGE, 0 },
	{ "99999999999999999999999999", 0, UINT64_MAX, -ERANGE, 0 },
	{ "99999999999999999999999999x", 0, UINT64_MAX, -EINVAL, 0 },
	{ "101", 0, 100, -ERANGE, 0 },
	{ "4", 5, 100, -ERANGE, 0 },
	{ NULL, 0, 100, -EINVAL, 0 },
	{ "", 0, 100, -EINVAL, 0 },
	{ " 1", 0, 100, -EINVAL, 0 },
	{ "1 ", 0, 100, -EINVAL, 0 },
	{ "+1", 0, 100, -EINVAL, 0 },
	{ "-1", 0, 100, -EINVAL, 0 },
	{ "0x10", 0, 100, -EINVAL, 0 },
	{ "1e3", 0, 10000, -EINVAL, 0 },
	{ "1\n", 0, 100, -EINVAL, 0 },
};

START_TEST(numbers_are_whole_or_nothing)
{
	uint64_t value = 77;
	uint32_t small = 77;
	int r = numbers[_i].result;

	ck_assert_int_eq(
		jl__parse_u64(numbers[_i].text, numbers[_i].min, numbers[_i].max, &value),
		r);
	ck_assert_uint_eq(value, r == 0 ? numbers[_i].value : 77);
	if (numbers[_i].max > UINT32_MAX)
		return;
	ck_assert_int_eq(jl__parse_u32(numbers[_i].text, (uint32_t)numbers[_i].min,
				       (uint32_t)numbers[_i].max, &small),
			 r);
	ck_assert_uint_eq(small, r == 0 ? numbers[_i].value : 77);
}
END_TEST

static const struct {
	const char *bytes;
	size_t len;
	bool good;
} texts[] = {
	{ "", 0, true },
	{ "plain", 5, true },
	{ "a\0b", 3, false },
	{ "\xc3\xa9", 2, true },
	{ "\xe2\x82\xac", 3, true },
	{ "\xf0\x9f\x93\xa6", 4, true },
	{ "\xf4\x8f\xbf\xbf", 4, true },
	{ "\xf4\x90\x80\x80", 4, false }, /* beyond the last code point */
	{ "\xed\x9f\xbf", 3, true },
	{ "\xed\xa0\x80", 3, false }, /* surrogate */
	{ "\xc0\xaf", 2, false },     /* overlong */
	{ "\xe0\x80\xaf", 3, false }, /* overlong */
	{ "\xf0\x80\x80\xaf", 4, false },
	{ "\x80", 1, false },
	{ "\xff", 1, false },
	{ "\xc3", 1, false },
	{ "\xe2\x82", 2, false },
	{ "\xc3x", 2, false },
	{ "\xf0\x9f\x93", 3, false },
};

START_TEST(utf8_is_checked_strictly)
{
	ck_assert_int_eq(jl__is_utf8(texts[_i].bytes, texts[_i].len), texts[_i].good);
}
END_TEST

/* ---- version
 * ---------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int present;
} features[] = {
	{ "cgroup-v1", 1 },    { "cgroup-v2", 1 },
	{ "init", 1 },	       { "network-host", 1 },
	{ "network-none", 1 }, { "seccomp", 1 },
	{ "levitation", 0 },   { "", 0 },
	{ "seccomp ", 0 },     { NULL, 0 },
};

START_TEST(features_are_known_by_name)
{
	ck_assert_int_eq(jl_has_feature(features[_i].name), features[_i].present);
}
END_TEST

START_TEST(ids_begin_with_a_letter)
{
	bool seen[256] = { false };
	unsigned int count = 0;

	for (unsigned int i = 0; i < 256; i++) {
		unsigned char first = jl__id_first((unsigned char)i);

		ck_assert_uint_ge(first, 0xa0);
		count += !seen[first];
		seen[first] = true;
	}
	/* Every letter, and all that may be behind it. */
	ck_assert_uint_eq(count, 6 * 16);
}
END_TEST

START_TEST(the_version_is_the_one_that_was_built)
{
	ck_assert_str_eq(jl_version_string(), "0.1.0");
}
END_TEST

static Suite *base_suite(void)
{
	Suite *suite = suite_create("base");
	TCase *tc = tcase_create("base");

	tcase_add_test(tc, an_allocator_is_replaced_whole_or_not_at_all);
	tcase_add_test(tc, nothing_is_ever_asked_for_zero_bytes);
	tcase_add_test(tc, calloc_does_not_overflow);
	tcase_add_test(tc, copies_are_exact);
	tcase_add_test(tc, releasing_keeps_errno);
	tcase_add_test(tc, stealing_leaves_the_null_value);
	tcase_add_test(tc, no_error_has_empty_values);
	tcase_add_test(tc, a_failure_carries_code_module_and_sentence);
	tcase_add_test(tc, an_errno_becomes_text);
	tcase_add_test(tc, nobody_listening_costs_nothing);
	tcase_add_test(tc, a_second_failure_replaces_the_first);
	tcase_add_test(tc, out_of_memory_is_reported_without_memory);
	tcase_add_test(tc, a_long_sentence_is_cut);
	tcase_add_test(tc, a_buffer_grows_and_stays_terminated);
	tcase_add_test(tc, a_buffer_keeps_its_maximum);
	tcase_add_test(tc, a_buffer_remembers_that_memory_was_short);
	tcase_add_test(tc, a_buffer_pads_with_zero_bytes);
	tcase_add_loop_test(tc, numbers_are_whole_or_nothing, 0, COUNT(numbers));
	tcase_add_loop_test(tc, utf8_is_checked_strictly, 0, COUNT(texts));
	tcase_add_loop_test(tc, features_are_known_by_name, 0, COUNT(features));
	tcase_add_test(tc, ids_begin_with_a_letter);
	tcase_add_test(tc, the_version_is_the_one_that_was_built);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(base_suite());
	int failed;

	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
