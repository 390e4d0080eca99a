/* SPDX-License-Identifier: MIT */
#include "rpc/frame.h"

size_t jl__rpc_frame_take(struct jl__rpc_frame *frame, const uint8_t *data, size_t len)
{
	size_t used = 0;

	while (frame->have < JL__RPC_HEAD && used < len)
		frame->head[frame->have++] = data[used++];
	if (frame->have == JL__RPC_HEAD) {
		frame->flags = frame->head[0];
		frame->length = (uint32_t)frame->head[1] << 24 |
				(uint32_t)frame->head[2] << 16 |
				(uint32_t)frame->head[3] << 8 | frame->head[4];
	}
	return used;
}

void jl__rpc_frame_write(uint8_t to[JL__RPC_HEAD], uint32_t length)
{
	to[0] = 0;
	to[1] = (uint8_t)(length >> 24);
	to[2] = (uint8_t)(length >> 16);
	to[3] = (uint8_t)(length >> 8);
	to[4] = (uint8_t)length;
}
