/* SPDX-License-Identifier: MIT */
/* A request as it arrives: headers, who may, the messages of its body. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "rpc/conn.h"

#define REQUEST_MAX (4u << 20)
#define PATH_MAX_BYTES 2048
/* Least rate of a body: what is slower holds room that others wait for. */
#define BODY_BYTES_PER_SEC 16384
/* For the rest of a request that is answered already. */
#define END_USEC 5000000

static void fire(struct jl__rpc_timer *timer);

struct jl__rpc_call *jl__rpc_call_new(struct jl__rpc_conn *conn, int32_t id)
{
	struct jl__rpc_server *server = conn->server;
	struct jl__rpc_call *call = jl__calloc(1, sizeof(*call));

	if (!call || jl__rpc_timers_reserve(&server->timers, server->n_timers + 3) < 0) {
		jl__free(call);
		return NULL;
	}
	server->n_timers++;
	call->conn = conn;
	call->id = id;
	call->timer.fire = fire;
	call->timeout_usec = call->deadline_usec = UINT64_MAX;
	call->status = 200;
	call->type = "text/plain; charset=utf-8";
	call->early.max = JL__RPC_WINDOW_UPLOAD + JL__RPC_WINDOW_STREAM;
	call->next = conn->calls;
	if (call->next)
		call->next->prev = call;
	conn->calls = call;
	conn->n_calls++;
	server->counts.calls++;
	server->counts.started++;
	return call;
}

void jl__rpc_call_close(struct jl__rpc_call *call)
{
	struct jl__rpc_conn *conn = call->conn;
	struct jl__rpc_server *server = conn->server;

	call->finished = true; /* whatever the handler says now is too late */
	call->submitted = call->sent_end = true;
	if (call->started && call->method->handler->closed)
		call->method->handler->closed(call);
	jl__rpc_turn_leave(call);
	jl__rpc_call_unsay(call);
	jl__rpc_budget_leave(call);
	jl__rpc_budget_give(call);
	server->early_bytes -= call->early.len;
	jl__rpc_timer_clear(&server->timers, &call->timer);
	if (call->next)
		call->next->prev = call->prev;
	if (call->prev)
		call->prev->next = call->next;
	else
		conn->calls = call->next;
	conn->n_calls--;
	server->counts.calls--;
	server->n_timers--;
	for (unsigned i = 0; i < JL__RPC_COMPONENTS; i++)
		jl__free(call->components[i]);
	jl__free(call->path);
	jl__free(call->query);
	jl__free(call->last_event_id);
	jl__free(call->accept);
	jl__free(call->none_match);
	jl__free(call->message);
	jl__free(call->text);
	jl__buf_done(&call->early);
	jl__free(call);
	jl__rpc_conn_rested(conn);
}

/* ---- headers ---- */

static bool is(const char *name, size_t name_len, const char *wanted)
{
	return name_len == strlen(wanted) && memcmp(name, wanted, name_len) == 0;
}

/* What is too long to be of use is not kept: there may be thousands of calls. */
static void keep(char **slot, const char *value, size_t len)
{
	jl__free(*slot);
	*slot = len <= PATH_MAX_BYTES ? jl__strndup(value, len) : NULL;
}

void jl__rpc_call_take_header(struct jl__rpc_call *call, const char *name,
			      size_t name_len, const char *value, size_t len)
{
	call->header_bytes += name_len + len + 32;
	if (call->header_bytes > call->conn->server->limits.header_bytes)
		return; /* refused when they are complete */
	if (is(name, name_len, ":method")) {
		call->post = is(value, len, "POST");
		call->bad_method = !call->post && !is(value, len, "GET");
	} else if (is(name, name_len, ":path")) {
		keep(&call->path, value, len);
		call->path_len = len;
	} else if (is(name, name_len, "content-type")) {
		call->typed = jl__rpc_is_grpc_type(value, len);
	} else if (is(name, name_len, "grpc-timeout")) {
		call->timeout_usec = jl__rpc_timeout_parse(value, len);
	} else if (is(name, name_len, "grpc-encoding")) {
		call->encoded = !is(value, len, "identity");
	} else if (is(name, name_len, "last-event-id")) {
		keep(&call->last_event_id, value, len);
	} else if (is(name, name_len, "accept")) {
		keep(&call->accept, value, len);
	} else if (is(name, name_len, "if-none-match")) {
		keep(&call->none_match, value, len);
	}
}

