/* SPDX-License-Identifier: MIT */
/* Spans and times as people write them. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <joblet/sched.h>

#include "sched/sched-priv.h"

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))
#define SEC USEC_PER_SEC
#define MIN (60 * SEC)
#define HOUR (3600 * SEC)
#define DAY (24 * HOUR)
/* 2025-07-18T20:02:48Z */
#define NOW (UINT64_C(1752868968) * SEC)

/* ---- the calendar ---- */

START_TEST(days_and_dates_are_one_to_one)
{
	int64_t days = jl__civil_to_days(1600, 1, 1), year;
	unsigned int month, day, want = 1, want_month = 1;
	int64_t want_year = 1600;

	ck_assert_int_eq(jl__civil_to_days(1970, 1, 1), 0);
	ck_assert_int_eq(jl__civil_to_days(2000, 3, 1), 11017);
	for (; want_year < 2410; days++) {
		jl__civil_from_days(days, &year, &month, &day);
		if (year != want_year || month != want_month || day != want ||
		    jl__civil_to_days(year, month, day) != days)
			ck_abort_msg("day %lld", (long long)days);
		if (want++ == jl__civil_month_days(want_year, want_month)) {
			want = 1;
			want_year += want_month == 12;
			want_month = want_month % 12 + 1;
		}
	}
}
END_TEST

START_TEST(weekdays_go_round)
{
	ck_assert_uint_eq(jl__civil_weekday(0), 4);
	ck_assert_uint_eq(jl__civil_weekday(-1), 3);
	ck_assert_uint_eq(jl__civil_weekday(jl__civil_to_days(2000, 2, 29)), 2);
	ck_assert_uint_eq(jl__civil_weekday(jl__civil_to_days(1900, 1, 1)), 1);
}
END_TEST

/* ---- spans ---- */

static const struct {
	const char *text;
	uint64_t usec;
} spans[] = {
	{ "45s", 45 * SEC },
	{ "30s", 30 * SEC },
	{ "5min", 5 * MIN },
	{ "30min", 30 * MIN },
	{ "1hour", HOUR },
	{ "2h", 2 * HOUR },
	{ "6h", 6 * HOUR },
	{ "2h30m", 2 * HOUR + 30 * MIN },
	{ "1 hour 30 minutes", HOUR + 30 * MIN },
	{ "1hour30minutes", HOUR + 30 * MIN },
	{ " 1h\t2 m  3s ", HOUR + 2 * MIN + 3 * SEC },
	{ "500ms", SEC / 2 },
	{ "2H30M", 2 * HOUR + 30 * MIN },
	{ "1Day", DAY },
	{ "366d", 366 * DAY },
	{ "1s 1sec 1secs 1second 1seconds", 5 * SEC },
	{ "1m 1min 1mins 1minute 1minutes", 5 * MIN },
	{ "1h 1hour 1hours", 3 * HOUR },
	{ "1d 1day 1days", 3 * DAY },
	{ "0s", 0 },
	{ "0000000000000000000000000001s", SEC },
};

START_TEST(spans_are_read_whole)
{
	uint64_t usec;
	jl_error *err;

	ck_assert_int_eq(jl_time_parse_span(spans[_i].text, &usec, &err), 0);
	ck_assert_ptr_null(err);
	ck_assert_uint_eq(usec, spans[_i].usec);
	ck_assert_int_eq(jl_time_parse_span(spans[_i].text, &usec, NULL), 0);
}
END_TEST

