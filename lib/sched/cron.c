/* SPDX-License-Identifier: MIT */
/* Cron expressions: five fields, each a set of numbers. */
#define JL_MODULE "sched"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "sched/sched-priv.h"

#define FIELDS 5
#define MINUTES_PER_DAY 1440

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY };

static const char *const month_names[] = {
	"january", "february", "march",	    "april",   "may",	   "june",
	"july",	   "august",   "september", "october", "november", "december"
};
static const char *const weekday_names[] = { "sunday",	 "monday", "tuesday", "wednesday",
					     "thursday", "friday", "saturday" };

static const struct field {
	const char *name;
	unsigned int min, max;
	const char *const *names; /* the first one is min */
	unsigned int name_count;
} fields[FIELDS] = {
	[MINUTE] = { "minute", 0, 59, NULL, 0 },
	[HOUR] = { "hour", 0, 23, NULL, 0 },
	[DAY] = { "day of month", 1, 31, NULL, 0 },
	[MONTH] = { "month", 1, 12, month_names, 12 },
	[WEEKDAY] = { "day of week", 0, 7, weekday_names, 7 }, /* 7 is Sunday too */
};

static const struct {
	const char *name, *text;
} macros[] = {
	{ "@hourly", "0 * * * *" },   { "@daily", "0 0 * * *" },
	{ "@midnight", "0 0 * * *" }, { "@weekly", "0 0 * * 0" },
	{ "@monthly", "0 0 1 * *" },  { "@yearly", "0 0 1 1 *" },
	{ "@annually", "0 0 1 1 *" },
};

/* A part of a field being read: text of length len. */
struct part {
	const struct field *field;
	const char *text;
	size_t len;
	jl_error **err;
};

static int bad(const struct part *p, const char *what)
{
	return jl__fail(p->err, -EINVAL, "cron field \"%s\": \"%.*s\" %s", p->field->name,
			p->len < 40 ? (int)p->len : 40, p->text, what);
}

/* "5", "oct" or "october" from *at to end. */
static int take_value(const struct part *p, const char **at, const char *end,
		      unsigned int *ret)
{
	const struct field *f = p->field;
	char what[80];
	size_t len = 0;

	*ret = 0;
	if (*at < end && **at >= '0' && **at <= '9') {
		for (; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
			*ret = *ret * 10 + (unsigned int)(**at - '0');
			if (*ret > 999)
				*ret = 999;
		}
		if (*ret >= f->min && *ret <= f->max)
			return 0;
		(void)snprintf(what, sizeof(what), "is not between %u and %u", f->min,
			       f->max);
		return bad(p, what);
	}
	while (*at + len < end && (((*at)[len] >= 'a' && (*at)[len] <= 'z') ||
				   ((*at)[len] >= 'A' && (*at)[len] <= 'Z')))
		len++;
	for (unsigned int i = 0; i < f->name_count; i++) {
		if ((len == 3 || len == strlen(f->names[i])) &&
		    strncasecmp(f->names[i], *at, len) == 0) {
			*at += len;
			*ret = f->min + i;
			return 0;
		}
	}
	return bad(p, f->names ? "is neither a number nor a name" : "is not a number");
}

/* "/5" behind a range, to the end of the part. */
static int take_step(const struct part *p, const char **at, const char *end,
		     unsigned int *ret)
{
	unsigned int span = p->field->max - p->field->min;

	(*at)++;
	*ret = 0;
	if (*at == end)
		return bad(p, "has no step behind the '/'");
	for (; *at < end; (*at)++) {
		if (**at < '0' || **at > '9')
			return bad(p, "has a step that is not a number");
		*ret = *ret * 10 + (unsigned int)(**at - '0');
		if (*ret > span)
			return bad(p, "has a step larger than the field");
	}
	return *ret > 0 ? 0 : bad(p, "has a step of 0");
}

