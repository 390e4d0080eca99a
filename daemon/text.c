/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <joblet/error.h>

int fail(struct sentence *why, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return code;
}

int fail_error(struct sentence *why, int code, jl_error *err, const char *what)
{
	const char *text = jl_error_message(err);

	(void)fail(why, code, "%s%s%s", what, *what ? ": " : "",
		   *text ? text : strerror(-code));
	jl_error_free(err);
	return code;
}

const char *time_text(char buf[TIME_TEXT_MAX], uint64_t usec)
{
	time_t seconds = (time_t)(usec / 1000000);
	struct tm tm;

	*buf = 0;
	if (usec != 0 && usec != UINT64_MAX && gmtime_r(&seconds, &tm))
		(void)strftime(buf, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return buf;
}

static uint64_t clock_usec(clockid_t clock)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t now_usec(void)
{
	return clock_usec(CLOCK_REALTIME);
}

uint64_t monotonic_usec(void)
{
	return clock_usec(CLOCK_MONOTONIC);
}
