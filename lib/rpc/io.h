/* SPDX-License-Identifier: MIT */
/*
 * Bytes to and from a socket that never waits, with or without TLS. Owns the descriptor
 * and the TLS state of one connection.
 */
#ifndef JL_RPC_IO_H
#define JL_RPC_IO_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct jl__rpc_io {
	int fd;
	SSL *ssl;	    /* NULL: clear */
	bool read_waits;    /* reading needs the socket writable first */
	bool write_waits;   /* writing needs the socket readable first */
	bool dry;	    /* what TLS holds is half a record at most */
	bool broken;	    /* no close_notify may be sent any more */
	unsigned long code; /* OpenSSL's, of the last failure; 0 = none */
};

/* Lets TLS read and write this socket, without signals. false: no memory. */
bool jl__rpc_io_attach(SSL *ssl, int fd);
/* Both take the descriptor. ssl may be NULL. */
void jl__rpc_io_init(struct jl__rpc_io *io, int fd, SSL *ssl);
/* Says goodbye when that is possible without waiting, and closes. */
void jl__rpc_io_done(struct jl__rpc_io *io);

/* 0, -EAGAIN, or a failure: -EPROTO with code set, or of the socket. */
int jl__rpc_io_handshake(struct jl__rpc_io *io);
/* Bytes; 0 at the end; -EAGAIN; failures as above. */
ssize_t jl__rpc_io_read(struct jl__rpc_io *io, void *data, size_t size);
ssize_t jl__rpc_io_write(struct jl__rpc_io *io, const void *data, size_t len);
/* Bytes that are here already, so that no event of the socket will tell. */
bool jl__rpc_io_pending(const struct jl__rpc_io *io);

/* Bytes on their way out: written at the end, sent from the front. */
struct jl__rpc_out {
	uint8_t *data;
	size_t at, len, size;
};

/* As much is put together before it is sent, and no more is made while so much waits. */
#define JL__RPC_OUT_FULL 65536

static inline size_t jl__rpc_out_left(const struct jl__rpc_out *out)
{
	return out->len - out->at;
}
void jl__rpc_out_done(struct jl__rpc_out *out);
/* Room for len more bytes behind what is there, or NULL; jl__rpc_out_add() counts them.
 */
uint8_t *jl__rpc_out_room(struct jl__rpc_out *out, size_t len);
static inline void jl__rpc_out_add(struct jl__rpc_out *out, size_t len)
{
	out->len += len;
}
/* 0 or -ENOMEM. */
int jl__rpc_out_put(struct jl__rpc_out *out, const void *data, size_t len);
/* Sends; 0 when all is gone, -EAGAIN, or a failure. */
int jl__rpc_out_send(struct jl__rpc_out *out, struct jl__rpc_io *io, size_t *ret_sent);

#endif
