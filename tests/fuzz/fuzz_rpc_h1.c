/* SPDX-License-Identifier: MIT */
/* A clear connection from its first byte: HTTP/1.1, server-sent events, what is neither.
 */
#include "rpc_feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	rpc_feed("", 0, data, size);
	return 0;
}
