/* SPDX-License-Identifier: MIT */
/* Rules that name time after time, and the zones they are in. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <joblet/sched.h>

#include "base/cleanup.h"
#include "sched/sched-priv.h"
#include "sched/sched.h"

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))
#define SEC USEC_PER_SEC
#define HOUR (3600 * SEC)
#define DAY (24 * HOUR)

static uint64_t utc(const char *text)
{
	uint64_t usec = 0;
	jl_error *err;

	if (jl_time_parse(text, 0, &usec, &err) < 0)
		ck_abort_msg("%s", jl_error_message(err));
	return usec;
}

/* "2025-03-30T01:00:00Z" */
static const char *shown(uint64_t usec)
{
	static char text[64];
	unsigned int month, day;
	int64_t seconds = (int64_t)(usec / SEC), year;

	jl__civil_from_days(seconds / SEC_PER_DAY, &year, &month, &day);
	seconds %= SEC_PER_DAY;
	(void)snprintf(text, sizeof(text), "%04d-%02u-%02uT%02d:%02d:%02dZ", (int)year,
		       month, day, (int)(seconds / 3600), (int)(seconds / 60 % 60),
		       (int)(seconds % 60));
	return text;
}

static jl_rule *rule_of(const char *text)
{
	jl_rule *rule = NULL;
	jl_error *err;

	if (jl_rule_parse(text, &rule, &err) < 0)
		ck_abort_msg("%s", jl_error_message(err));
	ck_assert_ptr_null(err);
	return rule;
}

