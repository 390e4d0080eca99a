/* SPDX-License-Identifier: MIT */
#include "outlet.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

void outlet_init(struct outlet *outlet, int fd)
{
	struct stat stat;

	*outlet = (struct outlet){ .fd = fd };
	outlet->always = fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode);
}

/* When a pipe polls writable it takes PIPE_BUF bytes at once; so do terminals. */
static int64_t write_little(const struct outlet *outlet, const void *data, size_t len)
{
	struct pollfd poll_fd = { .fd = outlet->fd, .events = POLLOUT };
	ssize_t n;

	if (!outlet->always) {
		if (poll(&poll_fd, 1, 0) == 0)
			return -EAGAIN;
		if (len > PIPE_BUF)
			len = PIPE_BUF;
	}
	n = write(outlet->fd, data, len);
	return n < 0 ? (errno == EINTR ? -EAGAIN : -errno) : n;
}

int64_t outlet_write(struct outlet *outlet, const void *data, size_t len)
{
	struct iovec part = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	ssize_t n;

	if (outlet->always || outlet->waits)
		return write_little(outlet, data, len);
	n = pwritev2(outlet->fd, &part, 1, -1, RWF_NOWAIT);
	if (n >= 0)
		return n;
	/* Linux before 6.5 has it for no pipe, and no Linux for terminals. */
	if (errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS ||
	    errno == ESPIPE) {
		outlet->waits = true;
		return write_little(outlet, data, len);
	}
	return errno == EINTR ? -EAGAIN : -errno;
}
