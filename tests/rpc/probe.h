/* SPDX-License-Identifier: MIT */
/*
 * One HTTP/2 request at a time over a clear connection, with headers and bodies that no
 * proper client sends, and everything that came back.
 */
#ifndef RPC_PROBE_H
#define RPC_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct probe_request {
	const char *method, *path, *type; /* NULL: POST, /test.Echo/Unary, gRPC */
	const char *name, *value;	  /* one more header */
	const void *body;
	size_t len;
	size_t frame;	  /* bytes of a DATA frame; 0 = as large as they go */
	size_t pad;	  /* bytes of padding in each */
	bool open;	  /* END_STREAM is never sent */
	bool late_end;	  /* END_STREAM in an empty frame of its own */
	bool unread;	  /* a window of nothing: the reply cannot come */
	unsigned wait_ms; /* for the reply; 0 = as long as it takes */
};

struct probe_reply {
	bool ended;	    /* the stream is closed */
	bool cut;	    /* the connection is */
	uint32_t reset;	    /* code of RST_STREAM; UINT32_MAX: none came */
	unsigned status;    /* of HTTP */
	int grpc;	    /* -1: none */
	bool trailers_only; /* one HEADERS frame was all */
	char type[64], encoding[64], allow[16], message[1024];
	uint8_t body[65536];
	size_t len;
	int32_t window, connection_window; /* what may be sent to it, at last */
};

struct probe;
struct probe *probe_open(uint16_t port);
void probe_ask(struct probe *probe, const struct probe_request *request,
	       struct probe_reply *reply);
/* Goes on with a request that is open, for so long. */
void probe_go_on(struct probe *probe, unsigned wait_ms);
void probe_close(struct probe *probe);

#endif