/* Times that follow one another, the first of them after `after`; blanks between. */
static const struct {
	const char *rule, *after, *times;
} rules[] = {
	{ "TZ=UTC * * * * *", "2025-01-01T00:00:00Z",
	  "2025-01-01T00:01:00Z 2025-01-01T00:02:00Z" },
	{ "TZ=UTC * * * * *", "2025-01-01T00:00:59.999Z", "2025-01-01T00:01:00Z" },
	{ "TZ=UTC * * * * *", "2025-01-01T00:01:00.001Z", "2025-01-01T00:02:00Z" },
	{ "TZ=UTC 0 2 * * *", "2025-01-01T02:00:00Z", "2025-01-02T02:00:00Z" },
	{ "TZ=UTC 0 2 * * *", "2025-01-01T01:59:59Z",
	  "2025-01-01T02:00:00Z 2025-01-02T02:00:00Z" },
	{ "  TZ=UTC \t 0\t2  * * *  ", "2025-01-01T02:00:00Z", "2025-01-02T02:00:00Z" },
	{ "TZ=UTC */15 9-17 * * mon-fri", "2025-01-03T17:30:00Z",
	  "2025-01-03T17:45:00Z 2025-01-06T09:00:00Z" },
	{ "TZ=UTC 5/20 0 * * *", "2025-01-01T00:00:00Z",
	  "2025-01-01T00:05:00Z 2025-01-01T00:25:00Z 2025-01-01T00:45:00Z "
	  "2025-01-02T00:05:00Z" },
	{ "TZ=UTC 10-30/10,59 23 31 12 *", "2025-12-31T23:20:00Z",
	  "2025-12-31T23:30:00Z 2025-12-31T23:59:00Z 2026-12-31T23:10:00Z" },
	{ "TZ=UTC @hourly", "2025-12-31T23:00:00Z", "2026-01-01T00:00:00Z" },
	{ "TZ=UTC @daily", "2025-12-31T23:00:00Z", "2026-01-01T00:00:00Z" },
	{ "TZ=UTC @midnight", "2025-12-31T00:00:00Z", "2026-01-01T00:00:00Z" },
	{ "TZ=UTC @weekly", "2025-12-31T00:00:00Z",
	  "2026-01-04T00:00:00Z 2026-01-11T00:00:00Z" },
	{ "TZ=UTC @monthly", "2025-12-31T00:00:00Z",
	  "2026-01-01T00:00:00Z 2026-02-01T00:00:00Z" },
	{ "TZ=UTC @yearly", "2025-12-31T00:00:00Z",
	  "2026-01-01T00:00:00Z 2027-01-01T00:00:00Z" },
	{ "TZ=UTC @Annually", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z" },
	/* The last of a month; leap days, also over a century without one. */
	{ "TZ=UTC 0 0 31 * *", "2025-01-31T00:00:00Z",
	  "2025-03-31T00:00:00Z 2025-05-31T00:00:00Z" },
	{ "TZ=UTC 0 12 29 2 *", "2024-02-29T12:00:00Z",
	  "2028-02-29T12:00:00Z 2032-02-29T12:00:00Z" },
	{ "TZ=UTC 0 12 29 feb *", "2096-02-29T12:00:00Z", "2104-02-29T12:00:00Z" },
	{ "TZ=UTC 0 12 29 February *", "1996-02-29T12:00:00Z", "2000-02-29T12:00:00Z" },
	/* Day of month or day of week: one is enough when both are restricted. */
	{ "TZ=UTC 0 0 13 * fri", "2025-06-01T00:00:00Z",
	  "2025-06-06T00:00:00Z 2025-06-13T00:00:00Z 2025-06-20T00:00:00Z "
	  "2025-06-27T00:00:00Z 2025-07-04T00:00:00Z 2025-07-11T00:00:00Z "
	  "2025-07-13T00:00:00Z" },
	{ "TZ=UTC 0 0 * * fri", "2025-06-13T00:00:00Z", "2025-06-20T00:00:00Z" },
	{ "TZ=UTC 0 0 13 * *", "2025-06-13T00:00:00Z", "2025-07-13T00:00:00Z" },
	/* A star with a step is no restriction: both have to fit. */
	{ "TZ=UTC 0 0 */2 * mon", "2025-06-01T00:00:00Z",
	  "2025-06-09T00:00:00Z 2025-06-23T00:00:00Z 2025-07-07T00:00:00Z" },
	{ "TZ=UTC 0 0 * * 0", "2025-06-01T00:00:00Z", "2025-06-08T00:00:00Z" },
	{ "TZ=UTC 0 0 * * 7", "2025-06-01T00:00:00Z", "2025-06-08T00:00:00Z" },
	{ "TZ=UTC 0 0 * * sat-sun", "2025-06-01T00:00:00Z",
	  "2025-06-07T00:00:00Z 2025-06-08T00:00:00Z 2025-06-14T00:00:00Z" },
	{ "TZ=UTC 0 0 * * 5-7", "2025-06-01T00:00:00Z",
	  "2025-06-06T00:00:00Z 2025-06-07T00:00:00Z 2025-06-08T00:00:00Z "
	  "2025-06-13T00:00:00Z" },
	{ "TZ=UTC 0 0 * * Wednesday", "2025-06-01T00:00:00Z", "2025-06-04T00:00:00Z" },
	{ "TZ=UTC 0 0 1 jan,JUL *", "2025-06-01T00:00:00Z",
	  "2025-07-01T00:00:00Z 2026-01-01T00:00:00Z" },
	/* Without summer time. */
	{ "TZ=Asia/Kolkata 0 2 * * *", "2025-01-01T00:00:00Z", "2025-01-01T20:30:00Z" },
	/* Berlin: 02:00 becomes 03:00 on 2025-03-30, 03:00 becomes 02:00 on 2025-10-26.
	 */
	{ "TZ=Europe/Berlin 30 2 * * *", "2025-03-28T12:00:00Z",
	  "2025-03-29T01:30:00Z 2025-03-30T01:00:00Z 2025-03-31T00:30:00Z" },
	{ "TZ=Europe/Berlin 0,30 2,3 * * *", "2025-03-29T12:00:00Z",
	  "2025-03-30T01:00:00Z 2025-03-30T01:30:00Z 2025-03-31T00:00:00Z" },
	{ "TZ=Europe/Berlin 30 2 * * *", "2025-10-25T12:00:00Z",
	  "2025-10-26T00:30:00Z 2025-10-27T01:30:00Z" },
	{ "TZ=Europe/Berlin 30 2 * * *", "2025-10-26T01:10:00Z", "2025-10-27T01:30:00Z" },
	{ "TZ=Europe/Berlin 0 3 * * *", "2025-10-25T12:00:00Z", "2025-10-26T02:00:00Z" },
	/* Every hour goes by the hours that pass. */
	{ "TZ=Europe/Berlin 30 * * * *", "2025-03-30T00:00:00Z",
	  "2025-03-30T00:30:00Z 2025-03-30T01:30:00Z 2025-03-30T02:30:00Z" },
	{ "TZ=Europe/Berlin 30 * * * *", "2025-10-25T23:00:00Z",
	  "2025-10-25T23:30:00Z 2025-10-26T00:30:00Z 2025-10-26T01:30:00Z "
	  "2025-10-26T02:30:00Z" },
	{ "TZ=Europe/Berlin */30 0-23 * * *", "2025-10-26T00:00:00Z",
	  "2025-10-26T00:30:00Z 2025-10-26T01:00:00Z 2025-10-26T01:30:00Z" },
	/* New York: west of Greenwich, other dates. */
	{ "TZ=America/New_York 30 2 * * *", "2025-03-08T12:00:00Z",
	  "2025-03-09T07:00:00Z 2025-03-10T06:30:00Z" },
	{ "TZ=America/New_York 30 1 * * *", "2025-11-01T12:00:00Z",
	  "2025-11-02T05:30:00Z 2025-11-03T06:30:00Z" },
	/* The south: put back in April, put forward in October; Sydney and Santiago,
	 * there at midnight. */
	{ "TZ=Australia/Sydney 30 2 * * *", "2025-04-04T20:00:00Z",
	  "2025-04-05T15:30:00Z 2025-04-06T16:30:00Z" },
	{ "TZ=Australia/Sydney 30 2 * * *", "2025-10-03T20:00:00Z",
	  "2025-10-04T16:00:00Z 2025-10-05T15:30:00Z" },
	{ "TZ=America/Santiago 15 0 * * *", "2025-09-06T12:00:00Z",
	  "2025-09-07T04:00:00Z 2025-09-08T03:15:00Z" },
	/* Lord Howe changes by half an hour: 02:00 to 02:30, and 02:00 back to 01:30. */
	{ "TZ=Australia/Lord_Howe 15 2 * * *", "2025-10-03T20:00:00Z",
	  "2025-10-04T15:30:00Z 2025-10-05T15:15:00Z" },
	{ "TZ=Australia/Lord_Howe 45 1 * * *", "2025-04-04T20:00:00Z",
	  "2025-04-05T14:45:00Z 2025-04-06T15:15:00Z" },
	{ "TZ=Australia/Lord_Howe 45 * * * *", "2025-04-05T14:00:00Z",
	  "2025-04-05T14:45:00Z 2025-04-05T15:15:00Z 2025-04-05T16:15:00Z" },
	/* A day that was left out: Samoa had no 30 December 2011. */
	{ "TZ=Pacific/Apia 0 12 * * *", "2011-12-29T20:00:00Z",
	  "2011-12-29T22:00:00Z 2011-12-30T10:00:00Z 2011-12-30T22:00:00Z" },
	/* Ireland's summer time is its standard time, its winter is "daylight saving". */
	{ "TZ=Europe/Dublin 30 1 * * *", "2040-03-24T12:00:00Z",
	  "2040-03-25T01:00:00Z 2040-03-26T00:30:00Z" },
	/* Behind the tables of the files. */
	{ "TZ=Europe/Berlin 30 2 * * *", "2149-10-25T12:00:00Z",
	  "2149-10-26T00:30:00Z 2149-10-27T01:30:00Z" },
	{ "TZ=America/New_York 30 2 * * *", "2149-03-08T12:00:00Z",
	  "2149-03-09T07:00:00Z 2149-03-10T06:30:00Z" },
	/* The turn of a year in a zone ahead. */
	{ "TZ=Pacific/Auckland 0 0 1 1 *", "2025-06-01T00:00:00Z",
	  "2025-12-31T11:00:00Z 2026-12-31T11:00:00Z" },
	{ "every 15min", "2025-01-01T00:00:07.5Z",
	  "2025-01-01T00:15:07.5Z 2025-01-01T00:30:07.5Z" },
	{ "Every 2h30m", "2025-01-01T00:00:00Z", "2025-01-01T02:30:00Z" },
	{ "@every 1s", "2025-01-01T00:00:00Z", "2025-01-01T00:00:01Z" },
};

START_TEST(rules_name_the_next_time)
{
	char list[512], *word, *rest = list;
	jl_rule *rule = rule_of(rules[_i].rule);
	uint64_t at = utc(rules[_i].after), want;

	(void)snprintf(list, sizeof(list), "%s", rules[_i].times);
	while ((word = strsep(&rest, " "))) {
		want = utc(word);
		ck_assert_int_eq(jl_rule_next(rule, at, &at), 0);
		if (at != want)
			ck_abort_msg("%s: %s instead of %s", rules[_i].rule, shown(at),
				     word);
	}
	jl_rule_free(rule);
}
END_TEST

static const char *const never[] = {
	"TZ=UTC 0 0 30 2 *",
	"TZ=UTC 0 0 31 2,4,6,9,11 *",
	"TZ=UTC 0 0 31 feb */2",
	"TZ=Europe/Berlin * * 30 2 *",
};

START_TEST(what_never_comes_is_enoent)
{
	jl_rule *rule = rule_of(never[_i]);
	uint64_t at = 7;

	ck_assert_int_eq(jl_rule_next(rule, utc("2025-01-01T00:00Z"), &at), -ENOENT);
	ck_assert_uint_eq(at, 7);
	jl_rule_free(rule);
}
END_TEST

START_TEST(the_end_of_time_is_enoent)
{
	jl_rule *every = rule_of("every 1h"), *cron = rule_of("TZ=UTC 0 0 1 1 *");
	uint64_t at;

	ck_assert_int_eq(jl_rule_next(every, UINT64_MAX - HOUR, &at), 0);
	ck_assert_uint_eq(at, UINT64_MAX);
	ck_assert_int_eq(jl_rule_next(every, UINT64_MAX, &at), -ENOENT);
	ck_assert_int_eq(jl_rule_next(cron, UINT64_MAX, &at), -ENOENT);
	jl_rule_free(every);
	jl_rule_free(cron);
}
END_TEST

/* Every zone there is, over 40 years: local times go up, moments do not go back. */
START_TEST(moments_come_in_the_order_of_local_times)
{
	static const char *const names[] = {
		"Europe/Berlin",
		"America/New_York",
		"Australia/Lord_Howe",
		"Africa/Casablanca",
		"Asia/Gaza",
		"Antarctica/Troll",
		"America/Scoresbysund",
		"Pacific/Apia",
		"Europe/Dublin",
		"Asia/Tehran",
		"UTC",
	};
	int64_t start = jl__civil_to_days(2000, 1, 1) * SEC_PER_DAY;

	for (int i = 0; i < COUNT(names); i++) {
		struct jl__zone *zone = NULL;
		int64_t last = INT64_MIN;

		ck_assert_int_eq(jl__zone_named(names[i], &zone, NULL), 0);
		for (int64_t local = start;
		     local < start + INT64_C(40) * 366 * SEC_PER_DAY; local += 1800) {
			int64_t at = jl__zone_to_utc(zone, local);
			struct jl__zone_span span = jl__zone_span(zone, at);

			if (at < last || at < span.start || at >= span.end)
				ck_abort_msg("%s at %lld", names[i], (long long)local);
			/* Either this is the time on the wall, or it was left out. */
			if (at + span.offset != local && at != span.start)
				ck_abort_msg("%s at %lld", names[i], (long long)local);
			last = at;
		}
		jl__zone_free(zone);
	}
}
END_TEST

static const struct {
	const char *text, *says;
} bad_rules[] = {
	{ NULL, "the rule is empty" },
	{ "", "the rule is empty" },
	{ "  \t", "the rule is empty" },
	{ "every", "every: the span of time is empty" },
	{ "every 15", "every: \"15\": a unit is missing, for instance 15s" },
	{ "every 999ms", "\"every 999ms\" is too often: 1s is the least" },
	{ "every 0s", "is too often" },
	{ "every 400d", "every: \"400d\" is longer than 366 days" },
	{ "TZ=UTC every 1h", "has no time zone: leave TZ= out" },
	{ "everyday", "this has 1" },
	{ "0 2 * *", "\"0 2 * *\" is not a rule: write \"every\" and a span, or the five "
		     "fields of cron (minute, hour, day of month, month, day of week); "
		     "this has 4" },
	{ "0 0 2 * * *", "this has 6" },
	{ "TZ=UTC", "this has 0" },
	{ "TZ= 0 2 * * *", "there is no time zone \"\"" },
	{ "TZ=Nowhere/Land 0 2 * * *",
	  "there is no time zone \"Nowhere/Land\"; names are" },
	{ "TZ=../../../etc/passwd 0 2 * * *", "there is no time zone \"../../../etc" },
	{ "TZ=/etc/localtime 0 2 * * *", "there is no time zone \"/etc/localtime\"" },
	{ "TZ=Europe//Berlin 0 2 * * *", "there is no time zone" },
	{ "TZ=Europe 0 2 * * *", "\"Europe\" is not a time zone that can be used" },
	{ "TZ=localtime/x 0 2 * * *", "there is no time zone" },
	{ "TZ=right/Europe/Berlin 0 2 * * *", "right/Europe/Berlin\"" },
	{ "60 2 * * *", "cron field \"minute\": \"60\" is not between 0 and 59" },
	{ "0 24 * * *", "cron field \"hour\": \"24\" is not between 0 and 23" },
	{ "0 0 0 * *", "cron field \"day of month\": \"0\" is not between 1 and 31" },
	{ "0 0 * 13 *", "cron field \"month\": \"13\" is not between 1 and 12" },
	{ "0 0 * * 8", "cron field \"day of week\": \"8\" is not between 0 and 7" },
	{ "99999999999 * * * *", "is not between 0 and 59" },
	{ "x * * * *", "cron field \"minute\": \"x\" is not a number" },
	{ "-1 * * * *", "\"-1\" is not a number" },
	{ "* * * foo *", "\"foo\" is neither a number nor a name" },
	{ "* * * ja *", "\"ja\" is neither a number nor a name" },
	{ "* * * janu *", "\"janu\" is neither a number nor a name" },
	{ "* * * * monn", "\"monn\" is neither a number nor a name" },
	{ "5-2 * * * *", "cron field \"minute\": \"5-2\" goes backwards" },
	{ "* * * * fri-mon", "\"fri-mon\" goes backwards" },
	{ "5- * * * *", "\"5-\" is not a number" },
	{ "1-5-9 * * * *", "\"1-5-9\" is not a number, a range or a step" },
	{ "*5 * * * *", "\"*5\" is not a number, a range or a step" },
	{ "*/0 * * * *", "\"*/0\" has a step of 0" },
	{ "*/60 * * * *", "\"*/60\" has a step larger than the field" },
	{ "*/ * * * *", "\"*/\" has no step behind the '/'" },
	{ "*/x * * * *", "\"*/x\" has a step that is not a number" },
	{ "1,,2 * * * *", "cron field \"minute\": \"\" is empty" },
	{ ",1 * * * *", "\"\" is empty" },
	{ "1, * * * *", "\"\" is empty" },
	{ "? * * * *", "\"?\" is not a number" },
	{ "@reboot", "\"@reboot\" is not a rule; with '@' there are @hourly" },
	{ "@daily 5", "\"@daily 5\" is not a rule" },
};

START_TEST(bad_rules_have_a_sentence)
{
	jl_rule *rule = (jl_rule *)&rule;
	jl_error *err;

	ck_assert_int_eq(setenv("TZ", "UTC", 1), 0);
	ck_assert_int_eq(jl_rule_parse(bad_rules[_i].text, &rule, &err), -EINVAL);
	if (!strstr(jl_error_message(err), bad_rules[_i].says))
		ck_abort_msg("%s", jl_error_message(err));
	ck_assert_ptr_eq(rule, &rule);
	jl_error_free(err);
	ck_assert_int_eq(jl_rule_parse(bad_rules[_i].text, &rule, NULL), -EINVAL);
}
END_TEST

START_TEST(a_rule_has_a_largest_size)
{
	char text[2048];
	jl_rule *rule;
	jl_error *err;

	memset(text, ' ', sizeof(text) - 1);
	memcpy(text, "0 0 1 1 *", 9);
	text[1024] = '\0';
	ck_assert_int_eq(jl_rule_parse(text, &rule, NULL), 0);
	jl_rule_free(rule);
	text[1024] = ' ';
	text[1025] = '\0';
	ck_assert_int_eq(jl_rule_parse(text, &rule, &err), -EINVAL);
	ck_assert_str_eq(jl_error_message(err),
			 "a rule of 1025 bytes: 1024 are the most");
	jl_error_free(err);
	jl_rule_free(NULL);
}
END_TEST

START_TEST(without_a_zone_it_is_the_local_one)
{
	jl_rule *rule;
	uint64_t at;

	ck_assert_int_eq(setenv("TZ", "Europe/Berlin", 1), 0);
	rule = rule_of("0 2 * * *");
	ck_assert_int_eq(setenv("TZ", "UTC", 1), 0);
	ck_assert_int_eq(jl_rule_next(rule, utc("2025-07-01T12:00Z"), &at), 0);
	ck_assert_uint_eq(at, utc("2025-07-02T00:00Z"));
	jl_rule_free(rule);
	ck_assert_int_eq(setenv("TZ", "Nowhere/Land", 1), 0);
	ck_assert_int_eq(jl_rule_parse("0 2 * * *", &rule, NULL), -EINVAL);
	rule = rule_of("every 1h");
	jl_rule_free(rule);
}
END_TEST

START_TEST(missed_times_are_skipped_in_one_step)
{
	jl_rule *every = rule_of("every 7s"), *cron = rule_of("TZ=UTC 0 2 * * *");
	uint64_t due = 3 * SEC, now = 3 * SEC + 1000 * DAY, at;

	ck_assert_int_eq(jl__rule_skip(every, due, now, &at), 0);
	ck_assert_uint_gt(at, now);
	ck_assert_uint_le(at, now + 7 * SEC);
	ck_assert_uint_eq((at - due) % (7 * SEC), 0);
	/* Exactly at a beat, the next one; not due yet, the one behind it. */
	ck_assert_int_eq(jl__rule_skip(every, due, due + 14 * SEC, &at), 0);
	ck_assert_uint_eq(at, due + 21 * SEC);
	ck_assert_int_eq(jl__rule_skip(every, due, due, &at), 0);
	ck_assert_uint_eq(at, due + 7 * SEC);
	ck_assert_int_eq(jl__rule_skip(every, due, 0, &at), 0);
	ck_assert_uint_eq(at, due + 7 * SEC);
	ck_assert_int_eq(jl__rule_skip(cron, utc("2025-01-01T02:00Z"),
				       utc("2025-03-07T09:00Z"), &at),
			 0);
	ck_assert_uint_eq(at, utc("2025-03-08T02:00Z"));
	jl_rule_free(every);
	jl_rule_free(cron);
}
END_TEST

/* ---- rules of zones, and files ---- */

static const struct {
	const char *text;
	const char *at;
	int32_t offset;
} zone_rules[] = {
	{ "UTC0", "2025-07-01T00:00Z", 0 },
	{ "<-03>3", "2025-07-01T00:00Z", -3 * 3600 },
	{ "IST-5:30", "2025-07-01T00:00Z", 19800 },
	{ "ABC+1:02:03", "2025-07-01T00:00Z", -3723 },
	{ "CET-1CEST,M3.5.0,M10.5.0/3", "2025-03-30T00:59:59Z", 3600 },
	{ "CET-1CEST,M3.5.0,M10.5.0/3", "2025-03-30T01:00:00Z", 7200 },
	{ "CET-1CEST,M3.5.0,M10.5.0/3", "2025-10-26T00:59:59Z", 7200 },
	{ "CET-1CEST,M3.5.0,M10.5.0/3", "2025-10-26T01:00:00Z", 3600 },
	{ "AEST-10AEDT,M10.1.0,M4.1.0/3", "2025-01-01T00:00Z", 39600 },
	{ "AEST-10AEDT,M10.1.0,M4.1.0/3", "2025-06-01T00:00Z", 36000 },
	{ "AEST-10AEDT,M10.1.0,M4.1.0/3", "2025-12-31T23:00Z", 39600 },
	{ "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2025-12-31T23:00Z", 39600 },
	/* Summer time all year, as RFC 8536 writes it. */
	{ "XXX3EDT4,0/0,J365/23", "2025-01-01T03:30:00Z", -4 * 3600 },
	{ "XXX3EDT4,0/0,J365/23", "2025-07-01T00:00Z", -4 * 3600 },
	{ "XXX3EDT4,0/0,J365/23", "2025-12-31T23:59Z", -4 * 3600 },
	/* Days of the year, with and without 29 February. */
	{ "AAA0BBB,J60/0,J61/0", "2024-03-01T12:00Z", 3600 },
	{ "AAA0BBB,J60/0,J61/0", "2025-03-01T12:00Z", 3600 },
	{ "AAA0BBB,59/0,60/0", "2024-02-29T12:00Z", 3600 },
	{ "AAA0BBB,59/0,60/0", "2025-03-01T12:00Z", 3600 },
	/* Hours in front of the day, and behind it. */
	{ "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2025-03-30T00:59:59Z", -7200 },
	{ "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2025-03-30T01:00:00Z", -3600 },
	{ "IST-2IDT,M3.4.4/26,M10.5.0", "2025-03-27T23:59:59Z", 7200 },
	{ "IST-2IDT,M3.4.4/26,M10.5.0", "2025-03-28T00:00:00Z", 10800 },
};

START_TEST(zone_rules_give_the_offset)
{
	struct jl__zone_rule rule;
	struct jl__zone_span span;
	int64_t at = (int64_t)(utc(zone_rules[_i].at) / SEC);

	ck_assert_int_eq(jl__zone_rule_parse(zone_rules[_i].text, &rule), 0);
	span = jl__zone_rule_span(&rule, at);
	ck_assert_int_eq(span.offset, zone_rules[_i].offset);
	ck_assert_int_le(span.start, at);
	ck_assert_int_gt(span.end, at);
}
END_TEST

static const char *const bad_zone_rules[] = {
	"",
	"U0",
	"UTC",
	"UTC25",
	"UTC0X",
	"<>0",
	"<ab>0",
	"<+01-1",
	"CET-1CEST",
	"CET-1CEST,M3.5.0",
	"CET-1CEST,M13.5.0,M10.5.0",
	"CET-1CEST,M3.6.0,M10.5.0",
	"CET-1CEST,M3.5.7,M10.5.0",
	"CET-1CEST,M0.5.0,M10.5.0",
	"CET-1CEST,J0,J365",
	"CET-1CEST,0,366",
	"CET-1CEST,M3.5.0/168,M10.5.0",
	"CET-1CEST,M3.5.0,M10.5.0/3x",
	"CET-1:60",
	"CET-1:",
	"CET99999999999",
};

START_TEST(bad_zone_rules_are_refused)
{
	struct jl__zone_rule rule;

	ck_assert_int_eq(jl__zone_rule_parse(bad_zone_rules[_i], &rule), -EINVAL);
}
END_TEST

/* A file with one change, in both forms; what a test wants to break it breaks. */
struct tzif {
	uint8_t data[256];
	size_t size;
};

static void add32(struct tzif *t, uint32_t value)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		t->data[t->size++] = (uint8_t)(value >> shift);
}