static int compare_path(const void *key, const void *entry)
{
	const struct jl__rpc_method *const *method = entry;

	return strcmp(key, (*method)->path);
}

static const struct jl__rpc_method *find_method(struct jl__rpc_call *call)
{
	const struct jl__rpc_server *server = call->conn->server;
	const struct jl__rpc_method *method, **found;
	const char *mark = memchr(call->path, '?', call->path_len);
	size_t len = mark ? (size_t)(mark - call->path) : call->path_len;
	unsigned count;

	/* A NUL in it would end the comparison early. */
	if (memchr(call->path, '\0', call->path_len))
		return NULL;
	if (call->post) {
		found = bsearch(call->path, server->sorted, server->n_sorted,
				sizeof(server->sorted[0]), compare_path);
		return found ? *found : NULL;
	}
	for (method = server->methods; method->path; method++) {
		if (method->kind != JL__RPC_GET ||
		    !jl__rpc_path_match(method->path, call->path, len, call->spans,
					JL__RPC_COMPONENTS, &count))
			continue;
		if (mark)
			keep(&call->query, mark + 1, call->path_len - len - 1);
		return method;
	}
	return NULL;
}

static void refuse_plain(struct jl__rpc_call *call, unsigned status, const char *text)
{
	call->status = status;
	jl__rpc_call_finish(call, JL__RPC_INVALID_ARGUMENT, text);
}

/* Whether this is a request that can be looked up at all. */
static bool is_sound(struct jl__rpc_call *call)
{
	if (call->header_bytes > call->conn->server->limits.header_bytes) {
		call->grpc = call->typed;
		jl__rpc_call_finishf(call, JL__RPC_RESOURCE_EXHAUSTED,
				     "the request's headers are larger than %zu bytes",
				     call->conn->server->limits.header_bytes);
		return false;
	}
	if (call->bad_method) {
		refuse_plain(call, 405, "only GET and gRPC are served here");
		return false;
	}
	if (call->post && !call->typed) {
		refuse_plain(call, 415, "only application/grpc is served here");
		return false;
	}
	call->grpc = call->post;
	if (!call->path) {
		jl__rpc_call_finish(call, JL__RPC_INVALID_ARGUMENT,
				    "the path is missing or too long");
		return false;
	}
	return true;
}

static const char *operation(const struct jl__rpc_call *call)
{
	const char *slash;

	if (call->method && call->method->operation)
		return call->method->operation;
	slash = strrchr(call->method ? call->method->path : call->path, '/');
	return slash ? slash + 1 : call->path;
}

static bool may(struct jl__rpc_call *call)
{
	const struct jl__rpc_server *server = call->conn->server;
	const struct jl__rpc_peer *peer = &call->conn->peer;

	/* Nothing at all for the unknown: not even what there is. */
	if (call->method ? peer->roles & call->method->roles : peer->roles != 0)
		return true;
	if (server->hooks.refused)
		server->hooks.refused(server->hooks.data, peer, call->method);
	jl__rpc_call_finishf(call, JL__RPC_PERMISSION_DENIED,
			     "role %s is not allowed to perform operation %s",
			     peer->role ? peer->role : "unknown", operation(call));
	return false;
}