static const struct {
	const char *text;
	int code;
	const char *says;
} bad_spans[] = {
	{ NULL, -EINVAL, "no span of time is given" },
	{ "", -EINVAL, "the span of time is empty" },
	{ "  ", -EINVAL, "the span of time is empty" },
	{ "45", -EINVAL, "\"45\": a unit is missing, for instance 45s; " },
	{ "1h 30", -EINVAL, "\"1h 30\": a unit is missing, for instance 30s; " },
	{ "1h30 !", -EINVAL, "a unit is missing, for instance 30s; " },
	{ "5x", -EINVAL, "\"5x\": \"x\" is not a unit; units are ms, s, min, h and d" },
	{ "2 weeks", -EINVAL, "\"weeks\" is not a unit" },
	{ "1hm", -EINVAL, "\"hm\" is not a unit" },
	{ "-5s", -EINVAL, "\"-5s\" is not a span of time" },
	{ "+5s", -EINVAL, "\"+5s\" is not a span of time" },
	{ "1.5h", -EINVAL, "\"1.5h\": a unit is missing" },
	{ "h", -EINVAL, "\"h\" is not a span of time" },
	{ "1h,2m", -EINVAL, "\"1h,2m\" is not a span of time" },
	{ "367d", -ERANGE, "\"367d\" is longer than 366 days" },
	{ "99999999999999999999999h", -ERANGE, "is longer than 366 days" },
	{ "18446744073709551615d", -ERANGE, "is longer than 366 days" },
	{ "366d 1ms", -ERANGE, "is longer than 366 days" },
};

START_TEST(bad_spans_have_a_sentence)
{
	uint64_t usec = 7;
	jl_error *err;

	ck_assert_int_eq(jl_time_parse_span(bad_spans[_i].text, &usec, &err),
			 bad_spans[_i].code);
	ck_assert_int_eq(jl_error_code(err), bad_spans[_i].code);
	ck_assert_str_eq(jl_error_module(err), "sched");
	if (!strstr(jl_error_message(err), bad_spans[_i].says))
		ck_abort_msg("%s", jl_error_message(err));
	ck_assert_uint_eq(usec, 7);
	jl_error_free(err);
	ck_assert_int_eq(jl_time_parse_span(bad_spans[_i].text, &usec, NULL),
			 bad_spans[_i].code);
}
END_TEST

/* ---- times ---- */

static const struct {
	const char *zone, *text;
	uint64_t usec;
} times[] = {
	{ "UTC", "45s", NOW + 45 * SEC },
	{ "UTC", "1s", NOW + SEC },
	{ "UTC", "1000ms", NOW + SEC },
	{ "UTC", "2h30m", NOW + 2 * HOUR + 30 * MIN },
	{ "UTC", "+1hour", NOW + HOUR },
	{ "UTC", "365d", NOW + 365 * DAY },
	{ "UTC", "2025-07-18T20:02:48Z", NOW },
	{ "UTC", "2025-07-18t20:02:48z", NOW },
	{ "UTC", "2025-07-18T20:02:48.5Z", NOW + SEC / 2 },
	{ "UTC", "2025-07-18T20:02:48.123456789Z", NOW + 123456 },
	{ "UTC", "2025-07-18T20:02:48,000001Z", NOW + 1 },
	{ "UTC", "2025-07-18T20:02:48-07:00", NOW + 7 * HOUR },
	{ "UTC", "2025-07-18T20:02:48+02:00", NOW - 2 * HOUR },
	{ "UTC", "2025-07-18T20:02:48+0530", NOW - 5 * HOUR - 30 * MIN },
	{ "UTC", "2025-07-18T20:02:48+05", NOW - 5 * HOUR },
	{ "UTC", "2025-07-18 20:02:48 +02:00", NOW - 2 * HOUR },
	{ "UTC", "2025-07-18T20:02:48", NOW },
	{ "UTC", "2025-07-18 20:02:48", NOW },
	{ "UTC", "2025-07-18 20:02", NOW - 48 * SEC },
	{ "UTC", "2025-07-18T20:02Z", NOW - 48 * SEC },
	{ "UTC", "  2025-07-18T20:02:48Z  ", NOW },
	{ "UTC", "1752868968", NOW },
	{ "UTC", "1752868968123", NOW + 123000 },
	{ "UTC", "1970-01-01T00:00:00Z", 0 },
	{ "UTC", "1969-12-31T23:00:00-01:00", 0 },
	{ "UTC", "9999-12-31T23:59:59Z", UINT64_C(253402300799) * SEC },
	{ "UTC", "2024-02-29T12:00:00Z", UINT64_C(1709208000) * SEC },
	/* The caller's zone, from the files and in the form of POSIX. */
	{ "Europe/Berlin", "2025-07-18T22:02:48", NOW },
	{ ":Europe/Berlin", "2025-07-18T22:02:48", NOW },
	{ "/usr/share/zoneinfo/Europe/Berlin", "2025-07-18T22:02:48", NOW },
	{ "CET-1CEST,M3.5.0,M10.5.0/3", "2025-07-18T22:02:48", NOW },
	{ "<+0530>-5:30", "2025-07-19T01:32:48", NOW },
	{ "America/Los_Angeles", "2025-07-18T13:02:48", NOW },
	{ "", "2025-07-18T20:02:48", NOW },
	/* Put forward from 02:00 to 03:00 at 01:00 UTC; put back from 03:00 to 02:00. */
	{ "Europe/Berlin", "2025-03-30T01:59:59", UINT64_C(1743296399) * SEC },
	{ "Europe/Berlin", "2025-03-30T02:30:00", UINT64_C(1743296400) * SEC },
	{ "Europe/Berlin", "2025-03-30T03:00:00", UINT64_C(1743296400) * SEC },
	{ "Europe/Berlin", "2025-10-26T02:30:00", UINT64_C(1761438600) * SEC },
	{ "Europe/Berlin", "2025-10-26T03:00:00", UINT64_C(1761444000) * SEC },
	/* Behind the table of the file. */
	{ "Europe/Berlin", "2150-07-01T12:00:00", UINT64_C(5695956000) * SEC },
};

