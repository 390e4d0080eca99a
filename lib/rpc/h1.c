/* SPDX-License-Identifier: MIT */
/* HTTP/1.1 of the server: GET, one request after the other, bodies in chunks. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "rpc/conn.h"

/* "0000abcd\r\n" in front of a chunk's bytes, "\r\n" behind them. */
#define CHUNK_HEAD 10
#define CHUNK_TAIL 2
#define CHUNK_BYTES 16384

static bool is_name_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_value_byte(char c)
{
	return c == '\t' || ((unsigned char)c >= 0x20 && c != 0x7f);
}

/* "GET /path HTTP/1.1" between at and end. 0, or the status that says what is wrong. */
static unsigned take_request_line(struct jl__rpc_call *call, const char *at,
				  const char *end)
{
	const char *space = memchr(at, ' ', (size_t)(end - at));
	const char *path = space ? space + 1 : end;
	const char *mark = memchr(path, ' ', (size_t)(end - path));

	for (const char *c = at; c < end; c++)
		if ((unsigned char)*c <= 0x20 ? *c != ' ' : *c == 0x7f)
			return 400;
	if (!mark || mark == path || *path != '/')
		return 400;
	if (end - mark != 9 || memcmp(mark + 1, "HTTP/1.", 7) != 0)
		return 505;
	call->conn->h1.old = mark[8] == '0';
	call->conn->h1.close = mark[8] == '0';
	jl__rpc_call_take_header(call, ":method", 7, at, (size_t)(space - at));
	jl__rpc_call_take_header(call, ":path", 5, path, (size_t)(mark - path));
	/* gRPC needs HTTP/2. */
	call->bad_method |= call->post;
	call->post = false;
	return 0;
}

static bool name_is(const char *name, size_t len, const char *wanted)
{
	return len == strlen(wanted) && strncasecmp(name, wanted, len) == 0;
}

/* "Name: value". 0, or the status that says what is wrong. */
static unsigned take_field(struct jl__rpc_call *call, const char *at, const char *end,
			   unsigned *hosts)
{
	const char *colon = memchr(at, ':', (size_t)(end - at)), *value;
	char name[32];
	size_t len;

	if (!colon || colon == at)
		return 400;
	for (const char *c = at; c < colon; c++)
		if (!is_name_byte(*c))
			return 400;
	value = colon + 1;
	for (const char *c = value; c < end; c++)
		if (!is_value_byte(*c))
			return 400;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	len = (size_t)(colon - at);
	if (name_is(at, len, "host"))
		++*hosts;
	if (name_is(at, len, "connection") &&
	    name_is(value, (size_t)(end - value), "close"))
		call->conn->h1.close = true;
	/* A body is not wanted, and guessing where it ends is how requests get smuggled.
	 */
	if (name_is(at, len, "transfer-encoding") ||
	    (name_is(at, len, "content-length") &&
	     !name_is(value, (size_t)(end - value), "0")))
		return call->bad_method ? 405 : 400;
	if (len >= sizeof(name))
		return 0;
	for (size_t i = 0; i < len; i++)
		name[i] = (char)(at[i] >= 'A' && at[i] <= 'Z' ? at[i] + 32 : at[i]);
	jl__rpc_call_take_header(call, name, len, value, (size_t)(end - value));
	return 0;
}

/* All lines up to end, which is behind the empty one. */
static unsigned take_head(struct jl__rpc_call *call, const char *at, const char *end)
{
	unsigned status = 0, hosts = 0;
	bool first = true;

	while (status == 0) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		if (!stop || stop == at || stop[-1] != '\r')
			return 400;
		if (stop - 1 == at)
			break;
		status = first ? take_request_line(call, at, stop - 1)
			       : take_field(call, at, stop - 1, &hosts);
		first = false;
		at = stop + 1;
	}
	if (status == 0 && hosts != 1 && !call->conn->h1.old)
		status = 400;
	return status;
}

static void refuse(struct jl__rpc_call *call, unsigned status, const char *text)
{
	call->conn->h1.close = true;
	call->status = status;
	jl__rpc_call_finish(call, JL__RPC_INVALID_ARGUMENT, text);
}