static void answer_unknown(struct jl__rpc_call *call)
{
	const struct jl__rpc_hooks *hooks = &call->conn->server->hooks;
	const char *text = NULL;

	if (!call->grpc) {
		jl__rpc_call_finish(call, JL__RPC_NOT_FOUND, "there is nothing here");
		return;
	}
	if (hooks->unknown)
		text = hooks->unknown(hooks->data, call->path);
	if (text)
		jl__rpc_call_finish(call, JL__RPC_UNIMPLEMENTED, text);
	else
		jl__rpc_call_finishf(call, JL__RPC_UNIMPLEMENTED, "there is no method %s",
				     call->path);
}

static void start(struct jl__rpc_call *call)
{
	const struct jl__rpc_handler *handler = call->method->handler;

	if (call->timeout_usec != UINT64_MAX)
		call->deadline_usec =
			jl__rpc_after(jl__rpc_now_usec(), call->timeout_usec);
	if (call->timeout_usec == 0) {
		jl__rpc_call_finish(call, JL__RPC_DEADLINE_EXCEEDED,
				    "the deadline passed before the call began");
		return;
	}
	call->body_usec = call->conn->received_usec;
	if (call->method->kind == JL__RPC_GET) {
		jl__rpc_turn_wait(call);
	} else if (call->method->kind == JL__RPC_UPLOAD) {
		call->started = true;
		if (handler->opened)
			handler->opened(call);
	}
	jl__rpc_call_arm(call);
}

void jl__rpc_call_open(struct jl__rpc_call *call)
{
	if (!is_sound(call))
		return;
	call->method = find_method(call);
	if (!may(call))
		return;
	if (!call->method)
		answer_unknown(call);
	else if (call->grpc && call->encoded)
		jl__rpc_call_finish(
			call, JL__RPC_UNIMPLEMENTED,
			"compressed messages are not supported: send identity");
	else if (!call->method->handler)
		jl__rpc_call_finishf(call, JL__RPC_UNIMPLEMENTED, "%s is not there yet",
				     operation(call));
	else
		start(call);
}

/* ---- body ---- */

static void refuse_body(struct jl__rpc_call *call, int code, const char *text)
{
	/* What is half received is of no use to anybody. */
	jl__free(jl__steal(call->message));
	jl__rpc_budget_leave(call);
	jl__rpc_budget_give(call);
	jl__rpc_call_abort(call, code, text);
}

static size_t request_max(const struct jl__rpc_call *call)
{
	return call->method->request_max ? call->method->request_max : REQUEST_MAX;
}

/* The head of a message is complete. */
static void begin_message(struct jl__rpc_call *call)
{
	char text[128];

	if (call->frame.flags != 0) {
		refuse_body(call, JL__RPC_INTERNAL,
			    "a message is marked as compressed, without grpc-encoding");
	} else if (call->whole) {
		refuse_body(call, JL__RPC_INVALID_ARGUMENT,
			    "this method takes one message, and here is another one");
	} else if (call->frame.length > request_max(call)) {
		(void)snprintf(text, sizeof(text),
			       "the request is %u bytes long, %zu are accepted",
			       call->frame.length, request_max(call));
		refuse_body(call, JL__RPC_RESOURCE_EXHAUSTED, text);
	} else if (jl__rpc_budget_take(call, call->frame.length)) {
		jl__rpc_call_granted(call);
	}
}

void jl__rpc_call_granted(struct jl__rpc_call *call)
{
	struct jl__buf early = call->early;

	call->grant = JL__RPC_GRANT_GIVEN;
	call->body_usec = call->granted_usec = jl__rpc_now_usec();
	call->message = jl__alloc(call->frame.length);
	call->have = 0;
	if (!call->message) {
		refuse_body(call, JL__RPC_RESOURCE_EXHAUSTED,
			    "there is no memory left for the request");
		return;
	}
	if (call->frame.length > JL__RPC_WINDOW_STREAM / 2 && !call->conn->is_h1)
		jl__rpc_h2_widen(call);
	if (!early.len)
		return;
	/* What came while it waited. */
	call->early = (struct jl__buf)JL__BUF_INIT(early.max);
	call->conn->server->early_bytes -= early.len;
	jl__rpc_call_body(call, (const uint8_t *)early.data, early.len);
	jl__buf_done(&early);
	if (call->ready)
		jl__rpc_call_body_end(call);
}

