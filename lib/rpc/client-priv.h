/* SPDX-License-Identifier: MIT */
/* The inside of the client: what client.c, stream.c and client_h2.c share. */
#ifndef JL_RPC_CLIENT_PRIV_H
#define JL_RPC_CLIENT_PRIV_H

#include <nghttp2/nghttp2.h>

#include "rpc/client.h"
#include "rpc/dial.h"
#include "rpc/frame.h"
#include "rpc/text.h"
#include "rpc/timer.h"

#define JL__RPC_CLIENT_WINDOW (1 << 20)
#define JL__RPC_CLIENT_REPLY_MAX (128u << 20)
#define JL__RPC_CLIENT_QUEUE (1 << 20)

struct jl__rpc_client {
	struct jl__rpc_io io;
	struct jl__rpc_out out;
	struct jl__rpc_where where;
	char authority[300];
	nghttp2_session *h2;
	struct jl__rpc_stream *streams;
	bool greeted; /* the server's SETTINGS came: it has accepted us */
	uint64_t greet_usec; /* until when they may come */
	int dead;     /* 0, or why: a negative errno */
	char *why;
	uint64_t received_usec, ping_usec;
	uint8_t buffer[65536];
};

struct jl__rpc_stream {
	struct jl__rpc_client *client;
	struct jl__rpc_stream *next, *prev;
	int32_t id;
	uint64_t deadline_usec;

	/* Request. */
	struct jl__rpc_out out;
	ssize_t (*pull)(void *data, uint8_t *to, size_t size);
	void *pull_data;
	uint64_t pull_left;
	bool write_ended, deferred;

	/* Reply. */
	bool closed; /* nothing more comes */
	struct jl__rpc_out in;
	size_t shown;	   /* bytes of the message given out last */
	size_t uncredited; /* received, and not told to the peer as used */
	unsigned http;
	bool typed;
	int grpc_status; /* -1: none yet */
	char message[JL__RPC_TEXT_MAX];
	struct jl__rpc_status status;
};

/* ---- client_h2.c ---- */

int jl__rpc_client_start(struct jl__rpc_client *client);
void jl__rpc_stream_submit(struct jl__rpc_stream *stream, const char *path,
			   uint64_t timeout_usec);

/* ---- stream.c ---- */

/* Final, if it was not yet. */
void jl__rpc_stream_end(struct jl__rpc_stream *stream, int code, const char *text);
/* Bytes of a complete message at the front, or -EAGAIN; -EMSGSIZE, -EBADMSG. */
ssize_t jl__rpc_stream_next(const struct jl__rpc_stream *stream);
/* Tells the peer that there is room, unless messages wait to be read. */
void jl__rpc_stream_credit(struct jl__rpc_stream *stream);

/* ---- client.c ---- */

/* The connection is gone: every stream ends. */
void jl__rpc_client_fail(struct jl__rpc_client *client, int r);
/* Sends what goes without waiting. */
void jl__rpc_client_flush(struct jl__rpc_client *client);

#endif
