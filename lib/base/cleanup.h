/* SPDX-License-Identifier: MIT */
/*
 * Scope-bound release of memory and descriptors. Handlers accept the null value and keep
 * errno. An unset descriptor is -EBADF, a valid one is >= 0.
 */
#ifndef JL_BASE_CLEANUP_H
#define JL_BASE_CLEANUP_H

#include <errno.h>
#include <unistd.h>

#include "base/alloc.h"

#define _cleanup_(fn) __attribute__((cleanup(fn)))

static inline void jl__cleanup_free(void *slot)
{
	jl__free(*(void **)slot);
}

static inline int jl__close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		(void)close(fd);
	errno = saved;
	return -EBADF;
}

static inline void jl__cleanup_close(const int *slot)
{
	(void)jl__close(*slot);
}

/* Hands the descriptor over and forgets it. */
static inline int jl__fd_steal(int *slot)
{
	int fd = *slot;

	*slot = -EBADF;
	return fd;
}

#define _cleanup_free_ _cleanup_(jl__cleanup_free)
#define _cleanup_close_ _cleanup_(jl__cleanup_close)

/* Hands the pointer over and forgets it, keeping its type. */
#define jl__steal(slot)                       \
	({                                    \
		__typeof__(slot) p_ = (slot); \
		(slot) = NULL;                \
		p_;                           \
	})

#endif