static void add_head(struct tzif *t, char version, uint32_t leaps, uint32_t times,
		     uint32_t types)
{
	memcpy(t->data + t->size, "TZif", 4);
	t->data[t->size + 4] = (uint8_t)version;
	memset(t->data + t->size + 5, 0, 15);
	t->size += 20;
	add32(t, 0);
	add32(t, 0);
	add32(t, leaps);
	add32(t, times);
	add32(t, types);
	add32(t, 4);
}

static void add_types(struct tzif *t, int32_t first, int32_t second)
{
	add32(t, (uint32_t)first);
	t->data[t->size++] = 0;
	t->data[t->size++] = 0;
	add32(t, (uint32_t)second);
	t->data[t->size++] = 1;
	t->data[t->size++] = 0;
	memcpy(t->data + t->size, "ABC", 4);
	t->size += 4;
}

/* Two changes at times first and second, to type 1 and back. */
static struct tzif make_file(const char *footer, int64_t first, int64_t second)
{
	struct tzif t = { .size = 0 };

	add_head(&t, '2', 0, 0, 1);
	add32(&t, 0);
	t.data[t.size++] = 0;
	t.data[t.size++] = 0;
	memcpy(t.data + t.size, "ABC", 4);
	t.size += 4;
	add_head(&t, '2', 0, 2, 2);
	add32(&t, (uint32_t)((uint64_t)first >> 32));
	add32(&t, (uint32_t)first);
	add32(&t, (uint32_t)((uint64_t)second >> 32));
	add32(&t, (uint32_t)second);
	t.data[t.size++] = 1;
	t.data[t.size++] = 0;
	add_types(&t, 3600, 7200);
	memcpy(t.data + t.size, footer, strlen(footer));
	t.size += strlen(footer);
	return t;
}

