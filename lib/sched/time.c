/* SPDX-License-Identifier: MIT */
#define JL_MODULE "sched"

#include <errno.h>
#include <string.h>

#include <joblet/sched.h>

#include "base/error.h"
#include "base/parse.h"
#include "sched/sched-priv.h"

#define SPAN_MIN_USEC USEC_PER_SEC
#define SPAN_MAX_USEC (UINT64_C(365) * SEC_PER_DAY * USEC_PER_SEC)

/* A date with a time as it was written. */
struct written {
	unsigned int year, month, day, hour, minute, second, usec;
	bool has_zone;
	int32_t zone; /* seconds east of Greenwich */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Exactly so many digits. */
static bool take_digits(const char **text, unsigned int count, unsigned int *ret)
{
	*ret = 0;
	for (; count > 0; count--, (*text)++) {
		if (!is_digit(**text))
			return false;
		*ret = *ret * 10 + (unsigned int)(**text - '0');
	}
	return true;
}

static bool take_char(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

/* "2025-07-18" and something behind it. */
static bool take_date(const char **text, struct written *w)
{
	return take_digits(text, 4, &w->year) && take_char(text, '-') &&
	       take_digits(text, 2, &w->month) && take_char(text, '-') &&
	       take_digits(text, 2, &w->day) && !is_digit(**text);
}

/* "20:02", "20:02:48" or "20:02:48.5"; what is below a microsecond is cut. */
static bool take_clock(const char **text, struct written *w)
{
	unsigned int digit, unit = 100000;

	if (!take_digits(text, 2, &w->hour) || !take_char(text, ':') ||
	    !take_digits(text, 2, &w->minute))
		return false;
	if (!take_char(text, ':'))
		return true;
	if (!take_digits(text, 2, &w->second))
		return false;
	if (!take_char(text, '.') && !take_char(text, ','))
		return true;
	if (!is_digit(**text))
		return false;
	for (; take_digits(text, 1, &digit); unit /= 10)
		w->usec += digit * unit;
	return true;
}

/* "Z", "+02:00", "+0200" or "+02". */
static bool take_zone(const char **text, struct written *w)
{
	unsigned int hours, minutes = 0;
	bool west;

	if (take_char(text, 'Z') || take_char(text, 'z')) {
		w->has_zone = true;
		return true;
	}
	west = **text == '-';
	if (!take_char(text, '+') && !take_char(text, '-'))
		return false;
	if (!take_digits(text, 2, &hours))
		return false;
	if ((take_char(text, ':') || is_digit(**text)) && !take_digits(text, 2, &minutes))
		return false;
	if (hours > 23 || minutes > 59)
		return false;
	w->has_zone = true;
	w->zone = (int32_t)(hours * 3600 + minutes * 60) * (west ? -1 : 1);
	return true;
}

static int check_ranges(const char *all, const struct written *w, jl_error **err)
{
	if (w->month < 1 || w->month > 12)
		return jl__fail(err, -EINVAL, "\"" SHOWN "\": there is no month %u", all,
				w->month);
	if (w->day < 1 || w->day > jl__civil_month_days(w->year, w->month))
		return jl__fail(err, -EINVAL,
				"\"" SHOWN "\": month %u of %u has no day %u", all,
				w->month, w->year, w->day);
	if (w->hour > 23 || w->minute > 59 || w->second > 59)
		return jl__fail(err, -EINVAL,
				"\"" SHOWN "\": there is no time of day %02u:%02u:%02u",
				all, w->hour, w->minute, w->second);
	return 0;
}

static int to_usec(const char *all, const struct written *w, uint64_t *ret,
		   jl_error **err)
{
	struct jl__zone *zone = NULL;
	int64_t seconds = jl__civil_to_days(w->year, w->month, w->day) * SEC_PER_DAY +
			  w->hour * 3600 + w->minute * 60 + w->second;
	int r;

	if (w->has_zone) {
		seconds -= w->zone;
	} else {
		r = jl__zone_local(&zone, err);
		if (r < 0)
			return r;
		seconds = jl__zone_to_utc(zone, seconds);
		jl__zone_free(zone);
	}
	if (seconds < 0)
		return jl__fail(err, -ERANGE, "\"" SHOWN "\" is before 1970", all);
	*ret = (uint64_t)seconds * USEC_PER_SEC + w->usec;
	return 0;
}

/* text begins with a date. */
static int parse_absolute(const char *all, const char *text, uint64_t *ret,
			  jl_error **err)
{
	struct written w = { 0 };
	int r;

	(void)take_date(&text, &w);
	if (!*jl__skip_blanks(text))
		return jl__fail(err, -EINVAL,
				"\"" SHOWN "\": the time of day is missing, for instance "
				"%04u-%02u-%02uT20:00",
				all, w.year, w.month, w.day);
	if (!take_char(&text, 'T') && !take_char(&text, 't')) {
		if (*text != ' ' && *text != '\t')
			goto bad;
		text = jl__skip_blanks(text);
	}
	if (!take_clock(&text, &w))
		goto bad;
	text = jl__skip_blanks(text);
	if (*text && !take_zone(&text, &w))
		goto bad;
	if (*jl__skip_blanks(text))
		goto bad;
	r = check_ranges(all, &w, err);
	return r < 0 ? r : to_usec(all, &w, ret, err);
bad:
	return jl__fail(err, -EINVAL,
			"\"" SHOWN "\" is not a time: write it like 2025-07-18T20:02:48, "
			"with Z or an offset such as +02:00 behind it for a zone",
			all);
}

/* Seconds (10 digits) or milliseconds (13) since 1970, as some clients send them. */
static bool parse_unix(const char *text, uint64_t *ret)
{
	size_t digits = strspn(text, "0123456789");

	if ((digits != 10 && digits != 13) || *jl__skip_blanks(text + digits))
		return false;
	*ret = 0;
	for (size_t i = 0; i < digits; i++)
		*ret = *ret * 10 + (uint64_t)(text[i] - '0');
	*ret *= digits == 10 ? USEC_PER_SEC : 1000;
	return true;
}

static int parse_relative(const char *all, const char *text, uint64_t now, uint64_t *ret,
			  jl_error **err)
{
	uint64_t span;
	int r;

	r = jl_time_parse_span(text, &span, err);
	if (r == -ERANGE || (r == 0 && span > SPAN_MAX_USEC))
		return jl__fail(err, -ERANGE,
				"\"" SHOWN "\" is too far ahead: 365 days are the most",
				all);
	if (r < 0)
		return r;
	if (span < SPAN_MIN_USEC)
		return jl__fail(err, -ERANGE,
				"\"" SHOWN "\" is too short: 1s is the least", all);
	if (__builtin_add_overflow(now, span, ret))
		return jl__fail(err, -ERANGE, "\"" SHOWN "\" is behind the end of time",
				all);
	return 0;
}

int jl_time_parse(const char *text, uint64_t now_usec, uint64_t *ret_usec,
		  jl_error **ret_err)
{
	struct written probe = { 0 };
	const char *at, *look;
	uint64_t result = 0;
	int r;

	jl__error_init(ret_err);
	at = text ? jl__skip_blanks(text) : "";
	if (!*at)
		return jl__fail(ret_err, -EINVAL, "no time is given");
	look = at;
	if (take_date(&look, &probe)) {
		r = parse_absolute(text, at, &result, ret_err);
	} else if (parse_unix(at, &result)) {
		r = 0;
	} else if (is_digit(*at) || (*at == '+' && is_digit(at[1]))) {
		r = parse_relative(text, at + (*at == '+'), now_usec, &result, ret_err);
	} else {
		return jl__fail(ret_err, -EINVAL,
				"\"" SHOWN
				"\" is not a time: write a span such as 45s or "
				"2h30m, or a date such as 2025-07-18T20:02:48",
				text);
	}
	if (r < 0)
		return r;
	*ret_usec = result;
	return 0;
}