START_TEST(times_are_read_whole)
{
	uint64_t usec;
	jl_error *err;

	ck_assert_int_eq(setenv("TZ", times[_i].zone, 1), 0);
	if (jl_time_parse(times[_i].text, NOW, &usec, &err) < 0)
		ck_abort_msg("%s", jl_error_message(err));
	ck_assert_ptr_null(err);
	ck_assert_uint_eq(usec, times[_i].usec);
}
END_TEST

static const struct {
	const char *zone, *text;
	int code;
	const char *says;
} bad_times[] = {
	{ "UTC", NULL, -EINVAL, "no time is given" },
	{ "UTC", " ", -EINVAL, "no time is given" },
	{ "UTC", "tomorrow", -EINVAL, "\"tomorrow\" is not a time: write a span" },
	{ "UTC", "-5s", -EINVAL, "\"-5s\" is not a time" },
	{ "UTC", "+", -EINVAL, "\"+\" is not a time" },
	{ "UTC", "0s", -ERANGE, "\"0s\" is too short: 1s is the least" },
	{ "UTC", "999ms", -ERANGE, "is too short" },
	{ "UTC", "366d", -ERANGE, "\"366d\" is too far ahead: 365 days are the most" },
	{ "UTC", "9999999d", -ERANGE, "is too far ahead" },
	{ "UTC", "365d 1s", -ERANGE, "is too far ahead" },
	{ "UTC", "30", -EINVAL, "a unit is missing, for instance 30s" },
	{ "UTC", "2025-07-18", -EINVAL,
	  "the time of day is missing, for instance 2025-07-18T20:00" },
	{ "UTC", "2025-13-18T00:00", -EINVAL, "there is no month 13" },
	{ "UTC", "2025-00-18T00:00", -EINVAL, "there is no month 0" },
	{ "UTC", "2025-02-29T00:00", -EINVAL, "month 2 of 2025 has no day 29" },
	{ "UTC", "2025-06-31T00:00", -EINVAL, "month 6 of 2025 has no day 31" },
	{ "UTC", "2025-06-00T00:00", -EINVAL, "has no day 0" },
	{ "UTC", "2025-06-01T24:00", -EINVAL, "there is no time of day 24:00:00" },
	{ "UTC", "2025-06-01T23:60", -EINVAL, "there is no time of day 23:60:00" },
	{ "UTC", "2025-06-01T23:59:60", -EINVAL, "there is no time of day 23:59:60" },
	{ "UTC", "2025-06-01T9:00", -EINVAL, "is not a time: write it like" },
	{ "UTC", "2025-06-01T09", -EINVAL, "is not a time: write it like" },
	{ "UTC", "2025-06-01T09:00:00.", -EINVAL, "is not a time: write it like" },
	{ "UTC", "2025-06-01T09:00:00+", -EINVAL, "is not a time: write it like" },
	{ "UTC", "2025-06-01T09:00:00+2", -EINVAL, "is not a time: write it like" },
	{ "UTC", "2025-06-01T09:00:00+02:", -EINVAL, "is not a time: write it like" },
	{ "UTC", "2025-06-01T09:00:00+24:00", -EINVAL, "is not a time: write it like" },
	{ "UTC", "2025-06-01T09:00:00+02:60", -EINVAL, "is not a time: write it like" },
	{ "UTC", "2025-06-01T09:00:00Zulu", -EINVAL, "is not a time: write it like" },
	{ "UTC", "2025-06-01 T09:00:00", -EINVAL, "is not a time: write it like" },
	{ "UTC", "2025-06-01x09:00:00", -EINVAL, "is not a time: write it like" },
	{ "UTC", "1969-12-31T23:59:59Z", -ERANGE, "is before 1970" },
	{ "UTC", "0000-01-01T00:00:00Z", -ERANGE, "is before 1970" },
	{ "Nowhere/Land", "2025-06-01T09:00", -EINVAL,
	  "there is no time zone \"Nowhere/Land\" (variable TZ)" },
	{ "../../../etc/passwd", "2025-06-01T09:00", -EINVAL, "there is no time zone" },
	{ "/etc/passwd", "2025-06-01T09:00", -EINVAL,
	  "is not a time zone that can be used" },
	{ "/dev/zero", "2025-06-01T09:00", -EINVAL,
	  "is not a time zone that can be used" },
	{ "Europe", "2025-06-01T09:00", -EINVAL, "is not a time zone that can be used" },
};

