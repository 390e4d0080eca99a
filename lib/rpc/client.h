/* SPDX-License-Identifier: MIT */
/*
 * The calling side: one connection to a daemon. Owns the socket and the calls on it,
 * knows nothing of jobs. Nothing waits but jl__rpc_client_connect(),
 * jl__rpc_client_dial(), jl__rpc_client_unary() and jl__rpc_client_wait(), each with a
 * limit.
 *
 * While a stream is open, poll jl__rpc_client_fd() for jl__rpc_client_events() TOGETHER
 * with whatever else is waited for (standard output included), and call
 * jl__rpc_client_process() when it is ready or jl__rpc_client_timeout_usec() has passed:
 * the daemon's PINGs are answered there. Messages that are not read hold the peer back.
 */
#ifndef JL_RPC_CLIENT_H
#define JL_RPC_CLIENT_H

#include "rpc/rpc.h"

struct jl__rpc_client;
struct jl__rpc_stream;

/* End of a certificate in PEM, µs since 1970, looked at without connecting. -EINVAL. */
int jl__rpc_cert_end(const char *pem, uint64_t *ret_usec);

struct jl__rpc_target {
	/* "host", "host:port", "192.0.2.1:50051", "[2001:db8::1]:50051", "unix:/path";
	   port 50051 when there is none. */
	const char *address;
	/* PEM; all three, or none for unix:. */
	const char *cert, *key, *ca;
	/* Name the server's certificate must have; NULL = the host of the address. */
	const char *name;
};

/*
 * Connects and shakes hands. Failures say what to do about them in a sentence:
 *   -EHOSTUNREACH, -ECONNREFUSED, -ENOENT (unix), -ETIMEDOUT   nobody there
 *   -EKEYREJECTED  the server refuses our certificate
 *   -EKEYEXPIRED   a certificate is too old or too new
 *   -EBADMSG       the server's certificate is of another CA, or its name is another one;
 *                  or it speaks something else
 *   -EINVAL        a bad address or PEM
 */
int jl__rpc_client_connect(const struct jl__rpc_target *target, uint64_t timeout_usec,
			   struct jl__rpc_client **ret_client, jl_error **err);
/*
 * The same without the last step: with TLS 1.3 everything is done for us before the
 * server has looked at our certificate. Calls may be made at once, which saves a round
 * trip; the first of them tells when the server does not like it: UNAUTHENTICATED or
 * UNAVAILABLE, with the sentence that jl__rpc_client_connect() has.
 */
int jl__rpc_client_dial(const struct jl__rpc_target *target, uint64_t timeout_usec,
			struct jl__rpc_client **ret_client, jl_error **err);
/* Whether the server has spoken since: it has accepted us. */
bool jl__rpc_client_greeted(const struct jl__rpc_client *client);
/* Cancels what is open and closes. NULL is fine. Streams must be closed before. */
void jl__rpc_client_free(struct jl__rpc_client *client);

int jl__rpc_client_fd(const struct jl__rpc_client *client);
/* POLLIN, POLLOUT. */
short jl__rpc_client_events(const struct jl__rpc_client *client);
/* Until jl__rpc_client_process() wants to be called anyway; UINT64_MAX = never. */
uint64_t jl__rpc_client_timeout_usec(const struct jl__rpc_client *client);
/*
 * Reads and writes what goes without waiting. 0, or why the connection is gone, as for
 * jl__rpc_client_connect(); its streams then end with UNAVAILABLE and the same sentence.
 */
int jl__rpc_client_process(struct jl__rpc_client *client, jl_error **err);
/* Polls and processes once, for at most timeout_usec. -ETIMEDOUT when nothing came. */
int jl__rpc_client_wait(struct jl__rpc_client *client, uint64_t timeout_usec,
			jl_error **err);

/* How a call ended. */
struct jl__rpc_status {
	int code;	 /* jl__rpc_code; -1 while it goes on */
	char text[1024]; /* what the server said, made showable */
};

/*
 * One message there, one back, within timeout_usec (UINT64_MAX = no limit; sent to the
 * server as well). Returns 0 when there is a status; status->code is then what the server
 * answered, or UNAVAILABLE, DEADLINE_EXCEEDED with a sentence. *ret_reply is set when it
 * is OK and released with jl__rpc_message_free(). -ENOMEM.
 */
int jl__rpc_client_unary(struct jl__rpc_client *client, const char *path,
			 const void *data, size_t len, uint64_t timeout_usec,
			 uint8_t **ret_reply, size_t *ret_len,
			 struct jl__rpc_status *status);

/* A call of any kind; the request is what jl__rpc_stream_write() sends, up to
   jl__rpc_stream_write_end(). */
int jl__rpc_stream_open(struct jl__rpc_client *client, const char *path,
			uint64_t timeout_usec, struct jl__rpc_stream **ret_stream,
			jl_error **err);
/*
 * Queues one message, copied. -EAGAIN when 1 MiB or more is waiting to go out: process
 * and try again; -EPIPE when the call is over.
 */
int jl__rpc_stream_write(struct jl__rpc_stream *stream, const void *data, size_t len);
/*
 * One message of exactly length bytes that read() delivers piece by piece as there is
 * room
 * (> 0 bytes, or -errno, which cancels the call). One at a time (-EBUSY).
 */
int jl__rpc_stream_write_from(struct jl__rpc_stream *stream, uint64_t length,
			      ssize_t (*read)(void *data, uint8_t *to, size_t size),
			      void *data);
/* No more messages. */
void jl__rpc_stream_write_end(struct jl__rpc_stream *stream);
/*
 * The next message, borrowed until the next call with this stream or its client: 1; 0 at
 * the end, and then jl__rpc_stream_status() is final; -EAGAIN when there is none yet.
 */
int jl__rpc_stream_read(struct jl__rpc_stream *stream, const uint8_t **ret_data,
			size_t *ret_len);
const struct jl__rpc_status *jl__rpc_stream_status(const struct jl__rpc_stream *stream);
/* Cancels it when it is still open. NULL is fine. */
void jl__rpc_stream_close(struct jl__rpc_stream *stream);

#endif
