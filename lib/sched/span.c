/* SPDX-License-Identifier: MIT */
#define JL_MODULE "sched"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include <joblet/sched.h>

#include "base/error.h"
#include "sched/sched-priv.h"

#define SPAN_MAX_USEC (UINT64_C(366) * SEC_PER_DAY * USEC_PER_SEC)

static const struct {
	const char *names[5];
	uint64_t usec;
} units[] = {
	{ { "ms" }, 1000 },
	{ { "s", "sec", "secs", "second", "seconds" }, USEC_PER_SEC },
	{ { "m", "min", "mins", "minute", "minutes" }, 60 * USEC_PER_SEC },
	{ { "h", "hour", "hours" }, 3600 * USEC_PER_SEC },
	{ { "d", "day", "days" }, SEC_PER_DAY *USEC_PER_SEC },
};

const char *jl__skip_blanks(const char *text)
{
	return text + strspn(text, " \t");
}

bool jl__starts_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	return strncasecmp(text, word, len) == 0 &&
	       (!text[len] || text[len] == ' ' || text[len] == '\t');
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* 0 when there is no such unit. */
static uint64_t unit_usec(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		for (size_t k = 0; k < 5 && units[i].names[k]; k++) {
			if (strlen(units[i].names[k]) == len &&
			    strncasecmp(units[i].names[k], name, len) == 0)
				return units[i].usec;
		}
	}
	return 0;
}

/* Reads digits; false when they say more than fits. */
static bool take_number(const char **text, uint64_t *ret)
{
	bool fits = true;

	for (*ret = 0; **text >= '0' && **text <= '9'; (*text)++) {
		if (__builtin_mul_overflow(*ret, 10, ret) ||
		    __builtin_add_overflow(*ret, (uint64_t)(**text - '0'), ret))
			fits = false;
	}
	return fits;
}

/* One number with its unit, added to *total. */
static int take_part(const char *all, const char **text, uint64_t *total, bool *fits,
		     jl_error **err)
{
	const char *at = *text;
	uint64_t number, unit;
	size_t len = 0;

	if (*at < '0' || *at > '9')
		return jl__fail(err, -EINVAL,
				"\"" SHOWN "\" is not a span of time: write numbers with "
				"units, for instance 45s, 5min or 2h30m",
				all);
	if (!take_number(&at, &number))
		*fits = false;
	at = jl__skip_blanks(at);
	while (is_letter(at[len]))
		len++;
	if (len == 0)
		return jl__fail(err, -EINVAL,
				"\"" SHOWN "\": a unit is missing, for instance %.*ss; "
				"units are ms, s, min, h and d",
				all, (int)strspn(*text, "0123456789") % 20, *text);
	unit = unit_usec(at, len);
	if (unit == 0)
		return jl__fail(err, -EINVAL,
				"\"" SHOWN "\": \"%.*s\" is not a unit; units are ms, s, "
				"min, h and d",
				all, len < 40 ? (int)len : 40, at);
	if (__builtin_mul_overflow(number, unit, &number) ||
	    __builtin_add_overflow(*total, number, total))
		*fits = false;
	*text = at + len;
	return 0;
}

int jl_time_parse_span(const char *text, uint64_t *ret_usec, jl_error **ret_err)
{
	uint64_t total = 0;
	bool fits = true;
	const char *at;
	int r;

	jl__error_init(ret_err);
	if (!text)
		return jl__fail(ret_err, -EINVAL, "no span of time is given");
	at = jl__skip_blanks(text);
	if (!*at)
		return jl__fail(ret_err, -EINVAL, "the span of time is empty");
	while (*at) {
		r = take_part(text, &at, &total, &fits, ret_err);
		if (r < 0)
			return r;
		at = jl__skip_blanks(at);
	}
	if (!fits || total > SPAN_MAX_USEC)
		return jl__fail(ret_err, -ERANGE, "\"" SHOWN "\" is longer than 366 days",
				text);
	*ret_usec = total;
	return 0;
}
