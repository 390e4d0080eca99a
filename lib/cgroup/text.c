/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "cgroup/cgroup-priv.h"

bool jl__span_is(struct jl__span span, const char *text)
{
	return span.len == strlen(text) && memcmp(span.text, text, span.len) == 0;
}

bool jl__span_next(struct jl__span *rest, char separator, struct jl__span *ret)
{
	const char *end;

	if (rest->len == 0)
		return false;
	end = memchr(rest->text, separator, rest->len);
	ret->text = rest->text;
	ret->len = end ? (size_t)(end - rest->text) : rest->len;
	rest->text += ret->len + (end != NULL);
	rest->len -= ret->len + (end != NULL);
	return true;
}

bool jl__span_u64(struct jl__span span, uint64_t *ret)
{
	char digits[24];

	if (span.len == 0 || span.len >= sizeof(digits))
		return false;
	memcpy(digits, span.text, span.len);
	digits[span.len] = '\0';
	return jl__parse_u64(digits, 0, UINT64_MAX, ret) == 0;
}

/* "36 35 98:0 /root /point options [optional fields] - type source super-options" */
static bool parse_line(struct jl__span line, struct jl__mountinfo *ret)
{
	struct jl__span field = { NULL, 0 };
	uint32_t number = 0;

	while (jl__span_next(&line, ' ', &field)) {
		number++;
		if (number == 1 && !jl__span_u64(field, &ret->id))
			return false;
		if (number == 4)
			ret->root = field;
		if (number == 5)
			ret->point = field;
		/* Optional fields come in any number; a lone dash ends them. */
		if (number > 6 && jl__span_is(field, "-"))
			break;
	}
	if (number < 7 || !jl__span_is(field, "-"))
		return false;
	/* A source may be empty: two spaces then. */
	return jl__span_next(&line, ' ', &ret->type) &&
	       jl__span_next(&line, ' ', &ret->source) &&
	       jl__span_next(&line, ' ', &ret->super);
}

bool jl__mountinfo_next(struct jl__span *rest, struct jl__mountinfo *ret)
{
	struct jl__span line;

	while (jl__span_next(rest, '\n', &line))
		if (parse_line(line, ret))
			return true;
	return false;
}

static bool is_octal(const char *p)
{
	return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' &&
	       p[2] <= '7';
}

char *jl__mountinfo_unescape(struct jl__span span)
{
	char *text = jl__alloc(span.len + 1);
	size_t out = 0;

	if (!text)
		return NULL;
	for (size_t i = 0; i < span.len; i++) {
		const char *p = span.text + i;

		if (*p == '\\' && span.len - i >= 4 && is_octal(p + 1)) {
			int byte = (p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0');

			text[out++] = (char)byte;
			i += 3;
		} else {
			text[out++] = *p;
		}
	}
	text[out] = '\0';
	return text;
}
