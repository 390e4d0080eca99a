/* SPDX-License-Identifier: MIT */
/* HTTP/2 of the server: what nghttp2 tells, and what it is told. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "rpc/conn.h"

/* What frames cost that make work and move nothing. */
#define COST_FRAME 1
#define COST_RESET 2
#define TINY_DATA 16

static struct jl__rpc_call *call_of(nghttp2_session *h2, int32_t id)
{
	return nghttp2_session_get_stream_user_data(h2, id);
}

static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *data)
{
	struct jl__rpc_conn *conn = data;
	struct jl__rpc_call *call;

	if (frame->hd.type != NGHTTP2_HEADERS ||
	    frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	call = jl__rpc_call_new(conn, frame->hd.stream_id);
	if (!call)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	(void)nghttp2_session_set_stream_user_data(h2, frame->hd.stream_id, call);
	return 0;
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t len, uint8_t flags,
		     void *data)
{
	struct jl__rpc_call *call = call_of(h2, frame->hd.stream_id);

	(void)flags, (void)data;
	/* Trailers of requests say nothing. */
	if (call && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		jl__rpc_call_take_header(call, (const char *)name, name_len,
					 (const char *)value, len);
	return 0;
}

/* Every frame, those too that concern nothing there is (any more). */
static int on_begin_frame(nghttp2_session *h2, const nghttp2_frame_hd *head, void *data)
{
	struct jl__rpc_conn *conn = data;
	unsigned cost = COST_FRAME;

	(void)h2;
	if (head->type == NGHTTP2_HEADERS ||
	    (head->type == NGHTTP2_DATA &&
	     (head->length >= TINY_DATA || head->flags & NGHTTP2_FLAG_END_STREAM)))
		cost = 0;
	else if (head->type == NGHTTP2_RST_STREAM)
		cost = COST_RESET;
	if (cost && conn->state == JL__RPC_SERVING)
		(void)jl__rpc_conn_spend(conn, cost);
	return 0;
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *data)
{
	struct jl__rpc_call *call = NULL;

	(void)data;
	if (frame->hd.stream_id)
		call = call_of(h2, frame->hd.stream_id);
	if (!call)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS &&
	    frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		call->headed = true;
		jl__rpc_call_open(call);
	}
	if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
	    frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		jl__rpc_call_body_end(call);
	return 0;
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *bytes,
		   size_t len, void *data)
{
	struct jl__rpc_call *call = call_of(h2, id);

	(void)flags, (void)data;
	/*
	 * The connection's window is for all calls: what waits in one of them must not
	 * hold the others up. Its own window does that.
	 */
	(void)nghttp2_session_consume_connection(h2, len);
	if (call && !call->refused) {
		call->body_usec = call->conn->received_usec;
		jl__rpc_call_body(call, bytes, len);
	} else {
		(void)nghttp2_session_consume_stream(h2, id, len);
	}
	return 0;
}

static int on_stream_close(nghttp2_session *h2, int32_t id, uint32_t code, void *data)
{
	struct jl__rpc_call *call = call_of(h2, id);

	(void)code, (void)data;
	if (call) {
		(void)nghttp2_session_set_stream_user_data(h2, id, NULL);
		jl__rpc_call_close(call);
	}
	return 0;
}

static int on_frame_send(nghttp2_session *h2, const nghttp2_frame *frame, void *data)
{
	struct jl__rpc_conn *conn = data;
	struct jl__rpc_call *call;
	char why[96];

	if (frame->hd.type == NGHTTP2_GOAWAY &&
	    frame->goaway.error_code != NGHTTP2_NO_ERROR &&
	    conn->state == JL__RPC_SERVING && !conn->goaway) {
		(void)snprintf(why, sizeof(why), "it breaks the rules of HTTP/2: %s",
			       nghttp2_http2_strerror(frame->goaway.error_code));
		jl__rpc_server_tell(conn->server, conn->peer.address, why);
	}
	if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) ||
	    (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
		return 0;
	call = call_of(h2, frame->hd.stream_id);
	if (!call)
		return 0;
	call->sent_end = true;
	/*
	 * Answered before the request was complete: tells a client of gRPC to stop
	 * sending. Clients of plain HTTP take the same for a failure; they get a while.
	 */
	if (!call->peer_done && call->grpc)
		(void)nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE,
						frame->hd.stream_id, NGHTTP2_NO_ERROR);
	else if (!call->peer_done)
		jl__rpc_call_expect_end(call);
	return 0;
}