START_TEST(bad_times_have_a_sentence)
{
	uint64_t usec = 7;
	jl_error *err;

	ck_assert_int_eq(setenv("TZ", bad_times[_i].zone, 1), 0);
	ck_assert_int_eq(jl_time_parse(bad_times[_i].text, NOW, &usec, &err),
			 bad_times[_i].code);
	if (!strstr(jl_error_message(err), bad_times[_i].says))
		ck_abort_msg("%s", jl_error_message(err));
	ck_assert_int_eq(jl_error_code(err), bad_times[_i].code);
	ck_assert_uint_eq(usec, 7);
	jl_error_free(err);
}
END_TEST

START_TEST(a_span_does_not_go_behind_the_end_of_time)
{
	uint64_t usec;

	ck_assert_int_eq(jl_time_parse("1s", UINT64_MAX, &usec, NULL), -ERANGE);
	ck_assert_int_eq(jl_time_parse("1s", UINT64_MAX - SEC, &usec, NULL), 0);
	ck_assert_uint_eq(usec, UINT64_MAX);
}
END_TEST

START_TEST(a_long_text_is_cut_and_shown_in_one_line)
{
	char text[4096];
	jl_error *err;
	uint64_t usec;

	memset(text, 'x', sizeof(text) - 1);
	text[3] = '\n';
	text[4] = (char)0xff;
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(jl_time_parse(text, NOW, &usec, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(jl_error_message(err), "xxx??xx"));
	ck_assert_uint_lt(strlen(jl_error_message(err)), 300);
	jl_error_free(err);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("sched_time");
	TCase *calendar = tcase_create("calendar"), *span = tcase_create("spans"),
	      *time = tcase_create("times");

	tcase_add_test(calendar, days_and_dates_are_one_to_one);
	tcase_add_test(calendar, weekdays_go_round);
	tcase_add_loop_test(span, spans_are_read_whole, 0, COUNT(spans));
	tcase_add_loop_test(span, bad_spans_have_a_sentence, 0, COUNT(bad_spans));
	tcase_add_loop_test(time, times_are_read_whole, 0, COUNT(times));
	tcase_add_loop_test(time, bad_times_have_a_sentence, 0, COUNT(bad_times));
	tcase_add_test(time, a_span_does_not_go_behind_the_end_of_time);
	tcase_add_test(time, a_long_text_is_cut_and_shown_in_one_line);
	suite_add_tcase(suite, calendar);
	suite_add_tcase(suite, span);
	suite_add_tcase(suite, time);
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
