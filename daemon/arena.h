/* SPDX-License-Identifier: MIT */
/* Memory of one answer: taken piece by piece, given back at once. */
#ifndef DAEMON_ARENA_H
#define DAEMON_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
	struct arena_block *blocks;
	int failed; /* a piece could not be had: the answer is not to be sent */
};

/* Zeroed; NULL when memory is short, which is remembered. */
void *arena_take(struct arena *arena, size_t bytes);
/* Copy that is UTF-8 for sure; "" when memory is short, which is remembered. */
char *arena_text(struct arena *arena, const char *text);
/* The same, of at most max bytes, "..." behind what was cut. */
char *arena_text_max(struct arena *arena, const char *text, size_t max);
char *arena_format(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void arena_done(struct arena *arena);

#endif
