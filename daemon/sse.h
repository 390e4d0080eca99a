/* SPDX-License-Identifier: MIT */
/*
 * Bytes of a log as server-sent events: a line an event, its id the place behind it, so
 * that Last-Event-ID goes on exactly there. Pure.
 */
#ifndef DAEMON_SSE_H
#define DAEMON_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A line that is longer is sent in pieces. */
#define SSE_LINE_MAX 8192
/* Room for the largest event: every byte may become three, and the frame. */
#define SSE_EVENT_MAX (3 * SSE_LINE_MAX + 64)

struct sse_lines {
	uint8_t raw[SSE_LINE_MAX];
	size_t len;
	uint64_t offset; /* of raw[0] in the log */
};

/*
 * Takes one event off the bytes: length written to `to` (SSE_EVENT_MAX), or 0 when no
 * line is complete. at_end: what is left is a line, too.
 */
size_t sse_take(struct sse_lines *lines, bool at_end, uint8_t *to);
/* Last-Event-ID as an offset; 0 for none or nonsense. */
uint64_t sse_offset(const char *text);

#endif