int jl__rpc_h2_callbacks(struct jl__rpc_server *server)
{
	nghttp2_session_callbacks *to;

	if (nghttp2_session_callbacks_new(&server->callbacks) != 0 ||
	    nghttp2_option_new(&server->option) != 0)
		return -ENOMEM;
	to = server->callbacks;
	nghttp2_session_callbacks_set_on_begin_headers_callback(to, on_begin_headers);
	nghttp2_session_callbacks_set_on_begin_frame_callback(to, on_begin_frame);
	nghttp2_session_callbacks_set_on_header_callback(to, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(to, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(to, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(to, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_send_callback(to, on_frame_send);
	nghttp2_option_set_no_auto_window_update(server->option, 1);
	/* Closed streams are of use for priorities only, and stay for long. */
	nghttp2_option_set_no_closed_streams(server->option, 1);
	nghttp2_option_set_max_settings(server->option, 32);
	return 0;
}

int jl__rpc_h2_start(struct jl__rpc_conn *conn)
{
	const struct jl__rpc_server *server = conn->server;
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, server->limits.streams },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, JL__RPC_WINDOW_STREAM },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
		  (uint32_t)server->limits.header_bytes },
	};

	if (nghttp2_session_server_new2(&conn->h2, server->callbacks, conn,
					server->option) != 0 ||
	    nghttp2_submit_settings(conn->h2, NGHTTP2_FLAG_NONE, settings,
				    sizeof(settings) / sizeof(settings[0])) != 0 ||
	    nghttp2_session_set_local_window_size(conn->h2, NGHTTP2_FLAG_NONE, 0,
						  JL__RPC_WINDOW_CONNECTION) != 0)
		return -ENOMEM;
	return 0;
}

int jl__rpc_h2_feed(struct jl__rpc_conn *conn, const uint8_t *data, size_t len)
{
	ssize_t n = nghttp2_session_mem_recv(conn->h2, data, len);
	char why[96];

	if (n >= 0)
		return 0;
	/* What the protocol has to say about it still goes out. */
	(void)snprintf(why, sizeof(why), "it breaks the rules of HTTP/2: %s",
		       nghttp2_strerror((int)n));
	jl__rpc_conn_drop(conn, why);
	return 0;
}

