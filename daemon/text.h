/* SPDX-License-Identifier: MIT */
/* A sentence on its way up, and memory that grows. Prints nothing. */
#ifndef DAEMON_TEXT_H
#define DAEMON_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define SENTENCE_MAX 1024

struct sentence {
	char text[SENTENCE_MAX];
};

/* Writes the sentence; returns code. */
int fail(struct sentence *why, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same for an error of the library, which is released. what: in front of it, or "".
 */
struct jl_error;
int fail_error(struct sentence *why, int code, struct jl_error *err, const char *what);

/* "2025-07-18T20:02:48Z" of µs since 1970; "" for 0 and UINT64_MAX. Returns buf. */
#define TIME_TEXT_MAX 32
const char *time_text(char buf[TIME_TEXT_MAX], uint64_t usec);
/* µs since 1970, now. */
uint64_t now_usec(void);
/* µs of a clock that is never set. */
uint64_t monotonic_usec(void);

#endif