static void end_part(struct jl__rpc_call *call)
{
	call->in_part = true;
	call->method->handler->part(call, call->message, call->have);
	call->in_part = false;
	jl__free(jl__steal(call->message));
	jl__rpc_budget_give(call);
	call->frame = (struct jl__rpc_frame){ 0 };
}

/* Takes some of it; how much. */
static size_t take(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	size_t n;

	if (!jl__rpc_frame_open(&call->frame)) {
		n = jl__rpc_frame_take(&call->frame, data, len);
		if (jl__rpc_frame_open(&call->frame))
			begin_message(call);
	} else {
		n = call->frame.length - call->have;
		n = n < len ? n : len;
		memcpy(call->message + call->have, data, n);
		call->have += n;
	}
	if (call->message && jl__rpc_frame_open(&call->frame) &&
	    call->have == call->frame.length) {
		if (call->method->kind == JL__RPC_UPLOAD) {
			end_part(call);
		} else {
			call->whole = true;
			/* A second head is read, and refused. */
			call->frame = (struct jl__rpc_frame){ 0 };
		}
	}
	return n;
}

static bool waits(const struct jl__rpc_call *call)
{
	return call->grant == JL__RPC_GRANT_WAITS || call->paused;
}

static void keep_for_later(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct jl__rpc_server *server = call->conn->server;

	if (server->early_bytes + len > JL__RPC_EARLY_MAX ||
	    jl__buf_add(&call->early, data, len) < 0) {
		server->early_bytes -= call->early.len;
		jl__buf_done(&call->early);
		call->early.max = 0;
		refuse_body(call, JL__RPC_RESOURCE_EXHAUSTED,
			    "the server is receiving too much at once: try again later");
		return;
	}
	server->early_bytes += len;
}

void jl__rpc_call_body(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	size_t used = 0;

	if (!call->method || call->method->kind == JL__RPC_GET) {
		jl__rpc_h2_used(call, len);
		return;
	}
	while (used < len && !call->refused && !waits(call) && !call->early.len)
		used += take(call, data + used, len - used);
	if (call->refused)
		used = len;
	if (used < len)
		keep_for_later(call, data + used, len - used);
	if (call->refused)
		used = len;
	if (!call->conn->is_h1)
		jl__rpc_h2_used(call, used);
}

/* Its timer fires at the end of a turn only. */
static bool is_overdue(struct jl__rpc_call *call)
{
	if (jl__rpc_call_left_usec(call) > 0)
		return false;
	refuse_body(call, JL__RPC_DEADLINE_EXCEEDED, "the deadline passed");
	return true;
}

void jl__rpc_call_body_end(struct jl__rpc_call *call)
{
	call->peer_done = true;
	if (call->refused || !call->method || call->method->kind == JL__RPC_GET)
		return;
	/* Comes to its end when what waits has been read. */
	call->ready = true;
	if (waits(call) || call->early.len)
		return;
	if (call->frame.have) {
		refuse_body(call, JL__RPC_INVALID_ARGUMENT,
			    "the request ends in the middle of a message");
	} else if (call->method->kind == JL__RPC_UPLOAD) {
		if (!is_overdue(call))
			call->method->handler->parts_end(call);
	} else if (!call->whole) {
		refuse_body(call, JL__RPC_INVALID_ARGUMENT,
			    "the request holds no message");
	} else {
		call->conn->credit += 4; /* a sound request is no flood */
		jl__rpc_turn_wait(call);
	}
	jl__rpc_call_arm(call);
}

void jl__rpc_call_begin(struct jl__rpc_call *call)
{
	if (call->finished || call->conn->state != JL__RPC_SERVING || is_overdue(call))
		return;
	call->started = true;
	call->method->handler->request(call, call->message, call->have);
	jl__free(jl__steal(call->message));
	jl__rpc_budget_give(call);
	jl__rpc_call_arm(call);
}

