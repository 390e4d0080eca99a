/* SPDX-License-Identifier: MIT */
#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <joblet/log.h>

#include "backend.h"

/* Decodes one UTF-8 character of at most max bytes; returns its length, or 0. */
static size_t decode(const unsigned char *text, size_t max, uint32_t *ret_point)
{
	uint32_t point, low;
	size_t len;

	if (max == 0)
		return 0;
	if (text[0] < 0x80) {
		*ret_point = text[0];
		return 1;
	}
	if ((text[0] & 0xe0) == 0xc0) {
		len = 2;
		point = text[0] & 0x1f;
		low = 0x80;
	} else if ((text[0] & 0xf0) == 0xe0) {
		len = 3;
		point = text[0] & 0x0f;
		low = 0x800;
	} else if ((text[0] & 0xf8) == 0xf0) {
		len = 4;
		point = text[0] & 0x07;
		low = 0x10000;
	} else {
		return 0;
	}
	if (len > max)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (text[i] & 0x3f);
	}
	if (point < low || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return 0;
	*ret_point = point;
	return len;
}

size_t utf8_length(const char *text, size_t max)
{
	uint32_t point;

	return decode((const unsigned char *)text, max, &point);
}

size_t utf8_unfinished(const char *text, size_t len)
{
	for (size_t back = 1; back < 4 && back <= len; back++) {
		unsigned char byte = (unsigned char)text[len - back];
		size_t needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;

		if ((byte & 0xc0) == 0x80)
			continue;
		return byte >= 0xc2 && byte <= 0xf4 && needs > back ? back : 0;
	}
	return 0;
}

/* Bytes of the valid, printable UTF-8 character at text; 0 when there is none. */
static size_t printable(const unsigned char *text)
{
	uint32_t point;
	size_t len = decode(text, strnlen((const char *)text, 4), &point);

	/* Control characters, and marks that turn the direction of what follows. */
	if (len == 0 || point < 0x20 || (point >= 0x7f && point < 0xa0) ||
	    point == 0x061c || point == 0x200e || point == 0x200f ||
	    (point >= 0x2028 && point <= 0x202e) ||
	    (point >= 0x2066 && point <= 0x2069) || point == 0xfeff)
		return 0;
	return len;
}

const char *escape_some(char *buf, const char *text, size_t max)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t taken = 0, out = 0;

	while (p[taken] && taken < max) {
		size_t len = printable(p + taken);

		if (len > 0) {
			memcpy(buf + out, p + taken, len);
			out += len;
			taken += len;
		} else {
			out += (size_t)snprintf(buf + out, 5, "\\x%02x", p[taken]);
			taken++;
		}
	}
	buf[out] = 0;
	return text + taken;
}

/* What was said may hold pieces of what was given: it stays on its line. */
void say(const char *format, ...)
{
	char text[2048], line[4 * sizeof(text)];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)escape_some(line, text, sizeof(text));
	/* Nothing can be done about a stderr that cannot be written. */
	(void)fprintf(stderr, "rnx: %s\n", line);
}

int say_fault(const struct fault *fault)
{
	say("%s", fault->text);
	return fault_exit(fault);
}

/* Warnings are for people: whoever reads stderr through a pipe wants the job's alone. */
void say_log(void *data, int level, const char *module, const char *text)
{
	(void)data;
	(void)module;
	if (level < JL_LOG_WARNING || (level == JL_LOG_WARNING && isatty(STDERR_FILENO)))
		say("%s", text);
}

const char *shown(char buf[SHOWN_MAX], const char *value)
{
	if (*escape_some(buf, value, 60))
		memcpy(buf + strlen(buf), "...", 4);
	return buf;
}

const char *show_bytes(char buf[32], uint64_t bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB",
					     "TiB",   "PiB", "EiB" };
	unsigned int unit = 0;
	uint64_t whole = bytes, tenths;

	while (whole >= 1024 && unit < 6) {
		whole >>= 10;
		unit++;
	}
	tenths = unit > 0 ? ((bytes >> (10 * (unit - 1))) % 1024) * 10 / 1024 : 0;
	if (tenths > 0)
		(void)snprintf(buf, 32, "%" PRIu64 ".%" PRIu64 " %s", whole, tenths,
			       units[unit]);
	else
		(void)snprintf(buf, 32, "%" PRIu64 " %s", whole, units[unit]);
	return buf;
}

const char *show_usec(char buf[64], uint64_t usec)
{
	static const struct {
		uint64_t usec;
		const char *unit;
	} units[] = {
		{ UINT64_C(86400000000), "d" }, { UINT64_C(3600000000), "h" },
		{ UINT64_C(60000000), "m" },	{ UINT64_C(1000000), "s" },
		{ UINT64_C(1000), "ms" },	{ UINT64_C(1), "us" },
	};
	size_t out = 0;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		uint64_t count = usec / units[i].usec;

		usec %= units[i].usec;
		if (count > 0)
			out += (size_t)snprintf(buf + out, 64 - out, "%" PRIu64 "%s",
						count, units[i].unit);
	}
	if (out == 0)
		memcpy(buf, "0s", 3);
	return buf;
}

bool stdin_has_data(void)
{
	struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };
	struct stat stat;

	if (fstat(STDIN_FILENO, &stat) < 0)
		return false;
	if (S_ISREG(stat.st_mode))
		return stat.st_size > 0;
	return S_ISFIFO(stat.st_mode) && poll(&fd, 1, 0) > 0 && (fd.revents & POLLIN);
}

void print_wrapped(FILE *out, const char *text, int indent, int width)
{
	int column = 0;

	while (*text) {
		int len = (int)strcspn(text, " ");

		if (column > 0 && column + 1 + len > width) {
			(void)fputc('\n', out);
			column = 0;
		}
		if (column == 0)
			column = fprintf(out, "%*s%.*s", indent, "", len, text);
		else
			column += fprintf(out, " %.*s", len, text);
		text += len;
		text += strspn(text, " ");
	}
	if (column > 0)
		(void)fputc('\n', out);
}

int finish_stdout(void)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_OK;
	say("cannot write to standard output: %s", strerror(errno ? errno : EIO));
	return EXIT_FAILED;
}

/* Number of letters to change, add, drop or swap with the neighbour; long words: many. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int rows[3][32] = { 0 };
	size_t len_a = strlen(a), len_b = strlen(b);

	if (len_a >= 32 || len_b >= 32)
		return 32;
	for (size_t j = 0; j <= len_b; j++)
		rows[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= len_a; i++) {
		unsigned int *row = rows[i % 3], *above = rows[(i + 2) % 3],
			     *higher = rows[(i + 1) % 3];

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= len_b; j++) {
			unsigned int best = above[j - 1] + (a[i - 1] != b[j - 1]);

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && higher[j - 2] + 1 < best)
				best = higher[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[len_a % 3][len_b];
}

const char *closest(const char *word, const char *const *list)
{
	const char *best = NULL;
	unsigned int least = 3;

	for (; *list; list++) {
		unsigned int far = distance(word, *list);

		/* Of a short word nearly everything is two letters away. */
		if (far < least && far < strlen(*list)) {
			least = far;
			best = *list;
		}
	}
	return best;
}
