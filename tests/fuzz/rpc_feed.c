/* SPDX-License-Identifier: MIT */
#include "rpc_feed.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../rpc/served.h"
#include "rpc/conn.h"

/* Enough for anything to be answered; a stream without end is left after them. */
#define TURNS 6

static struct jl__rpc_server *server_of_all(void)
{
	static struct jl__rpc_server *server;
	/* What is promised is not to be had here: memory is the fuzzer's as well. */
	static const struct jl__rpc_limits limits = { .upload_budget = 1 << 20 };

	if (!server) {
		(void)signal(SIGPIPE, SIG_IGN);
		if (jl__rpc_server_new(served_methods, &limits, &served_hooks, &server,
				       NULL) < 0)
			abort();
	}
	return server;
}

static void take_turn(struct jl__rpc_server *server, int fd)
{
	static uint8_t sink[65536];

	if (jl__rpc_server_process(server) < 0)
		abort();
	(void)served_tick();
	while (recv(fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		continue;
}

void rpc_feed(const void *first, size_t first_len, const uint8_t *data, size_t len)
{
	static const struct jl__rpc_peer peer = { .address = "fuzz" };
	static const uint8_t origin[16];
	struct jl__rpc_server *server = server_of_all();
	struct jl__rpc_counts counts;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		abort();
	if (jl__rpc_conn_new(server, ends[0], JL__RPC_CLEAR, &peer, origin) < 0)
		abort();
	(void)send(ends[1], first, first_len, MSG_NOSIGNAL);
	for (size_t at = 0; at < len;) {
		/* Not all at once: what is buffered here is the fuzzer's to cut. */
		size_t n = len - at < 16384 ? len - at : 16384;
		ssize_t sent = send(ends[1], data + at, n, MSG_NOSIGNAL);

		take_turn(server, ends[1]);
		if (sent <= 0)
			break;
		at += (size_t)sent;
	}
	for (int i = 0; i < TURNS; i++)
		take_turn(server, ends[1]);
	(void)close(ends[1]);
	for (int i = 0; i < 3; i++)
		if (jl__rpc_server_process(server) < 0)
			abort();
	jl__rpc_server_counts(server, &counts);
	if (counts.connections || counts.calls || counts.upload_bytes)
		abort();
	if (served.closed != served.requests + served.opened ||
	    served.identified != served.forgotten)
		abort();
}
