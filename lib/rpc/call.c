/* SPDX-License-Identifier: MIT */
/* What handlers do with a call: answer it, feed it, end it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "rpc/conn.h"

#define ROOM 16384
#define ROOM_MAX (1 << 20)

const struct jl__rpc_peer *jl__rpc_call_peer(const struct jl__rpc_call *call)
{
	return &call->conn->peer;
}

const struct jl__rpc_method *jl__rpc_call_method(const struct jl__rpc_call *call)
{
	return call->method;
}

struct jl__rpc_server *jl__rpc_call_server(const struct jl__rpc_call *call)
{
	return call->conn->server;
}

void jl__rpc_call_set_data(struct jl__rpc_call *call, void *data)
{
	call->data = data;
}

void *jl__rpc_call_data(const struct jl__rpc_call *call)
{
	return call->data;
}

uint64_t jl__rpc_call_left_usec(const struct jl__rpc_call *call)
{
	uint64_t now = jl__rpc_now_usec();

	if (call->deadline_usec == UINT64_MAX)
		return UINT64_MAX;
	return call->deadline_usec > now ? call->deadline_usec - now : 0;
}

bool jl__rpc_call_is_over(const struct jl__rpc_call *call)
{
	return call->finished || jl__rpc_call_left_usec(call) == 0;
}

void jl__rpc_message_free(uint8_t *message)
{
	jl__free(message);
}

/* Something to send is there. */
static void ready(struct jl__rpc_call *call)
{
	if (!call->conn->is_h1) {
		if (!call->submitted)
			jl__rpc_h2_submit(call);
		else if (call->deferred)
			jl__rpc_h2_resume(call);
	}
	jl__rpc_conn_dirty(call->conn);
}

/* Counts what was put behind the reply. */
static void said(struct jl__rpc_call *call, size_t len)
{
	jl__rpc_turn_unsent(call->conn, (int64_t)len);
}

void jl__rpc_call_unsay(struct jl__rpc_call *call)
{
	jl__rpc_turn_unsent(call->conn, -(int64_t)jl__rpc_out_left(&call->out));
	jl__rpc_out_done(&call->out);
}

int jl__rpc_call_send(struct jl__rpc_call *call, const void *data, size_t len)
{
	uint8_t head[JL__RPC_HEAD];

	if (call->finished)
		return -EPIPE;
	if (call->has_source)
		return -EBUSY;
	if (len > call->conn->server->limits.reply_max)
		return -EMSGSIZE;
	if (!jl__rpc_out_room(&call->out, len + sizeof(head)))
		return -ENOMEM;
	if (call->grpc) {
		jl__rpc_frame_write(head, (uint32_t)len);
		(void)jl__rpc_out_put(&call->out, head, sizeof(head));
		said(call, sizeof(head));
	}
	(void)jl__rpc_out_put(&call->out, data, len);
	said(call, len);
	ready(call);
	return 0;
}

int jl__rpc_call_stream(struct jl__rpc_call *call, const struct jl__rpc_source *source)
{
	if (call->finished)
		return -EPIPE;
	if (call->has_source)
		return -EBUSY;
	call->source = *source;
	if (call->source.room == 0)
		call->source.room = ROOM;
	if (call->source.room > ROOM_MAX)
		call->source.room = ROOM_MAX;
	call->has_source = true;
	ready(call);
	return 0;
}

void jl__rpc_call_wake(struct jl__rpc_call *call)
{
	call->woken = true;
	if (call->reading)
		return;
	if (call->deferred && !call->conn->is_h1)
		jl__rpc_h2_resume(call);
	jl__rpc_conn_dirty(call->conn);
}

static void set_status(struct jl__rpc_call *call, int code, const char *text)
{
	call->finished = true;
	call->refused = true; /* nothing more of the request is wanted */
	call->code = code;
	if (text && text[0]) {
		char shown[JL__RPC_TEXT_MAX];

		jl__rpc_showable(shown, text, strlen(text));
		jl__free(call->text);
		call->text = jl__strdup(shown);
	}
}

/* The error of a plain request, as JSON. */
static void plain_error(struct jl__rpc_call *call)
{
	char json[2 * JL__RPC_TEXT_MAX + 32] = "{\"error\":\"";
	const char *text = call->text ? call->text : jl__rpc_code_name(call->code);
	size_t at = strlen(json);

	for (; *text; text++) {
		/* Showable text holds no control characters. */
		if (*text == '"' || *text == '\\')
			json[at++] = '\\';
		json[at++] = *text;
	}
	memcpy(json + at, "\"}\n", 3);
	if (call->status == 200)
		call->status = jl__rpc_http_status(call->code);
	call->type = "application/json";
	call->error_body = true;
	if (jl__rpc_out_put(&call->out, json, at + 3) == 0)
		said(call, at + 3);
}

void jl__rpc_call_finish(struct jl__rpc_call *call, int code, const char *text)
{
	if (call->finished)
		return;
	set_status(call, code, text);
	if (!call->grpc && code != JL__RPC_OK && !call->submitted &&
	    !jl__rpc_out_left(&call->out))
		plain_error(call);
	/* A source that is being asked says by its 0 that this is the end. */
	call->source_ended = true;
	if (call->reading)
		return;
	call->has_source = false;
	ready(call);
}