/* One of a list: "*", "5", "1-5", each with a step behind it if need be. */
static int take_part(const struct part *p, uint64_t *set)
{
	const struct field *f = p->field;
	const char *at = p->text, *end = p->text + p->len;
	unsigned int first = f->min, last = f->max, step = 1;
	int r;

	if (at == end)
		return bad(p, "is empty");
	if (*at == '*') {
		at++;
		/* Sunday once is enough. */
		last = f->max - (f == &fields[WEEKDAY]);
	} else {
		r = take_value(p, &at, end, &first);
		if (r < 0)
			return r;
		if (at < end && *at == '-') {
			at++;
			r = take_value(p, &at, end, &last);
			if (r < 0)
				return r;
			/* "sat-sun" */
			if (f == &fields[WEEKDAY] && last == 0 && first > 0)
				last = 7;
		} else if (at == end) {
			last = first;
		}
	}
	if (at < end && *at == '/') {
		r = take_step(p, &at, end, &step);
		if (r < 0)
			return r;
	}
	if (at < end)
		return bad(p, "is not a number, a range or a step");
	if (first > last)
		return bad(p, "goes backwards");
	for (unsigned int i = first; i <= last; i += step)
		*set |= UINT64_C(1) << i;
	return 0;
}

static int take_field(const struct field *field, const char *text, size_t len,
		      uint64_t *set, jl_error **err)
{
	const char *end = text + len;

	*set = 0;
	for (;;) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		struct part part = { field, text, (size_t)((comma ? comma : end) - text),
				     err };
		int r = take_part(&part, set);

		if (r < 0 || !comma)
			return r;
		text = comma + 1;
	}
}

/* A name that begins with '@': the text it stands for. */
static int expand(const char **text, jl_error **err)
{
	for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++) {
		if (jl__starts_word(*text, macros[i].name) &&
		    !*jl__skip_blanks(*text + strlen(macros[i].name))) {
			*text = macros[i].text;
			return 0;
		}
	}
	return jl__fail(err, -EINVAL,
			"\"" SHOWN
			"\" is not a rule; with '@' there are @hourly, @daily, "
			"@midnight, @weekly, @monthly, @yearly and @annually",
			*text);
}

int jl__cron_parse(const char *text, struct jl__cron *ret, jl_error **err)
{
	const char *all = text, *start[FIELDS] = { NULL };
	size_t len[FIELDS] = { 0 };
	uint64_t set[FIELDS];
	unsigned int count = 0;
	int r;

	if (*text == '@') {
		r = expand(&text, err);
		if (r < 0)
			return r;
	}
	while (*text) {
		size_t n = strcspn(text, " \t");

		if (count < FIELDS) {
			start[count] = text;
			len[count] = n;
		}
		count++;
		text = jl__skip_blanks(text + n);
	}
	if (count != FIELDS)
		return jl__fail(err, -EINVAL,
				"\"" SHOWN
				"\" is not a rule: write \"every\" and a span, or "
				"the five fields of cron (minute, hour, day of month, "
				"month, day of week); this has %u",
				all, count);
	for (unsigned int i = 0; i < FIELDS; i++) {
		r = take_field(&fields[i], start[i], len[i], &set[i], err);
		if (r < 0)
			return r;
	}
	*ret = (struct jl__cron){
		.minutes = set[MINUTE],
		.hours = (uint32_t)set[HOUR],
		.days = (uint32_t)set[DAY],
		.months = (uint16_t)set[MONTH],
		.weekdays = (uint8_t)((set[WEEKDAY] | set[WEEKDAY] >> 7) & 0x7f),
		.any_day = *start[DAY] == '*',
		.any_weekday = *start[WEEKDAY] == '*',
	};
	return 0;
}

static bool fits_day(const struct jl__cron *cron, int64_t days)
{
	unsigned int month, day;
	bool by_day, by_weekday;
	int64_t year;

	jl__civil_from_days(days, &year, &month, &day);
	if (!(cron->months >> month & 1))
		return false;
	by_day = cron->days >> day & 1;
	by_weekday = cron->weekdays >> jl__civil_weekday(days) & 1;
	/* When both are restricted, one of them is enough. */
	if (!cron->any_day && !cron->any_weekday)
		return by_day || by_weekday;
	return by_day && by_weekday;
}

bool jl__cron_next(const struct jl__cron *cron, int64_t minute, int64_t last_day,
		   int64_t *ret_minute)
{
	int64_t day = jl__floor_div(minute, MINUTES_PER_DAY);
	unsigned int from = (unsigned int)(minute - day * MINUTES_PER_DAY);

	for (; day <= last_day; day++, from = 0) {
		if (!fits_day(cron, day))
			continue;
		for (unsigned int m = from; m < MINUTES_PER_DAY; m++) {
			if (!(cron->hours >> m / 60 & 1)) {
				m += 59 - m % 60;
			} else if (cron->minutes >> m % 60 & 1) {
				*ret_minute = day * MINUTES_PER_DAY + m;
				return true;
			}
		}
	}
	return false;
}
