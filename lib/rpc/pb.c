/* SPDX-License-Identifier: MIT */
#include "rpc/pb.h"

#include <errno.h>
#include <protobuf-c/protobuf-c.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "rpc/text.h"

/* 0 or -EBADMSG. */
static int take_varint(struct jl__pb_walk *walk, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t byte;

		if (walk->at == walk->end)
			return -EBADMSG;
		byte = *walk->at++;
		/* The tenth byte has one bit left to give. */
		if (shift == 63 && byte > 1)
			return -EBADMSG;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return 0;
		}
	}
	return -EBADMSG;
}

static int take_fixed(struct jl__pb_walk *walk, size_t len, uint64_t *ret)
{
	uint64_t value = 0;

	if ((size_t)(walk->end - walk->at) < len)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++)
		value |= (uint64_t)walk->at[i] << (8 * i);
	walk->at += len;
	*ret = value;
	return 0;
}

static int take_bytes(struct jl__pb_walk *walk, struct jl__pb_field *field)
{
	uint64_t len;

	if (take_varint(walk, &len) < 0 || len > (size_t)(walk->end - walk->at))
		return -EBADMSG;
	field->data = walk->at;
	field->len = (size_t)len;
	walk->at += len;
	return 0;
}

int jl__pb_next(struct jl__pb_walk *walk, struct jl__pb_field *ret_field)
{
	struct jl__pb_field field = { 0 };
	uint64_t tag;
	int r;

	if (walk->at == walk->end)
		return 0;
	if (take_varint(walk, &tag) < 0 || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
		return -EBADMSG;
	field.number = (uint32_t)(tag >> 3);
	field.type = (uint8_t)(tag & 7);
	switch (field.type) {
	case 0:
		r = take_varint(walk, &field.value);
		break;
	case 1:
		r = take_fixed(walk, 8, &field.value);
		break;
	case 2:
		r = take_bytes(walk, &field);
		break;
	case 5:
		r = take_fixed(walk, 4, &field.value);
		break;
	default: /* groups are of proto2 only */
		r = -EBADMSG;
	}
	if (r < 0)
		return r;
	*ret_field = field;
	return 1;
}

int jl__pb_without(const uint8_t *data, size_t len, uint32_t number, struct jl__buf *to)
{
	struct jl__pb_walk walk;
	struct jl__pb_field field;
	const uint8_t *begin;
	int r;

	jl__pb_walk_init(&walk, data, len);
	for (;;) {
		begin = walk.at;
		r = jl__pb_next(&walk, &field);
		if (r <= 0)
			return r;
		if (field.number == number)
			continue;
		r = jl__buf_add(to, begin, (size_t)(walk.at - begin));
		if (r < 0)
			return r;
	}
}

size_t jl__pb_put_varint(uint8_t to[10], uint64_t value)
{
	size_t len = 0;

	while (value >= 0x80) {
		to[len++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	to[len++] = (uint8_t)value;
	return len;
}

size_t jl__pb_put_head(uint8_t to[15], uint32_t number, uint64_t len)
{
	uint8_t part[10];
	size_t at = jl__pb_put_varint(part, (uint64_t)number << 3 | 2);
	size_t more;

	memcpy(to, part, at);
	more = jl__pb_put_varint(part, len);
	memcpy(to + at, part, more);
	return at + more;
}

static bool text_ok(const char *text)
{
	return !text || jl__is_utf8(text, strlen(text));
}

/* One value at its place in the message object. */
static bool value_ok(const ProtobufCFieldDescriptor *field, const void *slot,
		     const char **ret_name)
{
	if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
		const ProtobufCMessage *inner = *(ProtobufCMessage *const *)slot;

		return !inner || jl__pb_texts_ok(inner, ret_name);
	}
	if (text_ok(*(char *const *)slot))
		return true;
	*ret_name = field->name;
	return false;
}

static bool is_chosen(const ProtobufCFieldDescriptor *field, const uint8_t *base)
{
	if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
		return true;
	return *(const uint32_t *)(const void *)(base + field->quantifier_offset) ==
	       field->id;
}

bool jl__pb_texts_ok(const ProtobufCMessage *message, const char **ret_name)
{
	const uint8_t *base = (const void *)message;

	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		const void *slot = base + field->offset;

		if (field->type != PROTOBUF_C_TYPE_STRING &&
		    field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			void *const *list = *(void *const *const *)slot;
			size_t count =
				*(const size_t *)(const void *)(base +
								field->quantifier_offset);

			for (size_t k = 0; k < count; k++)
				if (!value_ok(field, &list[k], ret_name))
					return false;
		} else if (is_chosen(field, base) && !value_ok(field, slot, ret_name)) {
			return false;
		}
	}
	return true;
}

char *jl__pb_clean(const char *text)
{
	size_t left = strlen(text);
	char *copy = jl__strndup(text, left), *at = copy;

	if (!copy)
		return NULL;
	while (left) {
		size_t len = jl__rpc_character(at, left);

		if (!len)
			*at = '?';
		at += len ? len : 1;
		left -= len ? len : 1;
	}
	return copy;
}