uint8_t *jl__rpc_call_keep_request(struct jl__rpc_call *call)
{
	call->kept += call->granted;
	call->granted = 0;
	return jl__steal(call->message);
}

void jl__rpc_call_pause(struct jl__rpc_call *call)
{
	call->paused = true;
}

void jl__rpc_call_resume(struct jl__rpc_call *call)
{
	struct jl__buf early = call->early;

	if (!call->paused)
		return;
	call->paused = false;
	if (call->in_part || call->refused)
		return;
	call->body_usec = jl__rpc_now_usec();
	call->early = (struct jl__buf)JL__BUF_INIT(early.max);
	call->conn->server->early_bytes -= early.len;
	jl__rpc_call_body(call, (const uint8_t *)early.data, early.len);
	jl__buf_done(&early);
	if (call->ready && !call->refused)
		jl__rpc_call_body_end(call);
	/* While it was paused there was no time limit. */
	jl__rpc_call_arm(call);
	jl__rpc_conn_dirty(call->conn);
}

/* ---- time ---- */

/* When a body that is still wanted has come too slowly. */
static uint64_t body_late(const struct jl__rpc_call *call)
{
	const struct jl__rpc_limits *limits = &call->conn->server->limits;
	uint64_t at, slowest;

	if (call->sent_end)
		return call->peer_done || call->was_reset ? UINT64_MAX
							  : call->body_usec + END_USEC;
	if (call->peer_done && call->grant != JL__RPC_GRANT_WAITS)
		return UINT64_MAX;
	if (call->refused || call->paused || !call->method ||
	    call->method->kind == JL__RPC_GET)
		return UINT64_MAX;
	at = jl__rpc_after(call->body_usec, limits->stall_usec);
	if (!call->message || call->frame.length <= JL__RPC_SMALL)
		return at;
	/* A byte now and then does not keep the room either. */
	slowest = jl__rpc_after(call->granted_usec,
				limits->stall_usec + call->frame.length * 1000000ull /
							     BODY_BYTES_PER_SEC);
	return at < slowest ? at : slowest;
}

void jl__rpc_call_arm(struct jl__rpc_call *call)
{
	struct jl__rpc_timers *timers = &call->conn->server->timers;
	uint64_t at = body_late(call);

	if (!call->finished && call->deadline_usec < at)
		at = call->deadline_usec;
	if (at == UINT64_MAX)
		jl__rpc_timer_clear(timers, &call->timer);
	else if (!call->timer.place || call->timer.at_usec != at)
		jl__rpc_timer_set(timers, &call->timer, at);
}

void jl__rpc_call_expect_end(struct jl__rpc_call *call)
{
	call->body_usec = jl__rpc_now_usec();
	jl__rpc_call_arm(call);
}

static void fire(struct jl__rpc_timer *timer)
{
	struct jl__rpc_call *call = jl__rpc_container(timer, struct jl__rpc_call, timer);
	uint64_t now = jl__rpc_now_usec();

	if (!call->finished && now >= call->deadline_usec) {
		refuse_body(call, JL__RPC_DEADLINE_EXCEEDED, "the deadline passed");
	} else if (now >= body_late(call)) {
		if (call->sent_end) {
			call->was_reset = true;
			jl__rpc_h2_reset(call, NGHTTP2_NO_ERROR);
		} else if (call->grant == JL__RPC_GRANT_WAITS) {
			refuse_body(call, JL__RPC_RESOURCE_EXHAUSTED,
				    "the server is receiving too much at once: try again "
				    "later");
		} else {
			refuse_body(call, JL__RPC_DEADLINE_EXCEEDED,
				    "the request did not arrive in time");
		}
	}
	jl__rpc_call_arm(call);
	jl__rpc_conn_dirty(call->conn);
}
