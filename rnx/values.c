/* SPDX-License-Identifier: MIT */
#include "values.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Reads digits at *text and moves it behind them. */
static int take_number(const char **text, uint64_t *ret)
{
	const char *p = *text;
	uint64_t value = 0;
	bool over = false;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			over = true;
	}
	*text = p;
	*ret = value;
	return over ? -ERANGE : 0;
}

int value_number(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value;
	int r = take_number(&text, &value);

	if (r == -EINVAL || *text)
		return -EINVAL;
	if (r < 0 || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int value_bytes(const char *text, uint64_t plain_unit, uint64_t *ret)
{
	static const char letters[] = "kmgt";
	uint64_t value, unit = plain_unit;
	int r = take_number(&text, &value);

	if (r == -EINVAL)
		return -EINVAL;
	if (*text) {
		const char *letter = strchr(letters, tolower((unsigned char)*text));

		if (!letter)
			return -EINVAL;
		unit = UINT64_C(1) << (10 * (letter - letters + 1));
		text++;
		if (*text && strcasecmp(text, "b") != 0 && strcasecmp(text, "ib") != 0)
			return -EINVAL;
	}
	if (r < 0 || __builtin_mul_overflow(value, unit, &value))
		return -ERANGE;
	*ret = value;
	return 0;
}

static const struct {
	const char *names[6];
	uint64_t usec;
} time_units[] = {
	{ { "ms", "msec", "msecs", "millisecond", "milliseconds" }, UINT64_C(1000) },
	{ { "s", "sec", "secs", "second", "seconds" }, UINT64_C(1000000) },
	{ { "m", "min", "mins", "minute", "minutes" }, UINT64_C(60000000) },
	{ { "h", "hour", "hours" }, UINT64_C(3600000000) },
	{ { "d", "day", "days" }, UINT64_C(86400000000) },
};

/* Microseconds of the unit made of the first len letters of text; 0 when there is none.
 */
static uint64_t time_unit(const char *text, size_t len)
{
	for (size_t i = 0; i < sizeof(time_units) / sizeof(time_units[0]); i++) {
		for (size_t j = 0; j < 6 && time_units[i].names[j]; j++) {
			const char *name = time_units[i].names[j];

			if (strlen(name) == len && strncasecmp(name, text, len) == 0)
				return time_units[i].usec;
		}
	}
	return 0;
}

int value_usec(const char *text, uint64_t *ret)
{
	uint64_t total = 0;
	bool over = false, any = false;

	if (strcmp(text, "0") == 0) {
		*ret = 0;
		return 0;
	}
	for (;;) {
		uint64_t value, unit;
		size_t len = 0;
		int r;

		text += strspn(text, " ");
		if (!*text)
			break;
		r = take_number(&text, &value);
		if (r == -EINVAL)
			return -EINVAL;
		text += strspn(text, " ");
		while (isalpha((unsigned char)text[len]))
			len++;
		unit = time_unit(text, len);
		if (unit == 0)
			return -EINVAL;
		text += len;
		any = true;
		if (r < 0 || __builtin_mul_overflow(value, unit, &value) ||
		    __builtin_add_overflow(total, value, &total))
			over = true;
	}
	if (!any)
		return -EINVAL;
	if (over)
		return -ERANGE;
	*ret = total;
	return 0;
}

static int one_id(const char *text, size_t len, uint32_t *ret)
{
	static const struct {
		const char *name;
		uint32_t id;
	} known[] = { { "root", 0 }, { "nobody", 65534 }, { "nogroup", 65534 } };
	char word[16];
	uint64_t value;
	int r;

	if (len == 0)
		return -EINVAL;
	if (len >= sizeof(word))
		return strspn(text, "0123456789") == len ? -ERANGE : -EINVAL;
	memcpy(word, text, len);
	word[len] = 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(word, known[i].name) == 0) {
			*ret = known[i].id;
			return 0;
		}
	}
	r = value_number(word, 65534, &value);
	if (r == 0)
		*ret = (uint32_t)value;
	return r;
}

int value_user(const char *text, uint32_t *ret_uid, uint32_t *ret_gid)
{
	size_t len = strcspn(text, ":");
	uint32_t uid, gid;
	int r = one_id(text, len, &uid);

	if (r < 0)
		return r;
	gid = uid;
	if (text[len] == ':') {
		r = one_id(text + len + 1, strlen(text + len + 1), &gid);
		if (r < 0)
			return r;
	}
	*ret_uid = uid;
	*ret_gid = gid;
	return 0;
}

int value_bool(const char *text, bool *ret)
{
	static const char *const words[] = { "false", "true", "no", "yes", "0", "1" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*ret = i & 1;
			return 0;
		}
	}
	return -EINVAL;
}
