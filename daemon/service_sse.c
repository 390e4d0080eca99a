/* SPDX-License-Identifier: MIT */
/* GET /v1/jobs/ID/log: the output as server-sent events, resumable to the byte. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert.h"
#include "follow.h"
#include "services.h"
#include "sse.h"

/* At the latest: what is silent for half a minute is cut by many a machine on the way. */
#define HEARTBEAT_USEC UINT64_C(15000000)
#define ROOM ((size_t)32 * 1024)

struct sse {
	struct sse *next;
	struct follow follow;
	struct sse_lines lines;
	char uuid[40];
	bool begun, at_end, end_sent;
	uint64_t last_usec; /* of the last byte sent */
	bool heartbeat; /* something is to be sent, or the line may be cut on the way */
};

_Static_assert(ROOM >= SSE_EVENT_MAX, "an event fits");

/* HTTP/1.1 has no PING: this stands for it. */
static uint64_t heartbeat_usec(const struct serving *s)
{
	uint64_t usec = s->config->ping_usec;

	return usec && usec < HEARTBEAT_USEC ? usec : HEARTBEAT_USEC;
}

static void beat(struct timer *timer)
{
	struct serving *s =
		(struct serving *)(void *)((char *)timer -
					   offsetof(struct serving, heartbeat));
	uint64_t now = monotonic_usec();

	for (struct sse *sse = s->sses; sse; sse = sse->next) {
		if (now - sse->last_usec < heartbeat_usec(s))
			continue;
		sse->heartbeat = true;
		jl__rpc_call_wake(sse->follow.call);
	}
	if (s->sses)
		loop_set_timer(s->loop, timer, now + heartbeat_usec(s) / 3);
}

static void join(struct sse *sse)
{
	struct serving *s = sse->follow.s;

	sse->last_usec = monotonic_usec();
	sse->next = s->sses;
	s->sses = sse;
	if (!s->heartbeat.at_usec) {
		s->heartbeat.due = beat;
		loop_set_timer(s->loop, &s->heartbeat,
			       sse->last_usec + heartbeat_usec(s) / 3);
	}
}

static void leave(struct sse *sse)
{
	struct sse **slot = &sse->follow.s->sses;

	while (*slot && *slot != sse)
		slot = &(*slot)->next;
	if (*slot)
		*slot = sse->next;
}

/* Fills what is free of the line buffer. Returns 0, -EAGAIN, or another failure. */
static int fill(struct sse *sse)
{
	struct sse_lines *lines = &sse->lines;
	int64_t n;

	if (sse->at_end)
		return 0;
	n = follow_read(&sse->follow, lines->raw + lines->len,
			sizeof(lines->raw) - lines->len);
	if (n < 0)
		return (int)n;
	if (n == 0)
		sse->at_end = true;
	lines->len += (size_t)n;
	return 0;
}

/* How the job ended, for whoever reads the stream without another call. */
static size_t put_end(struct sse *sse, uint8_t *to, size_t size)
{
	jl_job_info *info = NULL;
	const char *state = "UNKNOWN";
	int code = 0, n;

	if (jl_node_get(sse->follow.s->node, sse->uuid, &info, NULL) == 0) {
		state = convert_state(info);
		code = (int)convert_exit_code(info);
	}
	n = snprintf((char *)to, size,
		     "event: end\ndata: {\"status\":\"%s\",\"exit_code\":%d}\n\n", state,
		     code);
	jl_job_info_free(info);
	return (size_t)n;
}

static ssize_t next_piece(struct jl__rpc_call *call, void *data, uint8_t *to, size_t size)
{
	static const char first[] = "retry: 2000\n\n";
	struct sse *sse = data;
	size_t len = 0, n;
	int r = 0;

	(void)call;
	if (!sse->begun) {
		sse->begun = true;
		memcpy(to, first, sizeof(first) - 1);
		len = sizeof(first) - 1;
	}
	while (size - len >= SSE_EVENT_MAX) {
		n = sse_take(&sse->lines, sse->at_end, to + len);
		len += n;
		if (n)
			continue;
		if (sse->at_end)
			break;
		r = fill(sse);
		if (r < 0)
			break;
	}
	if (r < 0 && r != -EAGAIN && !len)
		return r;
	if (sse->at_end && !sse->lines.len && !sse->end_sent &&
	    size - len >= SSE_EVENT_MAX) {
		len += put_end(sse, to + len, size - len);
		sse->end_sent = true;
	}
	if (!len && sse->heartbeat && !sse->end_sent) {
		memcpy(to, ":\n\n", 3);
		len = 3;
	}
	sse->heartbeat = false;
	if (len)
		sse->last_usec = monotonic_usec();
	else if (!sse->end_sent)
		return -EAGAIN;
	return (ssize_t)len;
}

static bool has_ended(const jl_job_info *info)
{
	return jl_state_is_final((int)jl_job_info_get_number(info, JL_INFO_STATE));
}

static void start(struct jl__rpc_call *call, const jl_job_info *info, uint64_t offset)
{
	struct sse *sse = calloc(1, sizeof(*sse));
	const struct jl__rpc_source source = { .read = next_piece,
					       .data = sse,
					       .room = ROOM };
	jl_error *err = NULL;
	int r;

	if (!sse) {
		jl__rpc_call_finish(call, JL__RPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	jl__rpc_call_set_data(call, sse);
	(void)snprintf(sse->uuid, sizeof(sse->uuid), "%s", jl_job_info_get_id(info));
	r = follow_open(&sse->follow, call, sse->uuid, JL_LOG_FOLLOW, &err);
	if (r == 0) {
		jl_log_seek(sse->follow.log, offset);
		sse->lines.offset = offset;
		join(sse);
		r = jl__rpc_call_respond(call, 200, "text/event-stream");
	}
	if (r == 0)
		r = jl__rpc_call_stream(call, &source);
	if (r < 0)
		finish_error(call, r, err);
}

static void request(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct serving *s = serving_of(call);
	uint64_t offset = sse_offset(jl__rpc_call_header(call, "last-event-id"));
	jl_job_info *info;
	jl_error *err = NULL;
	int r = jl_node_get(s->node, jl__rpc_call_component(call, 0), &info, &err);

	(void)data;
	(void)len;
	if (r < 0) {
		finish_error(call, id_error(r), err);
		return;
	}
	/* A browser comes back after a normal end: 204 tells it not to. */
	if (offset && has_ended(info) &&
	    offset >= jl_job_info_get_number(info, JL_INFO_LOG_BYTES)) {
		(void)jl__rpc_call_respond(call, 204, "text/event-stream");
		jl__rpc_call_finish(call, JL__RPC_OK, NULL);
	} else {
		start(call, info, offset);
	}
	jl_job_info_free(info);
}

static void closed(struct jl__rpc_call *call)
{
	struct sse *sse = jl__rpc_call_data(call);

	if (!sse)
		return;
	if (sse->follow.s)
		leave(sse);
	follow_close(&sse->follow);
	free(sse);
}

const struct jl__rpc_handler http_log = { .request = request, .closed = closed };
