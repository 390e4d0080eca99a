/* SPDX-License-Identifier: MIT */
/* What a server sends to the client behind its SETTINGS: two calls under way end once. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "rpc/client-priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct jl__rpc_client *client_on(int fd)
{
	struct jl__rpc_client *client = jl__calloc(1, sizeof(*client));

	if (!client)
		abort();
	jl__rpc_io_init(&client->io, fd, NULL);
	(void)snprintf(client->where.shown, sizeof(client->where.shown), "fuzz");
	(void)snprintf(client->authority, sizeof(client->authority), "fuzz");
	client->received_usec = jl__rpc_now_usec();
	if (jl__rpc_client_start(client) < 0)
		abort();
	return client;
}

/* Every message there is, then the status: one of gRPC's own, or none yet. */
static void read_all(struct jl__rpc_stream *stream)
{
	static volatile uint8_t sink[64]; /* so that each byte is looked at */
	const uint8_t *message;
	size_t len;
	int r;

	while ((r = jl__rpc_stream_read(stream, &message, &len)) == 1)
		for (size_t i = 0; i < len; i++)
			sink[i % sizeof(sink)] ^= message[i];
	if (r == 0 && jl__rpc_stream_status(stream)->code < 0)
		abort();
	if (r == -EAGAIN && jl__rpc_stream_status(stream)->code >= 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char settings[9] = { 0, 0, 0, 4, 0, 0, 0, 0, 0 };
	static uint8_t sink[65536];
	struct jl__rpc_stream *streams[2];
	struct jl__rpc_client *client;
	int ends[2];

	(void)signal(SIGPIPE, SIG_IGN);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		abort();
	client = client_on(ends[0]);
	for (int i = 0; i < 2; i++) {
		if (jl__rpc_stream_open(client, "/test.Echo/Unary", UINT64_MAX,
					&streams[i], NULL) < 0)
			abort();
		(void)jl__rpc_stream_write(streams[i], "\x0a\x02hi", 4);
		jl__rpc_stream_write_end(streams[i]);
	}
	(void)send(ends[1], settings, sizeof(settings), MSG_NOSIGNAL);
	for (size_t at = 0; at < size;) {
		size_t n = size - at < 16384 ? size - at : 16384;
		ssize_t sent = send(ends[1], data + at, n, MSG_NOSIGNAL);

		(void)jl__rpc_client_process(client, NULL);
		while (recv(ends[1], sink, sizeof(sink), 0) > 0)
			continue;
		read_all(streams[0]);
		if (sent <= 0)
			break;
		at += (size_t)sent;
	}
	(void)close(ends[1]);
	(void)jl__rpc_client_process(client, NULL);
	(void)jl__rpc_client_process(client, NULL);
	for (int i = 0; i < 2; i++) {
		read_all(streams[i]);
		/* The connection is gone: so is every call. */
		if (jl__rpc_stream_status(streams[i])->code < 0)
			abort();
		jl__rpc_stream_close(streams[i]);
	}
	jl__rpc_client_free(client);
	return 0;
}