void jl__rpc_call_finishf(struct jl__rpc_call *call, int code, const char *format, ...)
{
	char text[JL__RPC_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	jl__rpc_call_finish(call, code, text);
}

void jl__rpc_call_abort(struct jl__rpc_call *call, int code, const char *text)
{
	bool half = call->out.at > 0 && jl__rpc_out_left(&call->out) > 0;

	if (call->sent_end)
		return;
	if (call->conn->is_h1 && call->submitted) {
		/* A body without its end says that it is not complete. */
		set_status(call, code, text);
		jl__rpc_conn_drop(call->conn, NULL);
		return;
	}
	if (!call->conn->is_h1 && call->submitted && (half || jl__rpc_h2_blocked(call))) {
		/* Half a message cannot be followed by a status. */
		set_status(call, code, text);
		call->sent_end = true;
		jl__rpc_h2_reset(call, NGHTTP2_CANCEL);
		jl__rpc_conn_dirty(call->conn);
		return;
	}
	jl__rpc_call_unsay(call);
	if (call->finished) {
		/* Its status waits behind nothing now. */
		ready(call);
		return;
	}
	jl__rpc_call_finish(call, code, text);
}

/* ---- plain ---- */

const char *jl__rpc_call_component(const struct jl__rpc_call *call, unsigned index)
{
	struct jl__rpc_call *own = (struct jl__rpc_call *)(uintptr_t)call;
	const struct jl__rpc_span *span;

	if (index >= JL__RPC_COMPONENTS || !call->spans[index].len)
		return "";
	span = &call->spans[index];
	if (!own->components[index]) {
		char *text = jl__alloc(span->len + 1);

		if (!text)
			return "";
		/* What is no sound component names nothing. */
		if (jl__rpc_component_decode(text, span->len + 1, span->at, span->len) <
		    0)
			text[0] = '\0';
		own->components[index] = text;
	}
	return call->components[index];
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

const char *jl__rpc_call_query(const struct jl__rpc_call *call)
{
	return or_empty(call->query);
}

const char *jl__rpc_call_header(const struct jl__rpc_call *call, const char *name)
{
	if (strcmp(name, "last-event-id") == 0)
		return or_empty(call->last_event_id);
	if (strcmp(name, "accept") == 0)
		return or_empty(call->accept);
	if (strcmp(name, "if-none-match") == 0)
		return or_empty(call->none_match);
	return "";
}

int jl__rpc_call_respond(struct jl__rpc_call *call, unsigned status, const char *type)
{
	if (call->finished || call->submitted || call->grpc)
		return -EPIPE;
	if (strlen(type) >= sizeof(call->type_text))
		return -EINVAL;
	memcpy(call->type_text, type, strlen(type) + 1);
	call->type = call->type_text;
	call->status = status;
	return 0;
}

/* ---- the body of a reply ---- */

/* Asks the source once; what it gives lands behind the head of a message. */
static ssize_t ask(struct jl__rpc_call *call, uint8_t *to, size_t size)
{
	size_t head = call->grpc ? JL__RPC_HEAD : 0;
	ssize_t n;

	do {
		call->woken = false;
		call->reading = true;
		n = call->source.read(call, call->source.data, to + head, size - head);
		call->reading = false;
	} while (n == -EAGAIN && call->woken && !call->finished);
	if (n == -EAGAIN)
		return n;
	if (n <= 0) {
		call->has_source = false;
		call->source_ended = true;
		if (!call->finished)
			set_status(call, n == 0 ? JL__RPC_OK : JL__RPC_INTERNAL,
				   n == 0 ? NULL : strerror((int)-n));
		return 0;
	}
	if (call->grpc)
		jl__rpc_frame_write(to, (uint32_t)n);
	return n + (ssize_t)head;
}

/* From the source, right into the frame when there is room for any of its messages. */
static ssize_t fill_from_source(struct jl__rpc_call *call, uint8_t *to, size_t size)
{
	size_t need = call->source.room + (call->grpc ? JL__RPC_HEAD : 0);
	uint8_t *room;
	ssize_t n;

	if (size >= need)
		return ask(call, to, size);
	room = jl__rpc_out_room(&call->out, need);
	if (!room)
		return -ENOMEM;
	n = ask(call, room, need);
	if (n > 0) {
		jl__rpc_out_add(&call->out, (size_t)n);
		said(call, (size_t)n);
	}
	return n > 0 ? 0 : n;
}

ssize_t jl__rpc_call_fill(struct jl__rpc_call *call, uint8_t *to, size_t size,
			  bool *ret_end)
{
	ssize_t n = 0;

	*ret_end = false;
	/* A connection that is being closed gets what was said, and no more. */
	if (!jl__rpc_out_left(&call->out) && call->has_source &&
	    (call->source_ended || call->conn->state != JL__RPC_SERVING))
		call->has_source = false;
	if (!jl__rpc_out_left(&call->out) && call->has_source) {
		n = fill_from_source(call, to, size);
		if (n < 0)
			return n;
	}
	if (jl__rpc_out_left(&call->out)) {
		n = (ssize_t)jl__rpc_out_left(&call->out);
		n = n < (ssize_t)size ? n : (ssize_t)size;
		memcpy(to, call->out.data + call->out.at, (size_t)n);
		call->out.at += (size_t)n;
		jl__rpc_turn_unsent(call->conn, -(int64_t)n);
	}
	if (!jl__rpc_out_left(&call->out)) {
		jl__rpc_out_done(&call->out);
		*ret_end = call->finished && !call->has_source;
	}
	if (n == 0 && !*ret_end)
		return -EAGAIN;
	/* Plain HTTP has no status behind the body: one that failed must not look whole.
	 */
	if (*ret_end && !call->grpc && call->code != JL__RPC_OK && !call->error_body)
		return -ECANCELED;
	return n;
}
