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
/*
 * Bytes there is room for whenever no event can be taken: a reader of a log that wants
 * that much at least can always go on.
 */
#define SSE_READ_LEAST 64
#define SSE_RAW_MAX (SSE_LINE_MAX + SSE_READ_LEAST)
/* Room for the largest event: every byte may become three, and the frame. */
#define SSE_EVENT_MAX (3 * SSE_RAW_MAX + 64)

struct sse_lines {
	uint8_t raw[SSE_RAW_MAX];
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
