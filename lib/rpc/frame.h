/* SPDX-License-Identifier: MIT */
/*
 * Messages of gRPC inside the bytes of a body: a byte of flags, four of length, the
 * message. Frames of HTTP/2 cut them anywhere. Pure.
 */
#ifndef JL_RPC_FRAME_H
#define JL_RPC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JL__RPC_HEAD 5

struct jl__rpc_frame {
	uint8_t head[JL__RPC_HEAD];
	uint8_t have;	 /* bytes of the head */
	uint32_t length; /* of the message, once the head is complete */
	uint8_t flags;
};

static inline bool jl__rpc_frame_open(const struct jl__rpc_frame *frame)
{
	return frame->have == JL__RPC_HEAD;
}

/* Takes what belongs to the head; returns how many bytes that was. */
size_t jl__rpc_frame_take(struct jl__rpc_frame *frame, const uint8_t *data, size_t len);
void jl__rpc_frame_write(uint8_t to[JL__RPC_HEAD], uint32_t length);

#endif