/* Begins with the next request when it is there. 0 or -ENOMEM. */
static int next_request(struct jl__rpc_conn *conn)
{
	struct jl__buf *in = &conn->h1.in;
	struct jl__rpc_call *call;
	const char *end;
	unsigned status;
	bool bad = false;

	if (conn->h1.call || conn->state != JL__RPC_SERVING)
		return 0;
	while (in->len >= 2 && memcmp(in->data, "\r\n", 2) == 0) {
		in->len -= 2;
		memmove(in->data, in->data + 2, in->len);
	}
	end = in->len ? memmem(in->data, in->len, "\r\n\r\n", 4) : NULL;
	if (!end) {
		if (!in->len)
			conn->header_usec = 0;
		else if (!conn->header_usec)
			conn->header_usec = conn->received_usec;
		/* A TLS client at the wrong door is told at once. */
		bad = in->len && (in->data[0] < 'A' || in->data[0] > 'Z');
		if (!bad && in->len < conn->server->limits.header_bytes)
			return 0;
	}
	call = jl__rpc_call_new(conn, 0);
	if (!call)
		return -ENOMEM;
	conn->header_usec = 0;
	conn->h1.call = call;
	conn->h1.close = conn->h1.old = conn->h1.chunked = conn->h1.headed = false;
	call->headed = call->peer_done = true;
	if (!end) {
		if (bad)
			refuse(call, 400, "this is no HTTP request");
		else
			refuse(call, 431, "the request's headers are too large");
		return 0;
	}
	end += 4;
	status = take_head(call, in->data, end);
	in->len -= (size_t)(end - in->data);
	memmove(in->data, end, in->len);
	if (status)
		refuse(call, status, "this is no request that is served here");
	else
		jl__rpc_call_open(call);
	if (call->bad_method || conn->server->draining)
		conn->h1.close = true;
	return 0;
}

int jl__rpc_h1_feed(struct jl__rpc_conn *conn, const uint8_t *data, size_t len)
{
	while (len) {
		struct jl__buf *in = &conn->h1.in;
		size_t room = conn->server->limits.header_bytes - in->len;
		size_t n = len < room ? len : room;

		/* More than that is waiting behind the answer to the first. */
		if (n == 0)
			return -E2BIG;
		if (jl__buf_add(in, data, n) < 0)
			return -ENOMEM;
		data += n;
		len -= n;
		if (next_request(conn) < 0)
			return -ENOMEM;
		if (conn->h1.close)
			return 0;
	}
	return 0;
}

static int write_head(struct jl__rpc_conn *conn, struct jl__rpc_call *call)
{
	bool whole = call->finished && !call->has_source;
	bool bare = call->status == 204 || call->status == 304;
	char head[512], length[64] = "";
	int len;

	conn->h1.headed = true;
	call->submitted = true;
	conn->h1.chunked = !whole && !conn->h1.old && !bare;
	if (!whole && conn->h1.old)
		conn->h1.close = true; /* the end of the connection is the end of it */
	if (whole && !bare)
		(void)snprintf(length, sizeof(length), "Content-Length: %zu\r\n",
			       jl__rpc_out_left(&call->out));
	len = snprintf(head, sizeof(head),
		       "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nCache-Control: no-store\r\n"
		       "X-Content-Type-Options: nosniff\r\n%s%s%s%s\r\n",
		       call->status, jl__rpc_http_reason(call->status), call->type,
		       length, conn->h1.chunked ? "Transfer-Encoding: chunked\r\n" : "",
		       call->status == 405 ? "Allow: GET\r\n" : "",
		       conn->h1.close ? "Connection: close\r\n" : "");
	return jl__rpc_out_put(&conn->out, head, (size_t)len);
}

/* A piece of the body: 1 when there may be more, 0 when it is done, -EAGAIN, failures. */
static int write_piece(struct jl__rpc_conn *conn, struct jl__rpc_call *call)
{
	size_t around = conn->h1.chunked ? CHUNK_HEAD : 0;
	uint8_t *room =
		jl__rpc_out_room(&conn->out, CHUNK_BYTES + CHUNK_HEAD + CHUNK_TAIL + 5);
	char head[CHUNK_HEAD + 1];
	bool end = false;
	ssize_t n;

	if (!room)
		return -ENOMEM;
	n = jl__rpc_call_fill(call, room + around, CHUNK_BYTES, &end);
	if (n < 0)
		return (int)n;
	if (n > 0 && conn->h1.chunked) {
		(void)snprintf(head, sizeof(head), "%08x\r\n", (unsigned)n);
		memcpy(room, head, CHUNK_HEAD);
		memcpy(room + CHUNK_HEAD + n, "\r\n", CHUNK_TAIL);
		jl__rpc_out_add(&conn->out, CHUNK_HEAD + (size_t)n + CHUNK_TAIL);
	} else {
		jl__rpc_out_add(&conn->out, (size_t)n);
	}
	if (end && conn->h1.chunked)
		return jl__rpc_out_put(&conn->out, "0\r\n\r\n", 5);
	return end ? 0 : 1;
}

int jl__rpc_h1_fill(struct jl__rpc_conn *conn)
{
	while (conn->h1.call && jl__rpc_out_left(&conn->out) < JL__RPC_OUT_FULL) {
		struct jl__rpc_call *call = conn->h1.call;
		int r;

		if (!call->finished && !call->has_source && !jl__rpc_out_left(&call->out))
			return 0;
		if (!conn->h1.headed && write_head(conn, call) < 0)
			return -ENOMEM;
		r = write_piece(conn, call);
		if (r == 1)
			continue;
		if (r < 0)
			return r == -EAGAIN ? 0 : r;
		call->sent_end = true;
		conn->h1.call = NULL;
		jl__rpc_call_close(call);
		if (conn->h1.close)
			jl__rpc_conn_drop(conn, NULL);
		else if (next_request(conn) < 0)
			return -ENOMEM;
	}
	return 0;
}
