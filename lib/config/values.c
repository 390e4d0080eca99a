/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "config/keys.h"

/* Digits at the front; the rest is where they end. */
static int digits(const char **text, uint64_t *ret)
{
	const char *p = *text;
	uint64_t value = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return -ERANGE;
	}
	*text = p;
	*ret = value;
	return 0;
}

int jl__value_number(const char *text, uint64_t *ret)
{
	uint64_t value;
	int r = digits(&text, &value);

	if (r < 0)
		return r;
	if (*text)
		return -EINVAL;
	*ret = value;
	return 0;
}

/* A unit and how many of the base unit it is. */
struct unit {
	const char *name;
	uint64_t factor;
};

static int find_unit(const struct unit *units, size_t count, const char *text, size_t len,
		     uint64_t *ret)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(units[i].name) == len &&
		    strncasecmp(units[i].name, text, len) == 0) {
			*ret = units[i].factor;
			return 0;
		}
	}
	return -EINVAL;
}

int jl__value_bytes(const char *text, uint64_t scale, uint64_t *ret)
{
	static const struct unit units[] = {
		{ "B", 1 },
		{ "K", UINT64_C(1) << 10 },
		{ "KB", UINT64_C(1) << 10 },
		{ "KiB", UINT64_C(1) << 10 },
		{ "M", UINT64_C(1) << 20 },
		{ "MB", UINT64_C(1) << 20 },
		{ "MiB", UINT64_C(1) << 20 },
		{ "G", UINT64_C(1) << 30 },
		{ "GB", UINT64_C(1) << 30 },
		{ "GiB", UINT64_C(1) << 30 },
		{ "T", UINT64_C(1) << 40 },
		{ "TB", UINT64_C(1) << 40 },
		{ "TiB", UINT64_C(1) << 40 },
	};
	uint64_t value, factor = scale ? scale : 1;
	int r = digits(&text, &value);

	if (r < 0)
		return r;
	while (*text == ' ')
		text++;
	if (*text) {
		r = find_unit(units, sizeof(units) / sizeof(*units), text, strlen(text),
			      &factor);
		if (r < 0)
			return r;
	}
	return __builtin_mul_overflow(value, factor, ret) ? -ERANGE : 0;
}

int jl__value_span(const char *text, uint64_t *ret_usec)
{
	static const struct unit units[] = {
		{ "us", 1 },
		{ "ms", 1000 },
		{ "s", 1000000 },
		{ "m", UINT64_C(60000000) },
		{ "min", UINT64_C(60000000) },
		{ "h", UINT64_C(3600000000) },
		{ "d", UINT64_C(86400000000) },
	};
	uint64_t total = 0;

	if (strcmp(text, "0") == 0) {
		*ret_usec = 0;
		return 0;
	}
	if (!*text)
		return -EINVAL;
	while (*text) {
		uint64_t value, factor;
		size_t len = 0;
		int r = digits(&text, &value);

		if (r < 0)
			return r;
		while (isalpha((unsigned char)text[len]))
			len++;
		r = find_unit(units, sizeof(units) / sizeof(*units), text, len, &factor);
		if (r < 0)
			return r;
		if (__builtin_mul_overflow(value, factor, &value) ||
		    __builtin_add_overflow(total, value, &total))
			return -ERANGE;
		text += len;
	}
	*ret_usec = total;
	return 0;
}

int jl__value_bool(const char *text, bool *ret)
{
	static const char *const yes[] = { "true", "yes", "on", "1" };
	static const char *const no[] = { "false", "no", "off", "0" };

	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
		if (strcasecmp(text, yes[i]) == 0) {
			*ret = true;
			return 0;
		}
		if (strcasecmp(text, no[i]) == 0) {
			*ret = false;
			return 0;
		}
	}
	return -EINVAL;
}
