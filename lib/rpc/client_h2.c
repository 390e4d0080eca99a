/* SPDX-License-Identifier: MIT */
/* HTTP/2 of the client. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "rpc/client-priv.h"

static struct jl__rpc_stream *stream_of(nghttp2_session *h2, int32_t id)
{
	return nghttp2_session_get_stream_user_data(h2, id);
}

static bool is(const uint8_t *name, size_t len, const char *wanted)
{
	return len == strlen(wanted) && memcmp(name, wanted, len) == 0;
}

static uint32_t number_of(const uint8_t *value, size_t len, uint32_t otherwise)
{
	char text[12];
	uint32_t number;

	if (len >= sizeof(text))
		return otherwise;
	memcpy(text, value, len);
	text[len] = '\0';
	return jl__parse_u32(text, 0, 9999, &number) < 0 ? otherwise : number;
}

/* In the headers or behind the body: what came last counts. */
static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t len, uint8_t flags,
		     void *data)
{
	struct jl__rpc_stream *stream = stream_of(h2, frame->hd.stream_id);

	(void)flags, (void)data;
	if (!stream)
		return 0;
	if (is(name, name_len, ":status"))
		stream->http = number_of(value, len, 500);
	else if (is(name, name_len, "content-type"))
		stream->typed = jl__rpc_is_grpc_type((const char *)value, len);
	else if (is(name, name_len, "grpc-status"))
		stream->grpc_status = (int)number_of(value, len, JL__RPC_UNKNOWN);
	else if (is(name, name_len, "grpc-message"))
		jl__rpc_percent_decode(stream->message, (const char *)value, len);
	return 0;
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *data)
{
	struct jl__rpc_client *client = data;

	(void)h2;
	if (frame->hd.type == NGHTTP2_SETTINGS)
		client->greeted = true;
	return 0;
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *bytes,
		   size_t len, void *data)
{
	struct jl__rpc_stream *stream = stream_of(h2, id);

	(void)flags, (void)data;
	/* One stream that is not read must not stop the others. */
	(void)nghttp2_session_consume_connection(h2, len);
	/* What is not gRPC is not wanted. */
	if (!stream || stream->closed || stream->http != 200 || !stream->typed) {
		(void)nghttp2_session_consume_stream(h2, id, len);
		return 0;
	}
	stream->uncredited += len;
	/* What was given out is borrowed: behind it, never over it. */
	if (jl__rpc_out_put(&stream->in, bytes, len) < 0) {
		jl__rpc_stream_end(stream, JL__RPC_RESOURCE_EXHAUSTED, "out of memory");
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	jl__rpc_stream_credit(stream);
	return 0;
}

static int code_of_reset(uint32_t code)
{
	switch (code) {
	case NGHTTP2_REFUSED_STREAM:
		return JL__RPC_UNAVAILABLE;
	case NGHTTP2_CANCEL:
		return JL__RPC_CANCELLED;
	case NGHTTP2_ENHANCE_YOUR_CALM:
		return JL__RPC_RESOURCE_EXHAUSTED;
	default:
		return JL__RPC_INTERNAL;
	}
}

static int on_stream_close(nghttp2_session *h2, int32_t id, uint32_t code, void *data)
{
	struct jl__rpc_stream *stream = stream_of(h2, id);
	char text[128];

	(void)data;
	if (!stream)
		return 0;
	(void)nghttp2_session_set_stream_user_data(h2, id, NULL);
	if (stream->grpc_status >= 0) {
		jl__rpc_stream_end(stream, stream->grpc_status, stream->message);
	} else if (stream->http && (stream->http != 200 || !stream->typed)) {
		(void)snprintf(text, sizeof(text),
			       "the server answers with HTTP status %u and not with gRPC",
			       stream->http);
		jl__rpc_stream_end(stream, jl__rpc_code_of_http(stream->http), text);
	} else {
		(void)snprintf(text, sizeof(text), "the server broke the call off (%s)",
			       nghttp2_http2_strerror(code));
		jl__rpc_stream_end(stream, code_of_reset(code), text);
	}
	return 0;
}

static int on_not_sent(nghttp2_session *h2, const nghttp2_frame *frame, int code,
		       void *data)
{
	struct jl__rpc_client *client = data;

	(void)h2, (void)code;
	if (frame->hd.type != NGHTTP2_HEADERS ||
	    frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	for (struct jl__rpc_stream *one = client->streams; one; one = one->next)
		if (one->id == frame->hd.stream_id)
			jl__rpc_stream_end(one, JL__RPC_UNAVAILABLE,
					   "the server is shutting down");
	return 0;
}

int jl__rpc_client_start(struct jl__rpc_client *client)
{
	static const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, JL__RPC_CLIENT_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 65536 },
	};
	nghttp2_session_callbacks *to = NULL;
	nghttp2_option *option = NULL;
	int r = -ENOMEM;

	if (nghttp2_session_callbacks_new(&to) != 0 || nghttp2_option_new(&option) != 0)
		goto done;
	nghttp2_session_callbacks_set_on_header_callback(to, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(to, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(to, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(to, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(to, on_not_sent);
	nghttp2_option_set_no_auto_window_update(option, 1);
	nghttp2_option_set_no_closed_streams(option, 1);
	if (nghttp2_session_client_new2(&client->h2, to, client, option) == 0 &&
	    nghttp2_submit_settings(client->h2, NGHTTP2_FLAG_NONE, settings,
				    sizeof(settings) / sizeof(settings[0])) == 0 &&
	    nghttp2_session_set_local_window_size(client->h2, NGHTTP2_FLAG_NONE, 0,
						  4 * JL__RPC_CLIENT_WINDOW) == 0)
		r = 0;
done:
	nghttp2_session_callbacks_del(to);
	nghttp2_option_del(option);
	return r;
}

/* The request's bytes: what was queued, then what is pulled, then the end. */
static ssize_t on_read(nghttp2_session *h2, int32_t id, uint8_t *to, size_t size,
		       uint32_t *flags, nghttp2_data_source *source, void *data)
{
	struct jl__rpc_stream *stream = source->ptr;
	size_t n = jl__rpc_out_left(&stream->out);
	ssize_t got;

	(void)h2, (void)id, (void)data;
	if (n) {
		n = n < size ? n : size;
		memcpy(to, stream->out.data + stream->out.at, n);
		stream->out.at += n;
	} else if (stream->pull) {
		if (size > stream->pull_left)
			size = (size_t)stream->pull_left;
		got = size ? stream->pull(stream->pull_data, to, size) : 0;
		if (size && got <= 0) {
			char text[128];

			(void)snprintf(text, sizeof(text),
				       "cannot read what is to be sent: %s",
				       got ? strerror((int)-got) : "it became shorter");
			jl__rpc_stream_end(stream, JL__RPC_CANCELLED, text);
			return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
		}
		n = (size_t)got;
		stream->pull_left -= n;
		if (stream->pull_left == 0)
			stream->pull = NULL;
	}
	if (!jl__rpc_out_left(&stream->out) && !stream->pull && stream->write_ended)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	else if (n == 0) {
		stream->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	return (ssize_t)n;
}

#define FIELD(name_, value_)                                                            \
	{                                                                               \
		(uint8_t *)(uintptr_t)(name_), (uint8_t *)(uintptr_t)(value_),          \
			sizeof(name_) - 1, strlen(value_), NGHTTP2_NV_FLAG_NO_COPY_NAME \
	}

void jl__rpc_stream_submit(struct jl__rpc_stream *stream, const char *path,
			   uint64_t timeout_usec)
{
	struct jl__rpc_client *client = stream->client;
	const nghttp2_data_provider body = { { .ptr = stream }, on_read };
	char timeout[16];
	nghttp2_nv fields[8] = {
		FIELD(":method", "POST"),
		FIELD(":scheme", client->io.ssl ? "https" : "http"),
		FIELD(":authority", client->authority),
		FIELD(":path", path),
		FIELD("content-type", "application/grpc"),
		FIELD("te", "trailers"),
		FIELD("user-agent", "joblet"),
	};
	size_t count = 7;

	if (timeout_usec != UINT64_MAX) {
		jl__rpc_timeout_format(timeout, timeout_usec);
		fields[count++] = (nghttp2_nv)FIELD("grpc-timeout", timeout);
	}
	stream->id =
		nghttp2_submit_request(client->h2, NULL, fields, count, &body, stream);
	if (stream->id < 0)
		jl__rpc_stream_end(stream, JL__RPC_UNAVAILABLE,
				   "the connection takes no more calls");
}
