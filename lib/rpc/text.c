/* SPDX-License-Identifier: MIT */
#include "rpc/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "rpc/rpc.h"

static const struct {
	const char *name;
	unsigned http;
} codes[] = {
	[JL__RPC_OK] = { "OK", 200 },
	[JL__RPC_CANCELLED] = { "CANCELLED", 499 },
	[JL__RPC_UNKNOWN] = { "UNKNOWN", 500 },
	[JL__RPC_INVALID_ARGUMENT] = { "INVALID_ARGUMENT", 400 },
	[JL__RPC_DEADLINE_EXCEEDED] = { "DEADLINE_EXCEEDED", 504 },
	[JL__RPC_NOT_FOUND] = { "NOT_FOUND", 404 },
	[JL__RPC_ALREADY_EXISTS] = { "ALREADY_EXISTS", 409 },
	[JL__RPC_PERMISSION_DENIED] = { "PERMISSION_DENIED", 403 },
	[JL__RPC_RESOURCE_EXHAUSTED] = { "RESOURCE_EXHAUSTED", 429 },
	[JL__RPC_FAILED_PRECONDITION] = { "FAILED_PRECONDITION", 409 },
	[JL__RPC_ABORTED] = { "ABORTED", 409 },
	[JL__RPC_OUT_OF_RANGE] = { "OUT_OF_RANGE", 400 },
	[JL__RPC_UNIMPLEMENTED] = { "UNIMPLEMENTED", 501 },
	[JL__RPC_INTERNAL] = { "INTERNAL", 500 },
	[JL__RPC_UNAVAILABLE] = { "UNAVAILABLE", 503 },
	[JL__RPC_DATA_LOSS] = { "DATA_LOSS", 500 },
	[JL__RPC_UNAUTHENTICATED] = { "UNAUTHENTICATED", 401 },
};

#define N_CODES ((int)(sizeof(codes) / sizeof(codes[0])))

const char *jl__rpc_code_name(int code)
{
	return code >= 0 && code < N_CODES ? codes[code].name : "UNKNOWN";
}

unsigned jl__rpc_http_status(int code)
{
	return code >= 0 && code < N_CODES ? codes[code].http : 500;
}

int jl__rpc_code_of_http(unsigned status)
{
	switch (status) {
	case 400:
		return JL__RPC_INTERNAL;
	case 401:
		return JL__RPC_UNAUTHENTICATED;
	case 403:
		return JL__RPC_PERMISSION_DENIED;
	case 404:
		return JL__RPC_UNIMPLEMENTED;
	case 429:
	case 502:
	case 503:
	case 504:
		return JL__RPC_UNAVAILABLE;
	default:
		return JL__RPC_UNKNOWN;
	}
}

