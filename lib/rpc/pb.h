/* SPDX-License-Identifier: MIT */
/*
 * Protocol buffers by hand, where decoding into objects would copy too much or check too
 * little: walking a message in place, writing a field in front of bytes, and text that
 * may be anything. Pure; knows no schema.
 */
#ifndef JL_RPC_PB_H
#define JL_RPC_PB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* One field of a message, inside the message's own bytes. */
struct jl__pb_field {
	uint32_t number;
	uint8_t type;	     /* 0 varint, 1 64 bit, 2 bytes, 5 32 bit */
	uint64_t value;	     /* of types 0, 1, 5 */
	const uint8_t *data; /* of type 2 */
	size_t len;
};

struct jl__pb_walk {
	const uint8_t *at, *end;
};

static inline void jl__pb_walk_init(struct jl__pb_walk *walk, const uint8_t *data,
				    size_t len)
{
	walk->at = data;
	walk->end = data ? data + len : NULL;
}

/* 1 with a field, 0 at the end, -EBADMSG when this is no message. */
int jl__pb_next(struct jl__pb_walk *walk, struct jl__pb_field *ret_field);

/*
 * Copies a message but for the fields with this number: a small one to be decoded while
 * the large fields are walked in place. 0, -EBADMSG, or what the buffer says.
 */
int jl__pb_without(const uint8_t *data, size_t len, uint32_t number, struct jl__buf *to);

/* Bytes of a varint, 1 to 10. */
size_t jl__pb_put_varint(uint8_t to[10], uint64_t value);
/* Head of a field of type 2; up to 15 bytes. The bytes follow. */
size_t jl__pb_put_head(uint8_t to[15], uint32_t number, uint64_t len);

/*
 * Whether every text in a decoded protobuf-c message is UTF-8; *ret_name is the name of
 * the first field that is not. Goes into messages inside.
 */
struct ProtobufCMessage;
bool jl__pb_texts_ok(const struct ProtobufCMessage *message, const char **ret_name);
/* Copy of a text that is UTF-8 for sure: what is not becomes "?". NULL for no memory. */
char *jl__pb_clean(const char *text);

#endif