int jl__rpc_h2_fill(struct jl__rpc_conn *conn)
{
	while (jl__rpc_out_left(&conn->out) < JL__RPC_OUT_FULL) {
		const uint8_t *data;
		ssize_t n = nghttp2_session_mem_send(conn->h2, &data);

		if (n < 0)
			return -ENOMEM;
		if (n == 0)
			return 0;
		if (jl__rpc_out_put(&conn->out, data, (size_t)n) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* ---- replies ---- */

#define NAME_VALUE(name_, value_, len_)                                         \
	{                                                                       \
		(uint8_t *)(uintptr_t)(name_), (uint8_t *)(uintptr_t)(value_),  \
			sizeof(name_) - 1, (len_), NGHTTP2_NV_FLAG_NO_COPY_NAME \
	}

/* grpc-status and, where there is one, grpc-message. */
static size_t status_fields(const struct jl__rpc_call *call, nghttp2_nv to[2],
			    char code[12], char *text)
{
	size_t count = 1;
	int len = snprintf(code, 12, "%d", call->code);

	to[0] = (nghttp2_nv)NAME_VALUE("grpc-status", code, (size_t)len);
	if (call->text && call->text[0]) {
		size_t text_len = jl__rpc_percent_encode(text, call->text);

		to[count++] = (nghttp2_nv)NAME_VALUE("grpc-message", text, text_len);
	}
	return count;
}

static int submit_trailer(struct jl__rpc_call *call)
{
	char code[12], text[JL__RPC_PERCENT_MAX];
	nghttp2_nv fields[2];
	size_t count = status_fields(call, fields, code, text);

	return nghttp2_submit_trailer(call->conn->h2, call->id, fields, count);
}

static ssize_t on_read(nghttp2_session *h2, int32_t id, uint8_t *to, size_t size,
		       uint32_t *flags, nghttp2_data_source *source, void *data)
{
	struct jl__rpc_call *call = source->ptr;
	bool end = false;
	ssize_t n = jl__rpc_call_fill(call, to, size, &end);

	(void)h2, (void)id, (void)data;
	if (n == -EAGAIN) {
		call->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	if (n < 0)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets the stream */
	if (end) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		if (call->grpc) {
			*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
			if (submit_trailer(call) != 0)
				return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
		}
	}
	return n;
}

/* One HEADERS frame that is all of the reply. */
static int submit_status_only(struct jl__rpc_call *call)
{
	char code[12], text[JL__RPC_PERCENT_MAX];
	nghttp2_nv fields[5] = {
		NAME_VALUE(":status", "200", 3),
		NAME_VALUE("content-type", "application/grpc", 16),
	};
	size_t count = 2 + status_fields(call, fields + 2, code, text);

	if (call->encoded)
		fields[count++] =
			(nghttp2_nv)NAME_VALUE("grpc-accept-encoding", "identity", 8);
	return nghttp2_submit_response(call->conn->h2, call->id, fields, count, NULL);
}

static int submit_plain(struct jl__rpc_call *call, const nghttp2_data_provider *body)
{
	char status[12];
	int len = snprintf(status, sizeof(status), "%u", call->status);
	nghttp2_nv fields[5] = {
		NAME_VALUE(":status", status, (size_t)len),
		NAME_VALUE("content-type", call->type, strlen(call->type)),
		NAME_VALUE("cache-control", "no-store", 8),
		NAME_VALUE("x-content-type-options", "nosniff", 7),
	};
	size_t count = 4;

	if (call->status == 405)
		fields[count++] = (nghttp2_nv)NAME_VALUE("allow", "GET", 3);
	return nghttp2_submit_response(call->conn->h2, call->id, fields, count, body);
}

void jl__rpc_h2_submit(struct jl__rpc_call *call)
{
	nghttp2_session *h2 = call->conn->h2;
	const nghttp2_data_provider body = { { .ptr = call }, on_read };
	const nghttp2_nv fields[] = {
		NAME_VALUE(":status", "200", 3),
		NAME_VALUE("content-type", "application/grpc", 16),
	};
	int r;

	call->submitted = true;
	if (!call->grpc)
		r = submit_plain(call, &body);
	else if (call->finished && !jl__rpc_out_left(&call->out) && !call->has_source)
		r = submit_status_only(call);
	else
		r = nghttp2_submit_response(h2, call->id, fields, 2, &body);
	if (r != 0)
		(void)nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, call->id,
						NGHTTP2_INTERNAL_ERROR);
}

void jl__rpc_h2_resume(struct jl__rpc_call *call)
{
	call->deferred = false;
	(void)nghttp2_session_resume_data(call->conn->h2, call->id);
}

void jl__rpc_h2_reset(struct jl__rpc_call *call, uint32_t code)
{
	(void)nghttp2_submit_rst_stream(call->conn->h2, NGHTTP2_FLAG_NONE, call->id,
					code);
}

bool jl__rpc_h2_blocked(const struct jl__rpc_call *call)
{
	nghttp2_session *h2 = call->conn->h2;

	return nghttp2_session_get_stream_remote_window_size(h2, call->id) <= 0 ||
	       nghttp2_session_get_remote_window_size(h2) <= 0;
}

void jl__rpc_h2_used(struct jl__rpc_call *call, size_t len)
{
	(void)nghttp2_session_consume_stream(call->conn->h2, call->id, len);
}

void jl__rpc_h2_widen(struct jl__rpc_call *call)
{
	(void)nghttp2_session_set_local_window_size(call->conn->h2, NGHTTP2_FLAG_NONE,
						    call->id, JL__RPC_WINDOW_UPLOAD);
}
