/* SPDX-License-Identifier: MIT */
#include "served.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "rpc/pb.h"

struct served_counts served;

static uint64_t now_usec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void answer(struct jl__rpc_call *call, const void *data, size_t len)
{
	uint8_t *message = malloc(len + 16);
	size_t head;
	int r;

	if (!message)
		abort();
	head = len ? jl__pb_put_head(message, 1, len) : 0;
	memcpy(message + head, data, len);
	r = jl__rpc_call_send(call, message, head + len);
	free(message);
	if (r == -EMSGSIZE)
		jl__rpc_call_finish(call, JL__RPC_RESOURCE_EXHAUSTED,
				    "the answer is larger than clients accept");
	else
		jl__rpc_call_finish(call, JL__RPC_OK, NULL);
}

static void answer_number(struct jl__rpc_call *call, uint64_t number)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%" PRIu64, number);

	answer(call, text, (size_t)len);
}

/* The bytes of a Bytes; false: it was no message, and the call is answered. */
static bool bytes_of(struct jl__rpc_call *call, const uint8_t *data, size_t len,
		     struct jl__pb_field *field)
{
	struct jl__pb_walk walk;
	struct jl__pb_field one;
	int r;

	memset(field, 0, sizeof(*field));
	jl__pb_walk_init(&walk, data, len);
	while ((r = jl__pb_next(&walk, &one)) > 0)
		if (one.number == 1 && one.type == 2)
			*field = one;
	if (r < 0)
		jl__rpc_call_finish(call, JL__RPC_INVALID_ARGUMENT,
				    "this is no message of test.Bytes");
	return r == 0;
}

struct stream {
	uint64_t count, sent;
	uint32_t size, pause_ms;
	int code;
	char text[256];
	uint64_t next_usec;
	struct jl__rpc_call *call;
	struct stream *next;
};

static struct stream *paused;

static void forget_stream(const struct stream *stream)
{
	struct stream **link = &paused;

	while (*link && *link != stream)
		link = &(*link)->next;
	if (*link)
		*link = stream->next;
}

static struct jl__rpc_call *held_upload;

bool served_tick(void)
{
	for (struct stream *one = paused; one; one = one->next)
		jl__rpc_call_wake(one->call);
	if (held_upload) {
		struct jl__rpc_call *call = held_upload;

		held_upload = NULL;
		jl__rpc_call_resume(call);
	}
	return paused || held_upload;
}

static void closed(struct jl__rpc_call *call)
{
	served.closed++;
	forget_stream(jl__rpc_call_data(call));
	if (held_upload == call)
		held_upload = NULL;
	free(jl__rpc_call_data(call));
}

static void unary(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct jl__pb_field field;

	served.requests++;
	if (bytes_of(call, data, len, &field))
		answer(call, field.data ? field.data : (const uint8_t *)"", field.len);
}

static void large(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct jl__pb_field field;

	served.requests++;
	if (bytes_of(call, data, len, &field))
		answer_number(call, field.len);
}

static void never(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	(void)call, (void)data, (void)len;
	served.requests++;
}

static struct stream *stream_of(const uint8_t *data, size_t len)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	struct jl__pb_walk walk;
	struct jl__pb_field field;

	if (!stream)
		abort();
	jl__pb_walk_init(&walk, data, len);
	while (jl__pb_next(&walk, &field) > 0) {
		if (field.number == 1)
			stream->count = field.value;
		if (field.number == 2)
			stream->size = (uint32_t)field.value;
		if (field.number == 3)
			stream->pause_ms = (uint32_t)field.value;
		if (field.number == 4)
			stream->code = (int)field.value;
		if (field.number == 5 && field.len < sizeof(stream->text))
			memcpy(stream->text, field.data, field.len);
	}
	return stream;
}

static ssize_t stream_read(struct jl__rpc_call *call, void *data, uint8_t *to,
			   size_t size)
{
	struct stream *stream = data;
	size_t head = 0, len = stream->size;
	uint64_t now = now_usec();

	served.reads++;
	if (stream->count && stream->sent == stream->count) {
		if (stream->code)
			jl__rpc_call_finish(call, stream->code, stream->text);
		return 0;
	}
	if (stream->pause_ms && now < stream->next_usec)
		return -EAGAIN;
	stream->next_usec = now + stream->pause_ms * 1000ull;
	stream->sent++;
	if (len + 15 > size)
		len = size - 15;
	head = jl__pb_put_head(to, 1, len);
	memset(to + head, 'x', len);
	/* Each one differs. */
	if (len >= 8)
		memcpy(to + head, &stream->sent, 8);
	return (ssize_t)(head + len);
}