START_TEST(a_zone_file_is_read)
{
	struct tzif t = make_file("\nABC-1\n", -1000, 1000);
	struct jl__zone_span span;
	struct jl__zone *zone;

	ck_assert_int_eq(jl__zone_parse(t.data, t.size, &zone), 0);
	span = jl__zone_span(zone, -1001);
	ck_assert_int_eq(span.offset, 3600);
	ck_assert_int_eq(span.end, -1000);
	span = jl__zone_span(zone, -1000);
	ck_assert_int_eq(span.offset, 7200);
	ck_assert_int_eq(span.start, -1000);
	ck_assert_int_eq(span.end, 1000);
	span = jl__zone_span(zone, 1000);
	ck_assert_int_eq(span.offset, 3600);
	ck_assert_int_eq(span.start, 1000);
	ck_assert_int_eq(span.end, INT64_MAX);
	/* Put forward by an hour at -1000, put back at 1000. */
	ck_assert_int_eq(jl__zone_to_utc(zone, 2599), -1001);
	ck_assert_int_eq(jl__zone_to_utc(zone, 2600), -1000);
	ck_assert_int_eq(jl__zone_to_utc(zone, 6199), -1000);
	ck_assert_int_eq(jl__zone_to_utc(zone, 6201), -999);
	ck_assert_int_eq(jl__zone_to_utc(zone, 8199), 999);
	ck_assert_int_eq(jl__zone_to_utc(zone, 8200), 4600);
	jl__zone_free(zone);
	jl__zone_free(NULL);
}
END_TEST

