/* SPDX-License-Identifier: MIT */
/* Getting a connection: addresses, TCP or unix, TLS, and what went wrong in words. */
#ifndef JL_RPC_DIAL_H
#define JL_RPC_DIAL_H

#include "rpc/client.h"
#include "rpc/io.h"

#define JL__RPC_PORT 50051

struct jl__rpc_where {
	char host[256]; /* without brackets; "" for a unix socket */
	char port[8];
	char path[108]; /* of a unix socket; "" else */
	char shown[300];
};

/* 0, or -EINVAL with a sentence. */
int jl__rpc_where_parse(const char *address, struct jl__rpc_where *ret, jl_error **err);

/* Connects, within the time. 0 or as jl__rpc_client_connect(). */
int jl__rpc_dial(const struct jl__rpc_target *target, const struct jl__rpc_where *where,
		 uint64_t until_usec, struct jl__rpc_io *ret_io, jl_error **err);

/* Why a connection is of no use (any more): r and io->code as io.h left them. */
int jl__rpc_dial_explain(const struct jl__rpc_io *io, int r, const char *shown,
			 jl_error **err);

/* Waits for events on a descriptor. 0, -ETIMEDOUT or -errno. */
int jl__rpc_dial_poll(int fd, short events, uint64_t until_usec);

#endif
