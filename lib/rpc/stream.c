/* SPDX-License-Identifier: MIT */
/* Calls of the client. */
#define JL_MODULE "rpc"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "rpc/client-priv.h"

void jl__rpc_stream_end(struct jl__rpc_stream *stream, int code, const char *text)
{
	if (stream->closed)
		return;
	stream->closed = true;
	stream->pull = NULL;
	/* Half a message in front of a good end: somebody on the way cut it. */
	if (code == JL__RPC_OK && jl__rpc_out_left(&stream->in) > stream->shown &&
	    jl__rpc_stream_next(stream) < 0) {
		code = JL__RPC_INTERNAL;
		text = "the reply ends in the middle of a message";
	}
	stream->status.code = code;
	jl__rpc_showable(stream->status.text, text ? text : "", text ? strlen(text) : 0);
}

ssize_t jl__rpc_stream_next(const struct jl__rpc_stream *stream)
{
	size_t left = jl__rpc_out_left(&stream->in) - stream->shown;
	struct jl__rpc_frame frame = { 0 };

	if (left < JL__RPC_HEAD)
		return -EAGAIN;
	(void)jl__rpc_frame_take(&frame, stream->in.data + stream->in.at + stream->shown,
				 JL__RPC_HEAD);
	if (frame.flags)
		return -EBADMSG;
	if (frame.length > JL__RPC_CLIENT_REPLY_MAX)
		return -EMSGSIZE;
	return left - JL__RPC_HEAD < frame.length ? -EAGAIN : (ssize_t)frame.length;
}

void jl__rpc_stream_credit(struct jl__rpc_stream *stream)
{
	if (jl__rpc_stream_next(stream) != -EAGAIN || !stream->uncredited)
		return;
	if (!stream->closed && stream->client->h2)
		(void)nghttp2_session_consume_stream(stream->client->h2, stream->id,
						     stream->uncredited);
	stream->uncredited = 0;
}

int jl__rpc_stream_open(struct jl__rpc_client *client, const char *path,
			uint64_t timeout_usec, struct jl__rpc_stream **ret_stream,
			jl_error **err)
{
	struct jl__rpc_stream *stream;

	if (client->dead)
		return jl__fail(err, client->dead, "%s", client->why);
	stream = jl__calloc(1, sizeof(*stream));
	if (!stream)
		return jl__oom(err);
	stream->client = client;
	stream->grpc_status = -1;
	stream->status.code = -1;
	stream->deadline_usec = timeout_usec == UINT64_MAX
					? UINT64_MAX
					: jl__rpc_after(jl__rpc_now_usec(), timeout_usec);
	stream->next = client->streams;
	if (stream->next)
		stream->next->prev = stream;
	client->streams = stream;
	/* Silence before the first call is nobody's fault. */
	if (!stream->next)
		client->received_usec = jl__rpc_now_usec();
	jl__rpc_stream_submit(stream, path, timeout_usec);
	*ret_stream = stream;
	return 0;
}

/* There is something to send. */
static void resume(struct jl__rpc_stream *stream)
{
	if (!stream->deferred)
		return;
	stream->deferred = false;
	(void)nghttp2_session_resume_data(stream->client->h2, stream->id);
}

int jl__rpc_stream_write(struct jl__rpc_stream *stream, const void *data, size_t len)
{
	uint8_t head[JL__RPC_HEAD];

	if (stream->closed || stream->write_ended)
		return -EPIPE;
	if (stream->pull || jl__rpc_out_left(&stream->out) >= JL__RPC_CLIENT_QUEUE)
		return -EAGAIN;
	if (len > UINT32_MAX)
		return -EMSGSIZE;
	if (!jl__rpc_out_room(&stream->out, len + sizeof(head)))
		return -ENOMEM;
	jl__rpc_frame_write(head, (uint32_t)len);
	(void)jl__rpc_out_put(&stream->out, head, sizeof(head));
	(void)jl__rpc_out_put(&stream->out, data, len);
	resume(stream);
	return 0;
}

int jl__rpc_stream_write_from(struct jl__rpc_stream *stream, uint64_t length,
			      ssize_t (*read)(void *data, uint8_t *to, size_t size),
			      void *data)
{
	uint8_t head[JL__RPC_HEAD];

	if (stream->closed || stream->write_ended)
		return -EPIPE;
	if (stream->pull)
		return -EBUSY;
	if (length > UINT32_MAX)
		return -EMSGSIZE;
	jl__rpc_frame_write(head, (uint32_t)length);
	if (jl__rpc_out_put(&stream->out, head, sizeof(head)) < 0)
		return -ENOMEM;
	if (length) {
		stream->pull = read;
		stream->pull_data = data;
		stream->pull_left = length;
	}
	resume(stream);
	return 0;
}

