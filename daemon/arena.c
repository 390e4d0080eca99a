/* SPDX-License-Identifier: MIT */
#include "arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/text.h"

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
		size_t step = jl__rpc_character(text + n, len - n);

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
