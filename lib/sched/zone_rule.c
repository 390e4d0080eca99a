/* SPDX-License-Identifier: MIT */
/* What holds behind the last change of a zone file: a rule in the form of POSIX TZ. */
#include <errno.h>

#include "sched/sched-priv.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool take_char(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

static bool take_number(const char **text, int min, int max, int *ret)
{
	int value = 0;

	if (!is_digit(**text))
		return false;
	for (; is_digit(**text); (*text)++) {
		value = value * 10 + (**text - '0');
		if (value > max)
			return false;
	}
	*ret = value;
	return value >= min;
}

/* "CET" or "<+0330>": at least three characters. */
static bool take_name(const char **text)
{
	const char *start = *text;

	if (take_char(text, '<')) {
		while (is_letter(**text) || is_digit(**text) || **text == '+' ||
		       **text == '-')
			(*text)++;
		return *text - start >= 4 && take_char(text, '>');
	}
	while (is_letter(**text))
		(*text)++;
	return *text - start >= 3;
}

/* "[+-]hh[:mm[:ss]]" in seconds. */
static bool take_time(const char **text, int max_hours, int32_t *ret)
{
	int hours, minutes = 0, seconds = 0;
	bool minus = **text == '-';

	if (!take_char(text, '-'))
		(void)take_char(text, '+');
	if (!take_number(text, 0, max_hours, &hours))
		return false;
	if (take_char(text, ':')) {
		if (!take_number(text, 0, 59, &minutes))
			return false;
		if (take_char(text, ':') && !take_number(text, 0, 59, &seconds))
			return false;
	}
	*ret = (hours * 3600 + minutes * 60 + seconds) * (minus ? -1 : 1);
	return true;
}

/* ",M3.5.0/2" */
static bool take_change(const char **text, struct jl__zone_change *ret)
{
	int day, month = 0, week = 0;

	*ret = (struct jl__zone_change){ .form = 'D', .second = 2 * 3600 };
	if (!take_char(text, ','))
		return false;
	if (take_char(text, 'J')) {
		ret->form = 'J';
		if (!take_number(text, 1, 365, &day))
			return false;
	} else if (take_char(text, 'M')) {
		ret->form = 'M';
		if (!take_number(text, 1, 12, &month) || !take_char(text, '.') ||
		    !take_number(text, 1, 5, &week) || !take_char(text, '.') ||
		    !take_number(text, 0, 6, &day))
			return false;
	} else if (!take_number(text, 0, 365, &day)) {
		return false;
	}
	ret->day = (uint16_t)day;
	ret->month = (uint8_t)month;
	ret->week = (uint8_t)week;
	return !take_char(text, '/') || take_time(text, 167, &ret->second);
}

int jl__zone_rule_parse(const char *text, struct jl__zone_rule *ret)
{
	struct jl__zone_rule rule = { 0 };
	int32_t west;

	if (!take_name(&text) || !take_time(&text, 24, &west))
		return -EINVAL;
	rule.standard = -west;
	if (*text) {
		rule.has_summer = true;
		rule.summer = rule.standard + 3600;
		if (!take_name(&text))
			return -EINVAL;
		if (*text && *text != ',') {
			if (!take_time(&text, 24, &west))
				return -EINVAL;
			rule.summer = -west;
		}
		/* Without rules the meaning is left to the machine: not to be relied on.
		 */
		if (!take_change(&text, &rule.begin) || !take_change(&text, &rule.end))
			return -EINVAL;
	}
	if (*text)
		return -EINVAL;
	*ret = rule;
	return 0;
}

/* Seconds of local time of a change in a year. */
static int64_t change_at(const struct jl__zone_change *change, int64_t year)
{
	int64_t days = jl__civil_to_days(year, 1, 1);

	if (change->form == 'J') {
		days += change->day - 1 + (change->day > 59 && jl__civil_is_leap(year));
	} else if (change->form == 'D') {
		days += change->day;
	} else {
		unsigned int in_month = jl__civil_month_days(year, change->month), day;

		days = jl__civil_to_days(year, change->month, 1);
		day = (change->day + 7 - jl__civil_weekday(days)) % 7 +
		      (change->week - 1) * 7U;
		if (day >= in_month)
			day -= 7;
		days += day;
	}
	return days * SEC_PER_DAY + change->second;
}

struct jl__zone_span jl__zone_rule_span(const struct jl__zone_rule *rule, int64_t utc)
{
	struct {
		int64_t at;
		int32_t offset;
	} changes[8]; /* of four years: a change may be a week off its day */
	struct jl__zone_span span = { INT64_MIN, INT64_MAX, rule->standard };
	unsigned int month, day, count = 0;
	int64_t year;

	if (!rule->has_summer)
		return span;
	jl__civil_from_days(jl__floor_div(utc, SEC_PER_DAY), &year, &month, &day);
	for (int64_t y = year - 1; y <= year + 2; y++) {
		int64_t at[2] = { change_at(&rule->begin, y) - rule->standard,
				  change_at(&rule->end, y) - rule->summer };
		int32_t offset[2] = { rule->summer, rule->standard };

		/* Into order; of two at one moment the one found later counts. */
		for (unsigned int i = 0; i < 2; i++) {
			unsigned int place = count++;

			for (; place > 0 && changes[place - 1].at > at[i]; place--)
				changes[place] = changes[place - 1];
			changes[place].at = at[i];
			changes[place].offset = offset[i];
		}
	}
	for (unsigned int i = 0; i < count; i++) {
		if (changes[i].at > utc) {
			span.end = changes[i].at;
			break;
		}
		span.start = changes[i].at;
		span.offset = changes[i].offset;
	}
	return span;
}