static void stream_start(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct stream *stream = stream_of(data, len);
	struct jl__rpc_source source = { stream_read, stream, 65536 };

	served.requests++;
	jl__rpc_call_set_data(call, stream);
	if (stream->size <= 1000)
		source.room = 1024;
	if (stream->pause_ms) {
		stream->call = call;
		stream->next = paused;
		paused = stream;
	}
	(void)jl__rpc_call_stream(call, &source);
}

static void fail(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct stream *stream = stream_of(data, len);

	served.requests++;
	jl__rpc_call_set_data(call, stream);
	jl__rpc_call_finish(call, stream->code, stream->text);
}

static void sized(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct stream *stream = stream_of(data, len);
	void *bytes = calloc(1, stream->size + 1);

	served.requests++;
	if (!bytes)
		abort();
	answer(call, bytes, stream->size);
	free(bytes);
	free(stream);
}

static void upload_opened(struct jl__rpc_call *call)
{
	served.opened++;
	jl__rpc_call_set_data(call, calloc(1, sizeof(uint64_t)));
}

static void upload_part(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct jl__pb_field field;
	uint64_t *sum = jl__rpc_call_data(call);

	served.parts++;
	served.part_bytes += (unsigned)len;
	if (!bytes_of(call, data, len, &field))
		return;
	*sum += field.len;
	if (field.len == 5 && memcmp(field.data, "pause", 5) == 0) {
		jl__rpc_call_pause(call);
		held_upload = call;
	}
	if (field.len == 4 && memcmp(field.data, "stop", 4) == 0)
		jl__rpc_call_finish(call, JL__RPC_FAILED_PRECONDITION, "this is enough");
}

static void upload_end(struct jl__rpc_call *call)
{
	const uint64_t *sum = jl__rpc_call_data(call);

	answer_number(call, *sum);
}

static void counts(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct jl__rpc_counts now;
	char text[256];

	(void)data, (void)len;
	served.requests++;
	jl__rpc_server_counts(jl__rpc_call_server(call), &now);
	len = (size_t)snprintf(text, sizeof(text),
			       "calls=%u closed=%u connections=%u upload=%" PRIu64
			       " dropped=%u requests=%u turn=%u",
			       now.calls, served.closed, now.connections,
			       now.upload_bytes, served.dropped, served.requests,
			       served.most_reads);
	answer(call, text, len);
}

static void healthz(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	(void)data, (void)len;
	served.requests++;
	(void)jl__rpc_call_send(call, "ok\n", 3);
	jl__rpc_call_finish(call, JL__RPC_OK, NULL);
}

static void hello(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	char text[512];

	(void)data;
	served.requests++;
	if (strcmp(jl__rpc_call_component(call, 0), "missing") == 0) {
		jl__rpc_call_finish(call, JL__RPC_NOT_FOUND, "no \"missing\" here");
		return;
	}
	(void)jl__rpc_call_respond(call, 200, "application/json");
	len = (size_t)snprintf(text, sizeof(text),
			       "{\"id\":\"%s\",\"query\":\"%s\",\"last\":\"%s\","
			       "\"peer\":\"%s\"}\n",
			       jl__rpc_call_component(call, 0), jl__rpc_call_query(call),
			       jl__rpc_call_header(call, "last-event-id"),
			       jl__rpc_call_peer(call)->common_name);
	(void)jl__rpc_call_send(call, text, len);
	jl__rpc_call_finish(call, JL__RPC_OK, NULL);
}

struct events {
	uint64_t at, count;
	bool broken;
};

static ssize_t events_read(struct jl__rpc_call *call, void *data, uint8_t *to,
			   size_t size)
{
	struct events *events = data;

	(void)call;
	if (events->at == events->count)
		return events->broken ? -EIO : 0;
	events->at++;
	return snprintf((char *)to, size, "id: %" PRIu64 "\ndata: line %" PRIu64 "\n\n",
			events->at, events->at);
}

