/* SPDX-License-Identifier: MIT */
#include "sse.h"

#include <stdio.h>
#include <string.h>

#include "rpc/text.h"

/* Bytes at the end that begin a character and do not finish it. */
static size_t half_character(const uint8_t *text, size_t len)
{
	for (size_t back = 1; back <= 3 && back < len; back++) {
		uint8_t c = text[len - back];

		if (c < 0x80)
			return 0;
		if (c >= 0xc0)
			return (c >= 0xf0 ? 4u : c >= 0xe0 ? 3u : 2u) > back ? back : 0;
	}
	return 0;
}

/*
 * Length of the first line, and of it with its end; false when it is not complete. "\r"
 * at the end of the bytes may be half of "\r\n".
 */
static bool find_line(const struct sse_lines *lines, bool at_end, size_t *ret_len,
		      size_t *ret_with_end)
{
	size_t len = 0, with_end;

	while (len < lines->len && lines->raw[len] != '\n' && lines->raw[len] != '\r')
		len++;
	with_end = len;
	if (len == lines->len) {
		/* A piece of a long line, or the last one. */
		if (len < SSE_LINE_MAX && !(at_end && len))
			return false;
		if (!at_end)
			with_end -= half_character(lines->raw, len);
		len = with_end;
	} else if (lines->raw[len] == '\n') {
		with_end = len + 1;
	} else if (len + 1 < lines->len) {
		with_end = len + 1 + (lines->raw[len + 1] == '\n');
	} else if (at_end || lines->len >= SSE_LINE_MAX) {
		with_end = len + 1;
	} else {
		return false;
	}
	*ret_len = len;
	*ret_with_end = with_end;
	return true;
}

static size_t put_text(uint8_t *to, const uint8_t *text, size_t len)
{
	size_t n = 0;

	while (len > 0) {
		size_t step = jl__rpc_character((const char *)text, len);

		if (step) {
			memcpy(to + n, text, step);
			n += step;
		} else {
			memcpy(to + n, "\xef\xbf\xbd", 3);
			n += 3;
			step = 1;
		}
		text += step;
		len -= step;
	}
	return n;
}

size_t sse_take(struct sse_lines *lines, bool at_end, uint8_t *to)
{
	size_t len, with_end;
	int n;

	if (!find_line(lines, at_end, &len, &with_end))
		return 0;
	n = snprintf((char *)to, 48,
		     "id: %llu\ndata: ", (unsigned long long)(lines->offset + with_end));
	n += (int)put_text(to + n, lines->raw, len);
	memcpy(to + n, "\n\n", 2);
	lines->len -= with_end;
	lines->offset += with_end;
	memmove(lines->raw, lines->raw + with_end, lines->len);
	return (size_t)n + 2;
}

uint64_t sse_offset(const char *text)
{
	uint64_t value = 0;

	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return 0;
	}
	return value;
}
