/* SPDX-License-Identifier: MIT */
/*
 * Writing to somebody else's descriptor without waiting for its reader, and without
 * changing it: O_NONBLOCK would be seen by everybody who shares it.
 */
#ifndef RNX_OUTLET_H
#define RNX_OUTLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outlet {
	int fd;
	bool waits;  /* the kernel has no write for it that does not wait */
	bool always; /* a file: never full in the way a pipe is */
};

void outlet_init(struct outlet *outlet, int fd);
/* Bytes written; -EAGAIN when it takes none now (poll for POLLOUT), or -errno. */
int64_t outlet_write(struct outlet *outlet, const void *data, size_t len);

#endif
