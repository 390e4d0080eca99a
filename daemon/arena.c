/* SPDX-License-Identifier: MIT */
#include "arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)16 * 1024)

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	_Alignas(max_align_t) unsigned char data[];
};

void *arena_take(struct arena *arena, size_t bytes)
{
	struct arena_block *block = arena->blocks;
	void *piece;

	bytes = (bytes + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
	if (!block || block->size - block->used < bytes) {
		size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;

		block = calloc(1, sizeof(*block) + size);
		if (!block) {
			arena->failed = 1;
			return NULL;
		}
		block->size = size;
		block->next = arena->blocks;
		arena->blocks = block;
	}
	piece = block->data + block->used;
	block->used += bytes;
	return piece;
}

/* Length of the UTF-8 character at text, or 0 when there is none. */
static size_t character(const unsigned char *text, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = *text < 0x80	      ? 1
		     : (*text & 0xe0) == 0xc0 ? 2
		     : (*text & 0xf0) == 0xe0 ? 3
		     : (*text & 0xf8) == 0xf0 ? 4
					      : 0;
	uint32_t point;

	if (len <= 1)
		return len;
	if (len > left)
		return 0;
	point = *text & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (text[i] & 0x3f);
	}
	if (point < least[len] || point > 0x10ffff ||
	    (point >= 0xd800 && point <= 0xdfff))
		return 0;
	return len;
}

char *arena_text_max(struct arena *arena, const char *text, size_t max)
{
	static char empty[1];
	size_t len = strnlen(text, max + 1), n = 0;
	bool cut = len > max;
	char *copy;

	if (cut)
		len = max;
	copy = arena_take(arena, len + 4);
	if (!copy)
		return empty;
	while (n < len) {
		size_t step = character((const unsigned char *)text + n, len - n);

		if (step) {
			memcpy(copy + n, text + n, step);
		} else {
			/* Half a character at the cut is not the text's fault. */
			if (cut && len - n < 4)
				break;
			copy[n] = '?';
			step = 1;
		}
		n += step;
	}
	(void)strcpy(copy + n, cut ? "..." : "");
	return copy;
}

char *arena_text(struct arena *arena, const char *text)
{
	return arena_text_max(arena, text, SIZE_MAX - 8);
}

char *arena_format(struct arena *arena, const char *format, ...)
{
	static char empty[1];
	char buf[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(buf, sizeof(buf), format, args);
	va_end(args);
	return *buf ? arena_text(arena, buf) : empty;
}

void arena_done(struct arena *arena)
{
	while (arena->blocks) {
		struct arena_block *block = arena->blocks;

		arena->blocks = block->next;
		free(block);
	}
	arena->failed = 0;
}