const char *jl__rpc_http_reason(unsigned status)
{
	static const struct {
		unsigned status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 204, "No Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 409, "Conflict" },
		{ 415, "Unsupported Media Type" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 499, "Client Closed Request" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Other";
}

size_t jl__rpc_character(const char *text, size_t left)
{
	if ((unsigned char)*text < 0x80)
		return 1;
	for (size_t len = 2; len <= 4 && len <= left; len++)
		if (jl__is_utf8(text, len))
			return len;
	return 0;
}

/* C0, DEL and C1. */
static bool is_control(const char *text, size_t len)
{
	const unsigned char *c = (const unsigned char *)text;

	return len == 1 ? c[0] < 0x20 || c[0] == 0x7f
			: len == 2 && c[0] == 0xc2 && c[1] < 0xa0;
}

void jl__rpc_showable(char to[JL__RPC_TEXT_MAX], const char *text, size_t len)
{
	size_t at = 0;

	while (len) {
		size_t n = jl__rpc_character(text, len);

		if (at + (n ? n : 1) >= JL__RPC_TEXT_MAX)
			break;
		if (n && !is_control(text, n)) {
			memcpy(to + at, text, n);
			at += n;
		} else {
			/* Lines of a sentence stay apart. */
			to[at++] = *text == '\n' || *text == '\t' ? ' ' : '?';
		}
		text += n ? n : 1;
		len -= n ? n : 1;
	}
	to[at] = '\0';
}

size_t jl__rpc_percent_encode(char to[JL__RPC_PERCENT_MAX], const char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t at = 0;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (at + 3 >= JL__RPC_PERCENT_MAX)
			break;
		if (c >= 0x20 && c <= 0x7e && c != '%') {
			to[at++] = (char)c;
			continue;
		}
		to[at++] = '%';
		to[at++] = digits[c >> 4];
		to[at++] = digits[c & 15];
	}
	to[at] = '\0';
	return at;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* One byte, decoded; moves *text. */
static char take_byte(const char **text, size_t *len)
{
	const char *at = *text;
	size_t step = 1;
	char c = at[0];

	if (c == '%' && *len >= 3 && digit(at[1]) >= 0 && digit(at[2]) >= 0) {
		c = (char)(digit(at[1]) << 4 | digit(at[2]));
		step = 3;
	}
	*text += step;
	*len -= step;
	return c;
}

void jl__rpc_percent_decode(char to[JL__RPC_TEXT_MAX], const char *text, size_t len)
{
	char raw[JL__RPC_TEXT_MAX];
	size_t at = 0;

	while (len && at < sizeof(raw))
		raw[at++] = take_byte(&text, &len);
	jl__rpc_showable(to, raw, at);
}

int jl__rpc_component_decode(char *to, size_t size, const char *text, size_t len)
{
	size_t at = 0;

	while (len) {
		char c = take_byte(&text, &len);

		if (at + 1 >= size || c == '\0' || c == '/')
			return -EINVAL;
		to[at++] = c;
	}
	to[at] = '\0';
	return jl__is_utf8(to, at) ? 0 : -EINVAL;
}

static const struct {
	char letter;
	uint64_t nsec;
} units[] = {
	{ 'n', 1 },	     { 'u', 1000 },	   { 'm', 1000000 },
	{ 'S', 1000000000 }, { 'M', 60000000000 }, { 'H', 3600000000000 },
};

#define N_UNITS (sizeof(units) / sizeof(units[0]))

uint64_t jl__rpc_timeout_parse(const char *text, size_t len)
{
	uint64_t value = 0;

	if (len < 2 || len > 9)
		return UINT64_MAX;
	for (size_t i = 0; i + 1 < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return UINT64_MAX;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	for (size_t i = 0; i < N_UNITS; i++) {
		if (units[i].letter != text[len - 1])
			continue;
		/* 99999999 hours in ns do not fit. */
		if (units[i].nsec < 1000)
			return value / 1000;
		return value * (units[i].nsec / 1000);
	}
	return UINT64_MAX;
}

void jl__rpc_timeout_format(char to[16], uint64_t usec)
{
	for (size_t i = 1; i < N_UNITS; i++) {
		uint64_t unit = units[i].nsec / 1000;
		uint64_t count = usec / unit + (usec % unit != 0);

		if (count <= 99999999 || i + 1 == N_UNITS) {
			if (count > 99999999)
				count = 99999999;
			(void)snprintf(to, 16, "%" PRIu64 "%c", count, units[i].letter);
			return;
		}
	}
}

bool jl__rpc_is_grpc_type(const char *text, size_t len)
{
	static const char type[] = "application/grpc";
	static const char proto[] = "+proto";
	size_t at = sizeof(type) - 1;

	if (len < at || strncasecmp(text, type, at) != 0)
		return false;
	if (len - at >= sizeof(proto) - 1 &&
	    strncasecmp(text + at, proto, sizeof(proto) - 1) == 0)
		at += sizeof(proto) - 1;
	return at == len || text[at] == ';' || text[at] == ' ';
}

/* Length up to the next "/" or the end. */
static size_t component(const char *text, size_t len)
{
	const char *slash = memchr(text, '/', len);

	return slash ? (size_t)(slash - text) : len;
}

bool jl__rpc_path_match(const char *pattern, const char *path, size_t len,
			struct jl__rpc_span *ret_spans, unsigned max, unsigned *ret_count)
{
	size_t left = strlen(pattern);
	unsigned count = 0;

	for (;;) {
		size_t want = component(pattern, left);
		size_t have = component(path, len);

		if (want == 1 && pattern[0] == '*') {
			if (have == 0)
				return false;
			if (count < max)
				ret_spans[count] = (struct jl__rpc_span){ path, have };
			count++;
		} else if (want != have || memcmp(pattern, path, want) != 0) {
			return false;
		}
		pattern += want;
		left -= want;
		path += have;
		len -= have;
		if (!left || !len)
			break;
		pattern++, left--, path++, len--;
	}
	*ret_count = count;
	return !left && !len;
}
