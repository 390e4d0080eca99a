/* SPDX-License-Identifier: MIT */
/* Framing and the texts of gRPC and HTTP: however they are cut, and there and back. */
#include <stdlib.h>
#include <string.h>

#include "rpc/frame.h"
#include "rpc/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Lengths of the messages in a body that comes in pieces of at most so many bytes. */
static size_t frames(const uint8_t *data, size_t size, size_t piece, uint32_t *to,
		     size_t most)
{
	struct jl__rpc_frame frame = { 0 };
	size_t count = 0, at = 0, left = 0;

	while (at < size && count < most) {
		size_t n = size - at < piece ? size - at : piece, used;

		if (!jl__rpc_frame_open(&frame)) {
			used = jl__rpc_frame_take(&frame, data + at, n);
			if (used > n || used > JL__RPC_HEAD)
				abort();
			at += used;
			if (!jl__rpc_frame_open(&frame))
				continue;
			to[count++] = frame.length ^ frame.flags;
			left = frame.length;
		} else {
			used = left < n ? left : n;
			left -= used;
			at += used;
		}
		if (!left)
			frame = (struct jl__rpc_frame){ 0 };
	}
	return count;
}

static void check_frames(const uint8_t *data, size_t size)
{
	static uint32_t whole[64], cut[64];
	size_t n = frames(data, size, size, whole, 64);

	for (size_t piece = 1; piece < 8; piece++)
		if (frames(data, size, piece, cut, 64) != n ||
		    memcmp(whole, cut, n * sizeof(*whole)) != 0)
			abort();
}

static void check_message(const char *text, size_t size)
{
	static char shown[JL__RPC_TEXT_MAX], again[JL__RPC_TEXT_MAX];
	static char code[JL__RPC_PERCENT_MAX];
	size_t len;

	jl__rpc_showable(shown, text, size);
	jl__rpc_showable(again, shown, strlen(shown));
	if (strcmp(shown, again) != 0)
		abort();
	len = jl__rpc_percent_encode(code, shown);
	for (size_t i = 0; i < len; i++)
		if (code[i] < 0x20 || code[i] > 0x7e)
			abort();
	jl__rpc_percent_decode(again, code, len);
	if (strcmp(shown, again) != 0)
		abort();
	jl__rpc_percent_decode(again, text, size);
	jl__rpc_showable(shown, again, strlen(again));
	if (strcmp(shown, again) != 0)
		abort();
}

static void check_path(const char *text, size_t size)
{
	struct jl__rpc_span spans[2];
	unsigned count = 0;
	char component[64];

	if (jl__rpc_path_match("/v1/jobs/*/log/*", text, size, spans, 2, &count)) {
		if (count != 2)
			abort();
		for (unsigned i = 0; i < 2; i++)
			if (spans[i].at < text ||
			    spans[i].at + spans[i].len > text + size ||
			    memchr(spans[i].at, '/', spans[i].len))
				abort();
	}
	if (jl__rpc_component_decode(component, sizeof(component), text, size) == 0 &&
	    strchr(component, '/'))
		abort();
	(void)jl__rpc_is_grpc_type(text, size);
}

static void check_timeout(const char *text, size_t size)
{
	uint64_t usec = jl__rpc_timeout_parse(text, size);
	char written[16];

	if (usec == UINT64_MAX)
		return;
	jl__rpc_timeout_format(written, usec);
	if (jl__rpc_timeout_parse(written, strlen(written)) < usec)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	check_frames(data, size);
	check_message(text, size);
	check_path(text, size);
	check_timeout(text, size);
	return 0;
}