static void events(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct events *events = calloc(1, sizeof(*events));
	const char *last = jl__rpc_call_header(call, "last-event-id");
	const struct jl__rpc_source source = { events_read, events, 256 };

	(void)data, (void)len;
	served.requests++;
	if (!events)
		abort();
	events->count = strtoull(jl__rpc_call_component(call, 0), NULL, 10);
	events->at = strtoull(last, NULL, 10);
	events->broken = strcmp(jl__rpc_call_query(call), "broken") == 0;
	jl__rpc_call_set_data(call, events);
	(void)jl__rpc_call_respond(call, 200, "text/event-stream");
	(void)jl__rpc_call_stream(call, &source);
}

#define HANDLER(function) \
	(&(const struct jl__rpc_handler){ .request = (function), .closed = closed })
#define ANY (ROLE_READ | ROLE_WRITE)

static const struct jl__rpc_handler upload = { .opened = upload_opened,
					       .part = upload_part,
					       .parts_end = upload_end,
					       .closed = closed };

const struct jl__rpc_method served_methods[] = {
	{ "/test.Echo/Unary", NULL, ANY, JL__RPC_UNARY, 0, HANDLER(unary), NULL },
	{ "/test.Echo/Fail", NULL, ANY, JL__RPC_UNARY, 0, HANDLER(fail), NULL },
	{ "/test.Echo/Stream", NULL, ANY, JL__RPC_STREAM, 0, HANDLER(stream_start),
	  NULL },
	{ "/test.Echo/Upload", NULL, ANY, JL__RPC_UPLOAD, 1 << 20, &upload, NULL },
	{ "/test.Echo/Large", NULL, ANY, JL__RPC_UNARY, 128 << 20, HANDLER(large), NULL },
	{ "/test.Echo/Write", "write", ROLE_WRITE, JL__RPC_UNARY, 128 << 20,
	  HANDLER(unary), NULL },
	{ "/test.Echo/NotYet", NULL, ANY, JL__RPC_UNARY, 0, NULL, NULL },
	{ "/test.Echo/Never", NULL, ANY, JL__RPC_UNARY, 0, HANDLER(never), NULL },
	{ "/test.Echo/Counts", NULL, ANY, JL__RPC_UNARY, 0, HANDLER(counts), NULL },
	{ "/test.Echo/Sized", NULL, ANY, JL__RPC_UNARY, 0, HANDLER(sized), NULL },
	{ "/healthz", NULL, ANY, JL__RPC_GET, 0, HANDLER(healthz), NULL },
	{ "/v1/hello/*", NULL, ANY, JL__RPC_GET, 0, HANDLER(hello), NULL },
	{ "/v1/jobs/*/log", NULL, ANY, JL__RPC_GET, 0, HANDLER(events), NULL },
	{ "/v1/write", "write", ROLE_WRITE, JL__RPC_GET, 0, HANDLER(healthz), NULL },
	{ 0 },
};

/* OU admin may everything, viewer may read; local users and clear connections
 * all. */
static void identify(void *data, struct jl__rpc_peer *peer)
{
	(void)data;
	served.identified++;
	peer->role = "unknown";
	if (!peer->certified) {
		peer->roles = ANY;
		peer->role = "local";
	}
	for (unsigned i = 0; i < peer->n_units && !peer->roles; i++) {
		if (strcmp(peer->units[i], "admin") == 0) {
			peer->roles = ANY;
			peer->role = "admin";
		} else if (strcmp(peer->units[i], "viewer") == 0) {
			peer->roles = ROLE_READ;
			peer->role = "viewer";
		}
	}
}

static void forget(void *data, struct jl__rpc_peer *peer)
{
	(void)data, (void)peer;
	served.forgotten++;
}

static void refused(void *data, const struct jl__rpc_peer *peer,
		    const struct jl__rpc_method *method)
{
	(void)data, (void)peer, (void)method;
	served.refused++;
}

static void dropped(void *data, const char *address, const char *reason)
{
	(void)data;
	served.dropped++;
	(void)snprintf(served.last_drop, sizeof(served.last_drop), "%s", reason);
	if (getenv("SERVED_VERBOSE"))
		(void)fprintf(stderr, "%s: %s\n", address, reason);
}

static const char *unknown(void *data, const char *path)
{
	(void)data;
	return strncmp(path, "/test.Old/", 10) == 0 ? "use test.Echo instead" : NULL;
}

const struct jl__rpc_hooks served_hooks = { identify, forget,  refused,
					    dropped,  unknown, NULL };
