/* SPDX-License-Identifier: MIT */
/* Frames of HTTP/2 behind a good beginning: headers, bodies, messages in them. */
#include "rpc_feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char begin[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";

	rpc_feed(begin, sizeof(begin) - 1, data, size);
	return 0;
}
