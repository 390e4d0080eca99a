/* SPDX-License-Identifier: MIT */
#include "rpc/io.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/cleanup.h"

void jl__rpc_io_init(struct jl__rpc_io *io, int fd, SSL *ssl)
{
	*io = (struct jl__rpc_io){ .fd = fd, .ssl = ssl };
}

void jl__rpc_io_done(struct jl__rpc_io *io)
{
	if (io->ssl) {
		/* After a failure inside it, OpenSSL must not be asked again. */
		if (!io->broken && SSL_is_init_finished(io->ssl)) {
			ERR_clear_error();
			(void)SSL_shutdown(io->ssl);
		}
		SSL_free(io->ssl);
	}
	(void)jl__close(io->fd);
	*io = (struct jl__rpc_io){ .fd = -EBADF };
}

/* What an operation of OpenSSL that returned r <= 0 means. waits: the other direction. */
static int judge(struct jl__rpc_io *io, int r, int saved, int usual, bool *waits)
{
	int why = SSL_get_error(io->ssl, r);

	*waits = false;
	switch (why) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		*waits = why != usual;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		io->broken = true;
		io->code = 0;
		return saved ? -saved : -ECONNRESET;
	default:
		io->broken = true;
		io->code = ERR_peek_error();
		return -EPROTO;
	}
}

int jl__rpc_io_handshake(struct jl__rpc_io *io)
{
	bool waits;
	int r;

	if (!io->ssl)
		return 0;
	ERR_clear_error();
	errno = 0;
	r = SSL_do_handshake(io->ssl);
	if (r == 1) {
		io->read_waits = false;
		return 0;
	}
	r = judge(io, r, errno, SSL_ERROR_WANT_READ, &waits);
	io->read_waits = waits;
	return r == 0 ? -ECONNRESET : r;
}

ssize_t jl__rpc_io_read(struct jl__rpc_io *io, void *data, size_t size)
{
	int r;

	if (!io->ssl) {
		ssize_t n = recv(io->fd, data, size, 0);

		return n < 0 ? (errno == EINTR ? -EAGAIN : -errno) : n;
	}
	ERR_clear_error();
	errno = 0;
	r = SSL_read(io->ssl, data, size > INT_MAX ? INT_MAX : (int)size);
	io->read_waits = false;
	if (r > 0) {
		io->dry = false;
		return r;
	}
	r = judge(io, r, errno, SSL_ERROR_WANT_READ, &io->read_waits);
	io->dry = r == -EAGAIN;
	return r;
}

ssize_t jl__rpc_io_write(struct jl__rpc_io *io, const void *data, size_t len)
{
	int r;

	if (!io->ssl) {
		ssize_t n = send(io->fd, data, len, MSG_NOSIGNAL);

		return n < 0 ? (errno == EINTR ? -EAGAIN : -errno) : n;
	}
	ERR_clear_error();
	errno = 0;
	r = SSL_write(io->ssl, data, len > INT_MAX ? INT_MAX : (int)len);
	io->write_waits = false;
	if (r > 0)
		return r;
	r = judge(io, r, errno, SSL_ERROR_WANT_WRITE, &io->write_waits);
	return r == 0 ? -EPIPE : r;
}

bool jl__rpc_io_pending(const struct jl__rpc_io *io)
{
	return io->ssl && !io->dry && SSL_has_pending(io->ssl) == 1;
}

void jl__rpc_out_done(struct jl__rpc_out *out)
{
	jl__free(out->data);
	*out = (struct jl__rpc_out){ 0 };
}

uint8_t *jl__rpc_out_room(struct jl__rpc_out *out, size_t len)
{
	size_t want;
	uint8_t *data;

	if (out->at == out->len)
		out->at = out->len = 0;
	if (out->size - out->len >= len)
		return out->data + out->len;
	if (out->at) {
		memmove(out->data, out->data + out->at, out->len - out->at);
		out->len -= out->at;
		out->at = 0;
		if (out->size - out->len >= len)
			return out->data + out->len;
	}
	/* Small answers stay small; what streams gets its full size at once. */
	want = out->size ? 4 * out->size : 4096;
	if (want < out->len + len)
		want = out->len + len;
	data = jl__resize(out->data, want);
	if (!data)
		return NULL;
	out->data = data;
	out->size = want;
	return data + out->len;
}

int jl__rpc_out_put(struct jl__rpc_out *out, const void *data, size_t len)
{
	uint8_t *room = jl__rpc_out_room(out, len);

	if (!room)
		return -ENOMEM;
	memcpy(room, data, len);
	jl__rpc_out_add(out, len);
	return 0;
}

int jl__rpc_out_send(struct jl__rpc_out *out, struct jl__rpc_io *io, size_t *ret_sent)
{
	*ret_sent = 0;
	while (out->at < out->len) {
		ssize_t n = jl__rpc_io_write(io, out->data + out->at, out->len - out->at);

		if (n < 0)
			return (int)n;
		out->at += (size_t)n;
		*ret_sent += (size_t)n;
	}
	return 0;
}