START_TEST(a_file_without_a_rule_keeps_the_last_offset)
{
	struct tzif t = make_file("\n\n", -1000, 1000);
	struct jl__zone *zone;

	ck_assert_int_eq(jl__zone_parse(t.data, t.size, &zone), 0);
	ck_assert_int_eq(jl__zone_span(zone, INT64_C(1) << 40).offset, 3600);
	jl__zone_free(zone);
}
END_TEST

START_TEST(a_broken_zone_file_is_refused)
{
	struct tzif good = make_file("\nABC-1\n", -1000, 1000), t;
	struct jl__zone *zone;

	/* Cut anywhere. */
	for (size_t size = 0; size < good.size; size++)
		ck_assert_int_eq(jl__zone_parse(good.data, size, &zone), -EBADMSG);
	t = make_file("\nABC-1\n", 1000, 1000); /* not ascending */
	ck_assert_int_eq(jl__zone_parse(t.data, t.size, &zone), -EBADMSG);
	t = make_file("\nABC-1x\n", -1000, 1000);
	ck_assert_int_eq(jl__zone_parse(t.data, t.size, &zone), -EBADMSG);
	t = make_file("ABC-1\n", -1000, 1000);
	ck_assert_int_eq(jl__zone_parse(t.data, t.size, &zone), -EBADMSG);
	t = good;
	t.data[0] = 'X';
	ck_assert_int_eq(jl__zone_parse(t.data, t.size, &zone), -EBADMSG);
	/* The index of a type that is not there: behind two heads, a type and two times.
	 */
	t = good;
	t.data[44 + 10 + 44 + 16] = 2;
	ck_assert_int_eq(jl__zone_parse(t.data, t.size, &zone), -EBADMSG);
	/* An offset of days. */
	t = good;
	t.data[44 + 10 + 44 + 16 + 2 + 1] = 0x10;
	ck_assert_int_eq(jl__zone_parse(t.data, t.size, &zone), -EBADMSG);
	/* Leap seconds; more of everything than there can be. */
	for (int field = 0; field < 6; field++) {
		t = good;
		t.data[44 + 10 + 20 + field * 4] = 0x7f;
		ck_assert_int_eq(jl__zone_parse(t.data, t.size, &zone), -EBADMSG);
	}
	t = good;
	t.data[44 + 10 + 20 + 2 * 4 + 3] = 1;
	ck_assert_int_eq(jl__zone_parse(t.data, t.size, &zone), -EBADMSG);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("sched_rule");
	TCase *rule = tcase_create("rules"), *zone = tcase_create("zones");

	tcase_add_loop_test(rule, rules_name_the_next_time, 0, COUNT(rules));
	tcase_add_loop_test(rule, what_never_comes_is_enoent, 0, COUNT(never));
	tcase_add_test(rule, the_end_of_time_is_enoent);
	tcase_add_loop_test(rule, bad_rules_have_a_sentence, 0, COUNT(bad_rules));
	tcase_add_test(rule, a_rule_has_a_largest_size);
	tcase_add_test(rule, without_a_zone_it_is_the_local_one);
	tcase_add_test(rule, missed_times_are_skipped_in_one_step);
	tcase_add_test(zone, moments_come_in_the_order_of_local_times);
	tcase_add_loop_test(zone, zone_rules_give_the_offset, 0, COUNT(zone_rules));
	tcase_add_loop_test(zone, bad_zone_rules_are_refused, 0, COUNT(bad_zone_rules));
	tcase_add_test(zone, a_zone_file_is_read);
	tcase_add_test(zone, a_file_without_a_rule_keeps_the_last_offset);
	tcase_add_test(zone, a_broken_zone_file_is_refused);
	suite_add_tcase(suite, rule);
	suite_add_tcase(suite, zone);
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
