/* SPDX-License-Identifier: MIT */
/*
 * Growing byte buffer with a maximum it is created with. After a failed append the buffer
 * remembers the failure, so that a run of appends is checked once at the end.
 */
#ifndef JL_BASE_BUF_H
#define JL_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct jl__buf {
	char *data; /* always NUL terminated once not NULL */
	size_t len;
	size_t size;
	size_t max;
	int failed;  /* 0, -ENOMEM or -E2BIG */
	bool secret; /* wiped whenever memory is given back */
};

#define JL__BUF_SECRET(max_)                  \
	{                                     \
		.max = (max_), .secret = true \
	}
#define JL__BUF_INIT(max_)    \
	{                     \
		.max = (max_) \
	}

void jl__buf_done(struct jl__buf *buf);
/* Each returns 0 or the remembered failure. */
int jl__buf_add(struct jl__buf *buf, const void *data, size_t len);
int jl__buf_add_str(struct jl__buf *buf, const char *text);
int jl__buf_addf(struct jl__buf *buf, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Pads with zero bytes up to a multiple of align. */
int jl__buf_align(struct jl__buf *buf, size_t align);
/* Hands the bytes over; the buffer is empty afterwards. NULL when nothing was added. */
char *jl__buf_steal(struct jl__buf *buf);

#endif
