/* SPDX-License-Identifier: MIT */
#include "base/parse.h"

#include <errno.h>

int jl__parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;
	bool over = false;

	if (!text || !*text)
		return -EINVAL;
	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			over = true;
	}
	if (over || value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int jl__parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *ret)
{
	uint64_t value;
	int r = jl__parse_u64(text, min, max, &value);

	if (r == 0)
		*ret = (uint32_t)value;
	return r;
}

bool jl__is_utf8(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;

	while (p < end) {
		uint32_t point, low;
		int more;

		if (*p == 0)
			return false;
		if (*p < 0x80) {
			p++;
			continue;
		}
		if ((*p & 0xe0) == 0xc0) {
			point = *p & 0x1f;
			more = 1;
			low = 0x80;
		} else if ((*p & 0xf0) == 0xe0) {
			point = *p & 0x0f;
			more = 2;
			low = 0x800;
		} else if ((*p & 0xf8) == 0xf0) {
			point = *p & 0x07;
			more = 3;
			low = 0x10000;
		} else {
			return false;
		}
		if (end - p <= more)
			return false;
		for (p++; more > 0; more--, p++) {
			if ((*p & 0xc0) != 0x80)
				return false;
			point = point << 6 | (*p & 0x3f);
		}
		if (point < low || point > 0x10ffff ||
		    (point >= 0xd800 && point <= 0xdfff))
			return false;
	}
	return true;
}
