/* SPDX-License-Identifier: MIT */
#include "show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <joblet/node.h>

#include "output.h"

/* "-" for a time that is not known, or that no calendar has. */
static bool time_parts(char buf[64], uint64_t usec, bool local, struct tm *tm)
{
	time_t seconds = (time_t)(usec / 1000000);

	if (usec != UNKNOWN &&
	    (local ? localtime_r(&seconds, tm) : gmtime_r(&seconds, tm)))
		return true;
	memcpy(buf, "-", 2);
	return false;
}

const char *show_rfc3339(char buf[64], uint64_t usec)
{
	struct tm tm;

	if (time_parts(buf, usec, false, &tm))
		(void)strftime(buf, 64, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return buf;
}

const char *show_rfc3339_usec(char buf[64], uint64_t usec)
{
	char *zone = strchr(show_rfc3339(buf, usec), 'Z');

	if (zone)
		(void)snprintf(zone, 10, ".%06uZ", (unsigned int)(usec % 1000000));
	return buf;
}

const char *show_local(char buf[64], uint64_t usec)
{
	struct tm tm;

	if (time_parts(buf, usec, true, &tm))
		(void)strftime(buf, 64, "%Y-%m-%d %H:%M:%S", &tm);
	return buf;
}

const char *show_local_zone(char buf[64], uint64_t usec)
{
	struct tm tm;

	if (time_parts(buf, usec, true, &tm))
		(void)strftime(buf, 64, "%Y-%m-%d %H:%M:%S %Z", &tm);
	return buf;
}

const char *show_span(char buf[64], uint64_t usec)
{
	uint64_t tenths = usec / 100000, minutes = usec / 60000000, hours = minutes / 60;

	if (tenths < 600)
		(void)snprintf(buf, 64, "%" PRIu64 ".%" PRIu64 "s", tenths / 10,
			       tenths % 10);
	else if (minutes < 60)
		(void)snprintf(buf, 64, "%" PRIu64 ".%" PRIu64 "m", tenths / 600,
			       tenths % 600 / 60);
	else if (hours < 24)
		(void)snprintf(buf, 64, "%" PRIu64 "h%" PRIu64 "m", hours, minutes % 60);
	else
		(void)snprintf(buf, 64, "%" PRIu64 "d%" PRIu64 "h", hours / 24,
			       hours % 24);
	return buf;
}

uint64_t now_usec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

bool colour_wanted(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

void print_state(int state, int width)
{
	const char *colour = "";

	switch (state) {
	case JL_STATE_RUNNING:
	case JL_STATE_INITIALIZING:
		colour = "\033[33m";
		break;
	case JL_STATE_COMPLETED:
		colour = "\033[32m";
		break;
	case JL_STATE_FAILED:
		colour = "\033[31m";
		break;
	case JL_STATE_SCHEDULED:
	case JL_STATE_PENDING:
		colour = "\033[36m";
		break;
	case JL_STATE_STOPPED:
	case JL_STATE_CANCELED:
		colour = "\033[35m";
		break;
	default:
		break;
	}
	if (*colour && colour_wanted())
		(void)printf("%s%-*s\033[0m", colour, width, state_name(state));
	else
		(void)printf("%-*s", width, state_name(state));
}

void print_text(const char *text)
{
	char buf[4 * 256 + 5];

	while (*text) {
		text = escape_some(buf, text, 256);
		(void)fputs(buf, stdout);
	}
}

void print_job_id(const struct job *job, bool uuid)
{
	if (uuid || job->number == UNKNOWN)
		print_text(job->uuid ? job->uuid : "-");
	else
		(void)printf("%" PRIu64, job->number);
}

/* Appends as much of text as fits, at most one line of it. Returns whether it was all. */
static bool append(char *line, size_t *used, size_t max, const char *text)
{
	while (*text && *text != '\n') {
		char piece[8];
		const char *rest = escape_some(piece, text, 1);
		size_t len = strlen(piece);

		if (text_width(line) + text_width(piece) > max)
			return false;
		memcpy(line + *used, piece, len + 1);
		*used += len;
		text = rest;
	}
	return !*text;
}

static void print_cut(const struct job *job, size_t width)
{
	char line[1024] = "";
	size_t used = 0;
	bool all = true;

	if (width > 200)
		width = 200;
	for (size_t i = 0; i < job->arg_count && all; i++)
		all = (i == 0 || append(line, &used, width, " ")) &&
		      append(line, &used, width, job->args[i]);
	(void)printf("%s%s", line, all ? "" : "...");
}

void print_command(const struct job *job, size_t width)
{
	if (width > 0) {
		print_cut(job, width);
		return;
	}
	for (size_t i = 0; i < job->arg_count; i++) {
		if (i > 0)
			(void)putchar(' ');
		print_text(job->args[i]);
	}
}

size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}