void jl__rpc_stream_write_end(struct jl__rpc_stream *stream)
{
	stream->write_ended = true;
	if (!stream->closed)
		resume(stream);
}

int jl__rpc_stream_read(struct jl__rpc_stream *stream, const uint8_t **ret_data,
			size_t *ret_len)
{
	ssize_t len;

	/* What was given out before is done with. */
	stream->in.at += stream->shown;
	stream->shown = 0;
	len = jl__rpc_stream_next(stream);
	if (len == -EMSGSIZE || len == -EBADMSG) {
		jl__rpc_stream_end(
			stream, JL__RPC_INTERNAL,
			len == -EMSGSIZE ? "the server sends a message that is too large"
					 : "the server sends a compressed message");
		stream->in.at = stream->in.len;
		return 0;
	}
	if (len < 0) {
		if (!jl__rpc_out_left(&stream->in))
			jl__rpc_out_done(&stream->in);
		return stream->closed ? 0 : -EAGAIN;
	}
	*ret_data = stream->in.data + stream->in.at + JL__RPC_HEAD;
	*ret_len = (size_t)len;
	stream->shown = (size_t)len + JL__RPC_HEAD;
	jl__rpc_stream_credit(stream);
	return 1;
}

const struct jl__rpc_status *jl__rpc_stream_status(const struct jl__rpc_stream *stream)
{
	return &stream->status;
}

void jl__rpc_stream_close(struct jl__rpc_stream *stream)
{
	struct jl__rpc_client *client;

	if (!stream)
		return;
	client = stream->client;
	if (!client->dead && stream->id > 0 &&
	    nghttp2_session_find_stream(client->h2, stream->id)) {
		(void)nghttp2_session_set_stream_user_data(client->h2, stream->id, NULL);
		(void)nghttp2_submit_rst_stream(client->h2, NGHTTP2_FLAG_NONE, stream->id,
						NGHTTP2_CANCEL);
		jl__rpc_client_flush(client);
	}
	if (stream->next)
		stream->next->prev = stream->prev;
	if (stream->prev)
		stream->prev->next = stream->next;
	else
		client->streams = stream->next;
	jl__rpc_out_done(&stream->out);
	jl__rpc_out_done(&stream->in);
	jl__free(stream);
}

/* ---- one message there, one back ---- */

struct memory {
	const uint8_t *at;
};

static ssize_t from_memory(void *data, uint8_t *to, size_t size)
{
	struct memory *memory = data;

	memcpy(to, memory->at, size);
	memory->at += size;
	return (ssize_t)size;
}

static int until_done(struct jl__rpc_stream *stream, uint8_t **ret_reply, size_t *ret_len)
{
	const uint8_t *data = NULL;
	size_t len = 0;
	int r;

	for (;;) {
		r = jl__rpc_stream_read(stream, &data, &len);
		if (r == 0)
			break;
		if (r == -EAGAIN) {
			/* Whatever happens to the connection ends the stream. */
			(void)jl__rpc_client_wait(stream->client, UINT64_MAX, NULL);
			continue;
		}
		if (*ret_reply) {
			jl__free(jl__steal(*ret_reply));
			jl__rpc_stream_end(stream, JL__RPC_INTERNAL,
					   "the server sends more than one message");
			return 0;
		}
		*ret_reply = jl__memdup(data, len);
		*ret_len = len;
		if (!*ret_reply)
			return -ENOMEM;
	}
	return 0;
}

int jl__rpc_client_unary(struct jl__rpc_client *client, const char *path,
			 const void *data, size_t len, uint64_t timeout_usec,
			 uint8_t **ret_reply, size_t *ret_len,
			 struct jl__rpc_status *status)
{
	struct jl__rpc_stream *stream = NULL;
	struct memory memory = { data };
	uint8_t *reply = NULL;
	jl_error *err = NULL;
	size_t got = 0;
	int r;

	r = jl__rpc_stream_open(client, path, timeout_usec, &stream, &err);
	if (r < 0) {
		status->code = JL__RPC_UNAVAILABLE;
		(void)snprintf(status->text, sizeof(status->text), "%s",
			       jl_error_message(err));
		jl_error_free(err);
		return r == -ENOMEM ? r : 0;
	}
	r = jl__rpc_stream_write_from(stream, len, from_memory, &memory);
	jl__rpc_stream_write_end(stream);
	if (r == 0 || r == -EPIPE)
		r = until_done(stream, &reply, &got);
	if (r == 0 && stream->status.code == JL__RPC_OK && !reply)
		stream->status = (struct jl__rpc_status){ JL__RPC_INTERNAL,
							  "the server sends no message" };
	*status = stream->status;
	jl__rpc_stream_close(stream);
	if (r == 0 && status->code == JL__RPC_OK) {
		*ret_reply = jl__steal(reply);
		*ret_len = got;
	}
	jl__free(reply);
	return r;
}
